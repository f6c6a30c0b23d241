"""Removing an account with its mail, in transactions short enough that nobody waits for them.

The account's mail folder is first renamed to `.removed.<id>`, which tells until the end that its rows are to go: what the death of a
process leaves is removed at the engine's next start.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from termmail.model.crash import crash_point
from termmail.model.home import Home
from termmail.store.database import LET_OTHERS_WRITE, Database, storage_errors
from termmail.store.doomed import sweep
from termmail.store.drafts import remove_folder
from termmail.store.durable import sync_folder
from termmail.store.effective import UPLOADS, account_folder

_REMOVED = ".removed."
_AT_ONCE = 50


def purge_account(database: Database, account: str) -> None:
    """Delete an account's rows and mail files. Can't be undone. Raises StorageFailed."""
    home = database.home
    row = database.one("SELECT id FROM account WHERE name = ?", (account,))
    if row is not None:
        with storage_errors("remove the account's mail"):
            _rename_folder(home, account, row[0])
    with database.write() as connection:
        folders = connection.execute("DELETE FROM outbox WHERE account = ? RETURNING folder", (account,)).fetchall()
        if row is not None:
            # Another account may get the name at once. None can be called so.
            connection.execute("UPDATE account SET name = ?, hidden = 1 WHERE id = ?", (f"{_REMOVED}{row[0]}", row[0]))
    for (folder,) in folders:
        remove_folder(home.outbox / folder)
    if row is None:
        with storage_errors("remove the account's mail"):
            _remove_tree(home.mail / account_folder(account))
    finish_purges(database)


def finish_purges(database: Database) -> None:
    """Remove all that is left of accounts that are being purged. Raises StorageFailed."""
    with storage_errors("remove the account's mail"):
        folders = [entry.path for entry in os.scandir(database.home.mail) if entry.name.startswith(_REMOVED)]
    for folder in folders:
        owner_id = folder.rpartition(".")[2]
        if owner_id.isdecimal():
            _remove_rows(database, int(owner_id))
        with storage_errors("remove the account's mail"):
            _remove_tree(Path(folder))
    if folders:
        sweep(database)


def _rename_folder(home: Home, account: str, owner_id: int) -> None:
    goal = home.mail / f"{_REMOVED}{owner_id}"
    folder = home.mail / account_folder(account)
    if not goal.exists():
        crash_point("before rename")
        if folder.exists():
            folder.rename(goal)
        else:
            goal.mkdir(mode=0o700)
        sync_folder(home.mail)


def _remove_tree(folder: Path) -> None:
    crash_point("before unlink")
    if folder.exists():
        shutil.rmtree(folder)


def _remove_rows(database: Database, owner_id: int) -> None:
    # Looked up before the transactions: that a message is the account's is in no index, which would slow down every first sync.
    uploads = database.all(
        "SELECT upload FROM placement WHERE upload IS NOT NULL AND message_id IN (SELECT id FROM message WHERE account_id = ?)",
        (owner_id,),
    )
    doomed = [(f"{UPLOADS}/{name}{suffix}",) for (name,) in uploads for suffix in ("", ".json")]
    _in_parts(database, ["INSERT OR IGNORE INTO doomed_file VALUES (?)"], doomed)
    messages = database.all("SELECT id FROM message WHERE account_id = ?", (owner_id,))
    _in_parts(database, ["DELETE FROM placement WHERE message_id = ?", "DELETE FROM message WHERE id = ?"], messages)
    for table, key in (("operation", "id"), ("uidl", "id"), ("kept_body", "path"), ("mailbox", "id")):
        rows = database.all(f"SELECT {key} FROM {table} WHERE account_id = ?", (owner_id,))
        _in_parts(database, [f"DELETE FROM {table} WHERE {key} = ?"], rows)
    # The account's own row stays, hidden: deleting it would look through the messages of all others while nobody else can write.


def _in_parts(database: Database, statements: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Each statement with each row."""
    for start in range(0, len(rows), _AT_ONCE):
        with database.write(durable=False) as connection:
            for statement in statements:
                connection.executemany(statement, rows[start : start + _AT_ONCE])
        time.sleep(LET_OTHERS_WRITE)
