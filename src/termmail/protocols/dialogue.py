"""What a connection of any protocol says to the log and, where something is wrong, to a person."""

from __future__ import annotations

from collections.abc import Callable

from termmail.model.errors import ProtocolViolation
from termmail.protocols.redact import Redactor
from termmail.protocols.wire import Wire
from termmail.protocols.words import server_text

MAX_TRACED = 300
"""Characters of an answer that the log keeps."""


class Dialogue:
    """One connection. Used by one thread at a time, but for `abort`. `plain` says that nothing is encrypted."""

    def __init__(self, wire: Wire, *, plain: bool, trace: Callable[[str], None] | None, redactor: Redactor) -> None:
        self.wire = wire
        self.host = wire.host
        self.plain = plain
        self._trace = trace
        self._redactor = redactor

    def trace(self, text: str) -> None:
        """Hand one line to the log, cleaned of secrets (C4)."""
        if self._trace is not None:
            self._trace(self._redactor.clean(text))

    def shown(self, text: bytes) -> str:
        """The server's own words, marked as such, without any secret that it echoes (C4)."""
        return self._redactor.clean(server_text(text))

    def server_words(self, text: bytes) -> str:
        """The server's own words for the end of a sentence; none without TLS (T8)."""
        return "" if self.plain else f"; {self.shown(text)}"

    def violation(self, what: str) -> ProtocolViolation:
        """The connection is closed; `what` follows the host's name in the sentence."""
        self.wire.close()
        return ProtocolViolation(f"{self.host} {what}, so the connection was closed. It is tried again.")

    def abort(self) -> None:
        """From any thread: whatever waits raises Cancelled at once."""
        self.wire.abort()
