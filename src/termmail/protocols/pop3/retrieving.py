"""RETR, TOP and DELE of many messages, sent ahead of their answers where the server takes that (PIPELINING)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from termmail.model.errors import Scope, TermmailError
from termmail.model.remote import FaultKind, RetrieveFault
from termmail.protocols.pop3.body import BodyReader
from termmail.protocols.pop3.core import Core
from termmail.protocols.pop3.replies import Reply

_MOST_AHEAD = 256
"""Commands that wait behind the one being answered. All of them fit into the smallest of socket buffers, so that writing them
never waits for a server that in turn waits for us to read."""

_BYTES_AHEAD = 16 << 20
_BYTES_DRAINED = 1 << 20
_SECONDS_DRAINED = 1.0
MAX_TOP = 1 << 20
"""Bytes of an answer to TOP that are kept."""

_SLACK = 16 << 20
_UNLISTED = 4 << 30


class Sink(Protocol):
    """Where the bytes of a message go. `discard` is called where it does not come whole."""

    def write(self, data: bytes, /) -> object: ...

    def discard(self) -> object: ...


SinkT = TypeVar("SinkT", bound=Sink)


class _Ahead:
    """Commands `verb NUMBER tail` for many messages, sent so that the server always has some to do."""

    def __init__(self, core: Core, verb: str, numbers: Iterable[int], tail: str = "", *, weighed: bool = False) -> None:
        self._core = core
        self.verb = verb
        self._tail = tail
        self._rest = iter(numbers)
        self._waiting: deque[int] = deque()
        self._bytes = 0
        self._weighed = weighed
        self._together = core.has("PIPELINING")

    @property
    def bytes_waiting(self) -> int:
        return self._bytes

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def next(self) -> int | None:
        """The number whose answer comes next; None when there is none."""
        if not self._waiting:
            self._core.expect_silence()
            self._send()
            if not self._waiting:
                return None
        number = self._waiting.popleft()
        self._bytes -= self._weight(number)
        if self._together and len(self._waiting) <= _MOST_AHEAD // 2 and self._bytes <= _BYTES_AHEAD // 2:
            self._send()
        return number

    def _send(self) -> None:
        commands: list[str] = []
        most = _MOST_AHEAD if self._together else 1
        while len(self._waiting) < most and self._bytes <= _BYTES_AHEAD:
            number = next(self._rest, None)
            if number is None:
                break
            commands.append(f"{self.verb} {number:d}{self._tail}")
            self._waiting.append(number)
            self._bytes += self._weight(number)
        if commands:
            self._core.send(*commands)

    def _weight(self, number: int) -> int:
        return self._core.sizes.get(number, 0) if self._weighed else 0


def retrieve(
    core: Core, numbers: Sequence[int], open_sink: Callable[[], SinkT]
) -> Generator[tuple[int, SinkT | RetrieveFault], None, None]:
    """See Pop3Session.retrieve."""
    core.refuse_while_streaming()
    ahead = _Ahead(core, "RETR", numbers, weighed=True)
    reader: BodyReader | None = None
    core.streaming = True
    try:
        while (number := ahead.next()) is not None:
            reply = core.reply("RETR")
            if not reply.ok:
                yield number, _fault(core, number, reply, "to hand out this message")
                continue
            reader = BodyReader()
            sink = open_sink()
            whole = False
            try:
                whole = _copy(core, reader, sink, _limit(core, number))
            finally:
                if not whole:
                    sink.discard()
            if not whole:
                error = core.violation("sent a message without an end")
                yield number, RetrieveFault(number, FaultKind.TOO_LARGE, f"A message on {core.host} has no end.")
                raise error
            reader = None
            yield number, sink
    finally:
        core.streaming = False
        _drain(core, ahead, reader)


def tops(core: Core, numbers: Sequence[int], lines: int) -> Generator[tuple[int, bytes | RetrieveFault], None, None]:
    """See Pop3Session.tops."""
    core.refuse_while_streaming()
    ahead = _Ahead(core, "TOP", numbers, f" {lines:d}")
    core.streaming = True
    try:
        while (number := ahead.next()) is not None:
            reply = core.reply("TOP")
            if reply.ok:
                yield number, core.whole_body(MAX_TOP)
            else:
                yield number, _fault(core, number, reply, "to show this message")
    finally:
        core.streaming = False
        _drain(core, ahead, None)


def delete(core: Core, numbers: Sequence[int]) -> list[RetrieveFault]:
    """See Pop3Session.delete."""
    core.refuse_while_streaming()
    faults: list[RetrieveFault] = []
    ahead = _Ahead(core, "DELE", numbers)
    while (number := ahead.next()) is not None:
        core.marked = True
        reply = core.reply("DELE")
        if not reply.ok:
            faults.append(_fault(core, number, reply, "to delete this message"))
    return faults


def _copy(core: Core, reader: BodyReader, sink: Sink, limit: int) -> bool:
    """Hand the message on to its end; False where it is longer than `limit`."""
    wire = core.wire
    size = 0
    while True:
        content, wire.pos = reader.feed(wire.data, wire.pos)
        if content:
            size += len(content)
            if size > limit:
                return False
            sink.write(content)
        if reader.ended:
            return True
        wire.fill()


def _limit(core: Core, number: int) -> int:
    """More than that no message of the size that was listed has: LIST may be wrong, but a server must not write for ever."""
    size = core.sizes.get(number, 0)
    return 2 * size + _SLACK if size else _UNLISTED


def _fault(core: Core, number: int, reply: Reply, what: str) -> RetrieveFault:
    error = core.refusal(reply, what, Scope.MESSAGE)
    return RetrieveFault(number, FaultKind.MISSING, error.sentence, error.code)


def _drain(core: Core, ahead: _Ahead, reader: BodyReader | None) -> None:
    """Read what the server still says to commands whose answers nobody wants; where that is much, the connection goes instead."""
    if core.wire.closed or (reader is None and not ahead.waiting):
        return
    if ahead.bytes_waiting > _BYTES_DRAINED:
        core.wire.close()
        return
    core.wire.end_by(time.monotonic() + _SECONDS_DRAINED)
    try:
        if reader is not None:
            core.skip_body(reader)
        for _ in range(ahead.waiting):
            if core.reply(ahead.verb).ok:
                core.skip_body(BodyReader())
        core.wire.end_by(None)
    except TermmailError as error:
        core.trace(f"Closed: {error.sentence}")
        core.wire.close()
