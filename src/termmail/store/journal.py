"""The journal: edits that still have to reach a server, in order per message, free across messages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence

from termmail.model.flags import Flag, FlagSet
from termmail.model.local import OperationSource
from termmail.model.operation import (
    Copy,
    CreateMailbox,
    DeleteMailbox,
    FlagChange,
    Move,
    Operation,
    RenameMailbox,
    Subscribe,
)
from termmail.store.codec import (
    OPERATION_COLUMNS,
    OPERATION_TABLES,
    decode_envelope,
    decode_payload,
    encode_payload,
    flag_set,
    keyword_set,
    keywords_text,
    operation_row,
)
from termmail.store.database import Database, now_changed
from termmail.store.doomed import sweep
from termmail.store.effective import ACTIVE, recompute, remove_placements
from termmail.store.mailboxes import MailboxIngest
from termmail.store.messages import count_candidates


class Journal(MailboxIngest):
    """The engine's side of the journal. Shares the engine's `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._home = database.home

    def due(self, account: str, now: float, limit: int = 200) -> list[Operation]:
        """The operations whose turn it is, oldest first: the first waiting one of each message or mailbox.

        One that needs a mailbox which the server does not have yet, or a message whose UID is not known yet, waits.
        """
        rows = self._database.reader().execute(
            f"SELECT {OPERATION_COLUMNS} FROM {OPERATION_TABLES} LEFT JOIN placement p ON p.id = o.placement_id"
            " WHERE a.name = ? AND o.state IN ('pending', 'running') AND o.next_at <= ?"
            " AND NOT EXISTS (SELECT 1 FROM operation e WHERE e.state IN ('pending', 'running') AND e.id < o.id"
            "  AND ((e.placement_id IS NOT NULL AND e.placement_id = o.placement_id)"
            "   OR (o.placement_id IS NULL AND e.placement_id IS NULL AND e.mailbox_id = o.mailbox_id)))"
            " AND (o.placement_id IS NULL OR p.uid IS NOT NULL OR p.base_mailbox_id IS NULL)"
            " ORDER BY o.id LIMIT ?",
            (account, now, limit),
        )
        operations = [operation_row(row) for row in rows]
        return [operation for operation in operations if self._possible(operation)]

    def _possible(self, operation: Operation) -> bool:
        reader = self._database.reader()
        match operation.payload:
            case Move(mailbox_id=target) | Copy(mailbox_id=target):
                row = reader.execute("SELECT wire_name FROM mailbox WHERE id = ?", (target,)).fetchone()
                if row is None or row[0] is None:
                    return False
            case DeleteMailbox(mailbox_id=mailbox_id):
                # Messages that leave the mailbox do so before it goes.
                return (
                    reader.execute(
                        "SELECT 1 FROM placement p JOIN operation o ON o.placement_id = p.id WHERE p.base_mailbox_id = ?"
                        " AND o.state IN ('pending', 'running') AND o.id < ? LIMIT 1",
                        (mailbox_id, operation.id),
                    ).fetchone()
                    is None
                )
        match operation.payload:
            case Copy(source_id=source_id):
                source = reader.execute("SELECT uid FROM placement WHERE id = ?", (source_id,)).fetchone()
                return source is None or source[0] is not None
        return True

    def source(self, operation: Operation) -> OperationSource | None:
        """Where the operation's message (a copy's source) or mailbox is on the server now; None where it is gone from here."""
        reader = self._database.reader()
        payload = operation.payload
        if isinstance(payload, CreateMailbox | RenameMailbox | DeleteMailbox | Subscribe):
            row = reader.execute(
                "SELECT id, wire_name, uidvalidity FROM mailbox WHERE id = ?", (payload.mailbox_id,)
            ).fetchone()
            if row is None:
                return None
            return OperationSource(row[0], None if row[1] is None else bytes(row[1]), row[2], None, FlagSet(), "", 0, 0)
        placement_id = payload.source_id if isinstance(payload, Copy) else operation.placement_id
        row = reader.execute(
            "SELECT b.id, b.wire_name, b.uidvalidity, p.uid, p.base_flags, p.base_keywords, m.envelope, m.size, p.received_at"
            " FROM placement p JOIN message m ON m.id = p.message_id JOIN mailbox b ON b.id = p.base_mailbox_id WHERE p.id = ?",
            (placement_id,),
        ).fetchone()
        if row is None:
            return None
        return OperationSource(
            mailbox_id=row[0],
            wire_name=None if row[1] is None else bytes(row[1]),
            uidvalidity=row[2],
            uid=row[3],
            base_flags=flag_set(row[4], row[5]),
            message_id_header=decode_envelope(row[6]).message_id_header,
            size=row[7],
            received_at=row[8],
        )

    def begin(self, operation_ids: Sequence[int]) -> None:
        """Count the attempt and say that it runs, durably, before the server hears of it."""
        with self._database.write() as connection:
            connection.executemany(
                f"UPDATE operation SET state = 'running', attempts = attempts + 1 WHERE id = ? AND {ACTIVE}",
                ((operation_id,) for operation_id in operation_ids),
            )

    def finish_flags(self, operations: Sequence[Operation], *, local: FlagSet | None = None) -> None:
        """The server has these flag changes: base follows. Keywords in `local` it would not keep: they stay here."""
        refused = FlagSet() if local is None else local
        with self._database.write() as connection:
            for operation in operations:
                change = operation.payload
                assert isinstance(change, FlagChange)
                row = connection.execute(
                    "SELECT base_flags, base_keywords, local_keywords FROM placement WHERE id = ?",
                    (operation.placement_id,),
                ).fetchone()
                self._done(connection, operation.id)
                if row is None:
                    continue
                base = flag_set(row[0], row[1]).apply(change.add.minus(refused), change.remove)
                kept = FlagSet(Flag(0), keyword_set(row[2])).apply(
                    change.add.minus(change.add.minus(refused)), change.remove
                )
                connection.execute(
                    "UPDATE placement SET base_flags = ?, base_keywords = ?, local_keywords = ? WHERE id = ?",
                    (
                        int(base.system), keywords_text(base.keywords), keywords_text(kept.keywords), operation.placement_id,
                    ),
                )  # fmt: skip
            recompute(connection, [o.placement_id for o in operations if o.placement_id is not None])

    def finish_move(self, operation: Operation, uid: int | None, uidvalidity: int | None) -> None:
        """The server has moved the message. With `uid` None the next listing of the target finds it out (adoption)."""
        payload = operation.payload
        assert isinstance(payload, Move)
        assert operation.placement_id is not None
        self._place(operation.id, operation.placement_id, payload.mailbox_id, uid, uidvalidity)

    def finish_copy(self, operation: Operation, uid: int | None, uidvalidity: int | None) -> None:
        """The server has the copy. As `finish_move`."""
        payload = operation.payload
        assert isinstance(payload, Copy)
        assert operation.placement_id is not None
        self._place(operation.id, operation.placement_id, payload.mailbox_id, uid, uidvalidity)

    def _place(
        self, operation_id: int, placement_id: int, mailbox_id: int, uid: int | None, uidvalidity: int | None
    ) -> None:
        with self._database.write() as connection:
            row = connection.execute("SELECT uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
            known = row is not None and row[0] == uidvalidity
            self._done(connection, operation_id)
            if row is None:
                remove_placements(connection, [placement_id])
                return
            trusted = uid if known else None
            if trusted is not None:
                double = connection.execute(
                    "SELECT id, base_flags, base_keywords, received_at FROM placement WHERE base_mailbox_id = ? AND uid = ?"
                    " AND id <> ?",
                    (mailbox_id, trusted, placement_id),
                ).fetchone()
                if double is not None:
                    # A listing saw the arrival first; the placement that people know the id of stays.
                    remove_placements(connection, [double[0]])
                    connection.execute(
                        "UPDATE placement SET base_flags = ?, base_keywords = ?, received_at = ? WHERE id = ?",
                        (double[1], double[2], double[3], placement_id),
                    )
            connection.execute(
                "UPDATE placement SET base_mailbox_id = ?, uid = ? WHERE id = ?", (mailbox_id, trusted, placement_id)
            )
            recompute(connection, [placement_id])
            if trusted is None:
                count_candidates(connection, mailbox_id)
        sweep(self._database)

    def finish_expunge(self, operation: Operation) -> None:
        """The server has deleted the message for good."""
        assert operation.placement_id is not None
        with self._database.write() as connection:
            self._done(connection, operation.id)
            remove_placements(connection, [operation.placement_id])
        sweep(self._database)

    def gone(self, operation: Operation) -> None:
        """The message is no longer on the server: somebody else removed it. It and its operations go."""
        self.finish_expunge(operation)

    def drop(self, operation_ids: Sequence[int]) -> None:
        """These operations need nothing any more; what the user sees follows base again."""
        with self._database.write() as connection:
            touched = self._set_state(connection, operation_ids, "cancelled", "")
            recompute(connection, touched)
            self._remove_unborn(connection, touched)

    def finish_created(self, operation: Operation, wire_name: bytes) -> None:
        """The server has the mailbox under this name."""
        payload = operation.payload
        assert isinstance(payload, CreateMailbox)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            connection.execute(
                "UPDATE mailbox SET wire_name = ?, base_name = name, pending = '', changed = ? WHERE id = ? AND NOT EXISTS"
                " (SELECT 1 FROM mailbox o WHERE o.account_id = mailbox.account_id AND o.wire_name = ?1)",
                (wire_name, now_changed(connection), payload.mailbox_id),
            )

    def finish_renamed(self, operation: Operation, wire_name: bytes) -> None:
        """The server has renamed the mailbox, and its children with it (RFC 9051 §6.3.6)."""
        payload = operation.payload
        assert isinstance(payload, RenameMailbox)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            row = connection.execute(
                "SELECT account_id, wire_name, base_name, delimiter FROM mailbox WHERE id = ?", (payload.mailbox_id,)
            ).fetchone()
            if row is None:
                return
            owner_id, old_wire, old_name, delimiter = row[0], bytes(row[1] or b""), str(row[2]), row[3]
            changed = now_changed(connection)
            connection.execute(
                "UPDATE mailbox SET wire_name = ?, base_name = ?, name = ?, pending = '', changed = ? WHERE id = ?",
                (wire_name, payload.new_name, payload.new_name, changed, payload.mailbox_id),
            )
            if not delimiter:
                return
            prefix_wire, prefix_name = old_wire + delimiter.encode(), old_name + delimiter
            for child_id, child_wire, child_name in connection.execute(
                "SELECT id, wire_name, base_name FROM mailbox WHERE account_id = ? AND wire_name IS NOT NULL",
                (owner_id,),
            ).fetchall():
                if bytes(child_wire).startswith(prefix_wire):
                    name = payload.new_name + delimiter + str(child_name)[len(prefix_name) :]
                    connection.execute(
                        "UPDATE mailbox SET wire_name = ?, base_name = ?, name = ?, changed = ? WHERE id = ?",
                        (
                            wire_name + delimiter.encode() + bytes(child_wire)[len(prefix_wire) :], name, name, changed,
                            child_id,
                        ),
                    )  # fmt: skip

    def finish_deleted(self, operation: Operation) -> None:
        """The server has deleted the mailbox."""
        payload = operation.payload
        assert isinstance(payload, DeleteMailbox)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            self.remove_mailbox(connection, payload.mailbox_id)
        sweep(self._database)

    def finish_subscribed(self, operation: Operation) -> None:
        """The server has the subscription as wished."""
        payload = operation.payload
        assert isinstance(payload, Subscribe)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            connection.execute(
                "UPDATE mailbox SET base_subscribed = ?1, changed = ?2 WHERE id = ?3",
                (payload.subscribed, now_changed(connection), payload.mailbox_id),
            )

    def record_copied(self, operation: Operation, uid: int) -> None:
        """Between COPY and \\Deleted of a move without MOVE: the copy is made (`uid` -1: the server did not tell) (S9)."""
        payload = operation.payload
        assert isinstance(payload, Move)
        with self._database.write() as connection:
            connection.execute(
                "UPDATE operation SET payload = ? WHERE id = ?",
                (encode_payload(Move(payload.mailbox_id, uid)), operation.id),
            )

    def retry(self, operation_ids: Sequence[int], sentence: str, next_at: float) -> None:
        """Try again at `next_at` (Unix seconds). A running operation stays running, so that it is probed first."""
        with self._database.write() as connection:
            connection.executemany(
                f"UPDATE operation SET last_error = ?, next_at = ? WHERE id = ? AND {ACTIVE}",
                ((sentence, next_at, operation_id) for operation_id in operation_ids),
            )

    def fail(self, operation_ids: Sequence[int], sentence: str) -> None:
        """The server will not do it: what the user sees rolls back to base, and a problem says why."""
        with self._database.write() as connection:
            touched = self._set_state(connection, operation_ids, "failed", sentence)
            recompute(connection, touched)
            rows = connection.execute(
                f"SELECT a.name, o.payload, o.mailbox_id, o.placement_id FROM {OPERATION_TABLES}"
                f" WHERE o.id IN ({', '.join('?' * len(operation_ids))})",
                tuple(operation_ids),
            ).fetchall()
            for _, text, mailbox_id, _ in rows:
                self._roll_back_mailbox(connection, text, mailbox_id)
            if rows:
                connection.execute(
                    "INSERT INTO problem (at, account, mailbox, placement_id, sentence, detail) VALUES (?, ?, '', ?, ?, '')",
                    (time.time(), rows[0][0], rows[0][3], sentence),
                )
            self._remove_unborn(connection, touched)

    @staticmethod
    def _remove_unborn(connection: sqlite3.Connection, placement_ids: Iterable[int]) -> None:
        """Copies that will not be made are not shown."""
        remove_placements(
            connection,
            [
                placement_id
                for placement_id in placement_ids
                if connection.execute(
                    "SELECT 1 FROM placement WHERE id = ? AND base_mailbox_id IS NULL AND mailbox_id IS NULL",
                    (placement_id,),
                ).fetchone()
            ],
        )

    @staticmethod
    def _roll_back_mailbox(connection: sqlite3.Connection, text: str, mailbox_id: int | None) -> None:
        changed = now_changed(connection)
        match decode_payload(text):
            case CreateMailbox():
                unused = connection.execute(
                    "SELECT 1 FROM placement WHERE mailbox_id = ?1 OR base_mailbox_id = ?1", (mailbox_id,)
                ).fetchone()
                if unused is None:
                    connection.execute("DELETE FROM mailbox WHERE id = ? AND wire_name IS NULL", (mailbox_id,))
            case RenameMailbox() | DeleteMailbox():
                connection.execute(
                    "UPDATE mailbox SET name = base_name, pending = '', changed = ? WHERE id = ?", (changed, mailbox_id)
                )
            case Subscribe():
                connection.execute(
                    "UPDATE mailbox SET subscribed = base_subscribed, changed = ? WHERE id = ?", (changed, mailbox_id)
                )

    def next_due(self, account: str) -> float | None:
        """When the next waiting operation may be tried (Unix seconds); None where nothing waits."""
        row = (
            self._database.reader()
            .execute(
                f"SELECT min(o.next_at) FROM {OPERATION_TABLES} WHERE a.name = ? AND o.state IN ('pending', 'running')",
                (account,),
            )
            .fetchone()
        )
        return None if row[0] is None else float(row[0])

    def pending_count(self, account: str) -> int:
        """How many operations wait."""
        row = (
            self._database.reader()
            .execute(
                f"SELECT count(*) FROM {OPERATION_TABLES} WHERE a.name = ? AND o.state IN ('pending', 'running')",
                (account,),
            )
            .fetchone()
        )
        return int(row[0])

    @staticmethod
    def _done(connection: sqlite3.Connection, operation_id: int) -> None:
        connection.execute("UPDATE operation SET state = 'done', last_error = '' WHERE id = ?", (operation_id,))

    @staticmethod
    def _set_state(
        connection: sqlite3.Connection, operation_ids: Iterable[int], state: str, sentence: str
    ) -> list[int]:
        touched: list[int] = []
        for operation_id in operation_ids:
            connection.execute(
                "UPDATE operation SET state = ?, last_error = ? WHERE id = ?", (state, sentence, operation_id)
            )
            row = connection.execute("SELECT placement_id FROM operation WHERE id = ?", (operation_id,)).fetchone()
            if row is not None and row[0] is not None:
                touched.append(row[0])
        return touched
