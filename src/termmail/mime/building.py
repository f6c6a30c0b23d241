"""From a draft to the bytes of a message (RFC 5322, RFC 2045), which are then read again and held against what was meant (A5).

Written piece by piece: the standard library's generator needs 340 MB for an attachment of 40 MB (O11), and some of its header
folding is wrong (see field_writing).
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from termmail.mime.addressing import check_address, check_recipients, parse_recipients
from termmail.mime.field_writing import (
    address_field,
    date_field,
    id_field,
    is_message_id,
    mime_field,
    needs_utf8,
    one_line,
    parameter,
    text_field,
)
from termmail.mime.flowed import encode_text, flow
from termmail.mime.headers import header_fields, parse_envelope
from termmail.model.errors import Unsendable
from termmail.model.message import Address, Envelope
from termmail.model.outgoing import Draft, DraftAttachment, OutgoingMessage

ANSWERS_FIELD = "X-Termmail-Answers"
FORWARDS_FIELD = "X-Termmail-Forwards"

_BASE64_LINE = 57
_BLOCK = _BASE64_LINE * 2048
_COPY_BLOCK = 64 * 1024
_LONGEST_LINE = 998
_REFERENCES_KEPT = 20
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def new_message_id(address: str) -> str:
    """A Message-ID that nothing else has, without angle brackets; it tells nothing but the domain of the From address (O6)."""
    domain = address.rpartition("@")[2]
    try:
        ascii_domain = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    except UnicodeError:
        ascii_domain = "invalid"
    found = f"{secrets.token_hex(16)}@{ascii_domain or 'localhost'}"
    return found if is_message_id(found) else f"{secrets.token_hex(16)}@localhost"


def build(
    draft: Draft,
    folder: Path,
    file: BinaryIO,
    *,
    message_id: str,
    now: float,
    with_bcc: bool = False,
    as_draft: bool = False,
) -> OutgoingMessage:
    """Write the message of a draft to `file`, with CRLF at line ends; its attachments are read from `folder`, block by block.

    `now` (Unix seconds) is its Date. Bcc is written `with_bcc` only (O6). `as_draft` takes half an address, or none, as it was typed,
    and notes what the draft answers. Otherwise raises Unsendable with what is to be changed. Raises OSError for an attachment.
    """
    recipients = () if as_draft else _recipients(draft)
    header = _header(draft, message_id, now, with_bcc=with_bcc, as_draft=as_draft)
    writer = _Counter(file)
    eight_bit = False
    body, parameters, encoding = _text_part(draft.body)
    text_fields = mime_field("Content-Type", "text/plain", parameters) + mime_field(
        "Content-Transfer-Encoding", encoding
    )
    if not draft.attachments:
        header += b"MIME-Version: 1.0\r\n" + text_fields
        _check_header(header, draft, message_id, with_bcc=with_bcc, as_draft=as_draft)
        writer.write(header + b"\r\n" + body)
    else:
        boundary = f"=_{secrets.token_hex(16)}"
        header += b"MIME-Version: 1.0\r\n" + mime_field("Content-Type", "multipart/mixed", [f'; boundary="{boundary}"'])
        _check_header(header, draft, message_id, with_bcc=with_bcc, as_draft=as_draft)
        delimiter = f"\r\n--{boundary}".encode("ascii")
        writer.write(header + delimiter + b"\r\n" + text_fields + b"\r\n" + body)
        for attachment in draft.attachments:
            writer.write(delimiter + b"\r\n")
            eight_bit |= _write_attachment(writer, attachment, folder / attachment.file)
        writer.write(delimiter + b"--\r\n")
    utf8 = not header.isascii()
    return OutgoingMessage(
        sender="" if as_draft else check_address(draft.from_.address),
        recipients=recipients,
        subject=one_line(draft.subject),
        message_id_header=message_id,
        size=writer.size,
        eight_bit=eight_bit or utf8,
        utf8=utf8 or any(needs_utf8(address) for address in recipients),
    )


def redirect(
    source: BinaryIO, file: BinaryIO, *, sender: Address, to: Sequence[Address], message_id: str, now: float
) -> OutgoingMessage:
    """Write a received message again, unchanged, with the fields that say who sent it on to whom (RFC 5322 §3.6.6)."""
    recipients = tuple(dict.fromkeys(check_address(one.address) for one in to))
    if not recipients:
        raise Unsendable("There is nobody to send it to. Type an address.")
    header = (
        date_field(now).replace(b"Date:", b"Resent-Date:", 1)
        + address_field("Resent-From", [sender])
        + address_field("Resent-To", to)
        + id_field("Resent-Message-ID", [message_id])
    )
    writer = _Counter(file)
    writer.write(header)
    head = source.read(_COPY_BLOCK)
    envelope = parse_envelope(head)
    eight_bit = not head.isascii()
    writer.write(head)
    while block := source.read(_COPY_BLOCK):
        eight_bit |= not block.isascii()
        writer.write(block)
    return OutgoingMessage(
        sender=check_address(sender.address),
        recipients=recipients,
        subject=one_line(envelope.subject),
        message_id_header=message_id,
        size=writer.size,
        eight_bit=eight_bit,
        utf8=not header.isascii() or any(needs_utf8(address) for address in recipients),
    )


class _Counter:
    """Writes, and counts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)


