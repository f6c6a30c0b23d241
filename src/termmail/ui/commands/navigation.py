"""Moving about: in lists, between folders, accounts and panes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from termmail.model.mailbox import Role
from termmail.model.view import Sort
from termmail.ui.keymap import Where
from termmail.ui.widgets.folder_tree import FolderTree
from termmail.ui.widgets.message_list import MessageList

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen

_ROLE_WORDS = {
    Role.INBOX: "inbox",
    Role.ALL: "folder with all mail",
    Role.SENT: "folder for sent mail",
    Role.TRASH: "Trash",
    Role.DRAFTS: "folder for drafts",
    Role.ARCHIVE: "archive",
    Role.JUNK: "folder for junk",
}
_SORT_WORDS = {
    Sort.DATE: ("Date, newest first", "Date, oldest first"),
    Sort.SENDER: ("Sender, A to Z", "Sender, Z to A"),
    Sort.SIZE: ("Size, largest first", "Size, smallest first"),
    Sort.SUBJECT: ("Subject, A to Z", "Subject, Z to A"),
}


class Navigation:
    """Commands that change nothing but where one is."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self._wanted_end = False
        self._wanted_id: int | None = None

    def commands(self) -> dict[str, Callable[[], None]]:
        found: dict[str, Callable[[], None]] = {
            "next": lambda: self.step(1),
            "previous": lambda: self.step(-1),
            "first": self.first,
            "last": self.last,
            "page_down": lambda: self.page(1),
            "page_up": lambda: self.page(-1),
            "open": self.open,
            "back": self.back,
            "escape": self.escape,
            "quit": self.screen.leave,
            "next_unread": lambda: None if self.screen.viewing.next_hit(1) else self.unread(1),
            "previous_unread": lambda: None if self.screen.viewing.next_hit(-1) else self.unread(-1),
            "read_on": self.read_on,
            "expand": lambda: self.fold(folded=False),
            "collapse": lambda: self.fold(folded=True),
            "next_folder": lambda: self.folder(1),
            "previous_folder": lambda: self.folder(-1),
            "next_pane": lambda: self.pane(1),
            "previous_pane": lambda: self.pane(-1),
            "go_inbox": lambda: self.go(Role.INBOX),
            "go_all": lambda: self.go(Role.ALL),
            "go_sent": lambda: self.go(Role.SENT),
            "go_trash": lambda: self.go(Role.TRASH),
            "go_drafts": lambda: self.go(Role.DRAFTS),
            "go_archive": lambda: self.go(Role.ARCHIVE),
            "go_junk": lambda: self.go(Role.JUNK),
            "sort": self.sort,
        }
        for number in range(1, 10):
            found[f"account_{number}"] = lambda number=number: self.account(number)  # type: ignore[misc]
        return found

    # in a pane

    def step(self, count: int) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            screen.folder_tree.move_to(screen.folder_tree.cursor + count)
        elif not self.to(screen.model.cursor + count) and len(screen.model):
            screen.say("This is the last message." if count > 0 else "This is the first message.")

    def to(self, position: int) -> bool:
        """The list's cursor to a row; whether it moved."""
        moved = self.screen.message_list.move_to(position)
        if moved:
            self.screen.reading.show_cursor(by_user=True)
        return moved

    def first(self) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            screen.folder_tree.move_to(0)
        elif screen.active is Where.MESSAGE:
            screen.message_pane.to_line(0)
        else:
            self.to(0)

    def last(self) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            screen.folder_tree.move_to(len(screen.folder_tree.lines) - 1)
        elif screen.active is Where.MESSAGE:
            screen.message_pane.to_line(screen.message_pane.line_count)
        else:
            self._wanted_end = not screen.model.complete
            self.to(len(screen.model) - 1)

    def opened(self) -> None:
        """Another list is shown: where the user wanted to be in the one before is forgotten."""
        self._wanted_end = False
        self._wanted_id = None

    def list_loaded(self) -> None:
        """All ids are there now, or a patch came: go where the user wanted to be."""
        screen = self.screen
        if self._wanted_end and screen.model.complete:
            self._wanted_end = False
            self.to(len(screen.model) - 1)
        if self._wanted_id is not None:
            position = screen.model.position(self._wanted_id)
            if position is not None:
                self._wanted_id = None
                self.to(position)

    def want(self, placement_id: int) -> None:
        """Put the cursor on this message as soon as it is in the list."""
        self._wanted_id = placement_id
        self.list_loaded()

    def page(self, count: int) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            screen.folder_tree.move_to(screen.folder_tree.cursor + count * max(1, screen.folder_tree.height - 1))
        elif screen.active is Where.MESSAGE:
            screen.reading.scroll_pages(count)
        else:
            self.to(screen.model.cursor + count * max(1, screen.message_list.rows_visible - 1))

    def open(self) -> None:
        screen = self.screen
        if screen.active is Where.FOLDERS:
            tree = screen.folder_tree
            if not tree.lines:
                return
            node = tree.lines[tree.cursor]
            if node.is_outbox:
                screen.composing.show_outbox()
            elif node.mailbox is not None and node.mailbox.selectable:
                if screen.mailbox is None or screen.mailbox.id != node.mailbox.id:
                    screen.open_mailbox(node.mailbox)
                screen.set_active(Where.LIST)
            else:
                self.fold(folded=node.key not in tree.collapsed)
        elif screen.mailbox is not None and screen.mailbox.role is Role.DRAFTS and screen.model.cursor_id is not None:
            screen.composing.again(as_new=False)
        elif screen.active is Where.LIST and screen.model.cursor_id is not None:
            screen.set_active(Where.MESSAGE)
            screen.reading.open()

    def back(self) -> None:
        screen = self.screen
        if screen.active is Where.LIST:
            screen.leave()
        else:
            screen.set_active(Where.LIST)

    def escape(self) -> None:
        screen = self.screen
        if screen.viewing.end_search():
            return
        if screen.model.clear_selection():
            screen.message_list.forget_drawn()
            screen.message_list.touch()
            screen.show_titles()
        elif screen.active is not Where.LIST:
            screen.set_active(Where.LIST)
        else:
            screen.status_line.say("")

    # unread

    def unread(self, step: int) -> None:
        screen = self.screen
        mailbox = screen.mailbox
        if mailbox is None:
            return
        model = screen.model

        def unread_ids() -> set[int]:
            return screen.queries.unread_ids(mailbox.id)

        position = model.next_unread(step, unread_ids)
        if position is None:
            cursor = model.cursor
            model.cursor = -1 if step > 0 else len(model)
            position = model.next_unread(step, unread_ids)
            model.cursor = cursor
            if position is None or position == cursor:
                screen.say("There are no other unread messages in this folder.")
                return
            screen.say("Went on from the top." if step > 0 else "Went on from the bottom.")
        self.to(position)

    def read_on(self) -> None:
        """A page further in the message, at its end the next unread one; from the list, open it."""
        screen = self.screen
        if screen.active is Where.FOLDERS or not screen.is_visible(Where.MESSAGE):
            self.open()
        elif not screen.reading.scroll_pages(1):
            self.unread(1)

    # folders and accounts

    def folder(self, step: int) -> None:
        """The list of the next folder; in the tree only the cursor moves."""
        screen = self.screen
        tree = screen.folder_tree
        here = tree.cursor
        if screen.active is not Where.FOLDERS and screen.mailbox is not None:
            here = tree.place_of(screen.mailbox.id) or here
        place = tree.step_from(here, step)
        if place is None:
            screen.say("This is the last folder." if step > 0 else "This is the first folder.")
            return
        mailbox = tree.lines[place].mailbox
        tree.move_to(place)
        if mailbox is not None:
            screen.open_mailbox(mailbox)

    def fold(self, *, folded: bool) -> None:
        screen = self.screen
        tree = screen.folder_tree
        if not tree.lines:
            return
        node = tree.lines[tree.cursor]
        if node.is_outbox:
            return
        if not node.has_children and node.mailbox is not None:
            parent = next((place for place in range(tree.cursor, -1, -1) if tree.lines[place].depth < node.depth), None)
            if folded and parent is not None:
                tree.move_to(parent)
            return
        changed = tree.collapsed | {node.key} if folded else tree.collapsed - {node.key}
        if changed != tree.collapsed:
            tree.collapsed = changed
            tree.rebuild()
            screen.remember_collapsed()

    def go(self, role: Role) -> None:
        """The mailbox for a role in the account whose list is shown."""
        screen = self.screen
        status = screen.account_status()
        account = screen.mailbox.account if screen.mailbox is not None else status.account if status else ""
        for mailbox in screen.folder_tree.mailboxes.values():
            if mailbox.account == account and mailbox.role is role:
                screen.open_mailbox(mailbox)
                screen.set_active(Where.LIST)
                return
        screen.say(f"This account has no {_ROLE_WORDS[role]}.")

    def account(self, number: int) -> None:
        """The inbox of an account by its place."""
        screen = self.screen
        if number > len(screen.statuses):
            count = len(screen.statuses)
            screen.say("There is only one account." if count == 1 else f"There are only {count} accounts.")
            return
        name = screen.statuses[number - 1].account
        owned = [mailbox for mailbox in screen.folder_tree.mailboxes.values() if mailbox.account == name]
        inbox = next((mailbox for mailbox in owned if mailbox.role is Role.INBOX), next(iter(owned), None))
        if inbox is None:
            screen.say("This account has no folders here yet.")
            return
        screen.open_mailbox(inbox)
        screen.set_active(Where.LIST)

    def pane(self, step: int) -> None:
        screen = self.screen
        order = [Where.FOLDERS, Where.LIST, Where.MESSAGE]
        if not screen.is_single:
            sizes = screen.panes.sizes
            hidden = {Where.FOLDERS} if sizes.folders_hidden else set()
            hidden |= {Where.MESSAGE} if sizes.message_hidden else set()
            order = [where for where in order if where not in hidden or where is screen.active]
        place = order.index(screen.active)
        screen.set_active(order[(place + step) % len(order)])
        if screen.active is Where.MESSAGE:
            screen.reading.open()

    # order

    def sort(self) -> None:
        from termmail.ui.screens.choice import Choice, Item

        screen = self.screen
        if screen.mailbox is None:
            return
        mailbox = screen.mailbox
        items = [
            Item(
                words,
                (sort, reverse),
                "now" if (sort, bool(reverse)) == (screen.model.key.sort, screen.model.key.reverse) else "",
            )
            for sort, both in _SORT_WORDS.items()
            for reverse, words in enumerate(both)
        ]

        def chosen(value: tuple[Sort, int] | None) -> None:
            if value is not None:
                screen.open_mailbox(mailbox, value[0], reverse=bool(value[1]))
                screen.say(f"Sorted by {_SORT_WORDS[value[0]][value[1]].lower()}.")

        screen.app.push_screen(Choice("Sort by", items), chosen)

    # mouse

    def list_clicked(self, event: MessageList.Clicked) -> None:
        screen = self.screen
        if event.extend:
            self.to(event.position)
            screen.model.toggle_selected()
            screen.message_list.touch_row(event.position)
            screen.show_titles()
            return
        if screen.active is not Where.LIST:
            screen.set_active(Where.LIST)
        self.to(event.position)
        screen.reading.show_cursor(by_user=True)
        if event.chain > 1:
            self.open()

    def tree_clicked(self, event: FolderTree.Clicked) -> None:
        screen = self.screen
        screen.folder_tree.move_to(event.position)
        node = screen.folder_tree.lines[event.position]
        if node.is_outbox:
            screen.composing.show_outbox()
        elif event.on_arrow or node.mailbox is None:
            self.fold(folded=node.key not in screen.folder_tree.collapsed)
        elif node.mailbox.selectable:
            screen.open_mailbox(node.mailbox)
            screen.set_active(Where.LIST)
