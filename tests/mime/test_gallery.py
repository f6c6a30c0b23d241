"""The gallery's mails: what of their structure has to come through (P6, D7, D8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gallery.mails import LETTERS, mails
from mime_safety import assert_safe
from termmail.mime.layout import lay_out
from termmail.mime.logical import Cell, LogicalLine, LogicalTable, Run
from termmail.mime.reflow import reflowed
from termmail.mime.render import message_text, render_message
from termmail.mime.width import cell_width
from termmail.model.body import Rendered, Style

MAILS = mails()


def shown(name: str, width: int = 92) -> Rendered:
    return render_message(MAILS[name], width=width)


def text_of(name: str, width: int = 92) -> list[str]:
    return [line.text for line in shown(name, width).lines]


def styled(rendered: Rendered, style: Style) -> list[str]:
    return [span.text for line in rendered.lines for span in line.spans if span.style is style]


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("width", [24, 60, 92])
def test_each_is_safe_and_fits(name: str, width: int) -> None:
    """D1, D2, D11: at any width, with text and without notes of a mistake."""
    rendered = shown(name, width)
    assert_safe(rendered)
    assert max(cell_width(line.text) for line in rendered.lines) <= width
    assert not any("mistake" in note or "too large" in note for note in rendered.notes)


def test_layout_of_a_newsletter_flows() -> None:
    lines = text_of("newsletter")
    assert lines.index("Nobody wants the lighthouse") < lines.index("Good morning, Lisa,")
    assert "See the tower [3]" in lines
    assert "12 letters  No adverts   4 €" in lines
    assert "a year      none at all  a month" in lines
    assert not any(line.startswith("[picture]") for line in lines)


def test_links_are_numbered_and_tell_where_they_lead_when_that_changes() -> None:
    """D8: a number alone leads to the same host as the number before it."""
    rendered = shown("newsletter")
    lines = [line.text for line in rendered.lines]
    assert lines[0] == "View in browser [1→click.leeward.example]"
    assert "Unsubscribe [8] | Preferences [9] | Privacy [10→leeward.example]" in lines
    assert rendered.links[9] == "https://leeward.example/privacy"
    assert [span.link for line in rendered.lines for span in line.spans if span.text == " [3]"] == [2]


def test_articles_of_an_invoice_stand_in_columns() -> None:
    lines = text_of("invoice")
    head = next(place for place, line in enumerate(lines) if line.startswith("Article"))
    assert set(lines[head + 1]) == {"─"}
    shackle = next(line for line in lines if line.startswith("Shackle"))
    total = next(line for line in lines if line.lstrip().startswith("Total"))
    for word, line in (("Amount", lines[head]), ("45.00 €", shackle), ("238.00 €", total)):
        assert line.endswith(word)
        assert cell_width(line) == cell_width(lines[head + 1])
    assert shackle.index("11.25") + len("11.25 €") == lines[head].index("Price") + len("Price")


def test_a_table_without_room_is_a_list_of_fields() -> None:
    """D11: nothing of a bank's statement is cut or lost at 60 columns."""
    wide, narrow = text_of("statement"), text_of("statement", 60)
    assert any(line.startswith("Date        Value date") for line in wide)
    place = narrow.index("Date          2025-10-01")
    assert narrow[place : place + 8] == [
        "Date          2025-10-01",
        "Value date    2025-10-01",
        "Reference     TX-88120031",
        "Text          Standing order: rent for the boathouse,",
        "              October",
        "Counterparty  Harbour Office Skarvik",
        "Debit         420.00",
        "Balance       3,117.42",
    ]


def test_a_flight_is_read_from_left_to_right() -> None:
    lines = text_of("airline")
    place = lines.index("ZRH     GU 604  CPH")
    assert lines[place + 1].split() == ["Zürich", "Copenhagen"]
    assert lines[place + 2].split() == ["08:10", "10:00"]
    assert "Holm / Bob Mr    14B  none       –" in lines
    assert "Taxes and charges  CHF 138.40" in lines
    assert "Manage booking [1→air.example]   Check in [2]" in lines


