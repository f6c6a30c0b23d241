"""Bodies of messages: what is wanted, and their way into the Maildir trees."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from termmail.model.account import OfflineKind, OfflinePolicy
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.local import BodyTarget, StoredBody
from termmail.model.message import BodyState
from termmail.store.body_files import forget_what_is_not_whole, whole_file
from termmail.store.codec import column_text
from termmail.store.database import Database, now_changed, storage_errors
from termmail.store.doomed import doom_expired, spare, sweep
from termmail.store.effective import account_folder, drop_orphan
from termmail.store.leftovers import sweep_strays, sweep_temporaries
from termmail.store.maildir import (
    base_name,
    deliver,
    find,
    info_flags,
    info_suffix,
    link,
    make_maildir,
    rename,
    spool_name,
)

_TARGET_COLUMNS = "p.id, p.message_id, p.base_mailbox_id, p.uid, m.size, p.received_at"


class _Placed(msgspec.Struct, frozen=True):
    """A body whose file is in its place."""

    target: BodyTarget
    sha256: bytes
    name: str
    size: int
    preview: str
    has_attachments: bool


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


class BodySpool:
    """A large body on its way to disk in chunks; what is there survives a restart. One writer at a time."""

    def __init__(self, ingest: BodyIngest, target: BodyTarget, path: Path) -> None:
        self._ingest = ingest
        self._target = target
        self._path = path
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self.offset = os.fstat(self._descriptor).st_size
        """How many bytes are here already: where the next chunk begins."""

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises StorageFailed; the offset then still tells what is there."""
        with storage_errors("write a message to disk"):
            view = memoryview(chunk)
            while view:
                written = os.write(self._descriptor, view)
                self.offset += written
                view = view[written:]

    def head(self, length: int) -> bytes:
        """The first `length` bytes, for the first look at a body."""
        return os.pread(self._descriptor, length, 0)

    def finish(self, preview: str, has_attachments: bool) -> None:
        """The body is whole: it takes its place and its row says so."""
        self.close()
        digest = hashlib.sha256()
        with storage_errors("read a message from disk"), self._path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        self._ingest.finish_spool(self._target, self._path, digest.digest(), preview, has_attachments)

    def discard(self) -> None:
        """Throw away what came: it is not what the server has now."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop for now; the next `open_spool` goes on from here."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class BodyIngest:
    """The part of `Ingest` that is about bodies."""

    _home: Home
    _database: Database
    _folders: dict[int, tuple[Path, int | None]]

    def missing_bodies(
        self, account: str, policy: OfflinePolicy, *, mailbox_id: int | None = None, limit: int = 500
    ) -> list[BodyTarget]:
        """The next bodies that the policy wants: INBOX first, newest first in each mailbox; empty when all are here."""
        if policy.kind is OfflineKind.ON_DEMAND:
            return []
        oldest = int(time.time()) - policy.days * 86400 if policy.kind is OfflineKind.DAYS else -(1 << 62)
        targets: list[BodyTarget] = []
        mailboxes = self._database.all(
            "SELECT b.id FROM mailbox b JOIN account a ON a.id = b.account_id WHERE a.name = ? AND (?2 IS NULL OR b.id = ?2)"
            " ORDER BY b.role <> 'inbox', b.role = '', b.role IN ('all', 'junk', 'trash'), b.name",
            (account, mailbox_id),
        )
        for (wanted,) in mailboxes:
            rows = self._database.all(
                f"SELECT {_TARGET_COLUMNS} FROM placement p JOIN message m ON m.id = p.message_id WHERE p.base_mailbox_id = ?"
                " AND p.uid IS NOT NULL AND p.file_name IS NULL AND m.body_state = 'missing' AND m.problem = '' AND p.received_at >= ?"
                " ORDER BY p.uid DESC LIMIT ?",
                (wanted, oldest, limit - len(targets)),
            )
            targets += [BodyTarget(*row) for row in rows]
            if len(targets) >= limit:
                break
        return targets

    def body_target(self, placement_id: int) -> BodyTarget | None:
        """Where to fetch the body of one placement; None where it is gone or the server's UID is not known."""
        row = self._database.one(
            f"SELECT {_TARGET_COLUMNS} FROM placement p JOIN message m ON m.id = p.message_id"
            " WHERE p.id = ? AND p.uid IS NOT NULL AND p.base_mailbox_id IS NOT NULL",
            (placement_id,),
        )
        return None if row is None else BodyTarget(*row)

    def have_body(self, message_id: int) -> bool:
        """Whether the body of a message is here and whole. One that is not is forgotten, so that it is fetched again."""
        row = self._database.one("SELECT body_state FROM message WHERE id = ?", (message_id,))
        if row is None or row[0] != BodyState.PRESENT.value:
            return False
        with self._database.read() as reader:
            if whole_file(reader, self._home.mail, message_id) is not None:
                return True
        with self._database.write(durable=False) as connection:
            forget_what_is_not_whole(connection, self._home.mail, message_id)
        return False

    def _folder(self, mailbox_id: int) -> tuple[Path, int | None]:
        """The Maildir of a mailbox and its UIDVALIDITY, created on the way."""
        row = self._database.one(
            "SELECT a.name, b.directory, b.uidvalidity FROM mailbox b JOIN account a ON a.id = b.account_id WHERE b.id = ?",
            (mailbox_id,),
        )
        if row is None:
            raise StorageFailed("The folder is gone.")
        folder = self._home.mail / account_folder(row[0]) / row[1]
        if mailbox_id not in self._folders or self._folders[mailbox_id][0] != folder:
            make_maildir(folder)
            self._folders[mailbox_id] = (folder, None)
        return folder, row[2]

    def store_bodies(self, bodies: Sequence[StoredBody]) -> None:
        """Write bodies into the Maildirs, then their rows in one transaction. Raises StorageFailed; then no row was written.

        Some hundred at most: the rows of all are looked up at once.
        """
        flags = dict(
            self._database.all(
                f"SELECT id, flags FROM placement WHERE id IN ({_marks(bodies)})",
                [body.target.placement_id for body in bodies],
            )
        )
        hashes = [hashlib.sha256(body.raw).digest() for body in bodies]
        twins = self._twins(hashes)
        placed: list[_Placed] = []
        folders: dict[int, tuple[str, int | None]] = {}
        with storage_errors("write a message to disk"):
            for body, sha256 in zip(bodies, hashes, strict=True):
                target = body.target
                if target.placement_id not in flags:
                    continue
                if target.mailbox_id not in folders:
                    path, uidvalidity = self._folder(target.mailbox_id)
                    folders[target.mailbox_id] = (str(path), uidvalidity)
                _, uidvalidity = folders[target.mailbox_id]
                size = len(body.raw)
                name = base_name(target.received_at, uidvalidity, target.uid, size)
                name += info_suffix(flags[target.placement_id])
                placed.append(_Placed(target, sha256, name, size, body.preview, body.has_attachments))
        raws = {body.target.placement_id: body.raw for body in bodies}
        self._spare((folders[body.target.mailbox_id][0], body.name) for body in placed)
        with storage_errors("write a message to disk"):
            for one in placed:
                folder = folders[one.target.mailbox_id][0]
                file = f"{folder}/cur/{one.name}"
                if one.sha256 not in twins or not self._linked(twins[one.sha256], file, one.size):
                    deliver(folder, one.name, raws[one.target.placement_id])
                twins.setdefault(one.sha256, file)
        with self._database.write(durable=False) as connection:
            self._settle(connection, placed)

    def _spare(self, files: Iterable[tuple[str | Path, str]]) -> None:
        """Files (folder of the mailbox, name) that are about to be written, as paths below the mail folder."""
        skipped = len(str(self._home.mail)) + 1
        spare(self._database, (f"{str(folder)[skipped:]}/cur/{name}" for folder, name in files))

    def _twins(self, hashes: Sequence[bytes]) -> dict[bytes, str]:
        """Files here with the same bytes, by their SHA-256."""
        rows = self._database.all(
            "SELECT m.sha256, a.name, b.directory, p.file_name FROM message m JOIN placement p ON p.message_id = m.id"
            " JOIN mailbox b ON b.id = p.file_mailbox_id JOIN account a ON a.id = b.account_id"
            f" WHERE m.sha256 IN ({_marks(hashes)}) AND p.file_name IS NOT NULL",
            hashes,
        )
        found = {row[0]: find(self._home.mail / account_folder(row[1]) / row[2], row[3]) for row in rows}
        return {sha256: str(path) for sha256, path in found.items() if path is not None}

    @staticmethod
    def _linked(twin: str, file: str, size: int) -> bool:
        if twin == file:
            return False
        try:
            # One that a power cut has shortened.
            if Path(twin).stat().st_size != size:
                return False
            link(twin, file)
        except OSError:
            # Too many links, or a file system without them: the bytes are written once more.
            return False
        return True

    @staticmethod
    def _settle(connection: sqlite3.Connection, placed: Sequence[_Placed]) -> None:
        """The rows of bodies that lie in their places. Equal bytes are the same message: its placements share one row."""
        changed = now_changed(connection)
        owners = {
            row[0]: (row[1], row[2])
            for row in connection.execute(
                "SELECT p.id, p.message_id, m.account_id FROM placement p JOIN message m ON m.id = p.message_id"
                f" WHERE p.id IN ({_marks(placed)})",
                [body.target.placement_id for body in placed],
            )
        }
        known = {
            (row[0], row[1]): row[2]
            for row in connection.execute(
                f"SELECT account_id, sha256, id FROM message WHERE sha256 IN ({_marks(placed)})",
                [body.sha256 for body in placed],
            )
        }
        messages: list[tuple[object, ...]] = []
        placements: list[tuple[object, ...]] = []
        shared: list[tuple[int, int]] = []
        for body in placed:
            if body.target.placement_id not in owners:
                continue
            message_id, owner_id = owners[body.target.placement_id]
            twin_id = known.setdefault((owner_id, body.sha256), message_id)
            if twin_id != message_id:
                shared.append((twin_id, message_id))
            else:
                messages.append(
                    (
                        body.sha256,
                        body.size,
                        column_text(body.preview),
                        body.has_attachments,
                        BodyState.PRESENT.value,
                        message_id,
                    )
                )
            placements.append(
                (body.target.mailbox_id, body.name, changed, int(info_flags(body.name)), body.target.placement_id)
            )
        connection.executemany(
            "UPDATE message SET sha256 = ?, raw_size = ?, preview = ?, has_attachments = ?, body_state = ?, problem = '' WHERE id = ?",
            messages,
        )
        connection.executemany(
            "UPDATE placement SET file_mailbox_id = ?, file_name = ?, changed = ?, file_stale = (flags <> ?) WHERE id = ?",
            placements,
        )
        for twin_id, message_id in shared:
            connection.execute("UPDATE placement SET message_id = ? WHERE message_id = ?", (twin_id, message_id))
            drop_orphan(connection, message_id)
        arrived = [row[-1] for row in messages] + [twin_id for twin_id, _ in shared]
        connection.execute(
            "UPDATE placement SET changed = ?, file_stale = file_stale OR (uid IS NOT NULL AND upload IS NULL)"
            f" WHERE message_id IN ({_marks(arrived)}) AND changed <> ?",
            (changed, *arrived, changed),
        )

    def open_spool(self, target: BodyTarget) -> BodySpool:
        """Begin a large body or go on with one that was interrupted. Raises StorageFailed."""
        with storage_errors("write a message to disk"):
            folder, uidvalidity = self._folder(target.mailbox_id)
            return BodySpool(self, target, folder / "tmp" / spool_name(uidvalidity, target.uid))

    def finish_spool(self, target: BodyTarget, path: Path, sha256: bytes, preview: str, has_attachments: bool) -> None:
        """The last step of BodySpool.finish."""
        with storage_errors("write a message to disk"):
            folder, uidvalidity = self._folder(target.mailbox_id)
            row = self._database.one("SELECT flags FROM placement WHERE id = ?", (target.placement_id,))
            if row is None:
                path.unlink(missing_ok=True)
                return
            size = path.stat().st_size
            name = base_name(target.received_at, uidvalidity, target.uid, size) + info_suffix(row[0])
            self._spare([(folder, name)])
            rename(path, folder / "cur" / name)
        with self._database.write(durable=False) as connection:
            self._settle(connection, [_Placed(target, sha256, name, size, preview, has_attachments)])

    def mark_body(self, target: BodyTarget, state: BodyState, sentence: str) -> None:
        """Say of a body that it can't or shouldn't be fetched, and why."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE message SET body_state = ?, problem = ? WHERE id = ?",
                (state.value, sentence, target.message_id),
            )
            connection.execute(
                "UPDATE placement SET changed = ? WHERE message_id = ?", (now_changed(connection), target.message_id)
            )

    def follow_rows(self, should_go_on: Callable[[], None] = lambda: None) -> None:
        """Let the files in the mirrors follow their rows: names, places, links. `should_go_on` is called often and may raise."""
        while self.rename_pending() or self.link_pending():
            should_go_on()

    def rename_pending(self, limit: int = 500) -> int:
        """Let names in the mirrors follow flags and moves; returns how many rows were settled."""
        rows = self._database.all(
            "SELECT p.id, p.flags, p.file_mailbox_id, p.file_name, p.base_mailbox_id, p.uid, p.received_at,"
            " iif(m.sha256 IS NULL, NULL, coalesce(m.raw_size, m.size)) FROM placement p JOIN message m ON m.id = p.message_id"
            " WHERE p.file_stale = 1 AND p.file_name IS NOT NULL AND EXISTS (SELECT 1 FROM mailbox f"
            " JOIN account a ON a.id = f.account_id WHERE f.id = p.file_mailbox_id AND a.protocol = 'imap') LIMIT ?",
            (limit,),
        )
        settled: list[tuple[int, int, int, str, int | None, str | None]] = []
        with storage_errors("rename a mail file"):
            for placement_id, flags, file_mailbox_id, file_name, base_mailbox_id, uid, received_at, size in rows:
                home_id, stem = file_mailbox_id, file_name.partition(":2,")[0]
                if base_mailbox_id is not None and uid is not None:
                    home_id = base_mailbox_id
                    stem = base_name(received_at, self._folder(home_id)[1], uid, size)
                wanted = stem + info_suffix(flags)
                new_name: str | None = wanted
                if (home_id, wanted) != (file_mailbox_id, file_name):
                    path = find(self._folder(file_mailbox_id)[0], file_name)
                    goal = self._folder(home_id)[0] / "cur" / wanted
                    if path is not None:
                        if path != goal:
                            self._spare([(goal.parent.parent, wanted)])
                            rename(path, goal)
                    elif not goal.exists():
                        new_name = None
                settled.append((placement_id, flags, file_mailbox_id, file_name, home_id, new_name))
        if not settled:
            return 0
        with self._database.write(durable=False) as connection:
            for placement_id, flags, old_mailbox_id, old_name, new_mailbox_id, new_name in settled:
                # The row may have changed meanwhile: then it is stale again and comes round once more.
                connection.execute(
                    "UPDATE placement SET file_mailbox_id = ?, file_name = ?,"
                    " file_stale = (? IS NOT NULL AND flags <> ?) WHERE id = ? AND file_name IS ? AND file_mailbox_id IS ?",
                    (
                        new_mailbox_id if new_name else None, new_name, new_name, flags, placement_id, old_name,
                        old_mailbox_id,
                    ),
                )  # fmt: skip
                if new_name is None:
                    connection.execute(
                        "UPDATE message SET body_state = 'missing' WHERE id = (SELECT message_id FROM placement WHERE id = ?)"
                        " AND NOT EXISTS (SELECT 1 FROM placement q WHERE q.message_id = message.id"
                        " AND (q.file_name IS NOT NULL OR q.upload IS NOT NULL))",
                        (placement_id,),
                    )
        return len(settled)

    def link_pending(self, limit: int = 500) -> int:
        """Give the same message in a second mailbox its file, a hard link to the first; returns how many rows were settled."""
        rows = self._database.all(
            "SELECT p.id, p.message_id, p.flags, p.base_mailbox_id, p.uid, p.received_at FROM placement p"
            " JOIN mailbox b ON b.id = p.base_mailbox_id JOIN account a ON a.id = b.account_id"
            " WHERE p.file_stale = 1 AND p.file_name IS NULL AND a.protocol = 'imap' LIMIT ?",
            (limit,),
        )
        settled: list[tuple[object, ...]] = []
        for placement_id, message_id, flags, mailbox_id, uid, received_at in rows:
            name: str | None = None
            with self._database.read() as reader:
                twin = None if uid is None else whole_file(reader, self._home.mail, message_id)
            if twin is not None:
                folder, uidvalidity = self._folder(mailbox_id)
                with storage_errors("write a message to disk"):
                    size = twin.stat().st_size
                    name = base_name(received_at, uidvalidity, uid, size) + info_suffix(flags)
                    self._spare([(folder, name)])
                    if not self._linked(str(twin), f"{folder}/cur/{name}", size):
                        deliver(str(folder), name, twin.read_bytes())
            settled.append((name and mailbox_id, name, name, flags, placement_id, mailbox_id, uid))
        if settled:
            with self._database.write(durable=False) as connection:
                connection.executemany(
                    "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = (? IS NOT NULL AND flags <> ?)"
                    " WHERE id = ? AND file_name IS NULL AND base_mailbox_id = ? AND uid IS ?",
                    settled,
                )
        return len(settled)

    def expire_kept_bodies(self) -> int:
        """Remove bodies that were kept after a bulk disappearance and whose time is over (S6)."""
        expired = doom_expired(self._database)
        sweep(self._database)
        return expired

    def sweep_leftovers(self, *, unclean: bool = True) -> int:
        """At the engine's start: remove what a dead one left in the trees; returns how many files.

        That are unfinished files, and after an `unclean` end messages that no row names. Raises StorageFailed.
        """
        removed = sweep(self._database)
        with storage_errors("remove an unfinished download"):
            removed += sweep_temporaries(self._database)
        if unclean:
            # A file may have been renamed just before its row was to follow.
            self.follow_rows()
            with storage_errors("remove a mail file"):
                removed += sweep_strays(self._database)
        return removed
