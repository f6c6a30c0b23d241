"""Where there is no account yet: how to add one, and the demo."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from rich.style import Style
from textual import events
from textual.screen import Screen
from textual.strip import Strip

from termmail.model.errors import TermmailError
from termmail.ui.drawing import Pen
from termmail.ui.screens.keyed import Keyed

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

_COMMAND = (
    "termmail account add work \\",
    "  --email you@example.org \\",
    "  --imap imap.example.org \\",
    "  --smtp smtp.example.org \\",
    "  --password-command 'pass show mail'",
)
_COMMAND_NARROW = ("termmail account add --help",)


class WelcomeScreen(Keyed, Screen[None], inherit_bindings=False):
    """Draws its few lines itself."""

    def __init__(self, *, demo: bool) -> None:
        super().__init__()
        self._demo = demo

    def on_mount(self) -> None:
        self._timer = self.set_interval(1.0, self._look_for_account)

    def _look_for_account(self) -> None:
        """One that is added in another terminal is opened."""
        app = cast("TermmailApp", self.app)
        # Where the store can't be read now, it is looked at again.
        with contextlib.suppress(TermmailError):
            if app.backend.queries.accounts():
                from termmail.ui.screens.main import MainScreen

                self._timer.stop()
                app.push_screen(MainScreen(app.backend))

    def lines(self, width: int, height: int) -> list[list[tuple[str, str]]]:
        """What to show in a terminal of this size: lines of (text, style of Look)."""
        command = _COMMAND if width >= 44 and height >= 16 else _COMMAND_NARROW
        lines: list[list[tuple[str, str]]] = []
        if height >= 8:
            lines += [[("termmail", "accent_bold")], []]
        lines.append([("There is no account here yet.", "bright")])
        if height >= 12:
            lines += [[], [("Add yours on the command line:", "text")], []]
        lines += [[("  " + line, "code")] for line in command]
        if height >= 16:
            lines += [
                [],
                [("Your password can come from the keyring, a command,", "muted")],
                [("or be asked for each time: see ", "muted"), ("termmail account add --help", "code")],
                [],
            ]
        if self._demo:
            lines.append([("d ", "key"), ("  look round with sample mail", "text")])
        lines.append([("q ", "key"), ("  quit", "text")])
        return lines

    def render_line(self, y: int) -> Strip:
        app = cast("TermmailApp", self.app)
        width, height = self.size
        lines = self.lines(width, height)
        widest = max(sum(len(text) for text, _ in line) for line in lines)
        place = y - max(0, (height - len(lines)) // 2)
        ground = Style(bgcolor=self.background_colors[1].rich_color)
        pen = Pen(width, ground)
        if 0 <= place < len(lines):
            pen.space(max(0, (width - widest) // 2))
            for text, style in lines[place]:
                pen.put(text, getattr(app.look, style))
        return pen.strip()

    def key_pressed(self, event: events.Key) -> bool:
        app = cast("TermmailApp", self.app)
        if event.character == "d" and self._demo:
            app.run_demo()
        elif event.character == "q" or event.key in ("escape", "ctrl+q", "ctrl+c"):
            app.exit()
        return True
