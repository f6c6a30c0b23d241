"""Lines that are read: what is asked, where something was found, which check passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual.geometry import Size
from textual.strip import Strip

from termmail.ui.text import wrapped
from termmail.ui.widgets.pane import Drawn, look_for

_MOST_LINES = 6


class Fact(NamedTuple):
    """A mark, a head in a column of its own, and words on as many lines as they take. A head of one blank goes on below the one before.

    All safe text; tones are Look's styles.
    """

    words: str
    tone: str = "text"
    head: str = ""
    mark: str = ""
    mark_tone: str = "muted"


BLANK = Fact("")
GOOD, BAD, OPEN, DOUBTFUL = "✓", "✗", "·", "!"


class Facts(Drawn, can_focus=False):
    """Draws facts below each other, as high as they are."""

    DEFAULT_CSS = "Facts { height: auto; width: 1fr; }"

    def __init__(self, facts: Sequence[Fact] = (), id: str | None = None, *, column: int = 0) -> None:
        """`column` is where the words behind a head begin; 0 behind the longest head."""
        super().__init__(id)
        self._column = column
        self.facts = tuple(facts)
        self._lines: list[tuple[Fact, str, bool]] = []
        self._laid_out: object = None

    def show(self, facts: Sequence[Fact]) -> None:
        """Draw these in their place."""
        if tuple(facts) != self.facts:
            self.facts = tuple(facts)
            self.touch()
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lay_out(width))

    def _columns(self, width: int) -> tuple[int, int]:
        """The cells before the heads and before the words."""
        marks = 2 if any(fact.mark for fact in self.facts) else 0
        if self._column:
            return marks, self._column
        heads = max((cell_len(fact.head) for fact in self.facts), default=0)
        return marks, marks + (min(heads, width // 3) + 2 if heads else 0)

    def _lay_out(self, width: int) -> list[tuple[Fact, str, bool]]:
        if self._laid_out != (self.facts, width):
            self._laid_out = (self.facts, width)
            marks, column = self._columns(width)
            self._lines = []
            for fact in self.facts:
                indent = column if fact.head else marks if fact.mark else 0
                lines = wrapped(fact.words, max(width - indent - 1, 8), _MOST_LINES) or [""]
                self._lines.extend((fact, line, not place) for place, line in enumerate(lines))
        return self._lines

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        lines = self._lay_out(self.width)
        if y < len(lines):
            fact, words, first = lines[y]
            marks, column = self._columns(self.width)
            if marks and (fact.mark or fact.head):
                pen.field(fact.mark if first else "", getattr(look, fact.mark_tone), marks)
            if fact.head:
                pen.field(fact.head if first else "", look.muted, column - marks)
            pen.put(words, getattr(look, fact.tone))
        return pen.strip()
