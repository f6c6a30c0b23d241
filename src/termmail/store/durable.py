"""Making files durable: a group of them by one syncfs(2), fsync for each where there is none."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from termmail.model.crash import crash_point


def sync_files(paths: Sequence[Path]) -> None:
    """The contents of these files, all in one folder, survive a power cut. Raises OSError."""
    crash_point("before fsync")
    syncfs = _syncfs() if len(paths) > 1 else None
    if syncfs is not None:
        descriptor = os.open(paths[0], os.O_RDONLY)
        try:
            syncfs(descriptor)
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


@functools.cache
def _syncfs() -> Callable[[int], None] | None:
    """A call that raises OSError; None where the system has none (it is Linux's)."""
    # A part of the start that only who writes many files needs.
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None

    def syncfs(descriptor: int) -> None:
        if call(descriptor):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    return syncfs
