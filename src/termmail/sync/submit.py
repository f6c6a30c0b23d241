"""Submits what waits in the outbox of one account, and lets the copies be filed (O1 to O5, O10).

A message is SENDING, durably, before the server gets a byte of it. Whatever ends an attempt before the server has all of it puts the
message back; where the answer was lost it is UNKNOWN; only the server's own no makes it FAILED.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import BinaryIO, Generic, TypeVar
from typing import Protocol as Interface

from termmail.mime.safe_text import safe_text
from termmail.model.account import Account
from termmail.model.errors import (
    INTERNAL_FAULT,
    Cancelled,
    ConfigError,
    ConnectionLost,
    OutcomeUnknown,
    Retry,
    Scope,
    StorageFailed,
    SubmissionRefused,
    TermmailError,
)
from termmail.model.outgoing import OutboxItem, RecipientState, Refusal, Submission
from termmail.store.outbox import Outbox
from termmail.sync import submit_plan
from termmail.sync.work import Progress

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 0.2
_WORTH_TELLING = 1_000_000
_MB = 1_000_000
_INTERNAL_UNKNOWN = (
    "It may have been sent: something went wrong inside termmail, the log file says what."
    " Look into Sent, or ask, before you send it again."
)
_STOPPED = "You stopped it before the server had all of it."
_GIVEN_UP = "The server has put it off for days. Send it again, or write it anew."


class SmtpSession(Interface):
    """A connection for submission that is signed in, as `protocols.smtp` has it."""

    @property
    def closed(self) -> bool: ...

    def submit(
        self,
        sender: str,
        recipients: Sequence[str],
        message: BinaryIO,
        size: int,
        *,
        eight_bit: bool,
        utf8: bool,
        before_data: Callable[[tuple[Refusal, ...]], None],
        progress: Callable[[int], None] | None = None,
    ) -> Submission: ...


SessionT = TypeVar("SessionT", bound=SmtpSession)


class Sessions(Interface[SessionT]):
    """Opens and closes the sessions of one account, as the engine's connector does."""

    def connect(self, should_stop: Callable[[], bool]) -> SessionT: ...
    def close(self, session: SessionT) -> None: ...
    def drop(self, session: SessionT) -> None: ...


class _TakenBack(Cancelled):
    """The user took the message back before the server had a byte of it."""


