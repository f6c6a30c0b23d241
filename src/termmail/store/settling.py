"""How operations end, or turn out to have been begun, when the user or a listing was quicker."""

from __future__ import annotations

import sqlite3
import time

from termmail.model.flags import FlagSet
from termmail.model.operation import (
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Expunge,
    FlagChange,
    Move,
    Operation,
    RenameMailbox,
    Upload,
)
from termmail.store import edits
from termmail.store.codec import column_text, decode_payload, encode_payload, flag_set
from termmail.store.database import now_changed
from termmail.store.effective import ACTIVE, drop_orphan, recompute, remove_placements, remove_unborn
from termmail.store.effective_mailboxes import abandon_mailbox, recompute_mailboxes, roll_back_rename

_UPLOAD_PAUSE = 3600.0


def give_up(connection: sqlite3.Connection, operation_id: int, state: str, sentence: str) -> None:
    """An operation will not be carried out: it is `failed` or `cancelled`, and what the user sees rolls back to base.

    What can't be without it goes too: the copy that was to be made, moves into the mailbox that was to be created.
    """
    row = connection.execute(
        "SELECT account_id, placement_id, mailbox_id, payload FROM operation WHERE id = ? AND state <> 'done'",
        (operation_id,),
    ).fetchone()
    if row is None:
        return
    owner_id, placement_id, mailbox_id, text = row
    if isinstance(decode_payload(text), Upload):
        put_off_upload(connection, operation_id, sentence)
        return
    connection.execute(
        "UPDATE operation SET state = ?, last_error = ? WHERE id = ?", (state, column_text(sentence), operation_id)
    )
    if placement_id is not None:
        recompute(connection, [placement_id])
        remove_unborn(connection, [placement_id])
        return
    match decode_payload(text):
        case CreateMailbox():
            unborn = connection.execute("SELECT wire_name IS NULL FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
            if unborn is not None and unborn[0]:
                abandon_mailbox(connection, mailbox_id, column_text(sentence))
        case RenameMailbox(new_name=new_name):
            roll_back_rename(connection, owner_id, mailbox_id, new_name)
    recompute_mailboxes(connection, owner_id)


def put_off_upload(connection: sqlite3.Connection, operation_id: int, sentence: str) -> None:
    """A mailbox did not take a message that was made here, which is the only copy: it stays, and is tried again in an hour (L9)."""
    connection.execute(
        f"UPDATE operation SET last_error = ?, next_at = ? WHERE id = ? AND {ACTIVE}",
        (column_text(sentence), time.time() + _UPLOAD_PAUSE, operation_id),
    )


def hold_to(connection: sqlite3.Connection, handed: Operation) -> bool:
    """An operation is about to be carried out as it was handed out: if the user has changed it or taken it back since, it runs so
    all the same, and what the user wants instead is journalled after it. False for a deletion for good that was taken back."""
    row = connection.execute("SELECT account_id, state, payload FROM operation WHERE id = ?", (handed.id,)).fetchone()
    if row is None or row[1] not in ("pending", "cancelled"):
        return True
    if row[1] == "pending" and decode_payload(row[2]) == handed.payload:
        return True
    if isinstance(handed.payload, Expunge | DeleteMailbox):
        return False
    if handed.placement_id is not None:
        _hold_to_edit(connection, row[0], handed, handed.placement_id)
    elif isinstance(handed.payload, RenameMailbox):
        _hold_to_rename(connection, row[0], handed, handed.payload)
    return True


def _revive(connection: sqlite3.Connection, handed: Operation) -> None:
    connection.execute(
        "UPDATE operation SET state = 'running', payload = ? WHERE id = ?", (encode_payload(handed.payload), handed.id)
    )


def _hold_to_edit(connection: sqlite3.Connection, owner_id: int, handed: Operation, placement_id: int) -> None:
    wanted = _seen(connection, placement_id)
    if wanted is None:
        if not isinstance(handed.payload, Copy) or not _reborn(connection, placement_id, handed.payload):
            return
        wanted = (None, FlagSet())
    _revive(connection, handed)
    recompute(connection, [placement_id])
    shown = _seen(connection, placement_id)
    assert shown is not None
    if wanted[0] is None and shown[0] is not None:
        edits.journal(connection, owner_id, Expunge(), placement_id, None)
    elif wanted[0] is not None and wanted[0] != shown[0]:
        edits.journal(connection, owner_id, Move(wanted[0]), placement_id, wanted[0])
    add, remove = wanted[1].minus(shown[1]), shown[1].minus(wanted[1])
    if wanted[0] is not None and (add or remove):
        edits.journal(connection, owner_id, FlagChange(add, remove), placement_id, None)
    recompute(connection, [placement_id])


def _seen(connection: sqlite3.Connection, placement_id: int) -> tuple[int | None, FlagSet] | None:
    row = connection.execute(
        "SELECT mailbox_id, flags, keywords FROM placement WHERE id = ?", (placement_id,)
    ).fetchone()
    return None if row is None else (row[0], flag_set(row[1], row[2]))


def _reborn(connection: sqlite3.Connection, placement_id: int, payload: Copy) -> bool:
    """The placement of a copy that was taken back, invisible; False where it can't be made any more."""
    target = connection.execute("SELECT 1 FROM mailbox WHERE id = ?", (payload.mailbox_id,)).fetchone()
    if target is None:
        return False
    return bool(
        connection.execute(
            "INSERT INTO placement (id, message_id, received_at, changed) SELECT ?, message_id, received_at, ? FROM placement"
            " WHERE id = ?",
            (placement_id, now_changed(connection), payload.source_id),
        ).rowcount
    )


def _hold_to_rename(connection: sqlite3.Connection, owner_id: int, handed: Operation, payload: RenameMailbox) -> None:
    wanted = connection.execute("SELECT name FROM mailbox WHERE id = ?", (payload.mailbox_id,)).fetchone()
    if wanted is None:
        return
    _revive(connection, handed)
    recompute_mailboxes(connection, owner_id)
    shown = connection.execute("SELECT name FROM mailbox WHERE id = ?", (payload.mailbox_id,)).fetchone()
    if shown != wanted:
        again = RenameMailbox(payload.mailbox_id, wanted[0])
        edits.journal(connection, owner_id, again, None, payload.mailbox_id)
        recompute_mailboxes(connection, owner_id)


def take_double(connection: sqlite3.Connection, placement_id: int, mailbox_id: int, uid: int) -> None:
    """A listing saw the arrival of a message first: the placement that people know the id of stays, and takes over from the one that
    was made for it what the server said, what the user did, and the body."""
    double = connection.execute(
        "SELECT id, message_id, base_flags, base_keywords, received_at, file_mailbox_id, file_name FROM placement"
        " WHERE base_mailbox_id = ? AND uid = ? AND id <> ?",
        (mailbox_id, uid, placement_id),
    ).fetchone()
    if double is None:
        return
    double_id, message_id, system, keywords, received_at, file_mailbox_id, file_name = double
    connection.execute(
        "UPDATE placement SET base_flags = ?, base_keywords = ?, received_at = ? WHERE id = ?",
        (system, keywords, received_at, placement_id),
    )
    connection.execute(
        f"UPDATE operation SET placement_id = ? WHERE placement_id = ? AND {ACTIVE}", (placement_id, double_id)
    )
    for operation_id, text in connection.execute(
        f"SELECT id, payload FROM operation WHERE source_id = ? AND {ACTIVE}", (double_id,)
    ).fetchall():
        payload = decode_payload(text)
        assert isinstance(payload, Copy)
        connection.execute(
            "UPDATE operation SET source_id = ?, payload = ? WHERE id = ?",
            (placement_id, encode_payload(Copy(placement_id, payload.mailbox_id)), operation_id),
        )
    (old_message_id, old_file) = connection.execute(
        "SELECT message_id, file_name FROM placement WHERE id = ?", (placement_id,)
    ).fetchone()
    if file_name is not None and old_file is None:
        connection.execute("UPDATE placement SET file_mailbox_id = NULL, file_name = NULL WHERE id = ?", (double_id,))
        connection.execute(
            "UPDATE placement SET message_id = ?, file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ?",
            (message_id, file_mailbox_id, file_name, placement_id),
        )
        drop_orphan(connection, old_message_id)
    remove_placements(connection, [double_id])
