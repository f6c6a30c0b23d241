"""Journalled edits that still have to reach a server."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.flags import FlagSet


class OperationState(enum.Enum):
    """PENDING waits for the engine, RUNNING was begun (and is probed before it is tried again)."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FlagChange(msgspec.Struct, frozen=True, tag="flag"):
    """+FLAGS and -FLAGS of one placement."""

    add: FlagSet
    remove: FlagSet


class Move(msgspec.Struct, frozen=True, tag="move"):
    """Move one placement to another mailbox of its account.

    `copied_uid` is recorded between the steps of COPY, \\Deleted, UID EXPUNGE, so that a crash makes no second copy (S9);
    -1 says that the copy was made and the server did not tell its UID.
    """

    mailbox_id: int
    copied_uid: int | None = None


class Copy(msgspec.Struct, frozen=True, tag="copy"):
    """Copy a placement's message; the new placement, already visible, is the operation's own; `source_id` is copied."""

    source_id: int
    mailbox_id: int


class Upload(msgspec.Struct, frozen=True, tag="upload"):
    """Put a message that was made here into a mailbox; the placement, already visible, is the operation's own.

    `file` is its name in `Home.uploads`. It is the only copy, so this is never given up (L9).
    """

    mailbox_id: int
    file: str


class Expunge(msgspec.Struct, frozen=True, tag="expunge"):
    """Delete one placement for good."""


class CreateMailbox(msgspec.Struct, frozen=True, tag="create"):
    mailbox_id: int


class RenameMailbox(msgspec.Struct, frozen=True, tag="rename"):
    """`new_name` is decoded for people, as Mailbox.name."""

    mailbox_id: int
    new_name: str


class DeleteMailbox(msgspec.Struct, frozen=True, tag="delete-mailbox"):
    mailbox_id: int


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    mailbox_id: int
    subscribed: bool


Payload = FlagChange | Move | Copy | Upload | Expunge | CreateMailbox | RenameMailbox | DeleteMailbox | Subscribe


class Operation(msgspec.Struct, frozen=True):
    """One row of the journal. `next_at` is Unix seconds; `attempts` is counted before each attempt."""

    id: int
    account: str
    placement_id: int | None
    payload: Payload
    state: OperationState
    attempts: int
    next_at: float
    last_error: str
