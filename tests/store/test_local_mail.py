"""The Maildir of a POP3 account: the mail itself, for this program and for others."""

from __future__ import annotations

import contextlib
import mailbox
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maildrop_home import MaildropHome, mail
from termmail.model.errors import StorageFailed
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.maildrop import Whereabouts
from termmail.model.message import Address
from termmail.model.outgoing import Draft
from termmail.store import local_mail, uploads
from termmail.store.downloads import Download, as_sent
from termmail.store.drafts import DraftFolder, new_draft_id
from termmail.store.local_names import directory_name, mailbox_name
from termmail.store.local_scan import arrival_time
from termmail.store.reindex import reindex

SEEN = FlagSet(Flag.SEEN)


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[MaildropHome]:
    home = MaildropHome(tmp_path / "home")
    yield home
    home.close()


def rename_file(bob: MaildropHome, old: str, new: str, directory: str = "INBOX") -> None:
    (bob.folder / directory / "cur" / old).rename(bob.folder / directory / "cur" / new)


def test_usual_mailboxes_are_there(bob: MaildropHome) -> None:
    roles = {box.role: box.name for box in bob.queries.mailboxes("bob")}
    assert roles == {
        Role.INBOX: "INBOX",
        Role.DRAFTS: "Drafts",
        Role.SENT: "Sent",
        Role.ARCHIVE: "Archive",
        Role.JUNK: "Junk",
        Role.TRASH: "Trash",
    }
    assert sorted(path.name for path in bob.folder.iterdir()) == [
        ".Archive", ".Drafts", ".Junk", ".Sent", ".Trash", "INBOX",
    ]  # fmt: skip
    for path in bob.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_mail_that_arrives_is_a_file_as_in_any_maildir(bob: MaildropHome) -> None:
    """L2, P2: lines end in LF on disk, and what the server gave is read back byte for byte."""
    kept = bob.arrive(("a", mail(1)), ("b", mail(2)))
    assert kept.new == 2
    assert len(bob.ids()) == 2
    by_others = mailbox.Maildir(bob.folder / "INBOX", create=False)
    assert sorted(str(message["Subject"]) for message in by_others) == ["Number 1", "Number 2"]
    first = bob.ids()[-1]
    path = bob.queries.body_path(first)
    assert path is not None
    assert b"\r" not in path.read_bytes()
    assert bob.queries.raw(first) in (mail(1), mail(2))
    assert list((bob.folder / "INBOX" / "tmp").iterdir()) == []


def test_known_uidls(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)), ("b", mail(2)), ("c", mail(3)))
    by_subject = {row.subject: row.id for row in bob.queries.rows(bob.ids()) if row is not None}
    bob.intents.delete([by_subject["Number 2"]])
    bob.intents.expunge([by_subject["Number 3"]])
    bob.local.run()
    known = bob.local.maildrop.known_uidls()
    assert {uidl: one.whereabouts for uidl, one in known.items()} == {
        "a": Whereabouts.HERE,
        "b": Whereabouts.TRASH,
        "c": Whereabouts.DELETED,
    }
    assert known["a"].size == len(mail(1))


def test_same_mail_under_new_uidls_is_recognised(bob: MaildropHome) -> None:
    """A maildrop that moved to another server: no second copy, and what was deleted here stays so."""
    bob.arrive(("a", mail(1)), ("b", mail(2)), ("c", mail(3)))
    gone = next(row.id for row in bob.queries.rows(bob.ids()) if row is not None and row.subject == "Number 3")
    bob.intents.expunge([gone])
    bob.local.run()
    kept = bob.arrive(("x", mail(1)), ("y", mail(2)), ("z", mail(3)), ("new", mail(4)))
    assert (kept.new, kept.recognised) == (1, 3)
    assert len(bob.ids()) == 3
    assert len(bob.files()) == 3
    known = bob.local.maildrop.known_uidls()
    assert known["z"].whereabouts is Whereabouts.DELETED
    assert known["x"].whereabouts is Whereabouts.HERE


