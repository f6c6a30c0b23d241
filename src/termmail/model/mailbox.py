"""Mailboxes as the store and the front ends see them."""

from __future__ import annotations

import enum

import msgspec


class Role(enum.Enum):
    """What a mailbox is for (RFC 6154, and INBOX)."""

    NONE = ""
    INBOX = "inbox"
    ALL = "all"
    ARCHIVE = "archive"
    DRAFTS = "drafts"
    FLAGGED = "flagged"
    IMPORTANT = "important"
    JUNK = "junk"
    SENT = "sent"
    TRASH = "trash"


class Mailbox(msgspec.Struct, frozen=True):
    """One mailbox of one account.

    `name` is the full name decoded for people (levels separated by `delimiter`, which is empty where the server has no
    hierarchy). `total` and `unread` are the effective counts. `complete` says whether every message of the server is listed
    here already. `fresh_at` is when it last agreed with the server (Unix seconds, 0 never). `pending` names a change that
    waits for the network: `create`, `rename`, `delete` or empty.
    """

    id: int
    account: str
    name: str
    delimiter: str
    role: Role
    selectable: bool
    subscribed: bool
    total: int
    unread: int
    complete: bool
    fresh_at: int
    pending: str
    changed: int

    @property
    def leaf(self) -> str:
        """The last level of the name."""
        return self.name.rsplit(self.delimiter, 1)[-1] if self.delimiter else self.name
