"""UID SEARCH and ESEARCH (RFC 4731)."""

from __future__ import annotations

import itertools

from termmail.model.errors import TermmailError
from termmail.model.remote import UidRange
from termmail.protocols.arguments import check_argument
from termmail.protocols.imap import names, ranges
from termmail.protocols.imap.core import Core, Literal
from termmail.protocols.imap.responses import Malformed, Response, Value

_VERB = "UID SEARCH"
_CHUNK = 10_000
_ATTEMPTS = 2
_IN_FLIGHT = 8


def search_uids(core: Core, first: int, last: int | None) -> list[UidRange]:
    """See ImapSession.search_uids."""
    top = ranges.MAX_UID if last is None else last
    wanted = b"%d:%s" % (first, b"*" if last is None else b"%d" % last)
    if top < first:
        return []
    found = _extended(core, wanted) if core.has("ESEARCH") else _plain(core, wanted)
    # `n:*` names the last message even where its UID is below n.
    return ranges.merged(
        UidRange(max(item.first, first), min(item.last, top))
        for item in found
        if item.first <= top and item.last >= first
    )


def _extended(core: Core, wanted: bytes) -> list[UidRange]:
    found: list[UidRange] = []

    def take(response: Response) -> bool:
        if response.kind != "ESEARCH":
            return take_search(response, found)
        try:
            values = response.values()
        except Malformed:
            return False
        found.extend(ranges.parse_set(_after(values, b"ALL")))
        return True

    core.command(_VERB, b"RETURN (ALL) UID " + wanted, take=take, what="to list the messages")
    return found


def _after(values: list[Value], name: bytes) -> bytes:
    """The value that follows a name. The correlator and `UID` come first (RFC 4466)."""
    for key, value in itertools.pairwise(values):
        if isinstance(key, bytes) and key.upper() == name and isinstance(value, bytes):
            return value
    return b""


def _plain(core: Core, wanted: bytes) -> list[UidRange]:
    """In ranges of sequence numbers, so that no answer is a line too long for anything on the way (X2).

    An EXPUNGE in between moves the numbers, and a message could be missed; then all of it is asked again, at last in one.
    """
    for _ in range(_ATTEMPTS):
        size = core.collector.mailbox_size
        if size is None or size <= _CHUNK:
            break
        lines = [
            b"%d:%s UID %s" % (start, b"*" if start + _CHUNK > size else b"%d" % (start + _CHUNK - 1), wanted)
            for start in range(1, size + 1, _CHUNK)
        ]
        before = core.collector.expunges
        found = _pipelined(core, lines)
        if core.collector.expunges == before:
            return found
    return _pipelined(core, [b"UID " + wanted])


def _pipelined(core: Core, lines: list[bytes]) -> list[UidRange]:
    found: list[UidRange] = []
    refusal: TermmailError | None = None
    for start in range(0, len(lines), _IN_FLIGHT):
        for tag in core.begin_many(_VERB, lines[start : start + _IN_FLIGHT]):
            status = core.finish(tag, _VERB, lambda response: take_search(response, found))
            if status.kind != "OK" and refusal is None:
                refusal = core.refusal(status, _VERB, "to list the messages")
        if refusal is not None:
            raise refusal
    return found


def take_search(response: Response, found: list[UidRange]) -> bool:
    """UIDs of an untagged SEARCH; tokens that are no numbers are passed over (S11)."""
    if response.kind != "SEARCH":
        return False
    found.extend(ranges.from_uids(int(word) for word in response.text.split() if word.isdigit() and len(word) < 11))
    return True


def search_message_id(core: Core, message_id_header: str) -> list[int]:
    """See ImapSession.search_message_id."""
    data = check_argument(message_id_header, "the Message-ID")
    found: list[UidRange] = []
    if data.isascii():
        arguments: tuple[bytes | Literal, ...] = (b"HEADER Message-ID", names.quoted(data, "the Message-ID"))
    else:
        arguments = (b"CHARSET UTF-8 HEADER Message-ID", Literal(data))
    core.command(_VERB, *arguments, take=lambda response: take_search(response, found), what="to search for a message")
    return [uid for item in found for uid in range(item.first, item.last + 1)]