def test_equal_mails_that_the_server_has_twice_are_two(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)))
    kept = bob.arrive(("b", mail(1)), ("c", mail(1)), listed={"a", "b", "c"})
    assert kept.new == 2
    assert len(bob.files()) == 3


def test_a_repeated_download_makes_no_second_copy(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)))
    assert bob.arrive(("a", mail(1))).recognised == 1
    assert len(bob.files()) == 1
    assert list((bob.folder / "INBOX" / "tmp").iterdir()) == []


def test_file_without_a_row_after_a_crash_is_claimed(bob: MaildropHome) -> None:
    """Killed between rename and commit: the scan finds the file, the next session its UIDL."""
    (bob.folder / "INBOX" / "cur" / "1.M1P1R00000000Q1.host:2,").write_bytes(mail(1).replace(b"\r\n", b"\n"))
    assert bob.local.run().came == 1
    assert bob.arrive(("a", mail(1))).recognised == 1
    assert len(bob.ids()) == len(bob.files()) == 1


def test_flags_are_in_the_file_name(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)))
    bob.intents.set_flags(bob.ids(), add=FlagSet(Flag.SEEN | Flag.FLAGGED))
    bob.local.run()
    (name,) = bob.files()
    assert name.endswith(":2,FS")
    row = bob.queries.row(bob.ids()[0])
    assert row is not None
    assert not row.pending
    assert bob.local.run().changed == 0


def test_flags_of_other_programs_are_taken_over(bob: MaildropHome) -> None:
    """L8; P (passed) is nobody's here and stays in the name."""
    bob.arrive(("a", mail(1)))
    (name,) = bob.files()
    rename_file(bob, name, name + "PRS")
    assert bob.local.run().changed == 1
    row = bob.queries.row(bob.ids()[0])
    assert row is not None
    assert row.flags.system == Flag.SEEN | Flag.ANSWERED
    bob.intents.set_flags(bob.ids(), add=FlagSet(Flag.FLAGGED), remove=SEEN)
    bob.local.run()
    assert bob.files() == [name + "FPR"]


def test_flags_of_both_are_merged(bob: MaildropHome) -> None:
    """S5: each side's change since the last look is kept."""
    bob.arrive(("a", mail(1)))
    (name,) = bob.files()
    bob.intents.set_flags(bob.ids(), add=FlagSet(Flag.FLAGGED))
    rename_file(bob, name, name + "S")
    bob.local.run()
    row = bob.queries.row(bob.ids()[0])
    assert row is not None
    assert row.flags.system == Flag.SEEN | Flag.FLAGGED
    assert bob.files() == [name + "FS"]


def test_delivery_by_another_program(bob: MaildropHome) -> None:
    (bob.folder / "INBOX" / "new" / "77.1.host").write_bytes(mail(7).replace(b"\r\n", b"\n"))
    assert bob.local.run().came == 1
    row = bob.queries.row(bob.ids()[0])
    assert row is not None
    assert (row.subject, row.flags.system) == ("Number 7", Flag(0))
    assert bob.queries.raw(row.id) == mail(7)
    assert bob.local.run().came == 0


def test_flagged_and_unread_by_mutt(bob: MaildropHome) -> None:
    """It puts a file that is flagged but was not read back into `new`."""
    bob.arrive(("a", mail(1)))
    (name,) = bob.files()
    (bob.folder / "INBOX" / "cur" / name).rename(bob.folder / "INBOX" / "new" / f"{name}F")
    report = bob.local.run()
    assert (report.came, report.went, report.changed) == (0, 0, 1)
    row = bob.queries.row(bob.ids()[0])
    assert row is not None
    assert row.flags.system == Flag.FLAGGED


def test_removal_by_another_program(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)), ("b", mail(2)))
    (bob.folder / "INBOX" / "cur" / bob.files()[0]).unlink()
    assert bob.local.run().went == 1
    assert len(bob.ids()) == 1
    assert Whereabouts.DELETED in {one.whereabouts for one in bob.local.maildrop.known_uidls().values()}


