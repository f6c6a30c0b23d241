"""What the provider tells whoever started it."""

from __future__ import annotations

import msgspec

LOG_NAME = "provider.log"
"""Its log, in the folder it is given as home."""


class Announcement(msgspec.Struct, frozen=True):
    """The one line of JSON on the provider's stdout: where it listens on loopback, and user → password of this run."""

    imap_port: int
    pop3_port: int
    smtp_port: int
    passwords: dict[str, str]
