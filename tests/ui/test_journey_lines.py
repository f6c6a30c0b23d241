"""The way of a message, drawn: nothing wider than the pane, the unsure told apart from the sure, and H leads there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import corpus_messages, require_corpus
from filled_store import FilledStore
from mime_safety import assert_safe
from termmail.mime.journey import journey
from termmail.mime.width import cell_width
from termmail.model.message import Address
from termmail.ui.journey_lines import ShownJourney, journey_lines
from termmail.ui.words import span_of_time
from ui.support import WIDE, opened
from ui.test_ui_origin import add_message

LOCAL = (
    "Received: from mx.b.example (localhost [127.0.0.1]) by imap.b.example with LMTP; Tue, 3 Nov 2026 13:20:20 +0100"
)
TAKEN = "Received: from out.a.example (out.a.example [198.51.100.7]) by mx.b.example with ESMTPS (TLS1.3); 3 Nov 2026 12:00:18 +0000"
PLAIN = "Received: from gate.c.example (gate.c.example [203.0.113.9]) by out.a.example with ESMTP; 3 Nov 2026 12:00:30 +0000"
DATE = "Date: Tue, 3 Nov 2026 12:00:00 +0000"


def drawn(*fields: str, width: int = 90) -> str:
    header = "".join(f"{field}\r\n" for field in fields) + "\r\n"
    way = journey(header.encode(), own_hosts=("imap.b.example",))
    shown = ShownJourney(way, Address("Ann", "ann@a.example"), "imap.b.example", "IMAP", True)
    lines = journey_lines(shown, width)
    for line in lines:
        assert cell_width(line.text) <= max(width, 24), line.text
        assert_safe(line)
    return "\n".join(line.text.rstrip() for line in lines)


def test_the_path_goes_from_the_writer_to_this_computer() -> None:
    text = drawn(LOCAL, TAKEN, PLAIN, DATE)
    places = [
        "Ann <ann@a.example>", "gate.c.example [203.0.113.9]", "out.a.example", "mx.b.example", "imap.b.example", "this computer",
    ]  # fmt: skip
    assert [text.index(place) for place in places] == sorted(text.index(place) for place in places)
    assert text.splitlines()[0] == "20 min 20 s from writer to mailbox, by way of 4 servers, 1 step not encrypted"


def test_what_nobody_answers_for_is_hollow_and_dotted_up_to_the_border() -> None:
    before, border, after = drawn(LOCAL, TAKEN, PLAIN, DATE).partition("from here on your provider answers for it")
    assert border
    assert "○  out.a.example" in before
    assert "┊" in before
    assert "●" not in before
    assert "●  mx.b.example" in after
    assert "┊" not in after
    assert "○" not in after


def test_lost_time_and_clocks_that_disagree_are_marked() -> None:
    text = drawn(LOCAL, TAKEN, PLAIN, DATE)
    assert re.search(r"\+ 20 min 2 s .*━{18}", text)
    assert re.search(r"− 12 s ", text)
    assert "12 seconds before that of the step before it" in " ".join(text.split())
    assert "SMTP, not encrypted" in text


def test_a_step_of_which_only_its_length_is_known_is_shown() -> None:
    bare = "Received: by imap.b.example; Tue, 3 Nov 2026 12:05:18 +0000"
    for width in (50, 90):
        assert "+ 5 min" in drawn(bare, TAKEN, DATE, width=width)


def test_of_a_long_sender_the_end_of_the_domain_is_seen() -> None:
    """D4."""
    way = journey(DATE.encode() + b"\r\n\r\n")
    writer = Address("Ann of the very long name that goes on", "ann@bank.example.of.somebody.quite.different.example")
    shown = ShownJourney(way, writer, "imap.b.example", "IMAP", True)
    assert any("quite.different.example" in line.text for line in journey_lines(shown, 50))


def test_a_message_that_tells_no_way() -> None:
    text = drawn(DATE)
    assert "does not tell which way" in text
    assert "this computer" in text


@pytest.mark.parametrize("width", [1, 24, 40, 59, 60, 120])
def test_it_fits_any_pane(width: int) -> None:
    text = drawn(LOCAL, TAKEN, PLAIN, DATE, width=width)
    assert "this" in text
    if 40 <= width < 60:
        # Without room for times at the left they stand below the servers.
        assert re.search(r"│  2026-11-03 \d\d:\d\d:18", text)


ODD = ("Received: \x1b[2J", "Received: from é by 宽字符; 1 Jan 1970 00:00:00 +0000")


@settings(max_examples=60)
@given(st.lists(st.sampled_from([LOCAL, TAKEN, PLAIN, DATE, *ODD]), max_size=6), st.integers(10, 130))
def test_any_header_is_drawn(fields: list[str], width: int) -> None:
    drawn(*fields, width=width)


def test_the_ways_of_the_corpus_are_drawn() -> None:
    require_corpus()
    for name, raw in corpus_messages(every=9):
        for width in (34, 92):
            shown = ShownJourney(journey(raw), None, "imap.example.org", "POP3", False)
            for line in journey_lines(shown, width):
                assert cell_width(line.text) <= width, (name, line.text)


def test_lengths_of_time() -> None:
    assert [span_of_time(each) for each in (0, 42, 60, 200, 7200, 86_400 * 5 + 3600)] == [
        "0 s", "42 s", "1 min", "3 min 20 s", "2 h", "5 d 1 h",
    ]  # fmt: skip


async def test_H_leads_from_headers_to_source_to_the_way_and_back(tmp_path: Path) -> None:  # noqa: N802
    store = FilledStore(tmp_path / "home", count=1)
    add_message(store, 90, LOCAL, TAKEN, DATE, "From: Ann <ann@a.example>", "Subject: Long way", body="The text\r\n")
    try:
        async with opened(store, WIDE) as driven:
            await driven.until(lambda: "The text" in driven.message)
            await driven.press("H")
            await driven.until(lambda: "Received: from mx.b.example" in driven.message)
            assert "The text" not in driven.message
            await driven.press("H")
            await driven.until(lambda: "The text" in driven.message and "Received: from" in driven.message)
            await driven.press("H")
            await driven.until(lambda: "this computer" in driven.message)
            assert "IMAP, not encrypted · from 127.0.0.1" in " ".join(driven.message.split())
            await driven.press("H")
            await driven.until(lambda: "The text" in driven.message and "Received" not in driven.message)
    finally:
        store.close()
