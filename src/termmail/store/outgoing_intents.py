"""Wishes that concern mail that is to go out: send it, now or later, again, or take it back.

Order throughout: files durable, then the row. A draft's folder is renamed from `drafts/` to `outbox/` before its row is written;
without a row it goes back (`recover_drafts`), so that a crash loses nothing and sends nothing twice.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from termmail.mime.headers import parse_envelope
from termmail.model.errors import TermmailError
from termmail.model.mailbox import Role
from termmail.model.message import Address
from termmail.model.outgoing import Draft, OutboxItem, OutboxState, OutgoingMessage, RecipientState
from termmail.model.view import IntentResult
from termmail.store import undo
from termmail.store.database import private_folder, storage_errors
from termmail.store.draft_intents import DRAFT_FLAGS, DraftIntents, forget_message
from termmail.store.drafts import (
    new_draft_id,
    read_draft,
    remove_folder,
    write_draft,
)
from termmail.store.durable import sync_files, sync_folder
from termmail.store.mailbox_intents import IntentRefused
from termmail.store.outbox_items import (
    MESSAGE_FILE,
    OutboxNote,
    change_item,
    insert_item,
    new_item,
    read_note,
    write_note,
)
from termmail.store.uploads import StagedUpload, add_upload, remove_file, stage

_HEAD = 256 * 1024
_RETRACTABLE = (OutboxState.QUEUED, OutboxState.FAILED, OutboxState.UNKNOWN)


class OutgoingIntents(DraftIntents):
    """The part of `Intents` that is about the outbox. Files are written before each transaction, not within it."""

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
            forget_message(folder)
            raise
        try:
            with self._database.write() as connection:
                outbox_id = insert_item(connection, note)
                self._expunge_replaced(connection, draft)
                sentence = f"Sending to {_names(item)}."
                undo.record(connection, None, sentence, [undo.UndoSend(outbox_id)])
        except BaseException:
            self._move_folder(goal, folder)
            forget_message(folder)
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

        def again(note: OutboxNote) -> OutboxNote:
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
            return msgspec.structs.replace(note, item=item)

        changed = change_item(self._database, outbox_id, _RETRACTABLE, again)
        if changed is None:
            with self._database.read() as reader:
                self._note(reader, outbox_id)
            raise IntentRefused("That message is being sent, or was sent, already.")
        return IntentResult(f"Sending again to {_names(changed.item)}.", undoable=False, outbox_id=outbox_id)

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
        with self._staged(outbox_id) as staged:
            with self._database.write() as connection:
                reopen = self._retract(connection, outbox_id, staged)
            return reopen()

    def cancel_sending(self, outbox_id: int) -> IntentResult:
        """Don't send an item; it goes to the account's Drafts. Raises as `take_back`."""
        with self._database.read() as reader:
            item = self._note(reader, outbox_id).item
        result = self.take_back(outbox_id)
        if not result.draft_id:
            return result
        self.keep_draft(read_draft(self._home.drafts / result.draft_id))
        return IntentResult(f"{_was_sent(item)} The message is in Drafts.", undoable=False)

    @contextlib.contextmanager
    def _staged(self, *outbox_ids: int) -> Iterator[dict[int, StagedUpload]]:
        """Those of these items that were not written here, as messages for Drafts, durable before the transaction that takes them out
        of the dictionary; what is left in it goes. Raises StorageFailed."""
        staged: dict[int, StagedUpload] = {}
        try:
            for outbox_id in outbox_ids:
                with self._database.read() as reader:
                    note = read_note(reader, outbox_id)
                if note is not None and not note.item.editable and note.item.state in _RETRACTABLE:
                    staged[outbox_id] = self._stage(note.item)
            yield staged
        finally:
            for left in staged.values():
                remove_file(self._home, left.name)

    def _stage(self, item: OutboxItem) -> StagedUpload:
        def fill(file: BinaryIO) -> None:
            with (self._home.outbox / item.folder / MESSAGE_FILE).open("rb") as source:
                shown = parse_envelope(source.read(_HEAD))
                source.seek(0)
                named = {one.address.casefold() for one in (*shown.to, *shown.cc)}
                hidden = [one.address for one in item.recipients if one.address.casefold() not in named]
                if hidden:
                    # Only the envelope knows of them.
                    file.write(f"Bcc: {', '.join(hidden)}\r\n".encode())
                while block := source.read(1 << 20):
                    file.write(block)

        # A name that no other try has: what is left of one is removed.
        name = f"{item.folder}.{secrets.token_hex(4)}"
        return stage(self._home, name, item.account, Role.DRAFTS, DRAFT_FLAGS, fill)

    def _retract(
        self, connection: sqlite3.Connection, outbox_id: int, staged: dict[int, StagedUpload]
    ) -> Callable[[], IntentResult]:
        """Take an item's row away, and what was `staged` for it; returns what is to be done after the commit, which is done later where
        that fails."""
        note = self._note(connection, outbox_id)
        item = note.item
        if item.state is OutboxState.SENDING:
            connection.execute("UPDATE outbox SET stop = 1 WHERE id = ?", (outbox_id,))
            return _refuse_for_now
        if item.state not in _RETRACTABLE:
            raise IntentRefused("That message was sent already.")
        if note.copy == "due":
            raise IntentRefused("It was sent to some just now, and its copy is not in Sent yet. Try again in a moment.")
        folder = self._home.outbox / item.folder
        if item.editable:
            connection.execute("DELETE FROM outbox WHERE id = ?", (outbox_id,))
            return lambda: self._reopen(item, folder)
        if outbox_id not in staged:
            raise IntentRefused("It was being sent just now. Take it back in the outbox.")
        add_upload(connection, self._check_account(item.account, connection), staged.pop(outbox_id))
        connection.execute("DELETE FROM outbox WHERE id = ?", (outbox_id,))
        connection.execute("INSERT OR IGNORE INTO finished_draft VALUES (?)", (item.folder,))

        def after() -> IntentResult:
            remove_folder(folder)
            return IntentResult(f"{_was_sent(item)} The message is in Drafts.", undoable=False)

        return after

    def _reopen(self, item: OutboxItem, folder: Path) -> IntentResult:
        goal = self._home.drafts / item.folder
        private_folder(self._home.drafts)
        self._move_folder(folder, goal)
        forget_message(goal)
        draft = msgspec.structs.replace(read_draft(goal), replaces=None)
        has_it = {one.address.casefold() for one in item.recipients if one.state is RecipientState.ACCEPTED}
        if has_it:
            draft = _without(draft, has_it)
        write_draft(goal, draft)
        return IntentResult(f"{_was_sent(item)} The message is open again.", undoable=False, draft_id=draft.id)

    # shared

    @staticmethod
    def _note(connection: sqlite3.Connection, outbox_id: int) -> OutboxNote:
        note = read_note(connection, outbox_id)
        if note is None:
            raise IntentRefused("That message is no longer in the outbox.")
        return note

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


def _refuse_for_now() -> IntentResult:
    raise IntentRefused(
        "It is being sent right now. If the server does not have all of it yet it is stopped, and stays in the outbox."
    )


def _was_sent(item: OutboxItem) -> str:
    """What became of an item that is taken out of the outbox."""
    if item.state is OutboxState.UNKNOWN:
        return "It may have been sent."
    if any(one.state is RecipientState.ACCEPTED for one in item.recipients):
        return "Not sent to the others."
    return "Not sent."


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
