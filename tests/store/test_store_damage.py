"""A database that is damaged is set aside and rebuilt (L5); a newer one is refused (L6)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from filled_store import FilledStore
from termmail.engine.lock import EngineLock
from termmail.model.account import OfflinePolicy
from termmail.model.errors import StorageFailed, StoreReplaced, StoreTooNew
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.operation import Move
from termmail.model.outgoing import OutgoingMessage
from termmail.store.database import Database
from termmail.store.intents import Intents
from termmail.store.maildir import name_size
from termmail.store.queries import Queries
from termmail.store.reindex import EngineRuns, rebuild_if_damaged, reindex

RAW = b"Subject: kept\r\nMessage-ID: <kept@example.org>\r\n\r\nbody\r\n"


def unclean(tmp_path: Path) -> Path:
    """A store whose engine did not end by itself; its database file."""
    store = FilledStore(tmp_path / "home", count=3000)
    store.add_body(store.ids()[0], RAW)
    store.ingest.write_identities(store.mailboxes.values())
    store.ingest.begin_session()
    with closing(sqlite3.connect(store.home.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return store.home.database


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 65536)


def cut_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def spoil_the_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"this is no database at all")


@pytest.mark.parametrize("damage", [overwrite_the_middle, cut_short, spoil_the_header])
def test_damaged_and_rebuilt(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = unclean(tmp_path)
    damage(path)
    home = Home.under(tmp_path / "home")
    sentence = rebuild_if_damaged(home)
    assert "rebuilt" in sentence
    assert len(list(path.parent.glob("termmail.db.2*"))) >= 1
    queries = Queries(home)
    inbox = queries.find_mailbox("lisa", "INBOX")
    assert inbox is not None
    (row,) = queries.newest_rows("lisa", inbox.id, 10)
    assert row.subject == "kept"
    assert queries.raw(row.id) == RAW
    assert [problem.sentence for problem in queries.problems()] == [sentence]
    queries.close()
    assert rebuild_if_damaged(home) == ""


@pytest.mark.parametrize("damage", [lambda path: None, overwrite_the_middle])
def test_rebuild_that_fails_leaves_the_old_one(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """X5: a folder that can't be read stands for a disk that is full; the next try begins with what there was."""
    path = unclean(tmp_path)
    damage(path)
    before = path.read_bytes()
    home = Home.under(tmp_path / "home")
    (folder,) = (found.parent for found in home.mail.rglob("cur") if any(found.iterdir()))
    (folder / "cur").rename(folder / "elsewhere")
    (folder / "cur").touch()
    with pytest.raises(StorageFailed):
        reindex(home, force=True)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.glob("termmail.db*")] == [path.name]
    (folder / "cur").unlink()
    (folder / "elsewhere").rename(folder / "cur")
    assert reindex(home, force=True).messages == 1


def test_a_database_that_was_deleted_is_rebuilt(tmp_path: Path) -> None:
    """L5, L9: mail that waits to be sent, and was not written here, is nowhere but in the outbox."""
    path = unclean(tmp_path)
    home = Home.under(tmp_path / "home")
    intents = Intents(home)
    message = OutgoingMessage(
        sender="lisa@demo.example",
        recipients=("bob@else.example",),
        subject="Waits",
        message_id_header="waits@demo.example",
        size=len(RAW),
        eight_bit=False,
        utf8=False,
    )

    def fill(file: BinaryIO) -> OutgoingMessage:
        file.write(RAW)
        return message

    intents.submit_message("lisa", fill, at=0.0)
    intents.close()
    for file in path.parent.glob("termmail.db*"):
        file.unlink()
    assert "rebuilt" in rebuild_if_damaged(home)
    queries = Queries(home)
    assert [item.subject for item in queries.outbox()] == ["Waits"]
    queries.close()
    assert rebuild_if_damaged(home) == ""


def test_a_home_that_can_not_be_looked_into_is_a_failure_of_the_disk(tmp_path: Path) -> None:
    """X5: whoever looks for changes says so, and goes on looking."""
    store = FilledStore(tmp_path / "home")
    store.home.data.rename(tmp_path / "moved")
    store.home.data.touch()
    with pytest.raises(StorageFailed, match="Not a directory"):
        store.queries.data_version()
    store.close()


