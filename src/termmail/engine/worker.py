"""One account's worker: connect, sync, carry out edits, fetch bodies, wait, for as long as the engine runs."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from termmail.engine.connector import STEADY_SECONDS, Connector, back_off
from termmail.engine.idle import RENEW_SECONDS, IdleWatch
from termmail.engine.status import StatusBoard
from termmail.model.account import Account
from termmail.model.errors import (
    Cancelled,
    CredentialUnavailable,
    InsecureConnection,
    Retry,
    SignInRefused,
    StorageFailed,
    TermmailError,
)
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState, Request, RequestKind, RequestState
from termmail.protocols.imap import ImapSession
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.sync.imap import ImapSync, Urgent

_log = logging.getLogger(__name__)

_OFFLINE = "termmail works offline. Switch the network on to fetch mail."
_INTERNAL = "Something went wrong inside termmail; the log file says what. It is tried again."
_LAST_EDITS_SECONDS = 3.0


class Pace(msgspec.Struct, frozen=True):
    """How often a worker looks at the server, in seconds: with IDLE on the inbox, without, thoroughly, and after edits."""

    poll: float = 180.0
    poll_without_idle: float = 60.0
    thorough: float = 900.0
    after_edits: float = 5.0
    idle_renew: float = RENEW_SECONDS


class AccountWorker:
    """A thread for one account. All methods may be called from any thread and return at once, but for `join`."""

    def __init__(
        self,
        account: Account,
        ingest: Ingest,
        journal: Journal,
        password: Callable[[Account], Secret],
        *,
        offline: bool,
        pace: Pace | None = None,
    ) -> None:
        self.account = account
        self.board = StatusBoard(ingest, account.name)
        self._ingest = ingest
        self._journal = journal
        self._pace = pace or Pace()
        self._connector = Connector(account, password)
        self._thread = threading.Thread(target=self._run, name=account.name, daemon=True)
        self._ending = threading.Event()
        self._offline = offline
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._taken: list[Request] = []
        self._hinted = False
        self._asked = False
        self._edits = False
        self._idle: IdleWatch | None = None

        self._session: ImapSession | None = None
        self._sync: ImapSync | None = None
        self._failures = 0
        self._connected_at = 0.0
        self._blocked = False
        self._pass_due = 0.0
        self._thorough_due = 0.0

    # from other threads

    def start(self) -> None:
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Carry a request out; a SYNC also tries again what waits for the user."""
        with self._lock:
            self._requests.append(request)
        self._woken.set()

    def try_again(self) -> None:
        """The user did something about what stopped the account, such as giving a password."""
        self._asked = True
        self._woken.set()

    def edits_wait(self) -> None:
        """The journal may hold something for this account."""
        self._edits = True
        self._woken.set()

    def set_offline(self, offline: bool) -> None:
        """Switch the network off, which ends what is under way at once, or on again."""
        self._offline = offline
        self.board.mute(offline)
        if offline:
            self._connector.abort_all()
        else:
            self.try_again()
        self._woken.set()

    def end(self) -> None:
        """Finish the operation under way and end."""
        self._ending.set()
        self._woken.set()

    def abort(self) -> None:
        """End whatever waits for a server."""
        self._ending.set()
        self._connector.abort_all()
        self._woken.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; False where it did not come in time."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    # the thread

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._cycle()
            except Cancelled:
                if not self._ending.is_set():
                    self._disconnect()
            except TermmailError as error:
                self._fail(error)
            except Exception:  # noqa: BLE001 - logged with its cause, and the thread has to go on
                _log.exception("the worker failed")
                self._fail(TermmailError(_INTERNAL))
        self._finish()

    def _should_stop(self) -> bool:
        return self._ending.is_set() or self._offline

    def _cycle(self) -> None:
        """Do what is due now, or wait until something is."""
        if self._offline:
            self._disconnect()
            self.board.mute(True)
            self._answer_all(_OFFLINE)
            self._wait(None)
            return
        if self._blocked and not self._take_asked():
            self._answer_all(self.board.status.sentence)
            self._wait(None)
            return
        sync = self._connected()
        requests = self._take_requests()
        self._serve_bodies(sync, requests)
        syncs = [request for request in requests if request.kind is RequestKind.SYNC]
        now = time.monotonic()
        if syncs or now >= self._pass_due or self._hinted:
            self._pass(sync, syncs, thorough=bool(syncs) or now >= self._thorough_due)
        elif self._edits_due():
            self._replay(sync)
        if not self._something_to_do():
            self._wait(self._next_time())

    def _connected(self) -> ImapSync:
        if self._sync is not None:
            return self._sync
        self._blocked = False
        self.board.say(ConnectionState.CONNECTING)
        self._session = session = self._connector.connect(self._should_stop)
        _log.info("connected to %s", session.host)
        self._sync = ImapSync(
            session,
            self._ingest,
            self._journal,
            self.account,
            self.board.progress,
            self._should_stop,
            Urgent(self._take_bodies, self._answer_body, self._edits_due),
        )
        self._connected_at = time.monotonic()
        self._pass_due = 0.0
        self.board.say(ConnectionState.ONLINE, plain=session.plain)
        return self._sync

    def _pass(self, sync: ImapSync, syncs: list[Request], *, thorough: bool) -> None:
        self._hinted = False
        self._edits = False
        wanted = {request.mailbox_id for request in syncs}
        only = wanted.pop() if len(wanted) == 1 and time.monotonic() < self._pass_due else None
        sync.run(mailbox_id=only, thorough=thorough)
        self._note_alerts()
        self.board.say(ConnectionState.ONLINE, synced_at=time.time())
        self._failures = 0
        if only is None:
            now = time.monotonic()
            self._pass_due = now + self._poll_seconds()
            if thorough:
                self._thorough_due = now + self._pace.thorough
        self._watch_inbox()
        sync.bodies(only)
        if thorough:
            self._ingest.expire_kept_bodies()
        self.board.say(ConnectionState.ONLINE, synced_at=time.time())
        for request in syncs:
            self._answer(request, "")

    def _replay(self, sync: ImapSync) -> None:
        self._edits = False
        if sync.replay():
            # What the server made of it is looked at a little later, once for many edits.
            self._pass_due = min(self._pass_due, time.monotonic() + self._pace.after_edits)
        self.board.say(ConnectionState.ONLINE)

    def _note_alerts(self) -> None:
        assert self._session is not None
        for alert in self._session.take_unsolicited().alerts:
            self._ingest.add_problem(self.account.name, alert)

    def _watch_inbox(self) -> None:
        assert self._session is not None
        if self._idle is None and self.account.connections > 1 and self._session.has("IDLE"):
            self._idle = IdleWatch(self.account.name, self._connector, self._hint, renew_seconds=self._pace.idle_renew)
            self._idle.start()

    def _hint(self) -> None:
        self._hinted = True
        self._woken.set()

    def _poll_seconds(self) -> float:
        watched = self._idle is not None and self._idle.watches
        return self._pace.poll if watched else self._pace.poll_without_idle

    # requests

    def _take_requests(self) -> list[Request]:
        with self._lock:
            taken = list(self._requests)
            self._requests.clear()
        self._taken += taken
        return taken

    def _take_bodies(self) -> list[Request]:
        with self._lock:
            taken = [request for request in self._requests if request.kind is RequestKind.BODY]
            for request in taken:
                self._requests.remove(request)
        self._taken += taken
        return taken

    def _serve_bodies(self, sync: ImapSync, requests: list[Request]) -> None:
        for request in requests:
            if request.kind is RequestKind.BODY and request.placement_id is not None:
                self._answer_body(request, sync.fetch_body(request.placement_id))

    def _answer_body(self, request: Request, sentence: str) -> None:
        self._answer(request, sentence)

    def _answer(self, request: Request, sentence: str) -> None:
        state = RequestState.FAILED if sentence else RequestState.DONE
        self._ingest.finish_request(request.id, state, sentence)
        self._taken = [taken for taken in self._taken if taken.id != request.id]

    def _answer_all(self, sentence: str) -> None:
        """Nothing can be done now: say so to whoever waits."""
        self._take_requests()
        for request in list(self._taken):
            self._answer(request, sentence or "The account is not connected.")

    # waiting

    def _edits_due(self) -> bool:
        if self._edits:
            self._edits = False
            due = self._journal.next_due(self.account.name)
            return due is not None and due <= time.time()
        return False

    def _take_asked(self) -> bool:
        with self._lock:
            asked = self._asked or any(request.kind is RequestKind.SYNC for request in self._requests)
        self._asked = False
        return asked

    def _something_to_do(self) -> bool:
        return bool(self._requests) or self._edits or self._hinted

    def _next_time(self) -> float:
        """When to look again, in monotonic seconds."""
        due = self._journal.next_due(self.account.name)
        if due is None:
            return self._pass_due
        # Never at once: what is due and still there could not be done.
        return min(self._pass_due, time.monotonic() + max(1.0, due - time.time()))

    def _wait(self, until: float | None) -> None:
        timeout = None if until is None else max(0.0, until - time.monotonic())
        if not self._woken.wait(timeout) and until is not None and until < self._pass_due:
            self._edits = True
        self._woken.clear()

    # ends

    def _disconnect(self) -> None:
        """Forget the connections."""
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.stop()
        session, self._session, self._sync = self._session, None, None
        if session is not None:
            self._connector.drop(session)

    def _fail(self, error: TermmailError) -> None:
        """Say what is wrong; wait for the user, or a little longer after each failure."""
        _log.warning("%s %s", error.sentence, error.detail)
        self._disconnect()
        try:
            self._say_failed(error)
        except StorageFailed as refused:
            # Where the disk refuses even this, the log has to do.
            _log.warning("%s %s", refused.sentence, refused.detail)
            self._ending.wait(back_off(1))

    def _say_failed(self, error: TermmailError) -> None:
        self._answer_all(error.sentence)
        match error:
            case SignInRefused() | CredentialUnavailable():
                self._block(ConnectionState.SIGN_IN, error)
                return
            case InsecureConnection():
                self._block(ConnectionState.INSECURE, error)
                return
        if error.retry is Retry.NEVER:
            self._block(ConnectionState.WAITING, error)
            return
        if time.monotonic() - self._connected_at > STEADY_SECONDS:
            self._failures = 0
        self._failures += 1
        pause = back_off(self._failures)
        self.board.say(ConnectionState.WAITING, error.sentence, next_at=time.time() + pause)
        until = time.monotonic() + pause
        while not self._should_stop() and not self._take_asked() and (left := until - time.monotonic()) > 0:
            self._woken.wait(left)
            self._woken.clear()

    def _block(self, state: ConnectionState, error: TermmailError) -> None:
        self._blocked = True
        self._ingest.add_problem(self.account.name, error.sentence, detail=error.detail)
        self.board.say(state, error.sentence)

    def _finish(self) -> None:
        """The engine ends: what the user did is carried out if that is quick."""
        session = self._session
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.stop()
        try:
            if session is not None and not self._offline and self._journal.pending_count(self.account.name):
                deadline = time.monotonic() + _LAST_EDITS_SECONDS
                ImapSync(
                    session,
                    self._ingest,
                    self._journal,
                    self.account,
                    self.board.progress,
                    lambda: time.monotonic() > deadline,
                ).replay()
        except TermmailError as error:
            _log.info("%s", error.sentence)
        except Exception:  # noqa: BLE001 - logged with its cause, and the rest has to be closed
            _log.exception("the last edits failed")
        self._session = self._sync = None
        if session is not None:
            self._connector.close(session)
            with contextlib.suppress(StorageFailed):
                self.board.say(ConnectionState.UNKNOWN)
