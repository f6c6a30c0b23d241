"""A POP3 server on loopback for the demo (RFC 1939, 2449), with mail in memory. Imported only by the process that is the provider."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections.abc import Mapping

import msgspec

_IDLE_SECONDS = 600
_CAPABILITIES = (
    b"+OK\r\nTOP\r\nUSER\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nEXPIRE NEVER\r\nIMPLEMENTATION termmail-demo\r\n.\r\n"
)
_NO_SUCH = b"-ERR no such message\r\n"


class _Message(msgspec.Struct, frozen=True):
    uidl: str
    raw: bytes


class Pop3Host:
    """A POP3 server for `users` (name → password); no TLS. Everything must be called on the event loop of `start`."""

    host = "127.0.0.1"

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)
        self._maildrops: dict[str, list[_Message]] = {user: [] for user in users}
        self._open: set[str] = set()
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port and say it in `port`."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def append(self, user: str, raw: bytes) -> None:
        """New mail in a maildrop; a session that is open does not see it (RFC 1939 §8)."""
        lines = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        whole = lines if lines.endswith(b"\r\n") else lines + b"\r\n"
        self._maildrops[user].append(_Message(f"demo-{next(self._numbers):06d}", whole))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"+OK termmail demo ready\r\n")
            user = await self._sign_in(reader, writer)
            if user:
                self._open.add(user)
                try:
                    await self._transact(user, reader, writer)
                finally:
                    self._open.discard(user)
            await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            # The client is gone, or is none: there is nobody to tell.
            writer.transport.abort()
        else:
            writer.close()

    @staticmethod
    async def _command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, list[str]]:
        await writer.drain()
        line = await asyncio.wait_for(reader.readline(), _IDLE_SECONDS)
        if not line:
            raise ConnectionError
        word, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
        return word.upper(), [rest] if word.upper() == "PASS" else rest.split()

    async def _sign_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """The user who signed in; empty where the client left."""
        user = ""
        while True:
            match await self._command(reader, writer):
                case "QUIT", _:
                    writer.write(b"+OK bye\r\n")
                    return ""
                case "CAPA", _:
                    writer.write(_CAPABILITIES)
                case "USER", [name]:
                    user = name.lower()
                    writer.write(b"+OK\r\n")
                case "PASS", [password]:
                    wanted = self._users.get(user, "").encode()
                    if not wanted or not hmac.compare_digest(wanted, password.encode()):
                        writer.write(b"-ERR [AUTH] that is not the password\r\n")
                    elif user in self._open:
                        writer.write(b"-ERR [IN-USE] the maildrop is open in another session\r\n")
                    else:
                        writer.write(b"+OK signed in\r\n")
                        return user
                case _:
                    writer.write(b"-ERR sign in first\r\n")

    async def _transact(self, user: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = list(self._maildrops[user])
        deleted: set[int] = set()

        def number(text: str) -> int | None:
            """A position in `messages`; None for one that is not, or no longer, there."""
            place = int(text) - 1 if text.isascii() and text.isdigit() else -1
            return place if 0 <= place < len(messages) and place not in deleted else None

        while True:
            command, arguments = await self._command(reader, writer)
            left = [(place, one) for place, one in enumerate(messages) if place not in deleted]
            place = number(arguments[0]) if arguments else None
            match command:
                case "QUIT":
                    gone = {messages[one].uidl for one in deleted}
                    self._maildrops[user] = [one for one in self._maildrops[user] if one.uidl not in gone]
                    writer.write(b"+OK bye\r\n")
                    return
                case "CAPA":
                    writer.write(_CAPABILITIES)
                case "NOOP":
                    writer.write(b"+OK\r\n")
                case "RSET":
                    deleted.clear()
                    writer.write(b"+OK\r\n")
                case "STAT":
                    writer.write(b"+OK %d %d\r\n" % (len(left), sum(len(one.raw) for _, one in left)))
                case "LIST" | "UIDL" if not arguments:
                    rows = [
                        f"{at + 1} {len(one.raw) if command == 'LIST' else one.uidl}\r\n".encode() for at, one in left
                    ]
                    writer.write(b"+OK\r\n" + b"".join(rows) + b".\r\n")
                case _ if place is None:
                    writer.write(_NO_SUCH if arguments else b"-ERR what is that\r\n")
                case "LIST":
                    writer.write(b"+OK %d %d\r\n" % (place + 1, len(messages[place].raw)))
                case "UIDL":
                    writer.write(f"+OK {place + 1} {messages[place].uidl}\r\n".encode())
                case "RETR":
                    writer.write(b"+OK\r\n" + _stuffed(messages[place].raw) + b".\r\n")
                case "TOP":
                    header, _, body = messages[place].raw.partition(b"\r\n\r\n")
                    count = int(arguments[1]) if len(arguments) > 1 and arguments[1].isdigit() else 0
                    lines = b"".join(line + b"\r\n" for line in body.split(b"\r\n")[:count])
                    writer.write(b"+OK\r\n" + _stuffed(header + b"\r\n\r\n" + lines) + b".\r\n")
                case "DELE":
                    deleted.add(place)
                    writer.write(b"+OK\r\n")
                case _:
                    writer.write(b"-ERR what is that\r\n")


def _stuffed(raw: bytes) -> bytes:
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
