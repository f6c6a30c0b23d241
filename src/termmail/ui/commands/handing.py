"""What is done with the message that is shown: links, attachments, the clipboard, pipes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from termmail.mime.links import host_of
from termmail.mime.mailto import parse_mailto
from termmail.model.body import Line
from termmail.model.errors import TermmailError
from termmail.model.message import BodyState
from termmail.setup.field_checks import is_number, tidy
from termmail.ui import pipes
from termmail.ui.commands.at_cursor import row_at_cursor
from termmail.ui.desktop import hand_over
from termmail.ui.text import name_and_address, one_line, shown_address
from termmail.ui.threads import call_in_app
from termmail.ui.widgets.message_text import lead_of

if TYPE_CHECKING:
    from textual.app import App

    from termmail.ui.screens.main import MainScreen

_PIPE_SECONDS = 60.0


class Handing:
    """Commands that hand the message, or a part of it, to something else."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self._last_pipe = ""

    def commands(self) -> dict[str, Callable[[], None]]:
        found: dict[str, Callable[[], None]] = {
            "links": self.links,
            "pipe": self.pipe,
            "clipboard": self.clipboard,
        }
        for place in range(9):
            found[f"link_{place + 1}"] = lambda place=place: self.link_by_digit(place + 1)  # type: ignore[misc]
        return found

    # links

    def links(self) -> None:
        """Choose among the links of the text."""
        from termmail.ui.screens.choice import Choice, Item

        screen = self.screen
        rendered = screen.message_pane.rendered
        row = screen.reading.pane_row
        if rendered is None or not rendered.links:
            if row is not None and row.body_state is not BodyState.PRESENT:
                screen.reading.request_again(row)
            else:
                screen.reading.scroll_lines(1)
            return
        items = [Item(link, place, f"{place + 1}") for place, link in enumerate(rendered.links)]

        def chosen(place: int | None) -> None:
            if place is not None:
                self.link(place)

        screen.app.push_screen(Choice("Open a link", items), chosen)

    def link_by_digit(self, digit: int) -> None:
        """Open a link of the message by its number."""
        rendered = self.screen.message_pane.rendered
        self.follow_number(rendered.links if rendered is not None else (), digit, self.screen.say)

    def follow_number(self, links: Sequence[str], digit: int, say: Callable[[str], None]) -> None:
        """Open one of these by its number: at once where no longer number begins with this digit, otherwise when the number is typed.
        `say` gets why not."""
        from termmail.ui.screens.ask import Prompt

        count = len(links)

        def typed(text: str | None) -> None:
            if text is None:
                return
            if is_number(text, count):
                self.follow(links[int(tidy(text)) - 1])
            else:
                say(
                    f"There is no such link: they have numbers from 1 to {count:,}."
                    if count
                    else "There are no links here."
                )

        if digit * 10 > count:
            typed(str(digit))
            return
        note = f"1 to {count:,}; the list of links at the end says where each leads."
        self.screen.app.push_screen(Prompt("Open the link with the number", value=str(digit), note=note), typed)

    def link(self, place: int) -> None:
        """Open a link of the message by its place."""
        rendered = self.screen.message_pane.rendered
        if rendered is not None and 0 <= place < len(rendered.links):
            self.follow(rendered.links[place])

    def follow(self, url: str) -> None:
        """Ask with the whole URL, then open it (D8)."""
        from termmail.ui.screens.ask import Ask

        screen = self.screen
        if url.lower().startswith("mailto:"):
            screen.composing.write_to(parse_mailto(url))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                open_link(url, screen.app, screen.say)

        screen.app.push_screen(Ask(f"Open this link at {host_of(url)}?", "Open", detail=url), answered)

    # elsewhere

    def clipboard(self) -> None:
        """Copy an address, a link or the text by the terminal (OSC 52)."""
        from termmail.ui.screens.choice import Choice, Item

        screen = self.screen
        row = row_at_cursor(screen)
        if row is None:
            return
        items: list[Item[tuple[str, str]]] = []
        seen: set[str] = set()
        for who, addresses in (("sender", row.from_), ("recipient", row.to), ("copy to", row.cc)):
            for address in addresses[:50]:
                mail = shown_address(address.address)
                if mail and mail not in seen:
                    seen.add(mail)
                    items.append(Item(name_and_address(address), (mail, mail), who))
        subject = one_line(row.subject)
        if subject:
            items.append(Item(subject, (subject, "The subject"), "subject"))
        rendered = (
            screen.message_pane.rendered
            if screen.reading.pane_row is not None and screen.reading.pane_row.id == row.id
            else None
        )
        if rendered is not None:
            text = plain_text(rendered.lines)
            items.insert(1, Item("The text of the message", (text, "The text"), f"{len(rendered.lines):,} lines"))
            items += [Item(link, (link, "The link"), "link") for link in rendered.links]
        if row.message_id_header:
            header = one_line(row.message_id_header)
            items.append(Item(f"<{header}>", (f"<{header}>", "The Message-ID"), "Message-ID"))

        def chosen(value: tuple[str, str] | None) -> None:
            if value is not None:
                screen.app.copy_to_clipboard(value[0])
                screen.say(f"{value[1]} is in the clipboard, if the terminal allows it.")

        screen.app.push_screen(Choice("Copy", items), chosen)

    def pipe(self) -> None:
        """Give the raw message to a shell command that the user types, and show what it prints."""
        screen = self.screen
        placement_id = screen.model.cursor_id
        if placement_id is None:
            screen.say("There is no message here.")
            return
        try:
            raw = screen.queries.raw(placement_id)
        except TermmailError as error:
            screen.say(error.sentence, "error")
            return
        if raw is None:
            screen.say("The message is not here yet; open it to fetch it first.")
            return
        self.pipe_data(raw, "The whole message is its input.")

    def pipe_data(self, data: bytes, note: str) -> None:
        """Give bytes to a shell command that the user types, and show what it prints."""
        from termmail.ui.screens.ask import Prompt

        def typed(command: str | None) -> None:
            if command is not None and command.strip():
                self._last_pipe = command
                run_with(self.screen, command, data)

        self.screen.app.push_screen(Prompt("Pipe to a command", value=self._last_pipe, note=note), typed)


