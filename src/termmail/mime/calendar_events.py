"""Events and tasks of iCalendar data (RFC 5545), and what a mail wants with them (RFC 5546). The only importer of icalendar."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from termmail.mime.recurrence import in_words

if TYPE_CHECKING:
    from icalendar import Component

MAX_LENGTH = 256 * 1024
"""Of a calendar that somebody asked to see. The library takes a second for about 100 kB."""
MAX_INVITATION = 48 * 1024
"""Of all calendars that are shown with the text of a message, in characters."""
MAX_EVENTS = 100
MAX_ATTENDEES = 500

_MAX_COMPONENTS = 600
_MAX_DEPTH = 5
_MARK = re.compile(r"^(BEGIN|END):", re.IGNORECASE | re.MULTILINE)
_LINE = re.compile(r"[ \t]|[A-Za-z0-9-]{1,100}[;:]")
_NESTED = re.compile(r"(BEGIN|END):\s*([A-Za-z-]{1,40})\s*$", re.IGNORECASE)
_PARAMETER = re.compile(r"^([A-Z-]{1,40})(?:;[^\r\n:]*)?:", re.IGNORECASE)


class Attendee(NamedTuple):
    """Somebody, or a room. `answer` is PARTSTAT in lower case ("accepted", "needs-action"), `kind` CUTYPE ("individual", "room")."""

    name: str
    address: str
    answer: str = ""
    is_optional: bool = False
    kind: str = "individual"


class Event(NamedTuple):
    """One event or task. All strings are as the mail has them, not yet safe.

    `start` and `end` are a date for whole days (`end` is the day after the last), else a datetime, without a zone where the event has
    none. `recurrence` is in words, or the rule itself where `is_intricate`. `only` is the one occurrence that is meant, if not all.
    """

    is_task: bool
    uid: str
    summary: str
    start: datetime.date | None
    end: datetime.date | None
    location: str
    description: str
    organizer: Attendee | None
    attendees: tuple[Attendee, ...]
    status: str
    sequence: int
    recurrence: str = ""
    is_intricate: bool = False
    exceptions: tuple[datetime.date, ...] = ()
    more_dates: int = 0
    only: datetime.date | None = None
    url: str = ""
    comment: str = ""


class CalendarData(NamedTuple):
    """`method` is RFC 5546's in upper case ("REQUEST"), or empty."""

    method: str
    events: tuple[Event, ...]


def read_calendar(text: str, method: str = "", *, limit: int = MAX_LENGTH) -> CalendarData | None:
    """The events in `text`; None where there are none that can be read. `method` is what the part's header says. Never raises.

    What is longer than `limit` characters, or nested as no calendar is, is not read.
    """
    if len(text) > limit or "BEGIN:VCALENDAR" not in text.upper() or not _is_bounded(text):
        return None
    found = _components(text) or _components(_mended(text))
    events: list[Event] = []
    for calendar in found:
        stated = _text(calendar, "METHOD").upper()
        method = stated or method
        for component in calendar.walk():
            if component.name in ("VEVENT", "VTODO") and len(events) < MAX_EVENTS:
                event = _event(component)
                if event is not None:
                    events.append(event)
    return CalendarData(method.strip().upper(), tuple(events)) if events else None


def _is_bounded(text: str) -> bool:
    """Whether it has so few components, and so flat ones, that the library takes no long time (P5)."""
    depth = 0
    for count, mark in enumerate(_MARK.finditer(text), 1):
        depth += 1 if mark[1][0] in "Bb" else -1
        if depth > _MAX_DEPTH or count > 2 * _MAX_COMPONENTS:
            return False
    return True


def _components(text: str) -> list[Component]:
    """The calendars of a text; none where there is something wrong with it."""
    # Heavy, and of use for few mails.
    from icalendar import Calendar

    try:
        return list(Calendar.from_ical(text, multiple=True))
    except Exception:  # noqa: BLE001 - the library lets many kinds out on bad data, and the text is shown instead
        return []


def _mended(text: str) -> str:
    """Without the lines that can't be any, and with the ends that are missing, as of data that was cut off."""
    lines: list[str] = []
    open_: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not _LINE.match(line):
            continue
        nested = _NESTED.match(line)
        if nested is not None:
            name = nested[2].upper()
            if nested[1].upper() == "BEGIN":
                open_.append(name)
            elif name in open_:
                while open_[-1] != name:
                    lines.append(f"END:{open_.pop()}")
                open_.pop()
            else:
                continue
        elif not line[0].isspace() and not _PARAMETER.match(line):
            continue
        lines.append(line)
    lines += [f"END:{name}" for name in reversed(open_)]
    return "\r\n".join(lines) + "\r\n"


