"""IDLE (RFC 2177) with deadlines of its own (T14)."""

from __future__ import annotations

import selectors
import time

import msgspec

from termmail.model.remote import MailboxStatus
from termmail.protocols.hook import announce
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.listing import parse_status_row
from termmail.protocols.imap.responses import Malformed, Response

_VERB = "IDLE"


class IdleResult(msgspec.Struct, frozen=True):
    """What changed in the selected mailbox while waiting; `mailboxes` are others that changed (NOTIFY), by wire name."""

    exists: bool = False
    expunged: bool = False
    flags: bool = False
    mailboxes: tuple[tuple[bytes, MailboxStatus], ...] = ()

    def __bool__(self) -> bool:
        return self.exists or self.expunged or self.flags or bool(self.mailboxes)


class _Seen(msgspec.Struct):
    exists: bool = False
    expunged: bool = False
    flags: bool = False
    mailboxes: dict[bytes, MailboxStatus] = {}

    def any(self) -> bool:
        return self.exists or self.expunged or self.flags or bool(self.mailboxes)


def idle(core: Core, until: float, wake: int | None) -> IdleResult:
    """See ImapSession.idle."""
    seen = _Seen()
    tag = core.begin(_VERB)
    if not _started(core, tag, seen):
        return _result(seen)
    with selectors.DefaultSelector() as selector:
        selector.register(core.wire.socket, selectors.EVENT_READ, "server")
        if wake is not None:
            selector.register(wake, selectors.EVENT_READ, "wake")
        while not seen.any():
            if core.wire.has_line:
                if _take(core, tag, core.read(), seen):
                    return _result(seen)
                continue
            if core.wire.pending:
                core.wire.fill()
                continue
            left = until - time.monotonic()
            if left <= 0:
                break
            ready = {key.data for key, _ in selector.select(left)}
            if "server" in ready:
                core.wire.fill()
            elif ready:
                break
    core.wire.end_by(time.monotonic() + core.timeouts.idle_done)
    try:
        core.wire.send(b"DONE\r\n")
        while not _take(core, tag, core.read(), seen):
            pass
    finally:
        core.wire.end_by(None)
    return _result(seen)


def _started(core: Core, tag: bytes, seen: _Seen) -> bool:
    """Wait for the `+`. False where the server ended it at once with OK."""
    while True:
        response = core.read()
        if response.tag == b"+":
            return True
        if _take(core, tag, response, seen):
            return False


def _take(core: Core, tag: bytes, response: Response, seen: _Seen) -> bool:
    """Note a response; True for the end of IDLE. Raises ServerRefused, ProtocolViolation, ConnectionLost."""
    if response.tag == b"*":
        size = core.collector.mailbox_size
        core.note(response)
        if response.kind == "EXISTS":
            seen.exists = seen.exists or response.number != size
        elif response.kind in ("EXPUNGE", "VANISHED"):
            seen.expunged = True
        elif response.kind == "FETCH":
            seen.flags = True
        elif response.kind == "STATUS":
            try:
                wire_name, status = parse_status_row(response)
            except Malformed:
                return False
            seen.mailboxes[wire_name] = status
        return False
    if response.tag != tag:
        if response.tag != b"+":
            core.stray(response)
        return False
    announce(_VERB, "after")
    status_line = core.status_of(response)
    if status_line.kind != "OK":
        raise core.refusal(status_line, _VERB, "to tell of new mail as it comes")
    return True


def _result(seen: _Seen) -> IdleResult:
    return IdleResult(seen.exists, seen.expunged, seen.flags, tuple(seen.mailboxes.items()))
