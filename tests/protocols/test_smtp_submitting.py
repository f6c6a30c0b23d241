"""Submission to a sink that fails where it is told to: at most one copy, ever, and it is known whether there is one (O2 to O5)."""

from __future__ import annotations

import random
import threading
import time
import tracemalloc
from io import BytesIO
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.smtp_sink import EXTENSIONS, SmtpSink, Taken
from termmail.model.account import Security, Server
from termmail.model.errors import (
    Cancelled,
    ConnectionLost,
    OutcomeUnknown,
    PasswordRefused,
    ProtocolViolation,
    Retry,
    SignInRefused,
    SubmissionRefused,
    TermmailError,
    UnsafeArgument,
)
from termmail.model.outgoing import Refusal, Submission
from termmail.model.secret import Secret
from termmail.protocols import smtp
from termmail.protocols.smtp.stuffing import Stuffer

RAW = b"From: lisa@demo.example\r\nSubject: dots\r\n\r\n.\r\n..two\r\n.one\r\nend\r\n"
BOB, CAROL = "bob@else.example", "carol@else.example"
TIMEOUTS = smtp.Timeouts(connect=5, command=5, message=5)


def connect(sink: SmtpSink, timeouts: smtp.Timeouts = TIMEOUTS) -> smtp.SmtpSession:
    server = Server("127.0.0.1", sink.port, Security.NONE)
    return smtp.connect(server, "lisa", Secret("secret"), timeouts=timeouts)


def submit(
    session: smtp.SmtpSession,
    raw: bytes | BinaryIO = RAW,
    *,
    recipients: tuple[str, ...] = (BOB,),
    eight_bit: bool = False,
    utf8: bool = False,
    told: list[tuple[Refusal, ...]] | None = None,
) -> Submission:
    message = BytesIO(raw) if isinstance(raw, bytes) else raw
    size = len(raw) if isinstance(raw, bytes) else 0
    return session.submit(
        "lisa@demo.example", recipients, message, size, eight_bit=eight_bit, utf8=utf8,
        before_data=(told if told is not None else []).append,
    )  # fmt: skip


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:], ("AUTH LOGIN",)], ids=["all", "one by one", "none"])
def test_a_message_arrives_as_it_is(extensions: tuple[str, ...]) -> None:
    with SmtpSink(extensions=extensions) as sink:
        session = connect(sink)
        assert submit(session, recipients=(BOB, CAROL)) == Submission((BOB, CAROL), ())
        assert submit(session, b"no line end") == Submission((BOB,), ())
        session.close()
    assert sink.taken == [
        Taken("lisa@demo.example", (BOB, CAROL), RAW),
        Taken("lisa@demo.example", (BOB,), b"no line end\r\n"),
    ]
    assert sink.talks[0].commands[0] == b"ehlo [127.0.0.1]"
    assert sink.talks[0].commands[-1] == b"QUIT"


@given(
    blocks=st.lists(
        st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."]), max_size=8).map(b"".join), max_size=8
    )
)
def test_only_crlf_ends_a_line_and_dots_are_doubled(blocks: list[bytes]) -> None:
    """O7: whatever the blocks, a server that reads as RFC 5321 has it gets the same lines, and no end in between."""
    stuffer = Stuffer()
    sent = b"".join(stuffer.feed(block) for block in blocks)
    sent += stuffer.end()
    assert sent.count(b"\r\n") == sent.count(b"\r") == sent.count(b"\n")
    lines = sent.split(b"\r\n")
    assert b"." not in lines
    unstuffed = [line.removeprefix(b".") for line in lines]
    whole = b"".join(blocks).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = whole.split(b"\n")
    if expected[-1]:
        expected.append(b"")
    assert unstuffed == expected


