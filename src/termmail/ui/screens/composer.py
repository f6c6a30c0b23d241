"""Writing a message: fields, text, and a bar below where single letters act (UX.md, Composer)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TextArea

from termmail.mime.replying import resigned
from termmail.mime.safe_text import safe_text
from termmail.mime.second_thoughts import before_sending
from termmail.mime.when import parse_when
from termmail.model.account import Account, Identity
from termmail.model.errors import TermmailError, Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import Draft
from termmail.model.view import IntentResult
from termmail.ui import writing
from termmail.ui.attaching import Attaching
from termmail.ui.composer_keys import ACTIONS, BAR, BY_KEY, FROM_THE_TEXT, TEXT_HINTS
from termmail.ui.editor import edit_text, editor_command
from termmail.ui.screens.keyed import Keyed, hand_key, key_name
from termmail.ui.text import name_and_address, one_line
from termmail.ui.widgets.address_field import STEPS, AddressField, Field, People, Sentence
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.letter_head import ADDRESS_FIELDS, LetterHead
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.store.intents import Intents
    from termmail.ui.app import TermmailApp

AUTOSAVE_SECONDS = 2.0


class Composed(msgspec.Struct, frozen=True):
    """How a composer ended: what came of it, and when it goes out (Unix seconds) where it was sent."""

    result: IntentResult
    at: float = 0.0


class ComposerScreen(Keyed, Screen[Composed], inherit_bindings=False):
    """Ends when the draft was sent, kept or discarded. What is typed is saved every two seconds, and on every way out (O9)."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    ComposerScreen { background: $background; }
    ComposerScreen TextArea {
        border: none; padding: 0 1; margin-top: 1; height: 1fr; background: $background; color: $foreground;
    }
    ComposerScreen TextArea:focus { border: none; }
    ComposerScreen .text-area--cursor-line { background: $background; }
    """

    def __init__(self, open_: writing.Writing, accounts: tuple[Account, ...]) -> None:
        super().__init__()
        draft = open_.draft
        self.folder = open_.folder
        self._replies_to = open_.replies_to
        self._accounts = accounts
        self._draft = draft
        self._saved = draft
        self._warned: tuple[str, ...] | None = None
        self._at_bar = False
        self._leaving = False
        self._held: list[events.Key] | None = None
        self._people = People(open_.people)
        self.attaching = Attaching(self)
        self._title = PaneTitle("composer")
        self.head = LetterHead(draft, self._people)
        self.words = Sentence("words")
        self.hints = KeyHints()
        self.body = TextArea(draft.body, soft_wrap=True, show_line_numbers=False, id="body", tab_behavior="indent")

    # the beginning

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.head
        yield self.body
        yield self.words
        yield self.hints

    def on_mount(self) -> None:
        # Kept: when the program ends there is no app any more to ask for it.
        self._writer = self.mail_app.backend.writer
        self.show()
        self._to_field(self.head.first_empty)
        self.set_interval(AUTOSAVE_SECONDS, self.save)
        self.mail_app.composers.append(self)
        if reason := self._why_unsendable():
            self.say(reason, "warning")

    def _to_field(self, name: str = "") -> None:
        """Write in a field, or in the text."""
        self._at_bar = False
        self.set_focus(self.head.fields[name] if name else self.body)
        self._show_hints()

    def show(self) -> None:
        """Draw what is not typed: From, what is attached, the title."""
        self.head.show(self._draft)
        subject = one_line(self.head.fields["subject"].value)
        self._title.show(subject or "New message", one_line(self._draft.account), active=True)
        self._show_hints()

    def _show_hints(self) -> None:
        if self._at_bar:
            self.hints.show(BAR)
        else:
            self.hints.show(TEXT_HINTS)

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer in the line above the keys."""
        self.words.show(one_line(sentence), tone)

    # the draft

    @property
    def draft(self) -> Draft:
        """As it is typed now."""
        return msgspec.structs.replace(self._draft, body=self.body.text, **self.head.typed)

    def change(self, **fields: object) -> None:
        """Change what is not typed: who writes it, what is attached."""
        self._draft = msgspec.structs.replace(self._draft, **fields)
        self.show()
        self.save()

    def save(self) -> None:
        """Make what is typed durable, if it is not."""
        draft = self.draft
        if draft == self._saved or self._leaving or self._held is not None:
            return
        self._saved = draft
        folder = self.folder

        def done(written: Written) -> None:
            if written.error is not None:
                self._saved = self._draft
                self.say(f"The draft could not be saved. {written.error.sentence}", "error")

        self._wish(lambda: folder.save(draft), done)

    def keep_at_the_end(self) -> None:
        """The program ends with this open: the draft goes to Drafts. From whatever is going on, and once."""
        if self._leaving:
            return
        self._leaving = True
        draft, folder = self.draft, self.folder
        # Saved first: where the rest is not done any more, the next start finds it.
        self._wish(lambda: folder.save(draft))
        self._writer.wish(lambda intents: intents.keep_draft(draft))
        self._wish(folder.release)

    def _wish(self, action: Callable[[], object], done: Callable[[Written], None] | None = None) -> None:
        self._writer.wish(lambda intents: action(), done, for_engine=False)

    # keys

    def take_key(self, event: events.Key) -> bool:
        """At the bar keys act. In the text they go their way; what moves the focus waits for what was typed before, and what
        was typed after it waits for that (see Keyed)."""
        if not self._ready:
            return super().take_key(event)
        if self._held is not None:
            self._held.append(event)
            return True
        if self._at_bar:
            return self.key_pressed(event)
        focused = self.focused
        if focused is None or not self._is_ours(focused, event.key):
            return False
        self._held = []
        # In the field's own queue, behind what was typed before.
        focused.call_later(self._take_in_order, focused, event.key)
        return True

    def _is_ours(self, focused: Widget, key: str) -> bool:
        """Whether a key that is pressed while something is being typed is not for what is typed in."""
        steps = STEPS if isinstance(focused, Field) else {"shift+tab": -1}
        return key == "escape" or key in steps or key in FROM_THE_TEXT

    def _take_in_order(self, focused: Widget, key: str) -> None:
        held, self._held = self._held or [], None
        if isinstance(focused, AddressField) and focused.choose(key):
            pass
        elif key == "escape":
            self._to_bar()
        elif key in FROM_THE_TEXT:
            self.act(FROM_THE_TEXT[key])
        else:
            self._step(STEPS[key])
        self._hand(held)

    def _hand(self, held: list[events.Key]) -> None:
        """Let keys have their effect that waited for something."""
        for event in held:
            hand_key(self.app.screen, event)

    def key_pressed(self, event: events.Key) -> bool:
        self._act_by(key_name(event).removeprefix("alt+"))
        return True

    def _to_bar(self) -> None:
        self._at_bar = True
        self.set_focus(None)
        self._show_hints()

    def _act_by(self, key: str) -> None:
        name = BY_KEY.get(key)
        if name is not None:
            self.act(name)
        elif key == "escape":
            self.attaching.stop()
        else:
            self.say(
                "Letters act here: i goes back to the text, y sends, q keeps the draft and leaves, ? lists them all."
            )

    def act(self, name: str) -> None:
        """Do one of `composer_keys.ACTIONS`."""
        actions: dict[str, Callable[[], None]] = {
            "send": self.send,
            "write_on": self._to_field,
            "attach": self.attaching.attach,
            "leave": self.leave,
            "discard": self.discard,
            "edit": self.edit,
            "preview": self.preview,
            "send_later": self.send_later,
            "choose_from": self.choose_from,
            "detach": self.attaching.detach,
            "save_now": self.save_now,
            "show_reply_to": self.show_reply_to,
            "to_fields": lambda: self._to_field("to"),
            "help": self.help,
        }
        if name != "send":
            self._warned = None
        actions[name]()

    def help(self) -> None:
        """What can be done here, by which keys."""
        from termmail.ui.screens.choice import Choice, Item

        items = [
            Item(
                one.title,
                one.name,
                "  ".join(
                    (one.letter.capitalize() if len(one.letter) > 1 else one.letter, *(read for _, read in one.keys))
                ),
            )
            for one in ACTIONS
            if one.name != "help"
        ]

        def chosen(name: str | None) -> None:
            if name is not None:
                self.act(name)

        self.app.push_screen(Choice("Keys below the text (Esc)", items, wide=True), chosen)

    def _step(self, step: int) -> None:
        self._to_field(self.head.beside(self.focused, step))
        self.show()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click into a field leaves the bar."""
        self._at_bar = False
        self._show_hints()

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        if event.key == "escape":
            self._to_bar()
        elif event.key == "tab":
            self._to_field()
        else:
            self._act_by(event.key)

    # sending

    def send(self) -> None:
        """Send, after a look at what may have been forgotten."""
        self.attaching.when_copied(lambda: self._send(time.time() + self.mail_app.compose_settings.undo_seconds))

    def _why_unsendable(self) -> str:
        """Why nothing can be sent from the account that the draft is written in, or nothing."""
        account = next((one for one in self._accounts if one.name == self._draft.account), None)
        if account is None or account.smtp is not None:
            return ""
        happened = f"“{one_line(account.name)}” only receives: it has no server for sending."
        if any(one.smtp is not None for one in self._accounts):
            return f"{happened} Esc f writes as another sender."
        key = self.mail_app.keys.shown("accounts")
        return f"{happened} Give it one in its settings{f' ({key} in the list)' if key else ''}."

    def _send(self, at: float) -> None:
        if self._leaving:
            return
        if reason := self._why_unsendable():
            self.say(reason, "error")
            return
        draft = self.draft
        thoughts = before_sending(draft, known=self._people.addresses, replies_to=self._replies_to)
        if thoughts and self._warned != thoughts:
            self._warned = thoughts
            self.say(f"{' '.join(thoughts)} y sends it all the same.", "warning")
            return
        self.say("Handing over …")
        self._end_by(lambda intents: intents.send(draft, at=at), at)

    def _to_the_mistake(self, error: TermmailError) -> None:
        if not isinstance(error, Unsendable):
            return
        from termmail.mime.addressing import check_recipients

        for name in ADDRESS_FIELDS:
            try:
                check_recipients(self.head.fields[name].value)
            except Unsendable:
                self._to_field(name)
                return
        if not any(self.head.fields[name].value.strip() for name in ("to", "cc", "bcc")):
            self._to_field("to")

    def send_later(self) -> None:
        """Send at a time in words."""
        from termmail.ui.screens.ask import Prompt

        def typed(text: str | None) -> None:
            if not text:
                return
            try:
                at = parse_when(text)
            except ValueError as error:
                self.say(str(error), "error")
                return
            self._warned = None
            self.attaching.when_copied(lambda: self._send(at))

        self.app.push_screen(Prompt("Send when?", note="tomorrow 8:00, Mon 9, in 2 hours, 24 Dec 18:00"), typed)

    # other ways out

    def save_now(self) -> None:
        """Put it as it is into Drafts, where other programs see it too."""
        self.attaching.when_copied(self._save_to_drafts)

    def _save_to_drafts(self) -> None:
        if self._leaving:
            return
        draft = self.draft

        def done(written: Written) -> None:
            if written.error is not None:
                self.say(written.error.sentence, "error")
            else:
                result = cast(IntentResult, written.result)
                self._draft = msgspec.structs.replace(self._draft, replaces=result.placement_ids[0])
                self._saved = msgspec.structs.replace(draft, replaces=self._draft.replaces)
                self.say(result.sentence)
            held, self._held = self._held or [], None
            self._hand(held)

        # What comes next has to know what this version is, to replace it.
        self._held = []
        self._writer.wish(lambda intents: intents.save_draft(draft), done)

    def leave(self) -> None:
        """Keep the draft, in the account's Drafts."""
        self.attaching.when_copied(lambda: self._end(lambda intents, draft: intents.keep_draft(draft)))

    def discard(self) -> None:
        """Throw it away, which can be undone."""
        self.attaching.stop()
        self._end(lambda intents, draft: intents.discard_draft(draft))

    def _end(self, wish: Callable[[Intents, Draft], IntentResult]) -> None:
        if not self._leaving:
            draft = self.draft
            self._end_by(lambda intents: wish(intents, draft))

    def _end_by(self, wish: Callable[[Intents], IntentResult], at: float = 0.0) -> None:
        """Have the draft go its way, and close. What is typed meanwhile is for the screen below."""
        folder = self.folder
        self._leaving = True
        self._held = []

        def go(intents: Intents) -> IntentResult:
            result = wish(intents)
            # Where that failed the draft stays open here.
            folder.release()
            return result

        def done(written: Written) -> None:
            held, self._held = self._held or [], None
            if written.error is not None:
                self._leaving = False
                self.say(written.error.sentence, "error")
                self._to_the_mistake(written.error)
                return
            self.mail_app.composers.remove(self)
            self.dismiss(Composed(cast(IntentResult, written.result), at))
            self._hand(held)

        self._writer.wish(go, done)

    # around the text

    def edit(self) -> None:
        """The text in $EDITOR."""
        command = editor_command(self.mail_app.compose_settings.editor)
        text = self.body.text
        failed: TermmailError | None = None
        with self.app.suspend():
            # Caught here: an error that leaves `suspend` leaves the terminal to nobody.
            try:
                text = edit_text(command, self.folder.edited, text)
            except TermmailError as error:
                failed = error
        if failed is not None:
            self.say(failed.sentence, "error")
            return
        if text != self.body.text:
            self.body.text = safe_text(text)
            self.save()
        self.say("Back from the editor.")

    def preview(self) -> None:
        """The message as its recipient will see it."""
        from termmail.ui.screens.preview import PreviewScreen

        try:
            self.app.push_screen(PreviewScreen(self.draft, self.folder.folder))
        except TermmailError as error:
            self.say(error.sentence, "error")

    def show_reply_to(self) -> None:
        """The field for answers to go elsewhere."""
        self.head.show_reply_to()
        self._to_field("reply_to")

    def _sign_as(self, identity: Identity) -> None:
        """The signature of another identity, unless the one below the text is not as it was configured."""
        address = self._draft.from_.address
        before = next(
            (
                one
                for account in self._accounts
                if account.name == self._draft.account
                for one in account.all_identities
                if one.address == address
            ),
            None,
        )
        if before is not None:
            signed = resigned(self.body.text, before, identity)
            if signed != self.body.text:
                place = self.body.cursor_location
                self.body.text = signed
                self.body.move_cursor(place)

    def choose_from(self) -> None:
        """Another identity, of this or another account, with its signature."""
        from termmail.ui.screens.choice import Choice, Item

        items = [
            Item(name_and_address(Address(one.name, one.address)), (account.name, one), account.name)
            for account in self._accounts
            for one in account.all_identities
        ]

        def chosen(found: tuple[str, Identity] | None) -> None:
            if found is None:
                return
            account, identity = found
            self._sign_as(identity)
            self.change(account=account, from_=Address(identity.name, identity.address))
            self.say(self._why_unsendable(), "warning")

        self.app.push_screen(Choice("Write as", items), chosen)
