"""Commands and their answers on one connection: status lines, multi-line answers, errors as sentences."""

from __future__ import annotations

import contextlib
import poplib
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from termmail.model.errors import (
    MaildropInUse,
    Retry,
    Scope,
    ServerRefused,
    SignInTooSoon,
    TermmailError,
)
from termmail.protocols.dialogue import MAX_TRACED, Dialogue
from termmail.protocols.hook import announce
from termmail.protocols.pop3.body import BodyReader
from termmail.protocols.pop3.link import Link
from termmail.protocols.pop3.replies import Reply, parse_capability, parse_reply
from termmail.protocols.redact import Redactor

_MAX_CAPABILITIES = 64 << 10

Capabilities = dict[str, tuple[str, ...]]


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds (T14): for connecting, handshake and greeting together; for which a server may be silent in a command; for it
    to answer QUIT, when it deletes."""

    connect: float = 20
    command: float = 60
    quit: float = 300


class Core(Dialogue):
    """One connection. Used by one thread at a time, but for `abort`.

    `sizes` is what LIST said, by number. `marked` says that messages wait for QUIT to be deleted.
    """

    def __init__(
        self,
        link: Link,
        *,
        plain: bool,
        timeouts: Timeouts,
        trace: Callable[[str], None] | None,
        redactor: Redactor,
    ) -> None:
        super().__init__(link.wire, plain=plain, trace=trace, redactor=redactor)
        self.link = link
        self.timeouts = timeouts
        self.sizes: dict[int, int] = {}
        self.marked = False
        self.streaming = False
        # Commands that the first listing takes along, so that they cost no round trip.
        self.ahead: list[str] = []
        self._capabilities: Capabilities = {}
        self._hidden: set[str] = set()

    # Capabilities

    @property
    def capabilities(self) -> Capabilities:
        """Names with their arguments, all in capitals, less those hidden."""
        return {name: words for name, words in self._capabilities.items() if name not in self._hidden}

    @capabilities.setter
    def capabilities(self, found: Capabilities) -> None:
        self._capabilities = found

    def has(self, name: str) -> bool:
        """Whether the server offers this, and it was not hidden."""
        return name in self._capabilities and name not in self._hidden

    @property
    def login_delay(self) -> int:
        """Seconds that the server wants between two sign-ins (LOGIN-DELAY of RFC 2449); 0 where it does not say."""
        words = self.capabilities.get("LOGIN-DELAY", ())
        return int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 9 else 0

    def hide(self, *names: str) -> None:
        """Pretend that the server does not offer these."""
        self._hidden |= {name.upper() for name in names}

    def ask_capabilities(self) -> Capabilities:
        """CAPA (RFC 2449); none where it is refused."""
        self.expect_silence()
        self.send("CAPA")
        return self.read_capabilities()

    def read_capabilities(self) -> Capabilities:
        """The answer to CAPA."""
        if not self.reply("CAPA").ok:
            return {}
        lines = self.whole_body(_MAX_CAPABILITIES).split(b"\r\n")
        return dict(filter(None, map(parse_capability, lines)))

    # Commands

    def ordinary(self, verb: str, action: Callable[[], object]) -> Reply:
        """Run one of poplib's commands, of which the log hears the verb alone. Raises ProtocolViolation where the answer is no status
        line."""
        self.refuse_while_streaming()
        self.expect_silence()
        announce(verb, "before")
        self.trace(f"C: {verb} …")
        try:
            answer = action()
        except poplib.error_proto as error:
            answer = error.args[0]
        reply = parse_reply(answer) if isinstance(answer, bytes) else None
        if reply is None:
            raise self.violation(f"gave an answer to {verb} that can't be read")
        self.trace("S: " + ("+OK" if reply.ok else "-ERR"))
        announce(verb, "after")
        return reply

    def send(self, *commands: str) -> None:
        """Send commands at once. The answers to those before must be such that the server is never kept from reading these."""
        for command in commands:
            announce(command.partition(" ")[0], "before")
            self.trace(f"C: {command}")
        self.wire.send(("\r\n".join(commands) + "\r\n").encode("ascii"))

    def reply(self, verb: str) -> Reply:
        """The next status line. Raises ProtocolViolation where it is none."""
        line = self.wire.read_line()
        if self._trace is not None:
            self.trace("S: " + line[:MAX_TRACED].decode("utf-8", "replace"))
        reply = parse_reply(line)
        if reply is None:
            raise self.violation(f"gave an answer to {verb} that can't be read")
        announce(verb, "after")
        return reply

    def body(self, reader: BodyReader) -> Iterator[bytes]:
        """The blocks of a multi-line answer, whose status line was read. To be read to its end."""
        wire = self.wire
        while not reader.ended:
            content, wire.pos = reader.feed(wire.data, wire.pos)
            if content:
                yield content
            if not reader.ended:
                wire.fill()

    def whole_body(self, most: int) -> bytes:
        """A multi-line answer, of which more than `most` bytes are dropped."""
        found = bytearray()
        for block in self.body(BodyReader()):
            if len(found) < most:
                found += block[: most - len(found)]
        return bytes(found)

    def skip_body(self, reader: BodyReader) -> None:
        """Read the rest of a multi-line answer and drop it."""
        for _ in self.body(reader):
            pass

    def run(self, commands: Sequence[str]) -> Iterator[str]:
        """Send commands, together where the server takes that (PIPELINING); gives each when its answer is to be read."""
        if self.has("PIPELINING"):
            self.expect_silence()
            self.send(*commands)
            yield from commands
            return
        for command in commands:
            self.expect_silence()
            self.send(command)
            yield command

    def expect_silence(self) -> None:
        """Before a command when no answer is due: answers have no tags, so one that came before its command would be taken for that
        of another (T10). Raises ProtocolViolation."""
        if self.wire.pos < len(self.wire.data):
            raise self.violation("said something that was not asked for")

    def refuse_while_streaming(self) -> None:
        """Raises RuntimeError where an answer is still being read."""
        if self.streaming:
            raise RuntimeError("an answer is being read; it has to be read to its end, or closed, first")

    # Errors

    def refusal(self, reply: Reply, what: str, scope: Scope = Scope.ACCOUNT) -> ServerRefused:
        """The error for -ERR; `what` says what was wanted, as "to list its mail"."""
        words = self.server_words(reply.text)
        code = reply.code
        if reply.has_code("IN-USE") or (scope is Scope.ACCOUNT and reply.says_locked):
            return MaildropInUse(
                f"The mail at {self.host} is being fetched by another program or device, and only one may at a time{words}. "
                "It is tried again.",
                code=code or "IN-USE",
            )
        if reply.has_code("LOGIN-DELAY"):
            return SignInTooSoon(
                f"{self.host} wants more time to pass before mail is fetched again{words}. It is tried again.",
                seconds=self.login_delay,
                code=code,
            )
        if reply.has_code("SYS/TEMP"):
            return ServerRefused(
                f"{self.host} is not able {what} at the moment{words}. It is tried again.", code=code, scope=scope
            )
        if reply.has_code("SYS/PERM"):
            return ServerRefused(
                f"{self.host} is not able {what}, and that will last{words}. Tell whoever runs the server.",
                code=code,
                scope=scope,
                retry=Retry.NEVER,
            )
        return ServerRefused(f"{self.host} refused {what}{words}.", code=code, scope=scope)

    # Ending

    def quit(self) -> bool:
        """QUIT; whether it was answered with +OK. Never raises."""
        answered = False
        if not self.wire.closed and not self.streaming:
            self.wire.timeout = self.timeouts.quit
            with contextlib.suppress(TermmailError):
                answered = self.ordinary("QUIT", self.link.quit).ok
        self.wire.close()
        return answered

    def close(self) -> None:
        """End without deleting anything, with a short time limit; never raises."""
        if not self.wire.closed and not self.streaming:
            self.wire.end_by(time.monotonic() + 2)
            with contextlib.suppress(TermmailError):
                if not self.marked or self.ordinary("RSET", self.link.rset).ok:
                    self.ordinary("QUIT", self.link.quit)
        self.wire.close()
