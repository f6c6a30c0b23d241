"""XOAUTH2 and OAUTHBEARER in IMAP, POP3 and SMTP (T12): with Dovecot's oauth2 passdb, Postfix in front of it, and servers that err."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.dovecot import Dovecot
from servers.oauth_dovecot import TOKEN_MECHANISMS, token_passdb
from servers.oauth_server import OAuthServer
from servers.postfix import Postfix
from servers.scripted import Conversation, ScriptedServer
from servers.smtp_sink import SmtpSink
from servers.submissiond import Submissiond
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import (
    InsecureConnection,
    ProtocolViolation,
    Retry,
    SignInRefused,
    TermmailError,
    TokenRefused,
)
from termmail.model.secret import AccessToken, Secret
from termmail.protocols import imap, pop3, smtp
from termmail.protocols.redact import Redactor
from termmail.protocols.token_mechanisms import OAuthBearer, XOAuth2

TOKEN = "ya29.a0AfB_byC-" + "x" * 200
REFUSALS = {
    # As Google, Dovecot and RFC 7628 §3.2.2 say it.
    b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}': (True, "refused the sign-in"),
    b'{"status":"invalid_token","scope":"mail"}': (True, "refused the sign-in"),
    b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}': (True, "another account"),
    b'{"status":"invalid_request"}': (True, "another account"),
    b'{"status":"insufficient_scope","scope":"mail"}': (False, "not for mail"),
    b"no JSON at all": (True, "refused the sign-in"),
}
MECHANISMS = [OAuthBearer, XOAuth2]


@pytest.fixture(scope="module")
def oauth() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


class Provider:
    """A mail server whose only other sign-in is one by password."""

    def __init__(self, connect: Callable[..., Any], port: int, ca: str) -> None:
        self.heard: list[str] = []
        self.connect = functools.partial(
            connect, Server("localhost", port), "lisa", ca_file=ca, trace=self.heard.append
        )


_DOVECOTS = [
    pytest.param("imap", marks=pytest.mark.dovecot),
    pytest.param("pop3", marks=pytest.mark.dovecot_pop3),
    pytest.param("submission", marks=pytest.mark.submissiond),
]


@pytest.fixture(
    params=[*_DOVECOTS, pytest.param("postfix", marks=[pytest.mark.postfix, pytest.mark.submissiond])],
)
def provider(request: pytest.FixtureRequest) -> Provider:
    if request.param == "imap":
        dovecot: Dovecot = request.getfixturevalue("dovecot")
        return Provider(imap.connect, dovecot.tls_port, str(dovecot.tls.ca))
    if request.param == "pop3":
        dovecot = request.getfixturevalue("dovecot")
        return Provider(pop3.connect, dovecot.pop3_tls_port, str(dovecot.tls.ca))
    submissiond: Submissiond = request.getfixturevalue("submissiond")
    if request.param == "submission":
        return Provider(smtp.connect, submissiond.submissions_port, str(submissiond.tls.ca))
    postfix: Postfix = request.getfixturevalue("postfix")
    return Provider(smtp.connect, postfix.tls_port, str(submissiond.tls.ca))


@pytest.fixture(scope="module")
def dovecot(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, oauth: OAuthServer, request: pytest.FixtureRequest
) -> Iterator[Dovecot]:
    folder = tmp_path_factory.mktemp("oauth-dovecot")
    folder.chmod(0o755)
    with Dovecot(
        folder,
        authority=authority,
        mechanisms=f"plain {TOKEN_MECHANISMS}",
        pop3=True,
        extra=token_passdb(readable(tmp_path_factory), oauth),
    ) as server:
        yield server


@pytest.fixture(scope="module")
def submissiond(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, oauth: OAuthServer, sink: SmtpSink
) -> Iterator[Submissiond]:
    with Submissiond(
        tmp_path_factory.mktemp("oauth-submissiond"),
        relay_port=sink.port,
        authority=authority,
        mechanisms=f"plain {TOKEN_MECHANISMS}",
        extra=token_passdb(readable(tmp_path_factory), oauth),
    ) as server:
        yield server


@pytest.fixture(scope="module")
def postfix(submissiond: Submissiond, authority: Authority, sink: SmtpSink) -> Iterator[Postfix]:
    with Postfix(certificate=authority.good, auth_port=submissiond.auth_port, relay_port=sink.port) as server:
        yield server


@pytest.fixture(params=MECHANISMS, ids=lambda kind: kind.name)
def only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[OAuthBearer] | type[XOAuth2]:
    """One of the two, as if the server offered no other."""
    kind: type[OAuthBearer] | type[XOAuth2] = request.param
    monkeypatch.setattr(
        "termmail.protocols.sasl.choose",
        lambda offered, secret: [kind] if kind.name in offered and isinstance(secret, AccessToken) else [],
    )
    return kind


def forms_of(token: str) -> Redactor:
    return Redactor(Secret(token))


def assert_unsaid(token: str, said: str) -> None:
    """C4: neither as it is nor in the base64 of a sign-in."""
    for kind in MECHANISMS:
        initial = kind("lisa", AccessToken(token)).initial
        assert base64.b64encode(initial).decode() not in said
    assert token not in said
    assert forms_of(token).clean(said) == said


def test_token_signs_in(provider: Provider, oauth: OAuthServer, only: type[OAuthBearer] | type[XOAuth2]) -> None:
    access, _ = oauth.sign_in()
    provider.connect(AccessToken(access)).close()
    said = "\n".join(provider.heard)
    assert only.name in said or "AUTHENTICATE" in said
    assert_unsaid(access, said)


def test_refused_token(provider: Provider, oauth: OAuthServer, only: type[OAuthBearer] | type[XOAuth2]) -> None:
    """T12: the server's challenge is answered, and what it says is a sentence; the connection was not left hanging."""
    access, _ = oauth.sign_in()
    oauth.tokens[-1].expires_at = 0.0
    with pytest.raises(TokenRefused, match="refused the sign-in of lisa") as caught:
        provider.connect(AccessToken(access))
    assert caught.value.renewable
    assert caught.value.retry is Retry.NEVER
    assert_unsaid(access, "\n".join(provider.heard) + caught.value.sentence + caught.value.detail)


