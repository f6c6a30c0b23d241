"""Connecting, encrypting and signing in, with good servers and bad ones (T1 to T16)."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.imap_scripts import PASSWORD, connect_to, usual
from protocols.imap_sessions import session_of
from servers.dovecot import Dovecot
from servers.ports import free_ports
from servers.proxy import Proxy
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
    UnsafeArgument,
)
from termmail.model.remote import UidRange
from termmail.model.secret import Secret
from termmail.protocols import imap, tls

SECRETS = (
    PASSWORD.encode(),
    base64.b64encode(PASSWORD.encode()),
    base64.b64encode(f"\0lisa\0{PASSWORD}".encode()),
)


def assert_silent(data: bytes) -> None:
    assert not any(form in data for form in SECRETS)
    assert b"lisa" not in data


def test_ended_as_soon_as_it_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """X3: whoever quits in the instant between the connection and the first look at it is not told that the server is dead."""
    lifeline = tls.Lifeline()

    def connected_then_cut(host: str, port: int, seconds: float, held: tls.Lifeline) -> socket.socket:
        connection = open_tcp(host, port, seconds, held)
        lifeline.cut()
        deadline = time.monotonic() + 40
        with contextlib.suppress(OSError):
            # Until the other side has closed it too.
            while time.monotonic() < deadline:
                connection.getpeername()
        return connection

    def say_nothing(talk: Conversation) -> None:
        talk.wait_closed(20)

    open_tcp = tls.open_tcp
    monkeypatch.setattr(tls, "open_tcp", connected_then_cut)
    with ScriptedServer(say_nothing) as server, pytest.raises(Cancelled):
        tls.open_socket(Server("127.0.0.1", server.port, Security.NONE), 20, lifeline)


# Certificates


@pytest.mark.parametrize(
    ("kind", "host", "words"),
    [
        ("self_signed", "localhost", "signed by itself"),
        ("expired", "localhost", "has expired"),
        ("wrong_host", "localhost", "is for another host"),
        ("cn_only", "localhost", "is for another host"),
        ("localhost_only", "127.0.0.1", "is for another host"),
        ("ip_only", "localhost", "is for another host"),
    ],
)
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_bad_certificates_end_it(authority: Authority, kind: str, host: str, words: str, security: Security) -> None:
    """T2, T3: refused before any byte of a credential."""

    def script(talk: Conversation) -> None:
        talk.send(b"* OK ready\r\n")
        if security is Security.STARTTLS:
            talk.expect("STARTTLS")
            talk.send(b"$TAG OK\r\n")
            talk.start_tls()
        talk.wait_closed(5)

    certificate = getattr(authority, kind)
    with ScriptedServer(script, certificate=certificate, implicit_tls=security is Security.TLS) as server:
        with pytest.raises(InsecureConnection, match=words) as caught:
            imap.connect(Server(host, server.port, security), "lisa", Secret(PASSWORD), ca_file=str(authority.ca))
        assert caught.value.retry is Retry.NEVER
        assert host in caught.value.sentence
    assert_silent(server.received)


@pytest.mark.parametrize(("kind", "host"), [("ip_only", "127.0.0.1"), ("good", "localhost"), ("good", "127.0.0.1")])
def test_good_certificates_do(authority: Authority, kind: str, host: str) -> None:
    """T2: an address is checked against the addresses in the certificate."""
    with ScriptedServer(usual({}), certificate=getattr(authority, kind), implicit_tls=True) as server:
        session = imap.connect(
            Server(host, server.port, Security.TLS), "lisa", Secret(PASSWORD), ca_file=str(authority.ca)
        )
        session.close()
    assert SECRETS[2] in server.received


def test_a_private_authority_must_be_given(authority: Authority, tmp_path: Path) -> None:
    with ScriptedServer(usual({}), certificate=authority.good, implicit_tls=True) as server:
        where = Server("localhost", server.port, Security.TLS)
        with pytest.raises(InsecureConnection, match=r"not signed by an authority|unknown authority"):
            imap.connect(where, "lisa", Secret(PASSWORD))
        with pytest.raises(ConfigError, match="can't be read"):
            imap.connect(where, "lisa", Secret(PASSWORD), ca_file=str(tmp_path / "missing.pem"))
    assert_silent(server.received)


@pytest.mark.parametrize("host", ["mail.example.org", "192.0.2.1", "localhost.example.org"])
def test_no_plain_connection_leaves_this_computer(host: str) -> None:
    """T1: not even a name is looked up."""
    with pytest.raises(InsecureConnection, match="this computer only"):
        imap.connect(Server(host, 143, Security.NONE), "lisa", Secret(PASSWORD))


def test_plain_text_where_tls_is_expected() -> None:
    with (
        ScriptedServer(usual({})) as server,
        pytest.raises(InsecureConnection, match="No encrypted connection"),
    ):
        connect_to(server, Security.TLS)
    assert_silent(server.received)


# Before TLS


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"* PREAUTH welcome\r\n", ProtocolViolation),
        (b"* BYE Injected\r\n", ConnectionLost),
        (b"* NO Injected\r\n", ProtocolViolation),
        (b"* BAD Injected\r\n", ProtocolViolation),
        (b"XYZ OK Injected\r\n", ProtocolViolation),
        (b"+ OK Injected\r\n", ProtocolViolation),
        (b"220 smtp ready\r\n", ProtocolViolation),
        (b"\r\n* OK ready\r\n", ProtocolViolation),
        (b"junk\r\n* OK ready\r\n", ProtocolViolation),
        (b"* 1 EXISTS\r\n* OK ready\r\n", ProtocolViolation),
        (b"", ConnectionLost),
        (b"* OK no end", ConnectionLost),
    ],
)
def test_odd_greetings_end_it(greeting: bytes, error: type[TermmailError]) -> None:
    """T9, and T8: what was said without TLS is not shown."""
    with ScriptedServer(steps((None, greeting))) as server, pytest.raises(error) as caught:
        connect_to(server)
    assert "Injected" not in caught.value.sentence + caught.value.detail
    assert server.received == b""


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_preauth_ends_it(authority: Authority, security: Security) -> None:
    """T6."""
    script = steps((None, b"* PREAUTH [CAPABILITY IMAP4rev1] Injected\r\n"))
    with ScriptedServer(script, certificate=authority.good, implicit_tls=security is Security.TLS) as server:
        with pytest.raises((InsecureConnection, ProtocolViolation)) as caught:
            connect_to(server, security, ca_file=str(authority.ca))
        assert caught.type is (InsecureConnection if security is Security.STARTTLS else ProtocolViolation)
    assert server.received == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"$TAG NO Injected\r\n",
        b"$TAG BAD Injected\r\n",
        b"+ go on\r\n",
        b"Injected\r\n",
        b"* BYE Injected\r\n",
        b"WRONG OK begin\r\n",
        b"$TAG PREAUTH\r\n",
        b"* LIST () {99999999999}\r\n",
        b"",
    ],
)
def test_refused_starttls_ends_it(authority: Authority, answer: bytes) -> None:
    """T4: the command is sent though it was not offered, and nothing else is."""
    script = steps((None, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"), ("STARTTLS", answer))
    with ScriptedServer(script, certificate=authority.good) as server:
        with pytest.raises((InsecureConnection, ConnectionLost, ProtocolViolation)) as caught:
            connect_to(server, Security.STARTTLS, ca_file=str(authority.ca))
        assert "Injected" not in caught.value.sentence + caught.value.detail
    assert server.received.split(b" ", 1)[1] == b"STARTTLS\r\n"


@pytest.mark.parametrize(
    "injected",
    [
        b"* OK [ALERT] Injected\r\n",
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n$TAG OK done\r\n",
        b"x",
    ],
)
def test_what_follows_the_ok_of_starttls_ends_it(authority: Authority, injected: bytes) -> None:
    """T5."""

    def script(talk: Conversation) -> None:
        talk.send(b"* OK ready\r\n")
        talk.expect("STARTTLS")
        talk.send(b"$TAG OK begin\r\n" + injected)
        talk.start_tls()

    with ScriptedServer(script, certificate=authority.good) as server, pytest.raises(InsecureConnection):
        connect_to(server, Security.STARTTLS, ca_file=str(authority.ca))
    assert_silent(server.received)


class Silenced(Conversation):
    """A conversation whose greeting is swallowed, since STARTTLS came after it."""

    def __init__(self, talk: Conversation) -> None:
        self.__dict__ = talk.__dict__
        self._greeted = False

    def send(self, data: bytes) -> None:
        if self._greeted:
            super().send(data)
        self._greeted = True


def test_untagged_data_before_the_ok_of_starttls_is_void(authority: Authority) -> None:
    """T5, T7, T8: capabilities, rows and texts from before."""
    heard: list[str] = []

    def script(talk: Conversation) -> None:
        talk.send(
            b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] Injected\r\n* 529001 EXISTS\r\n"
            b"* OK [REFERRAL imaps://example.org] Injected\r\n"
        )
        talk.expect("STARTTLS")
        talk.send(b'* OK [ALERT] Injected\r\n* LIST () "/" Injected\r\n* CAPABILITY IDLE Injected\r\n$TAG OK begin\r\n')
        talk.start_tls()
        usual({"LIST": b"$TAG OK nothing\r\n"})(Silenced(talk))

    with ScriptedServer(script, certificate=authority.good) as server:
        session = connect_to(server, Security.STARTTLS, ca_file=str(authority.ca), trace=heard.append)
        assert session.list_mailboxes(with_status=True).mailboxes == ()
        assert session.take_unsolicited() == imap.Unsolicited()
        assert not session.has("IDLE")
        session.close()
    assert "Injected" not in "".join(heard)
    assert server.in_clear.endswith(b" STARTTLS\r\n")
    assert_silent(server.in_clear)


# Signing in


@pytest.mark.dovecot
@pytest.mark.parametrize("mechanisms", ["scram-sha-256", "plain", "login", "cram-md5"])
def test_signs_in_with_each_mechanism(tmp_path: Path, authority: Authority, mechanisms: str) -> None:
    users = {"lisa": "secret", "anna@example.org": 'pass "wörd" \\ ☃'}
    with Dovecot(tmp_path / "dovecot", authority=authority, mechanisms=mechanisms, users=users) as server:
        for user in users:
            with (
                Proxy(server.host, server.port, record=True) as proxy,
            ):
                session = imap.connect(
                    Server(proxy.host, proxy.port, Security.NONE), user, Secret(server.password(user))
                )
                assert session.has("IDLE")
                session.close()
                assert f"AUTHENTICATE {mechanisms}".upper().encode() in proxy.sent()
            with pytest.raises(SignInRefused, match=f"refused the password for {user}; server says") as caught:
                imap.connect(
                    Server("localhost", server.tls_port, Security.TLS),
                    user,
                    Secret("wrong"),
                    ca_file=str(authority.ca),
                )
            assert caught.value.retry is Retry.NEVER


@pytest.mark.dovecot
def test_a_wrong_password_is_tried_once(tmp_path: Path, authority: Authority) -> None:
    """T12, T13: no weaker mechanism after a refused password."""
    with (
        Dovecot(tmp_path / "dovecot", authority=authority) as server,
        Proxy(server.host, server.port, record=True) as proxy,
    ):
        with pytest.raises(SignInRefused):
            imap.connect(Server(proxy.host, proxy.port, Security.NONE), "lisa", Secret("wrong"))
        assert dict(proxy.commands()) == {"AUTHENTICATE": 1}
        assert b"SCRAM-SHA-256" in proxy.sent()


def test_the_login_command_where_nothing_else_is_offered() -> None:
    def login(talk: Conversation) -> None:
        talk.send(b"$TAG OK in\r\n")

    for password, line in (
        ('qu"o\\te', rb'LOGIN "lisa" "qu\"o\\te"' + b"\r\n"),
        ("plain", b'LOGIN "lisa" "plain"\r\n'),
    ):
        with ScriptedServer(usual({"LOGIN": login}, b"IMAP4rev1")) as server:
            imap.connect(Server("localhost", server.port, Security.NONE), "lisa", Secret(password)).close()
        assert line in server.received


def test_a_literal_that_is_refused() -> None:
    def login(talk: Conversation) -> None:
        talk.send(b"$TAG NO no literals\r\n")

    with ScriptedServer(usual({"LOGIN": login}, b"IMAP4rev1")) as server, pytest.raises(TermmailError):
        imap.connect(Server("localhost", server.port, Security.NONE), "lisa", Secret("süß"))
    assert "süß".encode() not in server.received


def test_ok_before_the_literal_was_sent_is_an_error() -> None:
    """T10."""

    def login(talk: Conversation) -> None:
        talk.send(b"$TAG OK in\r\n")

    with (
        ScriptedServer(usual({"LOGIN": login}, b"IMAP4rev1")) as server,
        pytest.raises(ProtocolViolation, match="not sent to its end"),
    ):
        imap.connect(Server("localhost", server.port, Security.NONE), "lisa", Secret("süß"))
    assert "süß".encode() not in server.received


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_ok_before_the_sign_in_is_complete_is_an_error(mechanism: str) -> None:
    """T10, T12: also a success without the server's signature."""

    def authenticate(talk: Conversation) -> None:
        talk.send(b"$TAG OK in\r\n")

    capabilities = b"IMAP4rev1 LOGINDISABLED AUTH=" + mechanism.encode()
    with (
        ScriptedServer(usual({"AUTHENTICATE": authenticate}, capabilities)) as server,
        pytest.raises(ProtocolViolation, match="before it was complete"),
    ):
        connect_to(server)
    assert_silent(server.received)


