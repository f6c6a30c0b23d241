"""A message as DATA sends it (RFC 5321 §4.5.2): CRLF ends every line, and nothing else does; a dot that begins one is doubled."""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Stuffer:
    """Takes the bytes of a message in blocks of any size and gives what is to be sent."""

    def __init__(self) -> None:
        self._held = b""
        self._at_line_start = True

    def feed(self, block: bytes) -> bytes:
        """The next bytes to send for a block."""
        data = self._held + block
        # Whether a CR is a line's end is seen by what follows it.
        self._held = b"\r" if data.endswith(b"\r") else b""
        if self._held:
            data = data[:-1]
        if not data:
            return b""
        if not data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n"):
            data = _LINE_END.sub(b"\r\n", data)
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\r\n")
        return stuffed

    def end(self) -> bytes:
        """What is still to be sent before the final dot, so that this begins a line."""
        return b"" if self._at_line_start and not self._held else b"\r\n"
