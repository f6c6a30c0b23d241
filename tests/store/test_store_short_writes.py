"""Long changes are made in short transactions, and end as they should where the process dies between two of them (S1, S15)."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crashing import ends_in_child
from filled_store import FilledStore
from store.store_checks import check_rows
from termmail.engine import opening
from termmail.model import crash
from termmail.model.errors import StorageFailed
from termmail.model.message import Address
from termmail.model.outgoing import Draft
from termmail.store import messages, purging
from termmail.store.database import Database
from termmail.store.drafts import DraftFolder, new_draft_id
from termmail.store.reindex import rebuild_if_damaged

MANY = 1000
MOST = 1500
"""Rows of all tables that one transaction may touch."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home", count=MANY, accounts=("lisa", "ben"))
    yield filled
    filled.close()


def purge(store: FilledStore) -> None:
    store.intents.purge_account("lisa")
    assert store.ingest.database.all("SELECT 1 FROM message") == []


def renumber(store: FilledStore) -> None:
    assert store.ingest.begin_uidvalidity(store.mailboxes["INBOX"], 8)
    assert store.ingest.database.one("SELECT count(*) FROM placement WHERE uid IS NOT NULL") == (0,)


def expire(store: FilledStore) -> None:
    with write(store.ingest.database) as connection:
        connection.executemany(
            "INSERT INTO kept_body VALUES (?, 1, 'a@b', 1, NULL, NULL, 5)",
            ((f"lisa/INBOX/cur/{number}:2,S",) for number in range(MANY)),
        )
    assert store.ingest.expire_kept_bodies() == MANY


def tidy_up(store: FilledStore) -> None:
    with write(store.ingest.database) as connection:
        connection.executemany(
            "INSERT INTO operation (account_id, payload, state, created_at) VALUES (1, '{}', 'done', ?)",
            ((0,) for _ in range(MANY)),
        )
        connection.executemany("INSERT INTO tombstone VALUES (1, 1, ?)", ((number,) for number in range(MANY)))
        connection.execute("UPDATE clock SET value = 300000")
    store.ingest.reset_running()
    assert store.ingest.database.one("SELECT count(*) FROM operation") == (0,)
    assert store.ingest.database.one("SELECT count(*) FROM tombstone") == (0,)


def empty(store: FilledStore) -> None:
    store.intents.empty(store.mailboxes["INBOX"])
    assert store.ids() == []


write = Database.write


@pytest.mark.parametrize("action", [purge, renumber, expire, tidy_up, empty], ids=lambda action: action.__name__)
def test_no_transaction_grows_with_the_mail(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch, action: Callable[[FilledStore], None]
) -> None:
    """S15: whoever wants to write waits for a few milliseconds, however much there is to change."""
    touched = []

    @contextlib.contextmanager
    def counted(self: Database, *, durable: bool = True) -> Iterator[object]:
        with write(self, durable=durable) as connection:
            before = connection.total_changes
            yield connection
            touched.append(connection.total_changes - before)

    monkeypatch.setattr(Database, "write", counted)
    action(store)
    assert sum(touched) >= MANY
    assert max(touched) < MOST


def test_deleting_for_good_goes_by_an_index(store: FilledStore) -> None:
    """What waits already is not looked through for each message."""
    scans: list[str] = []
    connection = store.intents._database.reader()

    def look(statement: str) -> None:
        if "operation" in statement:
            scans.extend(
                row[3]
                for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
                if str(row[3]).startswith("SCAN operation")
            )

    with write(store.intents._database) as writer:
        writer.set_trace_callback(look)
    store.intents.expunge(store.ids()[:1])
    assert scans == []


