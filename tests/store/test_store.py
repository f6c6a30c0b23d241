"""The database itself: schema, permissions, patches, counts, adoption, bodies."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filled_store import FilledStore, header, listing, remote_mailbox
from termmail.model.account import OfflinePolicy
from termmail.model.errors import StorageFailed, StoreTooNew
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.message import BodyState, Envelope
from termmail.model.remote import FaultKind, FetchFault, MailboxListing, RemoteFlags, RemoteHeader, UidRange
from termmail.model.view import Sort
from termmail.store.database import Database
from termmail.store.doomed import sweep
from termmail.store.ingest import Ingest, uid_ranges
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.paths import folder_name
from termmail.store.queries import Queries
from termmail.store.reindex import reindex

FLAGGED = FlagSet(Flag.FLAGGED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home")
    yield filled
    filled.close()


def test_everything_is_private(tmp_path: Path) -> None:
    """L1: folders 0700, files 0600, whatever the umask; a looser folder is tightened."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    old = os.umask(0)
    try:
        store = FilledStore(home, count=3)
        store.add_body(store.ids()[0], b"Subject: x\r\n\r\nbody\r\n")
    finally:
        os.umask(old)
    for path in [home, *home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    store.close()


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """L6: a downgrade is answered with a sentence and changes nothing."""
    home = Home.under(tmp_path)
    Queries(home).close()
    with sqlite3.connect(home.database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="newer termmail"):
        Queries(home)


def test_damaged_database_is_said(tmp_path: Path) -> None:
    """L5: a sentence with the way out."""
    home = Home.under(tmp_path)
    home.database.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(StorageFailed, match="termmail reindex"):
        Queries(home)


@given(
    st.lists(
        st.one_of(
            st.text(min_size=1, max_size=40), st.sampled_from(["..", ".", "/", "a/../b", "INBOX", "inbox", "Ä" * 200])
        ),
        unique=True,
        max_size=20,
    )
)
def test_folder_names_are_injective_and_harmless(names: list[str]) -> None:
    """L10: two names never share a folder; no folder leads out of the tree."""
    folders = [folder_name(name, "/") for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert folder not in ("", ".", "..")
        assert "/" not in folder
        assert "\0" not in folder
        assert len(folder.encode()) <= 200


def test_case_twins_get_folders_of_their_own(store: FilledStore) -> None:
    """L10: `work` and `Work` do not meet on a file system that ignores case."""
    names = ("INBOX", "work", "Work", "WORK", "wOrk")
    store.ingest.apply_listing("lisa", listing(*names))
    for state in store.ingest.mailbox_states("lisa"):
        store.ingest.begin_uidvalidity(state.id, 1)
    folders = [path.name.lower() for path in (store.home.mail / "lisa").iterdir()]
    assert len(folders) == len(set(folders))


def test_counts_follow_every_change(store: FilledStore) -> None:
    """Stored totals and unread counts equal what counting gives, after a thousand random edits."""
    chance = random.Random(5)
    for _ in range(300):
        every = [i for name in store.mailboxes for i in store.ids(name)]
        chosen = chance.sample(every, k=min(3, len(every)))
        match chance.randrange(5):
            case 0:
                store.intents.set_flags(chosen, add=FlagSet(Flag.SEEN))
            case 1:
                store.intents.set_flags(chosen, remove=FlagSet(Flag.SEEN))
            case 2:
                store.intents.move(chosen, store.mailboxes[chance.choice(["Work", "Archive", "INBOX"])])
            case 3:
                store.intents.undo()
            case 4:
                flags = FlagSet(chance.choice([Flag.SEEN, Flag(0)]))
                store.ingest.update_flags(store.mailboxes["INBOX"], [RemoteFlags(chance.randrange(1, 11), flags)])
    for mailbox in store.queries.mailboxes():
        ids = store.queries.message_ids(mailbox.id)
        assert mailbox.total == len(ids)
        assert mailbox.unread == len(store.queries.unread_ids(mailbox.id))
    assert sum(mailbox.total for mailbox in store.queries.mailboxes()) == 10


def test_patches_bring_a_list_up_to_date(store: FilledStore) -> None:
    """A front end that applies every patch has what a fresh load gives."""
    chance = random.Random(11)
    inbox = store.mailboxes["INBOX"]
    seen = {row.id: row for row in store.queries.rows(store.ids()) if row is not None}
    changed = store.queries.changed_now()
    for step in range(200):
        ids = store.ids()
        match step % 4:
            case 0:
                store.add([100 + step])
            case 1 if ids:
                store.intents.archive([chance.choice(ids)])
            case 2 if ids:
                store.intents.set_flags([chance.choice(ids)], add=FLAGGED)
            case 3:
                store.intents.undo()
        patch = store.queries.patch_since(inbox, changed)
        assert not patch.overflow
        changed = patch.changed
        for placement_id in patch.removed:
            seen.pop(placement_id, None)
        seen.update({row.id: row for row in patch.upserted})
        assert seen == {row.id: row for row in store.queries.rows(store.ids()) if row is not None}


def test_large_patches_say_so(store: FilledStore) -> None:
    changed = store.queries.changed_now()
    store.add(range(1000, 1100))
    assert store.queries.patch_since(store.mailboxes["INBOX"], changed, limit=50).overflow


def test_sorts(store: FilledStore) -> None:
    rows = [row for row in store.queries.rows(store.queries.message_ids(store.mailboxes["INBOX"], Sort.SIZE)) if row]
    assert [row.size for row in rows] == sorted((row.size for row in rows), reverse=True)
    by_sender = store.queries.message_ids(store.mailboxes["INBOX"], Sort.SENDER)
    senders = [row.from_[0].name for row in store.queries.rows(by_sender) if row]
    assert senders == sorted(senders)
    assert store.queries.first_ids(store.mailboxes["INBOX"], 3) == store.ids()[:3]
    newest_last = store.queries.message_ids(store.mailboxes["INBOX"], Sort.DATE, reverse=True)
    assert list(newest_last) == store.ids()[::-1]


def test_uidvalidity_change_keeps_ids_flags_bodies_and_wishes(store: FilledStore) -> None:
    """S3: new UIDs are given to the same messages; nothing is applied to a wrong one; what is gone goes."""
    inbox = store.mailboxes["INBOX"]
    ids = store.ids()
    store.add_body(ids[0], b"Subject: ten\r\n\r\nbody\r\n")
    store.intents.set_flags([ids[1]], add=FLAGGED)
    assert store.ingest.begin_uidvalidity(inbox, 8)
    assert store.journal.due("lisa", 0) == []
    renumbered = []
    for uid in range(2, 11):
        remote, envelope = header(uid)
        renumbered.append((RemoteHeader(500 - uid, remote.flags, remote.size, remote.received_at, b""), envelope))
    assert store.ingest.add_headers(inbox, renumbered) == 0
    assert store.ingest.end_adoption(inbox) == 1
    assert store.ids() == ids[:9]
    assert store.queries.raw(ids[0]) == b"Subject: ten\r\n\r\nbody\r\n"
    (operation,) = store.journal.due("lisa", 0)
    source = store.journal.source(operation)
    assert source is not None
    assert (source.uid, source.uidvalidity) == (491, 8)


def test_lost_wishes_after_uidvalidity_change_are_told(store: FilledStore) -> None:
    inbox = store.mailboxes["INBOX"]
    store.intents.set_flags([store.ids()[0]], add=FLAGGED)
    store.ingest.begin_uidvalidity(inbox, 8)
    store.ingest.end_adoption(inbox)
    assert store.ids() == []
    assert "could not be carried out" in store.queries.problems()[0].sentence
    assert store.queries.pending_operations() == []


def test_empty_listing_is_not_believed(store: FilledStore) -> None:
    """S6: no mailboxes at all where there were some changes nothing."""
    before = store.queries.mailboxes()
    store.ingest.apply_listing("lisa", MailboxListing(()))
    assert store.queries.mailboxes() == before
    store.ingest.apply_listing("lisa", MailboxListing((remote_mailbox("INBOX"),), ("one row could not be read",)))
    assert store.queries.mailboxes() == before


def test_vanished_mailbox_goes_with_its_messages(store: FilledStore) -> None:
    store.add(range(1, 4), "Work")
    changed = store.queries.changed_now()
    store.ingest.apply_listing("lisa", listing("INBOX", "Archive", "Trash"))
    assert {mailbox.name for mailbox in store.queries.mailboxes()} == {"INBOX", "Archive", "Trash"}
    assert store.mailboxes["Work"] in store.queries.mailboxes_since(changed).removed


def test_mailboxes_of_an_account_that_is_removed_go_and_come_back(store: FilledStore) -> None:
    changed = store.queries.changed_now()
    store.intents.register_accounts(())
    patch = store.queries.mailboxes_since(changed)
    assert set(patch.removed) == set(store.mailboxes.values())
    assert patch.upserted == ()
    store.intents.register_accounts(store.accounts)
    patch = store.queries.mailboxes_since(changed)
    assert {mailbox.id for mailbox in patch.upserted} == set(store.mailboxes.values())
    assert patch.removed == ()


def test_message_moved_to_a_mailbox_that_vanished_comes_back(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.move([newest], store.mailboxes["Work"])
    store.ingest.apply_listing("lisa", listing("INBOX", "Archive", "Trash"))
    assert store.ids()[0] == newest


def test_body_is_byte_for_byte_and_name_follows_flags(store: FilledStore) -> None:
    raw = bytes(range(256)) * 10
    newest = store.ids()[0]
    assert store.queries.body_path(newest) is None
    store.add_body(newest, raw)
    assert store.queries.raw(newest) == raw
    store.intents.set_flags([newest], add=FLAGGED)
    assert store.ingest.rename_pending() == 1
    path = store.queries.body_path(newest)
    assert path is not None
    assert path.name.endswith(f",U=10,S={path.stat().st_size}:2,FS")
    assert path.read_bytes() == raw
    assert store.ingest.rename_pending() == 0


def test_file_follows_a_settled_move(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.add_body(newest, b"x\r\n")
    store.intents.archive([newest])
    store.journal.finish_move(store.queries.pending_operations()[0], 3, 7)
    store.ingest.rename_pending()
    path = store.queries.body_path(newest)
    assert path is not None
    assert path.parent.parent.name == "Archive"
    assert ",U=3,S=" in path.name
    assert store.queries.raw(newest) == b"x\r\n"


def test_equal_bytes_share_a_message_and_a_file(store: FilledStore) -> None:
    """Two placements share a message when the raw SHA-256 is equal; the second file is a hard link."""
    store.add([1], "Archive")
    one, other = store.ids("INBOX")[-1], store.ids("Archive")[0]
    store.add_body(one, b"same\r\n")
    store.add_body(other, b"same\r\n")
    rows = store.queries.rows([one, other])
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].message_id == rows[1].message_id
    path = store.queries.body_path(other)
    assert path is not None
    assert path.stat().st_nlink == 2


def test_copy_is_a_hard_link_in_its_own_mailbox(store: FilledStore) -> None:
    """DESIGN.md, bodies: the same message in a second mailbox has its file there too, for other programs and for `reindex`."""
    newest = store.ids()[0]
    store.add_body(newest, b"x\r\n")
    (copy,) = store.intents.copy([newest], store.mailboxes["Work"]).placement_ids
    store.intents.set_flags([copy], add=FLAGGED)
    store.journal.finish_copy(store.queries.pending_operations()[0], 3, 7)
    store.ingest.follow_rows()
    path = store.queries.body_path(copy)
    assert path is not None
    assert path.parent.parent.name == "Work"
    assert path.name.endswith(",U=3,S=3:2,FS")
    assert path.stat().st_nlink == 2
    assert store.ingest.link_pending() == 0


@pytest.mark.parametrize("body_first", [True, False])
def test_message_of_two_mailboxes_has_a_file_in_each(store: FilledStore, body_first: bool) -> None:
    """X-GM-MSGID, EMAILID: the server says that it is one message, whose body is fetched once and lies in both mirrors."""
    inbox, archive = store.mailboxes["INBOX"], store.mailboxes["Archive"]
    store.ingest.add_headers(inbox, [header(50, email_id="one")])
    if not body_first:
        store.ingest.add_headers(archive, [header(4, email_id="one")])
    store.add_body(store.ids()[0], b"x\r\n")
    if body_first:
        store.ingest.add_headers(archive, [header(4, email_id="one")])
    store.ingest.follow_rows()
    (twin,) = store.ids("Archive")
    path = store.queries.body_path(twin)
    assert path is not None
    assert path.parent.parent.name == "Archive"
    assert path.read_bytes() == b"x\r\n"


def test_link_to_a_file_that_is_gone_is_not_made(store: FilledStore) -> None:
    """What was not fsynced may be lost in a power cut: there is nothing to link then, and the body is fetched again."""
    newest = store.ids()[0]
    store.add_body(newest, b"x\r\n")
    store.intents.copy([newest], store.mailboxes["Work"])
    store.journal.finish_copy(store.queries.pending_operations()[0], 3, 7)
    path = store.queries.body_path(newest)
    assert path is not None
    path.unlink()
    assert store.ingest.link_pending() == 1
    assert store.ingest.link_pending() == 0


@pytest.mark.parametrize("uids", [range(1, 90), range(1, 90_000, 1000)], ids=["dense", "sparse"])
def test_listed_again_is_not_taken_again(store: FilledStore, uids: range) -> None:
    """S13: more than one statement's worth of messages, in any order of UIDs, is there once."""
    batch = [header(uid, flags=FlagSet(Flag.SEEN, frozenset({"$Todo"}))) for uid in uids]
    work = store.mailboxes["Work"]
    assert store.ingest.add_headers(work, batch[5:]) == len(uids) - 5
    assert store.ingest.add_headers(work, batch[::-1]) == 5
    assert list(store.ingest.local_uids(work)) == list(uids)
    assert list(store.ingest.local_uids(work, UidRange(2, 2001))) == [uid for uid in uids if 2 <= uid <= 2001]
    assert store.ingest.local_count(work) == len(uids)
    rows = store.queries.rows(store.ids("Work"))
    assert {row.uid: row.subject for row in rows if row is not None} == {uid: f"Subject {uid}" for uid in uids}
    assert all(row is not None and row.flags == FlagSet(Flag.SEEN, frozenset({"$Todo"})) for row in rows)
    mailbox = store.queries.mailbox(work)
    assert mailbox is not None
    assert (mailbox.total, mailbox.unread) == (len(uids), 0)


def test_arriving_body_is_told_of_every_copy(store: FilledStore) -> None:
    """The message of several placements: a front end that shows any of them hears that the text is here."""
    newest = store.ids()[0]
    (copy,) = store.intents.copy([newest], store.mailboxes["Work"]).placement_ids
    changed = store.queries.changed_now()
    store.add_body(newest, b"x\r\n")
    (row,) = store.queries.patch_since(store.mailboxes["Work"], changed).upserted
    assert (row.id, row.body_state) == (copy, BodyState.PRESENT)


def test_short_file_is_not_shown(store: FilledStore) -> None:
    """A mirror file is not fsynced: one that is short after a power cut counts as missing."""
    newest = store.ids()[0]
    store.add_body(newest, b"long enough\r\n")
    path = store.queries.body_path(newest)
    assert path is not None
    path.write_bytes(b"long")
    assert store.queries.raw(newest) is None


@pytest.mark.parametrize("asked_by", ["engine", "front end"])
def test_short_file_is_fetched_again(store: FilledStore, asked_by: str) -> None:
    """What was lost in a power cut is missing, so it is wanted again, and what comes takes the place of the rest."""
    newest = store.ids()[0]
    store.add_body(newest, b"long enough\r\n")
    path = store.queries.body_path(newest)
    row = store.queries.row(newest)
    assert path is not None
    assert row is not None
    assert store.ingest.have_body(row.message_id)
    path.write_bytes(b"long")
    if asked_by == "engine":
        assert not store.ingest.have_body(row.message_id)
    else:
        store.intents.request_body(newest)
    row = store.queries.row(newest)
    assert row is not None
    assert row.body_state is BodyState.MISSING
    (target, *_) = store.ingest.missing_bodies("lisa", OfflinePolicy())
    assert target.placement_id == newest
    store.intents.set_flags([newest], add=FLAGGED)
    store.add_body(newest, b"long enough\r\n")
    assert store.ingest.have_body(row.message_id)
    assert store.queries.raw(newest) == b"long enough\r\n"
    assert not path.exists()


def test_short_file_is_not_linked(store: FilledStore) -> None:
    """The same bytes in a second mailbox are a link, but not to a file that a power cut has shortened."""
    store.add([1], "Archive")
    one, other = store.ids("INBOX")[-1], store.ids("Archive")[0]
    store.add_body(one, b"same\r\n")
    path = store.queries.body_path(one)
    assert path is not None
    path.write_bytes(b"")
    store.add_body(other, b"same\r\n")
    assert store.queries.raw(other) == b"same\r\n"


def test_large_body_resumes_where_it_stopped(store: FilledStore) -> None:
    target = store.ingest.body_target(store.ids()[0])
    assert target is not None
    spool = store.ingest.open_spool(target)
    spool.write(b"first ")
    spool.close()
    spool = store.ingest.open_spool(target)
    assert spool.offset == 6
    spool.write(b"second")
    spool.finish("preview", has_attachments=True)
    assert store.queries.raw(target.placement_id) == b"first second"
    row = store.queries.row(target.placement_id)
    assert row is not None
    assert row.has_attachments
    assert row.body_state is BodyState.PRESENT


def test_removed_message_takes_its_file(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.add_body(newest, b"x\r\n")
    path = store.queries.body_path(newest)
    assert path is not None
    store.ingest.remove_uids(store.mailboxes["INBOX"], [UidRange(10, 10)])
    assert not path.exists()


def test_kept_body_serves_the_message_that_comes_back(store: FilledStore) -> None:
    """S6: after a bulk disappearance the body stays, and is not fetched again."""
    newest = store.ids()[0]
    raw = b"x" * 1010
    store.add_body(newest, raw)
    inbox = store.mailboxes["INBOX"]
    store.ingest.remove_uids(inbox, [UidRange(1, 10)], keep_bodies_days=30)
    assert store.ids() == []
    store.add([10])
    assert store.queries.raw(store.ids()[0]) == raw


def test_body_that_comes_again_is_not_swept_as_the_old_one(store: FilledStore) -> None:
    """S6: a message without a Message-ID vanishes with many, comes back under its UID and is fetched: its file is its own."""
    inbox = store.mailboxes["INBOX"]
    remote, _ = header(50)
    for flags in (FlagSet(), FlagSet(Flag.SEEN)):
        store.ingest.add_headers(
            inbox, [(RemoteHeader(50, FlagSet(), remote.size, remote.received_at, b""), Envelope())]
        )
        store.add_body(store.ids()[0], b"anonymous\r\n")
        store.ingest.remove_uids(inbox, [UidRange(50, 50)], keep_bodies_days=-1)
        store.ingest.add_headers(inbox, [(RemoteHeader(50, flags, remote.size, remote.received_at, b""), Envelope())])
        store.add_body(store.ids()[0], b"anonymous\r\n")
        store.ingest.expire_kept_bodies()
        assert store.queries.raw(store.ids()[0]) == b"anonymous\r\n"
        store.ingest.remove_uids(inbox, [UidRange(50, 50)])
        assert not [path for path in (store.home.mail / "lisa" / "INBOX" / "cur").iterdir() if ",U=50" in path.name]


def test_quarantined_message_is_visible_and_heals(store: FilledStore) -> None:
    """P3: one message that could not be read has a row that says so."""
    inbox = store.mailboxes["INBOX"]
    store.ingest.add_fault(inbox, FetchFault(77, FaultKind.MALFORMED, "The server's answer could not be read."))
    row = store.queries.row(store.ids()[0])
    assert row is not None
    assert row.problem == "The server's answer could not be read."
    store.ingest.add_headers(inbox, [header(77)])
    row = store.queries.row(row.id)
    assert row is not None
    assert (row.problem, row.subject) == ("", "Subject 77")


def test_leftover_files_are_swept(store: FilledStore) -> None:
    """A kill between file and row leaves a file that the next start removes."""
    newest, second = store.ids()[:2]
    store.add_body(newest, b"x\r\n")
    store.add_body(second, b"y\r\n")
    folder = store.home.mail / "lisa" / "INBOX" / "cur"
    stray = folder / "1700000000.V7U55.termmail,U=55:2,"
    stray.write_bytes(b"stray")
    path = store.queries.body_path(newest)
    assert path is not None
    twin = path.with_name(path.name + "T")
    twin.write_bytes(b"x\r\n")
    renamed = store.queries.body_path(second)
    assert renamed is not None
    renamed.rename(renamed.with_name(renamed.name + "F"))
    foreign = folder / "1700000001.somebody-elses"
    foreign.write_bytes(b"not ours")
    assert store.ingest.sweep_leftovers(unclean=False) == 0
    assert store.ingest.sweep_leftovers() == 2
    assert not stray.exists()
    assert not twin.exists()
    assert foreign.exists()
    assert store.queries.raw(newest) == b"x\r\n"
    assert store.queries.raw(second) == b"y\r\n"


def test_file_renamed_just_before_a_kill_is_found(store: FilledStore) -> None:
    """The row did not follow a file to its new name: the next start finds it there instead of sweeping it."""
    newest = store.ids()[0]
    store.add_body(newest, b"x\r\n")
    before = store.queries.body_path(newest)
    store.intents.archive([newest])
    store.journal.finish_move(store.queries.pending_operations()[0], 3, 7)
    assert before is not None
    moved = store.home.mail / "lisa" / "Archive" / "cur" / before.name.replace("V7U10", "V7U3").replace("U=10", "U=3")
    before.rename(moved)
    assert store.ingest.sweep_leftovers() == 0
    assert store.queries.body_path(newest) == moved


def test_unfinished_files_are_swept(store: FilledStore) -> None:
    """What a dead engine left in `tmp` goes at the next start; what is somebody else's after 36 hours; a spool stays while wanted."""
    newest, second = store.ids()[:2]
    targets = [store.ingest.body_target(one) for one in (newest, second)]
    for target in targets:
        assert target is not None
        spool = store.ingest.open_spool(target)
        spool.write(b"half")
        spool.close()
    store.add_body(second, b"whole\r\n")
    folder = store.home.mail / "lisa" / "INBOX" / "tmp"
    for name in ("identity.0123abcd", "4711.0123456789ab.3", "6.10.part", "old", "young"):
        (folder / name).write_bytes(b"")
    os.utime(folder / "old", (0, 0))
    store.ingest.sweep_leftovers(unclean=False)
    assert sorted(path.name for path in folder.iterdir()) == ["7.10.part", "young"]


def test_reindex_rebuilds_from_the_folders(tmp_path: Path) -> None:
    """L5: what the mirror holds is listed and readable again, with flags, and the next listing finds it by UID."""
    store = FilledStore(tmp_path, count=3)
    for placement_id in store.ids():
        store.add_body(placement_id, b"Subject: number %d\r\n\r\nbody\r\n" % placement_id)
    store.intents.set_flags([store.ids()[0]], add=FLAGGED)
    store.journal.finish_flags(store.journal.due("lisa", 0))
    store.ingest.rename_pending()
    store.close()
    report = reindex(store.home)
    assert report.messages == 3
    assert report.set_aside is not None
    queries = Queries(store.home)
    inbox = queries.find_mailbox("lisa", "INBOX")
    assert inbox is not None
    rows = [row for row in queries.rows(queries.message_ids(inbox.id)) if row]
    assert [row.subject for row in rows] == ["number 3", "number 2", "number 1"]
    assert "\\Flagged" in rows[0].flags
    assert queries.raw(rows[0].id) == b"Subject: number 3\r\n\r\nbody\r\n"
    queries.close()
    ingest = Ingest(store.home)
    assert ingest.add_headers(inbox.id, [header(3)]) == 0
    ingest.close()


def test_reindex_does_not_throw_away_what_waits(tmp_path: Path) -> None:
    store = FilledStore(tmp_path, count=3)
    store.intents.archive([store.ids()[0]])
    store.close()
    with pytest.raises(Exception, match="have not reached the server"):
        reindex(store.home)


def test_full_disk_is_said_and_harms_nothing(store: FilledStore) -> None:
    """X5: the transaction is refused with a sentence; what was there stays, and work goes on when there is space."""
    with store.ingest.database.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="disk is full"):
        store.add(range(100, 2000))
    assert store.ids() == list(range(10, 0, -1))
    assert store.ingest.database.one("PRAGMA quick_check(1)") == ("ok",)
    with store.ingest.database.write() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    store.add(range(100, 2000))
    assert len(store.ids()) == 1910


def test_renderings_are_kept_and_bounded(store: FilledStore) -> None:
    row = store.queries.row(store.ids()[0])
    assert row is not None
    store.intents.store_rendered(row.message_id, "text:80", b"old")
    store.intents.store_rendered(row.message_id, "text:80", b"new")
    assert store.queries.rendered(row.message_id, "text:80") == b"new"
    for number in range(2100):
        store.intents.store_rendered(row.message_id, f"text:{number}", b"x")
    store.ingest.reset_running()
    assert store.queries.rendered(row.message_id, "text:5") is None
    assert store.queries.rendered(row.message_id, "text:2099") == b"x"


def _flag_many(home: Home, ids: list[int], rounds: int) -> None:
    intents = Intents(home)
    for number in range(rounds):
        change = {"add" if number % 2 == 0 else "remove": FLAGGED}
        intents.set_flags(ids, **change)
    intents.close()


def test_processes_write_side_by_side(store: FilledStore) -> None:
    """Nobody gets "database is locked": every write begins immediately and waits its turn."""
    context = multiprocessing.get_context("spawn")
    ids = store.ids()
    workers = [context.Process(target=_flag_many, args=(store.home, ids[part::3], 15)) for part in range(3)]
    for worker in workers:
        worker.start()
    for number in range(60):
        store.add([1000 + number], "Work")
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert all("\\Flagged" in row.flags for row in store.queries.rows(ids) if row)


@given(st.sets(st.integers(1, 500)))
def test_uid_ranges(uids: set[int]) -> None:
    ranges = uid_ranges(sorted(uids))
    assert [uid for part in ranges for uid in range(part.first, part.last + 1)] == sorted(uids)
    assert all(before.last + 1 < after.first for before, after in itertools.pairwise(ranges))


def test_settings_of_the_database(store: FilledStore) -> None:
    """L4: a log that only the engine's process checkpoints, full durability, foreign keys, no mapped memory."""
    with store.ingest.database.write() as engine:
        assert engine.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert engine.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert engine.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        assert engine.execute("PRAGMA mmap_size").fetchone()[0] == 0
        assert engine.execute("PRAGMA wal_autocheckpoint").fetchone()[0] > 0
    front_end = Database(store.home)
    with front_end.write() as connection:
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0
    front_end.close()


def test_what_is_read_after_the_end_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    """A thread that is cut off at the end meets no error of sqlite's."""
    store = FilledStore(tmp_path / "home")
    ingest = store.ingest
    store.close()
    for ask in (
        ingest.take_requests,
        ingest.work_offline,
        lambda: ingest.missing_bodies("lisa", OfflinePolicy()),
        lambda: ingest.body_target(1),
        ingest.rename_pending,
        lambda: ingest.begin_uidvalidity(1, 1),
    ):
        with pytest.raises(StorageFailed):
            ask()


def test_a_vanished_message_goes_though_its_flags_are_under_way(tmp_path: Path) -> None:
    """S6: QRESYNC tells of it once."""
    store = FilledStore(tmp_path / "home", count=3)
    first, *others = store.ids()
    store.intents.set_flags([first], add=FlagSet(Flag.FLAGGED))
    journal = Journal(store.ingest.database)
    (operation,) = journal.due("lisa", 1e18)
    journal.begin([operation.id])
    row = store.queries.row(first)
    assert row is not None
    assert row.uid is not None
    assert store.ingest.remove_uids(row.mailbox_id, [UidRange(row.uid, row.uid)]) == 1
    assert store.ids() == others
    journal.finish_flags([operation])
    assert store.queries.pending_operations() == []
    store.close()


def test_files_to_be_removed_that_are_gone_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write lock is held meanwhile: not one look through a folder for each of them."""
    store = FilledStore(tmp_path / "home")
    current = store.home.mail / "lisa" / "INBOX" / "cur"
    current.mkdir(parents=True, exist_ok=True)
    (current / "7.renamed:2,S").touch()
    (current / "stays:2,").touch()
    with store.ingest.database.write() as connection:
        connection.executemany(
            "INSERT INTO doomed_file VALUES (?)", ((f"lisa/INBOX/cur/{number}.renamed:2,",) for number in range(50))
        )
    looks: list[object] = []
    look = os.scandir

    def count(path: str) -> object:
        looks.append(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", count)
    sweep(store.ingest.database)
    monkeypatch.undo()
    assert len(looks) <= 2
    assert [path.name for path in current.iterdir()] == ["stays:2,"]
    store.close()
