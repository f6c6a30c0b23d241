"""The files of bodies, looked at when they are read: what IMAP gave was not fsynced, so after a power cut one may be short or gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from termmail.store.database import storage_errors
from termmail.store.effective import UPLOADS, account_folder, forget_file, relative_path
from termmail.store.maildir import find

_FILES = (
    "SELECT a.name, b.directory, q.file_name, coalesce(m.raw_size, m.size), m.sha256 IS NOT NULL, q.id, q.file_mailbox_id,"
    " a.protocol FROM placement q JOIN message m ON m.id = q.message_id JOIN mailbox b ON b.id = q.file_mailbox_id"
    " JOIN account a ON a.id = b.account_id WHERE q.message_id = ? AND q.file_name IS NOT NULL ORDER BY q.id <> ?"
)


def whole_file(connection: sqlite3.Connection, mail: Path, message_id: int, placement_id: int = 0) -> Path | None:
    """A file with the bytes of a message, that of the placement if it can be; None where there is none, or none that is whole."""
    for row in connection.execute(_FILES, (message_id, placement_id)).fetchall():
        path = _whole(mail, row)
        if path is not None:
            return path
    for (upload,) in connection.execute(
        "SELECT upload FROM placement WHERE message_id = ? AND upload IS NOT NULL ORDER BY id <> ?",
        (message_id, placement_id),
    ).fetchall():
        made_here = mail / UPLOADS / str(upload)
        if made_here.exists():
            return made_here
    return None


def forget_what_is_not_whole(connection: sqlite3.Connection, mail: Path, message_id: int) -> None:
    """Files of a message of an IMAP account that are short or gone are named no more, so that it is fetched again. Inside a write
    transaction."""
    for row in connection.execute(_FILES, (message_id, 0)).fetchall():
        _, _, file_name, _, _, placement_id, file_mailbox_id, protocol = row
        if protocol == "imap" and _whole(mail, row) is None:
            path = relative_path(connection, file_mailbox_id, file_name)
            connection.execute("INSERT OR IGNORE INTO doomed_file VALUES (?)", (path,))
            forget_file(connection, placement_id, message_id)


def _whole(mail: Path, row: tuple[object, ...]) -> Path | None:
    account, directory, file_name, size, exact, *_ = row
    path = find(mail / account_folder(str(account)) / str(directory), str(file_name))
    if path is None:
        return None
    with storage_errors("read a message from disk"):
        return path if not exact or path.stat().st_size == size else None
