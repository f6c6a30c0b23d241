"""The IMAP room against Dovecot: flags, moving, appending, mailboxes, what others do meanwhile."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from protocols.imap_sessions import ALL, message, session_of
from servers.dovecot import Dovecot
from servers.tls import Authority
from termmail.model.account import Security
from termmail.model.errors import ServerRefused, UnsafeArgument
from termmail.model.flags import FlagSet
from termmail.model.remote import CopiedUids, FaultKind, FetchFault, RemoteBody, RemoteFlags, RemoteHeader, UidRange
from termmail.protocols import imap

SEEN = FlagSet.parse(["\\Seen"])
NONE = FlagSet()


def flags_of(session: imap.ImapSession) -> dict[int, FlagSet]:
    return {item.uid: item.flags for item in session.fetch_flags(ALL) if isinstance(item, RemoteFlags)}


def fill(server: Dovecot, user: str, count: int) -> None:
    server.make(user, "INBOX", (message(number) for number in range(count)))


@pytest.mark.parametrize("disable", [(), ("CONDSTORE", "QRESYNC", "LITERAL+")])
def test_flags_are_added_and_removed(dovecot_server: Dovecot, dovecot_user: str, disable: tuple[str, ...]) -> None:
    fill(dovecot_server, dovecot_user, 5)
    with session_of(dovecot_server, dovecot_user, disable=disable) as session:
        session.select(b"INBOX")
        session.store_flags(
            [UidRange(1, 2), UidRange(4, 4)], FlagSet.parse(["\\Seen", "\\Flagged", "$Forwarded"]), NONE
        )
        session.store_flags([UidRange(2, 2)], FlagSet.parse(["work"]), FlagSet.parse(["\\Seen", "$forwarded"]))
        flags = flags_of(session)
        assert flags[1] == flags[4] == FlagSet.parse(["\\Seen", "\\Flagged", "$Forwarded"])
        assert flags[2] == FlagSet.parse(["\\Flagged", "work"])
        assert flags[3] == NONE


@pytest.mark.parametrize("keyword", ["a\r\nX DELETE INBOX", "two words", "", "(", "ä", "a]"])
def test_keywords_that_would_break_out_are_refused(dovecot_server: Dovecot, dovecot_user: str, keyword: str) -> None:
    """T11."""
    fill(dovecot_server, dovecot_user, 1)
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        with pytest.raises(UnsafeArgument):
            session.store_flags(ALL, FlagSet(keywords=frozenset({keyword})), NONE)
        assert flags_of(session) == {1: NONE}


@pytest.mark.parametrize("text", ["a\r\nX DELETE INBOX", "a\nb", "a\0b"])
def test_names_and_ids_that_would_break_out_are_refused(dovecot_server: Dovecot, dovecot_user: str, text: str) -> None:
    """T11."""
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        raw = text.encode()
        for action in (
            lambda: session.encode_name(text),
            lambda: session.search_message_id(text),
            lambda: session.create(raw),
            lambda: session.delete(raw),
            lambda: session.rename(b"a", raw),
            lambda: session.subscribe(raw),
            lambda: session.select(raw),
            lambda: session.status(raw),
            lambda: session.copy([UidRange(1, 1)], raw),
            lambda: session.append(raw, b"x", NONE, 0),
        ):
            with pytest.raises(UnsafeArgument):
                action()
        session.noop()


def test_changes_since_a_modification_sequence(dovecot_server: Dovecot, dovecot_user: str) -> None:
    fill(dovecot_server, dovecot_user, 5)
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        session.store_flags([UidRange(2, 2)], SEEN, NONE)
        modseq = session.select(b"INBOX").highestmodseq
        assert modseq is not None
        session.store_flags([UidRange(4, 4)], SEEN, NONE)
        changed = list(session.fetch_flags(ALL, changed_since=modseq))
        assert [(item.uid, item.flags) for item in changed if isinstance(item, RemoteFlags)] == [(4, SEEN)]


@pytest.mark.parametrize("by_uidplus", [True, False])
def test_move_copy_expunge(dovecot_server: Dovecot, dovecot_user: str, by_uidplus: bool) -> None:
    """S9: UID EXPUNGE or nothing."""
    fill(dovecot_server, dovecot_user, 6)
    with session_of(dovecot_server, dovecot_user, disable=() if by_uidplus else ("UIDPLUS",)) as session:
        session.select(b"INBOX")
        uidvalidity = session.status(b"Archive").uidvalidity
        assert session.move([UidRange(2, 3)], b"Archive") == CopiedUids(uidvalidity, ((2, 1), (3, 2)))
        assert session.copy([UidRange(1, 1), UidRange(5, 5)], b"Archive") == CopiedUids(uidvalidity, ((1, 3), (5, 4)))
        assert list(flags_of(session)) == [1, 4, 5, 6]
        session.store_flags([UidRange(4, 6)], FlagSet.parse(["\\Deleted"]), NONE)
        assert session.expunge([UidRange(4, 5)]) is by_uidplus
        assert list(flags_of(session)) == ([1, 6] if by_uidplus else [1, 4, 5, 6])
        seen = session.take_unsolicited()
        assert seen.expunged
        if by_uidplus:
            assert set(seen.vanished) == {UidRange(2, 5)} or set(seen.vanished) == {UidRange(2, 3), UidRange(4, 5)}
        with pytest.raises(ServerRefused) as caught:
            session.move([UidRange(1, 1)], b"nowhere")
        assert caught.value.code == "TRYCREATE"
        assert session.copy([UidRange(99, 99)], b"Archive").pairs == ()
        session.select(b"Archive")
        assert len(list(session.fetch_bodies(ALL, max_size=None))) == 4


@pytest.mark.parametrize("disable", [(), ("LITERAL+",)])
def test_append_and_find_again(dovecot_server: Dovecot, dovecot_user: str, disable: tuple[str, ...]) -> None:
    """S10."""
    raw = b'Message-ID: <"quo\\ted"@example.org>\r\nSubject: x\r\n\r\n' + b"body\r\n" * 100_000
    with session_of(dovecot_server, dovecot_user, Security.TLS, disable=disable) as session:
        uidvalidity = session.status(b"Sent").uidvalidity
        flags = FlagSet.parse(["\\Seen", "kept"])
        assert session.append(b"Sent", raw, flags, 1_234_567_890) == (uidvalidity, 1)
        assert session.append(b"Sent", message(1), NONE, 0) == (uidvalidity, 2)
        with pytest.raises(ServerRefused) as caught:
            session.append(b"nowhere", raw, NONE, 0)
        assert caught.value.code == "TRYCREATE"
        session.select(b"Sent")
        assert session.search_message_id('<"quo\\ted"@example.org>') == [1]
        assert session.search_message_id("<ü@example.org>") == []
        assert next(session.fetch_bodies(ALL, max_size=None)) == RemoteBody(1, raw)
        [header, _] = session.fetch_headers(ALL)
        assert isinstance(header, RemoteHeader)
        assert (header.flags, header.received_at) == (flags, 1_234_567_890)


def test_large_bodies_are_marked(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """P10: what is above the limit is read and dropped, and the next one is taken."""
    large = message(1) + b"x" * 70 + b"\r\n" * 200_000
    dovecot_server.make(dovecot_user, "INBOX", [large, message(2)])
    with session_of(dovecot_server, dovecot_user) as session:
        session.select(b"INBOX")
        fault, body = session.fetch_bodies(ALL, max_size=100_000)
        assert isinstance(fault, FetchFault)
        assert (fault.uid, fault.kind) == (1, FaultKind.TOO_LARGE)
        assert body == RemoteBody(2, message(2))
        pieces = [session.fetch_chunk(1, offset, 65536) for offset in range(0, len(large), 65536)]
        assert b"".join(pieces) == large


def test_mailboxes_are_made_and_unmade(dovecot_server: Dovecot, dovecot_user: str) -> None:
    with session_of(dovecot_server, dovecot_user, Security.TLS) as session:
        name = session.encode_name('Größe & "Maß"\\/日本')
        session.create(name)
        session.subscribe(name)
        with pytest.raises(ServerRefused, match="refused to create the folder; server says") as caught:
            session.create(name)
        assert caught.value.code == "ALREADYEXISTS"
        new = session.encode_name("neu ☃")
        session.rename(name, new)
        found = {mailbox.wire_name: mailbox for mailbox in session.list_mailboxes(with_status=False).mailboxes}
        assert name not in found or not found[name].selectable
        session.subscribe(new)
        session.unsubscribe(name)
        session.delete(new)
        assert new not in {
            mailbox.wire_name for mailbox in session.list_mailboxes(with_status=False).mailboxes if mailbox.selectable
        }


def test_what_others_do_is_told(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S7: by UID where the server can."""
    fill(dovecot_server, dovecot_user, 5)
    with session_of(dovecot_server, dovecot_user) as session, session_of(dovecot_server, dovecot_user) as other:
        session.select(b"INBOX")
        other.select(b"INBOX")
        other.store_flags([UidRange(5, 5)], SEEN, NONE)
        other.store_flags([UidRange(2, 3)], FlagSet.parse(["\\Deleted"]), NONE)
        other.expunge([UidRange(2, 3)])
        other.append(b"INBOX", message(9), NONE, 0)
        session.noop()
        seen = session.take_unsolicited()
        assert seen.expunged
        assert seen.vanished == (UidRange(2, 3),)
        assert seen.exists == 4
        assert any(item.uid == 5 and item.flags == SEEN for item in seen.flags)
        assert session.take_unsolicited() == imap.Unsolicited()


