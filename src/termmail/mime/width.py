"""How many terminal cells text takes (D11). Where terminals differ the larger figure counts, so that no line is too wide."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cc", "Cs"):
        # An emoji variation selector makes some terminals draw a narrow character wide.
        return 1 if character == "\ufe0f" else 0
    if unicodedata.east_asian_width(character) in "WF" or "\U0001f000" <= character <= "\U0001faff":
        return 2
    # Unassigned for this Python's tables, maybe an emoji of a newer Unicode for the terminal's.
    return 2 if category == "Cn" else 1


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
