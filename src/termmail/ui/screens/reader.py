"""A text to read and close: what a command printed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip

from termmail.mime.safe_text import safe_text
from termmail.mime.width import cut_cells
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.text import one_line, steady
from termmail.ui.widgets.pane import Pane, PaneTitle, look_for

_LINES = 100_000


class TextPane(Pane):
    """Lines of safe text, cut at the pane's width."""

    DEFAULT_CSS = "TextPane { height: 1fr; background: $surface; }"

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = steady(safe_text(text)).expandtabs(8)
        self._lines: list[str] = []

    def sized(self) -> None:
        width = max(8, self.line_width - 2)
        self._lines = []
        for line in self._text.split("\n"):
            while True:
                cut = cut_cells(line, width)
                self._lines.append(line[:cut])
                line = line[cut:]
                if not line or len(self._lines) >= _LINES:
                    break
        while self._lines and not self._lines[-1].strip():
            self._lines.pop()
        self.line_count = len(self._lines)
        super().sized()

    def draw_line(self, y: int) -> Strip:
        pen = self.pen()
        place = y + self.top
        if place < len(self._lines):
            pen.space()
            pen.put(self._lines[place], look_for(self).text)
        return self.ended(pen, y)


class Reader(Keyed, ModalScreen[None], inherit_bindings=False):
    """Shows a text over the main screen; q or Esc closes it."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    Reader { align: center middle; background: $background 55%; }
    Reader > Vertical { width: 92%; height: 88%; background: $surface; padding: 1; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = PaneTitle("reader")
        self._words = one_line(title)
        self._pane = TextPane(text)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._pane

    def on_mount(self) -> None:
        self._title.show(self._words, "q closes", active=True)

    def key_pressed(self, event: events.Key) -> bool:
        page = max(1, self._pane.height - 2)
        moves = {
            "j": 1, "down": 1, "k": -1, "up": -1, "space": page, "pagedown": page, "b": -page, "pageup": -page,
            "home": -(10**9), "end": 10**9, "G": 10**9,
        }  # fmt: skip
        key = key_name(event)
        if key in ("q", "escape", "enter", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key in moves:
            self._pane.to_line(self._pane.top + moves[key])
        return True
