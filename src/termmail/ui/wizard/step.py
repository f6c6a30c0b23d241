"""One screenful of the wizard, and the line above it that says which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from textual import events
from textual.containers import VerticalScroll
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from termmail.ui.widgets.pane import Drawn, look_for
from termmail.ui.wizard.form import FormField, Options, Segments

if TYPE_CHECKING:
    from termmail.ui.wizard.screen import WizardScreen

Hint = tuple[str, str, str]
"""A key as it is read, what it does, and the key as it is pressed."""

Control = FormField | Options[Any] | Segments[Any]


class Step(VerticalScroll, can_focus=False):
    """Its controls in the order in which Tab goes through them; what is typed in them stays while one goes back and forth."""

    DEFAULT_CSS = """
    Step { width: 78; max-width: 100%; height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; background: $background; }
    Step { scrollbar-color: $foreground 26%; scrollbar-color-hover: $primary; scrollbar-color-active: $primary; }
    Step { scrollbar-background: $background; scrollbar-background-hover: $background; scrollbar-background-active: $background; }
    Step > Facts { margin-bottom: 1; }
    Step > FormField, Step > Segments { margin-bottom: 1; }
    """
    enter_moves = True
    """Whether Enter in a field goes to the next field."""

    @property
    def wizard(self) -> WizardScreen:
        return cast("WizardScreen", self.screen)

    def opened(self) -> None:
        """It is the one that is shown now."""

    def looked(self) -> None:
        """There is news of the lookup, here or not shown."""

    def field_changed(self, field: FormField) -> None:
        """Something else is typed in one of its fields."""

    def field_left(self, field: FormField) -> None:
        """One of its fields was left by a key."""

    def chosen(self, control: Widget) -> None:
        """Something else was chosen in one of its controls."""

    def leaving(self) -> bool:
        """Whether one can go on from here; where not, it has said why."""
        return True

    def left_backwards(self) -> None:
        """One goes back from here."""

    def enter_words(self) -> str:
        """What Enter does."""
        return "next"

    def hints(self) -> tuple[Hint, ...]:
        """What the keys do that belong to this step alone."""
        return ()

    def key(self, key: str) -> bool:
        """Act on a key that is in `hints`; whether it was one."""
        return False

    def controls(self) -> list[Control]:
        """Those that are visible, from top to bottom."""
        return [control for control in self._all_controls() if _is_visible(control, self)]

    def _all_controls(self) -> list[Control]:
        return [widget for widget in self.walk_children(Widget) if isinstance(widget, FormField | Options | Segments)]

    def fields(self) -> list[FormField]:
        """The fields that count, whether they can be seen or not."""
        return [control for control in self.controls() if isinstance(control, FormField)]

    def first_wrong(self) -> FormField | None:
        """The first field that has to be changed; all of them say now what is wrong with them."""
        for field in self.fields():
            field.was_left()
        return next((field for field in self.fields() if field.is_wrong), None)

    def first_doubt(self) -> FormField | None:
        """The first field with something that may be a slip, and that nobody has insisted on."""
        return next((field for field in self.fields() if field.is_doubtful), None)

    def reveal(self, field: FormField) -> None:
        """Make a field visible that is folded away."""


def _is_visible(widget: Widget, step: Step) -> bool:
    node: Widget | None = widget
    while node is not None and node is not step:
        if not node.display:
            return False
        node = cast("Widget | None", node.parent)
    return True


class StepBar(Drawn, can_focus=False):
    """What is being done, and the steps of it: those that are done, the one that is shown, those to come."""

    DEFAULT_CSS = "StepBar { height: 1; background: $surface; }"

    class Clicked(Message):
        """A step was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, title: str, steps: Sequence[str]) -> None:
        super().__init__(id="steps")
        self._title = title
        self._steps = tuple(steps)
        self._current = 0

    def show(self, title: str, current: int) -> None:
        """The title, and which step is shown."""
        if (title, current) != (self._title, self._current):
            self._title, self._current = title, current
            self.touch()

    def _words(self, place: int) -> str:
        if self.width < 60 and place != self._current:
            return str(place + 1)
        return f"{place + 1} {self._steps[place]}"

    def _placed(self) -> list[tuple[int, int]]:
        """Column and place of each step."""
        left = self.width - 1
        placed: list[tuple[int, int]] = []
        for place in reversed(range(len(self._steps))):
            left -= cell_len(self._words(place))
            placed.insert(0, (left, place))
            left -= 3
        return placed

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        placed = self._placed()
        pen.space()
        pen.field(self._title, look.heading_active, max(placed[0][0] - 3, 0) if placed else pen.left)
        for left, place in placed:
            pen.space(left - (self.width - pen.left))
            style = look.accent_bold if place == self._current else look.text if place < self._current else look.faint
            pen.put(self._words(place), style)
        return pen.strip()

    def on_click(self, event: events.Click) -> None:
        for left, place in self._placed():
            if left <= event.x < left + cell_len(self._words(place)):
                self.post_message(self.Clicked(place))
