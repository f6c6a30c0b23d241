"""Wishes that concern what is being written: keep it, throw it away, bring back what a dead termmail left (O9)."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from termmail.model.errors import StorageFailed
from termmail.model.flags import Flag
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.outgoing import Draft, OutgoingMessage
from termmail.model.view import IntentResult
from termmail.store import edits, undo
from termmail.store.database import Database, private_folder, storage_errors
from termmail.store.drafts import (
    DISCARDED,
    DRAFT_FILE,
    DraftTaken,
    abandoned,
    is_being_written,
    read_abandoned,
    remove_folder,
    write_draft,
)
from termmail.store.durable import sync_folder
from termmail.store.mailbox_intents import IntentRefused, MailboxIntents
from termmail.store.maildir import rename
from termmail.store.outbox_items import MESSAGE_FILE, NOTE_FILE, is_editable, set_aside
from termmail.store.uploads import add_upload, stage

DRAFT_FLAGS = Flag.DRAFT | Flag.SEEN
_DISCARDED = "Discarded the draft."
_DISCARDED_SECONDS = 30 * 86400
_STRAY_SECONDS = 3600


class DraftIntents(MailboxIntents):
    """The part of `Intents` that is about drafts. Files are written before each transaction, not within it."""

    _home: Home
    _database: Database

    def keep_draft(self, draft: Draft) -> IntentResult:
        """Put a draft into its account's Drafts mailbox, here at once and on the server when it can be reached; its folder goes.

        Raises StorageFailed, IntentRefused for an account that is not there; the folder is then as it was.
        """
        placement_id = self._into_drafts(draft, finished=True)
        with contextlib.suppress(StorageFailed):
            # What stays goes at the next start (`recover_drafts`).
            remove_folder(self._home.drafts / draft.id)
        return IntentResult("Kept in Drafts.", (placement_id,), undoable=False)

    def save_draft(self, draft: Draft) -> IntentResult:
        """As `keep_draft`, of a draft that is written on: `placement_ids` has what it `replaces` from now on, durably."""
        placement_id = self._into_drafts(draft, finished=False)
        write_draft(self._home.drafts / draft.id, msgspec.structs.replace(draft, replaces=placement_id))
        return IntentResult("Saved in Drafts.", (placement_id,), undoable=False)

    def _into_drafts(self, draft: Draft, *, finished: bool) -> int:
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
        staged = stage(self._home, name, draft.account, Role.DRAFTS, DRAFT_FLAGS, fill)
        with self._database.write() as connection:
            owner_id = self._check_account(draft.account, connection)
            placement_id = add_upload(connection, owner_id, staged)
            self._expunge_replaced(connection, draft)
            if finished:
                connection.execute("INSERT OR IGNORE INTO finished_draft VALUES (?)", (draft.id,))
            else:
                connection.execute("INSERT OR REPLACE INTO saved_draft VALUES (?, ?)", (draft.id, placement_id))
        return placement_id

    def discard_draft(self, draft: Draft) -> IntentResult:
        """Throw a draft away, and the one in Drafts that it continues. Can be undone for 30 days.

        Raises StorageFailed; the folder is then where it was.
        """
        folder = self._home.drafts / draft.id
        write_draft(folder, draft)
        private_folder(self._home.drafts / DISCARDED)
        goal = self._home.drafts / DISCARDED / draft.id
        self._move_folder(folder, goal)
        try:
            with self._database.write() as connection:
                inverses: list[undo.Inverse] = [undo.UndoDiscard(draft.id)]
                older = self._replaced(connection, draft)
                if older is not None:
                    inverses += self._trash(connection, older)
                undo.record(connection, None, _DISCARDED, inverses)
        except BaseException:
            self._move_folder(goal, folder)
            raise
        return IntentResult(_DISCARDED)

    def _undiscard(self, draft_id: str) -> IntentResult:
        folder = self._home.drafts / DISCARDED / draft_id
        if not folder.is_dir():
            raise IntentRefused("The discarded draft is gone.")
        try:
            self._move_folder(folder, self._home.drafts / draft_id)
        except StorageFailed as error:
            with contextlib.suppress(StorageFailed), self._database.write() as connection:
                undo.record(connection, None, _DISCARDED, [undo.UndoDiscard(draft_id)])
            raise StorageFailed(
                f"The draft was not brought back. {error.sentence} It stays in {folder} for {_DISCARDED_SECONDS // 86400} days:"
                " undo again when that is mended.",
                detail=error.detail,
            ) from error
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
        self._forget_drafts()
        return sentences

    def _forget_drafts(self) -> None:
        """What was remembered of drafts whose folders are gone."""
        for table in ("finished_draft", "saved_draft"):
            over = [
                row
                for row in self._database.all(f"SELECT draft FROM {table}")
                if not any((place / row[0]).exists() for place in (self._home.drafts, self._home.outbox))
            ]
            if over:
                with self._database.write() as connection:
                    connection.executemany(f"DELETE FROM {table} WHERE draft = ?", over)

    def _return_strays(self) -> None:
        """Folders of the outbox that have no row: whoever was about to send them died, or had just taken them back."""
        known = {row[0] for row in self._database.all("SELECT folder FROM outbox")}
        finished = {row[0] for row in self._database.all("SELECT draft FROM finished_draft")}
        now = time.time()
        with storage_errors("tidy up the outbox"):
            folders = list(self._home.outbox.iterdir()) if self._home.outbox.is_dir() else []
            for folder in folders:
                if folder.name in known or now - folder.stat().st_mtime < _STRAY_SECONDS or is_being_written(folder):
                    continue
                if self._database.one("SELECT 1 FROM outbox WHERE folder = ?", (folder.name,)) is not None:
                    continue
                if folder.name in finished:
                    remove_folder(folder)
                elif is_editable(folder):
                    private_folder(self._home.drafts)
                    self._move_folder(folder, self._home.drafts / folder.name)
                    forget_message(self._home.drafts / folder.name)
                elif (folder / NOTE_FILE).exists() or (folder / DRAFT_FILE).exists():
                    set_aside(self._database, folder)
                else:
                    # What nobody was told to have been accepted.
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
    def _replaced(connection: sqlite3.Connection, draft: Draft) -> int | None:
        """The placement of the older version of a draft, of which its file may not know yet; None where that is no draft: whoever wrote
        on while the database was rebuilt noted a number that another message has now."""
        row = connection.execute("SELECT placement_id FROM saved_draft WHERE draft = ?", (draft.id,)).fetchone()
        older = connection.execute(
            "SELECT p.id FROM placement p LEFT JOIN mailbox b ON b.id = coalesce(p.mailbox_id, p.base_mailbox_id)"
            " WHERE p.id = ? AND (p.flags & ? OR b.role = ?)",
            (draft.replaces if row is None else row[0], int(Flag.DRAFT), Role.DRAFTS.value),
        ).fetchone()
        return None if older is None else int(older[0])

    @classmethod
    def _expunge_replaced(cls, connection: sqlite3.Connection, draft: Draft) -> None:
        """The older version of a draft goes from its mailbox."""
        row = connection.execute(
            "SELECT m.account_id, p.id FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (cls._replaced(connection, draft),),
        ).fetchone()
        if row is not None:
            edits.expunge(connection, *row)

    def _trash(self, connection: sqlite3.Connection, placement_id: int) -> list[undo.Inverse]:
        row = connection.execute(
            "SELECT m.account_id, p.mailbox_id FROM placement p JOIN message m ON m.id = p.message_id WHERE p.id = ?",
            (placement_id,),
        ).fetchone()
        if row is None or row[1] is None:
            return []
        edits.move(connection, row[0], placement_id, self.mailbox_for(connection, row[0], Role.TRASH, "Trash"))
        return [undo.UndoMove((placement_id,), row[1])]

    @staticmethod
    def _move_folder(source: Path, goal: Path) -> None:
        with storage_errors("move a draft"):
            rename(source, goal)
            sync_folder(goal.parent)
            sync_folder(source.parent)


def forget_message(folder: Path) -> None:
    """A draft's folder is for writing again: what was made for sending goes."""
    with storage_errors("tidy up a draft"):
        (folder / NOTE_FILE).unlink(missing_ok=True)
        (folder / MESSAGE_FILE).unlink(missing_ok=True)
