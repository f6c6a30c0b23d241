"""Later syncs: new mail, flags both ways, moves and deletions by us and by others, mailboxes, conflicts."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.digest import lf_digest
from servers.dovecot import Dovecot
from servers.imap_reader import append, sign_in
from servers.mbsync import mbsync_pull, without_keywords
from servers.proxy import Proxy
from sync.support import EXTENSIONS, Client, flags, message, messages
from termmail.model.operation import OperationState

NO_QRESYNC = ("QRESYNC",)
NO_MOVE = ("MOVE",)
KINDS = {"extensions": (), "condstore": NO_QRESYNC, "no move": NO_MOVE, "plain": EXTENSIONS}


class Account:
    """A user of Dovecot with a termmail, and what another client of theirs does."""

    def __init__(
        self, folder: Path, server: Dovecot, user: str, disable: tuple[str, ...], port: int | None = None
    ) -> None:
        self.server = server
        self.user = user
        self.folder = folder
        self.client = Client(folder / "home", server, user, disable=disable, port=port)

    def other(self, mailbox: str, *commands: tuple[str, ...]) -> None:
        """UID commands by another client, such as ("STORE", "1", "+FLAGS", "(\\Seen)")."""
        with sign_in(self.server.host, self.server.port, self.user, self.server.password(self.user)) as connection:
            connection.select(f'"{mailbox}"')
            for command in commands:
                if command[0] == "EXPUNGE":
                    connection.expunge()
                    continue
                status, answer = connection.uid(*command)
                assert status == "OK", answer

    def imap(self, action: Callable[[imaplib.IMAP4], object]) -> None:
        with sign_in(self.server.host, self.server.port, self.user, self.server.password(self.user)) as connection:
            action(connection)

    def deliver(self, *subjects: str, mailbox: str = "INBOX") -> None:
        for subject in subjects:
            append(
                self.server.host,
                self.server.port,
                self.user,
                self.server.password(self.user),
                mailbox,
                message(subject),
            )

    def agree(self) -> None:
        """The store shows exactly what the server holds, and nothing waits."""
        assert self.client.contents() == self.server.state(self.user)
        assert self.client.queries.pending_operations() == []

    def settle(self) -> None:
        """Two passes: what we moved without COPYUID is found again by the listing that follows."""
        self.client.sync()
        self.client.sync()
        self.agree()


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def account(
    request: pytest.FixtureRequest, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> Iterator[Account]:
    """With all extensions, and with some or all of them hidden."""
    found = Account(tmp_path, dovecot_server, dovecot_user, request.param)
    yield found
    found.client.close()


def test_new_mail_comes(account: Account) -> None:
    account.deliver("one", "two")
    account.client.sync()
    account.deliver("three")
    account.deliver("filed", mailbox="Archive")
    assert account.client.sync().new_messages == 2
    account.agree()
    assert account.client.subjects() == ["one", "three", "two"]


def test_flags_and_keywords_of_others_come(account: Account) -> None:
    """S5: \\Deleted and keywords of others are respected."""
    account.deliver("one", "two", "three")
    account.client.sync()
    account.other("INBOX", ("STORE", "1", "+FLAGS", "(\\Seen Work)"), ("STORE", "2", "+FLAGS", "(\\Deleted)"))
    account.client.sync()
    account.agree()
    account.other("INBOX", ("STORE", "1", "-FLAGS", "(\\Seen Work)"), ("STORE", "3", "+FLAGS", "($Forwarded)"))
    account.client.sync()
    account.agree()


def test_our_flags_go(account: Account) -> None:
    account.deliver("one", "two", "three")
    account.client.sync()
    ids = [row.id for row in account.client.rows()]
    account.client.intents.set_flags(ids, add=flags("\\Seen"))
    account.client.intents.set_flags(ids[:1], add=flags("\\Flagged", "Work"))
    account.client.intents.set_flags(ids[1:], remove=flags("\\Seen"))
    account.client.sync()
    account.agree()
    assert account.client.row("three").flags == flags("\\Seen", "\\Flagged", "Work")


def test_the_same_message_changed_on_both_sides(account: Account) -> None:
    """S5: each flag is as the side wants it that changed it."""
    account.deliver("one")
    account.client.sync()
    account.client.intents.set_flags([account.client.row("one").id], add=flags("\\Flagged", "Ours"))
    account.other("INBOX", ("STORE", "1", "+FLAGS", "(\\Seen Theirs)"))
    account.client.sync()
    account.agree()
    assert account.client.row("one").flags == flags("\\Flagged", "\\Seen", "Ours", "Theirs")


def test_deletions_of_others_come(account: Account) -> None:
    """S6: shown within one sync."""
    account.deliver("one", "two", "three")
    account.client.sync()
    account.other("INBOX", ("STORE", "2", "+FLAGS", "(\\Deleted)"), ("EXPUNGE",))
    account.client.sync()
    account.agree()
    assert account.client.subjects() == ["one", "three"]
    assert not [path for path in account.client.home.mail.rglob("cur/*") if "U=2" in path.name]


def test_moves_of_others_come(account: Account) -> None:
    account.deliver("one", "two")
    account.client.sync()
    account.other("INBOX", ("MOVE", "1", "Archive"))
    account.client.sync()
    account.agree()
    assert account.client.subjects("Archive") == ["one"]


def test_our_moves_go_and_keep_their_ids(account: Account) -> None:
    """S9, and the id of the command line survives a move."""
    account.deliver("one", "two", "three")
    account.client.sync()
    before = account.client.row("two").id
    account.client.intents.archive([before])
    account.client.intents.set_flags([account.client.row("two", "Archive").id], add=flags("\\Seen"))
    account.settle()
    assert account.client.subjects() == ["one", "three"]
    assert account.client.row("two", "Archive").id == before
    assert account.client.row("two", "Archive").flags == flags("\\Seen")


def test_moving_there_and_back(account: Account) -> None:
    account.deliver("one")
    account.client.sync()
    placement_id = account.client.row("one").id
    account.client.intents.archive([placement_id])
    account.client.sync()
    account.client.intents.move([placement_id], account.client.mailbox_id("INBOX"))
    account.settle()
    assert account.client.row("one").id == placement_id


def test_our_copies_go(account: Account) -> None:
    account.deliver("one", "two")
    account.client.sync()
    ids = [row.id for row in account.client.rows()]
    account.client.intents.copy(ids, account.client.mailbox_id("Archive"))
    assert account.client.subjects("Archive") == ["one", "two"]
    account.settle()
    assert account.client.subjects("Archive") == account.client.subjects() == ["one", "two"]


def test_deleting_and_emptying_trash(account: Account) -> None:
    account.deliver("one", "two", "three")
    account.client.sync()
    account.client.intents.delete([account.client.row("one").id, account.client.row("two").id])
    account.settle()
    assert account.client.subjects("Trash") == ["one", "two"]
    account.client.intents.empty(account.client.mailbox_id("Trash"))
    assert account.client.subjects("Trash") == []
    account.client.sync()
    if "UIDPLUS" in account.client.disable:
        # S9: marked only, and shown as such, since a plain EXPUNGE would take what others marked.
        assert [row.flags for row in account.client.rows("Trash")] == [flags("\\Deleted")] * 2
        assert any("can't remove single messages" in sentence for sentence in account.client.sentences())
    else:
        assert account.client.subjects("Trash") == []
    account.agree()


def test_what_others_marked_as_deleted_survives_our_deletion(account: Account) -> None:
    """S9: never a plain EXPUNGE."""
    account.deliver("theirs", "ours")
    account.other("INBOX", ("STORE", "1", "+FLAGS", "(\\Deleted)"))
    account.client.sync()
    account.client.intents.expunge([account.client.row("ours").id])
    account.settle()
    assert "theirs" in [row.subject for row in account.client.rows()]
    assert account.client.subjects() == []


def test_a_message_that_others_deleted_is_not_moved(account: Account) -> None:
    """Deleted there while it was archived here, offline: it is gone, and nothing is said."""
    account.deliver("one", "two")
    account.client.sync()
    account.client.intents.archive([account.client.row("one").id])
    account.client.intents.set_flags([account.client.row("two").id], add=flags("\\Seen"))
    account.other("INBOX", ("STORE", "1:2", "+FLAGS", "(\\Deleted)"), ("EXPUNGE",))
    account.settle()
    assert account.client.subjects() == account.client.subjects("Archive") == []


def test_a_message_that_others_moved_is_not_doubled(account: Account) -> None:
    account.deliver("one")
    account.client.sync()
    account.client.intents.archive([account.client.row("one").id])
    account.other("INBOX", ("MOVE", "1", "Junk"))
    account.settle()
    assert account.client.subjects("Archive") == []
    assert account.client.subjects("Junk") == ["one"]


def test_mailboxes_of_others(account: Account) -> None:
    """Created, renamed and deleted by another client."""
    account.server.create(account.user, "Projects", "Old")
    account.deliver("one", mailbox="Projects")
    account.client.sync()
    account.imap(lambda other: other.rename("Projects", "Work"))
    account.imap(lambda other: other.delete("Old"))
    account.imap(lambda other: other.create("New"))
    account.settle()
    assert account.client.subjects("Work") == ["one"]
    assert {"Work", "New"} <= {mailbox.name for mailbox in account.client.queries.mailboxes()}
    assert not {"Projects", "Old"} & {mailbox.name for mailbox in account.client.queries.mailboxes()}


def test_our_mailboxes(account: Account) -> None:
    """Created, filled, renamed with what is below, unsubscribed and deleted from here."""
    account.deliver("one", "two")
    account.client.sync()
    intents, client = account.client.intents, account.client
    intents.create_mailbox("test", "Bücher")
    intents.create_mailbox("test", "Bücher/Alt")
    intents.move([client.row("one").id], client.mailbox_id("Bücher"))
    intents.move([client.row("two").id], client.mailbox_id("Bücher/Alt"))
    account.settle()
    assert client.subjects("Bücher") == ["one"]
    intents.rename_mailbox(client.mailbox_id("Bücher"), "Bibliothek")
    account.settle()
    assert client.subjects("Bibliothek/Alt") == ["two"]
    assert client.row("one", "Bibliothek").mailbox == "Bibliothek"
    intents.subscribe(client.mailbox_id("Bibliothek"), False)
    intents.delete_mailbox(client.mailbox_id("Bibliothek/Alt"))
    account.settle()
    found = {mailbox.name: mailbox.subscribed for mailbox in client.queries.mailboxes()}
    assert found["Bibliothek"] is False
    assert "Bibliothek/Alt" not in found
    assert [sentence for sentence in client.sentences() if "single messages" not in sentence] == []


def test_a_mailbox_the_server_refuses(account: Account) -> None:
    """The server's NO is told in its words, and what was shown rolls back."""
    account.client.sync()
    account.server.create(account.user, "Taken")
    account.client.intents.create_mailbox("test", "Name")
    account.client.intents.rename_mailbox(account.client.mailbox_id("Archive"), "Taken")
    account.client.sync()
    assert any("refused" in sentence for sentence in account.client.sentences())
    account.client.sync()
    assert {"Archive", "Taken", "Name"} <= {mailbox.name for mailbox in account.client.queries.mailboxes()}
    account.agree()


