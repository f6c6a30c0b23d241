"""The installed command and a POP3 account: add, test, download, change, lose the database, and what is said on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.test_end_to_end import MESSAGES, Command
from maildrop_home import mail
from servers.dovecot import Dovecot
from servers.tls import Authority

pytestmark = pytest.mark.dovecot_pop3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("cli-pop3"), authority=authority, pop3=True) as running:
        yield running


def add(command: Command, server: Dovecot, user: str, *options: str, password: str = "secret") -> None:
    command.ok(
        *("account", "add", "bob", "--email", "bob@example.org", "--user", user),
        *("--pop3", f"localhost:{server.pop3_tls_port}", "--ca-file", str(server.tls.ca)),
        *("--password-command", f"echo {password}", *options),
    )


def test_from_the_maildrop_to_the_maildir(tmp_path: Path, server: Dovecot) -> None:
    server.make("test-cli", "INBOX", [mail(number) for number in range(20)] + MESSAGES, new=True)
    command = Command(tmp_path / "home")
    add(command, server, "test-cli", "--keep", "until-deleted")
    assert re.search(rb"There are 23 messages, [1-9][0-9.]* kB\.", command.ok("account", "test", "bob"))
    assert command.ok("sync").decode().strip() == "bob: 23 new messages."
    assert command.ok("sync").decode().strip() == "bob: nothing new."
    rows = command.json("list", "-n", "100")
    assert len(rows) == 23
    shown = command.ok("show", str(next(row["id"] for row in rows if row["subject"] == "Number 7")), "--raw")
    assert shown == mail(7)
    ids = [str(row["id"]) for row in rows if row["subject"].startswith("Number 1")]
    command.ok("archive", *ids)
    command.ok("delete", str(next(row["id"] for row in rows if row["subject"] == "Number 7")))
    assert command.ok("sync").decode().strip() == "bob: nothing new.", "what was done here is no change on the server"
    assert {box["name"]: box["total"] for box in command.json("mailboxes")} == {
        "INBOX": 23 - len(ids) - 1, "Archive": len(ids), "Trash": 1, "Drafts": 0, "Sent": 0, "Junk": 0,
    }  # fmt: skip
    assert server.doveadm("search", "-u", "test-cli", "mailbox", "INBOX", "ALL").count(b"\n") == 22
    for path in (tmp_path / "home").glob("termmail.db*"):
        path.unlink()
    assert command.json("reindex")["messages"] == 23
    assert command.ok("sync").decode().strip() == "bob: nothing new."
    assert {box["name"]: box["total"] for box in command.json("mailboxes")}["Archive"] == len(ids)


def test_bad_input(tmp_path: Path, server: Dovecot) -> None:
    """One sentence, the right exit code, and nothing is lost."""
    command = Command(tmp_path / "home")
    add(command, server, "test-cli-bad", password="wrong")
    done = command("sync")
    assert done.returncode == 77
    assert b"password" in done.stderr
    assert done.stderr.count(b"\n") == 1
    command.ok("account", "edit", "bob", "--password-command", "echo secret", "--pop3", "localhost:1")
    done = command("sync")
    assert done.returncode == 75
    assert b"localhost" in done.stderr
    command.ok(
        "account",
        "edit",
        "bob",
        "--pop3",
        f"127.0.0.1:{server.pop3_tls_port}",
        "--ca-file",
        "/etc/ssl/certs/ca-certificates.crt",
    )
    done = command("account", "test", "bob")
    assert done.returncode == 77
    assert b"certificate" in done.stdout


def test_what_was_opened_offline_is_there_after_a_sync(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """By IMAP, with bodies on demand: `show` asks for the body, the next `sync` fetches it."""
    dovecot_server.make(dovecot_user, "INBOX", [mail(1), mail(2)])
    command = Command(tmp_path / "home")
    command.add(dovecot_server, dovecot_user)
    command.ok("account", "edit", "lisa", "--offline", "on-demand")
    assert command.ok("sync").decode().strip() == "lisa: 2 new messages, none fetched whole."
    first, second = (str(row["id"]) for row in command.json("list"))
    assert command("show", first).returncode != 0
    assert command.ok("sync").decode().strip() == "lisa: no new message, 1 fetched whole."
    assert b"Hello." in command.ok("show", first)
    assert command("show", second).returncode != 0