@pytest.mark.parametrize("provider", _DOVECOTS, indirect=True)
def test_sign_in_server_down_is_no_verdict(provider: Provider, oauth: OAuthServer) -> None:
    """The mail server can't ask about the token: it is tried again, and nobody has to sign in. (Postfix does not say what it was.)"""
    access, _ = oauth.sign_in()
    oauth.down = 503
    try:
        with pytest.raises(TermmailError) as caught:
            provider.connect(AccessToken(access))
    finally:
        oauth.down = 0
    assert caught.value.retry is Retry.LATER


@pytest.mark.dovecot
def test_token_is_never_a_password(
    dovecot: Dovecot, oauth: OAuthServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """T12: where no mechanism for it is offered nothing is tried in its place."""
    access, _ = oauth.sign_in()
    with (
        Dovecot(tmp_path_factory.mktemp("plain"), authority=dovecot.tls, mechanisms="plain login", pop3=True) as other,
    ):
        for connect, port in ((imap.connect, other.tls_port), (pop3.connect, other.pop3_tls_port)):
            with pytest.raises(SignInRefused, match="no sign-in by OAuth 2"):
                connect(Server("localhost", port), "lisa", AccessToken(access), ca_file=str(other.tls.ca))
        assert "auth failed" not in other.log_text()


@pytest.mark.parametrize("connect", [imap.connect, pop3.connect, smtp.connect])
def test_token_needs_tls(connect: Callable[..., Any]) -> None:
    """T12: not even on this computer."""
    with ScriptedServer(lambda talk: None) as server:
        with pytest.raises(InsecureConnection, match="not encrypted"):
            connect(Server("127.0.0.1", server.port, Security.NONE), "lisa", AccessToken(TOKEN))
        assert server.connections == 0


def line_of(talk: Conversation) -> bytes:
    return talk.read_line().rstrip(b"\r\n")


def imap_server(talk: Conversation, challenge: bytes, ending: bytes, *, ir: bool) -> None:
    capabilities = b"IMAP4rev1 AUTH=XOAUTH2 AUTH=PLAIN" + (b" SASL-IR" if ir else b"")
    talk.send(b"* OK [CAPABILITY " + capabilities + b"] ready\r\n")
    line = line_of(talk)
    tag, _, rest = line.partition(b" ")
    if ir:
        blob = rest.removeprefix(b"AUTHENTICATE XOAUTH2 ")
    else:
        assert rest == b"AUTHENTICATE XOAUTH2"
        talk.send(b"+ \r\n")
        blob = line_of(talk)
    assert base64.b64decode(blob) == f"user=lisa\x01auth=Bearer {TOKEN}\x01\x01".encode()
    talk.send(b"+ " + base64.b64encode(challenge) + b"\r\n")
    assert line_of(talk) == b""
    talk.send(tag + b" " + ending + b"\r\n")
    talk.wait_closed()


def pop3_server(talk: Conversation, challenge: bytes, ending: bytes) -> None:
    talk.send(b"+OK ready\r\n")
    assert line_of(talk) == b"CAPA"
    talk.send(b"+OK\r\nSASL OAUTHBEARER PLAIN\r\nUSER\r\n.\r\n")
    assert line_of(talk) == b"AUTH OAUTHBEARER"
    talk.send(b"+ \r\n")
    assert base64.b64decode(line_of(talk)) == f"n,a=lisa,\x01auth=Bearer {TOKEN}\x01\x01".encode()
    talk.send(b"+ " + base64.b64encode(challenge) + b"\r\n")
    assert base64.b64decode(line_of(talk)) == b"\x01"
    talk.send(ending + b"\r\n")
    talk.wait_closed()


def smtp_server(talk: Conversation, challenge: bytes, ending: bytes) -> None:
    talk.send(b"220 ready\r\n")
    line_of(talk)
    talk.send(b"250-hello\r\n250 AUTH XOAUTH2 PLAIN\r\n")
    line = line_of(talk)
    blob = line.removeprefix(b"AUTH XOAUTH2").strip()
    if not blob:
        talk.send(b"334 \r\n")
        blob = line_of(talk)
    assert base64.b64decode(blob) == f"user=lisa\x01auth=Bearer {TOKEN}\x01\x01".encode()
    talk.send(b"334 " + base64.b64encode(challenge) + b"\r\n")
    assert line_of(talk) == b""
    talk.send(ending + b"\r\n")
    talk.wait_closed()


@pytest.mark.parametrize("challenge", REFUSALS)
def test_what_the_server_says_is_wrong(authority: Authority, challenge: bytes) -> None:
    """T12: 401 and 400 are told apart by the JSON, and the scope by itself; a server that echoes the token shows it to nobody (C4)."""
    renewable, words = REFUSALS[challenge]
    echo = base64.b64encode(f"user=lisa\x01auth=Bearer {TOKEN}\x01\x01".encode())
    servers: list[tuple[Callable[..., Any], Callable[[Conversation], None]]] = [
        (imap.connect, lambda talk: imap_server(talk, challenge, b"NO Invalid credentials " + echo, ir=True)),
        (imap.connect, lambda talk: imap_server(talk, challenge, b"NO no", ir=False)),
        (pop3.connect, lambda talk: pop3_server(talk, challenge, b"-ERR no Bearer " + TOKEN.encode())),
        (smtp.connect, lambda talk: smtp_server(talk, challenge, b"535 5.7.8 no " + echo)),
    ]
    for connect, script in servers:
        heard: list[str] = []
        with ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server:
            with pytest.raises(TokenRefused, match=words) as caught:
                connect(
                    Server("localhost", server.port),
                    "lisa",
                    AccessToken(TOKEN),
                    ca_file=str(authority.ca),
                    trace=heard.append,
                )
            assert server.connections == 1
        assert caught.value.renewable is renewable
        assert_unsaid(TOKEN, caught.value.sentence + caught.value.detail + "\n".join(heard))


def test_success_after_an_error_is_not_believed(authority: Authority) -> None:
    """T10."""
    refused = b'{"status":"401"}'
    servers: list[tuple[Callable[..., Any], Callable[[Conversation], None]]] = [
        (imap.connect, lambda talk: imap_server(talk, refused, b"OK in", ir=True)),
        (pop3.connect, lambda talk: pop3_server(talk, refused, b"+OK in")),
        (smtp.connect, lambda talk: smtp_server(talk, refused, b"235 in")),
    ]
    for connect, script in servers:
        with (
            ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server,
            pytest.raises(ProtocolViolation, match="before it was complete"),
        ):
            connect(Server("localhost", server.port), "lisa", AccessToken(TOKEN), ca_file=str(authority.ca))


def test_odd_user_name_in_the_header() -> None:
    """RFC 7628 §3.1, RFC 5801 §4: a comma or an equals sign ends nothing."""
    initial = OAuthBearer("a=b,c", AccessToken("t")).initial
    assert initial == b"n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01"


def readable(factory: pytest.TempPathFactory) -> Any:
    """A folder that Dovecot's own user may enter."""
    folder = factory.mktemp("oauth-passdb")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    return folder
