"""The message list: only the visible rows are read and drawn, of however many there are."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from termmail.mime.addresses import is_deceptive
from termmail.model.flags import Flag
from termmail.model.mailbox import Role
from termmail.model.message import BodyState, MessageRow
from termmail.ui.drawing import Pen, SteadyStrip
from termmail.ui.list_model import Change, ListModel
from termmail.ui.look import Look
from termmail.ui.text import clip_address, fit, one_line, person, shown_address, worded
from termmail.ui.widgets.pane import Pane, look_for
from termmail.ui.words import Clock

UNREAD = "●"
FLAGGED = "⚑"
ANSWERED = "↩"
ATTACHED = "⊕"
WAITING = "↑"
PROBLEM = "!"
MARKED = "▌"

_TWO_LINES_BELOW = 64
_PEOPLE_OF_TO = (Role.SENT, Role.DRAFTS)
_NARROW = 34
_DRAWN_KEPT = 2000


class MessageList(Pane):
    """Draws a `ListModel`. In less than 64 columns a message takes two lines."""

    DEFAULT_CSS = "MessageList { background: $background; }"

    class Clicked(Message):
        """A row was clicked; `chain` is 2 for a double click."""

        def __init__(self, position: int, chain: int, *, extend: bool) -> None:
            super().__init__()
            self.position = position
            self.chain = chain
            self.extend = extend

    def __init__(self, model: ListModel, clock: Clock) -> None:
        super().__init__(id="list")
        self.model = model
        self.clock = clock
        self.role = Role.NONE
        self.empty_words: tuple[str, ...] = ()
        self.on_visible: Callable[[], None] | None = None
        self.lines_per_row = 1
        self._rows_drawn: dict[int, tuple[tuple[object, ...], list[list[Segment]]]] = {}
        self._lines_drawn: dict[int, tuple[object, ...]] = {}

    # size

    def sized(self) -> None:
        lines = 2 if self.line_width < _TWO_LINES_BELOW else 1
        self._rows_drawn.clear()
        if lines != self.lines_per_row:
            self.top = self.top // self.lines_per_row * lines
            self.lines_per_row = lines
            self.line_count = len(self.model) * lines
        super().sized()
        if self.model.cursor >= 0:
            first = self.model.cursor * lines
            self.top = max(min(self.top, first), first + lines - self.height, 0)
            self._bar = self._thumb()

    def measure(self) -> None:
        """Take over the number of rows."""
        self.set_line_count(len(self.model) * self.lines_per_row)

    @property
    def rows_visible(self) -> int:
        return max(1, self.height // self.lines_per_row)

    # changes

    def forget_drawn(self) -> None:
        self._rows_drawn.clear()
        self.touch()

    def set_active(self, active: bool) -> None:
        if active != self.is_active:
            self.is_active = active
            self.touch_row(self.model.cursor)

    def opened(self) -> None:
        """Another list has begun in the model."""
        self._rows_drawn.clear()
        self.measure()
        self.to_line(max(self.model.cursor, 0) * self.lines_per_row)
        self.show_cursor()
        self.touch()

    def changed(self, change: Change) -> None:
        """Draw what a patch changed; the rows on the screen stay where they are, unless the newest are in view."""
        if change.structure:
            top = self.top
            self.measure()
            if top > 0 and change.added_above:
                self.shift_to(top + change.added_above * self.lines_per_row)
            else:
                self.show_cursor()
        if change.structure or change.rows:
            self.touch_changed()

    def touch_changed(self) -> None:
        """Draw those lines again that are to show something else: while thousands of messages come in, hardly ever one in view."""
        first = self.top // self.lines_per_row
        self.model.ensure(first, first + self.rows_visible + 1)
        changed = [y for y in range(self.height) if self._line_state(y) != self._lines_drawn.get(y)]
        if len(changed) > self.height // 2:
            self.touch()
            return
        for y in changed:
            self.touch(y, 1)

    def cursor_place(self) -> int | None:
        """The cursor's line of the window; None where the newest messages are in view."""
        return self.model.cursor * self.lines_per_row - self.top if self.top else None

    def loaded(self, place: int | None) -> None:
        """The list was loaded again; the cursor was at this place of the window, and the rows round it stay where they are. The caller
        draws what changed."""
        self.measure()
        if place is not None:
            self.shift_to(self.model.cursor * self.lines_per_row - place)

    def move_to(self, position: int) -> bool:
        """Put the cursor on a row; whether it moved."""
        model = self.model
        if not len(model):
            return False
        position = max(0, min(position, len(model) - 1))
        before = model.cursor
        if position == before:
            return False
        model.direction = 1 if position > before else -1
        ranging = model.range_from is not None
        model.cursor = position
        if not self.show_cursor():
            if ranging:
                self.touch()
            else:
                self.touch_row(before)
                self.touch_row(position)
        return True

    def show_cursor(self) -> bool:
        """Scroll so that the cursor is visible; whether that was necessary."""
        return self.model.cursor >= 0 and self.reveal(self.model.cursor * self.lines_per_row, self.lines_per_row)

    def touch_row(self, position: int) -> None:
        """Draw a row again."""
        if position >= 0:
            self.touch_lines(position * self.lines_per_row, self.lines_per_row)

    # drawing

    def _line_state(self, y: int) -> tuple[object, ...]:
        """All that line `y` shows, as far as the list has it in memory."""
        position, part = divmod(y + self.top, self.lines_per_row)
        if position >= len(self.model):
            return (() if len(self.model) else self.empty_words, self.is_on_thumb(y))
        return (*self._row_state(position), part, self.is_on_thumb(y))

    def _row_state(self, position: int) -> tuple[object, ...]:
        model = self.model
        is_cursor = position == model.cursor and (2 if self.is_active else 1)
        return (model.row(position), is_cursor, model.is_marked(position))

    def draw_line(self, y: int) -> Strip:
        strip = self._drawn_line(y)
        self._lines_drawn[y] = self._line_state(y)
        return strip

    def _drawn_line(self, y: int) -> Strip:
        position, part = divmod(y + self.top, self.lines_per_row)
        model = self.model
        if position >= len(model):
            return self._beyond(y)
        row = model.row(position)
        if row is None:
            first = self.top // self.lines_per_row
            count = self.rows_visible
            model.ensure(first - count // 2, first + 2 * count + 1)
            row = model.row(position)
        placement_id = model.ids[position]
        state = self._row_state(position)
        drawn = self._rows_drawn.get(placement_id)
        if drawn is None or drawn[0] != state:
            if len(self._rows_drawn) > _DRAWN_KEPT:
                self._rows_drawn.clear()
            drawn = (state, self._draw(row, self.line_width, is_cursor=bool(state[1]), marked=bool(state[2])))
            self._rows_drawn[placement_id] = drawn
        return SteadyStrip([*drawn[1][part], self.bar_cell(y)], self.width)

    def _beyond(self, y: int) -> Strip:
        """Below the last row; in an empty list, the words that say why."""
        look = look_for(self)
        pen = self.pen()
        if not len(self.model):
            lines = worded(self.empty_words, pen.left - 4)
            place = y - max(0, min(2, self.height - len(lines)))
            if 0 <= place < len(lines):
                pen.space(2)
                pen.put(lines[place][0], look.text if lines[place][1] else look.muted)
        return self.ended(pen, y)

    def _draw(self, row: MessageRow | None, width: int, *, is_cursor: bool, marked: bool) -> list[list[Segment]]:
        look = look_for(self)
        ground: Style | None = None
        if is_cursor:
            ground = look.cursor if self.is_active else look.cursor_idle
        elif marked:
            ground = look.marked
        if row is None:
            return [self.pen(ground).segments() for _ in range(self.lines_per_row)]
        if self.lines_per_row == 2:
            return self._two_lines(row, width, look, ground, marked=marked)
        return [self._single_line(row, width, look, ground, marked=marked)]

    def _single_line(
        self, row: MessageRow, width: int, look: Look, ground: Style | None, *, marked: bool
    ) -> list[Segment]:
        unread = not row.flags.system & Flag.SEEN
        pen = self.pen(ground)
        self._marks(pen, row, look, marked=marked, unread=unread)
        people = min(44, max(14, width * 3 // 10))
        before = pen.left
        self._people(pen, row, people, look, unread=unread)
        pen.space(people - (before - pen.left) + 2)
        time = self._time(row, width)
        ending = self._ending(row)
        room = pen.left - len(time) - len(ending) - 3
        before = pen.left
        self._subject(pen, row, room, look, ground, unread=unread)
        pen.space(room - (before - pen.left) + 1)
        self._end(pen, ending, time, look, unread=unread)
        return pen.segments()

    def _two_lines(
        self, row: MessageRow, width: int, look: Look, ground: Style | None, *, marked: bool
    ) -> list[list[Segment]]:
        unread = not row.flags.system & Flag.SEEN
        time = self._time(row, width)
        ending = self._ending(row)
        first = self.pen(ground)
        self._marks(first, row, look, marked=marked, unread=unread)
        room = first.left - len(time) - len(ending) - 3
        before = first.left
        self._people(first, row, room, look, unread=unread)
        first.space(room - (before - first.left) + 1)
        self._end(first, ending, time, look, unread=unread)
        second = self.pen(ground)
        second.put(MARKED if marked else " ", look.accent)
        second.space(4)
        self._subject(second, row, second.left - 1, look, ground, unread=unread)
        return [first.segments(), second.segments()]

    def _time(self, row: MessageRow, width: int) -> str:
        time = self.clock.short(row.received_at)
        return time[:4] if width < _NARROW and len(time) == 10 else time

    @staticmethod
    def _marks(pen: Pen, row: MessageRow, look: Look, *, marked: bool, unread: bool) -> None:
        flags = row.flags.system
        pen.put(MARKED if marked else " ", look.accent)
        if row.problem:
            pen.put(PROBLEM, look.error)
        else:
            pen.put(
                UNREAD if unread else ANSWERED if flags & Flag.ANSWERED else " ", look.accent if unread else look.muted
            )
        pen.put(" ", look.text)
        pen.put(FLAGGED if flags & Flag.FLAGGED else " ", look.flag)
        pen.put(" ", look.text)

    def _people(self, pen: Pen, row: MessageRow, cells: int, look: Look, *, unread: bool) -> None:
        """Name, and the real address beside it as far as there is room (D4)."""
        outgoing = self.role in _PEOPLE_OF_TO
        addresses = row.to or row.cc if outgoing else row.from_
        style = look.bright if unread else look.text
        limit = pen.left - cells
        if outgoing:
            pen.put("To ", look.muted)
        if not addresses:
            pen.put(fit("(nobody)" if outgoing else "(no sender)", max(0, pen.left - limit)).rstrip(), look.muted)
            return
        first = addresses[0]
        name = person(first)
        mail = shown_address(first.address)
        if is_deceptive(first) or (len(addresses) > 1 and not outgoing):
            pen.put("! ", look.warning)
        room = pen.left - limit
        if name == mail or not mail:
            pen.put(clip_address(name, room) if name == mail else fit(name, room).rstrip(), style)
            return
        if len(addresses) > 1 and outgoing:
            name = ", ".join(person(address) for address in addresses[:8])
            pen.put(fit(name, room).rstrip(), style)
            return
        pen.put(fit(name, room).rstrip(), style)
        room = pen.left - limit - 1
        if room >= 8:
            pen.space()
            pen.put(clip_address(mail, room), look.muted)

    @staticmethod
    def _subject(pen: Pen, row: MessageRow, cells: int, look: Look, ground: Style | None, *, unread: bool) -> None:
        limit = pen.left - cells
        if row.problem:
            pen.put(fit(one_line(row.problem), cells).rstrip(), look.error)
            return
        subject = one_line(row.subject)
        pen.put(
            fit(subject or "(no subject)", cells).rstrip(),
            (look.bright if unread else look.text) if subject else look.muted,
        )
        room = pen.left - limit
        if row.preview and room >= 10:
            pen.put(
                " " + fit("· " + one_line(row.preview), room - 1).rstrip(),
                look.muted if ground is look.cursor else look.faint,
            )

    @staticmethod
    def _ending(row: MessageRow) -> str:
        ending = ATTACHED if row.has_attachments else ""
        if row.pending:
            ending += WAITING
        elif row.body_state is BodyState.BROKEN:
            ending += PROBLEM
        return ending

    @staticmethod
    def _end(pen: Pen, ending: str, time: str, look: Look, *, unread: bool) -> None:
        pen.put(ending, look.muted)
        pen.space()
        pen.put(time, look.accent if unread else look.muted)
        pen.space()

    # mouse

    def on_click(self, event: events.Click) -> None:
        position = (event.y + self.top) // self.lines_per_row
        if event.x < self.line_width and 0 <= position < len(self.model):
            self.post_message(self.Clicked(position, event.chain, extend=event.shift or event.ctrl))
