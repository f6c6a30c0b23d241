"""Folders: emptying Trash and Junk, creating, renaming, deleting, subscribing, from the palette."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.accounts import config
from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import CreateMailbox, DeleteMailbox, Expunge, RenameMailbox, Subscribe
from termmail.ui.app import TermmailApp
from termmail.ui.keymap import Where
from termmail.ui.screens.main import MainScreen
from termmail.ui.wizard.screen import WizardScreen
from termmail.ui.words import Clock
from ui.support import NOW, WIDE, Driven, filled, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


def kinds(ui: Driven) -> list[type]:
    """What kinds of operations wait."""
    return [type(operation.payload) for operation in ui.journal()]


async def test_empty_trash(store: FilledStore) -> None:
    """UX: emptying asks with the number of messages; n keeps them; y deletes them for good; from any folder it is Trash."""
    store.add(range(1, 6), "Trash")
    async with opened(store) as ui:
        await ui.run("empty this folder")
        await ui.shows("Delete 5 messages in Trash for good? This can't be undone.")
        await ui.press("n")
        assert ui.journal() == []
        await ui.press("g", "t")
        await ui.run("empty this folder")
        await ui.press("y")
        await ui.settled()
        assert kinds(ui) == [Expunge] * 5
        assert len(ui.main.model) == 0
        assert "Deleted 5 messages for good." in ui.status
        await ui.run("empty this folder")
        assert "Trash is empty." in ui.status
        assert len(store.ids()) == 10


async def test_accounts_come_and_go(tmp_path: Path) -> None:
    """`account add` and `account remove` in another terminal: the folders and the state follow, with no restart."""
    with contextlib.closing(FilledStore(tmp_path / "home", accounts=("lisa", "bob"))) as store:
        async with opened(store) as ui:
            await ui.settled()
            store.intents.register_accounts(store.accounts[:1])
            await ui.until(lambda: {line.account for line in ui.main.folder_tree.lines} == {"lisa"})
            assert [status.account for status in ui.main.statuses] == ["lisa"]
            store.intents.register_accounts(store.accounts)
            await ui.until(lambda: {line.account for line in ui.main.folder_tree.lines} == {"lisa", "bob"})
            await ui.until(lambda: [status.account for status in ui.main.statuses] == ["lisa", "bob"])
            store.intents.register_accounts(store.accounts[1:])
            await ui.until(lambda: {line.account for line in ui.main.folder_tree.lines} == {"bob"})
            assert [status.account for status in ui.main.statuses] == ["bob"]


async def test_first_account_is_opened_when_it_is_added(store: FilledStore) -> None:
    """In another terminal, while the wizard is open here."""
    config.add_account(store.home, store.accounts[0])
    store.intents.register_accounts(())
    app = TermmailApp(store.home, (), clock=Clock(NOW))
    try:
        async with app.run_test(size=WIDE) as pilot:
            while not isinstance(app.screen, WizardScreen):
                await pilot.pause()
            store.intents.register_accounts(store.accounts)
            while not isinstance(app.screen, MainScreen):
                await pilot.pause(0.05)
            main = app.screen
            while not main.model.complete:
                await pilot.pause(0.05)
            await pilot.press("j")
            assert main.model.cursor_id == store.ids()[1]
            await pilot.press("q")
    finally:
        app.close_backend()
    assert app.fault is None


async def test_empty_junk(store: FilledStore) -> None:
    """In Junk it is Junk that is emptied; the cursor of the tree counts where the folders have the keys."""
    store.add(range(1, 4), "Junk")
    store.add(range(1, 3), "Trash")
    async with opened(store) as ui:
        await ui.press("g", "!")
        await ui.run("empty this folder")
        await ui.shows("Delete 3 messages in Junk for good?")
        await ui.press("escape", "g", "i", "shift+tab", "j", "j", "j", "j")
        assert ui.main.folder_tree.lines[ui.main.folder_tree.cursor].path == "Junk"
        await ui.run("empty this folder")
        await ui.press("y")
        await ui.settled()
        assert store.ids("Junk") == []
        assert len(store.ids("Trash")) == 2


async def test_delete_for_good_in_trash(store: FilledStore) -> None:
    """D in Trash deletes the selection for good, after asking once."""
    store.add(range(1, 6), "Trash")
    ids = store.ids("Trash")
    async with opened(store) as ui:
        await ui.press("g", "t", "x", "x", "D")
        await ui.shows("Delete 2 messages for good?")
        await ui.press("y")
        await ui.settled()
        assert store.ids("Trash") == ids[2:]
        assert kinds(ui) == [Expunge, Expunge]
        await ui.press("z")
        await ui.says("Nothing to undo.")


async def test_create(store: FilledStore) -> None:
    """A folder is made here at once, marked as waiting for the server; a name that is taken or no name is refused in words."""
    async with opened(store) as ui:
        await ui.run("create a folder")
        assert "Create a folder in lisa" in ui.everything()
        await ui.type("Work/Plans [a]")
        await ui.press("enter")
        await ui.settled()
        assert "Plans [a]" in "\n".join(ui.folders)
        assert "↑" in next(line for line in ui.folders if "Plans" in line)
        assert kinds(ui) == [CreateMailbox]
        assert "Work/Plans [a]" in ui.status
        await ui.press("M")
        await ui.type("plans")
        await ui.press("enter")
        await ui.settled()
        assert "Moved 1 message to Work/Plans [a]." in ui.status
        await ui.run("create a folder")
        await ui.type("Work")
        await ui.press("enter")
        await ui.settled()
        assert "Work" in ui.status
        assert kinds(ui).count(CreateMailbox) == 1
        await ui.run("create a folder")
        await ui.press("enter")
        await ui.run("create a folder")
        await ui.type("x")
        await ui.press("escape")
        await ui.settled()
        assert kinds(ui).count(CreateMailbox) == 1


async def test_rename(store: FilledStore) -> None:
    """The folder that is shown, or that of the tree's cursor, gets a new name, what is below it too; undo gives the old one back."""
    store.add(range(1, 3), "Work/Deep")
    async with opened(store) as ui:
        await ui.press("shift+tab", "G")
        await ui.run("rename this folder")
        line = ui.input()
        assert line is not None
        assert line.value == "Work/Deep"
        line.value = ""
        await ui.type("Work/Done")
        await ui.press("enter")
        await ui.settled()
        assert kinds(ui) == [RenameMailbox]
        assert ui.folders[-1].split()[0] == "Done"
        await ui.press("z")
        await ui.settled()
        assert ui.folders[-1].split()[0] == "Deep"
        assert ui.journal() == []
        await ui.press("g", "i")
        await ui.run("rename this folder")
        assert "The inbox can't be renamed." in ui.status
        await ui.press("g", "f")
        await ui.type("work")
        await ui.press("enter")
        await ui.run("rename this folder")
        await ui.press("ctrl+u")
        await ui.type("Job")
        await ui.press("enter")
        await ui.settled()
        assert "Job" in ui.title(Where.LIST)
        assert [mailbox.name for mailbox in store.queries.mailboxes() if "Deep" in mailbox.name] == ["Job/Deep"]
        await ui.run("rename this folder")
        await ui.press("enter")
        await ui.settled()
        assert kinds(ui) == [RenameMailbox]


