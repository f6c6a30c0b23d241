"""The test servers do what the other tests rely on."""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from servers import imap_reader
from servers.digest import lf_digest, raw_digest
from servers.dovecot import SPECIAL_MAILBOXES, Dovecot
from servers.imap_commands import CommandReader
from servers.mbsync import mbsync_pull, without_keywords
from servers.ports import free_ports
from servers.proxy import Direction, Proxy
from servers.pymap_server import PymapServer
from servers.scripted import Conversation, ScriptedServer, Unexpected, steps
from servers.tls import Authority

MESSAGES = [b"Subject: number %d\r\nFrom: a@example.org\r\n\r\nLine\r\n.\r\nend %d\r\n" % (n, n) for n in range(30)]


def flags_of(index: int) -> list[str]:
    return ["\\Seen", "work"] if index % 3 == 0 else ["\\Flagged"] if index % 3 == 1 else []


def expected() -> Counter[tuple[str, frozenset[str]]]:
    return Counter((raw_digest(raw), frozenset(flags_of(index))) for index, raw in enumerate(MESSAGES))


def test_dovecot_holds_what_was_made(dovecot_server: Dovecot, dovecot_user: str) -> None:
    odd = "Grüße/a.b/Ente (quak) & co"
    dovecot_server.create(dovecot_user, odd)
    assert dovecot_server.make(dovecot_user, "INBOX", MESSAGES, flags=flags_of) == len(MESSAGES)
    dovecot_server.make(dovecot_user, odd, MESSAGES, flags=flags_of)
    state = dovecot_server.state(dovecot_user)
    assert set(state) == {"INBOX", odd, *SPECIAL_MAILBOXES}
    assert state["INBOX"] == expected()
    assert state[odd] == expected()


def test_dovecot_numbers_in_order_and_keeps_dates(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES, received=lambda index: 1_000_000_000 + 60 * index)
    password = dovecot_server.password(dovecot_user)
    with imap_reader.sign_in(dovecot_server.host, dovecot_server.port, dovecot_user, password) as connection:
        found = [raw for _, _, raw in imap_reader.read_mailbox(connection, b"INBOX")]
        assert found == MESSAGES
        _, rows = connection.uid("FETCH", "3", "(INTERNALDATE)")
        text = rows[0]
        assert isinstance(text, bytes)
        assert b"09-Sep-2001" in text


@pytest.mark.mbsync
def test_mbsync_agrees_with_the_reader(dovecot_server: Dovecot, dovecot_user: str, tmp_path: Path) -> None:
    odd = "Grüße/ä b"
    dovecot_server.create(dovecot_user, odd)
    for mailbox in ("INBOX", odd, "Archive"):
        dovecot_server.make(dovecot_user, mailbox, MESSAGES, flags=flags_of)
    pulled = mbsync_pull(dovecot_server, dovecot_user, tmp_path)
    assert pulled == without_keywords(dovecot_server.state(dovecot_user, digest=lf_digest))
    assert pulled[odd].total() == len(MESSAGES)


def test_dovecot_comes_back_on_the_same_ports(own_dovecot: Dovecot) -> None:
    own_dovecot.make("lisa", "INBOX", MESSAGES)
    ports = own_dovecot.port, own_dovecot.tls_port
    own_dovecot.stop()
    with pytest.raises(OSError):
        socket.create_connection((own_dovecot.host, own_dovecot.port), timeout=5)
    own_dovecot.start()
    assert (own_dovecot.port, own_dovecot.tls_port) == ports
    assert own_dovecot.state("lisa")["INBOX"].total() == len(MESSAGES)


