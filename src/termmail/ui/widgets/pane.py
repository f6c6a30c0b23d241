"""What the three panes share: a title above, and lines below that are drawn one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from termmail.ui.drawing import Pen
from termmail.ui.look import Look

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp


def look_for(widget: Widget) -> Look:
    """The styles of the theme that is chosen."""
    return cast("TermmailApp", widget.app).look


class Drawn(Widget, can_focus=False):
    """A widget that draws its own lines on its own background."""

    _ground_for: Look | None = None
    _ground = Style.null()

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
        ground = self.ground
        return Pen(self.line_width, ground if over is None else ground + over, ground)

    @property
    def line_width(self) -> int:
        """The cells of a line that are drawn on."""
        return self.size.width

    def render_lines(self, crop: Region) -> list[Strip]:
        # These widgets have neither borders nor filters: Textual's own way, by its cache of styled lines, takes several times as long.
        width = self.size.width
        lines = [self.render_line(y) for y in range(crop.y, crop.bottom)]
        if crop.x == 0 and crop.width == width:
            return lines
        return [line.crop(crop.x, crop.right) for line in lines]

    def blank(self) -> Strip:
        """A line with nothing on it."""
        return Strip.blank(self.size.width, self.ground)


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
            self.refresh()

    def render_line(self, y: int) -> Strip:
        look = look_for(self)
        width = self.size.width
        pen = self.pen()
        pen.space()
        detail = self._detail if width > len(self._detail) + 16 else ""
        room = pen.left - len(detail) - 2
        pen.field(self._title, look.heading_active if self._active else look.heading, room)
        pen.space()
        pen.put(detail, look.muted)
        return pen.strip(self.size.width)


class Pane(ScrollView, Drawn, can_focus=False):
    """A pane that draws its own lines. Keys come from the screen, never by focus, so that no key restyles anything."""

    DEFAULT_CSS = """
    Pane { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden; overflow-y: auto; }
    """

    is_active = False

    def set_active(self, active: bool) -> None:
        """Whether this pane takes the keys."""
        if active != self.is_active:
            self.is_active = active
            self.forget_drawn()
            self.refresh()

    def forget_drawn(self) -> None:
        """Drop what was kept of lines that were drawn."""

    @property
    def line_width(self) -> int:
        return max(0, self.size.width - (1 if self.show_vertical_scrollbar else 0))

    @property
    def top(self) -> int:
        """The first visible line."""
        return self.scroll_offset.y

    def to_line(self, y: int) -> None:
        """Scroll so that line `y` is the first, at once."""
        self.scroll_to(y=y, animate=False)
