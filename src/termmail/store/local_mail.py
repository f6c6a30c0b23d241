"""The store's side of a POP3 account's local mailboxes. The Maildir is the mail: base is what lies on disk."""

from __future__ import annotations

import errno
import secrets
import sqlite3
import time
from pathlib import Path

from termmail.model.errors import StorageFailed
from termmail.model.mailbox import Role
from termmail.store import local_keywords
from termmail.store.codec import column_text, keyword_set
from termmail.store.database import LET_OTHERS_WRITE, Database, now_changed, storage_errors
from termmail.store.downloads import Download, is_ours, unique_name
from termmail.store.durable import sync_files, sync_folder
from termmail.store.effective import account_folder, recompute
from termmail.store.local_names import DELIMITER, INBOX, directory_name
from termmail.store.mailboxes import REMOVED_AT_ONCE, account_id
from termmail.store.maildir import (
    SUBFOLDER_FILE,
    MailboxIdentity,
    find,
    link,
    make_maildir,
    read_identity,
    rename,
    renamed_suffix,
    write_identity,
    write_new,
)
from termmail.store.uploads import remove_file

UIDVALIDITY = 1
"""Of every local mailbox: its UIDs are given here and never change their meaning."""

_STALE_SECONDS = 36 * 3600
_UPLOAD_BLOCK = 1 << 20
_ROLES = (
    (INBOX, Role.INBOX),
    ("Drafts", Role.DRAFTS),
    ("Sent", Role.SENT),
    ("Archive", Role.ARCHIVE),
    ("Junk", Role.JUNK),
    ("Trash", Role.TRASH),
)