def test_dovecot_speaks_tls_with_the_good_certificate(dovecot_server: Dovecot) -> None:
    context = ssl.create_default_context(cafile=str(dovecot_server.tls.ca))
    for host in ("localhost", "127.0.0.1"):
        with (
            socket.create_connection((dovecot_server.host, dovecot_server.tls_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            assert secure.recv(100).startswith(b"* OK")


@pytest.mark.parametrize("kind", ["expired", "wrong_host", "cn_only", "self_signed"])
def test_bad_certificates_are_bad(authority: Authority, kind: str) -> None:
    certificate = getattr(authority, kind)
    context = ssl.create_default_context(cafile=str(authority.ca))
    # By default Python takes the subject's common name where a certificate names no host at all (T3 wants none of it).
    context.hostname_checks_common_name = False
    with ScriptedServer(steps((None, b"* OK\r\n")), certificate=certificate, implicit_tls=True) as server:
        plain = socket.create_connection((server.host, server.port), timeout=10)
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="localhost")


def test_uidvalidity_can_be_changed(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES[:2])
    assert dovecot_server.state(dovecot_user)["INBOX"].total() == 2
    dovecot_server.change_uidvalidity(dovecot_user, "INBOX", 4_242_424)
    password = dovecot_server.password(dovecot_user)
    with imap_reader.sign_in(dovecot_server.host, dovecot_server.port, dovecot_user, password) as connection:
        connection.select("INBOX", readonly=True)
        assert connection.response("UIDVALIDITY")[1] == [b"4242424"]


def test_plain_dovecot_has_no_extensions(plain_dovecot_server: Dovecot, plain_dovecot_user: str) -> None:
    password = plain_dovecot_server.password(plain_dovecot_user)
    with imap_reader.sign_in(
        plain_dovecot_server.host, plain_dovecot_server.port, plain_dovecot_user, password
    ) as connection:
        _, rows = connection.capability()
        assert b"CONDSTORE" not in rows[0]
        assert b"MOVE" not in rows[0]


def test_pymap_keeps_every_byte(pymap_server: PymapServer) -> None:
    odd = [*MESSAGES, b"From: x\n\nbare LF\nand \xff\x00 bytes\r\n"]
    pymap_server.make("lisa", "INBOX", odd)
    pymap_server.create("lisa", "Projects/Lighthouse")
    pymap_server.make("lisa", "Projects/Lighthouse", MESSAGES[:1], flags=["\\Seen"])
    state = pymap_server.state("lisa")
    assert state["INBOX"] == Counter((raw_digest(raw), frozenset[str]()) for raw in odd)
    assert state["Projects/Lighthouse"] == Counter({(raw_digest(MESSAGES[0]), frozenset({"\\Seen"})): 1})
    assert "Archive" in state


def test_pymap_wakes_idle(pymap_server: PymapServer) -> None:
    with socket.create_connection((pymap_server.host, pymap_server.port), timeout=20) as client:
        stream = client.makefile("rwb")
        stream.readline()
        stream.write(b"a LOGIN lisa secret\r\nb SELECT INBOX\r\nc IDLE\r\n")
        stream.flush()
        while not stream.readline().startswith(b"+"):
            pass
        threading.Timer(0.2, pymap_server.deliver, ("lisa", MESSAGES[0])).start()
        assert re.match(rb"\* 1 (EXISTS|FETCH|RECENT)", stream.readline())
        stream.close()


def test_proxy_counts_round_trips_and_commands(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", MESSAGES)
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        connection = imaplib.IMAP4(proxy.host, proxy.port, timeout=20)
        connection.login(dovecot_user, dovecot_server.password(dovecot_user))
        before = proxy.reset()
        assert before.connections == 1
        assert before.round_trips >= 3
        connection.select("INBOX")
        connection.uid("FETCH", "1:*", "(FLAGS)")
        connection.noop()
        assert proxy.stats.round_trips == 3
        assert proxy.commands() == Counter({"SELECT": 1, "UID FETCH": 1, "NOOP": 1})
        assert b"NOOP" in proxy.sent()
        assert b"EXISTS" in proxy.received()
        connection.logout()


def test_proxy_cuts_at_the_byte(dovecot_server: Dovecot) -> None:
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        for count in (0, 1, 7):
            proxy.cut_after(count)
            with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
                received = b""
                while data := client.recv(100):
                    received += data
            assert len(received) == count
            assert not proxy.never_cut()
        proxy.cut_after(3, stay_down=True)
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            assert client.recv(100) == b"* O"
        with pytest.raises(OSError):
            socket.create_connection((proxy.host, proxy.port), timeout=5)
        proxy.up()
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            assert client.recv(100).startswith(b"* OK")


def test_scripted_server_reads_what_arrived_before_it_closes() -> None:
    def script(talk: Conversation) -> None:
        talk.send(b"hello\r\n")
        time.sleep(0.3)
        talk.wait_closed()

    with ScriptedServer(script) as server, socket.create_connection((server.host, server.port), timeout=20) as client:
        client.recv(100)
        client.sendall(b"1234")
    assert server.received == b"1234"


def test_ports_are_given_to_one_process_alone() -> None:
    """Not to another one that asks at the same time, and not to those who ask the system for any."""
    script = (
        "import sys; sys.path.insert(0, 'tests'); from servers.ports import free_ports; print(*free_ports(50)); input()"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        taken = [
            free_ports(50),
            *([int(port) for port in other.stdout.readline().split()] for other in others if other.stdout is not None),
        ]
    finally:
        for other in others:
            other.communicate("\n")
    assert len({port for ports in taken for port in ports}) == 150
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        assert max(map(max, taken)) < any_port.getsockname()[1]


def test_more_ports_than_there_are() -> None:
    """An error, and no search without an end."""
    with pytest.raises(RuntimeError, match="are free"):
        free_ports(641)
    assert len(set(free_ports(3))) == 3


def test_a_port_is_free_again_when_its_server_has_closed_its_connections() -> None:
    """There are more servers in a minute than ports, and the system remembers a connection for that long."""
    for _ in range(700):
        with (
            ScriptedServer(lambda talk: talk.close()) as server,
            socket.create_connection((server.host, server.port), timeout=20) as client,
        ):
            assert client.recv(10) == b""


def test_proxy_cuts_towards_the_server() -> None:
    def script(talk: Conversation) -> None:
        talk.send(b"hello\r\n")
        assert talk.wait_closed()

    with ScriptedServer(script) as server, Proxy(server.host, server.port) as proxy:
        proxy.cut_after(4, Direction.TO_SERVER)
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            client.recv(100)
            client.sendall(b"12345678")
            assert client.recv(100) == b""
    assert server.received == b"1234"


def test_proxy_stalls_goes_down_and_comes_back(dovecot_server: Dovecot) -> None:
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        proxy.stall()
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(100)
            proxy.resume()
            client.settimeout(20)
            assert client.recv(100).startswith(b"* OK")
            assert proxy.open_connections() == 1
            proxy.down()
            with pytest.raises(OSError):
                socket.create_connection((proxy.host, proxy.port), timeout=5)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(1000):
                    pass
            assert proxy.open_connections() == 0
        proxy.up()
        with socket.create_connection((proxy.host, proxy.port), timeout=20) as client:
            assert client.recv(100).startswith(b"* OK")


def test_proxy_delay_passes_everything(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", [b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * 100_000] * 3)
    with Proxy(dovecot_server.host, dovecot_server.port, delay=0.01) as proxy:
        password = dovecot_server.password(dovecot_user)
        through = imap_reader.read_contents(proxy.host, proxy.port, dovecot_user, password)
    assert through == dovecot_server.state(dovecot_user)


def test_scripted_server_starts_tls(authority: Authority) -> None:
    def script(talk: Conversation) -> None:
        talk.send(b"* OK ready\r\n")
        talk.expect("starttls")
        talk.send(b"$TAG OK go on\r\n")
        talk.start_tls()
        talk.expect("noop")
        talk.send(b"$TAG OK done\r\n")

    context = ssl.create_default_context(cafile=str(authority.ca))
    with (
        ScriptedServer(script, certificate=authority.good) as server,
        socket.create_connection((server.host, server.port), timeout=20) as plain,
    ):
        assert plain.recv(100) == b"* OK ready\r\n"
        plain.sendall(b"t1 STARTTLS\r\n")
        assert plain.recv(100) == b"t1 OK go on\r\n"
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"t2 NOOP\r\n")
            assert secure.recv(100) == b"t2 OK done\r\n"
    assert server.in_clear == b"t1 STARTTLS\r\n"
    assert server.received == b"t1 STARTTLS\r\nt2 NOOP\r\n"


def test_scripted_server_tells_what_it_did_not_expect() -> None:
    server = ScriptedServer(steps(("LOGIN", b"")))

    def talk() -> None:
        with server, socket.create_connection((server.host, server.port), timeout=20) as client:
            client.sendall(b"a LOGOUT\r\n")
            assert client.recv(100) == b""

    with pytest.raises(Unexpected, match="LOGOUT"):
        talk()


def test_commands_are_found_however_the_bytes_come() -> None:
    stream = (
        b"a1 LOGIN {4}\r\nlisa {6+}\r\nsecret\r\na2 APPEND INBOX {14}\r\nx STORE 1\r\nab\r\n"
        b"\r\na3 UID FETCH 1:* (FLAGS)\r\na4 IDLE\r\nDONE\r\n"
    )
    for size in (1, 3, len(stream)):
        reader = CommandReader()
        found: list[str] = []
        for start in range(0, len(stream), size):
            found += reader.feed(stream[start : start + size])
        assert found == ["LOGIN", "APPEND", "UID FETCH", "IDLE", "DONE"]
