"""What must not go wrong: interruption, renumbering, halved listings, odd messages, cut lines."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.imap_reader import append, sign_in
from servers.proxy import Direction, Proxy
from servers.scripted import Conversation, ScriptedServer
from sync.support import EXTENSIONS, Client, flags, message, messages
from termmail.model.account import OfflineKind, OfflinePolicy
from termmail.model.errors import Cancelled, ConnectionLost, TermmailError
from termmail.model.message import BodyState
from termmail.model.status import Request, RequestKind, RequestState
from termmail.sync.imap import ImapSync, Urgent

ON_DEMAND = OfflinePolicy(OfflineKind.ON_DEMAND)


@pytest.fixture(params=[(), EXTENSIONS], ids=["extensions", "plain"])
def client(
    request: pytest.FixtureRequest, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> Iterator[Client]:
    found = Client(tmp_path / "home", dovecot_server, dovecot_user, disable=request.param)
    yield found
    found.close()


def test_a_first_sync_is_interrupted_and_resumed(client: Client, dovecot_server: Dovecot) -> None:
    """Newest first; stopped in the middle it goes on where it stopped, whatever came and went meanwhile."""
    user = client.account.user
    dovecot_server.make(user, "INBOX", messages(600), received=lambda index: 1_700_000_000 + index)
    client.should_stop = lambda: any(done >= 100 for _, done, _ in client.activities)
    with pytest.raises(Cancelled):
        client.sync()
    there = {int(row.subject.split()[1]) for row in client.rows()}
    assert 100 <= len(there) < 600
    assert max(there) == 600
    assert not client.queries.mailboxes("test")[0].complete
    with sign_in(dovecot_server.host, dovecot_server.port, user, client.secret.reveal()) as other:
        other.select("INBOX")
        other.uid("STORE", "1:600", "+FLAGS", "(\\Flagged)")
        other.uid("STORE", "2,590", "+FLAGS", "(\\Deleted)")
        other.expunge()
    append(dovecot_server.host, dovecot_server.port, user, client.secret.reveal(), "INBOX", message("late"))
    client.should_stop = lambda: False
    client.sync()
    assert client.contents() == dovecot_server.state(user)
    assert client.queries.mailboxes("test")[0].complete


def test_a_resumed_sync_does_not_fetch_twice(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """What came before the interruption does not come again."""
    dovecot_server.make(dovecot_user, "INBOX", messages(900))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        client = Client(tmp_path / "home", dovecot_server, dovecot_user, port=proxy.port, offline=ON_DEMAND)
        client.should_stop = lambda: any(done >= 500 for _, done, _ in client.activities)
        with pytest.raises(Cancelled):
            client.sync()
        before = len(client.rows())
        client.should_stop = lambda: False
        client.activities.clear()
        assert client.sync().new_messages == 900 - before
        client.close()


def test_uids_far_apart(client: Client, dovecot_server: Dovecot) -> None:
    """S8: UIDs above 2^31 with wide gaps, found in a few windows."""
    user = client.account.user
    dovecot_server.make(user, "INBOX", messages(3))
    dovecot_server.doveadm("mailbox", "update", "-u", user, "--min-next-uid", "3000000000", "INBOX")
    append(dovecot_server.host, dovecot_server.port, user, client.secret.reveal(), "INBOX", message("far"))
    client.sync()
    assert client.row("far").uid == 3_000_000_000
    assert client.contents() == dovecot_server.state(user)


def test_another_uidvalidity(client: Client, dovecot_server: Dovecot) -> None:
    """S3: messages are known again, bodies are not fetched again, and what was done offline lands on the right message."""
    user = client.account.user
    dovecot_server.make(user, "INBOX", messages(8))
    client.sync()
    ids = {row.subject: row.id for row in client.rows()}
    client.intents.archive([ids["mail 3"]])
    client.intents.set_flags([ids["mail 5"]], add=flags("\\Flagged"))
    with sign_in(dovecot_server.host, dovecot_server.port, user, client.secret.reveal()) as other:
        # The same messages under other UIDs: mail 1 gone, the rest moved along.
        other.select("INBOX")
        other.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
        other.expunge()
    _renumber(dovecot_server, client, "INBOX")
    fetched = client.sync()
    client.sync()
    assert client.contents() == dovecot_server.state(user)
    # Without UIDPLUS the archived message stays in the inbox as well, marked, and is another one from then on.
    assert fetched.new_bodies == (0 if not client.disable else 1)
    assert client.row("mail 3", "Archive").id == ids["mail 3"]
    assert client.row("mail 5").flags == flags("\\Flagged")
    assert {row.subject: row.id for row in client.unmarked()} == {
        subject: number for subject, number in ids.items() if subject not in ("mail 1", "mail 3")
    }


def _renumber(server: Dovecot, client: Client, name: str) -> None:
    """Give all messages of a mailbox other UIDs under another UIDVALIDITY, as a restored backup does."""
    user = client.account.user
    server.kick(user)
    folder = server._mailbox_folder(user, name)
    (folder / "dovecot-uidlist").unlink(missing_ok=True)
    for index in folder.glob("dovecot.index*"):
        index.unlink()
    server.change_uidvalidity(user, name, 1_900_000_000)


def test_a_renumbered_mailbox_whose_message_is_gone(client: Client, dovecot_server: Dovecot) -> None:
    """S3: an edit whose message can't be found is never applied to another one; the user is told."""
    user = client.account.user
    dovecot_server.make(user, "INBOX", messages(3))
    client.sync()
    client.intents.delete([client.row("mail 2").id])
    with sign_in(dovecot_server.host, dovecot_server.port, user, client.secret.reveal()) as other:
        other.select("INBOX")
        other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        other.expunge()
    _renumber(dovecot_server, client, "INBOX")
    client.sync()
    client.sync()
    assert client.contents() == dovecot_server.state(user)
    assert client.subjects() == ["mail 1", "mail 3"]
    assert any("could not be carried out" in sentence for sentence in client.sentences())


