"""POP3: signing in, with good servers and bad ones (T10 to T13, C4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from protocols.pop3_scripts import CAPABILITIES, STAMP, assert_silent, multi, usual
from protocols.pop3_sessions import PASSWORD, connect_dovecot, connect_to, session_of
from servers.dovecot import Dovecot
from servers.proxy import Proxy
from servers.scripted import Conversation, Script, ScriptedServer
from servers.tls import Authority
from termmail.model.account import Security, Server
from termmail.model.errors import (
    MaildropInUse,
    PasswordRefused,
    ProtocolViolation,
    Retry,
    Scope,
    ServerRefused,
    SignInRefused,
    SignInTooSoon,
    TermmailError,
    UnsafeArgument,
)
from termmail.model.secret import Secret
from termmail.protocols import pop3


@pytest.mark.dovecot
@pytest.mark.parametrize("mechanisms", ["scram-sha-256", "plain", "login", "cram-md5"])
def test_signs_in_with_each_mechanism(tmp_path: Path, authority: Authority, mechanisms: str) -> None:
    """T12, T13."""
    users = {"lisa": "secret", "anna@example.org": 'pass "wörd" \\ ☃' + "long" * 60}
    with Dovecot(tmp_path / "dovecot", authority=authority, mechanisms=mechanisms, users=users, pop3=True) as dovecot:
        for user in users:
            with Proxy(dovecot.host, dovecot.pop3_port, record=True) as proxy:
                with session_of(dovecot, user, port=proxy.port) as session:
                    assert session.listing().entries == ()
                assert f"AUTH {mechanisms}".upper().encode() in proxy.sent()
                assert b"PASS " not in proxy.sent()
            with pytest.raises(SignInRefused, match=f"refused the password for {user}; server says") as caught:
                pop3.connect(
                    Server("localhost", dovecot.pop3_tls_port), user, Secret("wrong"), ca_file=str(authority.ca)
                )
            assert caught.value.retry is Retry.NEVER


@pytest.mark.dovecot
def test_a_wrong_password_is_tried_once(pop3_dovecot: Dovecot) -> None:
    """T12, T13: no weaker mechanism after a refused password."""
    with Proxy(pop3_dovecot.host, pop3_dovecot.pop3_port, record=True) as proxy:
        with pytest.raises(SignInRefused):
            pop3.connect(Server("localhost", proxy.port, Security.NONE), "lisa", Secret("wrong"))
        assert proxy.sent().count(b"AUTH ") == 1
        assert b"AUTH SCRAM-SHA-256" in proxy.sent()
        assert b"PASS " not in proxy.sent()


@pytest.mark.parametrize("capabilities", [(), ("USER",), ("TOP",)])
def test_user_and_pass(capabilities: tuple[str, ...]) -> None:
    """Where SASL is not offered, also by a server without CAPA."""
    with ScriptedServer(usual({}, capabilities)) as server:
        connect_to(server).close()
    assert f"USER lisa\r\nPASS {PASSWORD}\r\n".encode() in server.received


def test_a_refused_user_name() -> None:
    with (
        ScriptedServer(usual({"USER": b"-ERR nobody\r\n"}, ())) as server,
        pytest.raises(SignInRefused, match="refused the user name lisa") as caught,
    ):
        connect_to(server)
    assert caught.value.retry is Retry.NEVER
    assert PASSWORD.encode() not in server.received


def test_apop_under_tls_where_the_greeting_offers_it(authority: Authority) -> None:
    """RFC 1939 §7: where USER is not to be had."""
    digest = hashlib.md5(b"<1896.697170952@mail.example.org>" + PASSWORD.encode()).hexdigest()
    for script in (
        usual({}, ("TOP",), greeting=STAMP),
        usual({"USER": b"-ERR use APOP\r\n"}, (), greeting=STAMP),
    ):
        with ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server:
            connect_to(server, Security.TLS, ca_file=str(authority.ca)).close()
        assert f"APOP lisa {digest}\r\n".encode() in server.received
        assert b"PASS" not in server.received


@pytest.mark.parametrize("greeting", [STAMP, b"+OK ready\r\n", b"+OK <odd stamp>\r\n", b"+OK <a@b> <c@d>\r\n"])
@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
def test_no_apop_otherwise(authority: Authority, security: Security, greeting: bytes) -> None:
    tls = security is Security.TLS
    script = usual({"USER": b"-ERR no\r\n"}, (), greeting=greeting)
    with ScriptedServer(script, certificate=authority.good, implicit_tls=tls) as server:
        if tls and greeting == STAMP:
            connect_to(server, security, ca_file=str(authority.ca)).close()
        else:
            with pytest.raises(SignInRefused):
                connect_to(server, security, ca_file=str(authority.ca))
    assert (b"APOP" in server.received) == (tls and greeting == STAMP)


def test_a_refused_apop_is_the_end(authority: Authority) -> None:
    """T13: the password was tried."""
    script = usual({"APOP": b"-ERR no\r\n"}, ("TOP",), greeting=STAMP)
    with (
        ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server,
        pytest.raises(SignInRefused, match="refused the password"),
    ):
        connect_to(server, Security.TLS, ca_file=str(authority.ca))
    assert b"PASS" not in server.received


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_ok_before_the_sign_in_is_complete_is_an_error(mechanism: str) -> None:
    """T10, T12: also a success without the server's signature."""
    script = usual({"AUTH": b"+OK in\r\n"}, (f"SASL {mechanism}",))
    password = PASSWORD * 20
    with ScriptedServer(script) as server, pytest.raises(ProtocolViolation, match="before it was complete"):
        pop3.connect(Server("localhost", server.port, Security.NONE), "lisa", Secret(password))
    assert base64.b64encode(PASSWORD.encode())[:16] not in server.received


