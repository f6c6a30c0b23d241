"""The MIME tree of a message, by offsets into its bytes (RFC 2045, RFC 2046), whatever the bytes are."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from termmail.mime.charsets import decode_header_bytes, decode_text
from termmail.mime.encoded_words import decode_base64, decode_percent, decode_words
from termmail.mime.headers import header_fields, split_header
from termmail.mime.text_blocks import decode_uu

MAX_PARTS = 500
MAX_DEPTH = 50

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))', re.DOTALL)
_MAX_PARAMETERS = 100
_TYPE = re.compile(r"\s*([\w!#$&^.+-]+)\s*/\s*([\w!#$&^.+-]+)", re.ASCII)
_CONTINUED = re.compile(r"(.+?)\*(\d{1,3})?(\*)?$", re.DOTALL)
_DELIMITER_END = re.compile(rb"(--)?[ \t]*(?:\r?\n|\r?\Z)")
_GUESSED_DELIMITER = re.compile(rb"^--([^\s-][^\r\n]{0,69}?)[ \t]*\r?$", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]*")


class Node:
    """One entity. Its body is `source[body_start:body_end]`; `children` are the parts of a multipart or the one of a message/rfc822.

    `alternative` says that it is one of several forms of the same text (multipart/alternative); `embedded` are files inside its
    content, once somebody has asked for them (see `mime.embedded`).
    """

    __slots__ = (
        "alternative",
        "body_end",
        "body_start",
        "children",
        "content_id",
        "content_type",
        "disposition",
        "embedded",
        "encoding",
        "filename",
        "parameters",
        "path",
        "source",
        "start",
    )

    def __init__(self, source: bytes, start: int, body_start: int, body_end: int) -> None:
        self.source = source
        self.start = start
        self.body_start = body_start
        self.body_end = body_end
        self.path = ""
        self.content_type = "text/plain"
        self.parameters: dict[str, str] = {}
        self.encoding = ""
        self.disposition = ""
        self.filename = ""
        self.content_id = ""
        self.alternative = False
        self.children: list[Node] = []
        self.embedded: list[Node] | None = None

    @property
    def charset(self) -> str:
        return self.parameters.get("charset", "")

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/") and bool(self.children)

    def encoded(self) -> bytes:
        """The body as it lies in the message."""
        return self.source[self.body_start : self.body_end]

    def header(self) -> bytes:
        return self.source[self.start : self.body_start]

    def decoded(self, limit: int | None = None) -> bytes:
        """The body with its transfer encoding undone; only about its first `limit` bytes where one is given."""
        data = (
            self.encoded()
            if limit is None
            else self.source[self.body_start : min(self.body_end, self.body_start + limit)]
        )
        return decode_transfer(data, self.encoding)

    def decoded_size(self) -> int:
        """The length of the decoded body in bytes, reckoned for base64 without decoding it."""
        length = self.body_end - self.body_start
        if self.encoding == "base64":
            breaks = self.source.count(b"\n", self.body_start, self.body_end)
            breaks += self.source.count(b"\r", self.body_start, self.body_end)
            return (length - breaks) * 3 // 4
        return len(self.decoded()) if self.encoding == "quoted-printable" else length

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the message."""
        yield self
        for child in self.children:
            yield from child.walk()


