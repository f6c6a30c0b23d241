"""POP3: connecting and encrypting, with good servers and bad ones (T1 to T9, T14)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.pop3_scripts import STAMP, assert_silent, usual
from protocols.pop3_sessions import PASSWORD, connect_to
from servers.ports import free_ports
from servers.scripted import Conversation, Script, ScriptedServer, steps
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import (
    Cancelled,
    ConfigError,
    ConnectionLost,
    InsecureConnection,
    ProtocolViolation,
    Retry,
    SignInRefused,
    TermmailError,
)
from termmail.model.secret import Secret
from termmail.protocols import pop3

# Certificates


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
            talk.send(b"+OK ready\r\n")
            talk.expect("STLS")
            talk.send(b"+OK begin\r\n")
            talk.start_tls()
        talk.wait_closed(5)

    with ScriptedServer(script, certificate=getattr(authority, kind), implicit_tls=security is Security.TLS) as server:
        with pytest.raises(InsecureConnection, match=words) as caught:
            pop3.connect(Server(host, server.port, security), "lisa", Secret(PASSWORD), ca_file=str(authority.ca))
        assert caught.value.retry is Retry.NEVER
    assert_silent(server.received)


def test_a_private_authority_must_be_given(authority: Authority, tmp_path: Path) -> None:
    """T2."""
    with ScriptedServer(usual({}), certificate=authority.good, implicit_tls=True) as server:
        with pytest.raises(InsecureConnection, match="authority"):
            connect_to(server, Security.TLS)
        with pytest.raises(ConfigError, match="can't be read"):
            connect_to(server, Security.TLS, ca_file=str(tmp_path / "missing.pem"))
    assert_silent(server.received)


def test_no_plain_connection_leaves_this_computer() -> None:
    """T1: not even a name is looked up."""
    with pytest.raises(InsecureConnection, match="this computer only"):
        pop3.connect(Server("mail.example.org", 110, Security.NONE), "lisa", Secret(PASSWORD))


def test_plain_text_where_tls_is_expected() -> None:
    with ScriptedServer(usual({})) as server, pytest.raises(InsecureConnection, match="No encrypted connection"):
        connect_to(server, Security.TLS)
    assert_silent(server.received)


# Before TLS


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"-ERR Injected\r\n", ConnectionLost),
        (b"-ERR [SYS/PERM] Injected\r\n", ConnectionLost),
        (b"-ERR \x1b]0;Injected\x07\r\n", ConnectionLost),
        (b"-ERR <1@Injected>\r\n", ConnectionLost),
        (b"+OKAY Injected\r\n", ProtocolViolation),
        (b"+ok Injected\r\n", ProtocolViolation),
        (b"+ Injected\r\n", ProtocolViolation),
        (b"OK Injected\r\n", ProtocolViolation),
        (b" +OK Injected\r\n", ProtocolViolation),
        (b"* OK Injected\r\n", ProtocolViolation),
        (b"220 Injected\r\n", ProtocolViolation),
        (b"\r\n+OK Injected\r\n", ProtocolViolation),
        (b"\xff\x00\r\n", ProtocolViolation),
        (b"", ConnectionLost),
        (b"+OK no end", ConnectionLost),
    ],
)
def test_odd_greetings_end_it(
    authority: Authority, greeting: bytes, error: type[TermmailError], security: Security
) -> None:
    """T9, and T8: what was said without TLS is not shown."""
    with (
        ScriptedServer(steps((None, greeting)), certificate=authority.good) as server,
        pytest.raises(error) as caught,
    ):
        connect_to(server, security, ca_file=str(authority.ca))
    assert "Injected" not in caught.value.sentence + caught.value.detail
    assert server.received == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"-ERR Injected\r\n",
        b"-ERR [SYS/PERM] Injected\r\n",
        b"+ Injected\r\n",
        b"Injected\r\n",
        b"1 120\r\n2 200\r\n.\r\n",
        b"+OK [sys/perm] Injected\r\n",
        b"",
    ],
)
def test_refused_stls_ends_it(authority: Authority, answer: bytes) -> None:
    """T4: the command is sent though it was not offered, and nothing else is."""
    with ScriptedServer(steps((None, STAMP), ("STLS", answer)), certificate=authority.good) as server:
        with pytest.raises((InsecureConnection, ConnectionLost)) as caught:
            connect_to(server, Security.STARTTLS, ca_file=str(authority.ca))
        assert "Injected" not in caught.value.sentence + caught.value.detail
    assert server.received.startswith(b"STLS\r\n")
    assert_silent(server.received)


@pytest.mark.parametrize(
    ("greeting", "injected"),
    [
        (b"+OK ready\r\n", b"+OK signed in\r\n"),
        (b"+OK ready\r\n", b"-"),
        (b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n", b""),
        (b"+OK ready\r\n+OK begin\r\n", b""),
    ],
)
def test_what_was_put_before_tls_ends_it(authority: Authority, greeting: bytes, injected: bytes) -> None:
    """T5."""

    def script(talk: Conversation) -> None:
        talk.send(greeting)
        talk.expect("STLS")
        talk.send(b"+OK begin\r\n" + injected)
        talk.start_tls()

    with (
        ScriptedServer(script, certificate=authority.good) as server,
        pytest.raises(InsecureConnection, match="put into the connection"),
    ):
        connect_to(server, Security.STARTTLS, ca_file=str(authority.ca))
    assert_silent(server.received)


def after_stls(greeting: bytes, script: Script) -> Script:
    """`script`, whose own greeting goes nowhere, after this greeting and STLS."""

    class Silenced(Conversation):
        greeted = False

        def __init__(self, talk: Conversation) -> None:
            self.__dict__ = talk.__dict__

        def send(self, data: bytes) -> None:
            if self.greeted:
                super().send(data)
            self.greeted = True

    def run(talk: Conversation) -> None:
        talk.send(greeting)
        talk.expect("^STLS\r\n")
        talk.send(b"+OK begin\r\n")
        talk.start_tls()
        script(Silenced(talk))

    return run


def test_a_timestamp_from_before_tls_is_void(authority: Authority) -> None:
    """T5: no APOP with what somebody on the way may have chosen."""
    script = after_stls(STAMP, usual({"USER": b"-ERR no\r\n"}, ("TOP",)))
    with ScriptedServer(script, certificate=authority.good) as server, pytest.raises(SignInRefused):
        connect_to(server, Security.STARTTLS, ca_file=str(authority.ca))
    assert server.in_clear == b"STLS\r\n"
    assert b"APOP" not in server.received


# Time


def say_nothing(talk: Conversation) -> None:
    talk.wait_closed(20)


@pytest.mark.parametrize("security", list(Security))
def test_a_server_that_says_nothing(authority: Authority, security: Security) -> None:
    """T14."""
    with ScriptedServer(say_nothing) as server, pytest.raises(ConnectionLost, match="did not answer in time"):
        connect_to(server, security, ca_file=str(authority.ca), timeouts=pop3.Timeouts(connect=0.3, command=0.3))


def test_a_server_that_drips_its_greeting() -> None:
    """T14, X3: the limit is for all of it."""
    with (
        ScriptedServer(lambda talk: talk.drip(b"+OK " + b"x" * 10_000, 0.05)) as server,
        pytest.raises(ConnectionLost, match="did not answer in time"),
    ):
        connect_to(server, timeouts=pop3.Timeouts(connect=0.5))


def test_nobody_there() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectionLost, match="takes no connections on port"):
        pop3.connect(Server("localhost", port, Security.NONE), "lisa", Secret("x"))


@pytest.mark.parametrize("security", list(Security))
def test_connecting_can_be_aborted(authority: Authority, security: Security) -> None:
    """X3: while it waits for the greeting, or for the handshake."""
    timers: list[threading.Timer] = []

    def soon(abort: Callable[[], None]) -> None:
        timers.append(threading.Timer(0.3, abort))
        timers[0].start()

    started = time.monotonic()
    with ScriptedServer(say_nothing) as server, pytest.raises(Cancelled):
        connect_to(server, security, ca_file=str(authority.ca), on_abort=soon)
    assert time.monotonic() - started < 8
    timers[0].join()


def test_an_abort_before_the_connection_is_made() -> None:
    with ScriptedServer(say_nothing) as server, pytest.raises(Cancelled):
        connect_to(server, on_abort=lambda abort: abort())
    assert server.received == b""
