"""Text as typed to text/plain, and back: format=flowed (RFC 3676) for long lines, and an encoding that every server takes."""

from __future__ import annotations

import base64
import binascii
import re

from termmail.mime.plain import quote_depth

_LONGEST_TYPED = 78
_FLOW_AT = 72
_LONGEST_LINE = 998
_LONGEST_BASE64_LINE = 57
SIGNATURE_MARK = "-- "
_LINE_ENDS = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def flow(text: str) -> str:
    """Text whose paragraphs are long lines, or lines as typed, as format=flowed text; lines end in "\\n"."""
    lines: list[str] = []
    for line in _LINE_ENDS.sub("\n", text).split("\n"):
        lines += _flow_line(line)
    return "\n".join(lines)


def _flow_line(line: str) -> list[str]:
    if line == SIGNATURE_MARK:
        return [line]
    # A space at the end would say that the line goes on.
    line = line.rstrip(" ")
    depth, rest = quote_depth(line) if line.startswith(">") else (0, line)
    if not depth:
        return [_stuffed(piece) for piece in _pieces(line, _FLOW_AT if len(line) > _LONGEST_TYPED else None)]
    marks = ">" * depth
    limit = max(20, _FLOW_AT - depth - 1) if len(line) > _LONGEST_TYPED else None
    return [f"{marks} {piece}" if piece else marks for piece in _pieces(rest, limit)]


def _stuffed(line: str) -> str:
    return f" {line}" if line.startswith((" ", ">", "From ")) else line


def _pieces(line: str, limit: int | None) -> list[str]:
    """The line cut after spaces; every piece but the last ends in one."""
    if limit is None:
        return [line]
    pieces: list[str] = []
    while len(line) > limit:
        cut = line.rfind(" ", 1, limit) + 1 or line.find(" ", limit) + 1
        if not cut:
            break
        # What ends in several spaces would lose all but one, and what is only spaces would vanish.
        while cut < len(line) and line[cut] == " ":
            cut += 1
        if cut >= len(line):
            break
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]


def encode_text(text: str) -> tuple[bytes, str, str]:
    """The bytes of a text part, CRLF at line ends, its charset and its transfer encoding: 7bit, quoted-printable or base64."""
    data = text.encode("utf-8", "replace")
    charset = "us-ascii" if data.isascii() else "utf-8"
    lines = data.split(b"\n")
    if charset == "us-ascii" and max(map(len, lines)) <= _LONGEST_LINE and b"\0" not in data:
        return b"\r\n".join(lines), charset, "7bit"
    quoted = binascii.b2a_qp(data, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if len(quoted) > 1.6 * len(data) and len(data) > _LONGEST_BASE64_LINE:
        with_crlf = data.replace(b"\n", b"\r\n")
        encoded = b"\r\n".join(
            base64.b64encode(with_crlf[start : start + _LONGEST_BASE64_LINE])
            for start in range(0, len(with_crlf), _LONGEST_BASE64_LINE)
        )
        return encoded + b"\r\n", charset, "base64"
    return quoted, charset, "quoted-printable"


def unflow(text: str, *, delsp: bool = False) -> str:
    """Format=flowed text as it was typed: paragraphs are long lines again, quotes keep their marks."""
    lines: list[str] = []
    goes_on: int | None = None
    for line in text.split("\n"):
        depth, rest = quote_depth(line) if line.startswith(">") else (0, line)
        if rest.startswith(" "):
            rest = rest[1:]
        is_mark = rest == SIGNATURE_MARK
        if goes_on == depth and not is_mark:
            lines[-1] += rest
        else:
            if goes_on is not None:
                lines[-1] = lines[-1].rstrip(" ")
            lines.append((">" * depth + " " if depth else "") + rest if rest or not depth else ">" * depth)
        goes_on = None
        if rest.endswith(" ") and not is_mark:
            goes_on = depth
            if delsp:
                lines[-1] = lines[-1][:-1]
    if goes_on is not None:
        lines[-1] = lines[-1].rstrip(" ")
    return "\n".join(lines)
