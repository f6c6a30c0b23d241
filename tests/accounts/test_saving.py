"""An account and its password are written together, or neither is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest

from keyrings import FileKeyring
from termmail.accounts import credentials, saving
from termmail.model.account import Account, Protocol, Server
from termmail.model.errors import CredentialUnavailable, StorageFailed
from termmail.model.home import Home
from termmail.model.secret import Secret

LISA = Account("lisa", "lisa@example.org", Protocol.IMAP, Server("imap.example.org", 993), None, "lisa")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.under(tmp_path / "home")


@pytest.fixture(autouse=True)
def own_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)


def test_account_that_can_not_be_written_leaves_no_password(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_write(monkeypatch)
    with pytest.raises(StorageFailed):
        saving.add_account(home, LISA, Secret("hunter2"))
    with pytest.raises(CredentialUnavailable):
        credentials.password(LISA)


def test_nor_takes_that_of_another_account_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accounts may sign in alike, as two views of one mailbox."""
    saving.add_account(home, LISA, Secret("hunter2"))
    refuse_to_write(monkeypatch)
    with pytest.raises(StorageFailed):
        saving.add_account(home, msgspec.structs.replace(LISA, name="again"), Secret("hunter2"))
    assert credentials.password(LISA).reveal() == "hunter2"


def refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr("termmail.accounts.config.replace_file", full)
