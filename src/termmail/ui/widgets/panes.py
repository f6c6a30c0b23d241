"""Where the panes lie: three side by side, folders beside list over message, or one at a time."""

from __future__ import annotations

import enum

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from termmail.ui.keymap import Where
from termmail.ui.look import Look
from termmail.ui.widgets.pane import Drawn, Pane, PaneTitle, look_for

WIDE = 120
MIDDLE = 80
_NARROWEST = 12
_LOWEST = 3


class Arrangement(enum.Enum):
    """The layouts of UX.md by the width of the terminal."""

    SIDE_BY_SIDE = "three panes side by side"
    STACKED = "folders beside list over message"
    SINGLE = "one pane at a time"


def arrangement_for(width: int) -> Arrangement:
    """The layout for a terminal of `width` columns."""
    if width >= WIDE:
        return Arrangement.SIDE_BY_SIDE
    return Arrangement.STACKED if width >= MIDDLE else Arrangement.SINGLE


class PaneSizes(msgspec.Struct, frozen=True):
    """What is remembered of the layout: sizes in cells of a hundred columns or lines, and which panes are hidden."""

    folders: int = 24
    list_columns: int = 42
    list_lines: int = 45
    folders_hidden: bool = False
    message_hidden: bool = False

    def grown(self, where: Where, arrangement: Arrangement, cells: int) -> PaneSizes:
        """One pane larger by `cells` (of a hundred), another one smaller."""
        if where is Where.FOLDERS:
            return msgspec.structs.replace(self, folders=max(_NARROWEST, min(60, self.folders + cells)))
        sign = 1 if where is Where.LIST else -1
        if arrangement is Arrangement.SIDE_BY_SIDE:
            return msgspec.structs.replace(self, list_columns=max(15, min(85, self.list_columns + sign * cells)))
        return msgspec.structs.replace(self, list_lines=max(15, min(85, self.list_lines + sign * cells)))


class Splitter(Drawn, can_focus=False):
    """The line between two panes; dragging it moves it."""

    DEFAULT_CSS = "Splitter { background: $background; }"

    class Dragged(Message):
        """The line was dragged to these columns and lines of the panes' area."""

        def __init__(self, splitter: Splitter, x: int, y: int, *, done: bool) -> None:
            super().__init__()
            self.splitter = splitter
            self.x = x
            self.y = y
            self.done = done

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._dragging = False
        self._drawn = Strip([])
        self._drawn_for: Look | None = None

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        width = self.width
        if self._drawn_for is not look or self._drawn.cell_length != width:
            pen = self.pen()
            pen.put("│" if width == 1 else "─" * width, look.line)
            self._drawn, self._drawn_for = pen.strip(), look
        return self._drawn

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragging = True
        self.capture_mouse()
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragging:
            self.post_message(self.Dragged(self, int(event.screen_x), int(event.screen_y), done=False))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._dragging:
            self._dragging = False
            self.release_mouse()
            self.post_message(self.Dragged(self, int(event.screen_x), int(event.screen_y), done=True))


