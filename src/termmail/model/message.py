"""Messages as the list, the message pane and the sync see them."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.flags import FlagSet


class Address(msgspec.Struct, frozen=True):
    """A mailbox of RFC 5322 §3.4, decoded. `address` may be empty or odd: it is what the mail says."""

    name: str
    address: str


class Envelope(msgspec.Struct, frozen=True):
    """Header fields of a message, decoded, parsed by us from the raw header block (P4).

    `sent_at` is the Date field in Unix seconds, or None where it is missing or nonsense (P9). `references` are message ids in
    order, without angle brackets; so are `message_id_header` and `in_reply_to`. `list_id` is List-Id's id. `has_attachments` is a
    guess from Content-Type until the body is here. Strings are decoded but not yet made safe: the display does that.
    """

    message_id_header: str = ""
    subject: str = ""
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    sent_at: int | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    list_id: str = ""
    has_attachments: bool = False


class BodyState(enum.Enum):
    """Whether the full bytes of a message are here."""

    MISSING = "missing"
    PRESENT = "present"
    TOO_LARGE = "too large"
    BROKEN = "broken"


class MessageRow(msgspec.Struct, frozen=True):
    """One line of a message list: a placement with what the list shows of its message.

    `id` is the placement's and survives a move made here. `received_at` is INTERNALDATE, `sent_at` the Date field (None where it is
    nonsense), both Unix seconds. `size` is in bytes. `pending` says that a change of it waits to reach the server.
    `problem` is a sentence where the message could not be fetched or read, else empty.
    """

    id: int
    message_id: int
    mailbox_id: int
    account: str
    mailbox: str
    uid: int | None
    message_id_header: str
    from_: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    subject: str
    sent_at: int | None
    received_at: int
    size: int
    flags: FlagSet
    has_attachments: bool
    preview: str
    body_state: BodyState
    pending: bool
    problem: str
    changed: int
