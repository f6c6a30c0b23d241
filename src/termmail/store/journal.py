"""The journal: edits that still have to reach a server, in order per message, free across messages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from termmail.model.flags import Flag, FlagSet
from termmail.model.local import OperationSource, UploadSource
from termmail.model.operation import (
    Copy,
    CreateMailbox,
    DeleteMailbox,
    FlagChange,
    Move,
    Operation,
    RenameMailbox,
    Subscribe,
    Upload,
)
from termmail.store.codec import (
    OPERATION_COLUMNS,
    OPERATION_TABLES,
    column_text,
    decode_envelope,
    encode_payload,
    flag_set,
    json_ids,
    keyword_set,
    keywords_text,
    operation_row,
)
from termmail.store.database import Database, now_changed
from termmail.store.doomed import sweep
from termmail.store.effective import ACTIVE, recompute, remove_placements, want_link
from termmail.store.effective_mailboxes import recompute_mailboxes, settle_created
from termmail.store.mailboxes import MailboxIngest
from termmail.store.messages import count_candidates
from termmail.store.settling import give_up, hold_to, take_double

# In order for each message; a copy is in order with what it is made of too. Mailboxes wait for those that are created and renamed
# before, since names may depend on it; one that is to be deleted waits for all that goes in and out.
_DUE = f"""
SELECT {OPERATION_COLUMNS} FROM {OPERATION_TABLES}
LEFT JOIN placement p ON p.id = o.placement_id LEFT JOIN mailbox t ON t.id = o.mailbox_id
WHERE a.name = ? AND o.state IN ('pending', 'running') AND o.next_at <= ? AND CASE
WHEN o.placement_id IS NOT NULL THEN
    (p.uid IS NOT NULL OR p.base_mailbox_id IS NULL) AND (t.id IS NULL OR t.wire_name IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM operation e
        WHERE e.state IN ('pending', 'running') AND e.placement_id = o.placement_id AND e.id < o.id)
    AND NOT EXISTS (SELECT 1 FROM operation e
        WHERE e.state IN ('pending', 'running') AND e.source_id = o.placement_id AND e.id < o.id)
    AND (o.source_id IS NULL OR
        NOT EXISTS (SELECT 1 FROM placement s WHERE s.id = o.source_id AND s.uid IS NULL)
        AND NOT EXISTS (SELECT 1 FROM operation e
            WHERE e.state IN ('pending', 'running') AND e.placement_id = o.source_id AND e.id < o.id))
ELSE
    NOT EXISTS (SELECT 1 FROM operation e
        WHERE e.account_id = o.account_id AND e.state IN ('pending', 'running') AND e.placement_id IS NULL AND e.id < o.id
        AND (e.mailbox_id = o.mailbox_id OR json_extract(e.payload, '$.type') IN ('create', 'rename')))
    AND (json_extract(o.payload, '$.type') <> 'delete-mailbox' OR NOT EXISTS (SELECT 1 FROM operation e
        LEFT JOIN placement q ON q.id = e.placement_id LEFT JOIN placement s ON s.id = e.source_id
        WHERE e.account_id = o.account_id AND e.state IN ('pending', 'running') AND e.placement_id IS NOT NULL
        AND (e.mailbox_id = o.mailbox_id OR q.base_mailbox_id = o.mailbox_id OR s.base_mailbox_id = o.mailbox_id)))
