"""`send`, `sendmail` and `outbox` against a mail server on a real socket."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from engine.sending import BOB, CAROL, NOBODY, sending_account, sending_home
from engine.support import running_engine, until
from servers.smtp_sink import SmtpSink
from termmail.cli.sending import _login_name
from termmail.engine.lock import engine_runs
from termmail.model.account import Account, Credential, CredentialKind, Identity
from termmail.model.home import Home

BOATS = b"From: Lisa <lisa@example.org>\nTo: bob@else.example\nSubject: Boats\n\nWhen do they go?\n"


@pytest.fixture
def cli(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    return Cli(tmp_path / "home", capfdbinary)


def home(cli: Cli, *accounts: Account) -> Home:
    return sending_home(cli.folder, *accounts)


def states(cli: Cli) -> list[str]:
    return [item["state"] for item in cli.json("outbox")]


def mails(sink: SmtpSink) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.sender, one.recipients) for one in sink.taken]


def process(folder: Path, *arguments: str, stdin: bytes, limit: int = 0) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "termmail", "--home", str(folder), *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
    )


def test_send(cli: Cli) -> None:
    with SmtpSink() as sink:
        home(cli, sending_account(sink.port))
        assert cli.ok("send", stdin=BOATS) == "Sent to bob@else.example.\n"
    (taken,) = sink.taken
    assert (taken.sender, taken.recipients) == ("lisa@example.org", (BOB,))
    found = message_from_bytes(taken.data)
    assert (found["From"], found["Subject"]) == ("Lisa <lisa@example.org>", "Boats")
    assert found["Date"]
    assert found["Message-ID"].endswith("@example.org>")
    assert taken.data.endswith(b"\r\n\r\nWhen do they go?\r\n")
    assert states(cli) == []


def test_send_a_file_as_json(cli: Cli, tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_bytes(BOATS.replace(b"Subject", b"Bcc: carol@else.example\nSubject"))
    with SmtpSink() as sink:
        home(cli, sending_account(sink.port))
        shape = cli.json("send", str(letter))
    (taken,) = sink.taken
    assert b"carol" not in taken.data
    assert shape == {
        "id": 1,
        "account": "test",
        "state": "filed",
        "sender": "lisa@example.org",
        "recipients": [{"address": one, "state": "accepted", "reply": ""} for one in (BOB, CAROL)],
        "subject": "Boats",
        "message_id": message_from_bytes(taken.data)["Message-ID"].strip("<>"),
        "size": len(taken.data),
        "created": shape["created"],
        "next": None,
        "attempts": 1,
        "sentence": "",
    }
    assert cli("send", str(tmp_path / "none")) == 66


def test_by_the_account_that_the_message_is_from(cli: Cli) -> None:
    with SmtpSink() as first, SmtpSink() as second:
        other = msgspec.structs.replace(
            sending_account(second.port, name="other"),
            email="lisa@other.example",
            identities=(Identity("Lisa at work", "work@other.example"),),
        )
        home(cli, sending_account(first.port), other)
        cli.ok("send", stdin=BOATS.replace(b"lisa@example.org", b"Work@other.example"))
        cli.ok("send", stdin=BOATS.replace(b"From: Lisa <lisa@example.org>\n", b""))
        cli.ok("send", "-a", "other", stdin=BOATS)
        cli.ok("sendmail", "-f", "work@other.example", BOB, stdin=b"Subject: x\n\n")
    assert mails(first) == [("lisa@example.org", (BOB,))]
    assert mails(second) == [
        ("work@other.example", (BOB,)),
        ("lisa@other.example", (BOB,)),
        ("work@other.example", (BOB,)),
    ]
    assert b"From: Lisa at work <work@other.example>\r\n" in second.taken[2].data


def test_only_queued_and_sent_when_asked(cli: Cli) -> None:
    with SmtpSink() as sink:
        home(cli, sending_account(sink.port))
        cli.ok("send", "--queue", stdin=BOATS)
        assert cli.ok("send", "--at", "in 2 hours", stdin=BOATS.replace(b"Boats", b"Later")).startswith(
            "To be sent to bob@else.example on "
        )
        assert sink.taken == []
        waiting = cli.json("outbox", "list")
        assert [(item["id"], item["state"], item["subject"]) for item in waiting] == [
            (1, "queued", "Boats"),
            (2, "queued", "Later"),
        ]
        assert waiting[0]["next"] is None
        assert waiting[1]["next"] > waiting[1]["created"]
        cli.ok("outbox", "send")
        assert [message_from_bytes(one.data)["Subject"] for one in sink.taken] == ["Boats"], (
            "what has its time keeps it"
        )
        cli.ok("outbox", "send", "2")
    assert [message_from_bytes(one.data)["Subject"] for one in sink.taken] == ["Boats", "Later"]
    assert cli("send", "--at", "yesterday", stdin=BOATS) == 64
    assert "tomorrow 8:00" in cli.error


def test_a_server_that_is_away(cli: Cli) -> None:
    """O1, O5: it is kept, and says so."""
    home(cli, sending_account(NOBODY))
    assert cli("send", stdin=BOATS) == 75
    assert cli.error.startswith("Not sent yet. ")
    assert "127.0.0.1" in cli.error
    assert "outbox" in cli.error
    (item,) = cli.json("outbox")
    assert "127.0.0.1" in item["sentence"]
    assert item["next"] is not None
    cli.ok("outbox", "list")
    assert b"queued" in cli.output
    assert cli("outbox", "send") == 75


def test_a_server_that_says_no(cli: Cli) -> None:
    """O5: its words, and nothing is tried again by itself."""
    with SmtpSink(answers=lambda command: "550 5.7.1 no boats here" if command == "dot" else None) as sink:
        home(cli, sending_account(sink.port))
        assert cli("send", stdin=BOATS) == 69
        assert "no boats here" in cli.error
        assert cli("outbox", "send", "1") == 69
        assert cli("outbox", "send") == 0
        sink.answers = lambda command: None
        assert cli.ok("outbox", "resend", "1") == "Sent to bob@else.example.\n"
    assert len(sink.taken) == 1
    assert cli("outbox", "resend", "1") == 66


def test_an_answer_that_was_lost(cli: Cli) -> None:
    """O2: it may have been sent; it is sent again by name only, with the same Message-ID, and that is said."""
    with SmtpSink(answers=lambda command: "CLOSE" if command == "dot" else None) as sink:
        home(cli, sending_account(sink.port))
        assert cli("send", stdin=BOATS) == 76
        assert cli("outbox", "send") == 0
        (before,) = cli.json("outbox")
        assert before["state"] == "unknown"
        sink.answers = lambda command: None
        assert cli("outbox", "resend", "1") == 0
        assert "may have item 1 already" in cli.error
    (taken,) = sink.taken
    assert message_from_bytes(taken.data)["Message-ID"] == f"<{before['message_id']}>"


def test_cancelled_mail_goes_to_drafts(cli: Cli) -> None:
    home(cli, sending_account(NOBODY))
    cli.ok("send", "--queue", stdin=BOATS)
    assert cli("outbox", "cancel", "1", "7") == 66
    assert states(cli) == ["queued"], "all or nothing"
    assert "Drafts" in cli.ok("outbox", "cancel", "1")
    assert states(cli) == []
    assert [row["subject"] for row in cli.json("list", "-m", "drafts")] == ["Boats"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (BOATS.replace(b"bob@", b""), "no e-mail address"),
        (BOATS + b"x" * 1000, "longer than 998"),
        (b"Subject: x\n\n", "nobody"),
    ],
)
def test_what_cannot_be_sent_is_not_kept(cli: Cli, message: bytes, said: str) -> None:
    made = home(cli, sending_account(NOBODY))
    assert cli("send", stdin=message) == 65
    assert said in cli.error
    assert states(cli) == []
    assert list(made.outbox.iterdir()) == []


def test_without_a_server_for_sending(cli: Cli) -> None:
    home(cli, msgspec.structs.replace(sending_account(NOBODY), smtp=None))
    assert cli("send", stdin=BOATS) == 78
    assert "--smtp" in cli.error
    assert states(cli) == []


def test_sendmail_is_quiet(cli: Cli) -> None:
    """Those of the command line get it, and nobody else; a lone dot ends it."""
    with SmtpSink() as sink:
        home(cli, sending_account(sink.port))
        assert cli.ok("sendmail", "-oem", "-B8BITMIME", "--", CAROL, stdin=BOATS + b".\nrest\n") == ""
        assert cli.error == ""
        cli.ok("sendmail", "-i", CAROL, stdin=BOATS + b".\nrest\n")
        cli.ok("sendmail", "-oi", "-t", "-f", "<>", CAROL, stdin=BOATS + b".\nrest\n")
    assert mails(sink) == [
        ("lisa@example.org", (CAROL,)),
        ("lisa@example.org", (CAROL,)),
        ("", (CAROL, BOB)),
    ]
    assert sink.taken[0].data.endswith(b"go?\r\n")
    assert sink.taken[1].data.endswith(b"go?\r\n.\r\nrest\r\n")


def test_sendmail_as_cron_calls_it(cli: Cli) -> None:
    user = _login_name()
    with SmtpSink() as sink:
        home(cli, sending_account(sink.port))
        cli.ok(
            *("sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", user),
            stdin=(
                f"From: {user} (Cron Daemon)\nTo: {user}\nSubject: Cron <{user}@host> df\nMIME-Version: 1.0\n"
                "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\nfür\n"
            ).encode(),
        )
    (taken,) = sink.taken
    assert (taken.sender, taken.recipients) == ("lisa@example.org", ("lisa@example.org",))
    assert taken.data.endswith("\r\n\r\nfür\r\n".encode())
    assert b"To: lisa@example.org\r\n" in taken.data
    assert b"Daemon <lisa@example.org>\r\n" in taken.data


def test_sendmail_with_the_server_away(cli: Cli) -> None:
    """It has been accepted, and is kept."""
    home(cli, sending_account(NOBODY))
    assert cli("sendmail", "-v", BOB, stdin=BOATS) == 0
    assert "127.0.0.1" in cli.error
    assert cli("sendmail", "-odq", BOB, stdin=BOATS) == 0
    assert (cli.output, cli.error) == (b"", "")
    assert states(cli) == ["queued", "queued"]
    cli.ok("outbox")
    assert b"127.0.0.1" in cli.output


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("nobody-of-this-name",), BOATS, 67),
        (("a@b@c",), BOATS, 65),
        ((BOB,), BOATS.replace(b"From:", b"From: x@y.example\nFrom:"), 65),
        (("-bs",), BOATS, 64),
        (("-t", "-a", "none"), BOATS, 66),
    ],
)
def test_sendmail_ends_as_sysexits_says(cli: Cli, arguments: tuple[str, ...], message: bytes, code: int) -> None:
    home(cli, sending_account(NOBODY))
    assert cli("sendmail", *arguments, stdin=message) == code
    assert cli.error
    assert states(cli) == []


def test_sendmail_where_the_server_says_no(cli: Cli) -> None:
    """O4: to nobody is a failure; to some is told, and not handed over again."""
    with SmtpSink(answers=lambda command: "550 5.1.1 who?" if command == f"RCPT {BOB}" else None) as sink:
        home(cli, sending_account(sink.port))
        assert cli("sendmail", BOB, stdin=BOATS) == 69
        assert "who?" in cli.error
        assert cli("sendmail", BOB, CAROL, stdin=BOATS) == 0
        assert "who?" in cli.error
        sink.answers = lambda command: "CLOSE" if command == "dot" else None
        assert cli("sendmail", CAROL, stdin=BOATS) == 0
        assert "may have been sent" in cli.error
    assert mails(sink) == [("lisa@example.org", (CAROL,))]
    assert states(cli) == ["failed", "failed", "unknown"]


def test_sendmail_without_an_account(cli: Cli) -> None:
    assert cli("sendmail", BOB, stdin=BOATS) == 78


def test_a_password_that_nobody_can_type_now(cli: Cli) -> None:
    account = sending_account(NOBODY)
    home(cli, msgspec.structs.replace(account, credential=Credential(CredentialKind.SESSION)))
    assert cli("send", stdin=BOATS) == 75
    assert "asked for each time" in cli.error


def test_an_engine_that_runs_sends_it(cli: Cli) -> None:
    with SmtpSink() as sink:
        made = home(cli, sending_account(sink.port))
        with running_engine(made):
            until(lambda: engine_runs(made), "the engine to run")
            cli.ok("sendmail", "-F", "Lisa\nBcc: eve@evil.example", BOB, stdin=b"Subject: One\n\n")
            assert cli.ok("send", stdin=BOATS) == "Sent to bob@else.example.\n"
    assert mails(sink) == [("lisa@example.org", (BOB,))] * 2
    assert b'From: "Lisa Bcc: eve@evil.example" <lisa@example.org>\r\n' in sink.taken[0].data


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Only Linux tells what a process has used at most.")
def test_a_large_message_takes_little_memory(tmp_path: Path) -> None:
    """O11: 40 MB stream into the outbox and out of it."""
    letter = tmp_path / "letter.eml"
    with letter.open("wb") as file:
        file.write(BOATS)
        for _ in range(540):
            file.write((b"x" * 76 + b"\n") * 1000)
    assert letter.stat().st_size > 40_000_000
    with SmtpSink(keep=False) as sink:
        sending_home(tmp_path / "home", sending_account(sink.port))
        # Asked of itself: to wait4 a child has used what its parent had before the exec.
        program = (
            "import re, sys; from pathlib import Path; from termmail.cli.main import run; code = run(sys.argv[1:]); "
            "print(re.search('VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "--home", str(tmp_path / "home"), "send", str(letter)],
            capture_output=True,
            check=True,
            text=True,
        )
    assert len(sink.taken) == 1
    assert int(done.stdout.split()[-1]) * 1024 < 3 * 40_000_000


def test_a_full_disk_accepts_nothing(tmp_path: Path) -> None:
    """X5: the caller keeps it, and tries later."""
    made = sending_home(tmp_path / "home", sending_account(NOBODY))
    large = BOATS + (b"x" * 76 + b"\n") * 60_000
    done = process(tmp_path / "home", "sendmail", BOB, stdin=large, limit=2_000_000)
    assert done.returncode == 75, done.stderr
    assert b"outbox" in done.stderr
    assert list(made.outbox.iterdir()) == []
    assert process(tmp_path / "home", "outbox", "--json", stdin=b"").stdout == b"[]\n"


def git(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, check=False, timeout=60
    )
    for missing in (b"is not a git command", b"Perl module"):
        if missing in done.stderr:
            pytest.skip("git send-email is not installed, or not the Perl module Mail::Address")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_patch_series_of_git(tmp_path: Path) -> None:
    """In order, as one thread, its texts byte for byte."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    git(work, "config", "user.name", "Lisa Märchen")
    git(work, "config", "user.email", "lisa@example.org")
    for number in range(4):
        (work / "file").write_text(f"line {number}\n.\n..\nFrom here ü\n")
        git(work, "add", "file")
        git(work, "commit", "-q", "-m", f"Change {number}: grüße")
    git(work, "format-patch", "-q", "-3", "-o", "patches")
    patches = sorted((work / "patches").iterdir())
    with SmtpSink() as sink:
        sending_home(tmp_path / "home", sending_account(sink.port))
        git(
            work,
            *("send-email", "--quiet", "--confirm=never", f"--to={BOB}", f"--cc={CAROL}", "--suppress-cc=all"),
            f"--sendmail-cmd='{sys.executable}' -m termmail --home '{tmp_path / 'home'}' sendmail",
            *map(str, patches),
        )
    assert [one.recipients for one in sink.taken] == [(BOB, CAROL)] * 3
    found = [message_from_bytes(one.data) for one in sink.taken]
    for patch, taken in zip(patches, sink.taken, strict=True):
        text = patch.read_bytes().partition(b"\n\n")[2]
        assert taken.data.partition(b"\r\n\r\n")[2] == text.replace(b"\n", b"\r\n")
    first = found[0]["Message-ID"]
    assert first
    assert [one["In-Reply-To"] for one in found] == [None, first, first]
    assert all(first in one["References"] for one in found[1:])
