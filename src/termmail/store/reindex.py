"""Rebuild the database from the Maildir trees (L5): what the mirror's file names and `.termmail` files tell, without a server."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

from termmail.mime.headers import parse_envelope
from termmail.mime.parts import looks_attached, preview
from termmail.model.errors import Retry, StoreTooNew, TermmailError
from termmail.model.flags import FlagSet
from termmail.model.home import Home
from termmail.store.codec import column_text
from termmail.store.damage import is_damaged, is_missing, rebuild_mark
from termmail.store.database import Database, now_changed, private_folder, storage_errors
from termmail.store.drafts import forget_replaced
from termmail.store.durable import sync_folder
from termmail.store.local_mail import LocalMail
from termmail.store.local_scan import LocalScan
from termmail.store.maildir import MailboxIdentity, info_flags, name_size, name_uid, read_identity
from termmail.store.maildrop import Maildrop
from termmail.store.outbox_items import restore_outbox
from termmail.store.placements import NewPlacement, insert_messages, insert_placements
from termmail.store.purging import forget_purges
from termmail.store.schema import MIGRATIONS, schema_version
from termmail.store.uploads import restore_uploads

_BATCH = 200
_FILES = ("", "-wal", "-shm")


class ReindexReport(msgspec.Struct, frozen=True):
    """What a rebuild found. `set_aside` is where the old database lies, None where there was none."""

    mailboxes: int
    messages: int
    set_aside: Path | None


def reindex(home: Home, *, force: bool = False) -> ReindexReport:
    """Set the database aside and build a new one from `mail/`; the next sync brings it up to date with the server.

    Raises TermmailError while an engine runs, and, unless `force`, while changes wait that the server has not seen: those are only in
    the database. Raises StorageFailed when the disk refuses; StoreTooNew for a newer schema.
    """
    with _no_engine(home):
        if not force:
            _check_nothing_waits(home)
        return _rebuild_all(home)


def rebuild_if_damaged(home: Home, *, locked: bool = False) -> str:
    """At a start: a database that `is_damaged` is set aside, if it is there at all, and rebuilt (L5). Returns a sentence for the user,
    which is among the problems too; empty where all is well.

    `locked` says that the caller holds the engine's lock; otherwise nothing is done while an engine runs. Raises as `reindex` does, and
    EngineRuns where the database is gone: an empty one in its place would hide all mail.
    """
    if not is_damaged(home):
        return ""
    if locked:
        report = _rebuild_all(home)
    else:
        try:
            with _no_engine(home):
                report = _rebuild_all(home)
        except EngineRuns as error:
            if is_missing(home):
                raise EngineRuns(
                    "The mail database was deleted while termmail runs. It is rebuilt from the mail folders: try again in a moment, or"
                    " quit termmail (and `termmail engine`) first."
                ) from error
            return ""
    what = "was missing" if report.set_aside is None else f"was damaged, and is now {report.set_aside}"
    sentence = (
        f"The mail database {what}. It was rebuilt from the mail folders with {report.messages:,} messages. Changes that had not"
        " reached a server are lost, and the rest is fetched again."
    )
    database = Database(home)
    try:
        with database.write() as connection:
            connection.execute(
                "INSERT INTO problem (at, account, mailbox, sentence, detail) VALUES (?, '', '', ?, '')",
                (time.time(), column_text(sentence)),
            )
    finally:
        database.close()
    return sentence


def _rebuild_all(home: Home) -> ReindexReport:
    mark = rebuild_mark(home)
    private_folder(home.data)
    with storage_errors("rebuild the mail database"):
        mark.touch(0o600)
        sync_folder(mark.parent)
    set_aside = _set_aside(home)
    try:
        forget_purges(home)
        report = _fill(home, set_aside)
    except BaseException:
        _put_back(home, set_aside)
        mark.unlink()
        raise
    with storage_errors("rebuild the mail database"):
        mark.unlink()
    return report


def _fill(home: Home, set_aside: Path | None) -> ReindexReport:
    database = Database(home)
    try:
        mailboxes = messages = 0
        for account_folder in _folders(home.mail):
            if account_folder.name.startswith("."):
                # Of no account.
                continue
            found = [(folder, read_identity(folder)) for folder in _folders(account_folder)]
            known = [(folder, identity) for folder, identity in found if identity is not None]
            if any(identity.protocol == "pop3" for _, identity in known):
                rebuilt = _rebuild_local(database, known[0][1].account)
                mailboxes, messages = mailboxes + rebuilt[0], messages + rebuilt[1]
                continue
            for folder, identity in known:
                mailboxes += 1
                messages += _rebuild(database, unquote(account_folder.name), folder, identity)
        messages += restore_uploads(database)
        restore_outbox(database)
        forget_replaced(home)
    finally:
        database.close()
    return ReindexReport(mailboxes, messages, set_aside)


class EngineRuns(TermmailError):
    """An engine works on this home's mail."""