def test_lists_definitions_and_corrections() -> None:
    rendered = shown("minutes")
    lines = [line.text for line in rendered.lines]
    place = lines.index("  1. post 14, where the ground is too soft")
    assert lines[place + 1 : place + 4] == [
        "     • a longer post is ordered",
        "     • costs: 1,200 €",
        "  2. post 15, which somebody has painted pink",
    ]
    assert styled(rendered, Style.DELETED) == ["post 15 is repainted"]
    assert "Balance" in styled(rendered, Style.STRONG)
    assert "    31,400 € on 1 November" in lines
    assert any("H₂O" in line for line in lines)
    assert any("mc²" in line for line in lines)


def test_code_keeps_its_lines() -> None:
    lines = text_of("forge")
    place = lines.index("    def read_rows(data: bytes) -> list[Row]:")
    assert lines[place + 3] == "            if line:"
    assert "      1. at the end" in lines


def test_preview_text_is_told_apart_from_what_is_hidden() -> None:
    """D7."""
    rendered = shown("hidden")
    assert "Preview text: “Your parcel is on its way and arrives tomorrow.”" in rendered.notes
    assert "A hidden part is not shown: “You agree that this parcel is paid by you again.”" in rendered.notes
    assert any(text.startswith("[invisible: I hereby confirm the transfer") for text in styled(rendered, Style.NOTE))
    # Nor is it quoted by an answer.
    assert "You agree" not in message_text(MAILS["hidden"])


def test_phishing_shows_where_it_leads() -> None:
    """D8."""
    rendered = shown("phishing")
    text = " ".join(line.text for line in rendered.lines)
    assert "sign in [1→login.firstcoastal.example.evil.example]" in text
    assert "https://www.firstcoastal.example/login [2→198.51.100.7]" in text
    assert text.count("[link refused]") == 3
    assert "A link that says www.firstcoastal.example leads to 198.51.100.7." in rendered.notes
    assert any(note.startswith("A form is not shown") for note in rendered.notes)


def test_old_quotations_are_folded_and_answers_within_the_text_are_not() -> None:
    folds = {name: shown(name).folds for name in LETTERS}
    assert {name for name, found in folds.items() if found} == {"old_quotes", "outlook", "gmail"}
    for name, last_new in (
        ("old_quotes", "On 28 October 2025 at 16:04, Anna Lindqvist wrote:"),
        ("gmail", "On Tue, Nov 4, 2025 at 6:12 PM Lisa Holm <lisa@example.com [1]> wrote:"),
        ("outlook", "From: Lisa Holm <lisa@example.com>"),
    ):
        (fold,) = folds[name]
        lines = text_of(name)
        assert [line for line in lines[: fold.first] if line][-1] == last_new
        assert fold.first + fold.count == len(lines)


def test_a_long_quotation_within_the_text_keeps_its_end() -> None:
    quoted = "".join(f"> line {number}\n" for number in range(30))
    rendered = render_message(f"\nHello\n{quoted}Yes.\n".encode(), width=60)
    (fold,) = rendered.folds
    assert (fold.first, fold.count) == (1, 26)
    assert rendered.lines[fold.first + fold.count].text == "> line 26"


def test_the_deeper_levels_of_a_quotation_are_folded_first() -> None:
    deep = "".join(f"> > old {number}\n" for number in range(10))
    rendered = render_message(f"\n> so it is\n{deep}> is it\nYes.\n".encode(), width=60)
    (fold,) = rendered.folds
    assert [line.text for line in rendered.lines[fold.first : fold.first + fold.count]] == [
        f"> > old {n}" for n in range(10)
    ]


def test_what_is_quoted_whole_is_not_folded() -> None:
    quoted = "".join(f"> line {number}\n" for number in range(30))
    assert render_message(f"\n{quoted}".encode(), width=60).folds == ()


