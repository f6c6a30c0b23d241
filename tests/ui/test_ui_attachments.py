"""The parts of a message: listed, looked at, saved, opened, piped and answered with, by keys."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.accounts.config import Keys
from termmail.demo.files import lighthouse_png
from termmail.ui.desktop import OpenedFiles
from termmail.ui.screens.attachments import AttachmentsScreen, PartScreen
from termmail.ui.screens.composer import ComposerScreen
from ui.support import MIDDLE, WIDE, Driven, filled, opened

INNER = (
    b"From: Ole <ole@nordholm.example>\r\nSubject: The crane\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
    b"--in\r\n\r\nWednesday at ten?\r\n--in\r\nContent-Type: text/csv; name=deep.csv\r\nContent-Disposition: attachment\r\n\r\na,b\r\n"
    b"--in--\r\n"
)
FILES = (
    b"From: A <a@example.org>\r\nTo: lisa@demo.example\r\nSubject: Subject 10\r\nMessage-ID: <files@example.org>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="../prices\x1b[2J.csv"\r\n\r\n'
    b"Article,Each\r\nRope,66.50\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=mail.eml\r\n\r\n"
    + INNER
    + b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="run.pdf"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"#!/bin/sh\nrm -rf /\n") + b"--b--\r\n"
)
BOUNCE = (
    b"From: MAILER-DAEMON@example.org\r\nSubject: Undelivered\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
    b"Final-Recipient: rfc822; ole@nordholm.example\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n--b--\r\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path / "home") as store:
        files, bounce, plain = store.ids()[:3]
        store.add_body(files, FILES)
        store.add_body(bounce, BOUNCE)
        store.add_body(plain, b"Subject: x\r\n\r\nnothing more\r\n")
        yield store


async def listed(ui: Driven) -> AttachmentsScreen:
    await ui.press("v")
    await ui.until(lambda: isinstance(ui.app.screen, AttachmentsScreen))
    assert isinstance(ui.app.screen, AttachmentsScreen)
    return ui.app.screen


async def test_the_heading_names_the_keys_of_another_set(store: FilledStore) -> None:
    async with opened(store, MIDDLE) as ui:
        await ui.press("enter")
        await ui.shows("v opens or saves")
        ui.app.use_keys(Keys("gmail", {"attachments": ("f9",)}))
        await ui.press("j", "k")
        await ui.shows("F9 opens or saves")


async def test_parts_are_listed(store: FilledStore) -> None:
    """v: names, kinds and sizes, what an enclosed message holds below it; nothing of a name steers the terminal (D1)."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.shows("run.pdf")
        lines = [" ".join(line.split()) for line in ui.choices]
        assert [line.rsplit(" ", 2)[0] for line in lines[:4]] == [
            "../prices.csv table",
            "mail.eml message",
            "└ deep.csv table",
            "run.pdf PDF",
        ]
        assert lines[2].endswith(" 3 B")
        assert "\x1b" not in "".join(lines)
        await ui.press("q", "j", "j", "v")
        await ui.says("This message has no attachments.")
        await ui.press("S")
        await ui.says("This message has no attachments.")


async def test_one_is_looked_at(store: FilledStore) -> None:
    """Enter shows it in place: a table as one."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("enter")
        await ui.shows("Article Each")
        await ui.shows("Rope 66.50")
        await ui.press("q", "q")
        await ui.until(lambda: ui.app.screen is ui.main)


async def test_a_picture_is_drawn(store: FilledStore) -> None:
    """In half blocks, or by kitty's protocol; where nothing can be drawn it is told in words."""
    raw = (
        b"Subject: x\r\nContent-Type: image/png; name=dusk.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(lighthouse_png(160, 80))
    )
    store.add_body(store.ids()[0], raw)
    async with opened(store, MIDDLE) as ui:
        ui.main.backend.pictures.best = "none"
        await listed(ui)
        await ui.press("enter")
        await ui.shows("A PNG picture of 160 × 80 pixels.")
        assert "dusk.png]" not in ui.everything()
        ui.main.backend.pictures.best = "blocks"
        await ui.press("q", "enter")
        await ui.shows("▀▀▀▀▀▀▀▀▀▀▀▀▀▀")


