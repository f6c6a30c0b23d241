"""`account add|list|show|edit|remove`: without a question, and without a password anywhere but in the keyring."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from cli_runner import Cli
from filled_store import FilledStore
from keyrings import FileKeyring, LockedKeyring
from termmail.accounts import config, credentials
from termmail.model.account import Account
from termmail.model.home import Home
from termmail.store.effective import account_folder

ADD = ("account", "add", "lisa", "--email", "lisa@example.org", "--imap", "imap.example.org")


@pytest.fixture(autouse=True)
def own_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def cli(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    return Cli(tmp_path / "home", capfdbinary)


def account(cli: Cli, name: str = "lisa") -> Account:
    found = config.load(Home.under(cli.folder)).account(name)
    assert found is not None
    return found


def everything_written(cli: Cli) -> bytes:
    return b"".join(path.read_bytes() for path in cli.folder.rglob("*") if path.is_file())


def test_add_by_pipe(cli: Cli) -> None:
    """C1, C2: the password goes from the pipe into the keyring and into nothing else."""
    cli.ok(*ADD, "--name", "Lisa", "--smtp", "smtp.example.org", "--password-stdin", stdin=b"hunter2 \nx\n")
    assert credentials.password(account(cli)).reveal() == "hunter2 "
    assert b"hunter2" not in everything_written(cli)
    assert b"hunter2" not in cli.output + cli.error.encode()
    assert cli.json("account", "show", "lisa") == {
        "name": "lisa",
        "email": "lisa@example.org",
        "full_name": "Lisa",
        "user": "lisa@example.org",
        "protocol": "imap",
        "imap": {"host": "imap.example.org", "port": 993, "security": "tls", "pin_sha256": ""},
        "pop3": None,
        "smtp": {"host": "smtp.example.org", "port": 465, "security": "tls", "pin_sha256": ""},
        "password_from": "keyring",
        "password_command": "",
        "token_command": "",
        "oauth": "",
        "ca_file": "",
        "proxy": "",
        "offline": "all",
        "keep": None,
        "enabled": True,
    }
    assert [found["name"] for found in cli.json("account", "list")] == ["lisa"]


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("imap.example.org", "imap.example.org", 993),
        ("imap.example.org:1993", "imap.example.org", 1993),
        ("[2001:db8::7]:1993", "2001:db8::7", 1993),
        ("[2001:db8::7]", "2001:db8::7", 993),
        ("2001:db8::7", "2001:db8::7", 993),
        ("127.0.0.1:1", "127.0.0.1", 1),
    ],
)
def test_server(cli: Cli, given: str, host: str, port: int) -> None:
    cli.ok("account", "add", "a", "--email", "a@b", "--imap", given, "--password-ask")
    assert (account(cli, "a").incoming.host, account(cli, "a").incoming.port) == (host, port)


@pytest.mark.parametrize(
    "given", ["", ":993", "host:", "host:0", "host:65536", "host:x", "[::1", "a b", "imap://host", "host/x"]
)
def test_no_server(cli: Cli, given: str) -> None:
    assert cli("account", "add", "a", "--email", "a@b", "--imap", given, "--password-ask") == 64
    assert not (cli.folder / "config.toml").exists()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ((), "--password-stdin"),
        (("--password-stdin", "--password-ask"), "--password-stdin"),
        (("--password-ask", "--imap-security", "none"), "in the clear"),
        (("--password-ask", "--imap-security", "ssl"), "starttls"),
        (("--password-ask", "--smtp-security", "tls"), "needs --smtp"),
        (("--password-ask", "--smtp", "none", "--smtp-security", "tls"), "has no --smtp-security"),
        (("--password-ask", "--offline", "sometimes"), "on-demand"),
        (("--password-ask", "--offline", "0"), "on-demand"),
        (("--password-stdin",), "standard input"),
    ],
)
def test_add_that_cannot_be(cli: Cli, extra: tuple[str, ...], words: str) -> None:
    assert cli(*ADD, *extra) == 64
    assert words in cli.error
    assert not (cli.folder / "config.toml").exists()


@pytest.mark.parametrize("name", ["a b", "-x", "", "a/b", "../x", "x" * 65])
def test_name_that_cannot_be(cli: Cli, name: str) -> None:
    assert cli("account", "add", "--email", "a@b", "--imap", "h", "--password-ask", "--", name) == 64


def test_missing_ca_file_and_bad_address(cli: Cli) -> None:
    assert cli(*ADD, "--password-ask", "--ca-file", "/nowhere.pem") == 66
    assert cli("account", "add", "a", "--email", "a", "--imap", "h", "--password-ask") == 78
    assert "e-mail address" in cli.error


@pytest.mark.parametrize(
    ("given", "kept"), [("forever", "forever"), ("14", 14), ("until-deleted", "until-deleted"), ("none", "none")]
)
def test_pop3_account(cli: Cli, given: str, kept: str | int) -> None:
    cli.ok("account", "add", "a", "--email", "a@b", "--pop3", "pop.example.org", "--keep", given, "--password-ask")
    found = cli.json("account", "show", "a")
    assert found["protocol"] == "pop3"
    assert found["imap"] is None
    assert found["pop3"] == {"host": "pop.example.org", "port": 995, "security": "tls", "pin_sha256": ""}
    assert (found["keep"], found["offline"]) == (kept, None)
    assert "POP3" in cli.ok("account", "list")
    cli.ok("account", "edit", "a", "--keep", "3", "--pop3-security", "starttls")
    assert account(cli, "a").keep.days == 3
    assert account(cli, "a").incoming.port == 110


@pytest.mark.parametrize(
    "given",
    [
        ("--pop3", "p", "--imap", "i"),
        ("--pop3", "p", "--offline", "all"),
        ("--imap", "i", "--keep", "none"),
        ("--pop3", "p", "--keep", "0"),
        ("--pop3", "p", "--keep", "soon"),
        ("--pop3", "p", "--imap-security", "tls"),
        ("--pop3", "p", "--pop3-security", "none"),
    ],
)
def test_options_that_do_not_go_together(cli: Cli, given: tuple[str, ...]) -> None:
    assert cli("account", "add", "a", "--email", "a@b", *given, "--password-ask") == 64
    assert not (cli.folder / "config.toml").exists()


def test_plain_connection_on_this_computer_is_always_told(cli: Cli) -> None:
    """T1."""
    cli.ok("account", "add", "a", "--email", "a@b", "--imap", "localhost", "--imap-security", "none", "--password-ask")
    assert "not encrypted" in cli.error
    cli.ok("account", "show", "a")
    assert "not encrypted" in cli.error
    assert account(cli, "a").incoming.port == 143


def test_same_name_twice(cli: Cli) -> None:
    cli.ok(*ADD, "--password-ask")
    assert cli(*ADD, "--password-ask") == 64
    assert "account edit" in cli.error


@pytest.mark.parametrize("backend", [fail.Keyring, LockedKeyring])
def test_no_keyring_is_told_with_other_ways(cli: Cli, backend: type[LockedKeyring]) -> None:
    """C1: on a bare machine nothing is added, and the sentence names what else there is."""
    keyring.set_keyring(backend())
    assert cli(*ADD, "--password-stdin", stdin=b"hunter2\n") == 77
    assert "--password-command" in cli.error
    assert cli(*ADD, "--password-stdin", stdin=b"") == 77, "nobody is asked for a password that can't be kept"
    assert not (cli.folder / "config.toml").exists()
    cli.ok(*ADD, "--password-command", "echo hunter3")
    assert credentials.password(account(cli)).reveal() == "hunter3"


def test_edit(cli: Cli) -> None:
    cli.ok(*ADD, "--password-stdin", stdin=b"hunter2\n")
    cli.ok("account", "edit", "lisa", "--offline", "30", "--user", "lisa-at-work")
    assert account(cli).user == "lisa-at-work"
    assert account(cli).offline.days == 30
    assert credentials.password(account(cli)).reveal() == "hunter2"
    cli.ok("account", "edit", "lisa", "--imap", "other.example.org", "--imap-security", "starttls")
    assert account(cli).incoming.port == 143
    assert credentials.password(account(cli)).reveal() == "hunter2"
    cli.ok("account", "edit", "LISA", "--imap-security", "tls")
    assert account(cli).incoming.port == 993
    cli.ok("account", "edit", "lisa", "--password-stdin", stdin=b"hunter4\n")
    assert credentials.password(account(cli)).reveal() == "hunter4"
    cli.ok("account", "edit", "lisa", "--password-command", "echo x")
    assert (cli.folder.parent / "keyring.json").read_text() == "{}"
    assert cli("account", "edit", "bob", "--offline", "all") == 66
    assert cli("account", "edit", "lisa", "--imap-security", "none") == 64


def test_an_account_that_only_receives(cli: Cli) -> None:
    """Said in so many words when it is added, and made so later."""
    cli.ok(*ADD, "--smtp", "none", "--password-ask")
    assert account(cli).smtp is None
    cli.ok("account", "edit", "lisa", "--smtp", "smtp.example.org")
    assert account(cli).smtp is not None
    cli.ok("account", "edit", "lisa", "--smtp", "NONE")
    assert account(cli).smtp is None
    assert "smtp" not in (cli.folder / "config.toml").read_text()
    assert cli("send", stdin=b"To: bob@example.org\n\nhello\n") == 78
    assert "no server for sending" in cli.error
    assert "On the command line: termmail account edit lisa --smtp HOST" in cli.error


def test_pins_and_proxy(cli: Cli) -> None:
    """A pin is for one host: with another it is gone. What `openssl x509 -fingerprint` prints is understood."""
    shown = "SHA256 Fingerprint=" + ":".join(["AB"] * 32)
    pin = "ab" * 32
    cli.ok(*ADD, "--smtp", "smtp.example.org", "--password-ask", "--imap-pin", shown.partition("=")[2])
    cli.ok("account", "edit", "lisa", "--smtp-pin", pin, "--proxy", "socks5h://127.0.0.1:9050")
    found = cli.json("account", "show", "lisa")
    assert (found["imap"]["pin_sha256"], found["smtp"]["pin_sha256"]) == (pin, pin)
    assert found["proxy"] == "socks5://127.0.0.1:9050"
    assert pin in cli.ok("account", "show", "lisa")
    cli.ok("account", "edit", "lisa", "--imap-security", "starttls")
    assert account(cli).incoming.pin_sha256 == pin
    cli.ok("account", "edit", "lisa", "--imap", "mail.example.org", "--smtp-pin", "none", "--proxy", "none")
    assert account(cli).incoming.pin_sha256 == ""
    smtp = account(cli).smtp
    assert smtp is not None
    assert smtp.pin_sha256 == ""
    assert account(cli).proxy == ""
    for wrong in (("--imap-pin", "abc"), ("--proxy", "http://me:secret@proxy:1"), ("--pop3-pin", pin)):
        assert cli("account", "edit", "lisa", *wrong) == 64


def test_edit_in_the_editor(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file with a mistake never becomes the config."""
    cli.ok(*ADD, "--password-ask")
    before = (cli.folder / "config.toml").read_text()
    editor = tmp_path / "editor"
    editor.write_text(
        f"#!{sys.executable}\nimport sys\nopen(sys.argv[1], 'a').write('\\n[ui]\\nmark_raed_after = 3\\n')\n"
    )
    editor.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    assert cli("account", "edit", "lisa", stdin=b"n\n") == 78
    assert 'Did you mean "mark_read_after"?' in cli.error
    assert (cli.folder / "config.toml").read_text() == before
    editor.write_text(editor.read_text().replace("raed", "read"))
    cli.ok("account", "edit", "lisa")
    assert config.load(Home.under(cli.folder)).ui.mark_read_after == 3
    assert sorted(path.name for path in cli.folder.glob("*.toml")) == ["config.toml"]
    monkeypatch.setenv("EDITOR", "true")
    assert cli.ok("account", "edit", "lisa") == "Nothing was changed.\n"
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    assert cli("account", "edit", "lisa") == 69
    monkeypatch.delenv("EDITOR")
    assert cli("account", "edit", "lisa") == 64, "vi would wait at a pipe"
    assert "terminal" in cli.error


