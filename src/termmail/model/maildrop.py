"""What is known here of a POP3 maildrop, and mail on its way out of it."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

from termmail.model.message import Envelope


class Whereabouts(enum.Enum):
    """Where the mail of a UIDL is: HERE, in TRASH here, DELETED here by the user, or LOST (its file is gone and nobody said so)."""

    HERE = "here"
    TRASH = "trash"
    DELETED = "deleted"
    LOST = "lost"


class KnownUidl(msgspec.Struct, frozen=True):
    """Mail that was downloaded. `size` is in bytes as the server said; `downloaded_at` in Unix seconds.

    `doubtful` says that fewer bytes came than the server had said.
    """

    uidl: str
    size: int
    downloaded_at: int
    whereabouts: Whereabouts
    doubtful: bool = False


class Arrival(msgspec.Struct, frozen=True):
    """A message that is whole in a file of its own, not yet durable and not yet in its place.

    `uidl` is what it is known by, `listed_size` what LIST said of it, `size` the bytes that came, `sha256` of those bytes. `file_size`
    is smaller where line ends were written as LF.
    """

    uidl: str
    path: Path
    sha256: bytes
    listed_size: int
    size: int
    file_size: int
    envelope: Envelope
    received_at: int
    preview: str
    has_attachments: bool
    doubtful: bool = False


class KeptArrivals(msgspec.Struct, frozen=True):
    """What became of a group of arrivals: how many are new here, and how many were recognised as mail that is, or was, here."""

    new: int
    recognised: int