def scram_server(*, iterations: int = 4096, signature: bytes | None = None) -> Script:
    """AUTHENTICATE SCRAM-SHA-256 as a server that does not know the password."""

    def authenticate(talk: Conversation) -> None:
        tag = talk.tag
        talk.send(b"+ \r\n")
        first = base64.b64decode(talk.read_line())
        nonce = first.partition(b"r=")[2] + b"server"
        salt = base64.b64encode(b"salt")
        talk.send(b"+ " + base64.b64encode(b"r=%s,s=%s,i=%d" % (nonce, salt, iterations)) + b"\r\n")
        talk.read_line()
        if signature is not None:
            talk.send(b"+ " + base64.b64encode(b"v=" + base64.b64encode(signature)) + b"\r\n")
            talk.read_line()
        talk.send(tag + b" OK in\r\n")

    return usual({"AUTHENTICATE SCRAM": authenticate}, b"IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (scram_server(signature=hmac.digest(b"wrong", b"", "sha256")), SignInRefused),
        (scram_server(signature=None), ProtocolViolation),
        (scram_server(iterations=10_000_000), SignInRefused),
    ],
)
def test_an_impostor_does_not_get_the_password(script: Script, error: type[TermmailError]) -> None:
    """T12: no fallback to PLAIN with a server that can't prove itself or asks for too much."""
    with ScriptedServer(script) as server, pytest.raises(error):
        connect_to(server)
    assert server.connections == 1
    assert b"AUTHENTICATE PLAIN" not in server.received


