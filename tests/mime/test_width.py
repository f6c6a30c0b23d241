"""Cells of text as terminals draw it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from termmail.mime.width import cell_width, cut_cells


@pytest.mark.parametrize(
    ("text", "cells"),
    [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("ｱ", 1), ("Ａ", 2), ("😀", 2), ("a\u200d", 1), ("한글", 4)],
)
def test_cells(text: str, cells: int) -> None:
    """D11."""
    assert cell_width(text) == cells


@given(st.text(st.characters(codec="utf-8", min_codepoint=0xA0) | st.sampled_from(" aZ~")))
def test_never_fewer_than_the_terminal_library_reckons(text: str) -> None:
    """D11."""
    assert cell_width(text) >= cell_len(text)


@pytest.mark.slow
def test_no_character_is_narrower_than_the_terminal_library_reckons() -> None:
    """D11: all of them, one by one."""
    characters = (chr(code) for code in range(0xA0, 0x110000) if not 0xD800 <= code < 0xE000)
    assert [f"U+{ord(c):04X}" for c in characters if cell_width(c) < cell_len(c)] == []


@given(st.text(), st.integers(0, 30))
def test_cut_text_fits(text: str, cells: int) -> None:
    """D11."""
    taken = cut_cells(text, cells)
    assert cell_width(text[:taken]) <= max(cells, 2) or taken == 1
    assert taken >= min(1, len(text))
    if taken < len(text) and taken > 1:
        assert cell_width(text[: taken + 1]) > cells