def _event(component: Component) -> Event | None:
    """None where nothing in it says anything."""
    start, end = _moment(component, "DTSTART"), _moment(component, "DTEND") or _moment(component, "DUE")
    duration = _decoded(component, "DURATION")
    if end is None and start is not None and isinstance(duration, datetime.timedelta):
        end = _later(start, duration)
    rule, is_intricate = _recurrence(component, start)
    organizer = next(_people(component, "ORGANIZER"), None)
    summary, uid = _text(component, "SUMMARY"), _text(component, "UID")
    if start is None and end is None and not summary and organizer is None:
        return None
    return Event(
        is_task=component.name == "VTODO",
        uid=uid,
        summary=summary,
        start=start,
        end=end,
        location=_text(component, "LOCATION"),
        description=_text(component, "DESCRIPTION"),
        organizer=organizer,
        attendees=tuple(_people(component, "ATTENDEE")),
        status=_text(component, "STATUS").upper(),
        sequence=_whole_number(_text(component, "SEQUENCE")),
        recurrence=rule,
        is_intricate=is_intricate,
        exceptions=tuple(_dates(component, "EXDATE")),
        more_dates=len(list(_dates(component, "RDATE"))),
        only=_moment(component, "RECURRENCE-ID"),
        url=_text(component, "URL"),
        comment=_text(component, "COMMENT"),
    )


def _first(component: Component, name: str) -> Any:
    value = component.get(name)
    return value[0] if isinstance(value, list) and value else value


def _text(component: Component, name: str) -> str:
    value = _first(component, name)
    return "" if value is None or isinstance(value, list) else str(value)


def _whole_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _decoded(component: Component, name: str) -> Any:
    """The Python value of a property; None where it is missing or could not be read."""
    value = _first(component, name)
    return _attribute(value, "dt") or _attribute(value, "td")


def _attribute(value: Any, name: str) -> Any:
    """An attribute of one of the library's values; None where it is missing, or the value was broken."""
    from icalendar.error import BrokenCalendarProperty

    try:
        return getattr(value, name, None)
    except BrokenCalendarProperty:
        return None


def _moment(component: Component, name: str) -> datetime.date | None:
    value = _decoded(component, name)
    return value if isinstance(value, datetime.date) else None


def _later(moment: datetime.date, duration: datetime.timedelta) -> datetime.date | None:
    try:
        return moment + duration
    except OverflowError:
        return None


def _dates(component: Component, name: str) -> Iterator[datetime.date]:
    value = component.get(name)
    for group in value if isinstance(value, list) else [value]:
        for one in _attribute(group, "dts") or ():
            moment = _attribute(one, "dt")
            if isinstance(moment, datetime.date):
                yield moment


def _recurrence(component: Component, start: datetime.date | None) -> tuple[str, bool]:
    rule = _first(component, "RRULE")
    items = _attribute(rule, "items")
    if items is None:
        return "", False
    parts = {str(name).upper(): value if isinstance(value, list) else [value] for name, value in items()}
    words = in_words(parts, start) if start is not None else None
    if words is not None:
        return words, False
    try:
        return rule.to_ical().decode("utf-8", "replace"), True
    except Exception:  # noqa: BLE001 - the library's writer may choke on what its reader took
        return "", False


def _people(component: Component, name: str) -> Iterator[Attendee]:
    value = component.get(name)
    found = value if isinstance(value, list) else [value] if value is not None else []
    for one in found[:MAX_ATTENDEES]:
        parameters = {key.upper(): _parameter(each) for key, each in (_attribute(one, "params") or {}).items()}
        address = str(one)
        if address.lower().startswith("mailto:"):
            address = address[7:]
        yield Attendee(
            parameters.get("CN", "").strip("\"' "),
            parameters.get("EMAIL", "") or address,
            parameters.get("PARTSTAT", "").lower(),
            parameters.get("ROLE", "").upper() in ("OPT-PARTICIPANT", "NON-PARTICIPANT"),
            parameters.get("CUTYPE", "individual").lower(),
        )


def _parameter(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value)