def test_without_qresync_flags_of_a_number_are_unknown(plain_dovecot_server: Dovecot, plain_dovecot_user: str) -> None:
    fill(plain_dovecot_server, plain_dovecot_user, 5)
    with (
        session_of(plain_dovecot_server, plain_dovecot_user) as session,
        session_of(plain_dovecot_server, plain_dovecot_user) as other,
    ):
        assert not session.has("CONDSTORE")
        session.select(b"INBOX")
        other.select(b"INBOX")
        other.store_flags([UidRange(5, 5)], SEEN, NONE)
        session.noop()
        assert session.take_unsolicited().flags_unknown
        assert flags_of(session)[5] == SEEN
        assert session.search_uids(2, None) == [UidRange(2, 5)]
        assert session.search_uids(6, None) == []


def test_qresync_tells_what_happened_since(dovecot_server: Dovecot, dovecot_user: str) -> None:
    fill(dovecot_server, dovecot_user, 20)
    with session_of(dovecot_server, dovecot_user) as session:
        before = session.select(b"INBOX")
        assert before.highestmodseq is not None
        known = before.uidvalidity, before.highestmodseq
        session.store_flags([UidRange(7, 7)], SEEN, NONE)
        session.store_flags([UidRange(3, 5), UidRange(9, 9)], FlagSet.parse(["\\Deleted"]), NONE)
        session.expunge([UidRange(3, 5), UidRange(9, 9)])
        after = session.select(b"INBOX", known=known)
        assert after.vanished == (UidRange(3, 5), UidRange(9, 9))
        assert after.changed is not None
        assert [(item.uid, item.flags) for item in after.changed] == [(7, SEEN)]
        assert after.exists == 16
        assert session.select(b"INBOX").changed is None
        other_mailbox = session.select(b"INBOX", known=(known[0] + 1, known[1]))
        assert other_mailbox.changed is None
        assert other_mailbox.vanished is None
        nothing_new = session.select(b"INBOX", known=(after.uidvalidity, after.highestmodseq or 0))
        assert nothing_new.changed == ()
        assert nothing_new.vanished == ()


