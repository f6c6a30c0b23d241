"""Mailbox rows: the server's listing taken over, sync state read and written."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from termmail.model.account import Account
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.local import MailboxState
from termmail.model.operation import RenameMailbox
from termmail.model.remote import MailboxListing, MailboxStatus, RemoteMailbox
from termmail.store.codec import (
    MAILBOX_TABLES,
    STATE_COLUMNS,
    column_text,
    decode_payload,
    encode_status,
    keywords_text,
    mailbox_state,
)
from termmail.store.database import LET_OTHERS_WRITE, Database, now_changed, storage_errors
from termmail.store.doomed import sweep
from termmail.store.effective import account_folder, forget_file, relative_path, remove_placements
from termmail.store.effective_mailboxes import abandon_mailbox, recompute_mailboxes
from termmail.store.maildir import MailboxIdentity, dismantle, write_identity
from termmail.store.paths import folder_name

KEEP_SECONDS = 30 * 86400
_BULK = 20

REMOVED_AT_ONCE = 100
"""Placements removed in one transaction: some 10 ms."""


class _Unset:
    """The default of an argument for which None has a meaning."""


UNSET = _Unset()


def register_accounts(connection: sqlite3.Connection, accounts: tuple[Account, ...]) -> None:
    """Rows for the enabled accounts of the config, in its order; others become hidden."""
    visible = {row[0] for row in connection.execute("SELECT id FROM account WHERE hidden = 0")}
    connection.execute("UPDATE account SET hidden = 1")
    for position, account in enumerate(account for account in accounts if account.enabled):
        connection.execute(
            "INSERT INTO account (name, email, protocol, position) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " email = excluded.email, protocol = excluded.protocol, position = excluded.position, hidden = 0",
            (account.name, account.email, account.protocol.value, position),
        )
    now_visible = {row[0] for row in connection.execute("SELECT id FROM account WHERE hidden = 0")}
    connection.executemany(
        "UPDATE mailbox SET changed = (SELECT value FROM clock) WHERE account_id = ?",
        ((owner_id,) for owner_id in visible ^ now_visible),
    )


def account_id(connection: sqlite3.Connection, account: str) -> int:
    """The id of an account's row. Raises StorageFailed where there is none."""
    row = connection.execute("SELECT id FROM account WHERE name = ?", (account,)).fetchone()
    if row is None:
        raise StorageFailed(f"There is no account named {account}. `termmail account list` shows those there are.")
    return int(row[0])


def allocate_directory(connection: sqlite3.Connection, owner_id: int, name: str, delimiter: str) -> str:
    """A folder name that no other mailbox of the account has, not even one that differs only in case (L10)."""
    for twin in (False, True):
        directory = folder_name(name, delimiter, twin=twin)
        taken = connection.execute(
            "SELECT 1 FROM mailbox WHERE account_id = ? AND lower(directory) = lower(?)", (owner_id, directory)
        ).fetchone()
        if taken is None:
            return directory
    attempt = 2
    while True:
        directory = folder_name(f"{name}\0{attempt}", delimiter, twin=True)
        if not connection.execute(
            "SELECT 1 FROM mailbox WHERE account_id = ? AND lower(directory) = lower(?)", (owner_id, directory)
        ).fetchone():
            return directory
        attempt += 1


def _listed(remote: RemoteMailbox) -> tuple[object, ...]:
    """The columns base_name, delimiter, role, selectable, base_subscribed."""
    return (
        column_text(remote.name),
        column_text(remote.delimiter),
        remote.role.value,
        remote.selectable,
        remote.subscribed,
    )


class _Renaming:
    """Renames under way: until they are settled, a listing that already shows their result proves nothing."""

    def __init__(self, connection: sqlite3.Connection, owner_id: int) -> None:
        self._renames: list[tuple[str, str, str]] = []
        for name, delimiter, text in connection.execute(
            "SELECT b.base_name, b.delimiter, o.payload FROM operation o JOIN mailbox b ON b.id = o.mailbox_id"
            " WHERE o.account_id = ? AND o.placement_id IS NULL AND o.state IN ('pending', 'running') AND o.state = 'running'",
            (owner_id,),
        ):
            payload = decode_payload(text)
            if isinstance(payload, RenameMailbox):
                self._renames.append((name, payload.new_name, delimiter))

    def takes_away(self, name: str) -> bool:
        """Whether a mailbox of this name may have another by now."""
        return any(_is_or_below(name, old, delimiter) for old, _, delimiter in self._renames)

    def leads_to(self, name: str) -> bool:
        """Whether a mailbox of this name may be one that is known here by another."""
        return any(_is_or_below(name, new, delimiter) for _, new, delimiter in self._renames)


