"""POP3 against Dovecot: listing, reading, deleting."""

from __future__ import annotations

import pytest

from protocols.pop3_sessions import Bytes, fetch, message, session_of
from servers.dovecot import Dovecot
from termmail.model.account import Security
from termmail.model.errors import Scope, ServerRefused
from termmail.model.remote import FaultKind, RetrieveFault

pytestmark = pytest.mark.dovecot

SIZES = (0, 1, 2, 80, 4093, 70_000, 300_000)


def odd_messages() -> list[bytes]:
    """Of many sizes, with dots in awkward places, and lines longer than any limit."""
    found = [message(number) for number in range(30)]
    found += [b"Subject: x\r\n\r\n" + b"." * size + b"\r\n" for size in SIZES]
    found += [b"Subject: x\r\n\r\n" + b"x" * size + b"\r\n.\r\n" for size in SIZES]
    found += [b"Subject: x\r\n\r\n" + b".\r\n" * size for size in SIZES]
    # Not a dot as the first byte of all: Dovecot 2.3 forgets to put another before that.
    return [*found, b"Subject: long\r\n\r\n" + b"y" * (1 << 20) + b"\r\n"]


@pytest.mark.parametrize("disable", [(), ("PIPELINING",)], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("security", list(Security))
def test_every_message_comes_as_it_is(
    pop3_dovecot: Dovecot, pop3_user: str, security: Security, disable: tuple[str, ...]
) -> None:
    """P11."""
    messages = odd_messages()
    pop3_dovecot.make(pop3_user, "INBOX", messages)
    with session_of(pop3_dovecot, pop3_user, security, disable=disable) as session:
        listing = session.listing()
        assert [entry.number for entry in listing.entries] == list(range(1, len(messages) + 1))
        assert [entry.size for entry in listing.entries] == [len(raw) for raw in messages]
        assert len({entry.uidl for entry in listing.entries} - {None}) == len(messages)
        assert not any(entry.problem for entry in listing.entries)
        assert listing.has_uidls
        assert listing.skipped == ()
        found = fetch(session, [entry.number for entry in listing.entries])
        assert list(found.values()) == messages
        assert session.listing() == listing


def test_an_empty_maildrop(pop3_dovecot: Dovecot, pop3_user: str) -> None:
    with session_of(pop3_dovecot, pop3_user) as session:
        listing = session.listing()
        assert listing.entries == ()
        assert listing.has_uidls
        assert fetch(session, []) == {}
        assert session.delete([]) == []
        assert session.quit()


@pytest.mark.parametrize("disable", [(), ("PIPELINING",)], ids=["pipelined", "one by one"])
def test_deleted_only_by_quit(pop3_dovecot: Dovecot, pop3_user: str, disable: tuple[str, ...]) -> None:
    """S12."""
    pop3_dovecot.make(pop3_user, "INBOX", [message(number) for number in range(600)])
    with session_of(pop3_dovecot, pop3_user, disable=disable) as session:
        uidls = [entry.uidl for entry in session.listing().entries]
        assert session.delete(range(1, 600)) == []
    with session_of(pop3_dovecot, pop3_user, disable=disable) as session:
        assert [entry.uidl for entry in session.listing().entries] == uidls
        session.delete(range(1, 600))
        assert session.quit()
        assert session.closed
    with session_of(pop3_dovecot, pop3_user) as session:
        assert [entry.uidl for entry in session.listing().entries] == uidls[-1:]


@pytest.mark.parametrize("disable", [(), ("PIPELINING",)], ids=["pipelined", "one by one"])
def test_a_refused_message_is_a_fault_of_its_own(
    pop3_dovecot: Dovecot, pop3_user: str, disable: tuple[str, ...]
) -> None:
    """P3."""
    pop3_dovecot.make(pop3_user, "INBOX", [message(1), message(2)])
    with session_of(pop3_dovecot, pop3_user, disable=disable) as session:
        session.listing()
        found = fetch(session, [1, 7, 2])
        assert (found[1], found[2]) == (message(1), message(2))
        fault = found[7]
        assert isinstance(fault, RetrieveFault)
        assert (fault.number, fault.kind) == (7, FaultKind.MISSING)
        assert "localhost refused to hand out this message" in fault.sentence
        assert [fault.number for fault in session.delete([1, 7, 1])] == [7, 1]


def test_the_header_alone(pop3_dovecot: Dovecot, pop3_user: str) -> None:
    """TOP."""
    messages = [message(number) for number in range(9)]
    pop3_dovecot.make(pop3_user, "INBOX", messages)
    with session_of(pop3_dovecot, pop3_user) as session:
        session.listing()
        assert session.top(1, 0) == messages[0][: messages[0].index(b"\r\n\r\n") + 4]
        assert session.top(1, 2) == messages[0][: messages[0].index(b".dot")]
        assert [found for _, found in session.tops(range(1, 10), 100)] == messages
        with pytest.raises(ServerRefused) as caught:
            session.top(10, 0)
        assert caught.value.scope is Scope.MESSAGE


def test_a_retrieval_that_is_given_up(pop3_dovecot: Dovecot, pop3_user: str) -> None:
    """Closed early, the session stays in step where little is left, and ends where that is much."""
    pop3_dovecot.make(pop3_user, "INBOX", [message(number) for number in range(200)])
    with session_of(pop3_dovecot, pop3_user) as session:
        session.listing()
        going = session.retrieve(range(1, 201), Bytes)
        next(going)
        with pytest.raises(RuntimeError, match="being read"):
            session.listing()
        going.close()
        assert fetch(session, [3]) == {3: message(2)}
    pop3_dovecot.make(pop3_user, "INBOX", [b"x" * (3 << 20) + b"\r\n"])
    with session_of(pop3_dovecot, pop3_user) as session:
        session.listing()
        going = session.retrieve([1, 201], Bytes)
        next(going)
        going.close()
        assert session.closed
