"""GNOME's keyring on a session bus of its own, as a desktop has it: unlocked, locked, silent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

MASTER_PASSWORD = "master-1"


def find_secret_service() -> str | None:
    """The path of gnome-keyring-daemon, or None where it, or dbus-daemon, is not there."""
    return shutil.which("gnome-keyring-daemon") if shutil.which("dbus-daemon") else None


class SecretService:
    """A context manager. `environment` is what a process needs to use it. Begins unlocked; without `keyring` there is a bus and nothing
    on it that keeps secrets."""

    def __init__(self, *, keyring: bool = True) -> None:
        self._keyring = keyring
        # Sockets need short paths.
        self.folder = Path(tempfile.mkdtemp(prefix="tm-keyring-"))
        self._bus: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        for name in ("home", "run", "data"):
            (self.folder / name).mkdir(mode=0o700)
        self.environment = {
            "HOME": str(self.folder / "home"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder}/run/bus",
        }

    def __enter__(self) -> SecretService:
        address = self.environment["DBUS_SESSION_BUS_ADDRESS"]
        # Without services of the system's, so that nothing is started on demand.
        config = self.folder / "bus.conf"
        config.write_text(
            f"<busconfig><type>session</type><listen>{address}</listen><policy context='default'><allow send_destination='*'"
            " eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n"
        )
        self._bus = self._start(["dbus-daemon", "--nofork", f"--config-file={config}"])
        _until((self.folder / "run/bus").exists)
        if self._keyring:
            self._start_daemon("--unlock")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(self._daemon)
        self._end(self._bus)
        shutil.rmtree(self.folder, ignore_errors=True)

    def lock(self) -> None:
        """As after a sign-in to the computer without the password: the collection is there, and locked."""
        self._end(self._daemon)
        self._start_daemon()

    def hang(self) -> None:
        """It answers nobody any more."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)

    def _start_daemon(self, *arguments: str) -> None:
        daemon = self._start(["gnome-keyring-daemon", "--foreground", "--components=secrets", *arguments])
        self._daemon = daemon
        assert daemon.stdin is not None
        daemon.stdin.write(MASTER_PASSWORD.encode())
        daemon.stdin.close()
        _until(self._has_owner)

    def _has_owner(self) -> bool:
        done = subprocess.run(
            [
                *("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"),
                *("org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"),
            ],
            env={**os.environ, **self.environment},
            capture_output=True,
            check=False,
            timeout=20,
        )
        return b"boolean true" in done.stdout

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, "the keyring did not start"
        time.sleep(0.05)