@pytest.mark.parametrize("code", ["421", "450", "451", "452", "550", "552"])
@pytest.mark.parametrize("command", ["MAIL", f"RCPT {BOB}", "DATA", "dot"])
def test_refused_at_each_command(code: str, command: str) -> None:
    """O5: nothing is taken, 4xx may be tried again, 5xx not, and the server's words are shown without its escape sequences."""

    def answers(asked: str) -> str | None:
        return f"{code} 4.2.0 \x1b[31mno\x1b]0;owned\x07 today" if asked == command else None

    with SmtpSink(answers=answers) as sink:
        session = connect(sink)
        with pytest.raises(SubmissionRefused) as caught:
            submit(session)
        session.close()
    assert sink.taken == []
    assert caught.value.retry is (Retry.LATER if code[0] == "4" else Retry.NEVER)
    assert "no today" in caught.value.sentence
    assert "\x1b" not in caught.value.sentence


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]], ids=["together", "one by one"])
def test_a_refused_recipient_does_not_keep_the_others_from_it(extensions: tuple[str, ...]) -> None:
    """O4."""

    def answers(asked: str) -> str | None:
        return {f"RCPT {CAROL}": "550 5.1.1 no such user", "RCPT d@else.example": "451 4.7.1 greylisted"}.get(asked)

    told: list[tuple[Refusal, ...]] = []
    with SmtpSink(answers=answers, extensions=extensions) as sink:
        session = connect(sink)
        found = submit(session, recipients=(BOB, CAROL, "d@else.example"), told=told)
        session.close()
    refused = (Refusal(CAROL, 550, "no such user"), Refusal("d@else.example", 451, "greylisted"))
    assert found == Submission((BOB,), refused)
    assert told == [refused]
    assert [one.recipients for one in sink.taken] == [(BOB,)]


def test_where_all_are_refused_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpSink(answers=lambda asked: "550 no" if asked.startswith("RCPT") else None) as sink:
        session = connect(sink)
        with pytest.raises(SubmissionRefused) as caught:
            submit(session, recipients=(BOB, CAROL))
        assert [one.address for one in caught.value.refused] == [BOB, CAROL]
        # The connection is good for the next message.
        sink.answers = lambda asked: None
        assert submit(session).accepted == (BOB,)
        session.close()


def test_what_is_taken_back_before_data_is_not_sent() -> None:
    def taken_back(refused: tuple[Refusal, ...]) -> None:
        raise Cancelled("taken back")

    with SmtpSink() as sink:
        session = connect(sink)
        with pytest.raises(Cancelled):
            session.submit(
                "l@d.example", [BOB], BytesIO(RAW), len(RAW), eight_bit=False, utf8=False, before_data=taken_back
            )
        assert submit(session).accepted == (BOB,)
        session.close()
    assert len(sink.taken) == 1
    assert b"DATA" in sink.talks[0].commands


def test_what_the_server_can_not_take_is_not_uploaded() -> None:
    with SmtpSink(extensions=("SIZE 1000", "AUTH PLAIN")) as sink:
        session = connect(sink)
        with pytest.raises(SubmissionRefused, match=r"at most 1\.0 kB.*2\.0 kB"):
            submit(session, b"x" * 2000)
        with pytest.raises(SubmissionRefused, match="SMTPUTF8"):
            submit(session, utf8=True)
        with pytest.raises(SubmissionRefused, match="8BITMIME"):
            submit(session, eight_bit=True)
        session.close()
    assert not any(line.startswith(b"MAIL") for line in sink.talks[0].commands)


def test_extensions_are_used() -> None:
    with SmtpSink() as sink:
        session = connect(sink)
        submit(session, b"\xc3\xbc\r\n", recipients=("жук@else.example",), eight_bit=True, utf8=True)
        session.close()
    assert b"MAIL FROM:<lisa@demo.example> SIZE=4 BODY=8BITMIME SMTPUTF8" in sink.talks[0].commands
    assert sink.taken[0].recipients == ("жук@else.example",)


@pytest.mark.parametrize(
    "address", ["bob@else.example>\r\nRCPT TO:<eve@else.example", "a b@else.example", "жук@else.example", ""]
)
def test_no_address_makes_a_command(address: str) -> None:
    """T11."""
    with SmtpSink() as sink:
        session = connect(sink)
        with pytest.raises(UnsafeArgument):
            submit(session, recipients=(address,))
        session.close()
    assert sink.taken == []


@pytest.mark.parametrize("reply", ["nonsense", "250-never ends\r\n550 x", "99 x", "250" + "x" * 100_000])
def test_nonsense_ends_the_connection(reply: str) -> None:
    with SmtpSink(answers=lambda asked: reply if asked == "MAIL" else None) as sink:
        session = connect(sink)
        with pytest.raises(ProtocolViolation):
            submit(session)
        assert session.closed


def test_silence_before_the_dot_is_a_lost_connection_and_after_it_unknown() -> None:
    """O2, X3."""
    for command, error in (("DATA", ConnectionLost), ("dot", OutcomeUnknown)):
        stalled = threading.Event()

        def answers(asked: str, command: str = command, stalled: threading.Event = stalled) -> str | None:
            if asked == command:
                stalled.wait(5)
            return None

        with SmtpSink(answers=answers) as sink:
            session = connect(sink, smtp.Timeouts(connect=5, command=0.3, message=0.3))
            with pytest.raises(error):
                submit(session)
            stalled.set()


