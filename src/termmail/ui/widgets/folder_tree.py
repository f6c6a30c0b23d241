"""Accounts and their folders as a tree with unread counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from termmail.model.mailbox import Mailbox, Role
from termmail.model.status import AccountStatus, ConnectionState
from termmail.ui.drawing import Pen
from termmail.ui.look import account_style
from termmail.ui.text import one_line
from termmail.ui.widgets.pane import Pane, look_for
from termmail.ui.words import folder_count, folder_name

_DEEPEST_SHOWN = 8
_OUTBOX_PATH = "\0outbox"
"""No mailbox has a NUL in its name."""
_ROLES = (
    Role.INBOX,
    Role.FLAGGED,
    Role.IMPORTANT,
    Role.DRAFTS,
    Role.SENT,
    Role.ARCHIVE,
    Role.ALL,
    Role.JUNK,
    Role.TRASH,
)


class Node(msgspec.Struct, frozen=True):
    """A line of the tree: an account (no mailbox), a mailbox, or a level of names without a mailbox of its own."""

    account: str
    mailbox: Mailbox | None = None
    name: str = ""
    path: str = ""
    depth: int = 0
    has_children: bool = False
    unread_below: int = 0

    @property
    def is_outbox(self) -> bool:
        """Whether this is the line for what waits to be sent."""
        return self.path == _OUTBOX_PATH

    @property
    def key(self) -> str:
        """Names the node across changes: the account and the full name."""
        return f"{self.account}\n{self.path}"


def tree_lines(accounts: Sequence[str], mailboxes: Iterable[Mailbox], collapsed: frozenset[str]) -> list[Node]:
    """The tree's visible lines: accounts in order, in each the mailboxes with a role, then the others by name below each other."""
    by_account: dict[str, list[Mailbox]] = {account: [] for account in accounts}
    for mailbox in mailboxes:
        by_account.setdefault(mailbox.account, []).append(mailbox)
    lines: list[Node] = []
    for account, owned in by_account.items():
        heading = Node(account)
        lines.append(heading)
        if heading.key not in collapsed:
            _account_lines(account, owned, collapsed, lines)
    return lines


def _account_lines(account: str, owned: list[Mailbox], collapsed: frozenset[str], lines: list[Node]) -> None:
    first = sorted((box for box in owned if box.role in _ROLES), key=lambda box: (_ROLES.index(box.role), box.name))
    with_role = {box.id for box in first}
    others = sorted((box for box in owned if box.id not in with_role), key=_levels)
    parents = {box.name for box in first}
    paths = {box.name: box for box in owned}
    children: dict[str, list[Mailbox]] = {}
    roots: list[Mailbox] = []
    for box in others:
        parent = _parent(box, paths)
        if parent is None:
            roots.append(box)
        else:
            children.setdefault(parent, []).append(box)
    pending: list[tuple[Mailbox, int, str]] = [(box, 0, "") for box in reversed([*first, *roots])]
    while pending:
        box, depth, parent = pending.pop()
        # What lies below a mailbox with a role is listed below it only where it is not the whole account (INBOX.…).
        below = children.get(box.name, [])
        if box.role is Role.INBOX and box.name in parents and below:
            pending[:0] = [(child, 0, box.name) for child in reversed(below)]
            below = []
        node = Node(
            account,
            box,
            _shown_name(box, parent),
            box.name,
            depth,
            bool(below),
            sum(child.unread for child in below),
        )
        lines.append(node)
        if below and node.key not in collapsed:
            pending.extend((child, depth + 1, box.name) for child in reversed(below))


def _levels(box: Mailbox) -> tuple[list[str], str]:
    name = box.name.casefold()
    return (name.split(box.delimiter) if box.delimiter else [name]), box.name


def _parent(box: Mailbox, paths: dict[str, Mailbox]) -> str | None:
    """The nearest level above that is a mailbox."""
    if not box.delimiter:
        return None
    above = box.name
    while (cut := above.rfind(box.delimiter)) > 0:
        above = above[:cut]
        if above in paths:
            return above
    return None


def _shown_name(box: Mailbox, parent: str) -> str:
    if box.role is not Role.NONE or not box.delimiter:
        return folder_name(box)
    rest = box.name[len(parent) + len(box.delimiter) :] if parent else box.name
    return " / ".join(one_line(level) for level in rest.split(box.delimiter)) or folder_name(box)