class Submitter(Generic[SessionT]):
    """Submits the outbox of one account. Used by one thread.

    `progress` is told of long messages on their way. `tell` gets a sentence and a detail for each message that won't go out by itself.
    """

    def __init__(
        self,
        outbox: Outbox,
        account: Account,
        sessions: Sessions[SessionT],
        progress: Progress,
        tell: Callable[[str, str], None],
    ) -> None:
        self._outbox = outbox
        self._account = account
        self._sessions = sessions
        self._progress = progress
        self._tell = tell
        self._unsettled: list[Callable[[], None]] = []
        self._held: dict[int, str] = {}
        self._failures = 0
        self._connected = False
        self._handed_over = False
        self._sending: int | None = None
        self.filed = 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection at the moment. From any thread."""
        return self._connected

    @property
    def handed_over(self) -> bool:
        """Whether the server has a whole message and its answer is waited for. From any thread."""
        return self._handed_over

    @property
    def is_to_stop(self) -> bool:
        """Whether the user wants the message stopped whose bytes are on their way: its connection is to be ended. From any thread."""
        sending = self._sending
        return sending is not None and not self._handed_over and self._outbox.is_to_stop(sending)

    def run(self, should_stop: Callable[[], bool], *, only: Collection[int] | None = None) -> None:
        """Submit all that is due, or of that `only` these items, the oldest first; then see to the copies.

        What is wrong with one message becomes its state. Raises what keeps the account from sending at all, when every message that
        is due says so: SignInRefused, InsecureConnection, ConnectionLost, CredentialUnavailable, ConfigError; also StorageFailed and
        Cancelled.
        """
        self.settle()
        # Those of an earlier time first: they don't need the network.
        self.file_copies()
        try:
            self._submit_all(should_stop, only)
        finally:
            self.file_copies()

    def settle(self) -> None:
        """Write down what became of messages where the disk refused it before. Raises StorageFailed."""
        while self._unsettled:
            self._unsettled[0]()
            del self._unsettled[0]

    def file_copies(self) -> None:
        """Let the copies of what was sent be filed. Raises StorageFailed."""
        self.filed += self._outbox.file_copies(self._account.name, keep_copy=submit_plan.files_copy(self._account))

    # what keeps everything

    def hold(self, sentence: str, next_at: float = 0.0) -> None:
        """Say of all that is due why it has to wait, until `next_at` (Unix seconds), or for the user (0)."""
        for item in self._outbox.due(self._account.name, time.time()):
            if (item.sentence, item.next_at) != (sentence, next_at):
                self._outbox.put_off(item.id, sentence, next_at)
            self._held[item.id] = sentence

    def is_asked_for(self) -> bool:
        """Whether the user wants something tried at once that is held."""
        return any(
            item.id in self._held and item.sentence != self._held[item.id]
            for item in self._outbox.due(self._account.name, time.time())
        )

    def release(self) -> None:
        """What was held may be tried now."""
        held, self._held = self._held, {}
        for outbox_id, sentence in held.items():
            self._outbox.release(outbox_id, sentence)

    # one after the other

    def _submit_all(self, should_stop: Callable[[], bool], only: Collection[int] | None) -> None:
        session: SessionT | None = None
        again: set[int] = set()
        tried: set[int] = set()
        used = False
        try:
            while not should_stop() and (batch := self._batch(tried, only)):
                for item in batch:
                    if should_stop():
                        return
                    if session is None:
                        session = self._connect(should_stop)
                        used = False
                    tried.add(item.id)
                    try:
                        keeps = self._attempt(session, item, should_stop)
                    except _Stale as stale:
                        self._drop(session)
                        session = None
                        if used and item.id not in again:
                            # A server may end a connection between two messages; that says nothing about this one.
                            again.add(item.id)
                            tried.discard(item.id)
                            self._put_off(item, stale.sentence, 0.0)
                        else:
                            self._put_off(item, stale.sentence, time.time() + submit_plan.after_loss(item.attempts + 1))
                        continue
                    except BaseException:
                        self._drop(session)
                        session = None
                        raise
                    used = True
                    if not keeps or session.closed:
                        self._drop(session)
                        session = None
        except Cancelled:
            raise
        except StorageFailed:
            raise
        except TermmailError as error:
            self._hold_for(error)
            raise
        finally:
            self._handed_over = False
            if session is not None:
                self._connected = False
                self._sessions.close(session)

    def _batch(self, tried: set[int], only: Collection[int] | None) -> list[OutboxItem]:
        return [
            item
            for item in self._outbox.due(self._account.name, time.time())
            if item.id not in tried and (only is None or item.id in only)
        ]

    def _connect(self, should_stop: Callable[[], bool]) -> SessionT:
        if self._account.smtp is None:
            raise ConfigError(
                f'"{self._account.name}" has no server for sending. Give it one in its settings.',
                command=f"termmail account edit {self._account.name} --smtp HOST",
            )
        session = self._sessions.connect(should_stop)
        self._connected = True
        self._failures = 0
        self.release()
        return session

    def _drop(self, session: SessionT) -> None:
        self._connected = False
        self._handed_over = False
        self._sessions.drop(session)

    def _hold_for(self, error: TermmailError) -> None:
        if error.retry is Retry.NEVER:
            self.hold(error.sentence)
            return
        self._failures += 1
        self.hold(error.sentence, time.time() + submit_plan.after_unreachable(self._failures))

    # one message

    def _attempt(self, session: SessionT, due: OutboxItem, should_stop: Callable[[], bool]) -> bool:
        """Submit one message and write down what became of it; whether the session is still good for another."""
        item = self._outbox.begin_attempt(due.id)
        if item is None:
            return True
        recipients = [one.address for one in item.recipients if one.state is RecipientState.WAITING]
        if not recipients:
            self._settle(lambda: self._outbox.submitted(item.id, Submission((), ()), next_at=0.0))
            return True
        attempt = _Attempt(self._outbox, item, should_stop)
        self._sending = item.id
        try:
            with self._opened(item) as message, self._telling(item, recipients[0]) as progress:
                submission = session.submit(
                    item.sender,
                    recipients,
                    message,
                    item.size,
                    eight_bit=item.eight_bit,
                    utf8=item.utf8,
                    before_data=attempt.before_data,
                    progress=progress,
                )
        except SubmissionRefused as error:
            self._refused(item, error)
            return True
        except OutcomeUnknown as error:
            self._unknown(item, error)
            return False
        except _TakenBack:
            return True
        except Cancelled:
            if self._outbox.is_to_stop(item.id):
                self._settle(lambda: self._outbox.failed(item.id, _STOPPED))
                return False
            self._put_off(item, "", 0.0)
            raise
        except StorageFailed as error:
            self._put_off(item, error.sentence, 0.0)
            raise
        except TermmailError as error:
            return self._trouble(item, error)
        except Exception:  # noqa: BLE001 - logged with its cause, and what became of the message is written down
            _log.exception("a submission failed")
            if attempt.began:
                self._unknown(item, TermmailError(_INTERNAL_UNKNOWN))
            else:
                self._put_off(item, INTERNAL_FAULT, time.time() + submit_plan.after_loss(item.attempts))
            return False
        finally:
            self._sending = None
        self._submitted(item, submission)
        return True

    def _trouble(self, item: OutboxItem, error: TermmailError) -> bool:
        """What was neither a yes nor a no to this message."""
        if error.scope is Scope.MESSAGE:
            if error.retry is Retry.NEVER:
                self._failed(item, error.sentence, error.detail)
            else:
                self._put_off(item, error.sentence, time.time() + submit_plan.after_loss(item.attempts))
            return not isinstance(error, _Unreadable)
        if error.retry is Retry.NEVER:
            # The account's, not the message's: it waits with all the others.
            self._put_off(item, error.sentence, 0.0)
            raise error
        raise _Stale(error.sentence, detail=error.detail) from error

    def _submitted(self, item: OutboxItem, submission: Submission) -> None:
        words = " ".join(refusal.text for refusal in submission.refused if refusal.temporary).casefold()
        codes = {refusal.code for refusal in submission.refused if refusal.temporary}
        next_at = time.time() + submit_plan.temporary_refusal(item.attempts, codes, words) if codes else 0.0
        self._settle(lambda: self._outbox.submitted(item.id, submission, next_at=next_at))
        _log.info("submitted %s for %d recipients", item.message_id_header, len(submission.accepted))
        lost = [refusal for refusal in submission.refused if not refusal.temporary]
        if lost:
            named = "; ".join(f"{one.address}: server says “{one.code} {one.text}”" for one in lost)
            self._tell(f"{_named(item)} was sent, but not to all: {named}.", "")

    def _refused(self, item: OutboxItem, error: SubmissionRefused) -> None:
        if error.retry is Retry.NEVER:
            self._failed(item, error.sentence, error.detail, error)
        elif submit_plan.is_hopeless(item, time.time()):
            self._failed(item, f"{error.sentence} {_GIVEN_UP}", error.detail, error)
        else:
            next_at = time.time() + submit_plan.after_refusal(item.attempts, error)
            self._settle(lambda: self._outbox.put_off(item.id, error.sentence, next_at, error.refused))
            _log.info("put off %s: %s", item.message_id_header, error.sentence)

    def _failed(self, item: OutboxItem, sentence: str, detail: str, error: SubmissionRefused | None = None) -> None:
        refused = () if error is None else error.refused
        self._settle(lambda: self._outbox.failed(item.id, sentence, refused))
        _log.warning("not sent %s: %s %s", item.message_id_header, sentence, detail)
        self._tell(f"{_named(item)} was not sent. {sentence}", detail)

    def _unknown(self, item: OutboxItem, error: TermmailError) -> None:
        refused = error.submission.refused if isinstance(error, OutcomeUnknown) else ()
        self._settle(lambda: self._outbox.unknown(item.id, error.sentence, refused))
        _log.warning("may have been sent %s: %s %s", item.message_id_header, error.sentence, error.detail)
        self._tell(f"{_named(item)}: {error.sentence}", error.detail)

    def _put_off(self, item: OutboxItem, sentence: str, next_at: float) -> None:
        self._settle(lambda: self._outbox.put_off(item.id, sentence, next_at))

    def _settle(self, action: Callable[[], None]) -> None:
        """Write down what became of a message, if need be when the disk takes it again."""
        try:
            action()
        except StorageFailed:
            self._unsettled.append(action)
            raise

    @contextlib.contextmanager
    def _opened(self, item: OutboxItem) -> Iterator[BinaryIO]:
        path = self._outbox.message_path(item)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != item.size:
                    raise _Unreadable(f"Its file in the outbox was changed: {path}. Write it anew.")
                yield file
        except OSError as error:
            raise _Unreadable(
                f"Its file in the outbox could not be read: {path}: {error.strerror or error}. Write it anew."
            ) from error

    @contextlib.contextmanager
    def _telling(self, item: OutboxItem, recipient: str) -> Iterator[Callable[[int], None]]:
        """What the session is to call with the bytes it has sent."""
        told_at = 0.0
        told = False

        def progress(done: int) -> None:
            nonlocal told, told_at
            self._handed_over = done >= item.size
            now = time.monotonic()
            if item.size < _WORTH_TELLING or now - told_at < _PROGRESS_SECONDS:
                return
            told_at, told = now, True
            name = safe_text(recipient, one_line=True)
            self._progress(f"Sending to {name}… {done // _MB} of {-(-item.size // _MB)} MB", 0, 0)

        try:
            yield progress
        finally:
            self._handed_over = False
            if told:
                self._progress("", 0, 0)


class _Stale(ConnectionLost):
    """The connection ended before the server had the whole message."""


class _Unreadable(TermmailError):
    """The file with the message can't be sent. The server may have a part of it, so that the connection has to go."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


class _Attempt:
    """One try to submit one message."""

    def __init__(self, outbox: Outbox, item: OutboxItem, should_stop: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._item = item
        self._should_stop = should_stop
        self.began = False

    def before_data(self, refused: tuple[Refusal, ...]) -> None:
        """The server is about to get the bytes, not for those `refused`. Raises Cancelled where it must not; StorageFailed."""
        if self._should_stop():
            raise Cancelled("Stopped.")
        if not self._outbox.begin_data(self._item.id, refused):
            raise _TakenBack("The message was taken back.")
        self.began = True


def _named(item: OutboxItem) -> str:
    subject = safe_text(item.subject, one_line=True)
    return f"“{subject}”" if subject else "A message without a subject"
