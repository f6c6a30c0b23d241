"""vCards (RFC 6350, and the versions before it) as cards."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from termmail.mime.cards import labelled, title
from termmail.mime.charsets import decode_text
from termmail.mime.links import Links
from termmail.mime.logical import LogicalLine
from termmail.model.body import Style

MAX_CARDS = 100
_MAX_FIELDS = 200
_FOLD = re.compile(r"\r?\n[ \t]")
_SOFT_BREAK = re.compile(r"=\r?\n[ \t]*")
_FIELD = re.compile(r"(?:[\w-]{1,40}\.)?([\w-]{1,40})((?:;[^:\"\n]*(?:\"[^\"\n]*\")?[^:\"\n]*)*):(.*)", re.ASCII)
_ESCAPE = re.compile(r"\\(.)")
_LABELS = {
    "NICKNAME": "Called", "ORG": "At", "TITLE": "As", "ROLE": "Role", "EMAIL": "Mail", "TEL": "Phone", "ADR": "Address", "URL": "Web",
    "IMPP": "Chat", "BDAY": "Born", "ANNIVERSARY": "Since", "NOTE": "Note", "CATEGORIES": "Groups", "TZ": "Zone", "LANG": "Language",
}  # fmt: skip
_KINDS = ("home", "work", "cell", "mobile", "fax", "pref", "voice", "main")


class _Field(NamedTuple):
    name: str
    parameters: str
    value: str


def contact_lines(text: str, links: Links) -> Iterator[LogicalLine]:
    """The cards in `text`, one below the other; nothing where there is none. Pictures and keys are counted, not shown."""
    cards = text.replace("\r\n", "\n").split("BEGIN:VCARD")[1 : MAX_CARDS + 1]
    for number, card in enumerate(cards):
        if number:
            yield LogicalLine()
        yield from _card(list(_fields(card.partition("END:VCARD")[0])), links)


def _card(fields: list[_Field], links: Links) -> Iterator[LogicalLine]:
    name = next((one.value for one in fields if one.name == "FN" and one.value.strip()), "")
    if not name:
        parts = next((one.value.split(";") for one in fields if one.name == "N"), [])
        name = " ".join(part for part in (*parts[3:4], *parts[1:3], *parts[:1]) if part.strip())
    yield title(name or "(no name)")
    for one in fields:
        label = _LABELS.get(one.name)
        value = ", ".join(part.strip() for part in one.value.split(";") if part.strip())
        if label is None or not value:
            continue
        kinds = [kind for kind in _KINDS if re.search(rf"\b{kind}\b", one.parameters, re.IGNORECASE)]
        value = value.removeprefix("tel:").removeprefix("mailto:")
        yield labelled(label, value + (f"  · {', '.join(kinds)}" if kinds else ""), links)
    hidden = sum(one.name in ("PHOTO", "LOGO", "SOUND", "KEY") for one in fields)
    if hidden:
        yield labelled(
            "", f"{hidden} {'picture or key' if hidden == 1 else 'pictures or keys'} not shown", style=Style.NOTE
        )


def _fields(card: str) -> Iterator[_Field]:
    if "QUOTED-PRINTABLE" in card.upper():
        card = _SOFT_BREAK.sub("", card)
    for line in _FOLD.sub("", card).split("\n")[:_MAX_FIELDS]:
        match = _FIELD.match(line.strip("\r"))
        if match is None:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3]
        if "QUOTED-PRINTABLE" in parameters.upper():
            value = decode_text(binascii.a2b_qp(value.encode("utf-8", "replace")), _charset(parameters))
        else:
            value = _ESCAPE.sub(lambda found: " " if found[1] in "nN" else found[1], value)
        yield _Field(name, parameters, value)


def _charset(parameters: str) -> str:
    match = re.search(r"CHARSET=([\w-]{1,40})", parameters, re.IGNORECASE)
    return match[1] if match is not None else "utf-8"
