"""What is known of a POP3 account's maildrop, and downloaded mail on its way to its place.

Order throughout: file durable, its name durable, ledger, row; after that it may go from the server (L3).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence, Set

import msgspec

from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.maildrop import Arrival, KeptArrivals, KnownUidl, Whereabouts
from termmail.model.message import BodyState
from termmail.store import ledger
from termmail.store.codec import column_text
from termmail.store.database import Database, storage_errors
from termmail.store.downloads import Download, unique_name
from termmail.store.durable import sync_files, sync_folder
from termmail.store.effective import account_folder
from termmail.store.ledger import LedgerEntry
from termmail.store.local_mail import take_uid
from termmail.store.local_names import INBOX
from termmail.store.mailboxes import account_id
from termmail.store.maildir import rename
from termmail.store.placements import NewPlacement, insert_messages, insert_placements

_LAST_ONES = "maildrop.last."
_LAST_ONES_KEPT = 50


class _Claim(msgspec.Struct, frozen=True):
    """Mail that an arrival turns out to be: the row of the UIDL it had before, and where it is here."""

    uidl_id: int | None
    placement_id: int | None
    deleted: bool


class Maildrop:
    """One account's maildrop as far as it is known here. Used by one thread; shares the engine's `Database`."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account
        self._folder = database.home.mail / account_folder(account)
        self._unfinished = self._folder / INBOX / "tmp"

    def known_uidls(self) -> dict[str, KnownUidl]:
        """What was downloaded before, by UIDL. The first time it is read back from the ledger."""
        self._import_ledger()
        known: dict[str, KnownUidl] = {}
        for uidl, size, at, deleted, doubtful, here, role in self._database.all(
            "SELECT u.uidl, u.size, u.downloaded_at, u.deleted, u.doubtful, p.id IS NOT NULL, b.role FROM uidl u"
            " JOIN account a ON a.id = u.account_id LEFT JOIN placement p ON p.id = u.placement_id"
            " LEFT JOIN mailbox b ON b.id = p.mailbox_id WHERE a.name = ?",
            (self._account,),
        ):
            if here and role is not None:
                where = Whereabouts.TRASH if role == Role.TRASH.value else Whereabouts.HERE
            else:
                # A message that is to be deleted for good is invisible before its row goes.
                where = Whereabouts.DELETED if deleted or here else Whereabouts.LOST
            known[uidl] = KnownUidl(uidl, size, at, where, bool(doubtful))
        return known

    def _import_ledger(self) -> None:
        if self._database.one(
            "SELECT 1 FROM uidl u JOIN account a ON a.id = u.account_id WHERE a.name = ? LIMIT 1", (self._account,)
        ):
            return
        with storage_errors("read the list of downloaded mail"):
            entries = ledger.read(self._folder)
        if not entries:
            return
        with self._database.write() as connection:
            owner_id = account_id(connection, self._account)
            # The latest first: an earlier one with the same bytes may be the UIDL that it had before.
            for entry in reversed(entries.values()):
                sha256 = bytes.fromhex(entry.sha256)
                placement_id = None if entry.deleted else _unclaimed(connection, owner_id, sha256)
                connection.execute(
                    "INSERT INTO uidl (account_id, uidl, size, sha256, downloaded_at, placement_id, deleted)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (owner_id, entry.uidl, entry.size, sha256, entry.at, placement_id, entry.deleted),
                )

    def put_last(self, key: str) -> None:
        """Remember a message, by what it is known by, in whose middle the connection was lost."""
        kept = [*sorted(self.last_ones() - {key}), key][-_LAST_ONES_KEPT:]
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO setting VALUES (?, ?)",
                (_LAST_ONES + self._account, msgspec.json.encode(kept).decode()),
            )

    def last_ones(self) -> frozenset[str]:
        """The messages that `put_last` remembers."""
        row = self._database.one("SELECT value FROM setting WHERE key = ?", (_LAST_ONES + self._account,))
        return frozenset() if row is None else msgspec.json.decode(row[0], type=frozenset[str])

    def download(self, told: Callable[[int], None] | None = None) -> Download:
        """A file for the next message; `told` is called with the number of bytes that came. Raises StorageFailed."""
        return Download(self._unfinished, told)

    def keep_arrivals(self, arrivals: Sequence[Arrival], listed: Set[str]) -> KeptArrivals:
        """Make a group of arrivals durable in the inbox, with their rows and ledger lines; after that they may go from the server.

        `listed` are the UIDLs that the server has now: mail with the same bytes as one that it had under another UIDL, and has no
        longer, is that one, and no second copy is made. Raises StorageFailed; then no row was written.
        """
        new, taken_over, repeated = self._sort(arrivals, listed)
        now = int(time.time())
        try:
            with storage_errors("write a message to disk"):
                names = self._place(new)
                ledger.append(
                    self._folder,
                    [
                        LedgerEntry(arrival.uidl, arrival.sha256.hex(), arrival.listed_size, now, deleted)
                        for arrival, deleted in [
                            *((one, False) for one in new),
                            *((one, claim.deleted) for one, claim in taken_over),
                        ]
                    ],
                )
        finally:
            # What is kept has another name by now; what could not be kept is on the server.
            with storage_errors("remove a download"):
                for arrival in arrivals:
                    arrival.path.unlink(missing_ok=True)
        with self._database.write() as connection:
            owner_id = account_id(connection, self._account)
            self._insert(connection, owner_id, list(zip(new, names, strict=True)), now)
            for arrival, claim in taken_over:
                connection.execute("DELETE FROM uidl WHERE id = ?", (claim.uidl_id,))
                _record(connection, owner_id, now, [(arrival, claim.placement_id, claim.deleted)])
            for arrival in repeated:
                connection.execute(
                    "UPDATE uidl SET size = ? WHERE account_id = ? AND uidl = ?",
                    (arrival.listed_size, owner_id, arrival.uidl),
                )
        return KeptArrivals(len(new), len(taken_over) + len(repeated))

    def _place(self, new: Sequence[Arrival]) -> list[str]:
        """The files of new arrivals, durably in the inbox; returns their names. Raises OSError."""
        if not new:
            return []
        current = self._folder / INBOX / "cur"
        sync_files([arrival.path for arrival in new])
        names: list[str] = []
        for arrival in new:
            names.append(f"{unique_name()},S={arrival.file_size}:2,")
            rename(arrival.path, current / names[-1])
        sync_folder(current)
        return names

    def _sort(
        self, arrivals: Sequence[Arrival], listed: Set[str]
    ) -> tuple[list[Arrival], list[tuple[Arrival, _Claim]], list[Arrival]]:
        """Those that are new, those that are known as something else, and those that came before under the same UIDL."""
        new: list[Arrival] = []
        taken_over: list[tuple[Arrival, _Claim]] = []
        repeated: list[Arrival] = []
        used: set[int] = set()
        with self._database.read() as reader:
            owner_id = account_id(reader, self._account)
            seen = _known_hashes(reader, owner_id, [arrival.sha256 for arrival in arrivals])
            for arrival in arrivals:
                if arrival.sha256 not in seen:
                    new.append(arrival)
                    continue
                same = reader.execute(
                    "SELECT 1 FROM uidl u LEFT JOIN placement p ON p.id = u.placement_id"
                    " WHERE u.account_id = ? AND u.uidl = ? AND u.sha256 = ? AND (u.deleted OR p.id IS NOT NULL)",
                    (owner_id, arrival.uidl, arrival.sha256),
                ).fetchone()
                if same is not None:
                    repeated.append(arrival)
                    continue
                claim = _claim(reader, owner_id, arrival, listed, used)
                if claim is None:
                    new.append(arrival)
                else:
                    taken_over.append((arrival, claim))
        return new, taken_over, repeated

    @staticmethod
    def _insert(connection: sqlite3.Connection, owner_id: int, placed: list[tuple[Arrival, str]], now: int) -> None:
        if not placed:
            return
        (inbox_id,) = connection.execute(
            "SELECT id FROM mailbox WHERE account_id = ? AND role = 'inbox'", (owner_id,)
        ).fetchone()
        known = _known_messages(connection, owner_id, [arrival.sha256 for arrival, _ in placed])
        message_ids = [known.get(arrival.sha256) for arrival, _ in placed]
        fresh: dict[bytes, Arrival] = {}
        for (arrival, _), message_id in zip(placed, message_ids, strict=True):
            if message_id is None:
                fresh.setdefault(arrival.sha256, arrival)
        inserted = insert_messages(connection, owner_id, [(one.envelope, one.size, "") for one in fresh.values()])
        fresh_ids = dict(zip(fresh, inserted, strict=True))
        connection.executemany(
            "UPDATE message SET sha256 = ?, raw_size = ?, preview = ?, has_attachments = ?, body_state = ? WHERE id = ?",
            (
                (
                    sha256, one.file_size, column_text(one.preview), one.has_attachments, BodyState.PRESENT.value,
                    fresh_ids[sha256],
                )
                for sha256, one in fresh.items()
            ),
        )  # fmt: skip
        first_uid = take_uid(connection, inbox_id, len(placed))
        placements = insert_placements(
            connection,
            [
                NewPlacement(
                    fresh_ids[arrival.sha256] if message_id is None else message_id,
                    inbox_id, inbox_id, first_uid + offset, FlagSet(), arrival.received_at, name,
                )
                for offset, ((arrival, name), message_id) in enumerate(zip(placed, message_ids, strict=True))
            ],
        )  # fmt: skip
        _record(
            connection,
            owner_id,
            now,
            ((arrival, placement_id, False) for (arrival, _), placement_id in zip(placed, placements, strict=True)),
        )

    def note_deleted(self, placement_ids: Sequence[int]) -> None:
        """Before rows of these placements go because the user deleted them for good: say so in the ledger. Raises StorageFailed."""
        with self._database.read() as reader:
            rows = reader.execute(
                "SELECT u.id, u.uidl, u.sha256, u.size, u.downloaded_at FROM uidl u WHERE u.placement_id IN"
                " (SELECT value FROM json_each(?))",
                (f"[{','.join(map(str, placement_ids))}]",),
            ).fetchall()
        if not rows:
            return
        with storage_errors("write the list of downloaded mail"):
            ledger.append(
                self._folder,
                [LedgerEntry(row[1], bytes(row[2]).hex(), row[3], row[4], deleted=True) for row in rows],
            )
        with self._database.write() as connection:
            connection.executemany("UPDATE uidl SET deleted = 1 WHERE id = ?", ((row[0],) for row in rows))


