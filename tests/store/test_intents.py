"""Intents: what the user sees changes at once, the journal holds what the server must hear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore, header, remote_mailbox
from termmail.model.errors import TermmailError
from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Role
from termmail.model.operation import Copy, CreateMailbox, DeleteMailbox, Expunge, FlagChange, Move, RenameMailbox
from termmail.model.remote import MailboxListing, RemoteFlags, UidRange
from termmail.model.status import AccountStatus, ConnectionState
from termmail.store.intents import Intents
from termmail.store.queries import Queries

SEEN = FlagSet(Flag.SEEN)
FLAGGED = FlagSet(Flag.FLAGGED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home")
    yield filled
    filled.close()


def payloads(store: FilledStore) -> list[object]:
    return [operation.payload for operation in store.queries.pending_operations()]


def test_flag_is_seen_at_once_and_journalled(store: FilledStore) -> None:
    newest = store.ids()[0]
    result = store.intents.set_flags([newest], add=FLAGGED)
    row = store.queries.row(newest)
    assert row is not None
    assert "\\Flagged" in row.flags
    assert row.pending
    assert result.sentence == "Flagged 1 message."
    assert payloads(store) == [FlagChange(FLAGGED, FlagSet())]


def test_opposite_waiting_flags_cancel(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.set_flags([newest], add=FLAGGED)
    store.intents.set_flags([newest], remove=FLAGGED)
    assert payloads(store) == []
    row = store.queries.row(newest)
    assert row is not None
    assert not row.pending


def test_flag_change_under_way_is_not_rewritten(store: FilledStore) -> None:
    """What the server may have heard is answered by an operation of its own."""
    newest = store.ids()[0]
    store.intents.set_flags([newest], add=FLAGGED)
    store.journal.begin([store.queries.pending_operations()[0].id])
    store.intents.set_flags([newest], remove=FLAGGED)
    assert payloads(store) == [FlagChange(FLAGGED, FlagSet()), FlagChange(FlagSet(), FLAGGED)]
    assert len(store.journal.due("lisa", 0)) == 1


def test_keywords_with_flags(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.set_flags([newest], add=FlagSet(Flag(0), frozenset({"$Work", "later"})))
    store.intents.set_flags([newest], remove=FlagSet(Flag(0), frozenset({"LATER"})))
    row = store.queries.row(newest)
    assert row is not None
    assert row.flags.keywords == {"$Work"}


def test_move_keeps_the_id_and_undo_brings_it_back(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.move([newest], store.mailboxes["Work"])
    row = store.queries.row(newest)
    assert row is not None
    assert row.mailbox == "Work"
    assert store.ids("Work") == [newest]
    store.intents.undo()
    assert store.ids()[0] == newest
    assert payloads(store) == []


def test_second_move_replaces_a_waiting_one(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.archive([newest])
    store.intents.delete([newest])
    assert payloads(store) == [Move(store.mailboxes["Trash"])]


def test_undo_survives_a_restart(store: FilledStore) -> None:
    first, second = store.ids()[:2]
    store.intents.archive([first, second])
    store.intents.close()
    queries = Queries(store.home)
    assert queries.undo_sentence() == "Archived 2 messages."
    queries.close()
    store.intents = Intents(store.home)
    store.intents.undo()
    assert store.ids()[:2] == [first, second]
    assert store.intents.undo().sentence == "Nothing to undo."


def test_delete_in_trash_names_the_other_command(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.delete([newest])
    with pytest.raises(TermmailError, match="for good"):
        store.intents.delete([newest])


def test_archive_is_created_where_there_is_none(tmp_path: Path) -> None:
    store = FilledStore(tmp_path / "bare")
    states = store.ingest.apply_listing("lisa", MailboxListing((remote_mailbox("INBOX"),)))
    assert [state.name for state in states] == ["INBOX"]
    newest = store.ids()[0]
    store.intents.archive([newest])
    created = store.queries.role_mailbox("lisa", Role.ARCHIVE)
    assert created is not None
    assert created.pending == "create"
    assert payloads(store) == [CreateMailbox(created.id), Move(created.id)]
    assert [operation.payload for operation in store.journal.due("lisa", 0)] == [CreateMailbox(created.id)]
    store.close()


def test_copy_shows_a_second_placement(store: FilledStore) -> None:
    newest = store.ids()[0]
    result = store.intents.copy([newest], store.mailboxes["Work"])
    assert store.ids("Work") == list(result.placement_ids)
    assert payloads(store) == [Copy(newest, store.mailboxes["Work"])]
    store.intents.undo()
    assert store.ids("Work") == []
    assert payloads(store) == []


def test_expunge_and_empty(store: FilledStore) -> None:
    newest, second = store.ids()[:2]
    store.intents.delete([newest])
    store.intents.set_flags([second], add=FLAGGED)
    store.intents.expunge([second])
    result = store.intents.empty(store.mailboxes["Trash"])
    assert not result.undoable
    assert payloads(store) == [Expunge(), Expunge()]
    assert store.queries.row(newest) is None
    assert len(store.ids()) == 8


def test_mark_all_read_counts(store: FilledStore) -> None:
    inbox = store.mailboxes["INBOX"]
    assert store.intents.mark_all_read(inbox).sentence == "Marked read: 5 messages."
    mailbox = store.queries.mailbox(inbox)
    assert mailbox is not None
    assert (mailbox.total, mailbox.unread) == (10, 0)
    store.intents.undo()
    assert len(store.queries.unread_ids(inbox)) == 5


def test_move_to_another_account_is_refused(tmp_path: Path) -> None:
    store = FilledStore(tmp_path / "two", accounts=("lisa", "bob"))
    other = store.queries.find_mailbox("bob", "Work")
    assert other is not None
    with pytest.raises(TermmailError, match="another account"):
        store.intents.move([store.ids()[0]], other.id)
    assert payloads(store) == []
    store.close()


def test_create_rename_delete_mailbox(store: FilledStore) -> None:
    store.intents.create_mailbox("lisa", "Work/New")
    with pytest.raises(TermmailError, match="already"):
        store.intents.create_mailbox("lisa", "Work/New")
    store.intents.rename_mailbox(store.mailboxes["Work"], "Job")
    assert {mailbox.name for mailbox in store.queries.mailboxes("lisa")} >= {"Job", "Job/Deep", "Job/New"}
    store.intents.undo()
    assert {mailbox.name for mailbox in store.queries.mailboxes("lisa")} >= {"Work", "Work/Deep"}
    store.intents.delete_mailbox(store.mailboxes["Work/Deep"])
    assert store.queries.find_mailbox("lisa", "Work/Deep") is None
    kinds = [type(payload) for payload in payloads(store)]
    assert kinds == [CreateMailbox, DeleteMailbox]
    with pytest.raises(TermmailError, match="inbox"):
        store.intents.delete_mailbox(store.mailboxes["INBOX"])


def test_refused_mailbox_changes_roll_back(store: FilledStore) -> None:
    store.intents.rename_mailbox(store.mailboxes["Work"], "Job")
    operation = store.queries.pending_operations()[0]
    assert isinstance(operation.payload, RenameMailbox)
    store.journal.fail([operation.id], "The server refused the name.")
    assert store.queries.find_mailbox("lisa", "Work") is not None
    assert store.queries.problems()[0].sentence == "The server refused the name."


def test_refused_move_rolls_back(store: FilledStore) -> None:
    """Effective is base with the waiting operations on top: without the operation the message is where it was."""
    newest = store.ids()[0]
    store.intents.archive([newest])
    store.journal.fail([store.queries.pending_operations()[0].id], "Over quota.")
    row = store.queries.row(newest)
    assert row is not None
    assert row.mailbox == "INBOX"
    assert store.queries.unseen_problem_count() == 1


def test_server_flags_do_not_flicker_what_waits(store: FilledStore) -> None:
    """S5: the server's other flags arrive, the one changed here stays as wished."""
    newest = store.ids()[0]
    store.intents.set_flags([newest], add=FLAGGED)
    store.ingest.update_flags(store.mailboxes["INBOX"], [RemoteFlags(10, FlagSet(Flag.ANSWERED))])
    row = store.queries.row(newest)
    assert row is not None
    assert row.flags.system == Flag.FLAGGED | Flag.ANSWERED


