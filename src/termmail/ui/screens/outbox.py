"""What waits to be sent: to whom, why, when next; and what to do about it."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer

from termmail.model.errors import TermmailError
from termmail.model.outgoing import OutboxItem, OutboxState, RecipientState
from termmail.model.view import IntentResult
from termmail.ui.backend import Backend
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.screens.problems import Entry, ProblemsPane
from termmail.ui.text import one_line
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.words import Clock, outbox_words, size
from termmail.ui.writer import Written

_REFRESH_SECONDS = 1.0
_HINTS = (
    ("e", "edit", "e"), ("R", "send again", "R"), ("S", "send now", "S"), ("d", "don't send", "d"), ("q", "close", "q"),
)  # fmt: skip


class OutboxScreen(Keyed, ModalScreen[IntentResult | None], inherit_bindings=False):
    """Ends with what was done, if that opens a draft, or None."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    OutboxScreen { align: center middle; background: $background 55%; }
    OutboxScreen > Vertical { width: 92%; max-width: 110; height: 88%; background: $surface; padding: 1; }
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        super().__init__()
        self._backend = backend
        self._clock = clock
        self._items: list[OutboxItem] = []
        self._title = PaneTitle("outbox")
        self._pane = ProblemsPane([], "Nothing waits to be sent.")
        self._hints = KeyHints()
        self._sure: int | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._pane
            yield self._hints

    def on_mount(self) -> None:
        self._hints.show(_HINTS)
        self._look()
        self._timer = self.set_interval(_REFRESH_SECONDS, self._look)

    def _look(self) -> None:
        try:
            items = self._backend.queries.outbox()
        except TermmailError as error:
            self._title.show(one_line(error.sentence), active=True)
            return
        if self._sure is None:
            self._title.show("Outbox", outbox_words(items), active=True)
        entries = [_entry(item, self._clock) for item in items]
        self._items = items
        if entries != self._pane.entries:
            self._pane.entries = entries
            self._pane.cursor = min(self._pane.cursor, max(0, len(entries) - 1))
            self._pane.lay_out()
            self._pane.touch()

    def key_pressed(self, event: events.Key) -> bool:
        key = key_name(event)
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": 8, "pageup": -8, "G": 10**6, "home": -(10**6)}
        item = self._items[self._pane.cursor] if self._pane.cursor < len(self._items) else None
        sure, self._sure = self._sure, None
        if key in ("q", "escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key in moves:
            self._pane.move(moves[key])
        elif item is None:
            return True
        elif key in ("enter", "e"):
            self._backend.writer.wish(lambda intents: intents.take_back(item.id), self._done)
        elif key == "R":
            if item.state is OutboxState.UNKNOWN and sure != item.id:
                self._sure = item.id
                self._title.show("It may have been sent already. R again sends it once more.", active=True)
                return True
            self._backend.writer.wish(lambda intents: intents.resend(item.id), self._done)
        elif key in ("S", "$", "f5"):
            self._backend.writer.wish(lambda intents: intents.send_now(item.id), self._done)
        elif key in ("d", "x", "#"):
            self._backend.writer.wish(lambda intents: intents.cancel_sending(item.id), self._done)
        return True

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.key_pressed(events.Key(event.key, event.key))

    def _done(self, written: Written) -> None:
        if written.error is not None:
            self._sure = -1
            self._title.show(one_line(written.error.sentence), active=True)
        elif isinstance(written.result, IntentResult):
            if written.result.draft_id:
                self.dismiss(written.result)
                return
            self._sure = -1
            self._title.show(one_line(written.result.sentence), active=True)
        self._look()


def _entry(item: OutboxItem, clock: Clock) -> Entry:
    waiting = [one for one in item.recipients if one.state is not RecipientState.ACCEPTED]
    who = ", ".join(one_line(one.address) for one in (waiting or item.recipients)[:3])
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    head = f"{state_words(item, clock)} · {one_line(item.account)} · {size(item.size)}"
    text = f"{one_line(item.subject) or '(no subject)'}  →  {who}{more}"
    refused = [f"{one_line(one.address)}: server says “{one_line(one.reply)}”" for one in waiting if one.reply]
    sentence = one_line(item.sentence)
    if sentence and not all(reply in sentence for reply in refused):
        text += "  " + " ".join(refused)
    return Entry(head, f"{text}  {sentence}".rstrip(), None, item.id)


def state_words(item: OutboxItem, clock: Clock) -> str:
    """What an item is in, and when it is tried."""
    match item.state:
        case OutboxState.SENDING:
            return "being sent"
        case OutboxState.SENT | OutboxState.FILED:
            return "sent"
        case OutboxState.FAILED:
            return "could not be sent"
        case OutboxState.UNKNOWN:
            return "may have been sent"
    at = max(item.not_before, item.next_at)
    left = at - time.time()
    if left <= 0:
        return "waits for the network" if item.attempts or item.sentence else "about to be sent"
    goes = "is tried again" if item.sentence else "goes"
    return f"{goes} in {left:.0f} s" if left < 90 else f"{goes} {clock.full(int(at))}"