class FolderTree(Pane):
    """Draws the tree; `chosen` is the mailbox whose list is shown, the cursor may be elsewhere while the pane is active."""

    DEFAULT_CSS = "FolderTree { background: $surface; }"

    class Clicked(Message):
        """A line of the tree was clicked."""

        def __init__(self, position: int, chain: int, *, on_arrow: bool) -> None:
            super().__init__()
            self.position = position
            self.chain = chain
            self.on_arrow = on_arrow

    def __init__(self) -> None:
        super().__init__(id="folders")
        self.accounts: tuple[AccountStatus, ...] = ()
        self.colours: Mapping[str, str] = {}
        self.work_offline = False
        self.mailboxes: dict[int, Mailbox] = {}
        self.collapsed: frozenset[str] = frozenset()
        self.lines: list[Node] = []
        self.cursor = 0
        self.chosen: int | None = None
        self._outbox = (0, False)

    def set_outbox(self, count: int, *, failed: bool) -> None:
        """A line at the top while something waits to be sent, marked where it can't be."""
        if (count, failed) != self._outbox:
            self._outbox = (count, failed)
            self.rebuild()

    def set_colours(self, colours: Mapping[str, str]) -> None:
        """The colours that were chosen for accounts, as Textual's names."""
        if colours != self.colours:
            self.colours = colours
            self.touch()

    def set_accounts(self, accounts: Sequence[AccountStatus], *, work_offline: bool) -> None:
        before = [status.account for status in self.accounts]
        self.accounts = tuple(accounts)
        self.work_offline = work_offline
        if before != [status.account for status in accounts]:
            self.rebuild()
            return
        for place, node in enumerate(self.lines):
            if node.mailbox is None:
                self.touch_lines(place)

    def set_mailboxes(self, mailboxes: Iterable[Mailbox]) -> None:
        """All mailboxes anew."""
        self.mailboxes = {mailbox.id: mailbox for mailbox in mailboxes}
        self.rebuild()

    def patch(self, upserted: Iterable[Mailbox], removed: Iterable[int]) -> None:
        """Some are new, changed or gone. Where only counts changed the tree keeps its lines."""
        anew = False
        for mailbox_id in removed:
            anew |= self.mailboxes.pop(mailbox_id, None) is not None
        counted: set[int] = set()
        for mailbox in upserted:
            before = self.mailboxes.get(mailbox.id)
            self.mailboxes[mailbox.id] = mailbox
            if before is None or (before.name, before.role, before.selectable) != (
                mailbox.name,
                mailbox.role,
                mailbox.selectable,
            ):
                anew = True
            elif (before.unread, before.total, before.pending) != (mailbox.unread, mailbox.total, mailbox.pending):
                counted.add(mailbox.id)
        if anew or (counted and self.collapsed):
            self.rebuild()
            return
        for place, node in enumerate(self.lines):
            if node.mailbox is not None and node.mailbox.id in counted:
                self.lines[place] = msgspec.structs.replace(node, mailbox=self.mailboxes[node.mailbox.id])
                self.touch_lines(place)

    def rebuild(self) -> None:
        """Lay the tree out anew; the cursor stays on its line."""
        key = self.lines[self.cursor].key if self.cursor < len(self.lines) else ""
        outbox = [Node("", name="Outbox", path=_OUTBOX_PATH)] if self._outbox[0] else []
        self.lines = outbox + tree_lines(
            [status.account for status in self.accounts], self.mailboxes.values(), self.collapsed
        )
        self.cursor = next((place for place, node in enumerate(self.lines) if node.key == key), 0)
        self.set_line_count(len(self.lines))
        self.show_cursor()
        self.touch()

    def move_to(self, position: int) -> bool:
        """Put the cursor on a line; whether it moved."""
        position = max(0, min(position, len(self.lines) - 1))
        if position == self.cursor or not self.lines:
            return False
        before, self.cursor = self.cursor, position
        if not self.show_cursor():
            self.touch_lines(before)
            self.touch_lines(position)
        return True

    def show_cursor(self) -> bool:
        # The account's heading comes along with its first folder.
        return self.reveal(0 if self.cursor == 1 else self.cursor)

    def sized(self) -> None:
        super().sized()
        self.top = max(min(self.top, self.cursor), self.cursor - self.height + 1, 0)
        self._bar = self._thumb()

    def place_of(self, mailbox_id: int) -> int | None:
        """The line of a mailbox, None where it is not visible."""
        for place, node in enumerate(self.lines):
            if node.mailbox is not None and node.mailbox.id == mailbox_id:
                return place
        return None

    def choose(self, mailbox_id: int) -> None:
        """Show this mailbox as the one whose list is open, with the cursor on it."""
        place = self.place_of(mailbox_id)
        before, self.chosen = self.chosen, mailbox_id
        if place is not None:
            self.cursor = place
            self.show_cursor()
        if before != mailbox_id:
            self.touch()

    def step_from(self, position: int, step: int) -> int | None:
        """The next line in a direction with a mailbox that holds messages."""
        position += step
        while 0 <= position < len(self.lines):
            mailbox = self.lines[position].mailbox
            if mailbox is not None and mailbox.selectable:
                return position
            position += step
        return None

    def draw_line(self, y: int) -> Strip:
        place = y + self.top
        if place >= len(self.lines):
            return self.ended(self.pen(), y)
        node = self.lines[place]
        look = look_for(self)
        ground: Style | None = None
        if place == self.cursor and self.is_active:
            ground = look.cursor
        elif node.mailbox is not None and node.mailbox.id == self.chosen:
            ground = look.cursor_idle
        pen = self.pen(ground)
        if node.is_outbox:
            self._waiting(pen)
        elif node.mailbox is None:
            self._account(pen, node)
        else:
            self._mailbox(pen, node, node.mailbox)
        return self.ended(pen, y)

    def _waiting(self, pen: Pen) -> None:
        look = look_for(self)
        count, failed = self._outbox
        pen.space()
        pen.put("!" if failed else "↑", look.error if failed else look.accent)
        pen.space()
        words = f"{count:,}"
        pen.field("Outbox", look.error if failed else look.bright, pen.left - len(words) - 2)
        pen.space(pen.left - len(words) - 1)
        pen.put(words, look.error if failed else look.accent_bold)

    def _account(self, pen: Pen, node: Node) -> None:
        look = look_for(self)
        number = next((place for place, status in enumerate(self.accounts) if status.account == node.account), 0)
        status = self.accounts[number] if self.accounts else None
        pen.space()
        pen.put(
            "▸" if node.key in self.collapsed else "▪", account_style(look, number, self.colours.get(node.account, ""))
        )
        pen.space()
        trouble = ""
        if status is not None and not self.work_offline:
            trouble = {
                ConnectionState.SIGN_IN: "sign in",
                ConnectionState.INSECURE: "not safe",
                ConnectionState.WAITING: "offline",
                ConnectionState.OFFLINE: "offline",
            }.get(status.state, "")
        elif status is not None:
            trouble = "offline"
        pen.field(one_line(node.account), look.strong, pen.left - (len(trouble) + 2 if trouble else 1))
        if trouble:
            pen.put(" " + trouble, look.warning if trouble != "offline" else look.muted)

    def _mailbox(self, pen: Pen, node: Node, mailbox: Mailbox) -> None:
        look = look_for(self)
        pen.space(1 + 2 * min(node.depth, _DEEPEST_SHOWN))
        folded = node.key in self.collapsed
        pen.put(("▸" if folded else "▾") if node.has_children else " ", look.faint)
        pen.space()
        count = folder_count(mailbox, node.unread_below if folded else 0)
        style = look.bright if count and mailbox.role is not Role.DRAFTS else look.text
        if not mailbox.selectable or mailbox.role in (Role.TRASH, Role.JUNK):
            style = look.muted
        wait = " ↑" if mailbox.pending else ""
        pen.field(node.name, style, max(1, pen.left - len(count) - len(wait) - 2))
        pen.put(wait, look.muted)
        pen.space(pen.left - len(count) - 1)
        pen.put(count, look.accent_bold if mailbox.role is not Role.DRAFTS else look.muted)

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.top
        if event.x < self.line_width and 0 <= place < len(self.lines):
            node = self.lines[place]
            on_arrow = node.has_children and event.x <= 2 + 2 * min(node.depth, _DEEPEST_SHOWN)
            self.post_message(self.Clicked(place, event.chain, on_arrow=on_arrow))
