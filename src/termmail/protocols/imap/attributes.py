"""The values of a FETCH response (RFC 9051 §7.5.2)."""

from __future__ import annotations

import datetime
import re

from termmail.model.flags import FlagSet
from termmail.protocols.imap.responses import Malformed, Response, Value, as_bytes, as_list, as_number

_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) +(\d\d):(\d\d):(\d\d) +([+-])(\d\d)(\d\d)$")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), 1
    )
}
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_CACHE_LIMIT = 5000


def fetch_attributes(response: Response) -> dict[bytes, Value]:
    """The attributes of a FETCH response; names in capitals, a section's name ending with its first bracket (`BODY[`).
    Raises Malformed."""
    values = response.values()
    if len(values) != 1:
        raise Malformed("a FETCH holds one list")
    items = as_list(values[0])
    if len(items) % 2:
        raise Malformed("an attribute without a value")
    found: dict[bytes, Value] = {}
    for key, value in zip(items[::2], items[1::2], strict=True):
        name = as_bytes(key).upper()
        bracket = name.find(b"[")
        found[name[: bracket + 1] if bracket >= 0 else name] = value
    return found


def parse_flags(value: Value) -> FlagSet:
    """From a list of flags. Raises Malformed."""
    return FlagSet.parse(as_bytes(flag).decode("utf-8", "replace") for flag in as_list(value))


def parse_modseq(value: Value) -> int | None:
    """From `(123)`. Raises Malformed."""
    inner = as_list(value)
    return as_number(inner[0]) if inner else None


class AttributeCache:
    """Days, zones and flag lists recur thousands of times in a FETCH."""

    def __init__(self) -> None:
        self._days: dict[bytes, int] = {}
        self._zones: dict[bytes, int] = {}
        self._flags: dict[bytes, FlagSet] = {}

    def received_at(self, text: bytes) -> int:
        """Unix seconds of "17-Jul-1996 02:44:25 -0700"; 0 where it is none (P9)."""
        days = self._days.get(text[:11])
        zone = self._zones.get(text[20:])
        if days is None or zone is None:
            return self._received_slowly(text)
        try:
            return days + int(text[12:14]) * 3600 + int(text[15:17]) * 60 + int(text[18:20]) - zone
        except ValueError:
            return 0

    def _received_slowly(self, text: bytes) -> int:
        match = _DATE.match(text)
        if match is None:
            return 0
        try:
            day = datetime.date(int(match[3]), _MONTHS[match[2].upper()], int(match[1]))
        except (KeyError, ValueError):
            return 0
        days = (day.toordinal() - _EPOCH) * 86400
        zone = (int(match[8]) * 60 + int(match[9])) * (-60 if match[7] == b"-" else 60)
        if len(text) == 26:
            if len(self._days) > _CACHE_LIMIT:
                self._days.clear()
                self._zones.clear()
            self._days[text[:11]] = days
            self._zones[text[20:]] = zone
        return days + int(match[4]) * 3600 + int(match[5]) * 60 + int(match[6]) - zone

    def flags(self, text: bytes) -> FlagSet:
        """From what stands between the parentheses of FLAGS."""
        found = self._flags.get(text)
        if found is None:
            if len(self._flags) > _CACHE_LIMIT:
                self._flags.clear()
            found = self._flags[text] = FlagSet.parse(text.decode("utf-8", "replace").split())
        return found
