"""Finds the commands in what an IMAP client sends."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")
_COMMAND = re.compile(rb"^[^\s(){%*\"\\+]+ (UID )?([A-Za-z]+)")


class CommandReader:
    """Fed with a client's bytes as they come; literals are skipped, so that a message's text is never a command."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._literal = 0
        self._inside = False

    def feed(self, data: bytes) -> Iterator[str]:
        """The commands that these bytes complete, in capitals: "FETCH", "UID FETCH", "DONE"."""
        self._buffer += data
        while self._buffer:
            if self._literal:
                skipped = min(self._literal, len(self._buffer))
                del self._buffer[:skipped]
                self._literal -= skipped
                continue
            end = self._buffer.find(b"\n")
            if end < 0:
                return
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            was_inside = self._inside
            literal = _LITERAL.search(line)
            self._inside = literal is not None
            self._literal = int(literal[1]) if literal else 0
            if was_inside:
                continue
            if line.strip().upper() == b"DONE":
                yield "DONE"
            elif command := _COMMAND.match(line):
                yield ("UID " if command[1] else "") + command[2].decode().upper()
