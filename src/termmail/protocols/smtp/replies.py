"""Replies of an SMTP server (RFC 5321 §4.2)."""

from __future__ import annotations

import re

import msgspec

MAX_REPLY = 64 << 10
"""Bytes of one reply, all its lines together."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?: |$)")


class Reply(msgspec.Struct, frozen=True):
    """A whole reply: its three digits, and the text of its lines."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def text(self) -> bytes:
        """The text on one line, without the enhanced status codes (RFC 2034) that each line repeats."""
        return b" ".join(_ENHANCED.sub(b"", line, count=1).strip() for line in self.lines).strip()

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), or empty."""
        found = _ENHANCED.match(self.lines[0]) if self.lines else None
        return "" if found is None else found[1].decode("ascii")


def parse_line(line: bytes) -> tuple[int, bytes, bool] | None:
    """The code of a line, its text, and whether more follow; None where it is no line of a reply."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    return int(found[1]), found[3] or b"", found[2] == b"-"
