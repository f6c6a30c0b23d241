"""The engine: the one process per home that talks to servers."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable

from termmail.accounts import config, credentials
from termmail.engine.hardening import harden
from termmail.engine.imap_worker import ImapWorker
from termmail.engine.lock import EngineLock
from termmail.engine.log import close_log, open_log
from termmail.engine.pop3_worker import Pop3Worker
from termmail.engine.socket import EngineSocket
from termmail.engine.worker import AccountWorker, Pace
from termmail.model.account import Account, Protocol
from termmail.model.crash import crash_point
from termmail.model.errors import ConfigError, StorageFailed, StoreTooNew, TermmailError
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.model.status import Request, RequestState
from termmail.protocols import imap, pop3
from termmail.protocols.redact import Redactor
from termmail.store.database import storage_errors
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
    imap.on_command = pop3.on_command = crash_point
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
        self._workers: dict[str, AccountWorker] = {}
        self._config_seen: object = None
        self._offline = False
        self._ending = False
        self._exit_code = EXIT_OK
        self._data_version = -1

    def run(self) -> int:
        """Until the end; see `run_engine`."""
        sentence = rebuild_if_damaged(self._home, locked=True)
        if sentence:
            _log.warning("%s", sentence)
        self._ingest = Ingest(self._home, checkpoints=True)
        self._journal = Journal(self._ingest.database)
        self._schema = schema_version(self._ingest.database.reader())
        try:
            unclean = self._ingest.begin_session()
            self._ingest.reset_running()
            self._ingest.sweep_leftovers(unclean=unclean)
            self._offline = self._ingest.work_offline()
            self._serve()
            self._ingest.end_session()
        finally:
            self._ingest.close()
        return self._exit_code

    def _serve(self) -> None:
        socket = EngineSocket(self._home, lambda: None, self._take_password)
        woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signals = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        _log.info("the engine runs")
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(socket, selectors.EVENT_READ, socket.accept)
                selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, 4096))
                if self._child:
                    selector.register(0, selectors.EVENT_READ, self._read_stdin)
                self._loop(selector)
        finally:
            self._end_workers(list(self._workers.values()))
            socket.close()
            signal.set_wakeup_fd(-1)
            for number, before in signals.items():
                signal.signal(number, before)
            os.close(woken)
            os.close(wake)
            _log.info("the engine ended")

    def _loop(self, selector: selectors.BaseSelector) -> None:
        config_at = 0.0
        while not self._ending:
            now = time.monotonic()
            try:
                if now >= config_at:
                    config_at = now + _CONFIG_SECONDS
                    self._look_at_config()
                    self._look_at_schema()
                self._look_at_store()
            except StorageFailed as error:
                # A full disk, mostly: the workers say so in their rows; here it only has to go on.
                _log.warning("%s %s", error.sentence, error.detail)
                time.sleep(_CONFIG_SECONDS)
            for key, _ in selector.select(_POLL_SECONDS):
                ready: Callable[[], object] = key.data
                ready()

    def _on_signal(self, number: int, frame: object) -> None:
        self._ending = True

    def _read_stdin(self) -> None:
        if not os.read(0, 4096):
            self._ending = True

    # what front ends wrote

    def _look_at_store(self) -> None:
        with storage_errors("read the mail database"):
            version = self._ingest.database.data_version()
        if version == self._data_version:
            return
        self._data_version = version
        offline = self._ingest.work_offline()
        if offline != self._offline:
            for worker in self._workers.values():
                worker.set_offline(offline)
            self._offline = offline
        for request in self._ingest.take_requests():
            self._hand_over(request)
        now = time.time()
        for name, worker in self._workers.items():
            due = self._journal.next_due(name)
            if due is not None and due <= now:
                worker.edits_wait()

    def _hand_over(self, request: Request) -> None:
        worker = self._workers.get(request.account)
        if worker is None:
            sentence = f"There is no account named {request.account}. `termmail account list` shows those there are."
            self._ingest.finish_request(request.id, RequestState.FAILED, sentence)
        else:
            worker.ask(request)

    def _look_at_schema(self) -> None:
        if schema_version(self._ingest.database.reader()) != self._schema:
            _log.warning("a newer termmail has changed the mail database; this engine ends")
            self._exit_code = EXIT_TOO_NEW
            self._ending = True

    # accounts

    def _look_at_config(self) -> None:
        """Start, restart and end workers as the config file says."""
        seen = self._config_stamp()
        if seen == self._config_seen:
            return
        try:
            accounts = config.load(self._home).accounts
        except ConfigError as error:
            _log.warning("%s", error.sentence)
            self._ingest.add_problem("", error.sentence)
            self._config_seen = seen
            return
        self._ingest.register_accounts(accounts)
        wanted = {account.name: account for account in accounts}
        over = [worker for name, worker in self._workers.items() if wanted.get(name) != worker.account]
        self._end_workers(over)
        self._workers = {name: worker for name, worker in self._workers.items() if worker not in over}
        for name, account in wanted.items():
            if name not in self._workers:
                kind = ImapWorker if account.protocol is Protocol.IMAP else Pop3Worker
                self._workers[name] = worker = kind(
                    account, self._ingest, self._journal, self._password, offline=self._offline, pace=self._pace
                )
                worker.start()
        self._config_seen = seen

    def _config_stamp(self) -> object:
        try:
            found = self._home.config_file.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageFailed(f"{self._home.config_file} could not be read: {error.strerror}.") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    @staticmethod
    def _end_workers(workers: list[AccountWorker]) -> None:
        """Let them finish what is under way; what does not end in a few seconds is cut off."""
        for worker in workers:
            worker.end()
        deadline = time.monotonic() + _GRACE_SECONDS
        late = [worker for worker in workers if not worker.join(deadline - time.monotonic())]
        for worker in late:
            worker.abort()
        for worker in late:
            worker.join(1.0)

    # passwords

    def _password(self, account: Account) -> Secret:
        secret = credentials.password(account)
        self._redactor.add(secret)
        return secret

    def _take_password(self, account: str, secret: Secret) -> None:
        self._redactor.add(secret)
        credentials.remember(account, secret)
        worker = self._workers.get(account)
        if worker is not None:
            worker.try_again()


def engine_exit_code(error: TermmailError) -> int:
    """How a process ends that could not begin for this reason."""
    if isinstance(error, StoreTooNew):
        return EXIT_TOO_NEW
    return EXIT_STORAGE
