"""What a server should not say: one odd message or row costs no other (P3, P10, P12, X2, X3, S8, S11)."""

from __future__ import annotations

import contextlib
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.imap_scripts import CAPABILITIES, Answers, connect_to, usual
from servers.scripted import Conversation, ScriptedServer
from termmail.model.errors import ConnectionLost, ProtocolViolation, Retry, ServerRefused, TermmailError
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.remote import (
    FaultKind,
    FetchFault,
    MailboxStatus,
    RemoteBody,
    RemoteFlags,
    RemoteHeader,
    UidRange,
)
from termmail.protocols import imap
from termmail.protocols.imap.attributes import AttributeCache

ALL = [UidRange(1, 2**32 - 1)]
DATE = b'"01-Feb-2024 10:00:00 +0100"'
RECEIVED = 1_706_778_000
BLOCK = b"Subject: x\r\n\r\n"


@contextlib.contextmanager
def talking(answers: Answers, capabilities: bytes = CAPABILITIES, *, exists: int = 3) -> Iterator[imap.ImapSession]:
    """A session with INBOX open at a server that answers as told."""
    with ScriptedServer(usual(answers, capabilities, exists=exists)) as server:
        session = connect_to(server)
        with contextlib.closing(session):
            session.select(b"INBOX")
            yield session


def row(uid: int, extra: bytes = b"") -> bytes:
    return (
        b"* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE %s RFC822.SIZE 99%s BODY[HEADER.FIELDS (DATE)] {%d}\r\n%s)\r\n"
        % (
            uid,
            uid,
            DATE,
            extra,
            len(BLOCK),
            BLOCK,
        )
    )


def usual_header(uid: int) -> RemoteHeader:
    return RemoteHeader(uid, FlagSet.parse(["\\Seen"]), 99, RECEIVED, BLOCK)


@pytest.mark.parametrize(
    "odd",
    [
        b"* 2 FETCH (FLAGS (\\Seen) BODY[HEADER.FIELDS (DATE)] {14}\r\n%s RFC822.SIZE 99 INTERNALDATE %s UID 2)\r\n"
        % (BLOCK, DATE),
        b'* 2 fetch (uid 2 flags (\\SEEN) internaldate %s rfc822.size "99" body[header.fields ("DATE")] "Subject: x")\r\n'
        % DATE,
        b"* 2 FETCH (UID 2 FLAGS (\\Seen) INTERNALDATE %s RFC822.SIZE 9.9e+01 BODY[HEADER.FIELDS (DATE)] {14+}\r\n%s)\r\n"
        % (DATE, BLOCK),
        b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
        b"* 2 FETCH (UID 2 INTERNALDATE %s RFC822.SIZE 99 BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % (DATE, BLOCK),
        b"* 2 FETCH (UID 2 ENVELOPE (NIL () ((((NIL)))) NIL) FLAGS (\\Seen) INTERNALDATE %s RFC822.SIZE 99"
        b" BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % (DATE, BLOCK),
        b"\r\n" + row(2) + b"\r\n",
        row(2)[:-2] + b"\n",
    ],
)
def test_odd_shapes_are_read(odd: bytes) -> None:
    """P4: whatever the order, the case, the quoting, and whatever else is told."""
    with talking({"UID FETCH": row(1) + odd + row(3) + b"$TAG OK done\r\n"}) as session:
        block = b"Subject: x" if b'"Subject' in odd else BLOCK
        second = RemoteHeader(2, FlagSet.parse(["\\Seen"]), 99, RECEIVED, block)
        assert list(session.fetch_headers(ALL)) == [usual_header(1), second, usual_header(3)]
        session.noop()


