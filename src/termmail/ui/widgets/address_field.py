"""The fields above the text of a message: a label, a line, and for addresses the people who may be meant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip
from textual.widgets import Input

from termmail.mime.addressing import format_address
from termmail.model.message import Address
from termmail.model.outgoing import Correspondent
from termmail.ui.fuzzy import score
from termmail.ui.text import one_line, wrapped
from termmail.ui.widgets.pane import Drawn, look_for

_SHOWN = 6
_DAY = 86400.0
STEPS = {"tab": 1, "shift+tab": -1, "enter": 1, "down": 1, "up": -1}
"""Keys that leave a field, and in which direction."""


class People:
    """Whom one may write to: by a few letters, those written to often and lately first."""

    def __init__(self, correspondents: Sequence[Correspondent], now: float | None = None) -> None:
        moment = time.time() if now is None else now
        weighed = sorted(((_weight(one, moment), place, one) for place, one in enumerate(correspondents)), reverse=True)
        self._people = [(f"{one.name} {one.address}".casefold(), one, weight) for weight, _, one in weighed]
        self.addresses = frozenset(one.address for one in correspondents)

    def matching(self, query: str) -> list[Correspondent]:
        """The best few for what was typed; none for nothing."""
        folded = query.casefold().strip()
        if not folded:
            return []
        found = [(score(folded, text) + weight, one) for text, one, weight in self._people if score(folded, text)]
        return [one for _, one in sorted(found, key=lambda each: -each[0])[:_SHOWN]]


def _weight(one: Correspondent, now: float) -> float:
    """What somebody is to oneself: written to counts most, then how often, then how lately."""
    days = max(0.0, now - max(one.written_at, one.heard_at)) / _DAY
    return (
        (15.0 if one.written_count else 0.0)
        + min(one.written_count, 20) * 0.5
        + min(one.heard_count, 20) * 0.1
        + 10.0 / (1.0 + days / 30.0)
    )


class Suggestions(Drawn, can_focus=False):
    """The people who may be meant, below the field that is typed in."""

    DEFAULT_CSS = "Suggestions { height: auto; max-height: 6; background: $panel; display: none; margin-left: 10; }"

    def __init__(self) -> None:
        super().__init__(id="suggestions")
        self.people: list[Correspondent] = []
        self.chosen = 0

    def show(self, people: list[Correspondent]) -> None:
        """Offer these, the first one chosen; nothing where there are none."""
        self.people = people
        self.chosen = 0
        self.display = bool(people)
        self.styles.height = len(people)
        self.touch()

    def move(self, step: int) -> None:
        self.chosen = (self.chosen + step) % max(1, len(self.people))
        self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen(look.cursor if y == self.chosen else None)
        if y < len(self.people):
            one = self.people[y]
            pen.space()
            pen.put(one_line(one.name), look.text)
            pen.space(2 if one.name else 0)
            pen.put(one_line(one.address), look.muted if one.name else look.text)
        return pen.strip()


class Field(Input):
    """One line above the text."""

    DEFAULT_CSS = """
    Field { border: none; height: 1; padding: 0; background: $background; color: $foreground; width: 1fr; }
    Field:focus { border: none; background-tint: $foreground 4%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, value: str, field_id: str) -> None:
        super().__init__(value=value, id=field_id, select_on_focus=False)


class AddressField(Field):
    """A line of addresses, completed from the people one knows."""

    def __init__(self, value: str, field_id: str, people: People, suggestions: Suggestions) -> None:
        super().__init__(value, field_id)
        self._people = people
        self._suggestions = suggestions

    def _on_blur(self, event: events.Blur) -> None:
        self._suggestions.show([])
        super()._on_blur(event)

    async def _on_key(self, event: events.Key) -> None:
        before = self.value
        await super()._on_key(event)
        if self.value != before:
            self._suggestions.show(self._people.matching(self._typed()) if event.is_printable else [])

    def choose(self, key: str) -> bool:
        """Let a key that would leave the field choose among the people who are offered; whether it did."""
        if not self._suggestions.people:
            return False
        if key == "escape":
            self._suggestions.show([])
        elif key in ("down", "up"):
            self._suggestions.move(STEPS[key])
        elif key in ("tab", "enter"):
            self._take(self._suggestions.people[self._suggestions.chosen])
        else:
            return False
        return True

    def _start(self) -> int:
        """Where the address under the cursor begins."""
        quoted = False
        start = 0
        for place, character in enumerate(self.value[: self.cursor_position]):
            if character == '"':
                quoted = not quoted
            elif character in ",;" and not quoted:
                start = place + 1
        return start

    def _typed(self) -> str:
        return self.value[self._start() : self.cursor_position].strip()

    def _take(self, one: Correspondent) -> None:
        start = self._start()
        before = self.value[:start].rstrip()
        after = self.value[self.cursor_position :].lstrip(" ,;")
        written = format_address(Address(one_line(one.name), one.address))
        head = f"{before} {written}, " if before else f"{written}, "
        self.value = head + after
        self.cursor_position = len(head)
        self._suggestions.show([])


class Label(Drawn, can_focus=False):
    """The name of a field."""

    DEFAULT_CSS = "Label { width: 10; height: 1; }"

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def draw_line(self, y: int) -> Strip:
        pen = self.pen()
        pen.space()
        pen.put(self._words, look_for(self).muted)
        return pen.strip()


class Shown(Drawn, can_focus=False):
    """A line of words that is shown and not typed, such as what is attached."""

    DEFAULT_CSS = "Shown { width: 1fr; height: 1; }"

    def __init__(self, shown_id: str) -> None:
        super().__init__(shown_id)
        self.words = ""
        self._tone = "text"

    def show(self, words: str, tone: str = "text") -> None:
        """Draw safe words in one of Look's styles."""
        if (words, tone) != (self.words, self._tone):
            self.words, self._tone = words, tone
            self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        pen.field(self.words, getattr(look, self._tone), pen.left)
        return pen.strip()


class Sentence(Shown):
    """An answer to the last key, on up to three lines where there is little room."""

    DEFAULT_CSS = "Sentence { height: auto; background: $surface; }"

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._lines(width)))

    def show(self, words: str, tone: str = "text") -> None:
        before = len(self._lines(self.width))
        super().show(words, tone)
        if len(self._lines(self.width)) != before:
            self.refresh(layout=True)

    def _lines(self, width: int) -> list[str]:
        return wrapped(self.words, max(10, width - 2), 3)

    def draw_line(self, y: int) -> Strip:
        lines = self._lines(self.width)
        pen = self.pen()
        pen.space()
        pen.put(lines[y] if y < len(lines) else "", getattr(look_for(self), self._tone))
        return pen.strip()
