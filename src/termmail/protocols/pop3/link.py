"""poplib on a Wire: the socket, the greeting, STLS, and the ordinary commands."""

from __future__ import annotations

import poplib
import socket

from termmail.model.account import Security
from termmail.model.errors import ConnectionLost, InsecureConnection, ProtocolViolation
from termmail.protocols import tls
from termmail.protocols.hook import announce
from termmail.protocols.pop3.replies import parse_reply
from termmail.protocols.wire import Wire, open_wire


class Link(poplib.POP3):
    """poplib's commands over a Wire. Its own socket, buffer and STLS are not used.

    `welcome` is the greeting; empty after STLS, since what came before is void (T5). Raises InsecureConnection, ConnectionLost,
    ProtocolViolation or Cancelled.
    """

    wire: Wire

    def __init__(
        self,
        transport: tls.Transport,
        connect_seconds: float,
        command_seconds: float,
        lifeline: tls.Lifeline,
    ) -> None:
        self._transport = transport
        self._server = server = transport.server
        self._connect_seconds = connect_seconds
        self._lifeline = lifeline
        try:
            try:
                super().__init__(server.host, server.port)
            finally:
                self._close_file()
            self._check_greeting(self.welcome)
            if server.security is Security.STARTTLS:
                self._start_tls()
        except poplib.error_proto as error:
            self._lifeline.close()
            raise self._unwelcome(error.args[0]) from error
        except BaseException:
            self._lifeline.close()
            raise
        self.wire.end_by(None)
        self.wire.timeout = command_seconds

    def close(self) -> None:
        """Close the socket; never raises."""
        self.wire.close()

    def _close_file(self) -> None:
        """The reader that poplib makes keeps the socket open for as long as it is."""
        if hasattr(self, "file"):
            self.file.close()

    def _create_socket(self, _: object) -> socket.socket:
        self.wire = open_wire(self._transport, self._connect_seconds, self._lifeline)
        return self.wire.socket

    def _putline(self, line: bytes) -> None:
        self.wire.send(line + b"\r\n")

    def _getline(self) -> tuple[bytes, int]:
        line = self.wire.read_line()
        return line, len(line)

    def _check_greeting(self, line: bytes) -> None:
        reply = parse_reply(line)
        if reply is None or not reply.ok:
            raise self._unwelcome(line)

    def _unwelcome(self, line: bytes) -> ConnectionLost | ProtocolViolation:
        host = self._server.host
        if parse_reply(line) is not None:
            return ConnectionLost(f"{host} takes no connections at the moment. It is tried again.")
        return ProtocolViolation(f"What answers at {host} is not a POP3 server. Check the server's name and port.")

    def _start_tls(self) -> None:
        """STLS, whatever the server says it can (T4). Nothing that came before it counts afterwards (T5)."""
        host = self._server.host
        self.wire.refuse_leftovers()
        announce("STLS", "before")
        self.wire.send(b"STLS\r\n")
        reply = parse_reply(self.wire.read_line())
        if reply is None or not reply.ok:
            raise InsecureConnection(
                f"{host} refuses encryption (STLS). Nothing was sent. Use tls, or tell whoever runs the server."
            )
        announce("STLS", "after")
        self.wire.refuse_leftovers()
        self.wire.secure(self._transport)
        self.sock = self.wire.socket
        self.welcome = b""
