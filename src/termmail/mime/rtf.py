"""Rich text to plain text, and the compression that Outlook keeps it in ([MS-OXRTFCP])."""

from __future__ import annotations

import re
import struct

from termmail.mime.charsets import decode_text

MAX_RTF = 512 * 1024

_HEADER = struct.Struct("<IIII")
_COMPRESSED, _UNCOMPRESSED = 0x75465A4C, 0x414C454D
_DICTIONARY_SIZE = 4096
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans Serif"
    b"SymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_SKIPPED = frozenset((
    b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"themedata", b"datastore",
    b"listtable", b"listoverridetable", b"rsidtbl", b"generator", b"fldinst", b"htmltag", b"mhtmltag",
))  # fmt: skip
_SHORT = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"page": "\n", b"sect": "\n", b"tab": "\t", b"cell": "\t", b"bullet": "•",
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
}  # fmt: skip


def decompress_rtf(data: bytes) -> bytes:
    """The RTF of a compressed stream, at most `MAX_RTF` bytes of it; empty where it is none. Never raises."""
    if len(data) < _HEADER.size:
        return b""
    _, raw_size, kind, _ = _HEADER.unpack_from(data)
    wanted = min(raw_size, MAX_RTF)
    if kind == _UNCOMPRESSED:
        return data[_HEADER.size : _HEADER.size + wanted]
    if kind != _COMPRESSED:
        return b""
    window = bytearray(_DICTIONARY.ljust(_DICTIONARY_SIZE, b"\0"))
    write = len(_DICTIONARY)
    output = bytearray()
    position = _HEADER.size
    while len(output) < wanted and position < len(data):
        control = data[position]
        position += 1
        for bit in range(8):
            if position >= len(data) or len(output) >= wanted:
                break
            if not control >> bit & 1:
                output.append(data[position])
                window[write] = data[position]
                write = (write + 1) % _DICTIONARY_SIZE
                position += 1
                continue
            reference = int.from_bytes(data[position : position + 2], "big")
            position += 2
            offset, length = reference >> 4, (reference & 15) + 2
            if offset == write:
                return bytes(output[:wanted])
            for _ in range(length):
                byte = window[offset]
                output.append(byte)
                window[write] = byte
                offset = (offset + 1) % _DICTIONARY_SIZE
                write = (write + 1) % _DICTIONARY_SIZE
    return bytes(output[:wanted])


def rtf_text(data: bytes) -> str:
    """The text of an RTF document without its layout, not yet safe. Reads at most `MAX_RTF` bytes, in linear time; never raises."""
    pieces: list[str] = []
    charset = "windows-1252"
    held = bytearray()
    # Of each open group: whether it is skipped, and how many characters stand in for one of \u.
    groups: list[tuple[bool, int]] = []
    skipping, stand_ins, to_skip = False, 1, 0
    in_layout = False
    starred = False
    for match in _TOKEN.finditer(data[:MAX_RTF]):
        word, number, code, symbol, brace, plain = match.groups()
        if held and not code:
            pieces.append(decode_text(bytes(held), charset))
            held.clear()
        if brace == b"{":
            groups.append((skipping, stand_ins))
        elif brace == b"}":
            skipping, stand_ins = groups.pop() if groups else (False, 1)
        elif symbol == b"*":
            starred = True
            continue
        elif word is not None:
            if word in _SKIPPED or (starred and word != b"fldrslt"):
                skipping = True
            elif word == b"htmlrtf":
                in_layout = number != b"0"
            elif word == b"ansicpg" and number:
                charset = f"windows-{int(number)}"
            elif word == b"uc" and number:
                stand_ins = min(max(int(number), 0), 10)
            elif word == b"u" and number and not (skipping or in_layout):
                pieces.append(_unit(int(number)))
                to_skip = stand_ins
            elif word in _SHORT and not (skipping or in_layout):
                pieces.append(_SHORT[word])
        elif not (skipping or in_layout):
            if code:
                if to_skip:
                    to_skip -= 1
                else:
                    held.append(int(code, 16))
            elif plain:
                taken = min(to_skip, len(plain))
                to_skip = 0
                pieces.append(decode_text(plain[taken:], charset))
            elif symbol in (b"\\", b"{", b"}"):
                pieces.append(symbol.decode("ascii"))
            elif symbol == b"~":
                pieces.append("\xa0")
        starred = False
    if held:
        pieces.append(decode_text(bytes(held), charset))
    text = "".join(pieces)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").strip()


def _unit(number: int) -> str:
    """One UTF-16 unit of `\\uN`, which may be written as a negative number."""
    return chr(number & 0xFFFF)