def test_a_move_by_another_program_keeps_the_message(bob: MaildropHome) -> None:
    """Another name in another folder, as mutt writes it: the id and the keywords stay."""
    bob.arrive(("a", mail(1)))
    (placement_id,) = bob.ids()
    bob.intents.set_flags([placement_id], add=FlagSet(Flag(0), frozenset({"work"})))
    bob.local.run()
    (name,) = bob.files()
    shutil.move(bob.folder / "INBOX" / "cur" / name, bob.folder / ".Archive" / "cur" / "99.other:2,S")
    report = bob.local.run()
    assert (report.came, report.went) == (0, 0)
    assert bob.ids("Archive") == [placement_id]
    row = bob.queries.row(placement_id)
    assert row is not None
    assert row.flags.keywords == {"work"}
    assert row.flags.system == Flag.SEEN


def test_files_of_one_name_in_two_folders(bob: MaildropHome) -> None:
    """As `cp -r` makes them: both are taken over, and either goes by itself."""
    for directory in ("INBOX", ".Archive"):
        (bob.folder / directory / "cur" / "7.one.host:2,S").write_bytes(mail(7))
    assert bob.local.run().came == 2
    assert len(bob.ids()) == len(bob.ids("Archive")) == 1
    for directory in ("INBOX", ".Archive"):
        (bob.folder / directory / "cur" / "7.one.host:2,S").unlink()
    assert bob.local.run().went == 2
    assert bob.ids() == bob.ids("Archive") == []


def test_a_move_beside_a_file_of_the_same_name(bob: MaildropHome) -> None:
    """L9: neither takes the other's place, and one that goes leaves the other."""
    (bob.folder / "INBOX" / "cur" / "7.one.host:2,S").write_bytes(mail(7))
    (bob.folder / ".Archive" / "cur" / "7.one.host:2,S").write_bytes(mail(8))
    bob.local.run()
    (kept,) = bob.ids("Archive")
    (moved,) = bob.ids()
    bob.intents.archive([moved])
    bob.local.run()
    assert len(bob.files(".Archive")) == 2
    assert (bob.queries.raw(kept), bob.queries.raw(moved)) == (mail(8), mail(7))
    bob.intents.expunge([moved])
    bob.local.run()
    assert bob.ids("Archive") == [kept]
    assert bob.queries.raw(kept) == mail(8)


def test_a_maildir_that_is_not_there_deletes_nothing(bob: MaildropHome) -> None:
    """L9: a disk that is not mounted, while it runs and at its start."""
    bob.arrive(("a", mail(1)))
    aside = bob.folder.with_name("aside")
    bob.folder.rename(aside)
    with pytest.raises(StorageFailed, match="mounted"):
        bob.local.run()
    bob.close()
    with pytest.raises(StorageFailed, match="mounted"):
        bob.open()
    assert not bob.folder.exists()
    aside.rename(bob.folder)
    bob.reopen()
    bob.local.run()
    assert len(bob.ids()) == 1
    assert bob.local.maildrop.known_uidls()["a"].whereabouts is Whereabouts.HERE


def test_reindex(bob: MaildropHome) -> None:
    """L5: by the command that says so."""
    bob.intents.create_mailbox("bob", "Lists/Python")
    bob.intents.create_mailbox("bob", "lists/python")
    bob.local.run()
    bob.arrive(("a", mail(1)), ("b", mail(2)))
    bob.intents.move(bob.ids()[:1], bob.mailbox_id("lists/python"))
    bob.local.run()
    bob.close()
    report = reindex(bob.home)
    assert (report.mailboxes, report.messages) == (8, 2)
    bob.open()
    bob.local.run()
    assert len(bob.ids("lists/python")) == len(bob.ids()) == 1
    assert len(bob.ids("Lists/Python")) == 0
    assert {one.whereabouts for one in bob.local.maildrop.known_uidls().values()} == {Whereabouts.HERE}


