"""One line of a pane, built piece by piece, as wide on every terminal (D11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from termmail.mime.width import cell_width
from termmail.ui.text import clip

_SAVE_CURSOR, _RESTORE_CURSOR = "\x1b7", "\x1b8"


class Overlay(NamedTuple):
    """What is drawn over the cells of a line and those above it, by a control sequence that begins `up` lines higher and `right` cells
    from the line's beginning."""

    sequence: str
    up: int
    right: int


class SteadyStrip(Strip):
    """A line in which text that terminals give different widths (Indic vowel signs, for one) never moves what follows it.

    Such a segment ends in as many spaces as the widest terminal needs. Its cells are emptied, the text is put over them, and the
    cursor is then placed where they end.

    Its `overlay` is drawn where the line is, whole: what is made of it, cut by a dialog or dimmed below one, has none.
    """

    def __init__(
        self, segments: Iterable[Segment], cell_length: int | None = None, overlay: Overlay | None = None
    ) -> None:
        super().__init__(segments, cell_length)
        self.overlay = overlay

    def render(self, console: Console) -> str:
        if self.overlay is None:
            return self._text(console)
        sequence, up, right = self.overlay
        start = (f"\x1b[{up}A" if up else "") + (f"\x1b[{right}C" if right else "")
        # The cells come first: writing on them takes away what was drawn over them.
        return (
            f"{_SAVE_CURSOR}{self._text(console)}{_RESTORE_CURSOR}{start}{sequence}"
            f"{_RESTORE_CURSOR}\x1b[{self.cell_length}C"
        )

    def _text(self, console: Console) -> str:
        if self._render_cache is None and any(map(_is_unsteady, self._segments)):
            self._render_cache = "".join(
                _placed(segment, console) if _is_unsteady(segment) else Strip([segment]).render(console)
                for segment in self._segments
            )
        return super().render(console)


def _is_unsteady(segment: Segment) -> bool:
    if segment.text.isascii():
        return False
    text = segment.text.rstrip(" ")
    return cell_width(text) != cell_len(text)


def _placed(segment: Segment, console: Console) -> str:
    cells = cell_len(segment.text)
    empty = Strip([Segment(" " * cells, segment.style)]).render(console)
    text = Strip([Segment(segment.text.rstrip(" "), segment.style)]).render(console)
    return f"{_SAVE_CURSOR}{empty}{_RESTORE_CURSOR}{text}{_RESTORE_CURSOR}\x1b[{cells}C"


class Pen:
    """Collects styled text for one line of `width` cells; `ground` is the style beneath all of it, `overlay` what is drawn over it."""

    __slots__ = ("_ground", "_segments", "_width", "left", "overlay")

    def __init__(self, width: int, ground: Style) -> None:
        self.overlay: Overlay | None = None
        self.left = self._width = max(width, 0)
        self._ground = ground
        self._segments: list[Segment] = []

    def put(self, text: str, style: Style) -> None:
        """Safe text, clipped to what is left of the line."""
        if not text or self.left <= 0:
            return
        cells = cell_width(text)
        if cells > self.left:
            text = clip(text, self.left)
            cells = cell_width(text)
        text += " " * (cells - cell_len(text))
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
        return SteadyStrip(self.segments(), self._width, self.overlay)
