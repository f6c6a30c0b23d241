"""The message pane: headers at once, then the text when it is laid out; only visible lines are drawn."""

from __future__ import annotations

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from termmail.mime.width import cell_width
from termmail.model.body import Line, Rendered
from termmail.model.body import Style as TextStyle
from termmail.model.message import MessageRow
from termmail.model.origin import Origin
from termmail.ui.bodies import Mode
from termmail.ui.drawing import Pen
from termmail.ui.heading import HeadingHints, Piece, heading
from termmail.ui.look import Look
from termmail.ui.text import (
    clip,
    steady,
    worded,
    wrapped,
)
from termmail.ui.widgets.pane import Pane, look_for
from termmail.ui.words import Clock

MARGIN = 2
WIDEST_TEXT = 92
_LINKS_LISTED = 60
_ADDRESSES_SHOWN = 12


class MessagePane(Pane):
    """Shows one message, or words where there is none to show."""

    DEFAULT_CSS = "MessagePane { background: $background; }"

    class LinkClicked(Message):
        """A link in the text was clicked; `number` is its place in `Rendered.links`."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, clock: Clock) -> None:
        super().__init__(id="message")
        self.clock = clock
        self.row: MessageRow | None = None
        self.origin: Origin | None = None
        self.hints = HeadingHints()
        self.mode: Mode = "text"
        self.rendered: Rendered | None = None
        self.words: tuple[str, ...] = ()
        self._head: list[tuple[tuple[str, str], ...]] = []
        self._tail: list[tuple[tuple[str, str], ...]] = []

    @property
    def text_width(self) -> int:
        """The cells a line of text may take."""
        return text_width(self.width)

    @property
    def _margin(self) -> int:
        return _margin(self.width)

    # what is shown

    def show_nothing(self, *words: str) -> None:
        """No message: say why."""
        self.row = self.origin = self.rendered = None
        self.words = words
        self._assemble(to_top=True)

    def show_message(self, row: MessageRow) -> None:
        """Another message, or another state of this one: its headers. The text follows by `show_text` or `show_words`."""
        same = self.row is not None and self.row.id == row.id
        self.row = row
        if not same:
            self.origin = self.rendered = None
            self.words = ()
        self._assemble(to_top=not same)

    def show_origin(self, origin: Origin | None) -> None:
        """Where the message comes from."""
        if origin != self.origin:
            self.origin = origin
            self._assemble(to_top=False)

    def show_text(self, rendered: Rendered, mode: Mode) -> None:
        """The laid out text of the message."""
        to_top = mode != self.mode
        self.rendered = rendered
        self.mode = mode
        self.words = ()
        self._assemble(to_top=to_top)

    def show_words(self, *words: str) -> None:
        """In place of the text: why it is not there."""
        self.rendered = None
        self.words = words
        self._assemble(to_top=False)

    def _assemble(self, *, to_top: bool) -> None:
        self._head = self._heading()
        self._tail = self._ending() if self.rendered is not None else []
        lines = len(self._head) + (len(self.rendered.lines) if self.rendered is not None else 0) + len(self._tail)
        if to_top:
            self.top = 0
        self.set_line_count(lines if self.rendered is not None else 0)
        self.touch()

    def sized(self) -> None:
        self._head = self._heading()
        self._tail = self._ending() if self.rendered is not None else []
        super().sized()

    # headers and what follows the text

    def _heading(self) -> list[tuple[Piece, ...]]:
        if self.row is None:
            return []
        return heading(self.row, self.origin, self.rendered, self.clock, self.text_width, self.hints)

    def _ending(self) -> list[tuple[Piece, ...]]:
        rendered = self.rendered
        assert rendered is not None
        width = self.text_width
        lines: list[tuple[Piece, ...]] = []
        if not rendered.lines and not rendered.notes and rendered.source not in ("source", "headers", "journey"):
            lines.append((("This message has no text.", "muted"),))
        for note in rendered.notes:
            lines += [
                (("▪ " if not number else "  ", "faint"), (line, "muted"))
                for number, line in enumerate(wrapped(steady(note), width - 2, 4))
            ]
        if rendered.notes:
            lines.insert(0, ())
        if rendered.links:
            lines += [(), (("Links", "heading"),)]
            for number, link in enumerate(rendered.links[:_LINKS_LISTED], 1):
                lines.append(((f"{number:>3}  ", "key"), (clip(steady(link), width - 5), "muted")))
            if len(rendered.links) > _LINKS_LISTED:
                lines.append(((f"     and {len(rendered.links) - _LINKS_LISTED:,} more", "muted"),))
        lines.append(())
        return lines

    # drawing

    def draw_line(self, y: int) -> Strip:
        place = y + self.top
        look = look_for(self)
        pen = self.pen()
        if self.row is None:
            lines = worded(self.words, self.text_width)
            place = y - max(0, min(self.height // 3, self.height - len(lines)))
            if 0 <= place < len(lines):
                pen.space(MARGIN)
                pen.put(lines[place][0], look.text if lines[place][1] else look.muted)
            return self.ended(pen, y)
        pen.space(self._margin)
        if place < len(self._head):
            self._pieces(pen, self._head[place], look)
            return self.ended(pen, y)
        place -= len(self._head)
        if self.rendered is None:
            lines = [("", True), *worded(self.words, self.text_width)]
            if place < len(lines):
                pen.put(lines[place][0], look.text if lines[place][1] else look.muted)
            return self.ended(pen, y)
        text = self.rendered.lines
        if place < len(text):
            self._text(pen, text[place], look)
        elif place - len(text) < len(self._tail):
            self._pieces(pen, self._tail[place - len(text)], look)
        return self.ended(pen, y)

    @staticmethod
    def _pieces(pen: Pen, pieces: tuple[Piece, ...], look: Look) -> None:
        for text, style in pieces:
            pen.put(text, getattr(look, style))

    @staticmethod
    def _text(pen: Pen, line: Line, look: Look) -> None:
        for span in line.spans:
            pen.put(steady(span.text), style_of(look, span.style))

    # links

    def link_at(self, x: int, y: int) -> int | None:
        """The link under a cell of the pane."""
        if self.rendered is None:
            return None
        place = y + self.top - len(self._head)
        lines = self.rendered.lines
        if 0 <= place < len(lines):
            left = self._margin
            for span in lines[place].spans:
                left += cell_width(steady(span.text))
                if x < left:
                    return span.link if span.link >= 0 else None
            return None
        place -= len(lines)
        if 0 <= place < len(self._tail) and self._tail[place] and self._tail[place][0][1] == "key":
            return int(self._tail[place][0][0]) - 1
        return None

    def on_click(self, event: events.Click) -> None:
        link = self.link_at(event.x, event.y)
        if link is not None:
            event.stop()
            self.post_message(self.LinkClicked(link))


def text_width(columns: int) -> int:
    """The cells a line of text may take in a pane of so many columns."""
    return max(10, min(WIDEST_TEXT, columns - 1 - 2 * _margin(columns)))


def _margin(columns: int) -> int:
    return MARGIN if columns > 30 else 1


def style_of(look: Look, style: TextStyle) -> Style:
    """How the theme shows a span of text."""
    match style:
        case TextStyle.PLAIN:
            return look.text
        case TextStyle.QUOTE1:
            return look.quotes[0]
        case TextStyle.QUOTE2:
            return look.quotes[1]
        case TextStyle.QUOTE3:
            return look.quotes[2]
        case TextStyle.SIGNATURE:
            return look.signature
        case TextStyle.LINK:
            return look.link
        case TextStyle.HEADING | TextStyle.STRONG:
            return look.strong
        case TextStyle.EMPHASIS:
            return look.emphasis
        case TextStyle.CODE:
            return look.code
        case TextStyle.DIFF_ADD:
            return look.good
        case TextStyle.DIFF_REMOVE:
            return look.error
        case TextStyle.NOTE:
            return look.muted
        case TextStyle.FAINT:
            return look.line
        case TextStyle.GOOD:
            return look.good
        case TextStyle.WARNING:
            return look.warning
