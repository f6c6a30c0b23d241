"""Invitations: times here and there, recurrence in words, who comes, what is cancelled."""

from __future__ import annotations

import base64
import datetime
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mime_safety import assert_safe
from termmail.mime.calendar_events import MAX_EVENTS, MAX_LENGTH, read_calendar
from termmail.mime.recurrence import in_words
from termmail.mime.render import render_message

TUESDAY = datetime.date(2026, 12, 1)


@pytest.fixture(autouse=True)
def _in_new_york() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def calendar(*lines: str, method: str = "REQUEST", kind: str = "VEVENT") -> bytes:
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            f"METHOD:{method}",
            f"BEGIN:{kind}",
            "UID:1@skarvik.example",
            "SUMMARY:Crane day",
            *lines,
            f"END:{kind}",
            "END:VCALENDAR",
            "",
        ]
    ).encode()


def mail(data: bytes, *, twice: bool = False) -> bytes:
    attached = (
        b"\n--b\nContent-Type: application/ics; name=invite.ics\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(data)
    )
    return (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=a\n\n"
        b"--a\n\nPlease come.\n--a\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\n\n"
        + data
        + b"\n--a--\n"
        + (attached if twice else b"")
        + b"\n--b--\n"
    )


def lines_of(data: bytes) -> list[str]:
    rendered = render_message(mail(data), width=90)
    assert_safe(rendered)
    return [line.text.rstrip() for line in rendered.lines]


OSLO = ("DTSTART;TZID=Europe/Oslo:20261201T100000", "DTEND;TZID=Europe/Oslo:20261201T130000")


def test_an_invitation() -> None:
    """The card is in front of the text: when here and there, how often, where, who, and how they answered."""
    data = calendar(
        *OSLO,
        "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL=20270303T090000Z",
        "EXDATE;TZID=Europe/Oslo:20261215T100000",
        "LOCATION:Skarvik Light\\, north landing",
        "ORGANIZER;CN=Mira Okonkwo:mailto:mira@skarvik.example",
        "ATTENDEE;CN=Lisa Brandt;PARTSTAT=NEEDS-ACTION:mailto:lisa@demo.example",
        "ATTENDEE;CN=Henrik;PARTSTAT=ACCEPTED;ROLE=OPT-PARTICIPANT:mailto:henrik@skarvik.example",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:ole@nordholm.example",
        "ATTENDEE;CUTYPE=ROOM;PARTSTAT=TENTATIVE;CN=Boathouse:mailto:boathouse@skarvik.example",
        "DESCRIPTION:Hard hats are in the boathouse.\\nSoup at one.",
    )
    assert lines_of(data) == [
        "Invitation",
        "What      Crane day",
        "When      Tue, 1 Dec 2026, 04:00 to 07:00",
        "          Tue, 1 Dec 2026, 10:00 to 13:00 in Europe/Oslo",
        "Repeats   every second Tuesday until 3 March 2027, but not on Tue, 15 Dec 2026",
        "Where     Skarvik Light, north landing",
        "From      Mira Okonkwo <mira@skarvik.example>",
        "Invited   Lisa Brandt <lisa@demo.example>  · no answer yet",
        "          Henrik <henrik@skarvik.example>  · coming, optional",
        "          ole@nordholm.example  · not coming",
        "          Boathouse <boathouse@skarvik.example>  · perhaps, room",
        "Notes",
        "Hard hats are in the boathouse.",
        "Soup at one.",
        "",
        "Please come.",
    ]


def test_the_same_event_twice_is_one_card() -> None:
    """Most invitations are in a mail as a part and as a file."""
    rendered = render_message(mail(calendar(*OSLO), twice=True), width=80)
    assert [line.text for line in rendered.lines].count("Invitation") == 1
    assert [part.filename for part in rendered.attachments] == ["invite.ics"]


@pytest.mark.parametrize(
    ("method", "more", "heading"),
    [
        ("REQUEST", ("SEQUENCE:2",), "Changed invitation"),
        ("CANCEL", (), "Cancelled: this does not take place"),
        ("REQUEST", ("STATUS:CANCELLED",), "Cancelled: this does not take place"),
        ("PUBLISH", (), "Event"),
        ("COUNTER", (), "Another time is proposed"),
        ("REPLY", ("ATTENDEE;CN=Bob;PARTSTAT=ACCEPTED:mailto:bob@example.org",), "Bob <bob@example.org> is coming."),
        ("REPLY", ("ATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.org",), "bob@example.org is not coming."),
        ("REPLY", ("ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.org",), "bob@example.org is perhaps coming."),
        ("REPLY", (), "An answer to an invitation"),
    ],
)
def test_what_a_mail_wants_with_an_event(method: str, more: tuple[str, ...], heading: str) -> None:
    """RFC 5546: new, changed, cancelled, answered."""
    assert lines_of(calendar(*OSLO, *more, method=method))[0] == heading