def test_moving_into_a_mailbox_that_is_gone(account: Account) -> None:
    """TRYCREATE: it is created and the move done again."""
    account.server.create(account.user, "Target")
    account.deliver("one")
    account.client.sync()
    account.client.intents.move([account.client.row("one").id], account.client.mailbox_id("Target"))
    account.imap(lambda other: other.delete("Target"))
    account.settle()
    assert account.client.subjects("Target") == ["one"]


@pytest.mark.mbsync
def test_ten_messages_archived_offline(account: Account) -> None:
    """The issue's own scenario: read, unplug, archive ten, plug in, the server agrees; mbsync says so too."""
    account.server.make(account.user, "INBOX", messages(25))
    account.client.sync()
    ids = [row.id for row in account.client.rows()]
    account.client.intents.archive(ids[:10])
    account.client.intents.set_flags(ids[10:15], add=flags("\\Seen"))
    account.client.intents.delete(ids[15:18])
    account.client.intents.undo()
    assert len(account.client.queries.pending_operations()) == 15
    account.deliver("meanwhile")
    account.settle()
    assert len(account.client.rows("Archive")) == 10
    near = mbsync_pull(account.server, account.user, account.folder / "near")
    assert without_keywords(account.client.contents(lf_digest)) == near


def test_a_quiet_sync_changes_and_fetches_nothing(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S13: counted at the server, with 200 mailboxes; and a few round trips in all."""
    dovecot_server.create(dovecot_user, *(f"box {number}" for number in range(200)))
    dovecot_server.make(dovecot_user, "INBOX", messages(5))
    dovecot_server.make(dovecot_user, "box 7", messages(2, "seven"))
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        account = Account(tmp_path, dovecot_server, dovecot_user, (), port=proxy.port)
        account.client.sync()
        # What is empty is not opened; INBOX and the one other are, some of them for the bodies again.
        assert proxy.commands()["SELECT"] <= 4
        account.client.intents.archive([account.client.row("mail 1").id])
        account.client.sync()
        account.client.sync()
        for _ in range(2):
            proxy.reset()
            account.client.sync()
            counted = proxy.commands()
            assert not set(counted) & {
                "UID STORE",
                "APPEND",
                "UID EXPUNGE",
                "UID FETCH",
                "UID MOVE",
                "UID COPY",
                "SELECT",
            }
            assert proxy.stats.round_trips <= 8
        account.agree()
        account.client.close()


def test_a_quiet_sync_without_extensions_fetches_no_message(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """S13 without CONDSTORE: flags are listed, messages are not fetched."""
    dovecot_server.make(dovecot_user, "INBOX", messages(5))
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        account = Account(tmp_path, dovecot_server, dovecot_user, EXTENSIONS, port=proxy.port)
        account.client.sync()
        account.client.sync()
        proxy.reset()
        account.client.sync()
        assert b"BODY" not in proxy.sent()
        assert not set(proxy.commands()) & {"UID STORE", "APPEND", "UID EXPUNGE", "UID MOVE", "UID COPY"}
        account.client.close()


def test_a_keyword_the_server_will_not_keep_stays_here(tmp_path: Path, pymap_server: object) -> None:
    """pymap keeps no keywords: they stay here and are not tried again."""
    from servers.pymap_server import PymapServer

    assert isinstance(pymap_server, PymapServer)
    pymap_server.make("lisa", "INBOX", messages(2))
    client = Client(tmp_path / "home", pymap_server, "lisa")
    client.sync()
    client.intents.set_flags([client.row("mail 1").id], add=flags("Work", "\\Flagged"))
    client.sync()
    client.sync()
    assert client.queries.pending_operations() == []
    assert client.row("mail 1").flags == flags("Work", "\\Flagged")
    assert client.row("mail 2").flags == flags()
    assert client.sentences() == []
    client.close()


def test_pymap_agrees_too(tmp_path: Path, pymap_server: object) -> None:
    """The second server: MOVE and UIDPLUS, no CONDSTORE, no LIST-STATUS."""
    from servers.pymap_server import PymapServer

    assert isinstance(pymap_server, PymapServer)
    pymap_server.make("lisa", "INBOX", messages(6), flags=lambda index: ("\\Seen",) if index % 2 else ())
    client = Client(tmp_path / "home", pymap_server, "lisa")
    client.sync()
    assert client.contents() == pymap_server.state("lisa")
    client.intents.archive([client.row("mail 1").id, client.row("mail 2").id])
    client.intents.delete([client.row("mail 3").id])
    client.intents.set_flags([client.row("mail 4").id], add=flags("\\Flagged"), remove=flags("\\Seen"))
    client.intents.copy([client.row("mail 5").id], client.mailbox_id("Sent"))
    client.intents.expunge([client.row("mail 6").id])
    client.intents.create_mailbox("test", "New")
    client.sync()
    client.sync()
    assert client.contents() == pymap_server.state("lisa")
    assert [
        operation for operation in client.queries.pending_operations() if operation.state is OperationState.PENDING
    ] == []
    client.close()