def _is_or_below(name: str, top: str, delimiter: str) -> bool:
    return name == top or (delimiter != "" and name.startswith(top + delimiter))


class MailboxIngest:
    """The part of `Ingest` that is about mailboxes."""

    _home: Home
    _database: Database

    def register_accounts(self, accounts: tuple[Account, ...]) -> None:
        """Take over the names, order and protocols of the config; those disabled or no longer there are hidden, their mail stays."""
        with self._database.write() as connection:
            register_accounts(connection, accounts)

    def apply_listing(self, account: str, listing: MailboxListing) -> list[MailboxState]:
        """Take over LIST: new mailboxes, roles, subscriptions; those that vanished go.

        An empty listing where mailboxes are known changes nothing (S6): the states returned are then the old ones. Nor does a
        listing with rows that could not be parsed remove anything. One that says nothing new writes nothing.
        """
        known = self._known(account)
        vanished = {} if listing.skipped else dict(known)
        for remote in listing.mailboxes:
            vanished.pop(remote.wire_name, None)
        news = [remote for remote in listing.mailboxes if known.get(remote.wire_name) != _listed(remote)]
        if not (listing.mailboxes or not known) or not (news or vanished):
            return self.mailbox_states(account)
        with self._database.write() as connection:
            owner_id = account_id(connection, account)
            renaming = _Renaming(connection, owner_id)
            born: dict[bytes, int] = {}
            unborn: dict[str, int] = {}
            for mailbox_id, wire_name, name in connection.execute(
                "SELECT id, wire_name, base_name FROM mailbox WHERE account_id = ?", (owner_id,)
            ):
                if wire_name is None:
                    unborn[name] = mailbox_id
                else:
                    born[bytes(wire_name)] = mailbox_id
            changed: list[int] = []
            for remote in news:
                if not renaming.leads_to(remote.name):
                    here = born.get(remote.wire_name) or unborn.get(column_text(remote.name))
                    changed.append(self._upsert(connection, owner_id, here, remote))
                    born[remote.wire_name] = changed[-1]
            recompute_mailboxes(connection, owner_id)
            gone = [
                born[wire_name]
                for wire_name, row in vanished.items()
                if wire_name in born and not renaming.takes_away(str(row[0]))
            ]
        self.write_identities(changed)
        for mailbox_id in gone:
            self.remove_mailbox(mailbox_id)
        return self.mailbox_states(account)

    def _known(self, account: str) -> dict[bytes, tuple[object, ...]]:
        rows = self._database.all(
            "SELECT b.wire_name, b.base_name, b.delimiter, b.role, b.selectable, b.base_subscribed FROM mailbox b"
            " JOIN account a ON a.id = b.account_id WHERE a.name = ? AND b.wire_name IS NOT NULL",
            (account,),
        )
        return {bytes(row[0]): row[1:] for row in rows}

    @staticmethod
    def _upsert(connection: sqlite3.Connection, owner_id: int, here: int | None, remote: RemoteMailbox) -> int:
        """What the server said of one mailbox, into the row `here` or a new one; its id."""
        values = _listed(remote)
        if here is not None:
            connection.execute(
                "UPDATE mailbox SET wire_name = ?, base_name = ?, delimiter = ?, role = ?, selectable = ?, base_subscribed = ?,"
                " changed = ? WHERE id = ?",
                (remote.wire_name, *values, now_changed(connection), here),
            )
            return here
        cursor = connection.execute(
            "INSERT INTO mailbox (account_id, wire_name, base_name, delimiter, role, selectable, base_subscribed, name, subscribed,"
            " directory, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                owner_id, remote.wire_name, *values, values[0], remote.subscribed,
                allocate_directory(connection, owner_id, remote.name, remote.delimiter), now_changed(connection),
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def write_identities(self, mailbox_ids: Iterable[int]) -> None:
        """Say in the Maildirs of these mailboxes which they are (`reindex`). Raises StorageFailed."""
        for mailbox_id in mailbox_ids:
            row = self._database.one(
                "SELECT a.name, b.directory, b.base_name, b.wire_name, b.delimiter, b.role, b.uidvalidity FROM mailbox b"
                " JOIN account a ON a.id = b.account_id WHERE b.id = ? AND b.wire_name IS NOT NULL",
                (mailbox_id,),
            )
            if row is not None:
                account, directory, name, wire_name, delimiter, role, uidvalidity = row
                identity = MailboxIdentity(
                    name, bytes(wire_name).decode("latin-1"), delimiter, role, uidvalidity, account
                )
                folder = self._home.mail / account_folder(account) / directory
                with storage_errors(f"create {folder}"):
                    write_identity(folder, identity)

    def remove_mailbox(self, mailbox_id: int, *operation_ids: int) -> None:
        """A mailbox is gone from the server: its messages go, in short transactions, then its row. What was to come into it stays
        where it is.

        The operations named, by which the user wished it so, are done with its row; without any, many bodies are kept for 30 days.
        """
        row = self._database.one(
            "SELECT a.name, b.directory, (SELECT count(*) FROM placement WHERE base_mailbox_id = b.id) FROM mailbox b"
            " JOIN account a ON a.id = b.account_id WHERE b.id = ?",
            (mailbox_id,),
        )
        keep_until = int(time.time()) + KEEP_SECONDS if not operation_ids and row is not None and row[2] > _BULK else 0
        more = True
        while more:
            with self._database.write(durable=False) as connection:
                ids = connection.execute(
                    "SELECT id FROM placement WHERE base_mailbox_id = ? LIMIT ?", (mailbox_id, REMOVED_AT_ONCE)
                ).fetchall()
                remove_placements(connection, [one[0] for one in ids], keep_until=keep_until)
                more = len(ids) == REMOVED_AT_ONCE
                if not more:
                    connection.executemany(
                        "UPDATE operation SET state = 'done', last_error = '' WHERE id = ?",
                        ((operation_id,) for operation_id in operation_ids),
                    )
                    self._remove_row(connection, mailbox_id)
            time.sleep(LET_OTHERS_WRITE)
        sweep(self._database)
        if row is not None:
            folder = self._home.mail / account_folder(row[0]) / row[1]
            with storage_errors(f"remove {folder}"):
                dismantle(folder)

    @staticmethod
    def _remove_row(connection: sqlite3.Connection, mailbox_id: int) -> None:
        # Files that were still to follow their messages out of it; those are fetched again.
        strays = connection.execute(
            "SELECT id, message_id, file_name FROM placement WHERE file_mailbox_id = ?", (mailbox_id,)
        ).fetchall()
        for placement_id, message_id, file_name in strays:
            path = relative_path(connection, mailbox_id, file_name)
            connection.execute("INSERT OR IGNORE INTO doomed_file VALUES (?)", (path,))
            forget_file(connection, placement_id, message_id)
        abandon_mailbox(connection, mailbox_id, "The folder is gone.")

    def mailbox_states(self, account: str) -> list[MailboxState]:
        """The sync state of every mailbox of an account, INBOX first, then by role and name."""
        rows = self._database.all(
            f"SELECT {STATE_COLUMNS} FROM {MAILBOX_TABLES} WHERE a.name = ?"
            " ORDER BY b.role <> 'inbox', b.role = '', b.role IN ('all', 'junk', 'trash'), b.name",
            (account,),
        )
        return [mailbox_state(row) for row in rows]

    def mailbox_state(self, mailbox_id: int) -> MailboxState | None:
        """The sync state of one mailbox, None where it is gone."""
        row = self._database.one(f"SELECT {STATE_COLUMNS} FROM {MAILBOX_TABLES} WHERE b.id = ?", (mailbox_id,))
        return None if row is None else mailbox_state(row)

    def set_state(
        self,
        mailbox_id: int,
        *,
        uidnext: int | _Unset | None = UNSET,
        highestmodseq: int | _Unset | None = UNSET,
        floor: int | _Unset | None = UNSET,
        complete: bool | _Unset = UNSET,
        fresh_at: int | _Unset = UNSET,
        status: MailboxStatus | _Unset | None = UNSET,
        refused_keywords: frozenset[str] | _Unset = UNSET,
    ) -> None:
        """Write those of a mailbox's sync values that are passed."""
        passed = {
            "uidnext": uidnext,
            "highestmodseq": highestmodseq,
            "floor": floor,
            "complete": complete,
            "fresh_at": fresh_at,
        }
        values: dict[str, object] = {name: value for name, value in passed.items() if not isinstance(value, _Unset)}
        if not isinstance(status, _Unset):
            values["status"] = encode_status(status)
        if not isinstance(refused_keywords, _Unset):
            values["refused_keywords"] = keywords_text(refused_keywords)
        if not values:
            return
        with self._database.write(durable=False) as connection:
            if "complete" in values or "fresh_at" in values:
                values["changed"] = now_changed(connection)
            assignments = ", ".join(f"{name} = ?" for name in values)
            connection.execute(f"UPDATE mailbox SET {assignments} WHERE id = ?", (*values.values(), mailbox_id))
