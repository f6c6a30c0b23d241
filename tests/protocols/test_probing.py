"""What answers at a port, also where it lies: nothing secret is sent, nothing is waited for without an end (T4, T5, T14)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from servers.dovecot import Dovecot
from servers.scripted import Conversation, ScriptedServer
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import Cancelled, ConnectionLost, InsecureConnection, TermmailError
from termmail.protocols.probing import Probe, service_named


@pytest.mark.parametrize(
    ("greeting", "service"),
    [
        (b"* OK ready", "imap"),
        (b"* PREAUTH hi", "imap"),
        (b"+OK POP3 ready", "pop3"),
        (b"220 mx ESMTP", "smtp"),
        (b"220-mx ESMTP", "smtp"),
        (b"220 ProFTPD FTP server", "ftp"),
        (b"SSH-2.0-x", "ssh"),
        (b"HTTP/1.1 400 Bad Request", "http"),
        (b'"IMPLEMENTATION" "Dovecot Pigeonhole"', "managesieve"),
        (b"2200 nonsense", ""),
        (b"\x00\xff", ""),
        (b"", ""),
    ],
)
def test_service_named(greeting: bytes, service: str) -> None:
    assert service_named(greeting) == service


def test_real_server(dovecot_server: Dovecot, authority: Authority) -> None:
    for port, security in ((dovecot_server.tls_port, Security.TLS), (dovecot_server.port, Security.STARTTLS)):
        look = Probe("imap", Server("localhost", port, security), ca_file=str(authority.ca)).look()
        assert look.speaks == "imap"
        assert {"IMAP4REV1", "AUTH=PLAIN"} <= look.words


def _injects(talk: Conversation) -> None:
    talk.send(b"* OK hello\r\n")
    talk.read_line()
    talk.start_tls(
        injected=b"$TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\na2 OK done\r\n".replace(b"$TAG", b"a1")
    )
    talk.expect("CAPABILITY")
    talk.send(b"* CAPABILITY IMAP4rev1\r\n$TAG OK done\r\n")
    talk.wait_closed()


def test_what_came_before_tls_does_not_count(authority: Authority) -> None:
    """T5."""
    with ScriptedServer(_injects, certificate=authority.good) as server:
        try:
            look = Probe(
                "imap", Server("127.0.0.1", server.port, Security.STARTTLS), ca_file=str(authority.ca), seconds=5
            ).look()
        except TermmailError:
            return
        assert "AUTH=EVIL" not in look.words


def _refuses(talk: Conversation) -> None:
    talk.send(b"+OK hello\r\n")
    talk.expect("STLS")
    talk.send(b"-ERR no\r\n")
    talk.wait_closed()


def test_refused_starttls() -> None:
    with ScriptedServer(_refuses) as server, pytest.raises(InsecureConnection, match="refuses encryption"):
        Probe("pop3", Server("127.0.0.1", server.port, Security.STARTTLS), seconds=5).look()


def _endless_lines(talk: Conversation) -> None:
    talk.send(b"220 hello\r\n")
    talk.expect("EHLO")
    while True:
        talk.send(b"250-MORE\r\n" * 100)


def _endless_greeting(talk: Conversation) -> None:
    while True:
        talk.send(b"220-hello\r\n" * 100)


def _half_a_line(talk: Conversation) -> None:
    while True:
        talk.send(b"2")
        time.sleep(0.05)


@pytest.mark.parametrize("script", [_endless_lines, _endless_greeting, _half_a_line])
def test_endless_answers(script: Callable[[Conversation], None]) -> None:
    """T14: there is an end, by number or by time."""
    with ScriptedServer(script) as server:
        try:
            look = Probe("smtp", Server("127.0.0.1", server.port, Security.NONE), seconds=2).look()
        except ConnectionLost:
            return
        assert look.speaks == "smtp"
        assert len(look.words) < 10


def _silent(talk: Conversation) -> None:
    talk.wait_closed(60)


def test_ended_by_another_thread() -> None:
    aborts: list[Callable[[], None]] = []
    with ScriptedServer(_silent) as server:
        probe = Probe("imap", Server("127.0.0.1", server.port, Security.NONE), seconds=60, on_abort=aborts.append)
        threading.Timer(0.3, aborts[0]).start()
        with pytest.raises(Cancelled):
            probe.look()
