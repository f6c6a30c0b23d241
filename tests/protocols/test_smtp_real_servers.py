"""Submission to Postfix, to Dovecot's submission service and to aiosmtpd, with swaks and msmtp as referees for the same message."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from servers.aiosmtpd_server import AiosmtpdServer
from servers.postfix import MECHANISMS, REFUSED, SIZE_LIMIT, Postfix
from servers.smtp_sink import SmtpSink, Taken
from servers.submissiond import Submissiond
from servers.tls import Authority, make_authority
from termmail.model.account import Security, Server
from termmail.model.errors import InsecureConnection, PasswordRefused, Retry, SubmissionRefused
from termmail.model.outgoing import Submission
from termmail.model.secret import Secret
from termmail.protocols import smtp

USERS = {"lisa": "secret", "anna@example.org": 'pass "wörd" \\ ☃' + "long" * 60}
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


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


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
        self.heard: list[str] = []

    def connect(
        self,
        security: Security = Security.TLS,
        user: str = "lisa",
        password: str = "",
        ca: Path | None = None,
        port: int = 0,
    ) -> smtp.SmtpSession:
        usual = self.port if security is Security.STARTTLS else self.tls_port
        return smtp.connect(
            Server("127.0.0.1", port or usual, security),
            user,
            Secret(password or USERS[user]),
            ca_file=str(ca or self.ca),
            timeouts=TIMEOUTS,
            trace=self.heard.append,
        )

    def commands(self) -> list[str]:
        """The verbs that were sent."""
        return [line.split()[1] for line in self.heard if line.startswith("C: ")]

    def arrived(self) -> Taken:
        """The one message that came, without the trace fields on top."""
        deadline = time.monotonic() + 40
        while not self.sink.taken:
            assert time.monotonic() < deadline, "Nothing arrived."
            time.sleep(0.02)
        (taken,) = self.sink.taken
        start = taken.data.index(b"From: Lisa")
        trace = re.sub(rb"\r\n[ \t]+", b" ", taken.data[:start])
        assert all(line.startswith((b"Received: ", b"Return-Path: ")) for line in trace.splitlines())
        return Taken(taken.sender, taken.recipients, taken.data[start:])


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory: pytest.TempPathFactory, authority: Authority, sink: SmtpSink) -> Iterator[Submissiond]:
    folder = tmp_path_factory.mktemp("submissiond")
    with Submissiond(folder, relay_port=sink.port, authority=authority, users=USERS) as server:
        yield server


@pytest.fixture(scope="module")
def postfix(dovecot: Submissiond, authority: Authority, sink: SmtpSink) -> Iterator[Postfix]:
    with Postfix(certificate=authority.good, auth_port=dovecot.auth_port, relay_port=sink.port) as server:
        yield server


def _refuse(command: str) -> str | None:
    return "550 5.1.1 there is nobody" if command == f"RCPT {REFUSED}" else None


@pytest.fixture(
    scope="module",
    params=[
        "aiosmtpd",
        pytest.param("dovecot", marks=pytest.mark.submissiond),
        pytest.param("postfix", marks=[pytest.mark.postfix, pytest.mark.submissiond]),
    ],
)
def running(request: pytest.FixtureRequest, authority: Authority, sink: SmtpSink) -> Iterator[Provider]:
    if request.param == "aiosmtpd":
        with AiosmtpdServer(certificate=authority.good, taken=sink.taken, users=USERS, answers=_refuse) as odd:
            yield Provider("aiosmtpd", odd.port, odd.tls_port, authority.ca, sink)
        return
    server: Submissiond = request.getfixturevalue("dovecot")
    if request.param == "dovecot":
        sink.answers = _refuse
        yield Provider("dovecot", server.submission_port, server.submissions_port, authority.ca, sink)
        sink.answers = lambda command: None
        return
    postfix: Postfix = request.getfixturevalue("postfix")
    yield Provider("postfix", postfix.port, postfix.tls_port, authority.ca, sink)


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.sink.taken.clear()
    running.heard.clear()
    return running


def send(session: smtp.SmtpSession, raw: bytes, *recipients: str, utf8: bool = False) -> Submission:
    return session.submit(
        "lisa@demo.example", recipients, BytesIO(raw), len(raw), eight_bit=not raw.isascii(), utf8=utf8,
        before_data=lambda refusals: None,
    )  # fmt: skip


def submit(session: smtp.SmtpSession, raw: bytes, *recipients: str, utf8: bool = False) -> Submission:
    """`send`, and the end of the session."""
    try:
        return send(session, raw, *recipients, utf8=utf8)
    finally:
        session.close()


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_message_arrives_byte_for_byte(provider: Provider, security: Security, body: str) -> None:
    """O7: dots, long lines, eight bits and an empty body, over both kinds of TLS."""
    raw = HEADER + BODIES[body]
    assert submit(provider.connect(security), raw, BOB, CAROL) == Submission((BOB, CAROL), ())
    assert provider.arrived() == Taken("lisa@demo.example", (BOB, CAROL), raw)


@pytest.mark.postfix
@pytest.mark.submissiond
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_signs_in_to_postfix_with_each_mechanism(
    postfix: Postfix, authority: Authority, sink: SmtpSink, mechanism: str
) -> None:
    """T12: also with a password that does not fit on the line of the command."""
    provider = Provider("postfix", postfix.port, postfix.tls_port, authority.ca, sink)
    for user in USERS:
        provider.connect(Security.STARTTLS, user, port=postfix.only[mechanism]).close()
    assert provider.heard.count(f"C: AUTH {mechanism} …") == len(USERS)


@pytest.mark.submissiond
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_signs_in_to_dovecot_with_each_mechanism(
    tmp_path: Path, authority: Authority, sink: SmtpSink, mechanism: str
) -> None:
    """T12, T13: the wrong password is refused with a sentence by each."""
    folder = tmp_path / "dovecot"
    with Submissiond(
        folder, relay_port=sink.port, authority=authority, users=USERS, mechanisms=mechanism.lower()
    ) as server:
        provider = Provider("dovecot", server.submission_port, server.submissions_port, authority.ca, sink)
        for user in USERS:
            provider.connect(user=user).close()
        with pytest.raises(PasswordRefused, match="refused the password for lisa; server says"):
            provider.connect(password="wrong")
    assert provider.heard.count(f"C: AUTH {mechanism} …") == len(USERS) + 1


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_wrong_password(provider: Provider, security: Security) -> None:
    """T13: tried once, with no weaker mechanism after it, and said in a sentence."""
    with pytest.raises(
        PasswordRefused, match=r"^127\.0\.0\.1 refused the password for lisa; server says: “.+”\.$"
    ) as caught:
        provider.connect(security, password="hunter2")
    assert caught.value.retry is Retry.NEVER
    assert "hunter2" not in caught.value.sentence + caught.value.detail + "".join(provider.heard)
    assert provider.commands().count("AUTH") == 1


def test_unknown_authority(provider: Provider, tmp_path: Path) -> None:
    """T2: nothing is signed in to where the certificate is nobody's."""
    stranger = make_authority(tmp_path).ca
    for security in (Security.TLS, Security.STARTTLS):
        with pytest.raises(InsecureConnection):
            provider.connect(security, ca=stranger)
    assert "AUTH" not in provider.commands()


