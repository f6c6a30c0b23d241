"""The one way in which message and placement rows come into being."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

import msgspec

from termmail.model.flags import Flag, FlagSet
from termmail.model.message import Envelope
from termmail.store.codec import column_text, encode_envelope, keywords_text
from termmail.store.database import now_changed

ROWS_AT_ONCE = 40
"""Rows that go in with one statement; a multiple of it wastes none."""


class NewPlacement(msgspec.Struct, frozen=True):
    """A placement to insert. `base_mailbox_id` is None where the server does not have it yet."""

    message_id: int
    mailbox_id: int
    base_mailbox_id: int | None
    uid: int | None
    flags: FlagSet
    received_at: int
    file_name: str | None = None


def sort_sender(envelope: Envelope) -> str:
    """What a list sorted by sender goes by."""
    first = envelope.from_[0] if envelope.from_ else None
    return (first.name or first.address).casefold() if first else ""


def sort_subject(subject: str) -> str:
    """The subject without Re: and Fwd:, folded."""
    folded = subject.casefold().strip()
    while folded[:3] in ("re:", "fw:", "aw:", "wg:", "sv:") or folded[:4] == "fwd:":
        folded = folded.partition(":")[2].lstrip()
    return folded


def envelope_columns(envelope: Envelope, size: int, email_id: str) -> tuple[object, ...]:
    """The values of `message_id_header, subject, sender, envelope, sent_at, size, email_id, has_attachments`."""
    return (
        column_text(envelope.message_id_header),
        column_text(sort_subject(envelope.subject)),
        column_text(sort_sender(envelope)),
        # Of a type that sqlite3 takes as it is; for bytes and bool it looks up an adapter each time.
        bytearray(encode_envelope(envelope)),
        envelope.sent_at,
        size,
        column_text(email_id),
        int(envelope.has_attachments),
    )


def insert_messages(
    connection: sqlite3.Connection, owner_id: int, messages: Sequence[tuple[Envelope, int, str]]
) -> range:
    """Rows for messages of (envelope, size, email id); returns their ids."""
    first = _next_id(connection, "message")
    _insert(
        connection,
        "message (id, account_id, message_id_header, subject, sender, envelope, sent_at, size, email_id, has_attachments)",
        [
            (first + offset, owner_id, *envelope_columns(envelope, size, email_id))
            for offset, (envelope, size, email_id) in enumerate(messages)
        ],
    )
    return range(first, first + len(messages))


def insert_placements(connection: sqlite3.Connection, placements: Sequence[NewPlacement]) -> range:
    """Rows for placements, effective as base; counts them in their mailboxes. Returns their ids."""
    first = _next_id(connection, "placement")
    changed = now_changed(connection)
    # Most have no file yet, and a column left out costs nothing.
    filed = any(new.file_name is not None for new in placements)
    rows: list[tuple[object, ...]] = []
    totals: dict[int, list[int]] = {}
    for placement_id, new in enumerate(placements, first):
        flags, keywords = int(new.flags.system), keywords_text(new.flags.keywords)
        row = (
            placement_id, new.message_id, new.mailbox_id, new.base_mailbox_id, new.uid, flags, keywords, flags, keywords,
            new.received_at, changed,
        )  # fmt: skip
        rows.append((*row, new.file_name and new.mailbox_id, new.file_name) if filed else row)
        counts = totals.setdefault(new.mailbox_id, [0, 0])
        counts[0] += 1
        counts[1] += not flags & Flag.SEEN.value
    _insert(
        connection,
        "placement (id, message_id, mailbox_id, base_mailbox_id, uid, base_flags, base_keywords, flags, keywords, received_at,"
        f" changed{', file_mailbox_id, file_name' if filed else ''})",
        rows,
    )
    for mailbox_id, (total, unread) in totals.items():
        connection.execute(
            "UPDATE mailbox SET total = total + ?, unread = unread + ?, changed = ? WHERE id = ?",
            (total, unread, changed, mailbox_id),
        )
    return range(first, first + len(placements))


def _insert(connection: sqlite3.Connection, table_and_columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, many with each statement: it is the statements that take the time, each with its look at sqlite_sequence."""
    if not rows:
        return
    marks = f"({', '.join('?' * len(rows[0]))})"
    statement = f"INSERT INTO {table_and_columns} VALUES "
    single = len(rows) % ROWS_AT_ONCE
    connection.executemany(statement + marks, rows[:single])
    many = statement + ", ".join([marks] * ROWS_AT_ONCE)
    for start in range(single, len(rows), ROWS_AT_ONCE):
        connection.execute(many, [*chain.from_iterable(rows[start : start + ROWS_AT_ONCE])])


def _next_id(connection: sqlite3.Connection, table: str) -> int:
    # AUTOINCREMENT keeps the highest id ever given here; inside a write transaction nobody else takes the next.
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 1 if row is None else int(row[0]) + 1
