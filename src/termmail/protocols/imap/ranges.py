"""UID sets (RFC 9051 sequence-set) as ranges."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence

from termmail.model.remote import UidRange

MAX_UID = 2**32 - 1
_MAX_SET = 8000


def parse_set(text: bytes) -> list[UidRange]:
    """From "1:5,7". Backward ranges are turned round and tokens that are none are ignored (S11)."""
    ranges: list[UidRange] = []
    for part in text.split(b","):
        first, colon, last = part.strip().partition(b":")
        if not first.isdigit() or len(first) > 19 or (colon and (not last.isdigit() or len(last) > 19)):
            continue
        one, other = int(first), int(last) if colon else int(first)
        if one and other:
            ranges.append(UidRange(min(one, other), max(one, other)))
    return ranges


def merged(ranges: Iterable[UidRange]) -> list[UidRange]:
    """Sorted, without overlaps, neighbours joined."""
    found: list[UidRange] = []
    first = last = 0
    for item in sorted(ranges):
        if found and item.first <= last + 1:
            if item.last > last:
                last = item.last
                found[-1] = UidRange(first, last)
        else:
            first, last = item.first, item.last
            found.append(item)
    return found


def from_uids(uids: Iterable[int]) -> list[UidRange]:
    """The ranges that cover exactly these UIDs."""
    found: list[UidRange] = []
    first = last = 0
    for uid in sorted(set(uids)):
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            found.append(UidRange(first, last))
        first = last = uid
    if first:
        found.append(UidRange(first, last))
    return found


def format_sets(ranges: Sequence[UidRange]) -> list[bytes]:
    """As sequence sets in the order given, each short enough for any server's command line."""
    sets: list[bytes] = []
    parts: list[bytes] = []
    length = 0
    for item in ranges:
        part = b"%d" % item.first if item.first == item.last else b"%d:%d" % (item.first, item.last)
        if length + len(part) > _MAX_SET:
            sets.append(b",".join(parts))
            parts, length = [], 0
        parts.append(part)
        length += len(part) + 1
    if parts:
        sets.append(b",".join(parts))
    return sets


class Membership:
    """Whether a UID is among ranges; quick for UIDs that come in order."""

    def __init__(self, ranges: Iterable[UidRange]) -> None:
        joined = merged(ranges)
        self._firsts = [item.first for item in joined]
        self._lasts = [item.last for item in joined]
        self._low, self._high = (self._firsts[0], self._lasts[0]) if joined else (1, 0)

    def __contains__(self, uid: int) -> bool:
        if self._low <= uid <= self._high:
            return True
        index = bisect.bisect_right(self._firsts, uid) - 1
        if index < 0 or uid > self._lasts[index]:
            return False
        self._low, self._high = self._firsts[index], self._lasts[index]
        return True
