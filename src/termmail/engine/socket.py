"""The engine's Unix socket, 0600: "wake up now", a session's password, which must never be a row or a log line, and that there is
another in the keyring.

A frame is one line of JSON, `["wake"]`, `["password", account, secret]` or `["signed-in", account]`; the answer is `ok` and a line
feed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.store.database import private_folder, storage_errors

_LONGEST_PATH = 100
_LONGEST_FRAME = 64 * 1024
_SECONDS = 2.0


def socket_path(home: Home) -> Path:
    """Where the socket lies. A path too long for a Unix socket becomes a hashed name in the system's runtime or temporary folder."""
    if len(os.fsencode(home.socket)) <= _LONGEST_PATH:
        return home.socket
    digest = hashlib.sha256(os.fsencode(home.socket.absolute())).hexdigest()[:16]
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = Path(folder) / f"termmail-{os.getuid()}-{digest}" / "engine.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        path = Path("/tmp") / f"termmail-{os.getuid()}-{digest}" / "engine.sock"
    return path


class EngineSocket:
    """The engine's end. `accept` is called when `fileno` is readable."""

    def __init__(
        self,
        home: Home,
        on_password: Callable[[str, Secret], None],
        on_signed_in: Callable[[str], None],
    ) -> None:
        """Listen. Raises StorageFailed."""
        self._path = socket_path(home)
        self._on_password = on_password
        self._on_signed_in = on_signed_in
        private_folder(self._path.parent)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with storage_errors("open the engine's socket"):
            # The lock is held: a socket that lies here belongs to an engine that died.
            self._path.unlink(missing_ok=True)
            self._listener.bind(str(self._path))
            self._path.chmod(0o600)
            self._listener.listen(8)

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> None:
        """Take one connection and its frames. Who connects and says nothing is hung up on after 2 s."""
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(_SECONDS)
                if _peer_uid(connection) in (os.getuid(), 0):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        frame = b""
        while not frame.endswith(b"\n"):
            part = connection.recv(4096)
            if not part or len(frame) > _LONGEST_FRAME:
                return
            frame += part
        try:
            words = msgspec.json.decode(frame, type=list[str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        match words:
            case ["wake"]:
                # To have been called is all: the engine's loop looks at the store then.
                pass
            case ["password", account, secret]:
                self._on_password(account, Secret(secret))
            case ["signed-in", account]:
                self._on_signed_in(account)
            case _:
                return
        connection.sendall(b"ok\n")

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def _peer_uid(connection: socket.socket) -> int:
    if not hasattr(socket, "SO_PEERCRED"):
        # The folder is 0700 and the socket 0600: nobody else gets this far.
        return os.getuid()
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


def wake_engine(home: Home) -> bool:
    """Let the engine look at the store now; False where none listens."""
    return _send(home, ["wake"])


def send_password(home: Home, account: str, secret: Secret) -> bool:
    """Give the engine an account's password, or its refresh token, for as long as it runs; False where none listens."""
    return _send(home, ["password", account, secret.reveal()])


def tell_signed_in(home: Home, account: str) -> bool:
    """Let the engine try again with what the keyring has now; False where none listens."""
    return _send(home, ["signed-in", account])


def _send(home: Home, words: list[str]) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(socket_path(home)))
            connection.sendall(msgspec.json.encode(words) + b"\n")
            return connection.recv(16) == b"ok\n"
        except OSError:
            return False