def test_one_recipient_is_refused(provider: Provider) -> None:
    """O4: the others get it, and the server's words about this one are kept."""
    outcome = submit(provider.connect(), HEADER + b"Hello\r\n", BOB, REFUSED)
    assert outcome.accepted == (BOB,)
    (refusal,) = outcome.refused
    assert (refusal.address, refusal.code) == (REFUSED, 550)
    assert "there is nobody" in refusal.text
    assert provider.arrived().recipients == (BOB,)


def test_all_recipients_are_refused(provider: Provider) -> None:
    """O4, O5: nothing is uploaded, and the connection is good for the next message."""
    session = provider.connect()
    with pytest.raises(SubmissionRefused, match="there is nobody") as caught:
        send(session, HEADER + b"Hello\r\n", REFUSED)
    assert caught.value.retry is Retry.NEVER
    assert "DATA" not in provider.commands()
    assert submit(session, HEADER + b"Hello\r\n", BOB).accepted == (BOB,)
    assert provider.arrived().recipients == (BOB,)


def test_too_large(provider: Provider) -> None:
    """O5: SIZE is looked at before a byte of the message is sent."""
    with pytest.raises(SubmissionRefused, match=r"takes messages of at most 2\.0 MB, and this one has 4\.0 MB"):
        submit(provider.connect(), HEADER + b"\r\n" * SIZE_LIMIT, BOB)
    assert not {"MAIL", "RCPT", "DATA"} & set(provider.commands())
    assert provider.sink.taken == []


def test_addresses_and_fields_in_any_script(provider: Provider) -> None:
    """O7: SMTPUTF8 where it is offered; where not, it is said before the message is sent."""
    session = provider.connect()
    assert session.utf8 == (provider.name != "dovecot")
    raw = HEADER.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße, 你好".encode()) + "Łódź\r\n".encode()
    if not session.utf8:
        with pytest.raises(SubmissionRefused, match="SMTPUTF8"):
            submit(session, raw, ZOE, utf8=True)
        assert "MAIL" not in provider.commands()
        return
    assert submit(session, raw, ZOE, utf8=True).accepted == (ZOE,)
    assert provider.arrived() == Taken("lisa@demo.example", (ZOE,), raw)


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
    text = raw.replace(b"\r\n", b"\n")
    # swaks puts a line break of its own behind what it is given.
    file.write_bytes(text.removesuffix(b"\n") if referee == "swaks" else text)
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
    assert theirs == ours
