"""What other programs did in the Maildirs of a POP3 account, taken over: files that came, were renamed, moved or removed (L8)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

import msgspec

from termmail.mime.dates import parse_date
from termmail.mime.headers import parse_envelope
from termmail.mime.preview import looks_attached, preview
from termmail.model.flags import Flag, FlagSet
from termmail.model.message import BodyState
from termmail.store import local_keywords
from termmail.store.codec import column_text
from termmail.store.database import LET_OTHERS_WRITE, Database, now_changed, storage_errors
from termmail.store.downloads import as_sent
from termmail.store.effective import forget_file, recompute, remove_placements
from termmail.store.local_mail import LocalMail, take_uid
from termmail.store.local_names import mailbox_name
from termmail.store.mailboxes import account_id
from termmail.store.maildir import info_flags, read_identity, rename
from termmail.store.maildrop import Maildrop
from termmail.store.placements import NewPlacement, insert_messages, insert_placements

_AT_ONCE = 100
_BULK = 20
# A folder changed again within the clock's step would show the same time.
_SETTLED_NS = 2_000_000_000
_LOOK_AGAIN_SECONDS = 0.05
_RECEIVED = re.compile(rb"^received[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)


class ScanReport(msgspec.Struct, frozen=True):
    """What was taken over: messages that came, went, and whose flags or folder changed. `lost` went in bulk, see `LocalScan.run`."""

    came: int = 0
    went: int = 0
    changed: int = 0
    lost: int = 0


class _File(msgspec.Struct, frozen=True):
    mailbox_id: int
    folder: Path
    name: str


class _Row(msgspec.Struct, frozen=True):
    placement_id: int
    message_id: int
    mailbox_id: int
    name: str
    sha256: bytes


class LocalScan:
    """Looks through one account's Maildirs. Used by one thread, the one that moves the account's files."""

    def __init__(self, database: Database, account: str, mail: LocalMail, maildrop: Maildrop) -> None:
        self._database = database
        self._account = account
        self._mail = mail
        self._maildrop = maildrop
        self._looked: dict[int, tuple[int, int]] = {}

    def run(self, *, thorough: bool = False) -> ScanReport:
        """Take over what changed in folders whose time moved, or `thorough`ly in all. Raises StorageFailed.

        Mail whose files went in bulk (more than 20 and more than half of a folder) is not counted as deleted by the user: what the
        server still has of it comes down again, and nothing of it is deleted there.
        """
        self._mail.check_there()
        self._take_new_folders()
        fresh: list[_File] = []
        gone: dict[int, _Row] = {}
        bulk: set[int] = set()
        changed = 0
        looked: dict[int, tuple[int, int]] = {}
        for mailbox_id, _, folder in self._mail.mailboxes():
            with storage_errors(f"read {folder}"):
                stamp = _stamp(folder)
                if stamp is not None and not thorough and self._looked.get(mailbox_id) == stamp:
                    continue
                files = self._files(mailbox_id, folder)
            rows = self._rows(mailbox_id)
            missing = [row for stem, row in rows.items() if stem not in files]
            if missing:
                # A file that is renamed while a folder is read may be seen under neither name.
                time.sleep(_LOOK_AGAIN_SECONDS)
                with storage_errors(f"read {folder}"):
                    files |= self._files(mailbox_id, folder)
                rows = self._rows(mailbox_id)
            missing = [row for stem, row in rows.items() if stem not in files]
            gone |= {row.placement_id: row for row in missing}
            if len(missing) > _BULK and len(missing) * 2 > len(rows):
                bulk.add(mailbox_id)
            fresh += [file for stem, file in files.items() if stem not in rows]
            changed += self._take_flags([(rows[stem], file) for stem, file in files.items() if stem in rows])
            if stamp is not None and max(stamp) < time.time_ns() - _SETTLED_NS:
                looked[mailbox_id] = stamp
        # What moved between folders was found new in one of them.
        came, moved = self._take_fresh(fresh, gone)
        went = self._take_gone(list(gone.values()), bulk)
        lost = sum(row.mailbox_id in bulk for row in gone.values())
        self._looked |= looked
        return ScanReport(came, went, changed + moved, lost)

    def _take_new_folders(self) -> None:
        known = {folder.name.lower() for _, _, folder in self._mail.mailboxes()}
        with storage_errors(f"read {self._mail.folder}"), os.scandir(self._mail.folder) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        made = False
        for directory in sorted(found):
            identity = read_identity(self._mail.folder / directory)
            name = mailbox_name(directory) if identity is None else identity.name
            if name is None or directory.lower() in known or not (self._mail.folder / directory / "cur").is_dir():
                continue
            with self._database.write() as connection:
                owner_id = account_id(connection, self._account)
                twin = connection.execute(
                    "SELECT 1 FROM mailbox WHERE account_id = ? AND name = ?", (owner_id, column_text(name))
                ).fetchone()
                if twin is None:
                    self._mail.insert_mailbox(connection, owner_id, name, directory=directory)
                    made = True
        if made:
            self._mail.follow_names()

    @staticmethod
    def _files(mailbox_id: int, folder: Path) -> dict[str, _File]:
        """The files of a Maildir by the part of their names that does not change; what lies in `new` is moved to `cur`."""
        with contextlib.suppress(FileNotFoundError):
            for path in list((folder / "new").iterdir()):
                if not path.name.startswith("."):
                    # mutt leaves what it flagged there, with its info suffix, as long as it is unread.
                    name = path.name if ":2," in path.name else f"{path.name}:2,"
                    with contextlib.suppress(FileNotFoundError):
                        rename(path, folder / "cur" / name)
        try:
            names = [path.name for path in (folder / "cur").iterdir()]
        except FileNotFoundError:
            return {}
        return {_stem(name): _File(mailbox_id, folder, name) for name in names if not name.startswith(".")}

    def _rows(self, mailbox_id: int) -> dict[str, _Row]:
        return {
            _stem(row[3]): _Row(row[0], row[1], row[2], row[3], bytes(row[4] or b""))
            for row in self._database.all(
                "SELECT p.id, p.message_id, p.file_mailbox_id, p.file_name, m.sha256 FROM placement p"
                " JOIN message m ON m.id = p.message_id WHERE p.file_mailbox_id = ? AND p.file_name IS NOT NULL",
                (mailbox_id,),
            )
        }

    def _take_flags(self, pairs: list[tuple[_Row, _File]]) -> int:
        """Files that were renamed: what was added and removed since, on top of which the user's own waiting changes stay."""
        renamed = [(row, file) for row, file in pairs if row.name != file.name]
        for start in range(0, len(renamed), _AT_ONCE):
            with self._database.write() as connection:
                touched: list[int] = []
                for row, file in renamed[start : start + _AT_ONCE]:
                    before, after = FlagSet(info_flags(row.name)), FlagSet(info_flags(file.name))
                    add, remove = after.minus(before), before.minus(after)
                    known = connection.execute(
                        "SELECT base_flags FROM placement WHERE id = ? AND file_name = ?", (row.placement_id, row.name)
                    ).fetchone()
                    if known is None:
                        continue
                    base = FlagSet(Flag(known[0])).apply(add, remove)
                    connection.execute(
                        "UPDATE placement SET base_flags = ?, file_name = ? WHERE id = ?",
                        (int(base.system), file.name, row.placement_id),
                    )
                    touched.append(row.placement_id)
                recompute(connection, touched)
            time.sleep(LET_OTHERS_WRITE)
        return len(renamed)

    def _take_fresh(self, files: list[_File], gone: dict[int, _Row]) -> tuple[int, int]:
        """Files that no row names: mail that another program moved here, or delivered. Takes the moved ones out of `gone`."""
        came = moved = 0
        by_sha256: dict[bytes, list[_Row]] = {}
        for row in gone.values():
            by_sha256.setdefault(row.sha256, []).append(row)
        keywords = local_keywords.read(self._mail.folder) if files else {}
        for file in files:
            with storage_errors(f"read {file.folder}"):
                data = _read(file.folder / "cur" / file.name)
            if data is None:
                continue
            raw = as_sent(data)
            sha256 = hashlib.sha256(raw).digest()
            same = by_sha256.get(sha256, [])
            if same:
                row = same.pop(next((n for n, one in enumerate(same) if _stem(one.name) == _stem(file.name)), 0))
                del gone[row.placement_id]
                self._rehome(row, file)
                moved += 1
            else:
                self._insert(file, raw, sha256, len(data), keywords.get(_stem(file.name), frozenset()))
                came += 1
        return came, moved

    def _rehome(self, row: _Row, file: _File) -> None:
        with self._database.write() as connection:
            connection.execute(
                "UPDATE placement SET base_mailbox_id = ?, uid = ?, base_flags = ?, file_mailbox_id = ?, file_name = ? WHERE id = ?",
                (
                    file.mailbox_id, take_uid(connection, file.mailbox_id), int(info_flags(file.name)), file.mailbox_id,
                    file.name, row.placement_id,
                ),
            )  # fmt: skip
            recompute(connection, [row.placement_id])

    def _insert(self, file: _File, raw: bytes, sha256: bytes, size: int, keywords: frozenset[str]) -> None:
        header_end = raw.find(b"\r\n\r\n")
        header = raw if header_end < 0 else raw[: header_end + 2]
        with self._database.write(durable=False) as connection:
            owner_id = account_id(connection, self._account)
            known = connection.execute(
                "SELECT id FROM message WHERE sha256 = ? AND account_id = ?", (sha256, owner_id)
            ).fetchone()
            if known is not None:
                message_id = int(known[0])
            else:
                (message_id,) = insert_messages(connection, owner_id, [(parse_envelope(header), len(raw), "")])
                connection.execute(
                    "UPDATE message SET sha256 = ?, raw_size = ?, body_state = ?, preview = ?, has_attachments = ? WHERE id = ?",
                    (
                        sha256, size, BodyState.PRESENT.value, column_text(preview(raw)), looks_attached(raw), message_id,
                    ),
                )  # fmt: skip
            flags = FlagSet(info_flags(file.name), keywords)
            insert_placements(
                connection,
                [
                    NewPlacement(
                        message_id, file.mailbox_id, file.mailbox_id, take_uid(connection, file.mailbox_id), flags,
                        arrival_time(header, _name_time(file.name)), file.name,
                    )
                ],
            )  # fmt: skip

    def _take_gone(self, rows: list[_Row], bulk: set[int]) -> int:
        deleted = [row.placement_id for row in rows if row.mailbox_id not in bulk]
        if deleted:
            self._maildrop.note_deleted(deleted)
        for start in range(0, len(rows), _AT_ONCE):
            with self._database.write() as connection:
                part = rows[start : start + _AT_ONCE]
                changed = now_changed(connection)
                for row in part:
                    # The file is not there; one that comes back under this name is somebody's, and stays.
                    forget_file(connection, row.placement_id, row.message_id)
                    connection.execute("UPDATE placement SET changed = ? WHERE id = ?", (changed, row.placement_id))
                remove_placements(connection, [row.placement_id for row in part])
            time.sleep(LET_OTHERS_WRITE)
        return len(rows)


def arrival_time(header: bytes, otherwise: int) -> int:
    """When the last server on the way took a message (its first Received field), in Unix seconds; else as given."""
    found = _RECEIVED.search(header)
    at = None if found is None else parse_date(found[1].rpartition(b";")[2].decode("ascii", "replace").strip())
    return otherwise if at is None or at > time.time() + 86400 else at


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _name_time(name: str) -> int:
    digits = name.partition(".")[0]
    return int(digits) if digits.isdigit() and len(digits) < 12 else int(time.time())


def _stem(name: str) -> str:
    return name.partition(":2,")[0]


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        return (folder / "cur").stat().st_mtime_ns, (folder / "new").stat().st_mtime_ns
    except FileNotFoundError:
        return None
