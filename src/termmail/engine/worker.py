"""What the workers of the engine have in common: a thread for each account, its requests, what stops it, and waiting."""

from __future__ import annotations

import abc
import logging
import threading
import time
from collections import deque
from typing import Generic

import msgspec

from termmail.engine.connector import STEADY_SECONDS, Connector, SessionT, back_off
from termmail.engine.idle import RENEW_SECONDS
from termmail.engine.status import StatusBoard, state_after
from termmail.model.account import Account
from termmail.model.errors import INTERNAL_FAULT, Cancelled, Retry, StorageFailed, TermmailError
from termmail.model.status import ConnectionState, Request, RequestKind, RequestState
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal

_log = logging.getLogger(__name__)

_OFFLINE = "termmail works offline. Switch the network on to fetch mail."


class Pace(msgspec.Struct, frozen=True):
    """How often a worker looks at the server, in seconds: with IDLE on the inbox, without, thoroughly, and after edits; and how
    often at a POP3 maildrop, and at its Maildirs for what other programs did there."""

    poll: float = 180.0
    poll_without_idle: float = 60.0
    thorough: float = 900.0
    after_edits: float = 5.0
    idle_renew: float = RENEW_SECONDS
    maildrop: float = 300.0
    folders: float = 5.0


class AccountWorker(abc.ABC, Generic[SessionT]):
    """A thread for one account. All methods may be called from any thread and return at once, but for `join`."""

    def __init__(
        self,
        account: Account,
        ingest: Ingest,
        journal: Journal,
        connector: Connector[SessionT],
        *,
        offline: bool,
        pace: Pace | None = None,
    ) -> None:
        self.account = account
        self.board = StatusBoard(ingest, account.name)
        self._ingest = ingest
        self._journal = journal
        self._connector = connector
        self._pace = pace or Pace()
        self._thread = threading.Thread(target=self._run, name=account.name, daemon=True)
        self._ending = threading.Event()
        self._offline = offline
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._taken: list[Request] = []
        self._asked = False
        self._edits = False
        self._failures = 0
        self._connected_at = 0.0
        self._blocked = False
        self._retry_at = 0.0
        self._pass_due = 0.0
        # When the server lets this account sign in again, in monotonic seconds.
        self._sign_in_at = 0.0

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
        with self._lock:
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
        """Finish the operation under way and end. With no connection yet there is none."""
        self._ending.set()
        self._connector.abort_connecting()
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
                self._fail(TermmailError(INTERNAL_FAULT))
        self._finish()

    def _should_stop(self) -> bool:
        return self._ending.is_set() or self._offline

    # what each kind of account does in its own way

    @abc.abstractmethod
    def _cycle(self) -> None:
        """Do what is due now, or wait until something is."""

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Forget the connections."""

    @abc.abstractmethod
    def _finish(self) -> None:
        """The engine ends."""

    def _rests(self) -> bool:
        """Whether nothing is to be done on the network: it is off, the user has to do something, or it is too early to try again."""
        if self._offline:
            self._disconnect()
            self.board.mute(True)
            self._answer_all(_OFFLINE)
            return True
        if self._blocked and not self._take_asked():
            self._answer_all(self.board.status.sentence)
            return True
        if time.monotonic() < self._retry_at and not self._take_asked():
            return True
        self._blocked = False
        self._retry_at = 0.0
        return False

    @property
    def _rest_until(self) -> float | None:
        """When a rest is over, in monotonic seconds; None where somebody has to end it."""
        return None if self._offline or self._blocked else self._retry_at

    # requests

    def _take_requests(self) -> list[Request]:
        with self._lock:
            taken = list(self._requests)
            self._requests.clear()
        self._taken += taken
        return taken

    def _take_bodies(self) -> list[Request]:
        """Of the requests those for bodies, which somebody waits for."""
        with self._lock:
            taken = [request for request in self._requests if request.kind is RequestKind.BODY]
            for request in taken:
                self._requests.remove(request)
        self._taken += taken
        return taken

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
        return bool(self._requests) or self._edits

    def _wait(self, until: float | None) -> None:
        timeout = None if until is None else max(0.0, until - time.monotonic())
        if not self._woken.wait(timeout) and until is not None and until < self._pass_due:
            self._edits = True
        self._woken.clear()

    # ends

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
        state = state_after(error)
        if state is not ConnectionState.WAITING or error.retry is Retry.NEVER:
            self._block(state, error)
            return
        if time.monotonic() - self._connected_at > STEADY_SECONDS:
            self._failures = 0
        self._failures += 1
        pause = max(back_off(self._failures), self._sign_in_at - time.monotonic())
        self.board.say(ConnectionState.WAITING, error.sentence, next_at=time.time() + pause)
        self._retry_at = time.monotonic() + pause

    def _block(self, state: ConnectionState, error: TermmailError) -> None:
        self._blocked = True
        if self.board.status.sentence != error.sentence:
            self._ingest.add_problem(self.account.name, error.sentence, detail=error.detail)
        self.board.say(state, error.sentence)
