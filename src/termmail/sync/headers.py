"""From a streamed header FETCH into the store, one bad message at a time (P3)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from termmail.mime.headers import parse_envelope
from termmail.model.errors import ServerRefused
from termmail.model.local import MailboxState
from termmail.model.message import Envelope
from termmail.model.remote import FaultKind, FetchFault, RemoteHeader, UidRange
from termmail.store.placements import ROWS_AT_ONCE
from termmail.sync import plan
from termmail.sync.work import Work

_TRANSACTION_SECONDS = 0.008
_SMALLEST, _LARGEST = 20, 1000
_SINGLY = 100


class HeaderIntake:
    """Fetches headers and adds them to the store in transactions of at most 10 ms, whatever the disk."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._at_once = 200

    def fetch(self, state: MailboxState, ranges: Sequence[UidRange], progress: tuple[int, int] = (0, 0)) -> int:
        """Fetch the headers of these UIDs; returns how many messages were stored or set aside.

        `progress` is how many are done already, of how many.
        """
        work = self._work
        batch: list[tuple[RemoteHeader, Envelope]] = []
        faults: list[FetchFault] = []
        stored = 0
        done, total = progress
        refusal: ServerRefused | None = None
        try:
            for item in work.session.fetch_headers(ranges):
                if isinstance(item, FetchFault):
                    if item.kind is FaultKind.TOO_LARGE and item.uid is not None:
                        # Asking again would end the connection again.
                        self._set_aside(state, item)
                        stored += 1
                    else:
                        faults.append(item)
                    continue
                batch.append((item, parse_envelope(item.header)))
                if len(batch) >= self._at_once:
                    full, batch = batch, []
                    stored += self._add(state, full)
                    work.progress(f"{state.name}: messages", done + stored, total)
                    work.check_stop()
        except ServerRefused as error:
            refusal = error
        finally:
            # What came before a connection was lost need not come again.
            if batch:
                stored += self._add(state, batch)
        for fault in faults:
            stored += self._again(state, fault)
        if refusal is not None:
            stored += self._after_refusal(state, ranges, refusal)
        return stored

    def _after_refusal(self, state: MailboxState, ranges: Sequence[UidRange], refusal: ServerRefused) -> int:
        """Some messages did not come (S8): each of them is asked for singly. Raises the refusal where too many are missing."""
        work = self._work
        listed = [part for wanted in ranges for part in work.session.search_uids(wanted.first, wanted.last)]
        missing = plan.diff_uids(work.ingest.local_uids(state.id), listed).missing
        if plan.count(missing) > _SINGLY:
            raise refusal
        for part in missing:
            for uid in range(part.first, part.last + 1):
                self._again(state, FetchFault(uid, FaultKind.MISSING, refusal.sentence))
        return plan.count(missing)

    def _add(self, state: MailboxState, batch: list[tuple[RemoteHeader, Envelope]]) -> int:
        began = time.perf_counter()
        self._work.new_messages += self._work.ingest.add_headers(state.id, batch)
        spent = max(time.perf_counter() - began, 1e-6)
        fitting = int(len(batch) * _TRANSACTION_SECONDS / spent)
        self._at_once = max(_SMALLEST, min(_LARGEST, fitting - fitting % ROWS_AT_ONCE))
        return len(batch)

    def _again(self, state: MailboxState, fault: FetchFault) -> int:
        """Fetch one message singly; where that fails too it gets a row that says so."""
        work = self._work
        if fault.uid is None:
            work.ingest.add_problem(work.account.name, fault.sentence, mailbox=state.name)
            return 0
        try:
            for item in work.session.fetch_headers([UidRange(fault.uid, fault.uid)]):
                if isinstance(item, RemoteHeader) and item.uid == fault.uid:
                    return self._add(state, [(item, parse_envelope(item.header))])
                if isinstance(item, FetchFault) and item.uid in (None, fault.uid):
                    fault = FetchFault(fault.uid, item.kind, item.sentence)
        except ServerRefused as error:
            fault = FetchFault(fault.uid, FaultKind.MISSING, error.sentence)
        # A message removed meanwhile is gone, not set aside.
        if fault.uid is None or not work.session.search_uids(fault.uid, fault.uid):
            return 0
        self._set_aside(state, fault)
        return 1

    def fetch_missing(self, state: MailboxState, ranges: Sequence[UidRange]) -> None:
        """Fetch messages that the server lists and that a FETCH left out before; one that never comes gets a row that says so."""
        work = self._work
        self.fetch(state, ranges)
        for part in plan.diff_uids(work.ingest.local_uids(state.id), ranges).missing:
            for still in work.session.search_uids(part.first, part.last):
                for uid in range(max(still.first, part.first), min(still.last, part.last) + 1):
                    sentence = "The server lists this message but does not hand it out."
                    self._set_aside(state, FetchFault(uid, FaultKind.MISSING, sentence))

    def _set_aside(self, state: MailboxState, fault: FetchFault) -> None:
        self._work.ingest.add_fault(state.id, fault)
        self._work.ingest.add_problem(self._work.account.name, fault.sentence, mailbox=state.name)