@pytest.mark.parametrize(
    ("lines", "when"),
    [
        (
            ("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"),
            ["When      Thu, 24 Dec 2026 to Sat, 26 Dec 2026, all day"],
        ),
        (("DTSTART;VALUE=DATE:20261224",), ["When      Thu, 24 Dec 2026, all day"]),
        (("DTSTART:20261201T090000Z", "DURATION:PT90M"), ["When      Tue, 1 Dec 2026, 04:00 to 05:30"]),
        (
            ("DTSTART:20261201T090000",),
            [
                "When      Tue, 1 Dec 2026, 09:00",
                "          The event names no time zone: this is the time wherever you are.",
            ],
        ),
        (
            ("DTSTART:20261201T230000Z", "DTEND:20261202T060000Z"),
            ["When      Tue, 1 Dec 2026, 18:00 to Wed, 2 Dec 2026, 01:00"],
        ),
        (("DTSTART;TZID=America/New_York:20261201T100000",), ["When      Tue, 1 Dec 2026, 10:00"]),
        (("DTSTART:20261201T090000Z", "DTEND:20261101T090000Z"), ["When      Tue, 1 Dec 2026, 04:00"]),
    ],
)
def test_times(lines: tuple[str, ...], when: list[str]) -> None:
    """Whole days, spans over midnight, no zone, an end before the start."""
    assert lines_of(calendar(*lines))[2 : 2 + len(when)] == when


def test_one_occurrence_of_many() -> None:
    """RECURRENCE-ID."""
    shown = lines_of(calendar(*OSLO, "RECURRENCE-ID:20261201T090000Z"))
    assert "          This is about the one on Tue, 1 Dec 2026, 04:00 only." in shown


def test_a_task() -> None:
    """VTODO."""
    assert lines_of(calendar("DUE;VALUE=DATE:20261224", kind="VTODO"))[:3] == [
        "A task for you",
        "What      Crane day",
        "Due       Thu, 24 Dec 2026",
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"FREQ": ["DAILY"]}, "every day"),
        ({"FREQ": ["DAILY"], "INTERVAL": [3], "COUNT": [10]}, "every third day, 10 times in all"),
        ({"FREQ": ["DAILY"], "BYDAY": ["MO", "TU", "WE", "TH", "FR"]}, "every weekday, Monday to Friday"),
        ({"FREQ": ["WEEKLY"]}, "every Tuesday"),
        (
            {"FREQ": ["WEEKLY"], "INTERVAL": [2], "BYDAY": ["TU"], "UNTIL": [datetime.date(2027, 3, 3)]},
            "every second Tuesday until 3 March 2027",
        ),
        ({"FREQ": ["WEEKLY"], "BYDAY": ["WE", "MO"], "WKST": ["MO"]}, "every Monday and Wednesday"),
        (
            {"FREQ": ["WEEKLY"], "INTERVAL": [2], "BYDAY": ["MO", "WE", "FR"]},
            "every second week on Monday, Wednesday and Friday",
        ),
        ({"FREQ": ["MONTHLY"]}, "on the 1st of every month"),
        ({"FREQ": ["MONTHLY"], "BYMONTHDAY": [15, -1]}, "on the 15th and last day of every month"),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["1TU"]}, "on the first Tuesday of every month"),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["-1FR"], "INTERVAL": [2]}, "on the last Friday of every second month"),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["TH"], "BYSETPOS": [-2]}, "on the second to last Thursday of every month"),
        (
            {"FREQ": ["MONTHLY"], "BYDAY": ["MO", "TU", "WE", "TH", "FR"], "BYSETPOS": [-1]},
            "on the last weekday of every month",
        ),
        ({"FREQ": ["YEARLY"]}, "every year on 1 December"),
        ({"FREQ": ["YEARLY"], "BYMONTH": [3], "BYDAY": ["-1SU"]}, "every year on the last Sunday of March"),
        ({"FREQ": ["HOURLY"], "INTERVAL": [12]}, "every 12th hour"),
        ({"FREQ": ["YEARLY"], "BYWEEKNO": [20]}, None),
        ({"FREQ": ["MONTHLY"], "BYDAY": ["MO"], "BYMONTHDAY": [13]}, None),
        ({"FREQ": ["WEEKLY"], "INTERVAL": [0]}, None),
        ({"FREQ": ["WEEKLY"], "BYDAY": ["XX"]}, None),
        ({"FREQ": ["YEARLY"], "BYMONTH": [13]}, None),
        ({}, None),
    ],
)
def test_recurrence_in_words(rule: dict[str, list[object]], words: str | None) -> None:
    """RFC 5545 §3.3.10; None for what is too intricate or makes no sense."""
    assert in_words(rule, TUESDAY) == words