END
ORDER BY o.id LIMIT ?
"""


class Journal(MailboxIngest):
    """The engine's side of the journal. Shares the engine's `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._home = database.home
        self._handed: dict[str, dict[int, Operation]] = {}

    def due(self, account: str, now: float, limit: int = 200) -> list[Operation]:
        """The operations whose turn it is, oldest first: the first waiting one of each message or mailbox.

        One that needs a mailbox which the server does not have yet, or a message whose UID is not known yet, waits.
        """
        operations = [operation_row(row) for row in self._database.all(_DUE, (account, now, limit))]
        self._handed[account] = {operation.id: operation for operation in operations}
        return operations

    def source(self, operation: Operation) -> OperationSource | None:
        """Where the operation's message (a copy's source) or mailbox is on the server now; None where it is gone from here."""
        payload = operation.payload
        if isinstance(payload, CreateMailbox | RenameMailbox | DeleteMailbox | Subscribe):
            row = self._database.one(
                "SELECT id, wire_name, uidvalidity FROM mailbox WHERE id = ?", (payload.mailbox_id,)
            )
            if row is None:
                return None
            return OperationSource(row[0], None if row[1] is None else bytes(row[1]), row[2], None, FlagSet(), "", 0, 0)
        placement_id = payload.source_id if isinstance(payload, Copy) else operation.placement_id
        row = self._database.one(
            "SELECT b.id, b.wire_name, b.uidvalidity, p.uid, p.base_flags, p.base_keywords, m.envelope, m.size, p.received_at"
            " FROM placement p JOIN message m ON m.id = p.message_id JOIN mailbox b ON b.id = p.base_mailbox_id WHERE p.id = ?",
            (placement_id,),
        )
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

    def begin(self, operation_ids: Sequence[int]) -> frozenset[int]:
        """Count the attempt and say that it runs, durably, before the server hears of it. Returns which are to be carried out.

        What the user took back or changed since `due` handed it out begins as it was handed out, since that is what the server
        will hear; the user's wish follows as an operation of its own. Only a deletion for good, after which no wish could follow, does
        not begin once it was taken back.
        """
        handed = {key: operation for known in list(self._handed.values()) for key, operation in known.items()}
        begun = set(operation_ids)
        with self._database.write() as connection:
            for operation_id in operation_ids:
                if operation_id in handed and not hold_to(connection, handed[operation_id]):
                    begun.discard(operation_id)
            connection.executemany(
                f"UPDATE operation SET state = 'running', attempts = attempts + 1 WHERE id = ? AND {ACTIVE}",
                ((operation_id,) for operation_id in operation_ids),
            )
        return frozenset(begun)

    def finish_flags(self, operations: Sequence[Operation], *, local: FlagSet | None = None) -> None:
        """The server has these flag changes: base follows. Keywords in `local` it would not keep: they stay here."""
        refused = FlagSet() if local is None else local
        with self._database.write(durable=False) as connection:
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

    def begin_upload(self, operation: Operation) -> Path | None:
        """Count the attempt and say that it runs; the file to upload, or None where the user has taken the message away meanwhile."""
        payload = operation.payload
        assert isinstance(payload, Upload)
        with self._database.write() as connection:
            begun = connection.execute(
                f"UPDATE operation SET state = 'running', attempts = attempts + 1 WHERE id = ? AND {ACTIVE}",
                (operation.id,),
            ).rowcount
        path = self._home.uploads / payload.file
        return path if begun and path.exists() else None

    def upload_source(self, operation: Operation) -> UploadSource | None:
        """What is to be uploaded; None where the message is gone."""
        row = self._database.one(
            "SELECT m.envelope, p.base_flags, p.base_keywords, p.received_at FROM placement p"
            " JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (operation.placement_id,),
        )
        if row is None:
            return None
        return UploadSource(decode_envelope(row[0]).message_id_header, flag_set(row[1], row[2]), row[3])

    def retarget_upload(self, operation: Operation) -> None:
        """The mailbox is gone: the message goes to the inbox, since there is no other copy (L9)."""
        payload = operation.payload
        assert isinstance(payload, Upload)
        with self._database.write() as connection:
            inbox = connection.execute(
                "SELECT b.id FROM mailbox b JOIN operation o ON o.account_id = b.account_id WHERE o.id = ? AND b.role = 'inbox'",
                (operation.id,),
            ).fetchone()
            if inbox is not None and operation.placement_id is not None:
                connection.execute(
                    f"UPDATE operation SET mailbox_id = ?, payload = ? WHERE id = ? AND {ACTIVE}",
                    (inbox[0], encode_payload(Upload(inbox[0], payload.file)), operation.id),
                )
                recompute(connection, [operation.placement_id])

    def end_upload_without_file(self, operation: Operation) -> None:
        """There is nothing to upload: the user took the message away, or its file is gone, which is told."""
        row = self._database.one(f"SELECT 1 FROM operation WHERE id = ? AND {ACTIVE}", (operation.id,))
        if row is None:
            return
        self.finish_expunge(operation)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO problem (at, account, mailbox, sentence, detail) VALUES (?, ?, '', ?, '')",
                (
                    time.time(),
                    operation.account,
                    "A message that was made here could not be put into its folder: its file is gone.",
                ),
            )

    def finish_upload(self, operation: Operation, uid: int | None, uidvalidity: int | None) -> None:
        """The mailbox has the message, which is durable when this returns (L3): its file in `.uploads` may go. As `finish_move`."""
        payload = operation.payload
        assert isinstance(payload, Upload)
        assert operation.placement_id is not None
        self._place(operation.id, operation.placement_id, payload.mailbox_id, uid, uidvalidity, durable=True)

    def _place(
        self,
        operation_id: int,
        placement_id: int,
        mailbox_id: int,
        uid: int | None,
        uidvalidity: int | None,
        *,
        durable: bool = False,
    ) -> None:
        with self._database.write(durable=durable) as connection:
            row = connection.execute("SELECT uidvalidity FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
            here = connection.execute("SELECT 1 FROM placement WHERE id = ?", (placement_id,)).fetchone()
            self._done(connection, operation_id)
            if row is None:
                remove_placements(connection, [placement_id])
            elif here is not None:
                trusted = uid if row[0] == uidvalidity else None
                if trusted is not None:
                    take_double(connection, placement_id, mailbox_id, trusted)
                connection.execute(
                    "UPDATE placement SET base_mailbox_id = ?, uid = ? WHERE id = ?",
                    (mailbox_id, trusted, placement_id),
                )
                recompute(connection, [placement_id])
                want_link(connection, [placement_id])
                if trusted is None:
                    count_candidates(connection, mailbox_id)
        sweep(self._database)

    def finish_expunge(self, operation: Operation) -> None:
        """The server has deleted the message for good."""
        assert operation.placement_id is not None
        with self._database.write(durable=False) as connection:
            self._done(connection, operation.id)
            remove_placements(connection, [operation.placement_id])
        sweep(self._database)

    def gone(self, operation: Operation) -> None:
        """The message is no longer on the server: somebody else removed it. It and its operations go."""
        self.finish_expunge(operation)

    def drop(self, operation_ids: Sequence[int]) -> None:
        """These operations need nothing any more; what the user sees follows base again."""
        with self._database.write() as connection:
            for operation_id in operation_ids:
                give_up(connection, operation_id, "cancelled", "")

    def finish_created(self, operation: Operation, wire_name: bytes) -> None:
        """The server has the mailbox under this name."""
        payload = operation.payload
        assert isinstance(payload, CreateMailbox)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            settle_created(connection, payload.mailbox_id, wire_name)
        self.write_identities([payload.mailbox_id])

    def finish_renamed(self, operation: Operation, wire_name: bytes) -> None:
        """The server has renamed the mailbox, and its children with it (RFC 9051 §6.3.6)."""
        payload = operation.payload
        assert isinstance(payload, RenameMailbox)
        renamed = self._renamed(payload, wire_name)
        for mailbox_id, new_wire_name, _ in renamed:
            # A listing took the new name for a new mailbox.
            double = self._database.one(
                "SELECT o.id FROM mailbox o JOIN mailbox b ON b.account_id = o.account_id WHERE b.id = ? AND o.wire_name = ?"
                " AND o.id NOT IN (SELECT value FROM json_each(?))",
                (mailbox_id, new_wire_name, json_ids(one[0] for one in renamed)),
            )
            if double is not None:
                self.remove_mailbox(double[0])
        with self._database.write() as connection:
            self._done(connection, operation.id)
            changed = now_changed(connection)
            connection.executemany(
                "UPDATE mailbox SET wire_name = NULL WHERE id = ?", ((mailbox_id,) for mailbox_id, _, _ in renamed)
            )
            connection.executemany(
                "UPDATE mailbox SET wire_name = ?, base_name = ?, changed = ? WHERE id = ?",
                ((new_wire_name, name, changed, mailbox_id) for mailbox_id, new_wire_name, name in renamed),
            )
            self._recompute_mailboxes(connection, payload.mailbox_id)
        self.write_identities(mailbox_id for mailbox_id, _, _ in renamed)

    def _renamed(self, payload: RenameMailbox, wire_name: bytes) -> list[tuple[int, bytes, str]]:
        """(id, wire name, name) of a renamed mailbox and of all below it, as they are on the server now."""
        row = self._database.one(
            "SELECT account_id, wire_name, base_name, delimiter FROM mailbox WHERE id = ?", (payload.mailbox_id,)
        )
        if row is None:
            return []
        owner_id, old_wire, old_name, delimiter = row[0], bytes(row[1] or b""), row[2], row[3]
        renamed = [(payload.mailbox_id, wire_name, payload.new_name)]
        if delimiter and old_wire:
            separator = delimiter.encode()
            for child_id, child_wire, child_name in self._database.all(
                "SELECT id, wire_name, base_name FROM mailbox WHERE account_id = ? AND wire_name IS NOT NULL",
                (owner_id,),
            ):
                if bytes(child_wire).startswith(old_wire + separator):
                    new_wire = wire_name + bytes(child_wire)[len(old_wire) :]
                    renamed.append((child_id, new_wire, payload.new_name + child_name[len(old_name) :]))
        return renamed

    @staticmethod
    def _recompute_mailboxes(connection: sqlite3.Connection, mailbox_id: int) -> None:
        row = connection.execute("SELECT account_id FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
        if row is not None:
            recompute_mailboxes(connection, row[0])

    def finish_deleted(self, operation: Operation) -> None:
        """The server has deleted the mailbox."""
        payload = operation.payload
        assert isinstance(payload, DeleteMailbox)
        self.remove_mailbox(payload.mailbox_id, operation.id)

    def finish_subscribed(self, operation: Operation) -> None:
        """The server has the subscription as wished."""
        payload = operation.payload
        assert isinstance(payload, Subscribe)
        with self._database.write() as connection:
            self._done(connection, operation.id)
            connection.execute(
                "UPDATE mailbox SET base_subscribed = ? WHERE id = ?", (payload.subscribed, payload.mailbox_id)
            )
            self._recompute_mailboxes(connection, payload.mailbox_id)

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
            rows = connection.execute(
                f"SELECT a.name, o.placement_id FROM {OPERATION_TABLES}"
                " WHERE o.id IN (SELECT value FROM json_each(?)) ORDER BY o.id",
                (json_ids(operation_ids),),
            ).fetchall()
            for operation_id in operation_ids:
                give_up(connection, operation_id, "failed", sentence)
            if rows:
                connection.execute(
                    "INSERT INTO problem (at, account, mailbox, placement_id, sentence, detail) VALUES (?, ?, '', ?, ?, '')",
                    (time.time(), rows[0][0], rows[0][1], column_text(sentence)),
                )

    def next_due(self, account: str) -> float | None:
        """When the next waiting operation may be tried (Unix seconds); None where nothing waits."""
        row = self._database.one(
            f"SELECT min(o.next_at) FROM {OPERATION_TABLES} WHERE a.name = ? AND o.state IN ('pending', 'running')",
            (account,),
        )
        return None if row is None or row[0] is None else float(row[0])

    def pending_count(self, account: str) -> int:
        """How many operations wait."""
        row = self._database.one(
            f"SELECT count(*) FROM {OPERATION_TABLES} WHERE a.name = ? AND o.state IN ('pending', 'running')",
            (account,),
        )
        return 0 if row is None else int(row[0])

    def done_count(self, account: str) -> int:
        """How many operations the server has carried out that are still remembered; the difference of two tells what went out."""
        row = self._database.one(
            f"SELECT count(*) FROM {OPERATION_TABLES} WHERE a.name = ? AND o.state = 'done'", (account,)
        )
        return 0 if row is None else int(row[0])

    @staticmethod
    def _done(connection: sqlite3.Connection, operation_id: int) -> None:
        connection.execute("UPDATE operation SET state = 'done', last_error = '' WHERE id = ?", (operation_id,))
