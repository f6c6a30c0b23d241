"""The engine's side of the outbox: what is due, and what became of it (O1 to O5, O10).

`queued → sending → sent → filed`. SENDING is durable before a server gets the message's bytes; what is found in it later is UNKNOWN.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Role
from termmail.model.outgoing import (
    OutboxItem,
    OutboxRecipient,
    OutboxState,
    RecipientState,
    Refusal,
    Submission,
)
from termmail.store import edits
from termmail.store.codec import column_text, flag_set
from termmail.store.database import Database
from termmail.store.drafts import remove_folder
from termmail.store.outbox_items import (
    MESSAGE_FILE,
    OUTBOX_COLUMNS,
    OutboxNote,
    change_item,
    outbox_item,
    read_item,
    read_note,
)
from termmail.store.uploads import add_upload, is_shown, stage

_FORWARDED = FlagSet(Flag(0), frozenset({"$Forwarded"}))
_ANSWERED = FlagSet(Flag.ANSWERED)
_FILED_SECONDS = 7 * 86400
_UNKNOWN = "It may have been sent: termmail ended before the server answered. Look into Sent, or ask, before you send it again."


class Outbox:
    """What waits to be sent, for the engine. Shares the engine's `Database`; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._home = database.home

    # what is to be done

    def due(self, account: str, now: float) -> list[OutboxItem]:
        """The items whose time has come, the oldest first."""
        return [
            outbox_item(row)
            for row in self._database.all(
                f"SELECT {OUTBOX_COLUMNS} FROM outbox o WHERE o.account = ? AND o.state = 'queued'"
                " AND max(o.not_before, o.next_at) <= ? ORDER BY o.id",
                (account, now),
            )
        ]

    def next_due(self, account: str, *, untroubled: bool = False) -> float | None:
        """When there is something to do next (Unix seconds), 0 for at once; None where nothing waits. `untroubled` leaves out what
        could not be sent before, and says why."""
        row = self._database.one(
            "SELECT min(iif(copy = 'due', 0, max(not_before, next_at))) FROM outbox"
            " WHERE account = ?1 AND state <> 'filed' AND (state = 'queued' AND (sentence = '' OR NOT ?2) OR copy = 'due')",
            (account, untroubled),
        )
        return None if row is None or row[0] is None else float(row[0])

    def message_path(self, item: OutboxItem) -> Path:
        """The file with the bytes to send."""
        return self._home.outbox / item.folder / MESSAGE_FILE

    # an attempt

    def begin_attempt(self, outbox_id: int) -> OutboxItem | None:
        """Count the attempt; the item as it is now, None where it was taken back or waits for another time."""
        with self._database.write() as connection:
            begun = connection.execute(
                "UPDATE outbox SET attempts = attempts + 1 WHERE id = ? AND state = 'queued' AND max(not_before, next_at) <= ?",
                (outbox_id, time.time()),
            ).rowcount
            return read_item(connection, outbox_id) if begun else None

    def begin_data(self, outbox_id: int, refused: Sequence[Refusal] = ()) -> bool:
        """The message's bytes are about to be sent, to all but those `refused`: SENDING, durably. False where it was taken back, and
        must not be sent."""

        def begin(note: OutboxNote) -> OutboxNote:
            recipients = _after(note.item.recipients, (), refused)
            return _becomes(note, OutboxState.SENDING, "", recipients, next_at=note.item.next_at)

        return change_item(self._database, outbox_id, (OutboxState.QUEUED,), begin) is not None

    def is_to_stop(self, outbox_id: int) -> bool:
        """Whether the user wants an item stopped that is being sent."""
        return (
            self._database.one("SELECT 1 FROM outbox WHERE id = ? AND stop AND state = 'sending'", (outbox_id,))
            is not None
        )

    def submitted(self, outbox_id: int, submission: Submission, *, next_at: float) -> None:
        """The server has taken the message for some or all. Those refused for now wait until `next_at`; those refused for good are
        told (O4)."""

        def settle(note: OutboxNote) -> OutboxNote:
            recipients = _after(note.item.recipients, submission.accepted, submission.refused)
            waiting = [one for one in recipients if one.state is RecipientState.WAITING]
            refused = [one for one in recipients if one.state is RecipientState.REFUSED]
            if waiting:
                state, sentence = OutboxState.QUEUED, f"Sent to some; {_list(waiting)}. It is tried again."
            elif refused:
                state, sentence = OutboxState.FAILED, f"Sent, but not to all: {_list(refused)}."
            else:
                state, sentence = OutboxState.SENT, ""
            copy = "due" if note.copy == "" else note.copy
            if state is OutboxState.SENT and copy == "done":
                # The copy was filed when the first of them had it.
                state = OutboxState.FILED
            return _becomes(note, state, sentence, recipients, copy=copy, next_at=next_at if waiting else 0.0)

        self._remove_filed(change_item(self._database, outbox_id, tuple(OutboxState), settle))

    def put_off(self, outbox_id: int, sentence: str, next_at: float, refused: Sequence[Refusal] = ()) -> None:
        """It was not sent to anybody; it is tried again at `next_at` (Unix seconds)."""
        self._end_attempt(outbox_id, OutboxState.QUEUED, sentence, refused, next_at)

    def failed(self, outbox_id: int, sentence: str, refused: Sequence[Refusal] = ()) -> None:
        """It was not sent to anybody, and trying again can't help (O5)."""
        self._end_attempt(outbox_id, OutboxState.FAILED, sentence, refused, 0.0)

    def unknown(self, outbox_id: int, sentence: str, refused: Sequence[Refusal] = ()) -> None:
        """It may have been sent to those who still wait (O2)."""
        self._end_attempt(outbox_id, OutboxState.UNKNOWN, sentence, refused, 0.0)

    def release(self, outbox_id: int, sentence: str) -> None:
        """An item that waits with this sentence may be tried at once."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                "UPDATE outbox SET next_at = 0 WHERE id = ? AND state = 'queued' AND sentence = ? AND next_at <> 0",
                (outbox_id, column_text(sentence)),
            )

    def _end_attempt(
        self, outbox_id: int, state: OutboxState, sentence: str, refused: Sequence[Refusal], next_at: float
    ) -> None:
        def end(note: OutboxNote) -> OutboxNote:
            return _becomes(note, state, sentence, _after(note.item.recipients, (), refused), next_at=next_at)

        change_item(self._database, outbox_id, (OutboxState.QUEUED, OutboxState.SENDING), end)

    def recover(self) -> int:
        """At the engine's start: what a dead engine was just sending is UNKNOWN; what was filed long ago is forgotten."""

        def doubt(note: OutboxNote) -> OutboxNote:
            return _becomes(note, OutboxState.UNKNOWN, _UNKNOWN, note.item.recipients)

        ids = [row[0] for row in self._database.all("SELECT id FROM outbox WHERE state = 'sending'")]
        for outbox_id in ids:
            change_item(self._database, outbox_id, (OutboxState.SENDING,), doubt)
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM outbox WHERE state = 'filed' AND created_at < ?", (time.time() - _FILED_SECONDS,)
            )
        return len(ids)

    # after it

    def file_copies(self, account: str, *, keep_copy: bool) -> int:
        """For what was sent: a copy goes on its way to Sent (unless the server files it itself), and the originals are marked; returns
        how many. Interrupted, it is done again without a second copy."""
        rows = self._database.all("SELECT id FROM outbox WHERE account = ? AND copy = 'due' ORDER BY id", (account,))
        for (outbox_id,) in rows:
            self._file_copy(outbox_id, keep_copy=keep_copy)
        return len(rows)

    def _file_copy(self, outbox_id: int, *, keep_copy: bool) -> None:
        with self._database.read() as reader:
            note = read_note(reader, outbox_id)
        if note is None:
            return
        item = note.item
        folder = self._home.outbox / item.folder
        staged = None
        if keep_copy:
            # Under the same name at every try.
            staged = stage(self._home, f"{item.folder}.sent", item.account, Role.SENT, Flag.SEEN, folder / MESSAGE_FILE)

        def show(connection: sqlite3.Connection) -> None:
            row = connection.execute("SELECT id FROM account WHERE name = ?", (item.account,)).fetchone()
            if row is not None and staged is not None and not is_shown(connection, staged):
                add_upload(connection, row[0], staged)
            self._mark(connection, note.answers, _ANSWERED)
            self._mark(connection, note.forwards, _FORWARDED)

        def file(current: OutboxNote) -> OutboxNote:
            item = current.item
            state = OutboxState.FILED if item.state is OutboxState.SENT else item.state
            return _becomes(current, state, item.sentence, item.recipients, copy="done", next_at=item.next_at)

        self._remove_filed(change_item(self._database, outbox_id, tuple(OutboxState), file, show))

    def _remove_filed(self, note: OutboxNote | None) -> None:
        """Nothing of an item is needed any more when its copy is on its way to Sent."""
        if note is not None and note.item.state is OutboxState.FILED:
            remove_folder(self._home.outbox / note.item.folder)

    @staticmethod
    def _mark(connection: sqlite3.Connection, message_id_header: str, flags: FlagSet) -> None:
        """The mail that was answered or forwarded says so, wherever it lies."""
        if not message_id_header:
            return
        for placement_id, owner_id, system, keywords in connection.execute(
            "SELECT p.id, m.account_id, p.flags, p.keywords FROM message m JOIN placement p ON p.message_id = m.id"
            " WHERE m.message_id_header = ? AND p.mailbox_id IS NOT NULL",
            (column_text(message_id_header),),
        ).fetchall():
            added = flags.minus(flag_set(system, keywords))
            if added:
                edits.change_flags(connection, owner_id, placement_id, added, FlagSet())

    def sweep(self) -> None:
        """Remove folders of items that are filed, which a crash left. Raises StorageFailed."""
        for (folder,) in self._database.all("SELECT folder FROM outbox WHERE state = 'filed'"):
            remove_folder(self._home.outbox / folder)


