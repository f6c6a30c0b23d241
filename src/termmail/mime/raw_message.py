"""Whole messages that other programs hand over, made fit for SMTP as they stream by (RFC 5322, O6, O7).

The header is read first, so that the account can be chosen by it; then all is written, line by line, and what is missing is added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import BinaryIO

import msgspec

from termmail.mime.addresses import parse_addresses
from termmail.mime.addressing import check_address
from termmail.mime.building import ANSWERS_FIELD, FORWARDS_FIELD, new_message_id
from termmail.mime.charsets import decode_header_bytes
from termmail.mime.field_writing import address_field, date_field, id_field, is_message_id, needs_utf8, text_field
from termmail.mime.headers import MAX_HEADER_BYTES, decode_header, header_fields, parse_envelope
from termmail.mime.safe_text import safe_text
from termmail.model.errors import Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import OutgoingMessage

_LONGEST_LINE = 998
_MOST_RECIPIENTS = 50_000
_BLOCK = 1 << 20
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_ADDRESSED = ("to", "cc", "bcc")
_RESENT = ("resent-to", "resent-cc", "resent-bcc")
_SHOWN = frozenset(("from", "sender", "reply-to", "to", "cc", "resent-from", "resent-sender", "resent-to", "resent-cc"))
_TEXT = frozenset(("subject", "comments", "organization", "thread-topic", "user-agent"))
_LEFT_OUT = frozenset(("bcc", "resent-bcc", "return-path", ANSWERS_FIELD.lower(), FORWARDS_FIELD.lower()))
_ONCE = ("from", "date", "message-id", "subject")
_PLAIN_8BIT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: 8bit\r\n"


class UnknownUser(Unsendable):
    """A recipient that is a name without a domain, and nobody here has it."""


class _Field(msgspec.Struct, frozen=True):
    """A field as it was handed over: its name in lower case, and its bytes with CRLF at line ends."""

    name: str
    raw: bytes

    @property
    def text(self) -> str:
        """The value unfolded, its 8 bit characters decoded and its encoded words left alone."""
        return decode_header_bytes(_FOLD.sub(b"", self.raw.partition(b":")[2])).strip()


class RawMessage:
    """A message whose header has been read, and whose body is still in its source."""

    def __init__(self, fields: tuple[_Field, ...], body: Iterator[bytes]) -> None:
        self._fields = fields
        self._body = body

    @property
    def senders(self) -> tuple[Address, ...]:
        """Who it says it is from: Resent-From where it was sent on, else From."""
        return self._named("resent-from") or self._named("from")

    def recipients(self) -> tuple[str, ...]:
        """The addresses of To, Cc and Bcc, or of Resent-To, -Cc and -Bcc where there are such; not yet checked."""
        resent = any(field.name in _RESENT for field in self._fields)
        return tuple(
            one.address or one.name for name in (_RESENT if resent else _ADDRESSED) for one in self._named(name)
        )

    def write(
        self,
        file: BinaryIO,
        *,
        author: Address,
        sender: str | None,
        recipients: Iterable[str],
        now: float,
        qualify: Callable[[str], str | None] = lambda name: None,
    ) -> OutgoingMessage:
        """Write all of it to `file`, which can be read and begins here, with CRLF at line ends; can be called once.

        `author` becomes From where that is missing or is no address. `sender` is the SMTP envelope's, empty for nobody; without it
        `author` is. `recipients` are the envelope's. `qualify` gives the address of a name without a domain, None for nobody's. `now`
        (Unix seconds) is the Date where there is none. Raises Unsendable, as UnknownUser where `qualify` knows nobody.
        """
        to = _checked(recipients, qualify)
        message_id, header = self._header(author, now, qualify)
        envelope = parse_envelope(header)
        file.write(header + b"\r\n")
        size, eight_bit, is_utf8 = self._copy_body(file)
        size += len(header) + 2
        if not any(field.name == "mime-version" for field in self._fields):
            added = b""
            if any(field.name.startswith("content-") for field in self._fields):
                added = b"MIME-Version: 1.0\r\n"
            elif eight_bit:
                added = _PLAIN_8BIT % (b"utf-8" if is_utf8 else b"unknown-8bit")
            if added:
                _insert(file, len(header), added)
                size += len(added)
        utf8 = not header.isascii()
        from_address = check_address(author.address) if sender is None else check_address(sender) if sender else ""
        return OutgoingMessage(
            sender=from_address,
            recipients=to,
            subject=safe_text(envelope.subject, one_line=True),
            message_id_header=message_id,
            size=size,
            eight_bit=eight_bit or utf8,
            utf8=utf8 or any(needs_utf8(address) for address in (*to, from_address) if address),
        )

    def _named(self, name: str) -> tuple[Address, ...]:
        return tuple(
            one for field in self._fields if field.name == name for one in parse_addresses(field.text, _MOST_RECIPIENTS)
        )

    def _header(self, author: Address, now: float, qualify: Callable[[str], str | None]) -> tuple[str, bytes]:
        """The Message-ID, and the fields as they are sent, which are then read again and held against what was meant (A5)."""
        fields = [field for field in self._fields if field.name not in _LEFT_OUT]
        for name in _ONCE:
            if sum(field.name == name for field in fields) > 1:
                raise Unsendable(f"The message has more than one {name.title()} field. Leave one of them.")
        found = {field.name: field for field in fields}
        from_ = self._named("from")
        replaced: set[str] = set()
        head = b""
        if "date" not in found or not found["date"].text:
            head += date_field(now)
            replaced.add("date")
        if not from_ or any("@" not in one.address for one in from_):
            # Such as cron's "root (Cron Daemon)": the name is kept.
            name = next((one.name for one in from_ if one.name), "") or author.name
            head += address_field("From", [Address(name, author.address)])
            replaced.add("from")
        message_id = parse_envelope(found["message-id"].raw).message_id_header if "message-id" in found else ""
        if not is_message_id(message_id):
            message_id = new_message_id(author.address)
            head += id_field("Message-ID", [message_id])
            replaced.add("message-id")
        kept = [field for field in fields if field.name not in replaced]
        header = head + b"".join(_sent(field, qualify) for field in kept)
        meant = [*re.findall(rb"^([!-9;-~]+):", head, re.MULTILINE), *(field.name.encode() for field in kept)]
        if [one.lower() for one in meant] != [
            name.lower().encode() for name, _ in header_fields(header, limit=len(meant) + 1)
        ] or any(len(line) > _LONGEST_LINE + 2 for line in BytesIO(header)):
            raise Unsendable("The message's header would not arrive as it was written. Something in it can't be sent.")
        return message_id, header

    def _copy_body(self, file: BinaryIO) -> tuple[int, bool, bool]:
        """Writes the body; returns its size, whether it has 8 bit characters, and whether all of it is UTF-8."""
        size, eight_bit, is_utf8 = 0, False, True
        for line in self._body:
            if b"\r" in line[:-2]:
                # A bare CR must not reach a server (RFC 5321 §2.3.8): it was a line end once, on another system.
                line = b"\r\n".join(line[:-2].split(b"\r")) + b"\r\n"
            if not line.isascii():
                eight_bit = True
                is_utf8 = is_utf8 and _is_utf8(line)
            size += file.write(line)
        return size, eight_bit, is_utf8


def read_raw(source: BinaryIO, *, dot_ends: bool = False) -> RawMessage:
    """Read the header of a message, with LF or CRLF at line ends; an mbox's "From " line before it is dropped (RFC 4155).

    A text without a header is a body. With `dot_ends` a line with nothing but a dot is the end. Raises Unsendable for a header that
    can't be sent, and OSError.
    """
    lines = _lines(source, dot_ends=dot_ends)
    fields: list[list[bytes]] = []
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if size > MAX_HEADER_BYTES:
            raise Unsendable("The message's header is too long. Something is missing after it: an empty line?")
        if number == 0 and line.startswith(b"From "):
            continue
        if line == b"\r\n":
            break
        if b"\r" in line[:-2]:
            raise Unsendable(f"Line {number + 1} of the message's header holds a bare carriage return. Take it out.")
        if line[:1] in b" \t" and fields:
            fields[-1].append(line)
            continue
        match = _FIELD.match(line)
        if match is None:
            if fields:
                raise Unsendable(
                    f"Line {number + 1} of the message is no header field, and there is no empty line before it. Add one."
                )
            return RawMessage((), _chained(line, lines))
        fields.append([line])
    return RawMessage(tuple(_field(lines) for lines in fields), lines)


def _field(lines: list[bytes]) -> _Field:
    raw = b"".join(line for line in lines if line.strip())
    match = _FIELD.match(raw)
    assert match is not None
    # Without space before the colon, which readers differ about (P13).
    return _Field(match[1].decode("ascii").lower(), match[1] + b":" + raw[match.end() :])


def _lines(source: BinaryIO, *, dot_ends: bool) -> Iterator[bytes]:
    """Lines with CRLF, in bounded memory."""
    number = 0
    while line := source.readline(_LONGEST_LINE + 16):
        number += 1
        text = line.rstrip(b"\r\n")
        if len(text) > _LONGEST_LINE:
            raise Unsendable(
                f"Line {number} of the message is longer than {_LONGEST_LINE} bytes, which mail servers don't take."
                " Encode it as base64 or quoted-printable."
            )
        if b"\0" in text:
            raise Unsendable(f"Line {number} of the message holds a NUL byte. Encode the text as base64.")
        if dot_ends and text == b".":
            return
        yield text + b"\r\n"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _sent(field: _Field, qualify: Callable[[str], str | None]) -> bytes:
    """A field as it goes out: 8 bit characters encoded where they may stand for text, names of this computer made addresses."""
    plain = field.raw.isascii()
    name = field.raw.partition(b":")[0].decode("ascii")
    if field.name in _SHOWN:
        addresses = parse_addresses(field.text, _MOST_RECIPIENTS)
        whole = [one if "@" in one.address else _qualified(one, qualify) for one in addresses]
        if all("@" in one.address for one in whole) and whole and (not plain or whole != list(addresses)):
            return address_field(name, whole)
    elif not plain and (field.name in _TEXT or field.name.startswith("x-")):
        return text_field(name, decode_header(_FOLD.sub(b"", field.raw.partition(b":")[2])))
    return field.raw


def _qualified(one: Address, qualify: Callable[[str], str | None]) -> Address:
    address = qualify(one.address or one.name)
    return one if address is None else Address(one.name if one.address else "", address)


def _checked(recipients: Iterable[str], qualify: Callable[[str], str | None]) -> tuple[str, ...]:
    """The SMTP envelope's recipients, each once. Raises Unsendable."""
    unique: dict[str, str] = {}
    for one in recipients:
        address = one.strip()
        if "@" not in address:
            whole = qualify(address)
            if whole is None:
                raise UnknownUser(
                    f"“{safe_text(address, one_line=True)}” is no e-mail address, and nobody on this computer. Write the whole address."
                )
            address = whole
        address = check_address(address)
        unique.setdefault(address.casefold(), address)
    if not unique:
        raise Unsendable("There is nobody to send it to. Put an address into To, or name it.")
    return tuple(unique.values())


def _insert(file: BinaryIO, at: int, data: bytes) -> None:
    """Put `data` in at a place of a file that has been written, moving what follows block by block, from its end."""
    end = file.tell()
    position = end
    while position > at:
        start = max(at, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start)
        file.seek(start + len(data))
        file.write(block)
        position = start
    file.seek(at)
    file.write(data)
    file.seek(end + len(data))
