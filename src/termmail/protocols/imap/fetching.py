"""FETCH read from the wire as a stream, one message at a time, tolerantly (P3).

The usual shape of an answer is taken by one regular expression over the receive buffer; whatever it does not match goes
through the general parser, and what that refuses becomes a FetchFault while the stream goes on.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from termmail.model.errors import ConnectionLost, Retry, TermmailError
from termmail.model.remote import FaultKind, FetchFault, RemoteBody, RemoteFlags, RemoteHeader, UidRange
from termmail.protocols.hook import announce
from termmail.protocols.imap import ranges
from termmail.protocols.imap.attributes import AttributeCache, fetch_attributes, parse_flags, parse_modseq
from termmail.protocols.imap.core import Core
from termmail.protocols.imap.responses import (
    OVERSIZED,
    LiteralTooLarge,
    Malformed,
    Response,
    Status,
    Value,
    as_bytes,
    as_number,
    parse_status,
    read_response,
)

HEADER_FIELDS = (
    b"DATE FROM SENDER REPLY-TO TO CC BCC SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES LIST-ID LIST-POST "
    b"CONTENT-TYPE CONTENT-CLASS X-PRIORITY IMPORTANCE AUTO-SUBMITTED"
)
MAX_HEADER = 4 << 20
"""Bytes of a header block that are kept; a longer one is a fault of that message."""

_VERB = "UID FETCH"
_IN_FLIGHT = 4
_DRAIN_BYTES = 4 << 20
_DRAIN_SECONDS = 1.0
_MAX_JUNK = 1000
_INLINE = 256 << 10

_ATTRIBUTES = (
    rb"\* \d+ FETCH \((?:UID (\d{1,10}) ?|FLAGS \(([^()\r\n]*)\) ?|MODSEQ \((\d{1,19})\) ?|"
    rb"INTERNALDATE \"([^\"\r\n]{26})\" ?|RFC822\.SIZE (\d{1,18}) ?|X-GM-MSGID (\d{1,20}) ?|EMAILID \(([^()\r\n]+)\) ?)*"
)
_HEADER = re.compile(_ATTRIBUTES + rb"BODY\[HEADER\.FIELDS \([^()\]\r\n]*\)\] \{(\d{1,9})\}\r\n").match
_FLAGS = re.compile(
    rb"\* \d+ FETCH \((?:UID (\d{1,10}) ?|FLAGS \(([^()\r\n]*)\) ?|MODSEQ \((\d{1,19})\) ?)*\)\r\n"
).match
_BODY = re.compile(rb"\* \d+ FETCH \(UID (\d{1,10}) BODY\[\] $").match
_UID = re.compile(rb"[( ]UID (\d{1,10})\b", re.IGNORECASE)
_Item = TypeVar("_Item")


class _Run:
    """The commands of one streamed FETCH: a long UID set takes several, of which a few are on their way at once."""

    def __init__(self, core: Core, uids: Sequence[UidRange], items: bytes) -> None:
        self.core = core
        self.asked = ranges.Membership(uids)
        self._waiting = deque(b"%s %s" % (uid_set, items) for uid_set in ranges.format_sets(uids))
        self._outstanding: set[bytes] = set()
        self._refusal: TermmailError | None = None
        self._junk = 0
        self._send()
        core.streaming = bool(self._outstanding)

    def _send(self) -> None:
        lines = [self._waiting.popleft() for _ in range(min(len(self._waiting), _IN_FLIGHT - len(self._outstanding)))]
        if lines:
            self.core.streaming = False
            self._outstanding |= set(self.core.begin_many(_VERB, lines))
            self.core.streaming = True

    def over(self) -> bool:
        return not self._outstanding

    def other(self, response: Response) -> FetchFault | None:
        """Deal with what is no FETCH. Raises, after the last command's end, what the server refused."""
        if response.tag == b"*" and response.kind:
            self.core.note(response)
            return None
        if response.tag in self._outstanding:
            self._completed(response)
            return None
        if response.tag == b"+" or not response.line.strip() or self.core.is_background(response):
            return None
        self._junk += 1
        if self._junk > _MAX_JUNK:
            raise self.core.violation("sent what can't be read as mail")
        return FetchFault(
            None, FaultKind.MALFORMED, f"{self.core.host} sent something that can't be read as a message."
        )

    def _completed(self, response: Response) -> None:
        status = parse_status(response.text) or Status("BAD")
        self._outstanding.discard(response.tag)
        announce(_VERB, "after")
        if status.kind != "OK" and self._refusal is None:
            self._refusal = self.core.refusal(status, _VERB, "to hand out messages")
            if self.core.wire.closed:
                raise self._refusal
        if self._waiting and self._refusal is None and len(self._outstanding) <= _IN_FLIGHT // 2:
            self._send()
        if self.over():
            self.core.streaming = False
            if self._refusal is not None:
                raise self._refusal

    def too_large(self, pieces: list[bytes | None]) -> FetchFault:
        """A literal that can't even be dropped ends the connection (P10)."""
        match = _UID.search(pieces[0] or b"") if pieces else None
        self.core.wire.close()
        return FetchFault(int(match[1]) if match else None, FaultKind.TOO_LARGE, _too_large(self.core.host))

    def end(self) -> None:
        """Leave the session usable where that is quick, else closed."""
        self.core.streaming = False
        if self.over() or self.core.wire.closed:
            return
        deadline = time.monotonic() + _DRAIN_SECONDS
        wire = self.core.wire
        self._waiting.clear()
        left = _DRAIN_BYTES
        wire.end_by(deadline)
        # What is lost by closing is only the connection; whoever closed the iterator early has other things to do.
        with contextlib.suppress(TermmailError, LiteralTooLarge):
            while not self.over() and left > 0 and not wire.closed:
                response = read_response(wire, keep=0, drop=left)
                left -= len(response.line) + 1
                if response.kind != "FETCH":
                    self.other(response)
        if self.over() and not wire.closed:
            wire.end_by(None)
        else:
            wire.close()


