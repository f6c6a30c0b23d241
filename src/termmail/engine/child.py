"""The engine as a child of a front end: started in a session of its own, asked to end by closing its stdin."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from termmail.engine import socket as engine_socket
from termmail.engine.lock import engine_runs
from termmail.engine.process import EXIT_LOST_RACE, EXIT_STORAGE, EXIT_TOO_NEW
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.secret import Secret

_LOOK_SECONDS = 1.0
_CLOSE_SECONDS = 2.0
_STEADY_SECONDS = 60.0
_LONGEST_PAUSE = 60.0


class EngineChild:
    """Keeps an engine running for one home: its own child, or the engine that runs already, and its own when that one ends.

    `sentence` says why there is none at the moment, or is empty. Thread-safe.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="engine keeper", daemon=True)
        self.sentence = ""

    def start(self) -> None:
        """Start it, and again should it ever end by itself. Returns at once."""
        self._spawn()
        self._keeper.start()

    def close(self, seconds: float = _CLOSE_SECONDS, *, kill: bool = False) -> None:
        """Let the child finish what is under way and end, and wait for that for `seconds`.

        One that is still sending goes on by itself, also when this process has ended; with `kill` it is killed. Another's engine is
        not touched.
        """
        self._closing.set()
        with self._lock:
            process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            if not kill:
                # Somebody has to take note of its end, as long as this process lives.
                threading.Thread(target=process.wait, name="engine end", daemon=True).start()
                return
            process.kill()
            process.wait()

    def wake(self) -> bool:
        """Let the engine look at the store now; False where none listens."""
        return engine_socket.wake_engine(self._home)

    def send_password(self, account: str, secret: Secret) -> bool:
        """Give the engine an account's password for as long as it runs; False where none listens."""
        return engine_socket.send_password(self._home, account, secret)

    def tell_signed_in(self, account: str) -> bool:
        """Let the engine try again with what the keyring has now; False where none listens."""
        return engine_socket.tell_signed_in(self._home, account)

    def _spawn(self) -> None:
        folders = [str(self._home.config), str(self._home.data), str(self._home.state), str(self._home.runtime)]
        command = [sys.executable, "-m", "termmail.engine", "--folders", *folders, "--child"]
        with self._lock:
            if self._closing.is_set():
                return
            try:
                with self._open_errors() as errors:
                    self._process = subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=errors,
                        # A ^C meant for $EDITOR must not reach it.
                        start_new_session=True,
                        cwd="/",
                    )
            except OSError as error:
                self._process = None
                self.sentence = f"The engine could not be started: {error.strerror}. It is tried again."

    @contextlib.contextmanager
    def _open_errors(self) -> Iterator[int]:
        """What Python says before the engine has its log goes to the same file."""
        self._home.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._home.log_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _keep(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            process = self._process
            code = None if process is None else self._wait_for(process)
            if self._closing.is_set():
                return
            if code == EXIT_LOST_RACE:
                self.sentence = ""
                failures = 0
                self._wait_for_other()
            else:
                failures = 1 if time.monotonic() - began > _STEADY_SECONDS else failures + 1
                self._say_why(code)
                self._closing.wait(min(_LONGEST_PAUSE, 2.0 ** (failures - 1)))
            self._spawn()

    def _wait_for(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                code = process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                # It came up and stayed: whatever was wrong before no longer is.
                self.sentence = ""
                continue
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            return code

    def _wait_for_other(self) -> None:
        """Until the engine that runs has ended."""
        while not self._closing.wait(_LOOK_SECONDS):
            try:
                if not engine_runs(self._home):
                    return
            except StorageFailed as error:
                self.sentence = error.sentence
                return

    def _say_why(self, code: int | None) -> None:
        if code == EXIT_TOO_NEW:
            self.sentence = "A newer termmail uses this mail. Quit and start the newer version."
        elif code == EXIT_STORAGE:
            self.sentence = (
                f"The engine can't use the mail database; {self._home.log_file} says why. It is tried again."
            )
        elif code is not None:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}, see {self._home.log_file}"
            self.sentence = f"The engine {how}. It is started again."
