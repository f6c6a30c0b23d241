"""Submission on loopback for the demo, by aiosmtpd. Imported only by the process that is the provider."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Deliver = Callable[[str, bytes], Awaitable[None]]

_SIZE_LIMIT = 64 * 1024 * 1024


class SmtpHost:
    """An SMTP server that wants AUTH and hands what it takes to `deliver(recipient, raw)`; no TLS.

    It takes mail for `users` (name → password) alone, since it could hand nothing on to anybody else.
    """

    host = "127.0.0.1"

    def __init__(self, users: Mapping[str, str], deliver: Deliver) -> None:
        self._users = dict(users)
        self._deliver = deliver
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port and say it in `port`."""
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(
                self,
                hostname="mx.demo.example",
                ident="termmail demo",
                data_size_limit=_SIZE_LIMIT,
                enable_SMTPUTF8=True,
                auth_required=True,
                auth_require_tls=False,
                authenticator=self._authenticate,
                loop=loop,
            )

        self._server = await loop.create_server(protocol, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()
            self._server = None

    # The names that aiosmtpd asks a handler for.
    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower() not in self._users:
            return f"550 5.1.1 <{address}>: this demo delivers to {' and '.join(self._users)} only"
        envelope.rcpt_tos.append(address.lower())
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        for recipient in dict.fromkeys(envelope.rcpt_tos):
            await self._deliver(recipient, raw)
        return "250 2.0.0 delivered"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: Any
    ) -> AuthResult:
        if not isinstance(credentials, LoginPassword):
            return AuthResult(success=False, handled=False)
        user = credentials.login.decode("utf-8", "replace").lower()
        wanted = self._users.get(user, "").encode()
        right = bool(wanted) and hmac.compare_digest(wanted, credentials.password)
        return AuthResult(success=right, handled=False)
