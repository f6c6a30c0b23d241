"""The few questions: yes or no for what can't be undone, and a line of text."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from termmail.ui.screens.keyed import Keyed, write
from termmail.ui.text import one_line
from termmail.ui.widgets.pane import PaneTitle

_BOX = """
    width: 68; max-width: 96%; height: auto; max-height: 100%; background: $surface; padding: 1 2;
"""


class Ask(Keyed, ModalScreen[bool], inherit_bindings=False):
    """Ends with True for yes. The words are safe text; `detail` is shown whole, on as many lines as it takes."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = f"""
    Ask {{ align: center middle; background: $background 55%; }}
    Ask > Vertical {{ {_BOX} }}
    Ask .detail {{ margin-top: 1; color: $primary; height: auto; max-height: 10; }}
    Ask .keys {{ margin-top: 1; }}
    """

    def __init__(self, question: str, yes: str, *, detail: str = "") -> None:
        super().__init__()
        self._question = one_line(question)
        self._yes = yes
        self._detail = one_line(detail)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._question), markup=False)
            if self._detail:
                yield Static(Content(self._detail), markup=False, classes="detail")
            yield Static(
                Content.assemble(("y", "bold $primary"), f" {self._yes.lower()}   ", ("n", "bold $primary"), " keep"),
                markup=False,
                classes="keys",
            )

    def key_pressed(self, event: events.Key) -> bool:
        if event.character in ("y", "Y"):
            self.dismiss(True)
        elif event.character in ("n", "N", "q") or event.key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(False)
        return True


class Prompt(Keyed, ModalScreen[str | None], inherit_bindings=False):
    """Ends with what was typed, or None."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = f"""
    Prompt {{ align: center middle; background: $background 55%; }}
    Prompt > Vertical {{ {_BOX} }}
    Prompt Input {{ border: none; height: 1; padding: 0 1; margin-top: 1; background: $panel; color: $foreground; }}
    Prompt Input:focus {{ border: none; background-tint: $foreground 0%; }}
    Prompt .note {{ margin-top: 1; color: $foreground 75%; }}
    """

    def __init__(self, title: str, *, value: str = "", note: str = "", secret: bool = False) -> None:
        super().__init__()
        self._title = PaneTitle("prompt")
        self._words = one_line(title)
        self._note = one_line(note)
        self._input = Input(value=value, password=secret, select_on_focus=False)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._input
            if self._note:
                yield Static(Content(self._note), markup=False, classes="note")

    def on_mount(self) -> None:
        self._title.show(self._words, active=True)

    def key_pressed(self, event: events.Key) -> bool:
        if event.key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif event.key == "enter":
            self.dismiss(self._input.value)
        else:
            return write(self._input, event)
        return True
