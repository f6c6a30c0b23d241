"""What front ends wish: one short transaction each that changes what the user sees and journals the operation."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence

from termmail.model.account import Account
from termmail.model.errors import Retry, Scope, TermmailError
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.operation import Copy, CreateMailbox, DeleteMailbox, RenameMailbox, Subscribe
from termmail.model.status import RequestKind
from termmail.model.view import IntentResult
from termmail.store import edits, undo
from termmail.store.codec import flag_set
from termmail.store.database import Database, now_changed, storage_errors
from termmail.store.effective import account_folder, recompute, remove_placements
from termmail.store.mailboxes import account_id, allocate_directory, register_accounts
from termmail.store.placements import NewPlacement, insert_placements
from termmail.store.undo import Inverse

# Bounds the time one transaction holds the write lock when thousands are selected.
_AT_ONCE = 250
_ROLE_NAMES = {Role.ARCHIVE: "Archive", Role.TRASH: "Trash", Role.JUNK: "Junk", Role.INBOX: "INBOX"}
_ROLE_DONE = {Role.ARCHIVE: "Archived", Role.TRASH: "Moved to Trash:", Role.JUNK: "Moved to Junk:"}


class IntentRefused(TermmailError):
    """The wish can't be granted as things are; the sentence says why."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


class Intents:
    """Records wishes in one home's store. Thread-safe, one transaction at a time; each returns when it is durable."""

    def __init__(self, home: Home) -> None:
        """Open the store. Raises StorageFailed, StoreTooNew."""
        self._home = home
        self._database = Database(home)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    # messages

    def set_flags(
        self, placement_ids: Sequence[int], *, add: FlagSet | None = None, remove: FlagSet | None = None
    ) -> IntentResult:
        """Add and remove flags and keywords."""
        wanted_add, wanted_remove = add or FlagSet(), remove or FlagSet()
        sentence = _flag_sentence(wanted_add, wanted_remove)

        def apply(connection: sqlite3.Connection, part: Sequence[int]) -> tuple[list[int], list[Inverse]]:
            touched: list[int] = []
            inverses: dict[tuple[FlagSet, FlagSet], list[int]] = {}
            for placement_id, owner_id, _, flags in self._placements(connection, part):
                new = flags.apply(wanted_add, wanted_remove)
                added, removed = new.minus(flags), flags.minus(new)
                if not added and not removed:
                    continue
                edits.change_flags(connection, owner_id, placement_id, added, removed)
                inverses.setdefault((removed, added), []).append(placement_id)
                touched.append(placement_id)
            return touched, [undo.UndoFlags(tuple(ids), plus, minus) for (plus, minus), ids in inverses.items()]

        return self._apply(placement_ids, apply, lambda count: f"{sentence} {_messages(count)}.")

    def move(self, placement_ids: Sequence[int], mailbox_id: int) -> IntentResult:
        """Move messages to another mailbox of their account."""
        name = self._target_name(mailbox_id)
        return self._move(
            placement_ids, lambda connection, owner_id: mailbox_id, lambda count: f"Moved {_messages(count)} to {name}."
        )

    def archive(self, placement_ids: Sequence[int]) -> IntentResult:
        """Move messages to their account's Archive, which is created if there is none."""
        return self._to_role(placement_ids, Role.ARCHIVE)

    def delete(self, placement_ids: Sequence[int]) -> IntentResult:
        """Move messages to their account's Trash. Raises IntentRefused for messages that are there already."""
        with self._database.write() as connection:
            for _, owner_id, mailbox_id, _ in self._placements(connection, placement_ids):
                if mailbox_id == self._role_mailbox(connection, owner_id, Role.TRASH):
                    raise IntentRefused("Already in Trash. Use “Delete for good” to remove it from the server.")
        return self._to_role(placement_ids, Role.TRASH)

    def junk(self, placement_ids: Sequence[int]) -> IntentResult:
        """Move messages to their account's Junk."""
        return self._to_role(placement_ids, Role.JUNK)

    def not_junk(self, placement_ids: Sequence[int]) -> IntentResult:
        """Move messages back to their account's INBOX."""
        return self._to_role(placement_ids, Role.INBOX)

    def _to_role(self, placement_ids: Sequence[int], role: Role) -> IntentResult:
        def target(connection: sqlite3.Connection, owner_id: int) -> int:
            return self._role_mailbox(connection, owner_id, role) or self._create(
                connection, owner_id, self._prefixed(connection, owner_id, _ROLE_NAMES[role]), role
            )

        if role is Role.INBOX:
            return self._move(placement_ids, target, lambda count: f"Moved {_messages(count)} to the inbox.")
        done = _ROLE_DONE[role]
        return self._move(placement_ids, target, lambda count: f"{done} {_messages(count)}.")

    def _move(
        self,
        placement_ids: Sequence[int],
        target: Callable[[sqlite3.Connection, int], int],
        sentence: Callable[[int], str],
    ) -> IntentResult:
        def apply(connection: sqlite3.Connection, part: Sequence[int]) -> tuple[list[int], list[Inverse]]:
            touched: list[int] = []
            inverses: dict[int, list[int]] = {}
            for placement_id, owner_id, mailbox_id, _ in self._placements(connection, part):
                goal = target(connection, owner_id)
                if mailbox_id == goal:
                    continue
                self._check_target(connection, owner_id, goal)
                edits.move(connection, owner_id, placement_id, goal)
                inverses.setdefault(mailbox_id, []).append(placement_id)
                touched.append(placement_id)
            return touched, [undo.UndoMove(tuple(ids), source) for source, ids in inverses.items()]

        return self._apply(placement_ids, apply, sentence)

    def copy(self, placement_ids: Sequence[int], mailbox_id: int) -> IntentResult:
        """Copy messages to another mailbox of their account; `placement_ids` of the result are the copies."""
        name = self._target_name(mailbox_id)

        def apply(connection: sqlite3.Connection, part: Sequence[int]) -> tuple[list[int], list[Inverse]]:
            made: list[int] = []
            for placement_id, owner_id, _, flags in self._placements(connection, part):
                self._check_target(connection, owner_id, mailbox_id)
                message_id, received_at = connection.execute(
                    "SELECT message_id, received_at FROM placement WHERE id = ?", (placement_id,)
                ).fetchone()
                (copy_id,) = insert_placements(
                    connection, [NewPlacement(message_id, mailbox_id, None, None, flags, received_at)]
                )
                edits.journal(connection, owner_id, Copy(placement_id, mailbox_id), copy_id, mailbox_id)
                recompute(connection, [copy_id])
                made.append(copy_id)
            return made, [undo.UndoCopy(tuple(made))] if made else []

        return self._apply(placement_ids, apply, lambda count: f"Copied {_messages(count)} to {name}.")

    def expunge(self, placement_ids: Sequence[int]) -> IntentResult:
        """Delete messages for good. Can't be undone."""

        def apply(connection: sqlite3.Connection, part: Sequence[int]) -> tuple[list[int], list[Inverse]]:
            touched: list[int] = []
            for placement_id, owner_id, _, _ in self._placements(connection, part):
                edits.expunge(connection, owner_id, placement_id)
                touched.append(placement_id)
            return touched, []

        return self._apply(placement_ids, apply, lambda count: f"Deleted {_messages(count)} for good.")

    def empty(self, mailbox_id: int) -> IntentResult:
        """Delete everything in a mailbox for good (Trash, Junk). Can't be undone."""
        return self.expunge(self._ids(mailbox_id, ""))

    def mark_all_read(self, mailbox_id: int) -> IntentResult:
        """Mark every message of a mailbox as read."""
        return self.set_flags(self._ids(mailbox_id, "AND flags & 1 = 0"), add=FlagSet(Flag.SEEN))

    def _ids(self, mailbox_id: int, condition: str) -> list[int]:
        with storage_errors("read the mail database"):
            return [
                row[0]
                for row in self._database.reader().execute(
                    f"SELECT id FROM placement WHERE mailbox_id = ? {condition}", (mailbox_id,)
                )
            ]

    # mailboxes

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
            if wire_name is None:
                connection.execute(
                    "UPDATE operation SET state = 'cancelled' WHERE mailbox_id = ? AND state = 'pending'", (mailbox_id,)
                )
                moved = [
                    row[0] for row in connection.execute("SELECT id FROM placement WHERE mailbox_id = ?", (mailbox_id,))
                ]
                recompute(connection, moved)
                remove_placements(
                    connection,
                    [
                        row[0]
                        for row in connection.execute(
                            "SELECT id FROM placement WHERE mailbox_id IS NULL AND base_mailbox_id IS NULL"
                        )
                    ],
                )
                connection.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))
            else:
                connection.execute(
                    "UPDATE mailbox SET pending = 'delete', changed = ? WHERE id = ?",
                    (now_changed(connection), mailbox_id),
                )
                edits.journal(connection, owner_id, DeleteMailbox(mailbox_id), None, mailbox_id)
        return IntentResult(f"Deleted the folder {name}.", undoable=False)

    def subscribe(self, mailbox_id: int, subscribed: bool) -> IntentResult:
        """Subscribe to a mailbox, or no longer."""
        with self._database.write() as connection:
            name = self._subscribe(connection, mailbox_id, subscribed)
            sentence = f"Subscribed to {name}." if subscribed else f"No longer subscribed to {name}."
            undo.record(connection, None, sentence, [undo.UndoSubscribe(mailbox_id, not subscribed)])
        return IntentResult(sentence)

    # undo

    def undo(self) -> IntentResult:
        """Take the last intent back; the sentence says which."""
        touched: list[int] = []
        with self._database.write() as connection:
            last = undo.take_last(connection)
            if last is None:
                return IntentResult("Nothing to undo.", undoable=False)
            sentence, inverses = last
            for inverse in inverses:
                touched += self._invert(connection, inverse)
        return IntentResult(f"Undone: {sentence}", tuple(touched), undoable=False)

    def _invert(self, connection: sqlite3.Connection, inverse: Inverse) -> list[int]:
        match inverse:
            case undo.UndoFlags(placement_ids=ids, add=add, remove=remove):
                for placement_id, owner_id, _, _ in self._placements(connection, ids, strict=False):
                    edits.change_flags(connection, owner_id, placement_id, add, remove)
                return list(ids)
            case undo.UndoMove(placement_ids=ids, mailbox_id=mailbox_id):
                for placement_id, owner_id, _, _ in self._placements(connection, ids, strict=False):
                    edits.move(connection, owner_id, placement_id, mailbox_id)
                return list(ids)
            case undo.UndoCopy(placement_ids=ids):
                for placement_id, owner_id, _, _ in self._placements(connection, ids, strict=False):
                    edits.expunge(connection, owner_id, placement_id)
                unborn = [
                    placement_id
                    for placement_id in ids
                    if connection.execute(
                        "SELECT 1 FROM placement WHERE id = ? AND base_mailbox_id IS NULL AND pending = 0",
                        (placement_id,),
                    ).fetchone()
                ]
                remove_placements(connection, unborn)
                return list(ids)
            case undo.UndoRename(mailbox_id=mailbox_id, name=name):
                self._rename(connection, mailbox_id, name)
            case undo.UndoSubscribe(mailbox_id=mailbox_id, subscribed=subscribed):
                self._subscribe(connection, mailbox_id, subscribed)
        return []

    # requests and settings

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
            connection.execute(
                "UPDATE account SET state = 'unknown', next_at = 0 WHERE state = 'waiting' AND name = ?", (account,)
            )
            return [self._request(connection, RequestKind.SYNC, name, mailbox_id, None) for name in names]

    def request_body(self, placement_id: int) -> int:
        """Ask the engine for the body of one message before all others; returns the request id."""
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT a.name FROM placement p JOIN message m ON m.id = p.message_id JOIN account a ON a.id = m.account_id"
                " WHERE p.id = ?",
                (placement_id,),
            ).fetchone()
            if row is None:
                raise IntentRefused("The message is gone.")
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
        """Try a failed or parked operation again."""
        with self._database.write() as connection:
            row = connection.execute("SELECT placement_id FROM operation WHERE id = ?", (operation_id,)).fetchone()
            connection.execute(
                "UPDATE operation SET state = 'pending', next_at = 0 WHERE id = ? AND state IN ('failed', 'parked', 'pending')",
                (operation_id,),
            )
            if row is not None and row[0] is not None:
                recompute(connection, [row[0]])

    def drop_operation(self, operation_id: int) -> None:
        """Give an operation up; what it changed rolls back."""
        with self._database.write() as connection:
            row = connection.execute("SELECT placement_id FROM operation WHERE id = ?", (operation_id,)).fetchone()
            connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (operation_id,))
            if row is not None and row[0] is not None:
                recompute(connection, [row[0]])

    def store_rendered(self, message_id: int, key: str, data: bytes) -> None:
        """Keep a rendering of a message for the next time."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO rendered SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM message WHERE id = ?1)",
                (message_id, key, data),
            )

    def register_accounts(self, accounts: Sequence[Account]) -> None:
        """Take over the names, order and protocols of the config; accounts no longer there are hidden, their mail stays."""
        with self._database.write() as connection:
            register_accounts(connection, tuple(accounts))

    def purge_account(self, account: str) -> None:
        """Delete an account's rows and mail files. Can't be undone."""
        with self._database.write() as connection:
            row = connection.execute("SELECT id FROM account WHERE name = ?", (account,)).fetchone()
            if row is not None:
                connection.execute(
                    "DELETE FROM placement WHERE message_id IN (SELECT id FROM message WHERE account_id = ?)", (row[0],)
                )
                connection.execute("DELETE FROM account WHERE id = ?", (row[0],))
        with storage_errors("remove the account's mail"):
            folder = self._home.mail / account_folder(account)
            if folder.exists():
                shutil.rmtree(folder)

    # shared

    def _apply(
        self,
        placement_ids: Sequence[int],
        apply: Callable[[sqlite3.Connection, Sequence[int]], tuple[list[int], list[Inverse]]],
        sentence: Callable[[int], str],
    ) -> IntentResult:
        touched: list[int] = []
        undo_id: int | None = None
        for start in range(0, len(placement_ids), _AT_ONCE):
            with self._database.write() as connection:
                done, inverses = apply(connection, placement_ids[start : start + _AT_ONCE])
                touched += done
                if inverses:
                    undo_id = undo.record(connection, undo_id, sentence(len(touched)), inverses)
        return IntentResult(
            sentence(len(touched)) if touched else "Nothing to change.", tuple(touched), undo_id is not None
        )

    @staticmethod
    def _placements(
        connection: sqlite3.Connection, placement_ids: Sequence[int], *, strict: bool = True
    ) -> Iterator[tuple[int, int, int, FlagSet]]:
        """(placement id, account's id, effective mailbox id, effective flags) of each that is there."""
        for placement_id in placement_ids:
            row = connection.execute(
                "SELECT p.id, m.account_id, p.mailbox_id, p.flags, p.keywords FROM placement p"
                " JOIN message m ON m.id = p.message_id WHERE p.id = ?",
                (placement_id,),
            ).fetchone()
            if row is None or row[2] is None:
                if strict and len(placement_ids) == 1:
                    raise IntentRefused(f"There is no message {placement_id}.")
                continue
            yield row[0], row[1], row[2], flag_set(row[3], row[4])

    @staticmethod
    def _mailbox(connection: sqlite3.Connection, mailbox_id: int) -> tuple[int, str, Role, bytes | None, str]:
        row = connection.execute(
            "SELECT account_id, name, role, wire_name, delimiter FROM mailbox WHERE id = ?", (mailbox_id,)
        ).fetchone()
        if row is None:
            raise IntentRefused("That folder is gone.")
        return row[0], row[1], Role(row[2]), row[3], row[4]

    def _target_name(self, mailbox_id: int) -> str:
        with storage_errors("read the mail database"):
            return self._mailbox(self._database.reader(), mailbox_id)[1]

    @staticmethod
    def _check_target(connection: sqlite3.Connection, owner_id: int, mailbox_id: int) -> None:
        row = connection.execute(
            "SELECT account_id, selectable, name FROM mailbox WHERE id = ?", (mailbox_id,)
        ).fetchone()
        if row is None:
            raise IntentRefused("That folder is gone.")
        if row[0] != owner_id:
            raise IntentRefused(
                f"{row[2]} belongs to another account. Messages can be moved and copied within one account."
            )
        if not row[1]:
            raise IntentRefused(f"{row[2]} only holds other folders. Choose one that can hold messages.")

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

    @staticmethod
    def _prefixed(connection: sqlite3.Connection, owner_id: int, name: str) -> str:
        """Below INBOX where the server has everything there."""
        rows = connection.execute(
            "SELECT name, delimiter FROM mailbox WHERE account_id = ? AND role <> 'inbox'", (owner_id,)
        ).fetchall()
        if rows and all(row[1] and row[0].upper().startswith("INBOX" + row[1]) for row in rows):
            return f"INBOX{rows[0][1]}{name}"
        return name

    @staticmethod
    def _create(connection: sqlite3.Connection, owner_id: int, name: str, role: Role) -> int:
        row = connection.execute(
            "SELECT delimiter FROM mailbox WHERE account_id = ? AND delimiter <> '' LIMIT 1", (owner_id,)
        ).fetchone()
        delimiter = row[0] if row is not None else "/"
        cursor = connection.execute(
            "INSERT INTO mailbox (account_id, name, delimiter, role, directory, pending, complete, changed)"
            " VALUES (?, ?, ?, ?, ?, 'create', 0, ?)",
            (
                owner_id, name, delimiter, role.value, allocate_directory(connection, owner_id, name, delimiter),
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
            "SELECT 1 FROM mailbox WHERE account_id = ? AND (name = ?2 OR upper(name) = 'INBOX' AND upper(?2) = 'INBOX')",
            (owner_id, name),
        ).fetchone()
        if taken is not None:
            raise IntentRefused(f"There is a folder named {name} already.")

    def _rename(self, connection: sqlite3.Connection, mailbox_id: int, new_name: str) -> str:
        owner_id, name, role, wire_name, delimiter = self._mailbox(connection, mailbox_id)
        if role is Role.INBOX:
            raise IntentRefused("The inbox can't be renamed.")
        self._check_name(connection, owner_id, new_name)
        changed = now_changed(connection)
        if wire_name is None:
            connection.execute("UPDATE mailbox SET name = ?, changed = ? WHERE id = ?", (new_name, changed, mailbox_id))
            return name
        connection.execute(
            "UPDATE mailbox SET name = ?, pending = 'rename', changed = ? WHERE id = ?", (new_name, changed, mailbox_id)
        )
        if delimiter:
            prefix = name + delimiter
            connection.execute(
                "UPDATE mailbox SET name = ?1 || substr(name, length(?2) + 1), changed = ?3"
                " WHERE account_id = ?4 AND substr(name, 1, length(?2)) = ?2",
                (new_name + delimiter, prefix, changed, owner_id),
            )
        waiting = connection.execute(
            "SELECT id FROM operation WHERE mailbox_id = ? AND placement_id IS NULL AND state = 'pending'"
            " AND json_extract(payload, '$.type') = 'rename' ORDER BY id DESC LIMIT 1",
            (mailbox_id,),
        ).fetchone()
        if waiting is not None:
            connection.execute("UPDATE operation SET state = 'cancelled' WHERE id = ?", (waiting[0],))
        (base_name,) = connection.execute("SELECT base_name FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()
        if base_name == new_name:
            connection.execute("UPDATE mailbox SET pending = '' WHERE id = ?", (mailbox_id,))
        else:
            edits.journal(connection, owner_id, RenameMailbox(mailbox_id, new_name), None, mailbox_id)
        return name

    def _subscribe(self, connection: sqlite3.Connection, mailbox_id: int, subscribed: bool) -> str:
        owner_id, name, _, _, _ = self._mailbox(connection, mailbox_id)
        connection.execute(
            "UPDATE mailbox SET subscribed = ?, changed = ? WHERE id = ?",
            (subscribed, now_changed(connection), mailbox_id),
        )
        edits.journal(connection, owner_id, Subscribe(mailbox_id, subscribed), None, mailbox_id)
        return name


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _flag_sentence(add: FlagSet, remove: FlagSet) -> str:
    match (add.system, remove.system):
        case (Flag.SEEN, _):
            return "Marked read:"
        case (_, Flag.SEEN):
            return "Marked unread:"
        case (Flag.FLAGGED, _):
            return "Flagged"
        case (_, Flag.FLAGGED):
            return "Unflagged"
    return "Changed the flags of"
