"""A pinned certificate is accepted instead of a chain, exactly that one and from that host alone (T2)."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.scripted import Conversation, ScriptedServer
from servers.tls import Authority, Certificate
from termmail.model.account import Security, Server
from termmail.model.errors import InsecureConnection
from termmail.model.secret import Secret
from termmail.protocols import imap, pop3, smtp


def fingerprint(certificate: Certificate) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())
    return hashlib.sha256(der).hexdigest()


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
def test_pinned_self_signed_certificate(tmp_path: Path, authority: Authority) -> None:
    """With TLS and with STARTTLS, of IMAP and of POP3; without the pin it is refused."""
    pin = fingerprint(authority.self_signed)
    with Dovecot(tmp_path, authority=authority, certificate=authority.self_signed, pop3=True) as server:
        password = Secret(Dovecot.test_password)
        for port, security in ((server.tls_port, Security.TLS), (server.port, Security.STARTTLS)):
            imap.connect(Server("127.0.0.1", port, security, pin), "test-a", password).close()
            with pytest.raises(InsecureConnection):
                imap.connect(Server("127.0.0.1", port, security), "test-a", password)
        for port, security in ((server.pop3_tls_port, Security.TLS), (server.pop3_port, Security.STARTTLS)):
            pop3.connect(Server("127.0.0.1", port, security, pin), "test-a", password).close()


@pytest.mark.parametrize("connect", [imap.connect, pop3.connect, smtp.connect], ids=["imap", "pop3", "smtp"])
@pytest.mark.parametrize("shown", ["self_signed", "good"])
def test_another_certificate_than_the_pinned_one(authority: Authority, connect: object, shown: str) -> None:
    """Not even one that would be good without a pin; nothing is sent after the handshake."""

    def greet(talk: Conversation) -> None:
        talk.wait_closed()

    pin = fingerprint(authority.expired)
    with ScriptedServer(greet, certificate=getattr(authority, shown), implicit_tls=True) as server:
        with pytest.raises(InsecureConnection, match="not the one that was pinned") as refused:
            connect(  # type: ignore[operator]
                Server("127.0.0.1", server.port, Security.TLS, pin), "lisa", Secret("secret"), ca_file=str(authority.ca)
            )
        assert fingerprint(getattr(authority, shown)) in refused.value.sentence
    assert server.received == b""
