"""One account's IMAP server and the store brought together: the passes that the engine and `termmail sync` run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from termmail.model.account import Account
from termmail.model.errors import ServerRefused, TermmailError
from termmail.model.local import MailboxState
from termmail.model.remote import MailboxListing, MailboxStatus
from termmail.model.status import Request
from termmail.protocols.imap import ImapSession
from termmail.store.ingest import Ingest
from termmail.store.journal import Journal
from termmail.sync import plan
from termmail.sync.bodies import BodyFetcher
from termmail.sync.mailbox import MailboxSync, MailboxUnsure
from termmail.sync.replay import Replay
from termmail.sync.work import MailboxRenumbered, Progress, Work


class Urgent(msgspec.Struct, frozen=True):
    """What may come between two commands of a long pass.

    `bodies` hands over the requests for bodies that somebody waits for; `finish` is told how each ended (a sentence, or nothing);
    `operations_wait` says whether the journal should be looked at.
    """

    bodies: Callable[[], Sequence[Request]]
    finish: Callable[[Request, str], None]
    operations_wait: Callable[[], bool]


class ImapSync:
    """Syncs one account over one connection; used by one thread.

    `should_stop` is asked often; a pass then raises Cancelled. A call that waits for the server is ended by `session.abort()`.
    Every method may raise ConnectionLost, ProtocolViolation, StorageFailed or Cancelled; what is done is done, and the next
    pass goes on from there. What concerns one mailbox or message becomes a problem in the store instead.
    """

    def __init__(
        self,
        session: ImapSession,
        ingest: Ingest,
        journal: Journal,
        account: Account,
        progress: Progress,
        should_stop: Callable[[], bool],
        urgent: Urgent | None = None,
    ) -> None:
        self._work = Work(session, ingest, journal, account, progress, should_stop)
        self._mailboxes = MailboxSync(self._work)
        self._bodies = BodyFetcher(self._work)
        self._replay = Replay(self._work, self._renew)
        self._urgent = urgent
        self._between = False
        self._postponed: list[Request] = []
        if urgent is not None:
            self._work.urgent = self._come_between

    @property
    def new_messages(self) -> int:
        """How many messages were listed for the first time."""
        return self._work.new_messages

    @property
    def new_bodies(self) -> int:
        """How many bodies were fetched."""
        return self._work.bodies

    def run(self, *, mailbox_id: int | None = None, thorough: bool = True) -> None:
        """One pass without bodies: the journal, then every mailbox that changed (or only the one of `mailbox_id`).

        Without `thorough`, on servers without CONDSTORE, changes of old messages' flags may wait for the next thorough pass.
        """
        if thorough:
            self._bodies.try_again()
        self.replay(everything=thorough)
        statuses = self._list()
        states = self._work.ingest.mailbox_states(self._work.account.name)
        for state in states:
            if mailbox_id is not None and state.id != mailbox_id:
                continue
            self._work.pause()
            status = self._status(state, statuses)
            if status is not None or state.wire_name in statuses:
                self._sync(state, status, thorough=thorough)
        self.replay()
        self._work.ingest.place_uploads(self._work.account.name)
        self._work.ingest.follow_rows(self._work.check_stop)

    def list_mailboxes(self) -> None:
        """Take over the server's list of mailboxes, nothing else."""
        self._list()

    def replay(self, *, everything: bool = False) -> bool:
        """Carry out what the journal has due, or `everything` that waits; returns whether there was anything."""
        outer, self._between = self._between, True
        try:
            return self._replay.run(everything=everything)
        finally:
            self._between = outer

    def bodies(self, mailbox_id: int | None = None, enough: Callable[[], bool] = lambda: False) -> bool:
        """Fetch the bodies that the account's policy wants, of all mailboxes or of one.

        `enough` is asked between two commands; False where it said so before all was here.
        """
        complete = self._bodies.run(mailbox_id, enough)
        self._serve_postponed()
        self._work.ingest.follow_rows(self._work.check_stop)
        return complete

    def fetch_body(self, placement_id: int) -> str:
        """Fetch one body now, whatever the policy; returns a sentence where it can't be had, else nothing."""
        sentence = self._bodies.fetch_one(placement_id)
        self._serve_postponed()
        return sentence

    def _list(self) -> dict[bytes, MailboxStatus | None]:
        """LIST and what it said of each mailbox; one that names nothing at all is not believed (S6)."""
        work = self._work
        if work.session.selected is not None:
            # STATUS of the open mailbox says what this session was told of it, not what is new (RFC 9051 §6.3.11).
            work.session.noop()
        listing = work.session.list_mailboxes(with_status=True)
        if not listing.mailboxes and not listing.skipped:
            listing = work.session.list_mailboxes(with_status=True)
            if not listing.mailboxes and work.ingest.mailbox_states(work.account.name):
                work.ingest.add_problem(
                    work.account.name, "The server listed no folders at all. The ones known here are kept."
                )
        self._tell_skipped(listing)
        work.ingest.apply_listing(work.account.name, listing)
        return {remote.wire_name: remote.status for remote in listing.mailboxes}

    def _tell_skipped(self, listing: MailboxListing) -> None:
        for sentence in listing.skipped:
            self._work.ingest.add_problem(self._work.account.name, sentence)

    def _status(self, state: MailboxState, statuses: dict[bytes, MailboxStatus | None]) -> MailboxStatus | None:
        """From the listing, or asked for singly where the server does not have LIST-STATUS (RFC 5819)."""
        if state.wire_name is None or not state.selectable or state.wire_name not in statuses:
            return None
        status = statuses[state.wire_name]
        if status is not None:
            return status
        try:
            return self._work.session.status(state.wire_name)
        except ServerRefused:
            # SELECT, which comes next, says what is wrong in words that are kept.
            return None

    def _sync(self, state: MailboxState, status: MailboxStatus | None, *, thorough: bool) -> None:
        if not plan.needs_sync(state, status, thorough=thorough):
            return
        if status is not None and plan.is_empty(state, status):
            self._mailboxes.take_empty(state, status)
            return
        self._work.progress(f"{state.name}: changes", 0, 0)
        try:
            try:
                self._mailboxes.run(state.id, status, thorough=thorough)
            except MailboxRenumbered:
                self._mailboxes.run(state.id, status, thorough=thorough)
        except (ServerRefused, MailboxUnsure, MailboxRenumbered) as error:
            self._tell(state, error)

    def _renew(self, mailbox_id: int) -> None:
        state = self._work.ingest.mailbox_state(mailbox_id)
        if state is None:
            return
        try:
            self._mailboxes.run(mailbox_id, None)
        except (ServerRefused, MailboxUnsure, MailboxRenumbered) as error:
            self._tell(state, error)

    def _tell(self, state: MailboxState, error: TermmailError) -> None:
        self._work.ingest.add_problem(self._work.account.name, error.sentence, detail=error.detail, mailbox=state.name)

    def _come_between(self) -> None:
        if self._urgent is None or self._between:
            return
        self._between = True
        try:
            self._serve(self._urgent)
        finally:
            self._between = False

    def _serve_postponed(self) -> None:
        """Answer who asked for a body while it was on its way."""
        if self._postponed:
            self._come_between()

    def _serve(self, urgent: Urgent) -> None:
        requests = [*self._postponed, *urgent.bodies()]
        self._postponed = []
        for request in requests:
            target = None if request.placement_id is None else self._work.ingest.body_target(request.placement_id)
            if target is not None and target.message_id == self._bodies.under_way:
                self._postponed.append(request)
                continue
            urgent.finish(request, "" if request.placement_id is None else self.fetch_body(request.placement_id))
        if urgent.operations_wait():
            self.replay()
