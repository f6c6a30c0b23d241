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
# Indented text, lists, rules, tables and headings keep their lines.
_KEPT = re.compile(r"\s|[-*•+–#|=_]|\d{1,3}[.)]|.*(?:\S {3,}\S|\t| \|)")


def reflowed(lines: Iterable[LogicalLine], width: int) -> Iterator[LogicalLine]:
    """The lines, and paragraphs of several lines as one where one of them is wider than `width` cells."""
    held: list[LogicalLine] = []
    for line in lines:
        if held and not (_is_text(line) and line.depth == held[0].depth):
            yield from _joined(held, width)
            held = []
        if _is_text(line):
            held.append(line)
        else:
            yield line
    yield from _joined(held, width)


def _is_text(line: LogicalLine) -> bool:
    if not line.runs or line.hard:
        return False
    style = quote_style(line.depth)
    for run in line.runs:
        if run.style is not style and run.style is not Style.LINK:
            return False
    return not _KEPT.match(line.runs[0].text if len(line.runs) == 1 else _text(line))


def _text(line: LogicalLine) -> str:
    return "".join(run.text for run in line.runs)


def _joined(lines: list[LogicalLine], width: int) -> Iterator[LogicalLine]:
    texts = [_text(line) for line in lines]
    widths = [cell_width(text) for text in texts]
    room = width - 2 * lines[0].depth if lines else width
    broken_at = max(widths, default=0)
    if len(lines) < 2 or not max(room, _NARROWEST_BROKEN) < broken_at <= _WIDEST_BROKEN:
        yield from lines
        return
    runs: list[Run] = []
    for place, line in enumerate(lines):
        runs += line.runs
        if place + 1 < len(lines) and widths[place] + 1 + cell_width(texts[place + 1].split(" ")[0]) > broken_at:
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
