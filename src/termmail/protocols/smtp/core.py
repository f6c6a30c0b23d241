"""Commands and their replies on one connection, and what goes wrong as sentences."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable

import msgspec

from termmail.model.account import Security
from termmail.model.errors import ConnectionLost, InsecureConnection, ProtocolViolation, Retry, SubmissionRefused
from termmail.protocols.dialogue import MAX_TRACED, Dialogue
from termmail.protocols.hook import announce
from termmail.protocols.redact import Redactor
from termmail.protocols.smtp.replies import MAX_REPLY, Reply, parse_line
from termmail.protocols.tls import Lifeline, Transport
from termmail.protocols.wire import open_wire


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds (T14, RFC 5321 §4.5.3.2): for connecting, handshake and greeting together; for which a server may be silent in a
    command; for it to take charge of a message after the final dot."""

    connect: float = 30
    command: float = 180
    message: float = 600


class Core(Dialogue, smtplib.SMTP):
    """smtplib's EHLO and its list of extensions, over a Wire.

    The rest is our own: smtplib looks up the host's own name and tells it (T17), raises the same error before and after DATA (O2),
    tells refused recipients only in a return value, and needs six times a message's size (O11).
    """

    def __init__(
        self,
        transport: Transport,
        timeouts: Timeouts,
        lifeline: Lifeline,
        *,
        helo: str,
        trace: Callable[[str], None] | None,
        redactor: Redactor,
    ) -> None:
        # Without a host it does not connect, and with a name of our own it asks nobody for ours.
        smtplib.SMTP.__init__(self, local_hostname=helo)
        security = transport.server.security
        self.timeouts = timeouts
        try:
            wire = open_wire(transport, timeouts.connect, lifeline)
            Dialogue.__init__(self, wire, plain=security is Security.NONE, trace=trace, redactor=redactor)
            self._greeted()
            self._say_hello()
            if security is Security.STARTTLS:
                self._encrypt(transport)
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
        self.trace(f"C: {verb} …" if secret else "C: " + line[:MAX_TRACED].decode("utf-8", "replace"))
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
        self.trace(f"S: {code} " + reply.text[:MAX_TRACED].decode("utf-8", "replace"))
        return reply

    def expect_silence(self) -> None:
        """Before a command when no reply is due: one that came before its command would be taken for that of another (T10).

        Raises ProtocolViolation.
        """
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
        return self.reply_words(reply) if isinstance(self.wire.socket, ssl.SSLSocket) else ""

    def _encrypt(self, transport: Transport) -> None:
        """STARTTLS, whatever the server says it can (T4). Nothing that came before it counts afterwards (T5)."""
        self.wire.refuse_leftovers()
        announce("STARTTLS", "before")
        self.wire.send(b"STARTTLS\r\n")
        reply = self.reply()
        if reply.code != 220:
            raise InsecureConnection(
                f"{self.host} refuses encryption (STARTTLS). Nothing was sent. Use tls, or tell whoever runs the server."
            )
        announce("STARTTLS", "after")
        self.wire.refuse_leftovers()
        self.wire.secure(transport)

    # errors

    def reply_words(self, reply: Reply) -> str:
        """The server's own words for the end of a sentence: why mail is refused is told without TLS too."""
        return f"; {self.shown(reply.text)}"

    def shown_text(self, reply: Reply) -> str:
        """The server's own words alone, safe to show."""
        return self.shown(reply.text).removeprefix("server says: “").removesuffix("”")

    def refusal(self, reply: Reply, what: str) -> SubmissionRefused:
        """The error for a reply that is none of success; `what` says what was refused, as "the message"."""
        code = f"{reply.code} {reply.enhanced}".strip()
        if reply.code == 421:
            self.wire.close()
        if reply.temporary or reply.code < 400:
            return SubmissionRefused(
                f"{self.host} does not take {what} now{self.reply_words(reply)}. It is tried again.",
                code=reply.code,
                retry=Retry.LATER,
                detail=code,
            )
        return SubmissionRefused(f"{self.host} refused {what}{self.reply_words(reply)}.", code=reply.code, detail=code)