class Panes(Widget, can_focus=False):
    """Holds the panes and arranges them for its size."""

    DEFAULT_CSS = "Panes { height: 1fr; width: 100%; }"

    def __init__(self, folders: Pane, messages: Pane, message: Pane) -> None:
        super().__init__(id="panes")
        self.sizes = PaneSizes()
        self.active = Where.LIST
        self.folders, self.messages, self.message = folders, messages, message
        self.titles = {
            Where.FOLDERS: PaneTitle("folders"),
            Where.LIST: PaneTitle("list"),
            Where.MESSAGE: PaneTitle("message"),
        }
        self.panes = {Where.FOLDERS: folders, Where.LIST: messages, Where.MESSAGE: message}
        self.first_splitter, self.second_splitter = Splitter("first-splitter"), Splitter("second-splitter")
        self._arranger = _PanesLayout()

    def compose(self) -> ComposeResult:
        for where, pane in self.panes.items():
            yield self.titles[where]
            yield pane
        yield self.first_splitter
        yield self.second_splitter

    def render_lines(self, crop: Region) -> list[Strip]:
        # The panes cover it.
        return [Strip.blank(crop.width)] * crop.height

    @property
    def layout(self) -> Layout:
        return self._arranger

    @property
    def arrangement(self) -> Arrangement:
        return arrangement_for(self.app.size.width)

    def shown(self) -> tuple[Where, ...]:
        """The panes on the screen, in the order of Tab."""
        if self.arrangement is Arrangement.SINGLE:
            return (self.active,)
        return tuple(
            where
            for where in (Where.FOLDERS, Where.LIST, Where.MESSAGE)
            if not (where is Where.FOLDERS and self.sizes.folders_hidden and self.active is not where)
            and not (where is Where.MESSAGE and self.sizes.message_hidden and self.active is not where)
            and not (where is Where.LIST and self.sizes.message_hidden and self.active is Where.MESSAGE)
        )

    def arrange_again(self) -> None:
        """After a change of `sizes` or `active`."""
        # Textual forgets how the parents of a widget were arranged, not the widget itself.
        self.folders.refresh(layout=True)

    def columns_of(self, pane: Pane) -> int:
        """How wide a pane is, or is about to be when the screen is arranged again; 0 where it is not visible."""
        region = self.regions(self.size).get(pane)
        return region.width if region is not None else 0

    def regions(self, size: Size) -> dict[Widget, Region]:
        """Where everything lies; what is not in it is not visible."""
        width, height = size
        visible = self.shown()
        found: dict[Widget, Region] = {}

        def pane(where: Where, x: int, y: int, columns: int, lines: int) -> None:
            title = 1 if lines > 4 else 0
            if title:
                found[self.titles[where]] = Region(x, y, columns, 1)
            found[self.panes[where]] = Region(x, y + title, columns, lines - title)

        if len(visible) == 1:
            pane(visible[0], 0, 0, width, height)
            return found
        left = 0
        rest = [where for where in visible if where is not Where.FOLDERS]
        if Where.FOLDERS in visible:
            columns = max(_NARROWEST, min(self.sizes.folders, width // 2))
            pane(Where.FOLDERS, 0, 0, columns, height)
            found[self.first_splitter] = Region(columns, 0, 1, height)
            left = columns + 1
        if len(rest) == 1:
            pane(rest[0], left, 0, width - left, height)
        elif self.arrangement is Arrangement.SIDE_BY_SIDE:
            columns = max(20, (width - left) * self.sizes.list_columns // 100)
            pane(Where.LIST, left, 0, columns, height)
            found[self.second_splitter] = Region(left + columns, 0, 1, height)
            pane(Where.MESSAGE, left + columns + 1, 0, width - left - columns - 1, height)
        elif height < 2 * _LOWEST + 1:
            pane(self.active if self.active in rest else Where.LIST, left, 0, width - left, height)
        else:
            lines = max(_LOWEST, min(height - _LOWEST - 1, height * self.sizes.list_lines // 100))
            pane(Where.LIST, left, 0, width - left, lines)
            found[self.second_splitter] = Region(left, lines, width - left, 1)
            pane(Where.MESSAGE, left, lines + 1, width - left, height - lines - 1)
        return found

    def dragged(self, splitter: Splitter, x: int, y: int) -> None:
        """Take over where a splitter was dragged to."""
        left, top = self.region.offset
        x, y = x - left, y - top
        if splitter is self.first_splitter:
            sizes = msgspec.structs.replace(self.sizes, folders=max(_NARROWEST, min(60, x)))
        elif self.arrangement is Arrangement.SIDE_BY_SIDE:
            begin = self.first_splitter.region.right - left if Where.FOLDERS in self.shown() else 0
            room = max(1, self.size.width - begin)
            sizes = msgspec.structs.replace(self.sizes, list_columns=max(15, min(85, 100 * (x - begin) // room)))
        else:
            lines = max(1, self.size.height)
            sizes = msgspec.structs.replace(self.sizes, list_lines=max(15, min(85, (100 * y + lines - 1) // lines)))
        if sizes != self.sizes:
            self.sizes = sizes
            self.arrange_again()


class _PanesLayout(Layout):
    """Textual's view of `Panes.regions`."""

    name = "panes"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        assert isinstance(parent, Panes)
        return [
            WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, widget)
            for widget, region in parent.regions(size).items()
            if region.width > 0 and region.height > 0
        ]
