"""Wishes that concern mailboxes."""

from __future__ import annotations

import sqlite3

from termmail.model.errors import Retry, Scope, TermmailError
from termmail.model.mailbox import Role
from termmail.model.operation import CreateMailbox, DeleteMailbox, RenameMailbox, Subscribe
from termmail.model.view import IntentResult
from termmail.store import edits, undo
from termmail.store.database import Database, now_changed
from termmail.store.effective import ACTIVE
from termmail.store.effective_mailboxes import abandon_mailbox, recompute_mailboxes
from termmail.store.mailboxes import account_id, allocate_directory


class IntentRefused(TermmailError):
    """The wish can't be granted as things are; the sentence says why."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


class MailboxIntents:
    """The part of `Intents` that is about mailboxes."""

    _database: Database

    def create_mailbox(self, account: str, name: str) -> IntentResult:
        """Create a mailbox; `name` is the full name. Raises IntentRefused where there is one or the name can't be."""
        with self._database.write() as connection:
            owner_id = account_id(connection, account)
            self._check_name(connection, owner_id, name)
            self._create(connection, owner_id, name, Role.NONE)
        return IntentResult(f"Created the folder {name}.", undoable=False)

    def rename_mailbox(self, mailbox_id: int, new_name: str) -> IntentResult:
        """Rename a mailbox and with it those below it; `new_name` is the full name."""
        with self._database.write() as connection:
            name = self._rename(connection, mailbox_id, new_name)
            undo.record(connection, None, f"Renamed {name} to {new_name}.", [undo.UndoRename(mailbox_id, name)])
        return IntentResult(f"Renamed {name} to {new_name}.")

    def delete_mailbox(self, mailbox_id: int) -> IntentResult:
        """Delete a mailbox with all mail in it. Can't be undone."""
        with self._database.write() as connection:
            owner_id, name, role, wire_name, _ = self._mailbox(connection, mailbox_id)
            if role is Role.INBOX:
                raise IntentRefused("The inbox can't be deleted.")
            begun = connection.execute(
                "SELECT 1 FROM operation WHERE mailbox_id = ? AND placement_id IS NULL AND state = 'running'",
                (mailbox_id,),
            ).fetchone()
            if wire_name is None and begun is None:
                abandon_mailbox(connection, mailbox_id, "The folder was deleted before it was created.")
            else:
                edits.journal(connection, owner_id, DeleteMailbox(mailbox_id), None, mailbox_id)
            recompute_mailboxes(connection, owner_id)
        return IntentResult(f"Deleted the folder {name}.", undoable=False)

    def subscribe(self, mailbox_id: int, subscribed: bool) -> IntentResult:
        """Subscribe to a mailbox, or no longer."""
        with self._database.write() as connection:
            name = self._subscribe(connection, mailbox_id, subscribed)
            if name is None:
                return IntentResult("Nothing to change.", undoable=False)
            sentence = f"Subscribed to {name}." if subscribed else f"No longer subscribed to {name}."
            undo.record(connection, None, sentence, [undo.UndoSubscribe(mailbox_id, not subscribed)])
        return IntentResult(sentence)

    @staticmethod
    def _mailbox(connection: sqlite3.Connection, mailbox_id: int) -> tuple[int, str, Role, bytes | None, str]:
        row = connection.execute(
            "SELECT account_id, name, role, wire_name, delimiter FROM mailbox WHERE id = ? AND pending <> 'delete'",
            (mailbox_id,),
        ).fetchone()
        if row is None:
            raise IntentRefused("That folder is gone.")
        return row[0], row[1], Role(row[2]), row[3], row[4]

    @staticmethod
    def _role_mailbox(connection: sqlite3.Connection, owner_id: int, role: Role) -> int | None:
        # Gmail has no Archive: what leaves the inbox stays in All Mail.
        roles = (role.value, Role.ALL.value) if role is Role.ARCHIVE else (role.value,)
        for wanted in roles:
            row = connection.execute(
                "SELECT id FROM mailbox WHERE account_id = ? AND role = ? AND pending <> 'delete' AND selectable ORDER BY id",
                (owner_id, wanted),
            ).fetchone()
            if row is not None:
                return int(row[0])
        return None

    @classmethod
    def mailbox_for(cls, connection: sqlite3.Connection, owner_id: int, role: Role, usual_name: str) -> int:
        """The account's mailbox for a role, which is created where there is none; inside a write transaction."""
        found = cls._role_mailbox(connection, owner_id, role)
        return cls._create_for(connection, owner_id, usual_name, role) if found is None else found

    @staticmethod
    def _prefixed(connection: sqlite3.Connection, owner_id: int, name: str) -> str:
        """Below INBOX where the server has everything there."""
        rows = connection.execute(
            "SELECT name, delimiter FROM mailbox WHERE account_id = ? AND role <> 'inbox'", (owner_id,)
        ).fetchall()
        if rows and all(row[1] and row[0].upper().startswith("INBOX" + row[1]) for row in rows):
            return f"INBOX{rows[0][1]}{name}"
        return name

    @classmethod
    def _create_for(cls, connection: sqlite3.Connection, owner_id: int, name: str, role: Role) -> int:
        """A mailbox for a role that none has: one of the usual name, else a new one."""
        wanted = cls._prefixed(connection, owner_id, name)
        row = connection.execute(
            "SELECT id FROM mailbox WHERE account_id = ? AND lower(name) = lower(?) AND pending <> 'delete' AND selectable"
            " ORDER BY name = ? DESC, id",
            (owner_id, wanted, wanted),
        ).fetchone()
        if row is not None:
            return int(row[0])
        cls._check_name(connection, owner_id, wanted)
        return cls._create(connection, owner_id, wanted, role)

    @staticmethod
    def _create(connection: sqlite3.Connection, owner_id: int, name: str, role: Role) -> int:
        row = connection.execute(
            "SELECT delimiter FROM mailbox WHERE account_id = ? AND delimiter <> '' LIMIT 1", (owner_id,)
        ).fetchone()
        delimiter = row[0] if row is not None else "/"
        cursor = connection.execute(
            "INSERT INTO mailbox (account_id, name, base_name, delimiter, role, directory, pending, complete, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, 'create', 0, ?)",
            (
                owner_id, name, name, delimiter, role.value, allocate_directory(connection, owner_id, name, delimiter),
                now_changed(connection),
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        edits.journal(connection, owner_id, CreateMailbox(cursor.lastrowid), None, cursor.lastrowid)
        return cursor.lastrowid

    @staticmethod
    def _check_name(connection: sqlite3.Connection, owner_id: int, name: str) -> None:
        if not name.strip() or any(ord(character) < 32 or ord(character) == 127 for character in name):
            raise IntentRefused("A folder's name can't be empty or hold control characters.")
        if any(character in name for character in "*%"):
            raise IntentRefused("A folder's name can't hold * or %.")
        taken = connection.execute(
            "SELECT pending FROM mailbox"
            " WHERE account_id = ?1 AND (name = ?2 OR upper(name) = 'INBOX' AND upper(?2) = 'INBOX') LIMIT 1",
            (owner_id, name),
        ).fetchone()
        if taken is not None and taken[0] == "delete":
            raise IntentRefused(f"A folder named {name} is still being deleted. Try again when the server has done it.")
        if taken is not None:
            raise IntentRefused(f"There is a folder named {name} already.")

    def _rename(self, connection: sqlite3.Connection, mailbox_id: int, new_name: str) -> str:
        owner_id, name, role, _, delimiter = self._mailbox(connection, mailbox_id)
        if role is Role.INBOX:
            raise IntentRefused("The inbox can't be renamed.")
        self._check_name(connection, owner_id, new_name)
        if delimiter and new_name.startswith(name + delimiter):
            raise IntentRefused("A folder can't be moved into itself.")
        last = connection.execute(
            "SELECT id, mailbox_id, json_extract(payload, '$.type'), state FROM operation WHERE account_id = ?"
            f" AND placement_id IS NULL AND {ACTIVE} ORDER BY id DESC LIMIT 1",
            (owner_id,),
        ).fetchone()
        # Only the last of all can be taken back: what came after it may go by the name that it gave.
        if last is not None and last[1:] == (mailbox_id, "rename", "pending"):
            connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (last[0],))
            recompute_mailboxes(connection, owner_id)
        (current,) = connection.execute("SELECT name FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
        if current != new_name:
            edits.journal(connection, owner_id, RenameMailbox(mailbox_id, new_name), None, mailbox_id)
            recompute_mailboxes(connection, owner_id)
        return name

    def _subscribe(self, connection: sqlite3.Connection, mailbox_id: int, subscribed: bool) -> str | None:
        """The mailbox's name; None where it is as wished."""
        owner_id, name, _, _, _ = self._mailbox(connection, mailbox_id)
        (now,) = connection.execute("SELECT subscribed FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
        if now == subscribed:
            return None
        edits.journal(connection, owner_id, Subscribe(mailbox_id, subscribed), None, mailbox_id)
        recompute_mailboxes(connection, owner_id)
        return name