@pytest.mark.parametrize(
    ("odd", "uid", "kind"),
    [
        (b"* 2 FETCH (UID 2 FLAGS (\\Seen BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % BLOCK, 2, FaultKind.MALFORMED),
        (
            b"* 2 FETCH (UID 2 FLAGS ((\\Seen)) BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % BLOCK,
            2,
            FaultKind.MALFORMED,
        ),
        (b"* 2 FETCH (UID 2 BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % BLOCK, 2, FaultKind.MALFORMED),
        (b"* 2 FETCH (FLAGS () BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % BLOCK, None, FaultKind.MALFORMED),
        (b"* 2 FETCH (UID x FLAGS () BODY[HEADER.FIELDS (DATE)] {14}\r\n%s)\r\n" % BLOCK, None, FaultKind.MALFORMED),
        (b"* 2 FETCH (UID 2 FLAGS () BODY[HEADER.FIELDS (DATE)] NIL)\r\n", 2, FaultKind.MISSING),
        (b"* 2 FETCH (UID 2 FLAGS () BODY[HEADER.FIELDS (DATE)] (a))\r\n", 2, FaultKind.MALFORMED),
        (b"* 2 FETCH UID 2\r\n", 2, FaultKind.MALFORMED),
        (b'* 2 FETCH (UID 2 ENVELOPE "\r\n', 2, FaultKind.MALFORMED),
        (b"* 2 FETCH (UID 2 ENVELOPE " + b"(" * 5000 + b"\r\n", 2, FaultKind.MALFORMED),
        (b"what is this\r\n", None, FaultKind.MALFORMED),
        (
            b"* 2 FETCH (UID 2 FLAGS () BODY[HEADER.FIELDS (DATE)] {5000000}\r\n%s)\r\n" % (b"x" * 5_000_000),
            2,
            FaultKind.TOO_LARGE,
        ),
    ],
)
def test_a_malformed_message_is_marked_and_the_rest_arrives(odd: bytes, uid: int | None, kind: FaultKind) -> None:
    """P3."""
    with talking({"UID FETCH": row(1) + odd + row(3) + b"$TAG OK done\r\n"}) as session:
        first, fault, last = session.fetch_headers(ALL)
        assert (first, last) == (usual_header(1), usual_header(3))
        assert isinstance(fault, FetchFault)
        assert (fault.uid, fault.kind) == (uid, kind)
        assert fault.sentence.startswith("localhost ")
        session.noop()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"01-Jan-1970 00:00:00 +0000", 0),
        (b" 1-Jan-1970 00:00:10 +0000", 10),
        (b"1-Jan-1970 00:00:10 +0000", 10),
        (b"17-Jul-1996 02:44:25 -0730", 837598465),
        (b"29-FEB-2024 23:59:59 +0100", 1709247599),
        (b"31-Dec-1969 23:59:59 +0000", -1),
        (b"29-Feb-2023 00:00:00 +0000", 0),
        (b"01-Foo-2023 00:00:00 +0000", 0),
        (b"01-Jan-0000 00:00:00 +0000", 0),
        (b"01-Jan-2023 xx:00:00 +0000", 0),
        (b"01-Jan-2023 00:00:00 UTC", 0),
        (b"", 0),
    ],
)
def test_internal_dates(text: bytes, seconds: int) -> None:
    """P9: what is no date is 0, the first time and from the cache."""
    cache = AttributeCache()
    cache.received_at(b"01-Jan-2023 00:00:00 +0000")
    assert [cache.received_at(text), cache.received_at(text)] == [seconds, seconds]


def test_what_was_not_asked_is_left_aside() -> None:
    """S7: other UIDs, flags of others, and numbers, in the middle of a FETCH."""
    answer = (
        row(1)
        + row(50)
        + b"* 4 FETCH (FLAGS (\\Flagged) UID 4)\r\n* 9 EXISTS\r\n* 2 EXPUNGE\r\n* VANISHED 7:9\r\n* OK [ALERT] hello\r\n"
        + row(3)
        + b"$TAG OK done\r\n"
    )
    with talking({"UID FETCH": answer}) as session:
        assert list(session.fetch_headers([UidRange(1, 4)])) == [usual_header(1), usual_header(3)]
        seen = session.take_unsolicited()
        assert set(seen.flags) == {
            RemoteFlags(50, FlagSet.parse(["\\Seen"])),
            RemoteFlags(4, FlagSet.parse(["\\Flagged"])),
        }
        assert (seen.exists, seen.expunged, seen.vanished) == (9, True, (UidRange(7, 9),))
        # Without TLS no text of the server's is shown (T8).
        assert seen.alerts == ()


