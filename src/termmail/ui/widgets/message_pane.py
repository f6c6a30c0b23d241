"""The message pane: headers at once, then the text when it is laid out; only visible lines are drawn."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip

from termmail.model.body import Rendered
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
from termmail.ui.widgets.message_text import MessageText
from termmail.ui.widgets.pane import look_for
from termmail.ui.widgets.picture_pane import PicturePane
from termmail.ui.words import Clock

MARGIN = 2
WIDEST_TEXT = 92
_LINKS_LISTED = 60


class MessagePane(PicturePane):
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
        self.searched = ""
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
        self.row = self.origin = self.rendered = self.text = None
        self.searched = ""
        self.words = words
        self._assemble(to_top=True)

    def show_message(self, row: MessageRow) -> None:
        """Another message, or another state of this one: its headers. The text follows by `show_text` or `show_words`."""
        same = self.row is not None and self.row.id == row.id
        self.row = row
        if not same:
            self.origin = self.rendered = self.text = None
            self.searched = ""
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
        if rendered is not self.rendered:
            self.text = MessageText(rendered)
            if self.searched:
                self.text.find(self.searched)
        self.rendered = rendered
        self.mode = mode
        self.words = ()
        self._assemble(to_top=to_top)

    def show_words(self, *words: str) -> None:
        """In place of the text: why it is not there."""
        if self.rendered is None and words == self.words:
            return
        self.rendered = self.text = None
        self.words = words
        self._assemble(to_top=False)

    def _assemble(self, *, to_top: bool) -> None:
        self._head = self._heading()
        self._tail = self._ending() if self.rendered is not None else []
        if to_top:
            self.top = 0
        below = (
            0
            if self.row is None
            else len(self.text.rows) + len(self._tail)
            if self.text is not None
            else len(self._told())
        )
        self.set_line_count(len(self._head) + below)
        self.touch()

    def sized(self) -> None:
        self._head = self._heading()
        self._tail = self._ending() if self.rendered is not None else []
        super().sized()

    # headers and what follows the text

    def _told(self) -> list[tuple[str, bool]]:
        """The lines of what is said in place of the text."""
        return [("", True), *worded(self.words, self.text_width)]

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
        if self.text is None:
            lines = self._told()
            if place < len(lines):
                pen.put(lines[place][0], look.text if lines[place][1] else look.muted)
            return self.ended(pen, y)
        rows = len(self.text.rows)
        if place < rows:
            self.draw_text(pen, y, place, look)
        elif place - rows < len(self._tail):
            self._pieces(pen, self._tail[place - rows], look)
        return self.ended(pen, y)

    @staticmethod
    def _pieces(pen: Pen, pieces: tuple[Piece, ...], look: Look) -> None:
        for text, style in pieces:
            pen.put(text, getattr(look, style))

    # folding and searching

    def toggle_quotations(self) -> bool | None:
        """Fold the quotations, or show them all; whether they are folded now, None where there are none."""
        if self.text is None or not self.text.rendered.folds:
            return None
        folded = self.text.toggle_folds()
        self._assemble(to_top=False)
        return folded

    def find(self, words: str) -> int:
        """Search in the text and show the first hit from here on; how many there are."""
        if self.text is None:
            return 0
        self.searched = words
        count = self.text.find(words)
        self.text.nearest_hit(self.top - len(self._head))
        self.next_hit(0)
        return count

    def next_hit(self, step: int) -> None:
        """Show another hit."""
        if self.text is not None and (row := self.text.step(step)) >= 0:
            self._assemble(to_top=False)
            line = len(self._head) + row
            if not self.top <= line < self.top + self.height:
                self.to_line(line - self.height // 3)

    def end_search(self) -> bool:
        """Forget the hits; whether there was a search."""
        searched, self.searched = self.searched, ""
        if searched and self.text is not None:
            self.text.find("")
            self.touch()
        return bool(searched)

    # links

    def link_at(self, x: int, y: int) -> int | None:
        """The link under a cell of the pane."""
        if self.text is None:
            return None
        place = y + self.top - len(self._head)
        if place < len(self.text.rows):
            return self.text.link_at(place, x - self._margin)
        place -= len(self.text.rows)
        if place < len(self._tail) and self._tail[place] and self._tail[place][0][1] == "key":
            return int(self._tail[place][0][0]) - 1
        return None

    def on_click(self, event: events.Click) -> None:
        if event.x >= self.line_width:
            return
        if self.text is not None and (fold := self.text.fold_at(event.y + self.top - len(self._head))) >= 0:
            event.stop()
            self.text.unfold(fold)
            self._assemble(to_top=False)
            return
        link = self.link_at(event.x, event.y)
        if link is not None:
            event.stop()
            self.post_message(self.LinkClicked(link))


def text_width(columns: int) -> int:
    """The cells a line of text may take in a pane of so many columns."""
    return max(10, min(WIDEST_TEXT, columns - 1 - 2 * _margin(columns)))


def _margin(columns: int) -> int:
    return MARGIN if columns > 30 else 1
