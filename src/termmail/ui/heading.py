"""What stands above a message's text: subject, people, how far the sender can be believed, the list, the files."""

from __future__ import annotations

from typing import NamedTuple

from termmail.mime.addresses import is_deceptive
from termmail.mime.domains import organisation
from termmail.mime.links import host_of
from termmail.mime.width import cell_width
from termmail.model.body import Rendered
from termmail.model.flags import Flag
from termmail.model.message import Address, MessageRow
from termmail.model.origin import MailingList, Origin, TrustLevel
from termmail.ui.text import (
    clip,
    clip_address,
    name_and_address,
    one_line,
    shown_address,
    steady,
    wrapped,
)
from termmail.ui.widgets.message_list import ATTACHED, FLAGGED
from termmail.ui.words import Clock, keywords, part_words, size

Piece = tuple[str, str]
"""Safe text and the name of its style in `Look`."""

_LABEL = 6
_FILES_SHOWN = 8
_ADDRESSES_SHOWN = 12
_REASONS_SHOWN = 3
_MARKS = {
    TrustLevel.CHECKED: ("✓ ", "good", "muted"),
    TrustLevel.UNCHECKED: ("· ", "faint", "muted"),
    TrustLevel.SUSPICIOUS: ("! ", "warning", "warning"),
}


class HeadingHints(NamedTuple):
    """Keys that the heading names; empty where there is none."""

    unsubscribe: str = ""
    attachments: str = ""
    enclosed: str = ""


def heading(
    row: MessageRow, origin: Origin | None, rendered: Rendered | None, clock: Clock, width: int, hints: HeadingHints
) -> list[tuple[Piece, ...]]:
    """The lines, at most `width` cells wide."""
    lines: list[tuple[Piece, ...]] = []
    subject = one_line(row.subject) or "(no subject)"
    lines += [((line, "bright"),) for line in wrapped(subject, width, 3)]
    lines.append(())
    lines += _senders(row.from_, width)
    lines += _trust(origin, rendered, width)
    if origin is not None and origin.reply_to:
        lines += _addresses("Reply", origin.reply_to, width)
    if row.to:
        lines += _addresses("To", row.to, width)
    if row.cc:
        lines += _addresses("Cc", row.cc, width)
    lines.append(_date(row, clock))
    if origin is not None and origin.mailing_list is not None:
        lines += _list(origin.mailing_list, width, hints)
    if labels := keywords(row.flags):
        words = ", ".join(one_line(label) for label in labels)
        lines += [
            (_label("Tags" if not number else ""), (line, "accent"))
            for number, line in enumerate(wrapped(words, width - _LABEL, 2))
        ]
    lines += _files(rendered, hints)
    if row.problem:
        lines.append(((one_line(row.problem), "error"),))
    lines.append((("─" * width, "line"),))
    return lines


def _label(words: str) -> Piece:
    return f"{words:<{_LABEL}}", "muted"


