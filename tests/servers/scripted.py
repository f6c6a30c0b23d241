"""A server on a real socket that says exactly what a test tells it to."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from servers.ports import free_ports
from servers.tls import Certificate


class Gone(Exception):
    """The client closed the connection."""


class Unexpected(AssertionError):
    """The client sent something else than the script expects."""


class Conversation:
    """One connection, seen from the server. Every method may raise Gone.

    `received` is all that the client sent, `in_clear` the part of it that came before TLS.
    """

    def __init__(self, connection: socket.socket, certificate: Certificate | None) -> None:
        self._socket = connection
        self._certificate = certificate
        self._buffer = bytearray()
        self._encrypted = False
        self.received = bytearray()
        self.in_clear = bytearray()
        self.tag = b""

    def send(self, data: bytes) -> None:
        """Send bytes; `$TAG` in them becomes the tag of the line read last."""
        try:
            self._socket.sendall(data.replace(b"$TAG", self.tag))
        except OSError as error:
            raise Gone from error

    def drip(self, data: bytes, interval: float, *, size: int = 1) -> None:
        """Send in pieces of `size` bytes, `interval` seconds apart (X3)."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            time.sleep(interval)

    def read_line(self) -> bytes:
        """The next line with its end; its first word becomes `tag`."""
        while b"\n" not in self._buffer:
            self._fill()
        end = self._buffer.index(b"\n") + 1
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self.tag = line.split(maxsplit=1)[0] if line.strip() else b""
        return line

    def read_exactly(self, count: int) -> bytes:
        """So many bytes, such as a literal."""
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def expect(self, pattern: str | bytes) -> re.Match[bytes]:
        """Read a line that contains this regular expression, whatever its case. Raises Unexpected."""
        expression = pattern.encode() if isinstance(pattern, str) else pattern
        line = self.read_line()
        match = re.search(expression, line, re.IGNORECASE)
        if match is None:
            raise Unexpected(f"expected {expression!r}, the client sent {line!r}")
        return match

    def start_tls(self, *, injected: bytes = b"", certificate: Certificate | None = None) -> None:
        """Shake hands now; `injected` is sent in the clear just before, as an attacker would. Raises ssl.SSLError."""
        chosen = certificate or self._certificate
        if chosen is None:
            raise ValueError("the scripted server has no certificate")
        if injected:
            self.send(injected)
        self._socket = chosen.server_context().wrap_socket(self._socket, server_side=True)
        self._encrypted = True

    def wait_closed(self, seconds: float = 40) -> bool:
        """True when the client closes within so many seconds; what it still sends is received."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self._fill()
            except Gone:
                return True
            except TimeoutError:
                return False
        return False

    def end(self) -> None:
        """End both directions; what has arrived can still be read."""
        with contextlib.suppress(OSError):
            # The plain socket's: that of an SSLSocket would go on to read what is encrypted as if it were clear.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self.end()
        self._socket.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _fill(self) -> None:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self.received += data
        if not self._encrypted:
            self.in_clear += data
        self._buffer += data


Script = Callable[[Conversation], None]
Step = tuple[str | None, bytes | Script]


def steps(*script: Step) -> Script:
    """A script from (expected regular expression or None, answer) pairs; an answer is bytes or a function."""

    def run(talk: Conversation) -> None:
        for pattern, answer in script:
            if pattern is not None:
                talk.expect(pattern)
            if callable(answer):
                answer(talk)
            else:
                talk.send(answer)

    return run


class ScriptedServer:
    """Runs `script` for each connection, in a thread of its own; or the n-th of `scripts` for the n-th, the last one on.

    When a script returns, the connection is closed. `implicit_tls` shakes hands first. What went wrong in a script
    is in `errors`, and raised by leaving the context when nothing else was; a client that goes away is no error.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        script: Script | Sequence[Script],
        *,
        certificate: Certificate | None = None,
        implicit_tls: bool = False,
    ) -> None:
        self._scripts: Sequence[Script] = [script] if callable(script) else script
        self._certificate = certificate
        self._implicit_tls = implicit_tls
        self._listener = socket.create_server((self.host, *free_ports(1)))
        self.port = int(self._listener.getsockname()[1])
        self.conversations: list[Conversation] = []
        self.errors: list[BaseException] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._acceptor = threading.Thread(target=self._accept, name="scripted server", daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise self.errors[0]

    @property
    def received(self) -> bytes:
        """What clients sent, connection after connection."""
        return b"".join(bytes(talk.received) for talk in self.conversations)

    @property
    def in_clear(self) -> bytes:
        """What clients sent without TLS."""
        return b"".join(bytes(talk.in_clear) for talk in self.conversations)

    @property
    def connections(self) -> int:
        return len(self.conversations)

    def close(self) -> None:
        """Close the port, let each conversation read what has arrived, and wait for their threads."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        for talk in self.conversations:
            talk.end()
        for thread in self._threads:
            thread.join(10)
        for talk in self.conversations:
            talk.close()
        for connection in self._sockets:
            connection.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            talk = Conversation(connection, self._certificate)
            script = self._scripts[min(len(self.conversations), len(self._scripts) - 1)]
            self.conversations.append(talk)
            thread = threading.Thread(target=self._talk, args=(talk, script), name="conversation", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, talk: Conversation, script: Script) -> None:
        try:
            if self._implicit_tls:
                talk.start_tls()
            script(talk)
        except (Gone, ssl.SSLError, ConnectionError):
            # A client that refuses the certificate or hangs up is often what the test is about.
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the test leaves the context
            if not self._closing:
                self.errors.append(error)
        finally:
            talk.close()
