"""Mail that is written here: drafts, what waits in the outbox, and what became of it."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.message import Address

LINGER_SECONDS = 60.0
"""What is due within this time after the engine was asked to end is still sent."""


class ReplyKind(enum.Enum):
    """Whom a reply goes to: who wrote, everybody who got it, or the mailing list."""

    SENDER = "sender"
    ALL = "all"
    LIST = "list"


class DraftAttachment(msgspec.Struct, frozen=True):
    """A file that goes along. `file` is its name in the draft's own folder, where it was copied to; `name` is what the recipient
    sees; `size` is in bytes."""

    name: str
    content_type: str
    file: str
    size: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is being written, as it was typed.

    `id` names its folder and its outbox item. `to`, `cc` and `bcc` are the text of the fields, which may be half an address;
    `subject` and `body` are plain text, lines of the body end in "\\n". `in_reply_to` and `references` are message ids without
    angle brackets. `answers` and `forwards` are the Message-ID of the mail that becomes \\Answered, or $Forwarded, when this is sent.
    `replaces` is the placement, in a Drafts mailbox, that this is the continuation of. `reply_to` is the text of that field.
    """

    id: str
    account: str
    from_: Address
    to: str = ""
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    subject: str = ""
    body: str = ""
    attachments: tuple[DraftAttachment, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    answers: str = ""
    forwards: str = ""
    replaces: int | None = None


class OutboxState(enum.Enum):
    """QUEUED waits for its time, for the network, or for the next try. SENDING was handed to the server, whose answer is not yet
    here. SENT was taken by the server, FILED is in the Sent mailbox too. FAILED needs the user. UNKNOWN may have been sent: the
    answer was lost, so only the user may send it again (O2)."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FILED = "filed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RecipientState(enum.Enum):
    """WAITING: the mail has still to be sent to this address. ACCEPTED and REFUSED are the server's word for it."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class OutboxRecipient(msgspec.Struct, frozen=True):
    """One address of the SMTP envelope. `reply` is what the server said of it, made safe to show, or empty."""

    address: str
    state: RecipientState = RecipientState.WAITING
    reply: str = ""


class OutboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way out.

    `folder` is the name of its folder below `outbox/`. `sender` is the SMTP envelope's. All times are Unix seconds: `not_before` is
    when it may go at the earliest, `next_at` when it is tried next. `attempts` is counted before each attempt. `sentence` says what
    it waits for or why it failed. `editable` says that it was written in the composer, and can be taken back into it. `size` is in
    bytes. `eight_bit` says that the message needs 8BITMIME, `utf8` that its header needs SMTPUTF8 (RFC 6531).
    """

    id: int
    account: str
    state: OutboxState
    folder: str
    sender: str
    recipients: tuple[OutboxRecipient, ...]
    subject: str
    message_id_header: str
    size: int
    eight_bit: bool
    utf8: bool
    editable: bool
    created_at: float
    not_before: float
    next_at: float
    attempts: int
    sentence: str


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a finished message: its envelope for SMTP and what the outbox shows. `size` is in bytes."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id_header: str
    size: int
    eight_bit: bool
    utf8: bool


class Refusal(msgspec.Struct, frozen=True):
    """A server's no to one recipient. `code` is SMTP's three digits; `text` is safe to show. 4xx may be different later."""

    address: str
    code: int
    text: str

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500


class Submission(msgspec.Struct, frozen=True):
    """What a server took: for whom, and for whom not."""

    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...]


class Correspondent(msgspec.Struct, frozen=True):
    """Somebody one has written to, or heard from. `written_at` and `heard_at` are Unix seconds, 0 for never."""

    address: str
    name: str
    written_count: int
    written_at: int
    heard_count: int
    heard_at: int
