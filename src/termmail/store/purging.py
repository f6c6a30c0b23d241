"""Removing an account with its mail, in transactions short enough that nobody waits for them.

Its mail folder, and then its row, get the name `.removed.<id>`, which no account can have. The folder tells until the end that the rows
are to go: what the death of a process leaves is removed at the engine's next start.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from termmail.model.crash import crash_point
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.store.database import LET_OTHERS_WRITE, Database, storage_errors
from termmail.store.doomed import sweep
from termmail.store.drafts import remove_folder
from termmail.store.durable import sync_folder
from termmail.store.effective import UPLOADS, account_folder

_REMOVED = ".removed."
_AT_ONCE = 50
_ENGINE_SECONDS = 20.0
_PAUSE = 0.1
_EMPTY = "NOT EXISTS (SELECT 1 FROM placement p WHERE p.mailbox_id = mailbox.id OR p.base_mailbox_id = mailbox.id)"


def purge_account(database: Database, account: str) -> None:
    """Delete an account's rows and mail files. Can't be undone. Raises StorageFailed."""
    home = database.home
    row = database.one("SELECT id FROM account WHERE name = ?", (account,))
    if row is not None:
        with storage_errors("remove the account's mail"):
            _rename_folder(home, account, row[0])
    try:
        folders = _give_up_name(database, account, None if row is None else row[0])
    except StorageFailed:
        if row is not None:
            _rename_back(home, account, row[0])
        raise
    for (folder,) in folders:
        remove_folder(home.outbox / folder)
    if row is None:
        _remove_tree(home.mail / account_folder(account))
    finish_purges(database)


def has_mail(database: Database, account: str) -> bool:
    """Whether something of an account is here, also where a purge has begun and not ended. Raises StorageFailed."""
    if (database.home.mail / account_folder(account)).exists():
        return True
    known = "SELECT 1 FROM account a JOIN mailbox m ON m.account_id = a.id WHERE a.name = ?"
    return database.one(known, (account,)) is not None


def finish_purges(database: Database) -> None:
    """Remove all that is left of accounts that are being purged. Raises StorageFailed."""
    removed = _removed_folders(database.home)
    for owner_id, folder in removed:
        _remove_rows(database, owner_id)
        with database.write():
            # Makes all before it durable: after a power cut the folder, which tells of the rows, is not gone alone.
            pass
        _remove_tree(folder)
    if removed:
        sweep(database)


def forget_purges(home: Home) -> None:
    """Remove the mail of accounts that are being purged, before a new database gives their ids to others. Raises StorageFailed."""
    for _, folder in _removed_folders(home):
        _remove_tree(folder)


def _removed_folders(home: Home) -> list[tuple[int, Path]]:
    """The folders of accounts that are being purged, with the accounts' ids."""
    prefix = account_folder(_REMOVED)
    with storage_errors("read the mail folder"):
        folders = list(home.mail.glob(f"{prefix}*"))
    return [(int(owner_id), folder) for folder in folders if (owner_id := folder.name[len(prefix) :]).isdecimal()]


def _rename_folder(home: Home, account: str, owner_id: int) -> None:
    goal = home.mail / account_folder(f"{_REMOVED}{owner_id}")
    folder = home.mail / account_folder(account)
    if goal.exists() and folder.exists():
        # The one was renamed by a purge that failed, and the other has come since.
        _remove_tree(goal)
    if not goal.exists():
        crash_point("before rename")
        if folder.exists():
            folder.rename(goal)
        else:
            goal.mkdir(mode=0o700)
        sync_folder(home.mail)


def _rename_back(home: Home, account: str, owner_id: int) -> None:
    folder = home.mail / account_folder(account)
    with storage_errors("remove the account's mail"), contextlib.suppress(FileNotFoundError):
        if not folder.exists():
            (home.mail / account_folder(f"{_REMOVED}{owner_id}")).rename(folder)
            sync_folder(home.mail)


def _give_up_name(database: Database, account: str, owner_id: int | None) -> list[tuple[str]]:
    """Let another account have the name; returns the folders of what was in the outbox."""
    with database.write() as connection:
        folders = connection.execute("DELETE FROM outbox WHERE account = ? RETURNING folder", (account,)).fetchall()
        connection.executemany("INSERT OR IGNORE INTO finished_draft VALUES (?)", folders)
        connection.execute("UPDATE account SET name = ?, hidden = 1 WHERE id = ?", (f"{_REMOVED}{owner_id}", owner_id))
    return folders


def _remove_tree(folder: Path) -> None:
    crash_point("before unlink")
    with storage_errors("remove the account's mail"):
        while folder.exists():
            # Another process may be removing it too.
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)


def _remove_rows(database: Database, owner_id: int) -> None:
    patience = time.monotonic() + _ENGINE_SECONDS
    while not _remove_known_rows(database, owner_id):
        if time.monotonic() > patience:
            raise StorageFailed(
                "Mail of the removed account is still coming in. Quit termmail (and `termmail engine`): what is left of the account"
                " goes at the next start."
            )
        time.sleep(_PAUSE)


def _remove_known_rows(database: Database, owner_id: int) -> bool:
    """False where more has come meanwhile: an engine takes mail in until it has read the config file again."""
    # Looked up before the transactions: that a message is the account's is in no index, which would slow down every first sync.
    uploads = database.all(
        "SELECT upload FROM placement WHERE upload IS NOT NULL AND message_id IN (SELECT id FROM message WHERE account_id = ?)",
        (owner_id,),
    )
    doomed = [(f"{UPLOADS}/{name}{suffix}",) for (name,) in uploads for suffix in ("", ".json")]
    _in_parts(database, ["INSERT OR IGNORE INTO doomed_file VALUES (?)"], doomed)
    messages = database.all("SELECT id FROM message WHERE account_id = ?", (owner_id,))
    _in_parts(database, ["DELETE FROM placement WHERE message_id = ?", "DELETE FROM message WHERE id = ?"], messages)
    for table, key in (("operation", "id"), ("uidl", "id"), ("kept_body", "path")):
        rows = database.all(f"SELECT {key} FROM {table} WHERE account_id = ?", (owner_id,))
        _in_parts(database, [f"DELETE FROM {table} WHERE {key} = ?"], rows)
    mailboxes = database.all("SELECT id FROM mailbox WHERE account_id = ?", (owner_id,))
    _in_parts(database, [f"DELETE FROM mailbox WHERE id = ? AND {_EMPTY}"], mailboxes)
    # The account's own row stays, hidden: deleting it would look through the messages of all others while nobody else can write.
    return database.one("SELECT 1 FROM mailbox WHERE account_id = ?", (owner_id,)) is None


def _in_parts(database: Database, statements: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Each statement with each row."""
    for start in range(0, len(rows), _AT_ONCE):
        with database.write(durable=False) as connection:
            for statement in statements:
                connection.executemany(statement, rows[start : start + _AT_ONCE])
        time.sleep(LET_OTHERS_WRITE)
