"""Wishes that concern mail that is written here: keep it, send it, take it back.

Order throughout: files durable, then the row. A draft's folder is renamed from `drafts/` to `outbox/` before its row is written;
without a row it goes back (`recover_drafts`), so that a crash loses nothing and sends nothing twice.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from termmail.mime.headers import parse_envelope
from termmail.model.errors import TermmailError
from termmail.model.flags import Flag
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.message import Address
from termmail.model.outgoing import Draft, OutboxItem, OutboxState, OutgoingMessage, RecipientState
from termmail.model.view import IntentResult
from termmail.store import edits, undo
from termmail.store.database import Database, private_folder, storage_errors
from termmail.store.drafts import (
    DISCARDED,
    DRAFT_FILE,
    DraftTaken,
    abandoned,
    is_being_written,
    new_draft_id,
    read_abandoned,
    read_draft,
    remove_folder,
    write_draft,
)
from termmail.store.durable import sync_files, sync_folder
from termmail.store.mailbox_intents import IntentRefused, MailboxIntents
from termmail.store.maildir import rename
from termmail.store.outbox_items import (
    MESSAGE_FILE,
    NOTE_FILE,
    OutboxNote,
    encode_recipients,
    insert_item,
    new_item,
    read_note,
    write_note,
)
from termmail.store.uploads import add_upload, stage

_HEAD = 256 * 1024
_DRAFT = Flag.DRAFT | Flag.SEEN
_DISCARDED_SECONDS = 30 * 86400
_STRAY_SECONDS = 3600
_RETRACTABLE = (OutboxState.QUEUED, OutboxState.FAILED, OutboxState.UNKNOWN)


class OutgoingIntents(MailboxIntents):
    """The part of `Intents` that is about drafts and the outbox. Files are written before each transaction, not within it."""

    _home: Home
    _database: Database

    # sending

    def send(self, draft: Draft, *, at: float) -> IntentResult:
        """Let a draft go out, not before `at` (Unix seconds); its folder, which has to be in `drafts/`, becomes the outbox's.

        Can be taken back as long as the server does not have it. Raises Unsendable with what is wrong with it, StorageFailed where
        it can't be kept until then, IntentRefused for an account that is not there.
        """
        # Builds messages with the standard library's email package, which a front end that only reads does not need.
        from termmail.mime import building

        self._check_account(draft.account)
        folder = self._home.drafts / draft.id
        write_draft(folder, draft)
        message_id = building.new_message_id(draft.from_.address)
        message = self._write_message(
            folder,
            lambda file: building.build(draft, folder, file, message_id=message_id, now=time.time()),
        )
        item = new_item(draft.account, draft.id, message, editable=True, not_before=at)
        note = OutboxNote(item, draft.answers, draft.forwards, "")
        try:
            write_note(folder, note)
            private_folder(self._home.outbox)
            goal = self._home.outbox / draft.id
            self._move_folder(folder, goal)
        except BaseException:
            _forget_message(folder)
            raise
        try:
            with self._database.write() as connection:
                outbox_id = insert_item(connection, note)
                if draft.replaces is not None:
                    self._expunge_replaced(connection, draft.replaces)
                sentence = f"Sending to {_names(item)}."
                undo.record(connection, None, sentence, [undo.UndoSend(outbox_id)])
        except BaseException:
            self._move_folder(goal, folder)
            _forget_message(folder)
            raise
        return IntentResult(sentence, outbox_id=outbox_id)

    def submit_message(
        self, account: str, fill: Callable[[BinaryIO], OutgoingMessage], *, at: float, undoable: bool = False
    ) -> IntentResult:
        """Let a finished message go out: `fill` writes its bytes, with CRLF at line ends. Raises as `send`, and what `fill` raises."""
        self._check_account(account)
        private_folder(self._home.outbox)
        folder = self._home.outbox / new_draft_id()
        try:
            with storage_errors("write to the outbox"):
                folder.mkdir(mode=0o700)
            message = self._write_message(folder, fill)
            note = OutboxNote(new_item(account, folder.name, message, editable=False, not_before=at), "", "", "")
            write_note(folder, note)
            with storage_errors("write to the outbox"):
                sync_folder(self._home.outbox)
            with self._database.write() as connection:
                outbox_id = insert_item(connection, note)
                sentence = f"Sending to {_names(note.item)}."
                if undoable:
                    undo.record(connection, None, sentence, [undo.UndoSend(outbox_id)])
        except BaseException:
            with contextlib.suppress(TermmailError):
                remove_folder(folder)
            raise
        return IntentResult(sentence, undoable=undoable, outbox_id=outbox_id)

    def redirect(self, account: str, raw: bytes, *, sender: Address, to: str, at: float) -> IntentResult:
        """Send a received message on, unchanged, to the addresses typed in `to` (RFC 5322 §3.6.6). Raises as `send`."""
        from termmail.mime import addressing, building

        recipients = addressing.check_recipients(to)
        message_id = building.new_message_id(sender.address)

        def fill(file: BinaryIO) -> OutgoingMessage:
            return building.redirect(
                BytesIO(raw), file, sender=sender, to=recipients, message_id=message_id, now=time.time()
            )

        return self.submit_message(account, fill, at=at, undoable=True)

    def resend(self, outbox_id: int) -> IntentResult:
        """Try a failed item again, or one that may have been sent, with the Message-ID that it had (O2); those who have it are left
        out. Raises IntentRefused where it is gone or on its way."""
        with self._database.write() as connection:
            note = self._note(connection, outbox_id)
            if note.item.state not in _RETRACTABLE:
                raise IntentRefused("That message is being sent, or was sent, already.")
            recipients = tuple(
                recipient
                if recipient.state is RecipientState.ACCEPTED
                else msgspec.structs.replace(recipient, state=RecipientState.WAITING, reply="")
                for recipient in note.item.recipients
            )
            item = msgspec.structs.replace(
                note.item,
                state=OutboxState.QUEUED,
                recipients=recipients,
                not_before=0.0,
                next_at=0.0,
                attempts=0,
                sentence="",
            )
            connection.execute(
                "UPDATE outbox SET state = 'queued', recipients = ?, not_before = 0, next_at = 0, attempts = 0, sentence = ''"
                " WHERE id = ?",
                (encode_recipients(recipients), outbox_id),
            )
            write_note(self._home.outbox / item.folder, msgspec.structs.replace(note, item=item))
        return IntentResult(f"Sending again to {_names(item)}.", undoable=False, outbox_id=outbox_id)

    def send_now(self, outbox_id: int | None = None) -> IntentResult:
        """Try what waits, or one item, at once, whatever it waits for."""
        with self._database.write() as connection:
            count = connection.execute(
                # Without its sentence: the engine sees by that that it is asked for, even where the user has to do something first.
                "UPDATE outbox SET not_before = 0, next_at = 0, sentence = '' WHERE state = 'queued' AND (?1 IS NULL OR id = ?1)",
                (outbox_id,),
            ).rowcount
        if not count:
            return IntentResult("Nothing waits to be sent.", undoable=False)
        return IntentResult(f"Sending {_messages(count)} now.", undoable=False, outbox_id=outbox_id)

    # taking back

    def take_back(self, outbox_id: int) -> IntentResult:
        """An item that was written here is open for writing again (`draft_id`), for those who don't have it yet.

        One that was not goes to Drafts. Raises IntentRefused where it was sent or is gone, and where it is just being sent: the engine
        then stops it, if the server does not have all of it, and it stays in the outbox as FAILED.
        """
        with self._database.write() as connection:
            reopen = self._retract(connection, outbox_id)
        return reopen()

    def cancel_sending(self, outbox_id: int) -> IntentResult:
        """Don't send an item; it goes to the account's Drafts. Raises as `take_back`."""
        result = self.take_back(outbox_id)
        if not result.draft_id:
            return result
        self.keep_draft(read_draft(self._home.drafts / result.draft_id))
        return IntentResult("Not sent. The message is in Drafts.", undoable=False)

    def _retract(self, connection: sqlite3.Connection, outbox_id: int) -> Callable[[], IntentResult]:
        """Take an item's row away; returns what is to be done after the commit, which is done later where that fails."""
        item = self._note(connection, outbox_id).item
        if item.state is OutboxState.SENDING:
            connection.execute("UPDATE outbox SET stop = 1 WHERE id = ?", (outbox_id,))
            return _refuse_for_now
        if item.state not in _RETRACTABLE:
            raise IntentRefused("That message was sent already.")
        folder = self._home.outbox / item.folder
        if not item.editable:
            return self._to_drafts(connection, item, folder)
        connection.execute("DELETE FROM outbox WHERE id = ?", (outbox_id,))
        return lambda: self._reopen(item, folder)

    def _to_drafts(self, connection: sqlite3.Connection, item: OutboxItem, folder: Path) -> Callable[[], IntentResult]:
        def fill(file: BinaryIO) -> None:
            with (folder / MESSAGE_FILE).open("rb") as source:
                shown = parse_envelope(source.read(_HEAD))
                source.seek(0)
                named = {one.address.casefold() for one in (*shown.to, *shown.cc)}
                hidden = [one.address for one in item.recipients if one.address.casefold() not in named]
                if hidden:
                    # Only the envelope knows of them.
                    file.write(f"Bcc: {', '.join(hidden)}\r\n".encode())
                while block := source.read(1 << 20):
                    file.write(block)

        staged = stage(self._home, f"{item.folder}.draft", item.account, Role.DRAFTS, _DRAFT, fill)
        add_upload(connection, self._check_account(item.account, connection), staged)
        connection.execute("DELETE FROM outbox WHERE id = ?", (item.id,))

        def after() -> IntentResult:
            remove_folder(folder)
            return IntentResult("Not sent. The message is in Drafts.", undoable=False)

        return after

    def _reopen(self, item: OutboxItem, folder: Path) -> IntentResult:
        goal = self._home.drafts / item.folder
        private_folder(self._home.drafts)
        self._move_folder(folder, goal)
        _forget_message(goal)
        draft = msgspec.structs.replace(read_draft(goal), replaces=None)
        has_it = {one.address.casefold() for one in item.recipients if one.state is RecipientState.ACCEPTED}
        if has_it:
            draft = _without(draft, has_it)
        write_draft(goal, draft)
        return IntentResult("Not sent: the message is open again.", undoable=False, draft_id=draft.id)

    # drafts

    def keep_draft(self, draft: Draft) -> IntentResult:
        """Put a draft into its account's Drafts mailbox, here at once and on the server when it can be reached; its folder goes.

        Raises StorageFailed, IntentRefused for an account that is not there; the folder is then as it was.
        """
        from termmail.mime import building

        self._check_account(draft.account)
        folder = self._home.drafts / draft.id
        # Each version has a Message-ID of its own: a server that has the last one must not be taken to have this one.
        message_id = building.new_message_id(draft.from_.address or "draft@localhost")

        def fill(file: BinaryIO) -> OutgoingMessage:
            return building.build(
                draft, folder, file, message_id=message_id, now=time.time(), with_bcc=True, as_draft=True
            )

        name = f"{draft.id}.{secrets.token_hex(4)}"
        staged = stage(self._home, name, draft.account, Role.DRAFTS, _DRAFT, fill)
        with self._database.write() as connection:
            owner_id = self._check_account(draft.account, connection)
            placement_id = add_upload(connection, owner_id, staged)
            if draft.replaces is not None:
                self._expunge_replaced(connection, draft.replaces)
            connection.execute("INSERT OR IGNORE INTO finished_draft VALUES (?)", (draft.id,))
        remove_folder(folder)
        return IntentResult("Kept in Drafts.", (placement_id,), undoable=False)

    def discard_draft(self, draft: Draft) -> IntentResult:
        """Throw a draft away, and the one in Drafts that it continues. Can be undone for 30 days."""
        folder = self._home.drafts / draft.id
        write_draft(folder, draft)
        private_folder(self._home.drafts / DISCARDED)
        self._move_folder(folder, self._home.drafts / DISCARDED / draft.id)
        sentence = "Discarded the draft."
        with self._database.write() as connection:
            inverses: list[undo.Inverse] = [undo.UndoDiscard(draft.id)]
            if draft.replaces is not None:
                inverses += self._trash(connection, draft.replaces)
            undo.record(connection, None, sentence, inverses)
        return IntentResult(sentence)

    def _undiscard(self, draft_id: str) -> IntentResult:
        folder = self._home.drafts / DISCARDED / draft_id
        if not folder.is_dir():
            raise IntentRefused("The discarded draft is gone.")
        self._move_folder(folder, self._home.drafts / draft_id)
        return IntentResult("The draft is open again.", undoable=False, draft_id=draft_id)

    def recover_drafts(self) -> list[str]:
        """Put into Drafts what a dead termmail left unfinished; returns a sentence for each. Raises StorageFailed."""
        self._return_strays()
        finished = {row[0] for row in self._database.all("SELECT draft FROM finished_draft")}
        sentences: list[str] = []
        for draft_id in abandoned(self._home):
            folder = self._home.drafts / draft_id
            if draft_id in finished:
                remove_folder(folder)
                continue
            try:
                draft = read_abandoned(folder)
            except DraftTaken as error:
                sentences.append(f"{folder} holds a draft that can't be read. {error.detail}")
                continue
            try:
                self.keep_draft(draft)
            except IntentRefused as error:
                sentences.append(f"A draft “{draft.subject}” waits in {folder}. {error.sentence}")
            else:
                sentences.append(f"Recovered the draft “{draft.subject or 'without a subject'}”. It is in Drafts.")
        if finished:
            with self._database.write() as connection:
                connection.executemany(
                    "DELETE FROM finished_draft WHERE draft = ?",
                    ((name,) for name in finished if not (self._home.drafts / name).exists()),
                )
        return sentences

    def _return_strays(self) -> None:
        """Folders of the outbox that have no row: whoever was about to send them died, or had just taken them back."""
        known = {row[0] for row in self._database.all("SELECT folder FROM outbox")}
        now = time.time()
        with storage_errors("tidy up the outbox"):
            folders = list(self._home.outbox.iterdir()) if self._home.outbox.is_dir() else []
            for folder in folders:
                if folder.name in known or now - folder.stat().st_mtime < _STRAY_SECONDS or is_being_written(folder):
                    continue
                if self._database.one("SELECT 1 FROM outbox WHERE folder = ?", (folder.name,)) is not None:
                    continue
                if (folder / DRAFT_FILE).exists():
                    private_folder(self._home.drafts)
                    self._move_folder(folder, self._home.drafts / folder.name)
                    _forget_message(self._home.drafts / folder.name)
                else:
                    remove_folder(folder)
            discarded = self._home.drafts / DISCARDED
            for folder in list(discarded.iterdir()) if discarded.is_dir() else []:
                if now - folder.stat().st_mtime > _DISCARDED_SECONDS:
                    remove_folder(folder)

    # shared

    def _check_account(self, account: str, connection: sqlite3.Connection | None = None) -> int:
        with contextlib.ExitStack() as stack:
            reader = connection if connection is not None else stack.enter_context(self._database.read())
            row = reader.execute("SELECT id FROM account WHERE name = ? AND hidden = 0", (account,)).fetchone()
        if row is None:
            raise IntentRefused(f"There is no account named {account}. Choose another one to send from.")
        return int(row[0])

    @staticmethod
    def _note(connection: sqlite3.Connection, outbox_id: int) -> OutboxNote:
        note = read_note(connection, outbox_id)
        if note is None:
            raise IntentRefused("That message is no longer in the outbox.")
        return note

    @staticmethod
    def _expunge_replaced(connection: sqlite3.Connection, placement_id: int) -> None:
        """The older version of a draft goes from its mailbox."""
        row = connection.execute(
            "SELECT m.account_id FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?", (placement_id,)
        ).fetchone()
        if row is not None:
            edits.expunge(connection, row[0], placement_id)

    def _trash(self, connection: sqlite3.Connection, placement_id: int) -> list[undo.Inverse]:
        row = connection.execute(
            "SELECT m.account_id, p.mailbox_id FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (placement_id,),
        ).fetchone()
        if row is None or row[1] is None:
            return []
        edits.move(connection, row[0], placement_id, self.mailbox_for(connection, row[0], Role.TRASH, "Trash"))
        return [undo.UndoMove((placement_id,), row[1])]

    def _write_message(self, folder: Path, fill: Callable[[BinaryIO], OutgoingMessage]) -> OutgoingMessage:
        """The bytes that go out, whole and durable, in a folder. Raises StorageFailed; nothing is left behind then."""
        path = folder / MESSAGE_FILE
        try:
            with storage_errors("write to the outbox"):
                path.unlink(missing_ok=True)
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600)
                with os.fdopen(descriptor, "w+b") as file:
                    message = fill(file)
                sync_files([path])
                sync_folder(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return message

    @staticmethod
    def _move_folder(source: Path, goal: Path) -> None:
        with storage_errors("move a draft"):
            rename(source, goal)
            sync_folder(goal.parent)
            sync_folder(source.parent)


def _forget_message(folder: Path) -> None:
    """A draft's folder is for writing again: what was made for sending goes."""
    with storage_errors("tidy up a draft"):
        (folder / NOTE_FILE).unlink(missing_ok=True)
        (folder / MESSAGE_FILE).unlink(missing_ok=True)


def _refuse_for_now() -> IntentResult:
    raise IntentRefused(
        "It is being sent right now. If the server does not have all of it yet it is stopped, and stays in the outbox."
    )


def _without(draft: Draft, addresses: set[str]) -> Draft:
    """The draft for those who are not among `addresses`."""
    from termmail.mime import addressing

    def left(text: str) -> str:
        return ", ".join(
            addressing.format_address(one)
            for one in addressing.parse_recipients(text)
            if one.address.casefold() not in addresses
        )

    return msgspec.structs.replace(draft, to=left(draft.to), cc=left(draft.cc), bcc=left(draft.bcc))


def _names(item: OutboxItem) -> str:
    first, *others = [one.address for one in item.recipients if one.state is not RecipientState.ACCEPTED] or ["nobody"]
    return f"{first} and {len(others)} more" if others else first


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
