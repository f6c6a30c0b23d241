"""The mail reader on a filled store, driven by keys, without an engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input

from filled_store import FilledStore
from termmail.model.flags import FlagSet
from termmail.model.message import MessageRow
from termmail.model.operation import Operation
from termmail.ui.app import TermmailApp
from termmail.ui.backend import EngineHandle
from termmail.ui.keymap import Bindings, Where
from termmail.ui.pictures import Drawing
from termmail.ui.screens.main import MainScreen
from termmail.ui.widgets.pane import Drawn, Pane
from termmail.ui.words import Clock

NOW = 1_700_000_000 + 3600
"""The clock of these tests, an hour after the filled store's first message: UTC, or wherever the tests run."""
WIDE = (140, 30)
MIDDLE = (96, 30)
NARROW = (60, 24)
PATIENCE = 40.0


class DrivenApp:
    """A running app: presses keys, reads the screen as text."""

    def __init__(self, app: TermmailApp, pilot: Pilot[str]) -> None:
        self.app = app
        self.pilot = pilot

    # keys

    async def press(self, *keys: str) -> None:
        """Press keys as the terminal names them, each when the one before has had its effect."""
        for key in keys:
            self.send(key)
            await self._handled()
        await self.drawn()

    def send(self, key: str) -> None:
        """Press a key and go on at once."""
        driver = self.app._driver
        assert driver is not None
        name = key if len(key) > 1 or key.isalnum() else _character_to_key(key)
        character = key if len(key) == 1 else {"space": " "}.get(key)
        event = events.Key(name, character)
        event.set_sender(self.app)
        driver.send_message(event)

    async def _handled(self) -> None:
        """Wait until what was sent has passed the queues of the app and of the screen."""
        for node in (self.app, self.app.screen, self.app.focused, self.app.screen):
            if node is not None:
                passed: list[bool] = []
                node.call_later(passed.append, True)
                # A screen that was closed answers no more.
                while not passed and not node._closing and not node._closed:
                    await asyncio.sleep(0)

    async def type(self, text: str) -> None:
        """Type text into the line that asks for one, as fast as a terminal pastes."""
        await self.until(lambda: self.input() is not None)
        for character in text:
            self.send("space" if character == " " else character)
        await self._handled()
        await self.drawn()

    async def drawn(self) -> None:
        """Wait until the screen is as it would be after a pause: laid out and drawn."""
        for _ in range(3):
            await self._handled()
            for _ in range(30):
                await asyncio.sleep(0)
            # Textual draws at most so many times a second; a test need not wait for that.
            self.app.screen._on_timer_update()

    async def run(self, command: str) -> None:
        """Choose a command in the palette by its title."""
        await self.press(":")
        await self.type(command)
        await self.press("enter")
        await self.drawn()

    def input(self) -> Input | None:
        """The line of text that a screen above asks for."""
        return next(iter(self.app.screen.query(Input)), None)

    # waiting

    async def until(self, ready: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something holds; fails with the screen's text where it does not in time."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, f"{ready} never held. The screen:\n{self.everything()}"
            await self.pilot.pause(0.005)

    async def shows(self, words: str) -> None:
        """Wait until what lies on top holds these words, on as many lines as they take."""
        await self.until(lambda: words in " ".join(top_text(self.app.screen).split()))

    def everything(self) -> str:
        """All of the screen that is on top, as the terminal gets it."""
        return screen_text(self.app.screen)


class Driven(DrivenApp):
    """The mail reader on a filled store; looks into the store through a connection of its own."""

    def __init__(self, app: TermmailApp, pilot: Pilot[str], store: FilledStore) -> None:
        super().__init__(app, pilot)
        self.store = store
        self.queries = store.queries
        self.main = self._main()

    def _main(self) -> MainScreen:
        main = self.app.screen_stack[0]
        assert isinstance(main, MainScreen)
        return main

    async def says(self, words: str) -> None:
        """Wait until the status line holds these words."""
        await self.until(lambda: words in self.status)

    async def settled(self) -> None:
        """Wait until what was wished is written and its news has arrived."""
        writer, watcher = self.main.backend.writer, self.main.backend.watcher
        ended: list[bool] = []
        writer.wish(lambda intents: None, lambda written: ended.append(True), for_engine=False)
        await self.until(lambda: ended)
        changed = self.queries.changed_now()
        # The list is looked at before the mailboxes: a commit in between is in the one and not yet in the other.
        await self.until(lambda: min(watcher._mailboxes_changed, watcher._changed) >= changed)
        await self.drawn()

    # the screen as text

    def lines(self, widget: Widget) -> list[str]:
        """A widget's lines."""
        assert isinstance(widget, Drawn)
        return [widget.render_line(y).text.rstrip() for y in range(widget.height)]

    @property
    def rows(self) -> list[str]:
        """The message list's lines that are not empty."""
        return [line for line in self.lines(self.main.message_list) if line.strip(" ▐")]

    @property
    def folders(self) -> list[str]:
        return [line.strip(" ▐") for line in self.lines(self.main.folder_tree) if line.strip(" ▐")]

    @property
    def message(self) -> str:
        return "\n".join(self.lines(self.main.message_pane))

    @property
    def status(self) -> str:
        return self.lines(self.main.status_line)[0]

    @property
    def hints(self) -> str:
        return self.lines(self.main.hints)[0]

    def title(self, where: Where) -> str:
        return self.lines(self.main.panes.titles[where])[0]

    @property
    def cursor_line(self) -> str:
        """The list's row under the cursor."""
        return self.line_of(self.cursor_id)

    def line_of(self, placement_id: int) -> str:
        """The list's row of a message that is visible, its lines joined."""
        pane = self.main.message_list
        first = self.main.model.ids.index(placement_id) * pane.lines_per_row - pane.top
        assert 0 <= first < pane.height, "That row is not on the screen."
        return " ".join(pane.render_line(first + part).text.rstrip() for part in range(pane.lines_per_row))

    @property
    def choices(self) -> list[str]:
        """What the screen on top offers or tells."""
        return [line for pane in self.app.screen.query(Pane) for line in self.lines(pane) if line.strip(" ▐")]

    # the state of things

    def where(self) -> Where:
        """The pane that takes the keys."""
        return self.main.active

    @property
    def cursor_id(self) -> int:
        found = self.main.model.cursor_id
        assert found is not None
        return found

    @property
    def at(self) -> str:
        """The subject under the cursor."""
        row = self.main.model.row_of(self.cursor_id)
        assert row is not None
        return row.subject

    @property
    def folder(self) -> str:
        """The name of the mailbox whose list is shown."""
        assert self.main.mailbox is not None
        return self.main.mailbox.name

    def row(self, placement_id: int) -> MessageRow:
        """A row as the store has it."""
        found = self.queries.row(placement_id)
        assert found is not None
        return found

    def flags(self, placement_id: int) -> FlagSet:
        """The effective flags as the store has them."""
        return self.row(placement_id).flags

    def fetched(self, *names: str) -> None:
        """The engine has listed these mailboxes."""
        for name in names:
            self.store.ingest.set_state(self.store.mailboxes[name], complete=True, fresh_at=NOW)

    def mailbox_of(self, placement_id: int) -> str:
        return self.row(placement_id).mailbox

    def journal(self) -> list[Operation]:
        """What waits to reach the server."""
        return self.queries.pending_operations()


def top_text(screen: Screen[object]) -> str:
    """A screen's lines; of a dialog those of itself alone, without what it lies over."""
    strips = screen._compositor.render_strips()
    if isinstance(screen, ModalScreen) and screen.children:
        region = screen.children[0].region
        strips = [strip.crop(region.x, region.right) for strip in strips[region.y : region.bottom]]
    return "\n".join(strip.text.rstrip() for strip in strips)


def screen_text(screen: Screen[object]) -> str:
    """A screen's lines."""
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())


@contextlib.asynccontextmanager
async def opened(
    store: FilledStore,
    size: tuple[int, int] = WIDE,
    *,
    keys: Bindings | None = None,
    read_after: float = 1.0,
    engine: EngineHandle | None = None,
    drawing: Drawing = "blocks",
) -> AsyncIterator[Driven]:
    """The app on a store, when its list is loaded."""
    start = None if engine is None else lambda: engine
    app = TermmailApp(
        store.home,
        store.accounts,
        start_engine=start,
        keys=keys,
        clock=Clock(NOW),
        read_after=read_after,
        drawing=drawing,
    )
    try:
        async with app.run_test(size=size) as pilot:
            driven = Driven(app, pilot, store)
            await driven.until(lambda: driven.main.model.complete and driven.main.mailbox is not None)
            await driven.settled()
            yield driven
    finally:
        app.close_backend()
    assert app.fault is None


@contextlib.contextmanager
def filled(folder: Path, count: int = 10, accounts: tuple[str, ...] = ("lisa",)) -> Iterator[FilledStore]:
    """A store in a folder, closed at the end."""
    store = FilledStore(folder, count=count, accounts=accounts)
    try:
        yield store
    finally:
        store.close()
