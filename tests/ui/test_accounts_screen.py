"""The list of accounts in the mail reader: changed, disabled, removed and added to, all of it in the config file at once."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from textual.widgets import TextArea

from filled_store import FilledStore
from termmail.accounts import config, credentials, saving
from termmail.accounts.config import Config
from termmail.model.account import Account
from termmail.model.errors import StorageFailed
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.store.intents import Intents
from termmail.ui.screens.main import MainScreen
from termmail.ui.wizard.accounts_screen import AccountsScreen
from termmail.ui.wizard.more_screen import MoreScreen
from ui.support import PATIENCE
from ui.wizard_support import Wizarding, own_keyring, wizard

__all__ = ["own_keyring"]
BY_HAND = "# mine\n[ui]\nmark_read_after = 3 # slow\n"


@pytest.fixture
def store(tmp_path: Path) -> FilledStore:
    """Two accounts with mail, and a config file with comments."""
    filled = FilledStore(tmp_path / "home", count=3, accounts=("lisa", "work"))
    (tmp_path / "home" / "config.toml").write_text(BY_HAND)
    for account in filled.accounts:
        config.add_account(filled.home, account)
    return filled


async def opened(ui: Wizarding) -> None:
    await ui.until(lambda: isinstance(ui.app.screen, MainScreen))
    await ui.press("g", "c")
    assert isinstance(ui.app.screen, AccountsScreen)
    assert "lisa · IMAP" in ui.words


def names(known: Config) -> list[str]:
    return [account.name for account in known.accounts]


async def test_disabled_and_enabled(tmp_path: Path, store: FilledStore) -> None:
    """It leaves the folders at once, and comes back with its mail; the comments stay."""
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("d")
        await ui.until(lambda: "lisa is disabled: its settings and its mail stay here." in ui.words)
        assert [account.enabled for account in ui.config.accounts] == [False, True]
        assert "lisa · IMAP · disabled" in ui.words
        await ui.until(lambda: [status.account for status in store.queries.accounts()] == ["work"])
        await ui.press("d")
        await ui.until(lambda: "lisa is in use again." in ui.words)
        await ui.until(lambda: len(store.queries.accounts()) == 2)
        assert ui.home.config_file.read_text().startswith(BY_HAND)
    store.close()


async def test_all_are_disabled(tmp_path: Path, store: FilledStore) -> None:
    """Then the wizard opens, and the list of accounts from it; one that is enabled again is opened."""
    for account in store.accounts:
        config.edit_account(store.home, msgspec.structs.replace(account, enabled=False))
    store.intents.register_accounts(())
    async with wizard(tmp_path) as ui:
        assert "Who are you?" in ui.words
        await ui.press("f3")
        assert "lisa · IMAP · disabled" in ui.words
        await ui.press("d")
        await ui.until(lambda: "lisa is in use again." in ui.words)
        await ui.press("q")
        await ui.until(lambda: isinstance(ui.app.screen, MainScreen))
    store.close()


async def test_removed_with_and_without_its_mail(tmp_path: Path, store: FilledStore) -> None:
    """Asked once, since it can't be undone; the password goes too."""
    credentials.store_password(store.accounts[0], Secret("secret"))
    store.add_body(store.ids()[0], b"Subject: x\r\n\r\nx")
    mail = store.home.mail / "lisa"
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("x")
        assert "Remove the account lisa?" in ui.words
        await ui.press("n")
        assert names(ui.config) == ["lisa", "work"]
        await ui.press("x", "y")
        await ui.until(lambda: "lisa is removed." in ui.words)
        assert names(ui.config) == ["work"]
        assert (tmp_path / "keyring.json").read_text() == "{}"
        assert mail.exists()
        config.add_account(ui.home, store.accounts[0])
        await ui.press("q")
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("down", "X")
        assert "all its mail on this computer" in ui.words
        await ui.press("y")
        await ui.until(lambda: not mail.exists())
        assert names(ui.config) == ["work"]
    store.close()


