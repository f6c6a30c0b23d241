"""What front ends wish: one short transaction each that changes what the user sees and journals the operation."""

from __future__ import annotations

import functools
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence

from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.operation import Copy
from termmail.model.view import IntentResult
from termmail.store import edits, undo
from termmail.store.codec import flag_set
from termmail.store.database import LET_OTHERS_WRITE, Database
from termmail.store.effective import recompute
from termmail.store.mailbox_intents import IntentRefused
from termmail.store.outgoing_intents import OutgoingIntents
from termmail.store.placements import NewPlacement, insert_placements
from termmail.store.request_intents import RequestIntents
from termmail.store.undo import Inverse

# Bounds the time one transaction holds the write lock when thousands are selected.
_AT_ONCE = 250
# An atom (RFC 9051 §9).
_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+")
_ROLE_NAMES = {Role.ARCHIVE: "Archive", Role.TRASH: "Trash", Role.JUNK: "Junk", Role.INBOX: "INBOX"}
_ROLE_DONE = {Role.ARCHIVE: "Archived", Role.TRASH: "Moved to Trash:", Role.JUNK: "Moved to Junk:"}


class Intents(OutgoingIntents, RequestIntents):
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
        for keyword in wanted_add.keywords:
            if not _KEYWORD.fullmatch(keyword):
                raise IntentRefused("A keyword is a word of letters, digits and most signs, without spaces.")
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
        with self._database.read() as reader:
            trash: dict[int, int | None] = {}
            for _, owner_id, mailbox_id, _ in self._placements(reader, placement_ids):
                if owner_id not in trash:
                    trash[owner_id] = self._role_mailbox(reader, owner_id, Role.TRASH)
                if mailbox_id == trash[owner_id]:
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
            return self._role_mailbox(connection, owner_id, role) or self._create_for(
                connection, owner_id, _ROLE_NAMES[role], role
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
            goals: dict[int, int] = {}
            for placement_id, owner_id, mailbox_id, _ in self._placements(connection, part):
                if owner_id not in goals:
                    goals[owner_id] = target(connection, owner_id)
                    self._check_target(connection, owner_id, goals[owner_id])
                if mailbox_id == goals[owner_id]:
                    continue
                edits.move(connection, owner_id, placement_id, goals[owner_id])
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
        with self._database.read() as reader:
            return [
                row[0]
                for row in reader.execute(f"SELECT id FROM placement WHERE mailbox_id = ? {condition}", (mailbox_id,))
            ]

    # undo

    def undo(self) -> IntentResult:
        """Take the last intent back; the sentence says which. What is gone meanwhile is left out.

        Raises IntentRefused where nothing of it can be taken back any more; the one before it is then the last.
        """
        touched: list[int] = []
        undo_id: int | None = None
        sentence = "Nothing to undo."
        refused: IntentRefused | None = None
        more = True
        draft_id = ""
        while more:
            reopen: list[Callable[[], IntentResult]] = []
            with self._staged(*undo.last_sent(self._database, undo_id)) as staged, self._database.write() as connection:
                last = undo.take_last(connection, undo_id, _AT_ONCE)
                if last is None:
                    break
                undo_id, undone, inverses, more = last
                sentence = f"Undone: {undone}"
                for inverse in inverses:
                    try:
                        match inverse:
                            case undo.UndoSend(outbox_id=outbox_id):
                                reopen.append(self._retract(connection, outbox_id, staged))
                            case undo.UndoDiscard(draft_id=discarded):
                                reopen.append(functools.partial(self._undiscard, discarded))
                            case _:
                                touched += self._invert(connection, inverse)
                    except IntentRefused as error:
                        refused = error
            time.sleep(LET_OTHERS_WRITE if more else 0)
            for one in reopen:
                result = one()
                sentence, draft_id = result.sentence, result.draft_id
        if refused is not None and not touched and not draft_id:
            raise refused
        return IntentResult(sentence, tuple(touched), undoable=False, draft_id=draft_id)

    def _invert(self, connection: sqlite3.Connection, inverse: Inverse) -> list[int]:
        touched: list[int] = []
        match inverse:
            case undo.UndoFlags(placement_ids=ids, add=add, remove=remove):
                for placement_id, owner_id, _, flags in self._placements(connection, ids):
                    new = flags.apply(add, remove)
                    if new != flags:
                        edits.change_flags(connection, owner_id, placement_id, new.minus(flags), flags.minus(new))
                        touched.append(placement_id)
            case undo.UndoMove(placement_ids=ids, mailbox_id=mailbox_id):
                self._mailbox(connection, mailbox_id)
                for placement_id, owner_id, _, _ in self._placements(connection, ids):
                    edits.move(connection, owner_id, placement_id, mailbox_id)
                    touched.append(placement_id)
            case undo.UndoCopy(placement_ids=ids):
                for placement_id, owner_id, _, _ in self._placements(connection, ids):
                    edits.expunge(connection, owner_id, placement_id)
                    touched.append(placement_id)
            case undo.UndoRename(mailbox_id=mailbox_id, name=name):
                self._rename(connection, mailbox_id, name)
            case undo.UndoSubscribe(mailbox_id=mailbox_id, subscribed=subscribed):
                self._subscribe(connection, mailbox_id, subscribed)
        return touched

    # shared

    def _apply(
        self,
        placement_ids: Sequence[int],
        apply: Callable[[sqlite3.Connection, Sequence[int]], tuple[list[int], list[Inverse]]],
        sentence: Callable[[int], str],
    ) -> IntentResult:
        """In transactions of bounded length: what is gone meanwhile is left out; a single message that is gone is refused."""
        touched: list[int] = []
        undo_id: int | None = None
        for start in range(0, len(placement_ids), _AT_ONCE):
            time.sleep(LET_OTHERS_WRITE if start else 0)
            with self._database.write() as connection:
                part = placement_ids[start : start + _AT_ONCE]
                if len(placement_ids) == 1 and not any(self._placements(connection, part)):
                    raise IntentRefused(f"There is no message {placement_ids[0]}.")
                done, inverses = apply(connection, part)
                touched += done
                if inverses:
                    undo_id = undo.record(connection, undo_id, sentence(len(touched)), inverses)
        return IntentResult(
            sentence(len(touched)) if touched else "Nothing to change.", tuple(touched), undo_id is not None
        )

    @staticmethod
    def _placements(
        connection: sqlite3.Connection, placement_ids: Sequence[int]
    ) -> Iterator[tuple[int, int, int, FlagSet]]:
        """(placement id, account's id, effective mailbox id, effective flags) of each that is there."""
        for placement_id in placement_ids:
            row = connection.execute(
                "SELECT p.id, m.account_id, p.mailbox_id, p.flags, p.keywords FROM placement p"
                " JOIN message m ON m.id = p.message_id WHERE p.id = ?",
                (placement_id,),
            ).fetchone()
            if row is not None and row[2] is not None:
                yield row[0], row[1], row[2], flag_set(row[3], row[4])

    def _target_name(self, mailbox_id: int) -> str:
        with self._database.read() as reader:
            return self._mailbox(reader, mailbox_id)[1]

    @staticmethod
    def _check_target(connection: sqlite3.Connection, owner_id: int, mailbox_id: int) -> None:
        row = connection.execute(
            "SELECT account_id, selectable, name, pending FROM mailbox WHERE id = ?", (mailbox_id,)
        ).fetchone()
        if row is None or row[3] == "delete":
            raise IntentRefused("That folder is gone.")
        if row[0] != owner_id:
            raise IntentRefused(
                f"{row[2]} belongs to another account. Messages can be moved and copied within one account."
            )
        if not row[1]:
            raise IntentRefused(f"{row[2]} only holds other folders. Choose one that can hold messages.")


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _flag_sentence(add: FlagSet, remove: FlagSet) -> str:
    match (add.names(), remove.names()):
        case (["\\Seen"], []):
            return "Marked read:"
        case ([], ["\\Seen"]):
            return "Marked unread:"
        case (["\\Flagged"], []):
            return "Flagged"
        case ([], ["\\Flagged"]):
            return "Unflagged"
    return "Changed the flags of"