def _recipients(draft: Draft) -> tuple[str, ...]:
    """The SMTP envelope's recipients, each once."""
    found = [one for field in (draft.to, draft.cc, draft.bcc) for one in check_recipients(field)]
    if not found:
        raise Unsendable("There is nobody to send it to. Type an address into To.")
    unique: dict[str, str] = {}
    for one in found:
        address = check_address(one.address)
        unique.setdefault(address.casefold(), address)
    return tuple(unique.values())


def _header(draft: Draft, message_id: str, now: float, *, with_bcc: bool, as_draft: bool) -> bytes:
    def addresses(name: str, typed: str) -> bytes:
        if not typed.strip():
            return b""
        if as_draft:
            try:
                return address_field(name, check_recipients(typed)) or text_field(name, typed)
            except Unsendable:
                return text_field(name, typed)
        return address_field(name, check_recipients(typed))

    if as_draft and "@" not in draft.from_.address:
        sender = text_field("From", draft.from_.address or draft.from_.name)
    else:
        sender = address_field("From", [draft.from_])
    header = date_field(now) + sender
    header += addresses("Reply-To", draft.reply_to) + addresses("To", draft.to) + addresses("Cc", draft.cc)
    if with_bcc:
        header += addresses("Bcc", draft.bcc)
    header += text_field("Subject", draft.subject)
    header += id_field("Message-ID", [message_id])
    header += id_field("In-Reply-To", [draft.in_reply_to])
    header += id_field("References", _kept(draft.references))
    if as_draft:
        header += id_field(ANSWERS_FIELD, [draft.answers]) + id_field(FORWARDS_FIELD, [draft.forwards])
    return header


def _kept(references: Sequence[str]) -> list[str]:
    """The first, which is the thread's, and the last, which are the nearest."""
    ids = [one for one in dict.fromkeys(references) if is_message_id(one)]
    return ids if len(ids) <= _REFERENCES_KEPT else [ids[0], *ids[1 - _REFERENCES_KEPT :]]


def _text_part(text: str) -> tuple[bytes, list[str], str]:
    flowed = flow(text if text.endswith("\n") or not text else text + "\n")
    body, charset, encoding = encode_text(flowed)
    return body, [*parameter("charset", charset), *parameter("format", "flowed")], encoding


