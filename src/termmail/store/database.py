"""Connections to termmail.db: one for reading per worker, one for writing per process.

Every write begins with BEGIN IMMEDIATE, so nobody reads first and then upgrades. The file is in WAL mode.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from termmail.model.crash import crash_point
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.store.schema import migrate

_WRITE_PATIENCE = 5.0
_ENGINE_CHECKPOINT_PAGES = 500


class Database:
    """The database of one home. Thread-safe. `checkpoints` is True in the engine only (L4)."""

    def __init__(self, home: Home, *, checkpoints: bool = False) -> None:
        self.home = home
        self._checkpoints = checkpoints
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opened_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._durable = True
        private_folder(home.data)
        private_folder(home.mail)
        with storage_errors("open the mail database"):
            create = not home.database.exists()
            if create:
                os.close(os.open(home.database, os.O_CREAT | os.O_RDWR, 0o600))
            connection = self._connect()
            self._retry_busy(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            self._retry_busy(lambda: migrate(connection))
            tighten(home.database)
            self._local.reader = connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.home.database, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -8000")
        pages = _ENGINE_CHECKPOINT_PAGES if self._checkpoints else 0
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        with self._opened_lock:
            self._opened.append(connection)
        return connection

    def reader(self) -> sqlite3.Connection:
        """This thread's connection for queries."""
        connection: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if connection is None:
            with storage_errors("open the mail database"):
                connection = self._connect()
            self._local.reader = connection
        return connection

    def data_version(self) -> int:
        """Changes whenever another connection has committed."""
        return int(self.reader().execute("PRAGMA data_version").fetchone()[0])

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One write transaction; the clock has ticked when the block begins.

        `durable=False` is for what a server can tell again: it survives a crash of the program, not of the power.
        Raises StorageFailed when the lock can't be had in 5 s or the disk refuses; the transaction is rolled back on any error.
        """
        with self._write_lock, storage_errors("write to the mail database"):
            connection = self._writer
            if connection is None:
                connection = self._writer = self._connect()
            if durable is not self._durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            begin = connection
            self._retry_busy(lambda: begin.execute("BEGIN IMMEDIATE"))
            try:
                connection.execute("UPDATE clock SET value = value + 1")
                yield connection
                crash_point("before commit")
                connection.execute("COMMIT")
                crash_point("after commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @staticmethod
    def _retry_busy(action: object) -> None:
        assert callable(action)
        deadline = time.monotonic() + _WRITE_PATIENCE
        while True:
            try:
                action()
            except sqlite3.OperationalError as error:
                # sqlite's own busy handler sleeps up to 100 ms between tries; a front end must not.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
            else:
                return

    def close(self) -> None:
        """Close every connection of every thread."""
        with self._opened_lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._local = threading.local()
        self._writer = None
        self._durable = True


def now_changed(connection: sqlite3.Connection) -> int:
    """The clock's number: of this transaction inside `write`, of the last commit elsewhere."""
    return int(connection.execute("SELECT value FROM clock").fetchone()[0])


@contextlib.contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn what sqlite and the file system raise into StorageFailed with a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text:
            sentence = "The disk is full: nothing was changed. Free some space and try again."
        elif "readonly" in text or "unable to open" in text:
            sentence = f"termmail can't {doing}: {text}. Check the folder's permissions."
        elif "malformed" in text or "not a database" in text:
            sentence = "The mail database is damaged. Run `termmail reindex` to rebuild it from the mail folders."
        else:
            sentence = f"termmail can't {doing}: {text}."
        raise StorageFailed(sentence, detail=f"{type(error).__name__}: {text}") from error
    except OSError as error:
        raise StorageFailed(
            f"termmail can't {doing}: {error.strerror or error}.", detail=f"{type(error).__name__}: {error}"
        ) from error


def private_folder(folder: Path) -> None:
    """Create a folder, and tighten an existing one, to 0700 (L1)."""
    with storage_errors(f"create {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)


def tighten(file: Path) -> None:
    """Make the database's files 0600; sqlite gives -wal and -shm the mode of the file they belong to."""
    for path in (file, file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
