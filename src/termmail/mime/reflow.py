"""Paragraphs that their writer's program broke into lines, put together again where those lines are wider than the screen.

Without it every line of 72 characters would be followed by a stump on a screen of 60.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from termmail.mime.logical import LogicalLine, Run, Runs, quote_style
from termmail.mime.width import cell_width
from termmail.model.body import Style

_WIDEST_BROKEN = 84
_NARROWEST_BROKEN = 50
# Indented text, rules, tables and headings keep their lines.
_KEPT = re.compile(r"\s|[-*•+–#|=_]|\d{1,3}[.)]|.*(?:\S {3,}\S|\t| \|)")
_ITEM = re.compile(r" {0,8}(?:[*•+–-]|\d{1,3}[.)]) {1,3}(?=\w)")


def reflowed(lines: Iterable[LogicalLine], width: int) -> Iterator[LogicalLine]:
    """The lines, and paragraphs and items of lists that take several lines as one where one of those is wider than `width` cells."""
    held: list[LogicalLine] = []
    indent = 0
    for line in lines:
        if held and line.depth == held[0].depth and _goes_on(line, indent):
            held.append(line)
            continue
        yield from _joined(held, width, indent)
        held, indent = [], 0
        if _is_text(line) and ((item := _ITEM.match(_text(line))) or not _KEPT.match(_text(line))):
            held, indent = [line], item.end() if item is not None else 0
        else:
            yield line
    yield from _joined(held, width, indent)


def _goes_on(line: LogicalLine, indent: int) -> bool:
    """Whether a line may belong to the paragraph above it, whose lines but the first are indented by so many cells."""
    text = _text(line)
    return (
        _is_text(line)
        and not text[:indent].strip(" ")
        and text[indent : indent + 1] not in ("", " ")
        and not (_KEPT.match(text[indent:]) or _ITEM.match(text))
    )


def _is_text(line: LogicalLine) -> bool:
    if not line.runs or line.hard:
        return False
    styles = (quote_style(line.depth), Style.LINK)
    return all(run.style in styles for run in line.runs)


def _text(line: LogicalLine) -> str:
    return line.runs[0].text if len(line.runs) == 1 else "".join(run.text for run in line.runs)


def _joined(lines: list[LogicalLine], width: int, indent: int) -> Iterator[LogicalLine]:
    texts = [_text(line) for line in lines]
    widths = [cell_width(text) for text in texts]
    room = width - 2 * lines[0].depth if lines else width
    broken_at = max(widths, default=0)
    if len(lines) < 2 or not max(room, _NARROWEST_BROKEN) < broken_at <= _WIDEST_BROKEN:
        yield from lines
        return
    runs: list[Run] = []
    for place, line in enumerate(lines):
        first, *others = line.runs
        runs += [first._replace(text=first.text[indent:]) if runs else first, *others]
        word = cell_width(texts[place + 1][indent:].split(" ")[0]) if place + 1 < len(lines) else 0
        if word and widths[place] + 1 + word > broken_at:
            runs.append(Run(" ", quote_style(line.depth)))
            continue
        yield line._replace(runs=_merged(runs))
        runs = []


def _merged(runs: list[Run]) -> Runs:
    merged: list[Run] = []
    for run in runs:
        if merged and merged[-1].style is run.style and merged[-1].link == run.link == -1:
            merged[-1] = merged[-1]._replace(text=merged[-1].text + run.text)
        else:
            merged.append(run)
    return tuple(merged)
