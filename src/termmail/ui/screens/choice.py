"""Choosing one of many by a few letters: folders, commands, keys, links, themes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Input

from termmail.mime.width import cell_width
from termmail.ui.fuzzy import score
from termmail.ui.screens.keyed import Keyed, write
from termmail.ui.text import one_line
from termmail.ui.widgets.pane import Pane, PaneTitle, look_for

Value = TypeVar("Value")


class Item(Generic[Value]):
    """One of the things to choose from: words, the value, and a detail at the right. Words are made safe here."""

    __slots__ = ("detail", "folded", "muted", "value", "words")

    def __init__(self, words: str, value: Value, detail: str = "", *, muted: bool = False) -> None:
        self.words = one_line(words)
        self.value = value
        self.detail = one_line(detail)
        self.muted = muted
        self.folded = f"{self.words} {self.detail}".casefold()


class Choices(Pane, Generic[Value]):
    """The lines to choose from."""

    DEFAULT_CSS = "Choices { height: 1fr; background: $surface; }"

    class Clicked(Message):
        """A line was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, items: Sequence[Item[Value]]) -> None:
        super().__init__()
        self.items = list(items)
        self.shown: list[Item[Value]] = list(items)
        self.cursor = 0
        self.query_words: str | None = None

    def on_mount(self) -> None:
        if self.query_words is None:
            self.filter("")

    def filter(self, query: str) -> None:
        """Those that match, the best first; all in their order where nothing is typed."""
        if query == self.query_words:
            return
        self.query_words = query
        folded = query.casefold().strip()
        if folded:
            scored = [(score(folded, item.folded), place, item) for place, item in enumerate(self.items)]
            self.shown = [item for value, _, item in sorted(scored, key=lambda each: (-each[0], each[1])) if value]
        else:
            self.shown = self.items
        self.cursor = 0
        self.set_line_count(len(self.shown))
        self.to_line(0)
        self.touch()

    def move(self, count: int) -> None:
        if not self.shown:
            return
        self.cursor = max(0, min(self.cursor + count, len(self.shown) - 1))
        height = max(1, self.height)
        if self.cursor < self.top:
            self.to_line(self.cursor)
        elif self.cursor >= self.top + height:
            self.to_line(self.cursor - height + 1)
        self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        place = y + self.top
        if place >= len(self.shown):
            pen = self.pen()
            if not self.shown and y == 0:
                pen.space(2)
                pen.put("Nothing matches.", look.muted)
            return self.ended(pen, y)
        item = self.shown[place]
        pen = self.pen(look.cursor if place == self.cursor else None)
        pen.space(2)
        detail = item.detail
        room = pen.left - min(cell_width(detail), pen.left // 2) - 4
        pen.field(item.words, look.muted if item.muted else look.text, room)
        pen.space(2)
        pen.put(detail, look.accent if not item.muted else look.faint)
        return self.ended(pen, y)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.x < self.line_width:
            self.post_message(self.Clicked(event.y + self.top))


class Choice(Keyed, ModalScreen[Value | None], Generic[Value], inherit_bindings=False):
    """Ends with the value that was chosen, or None."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    Choice { align: center top; background: $background 55%; }
    Choice > Vertical {
        width: 64; max-width: 96%; height: 22; max-height: 84%; margin-top: 2;
        background: $surface; padding: 1 1;
    }
    Choice.wide > Vertical { width: 78; height: 32; }
    Choice.low { align: left top; }
    Choice.low > Vertical { width: 100%; max-width: 100%; height: 100%; max-height: 100%; margin: 0; padding: 0; }
    Choice Input {
        border: none; height: 1; padding: 0 2; margin-bottom: 1; background: $panel; color: $foreground;
    }
    Choice.low Input { margin: 0; }
    Choice Input:focus { border: none; background-tint: $foreground 0%; }
    """

    def __init__(self, title: str, items: Sequence[Item[Value]], *, query: str = "", wide: bool = False) -> None:
        super().__init__(classes="wide" if wide else None)
        self._title = PaneTitle("choice")
        self._words = one_line(title)
        self._input = Input(value=query, placeholder="type to find")
        self._choices: Choices[Value] = Choices(items)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._input
            yield self._choices

    def on_mount(self) -> None:
        self.set_class(self.app.size.height < 14 or self.app.size.width < 40, "low")
        self._title.show(self._words, active=True)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._choices.filter(event.value)

    def key_pressed(self, event: events.Key) -> bool:
        moves = {
            "down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "ctrl+j": 1, "ctrl+k": -1, "tab": 1, "shift+tab": -1,
            "pagedown": 10, "pageup": -10,
        }  # fmt: skip
        if event.key in moves:
            self._choices.move(moves[event.key])
        elif event.key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif event.key == "enter":
            self._enter()
        else:
            return write(self._input, event)
        return True

    def on_choices_clicked(self, event: Choices.Clicked) -> None:
        event.stop()
        self._take(event.place)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)

    def _enter(self) -> None:
        # Enter may be here before the news of what was typed.
        self._choices.filter(self._input.value)
        self._take(self._choices.cursor)

    def _take(self, place: int) -> None:
        if self.is_current and place < len(self._choices.shown):
            self.dismiss(self._choices.shown[place].value)
