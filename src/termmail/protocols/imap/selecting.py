"""SELECT and EXAMINE, with CONDSTORE and QRESYNC (RFC 7162)."""

from __future__ import annotations

import msgspec

from termmail.model.errors import ServerRefused
from termmail.model.remote import RemoteFlags, Selected, UidRange
from termmail.protocols.imap import names, ranges
from termmail.protocols.imap.attributes import fetch_attributes, parse_flags, parse_modseq
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.responses import (
    Malformed,
    Response,
    Status,
    as_bytes,
    as_list,
    as_number,
    parse_values,
    untagged_status,
)


class _Told(msgspec.Struct):
    """What the server said so far."""

    exists: int = 0
    uidvalidity: int = 0
    uidnext: int | None = None
    highestmodseq: int | None = None
    permanent_flags: frozenset[str] | None = None
    changed: dict[int, RemoteFlags] = {}
    vanished: list[UidRange] = []


def select(core: Core, wire_name: bytes, known: tuple[int, int] | None, read_only: bool) -> Selected:
    """See ImapSession.select."""
    verb = "EXAMINE" if read_only else "SELECT"
    name = names.quoted(wire_name)
    resync = known is not None and known[1] > 0 and core.has("QRESYNC") and core.enables("QRESYNC")
    if resync and known is not None:
        arguments = name + b" (QRESYNC (%d %d))" % known
    elif core.has("CONDSTORE"):
        arguments = name + b" (CONDSTORE)"
    else:
        arguments = name
    told = _Told()

    def take(response: Response) -> bool:
        return _take(core, told, response)

    tag = core.begin(verb, arguments)
    # A failed SELECT leaves nothing selected either (RFC 9051 §6.3.2).
    core.selected = None
    core.collector.forget_mailbox()
    status = core.finish(tag, verb, take)
    if status.kind != "OK":
        core.link.state = "AUTH"
        raise core.refusal(status, verb, "to open the folder")
    if not told.uidvalidity:
        raise ServerRefused(f"{core.host} does not number the messages of this folder, so it can't be kept here.")
    core.link.state = "SELECTED"
    core.selected = wire_name
    core.collector.forget_mailbox()
    core.collector.mailbox_size = told.exists
    done = resync and known is not None and known[0] == told.uidvalidity and bool(told.highestmodseq)
    return Selected(
        exists=told.exists,
        uidvalidity=told.uidvalidity,
        uidnext=told.uidnext,
        highestmodseq=told.highestmodseq if core.has("CONDSTORE") or core.has("QRESYNC") else None,
        read_only=read_only or status.code == "READ-ONLY",
        permanent_flags=frozenset(flag for flag in told.permanent_flags or () if flag != "\\*"),
        new_keywords=told.permanent_flags is None or "\\*" in told.permanent_flags,
        changed=tuple(told.changed.values()) if done else None,
        vanished=tuple(ranges.merged(told.vanished)) if done else None,
    )


def _take(core: Core, told: _Told, response: Response) -> bool:
    if response.kind == "EXISTS" and response.number is not None:
        told.exists = response.number
    elif response.kind == "FETCH":
        try:
            found = fetch_attributes(response)
            uid = as_number(found.get(b"UID"))
            told.changed[uid] = RemoteFlags(uid, parse_flags(found[b"FLAGS"]), parse_modseq(found.get(b"MODSEQ")))
        except (Malformed, KeyError) as error:
            raise core.violation("described a message in a way that can't be read") from error
    elif response.kind == "VANISHED":
        told.vanished += ranges.parse_set(response.text.rpartition(b" ")[2])
    elif response.kind in ("OK", "NO"):
        status = untagged_status(response)
        if status is None or not status.code:
            return False
        return _take_code(core, told, status)
    else:
        return response.kind in ("FLAGS", "RECENT")
    return True


def _take_code(core: Core, told: _Told, status: Status) -> bool:
    number = int(status.arguments) if status.arguments.isdigit() and len(status.arguments) < 20 else None
    if status.code == "CLOSED":
        # What came until here was about the mailbox that was open before (RFC 7162 §3.2.11).
        told.changed.clear()
        told.vanished.clear()
        told.exists = 0
        core.collector.forget_mailbox()
    elif status.code == "UIDVALIDITY":
        told.uidvalidity = number or 0
    elif status.code == "UIDNEXT":
        told.uidnext = number or None
    elif status.code == "HIGHESTMODSEQ":
        told.highestmodseq = number or None
    elif status.code == "PERMANENTFLAGS":
        try:
            flags = as_list(parse_values([status.arguments])[0])
            told.permanent_flags = frozenset(as_bytes(flag).decode("utf-8", "replace") for flag in flags)
        except (Malformed, IndexError):
            return False
    else:
        return status.code in ("NOMODSEQ", "UNSEEN")
    return True
