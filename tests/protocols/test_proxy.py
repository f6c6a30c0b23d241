"""Connections through real proxies, and through ones that fail: SOCKS 5 and HTTP's CONNECT."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.test_pinning import fingerprint
from servers.dovecot import Dovecot
from servers.net_proxies import microsocks, tinyproxy
from servers.ports import free_ports
from servers.scripted import Conversation, ScriptedServer
from termmail.model.account import Security, Server
from termmail.model.errors import Cancelled, ConfigError, ConnectionLost
from termmail.model.proxy import parse_proxy
from termmail.model.secret import Secret
from termmail.protocols import imap
from termmail.protocols.imap import Timeouts

THIS_MACHINE = "0.0.0.0"
"""An address that leads to this machine and does not say so: what is known to be this machine goes past the proxy."""


@pytest.mark.microsocks
def test_socks(dovecot_server: Dovecot, dovecot_user: str) -> None:
    pin = fingerprint(dovecot_server.certificate)
    with microsocks() as proxy:
        for port, security in ((dovecot_server.tls_port, Security.TLS), (dovecot_server.port, Security.STARTTLS)):
            session = imap.connect(
                Server(THIS_MACHINE, port, security, pin), dovecot_user, Secret(Dovecot.test_password), proxy=proxy
            )
            assert len(session.list_mailboxes(with_status=False).mailboxes) == 6
            session.close()


@pytest.mark.tinyproxy
def test_http_connect(dovecot_server: Dovecot, dovecot_user: str, tmp_path: Path) -> None:
    pin = fingerprint(dovecot_server.certificate)
    server = Server(THIS_MACHINE, dovecot_server.tls_port, Security.TLS, pin)
    with tinyproxy(tmp_path) as proxy:
        imap.connect(server, dovecot_user, Secret(Dovecot.test_password), proxy=proxy).close()
    with tinyproxy(tmp_path, ports=(443,)) as proxy:
        with pytest.raises(ConnectionLost, match=f"did not connect to {THIS_MACHINE}, port {server.port}") as refused:
            imap.connect(server, dovecot_user, Secret(Dovecot.test_password), proxy=proxy)
        assert "lets mail through" in refused.value.sentence


@pytest.mark.microsocks
def test_server_that_is_not_there_behind_the_proxy() -> None:
    (port,) = free_ports(1)
    with microsocks() as proxy, pytest.raises(ConnectionLost, match="did not connect to"):
        imap.connect(Server(THIS_MACHINE, port), "lisa", Secret("x"), proxy=proxy)


def test_this_machine_is_reached_directly(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """The proxy is not there, and is not needed."""
    server = Server("localhost", dovecot_server.tls_port)
    proxy = f"socks5://127.0.0.1:{free_ports(1)[0]}"
    imap.connect(
        server, dovecot_user, Secret(Dovecot.test_password), ca_file=str(dovecot_server.tls.ca), proxy=proxy
    ).close()


def test_proxy_that_is_not_there() -> None:
    proxy = f"socks5://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ConnectionLost, match=f"The proxy {proxy} can't be reached"):
        imap.connect(Server("imap.example.org", 993), "lisa", Secret("x"), proxy=proxy)


def test_name_is_looked_up_by_the_proxy() -> None:
    """No name server of this computer hears of it."""
    asked: list[bytes] = []

    def refuse(talk: Conversation) -> None:
        talk.read_exactly(2 + 1)
        talk.send(b"\x05\x00")
        head = talk.read_exactly(5)
        asked.append(head + talk.read_exactly(head[4] + 2))
        talk.send(b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")

    with (
        ScriptedServer(refuse) as server,
        pytest.raises(ConnectionLost, match=r"did not connect to imap\.example\.invalid"),
    ):
        imap.connect(
            Server("imap.example.invalid", 993), "lisa", Secret("x"), proxy=f"socks5://127.0.0.1:{server.port}"
        )
    assert asked == [b"\x05\x01\x00\x03\x14imap.example.invalid\x03\xe1"]


def test_something_that_is_no_proxy() -> None:
    def greet(talk: Conversation) -> None:
        talk.send(b"220 mail.example.org ESMTP\r\n")
        talk.wait_closed()

    with ScriptedServer(greet) as server:
        for kind in ("socks5", "http"):
            with pytest.raises(ConnectionLost, match="The proxy"):
                imap.connect(
                    Server("imap.example.invalid", 993), "x", Secret("x"), proxy=f"{kind}://127.0.0.1:{server.port}"
                )


def test_silent_proxy() -> None:
    """It is given up in time (T14), and at once when somebody stops it."""

    def nothing(talk: Conversation) -> None:
        talk.wait_closed(60)

    with ScriptedServer(nothing) as server:
        proxy = f"socks5://127.0.0.1:{server.port}"
        with pytest.raises(ConnectionLost, match="did not answer in time"):
            imap.connect(
                Server("imap.example.invalid", 993), "x", Secret("x"), proxy=proxy, timeouts=Timeouts(connect=1)
            )
        with pytest.raises(Cancelled):
            imap.connect(
                Server("imap.example.invalid", 993),
                "x",
                Secret("x"),
                proxy=proxy,
                on_abort=server_aborts,
            )


def server_aborts(abort: Callable[[], None]) -> None:
    """Somebody stops the connection while the proxy is silent."""
    threading.Timer(0.3, abort).start()


@pytest.mark.parametrize(
    "url",
    ["", "socks5://", "ftp://proxy:21", "http://me:secret@proxy:3128", "proxy:3128", "http://proxy:0", "http://a b:1"],
)
def test_url_that_is_none(url: str) -> None:
    assert parse_proxy(url) is None


def test_urls() -> None:
    for url, shown in (
        ("SOCKS5h://Proxy.example.org", "socks5://Proxy.example.org:1080"),
        ("http://[::1]:3128/", "http://[::1]:3128"),
        ("socks4a://10.0.0.1:9050", "socks4://10.0.0.1:9050"),
    ):
        proxy = parse_proxy(url)
        assert proxy is not None
        assert proxy.url == shown


def test_wrong_url_in_an_account() -> None:
    with pytest.raises(ConfigError):
        imap.connect(Server("imap.example.invalid", 993), "x", Secret("x"), proxy="nonsense")
