"""Which of many names a few letters mean."""

from __future__ import annotations


def score(query: str, text: str) -> float:
    """How well `text` matches; 0 for not at all. Both are case-folded. Every word of the query must be found.

    The start of the text counts most, then the start of a word, then anywhere in a row, then scattered in order.
    """
    total = 0.0
    for word in query.split():
        found = _word_score(word, text)
        if not found:
            return 0.0
        total += found
    return total or 1.0


def _word_score(word: str, text: str) -> float:
    position = text.find(word)
    if position == 0:
        return 100.0 - len(text) / 1000
    while position > 0:
        if not text[position - 1].isalnum():
            return 80.0 - position / 100 - len(text) / 1000
        following = text.find(word, position + 1)
        if following < 0:
            return 60.0 - position / 100 - len(text) / 1000
        position = following
    gaps = 0
    place = -1
    for letter in word:
        following = text.find(letter, place + 1)
        if following < 0:
            return 0.0
        gaps += following - place - 1
        place = following
    return max(1.0, 40.0 - gaps)
