"""The engine: the one process per home that talks to servers."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable

from termmail.accounts import config, credentials
from termmail.accounts.hardening import harden
from termmail.engine.chores import Chores
from termmail.engine.imap_worker import ImapWorker
from termmail.engine.lock import EngineLock
from termmail.engine.log import close_log, open_log
from termmail.engine.opening import begin, end, hook_commands
from termmail.engine.pop3_worker import Pop3Worker
from termmail.engine.socket import EngineSocket
from termmail.engine.submission import SubmissionWorker
from termmail.engine.worker import Pace
from termmail.model.account import Account, Protocol
from termmail.model.errors import ConfigError, StorageFailed, StoreReplaced, StoreTooNew, TermmailError
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.model.status import Request, RequestKind, RequestState
from termmail.protocols.redact import Redactor
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.store.reindex import rebuild_if_damaged
from termmail.store.schema import schema_version

_log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_STORAGE = 74
EXIT_LOST_RACE = 75
EXIT_TOO_NEW = 78

_POLL_SECONDS = 0.05
_CONFIG_SECONDS = 1.0
_GRACE_SECONDS = 4.0


def run_engine(home: Home, *, child: bool = False, pace: Pace | None = None) -> int:
    """Run until SIGTERM or SIGINT, or with `child` until stdin closes; returns the exit code.

    75 where another engine has this home. Raises StorageFailed or StoreTooNew where it can't begin; call it in the main thread.
    """
    harden()
    lock = EngineLock(home)
    if not lock.acquire():
        return EXIT_LOST_RACE
    redactor = Redactor()
    handler = open_log(home, redactor)
    hook_commands()
    try:
        return Engine(home, redactor, child=child, pace=pace).run()
    except TermmailError as error:
        _log.error("%s %s", error.sentence, error.detail)
        raise
    except Exception:
        _log.exception("the engine failed")
        raise
    finally:
        close_log(handler)
        lock.release()


class Engine:
    """Reads wishes from the store and hands them to a worker for each account. Everything here runs in one thread."""

    def __init__(self, home: Home, redactor: Redactor, *, child: bool, pace: Pace | None) -> None:
        self._home = home
        self._redactor = redactor
        self._child = child
        self._pace = pace
        self._workers: dict[str, ImapWorker | Pop3Worker] = {}
        self._submissions: dict[str, SubmissionWorker] = {}
        # Passwords of accounts that the config file does not have yet, by name.
        self._early_passwords: dict[str, Secret] = {}
        self._config_seen: object = None
        self._offline = False
        self._ending_since: float | None = None
        self._at_once = False
        self._exit_code = EXIT_OK
        self._data_version = -1
        self._taken: list[Request] = []

    def run(self) -> int:
        """Until the end; see `run_engine`."""
        sentence = rebuild_if_damaged(self._home, locked=True)
        if sentence:
            _log.warning("%s", sentence)
        self._ingest = Ingest(self._home, checkpoints=True)
        self._journal = Journal(self._ingest.database)
        self._schema = self._read_schema()
        try:
            begin(self._ingest)
            self._chores = Chores(self._ingest.database)
            self._offline = self._ingest.work_offline()
            self._serve()
            end(self._ingest)
        finally:
            self._ingest.close()
        return self._exit_code

    def _serve(self) -> None:
        socket = EngineSocket(self._home, self._take_password, self._signed_in)
        woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signals = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        _log.info("the engine runs")
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(socket, selectors.EVENT_READ, socket.accept)
                selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, 4096))
                if self._child:
                    selector.register(0, selectors.EVENT_READ, lambda: self._read_stdin(selector))
                self._loop(selector)
        finally:
            self._end_workers(list(self._workers), at_last=True)
            socket.close()
            signal.set_wakeup_fd(-1)
            for number, before in signals.items():
                signal.signal(number, before)
            os.close(woken)
            os.close(wake)
            _log.info("the engine ended")

    def _loop(self, selector: selectors.BaseSelector) -> None:
        config_at = 0.0
        while not self._is_over():
            now = time.monotonic()
            try:
                if now >= config_at:
                    config_at = now + _CONFIG_SECONDS
                    self._look_at_config()
                    self._look_at_schema()
                self._look_at_store()
                self._chores.step()
            except StoreReplaced as error:
                # What comes next rebuilds it.
                _log.warning("%s", error.sentence)
                self._exit_code = EXIT_STORAGE
                self._at_once = True
                self._end()
            except StorageFailed as error:
                # A full disk, mostly: the workers say so in their rows; here it only has to go on.
                _log.warning("%s %s", error.sentence, error.detail)
                time.sleep(_CONFIG_SECONDS)
            for key, _ in selector.select(_POLL_SECONDS):
                ready: Callable[[], object] = key.data
                ready()

    def _on_signal(self, number: int, frame: object) -> None:
        # Whoever asks twice does not want to wait for a message that is under way.
        self._at_once = self._ending_since is not None
        self._end()

    def _read_stdin(self, selector: selectors.BaseSelector) -> None:
        if not os.read(0, 4096):
            selector.unregister(0)
            self._end()

    def _end(self) -> None:
        if self._ending_since is None:
            self._ending_since = time.monotonic()

    def _is_over(self) -> bool:
        """Whether the engine was asked to end, and no message is under way or about to be: all goes on as usual until then."""
        if self._ending_since is None:
            return False
        seconds = time.monotonic() - self._ending_since
        if self._at_once:
            return True
        try:
            return not any(one.is_worth_waiting_for(seconds) for one in self._submissions.values())
        except StorageFailed as error:
            _log.warning("%s %s", error.sentence, error.detail)
            return True

    # what front ends wrote

    def _look_at_store(self) -> None:
        version = self._ingest.database.data_version()
        if version == self._data_version:
            return
        offline = self._ingest.work_offline()
        if offline != self._offline:
            for worker in self._workers.values():
                worker.set_offline(offline)
            for submission in self._submissions.values():
                submission.set_offline(offline)
            self._offline = offline
        self._taken += self._ingest.take_requests()
        while self._taken:
            self._hand_over(self._taken[0])
            del self._taken[0]
        now = time.time()
        for name, worker in self._workers.items():
            due = self._journal.next_due(name)
            if due is not None and due <= now:
                worker.edits_wait()
        for submission in self._submissions.values():
            submission.look()
        # Not before all is done: what a full disk kept from it comes round once more.
        self._data_version = version

    def _hand_over(self, request: Request) -> None:
        if request.account not in self._workers:
            # It may just have been added.
            self._look_at_config()
        worker = self._workers.get(request.account)
        if worker is None:
            sentence = f"There is no account named {request.account}. `termmail account list` shows those there are."
            self._ingest.finish_request(request.id, RequestState.FAILED, sentence)
            return
        worker.ask(request)
        if request.kind is RequestKind.SYNC:
            self._submissions[request.account].try_again()

    def _look_at_schema(self) -> None:
        if self._read_schema() != self._schema:
            _log.warning("a newer termmail has changed the mail database; this engine ends")
            self._exit_code = EXIT_TOO_NEW
            self._at_once = True
            self._end()

    def _read_schema(self) -> int:
        with self._ingest.database.read() as reader:
            return schema_version(reader)

    # accounts

    def _look_at_config(self) -> None:
        """Start, restart and end workers as the config file says."""
        seen = self._config_stamp()
        if seen == self._config_seen:
            return
        try:
            accounts = config.load(self._home).enabled_accounts
        except ConfigError as error:
            _log.warning("%s", error.sentence)
            self._ingest.add_problem("", error.sentence)
            self._config_seen = seen
            return
        self._ingest.register_accounts(accounts)
        wanted = {account.name: account for account in accounts}
        over = [name for name, worker in self._workers.items() if wanted.get(name) != worker.account]
        self._end_workers(over)
        for name, account in wanted.items():
            if name not in self._workers:
                self._start(account)
        self._config_seen = seen

    def _start(self, account: Account) -> None:
        early = self._early_passwords.pop(account.name, None)
        if early is not None:
            credentials.remember(account, early)
        kind = ImapWorker if account.protocol is Protocol.IMAP else Pop3Worker
        worker = kind(account, self._ingest, self._journal, self._password, offline=self._offline, pace=self._pace)
        submission = SubmissionWorker(
            account, self._ingest, self._password, worker.board, worker.edits_wait, offline=self._offline
        )
        self._workers[account.name], self._submissions[account.name] = worker, submission
        worker.start()
        submission.start()

    def _config_stamp(self) -> object:
        try:
            found = self._home.config_file.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageFailed(f"{self._home.config_file} could not be read: {error.strerror}.") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _end_workers(self, names: list[str], *, at_last: bool = False) -> None:
        """Let them finish what is under way; what does not end in a few seconds is cut off. A message whose answer is all that is
        missing is cut off only when the engine ends."""
        workers = [self._workers.pop(name) for name in names]
        submissions = [self._submissions.pop(name) for name in names]
        for submission in submissions:
            submission.end(at_last=at_last)
        for worker in workers:
            worker.end()
        deadline = time.monotonic() + _GRACE_SECONDS
        late = [worker for worker in workers if not worker.join(deadline - time.monotonic())]
        for worker in late:
            worker.abort()
        for worker in late:
            worker.join(1.0)
        for submission in submissions:
            submission.join(1.0)

    # passwords

    def _password(self, account: Account) -> Secret:
        secret = credentials.password(account)
        for known in (secret, *credentials.known_secrets()):
            self._redactor.add(known)
        return secret

    def _take_password(self, account: str, secret: Secret) -> None:
        self._redactor.add(secret)
        configured = self._configured(account)
        if configured is None:
            self._early_passwords[account] = secret
        else:
            credentials.remember(configured, secret)
        self._try_again(account)

    def _configured(self, name: str) -> Account | None:
        """The account as the config file has it now, which its worker may not know yet."""
        try:
            return config.load(self._home).account(name)
        except (ConfigError, StorageFailed):
            # That the file is broken is told where it is looked at.
            worker = self._workers.get(name)
            return None if worker is None else worker.account

    def _signed_in(self, account: str) -> None:
        worker = self._workers.get(account)
        if worker is not None:
            credentials.forget_in_memory(worker.account)
            self._try_again(account)

    def _try_again(self, account: str) -> None:
        for worker in (self._workers.get(account), self._submissions.get(account)):
            if worker is not None:
                worker.try_again()


def engine_exit_code(error: TermmailError) -> int:
    """How a process ends that could not begin for this reason."""
    if isinstance(error, StoreTooNew):
        return EXIT_TOO_NEW
    return EXIT_STORAGE
