"""A mail server for sending, on a real socket, that keeps what it takes, and fails where a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from servers.ports import free_ports

EXTENSIONS = ("PIPELINING", "SIZE 60000000", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN")


@dataclass(frozen=True)
class Taken:
    """A message that the sink has taken charge of: its bytes are unstuffed, with CRLF at line ends."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


@dataclass
class Talk:
    """One connection: the commands in order, and how many bytes went each way."""

    commands: list[bytes] = field(default_factory=list)
    read: int = 0
    written: int = 0


class _Cut(Exception):
    pass


class SmtpSink:
    """Runs in threads of its own. `answers` gives a reply, without its line end, to a command ("MAIL", "RCPT bob@…", "DATA", "dot",
    "EHLO", "AUTH") in place of the usual one; None leaves the usual one, and a reply that ends in "CLOSE" is followed by the end of
    the connection. While `reading` is cleared nothing is read. `cut_after` ends each connection when so many bytes went in both
    directions together; -1 for never. Without `keep` only the envelopes of messages are kept.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        answers: Callable[[str], str | None] = lambda command: None,
        extensions: tuple[str, ...] = EXTENSIONS,
        cut_after: int = -1,
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self.answers = answers
        self.extensions = extensions
        self.cut_after = cut_after
        self.keep = keep
        self.reading = threading.Event()
        self.reading.set()
        self.taken: list[Taken] = []
        self.talks: list[Talk] = []
        self._listener = socket.create_server((self.host, port or free_ports(1)[0]))
        self.port = int(self._listener.getsockname()[1])
        self._closing = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="smtp sink", daemon=True)

    def __enter__(self) -> SmtpSink:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take no more, and end what runs."""
        self._closing = True
        self.reading.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        talk = Talk()
        self.talks.append(talk)
        try:
            _Dialogue(self, connection, talk).run()
        except (_Cut, OSError):
            # The end of a connection is what many tests are about.
            pass
        finally:
            self._sockets.discard(connection)
            connection.close()


class _Dialogue:
    def __init__(self, sink: SmtpSink, connection: socket.socket, talk: Talk) -> None:
        self.sink = sink
        self.connection = connection
        self.talk = talk
        self.lines: deque[bytes] = deque()
        self.buffer = b""
        self.sender: str | None = None
        self.recipients: list[str] = []

    def run(self) -> None:
        self.say("greeting", "220 sink.example ready")
        while True:
            line = self.line()
            self.talk.commands.append(line)
            verb = line.partition(b" ")[0].upper().decode("ascii", "replace")
            match verb:
                case "EHLO":
                    lines = ["sink.example", *self.sink.extensions]
                    usual = "\r\n".join(f"250-{one}" for one in lines[:-1]) + f"\r\n250 {lines[-1]}"
                    self.say("EHLO", usual)
                case "AUTH":
                    self.auth(line)
                case "MAIL" if self.sender is not None:
                    self.tell("503 5.5.1 nested MAIL")
                case "MAIL":
                    if self.say("MAIL", "250 2.1.0 ok").startswith("250"):
                        self.sender, self.recipients = _path(line), []
                case "RCPT":
                    address = _path(line)
                    if self.say(f"RCPT {address}", "250 2.1.5 ok").startswith("250"):
                        self.recipients.append(address)
                case "DATA":
                    self.data()
                case "RSET":
                    self.sender, self.recipients = None, []
                    self.say("RSET", "250 ok")
                case "NOOP":
                    self.say("NOOP", "250 ok")
                case "QUIT":
                    self.say("QUIT", "221 bye")
                    return
                case _:
                    self.say(verb, "500 what?")

    def auth(self, line: bytes) -> None:
        if line.upper().startswith(b"AUTH LOGIN"):
            self.send(b"334 VXNlcm5hbWU6\r\n")
            self.line()
            self.send(b"334 UGFzc3dvcmQ6\r\n")
            self.line()
        self.say("AUTH", "235 2.7.0 welcome")

    def data(self) -> None:
        usual = "354 go on" if self.recipients else "503 nobody"
        if not self.say("DATA", usual).startswith("354"):
            return
        lines: list[bytes] = []
        while (line := self.line()) != b".":
            if self.sink.keep:
                lines.append(line.removeprefix(b"."))
        reply = self.sink.answers("dot")
        if reply is None or reply.startswith("2"):
            self.sink.taken.append(
                Taken(self.sender or "", tuple(self.recipients), b"".join(one + b"\r\n" for one in lines))
            )
        self.tell("250 2.0.0 taken" if reply is None else reply)
        self.sender, self.recipients = None, []

    def say(self, command: str, usual: str) -> str:
        reply = self.sink.answers(command)
        return self.tell(usual if reply is None else reply)

    def tell(self, said: str) -> str:
        self.send(said.removesuffix("CLOSE").encode("utf-8") + (b"\r\n" if said != "CLOSE" else b""))
        if said.endswith("CLOSE"):
            raise _Cut
        return said

    def send(self, data: bytes) -> None:
        room = self.room(len(data))
        # Counted first: whoever has read the bytes may look at the count at once.
        self.talk.written += room
        self.connection.sendall(data[:room])
        if room < len(data):
            raise _Cut

    def line(self) -> bytes:
        while not self.lines:
            if not self.room(1):
                # What came before the cut was acted on, as a server would; no more is to come.
                raise _Cut
            self.sink.reading.wait()
            found = self.connection.recv(65536)
            if not found:
                raise _Cut
            room = self.room(len(found))
            *whole, self.buffer = (self.buffer + found[:room]).split(b"\n")
            self.lines.extend(whole)
            self.talk.read += room
        return self.lines.popleft().removesuffix(b"\r")

    def room(self, wanted: int) -> int:
        if self.sink.cut_after < 0:
            return wanted
        return max(0, min(wanted, self.sink.cut_after - self.talk.read - self.talk.written))


def _path(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode("utf-8")
