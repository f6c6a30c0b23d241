"""What went wrong lately, and the changes that could not be made so far."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip

from termmail.mime.width import cell_width, cut_cells
from termmail.ui.backend import Backend
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.text import one_line
from termmail.ui.widgets.pane import Pane, PaneTitle, look_for
from termmail.ui.words import Clock

_KIND_WORDS = {
    "FlagChange": "a change of flags",
    "Move": "a move",
    "Copy": "a copy",
    "Expunge": "a deletion",
    "CreateMailbox": "a new folder",
    "RenameMailbox": "a folder's new name",
    "DeleteMailbox": "a folder's deletion",
    "Subscribe": "a subscription",
    "Upload": "a draft or a sent copy",
}


class Entry(NamedTuple):
    """One thing that went wrong: when and where, what, and what it is about."""

    head: str
    sentence: str
    placement_id: int | None = None
    operation_id: int | None = None


class ProblemsPane(Pane):
    """Entries, each on as many lines as its sentence takes."""

    DEFAULT_CSS = "ProblemsPane { height: 1fr; background: $surface; }"

    class Clicked(Message):
        """The entry under the cursor was clicked again."""

    def __init__(self, entries: list[Entry], empty_words: str = "Nothing went wrong lately.") -> None:
        super().__init__()
        self.entries = entries
        self._empty_words = empty_words
        self.cursor = 0
        self._lines: list[tuple[int, str, str]] = []

    def sized(self) -> None:
        self.lay_out()
        super().sized()

    def lay_out(self) -> None:
        """Lines of (entry, text, style)."""
        self._lines = []
        room = max(10, self.line_width - 4)
        for number, entry in enumerate(self.entries):
            self._lines.append((number, entry.head, "muted"))
            text = entry.sentence
            while text:
                cut = cut_cells(text, room)
                if cut < len(text) and cell_width(text) > room:
                    space = text.rfind(" ", cut // 2, cut + 1)
                    cut = space if space > 0 else cut
                self._lines.append((number, text[:cut].rstrip(), "text"))
                text = text[cut:].lstrip()
            self._lines.append((-1, "", "text"))
        self.line_count = len(self._lines)

    def move(self, count: int) -> None:
        if not self.entries:
            return
        self.cursor = max(0, min(self.cursor + count, len(self.entries) - 1))
        places = [place for place, line in enumerate(self._lines) if line[0] == self.cursor]
        if places and places[0] < self.top:
            self.to_line(places[0])
        elif places and places[-1] >= self.top + self.height:
            self.to_line(places[-1] - self.height + 1)
        self.touch()

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.top
        number = self._lines[place][0] if place < len(self._lines) else -1
        if number >= 0 and event.x < self.line_width:
            event.stop()
            if number == self.cursor and event.chain > 1:
                self.post_message(self.Clicked())
            self.cursor = number
            self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        place = y + self.top
        if not self.entries:
            pen = self.pen()
            if y == 0:
                pen.space(2)
                pen.put(self._empty_words, look.text)
            return self.ended(pen, y)
        if place >= len(self._lines):
            return self.ended(self.pen(), y)
        number, text, style = self._lines[place]
        pen = self.pen(look.cursor if number == self.cursor else None)
        pen.space(2)
        pen.put(text, getattr(look, style))
        return self.ended(pen, y)


class ProblemsScreen(Keyed, ModalScreen[int | None], inherit_bindings=False):
    """Ends with the placement to go to, or None. r tries a change again, d gives it up."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    ProblemsScreen { align: center middle; background: $background 55%; }
    ProblemsScreen > Vertical { width: 92%; max-width: 110; height: 88%; background: $surface; padding: 1; }
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        super().__init__()
        self._backend = backend
        self._clock = clock
        self._title = PaneTitle("problems")
        self._pane = ProblemsPane(self._entries())

    def _entries(self) -> list[Entry]:
        queries = self._backend.queries
        entries = [
            Entry(
                f"{one_line(operation.account)} · {_KIND_WORDS.get(type(operation.payload).__name__, 'a change')}"
                " has not reached the server · r tries it now, d gives it up",
                one_line(operation.last_error) or "It waits for you.",
                operation.placement_id,
                operation.id,
            )
            for operation in queries.pending_operations()
            if operation.last_error
        ]
        for problem in queries.problems():
            where = " · ".join(one_line(part) for part in (problem.account, problem.mailbox) if part)
            entries.append(
                Entry(
                    f"{self._clock.short(int(problem.at))}  {where}"
                    + (" · Enter goes to it" if problem.placement_id else ""),
                    one_line(problem.sentence),
                    problem.placement_id,
                )
            )
        return entries

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._pane

    def on_mount(self) -> None:
        self._title.show("What went wrong lately", "q closes", active=True)

    def key_pressed(self, event: events.Key) -> bool:
        key = key_name(event)
        moves = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "pagedown": 8,
            "space": 8,
            "pageup": -8,
            "G": 10**6,
            "home": -(10**6),
        }
        entry = self._pane.entries[self._pane.cursor] if self._pane.entries else None
        if key in ("q", "escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key in moves:
            self._pane.move(moves[key])
        elif key == "enter" and entry is not None and entry.placement_id is not None:
            self.dismiss(entry.placement_id)
        elif key in ("r", "d") and entry is not None and entry.operation_id is not None:
            operation_id = entry.operation_id
            if key == "r":
                self._backend.writer.wish(lambda intents: intents.retry_operation(operation_id))
            else:
                self._backend.writer.wish(lambda intents: intents.drop_operation(operation_id))
            self._pane.entries.remove(entry)
            self._pane.cursor = 0
            self._pane.lay_out()
            self._pane.touch()
        return True
