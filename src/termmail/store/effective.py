"""What the user sees of a placement: what the server last confirmed with the pending operations applied on top."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import Copy, Expunge, FlagChange, Move, Upload
from termmail.store.codec import decode_payload, encode_payload, flag_set, keyword_set, keywords_text
from termmail.store.database import now_changed
from termmail.store.paths import folder_name

ACTIVE = "state IN ('pending', 'running')"
UPLOADS = ".uploads"
"""`Home.uploads` below the mail folder."""


def base_flags(connection: sqlite3.Connection, placement_id: int) -> FlagSet:
    """What a placement has without the pending operations: the server's flags, and the keywords that it would not keep."""
    row = connection.execute(
        "SELECT base_flags, base_keywords, local_keywords FROM placement WHERE id = ?", (placement_id,)
    ).fetchone()
    return _with_local(row[0], row[1], row[2])


def _with_local(system: int, keywords: str, local_keywords: str) -> FlagSet:
    flags = flag_set(system, keywords)
    return flags.apply(FlagSet(Flag(0), keyword_set(local_keywords)), FlagSet()) if local_keywords else flags


def recompute(connection: sqlite3.Connection, placement_ids: Iterable[int]) -> None:
    """Bring the effective columns of these placements up to date, inside a write transaction.

    A waiting move that leads to where the message is anyway, since one before it was refused, is cancelled.
    """
    changed = now_changed(connection)
    for placement_id in placement_ids:
        row = connection.execute(
            "SELECT base_mailbox_id, base_flags, base_keywords, local_keywords FROM placement WHERE id = ?",
            (placement_id,),
        ).fetchone()
        if row is None:
            continue
        mailbox_id: int | None = row[0]
        flags = _with_local(row[1], row[2], row[3])
        pending = 0
        for operation_id, text, state in connection.execute(
            f"SELECT id, payload, state FROM operation WHERE placement_id = ? AND {ACTIVE} ORDER BY id", (placement_id,)
        ).fetchall():
            match decode_payload(text):
                case FlagChange(add=add, remove=remove):
                    flags = flags.apply(add, remove)
                case Move(mailbox_id=target) if target == mailbox_id and state == "pending":
                    connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (operation_id,))
                    continue
                case Move(mailbox_id=target) | Copy(mailbox_id=target) | Upload(mailbox_id=target):
                    mailbox_id = target
                case Expunge():
                    mailbox_id = None
            pending += 1
        connection.execute(
            "UPDATE placement SET mailbox_id = ?, flags = ?, keywords = ?, pending = ?, changed = ?,"
            " file_stale = file_stale OR file_name IS NOT NULL WHERE id = ?",
            (mailbox_id, int(flags.system), keywords_text(flags.keywords), pending, changed, placement_id),
        )


def remove_placements(
    connection: sqlite3.Connection, placement_ids: Iterable[int], *, keep_until: int = 0
) -> list[int]:
    """Delete placements that are gone from the server, with their waiting operations and unshared messages.

    The file of a message that lies elsewhere too goes over to a placement there. Other files become doomed, or with `keep_until`
    (Unix seconds) kept until then. Copies that were to be made of them are not made. Returns the ids deleted. The files themselves are
    removed by `doomed.sweep` after the commit.
    """
    removed: list[int] = []
    unmade: list[int] = []
    for placement_id in placement_ids:
        row = connection.execute(
            "SELECT p.message_id, p.upload, p.file_mailbox_id, p.file_name, m.account_id, m.message_id_header, m.size, m.sha256,"
            " m.raw_size FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (placement_id,),
        ).fetchone()
        if row is None:
            continue
        message_id, upload, file_mailbox_id, file_name, *kept = row
        connection.execute(
            f"UPDATE operation SET state = 'cancelled' WHERE placement_id = ? AND {ACTIVE}", (placement_id,)
        )
        unmade += _without_source(connection, placement_id)
        connection.execute("DELETE FROM placement WHERE id = ?", (placement_id,))
        if file_name is not None and not _bequeathed(connection, message_id, file_mailbox_id, file_name):
            path = relative_path(connection, file_mailbox_id, file_name)
            if keep_until:
                connection.execute(
                    "INSERT OR REPLACE INTO kept_body (path, account_id, message_id_header, size, sha256, raw_size, until)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (path, *kept, keep_until),
                )
            else:
                connection.execute("INSERT OR IGNORE INTO doomed_file VALUES (?)", (path,))
        if upload is not None:
            connection.executemany(
                "INSERT OR IGNORE INTO doomed_file VALUES (?)",
                [(f"{UPLOADS}/{upload}",), (f"{UPLOADS}/{upload}.json",)],
            )
        drop_orphan(connection, message_id)
        removed.append(placement_id)
    if unmade:
        recompute(connection, unmade)
        remove_unborn(connection, unmade)
    return removed


