"""Pictures by kitty's graphics protocol: sent to the terminal once, then placed by characters that scroll and are covered like others.

https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

from rich.segment import Segment
from rich.style import Style

from termmail.model.body import Pixels

_PLACEHOLDER = "\U0010eeee"
_MARKS = (
    "\u0305\u030d\u030e\u0310\u0312\u033d\u033e\u033f\u0346\u034a\u034b\u034c\u0350\u0351\u0352\u0357\u035b\u0363\u0364\u0365"
    "\u0366\u0367\u0368\u0369\u036a\u036b\u036c\u036d\u036e\u036f\u0483\u0484\u0485\u0486\u0487\u0592\u0593\u0594\u0595\u0597"
    "\u0598\u0599\u059c\u059d\u059e\u059f\u05a0\u05a1\u05a8\u05a9\u05ab\u05ac\u05af\u05c4\u0610\u0611\u0612\u0613\u0614\u0615"
    "\u0616\u0617\u0657\u0658\u0659\u065a\u065b\u065d\u065e\u06d6\u06d7\u06d8\u06d9\u06da\u06db\u06dc\u06df\u06e0\u06e1\u06e2"
)
"""What is put over a placeholder for a number: its row, its column, and the first byte of the picture's name."""
_PIECE = 4096
MOST_CELLS = len(_MARKS)
"""Of a picture, in each direction."""


class PictureNames:
    """Names for the pictures of one program in a terminal that may hold those of others: numbers of four bytes.

    The last byte is told by a colour of the 256 that each such terminal has, the first one by a mark, and the others are none.
    """

    def __init__(self, first_byte: int) -> None:
        self._first_byte = first_byte % len(_MARKS)
        self._count = 0

    def next(self) -> int:
        """A name; the one that was given 255 times ago comes again."""
        self._count += 1
        return (self._first_byte << 24) + (self._count - 1) % 255 + 1


def transmission(pixels: Pixels, name: int, columns: int, rows: int) -> str:
    """What is sent to the terminal for a picture on so many cells; it answers nothing."""
    data = base64.standard_b64encode(zlib.compress(pixels.data, 1)).decode("ascii")
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    about = f"a=T,U=1,i={name},c={columns},r={rows},f=24,o=z,s={pixels.width},v={pixels.height},"
    return "".join(
        f"\x1b_G{about if not number else ''}q=2,m={int(number < len(pieces) - 1)};{piece}\x1b\\"
        for number, piece in enumerate(pieces)
    )


def placeholders(name: int, columns: int, rows: int) -> Iterator[tuple[Segment, ...]]:
    """The cells of each row."""
    style = Style(color=f"color({name & 255})")
    for row in range(rows):
        cells = (
            Segment(_PLACEHOLDER + _MARKS[row] + _MARKS[column] + _MARKS[name >> 24], style)
            for column in range(columns)
        )
        yield tuple(Segment.simplify(cells))
