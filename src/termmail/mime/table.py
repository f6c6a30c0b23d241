"""Comma-separated values as a table that fits a width."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from termmail.mime.logical import LogicalLine, Run
from termmail.mime.safe_text import safe_text
from termmail.mime.width import cell_width, cut_cells
from termmail.model.body import Style

MAX_ROWS = 5000
MAX_COLUMNS = 40

_MAX_CELL = 2000
_WIDEST = 40
_NARROWEST = 5
_GAP = "  "
_NUMBER = re.compile(r"[-+]?[\d.,'  ]*\d\s?[%€$£]?$")
_DELIMITERS = (",", ";", "\t", "|")


def table_lines(text: str, width: int, *, tabs: bool = False) -> Iterator[LogicalLine]:
    """The rows of `text`, the first as a heading, columns shortened so that a line takes at most `width` cells.

    Columns for which there is no room, and rows beyond `MAX_ROWS`, are counted instead.
    """
    rows, more_rows = _rows(text, "\t" if tabs else _delimiter(text))
    if not rows:
        return
    count = max(len(row) for row in rows)
    widths = [
        max((cell_width(row[place]) for row in rows if place < len(row)), default=1) or 1 for place in range(count)
    ]
    shown = _fitted(widths, width)
    numeric = [_is_numeric([row[place] for row in rows[1:] if place < len(row)]) for place in range(len(shown))]
    for number, row in enumerate(rows):
        cells = [
            _cell(row[place] if place < len(row) else "", cells_wide, right=numeric[place])
            for place, cells_wide in enumerate(shown)
        ]
        yield LogicalLine(runs=(Run(_GAP.join(cells).rstrip(), Style.PLAIN if number else Style.STRONG),), hard=True)
        if number == 0:
            yield LogicalLine(runs=(Run(_GAP.join("─" * each for each in shown), Style.NOTE),), hard=True)
    if count > len(shown):
        yield LogicalLine(runs=(Run(f"{count - len(shown)} more columns do not fit.", Style.NOTE),))
    if more_rows:
        yield LogicalLine(runs=(Run(f"Only the first {MAX_ROWS:,} rows are shown.", Style.NOTE),))


def _rows(text: str, delimiter: str) -> tuple[list[list[str]], bool]:
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if len(rows) >= MAX_ROWS:
                return rows, True
            if row:
                rows.append([safe_text(cell[:_MAX_CELL], one_line=True).strip() for cell in row[:MAX_COLUMNS]])
    except csv.Error:
        # A field beyond the module's limit: what came before it is still a table.
        return rows, True
    return rows, False


def _delimiter(text: str) -> str:
    """The one that divides most of the first lines alike."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]
    counts = {one: [line.count(one) for line in lines] for one in _DELIMITERS}
    return max(_DELIMITERS, key=lambda one: sum(count == counts[one][0] > 0 for count in counts[one]) if lines else 0)


def _fitted(widths: list[int], width: int) -> list[int]:
    """The columns' widths made to fit: the widest gives way first; then the last columns go."""
    shown = [min(each, _WIDEST) for each in widths]
    while shown and sum(shown) + len(_GAP) * (len(shown) - 1) > width:
        widest = max(shown)
        if widest > _NARROWEST:
            over = sum(shown) + len(_GAP) * (len(shown) - 1) - width
            place = shown.index(widest)
            shown[place] = max(_NARROWEST, widest - max(1, min(over, widest // 4)))
        else:
            shown.pop()
    return shown or [min(width, _WIDEST)]


def _is_numeric(cells: list[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_NUMBER.match(cell) for cell in filled[:200])


def _cell(text: str, cells: int, *, right: bool) -> str:
    if cell_width(text) > cells:
        text = text[: cut_cells(text, cells - 1)] + "…"
    space = " " * (cells - cell_width(text))
    return space + text if right else text + space