def test_plain_after_scram_that_never_got_anywhere() -> None:
    """Nothing of the password was sent yet, so this is no second try of it."""
    script = usual(
        {"AUTHENTICATE SCRAM": b"$TAG NO not for this user\r\n"}, b"IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR"
    )
    with ScriptedServer(script) as server:
        connect_to(server).close()
    assert b"AUTHENTICATE PLAIN" in server.received


def test_no_way_to_sign_in() -> None:
    with (
        ScriptedServer(usual({}, b"IMAP4rev1 LOGINDISABLED AUTH=GSSAPI")) as server,
        pytest.raises(SignInRefused, match="no way to sign in"),
    ):
        connect_to(server)
    assert_silent(server.received)


@pytest.mark.parametrize(("code", "retry"), [("UNAVAILABLE", Retry.LATER), ("AUTHENTICATIONFAILED", Retry.NEVER)])
def test_a_server_in_trouble_is_tried_again(code: str, retry: Retry) -> None:
    """T13."""
    script = usual({"AUTHENTICATE PLAIN": b"$TAG NO [%s] sorry\r\n" % code.encode()})
    with ScriptedServer(script) as server, pytest.raises(SignInRefused) as caught:
        connect_to(server)
    assert caught.value.retry is retry


@pytest.mark.parametrize("bad", ["a\r\nX DELETE INBOX", "a\0b"])
def test_credentials_that_would_break_out_are_refused(bad: str) -> None:
    """T11."""
    with ScriptedServer(usual({})) as server:
        where = Server("localhost", server.port, Security.NONE)
        with pytest.raises(UnsafeArgument):
            imap.connect(where, bad, Secret("x"))
        with pytest.raises(UnsafeArgument) as caught:
            imap.connect(where, "lisa", Secret(bad))
        assert "DELETE" not in caught.value.sentence
    assert server.connections == 0


