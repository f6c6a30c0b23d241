"""Whom one has written to and heard from, for completing addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from termmail.model.message import Address
from termmail.model.outgoing import Correspondent
from termmail.store.codec import column_text, decode_envelope
from termmail.store.database import Database

_AT_ONCE = 200
_UPTO = "correspondents_upto"
_LONGEST_ADDRESS = 254
_MANY_RECIPIENTS = 50

_HEARD = (
    "INSERT INTO correspondent (address, shown, name, heard_count, heard_at) VALUES (?1, ?2, ?3, 1, ?4)"
    " ON CONFLICT (address) DO UPDATE SET heard_count = heard_count + 1,"
    " name = CASE WHEN excluded.heard_at >= max(heard_at, written_at) AND excluded.name <> '' OR name = ''"
    " THEN excluded.name ELSE name END,"
    " heard_at = max(heard_at, excluded.heard_at)"
)
_WRITTEN = (
    "INSERT INTO correspondent (address, shown, name, written_count, written_at) VALUES (?1, ?2, ?3, 1, ?4)"
    " ON CONFLICT (address) DO UPDATE SET written_count = written_count + 1,"
    " name = CASE WHEN name = '' THEN excluded.name ELSE name END, written_at = max(written_at, excluded.written_at)"
)


def catch_up(database: Database) -> bool:
    """Take over the correspondents of some messages that were not looked at yet; whether there are more.

    What the account's owner wrote, and lies here, counts as written to; mail from others as heard from, unless it is junk.
    """
    row = database.one("SELECT value FROM setting WHERE key = ?", (_UPTO,))
    upto = 0 if row is None else int(row[0])
    rows = database.all(
        "SELECT m.id, m.envelope, a.email, coalesce(m.sent_at, 0),"
        " (SELECT max(b.role = 'junk') FROM placement p JOIN mailbox b ON b.id = p.mailbox_id WHERE p.message_id = m.id),"
        " (SELECT max(b.role = 'sent') FROM placement p JOIN mailbox b ON b.id = p.mailbox_id WHERE p.message_id = m.id)"
        " FROM message m JOIN account a ON a.id = m.account_id WHERE m.id > ? ORDER BY m.id LIMIT ?",
        (upto, _AT_ONCE),
    )
    if not rows:
        return False
    with database.write(durable=False) as connection:
        for _, data, email, sent_at, junk, sent in rows:
            envelope = decode_envelope(data)
            own = any(one.address.casefold() == email.casefold() for one in envelope.from_)
            if own or sent:
                recipients = (*envelope.to, *envelope.cc, *envelope.bcc)
                if len(recipients) <= _MANY_RECIPIENTS:
                    _insert(connection, _WRITTEN, recipients, sent_at)
            elif not junk:
                _insert(connection, _HEARD, envelope.from_[:1], sent_at)
        connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_UPTO, str(rows[-1][0])))
    return len(rows) == _AT_ONCE


def _insert(connection: sqlite3.Connection, statement: str, addresses: Iterable[Address], at: int) -> None:
    connection.executemany(
        statement,
        [
            (
                column_text(one.address.casefold()),
                column_text(one.address),
                column_text("" if "@" in one.name else one.name),
                at,
            )
            for one in addresses
            if "@" in one.address.strip("@")
            and len(one.address) <= _LONGEST_ADDRESS
            and not set(one.address) & set(" <>\r\n\t")
        ],
    )


def read_correspondents(database: Database, limit: int) -> list[Correspondent]:
    """The correspondents, those written to first, then the latest heard from."""
    return [
        Correspondent(*row)
        for row in database.all(
            "SELECT shown, name, written_count, written_at, heard_count, heard_at FROM correspondent"
            " ORDER BY written_count > 0 DESC, max(written_at, heard_at) DESC LIMIT ?",
            (limit,),
        )
    ]