def test_a_rule_that_is_too_intricate_is_shown_itself() -> None:
    """Rather than words that are not quite true."""
    shown = lines_of(calendar(*OSLO, "RRULE:FREQ=YEARLY;BYWEEKNO=20"))
    assert "Repeats   by a rule that is too intricate for words: FREQ=YEARLY;BYWEEKNO=20" in shown


def test_hostile_strings_of_an_event() -> None:
    """D1, D4, D8: control sequences, a name that pretends to be an address, a link that runs something."""
    data = calendar(
        *OSLO,
        "LOCATION:\x1b]0;owned\x07here\u202e",
        'ORGANIZER;CN="boss@bank.example":mailto:crook@evil.example',
        "URL:javascript:alert(1)",
    )
    shown = lines_of(data)
    assert "Where     here" in shown
    assert "From      crook@evil.example (calls itself “boss at bank.example”)" in shown
    assert render_message(mail(data), width=80).links == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b"BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
    ],
)
def test_what_is_no_event_falls_back_to_text(data: bytes) -> None:
    """P1: told, and the mail's own text is there."""
    rendered = render_message(mail(data), width=80)
    assert [line.text for line in rendered.lines] == ["Please come."]
    assert rendered.notes == (
        "A calendar part of the message can't be read as one; it can be viewed as text and saved.",
    )


@pytest.mark.parametrize("cut", [0.5, 0.7, 0.9])
def test_an_event_that_is_cut_off_or_has_broken_lines(cut: float) -> None:
    """P1: what is there is shown."""
    data = calendar(
        "DTSTART:20261201T090000Z", "this is no line", "LOCATION:Skarvik Light", "DESCRIPTION:" + "soup " * 20
    )
    assert "What      Crane day" in lines_of(data[: int(len(data) * cut)])
    assert "Where     Skarvik Light" in lines_of(data)


def test_very_many_and_very_large() -> None:
    """P5."""
    event = "BEGIN:VEVENT\r\nSUMMARY:x\r\nDTSTART:20261201T090000Z\r\nEND:VEVENT\r\n"
    found = read_calendar("BEGIN:VCALENDAR\r\n" + event * (MAX_EVENTS + 5) + "END:VCALENDAR\r\n")
    assert found is not None
    assert len(found.events) == MAX_EVENTS
    assert read_calendar("BEGIN:VCALENDAR\r\n" + "X:y\r\n" * (MAX_LENGTH // 4)) is None
    assert read_calendar("BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 20) is None


def test_calendars_of_a_message_share_a_budget() -> None:
    """P5: many invitations in one mail, or a large one, cost no more than one; each can still be viewed by itself."""
    large = calendar(*OSLO, "DESCRIPTION:" + "soup " * 10_000)
    rendered = render_message(mail(large), width=80)
    assert rendered.notes == (
        "A calendar part of the message can't be read as one; it can be viewed as text and saved.",
    )
    assert read_calendar(large.decode()) is not None


# The first one imports icalendar.
@settings(deadline=None)
@given(st.data())
def test_broken_calendars(data: st.DataObject) -> None:
    """P1, P15, D1: cut, or with bytes changed."""
    broken = bytearray(calendar(*OSLO, "RRULE:FREQ=MONTHLY;BYDAY=1TU;COUNT=3", "ATTENDEE;CN=a:mailto:a@b.example"))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    assert_safe(render_message(mail(bytes(broken[: data.draw(st.integers(0, len(broken)))])), width=60))
