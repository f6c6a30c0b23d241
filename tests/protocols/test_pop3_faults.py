"""POP3: servers that refuse, lie, stall, cut and never end (P3, P11, S12, X3, X4)."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.pop3_scripts import (
    CAPABILITIES,
    MESSAGES,
    Answers,
    both_ways,
    cut_after,
    multi,
    remembering,
    stuffed,
    usual,
)
from protocols.pop3_sessions import Bytes, connect_dovecot, connect_to, fetch
from servers.dovecot import Dovecot
from servers.proxy import Proxy
from servers.scripted import Conversation, Gone, ScriptedServer
from termmail.model.account import Security
from termmail.model.errors import (
    Cancelled,
    ConnectionLost,
    ProtocolViolation,
    ServerRefused,
    SignInRefused,
    TermmailError,
)
from termmail.model.remote import FaultKind, RetrieveFault
from termmail.protocols import pop3

# Refusals


@both_ways
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-ERR gone\r\n", "refused to hand out this message"),
        (b"-ERR [SYS/TEMP] busy disk\r\n", "is not able to hand out this message at the moment"),
        (b"-ERR [SYS/PERM] broken\r\n", "that will last"),
        (b"-ERR\r\n", "refused to hand out this message"),
    ],
)
def test_refused_messages(capabilities: tuple[str, ...], answer: bytes, words: str) -> None:
    """P3: of that message alone, and the stream stays in step."""
    with ScriptedServer(usual({"RETR 2": answer, "TOP 2": answer, "DELE 2": answer}, capabilities)) as server:
        session = connect_to(server)
        session.listing()
        found = fetch(session, [1, 2, 3])
        assert (found[1], found[3]) == (MESSAGES[0], MESSAGES[2])
        fault = found[2]
        assert isinstance(fault, RetrieveFault)
        assert words in fault.sentence
        assert fault.kind is FaultKind.MISSING
        assert fault.code in ("", "SYS/TEMP", "SYS/PERM")
        assert [isinstance(top, RetrieveFault) for _, top in session.tops([1, 2, 3], 0)] == [False, True, False]
        with pytest.raises(ServerRefused) as caught:
            session.top(2, 0)
        assert caught.value.code == fault.code
        assert [fault.number for fault in session.delete([1, 2, 3])] == [2]
        assert session.quit()


@pytest.mark.parametrize(
    "answer", [b"-ERR some not removed\r\n", b"", b"junk\r\n", b"+", b"+OK\r\n"], ids=lambda answer: repr(answer)
)
def test_only_an_answered_quit_counts(answer: bytes) -> None:
    """S12."""
    with ScriptedServer(usual({"QUIT": answer})) as server:
        session = connect_to(server)
        session.listing()
        session.delete([1])
        assert session.quit() == (answer == b"+OK\r\n")
        assert session.closed
        assert not session.quit()


def test_quit_without_an_answer() -> None:
    """S12, T14."""
    with ScriptedServer(usual({"QUIT": lambda talk: time.sleep(1.5)})) as server:
        session = connect_to(server, timeouts=pop3.Timeouts(quit=0.2))
        session.delete([1])
        assert not session.quit()


@pytest.mark.parametrize("reset", [b"+OK\r\n", b"-ERR\r\n", b"junk\r\n", b""])
def test_closing_deletes_nothing(reset: bytes) -> None:
    """S12: without a sure RSET there is no QUIT."""
    with ScriptedServer(usual({"RSET": reset})) as server:
        session = connect_to(server)
        session.delete([1])
        session.close()
    assert (b"QUIT" in server.received) == (reset == b"+OK\r\n")
    assert server.received.index(b"DELE") < server.received.index(b"RSET")


# Streams


@both_ways
@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\r\n\r\na\n.\nb\r\n.\r\n\n.\r\n",
        b"Subject: x\r\n\r\n" + b"l" * (1 << 20) + b"\r\n",
        b"." * (1 << 20) + b"\r\n",
        b"\r\n" * 70_000,
        b".\r\n" * 70_000,
        b"\0\xff\x1b\r\r\n",
        b"",
    ],
    ids=lambda raw: f"{raw[:16]!r} {len(raw)}",
)
def test_any_message_comes_whole(capabilities: tuple[str, ...], raw: bytes) -> None:
    """P11: bare-LF dot lines, lines of any length, dots at the beginning."""
    with ScriptedServer(usual({}, capabilities, messages=[b"a\r\n", raw, b"b\r\n"])) as server:
        session = connect_to(server)
        sizes = [entry.size for entry in session.listing().entries]
        assert fetch(session, [1, 2, 3, 1]) == {1: b"a\r\n", 2: raw, 3: b"b\r\n"}
        assert sizes == [3, len(raw), 3]
        assert session.quit()


def test_a_message_that_ends_early() -> None:
    """P11: a dot that the server did not double ends it, and what follows is no answer."""
    cut_short = b"+OK\r\nSubject: x\r\n\r\nbefore\r\n.\r\nafter\r\n.\r\n"
    with ScriptedServer(usual({"RETR 2": cut_short, "LIST": multi(b"1 30", b"2 900", b"3 9")})) as server:
        session = connect_to(server)
        sizes = {entry.number: entry.size for entry in session.listing().entries}
        going = session.retrieve([2, 1], Bytes)
        number, found = next(going)
        assert isinstance(found, Bytes)
        assert (number, bytes(found.data)) == (2, b"Subject: x\r\n\r\nbefore\r\n")
        assert len(found.data) < sizes[2]
        with pytest.raises(ProtocolViolation, match="answer to RETR that can't be read"):
            next(going)
        assert session.closed


def collector(sinks: list[Bytes]) -> Callable[[], Bytes]:
    def make() -> Bytes:
        sinks.append(Bytes())
        return sinks[-1]

    return make


def test_a_message_that_stalls() -> None:
    """T14: its sink is told, the messages before it are whole."""

    def stall(talk: Conversation) -> None:
        talk.send(b"+OK\r\nSubject: x\r\n\r\nhalf")
        talk.wait_closed(5)
        raise Gone

    sinks: list[Bytes] = []
    with ScriptedServer(usual({"RETR 2": stall})) as server:
        session = connect_to(server, timeouts=pop3.Timeouts(command=0.3))
        session.listing()
        going = session.retrieve([1, 2, 3], collector(sinks))
        assert next(going)[0] == 1
        with pytest.raises(ConnectionLost, match="did not answer in time"):
            next(going)
        assert [sink.discarded for sink in sinks] == [False, True]
        assert session.closed


def test_a_message_that_never_ends() -> None:
    """P11, X3: it is told as that message's fault, so that the next session can leave it out."""

    def endless(talk: Conversation) -> None:
        talk.send(b"+OK\r\n")
        while True:
            talk.send(b"and on\r\n" * 100_000)

    sinks: list[Bytes] = []
    with ScriptedServer(usual({"RETR 2": endless})) as server:
        session = connect_to(server)
        session.listing()
        going = session.retrieve([1, 2, 3], collector(sinks))
        assert next(going)[0] == 1
        number, fault = next(going)
        assert isinstance(fault, RetrieveFault)
        assert (number, fault.number, fault.kind) == (2, 2, FaultKind.TOO_LARGE)
        with pytest.raises(ProtocolViolation, match="without an end"):
            next(going)
        assert [sink.discarded for sink in sinks] == [False, True]
        assert session.closed


