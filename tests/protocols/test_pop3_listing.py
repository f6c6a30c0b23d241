"""POP3: listings, good and bad (P3, P11, S6, S12)."""

from __future__ import annotations

import pytest

from protocols.pop3_scripts import CAPABILITIES, MESSAGES, Answers, both_ways, multi, usual
from protocols.pop3_sessions import connect_to
from servers.scripted import ScriptedServer
from termmail.model.errors import MaildropInUse, Retry, Scope, ServerRefused, TermmailError
from termmail.model.remote import MaildropEntry, MaildropListing


def listing_of(answers: Answers, capabilities: tuple[str, ...] = CAPABILITIES) -> MaildropListing:
    with ScriptedServer(usual(answers, capabilities)) as server:
        session = connect_to(server)
        try:
            return session.listing()
        finally:
            session.close()


@both_ways
def test_a_listing(capabilities: tuple[str, ...]) -> None:
    assert listing_of({}, capabilities) == MaildropListing(
        tuple(MaildropEntry(number, f"uid-{number}", len(raw)) for number, raw in enumerate(MESSAGES, 1)), True
    )


@both_ways
@pytest.mark.parametrize(
    ("verb", "answer", "error", "retry"),
    [
        ("LIST", b"-ERR no\r\n", ServerRefused, Retry.LATER),
        ("LIST", b"-ERR [SYS/PERM] no\r\n", ServerRefused, Retry.NEVER),
        ("UIDL", b"-ERR no\r\n", ServerRefused, Retry.LATER),
        ("UIDL", b"-ERR [SYS/TEMP] no\r\n", ServerRefused, Retry.LATER),
        ("UIDL", b"-ERR [IN-USE] no\r\n", MaildropInUse, Retry.LATER),
    ],
)
def test_a_refused_listing_is_no_empty_one(
    capabilities: tuple[str, ...], verb: str, answer: bytes, error: type[TermmailError], retry: Retry
) -> None:
    """S6: and the session goes on in step."""
    with ScriptedServer(usual({verb: answer}, capabilities)) as server:
        session = connect_to(server)
        with pytest.raises(error) as caught:
            session.listing()
        assert (caught.value.scope, caught.value.retry) == (Scope.ACCOUNT, retry)
        assert session.top(2, 0) == MESSAGES[1]
        assert session.quit()


@pytest.mark.parametrize("capabilities", [("TOP", "PIPELINING"), ("TOP",), ()])
def test_a_server_without_uidls(capabilities: tuple[str, ...]) -> None:
    """S12."""
    listing = listing_of({"UIDL": b"-ERR unknown command\r\n"}, capabilities)
    assert not listing.has_uidls
    assert [entry.uidl for entry in listing.entries] == [None] * 3
    assert [entry.size for entry in listing.entries] == [len(raw) for raw in MESSAGES]
    assert not any(entry.problem for entry in listing.entries)
    with pytest.raises(ServerRefused):
        listing_of({"UIDL": b"-ERR [SYS/TEMP] a moment\r\n"}, capabilities)


GARBAGE = [
    b"2",
    b"2 ",
    b"2 with space",
    b"2 esc\x1b[31m",
    b"2 nul\0",
    b"2 8bit\xff",
    b"2 " + b"x" * 256,
    b"2 " + b"x" * 65536,
    b"2 " + b"x" * (3 << 20),
    b"2 x\r\n2 y",
    b"2 x\n2 y",
    b"2\ta b",
]


@both_ways
@pytest.mark.parametrize("line", GARBAGE, ids=lambda line: repr(line[:12]) + str(len(line)))
def test_a_uidl_that_can_not_be_used(capabilities: tuple[str, ...], line: bytes) -> None:
    """P3, P11: it is told of that message, and the others have theirs."""
    one, two, three = listing_of({"UIDL": multi(b"1 a", line, b"3 c")}, capabilities).entries
    assert (one.uidl, two.uidl, three.uidl) == ("a", None, "c")
    assert (one.problem, three.problem) == ("", "")
    assert "lasting name" in two.problem
    assert [entry.size for entry in (one, two, three)] == [len(raw) for raw in MESSAGES]


def test_uidls_as_long_as_some_servers_make_them() -> None:
    longest = b"!" + b"~" * 254
    listing = listing_of({"UIDL": multi(b"1 " + longest, b"2\tb ", b"  3  c")})
    assert [entry.uidl for entry in listing.entries] == [longest.decode(), "b", "c"]


def test_uidls_that_repeat() -> None:
    """S12: RFC 1939 allows it for copies, so they are told, not dropped."""
    listing = listing_of({"UIDL": multi(b"1 a", b"2 b", b"3 a", b"3 a")})
    assert [entry.uidl for entry in listing.entries] == ["a", "b", "a"]
    assert [bool(entry.problem) for entry in listing.entries] == [True, False, True]


def test_lines_that_name_no_message() -> None:
    nameless = [b"", b"x", b"-1 a", b"0 a", b"99999999999 a", b"1x a", b"\xff"]
    listing = listing_of({"UIDL": multi(*nameless, b"1 a"), "LIST": multi(b"junk", b"1 5")})
    assert listing.entries == (MaildropEntry(1, "a", 5),)
    assert listing.skipped == (
        "Lines of the server's answer to LIST that name no message: 1.",
        f"Lines of the server's answer to UIDL that name no message: {len(nameless)}.",
    )


def test_list_and_uidl_that_differ() -> None:
    """What either names is there; a size that is garbage is none."""
    answers: Answers = {
        "LIST": multi(b"1 10", b"2 -5", b"3 x", b"4 99999999999999999999", b"6 60 extra words"),
        "UIDL": multi(b"5 e", b"6 f", b"2 b"),
    }
    found = [(entry.number, entry.uidl, entry.size, bool(entry.problem)) for entry in listing_of(answers).entries]
    assert found == [
        (1, None, 10, True),
        (2, "b", 0, True),
        (3, None, 0, True),
        (4, None, 0, True),
        (5, "e", 0, True),
        (6, "f", 60, False),
    ]


def test_a_large_listing() -> None:
    """A hundred thousand messages, in blocks that end anywhere."""
    count = 100_000
    answers: Answers = {
        "LIST": multi(*(b"%d %d" % (number, number) for number in range(1, count + 1))),
        "UIDL": multi(*(b"%d %040x" % (number, number) for number in range(1, count + 1))),
    }
    entries = listing_of(answers).entries
    assert len(entries) == count
    assert entries[-1] == MaildropEntry(count, f"{count:040x}", count)
