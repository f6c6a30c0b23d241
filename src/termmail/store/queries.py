"""What front ends read. Every query is short and keeps no transaction open."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from pathlib import Path

from termmail.model.home import Home
from termmail.model.mailbox import Mailbox, Role
from termmail.model.message import Envelope, MessageRow
from termmail.model.operation import Operation
from termmail.model.status import AccountStatus, ConnectionState, Problem, Request, RequestKind, RequestState
from termmail.model.view import MailboxesPatch, MailboxPatch, Sort
from termmail.store.body_files import whole_file
from termmail.store.codec import (
    MAILBOX_COLUMNS,
    MAILBOX_TABLES,
    MESSAGE_COLUMNS,
    MESSAGE_TABLES,
    OPERATION_COLUMNS,
    OPERATION_TABLES,
    decode_envelope,
    mailbox_row,
    message_row,
    operation_row,
)
from termmail.store.database import Database, now_changed, storage_errors
from termmail.store.downloads import as_sent
from termmail.store.outgoing_queries import OutgoingQueries

_ROLE_ORDER = (
    "CASE b.role WHEN 'inbox' THEN 0 WHEN 'flagged' THEN 1 WHEN 'important' THEN 2 WHEN 'drafts' THEN 3 WHEN 'sent' THEN 4"
    " WHEN 'archive' THEN 5 WHEN 'all' THEN 6 WHEN 'junk' THEN 7 WHEN 'trash' THEN 8 ELSE 9 END"
)
_SORTS = {
    Sort.DATE: ("placement p", "p.received_at DESC, p.id DESC", "p.received_at, p.id"),
    Sort.SENDER: (
        "placement p JOIN message m ON m.id = p.message_id",
        "m.sender, p.received_at DESC, p.id DESC",
        "m.sender DESC, p.received_at DESC, p.id DESC",
    ),
    Sort.SIZE: (
        "placement p JOIN message m ON m.id = p.message_id",
        "m.size DESC, p.received_at DESC, p.id DESC",
        "m.size, p.received_at DESC, p.id DESC",
    ),
    Sort.SUBJECT: (
        "placement p JOIN message m ON m.id = p.message_id",
        "m.subject, p.received_at DESC, p.id DESC",
        "m.subject DESC, p.received_at DESC, p.id DESC",
    ),
}
_ROWS_AT_ONCE = 500
_PENDING_COUNT = "(SELECT count(*) FROM operation o WHERE o.account_id = a.id AND o.state IN ('pending', 'running'))"


class Queries(OutgoingQueries):
    """Reads of one home's store. Thread-safe: each thread has a connection of its own."""

    def __init__(self, home: Home) -> None:
        """Open the store, creating or migrating the database if needed. Raises StorageFailed, StoreTooNew."""
        self._home = home
        self._database = Database(home)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._database.close()

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return self._database.data_version()

    def changed_now(self) -> int:
        """The number of the last commit, to ask for patches from."""
        with self._database.read() as reader:
            return now_changed(reader)

    def _all(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        return self._database.all(statement, values)

    def _one(self, statement: str, values: Sequence[object] = ()) -> tuple[object, ...] | None:
        return self._database.one(statement, values)

    # accounts

    def accounts(self) -> list[AccountStatus]:
        """The accounts' states in the order of the config."""
        rows = self._all(
            "SELECT a.name, a.state, a.sentence, a.activity, a.done, a.total, a.next_at, a.synced_at,"
            f" {_PENDING_COUNT}, a.plain, a.size FROM account a WHERE a.hidden = 0 ORDER BY a.position, a.id"
        )
        return [
            AccountStatus(row[0], ConnectionState(row[1]), *row[2:9], bool(row[9]), row[10])  # type: ignore[arg-type, call-arg]
            for row in rows
        ]

    def account_status(self, account: str) -> AccountStatus | None:
        """One account's state, None where it is not known here."""
        return next((status for status in self.accounts() if status.account == account), None)

    # mailboxes

    def mailboxes(self, account: str | None = None) -> list[Mailbox]:
        """The mailboxes to show: accounts in order, in each those with a role first, then by name."""
        rows = self._all(
            f"SELECT {MAILBOX_COLUMNS} FROM {MAILBOX_TABLES} WHERE a.hidden = 0 AND b.pending <> 'delete'"
            f" AND (?1 IS NULL OR a.name = ?1) ORDER BY a.position, a.id, {_ROLE_ORDER}, lower(b.name)",
            (account,),
        )
        return [mailbox_row(row) for row in rows]

    def mailbox(self, mailbox_id: int) -> Mailbox | None:
        """One mailbox, None where it is gone."""
        row = self._one(f"SELECT {MAILBOX_COLUMNS} FROM {MAILBOX_TABLES} WHERE b.id = ?", (mailbox_id,))
        return None if row is None else mailbox_row(row)

    def mailboxes_since(self, changed: int) -> MailboxesPatch:
        """What became of the mailboxes since a number of `changed_now`."""
        now = self.changed_now()
        rows = self._all(
            f"SELECT {MAILBOX_COLUMNS} FROM {MAILBOX_TABLES} WHERE b.changed > ? AND a.hidden = 0", (changed,)
        )
        mailboxes = [mailbox_row(row) for row in rows]
        gone = self._all(
            "SELECT mailbox_id FROM mailbox_tombstone WHERE changed > ?1"
            " UNION ALL SELECT b.id FROM mailbox b JOIN account a ON a.id = b.account_id WHERE b.changed > ?1 AND a.hidden",
            (changed,),
        )
        return MailboxesPatch(
            now,
            tuple(mailbox for mailbox in mailboxes if mailbox.pending != "delete"),
            (
                *(int(row[0]) for row in gone),  # type: ignore[call-overload]
                *(mailbox.id for mailbox in mailboxes if mailbox.pending == "delete"),
            ),
        )

    def find_mailbox(self, account: str | None, name: str) -> Mailbox | None:
        """By full name, then without regard to case, then by role ("trash"); INBOX in any spelling."""
        mailboxes = self.mailboxes(account)
        folded = name.casefold()
        exact = [mailbox for mailbox in mailboxes if mailbox.name == name]
        alike = [mailbox for mailbox in mailboxes if mailbox.name.casefold() == folded]
        role = [mailbox for mailbox in mailboxes if mailbox.role is not Role.NONE and mailbox.role.value == folded]
        return next(iter(exact + alike + role), None)

    def role_mailbox(self, account: str, role: Role) -> Mailbox | None:
        """The account's mailbox for a role."""
        return next((mailbox for mailbox in self.mailboxes(account) if mailbox.role is role), None)

    # lists

    def message_ids(self, mailbox_id: int, sort: Sort = Sort.DATE, reverse: bool = False) -> array[int]:
        """All placement ids of a mailbox in list order."""
        return array("q", self._ids(mailbox_id, sort, reverse, None))

    def first_ids(self, mailbox_id: int, limit: int, sort: Sort = Sort.DATE, reverse: bool = False) -> list[int]:
        """The first ids of a mailbox in list order, fast."""
        return self._ids(mailbox_id, sort, reverse, limit)

    def _ids(self, mailbox_id: int, sort: Sort, reverse: bool, limit: int | None) -> list[int]:
        tables, forwards, backwards = _SORTS[sort]
        with self._database.read() as reader:
            cursor = reader.execute(
                f"SELECT p.id FROM {tables} WHERE p.mailbox_id = ? ORDER BY {backwards if reverse else forwards} LIMIT ?",
                (mailbox_id, -1 if limit is None else limit),
            )
            return [row[0] for row in cursor]

    def rows(self, placement_ids: Sequence[int]) -> list[MessageRow | None]:
        """The rows of these placements in the same order; None where one is gone."""
        found: dict[int, MessageRow] = {}
        for start in range(0, len(placement_ids), _ROWS_AT_ONCE):
            part = placement_ids[start : start + _ROWS_AT_ONCE]
            for row in self._all(
                f"SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_TABLES} WHERE p.id IN ({', '.join('?' * len(part))})", part
            ):
                message = message_row(row)
                found[message.id] = message
        return [found.get(placement_id) for placement_id in placement_ids]

    def row(self, placement_id: int) -> MessageRow | None:
        """One placement's row, None where it is gone."""
        return self.rows([placement_id])[0]

    def patch_since(self, mailbox_id: int, changed: int, limit: int = 2000) -> MailboxPatch:
        """What became of a mailbox's list since a number of `changed_now`."""
        now = self.changed_now()
        floor = self._one("SELECT tombstone_floor FROM clock")
        if floor is not None and changed < int(floor[0]):  # type: ignore[call-overload]
            return MailboxPatch(now, overflow=True)
        rows = self._all(
            f"SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_TABLES} WHERE p.mailbox_id = ? AND p.changed > ? LIMIT ?",
            (mailbox_id, changed, limit + 1),
        )
        gone = self._all(
            "SELECT DISTINCT placement_id FROM tombstone t WHERE t.mailbox_id = ?1 AND t.changed > ?2 AND NOT EXISTS"
            " (SELECT 1 FROM placement p WHERE p.id = t.placement_id AND p.mailbox_id = ?1) LIMIT ?3",
            (mailbox_id, changed, limit + 1),
        )
        if len(rows) > limit or len(gone) > limit:
            return MailboxPatch(now, overflow=True)
        return MailboxPatch(
            now,
            tuple(message_row(row) for row in rows),
            tuple(int(row[0]) for row in gone),  # type: ignore[call-overload]
        )

    def ids_of_list(self, mailbox_id: int, list_id: str) -> list[int]:
        """The ids of a mailbox's placements whose messages came by the list of this List-Id."""
        rows = self._all(
            "SELECT p.id, m.envelope FROM placement p JOIN message m ON m.id = p.message_id"
            " WHERE p.mailbox_id = ? AND instr(m.envelope, CAST(? AS BLOB)) > 0",
            (mailbox_id, list_id),
        )
        return [int(row[0]) for row in rows if decode_envelope(row[1]).list_id == list_id]  # type: ignore[arg-type, call-overload]

    def unread_ids(self, mailbox_id: int) -> set[int]:
        """The ids of a mailbox's unread placements."""
        with self._database.read() as reader:
            cursor = reader.execute("SELECT id FROM placement WHERE mailbox_id = ? AND flags & 1 = 0", (mailbox_id,))
            return {row[0] for row in cursor}

    def newest_rows(self, account: str | None, mailbox_id: int | None, limit: int) -> list[MessageRow]:
        """The newest messages of a mailbox, of an account, or of all, newest first."""
        mailbox_ids = (
            [mailbox_id]
            if mailbox_id is not None
            else [mailbox.id for mailbox in self.mailboxes(account) if mailbox.total]
        )
        found: list[tuple[int, int]] = []
        for wanted in mailbox_ids:
            found += self._all(  # type: ignore[arg-type]
                "SELECT received_at, id FROM placement WHERE mailbox_id = ? ORDER BY received_at DESC, id DESC LIMIT ?",
                (wanted, limit),
            )
        newest = sorted(found, reverse=True)[:limit]
        return [row for row in self.rows([placement_id for _, placement_id in newest]) if row is not None]

    def find_rows_by_message_id_header(self, message_id_header: str) -> list[MessageRow]:
        """Every placement of messages with this Message-ID (without angle brackets)."""
        rows = self._all(
            f"SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_TABLES} WHERE m.message_id_header = ? ORDER BY p.id",
            (message_id_header,),
        )
        return [message_row(row) for row in rows]

    # one message

    def envelope(self, placement_id: int) -> Envelope | None:
        """The header fields of a placement's message."""
        row = self._one(
            "SELECT m.envelope FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?", (placement_id,)
        )
        return None if row is None else decode_envelope(row[0])  # type: ignore[arg-type]

    def body_path(self, placement_id: int) -> Path | None:
        """The file with the raw bytes of a placement's message; None where they are not here, or not whole."""
        with self._database.read() as reader:
            row = reader.execute("SELECT message_id FROM placement WHERE id = ?", (placement_id,)).fetchone()
            return None if row is None else whole_file(reader, self._home.mail, row[0], placement_id)

    def raw(self, placement_id: int) -> bytes | None:
        """The bytes of a placement's message as the server gave them, None where they are not here."""
        path = self.body_path(placement_id)
        if path is None:
            return None
        with storage_errors("read a message from disk"):
            data = path.read_bytes()
        local = self._one(
            "SELECT 1 FROM placement p JOIN message m ON m.id = p.message_id JOIN account a ON a.id = m.account_id"
            " WHERE p.id = ? AND a.protocol = 'pop3'",
            (placement_id,),
        )
        return data if local is None else as_sent(data)

    def raw_start(self, placement_id: int, size: int) -> bytes | None:
        """The first `size` bytes of a message's file, such as hold its header; None where the message is not here."""
        path = self.body_path(placement_id)
        if path is None:
            return None
        with storage_errors("read a message from disk"), path.open("rb") as file:
            return file.read(size)

    def rendered(self, message_id: int, key: str) -> bytes | None:
        """What `Intents.store_rendered` kept."""
        row = self._one("SELECT data FROM rendered WHERE message_id = ? AND key = ?", (message_id, key))
        return None if row is None else bytes(row[0])  # type: ignore[call-overload]

    # the rest

    def problems(self, limit: int = 200) -> list[Problem]:
        """What went wrong lately, newest first."""
        rows = self._all(
            "SELECT id, at, account, mailbox, placement_id, sentence, detail, seen FROM problem ORDER BY at DESC LIMIT ?",
            (limit,),
        )
        return [Problem(*row[:7], bool(row[7])) for row in rows]  # type: ignore[arg-type, call-arg]

    def unseen_problem_count(self) -> int:
        """How many problems the user has not looked at."""
        row = self._one("SELECT count(*) FROM problem WHERE seen = 0")
        return 0 if row is None else int(row[0])  # type: ignore[call-overload]

    def pending_operations(self, account: str | None = None) -> list[Operation]:
        """What waits for the network, and what was refused and waits for the user, oldest first."""
        rows = self._all(
            f"SELECT {OPERATION_COLUMNS} FROM {OPERATION_TABLES} WHERE o.state IN ('pending', 'running')"
            " AND (?1 IS NULL OR a.name = ?1) ORDER BY o.id",
            (account,),
        )
        return [operation_row(row) for row in rows]

    def setting(self, key: str) -> str | None:
        """A small piece of state of the front ends."""
        row = self._one("SELECT value FROM setting WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def request(self, request_id: int) -> Request | None:
        """How far a request is."""
        row = self._one(
            "SELECT id, kind, account, mailbox_id, placement_id, state, sentence FROM request WHERE id = ?",
            (request_id,),
        )
        if row is None:
            return None
        return Request(row[0], RequestKind(row[1]), row[2], row[3], row[4], RequestState(row[5]), row[6])  # type: ignore[arg-type]

    def undo_sentence(self) -> str | None:
        """What `Intents.undo` would take back."""
        row = self._one("SELECT sentence FROM undo ORDER BY id DESC LIMIT 1")
        return None if row is None else str(row[0])
