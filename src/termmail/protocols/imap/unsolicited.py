"""What a server says without being asked (RFC 9051 §7), kept until somebody takes it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from termmail.model.remote import MailboxStatus, RemoteFlags, UidRange
from termmail.protocols.imap import listing, ranges
from termmail.protocols.imap.attributes import fetch_attributes, parse_flags, parse_modseq
from termmail.protocols.imap.responses import (
    Malformed,
    Response,
    Status,
    as_number,
    parse_values,
    untagged_status,
)

_MAX_ALERTS = 20
_MAX_FLAGS = 200_000
_MAX_VANISHED = 10_000


class Unsolicited(msgspec.Struct, frozen=True):
    """What happened in the selected mailbox meanwhile.

    `exists` is the last number told, None where none was. `expunged` says that some message went, whose UID only
    `vanished` tells (QRESYNC). `flags_unknown`: flags of a message changed that was told by its sequence number alone, or
    could not be read, so flags have to be listed again. `statuses` are STATUS rows nobody asked for (NOTIFY). `alerts` are
    ready to show.
    """

    exists: int | None = None
    expunged: bool = False
    vanished: tuple[UidRange, ...] = ()
    flags: tuple[RemoteFlags, ...] = ()
    alerts: tuple[str, ...] = ()
    flags_unknown: bool = False
    statuses: tuple[tuple[bytes, MailboxStatus], ...] = ()


class Collector:
    """Takes untagged responses. `mailbox_size` follows EXISTS and EXPUNGE; `enabled` what ENABLED said. `shown` makes a
    server's words fit to show, and is None where they may not be shown."""

    def __init__(self, shown: Callable[[bytes], str] | None) -> None:
        self._shown = shown
        self.mailbox_size: int | None = None
        self.enabled: set[str] = set()
        self.capabilities: frozenset[str] | None = None
        self.expunges = 0
        self._reset()

    def _reset(self) -> None:
        self._exists: int | None = None
        self._expunged = False
        self._vanished: list[UidRange] = []
        self.flags: dict[int, RemoteFlags] = {}
        self._alerts: list[str] = []
        self._flags_unknown = False
        self._statuses: dict[bytes, MailboxStatus] = {}

    def take_all(self) -> Unsolicited:
        """Everything since the last call."""
        found = Unsolicited(
            exists=self._exists,
            expunged=self._expunged,
            vanished=tuple(ranges.merged(self._vanished)),
            flags=tuple(self.flags.values()),
            alerts=tuple(self._alerts),
            flags_unknown=self._flags_unknown,
            statuses=tuple(self._statuses.items()),
        )
        self._reset()
        return found

    def take_capabilities(self) -> frozenset[str] | None:
        """What CAPABILITY said since the last call, or None."""
        found, self.capabilities = self.capabilities, None
        return found

    def forget_mailbox(self) -> None:
        """Another mailbox is selected: what was told of the one before is void, alerts and statuses stay."""
        self.mailbox_size = self._exists = None
        self._expunged = self._flags_unknown = False
        self._vanished = []
        self.flags = {}

    def take(self, response: Response) -> None:
        """Note an untagged response; what does not matter here, or can't be read, is passed over."""
        kind = response.kind
        if kind == "FETCH":
            self._take_fetch(response)
        elif kind == "EXISTS" and response.number is not None:
            if response.number != self.mailbox_size:
                self._exists = self.mailbox_size = response.number
        elif kind == "EXPUNGE":
            self._expunged = True
            self.expunges += 1
            if self.mailbox_size:
                self.mailbox_size -= 1
        elif kind == "VANISHED":
            self._take_vanished(response)
        elif kind == "ENABLED":
            self.enabled |= {word.decode("ascii", "replace").upper() for word in response.text.split()}
        elif kind == "CAPABILITY":
            self.capabilities = capability_set(response.text)
        elif kind == "STATUS":
            self._take_status(response)
        elif kind in ("OK", "NO", "BAD"):
            self._take_alert(untagged_status(response))

    def _take_fetch(self, response: Response) -> None:
        try:
            found = fetch_attributes(response)
            if b"FLAGS" not in found:
                return
            if b"UID" not in found or len(self.flags) >= _MAX_FLAGS:
                self._flags_unknown = True
                return
            uid = as_number(found[b"UID"])
            self.flags[uid] = RemoteFlags(uid, parse_flags(found[b"FLAGS"]), parse_modseq(found.get(b"MODSEQ")))
        except Malformed:
            self._flags_unknown = True

    def _take_alert(self, status: Status | None) -> None:
        if status is None or status.code != "ALERT" or self._shown is None or len(self._alerts) >= _MAX_ALERTS:
            return
        self._alerts.append(self._shown(status.text))

    def _take_vanished(self, response: Response) -> None:
        try:
            values = parse_values([response.text])
        except Malformed:
            self._expunged = True
            return
        earlier = bool(values) and isinstance(values[0], list)
        gone = ranges.parse_set(values[-1] if values and isinstance(values[-1], bytes) else b"")
        self._vanished += gone
        self._expunged = True
        if len(self._vanished) > _MAX_VANISHED:
            self._vanished = ranges.merged(self._vanished)
        if not earlier and self.mailbox_size is not None:
            count = sum(item.last - item.first + 1 for item in gone)
            self.expunges += 1
            self.mailbox_size = max(0, self.mailbox_size - count)

    def _take_status(self, response: Response) -> None:
        try:
            wire_name, status = listing.parse_status_row(response)
        except Malformed:
            return
        self._statuses[wire_name] = status


def capability_set(text: bytes) -> frozenset[str]:
    """Capabilities in capitals."""
    return frozenset(word.decode("ascii", "replace") for word in text.upper().split())
