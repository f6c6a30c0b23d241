"""What is being written: a folder for each draft, with its text as typed and a copy of each file that goes along (O9)."""

from __future__ import annotations

import contextlib
import fcntl
import mimetypes
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from termmail.mime.safe_text import safe_text
from termmail.model.crash import crash_point
from termmail.model.errors import Retry, Scope, TermmailError
from termmail.model.home import Home
from termmail.model.outgoing import Draft, DraftAttachment
from termmail.store.database import private_folder, storage_errors
from termmail.store.durable import sync_files, sync_folder

DRAFT_FILE = "draft.json"
_EDITED_FILE = "text.txt"
DISCARDED = ".discarded"
_LOCK_FILE = "lock"
_BLOCK = 1 << 20
_ID = re.compile(r"[0-9a-f]{16}")


class DraftTaken(TermmailError):
    """Another termmail is writing this draft, or it is no longer there."""

    scope = Scope.MESSAGE
    retry = Retry.NEVER


def new_draft_id() -> str:
    """An id that no other draft has."""
    return secrets.token_hex(8)


class DraftFolder:
    """A draft that this process is writing; nobody else can meanwhile. Used by one thread at a time.

    Every method may raise StorageFailed; what was saved before is then still there.
    """

    def __init__(self, folder: Path, draft: Draft, lock: int) -> None:
        self.folder = folder
        self.draft = draft
        self._lock = lock

    @classmethod
    def create(cls, home: Home, draft: Draft) -> DraftFolder:
        """Begin to write; the draft is durable when this returns."""
        if _ID.fullmatch(draft.id) is None:
            raise ValueError(draft.id)
        private_folder(home.drafts)
        folder = home.drafts / draft.id
        with storage_errors("save the draft"):
            folder.mkdir(mode=0o700)
            opened = cls(folder, draft, _take_lock(folder))
            opened.save(draft)
            sync_folder(home.drafts)
        return opened

    @classmethod
    def open(cls, home: Home, draft_id: str) -> DraftFolder:
        """Go on writing. Raises DraftTaken where somebody else is writing it, or where it is gone."""
        folder = home.drafts / draft_id
        if _ID.fullmatch(draft_id) is None or not folder.is_dir():
            raise DraftTaken("That draft is gone: it was sent, discarded or put into Drafts.")
        try:
            lock = _take_lock(folder)
        except BlockingIOError:
            raise DraftTaken("That draft is open in another termmail. Close it there first.") from None
        try:
            return cls(folder, read_draft(folder), lock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def edited(self) -> Path:
        """Where the text lies while another program edits it: what was saved there is the text if this program dies meanwhile."""
        return self.folder / _EDITED_FILE

    def save(self, draft: Draft) -> None:
        """Make the text as it is now durable, whole or not at all."""
        write_draft(self.folder, draft)
        self.draft = draft

    def attach(
        self,
        source: Path,
        *,
        progress: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> DraftAttachment | None:
        """Copy a file into the draft's folder; None where it was stopped. The draft does not name it before it is saved with it."""
        with storage_errors(f"attach {source.name}"), source.open("rb") as file:
            return self._take(source.name, guess_type(source.name), file, progress, should_stop)

    def attach_bytes(self, name: str, content_type: str, data: bytes) -> DraftAttachment:
        """As `attach`, for what is in memory."""
        file_name = secrets.token_hex(8)
        with storage_errors(f"attach {name}"):
            try:
                write_private(self.folder / file_name, data)
                sync_files([self.folder / file_name])
            except BaseException:
                (self.folder / file_name).unlink(missing_ok=True)
                raise
        return DraftAttachment(name, content_type, file_name, len(data))

    def _take(
        self,
        name: str,
        content_type: str,
        source: BinaryIO,
        progress: Callable[[int], None] | None,
        should_stop: Callable[[], bool],
    ) -> DraftAttachment | None:
        path = self.folder / secrets.token_hex(8)
        size = 0
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                while block := source.read(_BLOCK):
                    if should_stop():
                        path.unlink()
                        return None
                    target.write(block)
                    size += len(block)
                    if progress is not None:
                        progress(size)
            sync_files([path])
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return DraftAttachment(name, content_type, path.name, size)

    def release(self) -> None:
        """Write no more; the draft stays where it is."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def guess_type(name: str) -> str:
    """The content type that a file's name tells."""
    found, encoding = mimetypes.guess_type(name)
    return found if found is not None and encoding is None else "application/octet-stream"


def write_private(path: Path, data: bytes) -> None:
    """Create a file, 0600. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def replace_private(path: Path, data: bytes) -> None:
    """Write a file, 0600, durably, whole or not at all, whoever else writes it at the same time. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        write_private(temporary, data)
        sync_files([temporary])
        crash_point("before rename")
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_draft(folder: Path, draft: Draft) -> None:
    """Make a draft durable in its folder. Raises StorageFailed."""
    with storage_errors("save the draft"):
        replace_private(folder / DRAFT_FILE, msgspec.json.encode(draft))


def read_draft(folder: Path) -> Draft:
    """The draft of a folder, without taking it. Raises DraftTaken where there is none, StorageFailed."""
    try:
        with storage_errors("read the draft"):
            return msgspec.json.decode((folder / DRAFT_FILE).read_bytes(), type=Draft)
    except msgspec.DecodeError as error:
        raise DraftTaken("That draft can't be read.", detail=f"{folder}: {error}") from error


def read_abandoned(folder: Path) -> Draft:
    """As `read_draft`, with the text that an editor had when the program that called it died."""
    draft = read_draft(folder)
    edited = folder / _EDITED_FILE
    with storage_errors("read the draft"):
        if not edited.is_file():
            return draft
        text = edited.read_text(encoding="utf-8", errors="replace")
    return msgspec.structs.replace(draft, body=safe_text(text))


def is_being_written(folder: Path) -> bool:
    """Whether a living process writes the draft of this folder."""
    try:
        os.close(_take_lock(folder))
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def abandoned(home: Home) -> list[str]:
    """The ids of drafts that nobody writes any more and that are in no mailbox: what a dead termmail left."""
    with storage_errors("read the drafts"):
        folders = sorted(home.drafts.iterdir()) if home.drafts.is_dir() else []
        return [
            folder.name
            for folder in folders
            if _ID.fullmatch(folder.name) and folder.is_dir() and not is_being_written(folder)
        ]


def forget_replaced(home: Home) -> None:
    """After the database was rebuilt: the placements that drafts were to replace have other numbers. Raises StorageFailed."""
    with storage_errors("read the drafts"):
        files = [*home.drafts.glob(f"*/{DRAFT_FILE}"), *home.drafts.glob(f"{DISCARDED}/*/{DRAFT_FILE}")]
        files += home.outbox.glob(f"*/{DRAFT_FILE}")
    for file in files:
        # One that can't be read is told where it is recovered.
        with contextlib.suppress(DraftTaken):
            draft = read_draft(file.parent)
            if draft.replaces is not None:
                write_draft(file.parent, msgspec.structs.replace(draft, replaces=None))


def remove_folder(folder: Path) -> None:
    """Remove a draft's folder with all that is in it. Raises StorageFailed."""
    with storage_errors("remove a draft"), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _take_lock(folder: Path) -> int:
    """Raises BlockingIOError where somebody has it."""
    descriptor = os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