def test_qresync_disabled_is_not_used(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S4."""
    fill(dovecot_server, dovecot_user, 2)
    with session_of(dovecot_server, dovecot_user, disable=("QRESYNC", "CONDSTORE", "ESEARCH")) as session:
        selected = session.select(b"INBOX", known=(1, 1))
        assert selected.highestmodseq is None
        assert selected.changed is None
        assert session.search_uids(1, None) == [UidRange(1, 2)]
        assert [item.modseq for item in session.fetch_flags(ALL) if isinstance(item, RemoteFlags)] == [None, None]


def test_examine_is_read_only(dovecot_server: Dovecot, dovecot_user: str) -> None:
    with session_of(dovecot_server, dovecot_user) as session:
        assert session.select(b"INBOX", read_only=True).read_only


@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
def test_idle_wakes_for_mail_and_for_us(dovecot_server: Dovecot, dovecot_user: str, security: Security) -> None:
    """T14."""
    fill(dovecot_server, dovecot_user, 3)
    with (
        session_of(dovecot_server, dovecot_user, security) as session,
        session_of(dovecot_server, dovecot_user) as other,
    ):
        session.select(b"INBOX")
        other.select(b"INBOX")
        assert not session.idle(until=time.monotonic() + 0.05, wake=None)

        timer = threading.Timer(0.2, lambda: other.append(b"INBOX", message(9), NONE, 0))
        timer.start()
        assert session.idle(until=time.monotonic() + 30, wake=None).exists
        timer.join()
        assert session.take_unsolicited().exists == 4

        other.noop()
        timer = threading.Timer(0.2, lambda: other.store_flags([UidRange(1, 1)], SEEN, NONE))
        timer.start()
        result = session.idle(until=time.monotonic() + 30, wake=None)
        timer.join()
        assert result.flags
        assert not result.exists

        timer = threading.Timer(0.2, lambda: other.move([UidRange(2, 2)], b"Archive"))
        timer.start()
        assert session.idle(until=time.monotonic() + 30, wake=None).expunged
        timer.join()
        assert session.take_unsolicited().vanished == (UidRange(2, 2),)

        reader, writer = os.pipe()
        try:
            os.write(writer, b"x")
            assert not session.idle(until=time.monotonic() + 30, wake=reader)
            assert os.read(reader, 10) == b"x"
        finally:
            os.close(reader)
            os.close(writer)
        assert session.status(b"INBOX").messages == 3


@pytest.mark.dovecot
def test_notify_tells_of_other_mailboxes(tmp_path: Path, authority: Authority) -> None:
    """RFC 5465, which Dovecot offers with its list index only."""
    with (
        Dovecot(tmp_path / "dovecot", authority=authority, extra="mailbox_list_index = yes") as server,
        session_of(server, "lisa") as session,
        session_of(server, "lisa") as other,
    ):
        session.select(b"INBOX")
        assert session.notify_start()
        timer = threading.Timer(0.2, lambda: other.append(b"Archive", message(9), NONE, 0))
        timer.start()
        result = session.idle(until=time.monotonic() + 30, wake=None)
        timer.join()
        assert b"Archive" in dict(result.mailboxes)
        timer = threading.Timer(0.2, lambda: other.append(b"INBOX", message(9), NONE, 0))
        timer.start()
        assert session.idle(until=time.monotonic() + 30, wake=None).exists
        timer.join()
        session.select(b"Archive")
        assert len(list(session.fetch_headers(ALL))) == 1
