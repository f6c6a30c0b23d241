"""IMAP4rev1 and rev2 (RFC 3501, RFC 9051) for one connection; knows neither store nor user interface.

`connect` gives an `ImapSession`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from termmail.protocols.imap.connecting import connect
from termmail.protocols.imap.core import Timeouts
from termmail.protocols.imap.idling import IdleResult
from termmail.protocols.imap.session import ImapSession
from termmail.protocols.imap.unsolicited import Unsolicited
from termmail.protocols.words import server_text

__all__ = ["IdleResult", "ImapSession", "Timeouts", "Unsolicited", "connect", "server_text"]
