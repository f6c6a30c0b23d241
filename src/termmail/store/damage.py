"""Whether the database is whole; a look at each start, so it needs nothing of what mends it (`reindex`)."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from termmail.model.home import Home


def is_missing(home: Home) -> bool:
    """Whether there is no database, or a file that nothing was ever written to."""
    try:
        return home.database.stat().st_size == 0
    except FileNotFoundError:
        return True


def rebuild_mark(home: Home) -> Path:
    """The file that is there while the database is rebuilt."""
    return home.database.with_name(f"{home.database.name}.rebuilding")


def is_damaged(home: Home) -> bool:
    """Whether the database is to be rebuilt (L5): it is not there and mail is, a rebuild did not come to its end, or, where the last
    engine did not end by itself, sqlite finds something wrong with the file."""
    if rebuild_mark(home).exists():
        return True
    if is_missing(home):
        return any(
            any(folder.glob(what))
            for folder, what in (
                (home.mail, "[!.]*/*/.termmail"),
                (home.uploads, "*.json"),
                (home.outbox, "*/item.json"),
            )
        )
    try:
        with contextlib.closing(sqlite3.connect(home.database, timeout=5)) as connection:
            if connection.execute("SELECT 1 FROM setting WHERE key = 'engine_running'").fetchone() is None:
                return False
            row = connection.execute("PRAGMA quick_check(1)").fetchone()
            return row is None or row[0] != "ok"
    except sqlite3.OperationalError:
        # Not made yet, locked, or not to be opened: whoever opens it next says so.
        return False
    except sqlite3.DatabaseError:
        return True