def test_some_messages_could_not_be_fetched() -> None:
    """S8."""
    answer = row(1) + b"$TAG NO [EXPUNGEISSUED] Some messages could not be fetched\r\n"
    with talking({"UID FETCH": answer}) as session:
        headers = session.fetch_headers(ALL)
        assert next(headers) == usual_header(1)
        with pytest.raises(ServerRefused) as caught:
            next(headers)
        assert caught.value.code == "EXPUNGEISSUED"
        session.noop()


@pytest.mark.parametrize("command", ["fetch_headers", "fetch_bodies"])
def test_a_literal_of_60_gb_ends_the_connection(command: str) -> None:
    """P10: without allocating, and with a mark at the message."""

    def answer(talk: Conversation) -> None:
        talk.send(b"* 1 FETCH (UID 1 FLAGS () BODY[] {60000000000}\r\n" + b"x" * 1000)
        talk.wait_closed()

    with talking({"UID FETCH": answer}) as session:
        tracemalloc.start()
        try:
            items = session.fetch_headers(ALL) if command == "fetch_headers" else session.fetch_bodies(ALL)
            fault = next(items)
            assert isinstance(fault, FetchFault)
            assert (fault.uid, fault.kind) == (1, FaultKind.TOO_LARGE)
            with pytest.raises(ConnectionLost) as caught:
                next(items)
            assert caught.value.retry is Retry.NOW
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()
        assert session.closed
        with pytest.raises(ConnectionLost):
            session.noop()


def test_a_server_without_partial_fetch() -> None:
    raw = bytes(range(256)) * 10_000
    answer = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n$TAG OK\r\n" % (len(raw), raw)
    with talking({"UID FETCH": answer}) as session:
        assert session.fetch_chunk(1, 1000, 2_000_000) == raw[1000:2_001_000]


def test_a_body_of_megabytes_in_one_go() -> None:
    raw = bytes(range(256)) * 20_000
    answer = b'* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n* 2 FETCH (UID 2 BODY[] "short" FLAGS ())\r\n$TAG OK\r\n' % (
        len(raw),
        raw,
    )
    with talking({"UID FETCH": answer}) as session:
        assert list(session.fetch_bodies(ALL)) == [RemoteBody(1, raw), RemoteBody(2, b"short")]
        session.noop()


@pytest.mark.parametrize("exists", [3, 25_000])
def test_a_search_line_of_megabytes(exists: int) -> None:
    """X2, S11: and tokens that are no numbers."""
    asked: list[bytes] = []

    def answer(talk: Conversation) -> None:
        asked.append(bytes(talk.received[talk.received.rindex(b"UID SEARCH") :]))
        uids = b" ".join(b"%d" % uid for uid in range(1_000_000, 1_300_000, 2))
        talk.send(b"* SEARCH  " + uids + b" nonsense -1 0x7\r\n* SEARCH\r\n$TAG OK done\r\n")

    with talking({"UID SEARCH": answer}, exists=exists) as session:
        found = session.search_uids(1_000_001, None)
        assert found[0] == UidRange(1_000_002, 1_000_002)
        assert len(found) == 149_999
        session.noop()


def test_large_mailboxes_are_searched_in_ranges() -> None:
    """X2: at most 10,000 messages each, all sent at once."""
    with ScriptedServer(usual({"UID SEARCH": b"* SEARCH 5\r\n$TAG OK done\r\n"}, exists=25_000)) as server:
        session = connect_to(server)
        with contextlib.closing(session):
            session.select(b"INBOX")
            assert session.search_uids(1, None) == [UidRange(5, 5)]
    lines = [line.split(b" ", 3)[3] for line in server.received.splitlines() if b"UID SEARCH" in line]
    assert lines == [b"1:10000 UID 1:*", b"10001:20000 UID 1:*", b"20001:* UID 1:*"]