def test_the_log_holds_no_secret_even_if_echoed() -> None:
    """C4."""
    heard: list[str] = []
    blob = base64.b64encode(f"\0lisa\0{PASSWORD}".encode())
    echo = b"* BAD you sent " + blob + b" and " + PASSWORD.encode() + b"\r\n$TAG OK done\r\n"
    with ScriptedServer(usual({"NOOP": echo, "AUTHENTICATE PLAIN": echo})) as server:
        session = connect_to(server, trace=heard.append)
        session.noop()
        session.close()
    text = "\n".join(heard)
    assert "you sent" in text
    assert PASSWORD not in text
    assert blob.decode() not in text


def test_no_sentence_holds_a_password_that_the_server_echoes(authority: Authority) -> None:
    """C4, T8: after TLS the server's words are shown, but not the secret in them."""
    answer = b"$TAG NO you said \x1b[31m" + PASSWORD.encode() + b"\r\n"
    script = usual({"AUTHENTICATE PLAIN": answer})
    with (
        ScriptedServer(script, certificate=authority.good, implicit_tls=True) as server,
        pytest.raises(SignInRefused, match=r"server says: “you said \*\*\*”") as caught,
    ):
        connect_to(server, Security.TLS, ca_file=str(authority.ca))
    assert PASSWORD not in caught.value.detail