def test_show_where_the_database_is_not_to_be_opened(cli: Cli) -> None:
    cli.ok(*ADD, "--password-ask")
    database = Home.under(cli.folder).database
    for path in database.parent.glob("termmail.db*"):
        path.unlink()
    database.mkdir(0o700)
    assert "imap.example.org:993" in cli.ok("account", "show", "lisa")
    assert "can't open the mail database" in cli.error


def test_remove_keeps_mail_unless_purged(tmp_path: Path, cli: Cli) -> None:
    store = FilledStore(cli.folder, count=3)
    try:
        config.add_account(store.home, store.accounts[0])
        store.add_body(store.ids()[0], b"Subject: x\r\n\r\nx")
        mail = store.home.mail / "lisa"
        cli.ok("flag", str(store.ids()[0]), "--add", "flagged")
        text = cli.ok("account", "remove", "lisa")
        assert "--purge" in text
        assert "1 change had not reached" in cli.error
        assert any(path.is_file() for path in mail.rglob("*"))
        assert cli.json("list") == []
        set_aside = store.home.database.with_name("termmail.db.20260101T000000")
        set_aside.touch(0o600)
        cli.ok("account", "remove", "lisa", "--purge")
        assert not mail.exists()
        assert f"{set_aside}, a database" in cli.error
        assert cli("account", "remove", "lisa", "--purge") == 66
    finally:
        store.close()