def test_an_expunge_between_ranges_makes_it_ask_again() -> None:
    """X2, S7: numbers that moved would hide a message."""
    answers = iter([b"* SEARCH 1\r\n* 1 EXPUNGE\r\n$TAG OK\r\n", *[b"* SEARCH 2\r\n$TAG OK\r\n"] * 20])

    def answer(talk: Conversation) -> None:
        talk.send(next(answers))

    with talking({"UID SEARCH": answer}, exists=15_000) as session:
        assert session.search_uids(1, None) == [UidRange(2, 2)]


def test_esearch() -> None:
    """RFC 4731: also none at all, and the last message below the range (`n:*`)."""
    answers = iter(
        [
            b'* ESEARCH (TAG "$TAG") UID ALL 5:7,9,20\r\n',
            b'* ESEARCH (TAG "$TAG") UID\r\n',
            b"* ESEARCH UID ALL 3\r\n",
            b"",
        ]
    )

    def answer(talk: Conversation) -> None:
        talk.send(next(answers) + b"$TAG OK done\r\n")

    with talking({"UID SEARCH RETURN (ALL)": answer}, CAPABILITIES + b" ESEARCH") as session:
        assert session.search_uids(6, None) == [UidRange(6, 7), UidRange(9, 9), UidRange(20, 20)]
        assert session.search_uids(6, None) == []
        assert session.search_uids(6, None) == []
        assert session.search_uids(6, 8) == []


def test_rows_of_list_one_by_one() -> None:
    """P12: each listed or skipped alone."""
    rows = (
        b'* LIST (\\HasNoChildren) "/" inbox\r\n'
        b'* LIST () "/" INBOX\r\n'
        b'* LIST () "/" with\ttab and spaces\r\n'
        b'* LIST () "/" [Gmail]/Alle]\r\n'
        b'* LIST () NIL "no levels"\r\n'
        b'* LIST () "\\\\" "quo\\"te\\\\d"\r\n'
        b'* LIST () "/" {9}\r\nlit\r\neral\r\n'
        b'* LIST () "/" {4}\r\na"b\\\r\n'
        b'* LIST () "/" &broken\r\n'
        b'* LIST () "/" "&AOk-t&AOk-"\r\n'
        b'* LIST () "/" "\xc3\xa9t\xc3\xa9"\r\n'
        b'* LIST () "/" "\xff\xfe"\r\n'
        b'* LIST () "/" "&2D3eAA-"\r\n'
        b'* LIST (\\NonExistent \\Subscribed) "/" gone\r\n'
        b'* LIST (\\Sent) "." Gesendet ("OLDNAME" ("x"))\r\n'
        b'* LIST () "/" "no end\r\n'
        b"* LIST nonsense\r\n"
        b"* LIST\r\n"
        b'* LIST () "/" ""\r\n'
        b'* LIST () "/" {2000000}\r\n' + b"x" * 2_000_000 + b"\r\n"
        b"* STATUS nonsense\r\n"
        b'* STATUS "no levels" (MESSAGES 1 UNSEEN x UIDNEXT 0 HIGHESTMODSEQ 0)\r\n'
        b"* STATUS {9}\r\nlit\r\neral (MESSAGES 5)\r\n"
        b"$TAG OK done\r\n"
    )
    with talking({"LIST": rows}, CAPABILITIES + b" LIST-EXTENDED LIST-STATUS SPECIAL-USE") as session:
        listing = session.list_mailboxes(with_status=True)
        found = {mailbox.wire_name: mailbox for mailbox in listing.mailboxes}
        assert [(mailbox.name, mailbox.delimiter) for mailbox in listing.mailboxes] == [
            ("INBOX", "/"),
            ("with\ttab and spaces", "/"),
            ("[Gmail]/Alle]", "/"),
            ("no levels", ""),
            ('quo"te\\d', "\\"),
            ("lit\r\neral", "/"),
            ('a"b\\', "/"),
            ("&broken", "/"),
            ("été", "/"),
            ("\\xc3\\xa9t\\xc3\\xa9", "/"),
            ("\ufffd\ufffd", "/"),
            ("😀", "/"),
            ("gone", "/"),
            ("Gesendet", "."),
        ]
        assert found[b"inbox"].role is Role.INBOX
        assert not found[b"gone"].selectable
        assert found[b"Gesendet"].role is Role.SENT
        assert found[b"no levels"].status == MailboxStatus(messages=1)
        assert found[b"lit\r\neral"].status == MailboxStatus(messages=5)
        assert len(listing.skipped) == 5
        assert len({mailbox.name for mailbox in listing.mailboxes}) == len(listing.mailboxes)
        session.noop()


