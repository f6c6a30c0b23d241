"""An invitation, its change or its end as a card: when in local time, how often, where, who."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator

from termmail.mime.calendar_events import Attendee, CalendarData, Event
from termmail.mime.cards import labelled, paragraphs, person, title
from termmail.mime.links import Links
from termmail.mime.logical import LogicalLine
from termmail.mime.recurrence import MONTHS, day_words
from termmail.model.body import Style

_EVENTS_SHOWN = 20
_ATTENDEES_SHOWN = 25
_EXCEPTIONS_SHOWN = 5
_NOTE_LINES = 12
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ANSWERS = {
    "accepted": "coming",
    "declined": "not coming",
    "tentative": "perhaps",
    "delegated": "sends somebody else",
    "needs-action": "no answer yet",
    "completed": "done",
    "in-process": "at work on it",
}
_REPLIES = {
    "accepted": "{who} is coming.",
    "declined": "{who} is not coming.",
    "tentative": "{who} is perhaps coming.",
    "delegated": "{who} sends somebody else.",
    "completed": "{who} has done it.",
}
_METHODS = {
    "CANCEL": "Cancelled: this does not take place",
    "COUNTER": "Another time is proposed",
    "DECLINECOUNTER": "The other time that was proposed does not suit",
    "REFRESH": "Somebody asks for the latest state of this event",
    "ADD": "More dates of an event",
}


def calendar_lines(data: CalendarData, links: Links) -> Iterator[LogicalLine]:
    """The card of the events that a part holds; one after the other where there are several."""
    for number, event in enumerate(data.events[:_EVENTS_SHOWN]):
        if number:
            yield LogicalLine()
        yield title(_heading(data.method, event))
        yield from _card(event, links)
    if len(data.events) > _EVENTS_SHOWN:
        yield LogicalLine()
        yield title(f"and {len(data.events) - _EVENTS_SHOWN} more", Style.NOTE)


def _heading(method: str, event: Event) -> str:
    if event.status == "CANCELLED" and method != "REPLY":
        return _METHODS["CANCEL"]
    if method == "REPLY":
        who = event.attendees[0] if event.attendees else None
        if who is not None and who.answer in _REPLIES:
            return _REPLIES[who.answer].format(who=person(who.name, who.address))
        return "An answer to an invitation"
    if method in _METHODS:
        return _METHODS[method]
    kind = "task" if event.is_task else "event"
    if method == "REQUEST":
        if event.is_task:
            return "A task for you"
        return "Changed invitation" if event.sequence else "Invitation"
    return kind.capitalize()


def _card(event: Event, links: Links) -> Iterator[LogicalLine]:
    yield labelled("What", event.summary or "(no title)", style=Style.STRONG)
    if event.start is not None:
        yield labelled("When", _span(_local(event.start), _local(event.end)))
        elsewhere = _elsewhere(event)
        if elsewhere:
            yield labelled("", elsewhere, style=Style.NOTE)
    elif event.end is not None:
        yield labelled("Due", _moment(_local(event.end)))
    if event.only is not None:
        yield labelled("", f"This is about the one on {_moment(_local(event.only))} only.", style=Style.NOTE)
    if event.recurrence:
        words = (
            f"by a rule that is too intricate for words: {event.recurrence}" if event.is_intricate else event.recurrence
        )
        yield labelled("Repeats", words + _exceptions(event))
    if event.status == "TENTATIVE":
        yield labelled("", "It is not certain yet.", style=Style.NOTE)
    if event.location.strip():
        yield labelled("Where", event.location, links)
    if event.url.strip():
        yield labelled("Link", event.url, links)
    if event.organizer is not None:
        yield labelled("From", person(event.organizer.name, event.organizer.address))
    yield from _attendees(event.attendees)
    if event.comment.strip():
        yield labelled("Comment", event.comment, links)
    if event.description.strip():
        yield labelled("Notes", "")
        yield from paragraphs(event.description, links, most=_NOTE_LINES)


def _attendees(attendees: tuple[Attendee, ...]) -> Iterator[LogicalLine]:
    shown = attendees if len(attendees) <= _ATTENDEES_SHOWN else attendees[: _ATTENDEES_SHOWN - 1]
    for number, one in enumerate(shown):
        remarks = [_ANSWERS.get(one.answer, one.answer)] if one.answer else []
        if one.is_optional:
            remarks.append("optional")
        if one.kind in ("room", "resource", "group"):
            remarks.append(one.kind)
        words = person(one.name, one.address) + (f"  · {', '.join(remarks)}" if remarks else "")
        yield labelled("" if number else "Invited", words)
    rest = attendees[len(shown) :]
    if rest:
        counts = Counter(_ANSWERS.get(one.answer, "no answer yet") for one in rest)
        words = ", ".join(f"{count} {answer}" for answer, count in counts.most_common())
        yield labelled("", f"and {len(rest)} more: {words}", style=Style.NOTE)


def _exceptions(event: Event) -> str:
    words = ""
    if event.exceptions:
        days = [_day(_local(one)) for one in event.exceptions[:_EXCEPTIONS_SHOWN]]
        more = len(event.exceptions) - len(days)
        words = ", but not on " + ", ".join(days) + (f" and {more} more days" if more else "")
    if event.more_dates:
        words += f", and on {event.more_dates} further {'day' if event.more_dates == 1 else 'days'}"
    return words


def _local(moment: datetime.date | None) -> datetime.date | None:
    """A datetime with a zone in the zone of this computer; anything else as it is."""
    if isinstance(moment, datetime.datetime) and moment.tzinfo is not None:
        try:
            return moment.astimezone()
        except (OverflowError, OSError, ValueError):
            return moment
    return moment


def _elsewhere(event: Event) -> str:
    """The times where the event was made, if clocks differ there; or that it has no zone."""
    start = event.start
    if not isinstance(start, datetime.datetime):
        return ""
    if start.tzinfo is None:
        return "The event names no time zone: this is the time wherever you are."
    zone = _zone_name(start)
    local = _local(start)
    if not zone or not isinstance(local, datetime.datetime) or start.utcoffset() == local.utcoffset():
        return ""
    return f"{_span(start, event.end)} in {zone}"


def _zone_name(moment: datetime.datetime) -> str:
    zone = moment.tzinfo
    name = str(getattr(zone, "key", "") or getattr(zone, "_tzid", "") or moment.tzname() or "")
    return "" if name in ("UTC", "Z", "GMT", "Etc/UTC") else name.replace("_", " ")


def _span(start: datetime.date | None, end: datetime.date | None) -> str:
    if start is None:
        return ""
    if not isinstance(start, datetime.datetime):
        last = end - datetime.timedelta(days=1) if end is not None and not isinstance(end, datetime.datetime) else start
        return f"{_day(start)}, all day" if last <= start else f"{_day(start)} to {_day(last)}, all day"
    if not isinstance(end, datetime.datetime):
        return _moment(start)
    if (end.tzinfo is None) != (start.tzinfo is None) or end <= start:
        return _moment(start)
    if end.date() == start.date():
        return f"{_moment(start)} to {end:%H:%M}"
    return f"{_moment(start)} to {_moment(end)}"


def _moment(moment: datetime.date | None) -> str:
    if moment is None:
        return ""
    return f"{_day(moment)}, {moment:%H:%M}" if isinstance(moment, datetime.datetime) else _day(moment)


def _day(day: datetime.date | None) -> str:
    if day is None:
        return ""
    words = day_words(day)
    return f"{_DAYS[day.weekday()]}, {words.replace(MONTHS[day.month - 1], MONTHS[day.month - 1][:3])}"
