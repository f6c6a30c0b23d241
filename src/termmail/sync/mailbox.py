"""Brings one mailbox in line with the server: new, changed and vanished messages, and older ones not yet listed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from termmail.model.errors import Retry, Scope, TermmailError
from termmail.model.local import MailboxState
from termmail.model.remote import FetchFault, MailboxStatus, RemoteFlags, Selected, UidRange
from termmail.sync import plan
from termmail.sync.headers import HeaderIntake
from termmail.sync.work import Work

_KEEP_DAYS = 30
_RENUMBERED_TOO_OFTEN = 3
_RECENT = 1000
_AT_ONCE = 300


class MailboxUnsure(TermmailError):
    """The server contradicts itself about what is in a mailbox; nothing was removed here."""

    scope = Scope.MAILBOX
    retry = Retry.LATER


class MailboxSync:
    """Syncs mailboxes of one account, one at a time. Every method may raise what `ImapSync` may."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._headers = HeaderIntake(work)
        self._renumbered: dict[int, int] = {}

    def run(self, mailbox_id: int, status: MailboxStatus | None, *, thorough: bool = True) -> None:
        """One mailbox. `status` was read before and is remembered as what has been dealt with.

        Without `thorough`, on a server without CONDSTORE, only the newest messages' flags are compared.
        Raises ServerRefused or MailboxUnsure where this mailbox can't be synced now.
        """
        ingest = self._work.ingest
        state = ingest.mailbox_state(mailbox_id)
        if state is None or state.wire_name is None or not state.selectable:
            return
        selected = self._select(state)
        if ingest.begin_uidvalidity(state.id, selected.uidvalidity):
            self._notice_renumbering(state)
        else:
            self._renumbered.pop(state.id, None)
        state = self._state(mailbox_id)
        rebuilt = False
        if state.floor is None or state.uidnext is None:
            # Messages without a floor were found in the mail folder: their flags may be old (`termmail reindex`).
            rebuilt = ingest.local_count(state.id) > 0
            uidnext = selected.uidnext or self._find_uidnext()
            ingest.set_state(
                state.id, uidnext=uidnext, highestmodseq=selected.highestmodseq, floor=uidnext, complete=False
            )
        else:
            self._catch_up(state, selected, thorough=thorough)
        state = self._state(mailbox_id)
        if state.floor != 1:
            self._backfill(state, selected)
        state = self._state(mailbox_id)
        if rebuilt and selected.exists:
            self._compare_flags(state, selected, 1)
        self._compare_counts(state, selected)
        if state.candidates:
            ingest.end_adoption(state.id)
        ingest.set_state(state.id, complete=True, floor=1, fresh_at=int(time.time()), status=status)

    def take_empty(self, state: MailboxState, status: MailboxStatus) -> None:
        """A mailbox in which there is nothing yet (`plan.is_empty`), without opening it."""
        ingest = self._work.ingest
        assert status.uidvalidity is not None
        ingest.begin_uidvalidity(state.id, status.uidvalidity)
        ingest.set_state(
            state.id,
            uidnext=status.uidnext,
            highestmodseq=status.highestmodseq,
            floor=1,
            complete=True,
            fresh_at=int(time.time()),
            status=status,
        )

    def _state(self, mailbox_id: int) -> MailboxState:
        state = self._work.ingest.mailbox_state(mailbox_id)
        if state is None:
            raise MailboxUnsure("The folder was removed while it was synced.")
        return state

    def _select(self, state: MailboxState) -> Selected:
        known = None
        if state.uidvalidity and state.highestmodseq and state.floor is not None:
            known = (state.uidvalidity, state.highestmodseq)
        return self._work.select(state, known=known)

    def _notice_renumbering(self, state: MailboxState) -> None:
        times = self._renumbered.get(state.id, 0) + 1
        self._renumbered[state.id] = times
        if times >= _RENUMBERED_TOO_OFTEN:
            raise MailboxUnsure(
                f"The server numbers {state.name} anew each time it is opened, so it can't be kept in line. Ask its operator."
            )

    def _find_uidnext(self) -> int:
        """For a server that does not say (S8)."""
        listed = self._work.session.search_uids(1, None)
        return max((part.last for part in listed), default=0) + 1

    # later syncs

    def _catch_up(self, state: MailboxState, selected: Selected, *, thorough: bool) -> None:
        work = self._work
        assert state.uidnext is not None
        assert state.floor is not None
        if selected.vanished:
            local = work.ingest.local_uids(state.id)
            self._remove(state, selected, plan.within(local, selected.vanished), len(local))
        self._fetch_new(state, selected)
        if selected.highestmodseq and state.highestmodseq:
            self._take_changes(state, selected)
        elif selected.exists:
            first = state.floor if thorough else max(state.floor, state.uidnext - _RECENT)
            self._compare_flags(state, selected, first)
        if state.floor != 1 and selected.vanished is None:
            # Counts say nothing while older messages are not listed here.
            self._compare_uids(state, selected, state.floor)
        work.ingest.set_state(state.id, highestmodseq=selected.highestmodseq)

    def _fetch_new(self, state: MailboxState, selected: Selected) -> None:
        """What came since the last sync, oldest first; how far it got is remembered after each part."""
        work = self._work
        first = state.uidnext or 1
        end = selected.uidnext
        if end is None:
            self._headers.fetch(state, [UidRange(first, plan.LAST_UID)])
            local = work.ingest.local_uids(state.id)
            work.ingest.set_state(state.id, uidnext=max(first, (local[-1] if local else 0) + 1))
            return
        while first < end:
            last = min(end - 1, first + plan.LARGEST_WINDOW - 1)
            self._headers.fetch(state, self._unlisted(state, UidRange(first, last)))
            first = last + 1
            work.ingest.set_state(state.id, uidnext=first)
            self._pause(state)

    def _take_changes(self, state: MailboxState, selected: Selected) -> None:
        """Flags changed since the last sync, as CONDSTORE or QRESYNC tells (RFC 7162)."""
        assert state.floor is not None
        assert state.uidnext is not None
        changed: Sequence[RemoteFlags]
        if selected.changed is not None:
            changed = selected.changed
        elif selected.highestmodseq == state.highestmodseq or state.uidnext <= 1:
            return
        else:
            # From 1: what an interrupted sync left below the floor may have changed too.
            wanted = [UidRange(1, state.uidnext - 1)]
            changed = self._list_flags(state, wanted, changed_since=state.highestmodseq)
        unknown = self._update(state, changed)
        overlooked = [uid for uid in unknown if state.floor <= uid < state.uidnext]
        if overlooked:
            self._headers.fetch(state, plan.to_ranges(overlooked))

    def _compare_flags(self, state: MailboxState, selected: Selected, first: int) -> None:
        """All flags, for a server that does not say which changed; the same listing tells which messages there are."""
        work = self._work
        last = (self._state(state.id).uidnext or 1) - 1
        if last < first:
            return
        local = work.ingest.local_uids(state.id)
        if local and local[0] < first == state.floor:
            # Left below the floor by an interrupted sync.
            first = local[0]
        remote = self._list_flags(state, [UidRange(first, last)])
        self._update(state, plan.changed_flags(work.ingest.local_flags(state.id), remote))
        first = max(first, state.floor or 1)
        self._settle_uids(state, selected, plan.to_ranges(item.uid for item in remote), first, last)

    def _list_flags(
        self, state: MailboxState, wanted: Sequence[UidRange], *, changed_since: int | None = None
    ) -> list[RemoteFlags]:
        """Flags as the server lists them; a line that can't be read costs only itself (P3)."""
        work = self._work
        found: list[RemoteFlags] = []
        for item in work.session.fetch_flags(wanted, changed_since=changed_since):
            if isinstance(item, FetchFault):
                work.ingest.add_problem(work.account.name, item.sentence, mailbox=state.name)
            else:
                found.append(item)
        return found

    def _update(self, state: MailboxState, changed: Sequence[RemoteFlags]) -> list[int]:
        unknown: list[int] = []
        for start in range(0, len(changed), _AT_ONCE):
            unknown += self._work.ingest.update_flags(state.id, changed[start : start + _AT_ONCE])
            self._work.check_stop()
        return unknown

    # which messages there are

    def _compare_counts(self, state: MailboxState, selected: Selected) -> None:
        """Equal counts of two sets of which one holds the other: nothing vanished and nothing was overlooked."""
        if self._work.ingest.local_count(state.id) != selected.exists:
            self._compare_uids(state, selected, 1)

    def _compare_uids(self, state: MailboxState, selected: Selected, first: int) -> None:
        last = (self._state(state.id).uidnext or 1) - 1
        if last < first:
            return
        self._settle_uids(state, selected, self._work.session.search_uids(first, last), first, last)

    def _settle_uids(
        self, state: MailboxState, selected: Selected, listed: Sequence[UidRange], first: int, last: int
    ) -> None:
        local = self._work.ingest.local_uids(state.id)
        diff = plan.diff_uids(local, listed, first=first, last=last)
        if diff.gone:
            self._remove(state, selected, plan.within(local, diff.gone), len(local))
        if diff.missing:
            self._headers.fetch_missing(state, diff.missing)

    def _remove(self, state: MailboxState, selected: Selected, gone: Sequence[int], known: int) -> None:
        """Take messages away that vanished from the server; many at once only after a second listing (S6)."""
        work = self._work
        keep_days = 0
        if plan.is_halved(known, len(gone)):
            again = work.select(state)
            if again.uidvalidity != selected.uidvalidity:
                raise MailboxUnsure(f"The server numbered {state.name} anew while it was listed. It is tried again.")
            listed = work.session.search_uids(1, None)
            if plan.count(listed) < again.exists:
                raise MailboxUnsure(
                    f"The server contradicts itself about what is in {state.name}. Nothing was removed; it is tried again."
                )
            there = set(plan.within(gone, listed))
            gone = [uid for uid in gone if uid not in there]
            if plan.is_halved(known, len(gone)):
                keep_days = _KEEP_DAYS
                work.ingest.add_problem(
                    work.account.name,
                    f"{len(gone)} of {known} messages in {state.name} vanished from the server at once. What was fetched of them"
                    f" is kept here for {_KEEP_DAYS} days.",
                    mailbox=state.name,
                )
        ranges = plan.to_ranges(gone)
        for start in range(0, len(ranges), _AT_ONCE):
            work.ingest.remove_uids(state.id, ranges[start : start + _AT_ONCE], keep_bodies_days=keep_days)

    # first sync

    def _backfill(self, state: MailboxState, selected: Selected) -> None:
        """List what lies below the floor, newest first, in windows that grow; the floor is remembered after each."""
        work = self._work
        floor = state.floor or 1
        size = plan.FIRST_WINDOW
        listed = work.ingest.local_count(state.id)
        there = selected.exists
        while floor > 1:
            self._pause(state)
            size_now = work.session.mailbox_size or 0
            if size_now > there:
                # Mail that comes in the meantime is not to wait for all that is old (S15).
                self._fetch_new(self._state(state.id), msgspec.structs.replace(selected, uidnext=None))
            there = size_now
            remaining = selected.exists - listed
            if remaining <= 0:
                # Everything that was there is here; what came since has a higher UID.
                break
            window = plan.next_window(floor - 1, remaining, size)
            began = time.monotonic()
            wanted = self._unlisted(state, window)
            listed += self._headers.fetch(state, wanted, (listed, selected.exists))
            floor = window.first
            work.ingest.set_state(state.id, floor=floor)
            size = plan.next_size(size, time.monotonic() - began)
            work.progress(f"{state.name}: messages", listed, selected.exists)
        work.ingest.set_state(state.id, floor=1)

    def _unlisted(self, state: MailboxState, window: UidRange) -> Sequence[UidRange]:
        """What of a window is not here yet: an interrupted sync left some of it, or set a message aside."""
        return plan.diff_uids(self._work.ingest.local_uids(state.id, window), [window]).missing

    def _pause(self, state: MailboxState) -> None:
        self._work.pause()
        self._work.enter(state)