@contextlib.contextmanager
def _no_engine(home: Home) -> Iterator[None]:
    with storage_errors("take the engine's lock"):
        home.lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineRuns(
                "termmail is running on this mail. Quit it (and `termmail engine`), then run `termmail reindex` again."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _check_nothing_waits(home: Home) -> None:
    if not home.database.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(home.database)) as connection:
            (waiting,) = connection.execute(
                "SELECT count(*) FROM operation WHERE state IN ('pending', 'running')"
            ).fetchone()
            newer = schema_version(connection) > len(MIGRATIONS)
    except sqlite3.Error:
        # Damaged: then there is nothing to lose.
        return
    if waiting:
        raise TermmailError(
            f"{waiting} changes have not reached the server yet and would be lost. Run `termmail sync` first, or add --force.",
            retry=Retry.NEVER,
        )
    if newer:
        raise StoreTooNew("The mail database was written by a newer termmail. Install the newer version again.")


def _set_aside(home: Home) -> Path | None:
    if not home.database.exists():
        return None
    goal = home.database.with_name(f"termmail.db.{time.strftime('%Y%m%dT%H%M%S')}")
    with storage_errors("set the old database aside"):
        for suffix in _FILES:
            with contextlib.suppress(FileNotFoundError):
                home.database.with_name(home.database.name + suffix).rename(goal.with_name(goal.name + suffix))
    return goal


def _put_back(home: Home, set_aside: Path | None) -> None:
    """Half a database is worse than the old one."""
    with storage_errors("put the old database back"):
        for suffix in _FILES:
            half = home.database.with_name(home.database.name + suffix)
            half.unlink(missing_ok=True)
            if set_aside is not None:
                with contextlib.suppress(FileNotFoundError):
                    set_aside.with_name(set_aside.name + suffix).rename(half)


def _folders(folder: Path) -> list[Path]:
    with storage_errors(f"read {folder}"):
        if not folder.exists():
            return []
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())


def _rebuild_local(database: Database, account: str) -> tuple[int, int]:
    """A POP3 account, whose Maildirs and ledger say everything; returns how many mailboxes and messages."""
    with database.write() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO account (name, email, protocol, position) VALUES (?, '', 'pop3',"
            " (SELECT count(*) FROM account))",
            (account,),
        )
    mail = LocalMail(database, account)
    mail.prepare()
    maildrop = Maildrop(database, account)
    messages = LocalScan(database, account, mail, maildrop).run(thorough=True).came
    maildrop.known_uidls()
    return len(mail.mailboxes()), messages


def _rebuild(database: Database, account: str, folder: Path, identity: MailboxIdentity) -> int:
    with database.write() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO account (name, email, protocol, position) VALUES (?, '', 'imap',"
            " (SELECT count(*) FROM account))",
            (account,),
        )
        (owner_id,) = connection.execute("SELECT id FROM account WHERE name = ?", (account,)).fetchone()
        wire_name = None if identity.wire_name is None else identity.wire_name.encode("latin-1")
        cursor = connection.execute(
            "INSERT INTO mailbox (account_id, name, base_name, wire_name, delimiter, role, uidvalidity, directory, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                owner_id, identity.name, identity.name, wire_name, identity.delimiter, identity.role, identity.uidvalidity,
                folder.name, now_changed(connection),
            ),
        )  # fmt: skip
        mailbox_id = cursor.lastrowid
    assert mailbox_id is not None
    with storage_errors(f"read {folder}"):
        names = sorted(entry.name for entry in os.scandir(folder / "cur") if entry.is_file())
    count = 0
    for start in range(0, len(names), _BATCH):
        with storage_errors(f"read {folder}"):
            read = [(name, (folder / "cur" / name).read_bytes()) for name in names[start : start + _BATCH]]
        with database.write(durable=False) as connection:
            for name, raw in read:
                uid = name_uid(name)
                # One that a power cut emptied or cut short is fetched again.
                if uid is not None and raw and name_size(name) in (None, len(raw)):
                    count += _add(connection, owner_id, mailbox_id, name, uid, raw)
    return count


def _add(connection: sqlite3.Connection, owner_id: int, mailbox_id: int, name: str, uid: int, raw: bytes) -> int:
    received_text = name.partition(".")[0]
    received_at = int(received_text) if received_text.isdigit() else 0
    sha256 = hashlib.sha256(raw).digest()
    known = connection.execute(
        "SELECT id FROM message WHERE sha256 = ? AND account_id = ?", (sha256, owner_id)
    ).fetchone()
    if known is not None:
        message_id = int(known[0])
    else:
        envelope = parse_envelope(raw.partition(b"\r\n\r\n")[0])
        (message_id,) = insert_messages(connection, owner_id, [(envelope, len(raw), "")])
        connection.execute(
            "UPDATE message SET sha256 = ?, raw_size = ?, body_state = 'present', preview = ?, has_attachments = ? WHERE id = ?",
            (sha256, len(raw), column_text(preview(raw)), looks_attached(raw), message_id),
        )
    twice = connection.execute(
        "SELECT 1 FROM placement WHERE base_mailbox_id = ? AND uid = ?", (mailbox_id, uid)
    ).fetchone()
    if twice is not None:
        return 0
    flags = FlagSet(info_flags(name))
    insert_placements(connection, [NewPlacement(message_id, mailbox_id, mailbox_id, uid, flags, received_at, name)])
    return 1
