"""A recurrence rule (RFC 5545 §3.3.10) in words: "every second Tuesday until 3 March 2027"."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WORKDAYS = {0, 1, 2, 3, 4}
_UNITS = {
    "SECONDLY": "second",
    "MINUTELY": "minute",
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_KNOWN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"}

Rule = Mapping[str, Sequence[object]]


def in_words(rule: Rule, start: datetime.date) -> str | None:
    """The rule in words, for an event that begins on `start`; None where it is too intricate for them. Never raises.

    `rule` has the parts of the rule by upper case name, each a list: numbers for most, "2TU" for BYDAY, a date or datetime for UNTIL.
    """
    try:
        rhythm = _rhythm(rule, start)
    except (ValueError, IndexError, TypeError, KeyError):
        return None
    if rhythm is None:
        return None
    if rule.get("COUNT"):
        count = _number(rule["COUNT"][0])
        return f"{rhythm}, {count:,} times in all" if count != 1 else f"{rhythm}, once"
    if rule.get("UNTIL"):
        until = rule["UNTIL"][0]
        if not isinstance(until, datetime.date):
            return None
        return f"{rhythm} until {day_words(until)}"
    return rhythm


def day_words(day: datetime.date) -> str:
    """3 March 2027"""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _rhythm(rule: Rule, start: datetime.date) -> str | None:
    if not set(rule) <= _KNOWN:
        return None
    frequency = str(rule["FREQ"][0]).upper()
    interval = _number(rule["INTERVAL"][0]) if rule.get("INTERVAL") else 1
    if interval < 1:
        return None
    days = [_day(str(code)) for code in rule.get("BYDAY", ())]
    places = [_number(one) for one in rule.get("BYSETPOS", ())]
    month_days = [_number(one) for one in rule.get("BYMONTHDAY", ())]
    months = [MONTHS[_month(one)] for one in rule.get("BYMONTH", ())]
    match frequency:
        case "WEEKLY" if not month_days and not places and not months:
            return _weekly(sorted({day for _, day in days}) or [start.weekday()], interval)
        case "DAILY" if not month_days and not places and not months:
            if interval == 1 and days:
                return _weekly(sorted({day for _, day in days}), 1)
            return None if days else _every("day", interval)
        case "MONTHLY" if not months:
            which = _in_month(days, places, month_days, start.day)
            return None if which is None else f"{which} of {_every('month', interval)}"
        case "YEARLY":
            return _yearly(days, places, month_days, months, interval, start)
        case "HOURLY" | "MINUTELY" | "SECONDLY" if not (days or month_days or places or months):
            return _every(_UNITS[frequency], interval)
        case _:
            return None


def _weekly(days: list[int], interval: int) -> str:
    if set(days) == _WORKDAYS:
        return "every weekday, Monday to Friday" if interval == 1 else f"{_every('week', interval)}, Monday to Friday"
    if len(days) == 7:
        return "every day" if interval == 1 else f"every day of {_every('week', interval)}"
    names = _joined([DAYS[day] for day in days])
    if len(days) == 1:
        return _every(names, interval)
    return f"every {names}" if interval == 1 else f"{_every('week', interval)} on {names}"


def _yearly(
    days: list[tuple[int, int]],
    places: list[int],
    month_days: list[int],
    months: list[str],
    interval: int,
    start: datetime.date,
) -> str | None:
    if not days and not places:
        numbers = month_days or [start.day]
        named = months or [MONTHS[start.month - 1]]
        if min(numbers) < 1:
            return None
        return f"{_every('year', interval)} on {_joined([str(one) for one in numbers])} {_joined(named)}"
    which = _in_month(days, places, month_days, start.day)
    if which is None or not months:
        return None
    return f"{_every('year', interval)} {which} of {_joined(months)}"


def _in_month(days: list[tuple[int, int]], places: list[int], month_days: list[int], start_day: int) -> str | None:
    """Which days of a month: "on the 15th", "on the last Friday"."""
    if days:
        if month_days:
            return None
        if places:
            if any(place for place, _ in days):
                return None
            weekdays = sorted({day for _, day in days})
            kind = "weekday" if set(weekdays) == _WORKDAYS else "day" if len(weekdays) == 7 else None
            if kind is None and len(weekdays) > 1:
                return None
            return "on the " + _joined([f"{_ordinal(place)} {kind or DAYS[weekdays[0]]}" for place in places])
        if not all(place for place, _ in days):
            return None
        return "on the " + _joined([f"{_ordinal(place)} {DAYS[day]}" for place, day in days])
    if places:
        return None
    return "on the " + _joined(
        [
            "last day" if day == -1 else f"{_figure(day)}" if day > 0 else f"{_ordinal(day)} day"
            for day in month_days or [start_day]
        ]
    )


def _day(code: str) -> tuple[int, int]:
    """ "-1FR" as place and weekday. Raises ValueError."""
    code = code.strip().upper()
    return int(code[:-2] or 0), _CODES.index(code[-2:])


def _number(value: object) -> int:
    return int(str(value))


def _month(value: object) -> int:
    month = _number(value)
    if not 1 <= month <= 12:
        raise ValueError(month)
    return month - 1


def _every(unit: str, interval: int) -> str:
    if interval == 1:
        return f"every {unit}"
    if interval < len(_ORDINALS):
        return f"every {_ORDINALS[interval]} {unit}"
    return f"every {_figure(interval)} {unit}"


def _ordinal(place: int) -> str:
    if place == 0 or abs(place) >= len(_ORDINALS):
        raise ValueError(place)
    if place == -1:
        return "last"
    return _ORDINALS[place] if place > 0 else f"{_ORDINALS[-place]} to last"


def _figure(number: int) -> str:
    """1st, 2nd, 3rd, 11th"""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
