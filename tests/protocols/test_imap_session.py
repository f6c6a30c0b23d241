"""The IMAP room against Dovecot: connecting, listing, reading."""

from __future__ import annotations

import pytest

from protocols.imap_sessions import ALL, message, session_of
from servers.dovecot import SPECIAL_MAILBOXES, Dovecot
from servers.proxy import Proxy
from termmail.model.account import Security, Server
from termmail.model.errors import ServerRefused
from termmail.model.flags import FlagSet
from termmail.model.mailbox import Role
from termmail.model.remote import FetchFault, RemoteBody, RemoteFlags, RemoteHeader, UidRange
from termmail.model.secret import Secret
from termmail.protocols import hook, imap


@pytest.mark.parametrize("security", list(Security))
def test_reads_a_mailbox(dovecot_server: Dovecot, dovecot_user: str, security: Security) -> None:
    """T1, T4: implicit TLS, STARTTLS, and none on loopback."""
    raws = [message(number) for number in range(30)]
    dovecot_server.make(
        dovecot_user,
        "INBOX",
        raws,
        flags=lambda index: ["\\Seen", "work"] if index % 2 else [],
        received=lambda index: 1_000_000_000 + index,
    )
    with session_of(dovecot_server, dovecot_user, security) as session:
        assert session.plain is (security is Security.NONE)
        selected = session.select(b"INBOX")
        assert (selected.exists, selected.uidnext, selected.read_only) == (30, 31, False)
        assert selected.new_keywords
        assert "\\Seen" in selected.permanent_flags
        assert session.selected == b"INBOX"
        assert session.search_uids(1, None) == [UidRange(1, 30)]
        assert session.search_uids(5, 7) == [UidRange(5, 7)]
        assert session.search_uids(31, None) == []
        headers = [item for item in session.fetch_headers(ALL) if isinstance(item, RemoteHeader)]
        assert [header.uid for header in headers] == list(range(1, 31))
        assert headers[3].header == b"Subject: number 3\r\nFrom: a@example.org\r\n\r\n"
        assert headers[3].flags == FlagSet.parse(["\\Seen", "work"])
        assert headers[3].received_at == 1_000_000_003
        assert headers[3].size == len(raws[3])
        assert headers[3].modseq
        bodies = list(session.fetch_bodies([UidRange(2, 3), UidRange(30, 30)], max_size=None))
        assert bodies == [RemoteBody(2, raws[1]), RemoteBody(3, raws[2]), RemoteBody(30, raws[29])]
        flags = list(session.fetch_flags([UidRange(1, 2)]))
        assert [item.flags for item in flags if isinstance(item, RemoteFlags)] == [headers[0].flags, headers[1].flags]
        assert session.fetch_chunk(1, 3, 10) == raws[0][3:13]
        assert session.fetch_chunk(1, len(raws[0]) - 2, 10) == raws[0][-2:]
        assert session.fetch_chunk(1, len(raws[0]), 10) == b""
        with pytest.raises(ServerRefused):
            session.fetch_chunk(99, 0, 10)
        assert session.take_unsolicited() == imap.Unsolicited()


@pytest.mark.parametrize("disable", [(), ("LIST-STATUS",), ("LIST-STATUS", "LIST-EXTENDED", "SPECIAL-USE")])
def test_lists_mailboxes(dovecot_server: Dovecot, dovecot_user: str, disable: tuple[str, ...]) -> None:
    """P12: odd names, roles, subscriptions and counts, the same with the extensions and without."""
    odd = ["Grüße/a.b", "Ente (quak) & co", "日本語", "100% *", 'a"b\\c']
    dovecot_server.create(dovecot_user, *odd)
    dovecot_server.create(dovecot_user, "unsubscribed", subscribe=False)
    dovecot_server.make(dovecot_user, "Archive", [message(1), message(2)], flags=lambda index: ["\\Seen"] * index)
    with session_of(dovecot_server, dovecot_user, disable=disable) as session:
        listing = session.list_mailboxes(with_status=True)
        found = {mailbox.name: mailbox for mailbox in listing.mailboxes}
        assert listing.skipped == ()
        assert set(found) == {"INBOX", "Grüße", "unsubscribed", *odd, *SPECIAL_MAILBOXES}
        assert {name: found[name].role.value for name in SPECIAL_MAILBOXES} == {
            name: name.lower() for name in SPECIAL_MAILBOXES
        }
        assert found["INBOX"].role is Role.INBOX
        assert found["日本語"].role is Role.NONE
        assert not found["Grüße"].selectable
        assert found["日本語"].subscribed
        assert not found["unsubscribed"].subscribed
        archive = found["Archive"].status
        assert archive is not None
        assert (archive.messages, archive.unseen, archive.uidnext) == (2, 1, 3)
        assert archive.uidvalidity
        assert archive.highestmodseq
        assert session.status(found["Archive"].wire_name) == archive
        for name in odd:
            assert session.encode_name(name) == found[name].wire_name
            assert session.select(found[name].wire_name).exists == 0
        assert all(mailbox.status is None for mailbox in session.list_mailboxes(with_status=False).mailboxes)


def test_few_round_trips(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """One listing with STATUS of everything costs one round trip after the sign-in, ID and ENABLE included."""
    dovecot_server.create(dovecot_user, *(f"box{number}" for number in range(30)))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        password = Secret(dovecot_server.password(dovecot_user))
        session = imap.connect(Server(proxy.host, proxy.port, Security.NONE), dovecot_user, password)
        before = proxy.reset()
        assert len(session.list_mailboxes(with_status=True).mailboxes) == 36
        assert proxy.stats.round_trips == 1
        session.close()
        assert before.connections == 1


def test_a_missing_mailbox_is_refused(dovecot_server: Dovecot, dovecot_user: str) -> None:
    with session_of(dovecot_server, dovecot_user, Security.TLS) as session:
        with pytest.raises(ServerRefused, match=r"localhost refused to open the folder; server says: “.*exist"):
            session.select(b"nowhere")
        assert session.selected is None
        assert session.select(b"INBOX").exists == 0


def test_long_uid_sets_take_several_commands(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", (message(number) for number in range(4000)))
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        every_other = [UidRange(uid, uid) for uid in range(1, 4001, 2)]
        items = list(session.fetch_flags(every_other))
        assert [item.uid for item in items] == list(range(1, 4001, 2))
        assert not any(isinstance(item, FetchFault) for item in items)
        session.noop()


def test_an_iterator_closed_early_leaves_the_session_usable(dovecot_server: Dovecot, dovecot_user: str) -> None:
    dovecot_server.make(dovecot_user, "INBOX", (message(number) for number in range(500)))
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        headers = session.fetch_headers(ALL)
        next(headers)
        with pytest.raises(RuntimeError, match="still being read"):
            session.noop()
        headers.close()
        assert session.status(b"INBOX").messages == 500
        assert len(list(session.fetch_headers(ALL))) == 500


def test_commands_are_announced(dovecot_server: Dovecot, dovecot_user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(hook, "on_command", heard.append)
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
    assert heard[-8:] == [
        "before ID",
        "before ENABLE",
        "before SELECT",
        "after ID",
        "after ENABLE",
        "after SELECT",
        "before LOGOUT",
        "after LOGOUT",
    ]
