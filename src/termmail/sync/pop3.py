"""One account's POP3 maildrop and its Maildirs brought together: the pass of the engine and of `termmail sync`."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from termmail.mime.headers import parse_envelope, split_header
from termmail.mime.preview import looks_attached, preview
from termmail.model.account import Account
from termmail.model.errors import Cancelled, ConnectionLost, ProtocolViolation
from termmail.model.maildrop import Arrival
from termmail.model.remote import MaildropListing, RetrieveFault
from termmail.protocols.pop3 import Pop3Session
from termmail.store.downloads import Download
from termmail.store.ingest import Ingest
from termmail.store.local_scan import arrival_time
from termmail.sync import maildrop_plan
from termmail.sync.local import LocalSync
from termmail.sync.maildrop_plan import Listed

AmountProgress = Callable[[str, int, int, int], None]
"""As `sync.work.Progress`, and how many bytes have come."""

_GROUP_MESSAGES = 250
_GROUP_BYTES = 16 << 20
_GROUP_SECONDS = 2.0
_TOLD_SECONDS = 0.2
_MADE_OF_HEADER = "\x01top:"
_MADE_OF_ALL = "\x01all:"


class Pop3Sync:
    """Empties one maildrop into the inbox, as the account's policy says; used by one thread, for one session.

    `run` may raise ConnectionLost, ProtocolViolation, StorageFailed or Cancelled. What came before is kept; nothing is deleted on the
    server unless QUIT was answered (S12), so it is found again there by its UIDL, and not fetched twice.
    """

    def __init__(
        self,
        session: Pop3Session,
        ingest: Ingest,
        local: LocalSync,
        account: Account,
        progress: AmountProgress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._session = session
        self._ingest = ingest
        self._local = local
        self._account = account
        self._progress = progress
        self._should_stop = should_stop
        self.new_messages = 0
        self._done = self._total = self._bytes = 0
        self._told_at = 0.0

    def run(self) -> None:
        """Fetch what is new, delete there what the policy wants gone, and sign out."""
        maildrop = self._local.maildrop
        listed = self._identify(self._session.listing())
        wanted = maildrop_plan.to_fetch(listed, maildrop.known_uidls(), maildrop.last_ones())
        keys = {one.key for one in listed}
        if wanted:
            self._fetch(wanted, keys)
        over = maildrop_plan.to_delete(listed, maildrop.known_uidls(), self._account.keep, time.time())
        if over:
            self._progress("deleting on the server", 0, len(over), 0)
            for fault in self._session.delete([one.number for one in over]):
                self._tell(fault.sentence)
        if not self._session.quit() and over:
            self._tell(
                "The server did not confirm the end of the session. What was to be deleted there is deleted next time."
            )

    def _identify(self, listing: MaildropListing) -> list[Listed]:
        """What each message is known by. A UIDL that is missing, or that several messages have, is no key (S12)."""
        uidls = Counter(entry.uidl for entry in listing.entries)
        odd = {entry.number: entry.size for entry in listing.entries if entry.uidl is None or uidls[entry.uidl] > 1}
        if odd:
            self._tell(
                "The server does not give each message a lasting name (UIDL). Those without are downloaded, and never deleted there."
            )
        for sentence in listing.skipped:
            self._tell(sentence)
        made = self._keys_of_headers(odd)
        return [
            Listed(entry.number, made[entry.number], entry.size, own=False)
            if entry.uidl is None or entry.number in made
            else Listed(entry.number, entry.uidl, entry.size)
            for entry in listing.entries
        ]

    def _keys_of_headers(self, sizes: Mapping[int, int]) -> dict[int, str]:
        keys: dict[int, str] = {}
        with contextlib.closing(self._session.tops(list(sizes), 0)) as tops:
            for number, header in tops:
                self._check_stop()
                if isinstance(header, RetrieveFault):
                    # Without TOP only the whole message tells whether it is here.
                    keys[number] = f"{_MADE_OF_ALL}{number}"
                else:
                    keys[number] = f"{_MADE_OF_HEADER}{hashlib.sha256(header).hexdigest()}:{sizes[number]}"
        return keys

    def _fetch(self, wanted: Sequence[Listed], keys: set[str]) -> None:
        """In groups, each durable before the next; what is whole when something fails is kept."""
        group: list[Arrival] = []
        size = 0
        began = time.monotonic()
        by_number = {one.number: one for one in wanted}
        left = deque(one.number for one in wanted)
        self._done, self._total, self._bytes = 0, len(wanted), 0
        self._tell_progress()
        results = self._session.retrieve(list(left), lambda: self._local.maildrop.download(self._came))
        try:
            with contextlib.closing(results):
                for number, result in results:
                    if isinstance(result, RetrieveFault):
                        self._tell(result.sentence)
                    else:
                        group.append(self._arrival(by_number[number], result))
                        size += result.size
                    left.popleft()
                    self._done = len(wanted) - len(left)
                    self._tell_progress()
                    if (
                        len(group) >= _GROUP_MESSAGES
                        or size >= _GROUP_BYTES
                        or time.monotonic() > began + _GROUP_SECONDS
                    ):
                        self._keep(group, keys)
                        began, size = time.monotonic(), 0
                    self._check_stop()
        except (ConnectionLost, ProtocolViolation):
            # The message under way may be what ends each session: next time it comes after all others.
            if left:
                self._local.maildrop.put_last(by_number[left[0]].key)
            raise
        finally:
            self._keep(group, keys)

    def _arrival(self, one: Listed, download: Download) -> Arrival:
        file_size = download.finish()
        head = download.head
        header = head[: split_header(head)]
        # A server may count a line end as one byte.
        doubtful = download.size < one.size - head.count(b"\n") and download.size < one.size * 0.98
        if doubtful:
            self._tell(
                f"A message of {one.size} bytes came with {download.size}. It is kept as it came, and stays on the server."
            )
        key = one.key if not one.key.startswith(_MADE_OF_ALL) else _MADE_OF_ALL + download.sha256.hex()
        envelope = parse_envelope(header)
        now = int(time.time())
        sent_at = now if envelope.sent_at is None else min(envelope.sent_at, now)
        return Arrival(
            uidl=key,
            path=download.path,
            sha256=download.sha256,
            listed_size=one.size,
            size=download.size,
            file_size=file_size,
            envelope=envelope,
            received_at=arrival_time(header, sent_at),
            preview=preview(head),
            has_attachments=looks_attached(head),
            doubtful=doubtful,
        )

    def _keep(self, group: list[Arrival], keys: set[str]) -> None:
        if group:
            arrivals = group.copy()
            group.clear()
            self.new_messages += self._local.maildrop.keep_arrivals(arrivals, keys).new

    def _came(self, count: int) -> None:
        self._bytes += count
        self._tell_progress()

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now > self._told_at + _TOLD_SECONDS or self._done == self._total:
            self._told_at = now
            self._progress("Inbox: messages", self._done, self._total, self._bytes)

    def _tell(self, sentence: str) -> None:
        self._ingest.add_problem(self._account.name, sentence)

    def _check_stop(self) -> None:
        if self._should_stop():
            raise Cancelled("Stopped.")
