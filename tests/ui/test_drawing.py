"""Lines of a pane, on terminals that disagree about the width of what is on them (D11)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

from termmail.mime.width import cell_width
from termmail.ui.drawing import Pen

PLAIN = Style()
SEQUENCE = re.compile(r"\x1b(?:([78])|\[(\d+)C|\[[\d;]*m)")
NAMES = ["अनीता शर्मा", "தமிழ் பெயர்", "ශ්‍රී ලංකා", "မြန်မာ", "Bob", "佐藤 健一", "e\u0301tude"]


def on_a_terminal(output: str, width: Callable[[str], int], columns: int) -> list[str]:
    """The cells of a terminal that takes a character to be as wide as `width` says; one of no width joins the one before it."""
    cells = [""] * columns
    column = saved = 0
    position = 0
    while position < len(output):
        if sequence := SEQUENCE.match(output, position):
            if sequence[1] == "7":
                saved = column
            elif sequence[1] == "8":
                column = saved
            elif sequence[2]:
                column += int(sequence[2])
            position = sequence.end()
            continue
        character = output[position]
        position += 1
        taken = width(character)
        if taken:
            cells[column : column + taken] = [character] + [""] * (taken - 1)
        else:
            cells[column - 1] += character
        column += taken
    return cells


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("room", [30, 12, 5])
def test_what_follows_a_name_stays_in_its_column(name: str, room: int) -> None:
    """D11: whether a terminal gives Indic vowel signs a cell of their own, as xterm and tmux do, or none, as newer ones do."""
    pen = Pen(room + 6, PLAIN)
    pen.field(name, PLAIN, room)
    pen.put("|12:05", PLAIN)
    strip = pen.strip()
    assert cell_len(strip.text) == strip.cell_length == room + 6
    output = strip.render(Console())
    for width in (cell_width, cell_len):
        cells = on_a_terminal(output, width, room + 6)
        assert cells[room:] == list("|12:05")
        assert cells[0].startswith(name[0])
        assert [cell for cell in cells[:room] if cell == "|"] == []


def test_a_line_that_is_steady_has_no_cursor_movement() -> None:
    """Most lines are drawn as Textual draws them."""
    pen = Pen(20, PLAIN)
    pen.put("Grüße 佐藤", PLAIN)
    assert "\x1b" not in pen.strip().render(Console())
