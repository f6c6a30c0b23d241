"""Plain text: quotes, flowed, signatures, links, wrapping by cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from termmail.mime.layout import lay_out
from termmail.mime.links import Links, find_links, safe_url
from termmail.mime.logical import LogicalLine, Run
from termmail.mime.plain import plain_lines
from termmail.mime.width import cell_width
from termmail.model.body import Line, Style


def plain(text: str, width: int = 40, **options: bool) -> list[Line]:
    return lay_out(plain_lines(text, Links(), **options), width)[0]


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def styles(line: Line) -> list[Style]:
    return [span.style for span in line.spans]


def test_long_lines_are_wrapped_between_words() -> None:
    """D11."""
    lines = plain("The quick brown fox jumps over the lazy dog and runs away.\nshort", 20)
    assert texts(lines) == ["The quick brown fox", "jumps over the lazy", "dog and runs away.", "short"]
    assert [line.wrapped for line in lines] == [True, True, False, False]


def test_what_is_longer_than_a_line_is_cut_and_lists_hang() -> None:
    """D11."""
    assert texts(plain("see " + "x" * 45, 20)) == ["see", "x" * 20, "x" * 20, "x" * 5]
    assert texts(plain("  * one two three four five six", 15)) == ["  * one two", "    three four", "    five six"]
    assert texts(plain("12. one two three four five", 15)) == ["12. one two", "    three four", "    five"]


def test_wide_characters_break_anywhere_but_before_closing_marks() -> None:
    """D11."""
    assert texts(plain("日本語の文章です。はい", 10)) == ["日本語の文", "章です。は", "い"]
    assert texts(plain("一二三四五。六", 10)) == ["一二三四", "五。六"]


def test_quotes_keep_their_marks_on_every_line() -> None:
    lines = plain("> quoted text that is long enough to wrap\n>> > deep\nanswer\n>From here", 24)
    assert texts(lines) == ["> quoted text that is", "> long enough to wrap", "> > > deep", "answer", "From here"]
    assert [styles(line)[0] for line in lines] == [Style.QUOTE1, Style.QUOTE1, Style.QUOTE3, Style.PLAIN, Style.PLAIN]


def test_flowed_paragraphs_are_joined() -> None:
    """RFC 3676: by depth, unstuffed, with delsp, and never across the signature."""
    flowed = "This is \na paragraph.\n> quoted \n> on.\n> > other \nfixed\n From stuffed\nend \n-- \nsig \nnature\n"
    assert texts(plain(flowed, flowed=True)) == [
        "This is a paragraph.",
        "> quoted on.",
        "> > other",
        "fixed",
        "From stuffed",
        "end",
        "--",
        "sig nature",
    ]
    assert texts(plain("日本 \n語\n", flowed=True, delsp=True)) == ["日本語"]


def test_signature_begins_at_its_separator() -> None:
    lines = plain("text\n-- \nLisa\nhttps://example.org/lisa\n")
    assert [styles(line)[0] for line in lines] == [Style.PLAIN, Style.SIGNATURE, Style.SIGNATURE, Style.LINK]


def test_patches_are_shown_as_such() -> None:
    text = (
        "Fix it\n---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\nindex 1234567..89abcde 100644\n--- a/a.c\n+++ b/a.c\n"
        "@@ -1,2 +1,2 @@ int\n context\n-old\n+new\n-- \n2.40\n- item\n"
    )
    lines = plain(text)
    assert [styles(line)[0].name if line.spans else "" for line in lines] == [
        *(
            "PLAIN",
            "PLAIN",
            "PLAIN",
            "",
            "STRONG",
            "STRONG",
            "STRONG",
            "STRONG",
            "HEADING",
            "CODE",
            "DIFF_REMOVE",
            "DIFF_ADD",
        ),
        *("SIGNATURE", "SIGNATURE", "SIGNATURE"),
    ]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see https://example.org/a_(b)?c=d#e.", ["https://example.org/a_(b)?c=d#e"]),
        ("(http://example.org/x), <https://example.org>!", ["http://example.org/x", "https://example.org"]),
        ("www.example.org and lisa@example.org.", ["http://www.example.org", "mailto:lisa@example.org"]),
        ("mailto:lisa@example.org?subject=hi", ["mailto:lisa@example.org?subject=hi"]),
        ("http:// and www. and @ and a@b", []),
        ("“https://example.org/q”", ["https://example.org/q"]),
        ("javascript:alert(1) file:///etc/passwd", []),
    ],
)
def test_links_are_found(text: str, urls: list[str]) -> None:
    assert [url for _, _, url in find_links(text)] == urls


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "http://good.example@evil.example/",
        "https://user:password@evil.example/",
        "http://evil.example%00.good.example/",
        "http:\\\\evil.example",
        "http://",
        "http:evil.example",
        "https://[broken/",
        "ftp://example.org/x",
        "mailto:a@b.c?subject=x%0ABcc:%20d@e.f",
        "//example.org",
        "/relative",
        "#anchor",
        "",
        "https://example.org/" + "x" * 5000,
    ],
)
def test_unsafe_urls_are_no_links(url: str) -> None:
    """D8, A4."""
    assert safe_url(url) is None


def test_safe_urls_show_what_is_invisible() -> None:
    """D2, D8."""
    assert safe_url(" https://example.org/a\u200bb\u202e \n") == "https://example.org/a\\u200bb"


def test_links_are_numbered_once_each() -> None:
    links = Links()
    lines, _ = lay_out(plain_lines("https://a.example https://b.example\nhttps://a.example", links), 80)
    assert links.urls == ["https://a.example", "https://b.example"]
    assert [span.link for line in lines for span in line.spans if span.style is Style.LINK] == [0, 1, 0]


TEXT = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("abc de f>-+@. \u0301\u200d日本。한👩\ufe0f☺\u3000")),
    max_size=120,
)


@given(TEXT, st.integers(10, 60), st.booleans())
def test_no_line_is_too_wide_and_nothing_is_lost(text: str, width: int, hard: bool) -> None:
    """D11, P15: for this program's cells and for the terminal library's."""
    text = text.replace("\n", " ")
    half = len(text) // 2
    runs = tuple(run for run in (Run(text[:half]), Run(text[half:], Style.STRONG)) if run.text)
    lines, _ = lay_out([LogicalLine(0, runs, hard)], width)
    for line in lines:
        assert cell_width(line.text) <= width
        assert cell_len(line.text) <= width
    if text.isascii() and text.isprintable():
        assert "".join(texts(lines)).replace(" ", "") == text.replace(" ", "")


@given(st.text(st.sampled_from("> ab-\n+@@ dif\u202e\x1b[\t"), max_size=120), st.booleans(), st.booleans())
def test_any_plain_text_is_laid_out(text: str, flowed: bool, delsp: bool) -> None:
    """P1, P15, D1."""
    for line in plain(text, 30, flowed=flowed, delsp=delsp):
        assert cell_width(line.text) <= 30
        assert "\x1b" not in line.text
        assert "\t" not in line.text


def test_very_many_lines_are_cut() -> None:
    """P5."""
    lines, cut = lay_out((LogicalLine() for _ in range(1_000_000)), 80)
    assert cut
    assert len(lines) == 50_000
