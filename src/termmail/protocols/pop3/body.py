"""The bytes of a multi-line response (RFC 1939 §3): where it ends, and which dots are not its own (P11)."""

from __future__ import annotations

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_DOT = 0x2E


class BodyReader:
    """Takes one multi-line response in blocks of any size. Only CRLF ends a line.

    `ended` says that its end was found. The bytes that `feed` gives are those the server sent, without the dots that it put before
    lines, and without the line that ends it all.
    """

    __slots__ = ("_fresh", "_held", "_skip", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._fresh = True
        self._held = b""
        self._skip = 0

    def feed(self, data: bytes, pos: int) -> tuple[bytes, int]:
        """What `data` holds of it from `pos` on, and the position behind that. What can't be told yet, as it may be the beginning
        of the end, is kept for the next call."""
        if pos >= len(data):
            return b"", pos
        if self._fresh:
            self._fresh = False
            if data[pos] == _DOT:
                # The first line follows a CRLF too, that of the status line, which is not part of it.
                self._held, self._skip = _STUFFED[:2], 2
        start, shift = pos, 0
        if self._held:
            shift = pos - len(self._held)
            data, start, self._held = self._held + data[pos:], 0, b""
        end = data.find(_END, start)
        if end >= 0:
            self.ended = True
            stop, after = end + 2, end + len(_END)
        else:
            after = len(data)
            stop = after - _undecided(data, start)
            self._held = data[stop:]
        content = data[start:stop]
        if _STUFFED in content:
            content = content.replace(_STUFFED, _STUFFED[:2])
        if self._skip and content:
            content, self._skip = content[self._skip :], 0
        return content, after + shift


def _undecided(data: bytes, start: int) -> int:
    """How many bytes at the end of data[start:] may be the beginning of the end."""
    for length in range(min(len(_END) - 1, len(data) - start), 0, -1):
        if data.endswith(_END[:length]):
            return length
    return 0
