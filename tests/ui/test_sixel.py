"""Pictures as sixels, and by kitty's protocol: what reaches the terminal is what was made here (D1, D2)."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable

import pytest

from termmail.mime.width import cell_width
from termmail.model.body import Pixels
from termmail.ui.kitty import MOST_CELLS, PictureNames, placeholders, transmission
from termmail.ui.sixel import MOST_COLOURS, indexed, sixels

Colour = tuple[int, int, int]
SIXELS = re.compile(r'\x1bP0;1;0q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)*)([#0-9!?-~$-]*)\x1b\\')
RED, WHITE, BLACK = (200, 0, 0), (255, 255, 255), (0, 0, 0)


def pixels(width: int, height: int, colour: Callable[[int, int], Colour]) -> Pixels:
    data = bytes(part for y in range(height) for x in range(width) for part in colour(x, y))
    return Pixels(width, height, data)


def drawn(sequence: str) -> dict[tuple[int, int], Colour]:
    """What a terminal makes of it: the colour of each pixel that is drawn, in parts of 100."""
    found = SIXELS.fullmatch(sequence)
    assert found is not None
    registers = {
        int(number): (int(red), int(green), int(blue))
        for number, red, green, blue in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", found[3])
    }
    seen: dict[tuple[int, int], Colour] = {}
    for band, row in enumerate(found[4].split("-")):
        for line in row.split("$"):
            colour = BLACK
            x = 0
            for number, count, character in re.findall(r"#(\d+)|(?:!(\d+))?([?-~])", line):
                if number:
                    colour = registers[int(number)]
                    continue
                for _ in range(int(count or 1)):
                    for bit in range(6):
                        if (ord(character) - 0x3F) >> bit & 1:
                            seen[x, band * 6 + bit] = colour
                    x += 1
    return seen


def in_parts(colour: Colour) -> Colour:
    red, green, blue = (round(part * 100 / 255) for part in colour)
    return red, green, blue


def test_every_pixel_is_drawn_in_its_colour() -> None:
    def colour(x: int, y: int) -> Colour:
        return RED if (x + y) % 5 == 0 else WHITE if x > 20 else (x // 3 * 9, 0, y // 3 * 15)

    picture = pixels(37, 18, colour)
    found = drawn(sixels(indexed(picture, 128), 0, 18))
    assert found == {(x, y): in_parts(colour(x, y)) for x in range(37) for y in range(18)}


def test_a_part_of_the_rows() -> None:
    """From any row on to any other: nothing is drawn below it."""
    found = drawn(sixels(indexed(pixels(4, 40, lambda x, y: (y, 0, 0)), 64), 13, 20))
    assert found == {(x, y): in_parts((13 + y, 0, 0)) for x in range(4) for y in range(20)}


@pytest.mark.parametrize(("top", "height"), [(-6, 12), (12, 9), (20, 1), (0, 0)])
def test_rows_that_are_not_there(top: int, height: int) -> None:
    assert sixels(indexed(pixels(3, 20, lambda x, y: WHITE), 16), top, height) == ""


@pytest.mark.parametrize("most", [2, 16, 128, 1000])
def test_no_more_colours_than_the_terminal_has(most: int) -> None:
    picture = indexed(pixels(60, 60, lambda x, y: (x * 4, y * 4, (x * y) % 255)), most)
    found = drawn(sixels(picture, 0, 60))
    assert len(set(found.values())) <= min(most, MOST_COLOURS)
    assert len(found) == 60 * 60


def test_kittys_picture() -> None:
    """In pieces of the size that it takes, with its name, its cells and nothing that would be answered."""
    picture = pixels(90, 60, lambda x, y: (x * 2, y * 3, (x * y * 7) % 251))
    sequence = transmission(picture, 0x05000021, 9, 3)
    pieces = re.findall(r"\x1b_G([a-zA-Z0-9=,]*);([A-Za-z0-9+/=]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{about};{data}\x1b\\" for about, data in pieces) == sequence
    assert pieces[0][0] == f"a=T,U=1,i={0x05000021},c=9,r=3,f=24,o=z,s=90,v=60,q=2,m=1"
    assert [about for about, _ in pieces[1:]] == ["q=2,m=1"] * (len(pieces) - 2) + ["q=2,m=0"]
    assert all(len(data) <= 4096 for _, data in pieces)
    assert zlib.decompress(base64.b64decode("".join(data for _, data in pieces))) == picture.data


def test_kittys_placeholders() -> None:
    """Each tells its row and its column, so that a part of a line shows the right part of the picture."""
    rows = list(placeholders(0x05000021, 3, 2))
    assert len(rows) == 2
    for segment in (segment for row in rows for segment in row):
        assert cell_width(segment.text) == segment.cell_length == 3
        assert segment.style is not None
        assert segment.style.color is not None
        assert segment.style.color.number == 0x21
    marks = "\u0305\u030d\u030e\u0310\u0312\u033d"
    assert rows[1][0].text == "".join(f"\U0010eeee{marks[1]}{marks[column]}{marks[5]}" for column in range(3))
    assert len(set(next(iter(placeholders(1, MOST_CELLS, 1)))[0].text)) == MOST_CELLS + 1


def test_names_of_pictures() -> None:
    names = PictureNames(300)
    given = [names.next() for _ in range(255)]
    assert len({name & 255 for name in given}) == 255
    assert all(name & 255 and name >> 8 & 0xFFFF == 0 and name >> 24 < MOST_CELLS for name in given)
    assert names.next() == given[0]
