"""Times in words for sending later."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from termmail.mime.when import parse_when

ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
NOW = datetime.datetime(2026, 11, 24, 14, 30, tzinfo=ZONE)
"""A Tuesday, in a zone that is nobody's here."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tomorrow 8:00", "2026-11-25 08:00"),
        ("tomorrow", "2026-11-25 08:00"),
        ("Tomorrow at 6 pm", "2026-11-25 18:00"),
        ("Mon 9", "2026-11-30 09:00"),
        ("monday", "2026-11-30 08:00"),
        ("Tue 9", "2026-12-01 09:00"),
        ("Tue 15:00", "2026-11-24 15:00"),
        ("next fri evening", "2026-11-27 18:00"),
        ("in 2 hours", "2026-11-24 16:30"),
        ("in an hour", "2026-11-24 15:30"),
        ("3d", "2026-11-27 14:30"),
        ("18:15", "2026-11-24 18:15"),
        ("9", "2026-11-25 09:00"),
        ("12 am", "2026-11-25 00:00"),
        ("tonight", "2026-11-24 20:00"),
        ("24 Dec 18:00", "2026-12-24 18:00"),
        ("1 march", "2027-03-01 08:00"),
        ("24 Dec 2027", "2027-12-24 08:00"),
        ("2026-12-24 18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00", "2026-12-24 18:00"),
    ],
)
def test_words(words: str, expected: str) -> None:
    found = datetime.datetime.fromtimestamp(parse_when(words, NOW), ZONE)
    assert f"{found:%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "words", ["", "soon", "25:00", "Mon 9:75", "31 Feb", "13 pm", "2026-13-01", "in 2 moons", "monda 9x"]
)
def test_what_is_not_understood(words: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        parse_when(words, NOW)


@pytest.mark.parametrize("words", ["today 9", "2026-11-24 14:00", "24 Dec 2020"])
def test_what_is_over(words: str) -> None:
    with pytest.raises(ValueError, match="over"):
        parse_when(words, NOW)


def test_by_this_computer() -> None:
    assert parse_when("in 1 minute") > datetime.datetime.now().timestamp() + 50


@given(st.text(max_size=30))
def test_anything_is_answered(words: str) -> None:
    try:
        found = parse_when(words, NOW)
    except ValueError:
        return
    assert found > NOW.timestamp()