def test_files_lost_in_bulk_are_not_deletions(bob: MaildropHome) -> None:
    """L9: they come down again, and nothing is deleted on the server for it."""
    bob.arrive(*((str(number), mail(number)) for number in range(30)))
    for name in bob.files()[:25]:
        (bob.folder / "INBOX" / "cur" / name).unlink()
    assert bob.local.run().lost == 25
    known = bob.local.maildrop.known_uidls()
    assert sum(one.whereabouts is Whereabouts.LOST for one in known.values()) == 25
    again = [(str(number), mail(number)) for number in range(30) if known[str(number)].whereabouts is Whereabouts.LOST]
    assert bob.arrive(*again, listed=set(known)).new == 25
    assert len(bob.ids()) == 30


def test_archive_move_copy_delete_and_undo(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)), ("b", mail(2)), ("c", mail(3)))
    first, second, third = bob.ids()
    bob.intents.archive([first])
    bob.intents.copy([second], bob.mailbox_id("Archive"))
    bob.intents.delete([third])
    bob.local.run()
    assert len(bob.files()) == 1
    assert len(bob.files(".Archive")) == 2
    assert len(bob.files(".Trash")) == 1
    assert bob.local.run() == type(bob.local.run())()
    bob.intents.undo()
    bob.local.run()
    assert len(bob.files()) == 2
    assert bob.files(".Trash") == []
    assert bob.queries.pending_operations() == []


def test_deleted_for_good(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)), ("b", mail(2)))
    (name, _) = bob.files()
    bob.intents.expunge(bob.ids())
    rename_file(bob, name, name + "S")
    bob.local.run()
    assert bob.files() == []
    assert bob.ids() == []
    assert bob.local.run().came == 0


def test_folders_of_the_user(bob: MaildropHome) -> None:
    """Maildir++: levels with dots, other letters in modified UTF-7."""
    bob.intents.create_mailbox("bob", "Reisen/Köln 2026")
    bob.local.run()
    assert (bob.folder / ".Reisen.K&APY-ln 2026" / "cur").is_dir()
    bob.arrive(("a", mail(1)))
    bob.intents.move(bob.ids(), bob.mailbox_id("Reisen/Köln 2026"))
    bob.intents.rename_mailbox(bob.mailbox_id("Reisen/Köln 2026"), "Reisen/Bonn")
    bob.local.run()
    assert len(bob.files(".Reisen.Bonn")) == 1
    assert not (bob.folder / ".Reisen.K&APY-ln 2026").exists()
    assert len(bob.ids("Reisen/Bonn")) == 1
    assert bob.local.run().came == 0


def test_a_deleted_folder_empties_into_trash(bob: MaildropHome) -> None:
    """L9: there is no other copy."""
    bob.intents.create_mailbox("bob", "Old")
    bob.local.run()
    bob.arrive(("a", mail(1)))
    bob.intents.move(bob.ids(), bob.mailbox_id("Old"))
    bob.local.run()
    bob.intents.delete_mailbox(bob.mailbox_id("Old"))
    bob.local.run()
    assert not (bob.folder / ".Old").exists()
    assert len(bob.files(".Trash")) == 1
    assert len(bob.ids("Trash")) == 1


def test_an_upload_that_was_interrupted_leaves_one_file(bob: MaildropHome) -> None:
    """S1: also where its flags changed before it was tried again."""
    draft = Draft(
        id=new_draft_id(),
        account="bob",
        from_=Address("Bob", "bob@example.org"),
        to="anna@example.org",
        body="Hello.\n",
    )
    DraftFolder.create(bob.home, draft).release()
    (placement_id,) = bob.intents.keep_draft(draft).placement_ids
    assert bob.local.mail.take_upload(placement_id, bob.mailbox_id("Drafts"))
    bob.intents.set_flags([placement_id], add=FlagSet(Flag.FLAGGED))
    bob.local.run()
    (name,) = bob.files(".Drafts")
    assert name.endswith(":2,DFS")
    assert bob.ids("Drafts") == [placement_id]


