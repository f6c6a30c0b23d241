"""Widgets that draw their own lines and keep them, and the panes, which scroll without a layout.

Textual's ScrollView lays out the whole screen whenever the number of its lines changes, and renders every widget in the rectangle
round all that is dirty. Here a new number of lines redraws one pane, and what did not change is not drawn again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from termmail.ui.drawing import Pen, SteadyStrip
from termmail.ui.look import Look

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

_WHEEL_LINES = 3


def look_for(widget: Widget) -> Look:
    """The styles of the theme that is chosen."""
    return cast("TermmailApp", widget.app).look


class Drawn(Widget, can_focus=False):
    """Draws its lines on its own background by `draw_line` and keeps them until `touch`."""

    DEFAULT_CSS = "Drawn { overflow: hidden hidden; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kept: dict[int, Strip] = {}
        self._kept_size = Size(0, 0)
        self._ground_for: Look | None = None
        self._ground = Style.null()

    def draw_line(self, y: int) -> Strip:
        """Line `y` of the widget, as wide as it is."""
        raise NotImplementedError

    def sized(self) -> None:
        """The widget has another size, `width` by `height`; called before it is drawn."""

    @property
    def width(self) -> int:
        return self.outer_size.width

    @property
    def height(self) -> int:
        return self.outer_size.height

    @property
    def line_width(self) -> int:
        """The cells of a line that are written on."""
        return self.outer_size.width

    @property
    def ground(self) -> Style:
        """The background of this widget in the theme that is chosen."""
        look = look_for(self)
        if self._ground_for is not look:
            self._ground_for = look
            self._ground = Style(bgcolor=self.background_colors[1].rich_color)
        return self._ground

    def pen(self, over: Style | None = None) -> Pen:
        """For one line of this widget; `over` changes the background."""
        return Pen(self.line_width, self.ground if over is None else self.ground + over)

    def touch(self, first: int = 0, count: int | None = None) -> None:
        """Draw `count` lines from `first` on again, or all that follow; lines outside of the widget do not matter."""
        if count is None and first <= 0:
            self._kept.clear()
            self.refresh()
            return
        last = self.height if count is None else min(first + count, self.height)
        first = max(first, 0)
        if first >= last:
            return
        for y in range(first, last):
            self._kept.pop(y, None)
        self.refresh(Region(0, first, self.width, last - first))

    def forget_drawn(self) -> None:
        """Draw everything again, from the beginning: the theme is another one."""
        self.touch()

    def render_line(self, y: int) -> Strip:
        strip = self._kept.get(y)
        if strip is None:
            strip = self._kept[y] = self.draw_line(y)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        size = self.outer_size
        if size != self._kept_size:
            self._kept_size = size
            self._kept.clear()
            self.sized()
        lines = [self.render_line(y) for y in range(crop.y, crop.bottom)]
        if crop.x == 0 and crop.width == size.width:
            return lines
        return [line.crop(crop.x, crop.right) for line in lines]


class PaneTitle(Drawn, can_focus=False):
    """One line above a pane; bright while the pane is active."""

    DEFAULT_CSS = "PaneTitle { height: 1; }"

    def __init__(self, pane_id: str) -> None:
        super().__init__(id=f"{pane_id}-title")
        self._title = ""
        self._detail = ""
        self._active = False

    def show(self, title: str, detail: str = "", *, active: bool) -> None:
        """Draw it where something is different. Both are safe text; `detail` stands at the right."""
        if (title, detail, active) != (self._title, self._detail, self._active):
            self._title, self._detail, self._active = title, detail, active
            self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        pen.space()
        detail = self._detail if self.width > len(self._detail) + 16 else ""
        room = pen.left - len(detail) - 2
        pen.field(self._title, look.heading_active if self._active else look.heading, room)
        pen.space()
        pen.put(detail, look.muted)
        return pen.strip()


class Pane(Drawn, can_focus=False):
    """Many lines of which some are visible, with a scroll bar in the last column.

    Keys come from the screen, never by Textual's focus, so that no key restyles anything.
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id)
        self.is_active = False
        self.line_count = 0
        self.top = 0
        self._bar = (0, 0)
        self._dragging = False

    @property
    def line_width(self) -> int:
        return max(0, self.outer_size.width - 1)

    def set_active(self, active: bool) -> None:
        """Whether this pane takes the keys."""
        if active != self.is_active:
            self.is_active = active
            self.touch()

    # scrolling

    @property
    def furthest(self) -> int:
        """The largest `top`."""
        return max(0, self.line_count - self.height)

    def to_line(self, line: int) -> bool:
        """Scroll so that `line` is the first, as far as there are lines; whether that was another one."""
        line = max(0, min(line, self.furthest))
        if line == self.top:
            return False
        self.top = line
        self._bar = self._thumb()
        self.touch()
        return True

    def set_line_count(self, count: int) -> None:
        """Take over how many lines there are. Those that are visible are drawn again only where the scroll bar changes."""
        self.line_count = count
        if self.height and not self.to_line(self.top):
            self._show_bar()

    def shift_to(self, line: int) -> None:
        """As `to_line` where what is visible moved along: only the scroll bar is drawn again."""
        self.top = max(0, min(line, self.furthest))
        self._show_bar()

    def _show_bar(self) -> None:
        before = [self.is_on_thumb(y) for y in range(self.height)]
        self._bar = self._thumb()
        for y in range(self.height):
            if self.is_on_thumb(y) is not before[y]:
                self.touch(y, 1)

    def reveal(self, first: int, count: int = 1) -> bool:
        """Scroll so that these lines are visible; whether that was necessary."""
        if self.height <= 0:
            return False
        if first < self.top:
            return self.to_line(first)
        if first + count > self.top + self.height:
            return self.to_line(first + count - self.height)
        return False

    def sized(self) -> None:
        self.top = max(0, min(self.top, self.furthest))
        self._bar = self._thumb()

    def touch_lines(self, first: int, count: int = 1) -> None:
        """Draw lines of the pane's text again."""
        self.touch(first - self.top, count) if first + count > self.top else None

    def _thumb(self) -> tuple[int, int]:
        """The scroll bar's first line and length; (0, 0) where everything is visible."""
        height = self.height
        if height <= 0 or self.line_count <= height:
            return 0, 0
        length = max(1, height * height // self.line_count)
        return round((height - length) * self.top / max(1, self.furthest)), length

    def ended(self, pen: Pen, y: int) -> Strip:
        """The line that was written, with its cell of the scroll bar."""
        return SteadyStrip([*pen.segments(), self.bar_cell(y)], self.outer_size.width, pen.overlay)

    def is_on_thumb(self, y: int) -> bool:
        """Whether line `y` of the scroll bar is a part of its thumb."""
        first, length = self._bar
        return first <= y < first + length

    def bar_cell(self, y: int) -> Segment:
        """Line `y` of the scroll bar."""
        if self.is_on_thumb(y):
            return Segment("▐", self.ground + look_for(self).bar)
        return Segment(" ", self.ground)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.to_line(self.top + _WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.to_line(self.top - _WHEEL_LINES)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.x == self.width - 1 and self._bar[1]:
            self._dragging = True
            self.capture_mouse()
            self._drag_to(event.y)
            event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragging:
            self._drag_to(event.y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag_to(self, y: int) -> None:
        room = max(1, self.height - self._bar[1])
        self.to_line(round(self.furthest * (y - self._bar[1] / 2) / room))
