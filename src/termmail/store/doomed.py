"""Files that no row names any more are removed after the commit that said so."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from termmail.store.database import CHANGED_AT_ONCE, LET_OTHERS_WRITE, Database, storage_errors

_AT_ONCE = 200


def sweep(database: Database) -> int:
    """Remove doomed files; returns how many. What a crash leaves is removed at the next sweep."""
    removed = 0
    while database.one("SELECT 1 FROM doomed_file LIMIT 1") is not None:
        # Inside the transaction: a file of the same name that comes anew takes its line away before it is written.
        with database.write(durable=False) as connection, storage_errors("remove a mail file"):
            paths = connection.execute("SELECT path FROM doomed_file LIMIT ?", (_AT_ONCE,)).fetchall()
            _remove([database.home.mail / path for (path,) in paths])
            connection.executemany("DELETE FROM doomed_file WHERE path = ?", paths)
        removed += len(paths)
        time.sleep(LET_OTHERS_WRITE)
    return removed


def _remove(paths: Iterable[Path]) -> None:
    missing: dict[Path, set[str]] = {}
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            missing.setdefault(path.parent.parent, set()).add(_stem(path.name))
    for folder, stems in missing.items():
        # Flags are in the name: another program may have renamed them meanwhile.
        for place in ("cur", "new"):
            with contextlib.suppress(FileNotFoundError), os.scandir(folder / place) as entries:
                for entry in entries:
                    if _stem(entry.name) in stems:
                        Path(entry.path).unlink(missing_ok=True)


def _stem(name: str) -> str:
    return name.partition(":2,")[0]


def spare(database: Database, paths: Iterable[str]) -> None:
    """Files of these names, below the mail folder and whatever their info suffix, are about to be written: what lies there doomed or
    kept makes room for them, and neither doom nor the end of a keeping time touches the new ones."""
    if database.one("SELECT 1 FROM doomed_file UNION ALL SELECT 1 FROM kept_body LIMIT 1") is None:
        return
    with database.write(durable=False) as connection, storage_errors("remove a mail file"):
        for path in paths:
            stem = path.partition(":2,")[0]
            for table in ("doomed_file", "kept_body"):
                for (old,) in connection.execute(
                    f"DELETE FROM {table} WHERE path = ?1 OR path >= ?1 || ':2,' AND path < ?1 || ':2-' RETURNING path",
                    (stem,),
                ).fetchall():
                    (database.home.mail / old).unlink(missing_ok=True)


def doom_expired(database: Database) -> int:
    """Doom the bodies that were kept long enough (S6), in short transactions; returns how many."""
    expired = database.all("SELECT path FROM kept_body WHERE until < ?", (int(time.time()),))
    doomed = 0
    for start in range(0, len(expired), CHANGED_AT_ONCE):
        with database.write(durable=False) as connection:
            for path in expired[start : start + CHANGED_AT_ONCE]:
                # It may just have been given to a message that came back.
                if connection.execute("DELETE FROM kept_body WHERE path = ?", path).rowcount:
                    connection.execute("INSERT OR IGNORE INTO doomed_file VALUES (?)", path)
                    doomed += 1
        time.sleep(LET_OTHERS_WRITE)
    return doomed
