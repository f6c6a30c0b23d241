"""Message submission (RFC 6409, 5321, 8314) on one connection; knows neither store nor user interface.

`connect` gives an `SmtpSession`. Everything that goes wrong is one of `termmail.model.errors`.
"""

from __future__ import annotations

from collections.abc import Callable

on_command: Callable[[str], None] | None = None
"""Called around each command with "before VERB" and "after VERB", without arguments; for tests that count or stop there."""

from termmail.protocols.smtp.connecting import connect  # noqa: E402
from termmail.protocols.smtp.core import Timeouts  # noqa: E402
from termmail.protocols.smtp.session import SmtpSession  # noqa: E402

__all__ = ["SmtpSession", "Timeouts", "connect", "on_command"]