class Full(Bytes):
    """A sink on a full disk."""

    def write(self, data: bytes, /) -> None:
        raise OSError("no space left")


@both_ways
def test_a_sink_that_fails(capabilities: tuple[str, ...]) -> None:
    """X5: its error is passed on, and the session stays in step where little is left to read."""
    sinks: list[Bytes] = []

    def make() -> Bytes:
        sinks.append(Full() if len(sinks) == 1 else Bytes())
        return sinks[-1]

    with ScriptedServer(usual({}, capabilities)) as server:
        session = connect_to(server)
        session.listing()
        going = session.retrieve([1, 2, 3, 1, 2], make)
        assert next(going)[0] == 1
        with pytest.raises(OSError, match="no space"):
            next(going)
        assert [sink.discarded for sink in sinks] == [False, True]
        assert fetch(session, [3]) == {3: MESSAGES[2]}
        assert session.delete([1]) == []
        assert session.quit()


def test_a_sink_that_can_not_be_had() -> None:
    def make() -> Bytes:
        raise OSError("read-only")

    with ScriptedServer(usual({})) as server:
        session = connect_to(server)
        session.listing()
        with pytest.raises(OSError, match="read-only"):
            next(session.retrieve([1, 2], make))
        assert fetch(session, [3]) == {3: MESSAGES[2]}
        session.close()


