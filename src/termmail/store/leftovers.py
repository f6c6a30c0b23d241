"""Files in the mirrors of IMAP mailboxes that nobody needs any more: what an engine that died had begun."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from termmail.store.codec import MAILBOX_TABLES
from termmail.store.database import Database
from termmail.store.effective import account_folder
from termmail.store.maildir import MIRRORED, is_temporary, spool_uid

_FOREIGN_SECONDS = 36 * 3600
"""How old a file in `tmp` is that no program writes to any more (https://cr.yp.to/proto/maildir.html)."""

_MIRRORS = f"SELECT b.id, a.name, b.directory, b.uidvalidity FROM {MAILBOX_TABLES} WHERE a.protocol = 'imap'"


def sweep_strays(database: Database) -> int:
    """Remove mirrored messages that no row names; returns how many. Only while nothing is fetched. Raises OSError."""
    removed = 0
    for mailbox_id, account, directory, _ in database.all(_MIRRORS):
        place = f"{account_folder(account)}/{directory}/cur"
        known = {
            row[0]
            for row in database.all(
                "SELECT file_name FROM placement WHERE file_mailbox_id = ? AND file_name IS NOT NULL", (mailbox_id,)
            )
        }
        known |= {
            row[0].rpartition("/")[2]
            for row in database.all("SELECT path FROM kept_body WHERE path >= ?1 || '/' AND path < ?1 || '0'", (place,))
        }
        stems = {name.partition(":2,")[0]: name for name in known}
        for entry in _entries(database.home.mail / place):
            stem = entry.name.partition(":2,")[0]
            if MIRRORED in stem and entry.name not in known:
                # One that another program gave other flags is still the one that a row means.
                named = stems.get(stem)
                if named is None or (database.home.mail / place / named).exists():
                    Path(entry.path).unlink(missing_ok=True)
                    removed += 1
    return removed


def sweep_temporaries(database: Database) -> int:
    """Remove unfinished files in `tmp`, but for the spools of large bodies that are still wanted; returns how many. Raises OSError.

    Only while nothing is fetched: the names that are ours are then a dead engine's.
    """
    removed = 0
    oldest = time.time() - _FOREIGN_SECONDS
    for mailbox_id, account, directory, uidvalidity in database.all(_MIRRORS):
        for entry in _entries(database.home.mail / account_folder(account) / directory / "tmp"):
            uid = spool_uid(entry.name, uidvalidity)
            if uid is not None:
                over = not database.all(
                    "SELECT 1 FROM placement WHERE base_mailbox_id = ? AND uid = ? AND file_name IS NULL",
                    (mailbox_id, uid),
                )
            else:
                over = is_temporary(entry.name) or entry.stat().st_mtime < oldest
            if over:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files in a folder, none where there is no folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    yield entry
