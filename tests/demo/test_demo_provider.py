"""The demo's provider, run as the program it is."""

from __future__ import annotations

import contextlib
import datetime
import imaplib
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import imap_reader
from servers.digest import raw_digest
from termmail.demo.mail import MAILBOXES, USERS, demo_mail
from termmail.demo.run import DemoError, DemoProvider
from termmail.model.account import CredentialKind, Protocol, Security

LISA, BOB = USERS


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProvider]:
    with DemoProvider(tmp_path_factory.mktemp("demo")) as running:
        yield running


@contextlib.contextmanager
def submission(provider: DemoProvider, user: str) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(provider.host, provider.smtp_port, local_hostname="[127.0.0.1]", timeout=20) as client:
        client.login(user, provider.password(user).reveal())
        yield client


def contents(provider: DemoProvider, user: str) -> dict[str, int]:
    state = imap_reader.read_contents(provider.host, provider.imap_port, user, provider.password(user).reveal())
    return {mailbox: counter.total() for mailbox, counter in state.items()}


def test_it_serves_the_mail_in_its_mailboxes(tmp_path: Path) -> None:
    now = datetime.datetime(2026, 3, 14, 15, 20, tzinfo=datetime.UTC).astimezone()
    with DemoProvider(tmp_path, now=now) as dated:
        password = dated.password(LISA).reveal()
        state = imap_reader.read_contents(dated.host, dated.imap_port, LISA, password)
    assert set(state) == set(MAILBOXES)
    for mailbox in MAILBOXES:
        wanted = [sample for sample in demo_mail(now) if sample.user == LISA and sample.mailbox == mailbox]
        assert state[mailbox].total() == len(wanted)
        # A boundary of multipart mail is random, the rest is not.
        plain = [sample for sample in wanted if b"multipart/" not in sample.raw]
        for sample in plain:
            assert state[mailbox][raw_digest(sample.raw), frozenset(sample.flags)] == 1


def test_an_account_for_lisa_on_loopback(provider: DemoProvider) -> None:
    account, bob = provider.accounts()
    assert (bob.protocol, bob.incoming.port) == (Protocol.POP3, provider.pop3_port)
    assert (account.name, account.email, account.protocol) == ("lisa", LISA, Protocol.IMAP)
    assert account.incoming.host == "127.0.0.1"
    assert account.incoming.security is Security.NONE
    assert account.smtp is not None
    assert account.credential.kind is CredentialKind.SESSION


def test_mail_is_delivered_byte_for_byte_and_wakes_idle(provider: DemoProvider) -> None:
    raw = b"From: bob@demo.example\r\nTo: lisa@demo.example\r\nSubject: dots\r\n\r\n.\r\n..\r\n\xc3\xa4 and \xff\r\n"
    with socket.create_connection((provider.host, provider.imap_port), timeout=20) as client:
        stream = client.makefile("rwb")
        stream.readline()
        password = provider.password(LISA).reveal()
        stream.write(f"a LOGIN {LISA} {password}\r\nb EXAMINE INBOX\r\nc IDLE\r\n".encode())
        stream.flush()
        while not stream.readline().startswith(b"+"):
            pass
        with submission(provider, BOB) as smtp:
            assert smtp.sendmail(BOB, [LISA], raw) == {}
        assert b"EXISTS" in stream.readline()
        stream.close()
    state = imap_reader.read_contents(provider.host, provider.imap_port, LISA, provider.password(LISA).reveal())
    assert state["INBOX"][raw_digest(raw), frozenset()] == 1


def test_unknown_recipients_are_refused_one_by_one(provider: DemoProvider) -> None:
    before = contents(provider, BOB)["INBOX"]
    with submission(provider, LISA) as smtp:
        refused = smtp.sendmail(LISA, [BOB, "nobody@example.org"], b"Subject: x\r\n\r\nx\r\n")
    assert list(refused) == ["nobody@example.org"]
    assert refused["nobody@example.org"][0] == 550
    assert contents(provider, BOB)["INBOX"] == before + 1


def test_passwords_are_wanted_and_random(provider: DemoProvider, tmp_path: Path) -> None:
    with smtplib.SMTP(provider.host, provider.smtp_port, local_hostname="[127.0.0.1]", timeout=20) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(LISA, "guess")
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(LISA, [BOB], b"x")
    with pytest.raises(imaplib.IMAP4.error):
        contents_with(provider, "guess")
    with DemoProvider(tmp_path) as other:
        assert other.password(LISA) != provider.password(LISA)


def contents_with(provider: DemoProvider, password: str) -> None:
    imap_reader.read_contents(provider.host, provider.imap_port, LISA, password)


def test_no_password_reaches_the_log_or_the_command_line(tmp_path: Path) -> None:
    """C2, C4."""
    with DemoProvider(tmp_path) as provider:
        password = provider.password(LISA).reveal()
        contents(provider, LISA)
        process = provider._process
        assert process is not None
        assert password not in str(process.args)
        environment = Path(f"/proc/{process.pid}/environ")
        if environment.exists():
            assert password.encode() not in environment.read_bytes()
    log = tmp_path / "provider.log"
    assert password not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_it_ends_when_its_stdin_closes(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "termmail.demo.provider", "--home", str(tmp_path), "--quiet-log"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"{")
    assert process.poll() is None
    process.communicate()
    assert process.returncode == 0


def test_what_keeps_it_from_starting_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pymap.py").write_text("raise ImportError('no pymap here')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    provider = DemoProvider(tmp_path / "home")
    with pytest.raises(DemoError, match="no pymap here"):
        provider.start()
    with pytest.raises(DemoError):
        _ = provider.imap_port


def test_servers_are_imported_only_by_the_provider() -> None:
    """The front end starts the provider without paying for its imports."""
    code = (
        "import sys, termmail.demo.run; print(*[m for m in ('pymap', 'aiosmtpd', 'email.message') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
