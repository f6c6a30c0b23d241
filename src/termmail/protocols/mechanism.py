"""What every SASL mechanism is (RFC 4422)."""

from __future__ import annotations

from typing import Protocol


class BadChallenge(Exception):
    """The server's challenge is malformed, asks too much, or proves that it does not know the password."""


class Mechanism(Protocol):
    """One sign-in. `initial` is the first response or None where the server speaks first; `respond` answers a challenge and
    raises BadChallenge. Once `initial` was sent, `proved` says that something derived from the password was sent, and
    `finished` that nothing is missing, so that a success may be believed (T10, T12)."""

    @property
    def name(self) -> str: ...

    @property
    def initial(self) -> bytes | None: ...

    @property
    def proved(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    def respond(self, challenge: bytes) -> bytes: ...
