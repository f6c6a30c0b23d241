"""The cards in front of a message's text: events that it invites to, and what it reports about other mail."""

from __future__ import annotations

from collections.abc import Iterator

from termmail.mime.bounce_text import is_bounce, read_bounce
from termmail.mime.calendar_card import calendar_lines
from termmail.mime.calendar_events import MAX_INVITATION, read_calendar
from termmail.mime.charsets import decode_text
from termmail.mime.links import Links
from termmail.mime.logical import Logical
from termmail.mime.parts import own_nodes
from termmail.mime.report_card import complaint_lines, delivery_lines, display_lines
from termmail.mime.reports import (
    DELIVERY_TYPES,
    DeliveryReport,
    read_complaint,
    read_delivery_report,
    read_display_report,
)
from termmail.mime.strip import strip_tags
from termmail.mime.structure import Node

_MAX_CALENDARS = 3
_REPORT_BYTES = 256 * 1024
_TOLD_BYTES = 64 * 1024
_CALENDARS = ("text/calendar", "application/ics")


class MessageCards:
    """The cards of one message: `events` and `reports`, each the lines of a card.

    `paths` are the parts that need not be shown otherwise, `notes` sentences on what could not be read. Without `with_events` calendars
    are not read, which takes longest (P5).
    """

    def __init__(self, root: Node, links: Links, *, with_events: bool) -> None:
        self.paths: set[str] = set()
        self.notes: list[str] = []
        self.events = list(self._events(root, links, with_events=with_events))
        self.reports = list(self._reports(root))

    def _events(self, root: Node, links: Links, *, with_events: bool) -> Iterator[list[Logical]]:
        """A mail often has the same event as a part and as an attachment."""
        shown: set[tuple[str, ...]] = set()
        texts: list[str] = []
        left = MAX_INVITATION
        for node in own_nodes(root):
            if node.content_type not in _CALENDARS or len(shown) >= _MAX_CALENDARS:
                continue
            data = None
            if with_events and node.decoded_size() <= 4 * left:
                text = decode_text(node.decoded(), node.charset or "utf-8")
                if text in texts:
                    self.paths.add(node.path)
                    continue
                texts.append(text)
                data = read_calendar(text, node.parameters.get("method", ""), limit=left)
                left -= len(text)
            if data is None:
                self.notes.append(
                    "A calendar part of the message can't be read as one; it can be viewed as text and saved."
                )
                continue
            self.paths.add(node.path)
            key = tuple(f"{event.uid} {event.sequence} {event.only}" for event in data.events)
            if key not in shown:
                shown.add(key)
                yield list(calendar_lines(data, links))

    def _reports(self, root: Node) -> Iterator[list[Logical]]:
        found = False
        for node in own_nodes(root):
            lines = list(_report_lines(node))
            if lines:
                found = True
                self.paths.add(node.path)
                yield lines
        if not found and is_bounce(root.header()):
            told = _told_in_text(root)
            if told is not None:
                yield list(delivery_lines(told))


def _report_lines(node: Node) -> Iterator[Logical]:
    if node.content_type in DELIVERY_TYPES:
        return delivery_lines(read_delivery_report(node.decoded(limit=_REPORT_BYTES)))
    if node.content_type == "message/disposition-notification":
        return display_lines(read_display_report(node.decoded(limit=_REPORT_BYTES)))
    if node.content_type == "message/feedback-report":
        return complaint_lines(read_complaint(node.decoded(limit=_REPORT_BYTES)))
    return iter(())


def _told_in_text(root: Node) -> DeliveryReport | None:
    """A failed delivery that is reported in words alone."""
    node = next((one for one in own_nodes(root) if one.content_type.startswith("text/")), None)
    if node is None:
        return None
    text = decode_text(node.decoded(limit=_TOLD_BYTES), node.charset)
    return read_bounce(root.header(), strip_tags(text) if node.content_type == "text/html" else text)