def _becomes(
    note: OutboxNote,
    state: OutboxState,
    sentence: str,
    recipients: tuple[OutboxRecipient, ...],
    *,
    copy: str | None = None,
    next_at: float = 0.0,
) -> OutboxNote:
    item = msgspec.structs.replace(
        note.item, state=state, sentence=column_text(sentence), recipients=recipients, next_at=next_at
    )
    return msgspec.structs.replace(note, item=item, copy=note.copy if copy is None else copy)


def _after(
    recipients: tuple[OutboxRecipient, ...], accepted: Sequence[str], refused: Sequence[Refusal]
) -> tuple[OutboxRecipient, ...]:
    """What each recipient is in after a server's words."""
    refusals = {refusal.address: refusal for refusal in refused}
    after: list[OutboxRecipient] = []
    for recipient in recipients:
        refusal = refusals.get(recipient.address)
        if recipient.state is not RecipientState.WAITING:
            after.append(recipient)
        elif recipient.address in accepted:
            after.append(OutboxRecipient(recipient.address, RecipientState.ACCEPTED))
        elif refusal is not None:
            state = RecipientState.WAITING if refusal.temporary else RecipientState.REFUSED
            after.append(OutboxRecipient(recipient.address, state, f"{refusal.code} {refusal.text}"))
        else:
            after.append(recipient)
    return tuple(after)


def _list(recipients: Sequence[OutboxRecipient]) -> str:
    return "; ".join(f"{one.address}: server says “{one.reply}”" if one.reply else one.address for one in recipients)
