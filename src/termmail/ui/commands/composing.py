"""Writing: new mail, replies, forwards, drafts to be continued, and what becomes of what was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from termmail.model.account import Account
from termmail.model.message import BodyState, MessageRow
from termmail.model.outgoing import OutboxItem, OutboxState, ReplyKind
from termmail.model.status import Request, RequestState
from termmail.model.view import IntentResult
from termmail.ui.commands.at_cursor import row_at_cursor
from termmail.ui.screens.keyed import hand_key
from termmail.ui.text import one_line
from termmail.ui.words import outbox_words, size
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.mime.mailto import Mailto
    from termmail.ui.screens.composer import Composed
    from termmail.ui.screens.main import MainScreen
    from termmail.ui.writing import Beginning, Writing

_TELL_SECONDS = 120.0


class Composing:
    """Commands that open the composer or the outbox."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self.outbox: list[OutboxItem] = []
        self._sent: dict[int, float] = {}
        self._failed: set[int] = set()
        self._delayed: set[int] = set()
        self._counting = 0.0
        self._awaited: dict[int, Callable[[], None]] = {}

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "compose": self.compose,
            "reply": lambda: self.reply(ReplyKind.SENDER),
            "reply_all": lambda: self.reply(ReplyKind.ALL),
            "reply_list": lambda: self.reply(ReplyKind.LIST),
            "forward": lambda: self.forward(inline=True),
            "forward_attached": lambda: self.forward(inline=False),
            "edit_as_new": lambda: self.again(as_new=True),
            "edit_draft": lambda: self.again(as_new=False),
            "redirect": self.redirect,
            "go_outbox": self.show_outbox,
        }

    # what to begin with

    def _account(self, name: str | None = None) -> Account | None:
        accounts = self.screen.mail_app.accounts
        wanted = name or (self.screen.mailbox.account if self.screen.mailbox is not None else "")
        return next((one for one in accounts if one.name == wanted), accounts[0] if accounts else None)

    def _message(self) -> tuple[Account, MessageRow] | None:
        """The message under the cursor, and the account that it came to."""
        row = row_at_cursor(self.screen)
        account = self._account(row.account) if row is not None else None
        return None if row is None or account is None else (account, row)

    def _when_here(self, row: MessageRow, then: Callable[[], None]) -> None:
        """Do something with the whole message, which comes down first if it has to."""
        screen = self.screen
        if row.body_state is BodyState.PRESENT:
            then()
            return
        if screen.work_offline:
            screen.say("The text of this message is not here, and you work offline.")
            return

        def asked(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
            elif isinstance(written.result, int):
                self._awaited[written.result] = then
                screen.backend.watcher.follow(written.result)

        screen.say(f"Fetching the message ({size(row.size)}) …")
        screen.backend.writer.wish(lambda intents: intents.request_body(row.id), asked)

    def request_ended(self, request: Request) -> None:
        """A message that was asked for is here, or could not be had."""
        then = self._awaited.pop(request.id, None)
        if then is None or self.screen.app.screen is not self.screen:
            return
        if request.state is RequestState.FAILED:
            self.screen.say(one_line(request.sentence), "error")
        else:
            self.screen.say("")
            then()

    def _open(self, begin: Callable[[], Writing]) -> None:
        """Have a draft made, in the writer's thread, and open it."""
        screen = self.screen

        def done(written: Written) -> None:
            held = screen.end_hold()
            if written.error is not None:
                screen.say(written.error.sentence, "error")
                if screen.mail_app.begin is not None:
                    screen.mail_app.farewell = written.error.sentence
                    screen.app.exit("")
                return
            self.show(written.result)  # type: ignore[arg-type]
            for event in held:
                hand_key(screen.app.screen, event)

        screen.hold()
        screen.backend.writer.wish(lambda intents: begin(), done, for_engine=False)

    def _begin_from_message(self, begin: Callable[[Account, MessageRow], Writing]) -> None:
        """Open a draft that is made of the message under the cursor."""
        found = self._message()
        if found is not None:
            account, row = found
            self._when_here(row, lambda: self._open(lambda: begin(account, row)))

    def show(self, open_: Writing) -> None:
        """The composer on a draft that is open."""
        from termmail.ui.screens.composer import ComposerScreen

        self.screen.app.push_screen(ComposerScreen(open_, self.screen.mail_app.accounts), self._composed)

    def compose(self) -> None:
        from termmail.ui import writing

        account = self._account()
        if account is None:
            self.screen.say("There is no account to write from.")
            return
        screen = self.screen
        self._open(lambda: writing.begin_new(screen.backend.home, screen.queries, account))

    def begin(self, beginning: Beginning) -> None:
        """Write what the program was started for."""
        from termmail.ui import writing

        account = self._account(beginning.account)
        screen = self.screen
        if account is not None:
            self._open(
                lambda: writing.begin_new(
                    screen.backend.home, screen.queries, account, beginning.asked, beginning.attach
                )
            )

    def write_to(self, asked: Mailto) -> None:
        """A mailto: link of the message that is shown."""
        from termmail.ui import writing

        account = self._account()
        screen = self.screen
        if account is not None:
            self._open(lambda: writing.begin_new(screen.backend.home, screen.queries, account, asked))

    def reply(self, kind: ReplyKind, *, with_attachments: bool = False) -> None:
        from termmail.ui import writing

        screen = self.screen
        self._begin_from_message(
            lambda account, row: writing.begin_reply(
                screen.backend.home, screen.queries, account, row.id, kind, with_attachments=with_attachments
            )
        )

    def forward(self, *, inline: bool) -> None:
        from termmail.ui import writing

        screen = self.screen
        self._begin_from_message(
            lambda account, row: writing.begin_forward(
                screen.backend.home, screen.queries, account, row.id, inline=inline
            )
        )

    def again(self, *, as_new: bool) -> None:
        """Write on at a draft, or begin a new message with what another one has."""
        from termmail.ui import writing

        screen = self.screen
        self._begin_from_message(
            lambda account, row: writing.begin_again(
                screen.backend.home, screen.queries, account, row.id, as_new=as_new
            )
        )

    def reopen(self, draft_id: str) -> None:
        """A draft that was taken back."""
        from termmail.ui import writing

        screen = self.screen
        self._open(lambda: writing.reopen(screen.backend.home, screen.queries, draft_id))

    def redirect(self) -> None:
        """Send the message on as it is."""
        from termmail.ui import writing
        from termmail.ui.screens.ask import Prompt

        screen = self.screen
        found = self._message()
        if found is None:
            return
        account, row = found
        if account.smtp is None:
            screen.say(f"“{one_line(account.name)}” only receives: it has no server for sending.", "error")
            return
        undo_seconds = screen.mail_app.compose_settings.undo_seconds

        def done(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
            elif isinstance(written.result, IntentResult):
                self._follow(written.result, time.time() + undo_seconds)

        def typed(to: str | None) -> None:
            if not to:
                return
            screen.backend.writer.wish(
                lambda intents: writing.redirect(
                    intents, screen.queries, account, row.id, to=to, at=time.time() + undo_seconds
                ),
                done,
            )

        prompt = Prompt("Redirect to", note="It goes on unchanged, in your name as its sender.")

        def ask() -> None:
            screen.app.push_screen(prompt, typed)

        self._when_here(row, ask)

    # what became of it

    def _composed(self, composed: Composed | None) -> None:
        if composed is None:
            return
        app = self.screen.mail_app
        if app.begin is not None:
            item = composed.result.outbox_id
            takes_back = f" `termmail outbox cancel {item}` takes it back." if item is not None else ""
            app.farewell = composed.result.sentence + takes_back
            app.exit("")
            return
        if composed.result.outbox_id is not None:
            self._follow(composed.result, composed.at)
            return
        undo = self.screen.mail_app.keys.shown("undo")
        result = composed.result
        self.screen.say(f"{result.sentence} {undo} undoes it." if result.undoable and undo else result.sentence)

    def _follow(self, result: IntentResult, at: float) -> None:
        assert result.outbox_id is not None
        self._sent[result.outbox_id] = time.time()
        self._counting = at
        self._sentence = result.sentence.removesuffix(".")
        self.tick()

    def tick(self) -> None:
        """Every second: count down while sending can be taken back."""
        left = self._counting - time.time()
        if self._counting and left > 0:
            undo = self.screen.mail_app.keys.shown("undo")
            when = f"in {left:.0f} s" if left < 90 else self.screen.clock.full(int(self._counting))
            self.screen.say(f"{self._sentence} {when}. {undo} takes it back.")
            if left >= 90:
                self._counting = 0.0
        elif self._counting:
            self._counting = 0.0
            self.screen.say(f"{self._sentence} …")

    def taken_back(self) -> None:
        """Nothing is counted down any more."""
        self._counting = 0.0

    def outbox_changed(self, items: list[OutboxItem]) -> None:
        """The store's news of the outbox."""
        self.outbox = items
        screen = self.screen
        here = {item.id: item for item in items}
        now = time.time()
        for outbox_id, since in list(self._sent.items()):
            item = here.get(outbox_id)
            if item is None:
                del self._sent[outbox_id]
                filed = screen.queries.outbox_item(outbox_id)
                if filed is not None:
                    self._counting = 0.0
                    screen.say(f"Sent to {_first(filed)}.")
            elif item.state is OutboxState.SENDING and self._counting:
                # Before its time, since somebody did not want to wait.
                self._counting = 0.0
                screen.say(f"{self._sentence} …")
            elif item.state is OutboxState.QUEUED and item.sentence and outbox_id not in self._delayed:
                self._delayed.add(outbox_id)
                self._counting = 0.0
                screen.say(f"Not sent yet. {one_line(item.sentence)}", "warning")
            elif now - since > _TELL_SECONDS and item.state is OutboxState.QUEUED:
                del self._sent[outbox_id]
        for item in items:
            if item.state in (OutboxState.FAILED, OutboxState.UNKNOWN) and item.id not in self._failed:
                self._failed.add(item.id)
                key = screen.mail_app.keys.shown("go_outbox")
                screen.say(f"{one_line(item.sentence)} {key} shows it.", "error")
        self._failed &= set(here)
        self._delayed &= set(here)
        screen.folder_tree.set_outbox(
            len(items), failed=any(item.state in (OutboxState.FAILED, OutboxState.UNKNOWN) for item in items)
        )
        screen.show_status()

    def words(self) -> str:
        """For the status line; empty where nothing waits."""
        return outbox_words(self.outbox)

    def show_outbox(self) -> None:
        from termmail.ui.screens.outbox import OutboxScreen

        def ended(result: IntentResult | None) -> None:
            if result is not None and result.draft_id:
                self.reopen(result.draft_id)

        self.screen.app.push_screen(OutboxScreen(self.screen.backend, self.screen.clock), ended)


def _first(item: OutboxItem) -> str:
    first = one_line(item.recipients[0].address) if item.recipients else "nobody"
    others = len(item.recipients) - 1
    return f"{first} and {others} more" if others > 0 else first
