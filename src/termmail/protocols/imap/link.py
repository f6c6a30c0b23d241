"""imapclient and imaplib on a Wire: the socket, the greeting, STARTTLS, and the ordinary commands."""

from __future__ import annotations

import imaplib
import re
import secrets
from collections.abc import Callable
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from termmail.model.account import Security, Server
from termmail.model.errors import ConnectionLost, InsecureConnection, ProtocolViolation
from termmail.protocols import tls
from termmail.protocols.hook import announce
from termmail.protocols.imap.responses import LiteralTooLarge, Response, parse_status, read_response
from termmail.protocols.wire import open_wire

_GREETING = re.compile(rb"\* (OK|PREAUTH|BYE)(?: (.*))?$", re.IGNORECASE)
_SMALL = 64 << 10

Reader = Callable[[], Response]
"""Reads the next response, notes it where it is untagged, and raises where it ends the session."""


class Link(imaplib.IMAP4):
    """imaplib's commands over a Wire. Its own socket, buffer, greeting, STARTTLS and response parser are not used.

    `greeting` is the text behind the greeting's OK; empty after STARTTLS, since what came before is void (T5).
    """

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
        self._command_seconds = command_seconds
        self._lifeline = lifeline
        self.reader: Reader | None = None
        self.greeting = b""
        self._prefix = secrets.token_hex(3).upper().encode()
        super().__init__(server.host, server.port)
        # Every argument that IMAPClient is given is bytes read as Latin-1, so that names go back as they came.
        self._encoding = "latin-1"

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.wire = open_wire(self._transport, self._connect_seconds, self._lifeline)
        self.host, self.port, self.sock = self._server.host, self._server.port, self.wire.socket

    def _connect(self) -> None:
        imap: Any = self
        imap.tagpre = self._prefix
        try:
            greeting = self._read_greeting()
            if self._server.security is Security.STARTTLS:
                self._start_tls()
            else:
                self.greeting = greeting
            self.wire.end_by(None)
        except LiteralTooLarge as error:
            self.wire.close()
            raise ProtocolViolation(
                f"What answers at {self._server.host} is not an IMAP server. Check the server's name and port."
            ) from error
        except BaseException:
            self.wire.close()
            raise
        self.wire.timeout = self._command_seconds
        self.state = "NONAUTH"

    def _read_greeting(self) -> bytes:
        match = _GREETING.match(self.wire.read_line())
        host = self._server.host
        if match is None:
            raise ProtocolViolation(f"What answers at {host} is not an IMAP server. Check the server's name and port.")
        kind = match[1].upper()
        if kind == b"BYE":
            raise ConnectionLost(f"{host} takes no connections at the moment. It is tried again.")
        if kind == b"PREAUTH":
            if self._server.security is Security.STARTTLS:
                raise InsecureConnection(
                    f"{host} skips the sign-in, so that no encryption can be had. Nothing was sent. Use tls, or tell "
                    "whoever runs the server."
                )
            raise ProtocolViolation(
                f"{host} signs in whoever connects, as nobody knows who. Check the server and port."
            )
        return match[2] or b""

    def _start_tls(self) -> None:
        """STARTTLS, whatever the server says it can (T4). Nothing that came before it counts afterwards (T5)."""
        host = self._server.host
        tag = self._prefix + secrets.token_hex(4).upper().encode()
        announce("STARTTLS", "before")
        self.wire.send(tag + b" STARTTLS\r\n")
        for _ in range(100):
            response = read_response(self.wire, keep=_SMALL, drop=_SMALL)
            if response.tag == b"*" and response.kind and response.kind != "BYE":
                continue
            status = parse_status(response.line[len(tag) + 1 :]) if response.tag == tag else None
            if status is None or status.kind != "OK":
                break
            announce("STARTTLS", "after")
            self.wire.refuse_leftovers()
            self.wire.secure(self._transport)
            self.sock = self.wire.socket
            return
        raise InsecureConnection(
            f"{host} refuses encryption (STARTTLS). Nothing was sent. Use tls, or tell whoever runs the server."
        )

    def read(self, size: int) -> bytes:
        return self.wire.read_exactly(size)

    def readline(self) -> bytes:
        return self.wire.read_line() + b"\r\n"

    def send(self, data: Any) -> None:
        self.wire.send(bytes(data))

    def shutdown(self) -> None:
        self.wire.close()

    def _get_response(self, *_: object) -> bytes | None:
        if self.reader is None:
            raise RuntimeError("the link has no reader yet")
        imap: Any = self
        response = self.reader()
        if response.tag == b"+":
            imap.continuation_response = response.text
            return None
        if response.tag == b"*":
            if response.kind == "BYE":
                self._append_untagged("BYE", response.text)
        else:
            if response.tag not in self.tagged_commands:
                raise self.abort("unexpected tagged response")
            status = parse_status(response.text)
            if status is None:
                raise self.abort("unexpected tagged response")
            imap.tagged_commands[response.tag] = (status.kind, [response.text])
        return response.line

    def new_tag(self) -> bytes:
        """A tag for a command that is sent without imaplib."""
        tag: bytes = self._prefix + b"%d" % self.tagnum
        self.tagnum += 1
        return tag

    def _log(self, line: str) -> None:
        # imaplib keeps the last lines it sent, passwords among them (C3).
        return

    def _mesg(self, s: str, secs: float | None = None) -> None:
        return


class Client(IMAPClient):
    """IMAPClient over a Link."""

    def __init__(self, server: Server, make_link: Callable[[], Link], *, connect: float, command: float) -> None:
        self._make_link = make_link
        limits: Any = SocketTimeout(connect, command)
        super().__init__(
            server.host,
            server.port,
            ssl=server.security is Security.TLS,
            timeout=limits,
        )
        # IMAPClient logs what imaplib does, and redacts less than C4 asks for.
        self._imap.debug = 0
        self.folder_encode = False

    def _create_IMAP4(self) -> Link:  # noqa: N802 - IMAPClient's name
        return self._make_link()

    @property
    def link(self) -> Link:
        link: Link = self._imap
        return link