@pytest.mark.parametrize("verb", ["CAPA", "UIDL", "LIST", "RETR", "TOP", "DELE"])
@pytest.mark.parametrize("answer", [b"\r\n", b"junk\r\n", b"+OKAY\r\n", b"* OK\r\n", b"\xff\r\n", b".\r\n"])
def test_an_answer_that_is_none_ends_the_session(verb: str, answer: bytes) -> None:
    """T9: answers have no tags, so that nothing after it can be trusted."""

    def go(server: ScriptedServer) -> None:
        session = connect_to(server)
        session.listing()
        fetch(session, [1])
        session.top(1, 0)
        session.delete([1])

    with ScriptedServer(usual({verb: answer})) as server, pytest.raises(ProtocolViolation):
        go(server)


def test_an_answer_without_a_command_ends_the_session() -> None:
    """T10: it would be taken for that of the next one."""
    with ScriptedServer(usual({"DELE 1": b"+OK\r\n+OK\r\n"})) as server:
        session = connect_to(server)
        session.listing()
        with pytest.raises(ProtocolViolation, match="not asked for"):
            session.delete([1])
        assert not session.quit()
    assert b"QUIT" not in server.received


@both_ways
def test_commands_ahead_are_few(capabilities: tuple[str, ...]) -> None:
    """No more wait for an answer than a socket takes while nobody reads: else both sides would wait for the other to read."""
    count = 1000
    waiting: list[int] = []

    def answer(talk: Conversation) -> None:
        if not waiting and "PIPELINING" in capabilities:
            # Long enough for whatever the client sends without an answer to lie here.
            time.sleep(0.5)
        answered = len(waiting)
        waiting.append(bytes(talk.received).count(b"RETR") - answered)
        talk.send(stuffed(b"x\r\n"))

    with ScriptedServer(usual({"RETR": answer}, capabilities, messages=[b"x\r\n"] * count)) as server:
        session = connect_to(server)
        session.listing()
        assert len(fetch(session, range(1, count + 1))) == count
        assert session.quit()
    if "PIPELINING" not in capabilities:
        assert set(waiting) == {1}
        return
    assert waiting[0] > 100
    assert max(waiting) * len("RETR 1000000000\r\n") < 4608