def _write_attachment(writer: _Counter, attachment: DraftAttachment, path: Path) -> bool:
    """One part; returns whether it has 8 bit bytes as they are, which only an attached message may (RFC 2046 §5.2.1)."""
    content_type = attachment.content_type if _TYPE.fullmatch(attachment.content_type) else "application/octet-stream"
    disposition = mime_field("Content-Disposition", "attachment", parameter("filename", _filename(attachment.name)))
    if content_type == "message/rfc822":
        ascii_only = _can_be_plain(path)
        if ascii_only is not None:
            writer.write(
                mime_field("Content-Type", content_type)
                + mime_field("Content-Transfer-Encoding", "7bit" if ascii_only else "8bit")
                + disposition
                + b"\r\n"
            )
            for block in _with_crlf(path):
                writer.write(block)
            return not ascii_only
        content_type = "application/octet-stream"
    writer.write(
        mime_field("Content-Type", content_type)
        + mime_field("Content-Transfer-Encoding", "base64")
        + disposition
        + b"\r\n"
    )
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            writer.write(
                b"\r\n".join(
                    base64.b64encode(block[start : start + _BASE64_LINE])
                    for start in range(0, len(block), _BASE64_LINE)
                )
                + b"\r\n"
            )
    return False


def _filename(value: str) -> str:
    """The last part of a path, on one line."""
    return one_line(value.rpartition("/")[2]) or "attachment"


def _can_be_plain(path: Path) -> bool | None:
    """Whether a message is all ASCII; None where it can't be sent as it is, for a line too long or a NUL."""
    ascii_only = True
    for line in _lines(path):
        if len(line) > _LONGEST_LINE or b"\0" in line:
            return None
        ascii_only = ascii_only and line.isascii()
    return ascii_only


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        # In bounded pieces: a line of the attached message may be of any length.
        while line := file.readline(_LONGEST_LINE + 3):
            yield line.rstrip(b"\r\n")


def _with_crlf(path: Path) -> Iterator[bytes]:
    for line in _lines(path):
        yield line.replace(b"\r", b"") + b"\r\n"


def _check_header(header: bytes, draft: Draft, message_id: str, *, with_bcc: bool, as_draft: bool) -> None:
    """Read it as the recipient will, and compare. Raises Unsendable: then nothing is sent that was not meant (A5)."""
    found = parse_envelope(header)
    names = [name.lower() for name, _ in header_fields(header)]
    allowed = {
        "date", "from", "reply-to", "to", "cc", "subject", "message-id", "in-reply-to", "references", "mime-version",
        "content-type", "content-transfer-encoding", *(["bcc"] if with_bcc else []),
        *([ANSWERS_FIELD.lower(), FORWARDS_FIELD.lower()] if as_draft else []),
    }  # fmt: skip
    differing = [name for name in names if name not in allowed or names.count(name) > 1]
    meant = Envelope(
        message_id_header=message_id,
        subject=one_line(draft.subject),
        in_reply_to=draft.in_reply_to if is_message_id(draft.in_reply_to) else "",
        references=tuple(_kept(draft.references)),
    )
    differing += [
        name
        for name in ("message_id_header", "in_reply_to", "references")
        if getattr(found, name) != getattr(meant, name)
    ]
    if " ".join(found.subject.split()) != " ".join(meant.subject.split()):
        differing.append("subject")
    if not as_draft:
        fields = [("to", draft.to), ("cc", draft.cc), ("reply_to", draft.reply_to)]
        differing += [name for name, typed in fields if not _same(getattr(found, name), parse_recipients(typed))]
        if not _same(found.from_, (draft.from_,)):
            differing.append("from")
    if differing or any(len(line) > _LONGEST_LINE for line in BytesIO(header)):
        raise Unsendable(
            "The message would not arrive as it was written: something in its header can't be sent. Retype the subject and the names.",
            detail=", ".join(sorted(set(differing))),
        )


def _same(found: Sequence[Address], meant: Sequence[Address]) -> bool:
    return [(_squeezed(one.name), one.address) for one in found] == [
        (_squeezed(one.name), check_address(one.address)) for one in meant
    ]


def _squeezed(name: str) -> str:
    return " ".join(one_line(name).split())