def _without_source(connection: sqlite3.Connection, source_id: int) -> list[int]:
    """What waits to be copied from a placement that goes is copied from what that was itself to be copied from, where it was a copy not
    yet made; otherwise it is cancelled. Returns the placements of the copies that will not be made."""
    unmade: list[int] = []
    for operation_id, copy_id, text in connection.execute(
        f"SELECT id, placement_id, payload FROM operation WHERE source_id = ? AND {ACTIVE} AND state = 'pending'",
        (source_id,),
    ).fetchall():
        payload = decode_payload(text)
        assert isinstance(payload, Copy)
        origin = connection.execute(
            "SELECT o.source_id FROM operation o JOIN placement s ON s.id = o.source_id JOIN placement p ON p.id = o.placement_id"
            " WHERE o.placement_id = ? AND p.base_mailbox_id IS NULL",
            (source_id,),
        ).fetchone()
        if origin is None:
            connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (operation_id,))
            unmade.append(copy_id)
        else:
            connection.execute(
                "UPDATE operation SET source_id = ?, payload = ? WHERE id = ?",
                (origin[0], encode_payload(Copy(origin[0], payload.mailbox_id)), operation_id),
            )
            _postpone(connection, origin[0], operation_id)
    return unmade


def _postpone(connection: sqlite3.Connection, placement_id: int, operation_id: int) -> None:
    """What waits for a placement, but for what makes it, comes after an operation that needs the placement as it is."""
    condition = f"placement_id = ? AND source_id IS NULL AND {ACTIVE} AND state = 'pending' AND id < ?"
    connection.execute(
        "INSERT INTO operation (account_id, placement_id, source_id, mailbox_id, payload, next_at, created_at)"
        f" SELECT account_id, placement_id, source_id, mailbox_id, payload, next_at, created_at FROM operation WHERE {condition}"
        " ORDER BY id",
        (placement_id, operation_id),
    )
    connection.execute(f"UPDATE operation SET state = 'cancelled' WHERE {condition}", (placement_id, operation_id))


def _bequeathed(connection: sqlite3.Connection, message_id: int, file_mailbox_id: int, file_name: str) -> bool:
    """Whether another placement of the message takes the file over, since none of them has one."""
    heirs = connection.execute(
        "SELECT id, file_name FROM placement WHERE message_id = ? ORDER BY file_name IS NULL, id LIMIT 1", (message_id,)
    ).fetchall()
    if not heirs or heirs[0][1] is not None:
        return False
    connection.execute(
        "UPDATE placement SET file_mailbox_id = ?, file_name = ?, file_stale = 1 WHERE id = ?",
        (file_mailbox_id, file_name, heirs[0][0]),
    )
    return True


def want_link(connection: sqlite3.Connection, placement_ids: Iterable[int]) -> None:
    """Placements without a file whose message has one in another mailbox are to get a link to it (`BodyIngest.link_pending`)."""
    connection.executemany(
        "UPDATE placement SET file_stale = 1 WHERE id = ? AND file_name IS NULL AND upload IS NULL AND uid IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM placement q WHERE q.message_id = placement.message_id AND q.file_name IS NOT NULL)",
        ((placement_id,) for placement_id in placement_ids),
    )


def forget_file(connection: sqlite3.Connection, placement_id: int, message_id: int) -> None:
    """A placement's file is not there any more; a message that has none left is to be fetched again."""
    connection.execute(
        "UPDATE placement SET file_mailbox_id = NULL, file_name = NULL, file_stale = 0 WHERE id = ?", (placement_id,)
    )
    connection.execute("UPDATE placement SET changed = ? WHERE message_id = ?", (now_changed(connection), message_id))
    connection.execute(
        "UPDATE message SET body_state = 'missing' WHERE id = ?1 AND body_state = 'present'"
        " AND NOT EXISTS (SELECT 1 FROM placement WHERE message_id = ?1 AND (file_name IS NOT NULL OR upload IS NOT NULL))",
        (message_id,),
    )


def remove_unborn(connection: sqlite3.Connection, placement_ids: Iterable[int]) -> None:
    """Delete those of these placements that the server neither has nor will get: copies that were refused or taken back."""
    remove_placements(
        connection,
        [
            placement_id
            for placement_id in placement_ids
            if connection.execute(
                "SELECT 1 FROM placement p WHERE p.id = ? AND p.base_mailbox_id IS NULL AND NOT EXISTS (SELECT 1 FROM operation o"
                " WHERE o.placement_id = p.id AND (o.source_id IS NOT NULL OR json_extract(o.payload, '$.type') = 'upload')"
                " AND o.state IN ('pending', 'running'))",
                (placement_id,),
            ).fetchone()
        ],
    )


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