async def test_mail_that_can_not_be_removed(
    tmp_path: Path, store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is out of the config file, and the list knows it; why its mail is still here is said."""

    def refuse(intents: Intents, name: str) -> None:
        raise StorageFailed("The disk refuses.")

    monkeypatch.setattr(Intents, "purge_account", refuse)
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("X", "y")
        await ui.until(lambda: "The disk refuses." in ui.words)
        assert names(ui.config) == ["work"]
        assert "lisa ·" not in ui.words
        assert [account.name for account in ui.app.config.accounts] == ["work"]
    store.close()


async def test_closed_while_something_is_written(
    tmp_path: Path, store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keyring takes its time: what was asked for is done to its end, and the program knows of it."""
    answered = threading.Event()
    remove = saving.remove_account

    def slow(home: Home, account: Account) -> tuple[Config, str]:
        answered.wait(PATIENCE)
        return remove(home, account)

    monkeypatch.setattr(saving, "remove_account", slow)
    store.add_body(store.ids()[0], b"Subject: x\r\n\r\nx")
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("X", "y", "q")
        assert "This closes when it is written." in ui.words
        answered.set()
        await ui.until(lambda: isinstance(ui.app.screen, MainScreen))
        assert not (store.home.mail / "lisa").exists()
        assert names(ui.app.config) == ["work"]
    store.close()


async def test_what_was_typed_is_not_lost(tmp_path: Path, store: FilledStore) -> None:
    """Esc in the signature says that it is not written, and leaves when it is pressed again."""
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("m", "escape")
        assert "lisa · IMAP" in ui.words
        await ui.press("m", "L", "i", "escape")
        assert "What was changed here is not written." in ui.words
        await ui.press("s", "escape")
        assert "What was changed here is not written." in ui.words
        await ui.press("escape")
        assert "lisa · IMAP" in ui.words
        assert ui.config.accounts[0].signature == ""
    store.close()


async def test_more(tmp_path: Path, store: FilledStore) -> None:
    """Signature, other addresses, a colour for the folders, and keys that act at once."""
    async with wizard(tmp_path) as ui:
        await opened(ui)
        await ui.press("m")
        assert isinstance(ui.app.screen, MoreScreen)
        assert isinstance(ui.app.focused, TextArea)
        await ui.press("L", "enter", "2", "tab")
        for key in ("x", "ctrl+s"):
            await ui.press(key)
        assert "is not one address. Write it as" in ui.words
        await ui.press("backspace")
        for character in "Club <lisa@club.example>":
            await ui.press("space" if character == " " else character)
        await ui.press("tab", "right", "tab", "right", "ctrl+s")
        account = ui.config.accounts[0]
        assert account.signature == "L\n2"
        assert [(one.name, one.address) for one in account.identities] == [("Club", "lisa@club.example")]
        assert account.colour == "ansi_blue"
        assert ui.config.keys.preset == "mutt"
        assert ui.app.keys.shown("go_folder") == "c"
        await ui.press("q")
        main = ui.app.screen
        assert isinstance(main, MainScreen)
        marks = [
            segment.style.color.name
            for y in range(main.folder_tree.height)
            for segment in main.folder_tree.render_line(y)
            if segment.text == "▪" and segment.style is not None and segment.style.color is not None
        ]
        assert marks[0] == "color(4)"
        assert marks[1] != "color(4)"
        await ui.press("c")
        assert "Go to" in ui.words
    store.close()


async def test_changed_in_the_same_screens(tmp_path: Path, store: FilledStore) -> None:
    """The steps are filled with what is; leaving changes nothing."""
    async with wizard(tmp_path) as ui:
        before = ui.home.config_file.read_text()
        await opened(ui)
        await ui.press("down", "enter")
        assert ui.field("email").value == "work@demo.example"
        await ui.write("full_name", "Lisa at work")
        await ui.press("enter")
        assert ui.step == 2
        await ui.press("f4")
        assert ui.field("imap-host").value == "127.0.0.1"
        assert ui.field("imap-port").value == "1"
        await ui.press("ctrl+c")
        assert "The account is as it was. Ctrl+C again leaves" in ui.words
        await ui.press("ctrl+c")
        assert "lisa · IMAP" in ui.words
        assert ui.home.config_file.read_text() == before
    store.close()


async def test_by_mouse(tmp_path: Path, store: FilledStore) -> None:
    """A hint of the footer, a step's name and a choice are clicked."""
    async with wizard(tmp_path) as ui:
        await opened(ui)
        assert await ui.pilot.click("#accounts-hints", offset=(17, 0))
        await ui.drawn()
        await ui.write("email", "lisa@example.org")
        await ui.press("enter")
        await ui.write("full_name", "Lisa")
        await ui.pilot.click("#hints", offset=(3, 0))
        await ui.drawn()
        assert ui.step == 2
        place = ui.wizard.mail.protocol
        await ui.pilot.click("#protocol", offset=(6, place.height - 1))
        await ui.drawn()
        assert ui.wizard.draft.protocol.value == "pop3"
        await ui.pilot.click("#steps", offset=(ui.app.size.width - 34, 0))
        await ui.drawn()
        assert ui.step == 1
    store.close()
