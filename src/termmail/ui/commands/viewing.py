"""What is done with the text that is shown: search it, fold its quotations, give it to a printer or another program."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from termmail.ui import pipes
from termmail.ui.commands.handing import plain_text
from termmail.ui.text import one_line
from termmail.ui.words import number

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen

_PIPE_SECONDS = 60.0
_PRINTERS = ("lp", "lpr")


class Viewing:
    """Commands on the text of the message pane."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self._last_words = ""
        self._last_command = ""

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "find": self.find,
            "quotations": self.quotations,
            "pipe_text": self.pipe_text,
            "print": self.print,
        }

    def _has_text(self) -> bool:
        screen = self.screen
        if not screen.reading.shown():
            return False
        if screen.message_pane.text is None:
            screen.say("The text of this message is not here yet.")
            return False
        return True

    # searching

    def find(self) -> None:
        """Search in the text of the message."""
        from termmail.ui.screens.ask import Prompt

        if self._has_text():
            self.screen.app.push_screen(
                Prompt(
                    "Search in this message", value=self._last_words, note="n and p go through the hits, Esc ends it."
                ),
                self._find,
            )

    def _find(self, words: str | None) -> None:
        screen = self.screen
        words = " ".join((words or "").split())
        if not words:
            return
        self._last_words = words
        if not screen.message_pane.find(words):
            screen.message_pane.end_search()
            screen.say(f"“{one_line(words)}” is not in this message.")
        screen.show_titles()

    def next_hit(self, step: int) -> bool:
        """Show another hit of the search; False where there is none going on."""
        pane = self.screen.message_pane
        if not pane.searched:
            return False
        pane.next_hit(step)
        self.screen.show_titles()
        return True

    def end_search(self) -> bool:
        """End the search in the text; False where there is none going on."""
        if not self.screen.message_pane.end_search():
            return False
        self.screen.show_titles()
        return True

    def detail(self) -> str:
        """How far a search is, for the title of the pane."""
        pane = self.screen.message_pane
        if not pane.searched or pane.text is None:
            return ""
        return f"{number(pane.text.hit + 1)} of {number(len(pane.text.hits))} for “{one_line(pane.searched)[:30]}”"

    # quotations

    def quotations(self) -> None:
        """Fold long quotations, or show all that is quoted."""
        if not self._has_text():
            return
        folded = self.screen.message_pane.toggle_quotations()
        if folded is None:
            self.screen.say("This message has no long quotations.")
        else:
            self.screen.say("Long quotations are folded." if folded else "All that is quoted is shown.")

    # elsewhere

    def pipe_text(self) -> None:
        """Give the text, as it is shown, to a shell command that the user types, and show what it prints."""
        from termmail.ui.screens.ask import Prompt

        if self._has_text():
            prompt = Prompt(
                "Pipe the text to a command", value=self._last_command, note="The text as it is shown is its input."
            )
            self.screen.app.push_screen(prompt, self._piped)

    def _piped(self, command: str | None) -> None:
        if command and command.strip():
            self._last_command = command
            self._run(command)

    def print(self) -> None:
        """Send the text to the printer."""
        from termmail.ui.screens.ask import Prompt

        if not self._has_text():
            return
        program = next((name for name in _PRINTERS if shutil.which(name)), None)
        if program is None:
            self.screen.say(
                "There is no program here that prints (lp, lpr). The palette's “Pipe the text” takes any command."
            )
            return
        prompt = Prompt(
            "Print the text with", value=program, note="Enter prints. Options such as -d NAME choose a printer."
        )
        self.screen.app.push_screen(prompt, lambda command: self._run(command) if command else None)

    def _run(self, command: str) -> None:
        screen = self.screen
        pane = screen.message_pane
        if pane.rendered is None or pane.row is None:
            screen.say("The message is no longer shown.")
            return
        subject = one_line(pane.row.subject)
        data = f"{subject}\n\n{plain_text(pane.rendered.lines)}".encode()
        screen.say(f"Running {one_line(command)} …")

        def run() -> None:
            output = pipes.run(command, data, _PIPE_SECONDS)
            screen.app.call_from_thread(shown, output)

        def shown(output: pipes.Output) -> None:
            from termmail.ui.screens.reader import Reader

            screen.say(output.sentence, "error" if output.failed else "text")
            if output.text.strip():
                screen.app.push_screen(Reader(one_line(command), output.text))

        threading.Thread(target=run, name="pipe", daemon=True).start()
