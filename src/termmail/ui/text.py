"""Text of mails and servers on its way to the screen: safe (D1, D2), and of a width every terminal agrees on (D11).

Widgets draw what these functions return, or what `mime.render` made safe already; nothing here or there is read as markup (D3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from termmail.mime.addresses import is_deceptive
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.width import cell_width, cut_cells
from termmail.model.message import Address

ELLIPSIS = "…"

# Terminals disagree on the width of joined emoji, skin tones and variation selectors; on their parts they agree.
_UNSTEADY = "(?<=[\u2190-\U0001faff\ufe0f])\u200d|[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u20e3]"


def steady(text: str) -> str:
    """Safe text without the characters whose width depends on the terminal."""
    return text if text.isascii() else re.sub(_UNSTEADY, "", text)


def one_line(text: str) -> str:
    """Text of a mail or server as one line to show: a subject, a name, a folder, a sentence."""
    return steady(safe_text(text, one_line=True)).strip()


def shown_address(address: str) -> str:
    """The address itself, invisible characters marked."""
    return steady(safe_address(address))


def clip(text: str, cells: int) -> str:
    """At most `cells` cells of a safe line, with an ellipsis where some is missing."""
    if cells <= 0:
        return ""
    if len(text) <= cells and text.isascii():
        return text
    if cell_width(text) <= cells:
        return text
    return _cut(text, cells - 1).rstrip() + ELLIPSIS


def _cut(text: str, cells: int) -> str:
    """The start of a safe line, at most `cells` cells; nothing where not even its first character fits."""
    start = text[: cut_cells(text, cells)]
    return start if cell_width(start) <= cells else ""


def fit(text: str, cells: int) -> str:
    """A safe line clipped or padded to exactly `cells` cells."""
    if text.isascii() and len(text) <= cells:
        return text.ljust(cells)
    text = clip(text, cells)
    return text + " " * (cells - cell_width(text))


def wrapped(text: str, cells: int, most: int) -> list[str]:
    """Safe text on at most `most` lines, broken at spaces; the last one is clipped."""
    lines: list[str] = []
    while text:
        if cell_width(text) <= cells or len(lines) == most - 1:
            lines.append(clip(text, cells))
            break
        cut = max(cut_cells(text, cells), 1)
        space = text.rfind(" ", cut // 2, cut + 1)
        cut = space if space > 0 else cut
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return lines


def worded(words: Sequence[str], cells: int) -> list[tuple[str, bool]]:
    """Sentences in place of a list or a text, as (line, whether it belongs to the first sentence)."""
    return [(line, not number) for number, each in enumerate(words) for line in wrapped(each, cells, 4)]


def clip_address(address: str, cells: int) -> str:
    """An address in at most `cells` cells; what is left out is never the end of its domain (D4)."""
    if cell_width(address) <= cells:
        return address
    if cells <= 1:
        return ELLIPSIS[:cells]
    local, at, domain = address.rpartition("@")
    room = cells - cell_width(domain) - 2
    if at and room >= 1:
        return f"{_cut(local, room).rstrip()}{ELLIPSIS}@{domain}"
    tail = address[-(cells - 1) :]
    while cell_width(tail) > cells - 1:
        tail = tail[1:]
    return ELLIPSIS + tail


def person(address: Address) -> str:
    """The short name of an address for a list: its name, or the address where the name is missing or pretends to be another."""
    name = one_line(address.name)
    if not name or is_deceptive(address):
        return shown_address(address.address) or name
    return name


def name_and_address(address: Address) -> str:
    """Name and real address, as the headers of a message show them."""
    name = one_line(address.name)
    mail = shown_address(address.address)
    if not name or name == mail:
        return mail or "(no address)"
    return f"{name} <{mail}>" if mail else f"{name} (no address)"
