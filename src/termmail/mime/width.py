"""How many terminal cells text takes (D11). Where terminals differ the larger figure counts, so that no line is too wide."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Wide since Unicode 16, later than the tables of the Pythons this runs on: trigrams, hexagrams, counting rods.
_NEWLY_WIDE = ((0x2630, 0x2637), (0x268A, 0x268F), (0x4DC0, 0x4DFF), (0x1D300, 0x1D376), (0x1F000, 0x1FAFF))
# Emoji variation selector, soft hyphen, signs that enclose the numbers after them: drawn by some terminals.
_SOMETIMES_DRAWN = frozenset(
    "\ufe0f\xad\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cc", "Cs"):
        return 1 if character in _SOMETIMES_DRAWN else 0
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    # Unassigned for this Python's tables, maybe an emoji of a newer Unicode for the terminal's.
    if category == "Cn" or any(first <= ord(character) <= last for first, last in _NEWLY_WIDE):
        return 2
    return 1


def cell_width(text: str) -> int:
    """The cells `text` takes at most; it has passed `safe_text` and holds no newline or tab."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def cut_cells(text: str, cells: int) -> int:
    """How many characters from the start of `text` fit into `cells`; at least one where there is one."""
    if text.isascii():
        return min(len(text), max(1, cells))
    used = 0
    for position, character in enumerate(text):
        used += _character_width(character)
        if used > cells:
            return max(1, position)
    return len(text)
