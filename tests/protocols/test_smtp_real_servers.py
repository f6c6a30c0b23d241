"""Submission to Postfix and to Dovecot's submission service, with swaks and msmtp as referees for the same message."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.ports import free_ports, wait_for_greeting
from servers.postfix import REFUSED, SIZE_LIMIT, Postfix
from servers.smtp_sink import SmtpSink, Taken
from termmail.model.account import Security, Server
from termmail.model.errors import InsecureConnection, PasswordRefused, SubmissionRefused, TermmailError
from termmail.model.outgoing import Submission
from termmail.model.secret import Secret
from termmail.protocols import smtp

BOB, CAROL, ZOE = "bob@else.example", "carol@else.example", "zoë@else.example"
TIMEOUTS = smtp.Timeouts(connect=10, command=20, message=20)
HEADER = (
    b"From: Lisa <lisa@demo.example>\r\nTo: bob@else.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Tue, 14 Nov 2023 22:00:00 +0000\r\nMessage-ID: <one@demo.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)
BODIES = {
    "dots": b".\r\n..\r\n.one\r\nFrom here\r\n",
    "long line": b"a" * 998 + b"\r\n",
    "empty": b"",
    "eight bits": "Grüße aus Łódź\r\n".encode(),
}


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


class Provider:
    """A server that takes mail for others: where, and whose authority signed its certificate."""

    def __init__(self, name: str, port: int, tls_port: int, ca: Path, sink: SmtpSink) -> None:
        self.name = name
        self.port = port
        self.tls_port = tls_port
        self.ca = ca
        self.sink = sink

    def connect(
        self, security: Security = Security.TLS, password: str = "secret", ca: Path | None = None
    ) -> smtp.SmtpSession:
        port = self.port if security is Security.STARTTLS else self.tls_port
        server = Server("127.0.0.1", port, security)
        return smtp.connect(server, "lisa", Secret(password), ca_file=str(ca or self.ca), timeouts=TIMEOUTS)

    def arrived(self) -> Taken:
        """The one message that came to the sink, without the trace fields on top."""
        deadline = time.monotonic() + 20
        while not self.sink.taken:
            assert time.monotonic() < deadline, "Nothing arrived."
            time.sleep(0.02)
        (taken,) = self.sink.taken
        return Taken(taken.sender, taken.recipients, taken.data[taken.data.index(b"From: Lisa") :])


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory: pytest.TempPathFactory, sink: SmtpSink) -> Iterator[tuple[Dovecot, int, int, int]]:
    submission, submissions, auth = free_ports(3)
    root = os.geteuid() == 0
    anybody = "" if root else "chroot =\n"
    extra = f"""
protocols = imap submission
hostname = mx.demo.example
submission_relay_host = 127.0.0.1
submission_relay_port = {sink.port}
service submission-login {{
  {anybody}inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = {submissions}
    ssl = yes
  }}
}}
service auth {{
  inet_listener {{
    port = {auth}
  }}
}}
"""
    with Dovecot(tmp_path_factory.mktemp("dovecot"), extra=extra) as running:
        assert wait_for_greeting(submission, 20), running.log_text()
        yield running, submission, submissions, auth


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("dovecot", marks=pytest.mark.submissiond),
        pytest.param("postfix", marks=pytest.mark.postfix),
    ],
)
def running(
    request: pytest.FixtureRequest, sink: SmtpSink, dovecot: tuple[Dovecot, int, int, int]
) -> Iterator[Provider]:
    server, submission, submissions, auth = dovecot
    if request.param == "dovecot":
        yield Provider("dovecot", submission, submissions, server.tls.ca, sink)
        return
    with Postfix(certificate=server.tls.good, auth_port=auth, relay_port=sink.port) as postfix:
        yield Provider("postfix", postfix.port, postfix.tls_port, server.tls.ca, sink)


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.sink.taken.clear()
    return running


def submit(session: smtp.SmtpSession, raw: bytes, *recipients: str, utf8: bool = False) -> Submission:
    try:
        return session.submit(
            "lisa@demo.example", recipients, BytesIO(raw), len(raw), eight_bit=not raw.isascii(), utf8=utf8,
            before_data=lambda refusals: None,
        )  # fmt: skip
    finally:
        session.close()


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_message_arrives_byte_for_byte(provider: Provider, security: Security, body: str) -> None:
    """O7: dots, long lines, eight bits and an empty body, over both kinds of TLS."""
    raw = HEADER + BODIES[body]
    assert submit(provider.connect(security), raw, BOB, CAROL) == Submission((BOB, CAROL), ())
    assert provider.arrived() == Taken("lisa@demo.example", (BOB, CAROL), raw)


def test_wrong_password(provider: Provider) -> None:
    with pytest.raises(PasswordRefused):
        provider.connect(password="wrong")


def test_unknown_authority(provider: Provider, tmp_path: Path) -> None:
    """T2: nothing is signed in to where the certificate is nobody's."""
    from servers.tls import make_authority

    with pytest.raises(InsecureConnection):
        provider.connect(ca=make_authority(tmp_path).ca)