def scram_server(*, iterations: int = 4096, signature: bytes | None = None) -> Script:
    """AUTH SCRAM-SHA-256 as a server that does not know the password."""

    def authenticate(talk: Conversation) -> None:
        first = base64.b64decode(bytes(talk.received).splitlines()[-1].split()[2])
        nonce = first.partition(b"r=")[2] + b"server"
        salt = base64.b64encode(b"salt")
        talk.send(b"+ " + base64.b64encode(b"r=%s,s=%s,i=%d" % (nonce, salt, iterations)) + b"\r\n")
        talk.read_line()
        if signature is not None:
            talk.send(b"+ " + base64.b64encode(b"v=" + base64.b64encode(signature)) + b"\r\n")
            talk.read_line()
        talk.send(b"+OK in\r\n")

    return usual({"AUTH SCRAM": authenticate}, ("SASL SCRAM-SHA-256 PLAIN", "USER"))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (scram_server(signature=hmac.digest(b"wrong", b"", "sha256")), SignInRefused),
        (scram_server(signature=None), ProtocolViolation),
        (scram_server(iterations=10_000_000), SignInRefused),
    ],
)
def test_an_impostor_does_not_get_the_password(script: Script, error: type[TermmailError]) -> None:
    """T12."""
    with ScriptedServer(script) as server, pytest.raises(error):
        connect_to(server)
    assert server.connections == 1
    assert b"PLAIN" not in server.received
    assert b"PASS" not in server.received


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_server_that_takes_no_response_in_the_command(mechanism: str) -> None:
    """RFC 1734: it asks for the response that was sent along already."""

    def authenticate(talk: Conversation) -> None:
        in_command = bytes(talk.received).split()[-1]
        talk.send(b"+ \r\n")
        assert talk.read_line().strip() == in_command
        talk.send(b"+OK in\r\n" if mechanism == "PLAIN" else b"-ERR [SYS/TEMP] enough\r\n")

    with ScriptedServer(usual({"AUTH": authenticate}, (f"SASL {mechanism}",))) as server:
        if mechanism == "PLAIN":
            connect_to(server).close()
        else:
            with pytest.raises(ServerRefused):
                connect_to(server)


def test_trouble_ends_the_sign_in_before_the_password_is_sent() -> None:
    with (
        ScriptedServer(usual({"AUTH SCRAM": b"-ERR [IN-USE]\r\n"}, ("SASL SCRAM-SHA-256 PLAIN", "USER"))) as server,
        pytest.raises(MaildropInUse),
    ):
        connect_to(server)
    assert_silent(server.received)