def test_a_purge_that_was_killed_is_done_again(cli: Cli) -> None:
    """Its mail folder has another name by then; the account is still known, though the config has it no longer."""
    store = FilledStore(cli.folder, count=3)
    try:
        config.add_account(store.home, store.accounts[0])
        store.add_body(store.ids()[0], b"Subject: x\r\n\r\nx")
        cli.ok("account", "remove", "lisa")
        owner = store.ingest.database.one("SELECT id FROM account WHERE name = 'lisa'", ())
        assert owner is not None
        removed = store.home.mail / account_folder(f".removed.{owner[0]}")
        (store.home.mail / "lisa").rename(removed)
        cli.ok("account", "remove", "lisa", "--purge")
        assert not removed.exists()
        assert store.ingest.database.all("SELECT id FROM placement", ()) == []
        assert cli("account", "remove", "lisa", "--purge") == 66
    finally:
        store.close()


def test_remove_forgets_the_password(cli: Cli, tmp_path: Path) -> None:
    cli.ok(*ADD, "--password-stdin", stdin=b"hunter2\n")
    cli.ok("account", "remove", "lisa", "--purge")
    assert (tmp_path / "keyring.json").read_text() == "{}"
    assert cli("account", "remove", "lisa") == 66


def test_a_password_that_another_account_uses_stays(cli: Cli, tmp_path: Path) -> None:
    """The same mail by IMAP and by POP3: one name at one server, one password in the keyring."""
    cli.ok(*ADD, "--password-stdin", stdin=b"hunter2\n")
    cli.ok(
        "account",
        "add",
        "twin",
        "--email",
        "lisa@example.org",
        "--pop3",
        "imap.example.org",
        "--password-stdin",
        stdin=b"hunter2\n",
    )
    cli.ok("account", "remove", "twin")
    assert credentials.password(account(cli)).reveal() == "hunter2"
    cli.ok("account", "remove", "lisa")
    assert (tmp_path / "keyring.json").read_text() == "{}"