def test_half_of_a_mailbox_vanishes(client: Client, dovecot_server: Dovecot) -> None:
    """S6: listed again, then believed; the bodies are kept and the user is told."""
    user = client.account.user
    dovecot_server.make(user, "INBOX", messages(40))
    client.sync()
    with sign_in(dovecot_server.host, dovecot_server.port, user, client.secret.reveal()) as other:
        other.select("INBOX")
        other.uid("STORE", "1:30", "+FLAGS", "(\\Deleted)")
        other.expunge()
    client.sync()
    assert client.contents() == dovecot_server.state(user)
    assert any("30 of 40 messages in INBOX vanished" in sentence for sentence in client.sentences())
    assert len(list(client.home.mail.rglob("cur/*"))) == 40


def test_who_asks_for_a_body_on_its_way_is_answered_when_it_is_here(client: Client, dovecot_server: Dovecot) -> None:
    """By the pass that fetches it, not by the next one."""
    dovecot_server.make(client.account.user, "INBOX", [message("large", size=3_000_000)])
    client.sync(bodies=False)
    waiting = [Request(1, RequestKind.BODY, "test", None, client.row("large").id, RequestState.RUNNING, "")]
    answers: list[tuple[int, str]] = []

    def take() -> list[Request]:
        if not any(done for name, done, _ in client.activities if name == "Fetching a large message"):
            return []
        taken = waiting.copy()
        waiting.clear()
        return taken

    urgent = Urgent(take, lambda request, sentence: answers.append((request.id, sentence)), lambda: False)
    with client.session() as session:
        sync = ImapSync(
            session, client.ingest, client.journal, client.account, client.show_progress, lambda: False, urgent
        )
        assert sync.bodies()
    assert waiting == []
    assert answers == [(1, "")]


def test_a_large_body_comes_in_chunks(client: Client, dovecot_server: Dovecot) -> None:
    """P10: written to disk piece by piece, and after an interruption it goes on where it stopped."""
    user = client.account.user
    large = message("large", size=5_000_000)
    dovecot_server.make(user, "INBOX", [message("small"), large])
    client.should_stop = lambda: any(name == "Fetching a large message" and done for name, done, _ in client.activities)
    with pytest.raises(Cancelled):
        client.sync()
    (part,) = client.home.mail.rglob("tmp/*.part")
    came = part.stat().st_size
    assert 0 < came < len(large)
    client.should_stop = lambda: False
    client.activities.clear()
    client.sync()
    offsets = [done for name, done, _ in client.activities if name == "Fetching a large message"]
    assert min(offsets) == came
    assert client.contents() == dovecot_server.state(user)
    assert client.row("large").preview


