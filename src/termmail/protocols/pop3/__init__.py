"""POP3 (RFC 1939, 2449, 2595, 5034, 6856) for one connection; knows neither store nor user interface.

`connect` gives a `Pop3Session`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from collections.abc import Callable

on_command: Callable[[str], None] | None = None
"""Called around each command with "before VERB" and "after VERB", without arguments; for tests that count or stop there."""

from termmail.model.remote import MaildropEntry, MaildropListing, RetrieveFault  # noqa: E402
from termmail.protocols.pop3.connecting import connect  # noqa: E402
from termmail.protocols.pop3.core import Timeouts  # noqa: E402
from termmail.protocols.pop3.retrieving import Sink  # noqa: E402
from termmail.protocols.pop3.session import Pop3Session  # noqa: E402

__all__ = [
    "MaildropEntry",
    "MaildropListing",
    "Pop3Session",
    "RetrieveFault",
    "Sink",
    "Timeouts",
    "connect",
    "on_command",
]
