"""Wishes that are not edits: a pass now, a body now, settings, the accounts of the config."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from termmail.model.account import Account
from termmail.model.home import Home
from termmail.model.status import RequestKind
from termmail.store.body_files import forget_what_is_not_whole
from termmail.store.database import Database
from termmail.store.effective import recompute
from termmail.store.effective_mailboxes import recompute_mailboxes
from termmail.store.mailbox_intents import IntentRefused
from termmail.store.mailboxes import register_accounts
from termmail.store.purging import has_mail, purge_account
from termmail.store.settling import give_up


class RequestIntents:
    """The part of `Intents` that asks the engine for something, or remembers something."""

    _home: Home
    _database: Database

    def request_sync(self, account: str | None = None, mailbox_id: int | None = None) -> list[int]:
        """Ask the engine for a pass over one account or all; returns the request ids."""
        with self._database.write() as connection:
            names = (
                [account]
                if account is not None
                else [
                    row[0]
                    for row in connection.execute("SELECT name FROM account WHERE hidden = 0 ORDER BY position, id")
                ]
            )
            connection.executemany(
                "UPDATE account SET state = 'unknown', next_at = 0 WHERE state = 'waiting' AND name = ?",
                ((name,) for name in names),
            )
            return [self._request(connection, RequestKind.SYNC, name, mailbox_id, None) for name in names]

    def request_body(self, placement_id: int) -> int:
        """Ask the engine for the body of one message before all others; returns the request id."""
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT a.name, m.id FROM placement p JOIN message m ON m.id = p.message_id JOIN account a ON a.id = m.account_id"
                " WHERE p.id = ?",
                (placement_id,),
            ).fetchone()
            if row is None:
                raise IntentRefused("The message is gone.")
            forget_what_is_not_whole(connection, self._home.mail, row[1])
            waiting = connection.execute(
                "SELECT id FROM request WHERE kind = 'body' AND placement_id = ? AND state IN ('waiting', 'running')",
                (placement_id,),
            ).fetchone()
            if waiting is not None:
                return int(waiting[0])
            return self._request(connection, RequestKind.BODY, row[0], None, placement_id)

    @staticmethod
    def _request(
        connection: sqlite3.Connection,
        kind: RequestKind,
        account: str,
        mailbox_id: int | None,
        placement_id: int | None,
    ) -> int:
        cursor = connection.execute(
            "INSERT INTO request (at, kind, account, mailbox_id, placement_id) VALUES (?, ?, ?, ?, ?)",
            (time.time(), kind.value, account, mailbox_id, placement_id),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def set_setting(self, key: str, value: str | None) -> None:
        """Remember a small piece of state; None forgets it."""
        with self._database.write() as connection:
            if value is None:
                connection.execute("DELETE FROM setting WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))

    def set_work_offline(self, offline: bool) -> None:
        """Switch the network off for all accounts, or on again."""
        self.set_setting("work_offline", "1" if offline else None)

    def mark_problems_seen(self) -> None:
        """The user has looked at what went wrong lately."""
        with self._database.write() as connection:
            connection.execute("UPDATE problem SET seen = 1 WHERE seen = 0")

    def retry_operation(self, operation_id: int) -> None:
        """Try an operation again now, whatever it waits for. A running one stays running, so that it is probed first."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE operation SET state = iif(state = 'running', state, 'pending'), next_at = 0"
                " WHERE id = ? AND state IN ('failed', 'pending', 'running')",
                (operation_id,),
            )
            for owner_id, placement_id in connection.execute(
                "SELECT account_id, placement_id FROM operation WHERE id = ?", (operation_id,)
            ).fetchall():
                if placement_id is None:
                    recompute_mailboxes(connection, owner_id)
                else:
                    recompute(connection, [placement_id])

    def drop_operation(self, operation_id: int) -> None:
        """Give an operation up; what it changed rolls back."""
        with self._database.write() as connection:
            give_up(connection, operation_id, "cancelled", "")

    def store_rendered(self, message_id: int, key: str, data: bytes) -> None:
        """Keep a rendering of a message for the next time."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO rendered (message_id, key, data) SELECT ?1, ?2, ?3"
                " WHERE EXISTS (SELECT 1 FROM message WHERE id = ?1)",
                (message_id, key, data),
            )

    def register_accounts(self, accounts: Sequence[Account]) -> None:
        """Take over the names, order and protocols of the config; those disabled or no longer there are hidden, their mail stays."""
        with self._database.write() as connection:
            register_accounts(connection, tuple(accounts))

    def has_mail(self, account: str) -> bool:
        """Whether there is something to purge of an account, also of one that the config has no longer. Raises StorageFailed."""
        return has_mail(self._database, account)

    def purge_account(self, account: str) -> None:
        """Delete an account's rows and mail files. Can't be undone. Raises StorageFailed."""
        purge_account(self._database, account)
