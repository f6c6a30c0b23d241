"""Header blocks: the envelope, quickly and tolerantly, and the fields as they stand (P4, P5, P8, P13).

This runs for each message of a first sync, so it imports little and takes the usual forms by short paths.
"""

from __future__ import annotations

import functools
import re

from termmail.mime.addresses import MAX_ADDRESSES, parse_addresses
from termmail.mime.charsets import decode_header_bytes
from termmail.mime.dates import parse_date
from termmail.mime.encoded_words import decode_words
from termmail.model.message import Address, Envelope

MAX_HEADER_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_REFERENCES = 200

_FOLD_BYTES = re.compile(rb"\r?\n[ \t]+")
_IDS = re.compile(r"<([^<>\s]+)>")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.IGNORECASE)
_FIELD_NAME = re.compile(rb"^[ \t]*[!-9;-~]+\s*:", re.MULTILINE)

_NAMES = (
    "Date",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "Content-Type",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
)
_FIRST_ADDRESS_SLOT = _NAMES.index("From")
_SLOTS = {spelling: slot for slot, name in enumerate(_NAMES) for spelling in (name, name.lower())} | {
    "Message-Id": 2,
    "CC": 11,
    "List-ID": 5,
}
_SHORT = 200
_EMPTY = [""] * len(_NAMES)
_ATTACHING = ("multipart/mixed", "application/", "image/", "audio/", "video/")
_NO_ATTACHMENT = ("application/pkcs7", "application/x-pkcs7")


