"""Local state as the store hands it to the sync."""

from __future__ import annotations

import msgspec

from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.remote import MailboxStatus


class MailboxState(msgspec.Struct, frozen=True):
    """What is known here of one mailbox of a server.

    `wire_name` is None for a mailbox that still has to be created there. Every message of the server with a UID of `floor` or
    above is listed here (1: all of them; None: nothing yet); `complete` says the same of the whole mailbox. `status` is the
    STATUS that the last complete pass ended with. `refused_keywords` are kept here only; they are not tried again.
    """

    id: int
    account: str
    name: str
    wire_name: bytes | None
    delimiter: str
    role: Role
    selectable: bool
    subscribed: bool
    uidvalidity: int | None
    uidnext: int | None
    highestmodseq: int | None
    floor: int | None
    complete: bool
    status: MailboxStatus | None
    refused_keywords: frozenset[str]
    candidates: int


class BodyTarget(msgspec.Struct, frozen=True):
    """A message whose body is wanted: where it lies on the server and its size in bytes as the server says."""

    placement_id: int
    message_id: int
    mailbox_id: int
    uid: int
    size: int
    received_at: int


class StoredBody(msgspec.Struct, frozen=True):
    """A body as it came, with what its first look found."""

    target: BodyTarget
    raw: bytes
    preview: str
    has_attachments: bool


class OperationSource(msgspec.Struct, frozen=True):
    """Where the message of an operation is on the server now, as far as known here.

    `uid` is None while the server's UID is not known (a move without COPYUID). Without a message all but the mailbox is empty.
    """

    mailbox_id: int
    wire_name: bytes | None
    uidvalidity: int | None
    uid: int | None
    base_flags: FlagSet
    message_id_header: str
    size: int
    received_at: int


class UploadSource(msgspec.Struct, frozen=True):
    """A message that was made here and is to be put into a mailbox. `received_at` (Unix seconds) is its INTERNALDATE."""

    message_id_header: str
    flags: FlagSet
    received_at: int
