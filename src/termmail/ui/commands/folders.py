"""Folders: going to one by name, creating, renaming, deleting, emptying, subscribing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from termmail.model.mailbox import Mailbox, Role
from termmail.model.view import IntentResult
from termmail.ui.keymap import Where
from termmail.ui.text import one_line
from termmail.ui.words import folder_count, folder_path, messages
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.store.intents import Intents
    from termmail.ui.screens.main import MainScreen


class Folders:
    """Commands on the folder under the tree's cursor, or on the one whose list is shown."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "go_folder": self.go,
            "folder_create": self.create,
            "folder_rename": self.rename,
            "folder_delete": self.delete,
            "folder_subscribe": self.subscribe,
            "folder_empty": self.empty,
        }

    def _folder(self) -> Mailbox | None:
        screen = self.screen
        if screen.active is Where.FOLDERS and screen.folder_tree.lines:
            mailbox = screen.folder_tree.lines[screen.folder_tree.cursor].mailbox
        else:
            mailbox = screen.mailbox
        if mailbox is None:
            screen.say("Choose a folder first.")
        return mailbox

    def _wish(self, wish: Callable[[Intents], IntentResult]) -> None:
        screen = self.screen

        def done(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
            elif isinstance(written.result, IntentResult):
                screen.say(written.result.sentence)

        screen.backend.writer.wish(wish, done)

    def go(self) -> None:
        from termmail.ui.screens.choice import Choice, Item

        screen = self.screen
        several = len(screen.statuses) > 1
        items = [
            Item(
                f"{one_line(mailbox.account)} / {folder_path(mailbox)}" if several else folder_path(mailbox),
                mailbox,
                folder_count(mailbox),
            )
            for mailbox in screen.folder_tree.mailboxes.values()
            if mailbox.selectable
        ]

        def chosen(mailbox: Mailbox | None) -> None:
            if mailbox is not None:
                screen.open_mailbox(mailbox)
                screen.set_active(Where.LIST)

        screen.app.push_screen(Choice("Go to", items), chosen)

    def create(self) -> None:
        from termmail.ui.screens.ask import Prompt

        screen = self.screen
        status = screen.account_status()
        here = self._folder_or_none()
        account = here.account if here is not None else status.account if status is not None else None
        if account is None:
            screen.say("There is no account to create a folder in.")
            return
        delimiter = here.delimiter if here is not None and here.delimiter else "/"

        def named(name: str | None) -> None:
            if name:
                self._wish(lambda intents: intents.create_mailbox(account, name))

        screen.app.push_screen(
            Prompt(f"Create a folder in {one_line(account)}", note=f"A {delimiter} begins a folder below another one."),
            named,
        )

    def _folder_or_none(self) -> Mailbox | None:
        screen = self.screen
        if screen.active is Where.FOLDERS and screen.folder_tree.lines:
            return screen.folder_tree.lines[screen.folder_tree.cursor].mailbox or screen.mailbox
        return screen.mailbox

    def rename(self) -> None:
        from termmail.ui.screens.ask import Prompt

        mailbox = self._folder()
        if mailbox is None:
            return
        if mailbox.role is Role.INBOX:
            self.screen.say("The inbox can't be renamed.")
            return

        def named(name: str | None) -> None:
            if name and name != mailbox.name:
                self._wish(lambda intents: intents.rename_mailbox(mailbox.id, name))

        self.screen.app.push_screen(Prompt(f"Rename {folder_path(mailbox)}", value=one_line(mailbox.name)), named)

    def delete(self) -> None:
        from termmail.ui.screens.ask import Ask

        mailbox = self._folder()
        if mailbox is None:
            return
        if mailbox.role is Role.INBOX:
            self.screen.say("The inbox can't be deleted.")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._wish(lambda intents: intents.delete_mailbox(mailbox.id))

        self.screen.app.push_screen(
            Ask(
                f"Delete the folder {folder_path(mailbox)} with {messages(mailbox.total)}? This can't be undone.",
                "Delete",
            ),
            answered,
        )

    def subscribe(self) -> None:
        mailbox = self._folder()
        if mailbox is not None:
            self._wish(lambda intents: intents.subscribe(mailbox.id, not mailbox.subscribed))

    def empty(self) -> None:
        from termmail.ui.screens.ask import Ask

        mailbox = self._folder()
        if mailbox is None:
            return
        if mailbox.role not in (Role.TRASH, Role.JUNK):
            own = [
                box
                for box in self.screen.folder_tree.mailboxes.values()
                if box.account == mailbox.account and box.role is Role.TRASH
            ]
            if not own:
                self.screen.say("Only Trash and Junk can be emptied.")
                return
            mailbox = own[0]
        chosen = mailbox
        if not chosen.total:
            self.screen.say(f"{folder_path(chosen)} is empty.")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._wish(lambda intents: intents.empty(chosen.id))

        self.screen.app.push_screen(
            Ask(f"Delete {messages(chosen.total)} in {folder_path(chosen)} for good? This can't be undone.", "Empty"),
            answered,
        )
