"""What the user sees of a placement: what the server last confirmed with the pending operations applied on top."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import Copy, Expunge, FlagChange, Move
from termmail.store.codec import decode_payload, flag_set, keyword_set, keywords_text
from termmail.store.database import now_changed
from termmail.store.paths import folder_name

ACTIVE = "state IN ('pending', 'running')"


def recompute(connection: sqlite3.Connection, placement_ids: Iterable[int]) -> None:
    """Bring the effective columns of these placements up to date, inside a write transaction."""
    changed = now_changed(connection)
    for placement_id in placement_ids:
        row = connection.execute(
            "SELECT base_mailbox_id, base_flags, base_keywords, local_keywords, file_name FROM placement WHERE id = ?",
            (placement_id,),
        ).fetchone()
        if row is None:
            continue
        mailbox_id: int | None = row[0]
        flags = flag_set(row[1], row[2]).apply(FlagSet(Flag(0), keyword_set(row[3])), FlagSet())
        pending = 0
        for (text,) in connection.execute(
            f"SELECT payload FROM operation WHERE placement_id = ? AND {ACTIVE} ORDER BY id", (placement_id,)
        ):
            pending += 1
            match decode_payload(text):
                case FlagChange(add=add, remove=remove):
                    flags = flags.apply(add, remove)
                case Move(mailbox_id=target) | Copy(mailbox_id=target):
                    mailbox_id = target
                case Expunge():
                    mailbox_id = None
        connection.execute(
            "UPDATE placement SET mailbox_id = ?, flags = ?, keywords = ?, pending = ?, changed = ?,"
            " file_stale = file_name IS NOT NULL WHERE id = ?",
            (mailbox_id, int(flags.system), keywords_text(flags.keywords), pending, changed, placement_id),
        )


def remove_placements(
    connection: sqlite3.Connection, placement_ids: Iterable[int], *, keep_until: int = 0
) -> list[int]:
    """Delete placements that are gone from the server, with their waiting operations and unshared messages.

    Files become doomed, or with `keep_until` (Unix seconds) kept until then. Returns the ids deleted. The files themselves are
    removed by `doomed.sweep` after the commit.
    """
    removed: list[int] = []
    for placement_id in placement_ids:
        row = connection.execute(
            "SELECT p.message_id, p.file_mailbox_id, p.file_name, m.account_id, m.message_id_header, m.size, m.sha256"
            " FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (placement_id,),
        ).fetchone()
        if row is None:
            continue
        message_id, file_mailbox_id, file_name, account_id, message_id_header, size, sha256 = row
        connection.execute(
            f"UPDATE operation SET state = 'cancelled' WHERE placement_id = ? AND {ACTIVE}", (placement_id,)
        )
        connection.execute("DELETE FROM placement WHERE id = ?", (placement_id,))
        if file_name is not None:
            path = relative_path(connection, file_mailbox_id, file_name)
            if keep_until:
                connection.execute(
                    "INSERT OR REPLACE INTO kept_body VALUES (?, ?, ?, ?, ?, ?)",
                    (path, account_id, message_id_header, size, sha256, keep_until),
                )
            else:
                connection.execute("INSERT OR IGNORE INTO doomed_file VALUES (?)", (path,))
        drop_orphan(connection, message_id)
        removed.append(placement_id)
    return removed


def drop_orphan(connection: sqlite3.Connection, message_id: int) -> None:
    """Delete a message that no placement shows any more."""
    connection.execute(
        "DELETE FROM message WHERE id = ? AND NOT EXISTS (SELECT 1 FROM placement WHERE message_id = ?)",
        (message_id, message_id),
    )


def relative_path(connection: sqlite3.Connection, mailbox_id: int, file_name: str) -> str:
    """`<account>/<mailbox>/cur/<name>` below the mail folder."""
    account, directory = connection.execute(
        "SELECT a.name, b.directory FROM mailbox b JOIN account a ON a.id = b.account_id WHERE b.id = ?", (mailbox_id,)
    ).fetchone()
    return "/".join((account_folder(account), directory, "cur", file_name))


def account_folder(account: str) -> str:
    """The folder of an account below the mail folder."""
    return folder_name(account)
