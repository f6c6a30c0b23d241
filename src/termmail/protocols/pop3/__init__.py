"""POP3 (RFC 1939, 2449, 2595, 5034, 6856) for one connection; knows neither store nor user interface.

`connect` gives a `Pop3Session`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from termmail.model.remote import MaildropEntry, MaildropListing, RetrieveFault
from termmail.protocols.pop3.connecting import connect
from termmail.protocols.pop3.core import Timeouts
from termmail.protocols.pop3.retrieving import Sink
from termmail.protocols.pop3.session import Pop3Session

__all__ = [
    "MaildropEntry",
    "MaildropListing",
    "Pop3Session",
    "RetrieveFault",
    "Sink",
    "Timeouts",
    "connect",
]
