"""Mailbox rows: the server's listing taken over, sync state read and written."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from termmail.model.account import Account
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.local import MailboxState
from termmail.model.mailbox import Role
from termmail.model.remote import MailboxListing, MailboxStatus, RemoteMailbox
from termmail.store.codec import MAILBOX_TABLES, STATE_COLUMNS, encode_status, keywords_text, mailbox_state
from termmail.store.database import Database, now_changed, storage_errors
from termmail.store.doomed import sweep
from termmail.store.effective import account_folder, remove_placements
from termmail.store.maildir import MailboxIdentity, write_identity
from termmail.store.paths import folder_name

KEEP_SECONDS = 30 * 86400
_BULK = 20


class _Unset:
    """The default of an argument for which None has a meaning."""


UNSET = _Unset()


def register_accounts(connection: sqlite3.Connection, accounts: tuple[Account, ...]) -> None:
    """Rows for the accounts of the config, in its order; others become hidden."""
    connection.execute("UPDATE account SET hidden = 1")
    for position, account in enumerate(accounts):
        connection.execute(
            "INSERT INTO account (name, email, protocol, position) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " email = excluded.email, protocol = excluded.protocol, position = excluded.position, hidden = 0",
            (account.name, account.email, account.protocol.value, position),
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


class MailboxIngest:
    """The part of `Ingest` that is about mailboxes."""

    _home: Home
    _database: Database

    def register_accounts(self, accounts: tuple[Account, ...]) -> None:
        """Take over the names, order and protocols of the config; accounts no longer there are hidden, their mail stays."""
        with self._database.write() as connection:
            register_accounts(connection, accounts)

    def apply_listing(self, account: str, listing: MailboxListing) -> list[MailboxState]:
        """Take over LIST: new mailboxes, roles, subscriptions; those that vanished go.

        An empty listing where mailboxes are known changes nothing (S6): the states returned are then the old ones. Nor does a
        listing with rows that could not be parsed remove anything.
        """
        identities: list[tuple[Path, MailboxIdentity]] = []
        with self._database.write() as connection:
            owner_id = account_id(connection, account)
            known: dict[bytes, tuple[int, str]] = {
                bytes(row[0]): (row[1], row[2])
                for row in connection.execute(
                    "SELECT wire_name, id, pending FROM mailbox WHERE account_id = ? AND wire_name IS NOT NULL",
                    (owner_id,),
                )
            }
            if listing.mailboxes or not known:
                seen: set[bytes] = set()
                for remote in listing.mailboxes:
                    seen.add(remote.wire_name)
                    identities += self._upsert(connection, account, owner_id, known.get(remote.wire_name), remote)
                if not listing.skipped:
                    for wire_name, (mailbox_id, _) in known.items():
                        if wire_name not in seen:
                            self.remove_mailbox(connection, mailbox_id)
        for folder, identity in identities:
            with storage_errors(f"create {folder}"):
                write_identity(folder, identity)
        sweep(self._database)
        return self.mailbox_states(account)

    def _upsert(
        self,
        connection: sqlite3.Connection,
        account: str,
        owner_id: int,
        known: tuple[int, str] | None,
        remote: RemoteMailbox,
    ) -> list[tuple[Path, MailboxIdentity]]:
        changed = now_changed(connection)
        if known is None:
            adopted = connection.execute(
                "SELECT id FROM mailbox WHERE account_id = ? AND wire_name IS NULL AND name = ?",
                (owner_id, remote.name),
            ).fetchone()
            if adopted is not None:
                known = (adopted[0], "create")
                connection.execute("UPDATE mailbox SET wire_name = ? WHERE id = ?", (remote.wire_name, adopted[0]))
        if known is None:
            directory = allocate_directory(connection, owner_id, remote.name, remote.delimiter)
            connection.execute(
                "INSERT INTO mailbox (account_id, name, base_name, wire_name, delimiter, role, selectable, subscribed,"
                " base_subscribed, directory, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    owner_id, remote.name, remote.name, remote.wire_name, remote.delimiter, remote.role.value,
                    remote.selectable, remote.subscribed, remote.subscribed, directory, changed,
                ),
            )  # fmt: skip
        else:
            mailbox_id, pending = known
            (directory,) = connection.execute("SELECT directory FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
            # A pending rename or subscription is what the user sees until the server has answered.
            connection.execute(
                "UPDATE mailbox SET base_name = ?1, name = CASE WHEN pending = 'rename' THEN name ELSE ?1 END, delimiter = ?2,"
                " role = ?3, selectable = ?4, base_subscribed = ?5, changed = ?7,"
                " subscribed = CASE WHEN EXISTS (SELECT 1 FROM operation o WHERE o.mailbox_id = ?6 AND o.placement_id IS NULL"
                "  AND o.state IN ('pending', 'running')) THEN subscribed ELSE ?5 END"
                " WHERE id = ?6 AND (base_name IS NOT ?1 OR delimiter <> ?2 OR role <> ?3 OR selectable <> ?4"
                "  OR base_subscribed <> ?5)",
                (
                    remote.name, remote.delimiter, remote.role.value, remote.selectable, remote.subscribed,
                    mailbox_id, changed,
                ),
            )  # fmt: skip
            if pending != "create":
                return []
            connection.execute("UPDATE mailbox SET pending = '' WHERE id = ?", (mailbox_id,))
        identity = MailboxIdentity(
            remote.name, remote.wire_name.decode("latin-1"), remote.delimiter, remote.role.value, None
        )
        return [(self._home.mail / account_folder(account) / directory, identity)]

    def remove_mailbox(self, connection: sqlite3.Connection, mailbox_id: int) -> None:
        """Delete a mailbox that is gone from the server, inside a write transaction; many bodies are kept for 30 days."""
        ids = [
            row[0]
            for row in connection.execute(
                "SELECT id FROM placement WHERE base_mailbox_id = ?1 OR (base_mailbox_id IS NULL AND mailbox_id = ?1)",
                (mailbox_id,),
            )
        ]
        keep_until = int(time.time()) + KEEP_SECONDS if len(ids) > _BULK else 0
        remove_placements(connection, ids, keep_until=keep_until)
        # A message moved here without the server knowing yet goes back to where the server has it.
        for (placement_id,) in connection.execute(
            "SELECT id FROM placement WHERE mailbox_id = ?", (mailbox_id,)
        ).fetchall():
            connection.execute(
                "UPDATE operation SET state = 'failed', last_error = 'The folder is gone.'"
                " WHERE placement_id = ? AND state IN ('pending', 'running')",
                (placement_id,),
            )
            connection.execute(
                "UPDATE placement SET mailbox_id = base_mailbox_id, flags = base_flags, keywords = base_keywords, pending = 0,"
                " changed = ? WHERE id = ?",
                (now_changed(connection), placement_id),
            )
        connection.execute(
            "UPDATE operation SET state = 'cancelled' WHERE mailbox_id = ? AND state IN ('pending', 'running')",
            (mailbox_id,),
        )
        connection.execute(
            "UPDATE message SET body_state = 'missing' WHERE id IN (SELECT message_id FROM placement WHERE file_mailbox_id = ?)",
            (mailbox_id,),
        )
        connection.execute(
            "UPDATE placement SET file_name = NULL, file_stale = 0 WHERE file_mailbox_id = ?", (mailbox_id,)
        )
        connection.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))

    def mailbox_states(self, account: str) -> list[MailboxState]:
        """The sync state of every mailbox of an account, INBOX first, then by role and name."""
        rows = self._database.reader().execute(
            f"SELECT {STATE_COLUMNS} FROM {MAILBOX_TABLES} WHERE a.name = ?"
            " ORDER BY b.role <> 'inbox', b.role = '', b.role IN ('all', 'junk', 'trash'), b.name",
            (account,),
        )
        return [mailbox_state(row) for row in rows]

    def mailbox_state(self, mailbox_id: int) -> MailboxState | None:
        """The sync state of one mailbox, None where it is gone."""
        row = (
            self._database.reader()
            .execute(f"SELECT {STATE_COLUMNS} FROM {MAILBOX_TABLES} WHERE b.id = ?", (mailbox_id,))
            .fetchone()
        )
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

    def find_role(self, account: str, role: Role) -> MailboxState | None:
        """The account's mailbox for a role."""
        return next((state for state in self.mailbox_states(account) if state.role is role), None)
