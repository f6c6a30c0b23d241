"""What `undo` would do, as rows, so that it survives a restart."""

from __future__ import annotations

import sqlite3
import time

import msgspec

from termmail.model.flags import FlagSet


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


Inverse = UndoFlags | UndoMove | UndoCopy | UndoRename | UndoSubscribe

_KEPT = 200
_decoder = msgspec.json.Decoder(list[Inverse])


def record(connection: sqlite3.Connection, undo_id: int | None, sentence: str, inverses: list[Inverse]) -> int:
    """Append inverses to an undo row, or begin one; returns its id."""
    if undo_id is not None:
        (earlier,) = connection.execute("SELECT inverses FROM undo WHERE id = ?", (undo_id,)).fetchone()
        inverses = [*_decoder.decode(earlier), *inverses]
        connection.execute(
            "UPDATE undo SET inverses = ?, sentence = ? WHERE id = ?",
            (msgspec.json.encode(inverses).decode(), sentence, undo_id),
        )
        return undo_id
    cursor = connection.execute(
        "INSERT INTO undo (at, sentence, inverses) VALUES (?, ?, ?)",
        (time.time(), sentence, msgspec.json.encode(inverses).decode()),
    )
    assert cursor.lastrowid is not None
    connection.execute("DELETE FROM undo WHERE id <= ?", (cursor.lastrowid - _KEPT,))
    return cursor.lastrowid


def take_last(connection: sqlite3.Connection) -> tuple[str, list[Inverse]] | None:
    """Remove the newest undo row and return its sentence and inverses, the last done first."""
    row = connection.execute("SELECT id, sentence, inverses FROM undo ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return None
    connection.execute("DELETE FROM undo WHERE id = ?", (row[0],))
    return row[1], list(reversed(_decoder.decode(row[2])))
