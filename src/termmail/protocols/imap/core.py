"""Commands and their answers on one connection: tags, literals, errors as sentences, what nobody asked for."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from termmail.model.errors import ConnectionLost, ProtocolViolation, Scope, ServerRefused, TermmailError
from termmail.protocols.dialogue import MAX_TRACED, Dialogue
from termmail.protocols.hook import announce
from termmail.protocols.imap.link import Client
from termmail.protocols.imap.responses import (
    LiteralTooLarge,
    Response,
    Status,
    parse_status,
    read_response,
    untagged_status,
)
from termmail.protocols.imap.unsolicited import Collector, capability_set
from termmail.protocols.redact import Redactor

SMALL_LITERAL = 1 << 20
"""Bytes of a literal outside of FETCH, such as a mailbox name, that are kept."""

_NON_SYNC_LIMIT = 4096

Taker = Callable[[Response], bool]
"""Gets each untagged response; True where it was meant for it."""


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds (T14): for connecting, handshake and greeting together; for which a server may be silent in a command; for it
    to answer DONE."""

    connect: float = 20
    command: float = 60
    idle_done: float = 10


class Literal(msgspec.Struct, frozen=True):
    """An argument that is sent as a literal."""

    data: bytes


class Core(Dialogue):
    """One connection. Used by one thread at a time, but for `abort`."""

    def __init__(
        self,
        client: Client,
        *,
        plain: bool,
        timeouts: Timeouts,
        max_literal: int,
        trace: Callable[[str], None] | None,
        redactor: Redactor,
    ) -> None:
        super().__init__(client.link.wire, plain=plain, trace=trace, redactor=redactor)
        self.client: Any = client
        self.link = client.link
        self.link.reader = self._read_for_link
        self.timeouts = timeouts
        self.max_literal = max_literal
        self.collector = Collector(None if plain else self.shown)
        self.capabilities: frozenset[str] = frozenset()
        self.selected: bytes | None = None
        self.streaming = False
        # Commands that the next one takes along, so that they cost no round trip: (verb, the rest of the line).
        self.ahead: list[tuple[str, bytes]] = []
        self._background: dict[bytes, str] = {}
        self._last_status: Status | None = None

    def has(self, name: str) -> bool:
        """Whether the server offers this extension, and `disable` did not hide it."""
        return name.upper() in self.capabilities

    def enables(self, name: str) -> bool:
        """Whether an extension was enabled (RFC 5161), or will be with the next command."""
        ahead = any(verb == "ENABLE" and name.encode() in rest.split() for verb, rest in self.ahead)
        return ahead or name in self.collector.enabled

    # Sending

    def begin(self, verb: str, *arguments: bytes | Literal) -> bytes:
        """Send a command; returns its tag. Raises ServerRefused or ProtocolViolation where a literal is not wanted."""
        self._refuse_while_streaming()
        self.take_buffered()
        tag = self.link.new_tag()
        line = self._lines_ahead()
        line += tag + b" " + verb.encode("ascii")
        announce(verb, "before")
        self.trace(f"C: {verb} …")
        for argument in arguments:
            if isinstance(argument, bytes):
                line += b" " + argument
                continue
            size = len(argument.data)
            if self.has("LITERAL+") or (self.has("LITERAL-") and size <= _NON_SYNC_LIMIT):
                line += b" {%d+}\r\n" % size + argument.data
            else:
                self.wire.send(line + b" {%d}\r\n" % size)
                self._await_continuation(tag, verb)
                line = argument.data
        self.wire.send(line + b"\r\n")
        return tag

    def begin_many(self, verb: str, lines: Sequence[bytes]) -> list[bytes]:
        """Send several commands of one kind at once, each with its arguments; returns their tags."""
        self._refuse_while_streaming()
        self.take_buffered()
        block = self._lines_ahead()
        tags: list[bytes] = []
        for line in lines:
            tag = self.link.new_tag()
            tags.append(tag)
            announce(verb, "before")
            block += tag + b" " + verb.encode("ascii") + b" " + line + b"\r\n"
        self.trace(f"C: {verb} … ({len(lines)} at once)" if len(lines) > 1 else f"C: {verb} …")
        self.wire.send(block)
        return tags

    def _lines_ahead(self) -> bytes:
        block = b""
        for verb, rest in self.ahead:
            tag = self.link.new_tag()
            self._background[tag] = verb
            announce(verb, "before")
            self.trace(f"C: {verb} …")
            block += tag + b" " + verb.encode("ascii") + b" " + rest + b"\r\n"
        self.ahead = []
        return block

    def _refuse_while_streaming(self) -> None:
        if self.streaming:
            raise RuntimeError("a FETCH of this session is still being read: read it to its end or close it first")

    def take_buffered(self) -> None:
        """Take what already lies in the buffer. A tagged answer there is to nothing that was sent (T10)."""
        while self.wire.has_line:
            response = self.read()
            if response.tag == b"*":
                self.note(response)
            else:
                self.stray(response)

    def _await_continuation(self, tag: bytes, verb: str) -> None:
        while True:
            response = self.read()
            if response.tag == b"+":
                return
            if response.tag == b"*":
                self.note(response)
            elif response.tag == tag:
                status = self.status_of(response)
                if status.kind == "OK":
                    raise self.violation("said OK to a command that was not sent to its end")
                announce(verb, "after")
                raise self.refusal(status, verb)
            else:
                self.stray(response)

    # Receiving

    def read(self, *, keep: int = SMALL_LITERAL) -> Response:
        """The next response, whatever it is. Raises ProtocolViolation for a literal that is too large."""
        try:
            response = read_response(self.wire, keep=keep, drop=max(keep, self.max_literal))
        except LiteralTooLarge as error:
            raise self.violation(f"sent {error.size} bytes at once") from error
        if self._trace is not None:
            self.trace("S: " + response.line[:MAX_TRACED].decode("utf-8", "replace"))
        return response

    def read_quietly(self) -> Response:
        """As `read`, for a sign-in, of which the log hears nothing."""
        kept, self._trace = self._trace, None
        try:
            return self.read()
        finally:
            self._trace = kept

    def note(self, response: Response) -> None:
        """Take an untagged response that nobody waits for. Raises ConnectionLost on BYE."""
        if response.kind == "BYE":
            status = untagged_status(response)
            self.wire.close()
            words = self.server_words(status.text if status is not None else b"")
            raise ConnectionLost(f"{self.host} ended the connection{words}. It is tried again.")
        self.collector.take(response)

    def finish(self, tag: bytes, verb: str, take: Taker | None = None, *, keep: int = SMALL_LITERAL) -> Status:
        """Read until the answer to `tag`, and return it, whatever it is. Literals above `keep` bytes are dropped."""
        while True:
            response = self.read(keep=keep)
            if response.tag == b"*":
                if take is None or not take(response):
                    self.note(response)
            elif response.tag == tag:
                announce(verb, "after")
                return self.status_of(response)
            elif response.tag != b"+":
                self.stray(response)

    def stray(self, response: Response) -> None:
        """A line that belongs to no command: the end of one sent ahead, or blank; else raises ProtocolViolation."""
        if response.line.strip() and not self.is_background(response):
            raise self.violation("answered a command that was not sent")

    def command(
        self,
        verb: str,
        *arguments: bytes | Literal,
        take: Taker | None = None,
        what: str = "",
        keep: int = SMALL_LITERAL,
    ) -> Status:
        """Send a command and wait for its OK. Raises ServerRefused or ProtocolViolation; `what` says what was wanted, as
        "to copy messages"."""
        status = self.finish(self.begin(verb, *arguments), verb, take, keep=keep)
        if status.kind != "OK":
            raise self.refusal(status, verb, what)
        return status

    def through_client(self, verb: str, action: Callable[[], Any], what: str) -> None:
        """Run one of imapclient's commands. Raises as `command`."""
        self._refuse_while_streaming()
        self.take_buffered()
        if block := self._lines_ahead():
            self.wire.send(block)
        self._take_last_status()
        announce(verb, "before")
        self.trace(f"C: {verb} …")
        try:
            action()
        except imaplib.IMAP4.error as error:
            status = self._take_last_status()
            if status is None or status.kind == "OK":
                raise self.violation(f"gave an answer to {verb} that can't be read") from error
            announce(verb, "after")
            raise self.refusal(status, verb, what) from error
        announce(verb, "after")

    def _take_last_status(self) -> Status | None:
        found, self._last_status = self._last_status, None
        return found

    def _read_for_link(self) -> Response:
        while True:
            response = self.read()
            if response.tag == b"*":
                if response.kind == "BYE" and self.link.state == "LOGOUT":
                    return response
                self.note(response)
            elif response.tag == b"+":
                return response
            elif response.tag in self.link.tagged_commands:
                self._last_status = self.status_of(response)
                return response
            else:
                self.stray(response)

    def is_background(self, response: Response) -> bool:
        """Whether this is the end of a command that was sent ahead, whatever it says."""
        verb = self._background.pop(response.tag, None)
        if verb is None:
            return False
        announce(verb, "after")
        return True

    def status_of(self, response: Response) -> Status:
        """The OK, NO or BAD of a tagged response. Raises ProtocolViolation where it is none of them."""
        status = parse_status(response.text)
        if status is None or status.kind not in ("OK", "NO", "BAD"):
            raise self.violation("gave an answer that is neither OK, NO nor BAD")
        if status.code == "CAPABILITY" and status.kind == "OK":
            self.collector.capabilities = capability_set(status.arguments)
        if status.code == "ALERT":
            self.collector.take(Response([b"* " + response.text]))
        return status

    # Errors

    def refusal(
        self, status: Status, verb: str, what: str = "", scope: Scope = Scope.MAILBOX
    ) -> ServerRefused | ProtocolViolation:
        """The error for NO, or for BAD, which closes the connection."""
        words = self.server_words(status.text)
        code = f" ({status.code})" if status.code and self.plain else ""
        if status.kind == "BAD":
            self.wire.close()
            return ProtocolViolation(
                f"{self.host} did not understand {verb}{words}, so the connection was closed.", detail=f"BAD to {verb}"
            )
        return ServerRefused(
            f"{self.host} refused {what or verb}{code}{words}.", code=status.code, scope=scope, detail=f"NO to {verb}"
        )

    # Ending

    def close(self) -> None:
        """LOGOUT with a short time limit; never raises."""
        if not self.wire.closed and not self.streaming:
            self.wire.timeout = 2
            self.ahead = []
            with contextlib.suppress(imaplib.IMAP4.error, TermmailError, OSError):
                self.take_buffered()
                announce("LOGOUT", "before")
                self.client.logout()
                announce("LOGOUT", "after")
        self.wire.close()