def test_roles_by_name_only_where_the_server_has_none() -> None:
    rows = b'* LIST () "." INBOX\r\n* LIST () "." INBOX.Spam\r\n* LIST () "." "Sent Items"\r\n* LIST () "." Sent\r\n$TAG OK\r\n'
    with talking({"LIST": rows, "LSUB": b'* LSUB () "." Sent\r\n$TAG OK\r\n'}) as session:
        found = {mailbox.name: mailbox for mailbox in session.list_mailboxes(with_status=False).mailboxes}
        assert found["INBOX.Spam"].role is Role.JUNK
        assert found["Sent"].role is Role.SENT
        assert found["Sent Items"].role is Role.NONE
        assert {name for name, mailbox in found.items() if mailbox.subscribed} == {"Sent"}
    with talking({"LIST": rows}, CAPABILITIES + b" SPECIAL-USE") as session:
        assert {mailbox.role for mailbox in session.list_mailboxes(with_status=False).mailboxes} == {
            Role.INBOX,
            Role.NONE,
        }


@pytest.mark.parametrize(
    "answer",
    [
        b"* 3 EXISTS\r\n$TAG OK selected\r\n",
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY 0] x\r\n$TAG OK selected\r\n",
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY x] x\r\n$TAG OK selected\r\n",
        b"$TAG NO [NOPERM] no\r\n",
    ],
)
def test_a_mailbox_that_can_not_be_opened(answer: bytes) -> None:
    answers: Answers = {}
    with talking(answers) as session:
        answers["SELECT"] = answer
        with pytest.raises(ServerRefused):
            session.select(b"other")
        assert session.selected is None


def test_select_without_uidnext_and_flags() -> None:
    """S8."""
    with talking(
        {"SELECT": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 4294967295] x\r\n$TAG OK [READ-ONLY] selected\r\n"}
    ) as session:
        selected = session.select(b"INBOX")
        assert (selected.uidnext, selected.highestmodseq, selected.uidvalidity) == (None, None, 2**32 - 1)
        assert selected.read_only
        assert selected.new_keywords


def test_qresync_that_was_not_enabled_is_not_used() -> None:
    """RFC 7162: its parameter would be an error then."""
    with ScriptedServer(usual({}, CAPABILITIES + b" QRESYNC CONDSTORE ENABLE")) as server:
        session = connect_to(server)
        with contextlib.closing(session):
            session.noop()
            assert session.select(b"INBOX", known=(7, 5)).changed is None
    assert b"QRESYNC (" not in server.received


