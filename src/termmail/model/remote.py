"""What a server says, as the protocols hand it up: listings, never local state."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role


class MailboxStatus(msgspec.Struct, frozen=True):
    """STATUS of one mailbox; None where the server did not say."""

    messages: int | None = None
    unseen: int | None = None
    uidnext: int | None = None
    uidvalidity: int | None = None
    highestmodseq: int | None = None


class RemoteMailbox(msgspec.Struct, frozen=True):
    """One row of LIST. `wire_name` is the name byte for byte as it goes back to the server; `name` is decoded for people (P12)."""

    wire_name: bytes
    name: str
    delimiter: str
    role: Role
    selectable: bool
    subscribed: bool
    no_inferiors: bool = False
    status: MailboxStatus | None = None


class MailboxListing(msgspec.Struct, frozen=True):
    """All rows of LIST. `skipped` holds one sentence for each row that could not be parsed."""

    mailboxes: tuple[RemoteMailbox, ...]
    skipped: tuple[str, ...] = ()


class Quota(msgspec.Struct, frozen=True):
    """How many bytes an account's mail takes up, and how many it may (RFC 9208)."""

    used: int
    limit: int


class Selected(msgspec.Struct, frozen=True):
    """The state of a mailbox after SELECT. `uidnext` and `highestmodseq` are None where not told (or NOMODSEQ).

    `permanent_flags` are IMAP names; `new_keywords` says whether `\\*` was among them (True where PERMANENTFLAGS was absent).
    `changed` and `vanished` are what QRESYNC reported with SELECT: None where it was not asked or not done.
    """

    exists: int
    uidvalidity: int
    uidnext: int | None
    highestmodseq: int | None
    read_only: bool
    permanent_flags: frozenset[str]
    new_keywords: bool
    changed: tuple[RemoteFlags, ...] | None = None
    vanished: tuple[UidRange, ...] | None = None


class UidRange(msgspec.Struct, frozen=True, order=True):
    """UIDs from `first` to `last`, both included."""

    first: int
    last: int


class RemoteFlags(msgspec.Struct, frozen=True):
    uid: int
    flags: FlagSet
    modseq: int | None = None


class RemoteHeader(msgspec.Struct, frozen=True):
    """A message as its header FETCH gave it. `header` is the raw block of the fields asked for. `email_id` is X-GM-MSGID or EMAILID."""

    uid: int
    flags: FlagSet
    size: int
    received_at: int
    header: bytes
    modseq: int | None = None
    email_id: str = ""


class RemoteBody(msgspec.Struct, frozen=True):
    """A whole message, byte for byte as the server gave it."""

    uid: int
    raw: bytes


class FaultKind(enum.Enum):
    """Why one message of a FETCH could not be taken."""

    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    MISSING = "missing"


class FetchFault(msgspec.Struct, frozen=True):
    """One message that could not be taken; the rest of the FETCH went on (P3). `uid` is None where not even that was readable."""

    uid: int | None
    kind: FaultKind
    sentence: str


class CopiedUids(msgspec.Struct, frozen=True):
    """COPYUID of RFC 4315: `pairs` of (source uid, destination uid); empty where the server did not tell."""

    uidvalidity: int | None
    pairs: tuple[tuple[int, int], ...]


class MaildropEntry(msgspec.Struct, frozen=True):
    """One message of a POP3 maildrop. `number` is its name for this session only, `uidl` its lasting one (None where the server gives
    none that can be used), `size` in bytes as LIST says (0 where it does not). `problem` is a sentence where something is odd: several
    messages with the same UIDL, a line that can't be read."""

    number: int
    uidl: str | None
    size: int
    problem: str = ""


class MaildropListing(msgspec.Struct, frozen=True):
    """All messages of a POP3 maildrop in order of number. `has_uidls` is False for a server that does not know UIDL at all.
    `skipped` holds a sentence for each line that names no message."""

    entries: tuple[MaildropEntry, ...]
    has_uidls: bool
    skipped: tuple[str, ...] = ()


class RetrieveFault(msgspec.Struct, frozen=True):
    """One message of a POP3 maildrop that could not be taken; the rest went on. `code` is the response code (RFC 2449), such as
    `SYS/TEMP`, or empty."""

    number: int
    kind: FaultKind
    sentence: str
    code: str = ""