def test_renumbering_that_was_interrupted_begins_again(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: no UID of before is taken for one of now; the counts are right at every moment."""
    inbox = store.mailboxes["INBOX"]
    interrupt(store, monkeypatch)
    check_rows(store.ingest.database)
    assert 0 < store.ingest.local_count(inbox) < MANY
    assert store.ingest.begin_uidvalidity(inbox, 8)
    check_rows(store.ingest.database)
    assert store.ingest.local_count(inbox) == 0
    ids = store.ids()
    store.add(range(1, MANY + 1))
    assert store.ingest.end_adoption(inbox) == 0
    assert store.ids() == ids
    check_rows(store.ingest.database)


def test_renumbering_that_was_interrupted_and_was_none(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: a server that was restored from a backup and then set right: all is listed once more and found again."""
    inbox = store.mailboxes["INBOX"]
    store.ingest.set_state(inbox, uidnext=MANY + 1, complete=True)
    interrupt(store, monkeypatch)
    assert not store.ingest.begin_uidvalidity(inbox, 7)
    state = store.ingest.mailbox_state(inbox)
    assert state is not None
    assert (state.uidnext, state.complete) == (None, False)
    assert state.candidates
    ids = store.ids()
    store.add(range(1, MANY + 1))
    assert store.ingest.end_adoption(inbox) == 0
    assert store.ids() == ids
    assert store.ingest.local_count(inbox) == MANY
    check_rows(store.ingest.database)


def interrupt(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The death of the engine between two transactions of a new UIDVALIDITY."""
    pauses = itertools.count()

    def die(seconds: float) -> None:
        if next(pauses) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(messages.time, "sleep", die)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            store.ingest.begin_uidvalidity(store.mailboxes["INBOX"], 8)


def test_a_body_given_back_meanwhile_is_not_removed(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: its message came again just when its time was over."""
    database = store.ingest.database
    with write(database) as connection:
        connection.execute("INSERT INTO kept_body VALUES ('lisa/INBOX/cur/1:2,S', 1, 'a@b', 1, NULL, NULL, 5)")
    looked_up = Database.all

    def given_back(self: Database, statement: str, *values: object) -> list[tuple[object, ...]]:
        rows = looked_up(self, statement, *values)  # type: ignore[arg-type]
        if "kept_body" in statement:
            with write(database) as connection:
                connection.execute("DELETE FROM kept_body")
        return rows

    monkeypatch.setattr(Database, "all", given_back)
    assert store.ingest.expire_kept_bodies() == 0


def test_a_purge_that_was_killed_is_ended_by_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1: nothing of the account is left, and nothing of another is gone; nor does what is added anew suffer."""
    monkeypatch.setattr(purging, "_AT_ONCE", 4)
    template = tmp_path / "template"
    store = FilledStore(template, count=6, accounts=("lisa", "ben"))
    store.add_body(store.ids()[0], b"Subject: one\r\n\r\nbody\r\n")
    (bens,) = store.ingest.database.all("SELECT id FROM mailbox WHERE account_id = 2 AND name = 'INBOX'")
    store.mailboxes["ben's"] = bens[0]
    store.add([1, 2], "ben's")
    draft = Draft(id=new_draft_id(), account="lisa", from_=Address("", "lisa@demo.example"), subject="kept")
    folder = DraftFolder.create(store.home, draft)
    store.intents.keep_draft(folder.draft)
    folder.release()
    store.close()
    for point in itertools.count(1):
        run = tmp_path / "run"
        shutil.copytree(template, run)
        ended = in_child(run, point)
        after = FilledStore(run, count=0, accounts=("lisa", "ben"))
        opening.begin(after.ingest, after.accounts)
        database = after.ingest.database
        left = database.one("SELECT count(*) FROM message WHERE account_id = 1")
        assert left in ((0,), (7,)), point
        begun = left == (0,)
        assert begun or not ended
        assert database.one("SELECT count(*) FROM message WHERE account_id = 2") == (2,)
        names = database.all("SELECT name FROM account WHERE hidden = 0 ORDER BY name")
        assert names == [("ben",), ("lisa",)]
        assert not list(after.home.mail.glob("*removed*"))
        assert bool(list(after.home.mail.glob("lisa/INBOX/cur/*"))) is not begun
        assert bool(list(after.home.uploads.glob("*"))) is not begun
        after.close()
        shutil.rmtree(run)
        if ended:
            assert point > 10
            return


def test_a_purge_that_was_killed_takes_nothing_from_a_rebuilt_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5, L9: accounts have other ids in it, so that what is left of the removed one is the id of another."""
    store = FilledStore(tmp_path / "home", count=3, accounts=("lisa", "ben"))
    (inbox,) = store.ingest.database.all("SELECT id FROM mailbox WHERE account_id = 2 AND name = 'INBOX'")
    store.mailboxes["ben's"] = inbox[0]
    store.add([1], "ben's")
    store.add_body(store.ids("ben's")[0], b"Subject: one\r\n\r\nbody\r\n")
    store.ingest.write_identities(store.mailboxes.values())

    def die(database: Database, owner_id: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(purging, "_remove_rows", die)
        with pytest.raises(KeyboardInterrupt):
            store.intents.purge_account("lisa")
    store.close()
    for file in store.home.data.glob("termmail.db*"):
        file.unlink()
    assert "1 messages" in rebuild_if_damaged(store.home, locked=True)
    after = FilledStore(store.home.data, count=0, accounts=("ben",))
    opening.begin(after.ingest, after.accounts)
    assert after.ingest.database.all("SELECT a.name FROM message m JOIN account a ON a.id = m.account_id") == [("ben",)]
    assert [entry.name for entry in after.home.mail.iterdir()] == ["ben"]
    after.close()


def test_the_rows_of_a_removed_account_are_gone_for_good_before_its_folder(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L3: a power cut does not bring them back with nothing that tells of them."""
    steps: list[str] = []
    rmtree = shutil.rmtree

    @contextlib.contextmanager
    def noted(self: Database, *, durable: bool = True) -> Iterator[object]:
        with write(self, durable=durable) as connection:
            yield connection
        steps.append("durable" if durable else "written")

    def noted_too(folder: Path) -> None:
        rmtree(folder)
        steps.append("folder")

    monkeypatch.setattr(Database, "write", noted)
    monkeypatch.setattr(purging.shutil, "rmtree", noted_too)  # type: ignore[attr-defined]
    store.intents.purge_account("lisa")
    before = steps[: steps.index("folder")]
    assert "written" in before
    assert before[-1] == "durable"


def test_a_purge_that_could_not_begin_leaves_all_as_it_was(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """X5: the next start takes nothing from an account that was added again meanwhile."""
    store.add_body(store.ids()[0], b"Subject: one\r\n\r\nbody\r\n")

    def full(self: Database, *, durable: bool = True) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", full)
        with pytest.raises(StorageFailed, match="full"):
            store.intents.purge_account("lisa")
    opening.begin(store.ingest)
    assert len(store.ids()) == MANY
    assert list(store.home.mail.glob("lisa/INBOX/cur/*"))
    assert not list(store.home.mail.glob("*removed*"))


@pytest.mark.parametrize("again", [True, False], ids=["for a while", "without end"])
def test_mail_that_still_comes_in_is_removed_too(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """An engine that runs hears of the removal a second later."""
    uids = iter(range(MANY + 1, MANY + 4) if again else itertools.count(MANY + 1))
    looked_up = Database.all

    def comes_in(self: Database, statement: str, *values: object) -> list[tuple[object, ...]]:
        rows = looked_up(self, statement, *values)  # type: ignore[arg-type]
        if statement == "SELECT id FROM message WHERE account_id = ?" and (uid := next(uids, None)) is not None:
            store.add([uid])
            store.add_body(store.ids()[0], b"Subject: late\r\n\r\nbody\r\n")
        return rows

    monkeypatch.setattr(purging, "_PAUSE", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "all", comes_in)
        if again:
            store.intents.purge_account("lisa")
        else:
            patch.setattr(purging, "_ENGINE_SECONDS", 0.0)
            with pytest.raises(StorageFailed, match="Quit termmail"):
                store.intents.purge_account("lisa")
            patch.undo()
            opening.begin(store.ingest)
    assert store.ingest.database.all("SELECT 1 FROM message") == []
    assert [entry.name for entry in store.home.mail.iterdir() if not entry.name.startswith(".")] == ["ben"]


def test_two_who_remove_the_same_account_do_not_stand_in_each_others_way(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1: an engine that starts ends what a command has just begun."""
    store.add_body(store.ids()[0], b"Subject: one\r\n\r\nbody\r\n")
    rmtree = shutil.rmtree

    def by_both(folder: Path) -> None:
        rmtree(folder)
        rmtree(folder)

    monkeypatch.setattr(purging.shutil, "rmtree", by_both)  # type: ignore[attr-defined]
    store.intents.purge_account("lisa")
    assert list(store.home.mail.glob("*removed*")) == []


def test_a_removed_account_whose_files_stay_keeps_nobody_from_the_mail(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5: the engine starts, and tries again at its next start."""

    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(purging.shutil, "rmtree", refused)  # type: ignore[attr-defined]
        with pytest.raises(StorageFailed, match="Permission denied"):
            store.intents.purge_account("lisa")
        opening.begin(store.ingest)
    opening.begin(store.ingest)
    assert list(store.home.mail.glob("*removed*")) == []


def in_child(folder: Path, point: int) -> bool:
    """Purge in a process that dies at a point; True where it came to its end before."""

    def purge() -> None:
        store = FilledStore(folder, count=0, accounts=("lisa", "ben"))
        crash.arm(str(point))
        store.intents.purge_account("lisa")

    return ends_in_child(purge)