def test_vanished_in_millions_stays_a_range() -> None:
    """RFC 7162."""
    capabilities = CAPABILITIES + b" QRESYNC CONDSTORE ENABLE"
    answer = (
        b"* OK [CLOSED] old\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ 99] x\r\n"
        b"* VANISHED (EARLIER) 1:4000000000,4000000002\r\n* 1 FETCH (UID 4000000001 FLAGS (a) MODSEQ (98))\r\n$TAG OK done\r\n"
    )
    enabled = b"* ENABLED QRESYNC\r\n$TAG OK done\r\n"
    with talking({"SELECT": answer, "ENABLE": enabled}, capabilities) as session:
        selected = session.select(b"INBOX", known=(7, 5))
        assert selected.vanished == (UidRange(1, 4_000_000_000), UidRange(4_000_000_002, 4_000_000_002))
        assert selected.changed == (RemoteFlags(4_000_000_001, FlagSet(keywords=frozenset({"a"})), 98),)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"$TAG BAD what\r\n", ProtocolViolation),
        (b"$TAG MAYBE\r\n", ProtocolViolation),
        (b"OTHER OK done\r\n", ProtocolViolation),
        (b"* BYE shutting down\r\n", ConnectionLost),
        (b"* X {99999999999}\r\n", ProtocolViolation),
        (b"$TAG NO no\r\n", ServerRefused),
    ],
)
@pytest.mark.parametrize("command", ["NOOP", "CREATE"])
def test_odd_answers_to_commands(answer: bytes, error: type[TermmailError], command: str) -> None:
    """T10, and errors for imapclient's commands as for ours."""
    with talking({command: answer}) as session:
        actions: dict[str, Callable[[], None]] = {"NOOP": session.noop, "CREATE": lambda: session.create(b"x")}
        with pytest.raises(error):
            actions[command]()
        assert session.closed is (error is not ServerRefused)


def test_an_answer_to_nothing_is_an_error() -> None:
    """T10: also one that lies there already when the command is sent."""

    def until_it_fails(session: imap.ImapSession) -> None:
        for _ in range(100):
            session.noop()

    with (
        talking({"NOOP": b"$TAG OK done\r\nSOMETHING OK early\r\n"}) as session,
        pytest.raises(ProtocolViolation, match="was not sent"),
    ):
        until_it_fails(session)


def test_a_stall_in_the_middle_of_a_fetch() -> None:
    """X3, T14."""

    def answer(talk: Conversation) -> None:
        talk.send(row(1) + row(2)[:40])
        talk.wait_closed(20)

    with ScriptedServer(usual({"UID FETCH": answer})) as server:
        session = connect_to(server, timeouts=imap.Timeouts(connect=10, command=0.5))
        session.select(b"INBOX")
        headers = session.fetch_headers(ALL)
        assert next(headers) == usual_header(1)
        with pytest.raises(ConnectionLost, match="did not answer in time"):
            next(headers)
        assert session.closed


def test_a_dripping_server_can_be_aborted() -> None:
    """X3: one byte at a time is read, and the abort comes through at once."""

    def answer(talk: Conversation) -> None:
        talk.drip(row(1) + row(2) * 10_000, 0.01)

    with talking({"UID FETCH": answer}) as session:
        timer = threading.Timer(0.5, session.abort)
        timer.start()
        started = time.monotonic()
        with pytest.raises(TermmailError):
            list(session.fetch_headers(ALL))
        assert time.monotonic() - started < 5


def test_ten_thousand_untagged_lines() -> None:
    """X3: memory is bounded."""
    noise = b"* OK [ALERT] noise\r\n* 5 FETCH (FLAGS (a))\r\n* VANISHED 1,3,5,7\r\n" * 10_000
    with talking({"NOOP": noise + b"$TAG OK done\r\n"}) as session:
        session.noop()
        seen = session.take_unsolicited()
        assert seen.flags_unknown
        assert seen.vanished == tuple(UidRange(uid, uid) for uid in (1, 3, 5, 7))
        assert len(seen.alerts) <= 20


def test_a_connection_cut_at_every_byte() -> None:
    """X4: whatever arrived is handed out, and then the loss is told."""
    stream = row(1) + b"* 9 EXISTS\r\n* 2 FETCH (UID 2 FLAGS (\\Seen\r\n" + row(3) + b"$TAG OK done\r\n"
    cut = 0

    def answer(talk: Conversation) -> None:
        talk.send(stream[:cut])
        talk.close()

    script = usual({"UID FETCH": answer})
    with ScriptedServer(script) as server:
        for cut in range(len(stream)):
            session = connect_to(server)
            session.select(b"INBOX")
            found: list[RemoteHeader | FetchFault] = []
            with pytest.raises(ConnectionLost):
                found.extend(session.fetch_headers(ALL))
            assert [item for item in found if isinstance(item, RemoteHeader)] == [
                usual_header(uid) for uid in (1, 3) if cut >= stream.index(row(uid)) + len(row(uid))
            ]
            assert session.closed