def test_alerts_are_shown_after_tls(authority: Authority) -> None:
    """T8."""
    noise = b"* OK [ALERT] Maintenance \x07tonight\r\n$TAG OK [ALERT] really\r\n"
    with ScriptedServer(usual({"NOOP": noise}), certificate=authority.good, implicit_tls=True) as server:
        session = connect_to(server, Security.TLS, ca_file=str(authority.ca))
        session.noop()
        assert session.take_unsolicited().alerts == ("server says: “Maintenance tonight”", "server says: “really”")
        session.close()


# Time


def say_nothing(talk: Conversation) -> None:
    talk.wait_closed(20)


def test_a_server_that_says_nothing(authority: Authority) -> None:
    """T14."""
    with ScriptedServer(say_nothing) as server:
        started = time.monotonic()
        with pytest.raises(ConnectionLost, match=r"did not answer in time\. Check the port.* tls or starttls"):
            connect_to(server, timeouts=imap.Timeouts(connect=0.3, command=0.3))
        with pytest.raises(ConnectionLost):
            connect_to(
                server, Security.TLS, ca_file=str(authority.ca), timeouts=imap.Timeouts(connect=0.3, command=0.3)
            )
        assert time.monotonic() - started < 15


def test_a_server_that_drips_its_greeting() -> None:
    """T14, X3: the limit is for all of it."""
    with (
        ScriptedServer(lambda talk: talk.drip(b"* OK " + b"x" * 10_000, 0.05)) as server,
        pytest.raises(ConnectionLost, match="did not answer in time"),
    ):
        connect_to(server, timeouts=imap.Timeouts(connect=0.5))


def test_nobody_there() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectionLost, match="takes no connections on port"):
        imap.connect(Server("localhost", port, Security.NONE), "lisa", Secret("x"))
    with pytest.raises(ConnectionLost, match="was not found"):
        imap.connect(Server("no-such-host.invalid", 993), "lisa", Secret("x"))


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
    assert time.monotonic() - started < 5
    timers[0].join()


def test_an_abort_before_the_connection_is_made() -> None:
    with ScriptedServer(say_nothing) as server, pytest.raises(Cancelled):
        connect_to(server, on_abort=lambda abort: abort())
    assert server.received == b""