def run_with(screen: MainScreen, command: str, data: bytes) -> None:
    """Give `data` to a shell command that the user typed, in a thread, and show what it prints."""
    app = screen.app
    screen.say(f"Running {one_line(command)} …")

    def run() -> None:
        output = pipes.run(command, data, _PIPE_SECONDS)
        call_in_app(app, shown, output)

    def shown(output: pipes.Output) -> None:
        from termmail.ui.screens.reader import Reader

        screen.say(output.sentence, "error" if output.failed else "text")
        if output.text.strip():
            screen.app.push_screen(Reader(one_line(command), output.text))

    threading.Thread(target=run, name="pipe", daemon=True).start()


def plain_text(lines: Sequence[Line]) -> str:
    """The text of laid out lines, those that were wrapped joined again."""
    pieces: list[str] = []
    goes_on = False
    for line in lines:
        text = line.text[lead_of(line) if goes_on else 0 :]
        goes_on = line.wrapped
        pieces.append(text if goes_on and line.cut else text.rstrip() + (" " if goes_on else "\n"))
    return "".join(pieces)


def open_link(
    url: str, app: App[Any], say: Callable[[str], object], otherwise: str = "y copies the link instead."
) -> None:
    """Hand a URL that was asked about to the desktop, never through a shell (A3). `say` gets what became of it, `otherwise` behind it
    where it could not be opened, which may turn out a moment later."""

    def failed(sentence: str) -> None:
        call_in_app(app, say, f"{sentence} {otherwise}")

    handed = hand_over(url, failed)
    say(f"Given to {handed.words}." if handed.done else f"{handed.words} {otherwise}")
