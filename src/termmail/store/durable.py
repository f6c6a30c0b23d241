"""Making files durable: a group of them by one syncfs(2), fsync for each where there is none."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from termmail.model.crash import crash_point


def sync_files(paths: Sequence[Path]) -> None:
    """The contents of these files, all in one folder, survive a power cut. Raises OSError."""
    crash_point("before fsync")
    if len(paths) > 1 and _syncfs is not None:
        descriptor = os.open(paths[0], os.O_RDONLY)
        try:
            if _syncfs(descriptor):
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
        finally:
            os.close(descriptor)
    else:
        for path in paths:
            _fsync(path, os.O_RDONLY)
    crash_point("after fsync")


def sync_folder(folder: Path) -> None:
    """The names in a folder survive a power cut. Raises OSError."""
    crash_point("before fsync")
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)
    crash_point("after fsync")


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_syncfs() -> Callable[[int], int] | None:
    """A call that returns 0 or sets errno; None where the system has none (it is Linux's)."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
    return found


_syncfs = _find_syncfs()
