"""SMTP: connecting, encrypting and signing in, with good servers and bad ones (T1 to T9, T12)."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from servers.scripted import Conversation, ScriptedServer, steps
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import (
    ConfigError,
    ConnectionLost,
    InsecureConnection,
    PasswordRefused,
    ProtocolViolation,
    Retry,
    SignInRefused,
    TermmailError,
)
from termmail.model.secret import Secret
from termmail.protocols import smtp

PASSWORD = "hunter2hunter2"
GREETING = b"220 mx.example ready\r\n"
TIMEOUTS = smtp.Timeouts(connect=5, command=5, message=5)


def connect_to(
    server: ScriptedServer, security: Security, ca_file: str = "", host: str = "127.0.0.1"
) -> smtp.SmtpSession:
    return smtp.connect(
        Server(host, server.port, security), "lisa", Secret(PASSWORD), ca_file=ca_file, timeouts=TIMEOUTS
    )


def assert_silent(received: bytes) -> None:
    """Nothing that signs in, and no envelope, has come."""
    for word in (b"AUTH", b"MAIL", PASSWORD.encode(), b"lisa"):
        assert word not in received.upper() + received


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize(
    ("kind", "host", "words"),
    [
        ("self_signed", "localhost", "signed by itself"),
        ("expired", "localhost", "has expired"),
        ("wrong_host", "localhost", "is for another host"),
        ("cn_only", "localhost", "is for another host"),
        ("localhost_only", "127.0.0.1", "is for another host"),
    ],
)
def test_bad_certificates_end_it(authority: Authority, kind: str, host: str, words: str, security: Security) -> None:
    """T2, T3: refused before any byte of a credential."""

    def script(talk: Conversation) -> None:
        if security is Security.STARTTLS:
            talk.send(GREETING)
            talk.expect("ehlo")
            talk.send(b"250-mx.example\r\n250 STARTTLS\r\n")
            talk.expect("STARTTLS")
            talk.send(b"220 begin\r\n")
            talk.start_tls()
        talk.wait_closed(5)

    with ScriptedServer(script, certificate=getattr(authority, kind), implicit_tls=security is Security.TLS) as server:
        with pytest.raises(InsecureConnection, match=words) as caught:
            connect_to(server, security, str(authority.ca), host)
        assert caught.value.retry is Retry.NEVER
    assert_silent(server.received)


def test_a_private_authority_must_be_given(authority: Authority, tmp_path: Path) -> None:
    """T2."""
    with ScriptedServer(steps((None, GREETING)), certificate=authority.good, implicit_tls=True) as server:
        with pytest.raises(InsecureConnection, match="authority"):
            connect_to(server, Security.TLS)
        with pytest.raises(ConfigError, match="can't be read"):
            connect_to(server, Security.TLS, ca_file=str(tmp_path / "missing.pem"))
    assert_silent(server.received)


def test_no_plain_connection_leaves_this_computer() -> None:
    """T1: not even a name is looked up."""
    with pytest.raises(InsecureConnection, match="this computer only"):
        smtp.connect(Server("mail.example.org", 25, Security.NONE), "lisa", Secret(PASSWORD))


def test_plain_text_where_tls_is_expected() -> None:
    with (
        ScriptedServer(steps((None, GREETING))) as server,
        pytest.raises(InsecureConnection, match="No encrypted connection"),
    ):
        connect_to(server, Security.TLS)
    assert_silent(server.received)


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
@pytest.mark.parametrize(
    "greeting",
    [
        b"554 Injected\r\n",
        b"421 Injected\r\n",
        b"250 Injected\r\n",
        b"+OK Injected\r\n",
        b"220Injected\r\n",
        b"* OK Injected\r\n",
        b"\xff\x00\r\n",
        b"",
        b"220 no end",
    ],
)
def test_odd_greetings_end_it(authority: Authority, greeting: bytes, security: Security) -> None:
    """T9."""
    with (
        ScriptedServer(steps((None, greeting)), certificate=authority.good) as server,
        pytest.raises((ConnectionLost, ProtocolViolation)),
    ):
        connect_to(server, security, str(authority.ca))
    assert_silent(server.received)


@pytest.mark.parametrize("security", [Security.TLS, Security.NONE])
@pytest.mark.parametrize("command", ["greeting", "ehlo"])
@pytest.mark.parametrize("answer", [b"421 4.3.2 too \x1b[31mmany\r\n", b"450 too many\r\n", b"554 5.7.1 too many\r\n"])
def test_a_server_that_wants_nobody_says_why(
    authority: Authority, command: str, answer: bytes, security: Security
) -> None:
    """T8: in its own words, made safe, where they came over TLS; it is tried again."""

    def script(talk: Conversation) -> None:
        if command == "ehlo":
            talk.send(GREETING)
            talk.expect("ehlo")
        talk.send(answer)
        talk.wait_closed(5)

    with (
        ScriptedServer(script, certificate=authority.good, implicit_tls=security is Security.TLS) as server,
        pytest.raises((ConnectionLost, ProtocolViolation)) as caught,
    ):
        connect_to(server, security, str(authority.ca), "localhost")
    assert ("server says: “too many”" in caught.value.sentence) == (security is Security.TLS)
    assert caught.value.retry is Retry.LATER
    assert_silent(server.received)


@pytest.mark.parametrize(
    "answer", [b"454 Injected\r\n", b"502 Injected\r\n", b"250 Injected\r\n", b"Injected\r\n", b""]
)
@pytest.mark.parametrize("offered", [b"250-mx.example\r\n250 STARTTLS\r\n", b"250 mx.example\r\n"])
def test_refused_starttls_ends_it(authority: Authority, answer: bytes, offered: bytes) -> None:
    """T4: offered or not, without TLS nothing is signed in to, and what was said in the clear is not shown."""
    script = steps((None, GREETING), ("ehlo", offered), ("STARTTLS", answer))
    with ScriptedServer(script, certificate=authority.good) as server:
        with pytest.raises(TermmailError) as caught:
            connect_to(server, Security.STARTTLS, str(authority.ca))
        assert isinstance(caught.value, InsecureConnection | ConnectionLost | ProtocolViolation)
        assert "Injected" not in caught.value.sentence + caught.value.detail
    assert_silent(server.received)


def test_what_follows_the_answer_to_starttls_ends_it(authority: Authority) -> None:
    """T5: text in the same packet as the answer came from somebody on the way."""

    def script(talk: Conversation) -> None:
        talk.send(GREETING)
        talk.expect("ehlo")
        talk.send(b"250-mx.example\r\n250 STARTTLS\r\n")
        talk.expect("STARTTLS")
        talk.send(b"220 begin\r\n250-Injected\r\n250 AUTH PLAIN\r\n")
        talk.wait_closed(5)

    with ScriptedServer(script, certificate=authority.good) as server:
        with pytest.raises(InsecureConnection) as caught:
            connect_to(server, Security.STARTTLS, str(authority.ca))
        assert "Injected" not in caught.value.sentence + caught.value.detail
    assert_silent(server.received)


def test_what_was_offered_before_tls_is_forgotten(authority: Authority) -> None:
    """T5: extensions are asked for again inside."""

    def script(talk: Conversation) -> None:
        talk.send(GREETING)
        talk.expect("ehlo")
        talk.send(b"250-mx.example\r\n250-STARTTLS\r\n250-SIZE 1\r\n250 SMTPUTF8\r\n")
        talk.expect("STARTTLS")
        talk.send(b"220 begin\r\n")
        talk.start_tls()
        talk.expect("ehlo")
        talk.send(b"250-mx.example\r\n250 AUTH PLAIN\r\n")
        talk.expect("AUTH PLAIN")
        talk.send(b"235 in\r\n")
        talk.expect("QUIT")
        talk.send(b"221 bye\r\n")

    with ScriptedServer(script, certificate=authority.good) as server:
        session = connect_to(server, Security.STARTTLS, str(authority.ca))
        assert (session.size_limit, session.utf8) == (None, False)
        session.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"535 5.7.8 \x1b[31mno\r\n", PasswordRefused),
        (b"454 4.7.0 later\r\n", SignInRefused),
        (b"421 4.3.0 later\r\n", TermmailError),
    ],
)
def test_a_refused_sign_in(authority: Authority, answer: bytes, error: type[TermmailError]) -> None:
    """T13: the server's words without its escape sequences, and the password in none of ours."""
    script = steps((None, GREETING), ("ehlo", b"250-mx.example\r\n250 AUTH PLAIN\r\n"), ("AUTH PLAIN", answer))
    with ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server:
        with pytest.raises(error) as caught:
            connect_to(server, Security.TLS, str(authority.ca))
        told = caught.value.sentence + caught.value.detail
        assert "\x1b" not in told
        assert PASSWORD not in told
    sent = server.received.split(b"AUTH PLAIN ", 1)[1].split()[0]
    assert b64decode(sent).endswith(PASSWORD.encode())


def test_no_way_to_sign_in(authority: Authority) -> None:
    """T12: where only unknown mechanisms are offered nothing is tried."""
    script = steps((None, GREETING), ("ehlo", b"250-mx.example\r\n250 AUTH GSSAPI NTLM\r\n"))
    with ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server, pytest.raises(SignInRefused):
        connect_to(server, Security.TLS, str(authority.ca))
    assert_silent(server.received)
