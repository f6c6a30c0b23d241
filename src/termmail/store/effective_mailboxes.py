"""What the user sees of an account's mailboxes: what the server last said with the pending operations applied on top."""

from __future__ import annotations

import sqlite3

import msgspec

from termmail.model.operation import CreateMailbox, DeleteMailbox, Expunge, FlagChange, RenameMailbox, Subscribe, Upload
from termmail.store.codec import decode_payload, encode_payload
from termmail.store.database import now_changed
from termmail.store.effective import ACTIVE, recompute, remove_unborn


class _Shown(msgspec.Struct):
    name: str
    subscribed: bool
    pending: str


def recompute_mailboxes(connection: sqlite3.Connection, owner_id: int) -> None:
    """Bring names, subscriptions and what is pending up to date, inside a write transaction."""
    rows = connection.execute(
        "SELECT id, base_name, base_subscribed, wire_name IS NULL, delimiter, name, subscribed, pending FROM mailbox"
        " WHERE account_id = ?",
        (owner_id,),
    ).fetchall()
    operations = [
        decode_payload(text)
        for (text,) in connection.execute(
            f"SELECT payload FROM operation WHERE account_id = ? AND placement_id IS NULL AND {ACTIVE} ORDER BY id",
            (owner_id,),
        )
    ]
    # A mailbox that is still to be created is there for the renames after that.
    unborn = {payload.mailbox_id for payload in operations if isinstance(payload, CreateMailbox)}
    born = {row[0]: _Shown(row[1], bool(row[2]), "create" if row[3] else "") for row in rows}
    shown = {mailbox_id: one for mailbox_id, one in born.items() if mailbox_id not in unborn}
    delimiters: dict[int, str] = {row[0]: row[4] for row in rows}
    for payload in operations:
        match payload:
            case CreateMailbox(mailbox_id=mailbox_id) if mailbox_id in born:
                shown[mailbox_id] = born[mailbox_id]
            case RenameMailbox(mailbox_id=mailbox_id, new_name=new_name) if mailbox_id in shown:
                _rename(shown, mailbox_id, new_name, delimiters[mailbox_id])
            case Subscribe(mailbox_id=mailbox_id, subscribed=subscribed) if mailbox_id in shown:
                shown[mailbox_id].subscribed = subscribed
            case DeleteMailbox(mailbox_id=mailbox_id) if mailbox_id in shown:
                shown[mailbox_id].pending = "delete"
    changed = now_changed(connection)
    for row in rows:
        one = shown[row[0]]
        if (one.name, one.subscribed, one.pending) != (row[5], bool(row[6]), row[7]):
            connection.execute(
                "UPDATE mailbox SET name = ?, subscribed = ?, pending = ?, changed = ? WHERE id = ?",
                (one.name, one.subscribed, one.pending, changed, row[0]),
            )


def _rename(shown: dict[int, _Shown], mailbox_id: int, new_name: str, delimiter: str) -> None:
    renamed = shown[mailbox_id]
    below = renamed.name + delimiter
    if delimiter:
        for one in shown.values():
            if one.name.startswith(below):
                one.name = new_name + delimiter + one.name[len(below) :]
    renamed.name = new_name
    renamed.pending = renamed.pending or "rename"


def roll_back_rename(connection: sqlite3.Connection, owner_id: int, mailbox_id: int, new_name: str) -> None:
    """A rename will not be: mailboxes that were to be created below the new name come below the name it keeps."""
    row = connection.execute("SELECT base_name, delimiter FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
    if row is not None and row[1]:
        connection.execute(
            "UPDATE mailbox SET base_name = ?1 || substr(base_name, length(?2) + 1)"
            " WHERE account_id = ?3 AND wire_name IS NULL AND substr(base_name, 1, length(?2)) = ?2",
            (row[0] + row[1], new_name + row[1], owner_id),
        )


def abandon_mailbox(connection: sqlite3.Connection, mailbox_id: int, sentence: str) -> None:
    """A mailbox is not on the server: what was to come into it stays where it is, and its row goes.

    Operations on it and into it have failed for the reason given. No placement may be based in it any more.
    """
    rows = connection.execute(
        f"SELECT id, placement_id, payload FROM operation WHERE mailbox_id = ? AND placement_id IS NOT NULL AND {ACTIVE}",
        (mailbox_id,),
    ).fetchall()
    touched = [row[1] for row in rows]
    inbox = connection.execute(
        "SELECT i.id FROM mailbox i JOIN mailbox b ON b.account_id = i.account_id WHERE b.id = ? AND i.role = 'inbox'",
        (mailbox_id,),
    ).fetchone()
    for operation_id, _, text in rows:
        payload = decode_payload(text)
        if isinstance(payload, Upload) and inbox is not None:
            # The only copy there is (L9).
            connection.execute(
                "UPDATE operation SET mailbox_id = ?, payload = ? WHERE id = ?",
                (inbox[0], encode_payload(Upload(inbox[0], payload.file)), operation_id),
            )
    connection.execute(
        f"UPDATE operation SET state = 'failed', last_error = ? WHERE mailbox_id = ? AND {ACTIVE}",
        (sentence, mailbox_id),
    )
    recompute(connection, touched)
    remove_unborn(connection, touched)
    connection.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))


def settle_created(connection: sqlite3.Connection, mailbox_id: int, wire_name: bytes) -> None:
    """The server has a mailbox under this name. Where a listing made another row of it, that one takes over what waits."""
    row = connection.execute("SELECT account_id FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
    if row is None:
        return
    other = connection.execute(
        "SELECT id FROM mailbox WHERE account_id = ? AND wire_name = ? AND id <> ?", (row[0], wire_name, mailbox_id)
    ).fetchone()
    if other is None:
        connection.execute("UPDATE mailbox SET wire_name = ? WHERE id = ?", (wire_name, mailbox_id))
    else:
        touched: list[int] = []
        for operation_id, placement_id, text in connection.execute(
            f"SELECT id, placement_id, payload FROM operation WHERE mailbox_id = ? AND {ACTIVE}", (mailbox_id,)
        ).fetchall():
            payload = decode_payload(text)
            assert not isinstance(payload, FlagChange | Expunge)
            connection.execute(
                "UPDATE operation SET mailbox_id = ?, payload = ? WHERE id = ?",
                (other[0], encode_payload(msgspec.structs.replace(payload, mailbox_id=other[0])), operation_id),
            )
            if placement_id is not None:
                touched.append(placement_id)
        recompute(connection, touched)
        connection.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))
    recompute_mailboxes(connection, row[0])
