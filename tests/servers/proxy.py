"""A forwarding proxy that delays, counts round trips, cuts and stalls.

In a test it runs in a thread of its own: `with Proxy("127.0.0.1", server.port) as proxy: … proxy.port`. A benchmark,
which wants it out of its interpreter, runs `python -m servers.proxy HOST PORT --delay 0.025`: that prints its port as a
line, answers each line "stats" on stdin with one line of JSON, and ends when stdin closes.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import enum
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from servers.imap_commands import CommandReader
from servers.ports import free_ports

_CHUNK = 65536
_IN_FLIGHT = 4 * 1024 * 1024
_Result = TypeVar("_Result")


class Direction(enum.Enum):
    TO_SERVER = "to server"
    TO_CLIENT = "to client"


@dataclass
class Stats:
    """What went through since the last `Proxy.reset`.

    `round_trips` counts, over all connections, how often a client began to send after something had reached it, or
    after it had connected to a server that let it speak first; opening a connection costs one more each. The byte
    counts are what was forwarded.
    """

    connections: int = 0
    round_trips: int = 0
    bytes_to_server: int = 0
    bytes_to_client: int = 0


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    client_spoke_last: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    commands: CommandReader = field(default_factory=CommandReader)

    def abort(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


class Proxy:
    """`delay` is in seconds, one way, so that a round trip costs twice as much; `rate` in bytes a second to each client, 0 without a
    limit. Both may be set, and all methods called, at any time.

    `record` keeps what clients and servers sent, for `sent` and `received`, and the IMAP commands, for `commands`.
    """

    host = "127.0.0.1"

    def __init__(self, host: str, port: int, *, delay: float = 0.0, rate: float = 0.0, record: bool = False) -> None:
        self.target = (host, port)
        self.delay = delay
        self.rate = rate
        self.stats = Stats()
        (self.port,) = free_ports(1)
        self._record = record
        self._sent = bytearray()
        self._received = bytearray()
        self._commands: Counter[str] = Counter()
        self._connections: set[_Connection] = set()
        self._cuts: dict[Direction, tuple[int, bool]] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._moving: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen on a loopback port, `port`, that nobody else takes while it is down."""
        self._thread.start()
        self._call(self._listen)

    def close(self) -> None:
        """Cut everything and end the thread."""
        self._call(self._down)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def down(self) -> None:
        """The network is gone: cut all connections and refuse new ones."""
        self._call(self._down)

    def up(self) -> None:
        """The network is back, on the same port."""
        self._call(self._listen)

    def cut(self) -> None:
        """Cut all connections; new ones are taken."""
        self._call(self._cut_all)

    def cut_after(self, count: int, direction: Direction = Direction.TO_CLIENT, *, stay_down: bool = False) -> None:
        """After exactly `count` more bytes in this direction, over all connections, cut the connection that carries them.

        Everything is cut and nothing new is taken until `up` with `stay_down`. Happens once.
        """

        async def arm() -> None:
            self._cuts[direction] = (count, stay_down)

        self._call(arm)

    def never_cut(self) -> bool:
        """Disarm `cut_after`; True when something was still armed, so nothing was cut."""

        async def disarm() -> bool:
            armed = bool(self._cuts)
            self._cuts.clear()
            return armed

        return self._call(disarm)

    def stall(self) -> None:
        """Keep connections open, take new ones, forward nothing, until `resume`."""
        self._call(self._stall)

    def resume(self) -> None:
        self._call(self._resume)

    def reset(self) -> Stats:
        """Start counting and recording anew; returns what was counted so far."""

        async def swap() -> Stats:
            before, self.stats = self.stats, Stats()
            self._sent.clear()
            self._received.clear()
            self._commands.clear()
            return before

        return self._call(swap)

    def open_connections(self) -> int:
        async def count() -> int:
            return len(self._connections)

        return self._call(count)

    def sent(self) -> bytes:
        """What clients sent, all connections together, in order of arrival. Needs `record`."""

        async def copy() -> bytes:
            return bytes(self._sent)

        return self._call(copy)

    def received(self) -> bytes:
        """What servers sent. Needs `record`."""

        async def copy() -> bytes:
            return bytes(self._received)

        return self._call(copy)

    def commands(self) -> Counter[str]:
        """How often each IMAP command was sent, "UID FETCH" as such; only where there is no TLS. Needs `record`."""

        async def copy() -> Counter[str]:
            return Counter(self._commands)

        return self._call(copy)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _call(self, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(30)

    async def _listen(self) -> None:
        if self._moving is None:
            self._moving = asyncio.Event()
            self._moving.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port, reuse_address=True)

    async def _down(self) -> None:
        self._close_port()
        await self._cut_all()

    def _close_port(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _cut_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()
        while self._connections:
            await asyncio.sleep(0.001)

    async def _stall(self) -> None:
        if self._moving is not None:
            self._moving.clear()

    async def _resume(self) -> None:
        if self._moving is not None:
            self._moving.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        self.stats.connections += 1
        self.stats.round_trips += 1
        try:
            task = asyncio.current_task()
            if task is not None:
                connection.tasks.append(task)
            await asyncio.sleep(self.delay)
            server_reader, connection.server = await asyncio.open_connection(*self.target)
            pumps = [
                asyncio.create_task(self._pump(connection, reader, connection.server, Direction.TO_SERVER)),
                asyncio.create_task(self._pump(connection, server_reader, writer, Direction.TO_CLIENT)),
            ]
            connection.tasks += pumps
            await asyncio.gather(*pumps)
        except (OSError, asyncio.CancelledError):
            # A cut, or an end that is no longer there: for a proxy this is how a connection ends.
            pass
        finally:
            for pump in connection.tasks[1:]:
                pump.cancel()
            for end in (writer, connection.server):
                if end is not None:
                    end.transport.abort()
            self._connections.discard(connection)

    async def _pump(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
    ) -> None:
        """Forward until the end; what is on its way waits in a queue until its time has come."""
        queue: collections.deque[tuple[float, bytes]] = collections.deque()
        changed = asyncio.Event()
        waiting = 0

        async def send() -> None:
            nonlocal waiting
            while True:
                while not queue:
                    changed.clear()
                    await changed.wait()
                due, data = queue[0]
                pause = due - self._loop.time()
                if pause > 0:
                    await asyncio.sleep(pause)
                if self._moving is not None:
                    await self._moving.wait()
                queue.popleft()
                waiting -= len(data)
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                await self._forward(connection, writer, direction, data)
                if self.rate and direction is Direction.TO_CLIENT:
                    await asyncio.sleep(len(data) / self.rate)

        async def send_or_abort() -> None:
            try:
                await send()
            except OSError:
                connection.abort()

        sender = asyncio.create_task(send_or_abort())
        connection.tasks.append(sender)
        while True:
            data = await reader.read(_CHUNK)
            if direction is Direction.TO_SERVER and data and not connection.client_spoke_last:
                connection.client_spoke_last = True
                self.stats.round_trips += 1
            queue.append((self._loop.time() + self.delay, data))
            waiting += len(data)
            changed.set()
            if not data:
                break
            while waiting > _IN_FLIGHT:
                await asyncio.sleep(0.001)
        await sender

    async def _forward(
        self, connection: _Connection, writer: asyncio.StreamWriter, direction: Direction, data: bytes
    ) -> None:
        armed = self._cuts.get(direction)
        cut = armed is not None and len(data) >= armed[0]
        if armed is not None:
            if cut:
                data = data[: armed[0]]
                del self._cuts[direction]
            else:
                self._cuts[direction] = (armed[0] - len(data), armed[1])
        if armed is not None and cut and armed[1]:
            self._close_port()
            for other in self._connections - {connection}:
                other.abort()
        self._note(connection, direction, data)
        writer.write(data)
        await writer.drain()
        if cut:
            # Closed, not aborted, so that the bytes before the cut arrive.
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            connection.abort()

    def _note(self, connection: _Connection, direction: Direction, data: bytes) -> None:
        if direction is Direction.TO_CLIENT:
            connection.client_spoke_last = False
            self.stats.bytes_to_client += len(data)
            if self._record:
                self._received += data
            return
        self.stats.bytes_to_server += len(data)
        if self._record:
            self._sent += data
            self._commands.update(connection.commands.feed(data))


def main() -> None:
    """The proxy as a program; see the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds, one way")
    options = parser.parse_args()
    with Proxy(options.host, options.port, delay=options.delay) as proxy:
        print(proxy.port, flush=True)
        for line in sys.stdin:
            if line.strip() == "stats":
                print(json.dumps(vars(proxy.stats)), flush=True)
            elif line.strip() == "reset":
                print(json.dumps(vars(proxy.reset())), flush=True)


if __name__ == "__main__":
    main()
