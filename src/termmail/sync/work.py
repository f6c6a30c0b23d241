"""What the parts of one pass share: the connection and the mailbox selected on it, the store, and when to stop."""

from __future__ import annotations

from collections.abc import Callable

from termmail.model.account import Account
from termmail.model.errors import Cancelled, Retry, Scope, TermmailError
from termmail.model.local import MailboxState
from termmail.model.remote import Selected
from termmail.protocols.imap import ImapSession
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal

_INBOX = b"INBOX"

Progress = Callable[[str, int, int], None]
"""Told what runs ("INBOX: messages"), how much of it is done, and of how much (0: unknown)."""


class MailboxRenumbered(TermmailError):
    """The mailbox has another UIDVALIDITY than is known here: it has to be listed before anything is done in it (S3)."""

    scope = Scope.MAILBOX
    retry = Retry.NOW


class Work:
    """Shared by the parts of a pass over one account. Used by one thread.

    `urgent` is called at every pause and may do other work on the connection.
    """

    def __init__(
        self,
        session: ImapSession,
        ingest: Ingest,
        journal: Journal,
        account: Account,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        self.session = session
        self.ingest = ingest
        self.journal = journal
        self.account = account
        self.progress = progress
        self.should_stop = should_stop
        self.urgent: Callable[[], None] = _nothing
        self.new_messages = 0
        self.bodies = 0
        self._selected: tuple[bytes, Selected] | None = None

    def check_stop(self) -> None:
        """Raises Cancelled where the pass is to end."""
        if self.should_stop():
            raise Cancelled("Stopped.")

    def pause(self) -> None:
        """A point between two commands: stops if it must, and lets what is urgent come between."""
        self.check_stop()
        self.urgent()

    def select(self, state: MailboxState, *, known: tuple[int, int] | None = None) -> Selected:
        """SELECT, whatever is selected now. `known` is (UIDVALIDITY, HIGHESTMODSEQ) for QRESYNC. Raises ServerRefused."""
        assert state.wire_name is not None
        self._selected = None
        selected = self.session.select(state.wire_name, known=known)
        self._selected = (state.wire_name, selected)
        return selected

    def enter(self, state: MailboxState) -> Selected:
        """Have this mailbox selected. Raises ServerRefused, and MailboxRenumbered where UIDs known here are not valid there."""
        current = self._selected
        selected = current[1] if current is not None and current[0] == state.wire_name else self.select(state)
        if selected.uidvalidity != state.uidvalidity:
            raise MailboxRenumbered(f"{state.name} was numbered anew by the server.")
        return selected

    def leave(self, wire_name: bytes) -> None:
        """Make sure that the mailbox is not the selected one, before it is renamed or deleted."""
        if self._selected is not None and self._selected[0] == wire_name:
            self._selected = None
            self.session.select(_INBOX, read_only=True)


def _nothing() -> None:
    """Nothing is urgent."""
