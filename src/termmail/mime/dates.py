"""Date fields (RFC 5322 §3.3 and §4.3, and what is really sent) to Unix seconds (P9)."""

from __future__ import annotations

import re
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MONTHS_AS_WRITTEN = {name.capitalize(): number for name, number in _MONTHS.items()}
_DAYS_BEFORE = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZONES = {
    "ut": 0,
    "utc": 0,
    "gmt": 0,
    "z": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    "bst": 1,
    "wet": 0,
    "west": 1,
    "cet": 1,
    "met": 1,
    "mez": 1,
    "cest": 2,
    "mest": 2,
    "mesz": 2,
    "eet": 2,
    "eest": 3,
    "msk": 3,
    "jst": 9,
    "kst": 9,
    "hkt": 8,
    "aest": 10,
    "aedt": 11,
    "nzst": 12,
    "nzdt": 13,
}
_MAX_LENGTH = 200
_OFFSET_LIMIT = 16 * 3600
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

_USUAL = re.compile(
    r"(?:[A-Z][a-z]{2}, {1,2})?(\d{1,2} [A-Z][a-z]{2} \d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d[0-5]\d)(?: \([^()]*\))?$",
    re.ASCII,
)
_COMMENT = re.compile(r"\([^()]*\)")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d+)?)?(?!\d)\s*([AaPp]\.?[Mm]\b\.?)?")
_OFFSET = re.compile(r"(?:(?<=[\s\dA-Za-z:])|^)([+-])\s?(\d{1,2}):?(\d\d)(?!\d)")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=[Tt\s]|$)")
_WORDS = re.compile(r"[A-Za-z]+|\d+")


def parse_date(text: str) -> int | None:
    """Unix seconds of a date as mails have it, or None where it is nonsense or outside 1970 to 2199. Never raises.

    A missing or unknown zone counts as UTC; an offset of more than 15 hours 59 minutes is nonsense.
    """
    usual = _USUAL.match(text)
    if usual is None:
        return _parse_odd(text[:_MAX_LENGTH])
    day_text, hour, minute, second, zone = usual.groups()
    midnight, offset = _midnight(day_text), _offset(zone)
    if midnight is None or offset is None or hour > "23" or minute > "59" or second > "60":
        return None
    seconds = midnight + int(hour) * 3600 + int(minute) * 60 + int(second) - offset
    return seconds if seconds >= 0 else None


@lru_cache(maxsize=1024)
def _midnight(text: str) -> int | None:
    """Unix seconds of a day such as "3 Nov 2024" in UTC. Mails of one mailbox share days."""
    day, month, year = text.split(" ")
    return _seconds(int(year), _MONTHS_AS_WRITTEN.get(month, 0), int(day), 0, 0, 0, 0)


@lru_cache(maxsize=256)
def _offset(zone: str) -> int | None:
    """Seconds ahead of UTC of a zone such as "+0100", or None where it is nonsense."""
    offset = int(zone[1:3]) * 3600 + int(zone[3:]) * 60
    if offset >= _OFFSET_LIMIT:
        return None
    return -offset if zone[0] == "-" else offset


def _parse_odd(text: str) -> int | None:
    if not text.isascii():
        text = text.encode("ascii", "replace").decode().replace("?", " ")
    text = _COMMENT.sub(" ", text).strip()
    iso = _ISO_DATE.search(text)
    clock_text = text[: iso.start()] + " " + text[iso.end() :].lstrip("Tt") if iso is not None else text
    clock = _CLOCK.search(clock_text)
    if clock is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if clock[4]:
        hour = hour % 12 + (12 if clock[4][0] in "Pp" else 0)
    before, after = clock_text[: clock.start()], clock_text[clock.end() :]
    offset_match = _OFFSET.search(after) or _OFFSET.search(" " + after)
    offset = 0
    if offset_match is not None:
        offset = int(offset_match[2]) * 3600 + int(offset_match[3]) * 60
        offset = -offset if offset_match[1] == "-" else offset
        after = after.replace(offset_match[0], " ", 1)
    else:
        for word in _WORDS.findall(after.lower()):
            if word in _ZONES:
                offset = _ZONES[word] * 3600
                break
    if iso is not None:
        return _seconds(int(iso[1]), int(iso[2]), int(iso[3]), hour, minute, second, offset)
    day = _day_month_year(before + " " + after)
    return None if day is None else _seconds(*day, hour, minute, second, offset)


def _day_month_year(text: str) -> tuple[int, int, int] | None:
    """Year, month and day in `text`: the month as a word, the year the four digits or the number after the day."""
    month = 0
    numbers: list[str] = []
    for word in _WORDS.findall(text):
        if word.isdigit():
            numbers.append(word)
        elif not month:
            month = _MONTHS.get(word[:3].lower(), 0)
    if not month or len(numbers) < 2:
        return None
    year_text = next((number for number in numbers if len(number) >= 3), numbers[1])
    numbers.remove(year_text)
    year = int(year_text)
    if len(year_text) == 2:
        year += 2000 if year < 50 else 1900
    elif len(year_text) == 3:
        year += 1900
    return year, month, int(numbers[0][:4])


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int, offset: int) -> int | None:
    """Unix seconds of a civil time that is `offset` seconds ahead of UTC; None where there is no such time."""
    if not (_FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _DAYS_IN[month]):
        return None
    if hour > 23 or minute > 59 or second > 60 or not -_OFFSET_LIMIT < offset < _OFFSET_LIMIT:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2 and day == 29 and not leap:
        return None
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS_BEFORE[month] + day - 1 + (leap and month > 2)
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset
    return seconds if seconds >= 0 else None
