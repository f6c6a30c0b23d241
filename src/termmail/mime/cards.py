"""Lines of the cards that invitations, reports and contacts are shown as: a title, and labelled values below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from termmail.mime.layout import with_links
from termmail.mime.links import Links
from termmail.mime.logical import LogicalLine, Run
from termmail.mime.safe_text import safe_address, safe_text
from termmail.model.body import Style
from termmail.model.message import Address

LABEL_CELLS = 10


def title(text: str, style: Style = Style.HEADING) -> LogicalLine:
    """A line of its own above what belongs to it; `text` is made safe."""
    return LogicalLine(runs=(Run(safe_text(text, one_line=True), style),), hanging=0)


def labelled(label: str, value: str, links: Links | None = None, style: Style = Style.PLAIN) -> LogicalLine:
    """One value behind its label, which may be empty for a further one; `value` comes from a mail and is made safe here.

    URLs and addresses in it become links where `links` are given.
    """
    text = safe_text(value, one_line=True)
    runs = (Run(text, style),) if links is None else with_links(text, style, links)
    return LogicalLine(runs=(Run(f"{label:<{LABEL_CELLS}}", Style.NOTE), *runs), hanging=LABEL_CELLS)


def paragraphs(text: str, links: Links, *, most: int, style: Style = Style.PLAIN) -> Iterator[LogicalLine]:
    """Text of a mail as it was broken into lines, at most so many of them."""
    lines = safe_text(text).strip("\n").split("\n")
    for line in lines[:most]:
        yield LogicalLine(runs=with_links(line.rstrip().expandtabs(8), style, links))
    if len(lines) > most:
        yield LogicalLine(runs=(Run("…", Style.NOTE),))


def person(name: str, address: str) -> str:
    """Who somebody is, the address always beside the name (D4)."""
    shown = safe_address(address)
    called = safe_text(name, one_line=True).strip()
    if "@" in called and called.strip("<>\"' ").casefold() != shown.casefold():
        # Without its @ the name becomes no link to an address that it is not.
        return f"{shown} (calls itself “{called.replace('@', ' at ')}”)"
    return f"{called} <{shown}>" if called and called != shown else shown or called


def people(addresses: Sequence[Address]) -> str:
    """Those whom a field names, at most twenty of them."""
    shown = [
        f"{safe_text(entry.name, one_line=True)} <{safe_address(entry.address)}>"
        if entry.name
        else safe_address(entry.address)
        for entry in addresses[:20]
    ]
    return ", ".join(shown) + (" …" if len(addresses) > 20 else "")
