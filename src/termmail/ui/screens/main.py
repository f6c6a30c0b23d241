"""The main screen: folders, message list, message, and two lines below."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer

from termmail.model.errors import TermmailError
from termmail.model.mailbox import Mailbox
from termmail.model.status import AccountStatus
from termmail.model.view import Sort
from termmail.ui import status as status_words
from termmail.ui.backend import Backend
from termmail.ui.heading import HeadingHints
from termmail.ui.keymap import BY_NAME, Bindings, Where, show_key
from termmail.ui.keys import SEQUENCE_SECONDS, KeyResolver
from termmail.ui.list_model import ListKey, ListModel
from termmail.ui.screens.first_mailbox import first_mailbox
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.screens.news import News
from termmail.ui.text import one_line
from termmail.ui.threads import tell
from termmail.ui.widgets.bars import KeyHints, StatusLine
from termmail.ui.widgets.folder_tree import FolderTree
from termmail.ui.widgets.message_list import MessageList
from termmail.ui.widgets.message_pane import MessagePane
from termmail.ui.widgets.panes import Arrangement, Panes, PaneSizes, Splitter
from termmail.ui.widgets.picture_pane import PicturePane
from termmail.ui.words import folder_path, number
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

Kept = TypeVar("Kept")

_FIRST_IDS = 200
_SENTENCE_SECONDS = 6.0
_ERROR_SECONDS = 15.0
_LAYOUT_SETTING = "ui.layout"
_MAILBOX_SETTING = "ui.mailbox"
_PATIENCE_SECONDS = 4.0
_COLLAPSED_SETTING = "ui.collapsed"

_HINTS = {
    Where.LIST: (
        "open", "reply", "compose", "archive", "delete", "flag", "undo", "select", "move", "next_unread", "palette", "help",
    ),
    Where.MESSAGE: (
        "read_on", "reply", "reply_all", "forward", "archive", "delete", "view_mode", "back", "undo", "palette", "help",
    ),
    Where.FOLDERS: ("open", "next_folder", "next_pane", "sync", "go_inbox", "palette", "help"),
}  # fmt: skip


class MainScreen(Keyed, Screen[None], inherit_bindings=False):
    """Takes all keys itself: no pane ever has Textual's focus, so that no key restyles anything."""

    BINDINGS: ClassVar = []

    class Told(Message):
        """News from a thread."""

        def __init__(self, news: object) -> None:
            super().__init__()
            self.news = news

    def __init__(self, backend: Backend) -> None:
        from termmail.ui.commands.attachments import Attachments
        from termmail.ui.commands.changes import Changes
        from termmail.ui.commands.composing import Composing
        from termmail.ui.commands.folders import Folders
        from termmail.ui.commands.handing import Handing
        from termmail.ui.commands.lists import Lists
        from termmail.ui.commands.navigation import Navigation
        from termmail.ui.commands.program import Program
        from termmail.ui.commands.reading import Reading
        from termmail.ui.commands.viewing import Viewing

        super().__init__()
        self.backend = backend
        self.queries = backend.queries
        self.model = ListModel(backend.queries.rows)
        self.mailbox: Mailbox | None = None
        self.statuses: list[AccountStatus] = []
        self._patient_until = time.monotonic() + _PATIENCE_SECONDS
        self.problems = 0
        self.work_offline = False
        self.resolver = KeyResolver(self.mail_app.keys)
        self.clock = self.mail_app.clock
        self.folder_tree = FolderTree()
        self.message_list = MessageList(self.model, self.clock)
        self.message_pane = MessagePane(self.clock)
        self.message_pane.hints = _heading_hints(self.mail_app.keys)
        self.panes = Panes(self.folder_tree, self.message_list, self.message_pane)
        self.status_line = StatusLine()
        self.hints = KeyHints()
        self.reading = Reading(self)
        self.changes = Changes(self)
        self.navigation = Navigation(self)
        self.handing = Handing(self)
        self.attachments = Attachments(self)
        self.folders = Folders(self)
        self.program = Program(self)
        self.composing = Composing(self)
        self.lists = Lists(self)
        self.viewing = Viewing(self)
        self.news = News(self)
        self._commands: dict[str, Callable[[], None]] = {}
        for part in (
            self.navigation, self.changes, self.reading, self.handing, self.attachments, self.folders, self.program, self.composing,
            self.lists, self.viewing,
        ):  # fmt: skip
            self._commands.update(part.commands())
        self._held: list[events.Key] | None = None
        self._generation = 0
        self._sequence_timer: Timer | None = None
        self._sentence_timer: Timer | None = None
        self._started = False
        self._changed_at_start = 0

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    # the beginning

    def render_lines(self, crop: Region) -> list[Strip]:
        # What lies on it covers it.
        return [Strip.blank(crop.width)] * crop.height

    def compose(self) -> ComposeResult:
        yield self.panes
        yield self.status_line
        yield self.hints

    def on_mount(self) -> None:
        """Everything the first frame shows is read here: states, mailboxes, one window of rows."""
        queries = self.queries
        self._changed_at_start = queries.changed_now()
        self.work_offline = queries.setting("work_offline") == "1"
        self.problems = queries.unseen_problem_count()
        self.show_colours()
        self.panes.sizes = self._remembered(_LAYOUT_SETTING, PaneSizes, PaneSizes())
        self.folder_tree.collapsed = self._remembered(_COLLAPSED_SETTING, frozenset[str], frozenset())
        self.news.take_statuses(queries.accounts())
        self.folder_tree.set_mailboxes(queries.mailboxes())
        self.set_active(Where.LIST)
        mailbox = self._first_mailbox()
        if mailbox is not None:
            self.open_mailbox(mailbox)
        else:
            self._show_no_mailbox()
        self.call_after_refresh(self._start)

    def _remembered(self, key: str, kind: type[Kept], otherwise: Kept) -> Kept:
        kept = self.queries.setting(key)
        if kept is None:
            return otherwise
        try:
            return msgspec.json.decode(kept, type=kind)
        except msgspec.DecodeError:
            # Written by another version: the layout begins anew.
            return otherwise

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self.backend.start(self._tell, self._changed_at_start)
        names = self.mail_app.accounts
        if names:
            self.backend.writer.wish(lambda intents: intents.register_accounts(names), for_engine=False)
        self.backend.writer.wish(lambda intents: intents.recover_drafts(), self._recovered, for_engine=True)
        self.set_interval(1.0, self._every_second)
        if self.mail_app.begin is not None:
            self.composing.begin(self.mail_app.begin)
        self.reading.start()

    def _recovered(self, written: Written) -> None:
        if written.error is not None:
            self.say(written.error.sentence, "error")
        elif isinstance(written.result, list) and written.result:
            self.say(" ".join(written.result), "warning")

    def _tell(self, news: object) -> None:
        tell(self, self.Told(news))

    def on_main_screen_told(self, event: Told) -> None:
        event.stop()
        self.news.take(event.news)

    def _first_mailbox(self) -> Mailbox | None:
        kept = self.queries.setting(_MAILBOX_SETTING)
        last_id = int(kept) if kept is not None and kept.isdigit() else None
        patient = time.monotonic() < self._patient_until
        return first_mailbox(self.folder_tree.mailboxes, self.statuses, last_id, patient=patient)

    def open_first(self) -> None:
        """Where no mailbox is open, open one as soon as there is one."""
        if self.mailbox is None and (first := self._first_mailbox()) is not None:
            self.open_mailbox(first)

    def leave_lost_mailbox(self) -> None:
        """The open mailbox is gone: go on with another."""
        first = self._first_mailbox()
        if first is not None:
            self.say("The folder is gone; this is the inbox.")
            self.open_mailbox(first)
        else:
            self._show_no_mailbox()

    def _show_no_mailbox(self) -> None:
        self.mailbox = None
        self.say_why_empty()
        self.message_list.opened()
        self.reading.show_cursor(by_user=False)
        self.show_titles()
        self.show_status()

    def say_why_empty(self) -> None:
        """What an empty list says instead of messages."""
        self.message_list.empty_words = status_words.empty_list(
            self.mailbox, self.account_status(), work_offline=self.work_offline
        )

    # panes

    @property
    def active(self) -> Where:
        """The pane that takes the keys."""
        return self.panes.active

    def set_active(self, where: Where) -> None:
        """Give a pane the keys; where it is not visible it becomes so."""
        before = self.panes.active
        visible = self.panes.shown()
        self.panes.active = where
        for each, pane in self.panes.panes.items():
            pane.set_active(each is where)
        if before is not where:
            self.resolver.pending = ()
        if self.panes.shown() != visible or self.size.height < 12:
            self.panes.arrange_again()
        if where is Where.FOLDERS and self.mailbox is not None:
            self.folder_tree.choose(self.mailbox.id)
        self.show_titles()
        self.show_hints()

    def is_visible(self, where: Where) -> bool:
        return where in self.panes.shown()

    def remember_layout(self) -> None:
        """Keep sizes and hidden panes for the next start."""
        kept = msgspec.json.encode(self.panes.sizes).decode()
        self.backend.writer.wish(lambda intents: intents.set_setting(_LAYOUT_SETTING, kept), for_engine=False)

    def remember_collapsed(self) -> None:
        """Keep which parts of the tree are folded."""
        kept = msgspec.json.encode(self.folder_tree.collapsed).decode()
        self.backend.writer.wish(lambda intents: intents.set_setting(_COLLAPSED_SETTING, kept), for_engine=False)

    def on_resize(self, event: events.Resize) -> None:
        low = event.size.height < 8
        self.hints.display = not low
        self.panes.arrange_again()
        self.show_hints()
        self.show_status()
        self.reading.resized()

    def on_splitter_dragged(self, event: Splitter.Dragged) -> None:
        self.panes.dragged(event.splitter, event.x, event.y)
        if event.done:
            self.remember_layout()
            self.reading.resized()

    # the list

    def open_mailbox(self, mailbox: Mailbox, sort: Sort | None = None, *, reverse: bool = False) -> None:
        """Show another list: its first ids now, all of them when they are loaded."""
        self._generation += 1
        key = ListKey(mailbox.id, sort or Sort.DATE, reverse, self._generation)
        try:
            changed = self.queries.changed_now()
            ids = self.queries.first_ids(mailbox.id, _FIRST_IDS, key.sort, reverse)
        except TermmailError as error:
            self.say(error.sentence, "error")
            return
        anew = self.mailbox is None or self.mailbox.id != mailbox.id
        self.mailbox = mailbox
        complete = len(ids) < _FIRST_IDS
        self.model.open(key, ids, changed, complete=complete)
        self.navigation.opened()
        self.message_list.role = mailbox.role
        self.say_why_empty()
        self.message_list.opened()
        self.backend.watcher.watch(key, changed, load=not complete)
        self.folder_tree.choose(mailbox.id)
        self.reading.show_cursor(by_user=False)
        self.show_titles()
        self.show_status()
        if anew and self._started:
            kept = str(mailbox.id)
            self.backend.writer.wish(lambda intents: intents.set_setting(_MAILBOX_SETTING, kept), for_engine=False)

    def account_status(self) -> AccountStatus | None:
        """The state of the account whose list is shown."""
        name = self.mailbox.account if self.mailbox is not None else None
        return next(
            (status for status in self.statuses if status.account == name), self.statuses[0] if self.statuses else None
        )

    def list_changed(self) -> None:
        """After the model's structure was changed here."""
        self.message_list.measure()
        self.message_list.show_cursor()
        self.message_list.touch_changed()
        self.show_titles()

    # keys

    def hold(self) -> None:
        """Keys that come now are for a screen that is about to open."""
        self._held = []

    def end_hold(self) -> list[events.Key]:
        """The keys that came meanwhile."""
        held, self._held = self._held or [], None
        return held

    def take_key(self, event: events.Key) -> bool:
        if self._held is not None:
            self._held.append(event)
            return True
        return super().take_key(event)

    def key_pressed(self, event: events.Key) -> bool:
        self.press(key_name(event))
        return True

    def press(self, key: str) -> None:
        """A key as the keymap writes it."""
        if self._sequence_timer is not None:
            self._sequence_timer.stop()
            self._sequence_timer = None
        began = bool(self.resolver.pending)
        pressed = self.resolver.press(key, self.active)
        if pressed.begun:
            if self.resolver.pending:
                self._sequence_timer = self.set_timer(SEQUENCE_SECONDS, self._sequence_ended)
            self.show_hints()
            return
        if began:
            self.show_hints()
        if pressed.command is not None:
            self.run_command(pressed.command)
        elif pressed.unknown:
            keys = " ".join(show_key(each) for each in pressed.unknown)
            self.say(f"{one_line(keys)} means nothing here. {self.mail_app.keys.shown('help')} lists the keys.")

    def _sequence_ended(self) -> None:
        self._sequence_timer = None
        command = self.resolver.give_up(self.active)
        self.show_hints()
        if command is not None:
            self.run_command(command)

    def run_command(self, name: str) -> None:
        """Carry out a command, from a key, the palette or the mouse."""
        command = BY_NAME[name]
        if command.later:
            self.say(command.later)
            return
        try:
            self._commands[name]()
        except TermmailError as error:
            self.say(error.sentence, "error")

    def show_colours(self) -> None:
        """Mark the accounts in the colours that were chosen for them."""
        self.folder_tree.set_colours({account.name: account.colour for account in self.mail_app.accounts})

    def use_keys(self, keys: Bindings) -> None:
        """Take another set of keys from now on."""
        self.resolver = KeyResolver(keys)
        self.message_pane.hints = _heading_hints(keys)
        self.show_hints()

    # words

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer in the status line for a while."""
        self.status_line.say(one_line(sentence), tone)
        if self._sentence_timer is not None:
            self._sentence_timer.stop()
        seconds = _ERROR_SECONDS if tone == "error" else _SENTENCE_SECONDS
        self._sentence_timer = self.set_timer(seconds, lambda: self.status_line.say(""))

    def show_titles(self) -> None:
        titles = self.panes.titles
        titles[Where.FOLDERS].show("Folders", active=self.active is Where.FOLDERS)
        box = self.mailbox
        detail = ""
        title = "Messages"
        if box is not None:
            title = folder_path(box)
            selected = self.model.marked_count
            if selected:
                detail = f"{number(selected)} selected"
            elif box.unread:
                detail = f"{number(box.unread)} unread of {number(box.total)}"
            elif box.total:
                detail = number(box.total)
            if self.model.key.sort is not Sort.DATE or self.model.key.reverse:
                title += f" · by {self.model.key.sort.value}" + (", turned round" if self.model.key.reverse else "")
        titles[Where.LIST].show(title, detail, active=self.active is Where.LIST)
        titles[Where.MESSAGE].show(self.reading.title(), self.reading.detail(), active=self.active is Where.MESSAGE)

    def show_status(self) -> None:
        line = status_words.status_line(
            self.account_status(),
            self.clock,
            work_offline=self.work_offline,
            problems=self.problems,
            engine_sentence=self.backend.engine.sentence if self.backend.engine is not None else "",
            several=len(self.statuses) > 1,
            password_key=self.mail_app.keys.shown("password"),
        )
        waiting = " · ".join(words for words in (self.composing.words(), line.waiting) if words)
        self.status_line.show(
            account=line.account, state=line.state, tone=line.tone, progress=line.progress, waiting=waiting
        )

    def show_hints(self) -> None:
        if self.resolver.pending:
            following = [
                (show_key(key), command.hint or command.title, key)
                for key, command in self.resolver.following(self.active)
                if not command.name.startswith("account_") or self._has_account(command.name)
            ]
            self.hints.show(following, " ".join(show_key(key) for key in self.resolver.pending))
            return
        keys = self.mail_app.keys
        self.hints.show(
            [
                (keys.shown(name), BY_NAME[name].hint or BY_NAME[name].title, name)
                for name in _HINTS[self.active]
                if keys.shown(name)
            ]
        )

    def _has_account(self, command_name: str) -> bool:
        return 1 < len(self.statuses) >= int(command_name.removeprefix("account_"))

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        if self.resolver.pending:
            self.press(event.key)
        else:
            self.run_command(event.key)

    def on_message_list_clicked(self, event: MessageList.Clicked) -> None:
        event.stop()
        self.navigation.list_clicked(event)

    def on_folder_tree_clicked(self, event: FolderTree.Clicked) -> None:
        event.stop()
        self.navigation.tree_clicked(event)

    def on_picture_pane_picture_seen(self, event: PicturePane.PictureSeen) -> None:
        event.stop()
        self.viewing.picture_seen(event.place)

    def on_picture_pane_view_seen(self, event: PicturePane.ViewSeen) -> None:
        event.stop()
        self.viewing.view_seen(event.view)

    def on_message_pane_link_clicked(self, event: MessagePane.LinkClicked) -> None:
        event.stop()
        self.handing.link(event.number)

    def _every_second(self) -> None:
        if self.clock.turned():
            self.message_list.forget_drawn()
            self.message_list.touch()
        self.open_first()
        self.composing.tick()
        self.show_status()

    def leave(self) -> None:
        """Quit."""
        self.app.exit()

    @property
    def is_single(self) -> bool:
        """Whether only one pane is visible at a time."""
        return self.panes.arrangement is Arrangement.SINGLE


def _heading_hints(keys: Bindings) -> HeadingHints:
    return HeadingHints(keys.shown("unsubscribe"), keys.shown("attachments"), keys.shown("enclosed"))