def test_keyword_that_the_server_will_not_keep_stays_here(store: FilledStore) -> None:
    newest = store.ids()[0]
    keyword = FlagSet(Flag(0), frozenset({"later"}))
    store.intents.set_flags([newest], add=keyword)
    store.journal.finish_flags(store.journal.due("lisa", 0), local=keyword)
    store.ingest.update_flags(store.mailboxes["INBOX"], [RemoteFlags(10, SEEN)])
    row = store.queries.row(newest)
    assert row is not None
    assert row.flags == FlagSet(Flag.SEEN, frozenset({"later"}))
    assert not row.pending


def test_a_deletion_for_good_that_was_taken_back_is_not_carried_out(store: FilledStore) -> None:
    """The engine has it in its hands already, and nothing that follows could undo it; a move is carried out, and then moved back."""
    newest, other = store.ids()[:2]
    store.intents.expunge([newest])
    store.intents.archive([other])
    expunged, moved = store.journal.due("lisa", 1e12, 10)
    store.intents.drop_operation(expunged.id)
    store.intents.drop_operation(moved.id)
    assert store.journal.begin([expunged.id, moved.id]) == {moved.id}
    assert store.ids()[:2] == [newest, other]
    assert [type(one) for one in payloads(store)] == [Move, Move]


def test_a_deletion_of_a_folder_that_was_taken_back_is_not_carried_out(store: FilledStore) -> None:
    store.intents.delete_mailbox(store.mailboxes["Archive"])
    (deletion,) = store.journal.due("lisa", 1e12, 10)
    store.intents.drop_operation(deletion.id)
    assert store.journal.begin([deletion.id]) == set()
    assert payloads(store) == []