def test_a_database_that_was_deleted_while_an_engine_runs(tmp_path: Path) -> None:
    """L5, L9: no empty one takes its place, and nothing is written to one that nobody else sees."""
    home = Home.under(tmp_path / "home")
    store = FilledStore(tmp_path / "home")
    store.add_body(store.ids()[0], RAW)
    store.ingest.write_identities(store.mailboxes.values())
    files = list(home.data.glob("termmail.db*"))
    lock = EngineLock(home)
    assert lock.acquire()
    for file in files:
        file.unlink()
    told = "was deleted or replaced while termmail runs"
    with pytest.raises(StoreReplaced, match=told):
        store.intents.set_flags(store.ids(), add=FlagSet(Flag.FLAGGED))
    with pytest.raises(StoreReplaced, match=told):
        store.queries.data_version()
    with ThreadPoolExecutor(1) as another, pytest.raises(StoreReplaced, match=told):
        another.submit(store.queries.mailboxes).result()
    with pytest.raises(EngineRuns, match="deleted while termmail runs"):
        rebuild_if_damaged(home)
    assert not list(home.data.glob("termmail.db*"))
    assert "was missing" in rebuild_if_damaged(home, locked=True)
    with pytest.raises(StoreReplaced, match=told):
        store.ingest.set_state(store.mailboxes["INBOX"], complete=True)
    lock.release()
    store.close()
    queries = Queries(home)
    assert [row.subject for row in queries.newest_rows("lisa", None, 10)] == ["kept"]
    queries.close()


def test_a_file_that_was_only_begun_is_no_database(tmp_path: Path) -> None:
    """L5: whoever made it died before the first table."""
    path = unclean(tmp_path)
    for file in path.parent.glob("termmail.db*"):
        file.unlink()
    path.touch()
    home = Home.under(tmp_path / "home")
    assert "rebuilt" in rebuild_if_damaged(home)
    queries = Queries(home)
    assert len(queries.newest_rows("lisa", None, 10)) == 1
    queries.close()


def test_a_new_home_is_not_rebuilt(tmp_path: Path) -> None:
    home = Home.under(tmp_path / "home")
    assert rebuild_if_damaged(home) == ""
    assert not home.database.exists()


@pytest.mark.parametrize("left", [0, 40, len(RAW) - 1])
def test_what_a_power_cut_shortened_is_fetched_again(tmp_path: Path, left: int) -> None:
    """L5: a file of the mirror is not fsynced: one that is not as long as its name says is no message, and the next pass brings it."""
    path = unclean(tmp_path)
    home = Home.under(tmp_path / "home")
    (body,) = [file for file in home.mail.rglob("cur/*") if file.is_file()]
    os.truncate(body, left)
    overwrite_the_middle(path)
    assert "rebuilt" in rebuild_if_damaged(home)
    store = FilledStore(tmp_path / "home", count=3000)
    assert len(store.ids()) == 3000
    (newest, *_) = store.ids()
    assert store.queries.raw(newest) is None
    assert store.ingest.missing_bodies("lisa", OfflinePolicy(), limit=1)[0].placement_id == newest
    store.add_body(newest, RAW)
    assert store.queries.raw(newest) == RAW
    assert [file for file in home.mail.rglob("cur/*") if file.is_file()] == [body]
    store.close()


def test_the_name_tells_the_size_wherever_the_file_goes(tmp_path: Path) -> None:
    """L5: renamed for new flags, moved, linked into a second mailbox."""
    store = FilledStore(tmp_path / "home")
    newest, second, *_ = store.ids()
    store.add_body(newest, RAW)
    store.add_body(second, RAW)
    store.intents.set_flags([newest], add=FlagSet(Flag.FLAGGED))
    store.ingest.follow_rows()
    store.intents.move([newest], store.mailboxes["Work"])
    for operation in store.journal.due("lisa", 1e18):
        store.journal.begin([operation.id])
        if isinstance(operation.payload, Move):
            store.journal.finish_move(operation, 5, 7)
        else:
            store.journal.finish_flags([operation])
    for operation in store.journal.due("lisa", 1e18):
        store.journal.begin([operation.id])
        store.journal.finish_move(operation, 5, 7)
    store.ingest.follow_rows()
    names = {file.parent.parent.name: file.name for file in store.home.mail.rglob("cur/*")}
    assert set(names) == {"INBOX", "Work"}
    assert {name_size(name) for name in names.values()} == {len(RAW)}
    store.close()


def test_what_is_whole_stays(tmp_path: Path) -> None:
    path = unclean(tmp_path)
    before = path.stat().st_ino
    assert rebuild_if_damaged(Home.under(tmp_path / "home")) == ""
    assert path.stat().st_ino == before


def test_a_newer_one_is_refused_and_left_alone(tmp_path: Path) -> None:
    """L6."""
    path = unclean(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.commit()
    home = Home.under(tmp_path / "home")
    assert rebuild_if_damaged(home) == ""
    with pytest.raises(StoreTooNew):
        Database(home)
    assert path.exists()
