"""Pictures in the message pane, those from elsewhere only when asked for, and the HTML in the browser."""

from __future__ import annotations

import base64
import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from textual._compositor import ChopsUpdate, LayoutUpdate

from filled_store import FilledStore
from gallery.mails import mails, png
from termmail.model.errors import ConnectionLost
from termmail.ui.answers import KittyFound, SixelFound
from termmail.ui.drawing import Overlay, SteadyStrip
from termmail.ui.pictures import Drawing, drawing_of
from termmail.ui.sixel import SixelTerminal
from ui.support import NARROW, Driven, filled, opened

MAILS = mails()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


class _Fetch:
    """Stands for the network, and remembers what was asked of it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[Sequence[str]] = []
        self.proxies: list[str] = []
        self._fails = fails

    def __call__(self, urls: Sequence[str], folder: Path, proxy: str) -> Mapping[str, Path]:
        self.asked.append(urls)
        self.proxies.append(proxy)
        if self._fails:
            raise ConnectionLost("There is no network.")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        file = folder / "logo"
        file.write_bytes(png(220, 60, lambda x, y: (200, 30, 30)))
        return {urls[0]: file}


def xdg_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the desktop's opener; the file into which it writes what it was given."""
    given = folder / "opened"
    program = folder / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {given}.part && mv {given}.part {given}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return given


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
        ({"TERM": "xterm-256color"}, True, "sixel"),
        ({"TERM": "xterm-256color", "TMUX": "x"}, True, "blocks"),
        ({"TERM": "screen"}, True, "blocks"),
        ({"TERM": "xterm-ghostty"}, True, "kitty"),
        ({"TERM": "xterm-256color"}, False, "none"),
        ({"TERM": "xterm-kitty"}, True, "kitty"),
        ({"TERM": "screen", "KITTY_WINDOW_ID": "1"}, True, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "x"}, True, "blocks"),
    ],
)
def test_how_a_terminal_may_draw(environment: dict[str, str], colours: bool, drawing: str) -> None:
    assert drawing_of(environment, colours=colours) == drawing


def frame(ui: Driven) -> str:
    """All that a terminal gets to draw the screen."""
    return ui.app.screen._compositor.render_full_update().render_segments(ui.app.console)


def sixels_of(ui: Driven) -> list[tuple[int, Overlay]]:
    """What is drawn over lines of the message pane."""
    pane = ui.main.message_pane
    strips = [(y, pane.render_line(y)) for y in range(pane.height)]
    return [(y, strip.overlay) for y, strip in strips if isinstance(strip, SteadyStrip) and strip.overlay is not None]


async def sixels_drawn(ui: Driven) -> list[tuple[int, Overlay]]:
    """The same when each picture in view has its own."""
    blocks = [y for y, line in enumerate(ui.lines(ui.main.message_pane)) if "▀" in line]
    parts = sum(y + 1 not in blocks for y in blocks)
    assert parts
    await ui.until(lambda: len(sixels_of(ui)) == parts)
    await ui.drawn()
    return sixels_of(ui)


def size_of(overlay: Overlay) -> tuple[int, int]:
    """In pixels."""
    found = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)#', overlay.sequence)
    assert found is not None
    return int(found[1]), int(found[2])


async def test_pixels_where_the_terminal_says_so(store: FilledStore) -> None:
    """Over the half blocks, which stay beneath: exactly on their cells."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing="sixel") as ui:
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        await ui.settled()
        assert sixels_of(ui) == []
        assert "\x1bP" not in frame(ui)
        ui.app.post_message(SixelFound(SixelTerminal(7, 13)))
        (y, overlay), *_ = await sixels_drawn(ui)
        lines = ui.lines(ui.main.message_pane)
        first = next(number for number, line in enumerate(lines) if "▀" in line)
        assert y - overlay.up == first
        assert overlay.right == len(lines[y]) - len(lines[y].lstrip())
        assert size_of(overlay) == (7 * lines[y].count("▀"), 13 * (overlay.up + 1))
        assert frame(ui).count("\x1bP") == len(sixels_of(ui))


async def test_pixels_of_what_is_in_view(store: FilledStore) -> None:
    """They are made anew for each part of a picture, never reach out of the pane, and are the same when it is there again."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, (140, 24), drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        whole = await sixels_drawn(ui)
        pane = ui.main.message_pane
        seen = set()
        while pane.top < pane.furthest:
            await ui.press("down")
            for y, overlay in await sixels_drawn(ui):
                assert 0 <= y - overlay.up <= y < pane.height
                assert size_of(overlay)[1] == (overlay.up + 1) * 20
                seen.add(overlay.up)
        assert len(seen) > 3
        await ui.press("g", "g")
        pane.to_line(0)
        await ui.until(lambda: sixels_of(ui) == whole)


