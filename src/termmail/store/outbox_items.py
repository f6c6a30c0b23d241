"""Outbox items as rows, and as notes beside their messages, so that what was sent is known even without the database."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.outgoing import OutboxItem, OutboxRecipient, OutboxState, OutgoingMessage
from termmail.store.codec import column_text
from termmail.store.database import Database, private_folder, storage_errors
from termmail.store.drafts import DRAFT_FILE, DraftTaken, read_draft, replace_private
from termmail.store.durable import sync_folder

MESSAGE_FILE = "message.eml"
NOTE_FILE = "item.json"

OUTBOX_COLUMNS = """o.id, o.account, o.state, o.folder, o.sender, o.recipients, o.subject, o.message_id_header, o.size, o.eight_bit,
    o.utf8, o.editable, o.created_at, o.not_before, o.next_at, o.attempts, o.sentence"""

_recipients = msgspec.json.Decoder(tuple[OutboxRecipient, ...])


class OutboxNote(msgspec.Struct, frozen=True):
    """What is known of an item outside of the database. `copy` is "due" while the sent copy is still to be filed."""

    item: OutboxItem
    answers: str
    forwards: str
    copy: str


def outbox_item(row: tuple[object, ...]) -> OutboxItem:
    """A row of OUTBOX_COLUMNS."""
    values = dict(zip(OutboxItem.__struct_fields__, row, strict=True))
    values["recipients"] = _recipients.decode(str(values["recipients"]))
    values["state"] = OutboxState(values["state"])
    for name in ("eight_bit", "utf8", "editable"):
        values[name] = bool(values[name])
    return OutboxItem(**values)  # type: ignore[arg-type]


def encode_recipients(recipients: tuple[OutboxRecipient, ...]) -> str:
    return msgspec.json.encode(recipients).decode()


def new_item(
    account: str, folder: str, message: OutgoingMessage, *, editable: bool, not_before: float, sentence: str = ""
) -> OutboxItem:
    """An item that waits for its time; its id is not known yet."""
    return OutboxItem(
        id=0,
        account=account,
        state=OutboxState.QUEUED,
        folder=folder,
        sender=message.sender,
        recipients=tuple(OutboxRecipient(address) for address in message.recipients),
        subject=column_text(message.subject),
        message_id_header=column_text(message.message_id_header),
        size=message.size,
        eight_bit=message.eight_bit,
        utf8=message.utf8,
        editable=editable,
        created_at=time.time(),
        not_before=not_before,
        next_at=0,
        attempts=0,
        sentence=sentence,
    )


def insert_item(connection: sqlite3.Connection, note: OutboxNote) -> int:
    """A row for an item; returns its id."""
    item = note.item
    cursor = connection.execute(
        "INSERT INTO outbox (account, state, folder, sender, recipients, subject, message_id_header, size, eight_bit, utf8, editable,"
        " answers, forwards, created_at, not_before, next_at, attempts, sentence, copy)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item.account, item.state.value, item.folder, item.sender, encode_recipients(item.recipients), item.subject,
            item.message_id_header, item.size, item.eight_bit, item.utf8, item.editable, note.answers, note.forwards,
            item.created_at, item.not_before, item.next_at, item.attempts, item.sentence, note.copy,
        ),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def read_item(connection: sqlite3.Connection, outbox_id: int) -> OutboxItem | None:
    """The item as it is now, None where it was taken back or forgotten."""
    row = connection.execute(f"SELECT {OUTBOX_COLUMNS} FROM outbox o WHERE o.id = ?", (outbox_id,)).fetchone()
    return None if row is None else outbox_item(row)


def read_note(connection: sqlite3.Connection, outbox_id: int) -> OutboxNote | None:
    """The item with what is not shown of it."""
    item = read_item(connection, outbox_id)
    if item is None:
        return None
    answers, forwards, copy = connection.execute(
        "SELECT answers, forwards, copy FROM outbox WHERE id = ?", (outbox_id,)
    ).fetchone()
    return OutboxNote(item, answers, forwards, copy)


def write_note(folder: Path, note: OutboxNote) -> None:
    """Make what is known of an item durable beside its message. Raises StorageFailed."""
    with storage_errors("write to the outbox"):
        replace_private(folder / NOTE_FILE, msgspec.json.encode(note))


def change_item(
    database: Database,
    outbox_id: int,
    only: Collection[OutboxState],
    change: Callable[[OutboxNote], OutboxNote],
    also: Callable[[sqlite3.Connection], None] = lambda connection: None,
) -> OutboxNote | None:
    """What becomes of an item that is in one of the states `only`: durable in its note, so that a rebuilt database knows as well, then
    in its row, in one transaction with what `also` does. While the disk writes the note only those wait who change an item too.

    Returns the item as it is now; None where it is gone or in another state. Raises StorageFailed; the row is then as it was.
    """
    with _alone(database.home):
        while True:
            with database.read() as reader:
                before = read_note(reader, outbox_id)
            if before is None or before.item.state not in only:
                return None
            after = change(before)
            item = after.item
            folder = database.home.outbox / item.folder
            if folder.is_dir():
                try:
                    write_note(folder, after)
                except StorageFailed:
                    if database.one("SELECT 1 FROM outbox WHERE id = ?", (outbox_id,)) is None:
                        # Its folder was just moved away: it was taken back.
                        return None
                    raise
            with database.write() as connection:
                # Otherwise somebody changed it meanwhile, and what becomes of it is another question.
                if read_note(connection, outbox_id) == before:
                    connection.execute(
                        "UPDATE outbox SET state = ?, sentence = ?, recipients = ?, copy = ?, not_before = ?, next_at = ?,"
                        " attempts = ?, stop = 0 WHERE id = ?",
                        (
                            item.state.value, column_text(item.sentence), encode_recipients(item.recipients), after.copy,
                            item.not_before, item.next_at, item.attempts, outbox_id,
                        ),
                    )  # fmt: skip
                    also(connection)
                    return after


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Nobody else changes an item meanwhile, in this process or another: what its note says last is what its row says last."""
    with storage_errors("write to the outbox"):
        descriptor = os.open(home.outbox_lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with storage_errors("write to the outbox"):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def restore_outbox(database: Database) -> int:
    """Into a database that was rebuilt: what lies in the outbox; returns how many. What may have been handed to a server, or just was
    about to be, is UNKNOWN (O2)."""
    home: Home = database.home
    restored = 0
    with storage_errors("read the outbox"):
        notes = sorted(home.outbox.glob(f"*/{NOTE_FILE}")) if home.outbox.is_dir() else []
    for path in notes:
        try:
            note = msgspec.json.decode(path.read_bytes(), type=OutboxNote)
        except OSError as error:
            raise StorageFailed(f"{path} could not be read: {error.strerror}.") from error
        except msgspec.DecodeError:
            # A draft that lies beside it goes back to the drafts.
            if not is_editable(path.parent):
                set_aside(database, path.parent)
            continue
        item = note.item
        if item.state is OutboxState.SENDING:
            item = msgspec.structs.replace(
                item,
                state=OutboxState.UNKNOWN,
                sentence="It may have been sent: the mail database was rebuilt meanwhile.",
            )
        with database.write() as connection:
            insert_item(connection, msgspec.structs.replace(note, item=item))
        restored += 1
    return restored


def is_editable(folder: Path) -> bool:
    """Whether an item was written in the composer, and can be opened there again."""
    try:
        read_draft(folder)
    except DraftTaken:
        return False
    except StorageFailed:
        return (folder / DRAFT_FILE).exists()
    return True


def set_aside(database: Database, folder: Path) -> None:
    """Keep a folder of the outbox of which no row tells, where a person can find it, and say so. Raises StorageFailed."""
    private_folder(database.home.set_aside)
    goal = database.home.set_aside / folder.name
    found = goal / MESSAGE_FILE if (folder / MESSAGE_FILE).exists() else goal
    # Said first: what dies in between says it twice, not never.
    with database.write() as connection:
        connection.execute(
            "INSERT INTO problem (at, account, mailbox, sentence, detail) VALUES (?, '', '', ?, '')",
            (
                time.time(),
                f"It is not known whether a message in the outbox was sent. It is kept as {found}.",
            ),
        )
    with storage_errors("set a message aside"):
        folder.rename(goal)
        sync_folder(goal.parent)
        sync_folder(folder.parent)
