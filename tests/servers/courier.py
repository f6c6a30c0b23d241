"""courier-pop's POP3 server from Debian's packages, on a free loopback port.

Its package can't be installed beside Dovecot's, so it may also lie unpacked in the folder that TERMMAIL_COURIER names. Its own sign-in
needs a daemon with root's rights; here a password is checked by us, and the session handed to the real server.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from servers.ports import free_ports

_PROGRAM = "usr/lib/courier/courier/courierpop3d"


def find_courier() -> str | None:
    """The path of courierpop3d, or None."""
    for root in (os.environ.get("TERMMAIL_COURIER", ""), "/"):
        path = Path(root or "/nowhere") / _PROGRAM
        if path.exists():
            return str(path)
    return None


class Courier:
    """A context manager. One user, bob, whose Maildir is in `folder`."""

    host = "127.0.0.1"
    password = "secret"

    def __init__(self, folder: Path) -> None:
        program = find_courier()
        if program is None:
            raise FileNotFoundError("courier-pop is not there")
        self._program = program
        self._folder = folder
        self.maildir = folder / "Maildir"
        for part in ("cur", "new", "tmp"):
            (self.maildir / part).mkdir(parents=True, exist_ok=True)
        self._listener = socket.create_server((self.host, *free_ports(1)))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._serial = 0

    def __enter__(self) -> Courier:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def deliver(self, messages: Iterable[bytes]) -> None:
        for raw in messages:
            self._serial += 1
            (self.maildir / "new" / f"{self._serial}.host").write_bytes(raw.replace(b"\r\n", b"\n"))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        client.sendall(b"+OK Hello there.\r\n")
        user = b""
        while line := _line(client):
            word, _, rest = line.partition(b" ")
            match word.upper():
                case b"CAPA":
                    client.sendall(b"+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n")
                case b"USER":
                    user = rest
                    client.sendall(b"+OK\r\n")
                case b"PASS" if (user, rest) == (b"bob", self.password.encode()):
                    environment = {
                        "AUTHENTICATED": "bob",
                        "PATH": "/usr/bin:/bin",
                        "LD_LIBRARY_PATH": self._libraries(),
                    }
                    subprocess.run(
                        [self._program, "./Maildir"], cwd=self._folder, env=environment, stdin=client.fileno(), stdout=client.fileno(),
                        stderr=subprocess.DEVNULL, check=False, timeout=100,
                    )  # fmt: skip
                    return
                case _:
                    client.sendall(b"-ERR Login failed.\r\n")

    def _libraries(self) -> str:
        root = Path(self._program).parents[4]
        return (
            ":".join(sorted({str(path.parent) for path in root.glob("usr/lib/**/*.so*")})) if root != Path("/") else ""
        )


def _line(client: socket.socket) -> bytes:
    """One line, byte by byte: what comes after it is the real server's. Empty at the end."""
    line = b""
    while not line.endswith(b"\r\n"):
        byte = client.recv(1)
        if not byte:
            return b""
        line += byte
    return line[:-2]
