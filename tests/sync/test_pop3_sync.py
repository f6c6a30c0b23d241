"""POP3 accounts against a real Dovecot: what comes, what stays on the server, and that nothing is lost or doubled."""

from __future__ import annotations

import hashlib
import itertools
import poplib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from maildrop_home import MaildropHome, mail
from servers.dovecot import Dovecot
from servers.proxy import Direction, Proxy
from servers.tls import Authority
from termmail.cli.progress import describe
from termmail.engine.sync_once import AccountReport, sync_once
from termmail.model.account import (
    Account,
    Credential,
    CredentialKind,
    KeepKind,
    KeepPolicy,
    Protocol,
    Security,
    Server,
)
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState
from termmail.protocols.pop3 import connect
from termmail.store.intents import Intents
from termmail.store.queries import Queries
from termmail.sync.pop3 import Pop3Sync

pytestmark = pytest.mark.dovecot_pop3

_serial = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("pop3-dovecot"), authority=authority, pop3=True) as running:
        yield running


class Bob:
    """A POP3 account of a user of his own, its home, and his maildrop."""

    def __init__(self, folder: Path, server: Dovecot) -> None:
        self.server = server
        self.user = f"test-bob{next(_serial)}"
        self.home = Home.under(folder)
        self.port = server.pop3_port
        self.keep = KeepPolicy()

    @property
    def account(self) -> Account:
        return Account(
            name="bob",
            email="bob@example.org",
            protocol=Protocol.POP3,
            incoming=Server(self.server.host, self.port, Security.NONE),
            smtp=None,
            user=self.user,
            credential=Credential(CredentialKind.COMMAND, "true"),
            keep=self.keep,
        )

    def sync(self, *, fails: bool = False) -> AccountReport:
        (report,) = sync_once(self.home, [self.account], password=lambda account: Secret("secret")).accounts
        assert (report.error is not None) == fails, report.error
        return report

    def deliver(self, *messages: bytes) -> None:
        self.server.make(self.user, "INBOX", messages, new=True)

    def maildrop(self) -> poplib.POP3:
        client = poplib.POP3(self.server.host, self.server.pop3_port, timeout=20)
        client.user(self.user)
        client.pass_("secret")
        return client

    def on_server(self) -> int:
        client = self.maildrop()
        count = client.stat()[0]
        client.quit()
        return count

    def here(self, mailbox: str = "INBOX") -> Counter[str]:
        """SHA-256 of what `show --raw` gives, for each message."""
        queries = Queries(self.home)
        try:
            found = queries.find_mailbox("bob", mailbox)
            assert found is not None
            raws = [queries.raw(placement_id) for placement_id in queries.message_ids(found.id)]
            assert found.total == len(raws)
            return Counter(hashlib.sha256(raw or b"").hexdigest() for raw in raws)
        finally:
            queries.close()

    def ids(self, mailbox: str = "INBOX") -> list[int]:
        queries = Queries(self.home)
        try:
            found = queries.find_mailbox("bob", mailbox)
            assert found is not None
            return list(queries.message_ids(found.id))
        finally:
            queries.close()

    def intents(self) -> Intents:
        return Intents(self.home)

    def files(self) -> list[Path]:
        return sorted((self.home.mail / "bob").glob("*/cur/*"))

    def problems(self) -> list[str]:
        queries = Queries(self.home)
        try:
            return [problem.sentence for problem in queries.problems()]
        finally:
            queries.close()


@pytest.fixture
def bob(tmp_path: Path, server: Dovecot) -> Iterator[Bob]:
    one = Bob(tmp_path / "home", server)
    yield one
    server.remove_mail(one.user)


def digests(*messages: bytes) -> Counter[str]:
    return Counter(hashlib.sha256(message).hexdigest() for message in messages)


def test_what_the_server_has_comes_down_whole(bob: Bob) -> None:
    """P2: byte for byte, each once; a second look fetches nothing."""
    messages = [mail(number) for number in range(1, 251)]
    bob.deliver(*messages)
    assert bob.sync().new_messages == 250
    assert bob.here() == digests(*messages)
    assert len(bob.files()) == 250
    assert bob.sync().new_messages == 0
    bob.deliver(mail(999))
    assert bob.sync().new_messages == 1
    assert len(bob.ids()) == 251
    assert bob.problems() == []