def _senders(addresses: tuple[Address, ...], width: int) -> list[tuple[Piece, ...]]:
    """Each sender with the real address in sight, and what is odd about them (D4)."""
    if not addresses:
        return [(_label("From"), ("! The message names no sender.", "warning"))]
    lines: list[tuple[Piece, ...]] = []
    room = width - _LABEL
    for number, address in enumerate(addresses[:_ADDRESSES_SHOWN]):
        name, mail = one_line(address.name), shown_address(address.address)
        label = _label("From" if number == 0 else "")
        if is_deceptive(address):
            lines.append((label, (clip_address(mail, room), "bright")))
            lines += _marked(TrustLevel.SUSPICIOUS, f"Calls itself “{name}”, which is not its address", width)
        elif name and name != mail:
            mail = clip_address(mail, max(12, room - min(cell_width(name), room // 2) - 3))
            lines.append((label, (clip(name, room - cell_width(mail) - 3), "bright"), (f" <{mail}>", "text")))
        else:
            lines.append((label, (clip_address(mail or "(no address)", room), "bright")))
        if "@" not in address.address.strip("@"):
            lines += _marked(TrustLevel.SUSPICIOUS, "The sender's address has no domain", width)
    if len(addresses) > 1:
        lines += _marked(TrustLevel.SUSPICIOUS, "The message names several senders", width)
    return lines


def _trust(origin: Origin | None, rendered: Rendered | None, width: int) -> list[tuple[Piece, ...]]:
    lines: list[tuple[Piece, ...]] = []
    if origin is not None and origin.trust.sentence:
        trust = origin.trust
        fits = cell_width(trust.sentence) <= width - _LABEL - 2
        first = trust.sentence if fits or not trust.brief else trust.brief
        for sentence in (first, *trust.more)[:_REASONS_SHOWN]:
            lines += _marked(trust.level, sentence, width)
    if rendered is not None and rendered.protection:
        protection = rendered.protection
        lines += _marked(TrustLevel.UNCHECKED, protection[0].upper() + protection[1:], width)
    return lines


def _marked(level: TrustLevel, sentence: str, width: int) -> list[tuple[Piece, ...]]:
    mark, mark_style, style = _MARKS[level]
    return [
        (_label(""), (mark if not number else "  ", mark_style), (line, style))
        for number, line in enumerate(wrapped(steady(sentence), width - _LABEL - 2, 3))
    ]


def _addresses(label: str, addresses: tuple[Address, ...], width: int) -> list[tuple[Piece, ...]]:
    shown = [name_and_address(address) for address in addresses[:_ADDRESSES_SHOWN]]
    if len(addresses) > _ADDRESSES_SHOWN:
        shown.append(f"and {len(addresses) - _ADDRESSES_SHOWN:,} more")
    return [
        (_label(label if number == 0 else ""), (line, "text"))
        for number, line in enumerate(wrapped(", ".join(shown), width - _LABEL, 4))
    ]


def _date(row: MessageRow, clock: Clock) -> tuple[Piece, ...]:
    details = [size(row.size)]
    if row.flags.system & Flag.FLAGGED:
        details.append(f"{FLAGGED} flagged")
    if row.pending:
        details.append("a change waits for the network")
    when = clock.full(row.sent_at if row.sent_at is not None else row.received_at)
    return _label("Date"), (when, "text"), ("  ·  " + "  ·  ".join(details), "muted")


def _list(mailing_list: MailingList, width: int, hints: HeadingHints) -> list[tuple[Piece, ...]]:
    """The list by its name and id, and how it is left."""
    way = unsubscribe_way(mailing_list)
    leaving = f"{hints.unsubscribe} unsubscribes {way}" if way and hints.unsubscribe else ""
    name, list_id = steady(mailing_list.name), steady(mailing_list.list_id)
    room = width - _LABEL
    if not list_id:
        return [(_label("List"), (clip(leaving or name or "it does not say which", room), "muted"))]
    both = f"{name} ({list_id})" if name else list_id
    shown = next((each for each in (both, list_id) if cell_width(each) <= room), name or list_id)
    if leaving and cell_width(shown) + cell_width(leaving) + 5 <= room:
        return [(_label("List"), (shown, "text"), (f"  ·  {leaving}", "muted"))]
    lines: list[tuple[Piece, ...]] = [(_label("List"), (clip(shown, room), "text"))]
    if leaving:
        lines.append((_label(""), (clip(leaving, room), "muted")))
    return lines


def unsubscribe_way(mailing_list: MailingList) -> str:
    """How a list is left, in words; empty where it does not say."""
    if mailing_list.one_click:
        return f"in one step at {steady(_site(mailing_list.one_click))}"
    if mailing_list.mailto:
        return "by mail"
    if mailing_list.link:
        return f"on a page at {steady(_site(mailing_list.link))}"
    return ""


def _site(url: str) -> str:
    host = host_of(url)
    return organisation(host) or host


def _files(rendered: Rendered | None, hints: HeadingHints) -> list[tuple[Piece, ...]]:
    """The attachments, and which keys open them and the message that is enclosed or came back."""
    if rendered is None:
        return []
    more = len(rendered.attachments) - _FILES_SHOWN
    shown = rendered.attachments[: _FILES_SHOWN if more <= 0 else _FILES_SHOWN - 1]
    lines: list[tuple[Piece, ...]] = [
        (
            _label("Files" if number == 0 else ""),
            (f"{ATTACHED} ", "accent"),
            (part_words(part), "text"),
            (f"  {size(part.size)}", "muted"),
        )
        for number, part in enumerate(shown)
    ]
    if more > 0:
        lines.append((_label(""), (f"and {more + 1:,} more", "muted")))
    if lines and hints.attachments:
        lines[0] = (*lines[0], (f"  ·  {hints.attachments} opens or saves", "muted"))
    if rendered.enclosed and hints.enclosed:
        lines.append((_label("Mail"), (f"{hints.enclosed} opens the message that is enclosed", "muted")))
    return lines