def _too_large(host: str) -> str:
    return f"A message from {host} is larger than may be fetched at once. Open it to fetch it in pieces."


def _stream(
    run: _Run,
    quick: Callable[[_Run], Iterator[_Item]] | None,
    parse: Callable[[_Run, Response], _Item | FetchFault | None],
    keep: int,
) -> Generator[_Item | FetchFault, None, None]:
    """Messages as `quick` finds them in the buffer, the others as `parse` reads them, until the commands' end."""
    core = run.core
    wire = core.wire
    try:
        while not run.over():
            if quick is not None:
                yield from quick(run)
            try:
                response = read_response(wire, keep=keep, drop=max(keep, core.max_literal))
            except LiteralTooLarge as error:
                yield run.too_large(error.pieces)
                raise ConnectionLost(
                    f"{core.host} wanted to send {error.size} bytes at once, so the connection was closed. It is tried again.",
                    retry=Retry.NOW,
                ) from error
            item = parse(run, response) if response.kind == "FETCH" else run.other(response)
            if item is not None:
                yield item
    finally:
        run.end()


def fetch_headers(core: Core, uids: Sequence[UidRange]) -> Generator[RemoteHeader | FetchFault, None, None]:
    """See ImapSession.fetch_headers."""
    extra = b" MODSEQ" if core.has("CONDSTORE") or core.has("QRESYNC") else b""
    extra += b" X-GM-MSGID" if core.has("X-GM-EXT-1") else b" EMAILID" if core.has("OBJECTID") else b""
    items = b"(UID FLAGS INTERNALDATE RFC822.SIZE%s BODY.PEEK[HEADER.FIELDS (%s)])" % (extra, HEADER_FIELDS)
    if not uids:
        return
    caches = AttributeCache()

    def quick(run: _Run) -> Iterator[RemoteHeader]:
        wire, asked = core.wire, run.asked
        data, pos = wire.data, wire.pos
        match, received, flags_of = _HEADER, caches.received_at, caches.flags
        while True:
            found = match(data, pos)
            if found is None:
                if data.find(b"\n", pos) >= 0 or len(data) - pos > _INLINE:
                    break
            else:
                uid, flags, modseq, date, size, gmail_id, email_id, length = found.groups()
                start = found.end()
                stop = start + int(length)
                if data[stop : stop + 3] == b")\r\n":
                    if uid is None or flags is None or int(uid) not in asked:
                        break
                    pos = wire.pos = stop + 3
                    yield RemoteHeader(
                        int(uid),
                        flags_of(flags),
                        int(size) if size else 0,
                        received(date) if date else 0,
                        data[start:stop],
                        int(modseq) if modseq else None,
                        (gmail_id or email_id).decode("ascii", "replace") if gmail_id or email_id else "",
                    )
                    continue
                if stop + 3 <= len(data) or stop - start > _INLINE:
                    break
            wire.pos = pos
            wire.fill()
            data, pos = wire.data, wire.pos
        wire.pos = pos

    def parse(run: _Run, response: Response) -> RemoteHeader | FetchFault | None:
        return _parse(run, response, lambda uid, found: _header(run, caches, uid, found))

    yield from _stream(_Run(core, uids, items), quick, parse, MAX_HEADER)


def _header(run: _Run, caches: AttributeCache, uid: int, found: dict[bytes, Value]) -> RemoteHeader | FetchFault | None:
    if b"BODY[" not in found:
        return None
    block = found[b"BODY["]
    if block is None:
        return FetchFault(uid, FaultKind.MISSING, f"{run.core.host} lists a message that it does not hand out.")
    if block is OVERSIZED:
        return FetchFault(uid, FaultKind.TOO_LARGE, f"{run.core.host} has a message whose header is too large to list.")
    told = run.core.collector.flags.get(uid)
    if b"FLAGS" in found:
        flags = parse_flags(found[b"FLAGS"])
    elif told is not None:
        flags = told.flags
    else:
        raise Malformed("no flags")
    email_id = found.get(b"X-GM-MSGID") or found.get(b"EMAILID")
    if isinstance(email_id, list):
        email_id = email_id[0] if email_id else None
    return RemoteHeader(
        uid,
        flags,
        _number_or_zero(found.get(b"RFC822.SIZE")),
        caches.received_at(_text(found.get(b"INTERNALDATE"))),
        as_bytes(block),
        parse_modseq(found.get(b"MODSEQ")),
        _text(email_id).decode("ascii", "replace"),
    )


