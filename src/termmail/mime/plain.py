"""text/plain to logical lines: format=flowed (RFC 3676), quotes, signature, patches, links."""

from __future__ import annotations

import re
from collections.abc import Iterator

from termmail.mime.layout import with_links
from termmail.mime.links import Links
from termmail.mime.logical import LogicalLine, Run, quote_style
from termmail.mime.safe_text import safe_text
from termmail.model.body import Style

_QUOTE = re.compile(r"(?:> ?)+")
_PATCH_START = re.compile(r"diff --git |--- \S|Index: \S|@@ -\d")
_PATCH_HEADER = re.compile(
    r"diff |index [0-9a-f]|--- |\+\+\+ |new file|deleted file|old mode|new mode|similarity|rename |Binary |Index: |={20}"
)
# In what is quoted, only what is surely a patch: its lines go on after each remark.
_REVIEW_START = re.compile(r"diff --git |@@ -\d")
_CHANGED = {"+": Style.DIFF_ADD, "-": Style.DIFF_REMOVE}
_TAB = 8


def plain_lines(text: str, links: Links, *, flowed: bool = False, delsp: bool = False) -> Iterator[LogicalLine]:
    """The logical lines of a text part that is decoded but not yet safe."""
    source = safe_text(text).rstrip("\n").split("\n")
    quoted = _flowed(source, delsp=delsp) if flowed else _fixed(source)
    in_signature = False
    in_patch = False
    reviewed: set[int] = set()
    for depth, line in quoted:
        if not depth and line in ("-- ", "--") and not in_signature:
            in_signature, in_patch = True, False
        line = line.rstrip(" ")
        if "\t" in line:
            line = line.expandtabs(_TAB)
        if in_signature:
            yield LogicalLine(depth, with_links(line, Style.SIGNATURE, links))
            continue
        if not depth:
            in_patch = _still_patch(line) if in_patch else _PATCH_START.match(line) is not None
            if in_patch:
                yield LogicalLine(0, (Run(line, _patch_style(line)),) if line else (), hard=True)
                continue
        else:
            in_patch = False
            if _REVIEW_START.match(line):
                reviewed.add(depth)
            if depth in reviewed and line[:1] in _CHANGED and line:
                yield LogicalLine(depth, (Run(line, _CHANGED[line[0]]),), hard=True)
                continue
        yield LogicalLine(depth, with_links(line, quote_style(depth), links), hard=depth in reviewed)


def quote_depth(line: str) -> tuple[int, str]:
    """How deep a line is quoted, and the line without its marks. `>From` is what mbox files make of `From`."""
    if not line.startswith(">") or line.startswith(">From "):
        return 0, line.removeprefix(">") if line.startswith(">From ") else line
    match = _QUOTE.match(line)
    marks = match[0] if match is not None else ""
    return marks.count(">"), line[len(marks) :]


def _fixed(source: list[str]) -> Iterator[tuple[int, str]]:
    for line in source:
        yield quote_depth(line)


def _flowed(source: list[str], *, delsp: bool) -> Iterator[tuple[int, str]]:
    """Paragraphs of RFC 3676: a line that ends with a space goes on in the next one of the same depth."""
    held: list[str] = []
    held_depth = 0
    for line in source:
        depth = len(line) - len(line.lstrip(">"))
        line = line[depth:].removeprefix(" ")
        if held and (depth != held_depth or line == "-- "):
            yield held_depth, "".join(held)
            held = []
        held_depth = depth
        if line.endswith(" ") and line != "-- ":
            held.append(line[:-1] if delsp else line)
        else:
            held.append(line)
            yield depth, "".join(held)
            held = []
    if held:
        yield held_depth, "".join(held)


def _still_patch(line: str) -> bool:
    return not line or line[0] in " +-@\\" or _PATCH_HEADER.match(line) is not None


def _patch_style(line: str) -> Style:
    if line.startswith("@@"):
        return Style.HEADING
    if _PATCH_HEADER.match(line) is not None:
        return Style.STRONG
    return _CHANGED.get(line[:1], Style.CODE)
