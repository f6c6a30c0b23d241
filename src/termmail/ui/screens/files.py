"""Choosing files to attach: a path that completes itself, with the sizes of what is there."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from termmail.ui.screens.choice import Choices, Item
from termmail.ui.screens.keyed import Keyed, write
from termmail.ui.text import one_line
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.words import size

_MOST = 2000


class FilesScreen(Keyed, ModalScreen[tuple[Path, ...] | None], inherit_bindings=False):
    """Ends with the files, or None. Tab completes, Enter opens a folder or takes a file, Ctrl+Space marks one of several."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    FilesScreen { align: center top; background: $background 55%; }
    FilesScreen > Vertical {
        width: 78; max-width: 96%; height: 24; max-height: 90%; margin-top: 2; background: $surface; padding: 1 1;
    }
    FilesScreen Input { border: none; height: 1; padding: 0 2; margin-bottom: 1; background: $panel; color: $foreground; }
    FilesScreen Input:focus { border: none; background-tint: $foreground 0%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._title = PaneTitle("files")
        self._input = Input(value="~/", select_on_focus=False)
        self._choices: Choices[Path] = Choices(())
        self._marked: dict[Path, None] = {}
        self._folder: Path | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._input
            yield self._choices

    def on_mount(self) -> None:
        self._show()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    def _show(self) -> None:
        # A path typed behind the one that is there begins anew.
        for start in ("//", "/~/"):
            if start in self._input.value:
                self._input.value = self._input.value[self._input.value.rindex(start) + 1 :]
                self._input.cursor_position = len(self._input.value)
        typed = self._input.value
        folder = Path(os.path.expanduser(typed if typed.endswith("/") else os.path.dirname(typed) or "."))  # noqa: PTH111, PTH120
        if folder != self._folder:
            self._folder = folder
            self._choices.items = _items(folder, self._marked)
            self._choices.query_words = None
        self._choices.filter("" if typed.endswith("/") else Path(typed).name)
        self._choices.touch()
        marked = f"{len(self._marked)} marked" if self._marked else "Enter attaches, Ctrl+Space marks several"
        self._title.show("Attach a file", marked, active=True)

    def key_pressed(self, event: events.Key) -> bool:
        moves = {"down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "pagedown": 10, "pageup": -10}
        if event.key in moves:
            self._choices.move(moves[event.key])
        elif event.key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif event.key == "tab":
            self._complete()
        elif event.key in ("ctrl+@", "ctrl+space"):
            self._mark()
        elif event.key == "enter":
            self._enter()
        else:
            return write(self._input, event)
        return True

    def on_choices_clicked(self, event: Choices.Clicked) -> None:
        event.stop()
        self._choices.cursor = event.place
        self._enter()

    def _current(self) -> Path | None:
        self._show()
        exact = Path(os.path.expanduser(self._input.value))  # noqa: PTH111
        if not self._input.value.endswith("/") and exact.is_file():
            return exact
        shown = self._choices.shown
        return shown[self._choices.cursor].value if self._choices.cursor < len(shown) else None

    def _complete(self) -> None:
        found = self._current()
        if found is not None:
            self._input.value = f"{found}/" if found.is_dir() else str(found)
            self._input.cursor_position = len(self._input.value)
            self._show()

    def _mark(self) -> None:
        found = self._current()
        if found is not None and found.is_file():
            if found in self._marked:
                del self._marked[found]
            else:
                self._marked[found] = None
            place = self._choices.cursor
            self._folder = None
            self._show()
            self._choices.move(place + 1)

    def _enter(self) -> None:
        found = self._current()
        if found is not None and found.is_dir():
            self._complete()
        elif self._marked:
            self.dismiss(tuple(self._marked))
        elif found is not None and found.is_file():
            self.dismiss((found,))


def _items(folder: Path, marked: Container[Path]) -> list[Item[Path]]:
    """What a folder holds by name, hidden files last. Nothing where it can't be read."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.name.startswith("."), entry.name.casefold()))[
            :_MOST
        ]
    except OSError:
        return []
    items: list[Item[Path]] = []
    for entry in entries:
        try:
            is_folder = entry.is_dir()
            detail = "folder" if is_folder else size(entry.stat().st_size)
        except OSError:
            continue
        path = folder / entry.name
        words = ("✓ " if path in marked else "") + one_line(entry.name) + ("/" if is_folder else "")
        items.append(Item(words, path, detail, muted=is_folder))
    return items