def test_odd_mail_comes_down_whole(bob: Bob) -> None:
    """P11: dots, no body, long lines, 8-bit, no header end, NULs are the server's business."""
    odd = [
        b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
        b"Subject: no body\r\n\r\n",
        b"Subject: long\r\n\r\n" + b"x" * 1_000_000 + b"\r\n",
        "Subject: größe\r\n\r\nÄ\r\n".encode("latin-1"),
        b"Subject: no end of the header\r\n",
        b"\r\nno header\r\n",
    ]
    bob.deliver(*odd)
    bob.sync()
    client = bob.maildrop()
    given = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in (1, 2, 4, 5, 6)]
    client.quit()
    for raw in given:
        assert digests(raw).keys() <= bob.here().keys()
    assert sum(bob.here().values()) == 6


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (KeepPolicy(), 4),
        (KeepPolicy(KeepKind.NONE), 0),
        (KeepPolicy(KeepKind.UNTIL_DELETED), 4),
        (KeepPolicy(KeepKind.DAYS, 3), 4),
    ],
    ids=lambda value: value.kind.value if isinstance(value, KeepPolicy) else "",
)
def test_what_stays_on_the_server(bob: Bob, keep: KeepPolicy, left: int) -> None:
    bob.deliver(*(mail(number) for number in range(4)))
    bob.keep = keep
    bob.sync()
    assert bob.on_server() == left
    bob.sync()
    assert len(bob.ids()) == 4


def test_until_it_is_deleted_here(bob: Bob) -> None:
    """In Trash counts; archived does not."""
    bob.deliver(*(mail(number) for number in range(5)))
    bob.keep = KeepPolicy(KeepKind.UNTIL_DELETED)
    bob.sync()
    intents = bob.intents()
    first, second, third, *_ = bob.ids()
    intents.delete([first])
    intents.archive([second])
    intents.expunge([third])
    intents.close()
    bob.sync()
    assert bob.on_server() == 3
    assert len(bob.ids()) == 2
    assert len(bob.ids("Trash")) == len(bob.ids("Archive")) == 1
    bob.sync()
    assert bob.on_server() == 3
    assert len(bob.ids()) == 2


def test_another_policy_later(bob: Bob) -> None:
    """What came under the old one is included, mail deleted here long ago too."""
    bob.deliver(*(mail(number) for number in range(3)))
    bob.sync()
    intents = bob.intents()
    intents.expunge(bob.ids()[:1])
    intents.close()
    bob.sync()
    assert bob.on_server() == 3
    bob.keep = KeepPolicy(KeepKind.UNTIL_DELETED)
    bob.sync()
    assert bob.on_server() == 2
    bob.keep = KeepPolicy(KeepKind.NONE)
    bob.sync()
    assert bob.on_server() == 0
    assert len(bob.ids()) == 2


def test_days_are_counted_from_the_download(bob: Bob) -> None:
    bob.deliver(mail(1))
    bob.keep = KeepPolicy(KeepKind.DAYS, 3)
    bob.sync()
    import sqlite3

    with sqlite3.connect(bob.home.database) as connection:
        connection.execute("UPDATE uidl SET downloaded_at = downloaded_at - 3 * 86400 - 1")
    connection.close()
    bob.deliver(mail(2))
    bob.sync()
    assert bob.on_server() == 1
    assert len(bob.ids()) == 2


def test_a_maildrop_on_a_new_server(bob: Bob, tmp_path: Path, authority: Authority) -> None:
    """All UIDLs are new: mail that is here, or was deleted here, is recognised by its content."""
    messages = [mail(number) for number in range(12)]
    bob.deliver(*messages)
    bob.sync()
    intents = bob.intents()
    intents.expunge(bob.ids()[:2])
    intents.set_flags(bob.ids()[:1], add=FlagSet(Flag.FLAGGED))
    intents.close()
    bob.sync()
    with Dovecot(tmp_path / "new", authority=authority, pop3=True, extra="pop3_uidl_format = new-%u-%v") as moved:
        bob.server, bob.port = moved, moved.pop3_port
        bob.deliver(*messages, mail(77))
        assert bob.sync().new_messages == 1
        assert len(bob.ids()) == len(bob.files()) == 11
        assert bob.sync().new_messages == 0


def test_the_database_is_lost(bob: Bob) -> None:
    """L5: rebuilt from the folder, without fetching anything twice."""
    bob.deliver(*(mail(number) for number in range(20)))
    bob.sync()
    intents = bob.intents()
    intents.expunge(bob.ids()[:3])
    intents.set_flags(bob.ids()[3:4], add=FlagSet(Flag.SEEN | Flag.FLAGGED))
    intents.close()
    bob.sync()
    before = bob.here()
    for path in bob.home.data.glob("termmail.db*"):
        path.unlink()
    assert bob.sync().new_messages == 0
    assert bob.here() == before
    assert sum(path.name.endswith(":2,FS") for path in bob.files()) == 1


def test_another_session_has_the_maildrop(bob: Bob, tmp_path: Path, authority: Authority) -> None:
    """Told in words, and tried again; nothing is lost."""
    with Dovecot(tmp_path / "own", authority=authority, pop3=True, extra="pop3_lock_session = yes") as locking:
        bob.server, bob.port = locking, locking.pop3_port
        bob.deliver(mail(1))
        client = bob.maildrop()
        client.stat()
        report = bob.sync(fails=True)
        assert report.error is not None
        assert "another" in report.error.sentence
        client.quit()
        assert bob.sync().new_messages == 1