def test_a_forwarded_header_at_the_beginning_is_what_there_is_to_read() -> None:
    fields = "From: A <a@example.org>\nSent: Monday\nTo: B <b@example.org>\nSubject: S\n\n" + "text\n" * 20
    assert render_message(f"\n{fields}".encode(), width=60).folds == ()
    (fold,) = render_message(f"\nSee below.\n\n{fields}".encode(), width=60).folds
    assert fold.first == 3


def test_paragraphs_wider_than_the_screen_are_put_together_again() -> None:
    lines = text_of("list", 60)
    place = lines.index("I like that. `--strict` stops at the first one, the default")
    assert lines[place + 1 : place + 3] == ["counts them, and the summary at the end names the first ten:", ""]
    assert "      row 2044: 31.4 m is no height" in lines
    place = lines.index("> > It could, but then nobody would notice that a gauge has")
    assert lines[place + 1] == "> > been silent since Easter. I would rather have it stop"
    assert "Cheers" in lines
    # Where there is room nothing is touched.
    assert "I like that. `--strict` stops at the first one, the default counts them, and" in text_of("list")


def test_items_of_lists_are_put_together_too() -> None:
    lines = text_of("plain_news", 60)
    place = lines.index("* Fishermen asked for a lower note, and got it; the seals")
    assert lines[place + 1] == "  seem to like it too."
    assert lines[place + 2].startswith("* A recording:")
    assert "  1. A lighthouse for sale, again" in lines


@given(st.lists(st.text("ab -*1.>|_", max_size=90), max_size=8), st.integers(10, 90))
def test_putting_paragraphs_together_loses_nothing(lines: list[str], width: int) -> None:
    """P15: whatever the text, its characters come in the same order, and without need it stays as it is."""
    logical = [LogicalLine(0, (Run(text),) if text else ()) for text in lines]
    done = list(reflowed(logical, width))
    before = ["".join(run.text for run in line.runs) for line in logical]
    after = ["".join(run.text for run in line.runs) for line in done]
    assert "".join(after).replace(" ", "") == "".join(before).replace(" ", "")
    if all(len(text) <= width for text in before):
        assert after == before


def test_a_patch_that_is_reviewed_keeps_its_colours() -> None:
    rendered = shown("review")
    assert [text for text in styled(rendered, Style.DIFF_REMOVE) if "round" in text] == [
        "-        speed = round(abs(self.speed), digits)"
    ]
    assert len(styled(rendered, Style.DIFF_ADD)) == 3  # among them the file's name


def test_flowed_paragraphs_and_flowed_quotations() -> None:
    lines = text_of("flowed")
    assert lines[0].startswith("Thanks for the long letter.")
    assert lines[0].endswith("and I")
    assert "> > I could cut the part about the dogs." in lines


def test_wide_characters_are_wrapped() -> None:
    """P7, D11: ISO-2022-JP."""
    lines = text_of("japanese", 40)
    assert lines[0] == "田中様"
    assert "  合計:4,620円(税込)" in lines


def test_a_message_quoted_in_an_answer_has_its_tables_and_no_numbers() -> None:
    text = message_text(MAILS["airline"])
    assert "Taxes and charges  CHF 138.40" in text
    assert "[1" not in text


CELLS = st.builds(
    Cell,
    st.lists(st.text("ab 日1.", max_size=30).map(lambda text: (Run(text),)), max_size=3).map(tuple),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(st.lists(CELLS, max_size=5).map(tuple), max_size=5).map(tuple), st.integers(10, 70), st.booleans())
def test_any_table_fits(rows: tuple[tuple[Cell, ...], ...], width: int, is_data: bool) -> None:
    """D11, P15: and no character of a cell is lost."""
    lines, _ = lay_out([LogicalTable(0, rows, is_data)], width)
    assert all(cell_width(line.text) <= width for line in lines)
    given_text = "".join(run.text for row in rows for cell in row for line in cell.lines for run in line)
    laid_out = "".join(line.text for line in lines)
    for character in "ab日1.":
        assert laid_out.count(character) >= given_text.count(character)
