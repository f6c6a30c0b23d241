"""Handing a link or a file to the program that the system has for it, never through a shell (A3)."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_OPENED = "opened-"
_SECONDS = 5.0
"""An opener that could not open something ends by then; one that ends later has been the program itself, and what it ended with is
its own affair."""
_NO_PROGRAM = 3
"""xdg-open's exit code for that."""


class HandedOver(NamedTuple):
    """Whether it was, and by which program, or a sentence why not."""

    done: bool
    words: str


def hand_over(target: str, failed: Callable[[str], None], folder: Path | None = None) -> HandedOver:
    """Give a URL or an absolute path to the desktop's opener, which starts without our terminal, in `folder` (the home by default).

    `failed` gets a sentence, in a thread, where the opener says soon after that it could not.
    """
    openers = ("open",) if sys.platform == "darwin" else ("xdg-open", "wslview", "gio")
    for name in openers:
        found = shutil.which(name)
        if found is None:
            continue
        try:
            process = subprocess.Popen(
                [found, "open", target] if name == "gio" else [found, target],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd=folder or Path.home(),
            )
        except OSError as error:
            return HandedOver(False, f"{name} could not be started: {error.strerror}.")
        threading.Thread(target=_wait, args=(process, name, failed), name="opener", daemon=True).start()
        return HandedOver(True, name)
    return HandedOver(False, f"There is no program here that opens files and links ({openers[0]}).")


def _wait(process: subprocess.Popen[bytes], name: str, failed: Callable[[str], None]) -> None:
    try:
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        # So that it leaves no zombie when it has ended.
        process.wait()
        return
    if code:
        why = "it found no program for it" if name == "xdg-open" and code == _NO_PROGRAM else f"exit code {code}"
        failed(f"{name} could not open it: {why}.")


class OpenedFiles:
    """Copies of attachments for other programs: read-only, in a private folder each, deleted when termmail ends (A3)."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._folder: Path | None = None
        self._closed = False
        self._lock = threading.Lock()

    def folder(self) -> Path:
        """A new private folder (0700). Raises OSError, also where termmail is ending, since nobody would delete it."""
        with self._lock:
            if self._closed:
                raise OSError(errno.ECANCELED, "termmail is ending")
            if self._folder is None:
                self._runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
                _remove_orphans(self._runtime)
                self._folder = Path(tempfile.mkdtemp(prefix=f"{_OPENED}{os.getpid()}-", dir=self._runtime))
            return Path(tempfile.mkdtemp(dir=self._folder))

    def copy(self, name: str, data: bytes) -> Path:
        """A copy under `name`, which `save_name` made. Raises OSError."""
        # A folder for each, so that every file has the name that it has in the mail.
        path = self.folder() / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return path

    def close(self) -> None:
        """Delete all copies, also those that a program still has open."""
        with self._lock:
            self._closed = True
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(runtime: Path) -> None:
    """Copies of a termmail that could not delete them when it ended."""
    for folder in runtime.glob(f"{_OPENED}*"):
        pid = folder.name.removeprefix(_OPENED).partition("-")[0]
        if not pid.isdecimal() or _lives(int(pid)):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