def test_wrong_password(bob: Bob) -> None:
    account = msgspec.structs.replace(bob.account)
    (report,) = sync_once(bob.home, [account], password=lambda account: Secret("wrong")).accounts
    assert report.error is not None
    assert "password" in report.error.sentence
    assert "wrong" not in report.error.sentence + report.error.detail


@pytest.mark.parametrize("direction", Direction)
def test_cut_anywhere_nothing_is_lost_or_doubled(tmp_path: Path, server: Dovecot, direction: Direction) -> None:
    """X4: with a policy that deletes at once, after each cut what is not durable here is still there."""
    steps = 12
    for step in range(steps):
        bob = Bob(tmp_path / f"home{step}", server)
        bob.keep = KeepPolicy(KeepKind.NONE)
        messages = [mail(number) for number in range(6)]
        bob.deliver(*messages)
        with Proxy(server.host, server.pop3_port) as proxy:
            bob.port = proxy.port
            length = 2600 if direction is Direction.TO_CLIENT else 260
            proxy.cut_after(1 + step * length // steps, direction)
            sync_once(bob.home, [bob.account], password=lambda account: Secret("secret"))
        bob.port = server.pop3_port
        bob.sync()
        assert bob.here() == digests(*messages)
        assert len(bob.files()) == 6
        assert bob.on_server() == 0
        server.remove_mail(bob.user)


def test_it_can_be_stopped_and_goes_on(bob: Bob) -> None:
    """What came before is kept."""
    bob.deliver(*(mail(number, body="x" * 20_000) for number in range(300)))
    with Proxy(bob.server.host, bob.server.pop3_port) as proxy:
        bob.port = proxy.port
        proxy.cut_after(3_000_000)
        report = bob.sync(fails=True)
    assert report.new_messages is not None
    assert 0 < report.new_messages < 300
    came = bob.here()
    bob.port = bob.server.pop3_port
    assert bob.sync().new_messages == 300 - came.total()
    assert len(bob.ids()) == 300


def test_what_the_user_does_needs_no_server(bob: Bob) -> None:
    """With the server dead the Maildir follows all the same."""
    bob.deliver(mail(1), mail(2))
    bob.sync()
    intents = bob.intents()
    intents.archive(bob.ids()[:1])
    intents.close()
    with Proxy(bob.server.host, bob.server.pop3_port) as proxy:
        bob.port = proxy.port
        proxy.down()
        report = bob.sync(fails=True)
    assert report.pending == 0
    assert len(list((bob.home.mail / "bob" / ".Archive" / "cur").iterdir())) == 1


def test_a_mail_the_server_gives_no_name(bob: Bob, tmp_path: Path, authority: Authority) -> None:
    """S12: equal UIDLs are no keys; all comes, each once, and nothing is deleted there."""
    with Dovecot(tmp_path / "own", authority=authority, pop3=True, extra="pop3_uidl_format = %f-same") as odd:
        bob.server, bob.port = odd, odd.pop3_port
        bob.keep = KeepPolicy(KeepKind.NONE)
        bob.deliver(mail(1), mail(2), mail(3))
        bob.sync()
        bob.sync()
        assert len(bob.ids()) == 3


def test_memory_does_not_grow_with_a_message(bob: Bob) -> None:
    """A large message streams to disk."""
    import tracemalloc

    bob.deliver(b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 600_000)
    tracemalloc.start()
    try:
        bob.sync()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bob.ids()) == 1
    assert peak < 12 << 20
    assert threading.active_count() < 20


def test_it_says_how_far_it_is(bob: Bob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "2 of 3, 2.2 MB", also while a long message comes; on the command line and in the status line."""
    monkeypatch.setattr("termmail.sync.pop3._TOLD_SECONDS", 0.0)
    bodies = [b"x" * 70 + b"\r\n", (b"y" * 70 + b"\r\n") * 30_000, b"z" * 70 + b"\r\n"]
    bob.deliver(*(b"Subject: %d\r\n\r\n" % number + body for number, body in enumerate(bodies)))
    house = MaildropHome(tmp_path / "house")
    told: list[tuple[str, int, int, int]] = []
    session = connect(bob.account.incoming, bob.user, Secret("secret"))
    try:
        Pop3Sync(
            session, house.ingest, house.local, bob.account, lambda *progress: told.append(progress), lambda: False
        ).run()
    finally:
        session.close()
        house.close()
    assert {(words, total) for words, _, total, _ in told} == {("Inbox: messages", 3)}
    assert [done for _, done, _, _ in told] == sorted(done for _, done, _, _ in told)
    within = [size for _, done, _, size in told if done == 1]
    assert len(within) > 5, "a long message is told of piece by piece"
    assert told[-1][1] == 3
    assert told[-1][3] == sum(map(len, bodies)) + 3 * len(b"Subject: 0\r\n\r\n")

    words, done, total, size = told[-1]
    status = AccountStatus("bob", ConnectionState.ONLINE, activity=words, done=done, total=total, size=size)
    assert describe(status).endswith("3 of 3, 2.2 MB")
