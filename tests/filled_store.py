"""A small filled store for tests of what lies above it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from termmail.model.account import Account, Protocol, Security, Server
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.local import StoredBody
from termmail.model.mailbox import Role
from termmail.model.message import Address, Envelope
from termmail.model.remote import MailboxListing, RemoteHeader, RemoteMailbox
from termmail.store.ingest import Ingest
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.queries import Queries

ROLES = {
    "INBOX": Role.INBOX,
    "Archive": Role.ARCHIVE,
    "Drafts": Role.DRAFTS,
    "Junk": Role.JUNK,
    "Sent": Role.SENT,
    "Trash": Role.TRASH,
    "Work": Role.NONE,
    "Work/Deep": Role.NONE,
}


def account(name: str = "lisa") -> Account:
    """An IMAP account on loopback."""
    server = Server("127.0.0.1", 1, Security.NONE)
    return Account(name, f"{name}@demo.example", Protocol.IMAP, server, None, name)


def remote_mailbox(name: str, role: Role | None = None, *, selectable: bool = True) -> RemoteMailbox:
    wanted = ROLES.get(name, Role.NONE) if role is None else role
    return RemoteMailbox(name.encode(), name, "/", wanted, selectable, True)


def listing(*names: str) -> MailboxListing:
    return MailboxListing(tuple(remote_mailbox(name) for name in names))


def header(
    uid: int, *, flags: FlagSet | None = None, subject: str = "", email_id: str = ""
) -> tuple[RemoteHeader, Envelope]:
    """Message `uid` of a mailbox, as a FETCH gives it; later UIDs arrived later."""
    envelope = Envelope(
        message_id_header=f"message-{uid}@demo.example",
        subject=subject or f"Subject {uid}",
        from_=(Address(f"Sender {uid % 7}", f"sender{uid % 7}@demo.example"),),
        to=(Address("Lisa", "lisa@demo.example"),),
        sent_at=1_700_000_000 + uid * 60,
    )
    return RemoteHeader(uid, flags or FlagSet(), 1000 + uid, 1_700_000_000 + uid * 60, b"", None, email_id), envelope


class FilledStore:
    """A store in a folder with one account, the mailboxes of ROLES and `count` messages in INBOX (UIDs 1 to count)."""

    def __init__(self, folder: Path, *, count: int = 10, accounts: Sequence[str] = ("lisa",)) -> None:
        self.home = Home.under(folder)
        self.accounts = tuple(account(name) for name in accounts)
        self.ingest = Ingest(self.home, checkpoints=True)
        self.journal = Journal(self.ingest.database)
        self.ingest.register_accounts(self.accounts)
        self.mailboxes: dict[str, int] = {}
        for name in accounts:
            states = self.ingest.apply_listing(name, listing(*ROLES))
            for state in states:
                self.ingest.begin_uidvalidity(state.id, 7)
                if name == accounts[0]:
                    self.mailboxes[state.name] = state.id
        self.queries = Queries(self.home)
        self.intents = Intents(self.home)
        self.add(range(1, count + 1))

    def add(self, uids: Sequence[int], mailbox: str = "INBOX", *, seen_every: int = 2) -> None:
        """Messages with these UIDs; every `seen_every`th is read."""
        for start in range(0, len(uids), 500):
            batch = [
                header(uid, flags=FlagSet(Flag.SEEN if uid % seen_every == 0 else Flag(0)))
                for uid in uids[start : start + 500]
            ]
            self.ingest.add_headers(self.mailboxes[mailbox], batch)

    def add_body(self, placement_id: int, raw: bytes) -> None:
        """The body of a placement's message."""
        target = self.ingest.body_target(placement_id)
        assert target is not None
        self.ingest.store_bodies([StoredBody(target, raw, "preview", has_attachments=False)])

    def ids(self, mailbox: str = "INBOX") -> list[int]:
        """Placement ids, newest first."""
        return list(self.queries.message_ids(self.mailboxes[mailbox]))

    def close(self) -> None:
        self.queries.close()
        self.intents.close()
        self.ingest.close()
