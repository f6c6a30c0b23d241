"""aiosmtpd as a submission server on loopback that keeps what it takes, and refuses what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from servers.ports import free_ports
from servers.smtp_sink import Taken
from servers.tls import Certificate

SIZE_LIMIT = 2_000_000


class AiosmtpdServer:
    """A context manager: STARTTLS at `port`, implicit TLS at `tls_port`, AUTH PLAIN and LOGIN for `users` (name → password).

    `answers` gives the reply to "RCPT address" or "dot" in place of the usual one; None leaves that. Messages go to `taken`.
    """

    def __init__(
        self,
        *,
        certificate: Certificate,
        taken: list[Taken],
        users: dict[str, str],
        answers: Callable[[str], str | None] = lambda command: None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        self.taken = taken
        self.users = users
        self.answers = answers
        self.port, self.tls_port = free_ports(2)
        context = certificate.server_context()
        common: dict[str, Any] = {
            "hostname": "127.0.0.1", "server_hostname": "mx.demo.example", "data_size_limit": SIZE_LIMIT,
            "enable_SMTPUTF8": True, "authenticator": self._authenticate, "auth_required": True,
            "auth_exclude_mechanism": exclude,
        }  # fmt: skip
        self._controllers = (
            Controller(self, port=self.port, tls_context=context, require_starttls=True, **common),
            Controller(self, port=self.tls_port, ssl_context=context, auth_require_tls=False, **common),
        )

    def __enter__(self) -> AiosmtpdServer:
        for controller in self._controllers:
            controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for controller in self._controllers:
            controller.stop()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=self.users.get(given.login.decode()) == given.password.decode(), handled=False)

    # The names that aiosmtpd asks a handler for.
    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.answers(f"RCPT {address}")
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = self.answers("dot")
        if reply is not None and not reply.startswith("2"):
            return reply
        content = envelope.original_content or b""
        self.taken.append(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return reply or "250 2.0.0 taken"