def _known_messages(connection: sqlite3.Connection, owner_id: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
    marks = ", ".join("?" * len(hashes))
    return dict(
        connection.execute(
            f"SELECT sha256, id FROM message WHERE sha256 IN ({marks}) AND account_id = ?", (*hashes, owner_id)
        )
    )


def _known_hashes(connection: sqlite3.Connection, owner_id: int, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of mail that is, or was, here."""
    marks = ", ".join("?" * len(hashes))
    downloaded = connection.execute(
        f"SELECT sha256 FROM uidl WHERE sha256 IN ({marks}) AND account_id = ?", (*hashes, owner_id)
    )
    return {row[0] for row in downloaded} | _known_messages(connection, owner_id, hashes).keys()


def _unclaimed(connection: sqlite3.Connection, owner_id: int, sha256: bytes) -> int | None:
    """A placement with these bytes that no UIDL stands for."""
    row = connection.execute(
        "SELECT p.id FROM message m JOIN placement p ON p.message_id = m.id WHERE m.sha256 = ? AND m.account_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM uidl u WHERE u.placement_id = p.id) ORDER BY p.id LIMIT 1",
        (sha256, owner_id),
    ).fetchone()
    return None if row is None else int(row[0])


def _claim(
    reader: sqlite3.Connection, owner_id: int, arrival: Arrival, listed: Set[str], used: set[int]
) -> _Claim | None:
    """The mail that an arrival under a new UIDL is: one that the server no longer has under its old one, or one that lies here and
    never had any. Each is claimed once: `used` holds the placements, and the uidl rows as negative numbers."""
    for uidl_id, uidl, placement_id, deleted, here in reader.execute(
        "SELECT u.id, u.uidl, u.placement_id, u.deleted, p.id IS NOT NULL FROM uidl u"
        " LEFT JOIN placement p ON p.id = u.placement_id WHERE u.sha256 = ? AND u.account_id = ? ORDER BY u.id",
        (arrival.sha256, owner_id),
    ):
        if uidl not in listed and -uidl_id not in used and (here or deleted):
            used.add(-uidl_id)
            return _Claim(uidl_id, placement_id, bool(deleted))
    for (placement_id,) in reader.execute(
        "SELECT p.id FROM message m JOIN placement p ON p.message_id = m.id WHERE m.sha256 = ? AND m.account_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM uidl u WHERE u.placement_id = p.id) ORDER BY p.id",
        (arrival.sha256, owner_id),
    ):
        if placement_id not in used:
            used.add(placement_id)
            return _Claim(None, placement_id, deleted=False)
    return None


def _record(
    connection: sqlite3.Connection,
    owner_id: int,
    now: int,
    arrivals: Iterable[tuple[Arrival, int | None, bool]],
) -> None:
    """Rows that say which mail came under which UIDL: (arrival, placement, deleted)."""
    connection.executemany(
        "INSERT OR REPLACE INTO uidl (account_id, uidl, size, sha256, downloaded_at, placement_id, deleted, doubtful)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                owner_id, column_text(arrival.uidl), arrival.listed_size, arrival.sha256, now, placement_id, deleted,
                arrival.doubtful,
            )
            for arrival, placement_id, deleted in arrivals
        ),
    )  # fmt: skip
