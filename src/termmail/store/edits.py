"""Edits of one placement as operations of the journal; opposite waiting pairs cancel."""

from __future__ import annotations

import sqlite3
import time

from termmail.model.flags import FlagSet
from termmail.model.operation import Copy, Expunge, FlagChange, Move, Payload
from termmail.store.codec import decode_payload, encode_payload
from termmail.store.effective import ACTIVE, base_flags, recompute, remove_unborn


def journal(
    connection: sqlite3.Connection, owner_id: int, payload: Payload, placement_id: int | None, mailbox_id: int | None
) -> int:
    """Append an operation; returns its id."""
    source_id = payload.source_id if isinstance(payload, Copy) else None
    cursor = connection.execute(
        "INSERT INTO operation (account_id, placement_id, source_id, mailbox_id, payload, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (owner_id, placement_id, source_id, mailbox_id, encode_payload(payload), time.time()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _last_waiting(connection: sqlite3.Connection, placement_id: int) -> tuple[int, Payload, bool] | None:
    """The placement's newest active operation if no attempt at it was made: (id, payload, whether it is the only one)."""
    rows = connection.execute(
        f"SELECT id, payload, state FROM operation WHERE placement_id = ? AND {ACTIVE} ORDER BY id DESC",
        (placement_id,),
    ).fetchall()
    if not rows or rows[0][2] != "pending":
        return None
    return rows[0][0], decode_payload(rows[0][1]), len(rows) == 1


def _cancel(connection: sqlite3.Connection, operation_id: int) -> None:
    connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (operation_id,))


def change_flags(
    connection: sqlite3.Connection, owner_id: int, placement_id: int, add: FlagSet, remove: FlagSet
) -> None:
    """Journal +FLAGS and -FLAGS of one placement and show them."""
    waiting = _last_waiting(connection, placement_id)
    operation_id, earlier, only = waiting or (0, None, False)
    if isinstance(earlier, FlagChange):
        add, remove = (
            earlier.add.minus(remove).apply(add, FlagSet()),
            earlier.remove.minus(add).apply(remove, FlagSet()),
        )
        if only:
            base = base_flags(connection, placement_id)
            add, remove = add.minus(base), remove.minus(remove.minus(base))
        if add or remove:
            connection.execute(
                "UPDATE operation SET payload = ? WHERE id = ?", (encode_payload(FlagChange(add, remove)), operation_id)
            )
        else:
            _cancel(connection, operation_id)
    else:
        journal(connection, owner_id, FlagChange(add, remove), placement_id, None)
    recompute(connection, [placement_id])


def move(connection: sqlite3.Connection, owner_id: int, placement_id: int, mailbox_id: int) -> None:
    """Journal a move of one placement and show it there."""
    waiting = _last_waiting(connection, placement_id)
    if waiting is not None and isinstance(waiting[1], Move):
        _cancel(connection, waiting[0])
        recompute(connection, [placement_id])
    (current,) = connection.execute("SELECT mailbox_id FROM placement WHERE id = ?", (placement_id,)).fetchone()
    if current != mailbox_id:
        journal(connection, owner_id, Move(mailbox_id), placement_id, mailbox_id)
        recompute(connection, [placement_id])


def expunge(connection: sqlite3.Connection, owner_id: int, placement_id: int) -> None:
    """Journal a deletion for good; what else waited for the placement is not needed any more, but by what is to be copied from it."""
    copied = connection.execute(f"SELECT 1 FROM operation WHERE source_id = ? AND {ACTIVE}", (placement_id,)).fetchone()
    connection.execute(
        f"UPDATE operation SET state = 'cancelled' WHERE placement_id = ? AND {ACTIVE} AND state = 'pending'"
        " AND (source_id IS NULL OR ?)",
        (placement_id, copied is None),
    )
    (base_mailbox_id,) = connection.execute(
        "SELECT base_mailbox_id FROM placement WHERE id = ?", (placement_id,)
    ).fetchone()
    active = connection.execute(
        f"SELECT 1 FROM operation WHERE placement_id = ? AND {ACTIVE}", (placement_id,)
    ).fetchone()
    if base_mailbox_id is not None or active is not None:
        journal(connection, owner_id, Expunge(), placement_id, None)
    recompute(connection, [placement_id])
    remove_unborn(connection, [placement_id])
