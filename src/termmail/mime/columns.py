"""Tables laid out in columns: as wide as they need to be, wrapped in their cells, or as a list of fields where they are too wide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from termmail.mime.logical import Cell, LogicalTable, Run, Runs
from termmail.mime.width import cell_width
from termmail.model.body import Style

_GAP = 2
_NARROWEST = 8
_NUMERIC = re.compile(
    r"[^\w]{0,4}(?:[A-Z]{3}\s?)?[-+\u2212]?\d[\d.,' \u00a0\u202f]*\s?(?:%|[\u00a4$€£¥]|[A-Z]{3}|[a-zA-Z]{1,3})?"
)


Wrap = Callable[[Runs, int], list[Runs]]
"""Wraps the runs of one line to so many cells."""


def runs_width(runs: Runs) -> int:
    return sum(cell_width(run.text) for run in runs)


def column_lines(table: LogicalTable, width: int, wrap: Wrap) -> Iterator[Runs]:
    """The lines of a table, none wider than `width`."""
    rows = _without_empty_columns(table.rows)
    natural = _natural_widths(rows)
    gaps = _GAP * (len(natural) - 1)
    if sum(natural) + gaps <= width:
        yield from _grid(rows, natural, wrap, table.is_data)
    elif not table.is_data:
        yield from _flow(rows)
    else:
        widths = _shrunk(natural, _least_widths(rows, len(natural)), width - gaps)
        if widths is not None:
            yield from _grid(rows, widths, wrap, table.is_data)
        else:
            yield from _fields(rows, width, wrap)


def _without_empty_columns(rows: Sequence[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    """Without rows and columns that hold nothing; spans are shortened by what was taken out of them."""
    filled: set[int] = set()
    for row in rows:
        place = 0
        for cell in row:
            if cell.lines:
                filled.add(place)
            place += cell.span
    kept: list[tuple[Cell, ...]] = []
    for row in rows:
        place = 0
        cells: list[Cell] = []
        for cell in row:
            span = sum(column in filled for column in range(place, place + cell.span))
            if span:
                cells.append(cell._replace(span=span))
            place += cell.span
        if any(cell.lines for cell in cells):
            kept.append(tuple(cells))
    return kept


def _natural_widths(rows: Sequence[tuple[Cell, ...]]) -> list[int]:
    count = max((sum(cell.span for cell in row) for row in rows), default=1)
    widths = [1] * count
    spanning: list[tuple[int, int, int]] = []
    for row in rows:
        place = 0
        for cell in row:
            need = max(map(runs_width, cell.lines), default=0)
            if cell.span == 1:
                widths[place] = max(widths[place], need)
            else:
                spanning.append((place, cell.span, need))
            place += cell.span
    for place, span, need in spanning:
        room = sum(widths[place : place + span]) + _GAP * (span - 1)
        if need > room:
            widths[place] += need - room
    return widths


def _least_widths(rows: Sequence[tuple[Cell, ...]], count: int) -> list[int]:
    """The widths at which no word of a column is cut, or a width that is wide enough for reading."""
    least = [1] * count
    for row in rows:
        place = 0
        for cell in row:
            if cell.span == 1:
                longest = max(
                    (cell_width(word) for line in cell.lines for word in "".join(run.text for run in line).split()),
                    default=0,
                )
                least[place] = max(least[place], min(longest, _NARROWEST * 2))
            place += cell.span
    return least


def _shrunk(natural: list[int], least: list[int], room: int) -> list[int] | None:
    """The widths cut where they are largest until they fit; None where that would cut words."""
    if sum(least) > room:
        return None
    low, high = 1, max(natural)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(max(small, min(wide, middle)) for wide, small in zip(natural, least, strict=True)) <= room:
            low = middle
        else:
            high = middle - 1
    widths = [max(small, min(wide, low)) for wide, small in zip(natural, least, strict=True)]
    for place, wide in enumerate(natural):
        widths[place] += max(0, min(wide - widths[place], room - sum(widths)))
    return widths


def _right_columns(rows: Sequence[tuple[Cell, ...]], count: int) -> set[int]:
    """The columns that hold numbers, or say that they are aligned at the right."""
    right: set[int] = set()
    for column in range(count):
        cells = [
            cell for row in rows for place, cell in _placed(row) if place == column and cell.span == 1 and cell.lines
        ]
        body = [cell for cell in cells if not cell.is_header] or cells
        if body and sum(cell.is_right or _is_number(cell) for cell in body) > 0.6 * len(body):
            right.add(column)
    return right


def _placed(row: tuple[Cell, ...]) -> Iterator[tuple[int, Cell]]:
    place = 0
    for cell in row:
        yield place, cell
        place += cell.span


def _is_number(cell: Cell) -> bool:
    text = "".join(run.text for run in cell.lines[0]).strip()
    return len(cell.lines) == 1 and len(text) <= 24 and _NUMERIC.fullmatch(text) is not None


def _grid(rows: list[tuple[Cell, ...]], widths: list[int], wrap: Wrap, is_data: bool) -> Iterator[Runs]:
    right = _right_columns(rows, len(widths)) if is_data or len(rows) > 1 else set()
    laid: list[list[tuple[int, list[Runs], bool]]] = []
    for row in rows:
        cells: list[tuple[int, list[Runs], bool]] = []
        for place, cell in _placed(row):
            room = sum(widths[place : place + cell.span]) + _GAP * (cell.span - 1)
            lines = [piece for line in cell.lines for piece in wrap(_headed(line) if cell.is_header else line, room)]
            is_right = cell.is_right and (is_data or len(cell.lines) == 1)
            cells.append((room, lines, is_right or (cell.span == 1 and place in right)))
        laid.append(cells)
    heights = [max(len(lines) for _, lines, _ in cells) for cells in laid]
    for number, (row, cells) in enumerate(zip(rows, laid, strict=True)):
        # Rows of several lines are held apart.
        if is_data and number > 1 and max(heights[number - 1 : number + 1]) > 1:
            yield ()
        for place in range(heights[number]):
            yield _across(cells, place)
        if is_data and number + 1 < len(rows) and all(cell.is_header for cell in row if cell.lines):
            yield (Run("─" * (sum(widths) + _GAP * (len(widths) - 1)), Style.NOTE),)


def _headed(line: Runs) -> Runs:
    return tuple(run._replace(style=Style.STRONG) if run.style is Style.PLAIN else run for run in line)


def _across(cells: list[tuple[int, list[Runs], bool]], place: int) -> Runs:
    runs: list[Run] = []
    owed = 0
    for number, (room, lines, is_right) in enumerate(cells):
        owed += _GAP if number else 0
        line = lines[place] if place < len(lines) else ()
        spare = room - runs_width(line)
        owed += spare if is_right else 0
        if line:
            if owed:
                runs.append(Run(" " * owed))
            runs += line
            owed = 0 if is_right else spare
        elif not is_right:
            owed += spare
    return tuple(runs)


def _flow(rows: list[tuple[Cell, ...]]) -> Iterator[Runs]:
    """One cell after the other; those of a single line beside each other."""
    for row in rows:
        cells = [cell for cell in row if cell.lines]
        if all(len(cell.lines) == 1 for cell in cells):
            joined: list[Run] = []
            for cell in cells:
                joined += [Run("  "), *cell.lines[0]] if joined else cell.lines[0]
            yield tuple(joined)
        else:
            for cell in cells:
                yield from cell.lines


def _heads_all(rows: list[tuple[Cell, ...]]) -> bool:
    """Whether the first row names the columns, and each that it names holds something."""
    filled = {place for row in rows[1:] for place, cell in _placed(row) if any(map(runs_width, cell.lines))}
    return bool(filled) and all(
        cell.is_header and not filled.isdisjoint(range(place, place + cell.span))
        for place, cell in _placed(rows[0])
        if cell.lines
    )


def _fields(rows: list[tuple[Cell, ...]], width: int, wrap: Wrap) -> Iterator[Runs]:
    """Each row as lines "heading: value", for tables that are wider than the screen."""
    heads: list[str] = []
    body = rows
    if _heads_all(rows):
        body = rows[1:]
        for cell in rows[0]:
            heads += ["".join(run.text for line in cell.lines for run in line)] * cell.span
    label = min(max((cell_width(head) for head in heads), default=0), width // 3)
    for number, row in enumerate(body):
        if number:
            yield ()
        for place, cell in _placed(row):
            head = heads[place] if place < len(heads) else ""
            lines = (
                [piece for line in cell.lines for piece in wrap(line, width - label - _GAP)] if heads else cell.lines
            )
            if lines and cell_width(head) > label:
                yield (Run(head, Style.NOTE),)
                head = ""
            for count, line in enumerate(lines):
                shown = head if count == 0 else ""
                pad = " " * (label + _GAP - cell_width(shown))
                yield (Run(f"{shown}{pad}", Style.NOTE), *line) if heads else line