def test_a_nonsense_answer_to_the_dot_is_unknown() -> None:
    for reply in ("nonsense", "CLOSE", "2"):
        with SmtpSink(answers=lambda asked, reply=reply: reply if asked == "dot" else None) as sink:  # type: ignore[misc]
            session = connect(sink)
            with pytest.raises(OutcomeUnknown) as caught:
                submit(session)
            assert caught.value.submission.accepted == (BOB,)


def outcome_when_cut(after: int, extensions: tuple[str, ...]) -> tuple[str, int, int]:
    """(what the client knows, how many copies the sink has, how many bytes went)."""
    with SmtpSink(cut_after=after, extensions=extensions) as sink:
        try:
            session = connect(sink)
            try:
                submit(session, recipients=(BOB, CAROL))
                known = "sent"
            finally:
                session.close()
        except TermmailError as error:
            known = type(error).__name__
        deadline = time.monotonic() + 40
        while any(thread.is_alive() for thread in sink._threads) and time.monotonic() < deadline:
            time.sleep(0.001)
    return known, len(sink.taken), sink.talks[0].read + sink.talks[0].written


def _cuts(count: int) -> list[int]:
    with SmtpSink() as sink:
        session = connect(sink)
        submit(session, recipients=(BOB, CAROL))
        session.close()
        while sink.talks[0].commands[-1:] != [b"QUIT"]:
            time.sleep(0.001)
        total = sink.talks[0].read + sink.talks[0].written
    chosen = range(total + 1)
    return list(chosen) if count < 0 else sorted(random.Random(7).sample(chosen, min(count, total)))


@pytest.mark.parametrize("count", [200, pytest.param(-1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]], ids=["together", "one by one"])
def test_cut_at_any_byte(count: int, extensions: tuple[str, ...]) -> None:
    """O3: what the client takes for not sent is not there; what may be there it calls unknown; sent is there once."""
    seen = set()
    for after in _cuts(count):
        known, copies, _ = outcome_when_cut(after, extensions)
        seen.add(known)
        if known == "sent":
            assert copies == 1, after
        elif known == "OutcomeUnknown":
            assert copies <= 1, after
        else:
            assert copies == 0, (after, known)
    assert {"ConnectionLost", "OutcomeUnknown", "sent"} <= seen


def test_forty_megabytes_in_little_memory_and_stopped_in_the_midst() -> None:
    """O11."""

    class Endless(BytesIO):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.left = size

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            block = (b"x" * 70 + b"\r\n") * (min(size, self.left) // 72)
            self.left -= len(block)
            return block

    with SmtpSink(keep=False) as sink:
        session = connect(sink)
        tracemalloc.start()
        found = submit(session, Endless(40_000_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.accepted
        assert peak < 2_000_000
        sent: list[int] = []

        def progress(count: int) -> None:
            sent.append(count)
            if count > 500_000:
                session.abort()

        with pytest.raises(Cancelled):
            session.submit(
                "l@d.example", [BOB], Endless(40_000_000), 0, eight_bit=False, utf8=False,
                before_data=lambda refused: None, progress=progress,
            )  # fmt: skip
    assert len(sink.taken) == 1
    assert sent[-1] < 2_000_000


@pytest.mark.parametrize(
    ("reply", "error", "retry"),
    [
        ("535 5.7.8 wrong", PasswordRefused, Retry.NEVER),
        ("454 4.7.0 later", SignInRefused, Retry.LATER),
        ("421 4.7.0 busy", SignInRefused, Retry.LATER),
    ],
)
def test_a_refused_sign_in(reply: str, error: type[TermmailError], retry: Retry) -> None:
    """T12, T13: tried once."""
    with SmtpSink(answers=lambda asked: reply if asked == "AUTH" else None) as sink:
        with pytest.raises(error) as caught:
            connect(sink)
        assert caught.value.retry is retry
        assert sum(line.startswith(b"AUTH") for line in sink.talks[0].commands) == 1


def test_a_server_of_this_computer_may_want_no_sign_in() -> None:
    with SmtpSink(extensions=("SIZE",)) as sink:
        session = connect(sink)
        assert submit(session).accepted == (BOB,)
        session.close()


@pytest.mark.parametrize("greeting", ["554 go away", "421 busy", "+OK POP3", "* OK IMAP"])
def test_an_odd_greeting(greeting: str) -> None:
    """T9."""
    with SmtpSink(answers=lambda asked: greeting if asked == "greeting" else None) as sink:
        with pytest.raises((ConnectionLost, ProtocolViolation)):
            connect(sink)
        assert sink.talks[0].commands == []
