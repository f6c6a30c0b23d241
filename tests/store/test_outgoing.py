"""Drafts and the outbox in the store: durable, taken back, sent once, filed once (O1 to O5, O9, O10)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest

from filled_store import FilledStore
from termmail.engine import opening
from termmail.mime.headers import parse_envelope
from termmail.model.errors import StorageFailed, Unsendable
from termmail.model.flags import Flag
from termmail.model.mailbox import Role
from termmail.model.message import Address, Envelope
from termmail.model.operation import Expunge, FlagChange, Upload
from termmail.model.outgoing import (
    Draft,
    OutboxItem,
    OutboxState,
    OutgoingMessage,
    RecipientState,
    Refusal,
    Submission,
)
from termmail.store import draft_intents, durable, outbox_items, outgoing_intents, undo
from termmail.store.correspondents import catch_up
from termmail.store.database import Database
from termmail.store.drafts import DraftFolder, DraftTaken, abandoned, new_draft_id, read_draft, replace_private
from termmail.store.mailbox_intents import IntentRefused
from termmail.store.outbox import Outbox
from termmail.store.outbox_items import OutboxNote
from termmail.store.reindex import rebuild_if_damaged, reindex
from termmail.store.uploads import stage

BOB = "bob@else.example"
CAROL = "carol@else.example"
RAW = b"Subject: Typed\r\n\r\nwith care\r\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home")
    yield filled
    filled.close()


def write(store: FilledStore, **changes: object) -> DraftFolder:
    """A draft that is being written here."""
    draft = Draft(
        id=new_draft_id(),
        account="lisa",
        from_=Address("Lisa", "lisa@demo.example"),
        to=f"Bob <{BOB}>, {CAROL}",
        subject="Boats",
        body="When do they go?\n",
    )
    return DraftFolder.create(store.home, msgspec.structs.replace(draft, **changes))


def send(store: FilledStore, *, at: float = 0.0, **changes: object) -> OutboxItem:
    folder = write(store, **changes)
    result = store.intents.send(folder.draft, at=at)
    folder.release()
    assert result.outbox_id is not None
    return item_of(store, result.outbox_id)


def item_of(store: FilledStore, outbox_id: int) -> OutboxItem:
    item = store.queries.outbox_item(outbox_id)
    assert item is not None
    return item


def outbox_of(store: FilledStore) -> Outbox:
    return Outbox(store.ingest.database)


def in_mailbox(store: FilledStore, mailbox: str) -> list[Envelope]:
    rows = store.queries.rows(store.ids(mailbox))
    return [parse_envelope(store.queries.raw(row.id) or b"") for row in rows if row is not None]


def submitted(store: FilledStore, item: OutboxItem) -> None:
    """As the engine does it for a server that takes all."""
    outbox = outbox_of(store)
    assert outbox.begin_attempt(item.id) is not None
    assert outbox.begin_data(item.id)
    outbox.submitted(item.id, Submission(tuple(one.address for one in item.recipients), ()), next_at=0)


# drafts


def test_a_note_that_two_write_at_once_is_one_of_theirs(tmp_path: Path) -> None:
    """The engine and a front end may change an item at the same moment: neither takes the other's file away."""
    path = tmp_path / "item.json"
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda number: replace_private(path, b"%d" % number), range(400)):
            pass
    assert 0 <= int(path.read_bytes()) < 400
    assert list(tmp_path.iterdir()) == [path]


