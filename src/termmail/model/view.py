"""What front ends ask the store for, beside rows."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.mailbox import Mailbox
from termmail.model.message import MessageRow


class Sort(enum.Enum):
    """Order of a message list. DATE is by arrival, newest first; `reverse` turns any order round."""

    DATE = "date"
    SENDER = "sender"
    SIZE = "size"
    SUBJECT = "subject"


class MailboxPatch(msgspec.Struct, frozen=True):
    """What changed in one mailbox's list since a `changed` number.

    `upserted` are rows new or changed there (in no particular order), `removed` placement ids that left it. `overflow` says that
    there was too much to tell: load the id array again. `changed` is the number to ask with next time.
    """

    changed: int
    upserted: tuple[MessageRow, ...] = ()
    removed: tuple[int, ...] = ()
    overflow: bool = False


class MailboxesPatch(msgspec.Struct, frozen=True):
    """Mailbox rows new or changed since a number, and the ids of those that went away."""

    changed: int
    upserted: tuple[Mailbox, ...] = ()
    removed: tuple[int, ...] = ()


class IntentResult(msgspec.Struct, frozen=True):
    """What an intent did: one sentence for the status line, the placements it touched, and whether `undo` can take it back.

    `draft_id` names a draft that is open for writing again; `outbox_id` the item that a message to be sent has become.
    """

    sentence: str
    placement_ids: tuple[int, ...] = ()
    undoable: bool = True
    draft_id: str = ""
    outbox_id: int | None = None