def test_one_recipient_is_refused(provider: Provider) -> None:
    """O5: the others get it, and the server's words about this one are kept."""
    if provider.name != "postfix":
        provider.sink.answers = lambda command: "550 5.1.1 there is nobody" if REFUSED in command else None
    try:
        outcome = submit(provider.connect(), HEADER + b"Hello\r\n", BOB, REFUSED)
    finally:
        provider.sink.answers = lambda command: None
    assert outcome.accepted == (BOB,)
    (refusal,) = outcome.refused
    assert refusal.address == REFUSED
    assert "there is nobody" in refusal.text
    assert provider.arrived().recipients == (BOB,)
    provider.sink.taken.clear()


def test_too_large(provider: Provider) -> None:
    """SIZE is looked at before a byte of the message is sent."""
    if provider.name != "postfix":
        pytest.skip("Dovecot passes the sink's limit on, which test_smtp_submitting has.")
    with pytest.raises(SubmissionRefused):
        submit(provider.connect(), HEADER + b"a" * 70 + b"\r\n" * SIZE_LIMIT, BOB)
    assert provider.sink.taken == []


def test_addresses_in_any_script(provider: Provider) -> None:
    """SMTPUTF8 where it is offered; where not, it is said before the message is sent."""
    session = provider.connect()
    if not session.utf8:
        with pytest.raises(TermmailError):
            submit(session, HEADER + b"Hello\r\n", ZOE, utf8=True)
        assert provider.sink.taken == []
        return
    assert submit(session, HEADER + b"Hello\r\n", ZOE, utf8=True).accepted == (ZOE,)
    assert provider.arrived().recipients == (ZOE,)


@pytest.mark.parametrize(
    "referee", [pytest.param("swaks", marks=pytest.mark.swaks), pytest.param("msmtp", marks=pytest.mark.msmtp)]
)
def test_another_program_sends_the_same(provider: Provider, tmp_path: Path, referee: str) -> None:
    """The same file handed to swaks or msmtp, and to us, arrives the same."""
    program = shutil.which(referee)
    assert program is not None
    raw = HEADER + b"".join(BODIES.values())
    submit(provider.connect(Security.STARTTLS), raw, BOB)
    ours = provider.arrived()
    provider.sink.taken.clear()
    file = tmp_path / "message"
    file.write_bytes(raw.replace(b"\r\n", b"\n"))
    where = ["--server", "127.0.0.1", "--port", str(provider.port)]
    commands = {
        "swaks": [
            program, *where, "--tls", "--auth", "PLAIN", "--auth-user", "lisa", "--auth-password", "secret",
            "--from", "lisa@demo.example", "--to", BOB, "--helo", "localhost", "--data", f"@{file}",
        ],
        "msmtp": [
            program, "--host=127.0.0.1", f"--port={provider.port}", "--tls=on", "--tls-starttls=on",
            f"--tls-trust-file={provider.ca}", "--auth=plain", "--user=lisa", "--passwordeval=echo secret",
            "--from=lisa@demo.example", BOB,
        ],
    }  # fmt: skip
    with file.open("rb") as stdin:
        done = subprocess.run(commands[referee], stdin=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    theirs = provider.arrived()
    assert theirs.recipients == ours.recipients
    assert theirs.data.rstrip(b"\r\n") == ours.data.rstrip(b"\r\n")