def test_a_note_is_never_older_than_its_row(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """O1, O2: while one is about to write what it read the engine begins to send. A database that is rebuilt from the note would
    otherwise send the message a second time."""
    item = send(store)
    begun: list[bool] = []
    other_is_done_or_waits = threading.Event()
    flock = fcntl.flock

    def begin() -> None:
        begun.append(outbox_of(store).begin_data(item.id))
        other_is_done_or_waits.set()

    engine = threading.Thread(target=begin)

    def take_lock(descriptor: int, how: int) -> None:
        if threading.current_thread() is engine:
            other_is_done_or_waits.set()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", take_lock)

    def put_off(note: OutboxNote) -> OutboxNote:
        if engine.ident is None:
            engine.start()
            assert other_is_done_or_waits.wait(30)
        return msgspec.structs.replace(note, item=msgspec.structs.replace(note.item, sentence="Later."))

    database = Database(store.home)
    outbox_items.change_item(database, item.id, (OutboxState.QUEUED,), put_off)
    database.close()
    engine.join(30)
    assert not engine.is_alive()
    assert begun == [True]
    now = item_of(store, item.id)
    note = msgspec.json.decode((store.home.outbox / item.folder / "item.json").read_bytes(), type=OutboxNote)
    assert now.state is OutboxState.SENDING
    assert note.item.state is OutboxState.SENDING


def test_a_saved_draft_is_there_after_a_crash_and_goes_to_drafts(store: FilledStore) -> None:
    """O9: what a dead process left is found, put into Drafts, and said."""
    folder = write(store)
    folder.save(msgspec.structs.replace(folder.draft, body="Half a sen"))
    assert abandoned(store.home) == []
    folder.release()
    assert abandoned(store.home) == [folder.draft.id]
    (sentence,) = store.intents.recover_drafts()
    assert "Boats" in sentence
    assert "Drafts" in sentence
    (found,) = in_mailbox(store, "Drafts")
    assert found.subject == "Boats"
    assert not folder.folder.exists()
    assert store.intents.recover_drafts() == []


def test_a_draft_open_elsewhere_is_not_taken(store: FilledStore) -> None:
    folder = write(store)
    with pytest.raises(DraftTaken):
        DraftFolder.open(store.home, folder.draft.id)
    folder.release()
    again = DraftFolder.open(store.home, folder.draft.id)
    assert again.draft == folder.draft
    again.release()
    with pytest.raises(DraftTaken):
        DraftFolder.open(store.home, "../../etc")


def test_half_an_address_and_bcc_are_kept(store: FilledStore) -> None:
    folder = write(store, to="bob@", bcc=f"Carol <{CAROL}>")
    store.intents.keep_draft(folder.draft)
    folder.release()
    (placement_id,) = store.ids("Drafts")
    raw = store.queries.raw(placement_id)
    assert raw is not None
    assert b"bob@" in raw
    assert [one.address for one in parse_envelope(raw).bcc] == [CAROL]
    row = store.queries.row(placement_id)
    assert row is not None
    assert row.flags.system & Flag.DRAFT
    assert row.flags.system & Flag.SEEN
    (operation,) = store.queries.pending_operations()
    assert isinstance(operation.payload, Upload)


def test_a_sent_draft_is_found_after_a_crash_in_another_second(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the file in the mirror and its row: the server then tells its own time, by which the file is named."""
    folder = write(store)
    (placement_id,) = store.intents.keep_draft(folder.draft).placement_ids
    folder.release()
    raw = store.queries.raw(placement_id)
    (operation,) = store.journal.due("lisa", 1e12, 10)
    store.journal.finish_upload(operation, 1, 7)
    with monkeypatch.context() as killed:
        killed.setattr(store.ingest.database, "write", lambda **how: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.ingest.place_uploads("lisa")
    with store.ingest.database.write() as connection:
        connection.execute("UPDATE placement SET received_at = received_at + 1 WHERE id = ?", (placement_id,))
    assert store.ingest.place_uploads("lisa") == 1
    assert raw is not None
    assert store.queries.raw(placement_id) == raw
    assert list(store.home.uploads.iterdir()) == []


def test_a_newer_version_of_a_draft_replaces_the_older(store: FilledStore) -> None:
    first = write(store)
    (older,) = store.intents.keep_draft(first.draft).placement_ids
    first.release()
    second = write(store, body="More.\n", replaces=older)
    (newer,) = store.intents.keep_draft(second.draft).placement_ids
    second.release()
    assert store.ids("Drafts") == [newer]
    # The older one had not reached the server: nobody has to hear of it, and its file goes.
    assert [type(one.payload) for one in store.queries.pending_operations()] == [Upload]
    store.ingest.sweep_leftovers()
    assert len(list(store.home.uploads.glob("*.json"))) == 1


def test_a_draft_that_is_saved_is_written_on(store: FilledStore) -> None:
    """It is in Drafts, its folder stays, and after a crash the newer text takes its place."""
    folder = write(store)
    (saved,) = store.intents.save_draft(folder.draft).placement_ids
    assert store.ids("Drafts") == [saved]
    assert store.queries.draft(folder.draft.id).replaces == saved
    folder.save(msgspec.structs.replace(folder.draft, body="Half a sen", replaces=saved))
    folder.release()
    store.intents.recover_drafts()
    (recovered,) = store.ids("Drafts")
    assert recovered != saved
    raw = store.queries.raw(recovered)
    assert raw is not None
    assert b"Half a sen" in raw


def test_a_draft_of_the_server_that_is_continued_is_removed_there(store: FilledStore) -> None:
    store.add([1], "Drafts")
    (older,) = store.ids("Drafts")
    folder = write(store, replaces=older)
    store.intents.keep_draft(folder.draft)
    folder.release()
    assert len(store.ids("Drafts")) == 1
    assert {type(one.payload) for one in store.queries.pending_operations()} == {Upload, Expunge}


def test_a_discarded_draft_comes_back(store: FilledStore) -> None:
    store.add([1], "Drafts")
    (older,) = store.ids("Drafts")
    folder = write(store, replaces=older)
    result = store.intents.discard_draft(folder.draft)
    folder.release()
    assert result.undoable
    assert store.ids("Drafts") == []
    undone = store.intents.undo()
    assert undone.draft_id == folder.draft.id
    assert store.ids("Drafts") == [older]
    assert store.queries.draft(folder.draft.id) == folder.draft


def test_a_discarded_draft_that_can_not_be_moved_back_is_not_lost(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5, O9: it is said where the draft is, and undo can be asked for again."""
    store.add([1], "Drafts")
    (older,) = store.ids("Drafts")
    folder = write(store, replaces=older)
    store.intents.discard_draft(folder.draft)
    folder.release()

    def full(source: Path, goal: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(draft_intents, "rename", full)
        with pytest.raises(StorageFailed, match=r"was not brought back.*disk is full.*30 days"):
            store.intents.undo()
    assert store.ids("Drafts") == [older]
    undone = store.intents.undo()
    assert undone.draft_id == folder.draft.id
    assert store.ids("Drafts") == [older]
    assert store.queries.draft(folder.draft.id) == folder.draft


def test_a_draft_that_can_not_be_discarded_stays_where_it_is(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5, O9."""
    folder = write(store)

    def refuse(*arguments: object) -> int:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(undo, "record", refuse)
        with pytest.raises(StorageFailed):
            store.intents.discard_draft(folder.draft)
    folder.release()
    assert abandoned(store.home) == [folder.draft.id]
    assert store.queries.draft(folder.draft.id) == folder.draft


def test_a_draft_that_is_kept_is_kept_though_its_folder_stays(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O9: nobody is told to go on writing in a folder that the next start removes."""
    folder = write(store)

    def refuse(path: Path) -> None:
        raise StorageFailed("The disk refuses.")

    with monkeypatch.context() as patch:
        patch.setattr(draft_intents, "remove_folder", refuse)
        assert store.intents.keep_draft(folder.draft).placement_ids == tuple(store.ids("Drafts"))
    folder.release()
    assert store.intents.recover_drafts() == []
    assert not folder.folder.exists()
    assert len(store.ids("Drafts")) == 1


# attachments


def test_an_attachment_is_copied_and_sent_whole(store: FilledStore, tmp_path: Path) -> None:
    source = tmp_path / "map.bin"
    source.write_bytes(os.urandom(300_000))
    folder = write(store)
    attachment = folder.attach(source)
    assert attachment is not None
    folder.save(msgspec.structs.replace(folder.draft, attachments=(attachment,)))
    source.unlink()
    result = store.intents.send(folder.draft, at=0.0)
    folder.release()
    assert result.outbox_id is not None
    item = item_of(store, result.outbox_id)
    assert 400_000 < item.size < 420_000
    assert outbox_of(store).message_path(item).stat().st_size == item.size


# sending


def test_a_sent_draft_is_in_the_outbox_and_nowhere_else(store: FilledStore) -> None:
    item = send(store, at=time.time() + 60, bcc="dora@else.example")
    assert item.state is OutboxState.QUEUED
    assert [one.address for one in item.recipients] == [BOB, CAROL, "dora@else.example"]
    assert not (store.home.drafts / item.folder).exists()
    raw = outbox_of(store).message_path(item).read_bytes()
    assert b"dora" not in raw
    assert outbox_of(store).due("lisa", time.time()) == []
    due = outbox_of(store).next_due("lisa")
    assert due == item.not_before


def test_sending_is_taken_back_and_sent_again(store: FilledStore) -> None:
    folder = write(store)
    store.intents.send(folder.draft, at=time.time() + 60)
    folder.release()
    undone = store.intents.undo()
    assert undone.draft_id == folder.draft.id
    assert store.queries.outbox() == []
    again = DraftFolder.open(store.home, undone.draft_id)
    assert again.draft == folder.draft
    assert sorted(path.name for path in again.folder.iterdir()) == ["draft.json", "lock"]
    result = store.intents.send(again.draft, at=0.0)
    again.release()
    assert result.outbox_id is not None


def test_what_the_server_has_is_not_taken_back(store: FilledStore) -> None:
    item = send(store)
    outbox = outbox_of(store)
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    with pytest.raises(IntentRefused, match="right now"):
        store.intents.take_back(item.id)
    outbox.submitted(item.id, Submission((BOB, CAROL), ()), next_at=0)
    with pytest.raises(IntentRefused, match="already"):
        store.intents.undo()


def test_what_may_have_been_sent_is_not_said_to_be_unsent(store: FilledStore) -> None:
    """O2: also when it is taken out of the outbox."""
    outbox = outbox_of(store)
    for action in (store.intents.take_back, store.intents.cancel_sending):
        item = send(store)
        outbox.begin_attempt(item.id)
        outbox.begin_data(item.id)
        outbox.unknown(item.id, "The answer was lost.")
        assert action(item.id).sentence.startswith("It may have been sent.")


def test_what_some_have_is_taken_back_for_the_others(store: FilledStore) -> None:
    """O4, O10: once its copy is on its way to Sent."""
    item = send(store)
    outbox = outbox_of(store)
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    outbox.submitted(item.id, Submission((BOB,), (Refusal(CAROL, 550, "no"),)), next_at=0)
    with pytest.raises(IntentRefused, match="in a moment"):
        store.intents.take_back(item.id)
    outbox.file_copies("lisa", keep_copy=True)
    result = store.intents.take_back(item.id)
    assert result.sentence.startswith("Not sent to the others.")
    draft = read_draft(store.home.drafts / result.draft_id)
    assert CAROL in draft.to + draft.cc
    assert BOB not in draft.to + draft.cc
    assert len(store.ids("Sent")) == 1


def test_what_was_taken_back_between_the_commands_is_not_sent(store: FilledStore) -> None:
    item = send(store)
    outbox = outbox_of(store)
    assert outbox.begin_attempt(item.id) is not None
    store.intents.take_back(item.id)
    assert not outbox.begin_data(item.id)


def test_a_bad_address_leaves_the_draft_as_it_was(store: FilledStore) -> None:
    folder = write(store, to="bob@")
    with pytest.raises(Unsendable):
        store.intents.send(folder.draft, at=0.0)
    assert folder.folder.is_dir()
    assert sorted(path.name for path in folder.folder.iterdir()) == ["draft.json", "lock"]
    assert store.queries.outbox() == []
    folder.release()


def test_without_the_account_nothing_is_accepted(store: FilledStore) -> None:
    folder = write(store, account="nobody")
    with pytest.raises(IntentRefused, match="nobody"):
        store.intents.send(folder.draft, at=0.0)
    folder.release()
    (sentence,) = store.intents.recover_drafts()
    assert str(folder.folder) in sentence


def test_sent_is_filed_once_and_the_original_says_answered(store: FilledStore) -> None:
    item = send(store, answers="message-3@demo.example", in_reply_to="message-3@demo.example")
    submitted(store, item)
    outbox = outbox_of(store)
    assert outbox.next_due("lisa") == 0
    assert outbox.file_copies("lisa", keep_copy=True) == 1
    assert outbox.file_copies("lisa", keep_copy=True) == 0
    assert item_of(store, item.id).state is OutboxState.FILED
    (copy,) = in_mailbox(store, "Sent")
    assert copy.message_id_header == item.message_id_header
    assert copy.bcc == ()
    (answered,) = store.queries.find_rows_by_message_id_header("message-3@demo.example")
    assert answered.flags.system & Flag.ANSWERED
    assert {type(one.payload) for one in store.queries.pending_operations()} == {Upload, FlagChange}
    assert not (store.home.outbox / item.folder).exists()
    assert store.queries.outbox() == []
    assert outbox.next_due("lisa") is None


def test_no_copy_where_the_server_files_it(store: FilledStore) -> None:
    """O10."""
    item = send(store)
    submitted(store, item)
    assert outbox_of(store).file_copies("lisa", keep_copy=False) == 1
    assert in_mailbox(store, "Sent") == []
    assert item_of(store, item.id).state is OutboxState.FILED


def test_a_refused_recipient_is_told_and_the_rest_not_repeated(store: FilledStore) -> None:
    """O4."""
    item = send(store)
    outbox = outbox_of(store)
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    outbox.submitted(item.id, Submission((BOB,), (Refusal(CAROL, 550, "no such user"),)), next_at=0)
    failed = item_of(store, item.id)
    assert failed.state is OutboxState.FAILED
    assert CAROL in failed.sentence
    assert "no such user" in failed.sentence
    outbox.file_copies("lisa", keep_copy=True)
    assert len(in_mailbox(store, "Sent")) == 1
    store.intents.resend(item.id)
    (again,) = outbox.due("lisa", time.time())
    assert [one.state for one in again.recipients] == [RecipientState.ACCEPTED, RecipientState.WAITING]
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    outbox.submitted(item.id, Submission((CAROL,), ()), next_at=0)
    outbox.file_copies("lisa", keep_copy=True)
    assert len(in_mailbox(store, "Sent")) == 1
    assert item_of(store, item.id).state is OutboxState.FILED


def test_a_temporary_refusal_waits(store: FilledStore) -> None:
    """O5."""
    item = send(store)
    outbox = outbox_of(store)
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    later = time.time() + 300
    outbox.submitted(item.id, Submission((BOB,), (Refusal(CAROL, 451, "greylisted"),)), next_at=later)
    waiting = item_of(store, item.id)
    assert waiting.state is OutboxState.QUEUED
    assert waiting.next_at == later
    assert waiting.attempts == 1
    assert outbox.due("lisa", time.time()) == []
    store.intents.send_now(item.id)
    assert len(outbox.due("lisa", time.time())) == 1


def test_what_a_dead_engine_was_sending_is_unknown_and_never_sent_by_itself(store: FilledStore) -> None:
    """O2."""
    item = send(store)
    outbox = outbox_of(store)
    outbox.begin_attempt(item.id)
    outbox.begin_data(item.id)
    assert outbox.recover() == 1
    unknown = item_of(store, item.id)
    assert unknown.state is OutboxState.UNKNOWN
    assert "may have been sent" in unknown.sentence
    assert outbox.due("lisa", time.time() + 1e9) == []
    store.intents.resend(item.id)
    (again,) = outbox.due("lisa", time.time())
    assert again.message_id_header == item.message_id_header


def test_a_finished_message_is_cancelled_into_drafts(store: FilledStore) -> None:
    raw = b"From: lisa@demo.example\r\nTo: bob@else.example\r\nSubject: Cron\r\nMessage-ID: <a@demo.example>\r\n\r\nDone.\r\n"

    def fill(file: BinaryIO) -> OutgoingMessage:
        file.write(raw)
        return OutgoingMessage(
            sender="lisa@demo.example",
            recipients=(BOB, CAROL),
            subject="Cron",
            message_id_header="a@demo.example",
            size=len(raw),
            eight_bit=False,
            utf8=False,
        )

    result = store.intents.submit_message("lisa", fill, at=0.0)
    assert result.outbox_id is not None
    assert not item_of(store, result.outbox_id).editable
    store.intents.cancel_sending(result.outbox_id)
    (draft,) = in_mailbox(store, "Drafts")
    assert [one.address for one in draft.bcc] == [CAROL]
    assert store.queries.outbox() == []
    assert list(store.home.outbox.iterdir()) == []


def test_a_finished_message_that_was_taken_back_is_in_drafts_alone(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: where the process died before its folder in the outbox was removed, nobody is told that it may have been sent."""
    item = submit(store, RAW)
    folder = store.home.outbox / item.folder

    def die(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outgoing_intents, "remove_folder", die)
        with pytest.raises(KeyboardInterrupt):
            store.intents.take_back(item.id)
    os.utime(folder, (1, 1))
    assert store.intents.recover_drafts() == []
    assert not folder.exists()
    assert store.queries.problems() == []
    assert len(in_mailbox(store, "Drafts")) == 1


def engine_sends(store: FilledStore) -> None:
    submitted(store, send(store))
    outbox_of(store).file_copies("lisa", keep_copy=True)


def engine_fails_and_user_resends(store: FilledStore) -> None:
    item, outbox = send(store), outbox_of(store)
    outbox.begin_attempt(item.id)
    assert outbox.begin_data(item.id)
    outbox.failed(item.id, "No.")
    store.intents.resend(item.id)


def engine_died_sending(store: FilledStore) -> None:
    item, outbox = send(store), outbox_of(store)
    assert outbox.begin_data(item.id)
    assert outbox.recover() == 1


def user_takes_back(store: FilledStore) -> None:
    store.intents.take_back(send(store).id)


def user_cancels_a_finished_message(store: FilledStore) -> None:
    store.intents.cancel_sending(submit(store, RAW).id)


def user_undoes_a_redirection(store: FilledStore) -> None:
    sender = Address("Lisa", "lisa@demo.example")
    store.intents.redirect("lisa", RAW, sender=sender, to=BOB, at=0.0)
    store.intents.undo()
    assert len(in_mailbox(store, "Drafts")) == 1


@pytest.mark.parametrize(
    "action",
    [
        engine_sends,
        engine_fails_and_user_resends,
        engine_died_sending,
        user_takes_back,
        user_cancels_a_finished_message,
        user_undoes_a_redirection,
    ],
)
def test_nobody_waits_for_files_of_the_outbox(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch, action: Callable[[FilledStore], None]
) -> None:
    """S15: the write lock is free whenever something is made durable."""
    synced = []

    def somebody_else_writes(name: str) -> None:
        if name == "before fsync":
            with contextlib.closing(sqlite3.connect(store.home.database, timeout=0, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
            synced.append(name)

    monkeypatch.setattr(durable, "crash_point", somebody_else_writes)
    action(store)
    assert len(synced) > 3


def test_what_changes_while_a_note_is_written_is_not_overwritten(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O1: the note and the row say the same in the end."""
    item = send(store)
    outbox = outbox_of(store)
    write_note = outbox_items.write_note
    asked: list[object] = []

    def somebody_was_quicker(folder: Path, note: OutboxNote) -> None:
        write_note(folder, note)
        if not asked:
            asked.append(store.intents.send_now(item.id))

    monkeypatch.setattr(outbox_items, "write_note", somebody_was_quicker)
    outbox.put_off(item.id, "No time now.", 5.0)
    changed = item_of(store, item.id)
    assert (changed.state, changed.sentence, changed.next_at) == (OutboxState.QUEUED, "No time now.", 5.0)
    note = msgspec.json.decode((store.home.outbox / item.folder / "item.json").read_bytes(), type=OutboxNote)
    assert note.item == changed


def test_what_is_taken_back_while_its_note_is_written_is_not_sent(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O1: by whoever has the row first."""
    item = send(store)
    write_note = outbox_items.write_note

    def taken_back(folder: Path, note: OutboxNote) -> None:
        store.intents.take_back(item.id)
        write_note(folder, note)

    monkeypatch.setattr(outbox_items, "write_note", taken_back)
    assert not outbox_of(store).begin_data(item.id)
    assert abandoned(store.home) == [item.folder]
    assert store.queries.outbox() == []


def test_a_message_that_can_not_be_written_is_not_accepted(store: FilledStore) -> None:
    def fill(file: BinaryIO) -> OutgoingMessage:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageFailed, match="full"):
        store.intents.submit_message("lisa", fill, at=0.0)
    assert list(store.home.outbox.iterdir()) == []
    assert store.queries.outbox() == []


def test_the_outbox_and_drafts_survive_the_database(store: FilledStore) -> None:
    """L5: queued stays queued, what may have been sent is unknown, drafts on their way are on their way."""
    kept = write(store, subject="Kept")
    store.intents.keep_draft(kept.draft)
    kept.release()
    waiting, sending = send(store, subject="Waiting"), send(store, subject="Sending")
    outbox_of(store).begin_attempt(sending.id)
    outbox_of(store).begin_data(sending.id)
    store.close()
    reindex(store.home, force=True)
    rebuilt = FilledStore(store.home.data, count=0)
    states = {item.subject: item.state for item in rebuilt.queries.outbox()}
    assert states == {"Waiting": OutboxState.QUEUED, "Sending": OutboxState.UNKNOWN}
    found = rebuilt.queries.newest_rows("lisa", None, 10)
    assert [row.subject for row in found] == ["Kept"]
    assert any(isinstance(one.payload, Upload) for one in rebuilt.queries.pending_operations())
    assert {item.folder for item in rebuilt.queries.outbox()} == {waiting.folder, sending.folder}
    rebuilt.close()


def test_a_draft_replaces_nothing_in_a_rebuilt_database(store: FilledStore) -> None:
    """L5: there the number of what it was to replace is that of another message."""
    store.add_body(store.ids()[0], RAW)
    store.ingest.write_identities(store.mailboxes.values())
    write(store, replaces=1, subject="Goes on").release()
    store.close()
    reindex(store.home, force=True)
    rebuilt = FilledStore(store.home.data, count=0)
    assert rebuilt.ids() == [1]
    assert len(rebuilt.intents.recover_drafts()) == 1
    assert rebuilt.ids() == [1]
    assert [envelope.subject for envelope in in_mailbox(rebuilt, "Drafts")] == ["Goes on"]
    rebuilt.close()


@pytest.mark.parametrize("end", ["keep_draft", "discard_draft"])
def test_a_draft_replaces_nothing_but_a_draft(store: FilledStore, end: str) -> None:
    """L9: who wrote on while the database was rebuilt has noted a number that a received message has now."""
    before = store.ids()
    draft = write(store, replaces=before[0])
    getattr(store.intents, end)(draft.draft)
    assert store.ids() == before
    draft.release()


def test_a_draft_of_an_account_never_synced_survives_the_database(store: FilledStore) -> None:
    """L5, L9: no mail folder tells of the account yet."""
    kept = write(store, subject="Kept")
    store.intents.keep_draft(kept.draft)
    kept.release()
    store.close()
    for identity in store.home.mail.glob("*/*/.termmail"):
        identity.unlink()
    reindex(store.home, force=True)
    rebuilt = FilledStore(store.home.data, count=0)
    assert [envelope.subject for envelope in in_mailbox(rebuilt, "Drafts")] == ["Kept"]
    rebuilt.close()


def test_a_rebuild_that_was_killed_begins_again(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """L5: what it had not come to yet is not taken for left over."""
    kept = write(store, subject="Kept")
    store.intents.keep_draft(kept.draft)
    kept.release()
    send(store)
    store.close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr("termmail.store.reindex.restore_uploads", lambda database: os._exit(7))
        with contextlib.suppress(BaseException):
            reindex(store.home, force=True)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert "rebuilt" in rebuild_if_damaged(store.home)
    assert rebuild_if_damaged(store.home) == ""
    rebuilt = FilledStore(store.home.data, count=0)
    assert [envelope.subject for envelope in in_mailbox(rebuilt, "Drafts")] == ["Kept"]
    assert len(rebuilt.queries.outbox()) == 1
    rebuilt.close()


def test_a_copy_on_its_way_is_filed_once_after_a_rebuild(store: FilledStore) -> None:
    """L5, O10: the copy was durable, and nothing said yet that it was."""
    item = send(store)
    outbox = outbox_of(store)
    assert outbox.begin_data(item.id)
    outbox.submitted(item.id, Submission((BOB, CAROL), ()), next_at=0.0)
    stage(store.home, f"{item.folder}.sent", "lisa", Role.SENT, Flag.SEEN, outbox.message_path(item))
    store.close()
    reindex(store.home, force=True)
    rebuilt = FilledStore(store.home.data, count=0)
    assert outbox_of(rebuilt).file_copies("lisa", keep_copy=True) == 1
    assert [envelope.subject for envelope in in_mailbox(rebuilt, "Sent")] == ["Boats"]
    assert rebuilt.queries.outbox() == []
    rebuilt.close()


def test_a_folder_without_a_row_goes_back_to_the_drafts(store: FilledStore) -> None:
    """A crash between the rename and the row."""
    folder = write(store)
    store.home.outbox.mkdir(mode=0o700)
    stray = store.home.outbox / folder.draft.id
    folder.folder.rename(stray)
    folder.release()
    assert store.intents.recover_drafts() == []
    os.utime(stray, (1, 1))
    (sentence,) = store.intents.recover_drafts()
    assert "Boats" in sentence
    assert not stray.exists()


def submit(store: FilledStore, raw: bytes) -> OutboxItem:
    """A finished message, as from a pipe."""

    def fill(file: BinaryIO) -> OutgoingMessage:
        file.write(raw)
        return OutgoingMessage(
            sender="lisa@demo.example",
            recipients=(BOB,),
            subject="Typed",
            message_id_header="typed@demo.example",
            size=len(raw),
            eight_bit=False,
            utf8=False,
        )

    result = store.intents.submit_message("lisa", fill, at=0.0)
    assert result.outbox_id is not None
    return item_of(store, result.outbox_id)


def set_aside_and_told(store: FilledStore) -> bytes:
    """The only message set aside, which the only problem tells where to find."""
    (kept,) = store.home.set_aside.glob("*/message.eml")
    (problem,) = store.queries.problems()
    assert str(kept) in problem.sentence
    return kept.read_bytes()


@pytest.mark.parametrize("note", [b"", b'{"item": {"id"'], ids=["empty", "torn"])
def test_a_message_whose_note_is_damaged_is_set_aside(store: FilledStore, note: bytes) -> None:
    """L5, L9, O2: mail that a person typed is neither deleted nor sent again; it is said where it is."""
    folder = store.home.outbox / submit(store, RAW).folder
    (folder / "item.json").write_bytes(note)
    store.close()
    reindex(store.home, force=True)
    rebuilt = FilledStore(store.home.data, count=0)
    assert rebuilt.queries.outbox() == []
    assert set_aside_and_told(rebuilt) == RAW
    rebuilt.close()


@pytest.mark.parametrize("note", [b"", None], ids=["damaged", "whole"])
def test_a_message_without_a_row_is_set_aside(store: FilledStore, note: bytes | None) -> None:
    """L9, O2: whether it was accepted, sent or taken back, nobody knows."""
    folder = store.home.outbox / submit(store, RAW).folder
    if note is not None:
        (folder / "item.json").write_bytes(note)
    with store.ingest.database.write() as connection:
        connection.execute("DELETE FROM outbox")
    store.intents.recover_drafts()
    assert folder.exists()
    os.utime(folder, (1, 1))
    store.intents.recover_drafts()
    assert set_aside_and_told(store) == RAW


def test_what_can_not_be_told_is_not_set_aside(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """L9, X5: the next start does both."""
    folder = store.home.outbox / submit(store, RAW).folder
    with store.ingest.database.write() as connection:
        connection.execute("DELETE FROM outbox")
    os.utime(folder, (1, 1))

    def full(self: Database, *, durable: bool = True) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", full)
        with pytest.raises(StorageFailed):
            store.intents.recover_drafts()
    os.utime(folder, (1, 1))
    store.intents.recover_drafts()
    assert set_aside_and_told(store) == RAW


def test_a_draft_that_can_not_be_read_keeps_the_message_made_of_it(store: FilledStore) -> None:
    """O9: it is the text that was typed."""
    item = send(store)
    folder = store.home.outbox / item.folder
    (folder / "draft.json").write_bytes(b"{")
    with store.ingest.database.write() as connection:
        connection.execute("DELETE FROM outbox")
    os.utime(folder, (1, 1))
    assert store.intents.recover_drafts() == []
    (kept,) = store.home.set_aside.glob("*/message.eml")
    assert b"When do they go?" in kept.read_bytes()
    assert store.intents.recover_drafts() == []


def test_what_was_sent_is_no_draft_after_a_crash(store: FilledStore) -> None:
    """O2: an item filed just before a crash, which was written more than a week before, leaves no folder to be taken for a draft."""
    item = send(store)
    outbox = outbox_of(store)
    assert outbox.begin_data(item.id)
    folder = store.home.outbox / item.folder
    aside = folder.with_name("aside")
    shutil.copytree(folder, aside)
    outbox.submitted(item.id, Submission((BOB, CAROL), ()), next_at=0.0)
    outbox.file_copies("lisa", keep_copy=True)
    assert item_of(store, item.id).state is OutboxState.FILED
    aside.rename(folder)
    with store.ingest.database.write() as connection:
        connection.execute("UPDATE outbox SET created_at = created_at - 30 * 86400")
    opening.begin(store.ingest)
    assert not folder.exists()


def test_correspondents_are_those_of_the_messages(store: FilledStore) -> None:
    store.add([100], "Sent")
    while catch_up(store.ingest.database):
        pass
    found = {one.address: one for one in store.queries.correspondents()}
    assert found["sender1@demo.example"].heard_count >= 1
    assert found["lisa@demo.example"].written_count == 1
    assert found["sender1@demo.example"].name == "Sender 1"
