"""The two lines at the bottom: what goes on, and which keys matter now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message
from textual.strip import Strip

from termmail.mime.width import cell_width
from termmail.ui.text import clip
from termmail.ui.widgets.pane import Drawn, look_for
from termmail.ui.words import size

_BAR_CELLS = 12


class Progress(NamedTuple):
    """What is being synced: a name, how much of how much (total 0: unknown), and how many bytes so far (0: not counted)."""

    words: str
    done: int = 0
    total: int = 0
    size: int = 0


class StatusLine(Drawn, can_focus=False):
    """Account, connection, what waits; for a while, the sentence that answers the last key."""

    DEFAULT_CSS = "StatusLine { height: 1; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(id="status")
        self._shown: tuple[object, ...] = ()
        self.account = ""
        self.state = ""
        self.tone = "muted"
        self.sentence = ""
        self.sentence_tone = "text"
        self.progress: Progress | None = None
        self.waiting = ""

    def show(self, *, account: str, state: str, tone: str, progress: Progress | None, waiting: str) -> None:
        """The lasting part. All is safe text; `tone` is one of Look's styles."""
        wanted = (account, state, tone, progress, waiting)
        if wanted != self._shown:
            self._shown = wanted
            self.account, self.state, self.tone, self.progress, self.waiting = wanted
            self.touch()

    def say(self, sentence: str, tone: str = "text") -> None:
        """A sentence in place of the connection; an empty one takes it away."""
        if (sentence, tone) != (self.sentence, self.sentence_tone):
            self.sentence, self.sentence_tone = sentence, tone
            self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        width = self.width
        pen = self.pen()
        pen.space()
        right = "" if width < 40 and self.sentence else self.waiting
        progress = self.progress if width >= 60 or not self.sentence else None
        words = ""
        if progress is not None:
            words = progress.words
            if progress.total:
                words += f" {progress.done:,} of {progress.total:,}"
            if progress.size:
                words += f", {size(progress.size)}"
        bar = _BAR_CELLS if progress is not None and progress.total and width >= 100 else 0
        taken = (
            (cell_width(words) + 2 if words else 0) + (bar + 1 if bar else 0) + (cell_width(right) + 2 if right else 0)
        )
        room = max(pen.left - taken - 1, min(pen.left, 12))
        if self.sentence:
            pen.field(self.sentence, getattr(look, self.sentence_tone), room)
        else:
            rest = pen.left - room
            pen.put(clip(self.account, room), look.strong)
            pen.space(2 if self.account else 0)
            pen.field(self.state, getattr(look, self.tone), pen.left - rest)
        if words:
            pen.space(2)
            pen.put(words, look.muted)
            if bar and progress is not None:
                full = min(bar, bar * progress.done // progress.total)
                pen.space()
                pen.put("━" * full, look.accent)
                pen.put("━" * (bar - full), look.line)
        if right:
            pen.space(2)
            pen.put(right, look.warning)
        return pen.strip()


class KeyHints(Drawn, can_focus=False):
    """The few keys that matter now; while a sequence is under way, what may follow."""

    DEFAULT_CSS = "KeyHints { height: 1; background: $surface; }"

    class Clicked(Message):
        """A hint was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, id: str = "hints") -> None:
        super().__init__(id=id)
        self._hints: tuple[tuple[str, str, str], ...] = ()
        self._prefix = ""

    def show(self, hints: Sequence[tuple[str, str, str]], prefix: str = "") -> None:
        """(key as read, words, key as pressed) of each, the most important first."""
        wanted = tuple(hints)
        if (wanted, prefix) != (self._hints, self._prefix):
            self._hints, self._prefix = wanted, prefix
            self.touch()

    def _placed(self) -> list[tuple[int, str, str, str]]:
        """Where each hint that fits begins. The last one has its place before the others between have theirs."""
        left = 1 + (cell_width(self._prefix) + 3 if self._prefix else 0)
        cells = [cell_width(shown) + 1 + cell_width(words) + 3 for shown, words, _ in self._hints]
        room = self.width + 2 - left
        placed: list[tuple[int, str, str, str]] = []
        for number, (shown, words, key) in enumerate(self._hints):
            kept_back = cells[-1] if number < len(self._hints) - 1 and not self._prefix else 0
            if cells[number] + kept_back > room:
                continue
            placed.append((left, shown, words, key))
            left += cells[number]
            room -= cells[number]
        return placed

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        width = self.width
        pen = self.pen()
        pen.space()
        if self._prefix:
            pen.put(f"{self._prefix} …", look.warning)
        for left, shown, words, _ in self._placed():
            pen.space(left - (width - pen.left))
            pen.put(shown, look.key)
            pen.space()
            pen.put(words, look.muted)
        return pen.strip()

    def on_click(self, event: events.Click) -> None:
        for left, shown, words, key in reversed(self._placed()):
            if left <= event.x < left + cell_width(shown) + 1 + cell_width(words):
                self.post_message(self.Clicked(key))
                return
