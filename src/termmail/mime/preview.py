"""What the sync wants of each of 50,000 bodies, quickly: a line of its text, and whether something is attached."""

from __future__ import annotations

import re

from termmail.mime.charsets import decode_text
from termmail.mime.headers import split_header
from termmail.mime.safe_text import safe_text
from termmail.mime.strip import strip_tags
from termmail.mime.structure import decode_transfer
from termmail.mime.text_blocks import find_blocks

_TEXT_BYTES = 6 * 1024
_FIRST_HTML_BYTES = 12 * 1024
_HTML_BYTES = 96 * 1024
_SCANNED_PARTS = 20
_BLOCK_BYTES = 500
_SCANNED_DISPOSITIONS = 100

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w.:+*-]+)", re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary\s*=\s*(?:\"([^\"\r\n]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_SPACE = re.compile(r"[\s\xad\u034f\u200b\u200c\u2007\ufeff]{2,}|\s")
_ATTRIBUTION = re.compile(
    r"(?:On|Am|Le|El|Il|Op|Den|Em) .{5,200}(?:wrote|schrieb|écrit|escribió|scritto|schreef|skrev|escreveu) ?:?$"
)
_SIGNATURE_NAMES = (b"pgp-signature", b"pkcs7-signature", b"pgp-encrypted")
_ATTACHED_TYPES = (b"application/", b"image/", b"audio/", b"video/")
_NOT_ATTACHED = (b"application/pgp", b"application/pkcs7-sig", b"application/x-pkcs7-sig")


def preview(raw: bytes, limit: int = 200) -> str:
    """The first `limit` characters or so of what a message says, safe to show on one line: without quotes and attributions.

    Takes the first text/plain part, else the text of the first text/html part. Never raises.
    """
    body_start = split_header(raw)
    kind, charset, encoding, data = _first_text(raw, body_start)
    if kind != b"text/html":
        return _one_line(_plain_text(decode_text(decode_transfer(data, encoding), charset), limit), limit)
    line = ""
    for size in (_FIRST_HTML_BYTES, _HTML_BYTES):
        piece = data if len(data) <= size else data[: data.rfind(b"\n", 0, size) + 1 or size]
        line = _one_line(strip_tags(decode_text(decode_transfer(piece, encoding), charset), limit=4 * limit), limit)
        if line or len(piece) == len(data):
            break
    return line


def _one_line(text: str, limit: int) -> str:
    return _SPACE.sub(" ", safe_text(text, one_line=True)).strip()[:limit].rstrip()


def looks_attached(raw: bytes) -> bool:
    """Whether the message seems to have an attachment, by a quick look for its marks rather than by parsing it. Never raises."""
    kind, _, header_end = _content_field(raw, 0, split_header(raw))
    begin = raw.find(b"\nbegin ")
    if begin >= 0 and any(block.encoding == "uuencode" for block in find_blocks(raw[begin + 1 : begin + _BLOCK_BYTES])):
        return True
    if not kind.startswith(b"multipart/"):
        return kind.startswith(_ATTACHED_TYPES) or _disposed_as_attachment(raw, 0, header_end)
    return _disposed_as_attachment(raw, 0, len(raw)) or (
        not kind.startswith(b"multipart/related") and _has_attached_type(raw, header_end)
    )


def _disposed_as_attachment(raw: bytes, start: int, end: int) -> bool:
    position = start
    for _ in range(_SCANNED_DISPOSITIONS):
        # Without its first letters, the name is spelled alike by nearly every mailer.
        position = raw.find(b"isposition:", position, end)
        if position < 0:
            break
        if raw[position + 11 : position + 60].lower().lstrip().startswith(b"attachment"):
            nearby = _nearby(raw, position)
            if not any(name in nearby for name in _SIGNATURE_NAMES):
                return True
        position += 11
    return False


def _has_attached_type(raw: bytes, start: int) -> bool:
    position = start
    for _ in range(_SCANNED_DISPOSITIONS):
        position = raw.find(b"\nContent-Type:", position)
        if position < 0:
            break
        value = raw[position + 14 : position + 60].strip().lower()
        if (
            value.startswith(_ATTACHED_TYPES)
            and not value.startswith(_NOT_ATTACHED)
            and b"content-id:" not in _nearby(raw, position)
        ):
            return True
        position += 14
    return False


