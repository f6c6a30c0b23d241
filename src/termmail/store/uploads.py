"""Messages made here, drafts and copies of sent mail, on their way into the mailbox they belong in.

Such a message is in its mailbox for the user at once. Its bytes lie in `mail/.uploads` until the journal's Upload is done, with
a note beside them, so that they survive the database.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from termmail.mime.headers import parse_envelope
from termmail.mime.parts import looks_attached, preview
from termmail.model.crash import crash_point
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.operation import Upload
from termmail.store import edits
from termmail.store.bodies import BodyIngest
from termmail.store.codec import column_text
from termmail.store.database import Database, private_folder, storage_errors
from termmail.store.durable import sync_files, sync_folder
from termmail.store.effective import recompute
from termmail.store.mailbox_intents import MailboxIntents
from termmail.store.mailboxes import account_id
from termmail.store.maildir import base_name, deliver, info_suffix, rename
from termmail.store.placements import NewPlacement, insert_messages, insert_placements

_HEAD = 256 * 1024
_BLOCK = 1 << 20
_STRAY_SECONDS = 24 * 3600
_NOTE = ".json"
_NAMES = {Role.DRAFTS: "Drafts", Role.SENT: "Sent"}


class UploadNote(msgspec.Struct, frozen=True):
    """What a file in `.uploads` is: enough to journal it again."""

    account: str
    role: str
    flags: int
    received_at: int


class StagedUpload(msgspec.Struct, frozen=True):
    """A message that is durable in `.uploads`, and in no mailbox yet."""

    name: str
    note: UploadNote
    size: int
    sha256: bytes
    head: bytes


def stage(
    home: Home, name: str, account: str, role: Role, flags: Flag, fill: Callable[[BinaryIO], object] | Path
) -> StagedUpload:
    """Make a message durable: what `fill` writes, or the file that it is, which stays where it is too. Raises StorageFailed and
    whatever `fill` raises; nothing is left behind then."""
    private_folder(home.uploads)
    path = home.uploads / name
    note = UploadNote(account, role.value, int(flags), int(time.time()))
    temporary = home.uploads / f"{name}.part"
    try:
        with storage_errors("write a message to disk"):
            temporary.unlink(missing_ok=True)
            if isinstance(fill, Path):
                _link(fill, temporary)
            else:
                descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    fill(file)
            _write_note(home.uploads / f"{name}{_NOTE}", note)
            sync_files([temporary, home.uploads / f"{name}{_NOTE}"])
            rename(temporary, path)
            # Where a try before this one came as far, both names are the same file, and renaming does nothing.
            temporary.unlink(missing_ok=True)
            sync_folder(home.uploads)
            return read_staged(home, name, note)
    except BaseException:
        for left in (temporary, path, home.uploads / f"{name}{_NOTE}"):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        raise


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # A file system without hard links.
        shutil.copyfile(source, target)
        target.chmod(0o600)


def _write_note(path: Path, note: UploadNote) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(note))


def read_staged(home: Home, name: str, note: UploadNote) -> StagedUpload:
    """The file of this name as it lies there. Raises OSError."""
    digest = hashlib.sha256()
    size = 0
    head = b""
    with (home.uploads / name).open("rb") as file:
        while block := file.read(_BLOCK):
            head = head or block[:_HEAD]
            digest.update(block)
            size += len(block)
    return StagedUpload(name, note, size, digest.digest(), head)


def add_upload(connection: sqlite3.Connection, owner_id: int, staged: StagedUpload, *, begun: bool = False) -> int:
    """Show a staged message in its account's mailbox and journal its upload; returns the placement's id.

    `begun` says that an earlier try may have reached the server, so that it is looked for there first.
    """
    role = Role(staged.note.role)
    mailbox_id = MailboxIntents.mailbox_for(connection, owner_id, role, _NAMES[role])
    envelope = parse_envelope(staged.head)
    (message_id,) = insert_messages(connection, owner_id, [(envelope, staged.size, "")])
    connection.execute(
        "UPDATE message SET sha256 = ?, raw_size = ?, body_state = 'present', preview = ?, has_attachments = ? WHERE id = ?",
        (
            staged.sha256,
            staged.size,
            column_text(preview(staged.head)),
            looks_attached(staged.head),
            message_id,
        ),
    )
    flags = FlagSet(Flag(staged.note.flags))
    (placement_id,) = insert_placements(
        connection, [NewPlacement(message_id, mailbox_id, None, None, flags, staged.note.received_at)]
    )
    connection.execute("UPDATE placement SET upload = ? WHERE id = ?", (staged.name, placement_id))
    operation_id = edits.journal(connection, owner_id, Upload(mailbox_id, staged.name), placement_id, mailbox_id)
    if begun:
        connection.execute("UPDATE operation SET state = 'running', attempts = 1 WHERE id = ?", (operation_id,))
    recompute(connection, [placement_id])
    return placement_id


def is_shown(connection: sqlite3.Connection, staged: StagedUpload) -> bool:
    """Whether a staged message is in its mailbox already, since a rebuilt database found it on its way."""
    return connection.execute("SELECT 1 FROM placement WHERE upload = ?", (staged.name,)).fetchone() is not None


class UploadIngest(BodyIngest):
    """The part of `Ingest` that is about messages made here."""

    def place_uploads(self, account: str) -> int:
        """Make files of messages that the IMAP server has taken the bodies in the mirror; returns how many. Raises StorageFailed."""
        rows = self._database.all(
            "SELECT p.id, p.upload, p.flags, p.base_mailbox_id, p.uid, p.received_at, p.file_name, m.raw_size"
            " FROM placement p INDEXED BY placement_upload JOIN message m ON m.id = p.message_id"
            " JOIN account a ON a.id = m.account_id WHERE p.upload IS NOT NULL"
            " AND p.base_mailbox_id IS NOT NULL AND p.uid IS NOT NULL AND a.name = ? AND a.protocol = 'imap'",
            (account,),
        )
        for placement_id, upload, flags, mailbox_id, uid, received_at, file_name, size in rows:
            source = self._home.uploads / upload
            if file_name is None and source.exists():
                # Named here too until the row knows the other name: after a crash the server may have told another time, by which that
                # one is made.
                folder, uidvalidity = self._folder(mailbox_id)
                name = base_name(received_at, uidvalidity, uid, size) + info_suffix(flags)
                self._spare([(folder, name)])
                with storage_errors("rename a mail file"):
                    if not self._linked(str(source), f"{folder}/cur/{name}", source.stat().st_size):
                        deliver(str(folder), name, source.read_bytes())
                with self._database.write(durable=False) as connection:
                    connection.execute(
                        "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ? AND upload = ?",
                        (mailbox_id, name, placement_id, upload),
                    )
            remove_file(self._home, upload)
            with self._database.write(durable=False) as connection:
                connection.execute(
                    "UPDATE placement SET upload = NULL, file_stale = 1 WHERE id = ? AND upload = ?",
                    (placement_id, upload),
                )
        return len(rows)


def remove_file(home: Home, name: str) -> None:
    """An upload is in its mailbox: its file here is needed no more. Raises StorageFailed."""
    with storage_errors("remove a mail file"):
        (home.uploads / name).unlink(missing_ok=True)
        (home.uploads / f"{name}{_NOTE}").unlink(missing_ok=True)


def restore_uploads(database: Database) -> int:
    """Into a database that was rebuilt: journal again what lies in `.uploads`; returns how many. A POP3 account has to be there."""
    restored = 0
    with storage_errors("read the mail folders"):
        notes = sorted(database.home.uploads.glob(f"*{_NOTE}")) if database.home.uploads.is_dir() else []
    for path in notes:
        try:
            note = msgspec.json.decode(path.read_bytes(), type=UploadNote)
            staged = read_staged(database.home, path.name.removesuffix(_NOTE), note)
        except (OSError, msgspec.DecodeError, ValueError):
            # Half written: the draft it was made of is still there.
            continue
        with database.write() as connection:
            # One whose mailboxes were never listed has no folder; the config tells the rest of it.
            connection.execute(
                "INSERT OR IGNORE INTO account (name, email, protocol, position) VALUES (?, '', 'imap',"
                " (SELECT count(*) FROM account))",
                (note.account,),
            )
            add_upload(connection, account_id(connection, note.account), staged, begun=True)
            restored += 1
    return restored


def sweep_uploads(database: Database) -> int:
    """Remove files that no placement names and nobody is just writing; returns how many. Raises StorageFailed."""
    folder = database.home.uploads
    if not folder.is_dir():
        return 0
    known = {row[0] for row in database.all("SELECT upload FROM placement WHERE upload IS NOT NULL")}
    removed = 0
    with storage_errors("remove a mail file"):
        for entry in os.scandir(folder):
            stem = entry.name.removesuffix(_NOTE)
            if stem not in known and entry.stat().st_mtime < time.time() - _STRAY_SECONDS:
                crash_point("before unlink")
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed
