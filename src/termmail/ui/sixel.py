"""Pictures as sixels, the bands of six pixels that a VT340 and the terminals after it draw (DEC STD 070)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from termmail.model.body import Pixels

MOST_COLOURS = 128
"""Of a picture: with more it is larger, and slower to draw, than anybody sees."""
_BAND = 6
_FEW_COLOURS = 64
"""With fewer than these a picture is dithered."""
_TO_CHARACTERS = bytes(0x3F + sixel for sixel in range(64)) + bytes(192)
_SAMPLED = 4
_RUN = re.compile(rb"\?{4,}|(.)\1{3,}")
"""A character repeated. The first kind is by far the most frequent, and found faster by itself."""


class SixelTerminal(msgspec.Struct, frozen=True):
    """A terminal that draws sixels: its cells in pixels, and how many colours a picture may have."""

    cell_width: int
    cell_height: int
    colours: int = MOST_COLOURS


class IndexedPicture(msgspec.Struct, frozen=True):
    """A picture in few colours: one byte for each pixel, row by row, is the place in `palette`, whose colours go from 0 to 100."""

    width: int
    height: int
    data: bytes
    palette: tuple[tuple[int, int, int], ...]


def indexed(pixels: Pixels, colours: int) -> IndexedPicture:
    """The picture in at most so many colours, or in `MOST_COLOURS`."""
    from PIL import Image

    picture = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    colours = max(2, min(colours, MOST_COLOURS))
    if picture.getcolors(colours):
        found = picture.quantize(colours, Image.Quantize.MEDIANCUT)
    else:
        # To choose among all of a photograph's colours would take half a second.
        chosen = picture.reduce(_SAMPLED).quantize(colours, Image.Quantize.MEDIANCUT)
        dither = Image.Dither.FLOYDSTEINBERG if colours < _FEW_COLOURS else Image.Dither.NONE
        found = picture.quantize(palette=chosen, dither=dither)
    parts = [round(part * 100 / 255) for part in found.getpalette() or ()]
    palette = tuple((parts[at], parts[at + 1], parts[at + 2]) for at in range(0, len(parts), 3))
    return IndexedPicture(pixels.width, pixels.height, found.tobytes(), palette)


def sixels(picture: IndexedPicture, top: int, height: int) -> str:
    """The control sequence that draws rows `top` to `top + height` of a picture where the cursor is; empty where there are none.

    What of the last band lies below them is left as it is.
    """
    bottom = top + height
    if not 0 <= top < bottom <= picture.height:
        return ""
    width = picture.width
    rows = [picture.data[row * width : (row + 1) * width] for row in range(top, bottom)]
    used = ((colour, *picture.palette[colour]) for colour in sorted(set().union(*rows)))
    registers = "".join(f"#{colour};2;{red};{green};{blue}" for colour, red, green, blue in used)
    bands = (b"$".join(_band(rows[row : row + _BAND])) for row in range(0, len(rows), _BAND))
    drawn = b"-".join(bands).decode("ascii")
    return f'\x1bP0;1;0q"1;1;{width};{len(rows)}{registers}{drawn}\x1b\\'


def _band(rows: list[bytes]) -> Iterator[bytes]:
    """A band, colour by colour. The bytes of a row are one large number here, so that a row is taken in one step."""
    width = len(rows[0])
    for colour in sorted(set().union(*rows)):
        pick = bytes(colour) + b"\1" + bytes(255 - colour)
        bits = 0
        for place, row in enumerate(rows):
            bits |= int.from_bytes(row.translate(pick)) << place
        characters = bits.to_bytes(width).translate(_TO_CHARACTERS).rstrip(b"?")
        yield b"#%d" % colour + _RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[0][0]), characters)