def test_message_gone_elsewhere_takes_its_operations_along(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.set_flags([newest], add=FLAGGED)
    store.ingest.remove_uids(store.mailboxes["INBOX"], [UidRange(10, 10)])
    assert store.queries.row(newest) is None
    assert payloads(store) == []


def test_move_under_way_is_not_taken_for_a_deletion(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.archive([newest])
    operation = store.queries.pending_operations()[0]
    store.journal.begin([operation.id])
    store.ingest.remove_uids(store.mailboxes["INBOX"], [UidRange(10, 10)])
    assert store.ids("Archive") == [newest]
    store.journal.finish_move(operation, 1, 7)
    assert store.ids("Archive") == [newest]
    assert payloads(store) == []


def test_listing_that_saw_the_moved_message_first_makes_no_second(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.archive([newest])
    operation = store.queries.pending_operations()[0]
    store.journal.begin([operation.id])
    store.add([10], "Archive")
    store.journal.finish_move(operation, 10, 7)
    assert store.ids("Archive") == [newest]


def test_move_without_copyuid_is_adopted_by_the_next_listing(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.archive([newest])
    operation = store.queries.pending_operations()[0]
    store.journal.finish_move(operation, None, None)
    remote, envelope = header(10)
    moved = type(remote)(99, remote.flags, remote.size, remote.received_at, b"")
    assert store.ingest.add_headers(store.mailboxes["Archive"], [(moved, envelope)]) == 0
    assert store.ids("Archive") == [newest]
    row = store.queries.row(newest)
    assert row is not None
    assert row.uid == 99


def test_a_pass_over_all_accounts_ends_every_wait(tmp_path: Path) -> None:
    """$ without an account: none waits out its back-off."""
    filled = FilledStore(tmp_path / "home", accounts=("lisa", "bob"))
    for name in ("lisa", "bob"):
        filled.ingest.set_status(AccountStatus(name, ConnectionState.WAITING, "No network.", next_at=2e9))
    assert len(filled.intents.request_sync()) == 2
    assert {status.state for status in filled.queries.accounts()} == {ConnectionState.UNKNOWN}
    filled.close()


def test_copy_of_a_copy_outlives_both_it_was_made_of(store: FilledStore) -> None:
    """What was copied before it was deleted is copied on the server too, whichever of them the server has yet."""
    newest = store.ids()[0]
    work, archive = store.mailboxes["Work"], store.mailboxes["Archive"]
    (copy,) = store.intents.copy([newest], work).placement_ids
    (second,) = store.intents.copy([copy], archive).placement_ids
    store.intents.expunge([newest])
    store.intents.expunge([copy])
    assert store.ids("Work") == []
    assert store.ids("Archive") == [second]
    assert payloads(store) == [Copy(newest, work), Copy(copy, archive), Expunge(), Expunge()]


def test_copy_of_a_copy_that_is_given_up_is_made_of_the_first(store: FilledStore) -> None:
    newest = store.ids()[0]
    (copy,) = store.intents.copy([newest], store.mailboxes["Work"]).placement_ids
    (second,) = store.intents.copy([copy], store.mailboxes["Archive"]).placement_ids
    store.intents.expunge([newest])
    store.intents.drop_operation(store.queries.pending_operations()[0].id)
    assert store.ids("Archive") == [second]
    assert payloads(store) == [Copy(newest, store.mailboxes["Archive"]), Expunge()]


def test_copies_of_a_message_that_is_gone_are_not_made(store: FilledStore) -> None:
    newest = store.ids()[0]
    store.intents.copy([newest], store.mailboxes["Work"])
    store.ingest.remove_uids(store.mailboxes["INBOX"], [UidRange(10, 10)])
    assert store.ids("Work") == []
    assert payloads(store) == []


def test_subscription_as_it_is_changes_nothing(store: FilledStore) -> None:
    work = store.mailboxes["Work"]
    result = store.intents.subscribe(work, subscribed=True)
    assert not result.undoable
    assert payloads(store) == []
    assert store.queries.undo_sentence() is None