def test_disabled_it_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    """Its settings and its mail stay; it is neither listed nor synced nor sent from."""
    store = FilledStore(cli.folder, count=3)
    try:
        config.add_account(store.home, store.accounts[0])
        cli.ok("account", "edit", "lisa", "--disable")
        assert "enabled = false" in (cli.folder / "config.toml").read_text()
        assert account(cli).incoming == store.accounts[0].incoming
        assert cli.json("list") == cli.json("mailboxes") == []
        assert cli("sync") == 66
        assert "--enable" in cli.error
        assert cli("sync", "lisa") == 69
        assert "account edit lisa --enable" in cli.error
        assert cli("send", stdin=b"To: bob@example.org\r\n\r\nx") == 66
        assert "no" in cli.ok("account", "list").splitlines()[1].split()
        cli.ok("account", "edit", "lisa", "--enable")
        assert "enabled" not in (cli.folder / "config.toml").read_text()
        assert len(cli.json("list")) == 3
    finally:
        store.close()


def test_comments_of_the_user_stay(cli: Cli) -> None:
    cli.folder.mkdir()
    (cli.folder / "config.toml").write_text("# mine\n[ui]\nmark_read_after = 3 # slow\n")
    cli.ok(*ADD, "--password-ask")
    cli.ok("account", "remove", "lisa")
    assert (cli.folder / "config.toml").read_text().strip() == "# mine\n[ui]\nmark_read_after = 3 # slow"


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The installed command, with a keyring that two processes share; no password among its arguments or in its environment."""
    environment = {
        **os.environ,
        "TERMMAIL_HOME": str(tmp_path / "home"),
        "PYTHON_KEYRING_BACKEND": "keyrings.FileKeyring",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    added = subprocess.run(
        [sys.executable, "-m", "termmail", *ADD, "--password-stdin"],
        input=b"hunter2\n",
        env=environment,
        capture_output=True,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    assert b"hunter2" in (tmp_path / "keyring.json").read_bytes()
    shown = subprocess.run(
        [sys.executable, "-m", "termmail", "account", "list"], env=environment, capture_output=True, check=False
    )
    assert b"imap.example.org:993" in shown.stdout


def test_change_to_oauth(cli: Cli) -> None:
    """The next step is said; a provider that there is not is answered with those there are."""
    cli.ok(*ADD, "--password-stdin", stdin=b"hunter2\n")
    assert cli("account", "edit", "lisa", "--oauth", "gogle") == 64
    assert "google, microsoft, yahoo" in cli.error
    assert "account sign-in lisa" in cli.ok("account", "edit", "lisa", "--oauth", "google")
    assert cli.json("account", "show", "lisa")["oauth"] == "google"
    assert "account sign-in" not in cli.ok("account", "edit", "lisa", "--name", "Lisa")
    # The sign-in was that of the other user.
    assert "account sign-in lisa" in cli.ok("account", "edit", "lisa", "--user", "another@example.org")
    assert cli("account", "test", "lisa", "--password-stdin", stdin=b"x\n") == 64
    assert cli("account", "sign-in", "lisa") == 78
    assert "console.cloud.google.com" in cli.error
