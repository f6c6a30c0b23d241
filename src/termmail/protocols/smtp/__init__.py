"""Message submission (RFC 6409, 5321, 8314) on one connection; knows neither store nor user interface.

`connect` gives an `SmtpSession`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from termmail.protocols.smtp.connecting import connect
from termmail.protocols.smtp.core import Timeouts
from termmail.protocols.smtp.session import SmtpSession

__all__ = ["SmtpSession", "Timeouts", "connect"]
