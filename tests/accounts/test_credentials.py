"""Where passwords come from, and that they go nowhere else (C1, C2)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from keyrings import FileKeyring, HangingKeyring, LockedKeyring, OddKeyring, PlainKeyring
from termmail.accounts import credentials, keyring_entries, session_secrets
from termmail.accounts.home import find_home, prepare_home
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Server
from termmail.model.errors import ConfigError, CredentialUnavailable, StorageFailed
from termmail.model.secret import Secret

LISA = Account("lisa", "lisa@example.org", Protocol.IMAP, Server("imap.example.org", 993), None, "lisa")
HUNTER = Secret("hunter2")


@pytest.fixture(autouse=True)
def own_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)
    session_secrets._secrets.clear()


def by_command(command: str) -> Account:
    return msgspec.structs.replace(LISA, credential=Credential(CredentialKind.COMMAND, command))


def test_keyring_keeps_and_forgets() -> None:
    credentials.check_keyring(LISA)
    credentials.store_password(LISA, HUNTER)
    assert credentials.password(LISA) == HUNTER
    credentials.forget(LISA)
    with pytest.raises(CredentialUnavailable, match="no password") as caught:
        credentials.password(LISA)
    assert caught.value.command == "termmail account edit lisa --password-stdin"
    credentials.forget(LISA)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (fail.Keyring(), "no keyring"),  # type: ignore[no-untyped-call]
        (null.Keyring(), "no keyring"),  # type: ignore[no-untyped-call]
        (LockedKeyring(), "locked"),
        (HangingKeyring(), "did not answer"),
        (OddKeyring(), "could not"),
        (PlainKeyring(), "no keyring"),
    ],
)
def test_keyring_that_fails_is_told_with_other_ways(
    backend: KeyringBackend, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: missing, keeping nothing, locked, silent, broken, or a plain file that is never used."""
    monkeypatch.setattr(keyring_entries, "KEYRING_SECONDS", 0.3)
    keyring.set_keyring(backend)
    for attempt in (
        lambda: credentials.password(LISA),
        lambda: credentials.store_password(LISA, HUNTER),
        lambda: credentials.check_keyring(LISA),
    ):
        with pytest.raises(CredentialUnavailable, match=words) as caught:
            attempt()
        assert "a command takes it from a password manager, or termmail asks each time" in caught.value.sentence
        assert "--password-command" in caught.value.command
        assert "--password-ask" in caught.value.command
        assert "hunter2" not in caught.value.sentence + caught.value.detail


def test_deadline_of_the_keyring_is_five_seconds() -> None:
    """C1."""
    assert keyring_entries.KEYRING_SECONDS <= 5


def test_plain_file_in_a_chain_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: of several backends the first that keeps passwords safely."""
    chain = chainer.ChainerBackend()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [PlainKeyring(), FileKeyring()])
    keyring.set_keyring(chain)
    credentials.store_password(LISA, HUNTER)
    assert credentials.password(LISA) == HUNTER
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [PlainKeyring()])
    with pytest.raises(CredentialUnavailable, match="no keyring"):
        credentials.password(LISA)


def test_command_gives_its_first_line() -> None:
    assert credentials.password(by_command(r"printf 'pässword \nuser: lisa\n'")).reveal() == "pässword "
    assert credentials.password(by_command(r"printf 'x\r\n'")).reveal() == "x"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo no such entry >&2; exit 3", r'exit code 3: "no such entry"'),
        ("true", "printed nothing"),
        ("printf '\\377\\n'", "UTF-8"),
        ("no-such-command-at-all", "exit code 127"),
        ("printf '\\033[31mred\\033[0m' >&2; false", r'"red"'),
    ],
)
def test_command_that_fails(command: str, words: str) -> None:
    with pytest.raises(CredentialUnavailable, match=words):
        credentials.password(by_command(command))


def test_command_that_never_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """C1: the whole of it is ended, also what the shell started."""
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 0.5)
    pid_file = tmp_path / "pid"
    with pytest.raises(CredentialUnavailable, match="did not end"):
        credentials.password(by_command(f"sh -c 'echo $$ > {pid_file}; exec sleep 3600'; true"))
    deadline = time.monotonic() + 40
    while _runs(pid_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: str) -> bool:
    """Whether there is such a process that is not merely waiting to be collected."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout.strip()
    return bool(told) and not told.startswith("Z")


def test_session_password_is_in_memory_only() -> None:
    asked = msgspec.structs.replace(LISA, credential=Credential(CredentialKind.SESSION))
    with pytest.raises(CredentialUnavailable, match="asked for each time"):
        credentials.password(asked)
    credentials.remember(asked, HUNTER)
    assert credentials.password(asked) == HUNTER
    assert credentials.known_secrets() == [HUNTER]
    credentials.forget(asked)
    with pytest.raises(CredentialUnavailable):
        credentials.password(asked)


def test_environment_of_a_command_has_no_password() -> None:
    """C2: what is remembered is not handed on to children."""
    credentials.remember(msgspec.structs.replace(LISA, user="other"), HUNTER)
    seen = credentials.password(by_command("env | grep -c hunter2; true")).reveal()
    assert seen == "0"


def test_keyring_is_imported_only_when_used() -> None:
    """Its import takes longer than `termmail list` may."""
    code = "import sys, termmail.accounts.credentials; sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_home_is_made_private(tmp_path: Path) -> None:
    """L1."""
    os.umask(0)
    home = find_home(tmp_path / "home")
    assert prepare_home(home) == []
    (tmp_path / "made afterwards").touch()
    for folder in (home.config, home.state, home.runtime):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "made afterwards").stat().st_mode) == 0o600


def test_looser_home_is_told_and_closed(tmp_path: Path) -> None:
    """L1."""
    home = find_home(tmp_path / "home")
    home.config.mkdir()
    home.config_file.touch()
    home.database.touch()
    told = prepare_home(home)
    assert len(told) == 3
    assert all("private" in sentence for sentence in told)
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.database.stat().st_mode) == 0o600
    assert prepare_home(home) == []


def test_folder_of_other_things_is_not_touched(tmp_path: Path) -> None:
    """L1 closes termmail's own folder, not one that somebody shares, such as /tmp."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "of somebody else").touch()
    shared.chmod(0o755)
    with pytest.raises(ConfigError, match=r"folder that holds nothing else"):
        prepare_home(find_home(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="--home"):
        prepare_home(find_home(tmp_path / "file" / "home"))


def test_home_by_variable_and_by_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMMAIL_HOME", str(tmp_path / "a"))
    assert find_home().config_file == tmp_path / "a" / "config.toml"
    assert find_home(tmp_path / "b").config_file == tmp_path / "b" / "config.toml"
    monkeypatch.delenv("TERMMAIL_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform == "linux":
        assert find_home().config_file == tmp_path / "config" / "termmail" / "config.toml"
        assert find_home().mail == tmp_path / "data" / "termmail" / "mail"
