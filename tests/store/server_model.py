"""A mail server in a few lines, for tests of the store alone: mailboxes with numbered messages, and other clients that change them."""

from __future__ import annotations

import dataclasses

from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Role
from termmail.model.message import Address, Envelope
from termmail.model.remote import MailboxListing, RemoteHeader, RemoteMailbox

ROLES = {"INBOX": Role.INBOX, "Trash": Role.TRASH, "Archive": Role.ARCHIVE}
NOT_KEPT = "odd"
"""A keyword that this server does not keep."""


def raw(token: int) -> bytes:
    """The bytes of message `token`, which no other has."""
    return b"Subject: number %d\r\n\r\n" % token + b"x" * (token % 5) + b"\r\n"


def envelope(token: int) -> Envelope:
    """Every fourth message has no Message-ID."""
    return Envelope(
        message_id_header="" if token % 4 == 0 else f"{token}@demo.example",
        subject=f"number {token}",
        from_=(Address("Lisa", "lisa@demo.example"),),
    )


@dataclasses.dataclass
class Held:
    """A message in a mailbox; equal tokens are copies of one message."""

    token: int
    flags: FlagSet


class Box:
    """A mailbox."""

    def __init__(self, uidvalidity: int) -> None:
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.messages: dict[int, Held] = {}
        self.subscribed = True

    def add(self, held: Held) -> int:
        uid = self.uidnext
        self.uidnext += 1
        self.messages[uid] = Held(held.token, held.flags)
        return uid

    def find(self, token: int, above: int = 0) -> int | None:
        """The newest copy of a message with a UID of `above` or higher."""
        return max((uid for uid, held in self.messages.items() if held.token == token and uid >= above), default=None)


class Server:
    """What an IMAP server holds for one user. `email_ids`: it tells which messages are the same (RFC 8474)."""

    def __init__(self, *, email_ids: bool) -> None:
        self.email_ids = email_ids
        self._uidvalidity = 0
        self._token = 0
        self.boxes: dict[str, Box] = {}
        for name in ROLES:
            self.create(name)

    def _next_validity(self) -> int:
        self._uidvalidity += 1
        return self._uidvalidity

    def create(self, name: str) -> bool:
        if name in self.boxes:
            return False
        self.boxes[name] = Box(self._next_validity())
        return True

    def rename(self, old: str, new: str) -> bool:
        """With all below it."""
        if old not in self.boxes or new in self.boxes or old == "INBOX" or new.startswith(old + "/"):
            return False
        renamed = {name: new + name[len(old) :] for name in self.boxes if name == old or name.startswith(old + "/")}
        if any(name in self.boxes for name in renamed.values()):
            return False
        self.boxes = {renamed.get(name, name): box for name, box in self.boxes.items()}
        return True

    def delete(self, name: str) -> bool:
        if name not in self.boxes or name == "INBOX":
            return False
        del self.boxes[name]
        return True

    def deliver(self, name: str) -> int:
        """A new message; its token."""
        self._token += 1
        self.boxes[name].add(Held(self._token, FlagSet()))
        return self._token

    def renumber(self, name: str) -> None:
        """All messages under another UIDVALIDITY, in an order of its own (S3)."""
        box = self.boxes[name]
        box.uidvalidity = self._next_validity()
        held = list(box.messages.values())[::-1]
        box.messages, box.uidnext = {}, 1
        for one in held:
            box.add(one)

    def change_flags(self, name: str, uid: int, add: FlagSet, remove: FlagSet) -> None:
        held = self.boxes[name].messages[uid]
        refused = FlagSet(Flag(0), frozenset({NOT_KEPT}))
        held.flags = held.flags.apply(add.minus(refused), remove)

    def copy(self, name: str, uid: int, target: str) -> int:
        return self.boxes[target].add(self.boxes[name].messages[uid])

    def move(self, name: str, uid: int, target: str) -> int:
        held = self.boxes[name].messages.pop(uid)
        return self.boxes[target].add(held)

    def count(self, token: int) -> int:
        """How many copies of a message there are."""
        return sum(held.token == token for box in self.boxes.values() for held in box.messages.values())

    # as it answers

    def listing(self) -> MailboxListing:
        return MailboxListing(
            tuple(
                RemoteMailbox(name.encode(), name, "/", ROLES.get(name, Role.NONE), True, box.subscribed)
                for name, box in self.boxes.items()
            )
        )

    def header(self, name: str, uid: int) -> tuple[RemoteHeader, Envelope]:
        held = self.boxes[name].messages[uid]
        email_id = f"E{held.token}" if self.email_ids else ""
        received_at = 1_700_000_000 + held.token * 60
        remote = RemoteHeader(uid, held.flags, len(raw(held.token)), received_at, b"", None, email_id)
        return remote, envelope(held.token)
