"""STORE, COPY, MOVE, EXPUNGE and APPEND."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from termmail.model.flags import FlagSet
from termmail.model.remote import CopiedUids, UidRange
from termmail.protocols.arguments import check_atom
from termmail.protocols.imap import names, ranges
from termmail.protocols.imap.core import Core, Literal
from termmail.protocols.imap.responses import Response, Status, untagged_status

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_PAIRS = 1_000_000


def store_flags(core: Core, uids: Sequence[UidRange], add: FlagSet, remove: FlagSet) -> None:
    """See ImapSession.store_flags."""
    for sign, flags in ((b"+", add), (b"-", remove)):
        if not flags:
            continue
        items = sign + b"FLAGS.SILENT " + _flag_list(flags)
        for uid_set in ranges.format_sets(uids):
            core.command("UID STORE", uid_set, items, what="to change flags")


def _flag_list(flags: FlagSet) -> bytes:
    flags_named = [
        name.encode() if name.startswith("\\") else check_atom(name, f"the keyword {name!r}") for name in flags.names()
    ]
    return b"(%s)" % b" ".join(flags_named)


def copy(core: Core, verb: str, uids: Sequence[UidRange], wire_name: bytes) -> CopiedUids:
    """See ImapSession.copy and ImapSession.move."""
    name = names.quoted(wire_name)
    uidvalidity: int | None = None
    pairs: list[tuple[int, int]] = []
    what = "to move messages" if verb.endswith("MOVE") else "to copy messages"
    for uid_set in ranges.format_sets(uids):
        told: list[Status] = []

        def take(response: Response, told: list[Status] = told) -> bool:
            # MOVE tells before its EXPUNGEs, COPY in its tagged OK (RFC 6851 §4.3).
            status = untagged_status(response)
            if status is None or status.code != "COPYUID":
                return False
            told.append(status)
            return True

        told.append(core.command(verb, uid_set, name, take=take, what=what))
        for status in told:
            if status.code == "COPYUID":
                parsed = _copied(status.arguments)
                if parsed is not None:
                    uidvalidity = parsed[0]
                    pairs += parsed[1]
    return CopiedUids(uidvalidity, tuple(pairs))


def _copied(arguments: bytes) -> tuple[int, list[tuple[int, int]]] | None:
    """COPYUID's arguments (RFC 4315 §3), or None where they make no sense."""
    words = arguments.split()
    if len(words) != 3 or not words[0].isdigit() or len(words[0]) > 10:
        return None
    source, target = (_expanded(ranges.parse_set(word)) for word in words[1:])
    found = list(zip(source, target, strict=False))
    if len(found) > _MAX_PAIRS or next(source, None) is not None or next(target, None) is not None:
        return None
    return int(words[0]), found


def _expanded(uid_ranges: list[UidRange]) -> Iterator[int]:
    for count, uid in enumerate(uid for item in uid_ranges for uid in range(item.first, item.last + 1)):
        if count > _MAX_PAIRS:
            return
        yield uid


def expunge(core: Core, uids: Sequence[UidRange]) -> bool:
    """See ImapSession.expunge."""
    if not core.has("UIDPLUS"):
        return False
    for uid_set in ranges.format_sets(uids):
        core.command("UID EXPUNGE", uid_set, what="to remove messages")
    return True


def append(
    core: Core, wire_name: bytes, raw: bytes, flags: FlagSet, received: datetime.datetime
) -> tuple[int, int] | None:
    """See ImapSession.append."""
    date = f'"{received.day:2}-{_MONTHS[received.month - 1]}-{received:%Y %H:%M:%S} +0000"'
    status = core.command(
        "APPEND",
        names.quoted(wire_name),
        _flag_list(flags),
        date.encode(),
        Literal(raw),
        what="to store a message",
    )
    words = status.arguments.split() if status.code == "APPENDUID" else []
    if len(words) == 2 and all(word.isdigit() and len(word) < 11 for word in words):
        return int(words[0]), int(words[1])
    return None