FRAGMENTS = [
    b"* ", b"+ ", b"$TAG ", b"OK ", b"NO ", b"BAD ", b"BYE ", b"1 ", b"2 ", b"FETCH ", b"EXISTS", b"EXPUNGE", b"VANISHED ", b"LIST ",
    b"STATUS ", b"SEARCH ", b"ESEARCH ", b"(", b")", b"UID 1 ", b"UID ", b"FLAGS ", b"(\\Seen)", b"BODY[", b"HEADER.FIELDS (DATE)",
    b"] ", b"BODY[] ", b"{3}\r\n", b"{0}\r\n", b"{1000}\r\n", b"{99999999999}\r\n", b"~{2}\r\n", b"abc", b'"', b"\\", b"NIL ", b"\r\n",
    b"\n", b"\r", b"\0", b"\xff", b"[UIDVALIDITY 7] ", b"[COPYUID 1 1:9999999999 2] ", b"[", b"1:4294967295", b",", b"MODSEQ (1) ",
    b"INTERNALDATE ", DATE, b"RFC822.SIZE 9 ", b'"/" ', b"INBOX ", b"() ", row(1), b"CAPABILITY ", b"(EARLIER) ", b"[ALERT] ",
]  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=12)), max_size=40),
    action=st.sampled_from(
        ["headers", "flags", "bodies", "chunk", "list", "select", "search", "idle", "copy", "status", "noop", "create"]
    ),
)
def test_fuzz_of_everything_a_server_may_say(
    fuzz_server: tuple[ScriptedServer, list[bytes]], parts: list[bytes], action: str
) -> None:
    """P15: nothing but an error of ours, and never a hang."""
    server, said = fuzz_server
    said[:] = [b"".join(parts)]
    session = connect_to(server, timeouts=imap.Timeouts(connect=10, command=10, idle_done=5))
    try:
        session.select(b"INBOX")
        actions: dict[str, Callable[[], object]] = {
            "headers": lambda: list(session.fetch_headers(ALL)),
            "flags": lambda: list(session.fetch_flags(ALL)),
            "bodies": lambda: list(session.fetch_bodies(ALL)),
            "chunk": lambda: session.fetch_chunk(1, 0, 10),
            "list": lambda: session.list_mailboxes(with_status=True),
            "select": lambda: session.select(b"FUZZ", known=(7, 1)),
            "search": lambda: session.search_uids(1, None),
            "idle": lambda: session.idle(until=time.monotonic() + 5, wake=None),
            "copy": lambda: session.copy(ALL, b"x"),
            "status": lambda: session.status(b"x"),
            "noop": session.noop,
            "create": lambda: session.create(b"x"),
        }
        with contextlib.suppress(TermmailError):
            actions[action]()
        repr(session.core.collector.take_all())
    finally:
        session.abort()
        session.close()


@pytest.fixture(scope="module")
def fuzz_server() -> Iterator[tuple[ScriptedServer, list[bytes]]]:
    """A server that answers what is to be fuzzed with what the test says, and hangs up."""
    said: list[bytes] = [b""]

    def answer(talk: Conversation) -> None:
        talk.send(said[0])
        talk.close()

    commands = (
        "UID FETCH",
        "LIST",
        "LSUB",
        'SELECT "FUZZ',
        "UID SEARCH",
        "IDLE",
        "UID COPY",
        "STATUS",
        "NOOP",
        "CREATE",
    )
    capabilities = CAPABILITIES + b" ENABLE QRESYNC CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS"
    answers: Answers = {**dict.fromkeys(commands, answer), "ENABLE": b"* ENABLED QRESYNC\r\n$TAG OK done\r\n"}
    with ScriptedServer(usual(answers, capabilities)) as server:
        yield server, said
