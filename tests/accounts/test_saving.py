"""An account and its password are written together, or neither is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest

from keyrings import FileKeyring, LockedKeyring
from termmail.accounts import credentials, saving
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Server
from termmail.model.errors import CredentialUnavailable, StorageFailed
from termmail.model.home import Home
from termmail.model.oauth import OAuthProvider, Tokens
from termmail.model.secret import AccessToken, Secret

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


MOVED = msgspec.structs.replace(LISA, incoming=Server("imap.example.net", 993))
SIGNED_IN = msgspec.structs.replace(
    LISA,
    credential=Credential(
        CredentialKind.OAUTH2,
        provider=OAuthProvider(name="own", label="own", client_id="id", issuer="https://example.org"),
    ),
)
TOKENS = Tokens(access=AccessToken("access"), refresh=Secret("refresh"), lifetime=3600.0)


def entries(tmp_path: Path) -> dict[str, str]:
    """What the keyring has."""
    known: dict[str, str] = json.loads((tmp_path / "keyring.json").read_text())
    return known


@pytest.mark.parametrize(
    ("after", "secret"),
    [(LISA, Secret("new")), (MOVED, Secret("new")), (MOVED, None), (SIGNED_IN, TOKENS)],
    ids=["password", "server and password", "server", "sign-in"],
)
def test_a_change_that_can_not_be_written_leaves_the_keyring_as_it_was(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: Account, secret: Secret | Tokens | None
) -> None:
    """X5: the account goes on with what it had."""
    saving.add_account(home, LISA, Secret("hunter2"))
    after = saving.keep_provider(home, after)
    before, file = entries(tmp_path), home.config_file.read_text()
    refuse_to_write(monkeypatch)
    with pytest.raises(StorageFailed):
        saving.change_account(home, LISA, after, secret)
    assert entries(tmp_path) == before
    assert home.config_file.read_text() == file


@pytest.mark.parametrize(("after", "secret"), [(LISA, Secret("new")), (MOVED, Secret("new")), (SIGNED_IN, TOKENS)])
def test_a_change_that_the_keyring_refuses_leaves_the_file_as_it_was(
    home: Home, tmp_path: Path, after: Account, secret: Secret | Tokens
) -> None:
    """C1: no account is left with a password that is nowhere."""
    saving.add_account(home, LISA, Secret("hunter2"))
    before, file = entries(tmp_path), home.config_file.read_text()
    keyring.set_keyring(LockedKeyring())
    with pytest.raises(CredentialUnavailable, match="locked"):
        saving.change_account(home, LISA, after, secret)
    assert entries(tmp_path) == before
    assert home.config_file.read_text() == file


def test_a_keyring_that_locks_in_between_is_said(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saving.add_account(home, LISA, Secret("hunter2"))

    def full(path: Path, text: str) -> None:
        keyring.set_keyring(LockedKeyring())
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr("termmail.accounts.config.replace_file", full)
    with pytest.raises(StorageFailed) as raised:
        saving.change_account(home, LISA, MOVED, Secret("new"))
    assert raised.value.sentence.startswith("The disk is full. The keyring may have the new password all the same.")


def refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr("termmail.accounts.config.replace_file", full)