async def test_delete_a_folder(store: FilledStore) -> None:
    """Deleting a folder asks with what is in it; the list goes to the inbox; the inbox itself stays."""
    store.add(range(1, 4), "Work/Deep")
    async with opened(store) as ui:
        await ui.press("g", "f")
        await ui.type("deep")
        await ui.press("enter")
        await ui.run("delete this folder")
        await ui.shows("Delete the folder Work / Deep with 3 messages? This can't be undone.")
        await ui.press("n")
        assert ui.journal() == []
        await ui.run("delete this folder")
        await ui.press("y")
        await ui.settled()
        assert DeleteMailbox in kinds(ui)
        assert ui.folder == "INBOX"
        assert "Deep" not in "\n".join(ui.folders)
        await ui.run("delete this folder")
        assert "The inbox can't be deleted." in ui.status


async def test_subscribe(store: FilledStore) -> None:
    """Subscribing and no longer, undoable."""
    async with opened(store) as ui:
        await ui.press("g", "s")
        await ui.run("subscribe")
        await ui.settled()
        assert kinds(ui) == [Subscribe]
        mailbox = store.queries.mailbox(store.mailboxes["Sent"])
        assert mailbox is not None
        assert not mailbox.subscribed
        await ui.press("z")
        await ui.settled()
        mailbox = store.queries.mailbox(store.mailboxes["Sent"])
        assert mailbox is not None
        assert mailbox.subscribed


async def test_counts_in_the_tree(store: FilledStore) -> None:
    """The tree's counts follow what is done and what others do; Trash shows none; Drafts shows how many there are."""
    async with opened(store) as ui:
        store.add(range(1, 4), "Work", seen_every=99)
        store.add([1, 2], "Drafts")
        await ui.settled()
        await ui.until(lambda: any(line.split()[-2:] == ["Work", "3"] for line in ui.folders))
        assert any(line.split() == ["Drafts", "2"] for line in ui.folders)
        await ui.press("j", "d")
        await ui.settled()
        assert ui.folders[1].split() == ["Inbox", "4"]
        assert any(line.split() == ["Trash"] for line in ui.folders)
        store.intents.set_flags(store.ids("Work"), add=FlagSet(Flag.SEEN))
        await ui.settled()
        assert any(line.split()[-1] == "Work" for line in ui.folders)


def counts(lines: list[str]) -> dict[str, str]:
    """The numbers behind the names of folders."""
    return {words[-2]: words[-1] for line in lines if len(words := line.split()) > 1 and words[-1].isdecimal()}


async def test_the_folder_picker_counts_as_the_tree_does(store: FilledStore) -> None:
    """Unread mail in Trash is no news; of Drafts all is counted."""
    store.add([1, 3], "Trash")
    store.add([2, 4], "Drafts")
    store.add([5, 7, 9], "Work")
    async with opened(store) as ui:
        tree = counts(ui.folders)
        await ui.press("g", "f")
        await ui.until(lambda: ui.input() is not None)
        picker = counts(ui.choices)
    assert tree == picker == {"Inbox": "5", "Drafts": "2", "Work": "3"}
