"""The worker that sends an account's mail: on its own, so that neither receiving nor another account waits for it (S15)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from termmail.engine.connector import back_off
from termmail.engine.status import StatusBoard
from termmail.engine.submit_once import OFFLINE, make_submitter
from termmail.model.account import Account
from termmail.model.errors import (
    INTERNAL_FAULT,
    Cancelled,
    CredentialUnavailable,
    Retry,
    SignInRefused,
    StorageFailed,
    TermmailError,
)
from termmail.model.outgoing import LINGER_SECONDS
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState
from termmail.store.ingest import Ingest
from termmail.store.outbox import Outbox

_log = logging.getLogger(__name__)

ANSWER_SECONDS = 600.0
"""For this long the answer to a whole message is waited for even then: without it nobody knows whether it was sent (O2)."""

_CONNECT_SECONDS = 4.0
_SHORTEST_SLEEP = 1.0
_LONGEST_SLEEP = 30.0
_NEVER = float("inf")


class SubmissionWorker:
    """A thread that submits what one account's outbox holds. All methods may be called from any thread and return at once, but for
    `join`.

    `nudge` is called when copies were put on their way to Sent. `board` is the account's, which receiving writes too: only a refused
    password and how far a long message is are told there.
    """

    def __init__(
        self,
        account: Account,
        ingest: Ingest,
        password: Callable[[Account], Secret],
        board: StatusBoard,
        nudge: Callable[[], None],
        *,
        offline: bool,
    ) -> None:
        self.account = account
        self._ingest = ingest
        self._board = board
        self._nudge = nudge
        self._outbox = Outbox(ingest.database)
        self._submitter, self._connector = make_submitter(account, ingest, password, board)
        self._thread = threading.Thread(target=self._run, name=f"{account.name} sending", daemon=True)
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._offline = offline
        self._asked = False
        self._busy = True
        self._blocked: TermmailError | None = None
        self._said: AccountStatus | None = None
        self._said_before: AccountStatus | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._sleeps_until = 0.0

    # from other threads

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """The outbox may have changed."""
        if self._submitter.is_to_stop:
            self._connector.abort_all()
        due = self._outbox.next_due(self.account.name)
        if due is not None and due < self._sleeps_until:
            self._woken.set()

    def try_again(self) -> None:
        """The user did something about what stopped the account, such as giving a password."""
        self._asked = True
        self._woken.set()

    def set_offline(self, offline: bool) -> None:
        """Switch the network off, which ends what is under way unless its answer is all that is missing, or on again."""
        self._offline = offline
        if offline:
            if not self._submitter.handed_over:
                self._connector.abort_all()
        else:
            self._asked = True
        self._woken.set()

    def is_worth_waiting_for(self, seconds: float) -> bool:
        """Whether the engine, asked to end so many seconds ago, should go on for this account: a message is under way, or due soon and
        nothing is known to be in its way."""
        if not self._thread.is_alive():
            return False
        if self._submitter.handed_over:
            return seconds < ANSWER_SECONDS
        if seconds >= LINGER_SECONDS:
            return False
        if self._busy and self._submitter.connected:
            return True
        if self._offline or self._blocked is not None or time.monotonic() < self._retry_at:
            return False
        due = self._outbox.next_due(self.account.name, untroubled=True)
        if due is None or due > time.time() + LINGER_SECONDS - seconds:
            return False
        # A server that does not answer soon is left to the next engine.
        return min(seconds, time.time() - due) < _CONNECT_SECONDS

    def end(self, *, at_last: bool) -> None:
        """End; what is under way is put back. A message whose answer is all that is missing may have been sent: that is cut off only
        where the whole engine ends, `at_last`."""
        self._ended.set()
        if at_last or not self._submitter.handed_over:
            self._connector.abort_all()
        self._woken.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; False where it did not come in time."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    # the thread

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            # Until it is known for how long this sleeps, any news cuts the sleep short.
            self._sleeps_until = _NEVER
            self._busy = True
            try:
                self._sleeps_until = max(self._cycle(), time.time() + _SHORTEST_SLEEP)
            except StorageFailed as error:
                self._rest(error)
            except Exception:  # noqa: BLE001 - logged with its cause, and the thread has to go on
                _log.exception("the worker failed")
                self._rest(TermmailError(INTERNAL_FAULT))
            finally:
                self._busy = False
            # In short sleeps, since the clock may be set meanwhile.
            self._woken.wait(min(_LONGEST_SLEEP, max(0.0, self._sleeps_until - time.time())))

    def _cycle(self) -> float:
        """Send what is due; returns when to look again (Unix seconds)."""
        left = self._retry_at - time.monotonic()
        if left > 0 and not self._asked:
            return time.time() + left
        asked, self._asked = self._asked, False
        if self._offline:
            self._submitter.hold(OFFLINE)
            return _NEVER
        if asked or (self._blocked is not None and self._submitter.is_asked_for()):
            self._blocked = None
            self._submitter.release()
        if self._blocked is not None:
            self._submitter.hold(self._blocked.sentence)
            self._submitter.file_copies()
            return _NEVER
        self._submit()
        self._failures = 0
        due = self._outbox.next_due(self.account.name)
        return _NEVER if due is None or self._blocked is not None else due

    def _submit(self) -> None:
        filed = self._submitter.filed
        try:
            self._submitter.run(self._should_stop)
            self._say_signed_in()
        except StorageFailed:
            raise
        except Cancelled as error:
            _log.info("%s", error.sentence)
        except TermmailError as error:
            _log.warning("%s %s", error.sentence, error.detail)
            if error.retry is Retry.NEVER:
                self._block(error)
        finally:
            if self._submitter.filed > filed:
                self._nudge()

    def _block(self, error: TermmailError) -> None:
        """Wait for the user."""
        self._blocked = error
        if self._board.status.sentence != error.sentence:
            # A sign-in that is no longer good stops receiving and sending alike, and is one problem.
            self._ingest.add_problem(self.account.name, error.sentence, detail=error.detail)
        if isinstance(error, SignInRefused | CredentialUnavailable):
            self._said_before = self._board.status
            self._board.say(ConnectionState.SIGN_IN, error.sentence)
            self._said = self._board.status

    def _say_signed_in(self) -> None:
        """What was said of the password no longer holds, unless receiving has said something else since."""
        before, self._said_before = self._said_before, None
        if before is not None and self._board.status == self._said:
            self._board.say(before.state, before.sentence, next_at=before.next_at)

    def _rest(self, error: TermmailError) -> None:
        """Nothing can be done at all for a while: a full disk, mostly."""
        _log.warning("%s %s", error.sentence, error.detail)
        self._failures += 1
        pause = back_off(self._failures)
        self._retry_at = time.monotonic() + pause
        self._sleeps_until = time.time() + pause

    def _should_stop(self) -> bool:
        return self._ended.is_set() or self._offline
