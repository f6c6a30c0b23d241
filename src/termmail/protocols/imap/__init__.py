"""IMAP4rev1 and rev2 (RFC 3501, RFC 9051) for one connection; knows neither store nor user interface.

`connect` gives an `ImapSession`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from collections.abc import Callable

on_command: Callable[[str], None] | None = None
"""Called around each command with "before VERB" and "after VERB", without arguments; for tests that count or stop there."""

from termmail.protocols.imap.connecting import connect  # noqa: E402
from termmail.protocols.imap.core import Timeouts  # noqa: E402
from termmail.protocols.imap.idling import IdleResult  # noqa: E402
from termmail.protocols.imap.session import ImapSession  # noqa: E402
from termmail.protocols.imap.unsolicited import Unsolicited  # noqa: E402
from termmail.protocols.words import server_text  # noqa: E402

__all__ = ["IdleResult", "ImapSession", "Timeouts", "Unsolicited", "connect", "on_command", "server_text"]
