"""LIST and UIDL, tolerantly, line by line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from termmail.model.remote import MaildropEntry, MaildropListing
from termmail.protocols.pop3.body import BodyReader
from termmail.protocols.pop3.core import Core
from termmail.protocols.pop3.replies import Reply

MAX_UIDL = 255
"""Bytes of a UIDL. RFC 1939 allows 70; some servers give more."""

_MAX_MESSAGES = 2_000_000
_MAX_KEPT = 1024
_MAX_SKIPPED = 20
_LIST_LINE = re.compile(rb"\s*([0-9]{1,10})[ \t]+([0-9]{1,18})(?:[ \t].*)?", re.DOTALL)
_UIDL_LINE = re.compile(rb"\s*([0-9]{1,10})[ \t]+([\x21-\x7e]{1,%d})[ \t]*" % MAX_UIDL)
_NUMBER = re.compile(rb"\s*([0-9]{1,10})(?:[ \t]|\Z)")

_SAME = "Several messages on the server have the same lasting name (UIDL)."
_GARBAGE = "The server gives this message no lasting name (UIDL) that can be used."
_NO_SIZE = "The server does not say how large this message is."


class _Lines:
    """What lines of one command said: `values` by number; `odd` the numbers whose line was no good."""

    def __init__(self) -> None:
        self.values: dict[int, bytes] = {}
        self.odd: set[int] = set()
        self.nameless = 0


def read_listing(core: Core) -> MaildropListing:
    """UIDL and LIST in one round trip where the server takes that, with the commands that were put off.

    Raises ServerRefused where LIST is refused, or a UIDL that the server offers.
    """
    found: dict[str, _Lines] = {}
    refused: dict[str, Reply] = {}
    commands, core.ahead = [*core.ahead, "UIDL", "LIST"], []
    for command in core.run(commands):
        if command == "CAPA":
            core.capabilities = core.read_capabilities() or core.capabilities
            continue
        reply = core.reply(command.partition(" ")[0])
        if command not in ("UIDL", "LIST"):
            continue
        if not reply.ok:
            refused[command] = reply
            continue
        found[command] = _read_lines(core, _UIDL_LINE if command == "UIDL" else _LIST_LINE)
    if "LIST" in refused:
        raise core.refusal(refused["LIST"], "to list its mail")
    # A refusal for the moment must not look like a server that has no UIDLs at all.
    if "UIDL" in refused and (core.has("UIDL") or refused["UIDL"].code):
        raise core.refusal(refused["UIDL"], "to list its mail")
    listing = _joined(found["LIST"], found.get("UIDL"))
    core.sizes = {entry.number: entry.size for entry in listing.entries}
    return listing


def _joined(sizes: _Lines, uidls: _Lines | None) -> MaildropListing:
    has_uidls = uidls is not None
    names = uidls if uidls is not None else _Lines()
    often = Counter(names.values.values())
    entries: list[MaildropEntry] = []
    for number in sorted({*sizes.values, *sizes.odd, *names.values, *names.odd}):
        name = names.values.get(number) if number not in names.odd else None
        size = sizes.values.get(number) if number not in sizes.odd else None
        problem = ""
        if name is not None and often[name] > 1:
            problem = _SAME
        elif name is None and has_uidls:
            problem = _GARBAGE
        elif size is None:
            problem = _NO_SIZE
        uidl = name.decode("ascii") if name is not None else None
        entries.append(MaildropEntry(number, uidl, int(size or 0), problem))
    skipped: list[str] = []
    for what, count in (("LIST", sizes.nameless), ("UIDL", names.nameless)):
        if count:
            skipped.append(f"Lines of the server's answer to {what} that name no message: {count}.")
    return MaildropListing(tuple(entries), has_uidls, tuple(skipped))


def _read_lines(core: Core, pattern: re.Pattern[bytes]) -> _Lines:
    found = _Lines()
    for count, line in enumerate(_lines(core), 1):
        if count > _MAX_MESSAGES:
            raise core.violation("lists more messages than a maildrop can have")
        match = pattern.fullmatch(line)
        named = match or _NUMBER.match(line)
        number = int(named[1]) if named is not None else 0
        if number == 0:
            found.nameless += 1
        elif match is None or found.values.setdefault(number, match[2]) != match[2]:
            found.odd.add(number)
    return found


def _lines(core: Core) -> Iterator[bytes]:
    """The lines of a multi-line answer; of a long one only the beginning."""
    rest = b""
    for block in core.body(BodyReader()):
        *lines, rest = (rest + block).split(b"\r\n")
        for line in lines:
            yield line[: _MAX_KEPT + 1]
        if len(rest) > _MAX_KEPT:
            # Its last byte may be the first of a line end.
            rest = rest[:_MAX_KEPT] + rest[-1:]
    if rest:
        yield rest[: _MAX_KEPT + 1]
