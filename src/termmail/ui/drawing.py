"""One line of a pane, built piece by piece."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from termmail.ui.text import clip


class Pen:
    """Collects styled text for one line of `width` cells; `ground` is the style beneath all of it."""

    __slots__ = ("_ground", "_segments", "_width", "left")

    def __init__(self, width: int, ground: Style) -> None:
        self.left = self._width = max(width, 0)
        self._ground = ground
        self._segments: list[Segment] = []

    def put(self, text: str, style: Style) -> None:
        """Safe text, clipped to what is left of the line."""
        if not text or self.left <= 0:
            return
        cells = len(text) if text.isascii() else cell_len(text)
        if cells > self.left:
            text = clip(text, self.left)
            cells = cell_len(text)
        self._segments.append(Segment(text, self._ground + style))
        self.left -= cells

    def field(self, text: str, style: Style, cells: int) -> None:
        """Safe text in exactly `cells` cells."""
        cells = min(cells, self.left)
        rest = self.left - cells
        self.put(clip(text, cells), style)
        self.space(self.left - rest)

    def space(self, cells: int = 1) -> None:
        """Empty cells."""
        cells = min(cells, self.left)
        if cells > 0:
            self._segments.append(Segment(" " * cells, self._ground))
            self.left -= cells

    def segments(self) -> list[Segment]:
        """The line, filled up to its width."""
        self.space(self.left)
        return self._segments

    def strip(self) -> Strip:
        """The line as a strip."""
        return Strip(self.segments(), self._width)
