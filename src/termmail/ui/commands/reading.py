"""The message pane: which message it shows and how, and when it counts as read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.timer import Timer

from termmail.model.flags import Flag, FlagSet
from termmail.model.message import BodyState, MessageRow
from termmail.model.status import ConnectionState
from termmail.ui.bodies import Body, BodyJob, Mode
from termmail.ui.keymap import Where
from termmail.ui.text import one_line
from termmail.ui.widgets.message_pane import text_width
from termmail.ui.words import number, size
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen

_MODES: tuple[Mode, ...] = ("text", "html", "source")
_HEADER_MODES: tuple[Mode, ...] = ("headers", "source", "journey", "text")
_MODE_WORDS: dict[Mode, str] = {
    "text": "",
    "html": "HTML",
    "source": "source",
    "headers": "all headers",
    "journey": "the way it took",
}
_REQUEST_AFTER = 0.3
_SOON = 0.01


class Reading:
    """Follows the list's cursor where the pane is visible."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self.mode: Mode = "text"
        self._job: BodyJob | None = None
        self._requested: set[int] = set()
        self._read_timer: Timer | None = None
        self._request_timer: Timer | None = None
        self._resize_timer: Timer | None = None
        self._in_hand: int | None = None
        self._failed: int | None = None
        self._by_user = False

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "scroll_down": lambda: self.scroll_lines(1),
            "scroll_up": lambda: self.scroll_lines(-1),
            "view_mode": self.next_mode,
            "headers": self.headers,
        }

    @property
    def pane_row(self) -> MessageRow | None:
        return self.screen.message_pane.row

    def start(self) -> None:
        """The threads run: bring the text of what is shown."""
        self.show_cursor(by_user=False)

    # what is shown

    def show_cursor(self, *, by_user: bool) -> None:
        """Show the message under the cursor, if the pane is visible. `by_user` says that it counts as looked at."""
        screen = self.screen
        self._stop_timers()
        self._failed = None
        self.mode = "text"
        model = screen.model
        cursor_id = model.cursor_id
        if cursor_id is None:
            screen.message_pane.show_nothing(*self._no_message())
            self._job = None
            screen.show_titles()
            return
        if not screen.is_visible(Where.MESSAGE):
            self._job = None
            self._expect(model.cursor)
            return
        model.ensure(model.cursor - 2, model.cursor + 3)
        row = model.row(model.cursor)
        if row is None:
            screen.message_pane.show_nothing("This message is gone.")
            self._job = None
            return
        self._by_user = by_user
        if self._in_hand != row.id:
            self._in_hand = None
        screen.message_pane.mode = self.mode
        screen.message_pane.show_message(row)
        self._bring(row)
        self._expect(model.cursor + model.direction)
        screen.show_titles()

    def open(self) -> None:
        """The pane was opened on the cursor's message."""
        row = self.pane_row
        if row is None or row.id != self.screen.model.cursor_id or self._job is None:
            self.show_cursor(by_user=True)
        else:
            self._by_user = True
            self._begin_reading(row)
            if row.body_state in (BodyState.MISSING, BodyState.TOO_LARGE):
                self.request_again(row)

    def _no_message(self) -> tuple[str, ...]:
        screen = self.screen
        if screen.mailbox is not None and not len(screen.model) and not screen.message_list.empty_words:
            return ("There is no message here.",)
        return ("No message to show.",)

    def _expect(self, position: int) -> None:
        """Prepare what is likely to be looked at next."""
        row = self.screen.model.row(position)
        if row is not None:
            self.screen.backend.bodies.expect(self._job_for(row, "text"))

    def _job_for(self, row: MessageRow, mode: Mode) -> BodyJob:
        pictures = self.screen.backend.pictures
        return BodyJob(
            row.id,
            row.message_id,
            self._text_width(),
            mode,
            pictures=pictures.drawing != "none" and mode in ("text", "html"),
            loaded=len(pictures.loaded.get(row.message_id, ())),
        )

    def _text_width(self) -> int:
        """The cells of a line of text in the message pane, as it is arranged or about to be."""
        screen = self.screen
        return text_width(screen.panes.columns_of(screen.message_pane) or screen.message_pane.width)

    def _bring(self, row: MessageRow) -> None:
        """The text: from memory at once, otherwise when it is laid out."""
        screen = self.screen
        job = self._job_for(row, self.mode)
        self._job = job
        ready = screen.backend.bodies.ready(job)
        if ready is not None:
            self.body_ready(ready)
        elif row.body_state is BodyState.PRESENT:
            if screen.message_pane.rendered is None:
                screen.message_pane.show_words("Opening …")
            screen.backend.bodies.want(job)
        else:
            screen.message_pane.show_origin(screen.backend.bodies.last_origin(row.id))
            self._say_missing(row)
            # Only its origin can be told.
            screen.backend.bodies.want(job)

    def bring_again(self) -> None:
        """The text of what is shown, laid out anew: pictures were loaded."""
        row = self.pane_row
        if row is not None:
            self._bring(row)

    def body_ready(self, body: Body) -> None:
        """An answer from the thread that prepares texts."""
        screen = self.screen
        row = self.pane_row
        if body.job != self._job or row is None:
            return
        screen.message_pane.show_origin(body.origin)
        if body.rendered is not None:
            screen.message_pane.show_text(body.rendered, body.job.mode)
            self._begin_reading(row)
            screen.viewing.shown(row, body)
        elif body.sentence:
            screen.message_pane.show_words(body.sentence, "h shows its source, | gives it to another program.")
        else:
            self._say_missing(row)
        screen.show_titles()

    def _say_missing(self, row: MessageRow) -> None:
        screen = self.screen
        status = screen.account_status()
        if row.problem or row.body_state is BodyState.BROKEN:
            screen.message_pane.show_words(
                one_line(row.problem) or "The server did not give this message in a way that can be read.",
                "F5 tries again.",
            )
            return
        if row.body_state is BodyState.TOO_LARGE:
            screen.message_pane.show_words(
                f"This message is very large ({size(row.size)}) and was not fetched.", "Enter fetches it now."
            )
        elif screen.work_offline:
            screen.message_pane.show_words(
                "The text of this message is not here, and you work offline.",
                "It is fetched when you work online again (palette: “Work offline”).",
            )
            return
        elif status is not None and status.state in (ConnectionState.WAITING, ConnectionState.OFFLINE):
            screen.message_pane.show_words(
                "The text of this message is not here yet, and there is no connection.",
                "It is fetched first with the next one.",
            )
        elif status is not None and status.state in (ConnectionState.SIGN_IN, ConnectionState.INSECURE):
            screen.message_pane.show_words(
                "The text of this message is not here yet.",
                one_line(status.sentence) or "The account can't be reached.",
            )
        else:
            screen.message_pane.show_words(f"Fetching the text of this message ({size(row.size)}) …")
        wanted = row.body_state is not BodyState.TOO_LARGE or screen.active is Where.MESSAGE
        if wanted and row.id not in self._requested and self._request_timer is None:
            self._request_timer = screen.set_timer(_REQUEST_AFTER, self._request)

    def _request(self) -> None:
        """Ask the engine for the body of what is shown."""
        screen = self.screen
        row = self.pane_row
        if self._request_timer is not None:
            self._request_timer.stop()
            self._request_timer = None
        if row is None or row.id in self._requested:
            return
        self._requested.add(row.id)
        placement_id = row.id

        def done(written: Written) -> None:
            if written.error is not None:
                self._requested.discard(placement_id)
                screen.say(written.error.sentence, "error")
            elif isinstance(written.result, int):
                screen.backend.watcher.follow(written.result)

        screen.backend.writer.wish(lambda intents: intents.request_body(placement_id), done)

    def request_again(self, row: MessageRow) -> None:
        """The user asks for the body of what is shown."""
        self._requested.discard(row.id)
        if self._failed == row.id:
            self._failed = None
            self._say_missing(row)
        self._request()

    def request_failed(self, placement_id: int, sentence: str) -> None:
        """The engine could not fetch a body."""
        self._requested.discard(placement_id)
        row = self.pane_row
        if row is not None and row.id == placement_id and self.screen.message_pane.rendered is None:
            self._failed = placement_id
            self.screen.message_pane.show_words(
                "The text of this message could not be fetched.", one_line(sentence), "Enter tries again."
            )

    def list_changed(self, *, moved: bool = False) -> None:
        """Rows changed: the message that is shown may be among them, or gone."""
        screen = self.screen
        shown = self.pane_row
        if moved or shown is None or shown.id != screen.model.cursor_id:
            if screen.is_visible(Where.MESSAGE) or shown is not None:
                self.show_cursor(by_user=False)
            return
        screen.model.ensure(screen.model.cursor, screen.model.cursor + 1)
        row = screen.model.row(screen.model.cursor)
        if row is None or row == shown:
            return
        arrived = row.body_state is not shown.body_state
        screen.message_pane.show_message(row)
        if arrived:
            self._requested.discard(row.id)
            self._bring(row)

    def status_changed(self) -> None:
        """Connection or folder changed: words that depend on it."""
        screen = self.screen
        row = self.pane_row
        if row is not None and screen.message_pane.rendered is None and row.body_state is not BodyState.PRESENT:
            if row.id != self._failed:
                self._say_missing(row)
        elif row is None and not len(screen.model):
            screen.message_pane.show_nothing(*self._no_message())

    def resized(self) -> None:
        """The pane has another size: lay the text out anew when the resizing has ended."""
        if self._resize_timer is not None:
            self._resize_timer.stop()
        self._resize_timer = self.screen.set_timer(0.12, self._lay_out_again)

    def _lay_out_again(self) -> None:
        self._resize_timer = None
        row = self.pane_row
        screen = self.screen
        if not screen.is_visible(Where.MESSAGE):
            return
        if row is None or self._job is None:
            if screen.model.cursor_id is not None:
                self.show_cursor(by_user=False)
            return
        if self._job.width != self._text_width():
            screen.message_pane.show_message(row)
            self._bring(row)

    def title(self) -> str:
        screen = self.screen
        if self.pane_row is None:
            return "Message"
        return f"Message {number(screen.model.cursor + 1)} of {number(len(screen.model))}"

    def detail(self) -> str:
        rendered = self.screen.message_pane.rendered
        if rendered is None:
            return ""
        if search := self.screen.viewing.detail():
            return search
        if self.mode == "text" and rendered.source == "html":
            return "HTML as text"
        return _MODE_WORDS[self.mode]

    # read

    def _stop_timers(self) -> None:
        for timer in (self._read_timer, self._request_timer):
            if timer is not None:
                timer.stop()
        self._read_timer = self._request_timer = None

    def _begin_reading(self, row: MessageRow) -> None:
        """The time in view that the config says makes it read, unless the user marked it unread while looking at it."""
        seconds = self.screen.mail_app.read_after
        if (
            seconds < 0
            or self._read_timer is not None
            or not self._by_user
            or row.flags.system & Flag.SEEN
            or self._in_hand == row.id
        ):
            return
        placement_id = row.id

        def read() -> None:
            self._read_timer = None
            shown = self.pane_row
            if shown is not None and shown.id == placement_id and not shown.flags.system & Flag.SEEN:
                self.screen.changes.set_flags([placement_id], FlagSet(Flag.SEEN), FlagSet(), quiet=True)

        self._read_timer = self.screen.set_timer(max(seconds, _SOON), read)

    def hand_changed(self, ids: Sequence[int]) -> None:
        """The user changed flags of these: what is shown is not marked read by looking at it any longer."""
        row = self.pane_row
        if row is not None and row.id in ids:
            self._in_hand = row.id
            if self._read_timer is not None:
                self._read_timer.stop()
                self._read_timer = None

    # scrolling

    def scroll_lines(self, count: int) -> None:
        self.screen.message_pane.to_line(self.screen.message_pane.top + count)

    def scroll_pages(self, count: int) -> bool:
        """A page further; whether there was more to see."""
        pane = self.screen.message_pane
        return pane.to_line(pane.top + count * max(1, pane.height - 2))

    # views

    def next_mode(self) -> None:
        """Text, HTML, source, and round again."""
        place = _MODES.index(self.mode) if self.mode in _MODES else -1
        self._set_mode(_MODES[(place + 1) % len(_MODES)])

    def headers(self) -> None:
        """All header fields, the raw source, the way the message took, and back to the text."""
        place = _HEADER_MODES.index(self.mode) if self.mode in _HEADER_MODES else -1
        self._set_mode(_HEADER_MODES[(place + 1) % len(_HEADER_MODES)])

    def _set_mode(self, mode: Mode) -> None:
        screen = self.screen
        if not self.shown():
            return
        row = self.pane_row
        assert row is not None
        if row.body_state is not BodyState.PRESENT:
            screen.say("The message is not here yet; only its headers above are.")
            return
        self.mode = mode
        self._bring(row)
        words = {
            "text": "text",
            "html": "the HTML part",
            "source": "the source",
            "headers": "all headers",
            "journey": "the way it took",
        }
        screen.say(f"Shown: {words[mode]}.")
        screen.show_titles()

    def shown(self) -> bool:
        """Whether a message is shown; where the pane is hidden it is opened first."""
        screen = self.screen
        if screen.model.cursor_id is None:
            screen.say("There is no message here.")
            return False
        if not screen.is_visible(Where.MESSAGE):
            screen.set_active(Where.MESSAGE)
            self.show_cursor(by_user=True)
        return self.pane_row is not None
