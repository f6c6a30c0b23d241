"""Which quoted lines are folded away, so that what is new comes first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from termmail.mime.logical import Logical, LogicalLine
from termmail.model.body import Fold, Line, Style

_LONG = 12
_SHORT = 4
_DEEP = 8
_CONTEXT = 4
_OLD_START = re.compile(
    r"\s*-{3,}\s*(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Mensaje original|Messaggio originale|"
    r"Oorspronkelijk bericht|Wiadomość oryginalna|Исходное сообщение)\s*-{3,}",
    re.IGNORECASE,
)
_FROM = re.compile(r"(?:From|Von|De|Da|Van|Fra|Från|Od|От|Lähettäjä|发件人|差出人)\s?[::]\s?\S")
_FIELD = re.compile(r"[^\s:：]{2,24}(?: [^\s:：]{1,12})?\s?[::]\s?\S")
_FIELDS_WITHIN = 6
_LEAST_FIELDS = 3


def mark_old(lines: Iterable[Logical]) -> Iterator[Logical]:
    """Lines after the header that Outlook and its like put above what they quote without marks, told as old."""
    held = list(lines)
    first = _old_start(held)
    for place, line in enumerate(held):
        yield line._replace(is_old=True) if first is not None and place > first else line


def _old_start(lines: Sequence[Logical]) -> int | None:
    """Where the header above old text stands. Text that begins with one was forwarded: it is what there is to read."""
    has_text = False
    for place, line in enumerate(lines):
        text = _text(line)
        if has_text and (
            _OLD_START.match(text) or (_FROM.match(text) and _is_header(lines[place : place + _FIELDS_WITHIN]))
        ):
            return place
        has_text = has_text or bool(text.strip())
    return None


def _is_header(lines: Sequence[Logical]) -> bool:
    return sum(_FIELD.match(_text(line)) is not None for line in lines) > _LEAST_FIELDS


def _text(line: Logical) -> str:
    return "".join(run.text for run in line.runs) if isinstance(line, LogicalLine) and not line.depth else ""


def folds_of(lines: Sequence[Line]) -> tuple[Fold, ...]:
    """The runs of quoted lines that are long or old enough to be folded: all of what is quoted at the end, of what is answered within
    the text all but its last lines, and inside short quotations the deeper ones. None where nothing is new.
    """
    if all(line.quote or not line.text.strip() for line in lines):
        return ()
    folds: list[Fold] = []
    for first, end in _quotations(lines):
        at_end = not any(line.text.strip() for line in lines[end:] if not _is_signature(line))
        length = end - first
        if at_end and length > _SHORT:
            folds.append(Fold(first, length))
        elif length > _LONG:
            folds.append(Fold(first, length - _CONTEXT))
        else:
            folds += _deeper(lines, first, end)
    return tuple(folds)


def _is_signature(line: Line) -> bool:
    return bool(line.spans) and line.spans[0].style is Style.SIGNATURE


def _quotations(lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """First line and end of each run of quoted lines; blank lines between quoted ones belong to them."""
    place = 0
    while place < len(lines):
        if not lines[place].quote:
            place += 1
            continue
        end = place + 1
        following = end
        while following < len(lines) and (lines[following].quote or not lines[following].text.strip()):
            following += 1
            if lines[following - 1].quote:
                end = following
        yield place, end
        place = following


def _deeper(lines: Sequence[Line], first: int, end: int) -> Iterator[Fold]:
    place = first
    while place < end:
        if lines[place].quote < 2:
            place += 1
            continue
        began = place
        while place < end and lines[place].quote >= 2:
            place += 1
        if place - began > _DEEP:
            yield Fold(began, place - began)
