"""Maildir trees (https://cr.yp.to/proto/maildir.html), `mail/<account>/<mailbox>/{cur,new,tmp}`.

The mirror of an IMAP mailbox: `,U=<uid>,S=<bytes>` in the name and the mailbox's identity in `.termmail` beside `cur` let the
database be rebuilt.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
from pathlib import Path

import msgspec

from termmail.model.crash import crash_point
from termmail.model.flags import Flag

_INFO_LETTERS = ((Flag.DRAFT, "D"), (Flag.FLAGGED, "F"), (Flag.ANSWERED, "R"), (Flag.SEEN, "S"), (Flag.DELETED, "T"))
_UID = re.compile(r",U=(\d+)")
_SIZE = re.compile(r",S=(\d+)")
_SPOOL = re.compile(r"(\d+)\.(\d+)\.part")
_TEMPORARY = re.compile(r"\d+\.[0-9a-f]{12}\.\d+|identity\.[0-9a-f]{8}|\d+\.\d+\.part")
_IDENTITY_FILE = ".termmail"

MIRRORED = ".termmail,U="
"""What is in the name of every file that `base_name` named."""

SUBFOLDER_FILE = "maildirfolder"
"""What Maildir++ wants in every folder but the inbox's."""


class MailboxIdentity(msgspec.Struct, frozen=True):
    """What `.termmail` says of a mailbox, a mirrored one or (`protocol` pop3) one that is the mail itself.

    `wire_name` is latin-1 of the bytes; `uidvalidity` is None until the first sync.
    """

    name: str
    wire_name: str | None
    delimiter: str
    role: str
    uidvalidity: int | None
    account: str = ""
    protocol: str = "imap"


def info_suffix(flags: int) -> str:
    """`:2,` and the letters of the system flags in ASCII order."""
    return ":2," + "".join(letter for flag, letter in _INFO_LETTERS if flags & flag)


def renamed_suffix(file_name: str, flags: int) -> str:
    """The suffix of `flags` with the letters that a file's name has beyond ours, such as P for passed."""
    known = {letter for _, letter in _INFO_LETTERS}
    others = {letter for letter in file_name.partition(":2,")[2] if letter not in known}
    return ":2," + "".join(sorted({*info_suffix(flags)[3:], *others}))


def info_flags(file_name: str) -> Flag:
    """The system flags that a file's info suffix shows."""
    letters = file_name.partition(":2,")[2]
    flags = Flag(0)
    for flag, letter in _INFO_LETTERS:
        if letter in letters:
            flags |= flag
    return flags


def base_name(received_at: int, uidvalidity: int | None, uid: int, size: int | None) -> str:
    """A name that is the same at every try, so that a repeated download overwrites the file of an interrupted one. `size` in bytes,
    where it is known, tells a later look whether the file is whole; it is written as Maildir++ does."""
    length = "" if size is None else f",S={size}"
    return f"{received_at}.V{uidvalidity or 0}U{uid}{MIRRORED}{uid}{length}"


def spool_name(uidvalidity: int | None, uid: int) -> str:
    """The name in `tmp` of a large body on its way."""
    return f"{uidvalidity or 0}.{uid}.part"


def spool_uid(name: str, uidvalidity: int | None) -> int | None:
    """The UID of a `spool_name` under this UIDVALIDITY, None for any other name."""
    found = _SPOOL.fullmatch(name)
    return int(found[2]) if found and int(found[1]) == (uidvalidity or 0) else None


def is_temporary(name: str) -> bool:
    """Whether a file in `tmp` is one of this module's, or a spool."""
    return _TEMPORARY.fullmatch(name) is not None


def name_uid(file_name: str) -> int | None:
    """The UID in a mirror's file name."""
    found = _UID.search(file_name)
    return int(found[1]) if found else None


def name_size(file_name: str) -> int | None:
    """The size in bytes that a mirror's file name tells; None for one without, and a file that is not so long is not whole."""
    found = _SIZE.search(file_name)
    return int(found[1]) if found else None


def make_maildir(folder: Path) -> None:
    """Create cur, new and tmp, 0700 each."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)


def write_identity(folder: Path, identity: MailboxIdentity) -> None:
    """Write `.termmail`, whole or not at all."""
    make_maildir(folder)
    data = msgspec.json.format(msgspec.json.encode(identity))
    temporary = folder / "tmp" / f"identity.{secrets.token_hex(4)}"
    write_new(temporary, data)
    try:
        rename(temporary, folder / _IDENTITY_FILE)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_identity(folder: Path) -> MailboxIdentity | None:
    """What `.termmail` says, None where there is none or it can't be read."""
    try:
        return msgspec.json.decode((folder / _IDENTITY_FILE).read_bytes(), type=MailboxIdentity)
    except (OSError, msgspec.DecodeError):
        return None


def dismantle(folder: Path) -> None:
    """Take away what says that here is a mailbox, and the folders as far as they are empty. Raises OSError."""
    for name in (_IDENTITY_FILE, SUBFOLDER_FILE):
        (folder / name).unlink(missing_ok=True)
    if not folder.exists():
        return
    for unfinished in (folder / "tmp").glob("*"):
        unfinished.unlink(missing_ok=True)
    for name in ("cur", "new", "tmp", ""):
        # What is kept for a while, or is somebody else's, stays.
        with contextlib.suppress(OSError):
            (folder / name).rmdir()


def write_new(path: str | Path, data: bytes) -> None:
    """Create a file 0600 with these bytes; a partial one is removed again. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except BaseException:
        os.close(descriptor)
        Path(path).unlink(missing_ok=True)
        raise
    os.close(descriptor)


def rename(source: str | Path, target: str | Path) -> None:
    """Rename, replacing the target, as a step that crash tests can stop at."""
    crash_point("before rename")
    os.rename(source, target)  # noqa: PTH104 - hot path: 50,000 times in a first sync
    crash_point("after rename")


def link(source: str | Path, target: str | Path) -> None:
    """Hard link; an existing target is replaced. Raises OSError."""
    crash_point("before link")
    try:
        os.link(source, target)
    except FileExistsError:
        Path(target).unlink()
        os.link(source, target)
    crash_point("after link")


_process = f"{os.getpid()}.{secrets.token_hex(6)}"
_delivered = itertools.count()


def deliver(folder: str | Path, name: str, data: bytes) -> None:
    """Write a message into `cur` under `name`. Not fsynced: what IMAP gave can be fetched again. Raises OSError."""
    temporary = f"{folder}/tmp/{_process}.{next(_delivered)}"
    write_new(temporary, data)
    try:
        rename(temporary, f"{folder}/cur/{name}")
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def find(folder: Path, file_name: str) -> Path | None:
    """The file of a row: under its recorded name, else under another info suffix (renamed since, or by another program)."""
    path = folder / "cur" / file_name
    if path.exists():
        return path
    stem = file_name.partition(":2,")[0]
    for place in ("cur", "new"):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder / place) as entries:
            for entry in entries:
                if entry.name.partition(":2,")[0] == stem:
                    return Path(entry.path)
    return None
