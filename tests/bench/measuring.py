"""Times, ratios, memory, and programs on a terminal of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

COLUMNS, LINES = 120, 40
_SILENCE = 0.04
_BETWEEN_FRAMES = 0.002


class Result(msgspec.Struct, frozen=True):
    """What one program did in one row: `value` is the median in `unit`, `note` what else there is to say."""

    row: str
    program: str
    value: float
    unit: str
    runs: int
    note: str = ""


class Row(msgspec.Struct, frozen=True):
    """One row of the table: ours, what it is held against, and what the ratio must reach (None: nothing is asked)."""

    name: str
    ours: Result
    others: tuple[Result, ...]
    target: str
    reached: bool | None


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class OnTerminal:
    """A program on a pseudo terminal of COLUMNS by LINES; a context manager that ends it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        self._environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
        self.pid = 0
        self._master = -1
        self.began = 0.0
        self._told = b""

    def __enter__(self) -> OnTerminal:
        self.began = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # Not through a shell, and nothing of this process's own state matters to the program.
            os.execvpe(self._command[0], self._command, self._environment)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            self._read(0.02)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)

    def wait_for(self, text: str, seconds: float = 60) -> float:
        """Seconds from the start of the program until it has written `text`. Raises TimeoutError."""
        wanted = text.encode()
        seen = b""
        deadline = time.perf_counter() + seconds
        while wanted not in seen:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{self._command[0]} did not write {text!r}: {seen[-400:]!r}")
            seen = (seen + self._read(0.05))[-200_000:]
        return time.perf_counter() - self.began

    def settle(self, silence: float = 0.3, longest: float = 4.0) -> None:
        """Read until it has been silent for a while, or for the longest."""
        deadline = time.perf_counter() + longest
        while time.perf_counter() < deadline and self._read(silence):
            pass

    def key(self, keys: bytes, silence: float = _SILENCE) -> float:
        """Seconds from a key until the last byte of what it made the program write, after which it was silent for so long."""
        began = time.perf_counter()
        os.write(self._master, keys)
        last = began
        while last < began + 1 and self._read(silence if last > began else 1.0):
            last = time.perf_counter()
        return last - began

    def wait_until_told(self, told: re.Pattern[bytes], seconds: float = 60) -> None:
        """Read until the program has told what `told` finds, before the first `key_until`. Raises TimeoutError."""
        seen = b""
        deadline = time.perf_counter() + seconds
        while not (found := told.findall(seen)):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{self._command[0]} did not write {told.pattern!r}: {seen[-400:]!r}")
            seen += self._read(0.05)
        self._told = found[-1]

    def key_until(self, keys: bytes, told: re.Pattern[bytes]) -> float:
        """Seconds from a key until the last byte of the frame in which the program tells something else than before, by what `told`
        finds last, which nothing but a key may change. Raises TimeoutError after ten."""
        began = time.perf_counter()
        os.write(self._master, keys)
        seen = b""
        while True:
            seen += self._read(0.05)
            last = time.perf_counter()
            found = told.findall(seen)
            if found and found[-1] != self._told:
                self._told = found[-1]
                while self._read(_BETWEEN_FRAMES):
                    last = time.perf_counter()
                return last - began
            if last > began + 10:
                raise TimeoutError(f"{keys!r} changed nothing of {told.pattern!r}")

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return b""
        try:
            return os.read(self._master, 65536)
        except OSError:
            # The program is gone, and its terminal with it.
            return b""


def tree_memory(pid: int) -> float:
    """Megabytes of a process and all below it, each page counted once (PSS)."""
    total = 0.0
    for one in [pid, *_below(pid)]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
    return total


def _below(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