@pytest.mark.parametrize("answer", [b"+ !!!\r\n", b"+x\r\n", b"junk\r\n", b"+ \r\n" * 30])
def test_an_odd_challenge_ends_it(answer: bytes) -> None:
    script = usual({"AUTH": answer}, ("SASL PLAIN", "USER"))
    with ScriptedServer(script) as server, pytest.raises((SignInRefused, ProtocolViolation)):
        connect_to(server)
    assert b"PASS" not in server.received


def test_the_next_way_where_nothing_of_the_password_was_sent() -> None:
    """No second try of the password."""
    for answers in ({"AUTH SCRAM": b"-ERR not for you\r\n", "AUTH LOGIN": b"-ERR no\r\n"},):
        with ScriptedServer(usual({**answers}, ("SASL SCRAM-SHA-256 LOGIN", "USER"))) as server:
            connect_to(server).close()
        assert b"AUTH LOGIN\r\nUSER lisa\r\n" in server.received


@pytest.mark.parametrize("bad", ["a\r\nDELE 1", "a\0b", "a\nb", "a\udc00"])
def test_credentials_that_would_break_out_are_refused(bad: str) -> None:
    """T11."""
    with ScriptedServer(usual({})) as server:
        where = Server("localhost", server.port, Security.NONE)
        with pytest.raises(UnsafeArgument):
            pop3.connect(where, bad, Secret("x"))
        with pytest.raises(UnsafeArgument) as caught:
            pop3.connect(where, "lisa", Secret(bad))
        assert "DELE" not in caught.value.sentence
    assert server.connections == 0


SIGN_IN_CODES = [
    (b"-ERR [IN-USE] x\r\n", MaildropInUse, "by another program or device", Retry.LATER),
    (b"-ERR [LOGIN-DELAY] x\r\n", SignInTooSoon, "more time to pass", Retry.LATER),
    (b"-ERR [SYS/TEMP] x\r\n", ServerRefused, "is not able to sign anybody in at the moment", Retry.LATER),
    (b"-ERR [sys/temp/disk 5] x\r\n", ServerRefused, "is not able to sign anybody in at the moment", Retry.LATER),
    (b"-ERR [SYS/PERM] x\r\n", ServerRefused, "that will last", Retry.NEVER),
    (b"-ERR [AUTH] x\r\n", PasswordRefused, "refused the password for lisa", Retry.NEVER),
    (b"-ERR maildrop already locked\r\n", MaildropInUse, "by another program or device", Retry.LATER),
    (b"-ERR [X] account locked\r\n", PasswordRefused, "refused the password for lisa", Retry.NEVER),
    (b"-ERR account locked\r\n", PasswordRefused, "refused the password for lisa", Retry.NEVER),
    (b"-ERR\r\n", PasswordRefused, "refused the password for lisa", Retry.NEVER),
]


@pytest.mark.parametrize(("answer", "error", "words", "retry"), SIGN_IN_CODES)
@pytest.mark.parametrize("way", ["PASS", "AUTH"])
def test_a_refused_sign_in_says_why(
    answer: bytes, error: type[TermmailError], words: str, retry: Retry, way: str
) -> None:
    """RESP-CODES (RFC 2449), T13: only a refused password asks for another."""
    capabilities = ("USER",) if way == "PASS" else ("SASL PLAIN",)
    with ScriptedServer(usual({way: answer}, capabilities)) as server, pytest.raises(error, match=words) as caught:
        connect_to(server)
    assert caught.type is error
    assert (caught.value.retry, caught.value.scope) == (retry, Scope.ACCOUNT)
    if isinstance(caught.value, ServerRefused):
        assert caught.value.code in ("IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/TEMP/DISK", "SYS/PERM")


def test_a_server_that_tells_wrong_passwords_from_trouble() -> None:
    """RFC 3206: with AUTH-RESP-CODE only [AUTH] is about the password."""
    for answer, error in ((b"-ERR sorry\r\n", ServerRefused), (b"-ERR [AUTH] no\r\n", PasswordRefused)):
        with ScriptedServer(usual({"PASS": answer})) as server, pytest.raises(error) as caught:
            connect_to(server)
        assert caught.type is error