def parse_envelope(header: bytes) -> Envelope:
    """The envelope of a raw header block, which may hold only some of the fields, or be followed by the body.

    Of Date, Subject and the like the first that says something counts; From, To and the other address fields are joined where
    there are several (P13). What is missing or unreadable stays empty. Budgets as P5. Never raises.
    """
    if len(header) > MAX_HEADER_BYTES:
        header = header[:MAX_HEADER_BYTES]
    end = header.find(b"\n\r\n") if b"\r" in header else -1
    other_end = header.find(b"\n\n")
    if end < 0 or -1 < other_end < end:
        end = other_end
    if end >= 0:
        header = header[:end]
    if header.startswith((b"\n", b"\r\n")):
        return Envelope()
    # One character for each byte, so that everything but the values with 8 bit characters needs no further decoding.
    text = header.decode("latin-1")
    for fold in ("\r\n ", "\r\n\t", "\n ", "\n\t"):
        if fold in text:
            text = text.replace(fold, " ")
    fields = _EMPTY.copy()
    for line in text.split("\n", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = line.partition(":")
        slot = _SLOTS.get(name)
        if slot is None:
            slot = _SLOTS.get(name.strip().lower())
            if slot is None:
                continue
        if not fields[slot]:
            fields[slot] = value.strip()
        elif slot >= _FIRST_ADDRESS_SLOT:
            fields[slot] += "\n" + value.strip()
    if not header.isascii() or "\x1b" in text:
        found = _CHARSET.search(fields[6])
        charset = found[1] if found is not None else ""
        fields = [_decoded(value, charset) for value in fields]
    date, subject, message_id, in_reply_to, references, list_id, content_type, from_, sender, reply_to, to, cc, bcc = (
        fields
    )
    return Envelope(
        _message_id(message_id) if message_id else "",
        decode_words(subject) if "=?" in subject else subject,
        _addresses(from_) if from_ else (),
        _addresses(sender) if sender else (),
        _addresses(reply_to) if reply_to else (),
        _addresses(to) if to else (),
        _addresses(cc) if cc else (),
        _addresses(bcc) if bcc else (),
        parse_date(date) if date else None,
        _first_id(in_reply_to) if in_reply_to else "",
        _references(references) if references else (),
        _list_id(list_id) if list_id else "",
        content_type != "" and _seems_to_attach(content_type),
    )


def decode_header(raw: bytes, *, charset: str = "") -> str:
    """A field's value as text: unfolded, 8 bit characters and encoded words decoded, not yet made safe (P8). Never raises.

    `charset` is the one the mail declares for its body, a hint for unencoded 8 bit characters that are not UTF-8.
    """
    text = decode_header_bytes(_FOLD_BYTES.sub(b" ", raw[:MAX_HEADER_BYTES]), charset).strip()
    return decode_words(text) if "=?" in text else text


def header_fields(raw: bytes, *, limit: int = MAX_FIELDS) -> list[tuple[str, bytes]]:
    """The fields of a header block (or whole message) in order: the name as written, the value's bytes, still folded.

    A line that is no field is given with an empty name, so that nothing is hidden (P13). At most `limit` fields.
    """
    fields: list[tuple[str, bytes]] = []
    block = _block(raw)
    if not block:
        return fields
    for line in re.split(rb"\n(?![ \t])", block, maxsplit=limit)[:limit]:
        name, colon, value = line.partition(b":")
        name = name.strip()
        if colon and name and not name.startswith(b"From ") and not name.startswith(b">From "):
            fields.append((name.decode("latin-1"), value.strip()))
        elif line.strip():
            fields.append(("", line.strip()))
    return fields


def split_header(raw: bytes, start: int = 0, end: int | None = None) -> int:
    """Where the body of the entity in `raw[start:end]` begins.

    That is after the first empty line, or where there is none at the first line that is no field. An entity without a
    single field before its first empty line has no header.
    """
    end = len(raw) if end is None else end
    if raw.startswith((b"\n", b"\r\n"), start, end):
        return start + (1 if raw.startswith(b"\n", start) else 2)
    limit = min(end, start + MAX_HEADER_BYTES)
    usual, other = b"\n\n", b"\n\r\n"
    first_end = raw.find(b"\n", start, limit)
    if first_end > 0 and raw[first_end - 1] == 0x0D:
        usual, other = other, usual
    blank = raw.find(usual, start, limit)
    until = limit if blank < 0 else blank
    # Looking for one character is so much faster that it pays to do it first.
    earlier = raw.find(other, start, until) if raw.find(other[-2:-1], start, until) >= 0 else -1
    if earlier >= 0:
        blank, usual = earlier, other
    if blank >= 0:
        return blank + len(usual) if _FIELD_NAME.search(raw, start, blank + 1) is not None else start
    position = start
    while position < limit:
        first_mbox_line = position == start and raw.startswith((b"From ", b">From "), position)
        if raw[position] not in b" \t" and not first_mbox_line and _FIELD_NAME.match(raw, position, limit) is None:
            return position
        position = raw.find(b"\n", position, end) + 1 or end
    return min(position, end)


def _block(raw: bytes) -> bytes:
    """The header block alone, within its budget, with bare LF as line end."""
    if len(raw) > MAX_HEADER_BYTES:
        raw = raw[:MAX_HEADER_BYTES]
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
    if raw.startswith(b"\n"):
        return b""
    end = raw.find(b"\n\n")
    return raw[:end] if end >= 0 else raw


def _decoded(value: str, charset: str) -> str:
    if value.isascii() and "\x1b" not in value:
        return value
    return decode_header_bytes(value.encode("latin-1"), charset).strip()


def _addresses(text: str) -> tuple[Address, ...]:
    """The addresses of one field, or of several that are separated by newlines."""
    if len(text) <= _SHORT and "\n" not in text:
        return _short_addresses(text)
    found: list[Address] = []
    for value in text.split("\n"):
        found.extend(parse_addresses(value, MAX_ADDRESSES - len(found)))
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def _short_addresses(text: str) -> tuple[Address, ...]:
    # The same few people write most of a mailbox: half of a first sync's parsing.
    return parse_addresses(text)


def _message_id(text: str) -> str:
    if text[0] == "<" and text[-1] == ">":
        return text[1:-1].strip()
    found = _IDS.search(text)
    return found[1] if found is not None else text.strip("<> \t")


def _first_id(text: str) -> str:
    found = _IDS.search(text)
    if found is not None:
        return found[1]
    return text if "@" in text and " " not in text else ""


def _references(text: str) -> tuple[str, ...]:
    ids = _IDS.findall(text) if "<" in text else text.split()
    if len(ids) > MAX_REFERENCES:
        ids = [ids[0], *ids[1 - MAX_REFERENCES :]]
    return tuple(ids)


def _list_id(text: str) -> str:
    start = text.rfind("<")
    return text[start + 1 :].partition(">")[0].strip() if start >= 0 else text


def _seems_to_attach(content_type: str) -> bool:
    kind = content_type.lower()
    return kind.startswith(_ATTACHING) and not kind.startswith(_NO_ATTACHMENT)
