"""The text of the message pane: folded quotations, searching in it, links by number, printing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from gallery.mails import mails
from termmail.mime.render import render_message
from termmail.ui.bodies import source_lines
from termmail.ui.commands.handing import plain_text
from termmail.ui.keymap import Where
from termmail.ui.widgets.message_text import MessageText
from ui.support import Driven, filled, opened

MAILS = mails()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


async def read(ui: Driven, words: str) -> None:
    await ui.press("enter")
    await ui.until(lambda: words in ui.message)


async def test_old_quotations_are_one_line_until_asked_for(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["old_quotes"])
    async with opened(store) as ui:
        await read(ui, "quoted lines")
        assert "Dear Mr Okafor" not in ui.message
        await ui.press("Q")
        assert "▎ Dear Mr Okafor" in ui.message
        assert "▎ thank you for the offer" in ui.message
        assert "quoted lines" not in ui.message
        await ui.press("Q")
        assert "quoted lines" in ui.message
        await ui.says("Long quotations are folded.")


async def test_a_click_opens_one_quotation(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["gmail"])
    async with opened(store) as ui:
        await read(ui, "quoted lines")
        pane = ui.main.message_pane
        y = next(y for y, line in enumerate(ui.lines(pane)) if "quoted lines" in line)
        await ui.pilot.click(pane, offset=(5, y))
        await ui.until(lambda: "Seven at the old harbour" in ui.message)


async def test_searching_goes_through_the_hits_and_opens_folds(store: FilledStore) -> None:
    """UX: Ctrl+F, n and p through the hits, Esc ends it; then n is the next unread message again."""
    store.add_body(store.ids()[0], MAILS["old_quotes"])
    async with opened(store) as ui:
        await read(ui, "quoted lines")
        await ui.press("ctrl+f")
        await ui.type("DEAR  m")
        await ui.press("enter")
        assert "1 of 3 for “DEAR m" in ui.title(Where.MESSAGE)
        assert "quoted lines" in ui.message
        await ui.press("n")
        assert "2 of 3" in ui.title(Where.MESSAGE)
        assert "Dear Mr Okafor" in ui.message
        await ui.press("n", "n")
        assert "1 of 3" in ui.title(Where.MESSAGE)
        await ui.press("p")
        assert "3 of 3" in ui.title(Where.MESSAGE)
        text = ui.main.message_pane.text
        assert text is not None
        ((line, first, end),) = text.hits[text.hit].pieces
        assert text.rendered.lines[line].text[first:end] == "Dear M"
        await ui.press("escape")
        assert " of 3" not in ui.title(Where.MESSAGE)
        assert ui.where() is Where.MESSAGE
        await ui.press("n")
        assert ui.at != "Subject 10"


async def test_a_hit_may_go_on_in_the_next_line(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["flowed"])
    async with opened(store) as ui:
        await read(ui, "Never the dogs")
        lines = ui.main.message_pane.text
        assert lines is not None
        place = next(place for place, line in enumerate(lines.rendered.lines) if line.wrapped and not line.quote)
        last = lines.rendered.lines[place].text.split()[-1]
        first = lines.rendered.lines[place + 1].text.split()[0]
        await ui.press("ctrl+f")
        await ui.type(f"{last} {first}")
        await ui.press("enter")
        assert [piece[0] for piece in lines.hits[0].pieces] == [place, place + 1]


URL = "https://www.example.org/" + "a-long-way/" * 12
LONG = (
    ("Это очень длинное предложение о маяке. " * 4).strip(),
    "> " + ("He wrote far more than fits into one line. " * 4).strip(),
    "* " + ("One thing of a list and nothing else. " * 4).strip(),
    URL,
    "灯台" * 60,
)


def test_copied_text_is_as_it_was_written() -> None:
    """Where a line was wrapped there is a blank only if there was one, and no mark of the quotation."""
    raw = ("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + "\r\n".join(LONG)).encode()
    for width in (40, 60, 92):
        assert plain_text(render_message(raw, width=width).lines).splitlines() == list(LONG)
    assert plain_text(list(source_lines(raw, 50))).splitlines() == raw.decode().splitlines()
    blanks = "a" + 200 * " " + "b"
    assert "".join(line.text for line in source_lines(blanks.encode(), 50)) == blanks


@pytest.mark.parametrize("words", ["о маяке. Это очень длинное предложение о маяке. Это", URL, "灯台" * 60])
def test_words_are_found_across_the_end_of_a_line(words: str) -> None:
    raw = ("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + "\r\n".join(LONG)).encode()
    assert MessageText(render_message(raw, width=44)).find(words)


async def test_what_is_not_in_the_message_is_said(store: FilledStore) -> None:
    store.add_body(store.ids()[0], MAILS["flowed"])
    async with opened(store) as ui:
        await read(ui, "Never the dogs")
        await ui.press("ctrl+f")
        await ui.type("cats")
        await ui.press("enter")
        await ui.says("“cats” is not in this message.")


async def test_links_above_nine_have_their_number_typed(store: FilledStore) -> None:
    """D8: and the whole URL is shown before anything is opened."""
    store.add_body(store.ids()[0], MAILS["newsletter"])
    async with opened(store) as ui:
        await read(ui, "Nobody wants the lighthouse")
        await ui.press("1")
        await ui.type("0")
        await ui.press("enter")
        await ui.shows("Open this link at leeward.example? https://leeward.example/privacy")
        await ui.press("n")
        await ui.press("3")
        await ui.shows("Open this link at click.leeward.example?")


async def test_the_text_is_piped_and_printed(
    store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = tmp_path / "printed"
    program = tmp_path / "bin" / "lp"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat > {printed}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    store.add_body(store.ids()[0], MAILS["flowed"])
    async with opened(store) as ui:
        await read(ui, "Never the dogs")
        await ui.press("P")
        await ui.press("enter")
        await ui.until(printed.exists)
        await ui.says("The command is done")
        text = printed.read_text()
        assert text.startswith("Subject 10\n\nThanks for the long letter. I have read it twice, once on the train")
        await ui.run("Pipe the text")
        await ui.type("grep -c dogs")
        await ui.press("enter")
        await ui.until(lambda: any(line.strip() == "3" for line in ui.choices))
