"""Files that no row names any more are removed after the commit that said so."""

from __future__ import annotations

import sqlite3
import time

from termmail.store.database import Database, storage_errors


def sweep(database: Database) -> int:
    """Remove doomed files; returns how many. What a crash leaves is removed at the next sweep."""
    paths = [row[0] for row in database.reader().execute("SELECT path FROM doomed_file LIMIT 5000")]
    if not paths:
        return 0
    with storage_errors("remove a mail file"):
        for path in paths:
            (database.home.mail / path).unlink(missing_ok=True)
    with database.write(durable=False) as connection:
        connection.executemany("DELETE FROM doomed_file WHERE path = ?", ((path,) for path in paths))
    return len(paths)


def doom_expired(connection: sqlite3.Connection) -> int:
    """Doom the bodies that were kept long enough (S6), inside a write transaction; returns how many."""
    now = int(time.time())
    connection.execute("INSERT OR IGNORE INTO doomed_file SELECT path FROM kept_body WHERE until < ?", (now,))
    return connection.execute("DELETE FROM kept_body WHERE until < ?", (now,)).rowcount
