"""The bytes between us and a server: buffered reading, limits, time limits, and an abort from another thread."""

from __future__ import annotations

import contextlib
import socket as sockets
import ssl
import time

from termmail.model.account import Security
from termmail.model.errors import Cancelled, ConnectionLost, InsecureConnection, ProtocolViolation
from termmail.protocols.tls import Lifeline, Transport

MAX_LINE = 32 << 20
"""Bytes of one line. Far above any honest line, and a bound for memory."""

_RECEIVE = 256 << 10
_SEND = 64 << 10


class Wire:
    """A connected socket with its receive buffer, of which `data[pos:]` is not yet read.

    Every method may raise ConnectionLost, or Cancelled after `abort`; the socket is closed then. `timeout` is how long the
    other side may be silent, in seconds.
    """

    def __init__(self, connection: sockets.socket, host: str, *, timeout: float, lifeline: Lifeline) -> None:
        self._socket = connection
        self.host = host
        self.data = b""
        self.pos = 0
        self._closed = False
        self._lifeline = lifeline
        self._deadline: float | None = None
        self._heard = False
        self.timeout = timeout

    @property
    def socket(self) -> sockets.socket:
        return self._socket

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def timeout(self) -> float:
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._timeout = seconds
        with contextlib.suppress(OSError):
            self._socket.settimeout(seconds)

    def end_by(self, deadline: float | None) -> None:
        """Everything must be done by `deadline` (time.monotonic()), however much arrives meanwhile; None: no such limit."""
        self._deadline = deadline
        if deadline is None:
            self.timeout = self._timeout

    @property
    def has_line(self) -> bool:
        """Whether a whole line lies in the buffer."""
        return self.data.find(b"\n", self.pos) >= 0

    @property
    def pending(self) -> bool:
        """Whether TLS holds bytes that the socket no longer shows."""
        return isinstance(self._socket, ssl.SSLSocket) and not self.closed and self._socket.pending() > 0

    def refuse_leftovers(self) -> None:
        """Around STARTTLS, when nothing may lie in the buffer (T5). Raises InsecureConnection."""
        if self.pos < len(self.data):
            raise InsecureConnection(
                f"Something was put into the connection to {self.host} before it was encrypted. Nothing was sent. "
                "Use tls, or another network."
            )

    def secure(self, transport: Transport) -> None:
        """Go on over TLS. What arrived before is the caller's to refuse; it is dropped here (T5). Raises as `Transport.secure`."""
        self.data, self.pos = b"", 0
        left = self._timeout if self._deadline is None else self._deadline - time.monotonic()
        self._socket = transport.secure(self._socket, left, self._lifeline)

    def fill(self) -> None:
        """Wait for more bytes and append them to the buffer."""
        chunk = self._receive()
        self.data = self.data[self.pos :] + chunk if self.pos < len(self.data) else chunk
        self.pos = 0

    def read_line(self) -> bytes:
        """The next line without its end. Raises ProtocolViolation above MAX_LINE."""
        end = self.data.find(b"\n", self.pos)
        if end >= 0:
            line = self.data[self.pos : end]
            self.pos = end + 1
        else:
            pieces = [self.data[self.pos :]]
            size = len(pieces[0])
            while True:
                chunk = self._receive()
                end = chunk.find(b"\n")
                if end >= 0:
                    pieces.append(chunk[:end])
                    self.data, self.pos = chunk, end + 1
                    break
                pieces.append(chunk)
                size += len(chunk)
                if size > MAX_LINE:
                    self.close()
                    raise ProtocolViolation(
                        f"{self.host} sent a line without an end, so the connection was closed. Try again later."
                    )
            line = b"".join(pieces)
        return line[:-1] if line.endswith(b"\r") else line

    def read_exactly(self, count: int) -> bytes:
        """So many bytes. Memory grows with what arrives, never with what was announced (P10)."""
        stop = self.pos + count
        if stop <= len(self.data):
            found = self.data[self.pos : stop]
            self.pos = stop
            return found
        pieces = [self.data[self.pos :]]
        missing = count - len(pieces[0])
        while True:
            chunk = self._receive()
            if len(chunk) >= missing:
                pieces.append(chunk[:missing])
                self.data, self.pos = chunk, missing
                return b"".join(pieces)
            pieces.append(chunk)
            missing -= len(chunk)

    def skip(self, count: int) -> None:
        """Read so many bytes and drop them."""
        while True:
            there = len(self.data) - self.pos
            if there >= count:
                self.pos += count
                return
            count -= there
            self.data, self.pos = self._receive(), 0

    def send(self, data: bytes) -> None:
        """Send all of it."""
        if self.closed:
            raise self._lost("")
        self._limit()
        try:
            if len(data) <= _SEND:
                self._socket.sendall(data)
            else:
                # One sendall has one time limit for all of it, which a large message over a slow line would miss.
                for start in range(0, len(data), _SEND):
                    self._socket.sendall(data[start : start + _SEND])
        except (OSError, ValueError) as error:
            raise self._lost(f"{type(error).__name__}: {error}") from error

    def _receive(self) -> bytes:
        if self.closed:
            raise self._lost("")
        self._limit()
        try:
            chunk = self._socket.recv(_RECEIVE)
        except TimeoutError as error:
            self.close()
            if self._lifeline.is_cut:
                raise Cancelled("Stopped.") from error
            raise self._too_slow() from error
        except (OSError, ValueError) as error:
            raise self._lost(f"{type(error).__name__}: {error}") from error
        if not chunk or self._lifeline.is_cut:
            raise self._lost("end of stream")
        self._heard = True
        return chunk

    def _too_slow(self) -> ConnectionLost:
        if self._heard or isinstance(self._socket, ssl.SSLSocket):
            return ConnectionLost(
                f"{self.host} did not answer in time, so the connection was closed. It is tried again."
            )
        # So does a port for TLS, where each side waits for the other to begin.
        return ConnectionLost(
            f"{self.host} did not answer in time. Check the port, and whether it expects tls or starttls."
        )

    def _limit(self) -> None:
        if self._deadline is None:
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.close()
            raise self._too_slow()
        with contextlib.suppress(OSError):
            self._socket.settimeout(min(left, self._timeout))

    def _lost(self, detail: str) -> ConnectionLost | Cancelled:
        self.close()
        if self._lifeline.is_cut:
            return Cancelled("Stopped.")
        return ConnectionLost(f"The connection to {self.host} was lost. It is tried again.", detail=detail)

    def close(self) -> None:
        """Close the socket; never raises."""
        self._closed = True
        self.data, self.pos = b"", 0
        self._lifeline.close()

    def abort(self) -> None:
        """From any thread: a call that waits here raises Cancelled at once, and so does every later one."""
        self._lifeline.cut()


def open_wire(transport: Transport, seconds: float, lifeline: Lifeline) -> Wire:
    """Connect, and encrypt at once where the server's security is TLS.

    Everything until `Wire.end_by(None)` has to be done within so many seconds, a greeting and STARTTLS included. Raises what
    `Transport.open` and `Transport.secure` do.
    """
    deadline = time.monotonic() + seconds
    connection = transport.open(seconds, lifeline)
    if transport.server.security is Security.TLS:
        connection = transport.secure(connection, deadline - time.monotonic(), lifeline)
    wire = Wire(connection, transport.server.host, timeout=seconds, lifeline=lifeline)
    wire.end_by(deadline)
    return wire
