"""One engine per home, held by a lock that ends with the process (L7)."""

from __future__ import annotations

import fcntl
import os

from termmail.model.home import Home
from termmail.store.database import private_folder, storage_errors


class EngineLock:
    """The lock of one home. A stale lock file means nothing: the kernel frees the lock when its holder dies."""

    def __init__(self, home: Home) -> None:
        self._path = home.lock_file
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take the lock if nobody has it. Raises StorageFailed."""
        private_folder(self._path.parent)
        with storage_errors("open the engine's lock file"):
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def engine_runs(home: Home) -> bool:
    """Whether some process holds the lock. Raises StorageFailed."""
    lock = EngineLock(home)
    if lock.acquire():
        lock.release()
        return False
    return True
