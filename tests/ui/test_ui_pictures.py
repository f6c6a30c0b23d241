"""Pictures in the message pane, those from elsewhere only when asked for, and the HTML in the browser."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from filled_store import FilledStore
from gallery.mails import mails, png
from termmail.model.errors import ConnectionLost
from termmail.ui.pictures import drawing_of
from ui.support import Driven, filled, opened

MAILS = mails()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


class _Fetch:
    """Stands for the network, and remembers what was asked of it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[Sequence[str]] = []
        self._fails = fails

    def __call__(self, urls: Sequence[str], folder: Path) -> Mapping[str, Path]:
        self.asked.append(urls)
        if self._fails:
            raise ConnectionLost("There is no network.")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        file = folder / "logo"
        file.write_bytes(png(220, 60, lambda x, y: (200, 30, 30)))
        return {urls[0]: file}


async def read(ui: Driven, words: str) -> None:
    await ui.press("enter")
    await ui.until(lambda: words in ui.message)


async def test_a_picture_of_the_message_is_drawn(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store) as ui:
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        assert "[The pier at low tide]" not in ui.message


@pytest.mark.parametrize(
    ("environment", "colours", "drawing"),
    [
        ({"TERM": "xterm-256color"}, True, "blocks"),
        ({"TERM": "xterm-256color"}, False, "none"),
        ({"TERM": "xterm-kitty"}, True, "kitty"),
        ({"TERM": "screen", "KITTY_WINDOW_ID": "1"}, True, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "x"}, True, "blocks"),
    ],
)
def test_how_a_terminal_draws(environment: dict[str, str], colours: bool, drawing: str) -> None:
    assert drawing_of(environment, colours=colours) == drawing


async def test_pictures_from_elsewhere_are_loaded_when_asked_for(store: FilledStore) -> None:
    """T18: reading loads nothing; one key loads those of this message, this once."""
    fetch = _Fetch()
    ids = store.ids()
    store.add_body(ids[0], MAILS["newsletter"])
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        await ui.settled()
        assert fetch.asked == []
        await ui.press("i")
        await ui.says("1 of 4 pictures were loaded.")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        assert len(fetch.asked) == 1
        assert fetch.asked[0][0] == "https://img.leeward.example/logo.png"
        folder = next(iter(ui.main.backend.pictures.loaded.values()))["https://img.leeward.example/logo.png"].parent
        assert folder.exists()
    assert not folder.exists()


async def test_always_for_a_sender_is_remembered_and_taken_back(store: FilledStore) -> None:
    ids = store.ids()
    store.add_body(ids[0], MAILS["newsletter"])
    fetch = _Fetch()
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        await ui.run("Always load this sender")
        await ui.until(lambda: len(fetch.asked) == 1)
    again = _Fetch()
    async with opened(store) as ui:
        ui.app.fetch_pictures = again
        await ui.press("j", "k")
        await ui.until(lambda: len(again.asked) == 1)
        await ui.run("Always load this sender")
        await ui.says("no longer loaded")
    last = _Fetch()
    async with opened(store) as ui:
        ui.app.fetch_pictures = last
        await ui.press("j", "k")
        await read(ui, "Nobody wants the lighthouse")
        await ui.settled()
    assert last.asked == []


async def test_a_mail_that_something_speaks_against_loads_nothing_by_itself(store: FilledStore) -> None:
    """T18, D4: whoever writes a known sender's name does not get what was decided for that sender."""
    store.add_body(store.ids()[0], MAILS["newsletter"].replace(b"From: The", b"From: a@b.example, The"))
    fetch = _Fetch()
    store.intents.set_setting("ui.pictures.sender3@demo.example", "1")
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await ui.press("j", "k")
        await read(ui, "Nobody wants the lighthouse")
        await ui.settled()
        origin = ui.main.message_pane.origin
        assert origin is not None
        assert (fetch.asked == []) is (origin.trust.level.value == "suspicious")


@pytest.mark.parametrize("fetch", [None, _Fetch(fails=True)])
async def test_without_a_network_it_is_said(
    store: FilledStore, fetch: Callable[..., Mapping[str, Path]] | None
) -> None:
    store.add_body(store.ids()[0], MAILS["newsletter"])
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("i")
        await ui.says("network")


async def test_the_html_is_opened_in_the_browser_from_a_private_file(
    store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A3, T18: cleaned, nobody else may read it, and it is gone afterwards."""
    opened_file = tmp_path / "opened"
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened_file}.part && mv {opened_file}.part {opened_file}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    store.add_body(store.ids()[0], MAILS["phishing"])
    async with opened(store) as ui:
        await read(ui, "Dear costumer")
        await ui.press("B")
        await ui.until(opened_file.exists)
        page = Path(opened_file.read_text())
        assert stat.S_IMODE(page.stat().st_mode) == 0o400
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        text = page.read_text()
        assert "unusual activity" in text
        assert "javascript" not in text
        assert "logo.gif" not in text
        await ui.says("Given to xdg-open.")
    assert not page.exists()