def test_an_abort_while_nobody_takes_the_connection() -> None:
    """X3: a listener whose queue is full leaves TCP's own handshake without an answer."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        timers: list[threading.Timer] = []

        def soon(abort: Callable[[], None]) -> None:
            timers.append(threading.Timer(0.3, abort))
            timers[0].start()

        started = time.monotonic()
        with pytest.raises(Cancelled):
            imap.connect(
                Server("127.0.0.1", listener.getsockname()[1], Security.NONE), "lisa", Secret("x"), on_abort=soon
            )
        assert time.monotonic() - started < 5
        timers[0].join()


@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
@pytest.mark.parametrize("what", ["idle", "noop", "fetch"])
def test_abort_ends_a_blocked_call(dovecot_server: Dovecot, dovecot_user: str, security: Security, what: str) -> None:
    """X3: from another thread, within a second."""
    dovecot_server.make(dovecot_user, "INBOX", [b"Subject: x\r\n\r\n"])
    port = dovecot_server.tls_port if security is Security.TLS else dovecot_server.port
    with Proxy("127.0.0.1", port) as proxy:
        session = imap.connect(
            Server("localhost", proxy.port, security),
            dovecot_user,
            Secret(dovecot_server.password(dovecot_user)),
            ca_file=str(dovecot_server.tls.ca),
        )
        session.select(b"INBOX")
        proxy.stall()
        actions: dict[str, Callable[[], object]] = {
            "idle": lambda: session.idle(until=time.monotonic() + 60, wake=None),
            "noop": session.noop,
            "fetch": lambda: list(session.fetch_headers([UidRange(1, 9)])),
        }
        timer = threading.Timer(0.3, session.abort)
        timer.start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            actions[what]()
        assert time.monotonic() - started < 5
        timer.join()
        with pytest.raises(Cancelled):
            session.noop()
        session.close()
        proxy.resume()


def test_done_has_its_own_deadline() -> None:
    """T14: a dead line in IDLE is noticed."""
    script = usual({"IDLE": b"+ idling\r\n", "": b""})
    with ScriptedServer(script) as server:
        session = connect_to(server, timeouts=imap.Timeouts(connect=10, command=60, idle_done=0.3))
        session.select(b"INBOX")
        with pytest.raises(ConnectionLost, match="did not answer in time"):
            session.idle(until=time.monotonic() + 0.1, wake=None)
        session.close()


def test_idle_that_is_refused_or_ends_by_itself() -> None:
    script = usual({"IDLE": b"* 9 EXISTS\r\n$TAG OK ended\r\n"})
    with ScriptedServer(script) as server:
        session = connect_to(server)
        session.select(b"INBOX")
        assert session.idle(until=time.monotonic() + 20, wake=None).exists
        assert session.take_unsolicited().exists == 9
        session.close()


def test_a_keep_alive_does_not_end_idle() -> None:
    def idle(talk: Conversation) -> None:
        tag = talk.tag
        talk.send(b"+ idling\r\n* OK Still here\r\n* 3 EXISTS\r\n* 0 RECENT\r\n")
        talk.expect("DONE")
        talk.send(tag + b" OK done\r\n")

    with ScriptedServer(usual({"IDLE": idle})) as server:
        session = connect_to(server)
        session.select(b"INBOX")
        assert not session.idle(until=time.monotonic() + 0.5, wake=None)
        session.close()


def test_id_goes_out_before_anything_is_opened() -> None:
    """T16."""
    with ScriptedServer(usual({}, b"IMAP4rev1 AUTH=PLAIN SASL-IR ID")) as server:
        session = connect_to(server)
        session.select(b"INBOX")
        session.close()
    assert 0 < server.received.index(b' ID ("name" "termmail"') < server.received.index(b" SELECT ")


def test_a_session_that_was_cut_says_so(dovecot_server: Dovecot, dovecot_user: str) -> None:
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        dovecot_server.kick(dovecot_user)
        with pytest.raises(ConnectionLost):
            session.idle(until=time.monotonic() + 20, wake=None)
        with pytest.raises(ConnectionLost):
            session.noop()


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
def test_a_connection_cut_anywhere(dovecot_server: Dovecot, dovecot_user: str, security: Security) -> None:
    """X4: at any byte from the server, it is one of our errors, and the session is closed."""
    dovecot_server.make(dovecot_user, "INBOX", [b"Subject: x\r\n\r\nbody"] * 3)

    def go(proxy: Proxy) -> int:
        session = imap.connect(
            Server("localhost", proxy.port, security),
            dovecot_user,
            Secret(dovecot_server.password(dovecot_user)),
            ca_file=str(dovecot_server.tls.ca),
        )
        try:
            session.list_mailboxes(with_status=True)
            session.select(b"INBOX")
            list(session.fetch_headers([UidRange(1, 9)]))
            list(session.fetch_bodies([UidRange(1, 9)]))
            return proxy.stats.bytes_to_client
        except TermmailError:
            assert session.closed
            raise
        finally:
            session.close()

    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        # The first time Dovecot has more to say, and later its words vary by a few bytes.
        go(proxy)
        proxy.reset()
        total = go(proxy)
        assert total > 2000
        for count in range(0, total - 100, 199):
            # What the connection before still has to say must not count.
            while proxy.open_connections():
                time.sleep(0.002)
            proxy.cut_after(count)
            with pytest.raises((ConnectionLost, InsecureConnection, ProtocolViolation)):
                go(proxy)
            assert not proxy.never_cut()
