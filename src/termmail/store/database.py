"""Connections to termmail.db: one for reading per worker, one for writing per process.

Every write begins with BEGIN IMMEDIATE, so nobody reads first and then upgrades. The file is in WAL mode.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from termmail.model.crash import crash_point
from termmail.model.errors import StorageFailed, StoreReplaced
from termmail.model.home import Home
from termmail.store.schema import migrate

CHANGED_AT_ONCE = 200
"""Rows changed in one transaction of a long change that does little with each: some 5 ms."""

LET_OTHERS_WRITE = 0.001
"""Seconds between transactions of a long change, in which others get the write lock."""

_PATIENCE = 5.0
_ENGINE_CHECKPOINT_PAGES = 500
_LARGEST_IDLE_LOG = 16 * 1024 * 1024
_FULL = "The disk is full: nothing was changed. Free some space and try again."


class Database:
    """The database of one home. Thread-safe. `checkpoints` is True in the engine only (L4)."""

    def __init__(self, home: Home, *, checkpoints: bool = False) -> None:
        self.home = home
        self._checkpoints = checkpoints
        self._local = threading.local()
        self._opened: list[tuple[sqlite3.Connection, threading.RLock]] = []
        self._opened_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._durable = True
        self._closed = False
        self._file: tuple[int, int] | None = None
        private_folder(home.data)
        private_folder(home.mail)
        try:
            with storage_errors("open the mail database"):
                if not home.database.exists():
                    os.close(os.open(home.database, os.O_CREAT | os.O_RDWR, 0o600))
                connection = self.reader()
                self._retry_busy(lambda: connection.execute("PRAGMA journal_mode = WAL"))
                self._retry_busy(lambda: migrate(connection))
                tighten(home.database)
                self._file = _file_id(home.database)
        except BaseException:
            self.close()
            raise

    def _connect(self, lock: threading.RLock) -> sqlite3.Connection:
        self._check_file()
        # Readers wait here only while another process recovers the log, or closes it as the last one. `rw` makes no new file.
        connection = sqlite3.connect(
            f"file:{quote(bytes(self.home.database))}?mode=rw",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        with self._opened_lock:
            if self._closed:
                connection.close()
                raise StorageFailed("The mail database is closed.")
            self._opened.append((connection, lock))
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -8000")
        pages = _ENGINE_CHECKPOINT_PAGES if self._checkpoints else 0
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_IDLE_LOG}")
        return connection

    def _check_file(self) -> None:
        """Raises StoreReplaced where what is open is not the database of this home any more."""
        if self._file is not None and _file_id(self.home.database) != self._file:
            raise StoreReplaced(
                "The mail database was deleted or replaced while termmail runs. Nothing was changed: quit every termmail"
                " and start it again, and the database is rebuilt from the mail folders if need be."
            )

    def reader(self) -> sqlite3.Connection:
        """This thread's connection for queries."""
        connection: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if connection is None:
            lock = threading.RLock()
            with storage_errors("open the mail database"):
                connection = self._connect(lock)
            self._local.lock = lock
            self._local.reader = connection
        return connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection for queries, which is not closed meanwhile; what sqlite raises becomes StorageFailed."""
        with storage_errors("read the mail database"):
            connection = self.reader()
            with self._local.lock:
                yield connection

    def all(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StorageFailed."""
        with self.read() as reader:
            return reader.execute(statement, values).fetchall()

    def one(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, None where there is none. Raises StorageFailed."""
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def data_version(self) -> int:
        """Changes whenever another connection has committed. Raises StorageFailed, StoreReplaced."""
        with storage_errors("read the mail database"):
            self._check_file()
        with self.read() as reader:
            return int(reader.execute("PRAGMA data_version").fetchone()[0])

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One write transaction; the clock has ticked when the block begins.

        `durable=False` is for what a server can tell again: it survives a crash of the program, not of the power.
        Raises StorageFailed when the lock can't be had in 5 s or the disk refuses, StoreReplaced; the transaction is rolled back on any
        error.
        """
        with self._write_lock, storage_errors("write to the mail database"):
            self._check_file()
            connection = self._writer
            if connection is None:
                connection = self._connect(self._write_lock)
                # sqlite's own busy handler sleeps up to 100 ms between tries; a front end must not.
                connection.execute("PRAGMA busy_timeout = 0")
                self._writer = connection
                self._durable = True
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
    def _retry_busy(action: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                action()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
            else:
                return

    def close(self) -> None:
        """Close every connection of every thread, after what is under way on it; later calls raise StorageFailed."""
        with self._opened_lock:
            self._closed = True
            opened, self._opened = self._opened, []
        for connection, lock in opened:
            # Closed under a query, the connection would take the process with it.
            with lock:
                connection.close()


def now_changed(connection: sqlite3.Connection) -> int:
    """The clock's number: of this transaction inside `write`, of the last commit elsewhere."""
    return int(connection.execute("SELECT value FROM clock").fetchone()[0])


class storage_errors:  # noqa: N801 - read as the statement that it stands in
    """A context that turns what sqlite and the file system raise into StorageFailed, with a sentence on what was to be done.

    A class, since it stands round every call that writes a file: a generator's costs four times as much.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            sentence = (
                _of_database(error, self._doing) if isinstance(error, sqlite3.Error) else _of_files(error, self._doing)
            )
            raise StorageFailed(sentence, detail=f"{type(error).__name__}: {error}") from error


def _of_database(error: sqlite3.Error, doing: str) -> str:
    text = str(error)
    if "full" in text or getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE":
        return _FULL
    if "readonly" in text or "unable to open" in text:
        return f"termmail can't {doing}: {text}. Check the folder's permissions."
    if "malformed" in text or "not a database" in text:
        return "The mail database is damaged. Run `termmail reindex` to rebuild it from the mail folders."
    return f"termmail can't {doing}: {text}."


def _of_files(error: OSError, doing: str) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return _FULL if full else f"termmail can't {doing}: {error.strerror or error}."


def _file_id(path: Path) -> tuple[int, int] | None:
    """Which file lies there, None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


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
