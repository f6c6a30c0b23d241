"""safe_text: the one way from mail to the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.mime.safe_text import MAX_MARKS, safe_address, safe_text

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=("Cc", "Cf", "Cs", "Mn", "Zl", "Zp")),
        st.sampled_from("\x1b\x9b\x9d\x90[]P_^X;m0\x07\\\n\r\t\u202e\u202c\u2066\u2069\u0301\u200d"),
    )
)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mb", "ab"),
        ("a\x1b[?1049hb\x1b[2Jc", "abc"),
        ("a\x9b31mb", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
        ("a\x9d8;;http://evil\x9cb", "ab"),
        ("a\x1bP1;2|x\x1b\\b", "ab"),
        ("a\x1b_Gf=100\x1b\\b", "ab"),
        ("a\x1b^pm\x1b\\b\x1bXsos\x1b\\c", "abc"),
        ("a\x1b(0b\x1bcc\x1b7d", "abcd"),
        ("a\x1b]0;unterminated", "a"),
        ("a\x1b]0;unterminated\nnext line", "a\nnext line"),
        ("a\x1b[12;", "a"),
        ("a\x1b", "a"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("a\x00b\x07c\x08d\x7fe\x85f", "abcde\nf"),
        ("a\ud800b\udc80c", "abc"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("tab\tstays", "tab\tstays"),
        ("soft\xadhyphen \ufeffbom \u200bzero", "softhyphen bom zero"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("[/foo] [@click=app.quit]x[/]", "[/foo] [@click=app.quit]x[/]"),
    ],
)
def test_what_steers_a_terminal_goes_whole(hostile: str, shown: str) -> None:
    """D1, D3: whole sequences of ECMA-48, controls, surrogates; markup stays literal."""
    assert safe_text(hostile) == shown


def test_bytes_are_read_as_utf8_or_windows_1252() -> None:
    """D1, P7."""
    assert safe_text("é€".encode()) == "é€"
    assert safe_text(b"caf\xe9 \x80") == "café €"


def test_one_line_has_no_line_ends_tabs_or_bidi_controls() -> None:
    """D2."""
    assert safe_text("a\r\n\tb\tc", one_line=True) == "a b c"
    assert safe_text("invoice\u202efdp.exe\u2066x\u2069\u200f", one_line=True) == "invoicefdp.exex"


def test_marks_show_what_is_dropped() -> None:
    """D1: on demand."""
    assert safe_text("a\x1b[1m\x9b\udcff\ufeff\ud801", marks=True) == "a\\x1b[1m\\x9b\\xff\\ufeff\\ud801"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\u202eb\nc", "a\u202eb\u202c\nc"),
        ("a\u2067b\u202ac\nd", "a\u2067b\u202ac\u202c\u2069\nd"),
        ("a\u202cb\u2069c", "abc"),
        ("a\u2067b\u202ac\u2069d", "a\u2067b\u202ac\u202c\u2069d"),
        ("\u202bok\u202c", "\u202bok\u202c"),
    ],
)
def test_bidi_is_balanced_on_each_line(hostile: str, shown: str) -> None:
    """D2."""
    assert safe_text(hostile) == shown


def test_addresses_show_what_is_invisible() -> None:
    """D2."""
    assert safe_address("pay\u200bpal.com") == "pay\\u200bpal.com"
    assert safe_address("a\xadb\u200dc\U000e0041") == "a\\xadb\\u200dc\\U000e0041"
    assert safe_address("invoice\u202efdp.exe\n") == "invoicefdp.exe "
    assert safe_address("plain@example.org") == "plain@example.org"


def test_a_flood_of_marks_is_cut() -> None:
    """D11."""
    flood = "a" + "\u0301" * 5000 + "b" + "\u0489\u200d" * 500
    assert safe_text(flood) == "a" + "\u0301" * MAX_MARKS + "b" + "\u0489\u200d" * (MAX_MARKS // 2)
    assert safe_text(flood, one_line=True) == safe_text(flood)
    hidden_among_bidi = "a" + "\u0301\u202a" * 100
    assert safe_text(hidden_among_bidi).count("\u0301") == MAX_MARKS


@pytest.mark.parametrize(
    "good", ["नमस्ते दुनिया", "👩‍👩‍👧‍👦 family", "می‌خواهم", "日本語のメール", "Ελληνικά", "é́", "שלום"]
)
def test_real_writing_is_kept(good: str) -> None:
    """D11."""
    assert safe_text(good) == good
    assert safe_text(good, one_line=True) == good


@given(HOSTILE, st.booleans())
def test_nothing_unsafe_comes_through(text: str, one_line: bool) -> None:
    """D1, D2, D11, P15."""
    shown = safe_text(text, one_line=one_line)
    shown.encode()
    allowed = "" if one_line else "\n\t"
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in allowed]
    if one_line:
        assert not set(shown) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert safe_text(shown, one_line=one_line) == shown


@given(HOSTILE)
def test_bidi_controls_balance_on_every_line(text: str) -> None:
    """D2, P15."""
    for line in safe_text(text).split("\n"):
        opened = sum(line.count(c) for c in "\u202a\u202b\u202d\u202e")
        assert opened == line.count("\u202c")
        assert sum(line.count(c) for c in "\u2066\u2067\u2068") == line.count("\u2069")


@given(HOSTILE)
def test_addresses_are_printable(text: str) -> None:
    """D2, P15."""
    shown = safe_address(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(c) < 0x600]
    assert safe_address(shown) == shown
    marked = safe_text(text, marks=True)
    assert not [c for c in marked if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