async def test_pixels_are_not_sent_again_for_other_panes(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the largest part of a frame by far."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        await sixels_drawn(ui)
        await ui.settled()
        sent: list[str] = []

        def send(screen: object, update: ChopsUpdate | LayoutUpdate | None) -> None:
            sent.append("" if update is None else update.render_segments(ui.app.console))

        monkeypatch.setattr(ui.app, "_display", send)
        await ui.press("tab", "s", "tab")
        assert "Inbox" in "".join(sent)
        assert "\x1bP" not in "".join(sent)


async def test_one_picture_in_two_places(store: FilledStore) -> None:
    """Each place has the pixels of what is in view of it, also where that is not the same."""
    store.add_body(
        store.ids()[0],
        b"Subject: x\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        b"<p>Look</p><p><img src=cid:a></p><p>between</p><p><img src=cid:a></p>"
        + b"<p>more</p>" * 40
        + b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(png(300, 200, lambda x, y: (round(x * 250), round(y * 250), 9)))
        + b"--b--\r\n",
    )
    async with opened(store, (140, 26), drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await read(ui, "between")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        seen = set()
        for _ in range(8):
            seen.add(tuple(overlay.up for _, overlay in await sixels_drawn(ui)))
            await ui.press("down")
        assert any(len(set(rows)) == 2 for rows in seen)


async def test_a_dialog_over_pixels(store: FilledStore) -> None:
    """It is drawn, with half blocks around it; the pixels are there again when it is closed."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        await sixels_drawn(ui)
        assert "\x1bP" in frame(ui)
        await ui.press("?")
        await ui.shows("Keys in the message")
        assert "\x1bP" not in frame(ui)
        assert "▀" in frame(ui)
        await ui.press("escape")
        assert "\x1bP" in frame(ui)


async def test_pixels_with_another_size_of_the_letters(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        width, height = size_of((await sixels_drawn(ui))[0][1])
        drawn: list[object] = []
        monkeypatch.setattr(ui.app, "_display", lambda screen, update: drawn.append(update))
        ui.app.post_message(SixelFound(SixelTerminal(20, 40)))
        # All of the screen: what was drawn in larger cells would stay on the lines below.
        await ui.until(lambda: any(isinstance(update, LayoutUpdate) for update in drawn))
        await ui.until(lambda: sixels_of(ui) and size_of(sixels_of(ui)[0][1]) > (width, height))
        assert size_of(sixels_of(ui)[0][1])[0] == 2 * width


@pytest.mark.parametrize("drawing", ["none", "blocks"])
async def test_no_pixels_where_they_are_not_wanted(store: FilledStore, drawing: Drawing) -> None:
    """Inside tmux, or without colours: whatever the terminal is said to be."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing=drawing) as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        ui.app.post_message(KittyFound())
        await read(ui, "how the pier looks")
        if drawing == "blocks":
            await ui.until(lambda: "▀▀▀▀" in ui.message)
        await ui.settled()
        assert "\x1bP" not in frame(ui)
        assert "\U0010eeee" not in frame(ui)
        assert ui.main.backend.pictures.drawing == drawing


async def test_a_part_in_pixels(store: FilledStore) -> None:
    """A picture that is attached, looked at in place."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(10, 20)))
        await ui.press("v")
        await ui.shows("pier.png")
        await ui.press("enter")
        await ui.until(lambda: frame(ui).count("\x1bP") == 1)


async def test_kittys_pictures_take_the_place_of_half_blocks(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent once, then placed by characters; sent again when the terminal has forgotten them."""
    store.add_body(store.ids()[0], MAILS["picture"])
    sent: list[str] = []
    async with opened(store, (140, 50), drawing="kitty") as ui:
        monkeypatch.setattr(ui.app, "send_to_terminal", sent.append)
        await read(ui, "how the pier looks")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        for times in (1, 2):
            ui.app.post_message(KittyFound())
            await ui.until(lambda: len([data for data in sent if data]) >= 2 * times)  # noqa: B023
            await ui.until(lambda: "\U0010eeee" in ui.message and "▀" not in ui.message)
        names = [data.partition(",i=")[2].partition(",")[0] for data in sent if data]
        assert len(set(names)) == len(names)
        assert "\x1bP" not in frame(ui)


async def test_half_blocks_that_come_late_do_not_stay(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were drawn before the terminal said what it can, and are there just when it has said it."""
    store.add_body(store.ids()[0], MAILS["picture"])
    async with opened(store, (140, 50), drawing="kitty") as ui:
        late: list[object] = []
        with monkeypatch.context() as holding:
            holding.setattr(ui.main.backend.pictures, "_tell", late.append)
            await read(ui, "how the pier looks")
            await ui.until(lambda: len(late) == 2)
        ui.app.on_kitty_found()
        for drawn in late:
            ui.main.news.take(drawn)
        await ui.until(lambda: "\U0010eeee" in ui.message)
        await ui.until(lambda: "▀" not in ui.message)


async def test_a_hostile_picture_is_no_sequence_of_its_own(store: FilledStore) -> None:
    """D1: of a picture's bytes nothing reaches the terminal, only what was drawn of them."""
    comment = b"\x1b]0;owned\x07\x1b[31m\x9b"
    picture = png(90, 60, lambda x, y: (200, 30, 30))
    with_text = (
        picture[:33]
        + struct.pack(">I", len(comment))
        + b"tEXt"
        + comment
        + struct.pack(">I", zlib.crc32(b"tEXt" + comment))
        + picture[33:]
    )
    store.add_body(
        store.ids()[0],
        b"Subject: x\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        b"<p>Look</p><img src=cid:a>\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(with_text) + b"--b--\r\n",
    )
    async with opened(store, drawing="sixel") as ui:
        ui.app.post_message(SixelFound(SixelTerminal(9, 18)))
        await read(ui, "Look")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        [(_, overlay)] = await sixels_drawn(ui)
        assert re.fullmatch(r'\x1bP0;1;0q"1;1;90;54#0;2;\d+;\d+;\d+[#0-9!?-~$-]*\x1b\\', overlay.sequence)


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


def checked(store: FilledStore, result: str) -> None:
    """The newest message is the newsletter, and this is what the provider found."""
    results = f"Authentication-Results: mx.demo.example; dmarc={result} header.from=demo.example\r\n" if result else ""
    store.accounts = (msgspec.structs.replace(store.accounts[0], authserv_id="mx.demo.example"),)
    store.add_body(store.ids()[0], results.encode() + MAILS["newsletter"])


async def test_always_for_a_sender_is_remembered_and_taken_back(store: FilledStore) -> None:
    checked(store, "pass")
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


async def test_a_mail_that_something_speaks_against_loads_nothing_by_itself(
    store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T18, D5: whoever writes a known sender's address does not get what was decided for that sender, in the browser neither."""
    opened_file = xdg_open(tmp_path, monkeypatch)
    checked(store, "fail")
    fetch = _Fetch()
    sender = "sender3@demo.example"
    store.intents.set_setting(f"ui.pictures.{sender}", "1")
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        assert "Probably not from demo.example" in ui.message
        await ui.press("B")
        await ui.until(opened_file.exists)
        page = Path(opened_file.read_text()).read_text()
        assert "lighthouse" in page
        assert "leeward.example/logo.png" not in page
        await ui.run("Always load this sender")
        await ui.says(f"Pictures of {sender} are no longer loaded")
        await ui.run("Always load this sender")
        await ui.says("Pictures not loaded: your provider does not vouch for the sender; i loads them.")
        await ui.settled()
    assert fetch.asked == []


@pytest.mark.parametrize("result", ["", "none"])
async def test_a_sender_that_nobody_checked_loads_nothing_by_itself(store: FilledStore, result: str) -> None:
    """T18, D5: a From field proves nothing. One line says so, and what loads them this once."""
    checked(store, result)
    fetch = _Fetch()
    store.intents.set_setting("ui.pictures.sender3@demo.example", "1")
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("j", "k")
        await ui.says("Pictures not loaded: your provider does not vouch for the sender; i loads them.")
        assert fetch.asked == []
        await ui.press("i")
        await ui.says("1 of 4 pictures were loaded.")
        await ui.settled()
        assert len(fetch.asked) == 1


async def test_one_picture_is_one_and_goes_through_the_accounts_proxy(store: FilledStore) -> None:
    store.accounts = (msgspec.structs.replace(store.accounts[0], proxy="socks5://127.0.0.1:9050"),)
    html = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>At low tide<img src='https://a.example/1.png' width=90 height=90></p>"
    store.add_body(store.ids()[0], html)
    fetch = _Fetch()
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "At low tide")
        await ui.press("i")
        await ui.says("The picture was loaded.")
    assert fetch.proxies == ["socks5://127.0.0.1:9050"]


async def test_what_loads_is_the_message_under_the_cursor(store: FilledStore) -> None:
    """T18: not the one that the hidden pane showed last."""
    store.add_body(store.ids()[0], MAILS["newsletter"])
    store.add_body(store.ids()[1], b"Subject: x\r\n\r\nnothing more\r\n")
    fetch = _Fetch()
    async with opened(store, NARROW) as ui:
        ui.app.fetch_pictures = fetch
        await ui.press("j")
        await read(ui, "nothing more")
        await ui.press("q", "k")
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("q", "j", "i")
        await ui.says("This is the text of the message")
        assert "nothing more" in ui.message
        await ui.press("q", "k")
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("q", "j")
        await ui.run("Always load this sender")
        await ui.says("Pictures of sender2@demo.example are loaded from now on")
    assert fetch.asked == []


async def test_loading_again_keeps_what_was_loaded(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["newsletter"])
    fetch = _Fetch()
    async with opened(store) as ui:
        ui.app.fetch_pictures = fetch
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("i")
        await ui.says("1 of 4 pictures were loaded.")
        await ui.until(lambda: "▀▀▀▀" in ui.message)
        await ui.press("i")
        await ui.says("1 of 3 pictures were loaded.")
        assert list(next(iter(ui.main.backend.pictures.loaded.values()))) == [urls[0] for urls in fetch.asked]


async def test_a_picture_that_is_there_twice_is_drawn_twice(store: FilledStore) -> None:
    twice = b'<p><img alt=one src="cid:a" width=300></p><p>between</p><p><img alt=two src="cid:a" width=300></p>'
    store.add_body(
        store.ids()[0],
        b"Subject: x\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        + twice
        + b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(png(300, 100, lambda x, y: (200, 30, 30)))
        + b"--b--\r\n",
    )
    async with opened(store) as ui:
        await read(ui, "between")
        await ui.until(lambda: ui.message.count("▀" * 33) == 12)


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


async def test_a_browser_that_does_not_start_is_told(
    store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xdg_open(tmp_path, monkeypatch)
    (tmp_path / "bin" / "xdg-open").write_text("#!/bin/sh\nexit 3\n")
    store.add_body(store.ids()[0], MAILS["newsletter"])
    async with opened(store) as ui:
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("B")
        await ui.says("xdg-open could not open it: it found no program for it.")
        await ui.press("3")
        await ui.shows("Open this link at")
        await ui.press("y")
        await ui.says("xdg-open could not open it: it found no program for it. y copies the link instead.")


async def test_the_html_is_opened_in_the_browser_from_a_private_file(
    store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A3, T18: cleaned, nobody else may read it, and it is gone afterwards."""
    opened_file = xdg_open(tmp_path, monkeypatch)
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
