"""Header fields as bytes: folded, encoded where they have to be, and never with a line end of the caller's in them (A5, O6 to O8).

Our own, since the standard library encodes message ids, cuts multibyte characters, and takes an encoded line end for a new field.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from urllib.parse import quote

from termmail.mime.addressing import check_address
from termmail.model.message import Address

_FOLD_AT = 76
_LONGEST_LINE = 990
_WORD_BYTES = 45
_LONGEST_Q = 63
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_Q_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ID = re.compile(r"[!-;=?-~]{1,900}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_SECTION = 50


def one_line(text: str) -> str:
    """Text for a field's value: without line ends and other control characters, white space trimmed."""
    return _CONTROLS.sub(" ", text).strip()


def text_field(name: str, text: str) -> bytes:
    """An unstructured field such as Subject (RFC 5322 §2.2.1, RFC 2047)."""
    text = one_line(text)
    if text.isascii() and "=?" not in text and all(len(word) < _LONGEST_LINE for word in text.split(" ")):
        return _folded(name, re.split(r"(?= )", text) if text else [""])
    return _folded(name, _spaced(encoded_words(text)))


def date_field(at: float) -> bytes:
    """Date with the local zone as a number and no zone's name (O6)."""
    return f"Date: {formatdate(at, localtime=True)}\r\n".encode("ascii")


def address_field(name: str, addresses: Sequence[Address]) -> bytes:
    """From, To and the like (RFC 5322 §3.4, RFC 6531 where an address needs it); empty without any. Raises Unsendable for what is
    no address."""
    if not addresses:
        return b""
    pieces: list[str] = []
    for position, address in enumerate(addresses):
        end = "," if position + 1 < len(addresses) else ""
        words = _name_words(one_line(address.name))
        sent = check_address(address.address)
        written = [*words, f"<{sent}>{end}"] if words else [f"{sent}{end}"]
        pieces += written if position == 0 else [f" {written[0]}", *written[1:]]
    return _folded(name, [pieces[0], *(piece if piece.startswith(" ") else f" {piece}" for piece in pieces[1:])])


def needs_utf8(address: str) -> bool:
    """Whether an address can only be sent with SMTPUTF8 (RFC 6531)."""
    return not check_address(address).isascii()


def id_field(name: str, ids: Iterable[str]) -> bytes:
    """Message-ID, In-Reply-To, References: never encoded, folded between ids only (O8). `ids` have no angle brackets; what can't be
    one is left out. Empty where none is left."""
    written = [f"<{one}>" for one in ids if is_message_id(one)]
    if not written:
        return b""
    return _folded(name, [written[0], *(f" {one}" for one in written[1:])])


def is_message_id(text: str) -> bool:
    """Whether this can stand between the angle brackets of a message id."""
    return _ID.fullmatch(text) is not None


def parameter(name: str, value: str) -> list[str]:
    """A parameter of a MIME field, in pieces that may be folded (RFC 2045 §5.1, RFC 2231)."""
    value = one_line(value)
    if value.isascii() and len(value) < _SECTION:
        if _TOKEN.fullmatch(value):
            return [f"; {name}={value}"]
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return [f'; {name}="{escaped}"']
    encoded = quote(value, safe="", encoding="utf-8")
    if len(encoded) < _SECTION:
        return [f"; {name}*=UTF-8''{encoded}"]
    sections: list[str] = []
    rest = encoded
    while rest:
        end = _SECTION
        # Never within a %XX.
        while end < len(rest) and "%" in rest[end - 2 : end]:
            end -= 1
        sections.append(rest[:end])
        rest = rest[end:]
    return [
        f"; {name}*{number}*={chr(39).join(('UTF-8', '', section)) if number == 0 else section}"
        for number, section in enumerate(sections)
    ]


def mime_field(name: str, value: str, parameters: Sequence[str] = ()) -> bytes:
    """Content-Type and the like."""
    pieces = [value]
    for piece in parameters:
        pieces[-1] += ";"
        pieces.append(piece.removeprefix(";"))
    return _folded(name, pieces)


def encoded_words(text: str) -> list[str]:
    """Encoded words of at most 75 characters (RFC 2047), each of whole characters; adjacent ones join without a space."""
    words: list[str] = []
    piece = b""
    for character in text:
        data = character.encode("utf-8", "replace")
        if piece and len(piece) + len(data) > _WORD_BYTES:
            words.append(_word(piece))
            piece = b""
        piece += data
    if piece or not words:
        words.append(_word(piece))
    return words


def _word(data: bytes) -> str:
    as_q, as_b = _as_q(data), base64.b64encode(data).decode("ascii")
    if len(as_q) <= min(len(as_b), _LONGEST_Q):
        return f"=?UTF-8?Q?{as_q}?="
    return f"=?UTF-8?B?{as_b}?="


def _as_q(data: bytes) -> str:
    return "".join("_" if byte == 0x20 else chr(byte) if chr(byte) in _Q_PLAIN else f"={byte:02X}" for byte in data)


def _name_words(name: str) -> list[str]:
    """A display name as a phrase, in words that may be folded in between."""
    if not name:
        return []
    if not name.isascii() or "=?" in name or len(name) > _LONGEST_LINE // 2:
        return encoded_words(name)
    if _ATOMS.fullmatch(name):
        return name.split(" ")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{escaped}"']


def _spaced(words: Sequence[str]) -> list[str]:
    return [words[0], *(f" {word}" for word in words[1:])]


def _folded(name: str, pieces: Sequence[str]) -> bytes:
    """`Name: ` and the pieces, with a line end before a piece that begins with a space and would not fit any more."""
    lines: list[str] = []
    line = f"{name}:"
    for position, piece in enumerate(pieces):
        written = f" {piece}" if position == 0 else piece
        fits = len(line) + len(written) <= _FOLD_AT
        only_blank = not piece.strip()
        if position and not fits and line.strip() and not only_blank and line != f"{name}:":
            lines.append(line)
            line = written
        else:
            line += written
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")