class LocalMail:
    """The Maildirs of one account and their rows. Used by one thread; shares the engine's `Database`."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account
        self.folder = database.home.mail / account_folder(account)

    # mailboxes

    def prepare(self) -> None:
        """Make the usual mailboxes where they are missing, and tidy up after a crash. Raises StorageFailed."""
        self.check_there()
        with self._database.write() as connection:
            owner_id = account_id(connection, self._account)
            for name, role in _ROLES:
                known = connection.execute(
                    "SELECT 1 FROM mailbox WHERE account_id = ? AND role = ?", (owner_id, role.value)
                ).fetchone()
                if known is None:
                    self.insert_mailbox(connection, owner_id, name, role)
        self.follow_names()
        self.forget_uploads()
        for _, _, folder in self.mailboxes():
            with storage_errors("remove an unfinished download"):
                for leftover in (folder / "tmp").glob("*"):
                    # Only an engine writes here, and there is one: what is ours is a dead one's.
                    ours = is_ours(leftover.name) or leftover.name.startswith("identity.")
                    if ours or leftover.stat().st_mtime < time.time() - _STALE_SECONDS:
                        leftover.unlink(missing_ok=True)

    def check_there(self) -> None:
        """Raises StorageFailed where the mail that the rows tell of lies on a disk that is not there: nobody deleted it (L9)."""
        if (self.folder / INBOX).is_dir():
            return
        if self._database.one(
            "SELECT 1 FROM placement p JOIN mailbox b ON b.id = p.file_mailbox_id JOIN account a ON a.id = b.account_id"
            " WHERE a.name = ? LIMIT 1",
            (self._account,),
        ):
            raise StorageFailed(f"{self.folder / INBOX} is not there. Is its disk mounted? Nothing was changed.")

    @staticmethod
    def insert_mailbox(
        connection: sqlite3.Connection, owner_id: int, name: str, role: Role = Role.NONE, directory: str | None = None
    ) -> int:
        """A row for a mailbox that is, or will be, on disk; returns its id."""
        if directory is None:
            directory = _free_directory(connection, owner_id, name)
        cursor = connection.execute(
            "INSERT INTO mailbox (account_id, name, base_name, wire_name, delimiter, role, directory, uidvalidity, uidnext, floor,"
            " complete, changed) VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1, 1, ?8)",
            (
                owner_id, column_text(name), name.encode("utf-8", "replace"), DELIMITER, role.value, directory, UIDVALIDITY,
                now_changed(connection),
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def adopt_mailbox(self, mailbox_id: int) -> bytes:
        """A mailbox that the user made becomes one of this account's; returns its wire name."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE mailbox SET uidvalidity = ?, uidnext = coalesce(uidnext, 1), floor = 1, complete = 1 WHERE id = ?",
                (UIDVALIDITY, mailbox_id),
            )
            row = connection.execute("SELECT base_name FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
        return b"" if row is None else str(row[0]).encode("utf-8", "replace")

    def mailboxes(self) -> list[tuple[int, str, Path]]:
        """(id, base name, folder) of each mailbox that is on disk or should be."""
        return [
            (row[0], row[1], self.folder / row[2])
            for row in self._database.all(
                "SELECT b.id, b.base_name, b.directory FROM mailbox b JOIN account a ON a.id = b.account_id"
                " WHERE a.name = ? AND b.wire_name IS NOT NULL ORDER BY b.id",
                (self._account,),
            )
        ]

    def follow_names(self) -> None:
        """Let folders on disk be named as their mailboxes are, and say in each which it is."""
        rows = self._database.all(
            "SELECT b.id, b.base_name, b.role, b.directory, b.account_id FROM mailbox b JOIN account a ON a.id = b.account_id"
            " WHERE a.name = ? AND b.wire_name IS NOT NULL",
            (self._account,),
        )
        for mailbox_id, name, role, directory, owner_id in rows:
            goal = directory
            if directory not in (directory_name(name), directory_name(name, twin=True)):
                with self._database.read() as reader:
                    goal = _free_directory(reader, owner_id, name)
                with storage_errors("rename a folder"):
                    if (self.folder / directory).exists() and not (self.folder / goal).exists():
                        rename(self.folder / directory, self.folder / goal)
                with self._database.write() as connection:
                    connection.execute("UPDATE mailbox SET directory = ? WHERE id = ?", (goal, mailbox_id))
            wire_name = name.encode("utf-8", "replace").decode("latin-1")
            identity = MailboxIdentity(name, wire_name, DELIMITER, role, UIDVALIDITY, self._account, "pop3")
            folder = self.folder / goal
            with storage_errors("create a folder"):
                if read_identity(folder) != identity or not (folder / "cur").is_dir():
                    write_identity(folder, identity)
                    if goal != INBOX:
                        (folder / SUBFOLDER_FILE).touch(mode=0o600)
                make_maildir(folder)

    def next_uid(self, mailbox_id: int) -> int:
        """A UID for a message that comes into a mailbox."""
        with self._database.write(durable=False) as connection:
            return take_uid(connection, mailbox_id)

    def empty_into_trash(self, mailbox_id: int) -> list[int]:
        """Before a mailbox is deleted: what lies in it is the only copy, and goes to Trash (L9). Returns what stays, since it is the
        Trash: placements that go with it."""
        self.prepare()
        more = True
        while more:
            with self._database.write(durable=False) as connection:
                row = connection.execute(
                    "SELECT t.id FROM mailbox t JOIN mailbox b ON b.account_id = t.account_id"
                    " WHERE b.id = ? AND t.role = 'trash' AND t.id <> b.id",
                    (mailbox_id,),
                ).fetchone()
                if row is None:
                    break
                ids = [
                    one[0]
                    for one in connection.execute(
                        "SELECT id FROM placement WHERE base_mailbox_id = ? LIMIT ?", (mailbox_id, REMOVED_AT_ONCE)
                    )
                ]
                for placement_id in ids:
                    connection.execute(
                        "UPDATE placement SET base_mailbox_id = ?, uid = ? WHERE id = ?",
                        (row[0], take_uid(connection, row[0]), placement_id),
                    )
                recompute(connection, ids)
                more = len(ids) == REMOVED_AT_ONCE
            time.sleep(LET_OTHERS_WRITE if more else 0)
        left = self._database.all("SELECT id FROM placement WHERE base_mailbox_id = ?", (mailbox_id,))
        return [placement_id for (placement_id,) in left]

    # files

    def follow_files(self, limit: int = 500) -> int:
        """Let files lie where their messages do, named after their flags; returns how many rows were settled.

        A file that is not there under its name is left to `LocalScan`: another program did something with it. Raises StorageFailed.
        """
        rows = self._database.all(
            "SELECT p.id, p.flags, p.base_flags, f.directory, p.file_name, p.base_mailbox_id, b.directory FROM placement p"
            " JOIN mailbox f ON f.id = p.file_mailbox_id JOIN account a ON a.id = f.account_id"
            " LEFT JOIN mailbox b ON b.id = p.base_mailbox_id"
            " WHERE p.file_stale = 1 AND p.file_name IS NOT NULL AND a.name = ? LIMIT ?",
            (self._account, limit),
        )
        settled: list[tuple[object, ...]] = []
        stems: dict[str, set[str]] = {}
        with storage_errors("rename a mail file"):
            for placement_id, flags, base, old_directory, old_name, base_mailbox_id, directory in rows:
                stem = old_name.partition(":2,")[0]
                name = stem + renamed_suffix(old_name, base)
                goal = self.folder / (directory or old_directory) / "cur" / name
                path = find(self.folder / old_directory, old_name)
                if path is not None and path.name == old_name:
                    if directory is not None and directory != old_directory:
                        if directory not in stems:
                            stems[directory] = _stems(goal.parent)
                        if stem in stems[directory]:
                            # As `cp -r` makes them; renamed to it, this one would take that one's place.
                            name = unique_name() + "".join(stem.partition(",")[1:]) + renamed_suffix(old_name, base)
                            goal = goal.with_name(name)
                        stems[directory].add(name.partition(":2,")[0])
                    if path != goal:
                        rename(path, goal)
                    settled.append((base_mailbox_id, name, flags, placement_id, old_name))
                elif path is None and goal.exists():
                    settled.append((base_mailbox_id, name, flags, placement_id, old_name))
                else:
                    settled.append((None, None, flags, placement_id, old_name))
        if settled:
            with self._database.write(durable=False) as connection:
                # What changed meanwhile stays stale, and comes round once more.
                connection.executemany(
                    "UPDATE placement SET file_mailbox_id = coalesce(?, file_mailbox_id), file_name = coalesce(?, file_name),"
                    " file_stale = (flags <> ?) WHERE id = ? AND file_name IS ?",
                    settled,
                )
        return len(settled)

    def link_file(self, source_id: int, placement_id: int, mailbox_id: int) -> str | None:
        """A second name in a mailbox, for a copy, of the file of a placement; None where that has no file.

        At every try it is the same name, so that an interrupted one leaves nothing behind. Raises StorageFailed.
        """
        source = self._database.one(
            "SELECT f.directory, p.file_name FROM placement p JOIN mailbox f ON f.id = p.file_mailbox_id WHERE p.id = ?",
            (source_id,),
        )
        target = self._database.one("SELECT directory FROM mailbox WHERE id = ?", (mailbox_id,))
        path = None if source is None else find(self.folder / source[0], source[1])
        if path is None or target is None or source is None:
            return None
        size = source[1].partition(":2,")[0].partition(",")[2]
        name = f"{source[1].partition('.')[0]}.C{placement_id}I{self._instance()}.copy{',' if size else ''}{size}:2,"
        goal = self.folder / target[0] / "cur" / name
        with storage_errors("copy a mail file"):
            try:
                link(path, goal)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP):
                    raise
                # A file system without hard links.
                goal.unlink(missing_ok=True)
                write_new(goal, path.read_bytes())
        return name

    def take_upload(self, placement_id: int, mailbox_id: int) -> bool:
        """Copy a message that was made here into a mailbox's folder, durably; False where there is no such message.

        At every try the file has the same name, so that an interrupted one leaves nothing behind. Raises StorageFailed.
        """
        row = self._database.one("SELECT upload, received_at FROM placement WHERE id = ?", (placement_id,))
        target = self._database.one("SELECT directory FROM mailbox WHERE id = ?", (mailbox_id,))
        if row is None or row[0] is None or target is None:
            return False
        source = self._database.home.uploads / row[0]
        folder = self.folder / target[0]
        # Its flags, which may be others at the next try, follow with `follow_files`.
        name = f"{row[1]}.U{placement_id}I{self._instance()}.upload:2,"
        if not source.exists():
            return False
        download = Download(folder / "tmp")
        try:
            with storage_errors("write a message to disk"):
                with source.open("rb") as file:
                    while block := file.read(_UPLOAD_BLOCK):
                        download.write(block)
                size = download.finish()
                sync_files([download.path])
                rename(download.path, folder / "cur" / name)
                sync_folder(folder / "cur")
        except BaseException:
            download.discard()
            raise
        with self._database.write(durable=False) as connection:
            connection.execute(
                "UPDATE message SET raw_size = ? WHERE id = (SELECT message_id FROM placement WHERE id = ?)",
                (size, placement_id),
            )
            connection.execute(
                "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ?",
                (mailbox_id, name, placement_id),
            )
        return True

    def forget_uploads(self) -> None:
        """Of messages that are in their mailbox's folder: what they were made from goes. Raises StorageFailed."""
        for placement_id, upload in self._database.all(
            "SELECT p.id, p.upload FROM placement p INDEXED BY placement_upload JOIN mailbox b ON b.id = p.base_mailbox_id"
            " JOIN account a ON a.id = b.account_id WHERE p.upload IS NOT NULL AND p.file_name IS NOT NULL AND a.name = ?",
            (self._account,),
        ):
            remove_file(self._database.home, upload)
            with self._database.write(durable=False) as connection:
                connection.execute("UPDATE placement SET upload = NULL WHERE id = ?", (placement_id,))

    def _instance(self) -> str:
        """What tells the ids of this database from those of one that was rebuilt."""
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO setting VALUES ('instance', ?)", (secrets.token_hex(4),))
            (found,) = connection.execute("SELECT value FROM setting WHERE key = 'instance'").fetchone()
        return str(found)

    def place_copy(self, placement_id: int, mailbox_id: int, name: str) -> None:
        """The file of a copy is there under this name."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ?",
                (mailbox_id, name, placement_id),
            )

    def write_keywords(self) -> None:
        """Write down the keywords of all mail, for `reindex`. Raises StorageFailed."""
        rows = self._database.all(
            "SELECT p.file_name, p.base_keywords FROM placement p JOIN mailbox f ON f.id = p.file_mailbox_id"
            " JOIN account a ON a.id = f.account_id WHERE a.name = ? AND p.base_keywords <> '' AND p.file_name IS NOT NULL",
            (self._account,),
        )
        with storage_errors("write the keywords file"):
            local_keywords.write(self.folder, {row[0].partition(":2,")[0]: keyword_set(row[1]) for row in rows})


def _stems(folder: Path) -> set[str]:
    """The parts before the info suffix of the names in a folder."""
    return {path.name.partition(":2,")[0] for path in folder.iterdir()}


def _free_directory(connection: sqlite3.Connection, owner_id: int, name: str) -> str:
    taken = {
        row[0] for row in connection.execute("SELECT lower(directory) FROM mailbox WHERE account_id = ?", (owner_id,))
    }
    directory = directory_name(name)
    return directory_name(name, twin=True) if directory.lower() in taken else directory


def take_uid(connection: sqlite3.Connection, mailbox_id: int, count: int = 1) -> int:
    """The first of `count` UIDs that are free from now on taken."""
    row = connection.execute("SELECT coalesce(uidnext, 1) FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
    first = 1 if row is None else int(row[0])
    connection.execute("UPDATE mailbox SET uidnext = ? WHERE id = ?", (first + count, mailbox_id))
    return first