def test_an_upload_is_done_durably_before_its_file_goes(bob: MaildropHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """L3: after a power cut the row must not ask for a file that was removed."""
    draft = Draft(
        id=new_draft_id(),
        account="bob",
        from_=Address("Bob", "bob@example.org"),
        to="anna@example.org",
        body="Hello.\n",
    )
    DraftFolder.create(bob.home, draft).release()
    bob.intents.keep_draft(draft)
    begun: list[str] = []
    write, remove = bob.ingest.database.write, uploads.remove_file

    def note_write(*, durable: bool = True) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        begun.append("durable" if durable else "not durable")
        return write(durable=durable)

    def note_removal(home: Home, name: str) -> None:
        begun.append("removed")
        remove(home, name)

    monkeypatch.setattr(bob.ingest.database, "write", note_write)
    monkeypatch.setattr(local_mail, "remove_file", note_removal)
    bob.local.run()
    assert begun[begun.index("removed") - 1] == "durable"


def test_a_deleted_trash_stays_deleted(bob: MaildropHome) -> None:
    """What was in it neither comes back from the disk nor down from the server, and the next deleted folder finds another Trash."""
    bob.intents.create_mailbox("bob", "Old")
    bob.local.run()
    bob.arrive(*((str(number), mail(number)) for number in range(25)))
    bob.intents.delete(bob.ids())
    bob.arrive(("kept", mail(99)), listed={"kept", *map(str, range(25))})
    bob.intents.move(bob.ids(), bob.mailbox_id("Old"))
    bob.local.run()
    bob.intents.delete_mailbox(bob.mailbox_id("Trash"))
    bob.local.run()
    bob.intents.delete_mailbox(bob.mailbox_id("Old"))
    bob.local.run(thorough=True)
    rows = bob.queries.rows(bob.ids("Trash"))
    assert [row.subject for row in rows if row is not None] == ["Number 99"]
    known = bob.local.maildrop.known_uidls()
    assert {known[str(number)].whereabouts for number in range(25)} == {Whereabouts.DELETED}


def test_a_group_that_can_not_be_kept_leaves_nothing_behind(bob: MaildropHome) -> None:
    """X5: what the disk refused takes no room until the next start."""
    shutil.move(bob.folder / "INBOX" / "cur", bob.folder / "INBOX" / "away")
    with pytest.raises(StorageFailed):
        bob.arrive(("a", mail(1)), ("b", mail(2)))
    assert list((bob.folder / "INBOX" / "tmp").iterdir()) == []
    shutil.move(bob.folder / "INBOX" / "away", bob.folder / "INBOX" / "cur")
    assert bob.arrive(("a", mail(1)), ("b", mail(2))).new == 2


def test_looking_up_what_was_downloaded_writes_nothing(bob: MaildropHome) -> None:
    """S13: no front end is woken by a look at a maildrop with nothing new."""
    bob.arrive(("a", mail(1)))
    before = bob.queries.data_version()
    assert set(bob.local.maildrop.known_uidls()) == {"a"}
    assert bob.queries.data_version() == before


def test_folders_of_other_programs(bob: MaildropHome) -> None:
    mailbox.Maildir(bob.folder / ".Lists.python", create=True)
    (bob.folder / ".Lists.python" / "cur" / "5.other:2,S").write_bytes(mail(5))
    assert bob.local.run().came == 1
    assert len(bob.ids("Lists/python")) == 1


def test_everything_comes_back_without_the_database(bob: MaildropHome) -> None:
    """L5: messages, flags, folders, keywords, and what is known of the server."""
    bob.intents.create_mailbox("bob", "Ünder/Below")
    bob.local.run()
    bob.arrive(*((f"u{number}", mail(number)) for number in range(4)))
    by_subject = {row.subject: row.id for row in bob.queries.rows(bob.ids()) if row is not None}
    bob.intents.move([by_subject["Number 1"]], bob.mailbox_id("Ünder/Below"))
    bob.intents.set_flags([by_subject["Number 1"]], add=FlagSet(Flag.SEEN, frozenset({"later"})))
    bob.intents.expunge([by_subject["Number 2"]])
    bob.local.run()
    bob.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{bob.home.database}{suffix}").unlink(missing_ok=True)
    bob.open()
    bob.local.run()
    assert {row.subject for row in bob.queries.rows(bob.ids()) if row is not None} == {"Number 0", "Number 3"}
    (moved,) = bob.ids("Ünder/Below")
    row = bob.queries.row(moved)
    assert row is not None
    assert row.flags == FlagSet(Flag.SEEN, frozenset({"later"}))
    known = bob.local.maildrop.known_uidls()
    assert {uidl: one.whereabouts for uidl, one in known.items()} == {
        "u0": Whereabouts.HERE,
        "u1": Whereabouts.HERE,
        "u2": Whereabouts.DELETED,
        "u3": Whereabouts.HERE,
    }


def test_a_torn_ledger_line_costs_only_itself(bob: MaildropHome) -> None:
    bob.arrive(("a", mail(1)))
    with (bob.folder / ".termmail-uidls").open("ab") as file:
        file.write(b'{"uidl":"half')
    bob.arrive(("b", mail(2)))
    bob.close()
    bob.home.database.unlink()
    bob.open()
    bob.local.run()
    assert set(bob.local.maildrop.known_uidls()) == {"a", "b"}


def test_leftovers_of_dead_downloads_are_removed(bob: MaildropHome) -> None:
    tmp = bob.folder / "INBOX" / "tmp"
    (tmp / "1790000000.M1P22R0123abcdQ0.host").write_bytes(b"half")
    (tmp / "somebody.else").write_bytes(b"being delivered")
    (tmp / "somebody.dead").write_bytes(b"")
    os.utime(tmp / "somebody.dead", (0, 0))
    bob.reopen()
    assert [path.name for path in tmp.iterdir()] == ["somebody.else"]


@pytest.mark.parametrize(
    ("header", "at"),
    [
        (
            b"Subject: x\r\nReceived: from a by b\r\n\tfor c; Mon, 02 Nov 2026 10:00:00 +0000\r\nReceived: d; 1 Jan 2001\r\n",
            1793613600,
        ),
        (b"received:\n from a by b;\n Mon, 02 Nov 2026 10:00:00 +0000\n", 1793613600),
        (b"X-Received: a; Mon, 02 Nov 2026 10:00:00 +0000\r\nSubject: x\r\n Received: y\r\n", 7),
        (b"Received: nonsense\r\n", 7),
        (b"Received: a; Fri, 02 Nov 2096 10:00:00 +0000\r\n", 7),
        (b"", 7),
    ],
    ids=["folded", "lines of LF", "another field", "nonsense", "the future", "nothing"],
)
def test_when_it_arrived(header: bytes, at: int) -> None:
    """The time of the last server on the way, which is the first of the header, counts; else what the caller knows."""
    assert arrival_time(header, 7) == at


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b".", b"\r\r\n"]), max_size=30), st.data())
@settings(max_examples=200, deadline=None)
def test_what_came_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject
) -> None:
    """P2: byte for byte, whatever the line ends and however the bytes were cut."""
    raw = b"".join(pieces) + b"\r\n"
    folder = tmp_path_factory.mktemp("maildir")
    (folder / "tmp").mkdir()
    download = Download(folder / "tmp")
    place = 0
    while place < len(raw):
        step = data.draw(st.integers(1, 8))
        download.write(raw[place : place + step])
        place += step
    assert download.finish() == download.path.stat().st_size
    assert as_sent(download.path.read_bytes()) == raw
    assert download.size == len(raw)


@given(st.lists(st.text(min_size=1, max_size=20).filter(lambda level: "/" not in level), min_size=1, max_size=4))
def test_names_go_to_disk_and_back(levels: list[str]) -> None:
    """L10: injective, and safe as a file name."""
    name = "/".join(levels)
    directory = directory_name(name)
    assert "/" not in directory
    assert directory not in (".", "..")
    assert "\0" not in directory
    if "~" not in directory and not any(0xD800 <= ord(letter) < 0xE000 for letter in name):
        assert mailbox_name(directory) == ("INBOX" if name == "INBOX" else name)
