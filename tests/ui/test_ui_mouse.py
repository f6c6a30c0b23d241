"""The mouse (UX: the mouse works)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.events import MouseScrollUp

from filled_store import FilledStore
from termmail.ui.keymap import Where
from termmail.ui.widgets.pane import Pane
from ui.support import MIDDLE, NARROW, filled, opened

LINKED = b"Subject: Subject 10\nContent-Type: text/plain\n\nSee https://example.org/plan now.\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


async def test_click_and_double_click_in_the_list(store: FilledStore) -> None:
    """A click goes to a message, a double click opens it, Ctrl with a click selects."""
    async with opened(store, MIDDLE) as ui:
        await ui.pilot.click("#list", offset=(10, 3))
        assert ui.at == "Subject 7"
        assert "Subject 7" in ui.message
        await ui.pilot.click("#list", offset=(10, 1), control=True)
        assert ui.main.model.selected == {ui.main.model.ids[1]}
        assert "1 selected" in ui.title(Where.LIST)
        await ui.press("escape")
        await ui.pilot.click("#list", offset=(10, 5), times=2)
        assert ui.where() is Where.MESSAGE
        assert ui.at == "Subject 5"
        await ui.pilot.click("#list", offset=(10, 11))
        assert ui.at == "Subject 5"


async def test_two_lines_a_row(store: FilledStore) -> None:
    """Where a message takes two lines, both are the message."""
    async with opened(store, NARROW) as ui:
        await ui.pilot.click("#list", offset=(10, 4))
        assert ui.at == "Subject 8"
        await ui.pilot.click("#list", offset=(10, 7))
        assert ui.at == "Subject 7"


async def test_click_in_the_tree(store: FilledStore) -> None:
    """A click shows a folder's list; one on the arrow folds; one on the account folds all."""
    async with opened(store) as ui:
        place = next(number for number, line in enumerate(ui.folders) if "Trash" in line)
        await ui.pilot.click("#folders", offset=(6, place))
        assert ui.folder == "Trash"
        assert ui.where() is Where.LIST
        place = next(number for number, line in enumerate(ui.folders) if "Work" in line)
        await ui.pilot.click("#folders", offset=(1, place))
        assert "Deep" not in "\n".join(ui.folders)
        assert ui.folder == "Trash"
        await ui.pilot.click("#folders", offset=(1, place))
        assert "Deep" in "\n".join(ui.folders)
        await ui.pilot.click("#folders", offset=(4, 0))
        assert ui.folders == ["▸ lisa"]


async def test_hints_are_buttons(store: FilledStore) -> None:
    """A click on a key's hint is that key."""
    async with opened(store) as ui:
        await ui.pilot.click("#hints", offset=(ui.hints.index("archive"), 0))
        await ui.settled()
        assert "Archived 1 message." in ui.status
        await ui.press("g")
        await ui.pilot.click("#hints", offset=(ui.hints.index("trash"), 0))
        assert ui.folder == "Trash"
        await ui.pilot.click("#hints", offset=(ui.hints.index("commands"), 0))
        await ui.shows("Commands")
        await ui.pilot.click("Choices", offset=(5, 1))
        await ui.until(lambda: ui.app.screen is ui.main)


async def test_a_scroll_bar_only_scrolls(store: FilledStore) -> None:
    """What stands beside it is not chosen: no command, no link, no folder."""
    store.add_body(store.ids()[0], LINKED.replace(b"now.", b"".join(b"https://example.org/%d " % n for n in range(50))))
    async with opened(store, MIDDLE) as ui:
        await ui.press("enter")
        await ui.until(lambda: "example.org/1" in ui.message)
        pane = ui.main.message_pane
        pane.to_line(pane.furthest - 20)
        await ui.drawn()
        line = next(number for number, each in enumerate(ui.lines(pane)) if each.rstrip(" ▐").endswith("/30"))
        await ui.pilot.click("#message", offset=(pane.width - 1, line))
        await ui.drawn()
        assert ui.app.screen is ui.main
        await ui.press(":")
        await ui.shows("Commands")
        choices = ui.app.screen.query_one(Pane)
        top = choices.top
        await ui.pilot.click(choices, offset=(choices.width - 1, choices.height - 1))
        await ui.drawn()
        assert choices.top > top
        assert ui.app.screen is not ui.main


async def test_links_and_the_wheel(store: FilledStore) -> None:
    """A click on a link asks; the wheel scrolls what is below the pointer, without moving the cursor."""
    store.add_body(store.ids()[0], LINKED)
    store.add(range(11, 60))
    async with opened(store, MIDDLE) as ui:
        await ui.press("G")
        while ui.at != "Subject 10":
            await ui.press("k")
        await ui.until(lambda: "See https" in ui.message)
        line = next(number for number, each in enumerate(ui.lines(ui.main.message_pane)) if "See https" in each)
        await ui.pilot.click("#message", offset=(12, line))
        await ui.shows("Open this link at example.org?")
        await ui.press("n")
        at, top = ui.cursor_id, ui.main.message_list.top
        await ui.pilot._post_mouse_events([MouseScrollUp], "#list", (5, 2))
        assert ui.main.message_list.top == top - 3
        assert ui.cursor_id == at
