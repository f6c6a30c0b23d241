"""What is done with the text that is shown: search it, fold its quotations, give it to a printer or another program."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from termmail.model.body import Picture, RenderFailed
from termmail.model.message import MessageRow
from termmail.model.origin import Origin, TrustLevel
from termmail.ui.bodies import Body
from termmail.ui.commands.handing import plain_text, run_with
from termmail.ui.desktop import hand_over
from termmail.ui.pictures import DrawnPicture, DrawnView, LoadedPictures, PictureJob, ViewJob
from termmail.ui.text import one_line, shown_address
from termmail.ui.threads import call_in_app
from termmail.ui.widgets.message_text import PictureView
from termmail.ui.words import number, pictures
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen

_PRINTERS = ("lp", "lpr")
_ALWAYS = "ui.pictures."


class Viewing:
    """Commands on the text of the message pane."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self._last_words = ""
        self._last_command = ""
        self._loading: set[int] = set()

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "find": self.find,
            "quotations": self.quotations,
            "pipe_text": self.pipe_text,
            "print": self.print,
            "load_pictures": self.load_pictures,
            "always_load_pictures": self.always_load_pictures,
            "browser": self.browser,
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

    # pictures

    def shown(self, row: MessageRow, body: Body) -> None:
        """A text is shown: load what it names elsewhere where that was decided for its sender, and it is surely from there."""
        self.screen.backend.pictures.forget_others(row.id)
        rendered = body.rendered
        if rendered is None or not rendered.remote or body.job.loaded or row.message_id in self._loading:
            return
        if self._can_load() and self._always(row):
            self._load_by_itself(row, rendered.remote, body.origin)

    def picture_seen(self, place: int) -> None:
        """A picture came into view: draw it."""
        row, rendered = self.screen.message_pane.row, self.screen.message_pane.rendered
        if row is None or rendered is None or place >= len(rendered.pictures):
            return
        self.screen.mail_app.ask_for_pictures()
        job = self._picture_job(row, rendered.pictures[place])
        if (cells := self.screen.backend.pictures.want(job)) is not None:
            self.picture_drawn(DrawnPicture(job, cells))

    def _picture_job(self, row: MessageRow, picture: Picture) -> PictureJob:
        file = self.screen.backend.pictures.loaded.get(row.message_id, {}).get(picture.url)
        return PictureJob(row.id, picture.part_path, str(file or ""), picture.columns, picture.rows)

    def picture_drawn(self, drawn: DrawnPicture) -> None:
        """A picture is drawn, which the text may have in several places, or which may be of a message that is no longer shown."""
        pane = self.screen.message_pane
        row, rendered = pane.row, pane.rendered
        if row is None or rendered is None or drawn.cells is None or row.id != drawn.job.placement_id:
            return
        for place, picture in enumerate(rendered.pictures):
            if self._picture_job(row, picture) == drawn.job:
                pane.show_picture(place, drawn.cells)

    def view_seen(self, view: PictureView) -> None:
        """Rows of a picture are in view that have no pixels yet: draw them, where the terminal can."""
        row, rendered = self.screen.message_pane.row, self.screen.message_pane.rendered
        drawer = self.screen.backend.pictures
        if row is None or rendered is None or view.place >= len(rendered.pictures) or drawer.terminal is None:
            return
        job = ViewJob(self._picture_job(row, rendered.pictures[view.place]), *view, drawer.terminal)
        if (sixels := drawer.want_view(job)) is not None:
            self.view_drawn(DrawnView(job, sixels))

    def view_drawn(self, drawn: DrawnView) -> None:
        """The pixels of what is in view of a picture are there, maybe of a message that is no longer shown."""
        pane = self.screen.message_pane
        row, rendered = pane.row, pane.rendered
        place = drawn.job.place
        if row is None or rendered is None or place >= len(rendered.pictures):
            return
        if self._picture_job(row, rendered.pictures[place]) == drawn.job.picture:
            pane.show_pixels(PictureView(place, drawn.job.first, drawn.job.rows), drawn.sixels)

    def load_pictures(self) -> None:
        """Load what this message names elsewhere, this once."""
        if not self._has_text():
            return
        screen = self.screen
        row, rendered = screen.message_pane.row, screen.message_pane.rendered
        assert row is not None
        assert rendered is not None
        if rendered.remote:
            self._load(row, rendered.remote)
        elif screen.reading.mode == "text" and rendered.source == "text":
            screen.say("This is the text of the message; h shows its HTML, where it has some.")
        else:
            screen.say("This message has no pictures that could be loaded.")

    def always_load_pictures(self) -> None:
        """Load pictures of this sender from now on, or no longer."""
        screen = self.screen
        row = screen.model.cursor_row
        address = _address(row) if row is not None else ""
        if row is None or not address:
            screen.say("There is no message here whose sender could be known again.")
            return
        always = not self._always(row)
        key = _ALWAYS + address

        def done(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
            elif always:
                screen.say(
                    f"Pictures of {shown_address(address)} are loaded from now on, where your provider vouches for the sender."
                )
                pane = screen.message_pane
                if pane.row is None or pane.rendered is None or _address(pane.row) != address:
                    return
                if pane.rendered.remote:
                    self._load_by_itself(pane.row, pane.rendered.remote, pane.origin)
            else:
                screen.say(f"Pictures of {shown_address(address)} are no longer loaded by themselves.")

        screen.backend.writer.wish(
            lambda intents: intents.set_setting(key, "1" if always else ""), done, for_engine=False
        )

    def _always(self, row: MessageRow) -> bool:
        address = _address(row)
        return bool(address) and self.screen.queries.setting(_ALWAYS + address) == "1"

    def _can_load(self) -> bool:
        return self.screen.mail_app.fetch_pictures is not None and not self.screen.work_offline

    def _load_by_itself(self, row: MessageRow, urls: Sequence[str], origin: Origin | None) -> None:
        """Load what was decided for the sender. Anybody can write that sender's address, so its domain must be vouched for."""
        if _is_vouched_for(origin):
            self._load(row, urls)
        elif origin is not None:
            key = self.screen.mail_app.keys.shown("load_pictures")
            how = f"{key} loads them" if key else "the palette loads them"
            self.screen.say(f"Pictures not loaded: your provider does not vouch for the sender; {how}.")

    def _load(self, row: MessageRow, urls: Sequence[str]) -> None:
        screen = self.screen
        fetch = screen.mail_app.fetch_pictures
        if fetch is None or not self._can_load():
            screen.say("Loading pictures needs the network, and you work offline.")
            return
        if row.message_id not in self._loading:
            self._loading.add(row.message_id)
            screen.say(f"Loading {pictures(len(urls))} …")
            screen.backend.pictures.load(row.message_id, urls, fetch, screen.mail_app.proxy_of(row.account))

    def pictures_loaded(self, loaded: LoadedPictures) -> None:
        """Pictures from elsewhere are there, or can't be had."""
        screen = self.screen
        self._loading.discard(loaded.message_id)
        row = screen.message_pane.row
        if loaded.sentence:
            screen.say(loaded.sentence, "error")
        elif row is not None and row.message_id == loaded.message_id:
            screen.say(_loaded_words(loaded))
            if loaded.count:
                screen.reading.bring_again()

    # elsewhere

    def browser(self) -> None:
        """Open the HTML in the browser: cleaned, in a private file, with pictures from elsewhere only where they were loaded here."""
        if not self._has_text():
            return
        screen = self.screen
        row = screen.message_pane.row
        assert row is not None
        message = screen.queries.body_path(row.id)
        with_remote = bool(screen.backend.pictures.loaded.get(row.message_id)) or (
            _is_vouched_for(screen.message_pane.origin) and self._always(row)
        )
        if message is None:
            screen.say("The message is not here yet; open it to fetch it first.")
            return

        app = screen.app

        def failed(sentence: str) -> None:
            call_in_app(app, screen.say, sentence, "error")

        def run() -> None:
            from termmail.mime.worker import RenderWorker

            with RenderWorker() as worker:
                page = worker.browser_page(message, with_remote=with_remote)
            if isinstance(page, RenderFailed):
                failed(page.sentence)
                return
            try:
                path = screen.backend.opened.copy("message.html", page)
            except OSError as error:
                failed(f"The page can't be written: {error.strerror}.")
                return
            call_in_app(app, give, path)

        def give(path: Path) -> None:
            handed = hand_over(str(path), failed, path.parent)
            if handed.done:
                screen.say(f"Given to {handed.words}.")
            else:
                failed(handed.words)

        screen.say("Cleaning the HTML for the browser …")
        threading.Thread(target=run, name="browser", daemon=True).start()

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
        run_with(screen, command, data)


def _is_vouched_for(origin: Origin | None) -> bool:
    """Whether the reader's own provider says that a mail is of its sender's domain, and nothing speaks against it."""
    return origin is not None and origin.trust.level is TrustLevel.CHECKED


def _loaded_words(loaded: LoadedPictures) -> str:
    if loaded.wanted == 1:
        return "The picture was loaded." if loaded.count else "The picture could not be loaded."
    return f"{number(loaded.count)} of {pictures(loaded.wanted)} were loaded."


def _address(row: MessageRow) -> str:
    """The one sender's address, for a setting; empty where there is none, or several."""
    return row.from_[0].address.strip().casefold() if len(row.from_) == 1 else ""
