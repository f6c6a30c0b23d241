"""Fetches bodies by the account's policy: many at once, large ones in chunks, the one that is waited for first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from termmail.mime.preview import looks_attached, preview
from termmail.model.errors import MessageTooLarge, ServerRefused
from termmail.model.local import BodyTarget, StoredBody
from termmail.model.message import BodyState
from termmail.model.remote import FaultKind, FetchFault
from termmail.sync import plan
from termmail.sync.work import MailboxRenumbered, Work

CHUNK = 1024 * 1024
"""Bytes fetched at once of a large body; bodies above that size are fetched in chunks."""

LARGEST_UNASKED = 64 * 1024 * 1024
"""Above that a body is fetched only when it is opened (X8)."""

_LIST = 5000
_STORE_BYTES = 1024 * 1024
_STORE_MESSAGES = 64
_HEAD = 256 * 1024


class BodyFetcher:
    """Fetches bodies of one account. Every method may raise what `ImapSync` may."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._budget = plan.SMALLEST_BATCH * 4
        self._given_up: set[int] = set()
        self._stored: set[int] = set()
        self.under_way: int | None = None
        """The message whose large body is being fetched, in chunks with pauses between them."""

    def run(self, mailbox_id: int | None = None, enough: Callable[[], bool] = lambda: False) -> bool:
        """Fetch all that the account's policy wants and that is not here yet; False where there was `enough` before the end."""
        work = self._work
        total = done = 0
        while True:
            listed = work.ingest.missing_bodies(
                work.account.name, work.account.offline, mailbox_id=mailbox_id, limit=_LIST + len(self._given_up)
            )
            targets = [target for target in listed if target.message_id not in self._given_up]
            if not targets:
                return True
            total = max(total, done + len(targets))
            position = 0
            while position < len(targets):
                work.pause()
                if enough():
                    return False
                batch = plan.body_batch(targets[position:], self._budget)
                work.progress("Fetching mail", done, total if len(listed) < _LIST else 0)
                self._fetch(batch)
                position += len(batch)
                done += len(batch)

    def try_again(self) -> None:
        """What could not be fetched before may be tried once more."""
        self._given_up.clear()

    def fetch_one(self, placement_id: int) -> str:
        """Fetch the body that somebody waits for; returns a sentence where it can't be had, else nothing."""
        work = self._work
        target = work.ingest.body_target(placement_id)
        if target is None:
            return "The message is not on the server yet, or no longer."
        if work.ingest.have_body(target.message_id):
            return ""
        self._fetch([target], asked=True)
        return "" if work.ingest.have_body(target.message_id) else "The server did not hand out this message."

    def _fetch(self, batch: Sequence[BodyTarget], *, asked: bool = False) -> None:
        """Fetch bodies of one mailbox. What can't be fetched is marked, or left until `try_again`."""
        state = self._work.ingest.mailbox_state(batch[0].mailbox_id)
        try:
            if state is None or state.wire_name is None:
                return
            self._work.enter(state)
            small = [target for target in batch if target.size <= CHUNK]
            if small:
                self._fetch_small(small)
            for target in batch:
                if target.size > LARGEST_UNASKED and not asked:
                    sentence = f"This message has {target.size // 1_000_000} MB. It is fetched when you open it."
                    self._work.ingest.mark_body(target, BodyState.TOO_LARGE, sentence)
                elif target.size > CHUNK:
                    self._fetch_large(target)
        except (ServerRefused, MailboxRenumbered) as error:
            self._work.ingest.add_problem(
                self._work.account.name, error.sentence, detail=error.detail, mailbox=state.name if state else ""
            )
        finally:
            self._given_up.update(target.message_id for target in batch if target.message_id not in self._stored)
            self._stored.clear()

    def _fetch_small(self, targets: Sequence[BodyTarget]) -> None:
        work = self._work
        waiting = {target.uid: target for target in targets}
        ready: list[StoredBody] = []
        malformed: list[tuple[BodyTarget, str]] = []
        size = taken = 0
        began = time.monotonic()
        try:
            for item in work.session.fetch_bodies(plan.to_ranges(waiting), max_size=LARGEST_UNASKED):
                if isinstance(item, FetchFault):
                    target = None if item.uid is None else waiting.pop(item.uid, None)
                    if target is not None and item.kind is FaultKind.TOO_LARGE:
                        work.ingest.mark_body(target, BodyState.TOO_LARGE, item.sentence)
                    elif target is not None and item.kind is FaultKind.MALFORMED:
                        malformed.append((target, item.sentence))
                    continue
                target = waiting.pop(item.uid, None)
                if target is None:
                    continue
                ready.append(StoredBody(target, item.raw, preview(item.raw), looks_attached(item.raw)))
                size += len(item.raw)
                if size >= _STORE_BYTES or len(ready) >= _STORE_MESSAGES:
                    full, ready = ready, []
                    self._store(full)
                    taken, size = taken + size, 0
                    work.check_stop()
        finally:
            # What came before a connection was lost need not come again.
            if ready:
                self._store(ready)
        self._budget = plan.next_budget(taken + size, time.monotonic() - began)
        for target, sentence in malformed:
            self._fetch_large(target)
            if not work.ingest.have_body(target.message_id):
                work.ingest.mark_body(target, BodyState.BROKEN, sentence)

    def _store(self, ready: Sequence[StoredBody]) -> None:
        self._work.ingest.store_bodies(ready)
        self._stored.update(body.target.message_id for body in ready)
        self._work.bodies += len(ready)

    def _fetch_large(self, target: BodyTarget) -> None:
        """In chunks to disk; a chunk that came is not fetched again, not even after a restart (P10)."""
        work = self._work
        spool = work.ingest.open_spool(target)
        self.under_way = target.message_id
        try:
            while True:
                work.progress("Fetching a large message", spool.offset, target.size)
                chunk = work.session.fetch_chunk(target.uid, spool.offset, CHUNK)
                spool.write(chunk)
                if not chunk or (len(chunk) < CHUNK and spool.offset >= target.size):
                    break
                work.pause()
                state = work.ingest.mailbox_state(target.mailbox_id)
                if state is None:
                    return
                work.enter(state)
            if not spool.offset:
                spool.discard()
                return
            head = spool.head(_HEAD)
            spool.finish(preview(head), looks_attached(head))
            work.bodies += 1
        except MessageTooLarge as error:
            spool.discard()
            work.ingest.mark_body(target, BodyState.TOO_LARGE, error.sentence)
        finally:
            self.under_way = None
            spool.close()