async def test_a_closed_part_is_not_kept_for_a_picture(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every picture that is asked for is drawn and told of."""
    picture = b"--o\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(
        lighthouse_png(160, 80)
    )
    head = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
    store.add_body(store.ids()[0], head + picture + b"\r\n" + picture + b"\r\n--o--\r\n")
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        asked: list[object] = []
        monkeypatch.setattr(ui.main.backend.pictures, "want", asked.append)
        await ui.press("enter")
        await ui.until(lambda: len(asked) == 1)
        (first,) = ui.main.attachments._drawing.values()
        await ui.press("q", "j", "enter")
        await ui.until(lambda: len(asked) == 2)
        assert first not in ui.main.attachments._drawing.values()


NESTED = (
    b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nhello\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=mail.eml\r\n\r\n"
    b"Subject: inner\r\nContent-Type: multipart/related; boundary=i\r\n\r\n--i\r\nContent-Type: text/html\r\n\r\n"
    + b"".join(b"<p>Line %d <a href='https://a.example/%d'>harbour plan %d</a></p>" % (n, n, n) for n in range(1, 13))
    + b"<p><img alt=one src='cid:a' width=80><br>between</p><p><img alt=two src='cid:b' width=80></p>"
    + b"".join(
        b"\r\n--i\r\nContent-Type: image/png\r\nContent-ID: <%s>\r\nContent-Transfer-Encoding: base64\r\n\r\n" % name
        + base64.encodebytes(lighthouse_png(160, 80))
        for name in (b"a", b"b")
    )
    + b"--i--\r\n--o--\r\n"
)


async def test_every_link_of_a_part_can_be_opened(store: FilledStore) -> None:
    """By its number, also one of two digits, and by a click in the text or in the list of links; each asked about first (D8)."""
    store.add_body(store.ids()[0], NESTED)
    async with opened(store, (96, 60)) as ui:
        await listed(ui)
        await ui.press("enter")
        await ui.shows("harbour plan 12")
        await ui.press("1")
        await ui.until(lambda: ui.input() is not None)
        line = ui.input()
        assert line is not None
        # Pasted, with what nobody sees.
        line.value = "1\u200b2"
        await ui.press("enter")
        await ui.shows("https://a.example/12")
        await ui.press("escape", "7")
        await ui.shows("https://a.example/7")
        await ui.press("escape", "1")
        await ui.until(lambda: ui.input() is not None)
        await ui.type("3")
        await ui.press("enter")
        await ui.shows("There is no such link: they have numbers from 1 to 12.")
        for words, url in (
            ("harbour plan 4", "https://a.example/4"),
            ("  5  https://a.example/5", "https://a.example/5"),
        ):
            lines = ui.everything().splitlines()
            y = next(number for number, line in enumerate(lines) if words in line)
            await ui.pilot.click(offset=(lines[y].index(words) + 4, y))
            await ui.shows("Open this link at a.example?")
            await ui.shows(url)
            await ui.press("escape")


async def test_pictures_of_an_enclosed_mail_are_drawn(store: FilledStore) -> None:
    """Those that came with it, each in its place."""
    store.add_body(store.ids()[0], NESTED)
    async with opened(store, (96, 70)) as ui:
        await listed(ui)
        await ui.press("enter")
        await ui.shows("between")
        await ui.until(lambda: ui.everything().count("▀▀▀▀▀▀▀▀") >= 4)
        text = ui.everything()
        assert "▀▀▀▀" in text.partition("between")[0]
        assert "▀▀▀▀" in text.partition("between")[2]


async def test_mail_in_mail_with_its_attachments(store: FilledStore) -> None:
    """An enclosed message is a mail with attachments of its own."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("j", "enter")
        await ui.shows("From: Ole <ole@nordholm.example>")
        await ui.shows("Attached: deep.csv 3 B")
        await ui.press("v")
        await ui.until(lambda: isinstance(ui.app.screen, AttachmentsScreen))
        await ui.press("enter")
        await ui.shows("a b")


async def test_an_answer_leaves_the_lists(store: FilledStore) -> None:
    """r, also deep inside: the composer stands on the messages."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("j", "enter")
        await ui.shows("Attached: deep.csv 3 B")
        await ui.press("v")
        await ui.until(lambda: isinstance(ui.app.screen, AttachmentsScreen))
        await ui.press("r")
        await ui.until(lambda: isinstance(ui.app.screen, ComposerScreen))
        assert ui.app.screen_stack[-2] is ui.main


async def test_the_message_that_came_back_is_one_key_away(store: FilledStore) -> None:
    """O on a bounce."""
    async with opened(store, WIDE) as ui:
        await ui.press("j", "enter")
        await ui.shows("Not delivered to ole@nordholm.example")
        await ui.shows("O opens the message that is enclosed")
        await ui.press("O")
        await ui.until(lambda: isinstance(ui.app.screen, PartScreen))
        await ui.shows("Wednesday at ten?")
        await ui.press("q", "j", "O")
        await ui.says("This message encloses no other one.")


async def test_one_is_saved(store: FilledStore, tmp_path: Path) -> None:
    """s: asked where; a name that is taken becomes another one (A1, A2)."""
    (tmp_path / "prices.csv").write_bytes(b"old")
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("s")
        await ui.shows("Save “prices.csv” in")
        await ui.press(*["backspace"] * 20)
        await ui.type(str(tmp_path))
        await ui.press("enter")
        await ui.shows("prices (2).csv.")
        assert (tmp_path / "prices.csv").read_bytes() == b"old"
        assert (tmp_path / "prices (2).csv").read_bytes() == b"Article,Each\r\nRope,66.50"
        await ui.press("s")
        assert ui.input() is not None
        assert ui.input().value == str(tmp_path)  # type: ignore[union-attr]
        await ui.type("/other.txt")
        await ui.press("enter")
        await ui.shows("other.txt.")
        assert stat.S_IMODE((tmp_path / "other.txt").stat().st_mode) == 0o600
        await ui.press("s")
        await ui.type("/none/at/all")
        await ui.press("enter")
        await ui.shows("There is no folder")


@pytest.mark.parametrize("place", ["~nobody-here", "~nobody-here/x.csv", "/" + "x" * 300])
async def test_a_place_that_can_not_be_is_said(store: FilledStore, place: str) -> None:
    """A user that is not there, and a name that no file system takes."""
    async with opened(store, MIDDLE) as ui:
        await ui.press("S")
        await ui.shows("Save 3 attachments in")
        await ui.press(*["backspace"] * 20)
        await ui.type(place)
        await ui.press("enter")
        await ui.says("There is no folder")


async def test_all_are_saved(store: FilledStore, tmp_path: Path) -> None:
    """S, from the list of messages: all attachments, an enclosed message as a whole."""
    folder = tmp_path / "all"
    folder.mkdir()
    async with opened(store, MIDDLE) as ui:
        await ui.press("S")
        await ui.shows("Save 3 attachments in")
        await ui.press(*["backspace"] * 20)
        await ui.type(str(folder))
        await ui.press("enter")
        await ui.says("Saved 3 attachments in")
    assert sorted(path.name for path in folder.iterdir()) == ["mail.eml", "prices.csv", "run.pdf"]
    assert (folder / "mail.eml").read_bytes() == INNER[:-2]


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the desktop's opener: a program that writes down how it was called. Returns what it writes to."""
    programs = tmp_path / "programs"
    programs.mkdir()
    record = tmp_path / "opened.txt"
    for name in ("xdg-open", "open"):
        program = programs / name
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$(stat -c %a "$1" 2>/dev/null)" > {record}.part\nmv {record}.part {record}\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return record


async def test_one_is_opened(store: FilledStore, opener: Path) -> None:
    """A3: a read-only copy in a private folder, as one argument and no shell, gone when termmail ends."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("o")
        await ui.until(opener.exists)
        count, path, mode = opener.read_text().splitlines()
        copy = Path(path)
        assert (count, mode) == ("1", "400")
        assert copy.name == "prices.csv"
        assert copy.read_bytes() == b"Article,Each\r\nRope,66.50"
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in (copy.parent, copy.parent.parent)} == {0o700}
        await ui.shows("its copy goes when termmail ends")
    assert not copy.parent.parent.exists()


@pytest.mark.parametrize(("code", "why"), [(3, "it found no program for it"), (4, "exit code 4")])
async def test_an_opener_that_fails_is_told(store: FilledStore, opener: Path, code: int, why: str) -> None:
    """What the system's opener ends with is not passed over."""
    program = opener.parent / "programs" / "xdg-open"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("o")
        await ui.shows(f"xdg-open could not open it: {why}. s saves it instead.")


async def test_what_may_run_needs_a_typed_word(store: FilledStore, opener: Path) -> None:
    """A3: a script that calls itself a PDF; anything but the word keeps it shut."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        for word in ("y", ""):
            await ui.press("end", "o")
            await ui.until(lambda: ui.input() is not None)
            await ui.shows("“run.pdf” is a program, or can run one")
            await ui.type(word)
            await ui.press("enter")
            await ui.shows("It was not opened.")
        await ui.press("o")
        await ui.shows("“run.pdf” is a program, or can run one")
        await ui.press("escape")
        assert not opener.exists()
        await ui.press("o")
        await ui.shows("“run.pdf” is a program, or can run one")
        await ui.type("open")
        await ui.press("enter")
        await ui.until(opener.exists)
        assert opener.read_text().splitlines()[1].endswith("/run.pdf")


async def test_one_is_piped(store: FilledStore, tmp_path: Path) -> None:
    """|: its decoded bytes, to a command that the user types."""
    async with opened(store, MIDDLE) as ui:
        await listed(ui)
        await ui.press("|")
        await ui.type(f"cat > {tmp_path / 'piped'}")
        await ui.press("enter")
        await ui.until(lambda: (tmp_path / "piped").exists() and (tmp_path / "piped").stat().st_size)
    assert (tmp_path / "piped").read_bytes() == b"Article,Each\r\nRope,66.50"


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (("v", "r"), ["prices.csv", "mail.eml", "run.pdf"]),
        (("f",), ["prices.csv", "mail.eml", "run.pdf"]),
        (("r",), []),
    ],
)
async def test_they_go_with_an_answer(store: FilledStore, keys: tuple[str, ...], names: list[str]) -> None:
    """Forwards have them, replies where it is wished; A1's names in the draft."""
    async with opened(store, MIDDLE) as ui:
        await ui.press(*keys)
        await ui.until(lambda: isinstance(ui.app.screen, ComposerScreen))
        composer = ui.app.screen
        assert isinstance(composer, ComposerScreen)
        assert [one.name for one in composer.draft.attachments] == names


def test_copies_of_a_termmail_that_died_are_deleted(tmp_path: Path) -> None:
    """A3: what it could not delete itself goes with the next copy; what another one has open stays."""
    dead, living = tmp_path / "opened-999999999-x", tmp_path / f"opened-{os.getpid()}-y"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "a.txt").write_bytes(b"x")
    files = OpenedFiles(tmp_path)
    copy = files.copy("b.txt", b"b")
    assert not dead.exists()
    assert living.exists()
    assert not os.access(copy, os.W_OK) or os.geteuid() == 0
    files.close()
    assert not copy.exists()
    assert living.exists()
    with pytest.raises(OSError, match="ending"):
        files.copy("late.txt", b"c")
    assert list(tmp_path.iterdir()) == [living]
