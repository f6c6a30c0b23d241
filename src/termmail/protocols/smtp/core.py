"""Commands and their replies on one connection, and what goes wrong as sentences."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable

import msgspec

from termmail.model.account import Security
from termmail.model.errors import ConnectionLost, InsecureConnection, ProtocolViolation, Retry, SubmissionRefused
from termmail.protocols import tls
from termmail.protocols.redact import Redactor
from termmail.protocols.smtp.hook import announce
from termmail.protocols.smtp.replies import MAX_REPLY, Reply, parse_line
from termmail.protocols.wire import Wire
from termmail.protocols.words import server_text

_MAX_TRACED = 300


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds (T14, RFC 5321 §4.5.3.2): for connecting, handshake and greeting together; for which a server may be silent in a
    command; for it to take charge of a message after the final dot."""

    connect: float = 30
    command: float = 180
    message: float = 600


class Core(smtplib.SMTP):
    """smtplib's EHLO and its list of extensions, over a Wire.

    The rest is our own: smtplib looks up the host's own name and tells it (T17), raises the same error before and after DATA (O2),
    tells refused recipients only in a return value, and needs six times a message's size (O11).
    """

    def __init__(
        self,
        transport: tls.Transport,
        timeouts: Timeouts,
        lifeline: tls.Lifeline,
        *,
        helo: str,
        trace: Callable[[str], None] | None,
        redactor: Redactor,
    ) -> None:
        # Without a host it does not connect, and with a name of our own it asks nobody for ours.
        super().__init__(local_hostname=helo)
        server = transport.server
        self.host = server.host
        self.plain = server.security is Security.NONE
        self.timeouts = timeouts
        self._transport = transport
        self._lifeline = lifeline
        self._trace = trace
        self._redactor = redactor
        self._deadline = time.monotonic() + timeouts.connect
        try:
            connection = transport.open(timeouts.connect, lifeline)
            if server.security is Security.TLS:
                connection = self._secured(connection)
            self.wire = Wire(connection, server.host, timeout=timeouts.connect, lifeline=lifeline)
            self.wire.end_by(self._deadline)
            self._greeted()
            self._say_hello()
            if server.security is Security.STARTTLS:
                self._encrypt()
                self._say_hello()
        except BaseException:
            lifeline.close()
            raise
        self.wire.end_by(None)
        self.wire.timeout = timeouts.command

    # what smtplib stands on

    def send(self, data: bytes | str) -> None:  # type: ignore[override]
        self.wire.send(data if isinstance(data, bytes) else data.encode("ascii"))

    def getreply(self) -> tuple[int, bytes]:
        reply = self.reply()
        return reply.code, b"\n".join(reply.lines)

    def close(self) -> None:
        """Close the socket; never raises."""
        if hasattr(self, "wire"):
            self.wire.close()

    # commands

    def command(self, verb: str, line: bytes = b"", *, secret: bool = False) -> Reply:
        """Send one command and read its reply."""
        self.expect_silence()
        self.begin(verb, line or verb.encode("ascii"), secret=secret)
        return self.finish(verb)

    def begin(self, verb: str, line: bytes, *, secret: bool = False) -> None:
        """Send a command; its reply is to be read by `finish`."""
        announce(verb, "before")
        self.trace(f"C: {verb} …" if secret else "C: " + line[:_MAX_TRACED].decode("utf-8", "replace"))
        self.wire.send(line + b"\r\n")

    def finish(self, verb: str) -> Reply:
        """The reply to a command."""
        reply = self.reply()
        announce(verb, "after")
        return reply

    def reply(self) -> Reply:
        """The next reply. Raises ProtocolViolation where it is none."""
        lines: list[bytes] = []
        size = 0
        code = 0
        more = True
        while more:
            line = self.wire.read_line()
            size += len(line)
            found = parse_line(line)
            if found is None or size > MAX_REPLY or (lines and found[0] != code):
                raise self.violation("gave an answer that can't be read")
            code, text, more = found
            lines.append(text)
        reply = Reply(code, tuple(lines))
        self.trace(f"S: {code} " + reply.text[:_MAX_TRACED].decode("utf-8", "replace"))
        return reply

    def expect_silence(self) -> None:
        """Before a command when no reply is due: one that came before its command would be taken for that of another (T10)."""
        if self.wire.pos < len(self.wire.data):
            raise self.violation("said something that was not asked for")

    # the beginning

    def _greeted(self) -> None:
        lines: list[bytes] = []
        size = code = 0
        more = True
        while more:
            line = self.wire.read_line()
            size += len(line)
            found = parse_line(line)
            if found is None or size > MAX_REPLY:
                raise ProtocolViolation(
                    f"What answers at {self.host} is not a mail server for sending. Check its name and port."
                )
            code, text, more = found
            lines.append(text)
        if code != 220:
            raise self._away(Reply(code, tuple(lines)))
        self.expect_silence()

    def _say_hello(self) -> None:
        announce("EHLO", "before")
        self.esmtp_features = {}
        self.ehlo_resp = self.helo_resp = None
        code, text = self.ehlo()
        announce("EHLO", "after")
        reply = Reply(code, tuple(text.split(b"\n")))
        if reply.temporary:
            raise self._away(reply)
        if code != 250:
            raise ProtocolViolation(
                f"{self.host} does not take the greeting of a mail program (EHLO){self._early_words(reply)}."
                " Check the server's name and port.",
                detail=str(code),
            )

    def _away(self, reply: Reply) -> ConnectionLost:
        return ConnectionLost(
            f"{self.host} takes no connections at the moment{self._early_words(reply)}. It is tried again.",
            detail=str(reply.code),
        )

    def _early_words(self, reply: Reply) -> str:
        """The server's words from before the sign-in: only where the connection is encrypted (T8)."""
        return self.server_words(reply) if isinstance(self.wire.socket, ssl.SSLSocket) else ""

    def _encrypt(self) -> None:
        """STARTTLS, whatever the server says it can (T4). Nothing that came before it counts afterwards (T5)."""
        self._refuse_leftovers()
        announce("STARTTLS", "before")
        self.wire.send(b"STARTTLS\r\n")
        reply = self.reply()
        if reply.code != 220:
            raise InsecureConnection(
                f"{self.host} refuses encryption (STARTTLS). Nothing was sent. Use tls, or tell whoever runs the server."
            )
        announce("STARTTLS", "after")
        self._refuse_leftovers()
        self.wire.secure(self._secured)

    def _refuse_leftovers(self) -> None:
        if self.wire.pos < len(self.wire.data):
            raise InsecureConnection(
                f"Something was put into the connection to {self.host} before it was encrypted. Nothing was sent. "
                "Use tls, or another network."
            )

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        return self._transport.secure(plain, self._deadline - time.monotonic(), self._lifeline)

    # errors

    def server_words(self, reply: Reply) -> str:
        """The server's own words for the end of a sentence, without any secret that it echoes (C4)."""
        return f"; {self._redactor.clean(server_text(reply.text))}"

    def shown_text(self, reply: Reply) -> str:
        """The server's own words alone, safe to show."""
        words = server_text(reply.text)
        return self._redactor.clean(words.removeprefix("server says: “").removesuffix("”"))

    def violation(self, what: str) -> ProtocolViolation:
        """The connection is closed; `what` follows the host's name in the sentence."""
        self.wire.close()
        return ProtocolViolation(f"{self.host} {what}, so the connection was closed. It is tried again.")

    def refusal(self, reply: Reply, what: str) -> SubmissionRefused:
        """The error for a reply that is none of success; `what` says what was refused, as "the message"."""
        code = f"{reply.code} {reply.enhanced}".strip()
        if reply.code == 421:
            self.wire.close()
        if reply.temporary or reply.code < 400:
            return SubmissionRefused(
                f"{self.host} does not take {what} now{self.server_words(reply)}. It is tried again.",
                code=reply.code,
                retry=Retry.LATER,
                detail=code,
            )
        return SubmissionRefused(f"{self.host} refused {what}{self.server_words(reply)}.", code=reply.code, detail=code)

    def trace(self, text: str) -> None:
        """Hand one line to the log, cleaned of secrets (C4)."""
        if self._trace is not None:
            self._trace(self._redactor.clean(text))
