"""Tables of HTML, told apart while the document is walked: those that are read in columns, and those that only lay out a page."""

from __future__ import annotations

import re

from termmail.mime import html_marks as marks
from termmail.mime.html_seen import Attributes

# html2text breaks the line softly at the end of a table row, and only there.
SOFT_BREAK = "</tr>"
_SHORT = 60
_MAX_CELL = 400
_MAX_COLUMNS = 30
_NUMBER = re.compile(r"[1-9]\d{0,2}")
_RIGHT = re.compile(r"text-align\s*:\s*(?:right|end)")


class _Cell:
    __slots__ = ("current", "length", "longest", "paragraphs", "span")

    def __init__(self, span: int) -> None:
        self.span = span
        self.length = self.longest = self.current = self.paragraphs = 0


class Table:
    """A table under way. What it wrote is changed at its end, when it is known what it is."""

    def __init__(self, out: list[str], attributes: Attributes) -> None:
        self._out = out
        self._start = len(out)
        self._flow: list[tuple[int, str]] = []
        self._rows: list[list[_Cell]] = []
        self._cell: _Cell | None = None
        self._is_data = (attributes.get("border") or "0").strip() not in ("", "0")
        self._holds_structure = False
        self._mark("<p>" + marks.TABLE_OPEN, SOFT_BREAK)

    def _mark(self, in_grid: str, in_flow: str) -> None:
        self._flow.append((len(self._out), in_flow))
        self._out.append(in_grid)

    def row(self) -> None:
        """A row begins."""
        self._rows.append([])
        self._mark(marks.ROW_OPEN, SOFT_BREAK)

    def cell(self, tag: str, attributes: Attributes, style: str) -> None:
        """A cell begins; `tag` is td or th."""
        if not self._rows:
            self.row()
        is_header = tag == "th"
        self._is_data = self._is_data or is_header
        span = _NUMBER.fullmatch((attributes.get("colspan") or "").strip())
        self._cell = _Cell(int(span[0]) if span is not None else 1)
        self._rows[-1].append(self._cell)
        is_right = (attributes.get("align") or "").lower() == "right" or _RIGHT.search(style) is not None
        told = f"{self._cell.span}{'h' if is_header else ''}{'r' if is_right else ''}"
        self._mark(f"{marks.CELL_OPEN}{told}{marks.CELL_TOLD}", "")

    def end_cell(self) -> None:
        self.line_ended()
        self._cell = None
        self._mark("", marks.CELL)

    def rule(self) -> None:
        """A line across: between the rows of a grid it says nothing."""
        self._mark("", f"<p>{marks.RULE}</p>")

    def holds(self, length: int) -> None:
        """Text in a cell; None of the text outside of cells is the table's."""
        if self._cell is not None:
            self._cell.length += length
            self._cell.current += length

    def paragraph(self) -> None:
        """A paragraph of a cell begins."""
        if self._cell is not None:
            self._cell.paragraphs += 1

    def line_ended(self) -> None:
        """A line of a cell ends."""
        if self._cell is not None:
            self._cell.longest = max(self._cell.longest, self._cell.current)
            self._cell.current = 0

    def holds_structure(self) -> None:
        """A cell holds what can't stand in a column: a quotation, preformatted text, a grid."""
        self._holds_structure = True

    def captioned(self) -> None:
        self._is_data = True

    def end(self, outer: Table | None) -> None:
        """The table ends, inside a cell of `outer` or outside of any."""
        if self._is_grid():
            self._out[self._start] += "d" if self._is_data else "l"
            self._out.append(marks.TABLE_CLOSE + "<p>")
            if outer is not None:
                outer.holds_structure()
            return
        for place, in_flow in self._flow:
            self._out[place] = in_flow
        self._out.append(SOFT_BREAK)
        if outer is None:
            return
        for row in self._rows:
            for cell in row:
                if cell.length:
                    outer.holds(cell.length)
            outer.line_ended()
        if self._holds_structure:
            outer.holds_structure()

    def _is_grid(self) -> bool:
        if self._holds_structure:
            return False
        filled = [[cell for cell in row if cell.length] for row in self._rows]
        filled = [row for row in filled if row]
        cells = [cell for row in filled for cell in row]
        if not any(len(row) > 1 for row in filled) or max(len(row) for row in filled) > _MAX_COLUMNS:
            return False
        # One column of text beside pictures, or under other columns' headings, is no table.
        columns = {place for row in self._rows for place, cell in enumerate(row) if cell.length}
        if len(columns) < 2 or max(cell.length for cell in cells) > _MAX_CELL:
            return False
        if self._is_data:
            return True
        if any(cell.paragraphs > 1 for cell in cells):
            return False
        long = sum(cell.longest > _SHORT for cell in cells)
        if not long:
            return True
        self._is_data = len(filled) >= 3 and all(len(row) > 1 for row in filled) and long <= len(cells) / 3
        return self._is_data
