"""Files that were put into the text of a mail itself, from before MIME and from Usenet: uuencode (POSIX) and yEnc."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from termmail.mime.charsets import decode_header_bytes

MAX_BLOCKS = 50

_BEGIN = re.compile(rb"^begin ([0-7]{3,4}) ([^\r\n]{1,255}?)[ \t]*\r?\n(?=([^\r\n]{1,90}))", re.MULTILINE)
_END = re.compile(rb"^end[ \t]*\r?$\n?", re.MULTILINE)
_YENC = re.compile(rb"^=ybegin ([^\r\n]{1,500})\r?\n", re.MULTILINE)
_YENC_END = re.compile(rb"^=yend [^\r\n]*\r?\n?", re.MULTILINE)
_YENC_SIZE = re.compile(rb"\bsize=(\d{1,12})\b")
_YENC_NAME = re.compile(rb"\bname=(.+)$")


class TextBlock(NamedTuple):
    """A file in a text, from offset `start` to `end` of it, its encoded lines from `data_start` to `data_end`.

    `encoding` is "uuencode" or "yenc"; `size` what a yEnc block says that it holds, in bytes, else 0. `name` is not yet safe.
    """

    encoding: str
    name: str
    start: int
    data_start: int
    data_end: int
    end: int
    size: int = 0


def find_blocks(text: bytes) -> list[TextBlock]:
    """The blocks of a text whose transfer encoding is undone, in its order, at most `MAX_BLOCKS`. Takes linear time."""
    found: list[TextBlock] = []
    position = 0
    has_uu, has_yenc = b"begin" in text, b"=ybegin " in text
    while len(found) < MAX_BLOCKS and (has_uu or has_yenc):
        begin = _BEGIN.search(text, position) if has_uu else None
        yenc = _YENC.search(text, position) if has_yenc else None
        has_uu, has_yenc = begin is not None, yenc is not None
        if begin is not None and (yenc is None or begin.start() < yenc.start()):
            position = begin.end()
            if not _is_uu_line(begin[3]):
                continue
            end = _END.search(text, position)
            data_end = end.start() if end is not None else _uu_lines_end(text, position)
            name = decode_header_bytes(begin[2])
            block_end = end.end() if end is not None else data_end
            found.append(TextBlock("uuencode", name, begin.start(), begin.end(), data_end, block_end))
            position = block_end
        elif yenc is not None:
            end = _YENC_END.search(text, yenc.end())
            block_end = end.end() if end is not None else len(text)
            size, name_field = _YENC_SIZE.search(yenc[1]), _YENC_NAME.search(yenc[1])
            found.append(
                TextBlock(
                    "yenc",
                    decode_header_bytes(name_field[1].strip()) if name_field is not None else "",
                    yenc.start(),
                    yenc.end(),
                    end.start() if end is not None else block_end,
                    block_end,
                    int(size[1]) if size is not None else 0,
                )
            )
            position = block_end
    return found


def decode_uu(data: bytes) -> bytes:
    """The file of uuencoded lines; lines that are none are left out. Never raises."""
    decoded = bytearray()
    for line in data.splitlines():
        if line.startswith(b"begin ") or line == b"end" or not line:
            continue
        try:
            decoded += binascii.a2b_uu(line)
        except binascii.Error:
            # Some encoders write trailing garbage: the first character tells how much counts.
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                decoded += binascii.a2b_uu(line[:wanted])
            except binascii.Error:
                continue
    return bytes(decoded)


def _uu_lines_end(text: bytes, position: int) -> int:
    """Where the uuencoded lines from `position` on stop, of a block whose end is missing."""
    while position < len(text):
        line_end = text.find(b"\n", position) + 1 or len(text)
        line = text[position:line_end].rstrip(b"\r\n")
        if not line or not _is_uu_line(line):
            break
        position = line_end
    return position


def _is_uu_line(line: bytes) -> bool:
    """Whether a line can be uuencoded: its first character gives its length, and no character is beyond the alphabet."""
    if not 32 <= line[0] <= 96 or any(not 32 <= character <= 96 for character in line.rstrip()):
        return False
    characters = -(-((line[0] - 32) & 63) // 3) * 4
    # Spaces at its end may be lost, a checksum may be added.
    return len(line.rstrip()) - 1 <= characters + 2
