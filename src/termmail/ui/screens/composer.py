"""Writing a message: fields, text, and a bar below where single letters act (UX.md, Composer)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TextArea

from termmail.mime.safe_text import safe_text
from termmail.mime.second_thoughts import before_sending
from termmail.mime.when import parse_when
from termmail.model.account import Account, Identity
from termmail.model.errors import TermmailError, Unsendable
from termmail.model.message import Address
from termmail.model.outgoing import Draft, DraftAttachment
from termmail.model.view import IntentResult
from termmail.ui import writing
from termmail.ui.editor import edit_text, editor_command
from termmail.ui.screens.keyed import Keyed, hand_key, key_name
from termmail.ui.text import name_and_address, one_line
from termmail.ui.widgets.address_field import STEPS, AddressField, Field, Label, People, Shown, Suggestions
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.words import size
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

AUTOSAVE_SECONDS = 2.0
_BAR = (
    ("y", "send", "y"), ("i", "write on", "i"), ("a", "attach", "a"), ("q", "keep and leave", "q"), ("d", "discard", "d"),
    ("e", "editor", "e"), ("p", "preview", "p"), ("t", "send later", "t"), ("f", "from", "f"), ("x", "detach", "x"), ("s", "save", "s"),
)  # fmt: skip
_TEXT_HINTS = (("Esc", "send, attach, …", "escape"), ("Tab", "next field", "tab"), ("Ctrl+S", "save", "ctrl+s"))
_ORDER = ("to", "cc", "bcc", "reply_to", "subject", "body")


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
    ComposerScreen .row { height: 1; }
    ComposerScreen TextArea {
        border: none; padding: 0 1; margin-top: 1; height: 1fr; background: $background; color: $foreground;
    }
    ComposerScreen TextArea:focus { border: none; }
    ComposerScreen .text-area--cursor-line { background: $background; }
    ComposerScreen #words { background: $surface; padding: 0 1; }
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
        self.suggestions = Suggestions()
        self._title = PaneTitle("composer")
        self.from_line = Shown("from")
        self.attached = Shown("attached")
        self.words = Shown("words")
        self.hints = KeyHints()
        self.fields: dict[str, Field] = {
            name: AddressField(getattr(draft, name), name, self._people, self.suggestions)
            for name in ("to", "cc", "bcc", "reply_to")
        }
        self.fields["subject"] = Field(draft.subject, "subject")
        self.body = TextArea(draft.body, soft_wrap=True, show_line_numbers=False, id="body", tab_behavior="indent")

    # the beginning

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    def compose(self) -> ComposeResult:
        yield self._title
        with Vertical(classes="rows"):
            yield Horizontal(Label("From"), self.from_line, classes="row")
            for name, label in (
                ("to", "To"),
                ("cc", "Cc"),
                ("bcc", "Bcc"),
                ("reply_to", "Reply-To"),
                ("subject", "Subject"),
            ):
                row = Horizontal(Label(label), self.fields[name], classes="row", id=f"row-{name}")
                row.display = name != "reply_to" or bool(self._draft.reply_to)
                yield row
            yield Horizontal(Label("Attached"), self.attached, classes="row", id="row-attached")
            yield self.suggestions
        yield self.body
        yield self.words
        yield self.hints

    def on_mount(self) -> None:
        # Kept: when the program ends there is no app any more to ask for it.
        self._writer = self.mail_app.backend.writer
        self.query_one(".rows").styles.height = "auto"
        self.show()
        self._focus_first()
        self.set_interval(AUTOSAVE_SECONDS, self.save)
        self.mail_app.composers.append(self)

    def _focus_first(self) -> None:
        if not self._draft.to.strip():
            self._to_field("to")
        elif not self._draft.subject.strip():
            self._to_field("subject")
        else:
            self._to_field("body")

    def _to_field(self, name: str) -> None:
        self._at_bar = False
        self.set_focus(self.body if name == "body" else self.fields[name])
        self._show_hints()

    def show(self) -> None:
        """Draw what is not typed: From, what is attached, the title."""
        self.from_line.show(name_and_address(self._draft.from_), "text")
        files = self._draft.attachments
        self.attached.show("  ".join(f"{one_line(one.name)} ({size(one.size)})" for one in files))
        self.query_one("#row-attached").display = bool(files)
        subject = one_line(self.fields["subject"].value)
        self._title.show(subject or "New message", one_line(self._draft.account), active=True)
        self._show_hints()

    def _show_hints(self) -> None:
        if self._at_bar:
            self.hints.show(_BAR)
        else:
            self.hints.show(_TEXT_HINTS)

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer in the line above the keys."""
        self.words.show(f" {one_line(sentence)}", tone)

    # the draft

    @property
    def draft(self) -> Draft:
        """As it is typed now."""
        typed = {name: field.value for name, field in self.fields.items()}
        return msgspec.structs.replace(self._draft, body=self.body.text, **typed)

    def save(self) -> None:
        """Make what is typed durable, if it is not."""
        draft = self.draft
        if draft == self._saved or self._leaving:
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
        moves = focused is not None and (event.key == "escape" or (isinstance(focused, Field) and event.key in STEPS))
        if not moves or focused is None:
            return False
        self._held = []
        # In the field's own queue, behind what was typed before.
        focused.call_later(self._move, focused, event.key)
        return True

    def _move(self, focused: Widget, key: str) -> None:
        if isinstance(focused, AddressField) and focused.choose(key):
            pass
        elif key == "escape":
            self._to_bar()
        else:
            self._step(STEPS[key])
        held, self._held = self._held or [], None
        for event in held:
            hand_key(self.app.screen, event)

    def key_pressed(self, event: events.Key) -> bool:
        key = key_name(event)
        self._act(key.removeprefix("alt+"))
        return True

    def on_key(self, event: events.Key) -> None:
        """What no field wanted."""
        if event.key == "ctrl+s":
            event.stop()
            self._act("s")
        elif event.key in ("ctrl+enter", "ctrl+j"):
            event.stop()
            if event.key == "ctrl+enter":
                self._act("y")
        elif event.key == "ctrl+q":
            event.stop()
            self._act("q")
        elif event.key.startswith("alt+") and len(event.key) == 5:
            event.stop()
            self._act(event.key[-1])

    def _to_bar(self) -> None:
        self._at_bar = True
        self.set_focus(None)
        self._show_hints()

    def _act(self, key: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "y": self.send,
            "e": self.edit,
            "a": self.attach,
            "x": self.detach,
            "p": self.preview,
            "t": self.send_later,
            "f": self.choose_from,
            "s": self.save_now,
            "d": self.discard,
            "q": self.leave,
            "ctrl+s": self.save_now,
            "ctrl+q": self.leave,
            "i": lambda: self._to_field("body"),
            "enter": lambda: self._to_field("body"),
            "tab": lambda: self._to_field("to"),
            "escape": lambda: None,
            "r": self.show_reply_to,
        }
        if key != "y":
            self._warned = None
        action = actions.get(key)
        if action is None:
            self.say("Letters act here: i goes back to the text, y sends, q keeps the draft and leaves.")
            return
        action()

    def _step(self, step: int) -> None:
        order = [name for name in _ORDER if name == "body" or self.query_one(f"#row-{name}").display]
        current = next((name for name in order if name != "body" and self.fields[name] is self.focused), "body")
        place = order.index(current) + step
        self._to_field(order[max(0, min(place, len(order) - 1))])
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
            self._to_field("body")
        else:
            self._act(event.key.removeprefix("ctrl+"))

    # sending

    def send(self) -> None:
        """Send, after a look at what may have been forgotten."""
        self._send(time.time() + self.mail_app.compose_settings.undo_seconds)

    def _send(self, at: float) -> None:
        draft = self.draft
        thoughts = before_sending(draft, known=self._people.addresses, replies_to=self._replies_to)
        if thoughts and self._warned != thoughts:
            self._warned = thoughts
            self.say(f"{' '.join(thoughts)} y sends it all the same.", "warning")
            return
        self._leaving = True
        folder = self.folder
        self.say("Handing over …")

        def done(written: Written) -> None:
            if written.error is not None:
                self._leaving = False
                self.say(written.error.sentence, "error")
                self._to_the_mistake(written.error)
                return
            self._ended(Composed(cast(IntentResult, written.result), at))

        self._writer.wish(lambda intents: intents.send(draft, at=at), done)
        self._release_after(folder.release)

    def _release_after(self, release: Callable[[], None]) -> None:
        # In the writer's queue behind what was wished; where that failed the draft stays open here.
        self._wish(lambda: release() if self._leaving else None)

    def _to_the_mistake(self, error: TermmailError) -> None:
        if not isinstance(error, Unsendable):
            return
        from termmail.mime.addressing import check_recipients

        for name in ("to", "cc", "bcc", "reply_to"):
            try:
                check_recipients(self.fields[name].value)
            except Unsendable:
                self._to_field(name)
                return
        if not any(self.fields[name].value.strip() for name in ("to", "cc", "bcc")):
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
            self._send(at)

        self.app.push_screen(Prompt("Send when?", note="tomorrow 8:00, Mon 9, in 2 hours, 24 Dec 18:00"), typed)

    # other ways out

    def save_now(self) -> None:
        self.save()
        self.say("Saved on this computer.")

    def leave(self) -> None:
        """Keep the draft, in the account's Drafts."""
        self._end(lambda intents, draft: intents.keep_draft(draft))

    def discard(self) -> None:
        self._end(lambda intents, draft: intents.discard_draft(draft))

    def _end(self, wish: Callable[..., IntentResult]) -> None:
        draft, folder = self.draft, self.folder
        self._leaving = True

        def done(written: Written) -> None:
            if written.error is not None:
                self._leaving = False
                self.say(written.error.sentence, "error")
                return
            self._ended(Composed(cast(IntentResult, written.result)))

        self._writer.wish(lambda intents: wish(intents, draft), done)
        self._release_after(folder.release)

    def _ended(self, composed: Composed) -> None:
        self.mail_app.composers.remove(self)
        self.dismiss(composed)

    # around the text

    def edit(self) -> None:
        """The text in $EDITOR."""
        command = editor_command(self.mail_app.compose_settings.editor)
        try:
            with self.app.suspend():
                text = edit_text(command, self.body.text)
        except TermmailError as error:
            self.say(error.sentence, "error")
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
        self.query_one("#row-reply_to").display = True
        self._to_field("reply_to")

    def choose_from(self) -> None:
        """Another identity, of this or another account."""
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
            self._draft = msgspec.structs.replace(
                self._draft, account=account, from_=Address(identity.name, identity.address)
            )
            self.show()

        self.app.push_screen(Choice("Write as", items), chosen)

    def attach(self) -> None:
        """Choose files."""
        from termmail.ui.screens.files import FilesScreen

        def chosen(paths: tuple[Path, ...] | None) -> None:
            if paths:
                self._copy(paths)

        self.app.push_screen(FilesScreen(), chosen)

    def _copy(self, paths: tuple[Path, ...]) -> None:
        folder, app = self.folder, self.app
        self.say("Copying …")

        def progress(words: str) -> None:
            app.call_from_thread(self.say, f"Copying {one_line(words)}")

        def done(written: Written) -> None:
            if written.error is not None:
                self.say(written.error.sentence, "error")
                return
            found = cast("tuple[DraftAttachment, ...]", written.result)
            self._draft = msgspec.structs.replace(self._draft, attachments=(*self._draft.attachments, *found))
            self.say(f"Attached {', '.join(one_line(one.name) for one in found)}.")
            self.show()
            self.save()

        self._wish(lambda: writing.attach(folder, paths, progress), done)

    def detach(self) -> None:
        """Take an attachment out."""
        from termmail.ui.screens.choice import Choice, Item

        files = self._draft.attachments
        if not files:
            self.say("Nothing is attached.")
            return

        def chosen(place: int | None) -> None:
            if place is None:
                return
            gone = files[place]
            left = tuple(one for number, one in enumerate(files) if number != place)
            self._draft = msgspec.structs.replace(self._draft, attachments=left)
            self.say(f"{one_line(gone.name)} is not attached any more.")
            self.show()
            self.save()

        items = [Item(one.name, place, size(one.size)) for place, one in enumerate(files)]
        self.app.push_screen(Choice("Take out", items), chosen)
