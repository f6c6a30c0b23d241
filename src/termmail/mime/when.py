"""Times in words, for sending later: "tomorrow 8:00", "Mon 9", "in 2 hours", "24 Dec 18:00", "2026-12-24 18:00"."""

from __future__ import annotations

import datetime
import re

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNITS = {
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_IN = re.compile(r"(?:in )?(\d{1,4}|an?) ?(m|min|minute|h|hour|d|day|w|week)s?")
_TIME = re.compile(r"(?:at )?(\d{1,2})(?:[:.h](\d{2}))? ?(am|pm)?")
_NAMED_TIMES = {
    "morning": (8, 0),
    "noon": (12, 0),
    "midday": (12, 0),
    "afternoon": (15, 0),
    "evening": (18, 0),
    "tonight": (20, 0),
}
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ]+(.*))?")
_DATE = re.compile(r"(\d{1,2})\.? ([a-z]{3,9})\.?(?: (\d{4}))?(?:,? (.*))?")
_HELP = "Try “tomorrow 8:00”, “Mon 9”, “in 2 hours” or “24 Dec 18:00”."
_USUAL = (8, 0)


def parse_when(text: str, now: datetime.datetime | None = None) -> float:
    """The next moment that the words mean, in Unix seconds, by this computer's clock and zone (or that of `now`, which is aware).

    A time alone is today's, or tomorrow's where that is over; a day alone is that day at 8:00. Raises ValueError with a sentence,
    also for what is over.
    """
    moment = (now or datetime.datetime.now()).astimezone() if now is None or now.tzinfo is None else now
    words = " ".join(text.casefold().replace(",", " ").split())
    found = _parse(words, moment)
    if found is None:
        raise ValueError(f"“{text.strip()[:60]}” is not understood. {_HELP}")
    if found <= moment:
        raise ValueError(f"{found:%Y-%m-%d %H:%M} is over already.")
    return found.timestamp()


def _parse(words: str, now: datetime.datetime) -> datetime.datetime | None:
    if not words:
        return None
    if words == "now":
        return now + datetime.timedelta(seconds=1)
    match = _IN.fullmatch(words)
    if match is not None:
        count = 1 if match[1].startswith("a") else int(match[1])
        return now + datetime.timedelta(seconds=count * _UNITS[match[2]])
    match = _ISO.fullmatch(words)
    if match is not None:
        return _at(now, (int(match[1]), int(match[2]), int(match[3])), match[4] or "")
    first, _, rest = words.partition(" ")
    today = now.date()
    if first in ("today", "tomorrow", "tonight"):
        day = today + datetime.timedelta(days=first == "tomorrow")
        return _at(now, (day.year, day.month, day.day), rest or ("tonight" if first == "tonight" else ""))
    if first == "next" and rest:
        first, _, rest = rest.partition(" ")
    if first[:3] in _DAYS and "mondaytuesdaywednesdaythursdayfridaysaturdaysunday".find(first) >= 0:
        ahead = (_DAYS.index(first[:3]) - today.weekday()) % 7
        day = today + datetime.timedelta(days=ahead)
        found = _at(now, (day.year, day.month, day.day), rest)
        return found + datetime.timedelta(days=7) if found is not None and found <= now else found
    match = _DATE.fullmatch(words)
    if match is not None and match[2][:3] in _MONTHS:
        month, day_number = _MONTHS.index(match[2][:3]) + 1, int(match[1])
        if match[3]:
            return _at(now, (int(match[3]), month, day_number), match[4] or "")
        found = _at(now, (now.year, month, day_number), match[4] or "")
        return _at(now, (now.year + 1, month, day_number), match[4] or "") if found is None or found <= now else found
    found = _at(now, (today.year, today.month, today.day), words)
    return found + datetime.timedelta(days=1) if found is not None and found <= now else found


def _at(now: datetime.datetime, day: tuple[int, int, int], words: str) -> datetime.datetime | None:
    """A time on a day, in the local zone as it is on that day."""
    time = _time(words.strip())
    if time is None:
        return None
    try:
        # Naive and then aware, so that the offset is that day's, not today's.
        naive = datetime.datetime(*day, *time)
    except ValueError:
        return None
    return naive.astimezone() if now.tzinfo is None or _is_local(now) else naive.replace(tzinfo=now.tzinfo)


def _is_local(now: datetime.datetime) -> bool:
    return isinstance(now.tzinfo, datetime.timezone) and now.utcoffset() == now.astimezone().utcoffset()


def _time(words: str) -> tuple[int, int] | None:
    if not words:
        return _USUAL
    if words in _NAMED_TIMES:
        return _NAMED_TIMES[words]
    match = _TIME.fullmatch(words)
    if match is None:
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return (hour, minute) if hour < 24 and minute < 60 else None