def _number_or_zero(value: Value) -> int:
    try:
        return as_number(value)
    except Malformed:
        return 0


def _text(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


def _parse(
    run: _Run, response: Response, make: Callable[[int, dict[bytes, Value]], _Item | FetchFault | None]
) -> _Item | FetchFault | None:
    """What `make` makes of a FETCH. What was not asked for goes to the collector, and what can't be read is a fault."""
    try:
        found = fetch_attributes(response)
        uid = as_number(found[b"UID"]) if b"UID" in found else None
        if uid is None and b"BODY[" in found:
            raise Malformed("no UID")
        item = make(uid, found) if uid is not None and uid in run.asked else None
    except Malformed as error:
        match = _UID.search(response.line)
        known = int(match[1]) if match else None
        run.core.trace(f"a FETCH can't be read: {error}")
        return FetchFault(
            known, FaultKind.MALFORMED, f"{run.core.host} describes a message in a way that can't be read."
        )
    if item is None:
        run.core.collector.take(response)
    return item


def fetch_flags(
    core: Core, uids: Sequence[UidRange], changed_since: int | None
) -> Generator[RemoteFlags | FetchFault, None, None]:
    """See ImapSession.fetch_flags."""
    modseq = core.has("CONDSTORE") or core.has("QRESYNC")
    items = b"(UID FLAGS MODSEQ)" if modseq else b"(UID FLAGS)"
    if changed_since is not None and modseq:
        items += b" (CHANGEDSINCE %d)" % changed_since
    if not uids:
        return
    caches = AttributeCache()

    def quick(run: _Run) -> Iterator[RemoteFlags]:
        wire, asked = core.wire, run.asked
        data, pos = wire.data, wire.pos
        match, flags_of = _FLAGS, caches.flags
        while True:
            found = match(data, pos)
            if found is not None:
                uid, flags, number = found.groups()
                if uid is None or flags is None or int(uid) not in asked:
                    break
                pos = wire.pos = found.end()
                yield RemoteFlags(int(uid), flags_of(flags), int(number) if number else None)
            elif data.find(b"\n", pos) >= 0 or len(data) - pos > _INLINE:
                break
            else:
                wire.pos = pos
                wire.fill()
                data, pos = wire.data, wire.pos
        wire.pos = pos

    def make(uid: int, found: dict[bytes, Value]) -> RemoteFlags | None:
        if b"FLAGS" not in found:
            return None
        return RemoteFlags(uid, parse_flags(found[b"FLAGS"]), parse_modseq(found.get(b"MODSEQ")))

    yield from _stream(_Run(core, uids, items), quick, lambda run, response: _parse(run, response, make), _INLINE)


def fetch_bodies(
    core: Core, uids: Sequence[UidRange], max_size: int | None
) -> Generator[RemoteBody | FetchFault, None, None]:
    """See ImapSession.fetch_bodies."""
    if not uids:
        return
    keep = core.max_literal if max_size is None else min(max_size, core.max_literal)

    def make(uid: int, found: dict[bytes, Value]) -> RemoteBody | FetchFault | None:
        if b"BODY[" not in found:
            return None
        raw = found[b"BODY["]
        if raw is None:
            return FetchFault(uid, FaultKind.MISSING, f"{core.host} lists a message that it does not hand out.")
        if raw is OVERSIZED:
            return FetchFault(uid, FaultKind.TOO_LARGE, _too_large(core.host))
        return RemoteBody(uid, as_bytes(raw))

    def parse(run: _Run, response: Response) -> RemoteBody | FetchFault | None:
        pieces = response.pieces
        if len(pieces) == 3 and pieces[2] == b")" and pieces[1] is not None:
            usual = _BODY(response.line)
            if usual is not None and int(usual[1]) in run.asked:
                return RemoteBody(int(usual[1]), pieces[1])
        return _parse(run, response, make)

    yield from _stream(_Run(core, uids, b"(UID BODY.PEEK[])"), None, parse, keep)


def fetch_chunk(core: Core, uid: int, offset: int, length: int) -> bytes | None:
    """See ImapSession.fetch_chunk; None where the server did not say anything of the message."""
    found: list[bytes] = []

    def take(response: Response) -> bool:
        if response.kind != "FETCH":
            return False
        try:
            attributes = fetch_attributes(response)
            if b"BODY[" not in attributes or as_number(attributes.get(b"UID")) != uid:
                return False
            part = as_bytes(attributes[b"BODY["])
        except Malformed:
            return False
        # A server that knows no partial FETCH sends all of it.
        found.append(part if len(part) <= length else part[offset : offset + length])
        return True

    core.command(
        _VERB,
        b"%d (UID BODY.PEEK[]<%d.%d>)" % (uid, offset, length),
        take=take,
        what="to hand out a part of a message",
        keep=core.max_literal,
    )
    return found[0] if found else None
