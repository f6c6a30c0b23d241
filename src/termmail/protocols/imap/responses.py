"""Responses of an IMAP server as pieces of text and literals, and their values (RFC 9051 §4 and §9), read tolerantly."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from termmail.protocols.wire import Wire


class Mark(enum.Enum):
    """What among values is no value of its own."""

    OPEN = "("
    CLOSE = ")"
    OVERSIZED = "oversized"


OVERSIZED = Mark.OVERSIZED
"""Stands for a literal above the limit: its bytes were read and dropped."""

MAX_DEPTH = 100
_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}$")
_HEAD = re.compile(rb"\* (?:(\d{1,20}) +)?([A-Za-z0-9-]+)")
_CODE = re.compile(rb"\[([^\s\]]+)(?: ((?:\"(?:[^\"\\]|\\.)*\"|[^\]\"])*))?\] ?")
_STATUS = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: (.*))?$", re.IGNORECASE | re.DOTALL)

Value: TypeAlias = "bytes | Mark | list[Value] | None"
"""An atom, string or literal as bytes; None for NIL; OVERSIZED; or a parenthesised list."""


class Malformed(Exception):
    """What the server said does not follow the grammar. Ends one row or one message, never the connection."""


class LiteralTooLarge(Exception):
    """A literal that is not even worth dropping; the connection has to be closed. `pieces` is what came before it."""

    def __init__(self, size: int, pieces: list[bytes | None]) -> None:
        super().__init__(f"a literal of {size} bytes")
        self.size = size
        self.pieces = pieces


class Response:
    """One response: `pieces` alternates text and literals, beginning with text; a dropped literal is None.

    `tag` is `*`, `+` or the tag; `number` and `kind` (in capitals) are set for an untagged one.
    """

    __slots__ = ("kind", "number", "pieces", "rest", "tag")

    def __init__(self, pieces: list[bytes | None]) -> None:
        self.pieces = pieces
        line = pieces[0] or b""
        self.tag, _, _ = line.partition(b" ")
        self.number: int | None = None
        self.kind = ""
        self.rest = len(self.tag) + 1
        if self.tag == b"*":
            head = _HEAD.match(line)
            if head is not None:
                self.number = int(head[1]) if head[1] else None
                self.kind = head[2].decode("ascii").upper()
                self.rest = head.end() + 1

    @property
    def line(self) -> bytes:
        return self.pieces[0] or b""

    @property
    def text(self) -> bytes:
        """What follows the tag, or the kind of an untagged one, up to the first literal."""
        return self.line[self.rest :]

    def values(self) -> list[Value]:
        """Everything behind the kind. Raises Malformed."""
        return parse_values([self.text, *self.pieces[1:]])


class Status(msgspec.Struct, frozen=True):
    """OK, NO, BAD, BYE or PREAUTH with its response code (in capitals, or empty), the code's arguments and the text."""

    kind: str
    code: str = ""
    arguments: bytes = b""
    text: bytes = b""

    @property
    def ok(self) -> bool:
        return self.kind == "OK"


def parse_status(text: bytes) -> Status | None:
    """From "OK [CODE arguments] text"; None where it is nothing of the kind."""
    match = _STATUS.match(text)
    if match is None:
        return None
    kind = match[1].decode("ascii").upper()
    rest = match[2] or b""
    code = _CODE.match(rest)
    if code is None:
        return Status(kind, text=rest)
    return Status(kind, code[1].decode("ascii", "replace").upper(), (code[2] or b"").strip(), rest[code.end() :])


def untagged_status(response: Response) -> Status | None:
    """The status in an untagged response, or None."""
    return parse_status(response.line[2:]) if response.tag == b"*" and response.number is None else None


def read_response(wire: Wire, *, keep: int, drop: int) -> Response:
    """The next response. Literals up to `keep` bytes are kept; up to `drop` bytes they are read and dropped; above that
    LiteralTooLarge is raised with the literal still unread."""
    line = wire.read_line()
    pieces: list[bytes | None] = [line]
    # Only the last few bytes matter: a search over a line of megabytes would try at every brace.
    while line.endswith(b"}") and (match := _LITERAL.search(line, max(0, len(line) - 25))):
        size = int(match[1])
        pieces[-1] = line[: match.start()]
        if size > drop:
            raise LiteralTooLarge(size, pieces)
        if size > keep:
            wire.skip(size)
            pieces.append(None)
        else:
            pieces.append(wire.read_exactly(size))
        line = wire.read_line()
        pieces.append(line)
        if len(pieces) > 20_000:
            raise LiteralTooLarge(0, [])
    return Response(pieces)


def parse_values(pieces: list[bytes | None]) -> list[Value]:
    """Values from text and literals. Raises Malformed; never recurses, so depth costs nothing but MAX_DEPTH."""
    top: list[Value] = []
    stack: list[list[Value]] = [top]
    for token in _tokens(pieces):
        if token is Mark.OPEN:
            if len(stack) > MAX_DEPTH:
                raise Malformed("nested too deeply")
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif token is Mark.CLOSE:
            if len(stack) == 1:
                raise Malformed("a closing parenthesis too many")
            stack.pop()
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise Malformed("a closing parenthesis is missing")
    return top


def as_bytes(value: Value) -> bytes:
    """A string or atom; NIL is empty. Raises Malformed."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    raise Malformed("a string was expected")


def as_list(value: Value) -> list[Value]:
    """A list; NIL is an empty one. Raises Malformed."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise Malformed("a list was expected")


def as_number(value: Value) -> int:
    """A number, also one in quotes or as `9.3736e+06` (some servers). Raises Malformed."""
    if isinstance(value, bytes) and len(value) < 25:
        if value.isdigit():
            return int(value)
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if 0 <= number < 2**63:
            return int(number)
    raise Malformed("a number was expected")


# An atom may hold a section in brackets, which itself holds spaces and parentheses: BODY[HEADER.FIELDS (DATE FROM)]<0>.
_TOKEN = re.compile(
    rb"[ \t]*(?:(?P<open>\()|(?P<close>\))|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|"
    rb"(?P<atom>(?:(?:BODY|BINARY|RFC822)[A-Za-z0-9.]*\[[^\]]*\][^\s()]*)|[^\s()\"]+))",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def _tokens(pieces: list[bytes | None]) -> Iterator[Value]:
    for index, piece in enumerate(pieces):
        if index % 2:
            yield OVERSIZED if piece is None else piece
            continue
        text = piece or b""
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position, end)
            if match is None:
                raise Malformed("a string has no end")
            position = match.end()
            name = match.lastgroup
            if name == "open":
                yield Mark.OPEN
            elif name == "close":
                yield Mark.CLOSE
            elif name == "quoted":
                quoted = match["quoted"]
                yield _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
            else:
                atom = match["atom"]
                yield None if atom.upper() == b"NIL" else atom
