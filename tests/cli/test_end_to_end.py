"""The installed command against a real Dovecot: add, fetch, read, change offline, and see the server agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servers.dovecot import Dovecot
from servers.imap_reader import read_contents
from servers.scripted import ScriptedServer

MESSAGES = [
    b"From: Anna <anna@example.org>\r\nTo: lisa@example.org\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
    b"Date: Tue, 3 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nGuten Tag,\r\n> quoted\r\n\r\nAnna\r\n",
    b"From: bob@example.org\r\nSubject: \xff\xfe 8-bit\r\nMessage-ID: <2@example.org>\r\nContent-Type: multipart/mixed; boundary=x\r\n"
    b"\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <b>Lisa</b></p>\r\n--x\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="report.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--x--\r\n',
    b"Subject: no sender, no date\r\n\r\nno end of line",
]
RECEIVED = 1_700_000_000


class Command:
    """Runs `termmail` as a process of its own, on one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}

    def __call__(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "termmail", "--home", str(self.home), *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def ok(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--json"))

    def add(self, server: Dovecot, user: str, *, password: str = Dovecot.test_password, port: int = 0) -> None:
        secret = self.home.parent / "secret"
        secret.write_text(f"{password}\n")
        self.ok(
            *("account", "add", "lisa", "--email", "lisa@example.org", "--user", user),
            *("--imap", f"localhost:{port or server.tls_port}", "--ca-file", str(server.tls.ca)),
            *("--password-command", f"cat {secret}"),
        )


@pytest.fixture
def termmail(tmp_path: Path) -> Command:
    return Command(tmp_path / "home")


def flags_of(server: Dovecot, user: str, mailbox: str) -> list[tuple[str, ...]]:
    """The flags of each message of a mailbox on the server, without \\Recent."""
    contents = server.state(user)
    return sorted(tuple(sorted(flags)) for (_, flags) in contents.get(mailbox, {}))


def test_from_the_server_to_the_screen_and_back(termmail: Command, dovecot_server: Dovecot, dovecot_user: str) -> None:
    server, user = dovecot_server, dovecot_user
    server.make(user, "INBOX", MESSAGES, received=lambda index: RECEIVED + index)
    termmail.add(server, user)
    (checked,) = [result for result in termmail.json("account", "test", "lisa") if result["name"] == "mailboxes"]
    assert checked["ok"]
    (report,) = termmail.json("sync")
    assert report == {
        "account": "lisa",
        "ok": True,
        "sentence": "",
        "new_messages": 3,
        "new_bodies": 3,
        "pending": 0,
        "carried_out": 0,
    }

    rows = termmail.json("list")
    assert rows[0]["subject"] == "no sender, no date"
    assert [row["message_id"] for row in rows] == ["", "2@example.org", "1@example.org"]
    anna = rows[2]
    assert anna["subject"] == "Grüße"
    assert anna["from"] == [{"name": "Anna", "address": "anna@example.org"}]
    assert anna["date"] == "2026-11-03T09:00:00Z"
    assert anna["received"] == "2023-11-14T22:13:20Z"
    assert rows[1]["attachments"] is True
    for row, raw in zip(reversed(rows), MESSAGES, strict=True):
        assert termmail.ok("show", str(row["id"]), "--raw") == raw
        assert row["size"] == len(raw)
    text = termmail.ok("show", str(anna["id"])).decode()
    assert "From:     Anna <anna@example.org>" in text
    assert "Subject:  Grüße" in text
    assert "Guten Tag," in text
    shown = termmail.json("show", str(rows[1]["id"]))
    assert "Hello" in shown["text"]
    assert [(part["path"], part["type"], part["name"]) for part in shown["parts"]] == [
        ("1", "text/html", ""),
        ("2", "application/pdf", "report.pdf"),
    ]
    assert b"<b>Lisa</b>" in termmail.ok("show", str(rows[1]["id"]), "--html")
    assert termmail("show", str(anna["id"]), "--html").returncode == 66
    assert termmail.ok("show", str(anna["id"]), "--headers").startswith(b"From: Anna")
    assert b"Guten" not in termmail.ok("show", str(anna["id"]), "--headers")

    last, second, first = (str(row["id"]) for row in rows)
    termmail.ok("flag", first, "--add", "seen", "--add", "$Todo")
    termmail.ok("archive", second)
    termmail.ok("delete", last)
    termmail.ok("mailbox", "create", "Projects/Käse")
    termmail.ok("copy", first, "Projects/Käse")
    assert flags_of(server, user, "INBOX") == [(), (), ()]
    (report,) = termmail.json("sync")
    assert report["ok"]
    assert report["pending"] == 0
    assert report["carried_out"] == 5
    assert flags_of(server, user, "INBOX") == [("$Todo", "\\Seen")]
    assert len(server.state(user)["Archive"]) == 1
    assert len(server.state(user)["Trash"]) == 1
    assert len(server.state(user)["Projects/Käse"]) == 1
    assert termmail.json("list", "-m", "archive")[0]["id"] == int(second)

    (again,) = termmail.json("sync")
    assert (again["new_messages"], again["new_bodies"], again["carried_out"]) == (0, 0, 0)
    termmail.ok("flag", first, "--remove", "$Todo")
    assert termmail.ok("sync").decode() == "lisa: 1 change made on the server, nothing new.\n"


def test_changes_made_with_the_server_down(termmail: Command, own_dovecot: Dovecot) -> None:
    """Reads, archives ten messages while unplugged, and after plugging in the server agrees."""
    raws = [b"Subject: %d\r\nMessage-ID: <%d@x>\r\n\r\nText %d\r\n" % (n, n, n) for n in range(12)]
    own_dovecot.make("lisa", "INBOX", raws)
    termmail.add(own_dovecot, "lisa", password="secret")
    termmail.ok("sync")
    own_dovecot.stop()
    down = termmail("sync")
    assert down.returncode == 75
    assert b"Traceback" not in down.stderr
    assert b"localhost" in down.stderr
    rows = termmail.json("list")
    assert len(rows) == 12
    termmail.ok("archive", *(str(row["id"]) for row in rows[:10]))
    assert b"Text 11" in termmail.ok("show", str(rows[0]["id"]))
    assert termmail("sync").returncode == 75
    own_dovecot.start()
    termmail.ok("sync")
    contents = own_dovecot.state("lisa")
    assert sum(contents["Archive"].values()) == 10
    assert sum(contents["INBOX"].values()) == 2
    assert {row["mailbox"] for row in termmail.json("list")} == {"Archive", "INBOX"}


def test_wrong_password_is_one_sentence_and_is_nowhere(
    termmail: Command, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """T13, C2 to C4: one try, exit 77, and the password in no file of the home and in no output."""
    termmail.add(dovecot_server, dovecot_user, password="hunter2-wrong")
    for arguments in (("sync",), ("account", "test", "lisa")):
        done = termmail(*arguments)
        assert done.returncode == 77
        assert b"hunter2" not in done.stdout + done.stderr
        assert b"password" in done.stdout + done.stderr
    (told,) = json.loads(termmail("sync", "--json").stdout)
    assert told["ok"] is False
    assert "password" in told["sentence"]
    for path in termmail.home.rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path
    assert termmail.json("list") == []


def test_command_that_ends_does_not_promise_to_try_again(termmail: Command) -> None:
    """The engine goes on trying; `sync` and `account test` don't."""
    with ScriptedServer(lambda talk: talk.send(b"* BYE too many\r\n")) as server:
        termmail.ok(
            *("account", "add", "lisa", "--email", "l@example.org", "--password-command", "echo secret"),
            *("--imap", f"127.0.0.1:{server.port}", "--imap-security", "none"),
        )
        for arguments in (("sync",), ("account", "test", "lisa"), ("sync", "--json")):
            done = termmail(*arguments)
            assert done.returncode == 75
            assert b"Try again later." in done.stdout + done.stderr
            assert b"tried again" not in done.stdout + done.stderr


def test_password_asked_each_time(termmail: Command, dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES[:1])
    termmail.ok(
        *("account", "add", "lisa", "--email", "l@example.org", "--user", dovecot_user, "--password-ask"),
        *("--imap", f"127.0.0.1:{dovecot_server.port}", "--imap-security", "none"),
    )
    without = termmail("sync")
    assert without.returncode == 77
    assert b"asked for each time" in without.stderr
    assert termmail("account", "test", "lisa").returncode == 77
    termmail.ok("account", "test", "lisa", "--password-stdin", stdin=b"secret\n")
    termmail.ok("sync", "--password-stdin", stdin=b"secret\n")
    assert len(termmail.json("list")) == 1


def test_certificate_that_cannot_be_trusted(termmail: Command, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T2."""
    termmail.ok(
        *("account", "add", "lisa", "--email", "l@example.org", "--user", dovecot_user),
        *("--imap", f"localhost:{dovecot_server.tls_port}", "--password-command", "echo secret"),
    )
    done = termmail("sync")
    assert done.returncode == 77
    assert b"certificate" in done.stderr


def test_one_mailbox_only(termmail: Command, dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES[:1])
    dovecot_server.make(dovecot_user, "Archive", MESSAGES[1:])
    termmail.add(dovecot_server, dovecot_user)
    termmail.ok("sync", "-m", "archive")
    assert {row["mailbox"] for row in termmail.json("list")} == {"Archive"}
    termmail.ok("sync", "lisa")
    assert len(termmail.json("list")) == 3
    assert termmail("sync", "bob").returncode == 66
    assert termmail("sync", "-m", "nope").returncode == 69


def test_engine_that_runs_does_the_work(termmail: Command, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """L7: a second engine ends with 75 in silence, and `sync` asks the one that runs."""
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES)
    termmail.add(dovecot_server, dovecot_user)
    engine = subprocess.Popen(
        [sys.executable, "-m", "termmail", "--home", str(termmail.home), "engine"],
        env=termmail.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while not termmail.json("mailboxes"):
            assert engine.poll() is None
        (report,) = termmail.json("sync")
        assert report["ok"]
        assert report["new_messages"] is None
        assert len(termmail.json("list")) == 3
        second = termmail("engine")
        assert (second.returncode, second.stdout, second.stderr) == (75, b"", b"")
    finally:
        engine.terminate()
        output, _ = engine.communicate(timeout=20)
    assert output == b""
    assert engine.returncode == 0


def test_disagreement_with_nothing_but_mail_is_none(
    termmail: Command, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """What another client reads on the server is what was put there: nothing was changed by fetching."""
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES)
    before = read_contents(dovecot_server.host, dovecot_server.port, dovecot_user, "secret")
    termmail.add(dovecot_server, dovecot_user)
    termmail.ok("sync")
    assert read_contents(dovecot_server.host, dovecot_server.port, dovecot_user, "secret") == before
