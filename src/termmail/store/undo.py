"""What `undo` would do, as rows, so that it survives a restart."""

from __future__ import annotations

import sqlite3
import time

import msgspec

from termmail.model.flags import FlagSet
from termmail.store.database import Database


class UndoFlags(msgspec.Struct, frozen=True, tag="flags"):
    placement_ids: tuple[int, ...]
    add: FlagSet
    remove: FlagSet


class UndoMove(msgspec.Struct, frozen=True, tag="move"):
    placement_ids: tuple[int, ...]
    mailbox_id: int


class UndoCopy(msgspec.Struct, frozen=True, tag="copy"):
    placement_ids: tuple[int, ...]


class UndoRename(msgspec.Struct, frozen=True, tag="rename"):
    mailbox_id: int
    name: str


class UndoSubscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    mailbox_id: int
    subscribed: bool


class UndoSend(msgspec.Struct, frozen=True, tag="send"):
    outbox_id: int


class UndoDiscard(msgspec.Struct, frozen=True, tag="discard"):
    draft_id: str


Inverse = UndoFlags | UndoMove | UndoCopy | UndoRename | UndoSubscribe | UndoSend | UndoDiscard

_KEPT = 200
_decoder = msgspec.json.Decoder(list[Inverse])


def record(connection: sqlite3.Connection, undo_id: int | None, sentence: str, inverses: list[Inverse]) -> int:
    """Append inverses to an undo row, or begin one; returns its id."""
    earlier = None
    if undo_id is not None:
        # Another front end may have taken it back while the rest of the intent was still to come.
        earlier = connection.execute("SELECT inverses FROM undo WHERE id = ?", (undo_id,)).fetchone()
    if earlier is not None:
        inverses = [*_decoder.decode(earlier[0]), *inverses]
        connection.execute(
            "UPDATE undo SET inverses = ?, sentence = ? WHERE id = ?",
            (msgspec.json.encode(inverses).decode(), sentence, undo_id),
        )
        assert undo_id is not None
        return undo_id
    cursor = connection.execute(
        "INSERT INTO undo (at, sentence, inverses) VALUES (?, ?, ?)",
        (time.time(), sentence, msgspec.json.encode(inverses).decode()),
    )
    assert cursor.lastrowid is not None
    connection.execute("DELETE FROM undo WHERE id <= ?", (cursor.lastrowid - _KEPT,))
    return cursor.lastrowid


def take_last(
    connection: sqlite3.Connection, undo_id: int | None, at_once: int
) -> tuple[int, str, list[Inverse], bool] | None:
    """Remove inverses from the newest undo row, or the one given, the last done first, until they name `at_once` messages.

    Returns the row's id, its sentence, the inverses, and whether more are left; None where there is no such row.
    """
    row = connection.execute(
        "SELECT id, sentence, inverses FROM undo WHERE ?1 IS NULL OR id = ?1 ORDER BY id DESC LIMIT 1", (undo_id,)
    ).fetchone()
    if row is None:
        return None
    left: list[Inverse] = _decoder.decode(row[2])
    taken: list[Inverse] = []
    count = 0
    while left and count < at_once:
        taken.append(left.pop())
        count += _size(taken[-1])
    if left:
        connection.execute("UPDATE undo SET inverses = ? WHERE id = ?", (msgspec.json.encode(left).decode(), row[0]))
    else:
        connection.execute("DELETE FROM undo WHERE id = ?", (row[0],))
    return row[0], row[1], taken, bool(left)


def last_sent(database: Database, undo_id: int | None) -> list[int]:
    """The outbox items that `take_last` is about to take back."""
    row = database.one("SELECT inverses FROM undo WHERE ?1 IS NULL OR id = ?1 ORDER BY id DESC LIMIT 1", (undo_id,))
    if row is None or '"send"' not in row[0]:
        return []
    return [inverse.outbox_id for inverse in _decoder.decode(row[0]) if isinstance(inverse, UndoSend)]


def _size(inverse: Inverse) -> int:
    return len(inverse.placement_ids) if isinstance(inverse, UndoFlags | UndoMove | UndoCopy) else 1