class Tree:
    """A message's root node and what is wrong with its MIME, as sentences."""

    def __init__(self, raw: bytes) -> None:
        self.defects: list[str] = []
        self._count = 0
        self.root = self._message(raw, 0, len(raw), "", 0)

    def find(self, part_path: str) -> Node | None:
        return next((node for node in self.root.walk() if node.path == part_path), None)

    def _message(self, source: bytes, start: int, end: int, prefix: str, depth: int) -> Node:
        """A message's root: a multipart has the path of what holds it, a single part is part 1 of that."""
        node = self._entity(source, start, end, "text/plain")
        node.path = prefix if node.content_type.startswith("multipart/") else _below(prefix, 1)
        self._descend(node, depth)
        if not node.content_type.startswith("multipart/"):
            # It may have been one until no parts were found in it.
            node.path = _below(prefix, 1)
        return node

    def _entity(self, source: bytes, start: int, end: int, default_type: str) -> Node:
        self._count += 1
        node = Node(source, start, split_header(source, start, end), end)
        node.content_type = default_type
        seen: set[str] = set()
        for name, value in header_fields(source[start : node.body_start]):
            field = name.lower()
            if not field.startswith("content-") or field in seen or not value:
                continue
            seen.add(field)
            if field == "content-type":
                node.content_type, node.parameters = parse_content_type(value)
            elif field == "content-transfer-encoding":
                node.encoding = value.split(b";")[0].strip(b" \t\"'").decode("latin-1").lower()
            elif field == "content-disposition":
                kind, parameters = parse_parameters(value)
                node.disposition = kind.lower()
                node.filename = parameters.get("filename", "")
            elif field == "content-id":
                node.content_id = value.decode("latin-1").strip("<> \t")
        node.filename = node.filename or node.parameters.get("name", "")
        return node

    def _descend(self, node: Node, depth: int) -> None:
        multipart = node.content_type.startswith("multipart/")
        if not multipart and node.content_type not in ("message/rfc822", "message/global"):
            return
        if depth >= MAX_DEPTH:
            self._note(f"The parts are nested more than {MAX_DEPTH} deep; what is deeper is not shown.")
            if multipart:
                _as_text(node)
        elif multipart:
            self._split(node, depth)
        else:
            # Encoded against RFC 2046 §5.2.1, but sent.
            if node.encoding in ("base64", "quoted-printable"):
                data = node.decoded()
                node.children = [self._message(data, 0, len(data), node.path, depth + 1)]
            elif node.body_start < node.body_end:
                inner = self._message(node.source, node.body_start, node.body_end, node.path, depth + 1)
                node.children = [inner]

    def _split(self, node: Node, depth: int) -> None:
        boundary = node.parameters.get("boundary", "").rstrip().encode("latin-1", "replace")
        spans = self._spans(node, boundary) if boundary else []
        if not spans:
            guess = _GUESSED_DELIMITER.search(node.source, node.body_start, node.body_end)
            if guess is not None:
                self._note("A multipart does not name its boundary; it was guessed.")
                spans = self._spans(node, guess[1])
        if not spans:
            self._note("A multipart has no parts; it is shown as text.")
            _as_text(node)
            return
        default_type = "message/rfc822" if node.content_type == "multipart/digest" else "text/plain"
        for number, (start, end) in enumerate(spans, 1):
            if self._count >= MAX_PARTS:
                self._note(f"There are more than {MAX_PARTS} parts; the rest are not shown.")
                break
            child = self._entity(node.source, start, end, default_type)
            child.path = _below(node.path, number)
            child.alternative = node.content_type == "multipart/alternative"
            node.children.append(child)
            self._descend(child, depth + 1)

    def _spans(self, node: Node, boundary: bytes) -> list[tuple[int, int]]:
        """Where the parts of a multipart begin and end."""
        source, end = node.source, node.body_end
        delimiter = b"--" + boundary
        spans: list[tuple[int, int]] = []
        part_start = -1
        position = source.find(delimiter, node.body_start, end)
        closed = False
        while position >= 0 and not closed and len(spans) <= MAX_PARTS:
            match = None
            if position == node.body_start or source[position - 1] in b"\r\n":
                match = _DELIMITER_END.match(source, position + len(delimiter), end)
            if match is not None:
                if part_start >= 0:
                    spans.append((part_start, _before_line_end(source, part_start, position)))
                closed = match[1] is not None
                part_start = match.end()
            position = source.find(delimiter, position + len(delimiter), end)
        if part_start >= 0 and not closed and len(spans) <= MAX_PARTS:
            self._note("A multipart is not closed: the message may be cut off.")
            spans.append((part_start, end))
        return spans

    def _note(self, sentence: str) -> None:
        if sentence not in self.defects:
            self.defects.append(sentence)


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """`data` with its Content-Transfer-Encoding undone; an unknown one leaves it as it is. Never raises."""
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return decode_uu(data)
    return data


def parse_content_type(value: bytes) -> tuple[str, dict[str, str]]:
    """A Content-Type field as lower case type and parameters; what is no type counts as text/plain (RFC 2045 §5.2)."""
    kind, parameters = parse_parameters(value)
    match = _TYPE.match(kind)
    return (f"{match[1]}/{match[2]}".lower() if match is not None else "text/plain"), parameters


def parse_parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, and the parameters by lower case name, decoded (RFC 2231, and RFC 2047 as many do)."""
    text = decode_header_bytes(_FOLD.sub(b" ", value))
    kind, _, _ = text.partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for number, match in enumerate(_PARAMETER.finditer(text, len(kind))):
        if number >= _MAX_PARAMETERS:
            break
        name, quoted, bare = match.groups()
        content = re.sub(r'\\(["\\])', r"\1", quoted) if quoted is not None else bare.strip()
        continued = _CONTINUED.match(name)
        if continued is not None:
            section = pieces.setdefault(continued[1].lower(), {})
            section.setdefault(int(continued[2] or 0), (content, continued[3] is not None or continued[2] is None))
        elif name.lower() not in plain:
            plain[name.lower()] = decode_words(content) if "=?" in content else content
    for name, section in pieces.items():
        plain[name] = _join_pieces([section[number] for number in sorted(section)])
    return kind.strip(), plain


def _join_pieces(pieces: list[tuple[str, bool]]) -> str:
    """A parameter of RFC 2231 from its sections, each with whether it is percent encoded."""
    charset = ""
    first, encoded = pieces[0]
    if encoded and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        pieces = [(first, True), *pieces[1:]]
    data = b"".join(
        decode_percent(text) if is_encoded else text.encode("utf-8", "replace") for text, is_encoded in pieces
    )
    return decode_text(data, charset)


def _below(prefix: str, number: int) -> str:
    return f"{prefix}.{number}" if prefix else str(number)


def _as_text(node: Node) -> None:
    node.content_type = "text/plain"
    node.children = []


def _before_line_end(source: bytes, start: int, position: int) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1)."""
    if position > start and source[position - 1] == 0x0A:
        position -= 1
    if position > start and source[position - 1] == 0x0D:
        position -= 1
    return position