@pytest.mark.slow
@pytest.mark.dovecot
def test_a_maildrop_that_another_session_has(tmp_path: Path, authority: Authority) -> None:
    """IN-USE, from a real server."""
    extra = "protocol pop3 {\n  pop3_lock_session = yes\n}\n"
    with Dovecot(tmp_path / "dovecot", authority=authority, pop3=True, extra=extra) as dovecot:
        dovecot.make("lisa", "INBOX", [b"Subject: x\r\n\r\n"])
        with session_of(dovecot, "lisa") as session:
            session.listing()
            with pytest.raises(MaildropInUse):
                connect_dovecot(dovecot, "lisa")


def test_utf8_and_language_where_offered() -> None:
    """RFC 6856."""
    with ScriptedServer(usual({}, ("UTF8 USER", "LANG", "PIPELINING", "UIDL"))) as server:
        session = connect_to(server)
        assert len(session.listing().entries) == 3
        session.close()
    assert server.received == (
        b"CAPA\r\nUTF8\r\nUSER lisa\r\nPASS %s\r\nCAPA\r\nLANG en\r\nUIDL\r\nLIST\r\nQUIT\r\n" % PASSWORD.encode()
    )


def test_utf8_and_language_that_are_refused_after_all() -> None:
    script = usual({"UTF8": b"-ERR\r\n", "LANG": b"-ERR [SYS/PERM]\r\n"}, ("UTF8", "LANG", "UIDL"))
    with ScriptedServer(script) as server:
        session = connect_to(server)
        assert len(session.listing().entries) == 3
        session.close()


def test_what_the_server_offers_after_the_sign_in() -> None:
    """RFC 2449 §5: some is told only then."""

    def capabilities(talk: Conversation) -> None:
        signed_in = b"PASS" in talk.received
        talk.send(multi(b"USER", b"pipelining", b"LOGIN-DELAY 900 USER", b"\xff\xff") if signed_in else multi(b"USER"))

    with ScriptedServer(usual({"CAPA": capabilities})) as server:
        session = connect_to(server)
        assert session.capabilities == {"USER", "PIPELINING", "LOGIN-DELAY"}
        assert session.login_delay == 900
        session.disable("pipelining")
        assert not session.has("PIPELINING")
        session.close()


# Secrets


def test_the_log_holds_no_secret_even_if_echoed() -> None:
    """C4."""
    blob = base64.b64encode(f"\0lisa\0{PASSWORD}".encode())
    for capabilities in (("USER",), ("SASL PLAIN",)):
        heard: list[str] = []
        echo = b"-ERR you sent " + blob + b" and " + PASSWORD.encode() + b"\r\n"
        with ScriptedServer(usual({"LIST": echo, "AUTH": b"+OK in\r\n"}, capabilities)) as server:
            session = connect_to(server, trace=heard.append)
            with pytest.raises(ServerRefused):
                session.listing()
            session.close()
        text = "\n".join(heard)
        assert "you sent" in text
        assert PASSWORD not in text
        assert blob.decode() not in text


def test_no_sentence_holds_a_password_that_the_server_echoes(authority: Authority) -> None:
    """C4, T8: after TLS the server's words are shown, but not the secret in them."""
    script = usual({"PASS": b"-ERR [AUTH] you said \x1b[31m" + PASSWORD.encode() + b"\r\n"})
    with (
        ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server,
        pytest.raises(SignInRefused, match=r"server says: “you said \*\*\*”") as caught,
    ):
        connect_to(server, Security.TLS, ca_file=str(authority.ca))
    assert PASSWORD not in caught.value.detail


def test_no_words_of_the_server_without_tls() -> None:
    """T8."""
    script = usual({"PASS": b"-ERR [AUTH] Injected\r\n"}, CAPABILITIES)
    with ScriptedServer(script) as server, pytest.raises(SignInRefused) as caught:
        connect_to(server)
    assert "Injected" not in caught.value.sentence + caught.value.detail