def test_memory_does_not_grow_with_a_message() -> None:
    """P11: a message of 500 MB needs no more than one of 5 kB."""
    size = 500_000_000
    block = b"A line of an ordinary length, as there are many of them.\r\n" * 4096

    def large(talk: Conversation) -> None:
        talk.send(b"+OK\r\n")
        for _ in range(size // len(block)):
            talk.send(block)
        talk.send(b".\r\n")

    class Counter(Bytes):
        size = 0

        def write(self, data: bytes, /) -> None:
            self.size += len(data)

    with ScriptedServer(usual({"RETR 1": large, "LIST": multi(b"1 %d" % size)})) as server:
        session = connect_to(server)
        session.listing()
        tracemalloc.start()
        try:
            ((_, found),) = session.retrieve([1], Counter)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert isinstance(found, Counter)
        assert found.size == size // len(block) * len(block)
        assert peak < 8 << 20
        session.close()


# Ends


def whole_session(server: ScriptedServer, sinks: list[Bytes], uidls: list[str | None], done: list[object]) -> bool:
    """Sign in, list, read and delete; what came lies in the arguments."""
    session = connect_to(server)
    try:
        uidls += [entry.uidl for entry in session.listing().entries]
        for number, _ in session.retrieve([1, 2, 3], collector(sinks)):
            done.append(number)
        session.delete([1, 2])
        return session.quit()
    finally:
        assert not (session.closed and session.quit())
        session.close()


@both_ways
def test_a_connection_cut_at_every_byte(capabilities: tuple[str, ...]) -> None:
    """X4, S12: an error of ours, nothing half is given out as whole, and no deletion is believed that was not confirmed."""
    script = usual({"AUTH PLAIN": b"+OK in\r\n"}, (*capabilities, "SASL SCRAM PLAIN"))
    sent: list[int] = []
    with ScriptedServer(remembering(script, sent.append)) as server:
        assert whole_session(server, [], [], [])
    total = sum(sent)
    assert total > 300
    for count in range(total):
        sinks: list[Bytes] = []
        uidls: list[str | None] = []
        done: list[object] = []
        with ScriptedServer(cut_after(count, script)) as server:
            try:
                answered = whole_session(server, sinks, uidls, done)
            except (ConnectionLost, ProtocolViolation):
                answered = False
        # A line without an end at the very end is as good as one.
        assert not answered
        assert uidls in ([], ["uid-1", "uid-2", "uid-3"])
        assert [bytes(sink.data) for sink in sinks if not sink.discarded] == list(MESSAGES[: len(done)])
        assert len(sinks) <= len(done) + 1


@pytest.mark.dovecot
def test_a_connection_cut_while_dovecot_speaks(pop3_dovecot: Dovecot, pop3_user: str) -> None:
    """X4: with STLS and pipelining, at bytes all over the session."""
    messages = [b"Subject: %d\r\n\r\n" % number + b"body\r\n" * 100 for number in range(3)]
    pop3_dovecot.make(pop3_user, "INBOX", messages)

    def go(proxy: Proxy, sinks: list[Bytes]) -> None:
        session = connect_dovecot(pop3_dovecot, pop3_user, Security.STARTTLS, port=proxy.port)
        try:
            session.listing()
            assert len(list(session.retrieve([1, 2, 3], collector(sinks)))) == 3
            session.delete([1])
            if not session.quit():
                raise ConnectionLost("QUIT was not answered.")
        finally:
            session.close()

    with Proxy(pop3_dovecot.host, pop3_dovecot.pop3_port) as proxy:
        for count in range(0, 4000, 97):
            while proxy.open_connections():
                time.sleep(0.002)
            proxy.cut_after(count)
            sinks: list[Bytes] = []
            with pytest.raises(TermmailError):
                go(proxy, sinks)
            assert all(bytes(sink.data) in messages for sink in sinks if not sink.discarded)
            assert not proxy.never_cut()
        sinks = []
        go(proxy, sinks)
        assert [bytes(sink.data) for sink in sinks] == messages


@pytest.mark.dovecot
@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("what", ["listing", "retrieve", "delete", "quit"])
def test_abort_ends_a_blocked_call(pop3_dovecot: Dovecot, pop3_user: str, security: Security, what: str) -> None:
    """X3: from another thread, within a second."""
    pop3_dovecot.make(pop3_user, "INBOX", [b"Subject: x\r\n\r\n"])
    port = pop3_dovecot.pop3_tls_port if security is Security.TLS else pop3_dovecot.pop3_port
    with Proxy(pop3_dovecot.host, port) as proxy:
        session = connect_dovecot(pop3_dovecot, pop3_user, security, port=proxy.port)
        session.listing()
        proxy.stall()
        actions: dict[str, Callable[[], object]] = {
            "listing": session.listing,
            "retrieve": lambda: list(session.retrieve([1], Bytes)),
            "delete": lambda: session.delete([1]),
            "quit": session.quit,
        }
        timer = threading.Timer(0.3, session.abort)
        timer.start()
        started = time.monotonic()
        if what == "quit":
            assert not session.quit()
        else:
            with pytest.raises(Cancelled):
                actions[what]()
        assert time.monotonic() - started < 8
        timer.join()
        with pytest.raises(Cancelled):
            session.listing()
        session.close()
        proxy.resume()


# Fuzz

NOISE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"+OK\r\n",
                b"-ERR\r\n",
                b"-ERR [SYS/TEMP]\r\n",
                b".\r\n",
                b"..\r\n",
                b"\r\n",
                b"+ \r\n",
                b"1 a\r\n",
                b"1 5\r\n",
            ]
        ),
        st.binary(max_size=12),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["CAPA", "AUTH", "PASS", "UIDL", "LIST", "RETR", "TOP", "DELE", "QUIT"]), NOISE))
def test_whatever_a_server_says_is_an_error_of_ours_or_a_result(noise: dict[str, bytes]) -> None:
    """P15."""
    answers: Answers = {}
    for verb, said in noise.items():

        def say(talk: Conversation, said: bytes = said) -> None:
            talk.send(said)
            raise Gone

        answers[verb] = say
    with ScriptedServer(usual(answers, (*CAPABILITIES, "SASL PLAIN"))) as server:
        try:
            session = connect_to(server)
        except (ServerRefused, SignInRefused, ConnectionLost, ProtocolViolation):
            return
        try:
            session.listing()
            fetch(session, [1, 2])
            list(session.tops([1, 2], 0))
            session.delete([1])
        except (ServerRefused, ConnectionLost, ProtocolViolation):
            pass
        assert isinstance(session.quit(), bool)
