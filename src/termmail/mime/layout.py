"""Logical lines of text to lines of a width: quotes, links, wrapping by cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from termmail.mime.links import Links, find_links
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.width import cell_width
from termmail.model.body import Line, Span, Style

MAX_LINES = 50_000
_MIN_WIDTH = 10
_MAX_LINKS_IN_LINE = 500

_HANGING = re.compile(r"(?: {0,12}(?:[*•+–-]|\d{1,3}[.)]) {1,3}| {1,12})(?=\S)")
# Wide characters, but for the closing punctuation that may not begin a line: a line may be broken before each of them.
_WIDE_CLASS = (
    r"\u2e80-\u3000\u3003-\u3008\u300a\u300c\u300e\u3010\u3012-\u9fff\uac00-\ud7a3"
    r"\uff02-\uff08\uff0a\uff0b\uff0d\uff0f-\uff19\uff20-\uff3c"
)
_WIDE = re.compile(rf"[{_WIDE_CLASS}]")
_QUOTE_STYLES = (Style.PLAIN, Style.QUOTE1, Style.QUOTE2, Style.QUOTE3)


class Run(NamedTuple):
    """A piece of a logical line; `link` is a place in Links.urls, or -1."""

    text: str
    style: Style = Style.PLAIN
    link: int = -1


class LogicalLine(NamedTuple):
    """A line before wrapping: quote depth, its runs, and whether it is cut rather than wrapped between words.

    `hanging` is how many cells what is wrapped is indented; -1 leaves that to how the text begins.
    """

    depth: int = 0
    runs: tuple[Run, ...] = ()
    hard: bool = False
    hanging: int = -1


def quote_style(depth: int) -> Style:
    return _QUOTE_STYLES[min(depth, 3)]


def with_links(text: str, style: Style, links: Links) -> tuple[Run, ...]:
    """One line of text as runs, its URLs and addresses as links."""
    found = find_links(text)[:_MAX_LINKS_IN_LINE]
    if not found:
        return (Run(text, style),) if text else ()
    runs: list[Run] = []
    position = 0
    for start, end, url in found:
        place = links.add(url)
        if place < 0:
            continue
        if start > position:
            runs.append(Run(text[position:start], style))
        runs.append(Run(safe_address(text[start:end]), Style.LINK, place))
        position = end
    if position < len(text):
        runs.append(Run(text[position:], style))
    return tuple(runs)


def lay_out(logical_lines: Iterable[LogicalLine], width: int) -> tuple[list[Line], bool]:
    """Lines of at most `width` cells, and whether some were left out because there are too many. Every text passes `safe_text`."""
    width = max(width, _MIN_WIDTH)
    lines: list[Line] = []
    for logical in logical_lines:
        lines.extend(_wrapped(logical, width))
        if len(lines) >= MAX_LINES:
            return lines[:MAX_LINES], True
    return lines, False


def _wrapped(logical: LogicalLine, width: int) -> Iterator[Line]:
    depth, runs, hard, wanted_indent = logical
    prefix: list[Run] = []
    if depth:
        marks = "> " * min(depth, max(1, (width // 2) // 2))
        prefix = [Run(marks, quote_style(depth))]
        width -= len(marks)
    if not runs:
        yield _line([Run(prefix[0].text.rstrip(), prefix[0].style)] if prefix else [], wrapped=False)
        return
    text = "".join(run.text for run in runs)
    if cell_width(text) <= width:
        yield _line([*prefix, *runs], wrapped=False)
        return
    hanging = None if hard else _HANGING.match(text)
    indent = wanted_indent if wanted_indent >= 0 else hanging.end() if hanging is not None else 0
    indent = indent if indent <= width // 3 else 0
    later_prefix = [*prefix, Run(" " * indent)] if indent else prefix
    places = (
        _ascii_places(text, width, indent, hard=hard) if text.isascii() else _places(text, width, indent, hard=hard)
    )
    pieces = _sliced(runs, places)
    previous = next(pieces)
    lead = prefix
    for piece in pieces:
        yield _line([*lead, *previous], wrapped=True)
        previous, lead = piece, later_prefix
    yield _line([*lead, *previous], wrapped=False)


def _line(runs: list[Run], *, wrapped: bool) -> Line:
    spans: list[Span] = []
    held = ""
    style, link = Style.PLAIN, -1
    for run in runs:
        if run.style is style and run.link == link:
            held += run.text
            continue
        if held:
            spans.append(Span(safe_text(held), style, link))
        held, style, link = run
    if held:
        spans.append(Span(safe_text(held), style, link))
    return Line(tuple(spans), wrapped)


def _ascii_places(text: str, width: int, indent: int, *, hard: bool) -> Iterator[tuple[int, int]]:
    """Where the pieces of an ASCII line begin and end: broken at spaces, or where a word is too long (or it is `hard`) cut."""
    position = 0
    room = width
    while len(text) - position > room:
        space = -1 if hard else text.rfind(" ", position, position + room + 1)
        end = position + room
        after = end
        if space > position and text[position : space + 1].strip(" "):
            end = after = space
            while text[end - 1] == " ":
                end -= 1
        yield position, end
        if not hard:
            while after < len(text) and text[after] == " ":
                after += 1
        position = after
        room = width - indent
    if position < len(text):
        yield position, len(text)


def _places(text: str, width: int, indent: int, *, hard: bool) -> Iterator[tuple[int, int]]:
    """As `_ascii_places` by cells, and with breaks before wide characters as well."""
    position = used = 0
    room = width
    end = after = -1
    for index, character in enumerate(text):
        if character == " " and not hard:
            if index and text[index - 1] != " ":
                end = index
            after = index + 1
            used += 1
            continue
        cells = cell_width(character)
        if not hard and cells == 2 and index > position and text[index - 1] != " " and _WIDE.match(character):
            end = after = index
        if used + cells > room:
            if end <= position:
                end = after = index
            yield position, end
            position, room = after, width - indent
            used = cell_width(text[position:index])
            end = after = -1
        used += cells
    if position < len(text):
        yield position, len(text)


def _sliced(runs: tuple[Run, ...], places: Iterable[tuple[int, int]]) -> Iterator[list[Run]]:
    """The runs between each two places of their joined text."""
    index = run_start = 0
    for start, end in places:
        piece: list[Run] = []
        while index < len(runs) and run_start < end:
            run = runs[index]
            run_end = run_start + len(run.text)
            taken = run.text[max(0, start - run_start) : end - run_start]
            if taken:
                piece.append(run._replace(text=taken))
            if run_end > end:
                break
            run_start = run_end
            index += 1
        yield piece