@pytest.mark.parametrize("policy", [ON_DEMAND, OfflinePolicy(OfflineKind.DAYS, 30)], ids=["on demand", "days"])
def test_the_policy_for_bodies(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, policy: OfflinePolicy
) -> None:
    now = time.time()
    dovecot_server.make(dovecot_user, "INBOX", messages(2), received=lambda index: now - (90 * 86400 if index else 60))
    client = Client(tmp_path / "home", dovecot_server, dovecot_user, offline=policy)
    client.sync()
    recent, old = client.row("mail 1"), client.row("mail 2")
    assert old.body_state is BodyState.MISSING
    assert (recent.body_state is BodyState.PRESENT) == (policy.kind is OfflineKind.DAYS)
    with client.syncing() as sync:
        assert sync.fetch_body(old.id) == ""
    assert client.queries.raw(old.id) is not None
    client.close()


def test_a_stalled_server_is_left_at_once(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """X3: abort from another thread; one second is the aim, the bound here is generous."""
    dovecot_server.make(dovecot_user, "INBOX", messages(50))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        client = Client(tmp_path / "home", dovecot_server, dovecot_user, port=proxy.port)
        with client.session() as session, client.syncing():
            proxy.stall()
            threading.Timer(0.3, session.abort).start()
            began = time.monotonic()
            with pytest.raises(Cancelled):
                session.noop()
            assert time.monotonic() - began < 5
        client.close()


def test_cut_anywhere_it_resumes(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """X4: the connection is cut at seeded offsets of what the server says; the next passes converge."""
    dovecot_server.make(dovecot_user, "INBOX", messages(12), flags=lambda index: ("\\Seen",) if index % 3 else ())
    append(dovecot_server.host, dovecot_server.port, dovecot_user, "secret", "INBOX", message("large", size=1_500_000))
    truth = dovecot_server.state(dovecot_user)
    chance = random.Random(20250106)
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        Client(tmp_path / "whole", dovecot_server, dovecot_user, port=proxy.port).sync()
        said = proxy.reset().bytes_to_client
        offsets = [chance.randrange(1, 6000) for _ in range(12)] + [chance.randrange(6000, said) for _ in range(6)]
        for number, offset in enumerate(offsets):
            client = Client(tmp_path / f"home {number}", dovecot_server, dovecot_user, port=proxy.port)
            proxy.cut_after(offset, Direction.TO_CLIENT)
            with pytest.raises(TermmailError):
                client.sync()
            proxy.never_cut()
            client.sync()
            assert client.contents() == truth, f"cut after {offset} bytes"
            client.close()
            shutil.rmtree(tmp_path / f"home {number}")


@pytest.mark.parametrize("direction", list(Direction))
def test_edits_are_cut_anywhere_and_done_once(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, direction: Direction
) -> None:
    """X4, S9: moves, copies, flags and deletions, cut at seeded offsets, are there exactly once in the end."""
    chance = random.Random(7)
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        for disable in ((), EXTENSIONS[:3], ("MOVE",)):
            for attempt in range(5):
                dovecot_server.remove_mail(dovecot_user)
                dovecot_server.make(dovecot_user, "INBOX", messages(6))
                client = Client(tmp_path / "home", dovecot_server, dovecot_user, port=proxy.port, disable=disable)
                client.sync()
                client.intents.archive([client.row("mail 1").id, client.row("mail 2").id])
                client.intents.copy([client.row("mail 3").id], client.mailbox_id("Sent"))
                client.intents.set_flags([client.row("mail 4").id], add=flags("\\Flagged"))
                client.intents.expunge([client.row("mail 5").id])
                offset = chance.randrange(900, 2600) if direction is Direction.TO_CLIENT else chance.randrange(150, 700)
                proxy.cut_after(offset, direction)
                try:
                    client.sync()
                except (ConnectionLost, TermmailError):
                    proxy.never_cut()
                proxy.never_cut()
                client.sync()
                client.sync()
                where = f"cut after {offset} bytes, attempt {attempt}, without {disable}"
                assert client.contents() == dovecot_server.state(dovecot_user), where
                assert client.subjects() == ["mail 3", "mail 4", "mail 6"], where
                assert client.subjects("Archive") == ["mail 1", "mail 2"], where
                assert client.subjects("Sent") == ["mail 3"], where
                client.close()
                shutil.rmtree(tmp_path / "home")


class OddServer:
    """Says what no ordinary server does: three messages of which the second can't be read, and LIST rows as told."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.rows: list[bytes] = [b'() "/" INBOX', b'("/ broken']
        self.uidvalidity = 9
        self.restless = False
        self._server = ScriptedServer(self._serve)

    @property
    def port(self) -> int:
        return self._server.port

    def password(self, user: str) -> str:
        return "secret"

    def __enter__(self) -> OddServer:
        self._server.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.close()

    def _serve(self, talk: Conversation) -> None:
        talk.send(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR] ready\r\n")
        while True:
            line = talk.read_line()
            words = line.upper().split()
            verb = b" ".join(words[1:3]) if words[1] == b"UID" else words[1]
            match verb:
                case b"AUTHENTICATE":
                    talk.send(b"$TAG OK [CAPABILITY IMAP4rev1] in\r\n")
                case b"LIST":
                    talk.send(b"".join(b"* LIST %s\r\n" % row for row in self.rows) + b"$TAG OK\r\n")
                case b"STATUS":
                    talk.send(b"* STATUS INBOX (MESSAGES 3 UNSEEN 3 UIDNEXT 4 UIDVALIDITY %d)\r\n" % self.uidvalidity)
                    talk.send(b"$TAG OK\r\n")
                case b"SELECT" | b"EXAMINE":
                    self.uidvalidity += self.restless
                    talk.send(b"* 3 EXISTS\r\n* OK [UIDVALIDITY %d]\r\n" % self.uidvalidity)
                    talk.send(b"* OK [UIDNEXT 4]\r\n$TAG OK [READ-WRITE]\r\n")
                case b"UID FETCH":
                    for uid in (1, 2, 3):
                        if _asked(words[3], uid):
                            talk.send(_answer(uid, header=b"HEADER" in line.upper(), body=b"BODY" in line.upper()))
                    talk.send(b"$TAG OK\r\n")
                case b"UID SEARCH":
                    talk.send(b"* SEARCH 1 2 3\r\n$TAG OK\r\n")
                case b"LOGOUT":
                    talk.send(b"* BYE\r\n$TAG OK\r\n")
                    return
                case _:
                    talk.send(b"$TAG OK\r\n")


def _answer(uid: int, *, header: bool, body: bool) -> bytes:
    raw = b"Subject: mail %d\r\n\r\n" % uid
    if header and uid == 2:
        return b"* 2 FETCH (UID 2 FLAGS () RFC822.SIZE 9 BODY[HEADER.FIELDS (SUBJECT\r\n"
    if header:
        section = b'INTERNALDATE " 1-Jan-2025 10:00:00 +0000" RFC822.SIZE %d BODY[HEADER.FIELDS (SUBJECT)]' % len(raw)
    elif body:
        section = b"BODY[]"
    else:
        return b"* %d FETCH (UID %d FLAGS ())\r\n" % (uid, uid)
    return b"* %d FETCH (UID %d FLAGS () %s {%d}\r\n%s)\r\n" % (uid, uid, section, len(raw), raw)


def _asked(uid_set: bytes, uid: int) -> bool:
    parts = [part.partition(b":") for part in uid_set.split(b",")]
    return any(int(first) <= uid <= int(last or first) for first, _, last in parts)


def test_one_odd_message_costs_no_other(tmp_path: Path) -> None:
    """P3: what can't be read is asked for singly, then set aside with a row that says so; the rest arrives."""
    with OddServer() as server:
        client = Client(tmp_path / "home", server, "lisa")
        client.sync()
        assert client.subjects() == ["", "mail 1", "mail 3"]
        (odd,) = [row for row in client.rows() if row.problem]
        assert "can't be read" in odd.problem
        assert any("can't be read" in sentence for sentence in client.sentences())
        assert client.sync().new_messages == 0
        assert len(client.rows()) == 3
        client.close()


def test_a_server_that_lists_no_mailbox_at_all(tmp_path: Path) -> None:
    """S6: an empty listing is not "all deleted"; a row that can't be read removes nothing (P12)."""
    with OddServer() as server:
        client = Client(tmp_path / "home", server, "lisa")
        client.sync()
        server.rows = []
        client.sync()
        assert len(client.rows()) == 3
        assert any("listed no folders" in sentence for sentence in client.sentences())
        server.rows = [b'("/ broken']
        client.sync()
        assert len(client.rows()) == 3
        client.close()


def test_a_mailbox_that_is_numbered_anew_each_time(tmp_path: Path) -> None:
    """S3: a loop of UIDVALIDITY is noticed, not followed for ever; no message is lost here."""
    with OddServer() as server:
        client = Client(tmp_path / "home", server, "lisa")
        client.sync()
        server.restless = True
        with client.syncing() as sync:
            for _ in range(4):
                sync.run()
        assert any("anew each time" in sentence for sentence in client.sentences())
        assert len(client.rows()) == 3
        client.close()