def _nearby(raw: bytes, position: int) -> bytes:
    """The part's header round a field of it, roughly."""
    return raw[max(0, position - 200) : position + 400].lower()


def _content_field(raw: bytes, start: int, end: int) -> tuple[bytes, bytes, int]:
    """The lower case type of an entity, its whole Content-Type field, and where its header ends."""
    header = b"\n" + raw[start:end]
    position = header.lower().find(b"\ncontent-type:")
    if position < 0:
        return b"", b"", end
    value = _field_value(header, position + 14)
    return value.partition(b";")[0].strip().lower(), value, end


def _field_value(header: bytes, position: int) -> bytes:
    line_end = header.find(b"\n", position)
    while line_end >= 0 and header[line_end + 1 : line_end + 2] in (b" ", b"\t"):
        line_end = header.find(b"\n", line_end + 1)
    return header[position:line_end] if line_end >= 0 else header[position:]


def _encoding(raw: bytes, start: int, end: int) -> str:
    header = b"\n" + raw[start:end].lower()
    position = header.find(b"\ncontent-transfer-encoding:")
    if position < 0:
        return ""
    return _field_value(header, position + 27).strip().decode("latin-1")


def _first_text(raw: bytes, body_start: int) -> tuple[bytes, str, str, bytes]:
    """Type, charset, transfer encoding and first bytes of the part a preview is taken from."""
    kind, field, _ = _content_field(raw, 0, body_start)
    if not kind.startswith(b"multipart/"):
        return _text(raw, kind, field, 0, body_start, len(raw))
    boundary = _boundary(field)
    fallback: tuple[bytes, str, str, bytes] = (b"", "", "", b"")
    # The line end before a delimiter is part of the search, and may be that of the header.
    position = raw.find(boundary, max(0, body_start - 1))
    for _ in range(_SCANNED_PARTS):
        start = raw.find(b"\n", position + len(boundary)) + 1
        if position < 0 or start == 0 or raw.startswith(b"--", position + len(boundary)):
            break
        part_body = split_header(raw, start)
        kind, field, _ = _content_field(raw, start, part_body)
        if kind.startswith(b"multipart/") and b"boundary" in field.lower():
            boundary = _boundary(field)
            position = raw.find(boundary, part_body - 1)
            continue
        next_position = raw.find(boundary, part_body - 1)
        end = next_position if next_position >= 0 else len(raw)
        if kind in (b"text/plain", b"") and b"attachment" not in raw[start:part_body]:
            found = _text(raw, kind, field, start, part_body, end)
            if found[3].strip():
                return found
        if kind == b"text/html" and not fallback[0]:
            fallback = _text(raw, kind, field, start, part_body, end)
        position = next_position
    return fallback


def _boundary(field: bytes) -> bytes:
    match = _BOUNDARY.search(field)
    return b"\n--" + ((match[1] or match[2]).rstrip() if match is not None else b"")


def _text(
    raw: bytes, kind: bytes, field: bytes, start: int, body_start: int, end: int
) -> tuple[bytes, str, str, bytes]:
    if kind and not kind.startswith(b"text/"):
        return kind, "", "", b""
    found = _CHARSET.search(field)
    charset = found[1].decode("latin-1") if found is not None else ""
    limit = body_start + (_HTML_BYTES if kind == b"text/html" else _TEXT_BYTES)
    if limit < end:
        # Cut between lines, so that neither a base64 group nor a character is cut.
        end = raw.rfind(b"\n", body_start, limit) + 1 or limit
    return kind, charset, _encoding(raw, start, body_start), raw[body_start:end]


def _plain_text(text: str, limit: int) -> str:
    lines: list[str] = []
    length = 0
    for line in text.split("\n"):
        line = line.strip()
        if not line or line[0] == ">" or line.startswith(("-----BEGIN PGP", "Hash: SHA", "Content-")):
            continue
        if line == "--" and length:
            break
        if line[-1] == ":":
            if _ATTRIBUTION.match(line):
                continue
            if lines and _ATTRIBUTION.match(lines[-1] + " " + line):
                lines.pop()
                continue
        lines.append(line)
        length += len(line)
        if length > limit:
            break
    return " ".join(lines) or text[: 4 * limit].replace(">", " ")
