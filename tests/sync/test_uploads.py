"""Drafts and copies of sent mail reach their mailbox once, on the server or in the Maildir, whatever happens (S10, L9, O10)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from crashing import ends_in_child
from maildrop_home import MaildropHome
from servers.dovecot import Dovecot
from servers.imap_reader import append
from servers.proxy import Direction, Proxy
from sync.support import EXTENSIONS, Client, message
from termmail.mime.headers import parse_envelope
from termmail.model import crash
from termmail.model.errors import TermmailError
from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Role
from termmail.model.message import Address
from termmail.model.operation import Upload
from termmail.model.outgoing import Draft
from termmail.protocols import hook
from termmail.store.drafts import DraftFolder, new_draft_id
from termmail.store.intents import Intents
from termmail.store.reindex import reindex
from termmail.store.uploads import add_upload, stage

KINDS = {"extensions": (), "no UIDPLUS": ("UIDPLUS", "LITERAL+"), "plain": EXTENSIONS}


def keep(intents: Intents, client_home: object, *, account: str = "test", **changes: object) -> int:
    """A draft is written and kept; returns its placement."""
    home = client_home
    draft = Draft(
        id=new_draft_id(), account=account, from_=Address("Lisa", "lisa@example.org"), to="bob@", subject="Boats", body="Noon?\n"
    )  # fmt: skip
    folder = DraftFolder.create(home, msgspec.structs.replace(draft, **changes))  # type: ignore[arg-type]
    (placement_id,) = intents.keep_draft(folder.draft).placement_ids
    folder.release()
    return placement_id


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def client(
    request: pytest.FixtureRequest, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> Iterator[Client]:
    found = Client(tmp_path / "home", dovecot_server, dovecot_user, disable=request.param)
    found.sync()
    yield found
    found.close()


def on_server(server: Dovecot, user: str, mailbox: str) -> list[frozenset[str]]:
    """The flags of each message there."""
    return [flags for (_, flags), count in server.state(user)[mailbox].items() for _ in range(count)]


def settle(client: Client, server: Dovecot, user: str) -> None:
    client.sync()
    client.sync()
    assert client.contents() == server.state(user)
    assert client.queries.pending_operations() == []
    assert list(client.home.uploads.glob("*")) == []


def test_a_draft_reaches_the_server_and_is_seen_before(
    client: Client, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    placement_id = keep(client.intents, client.home)
    (row,) = client.rows("Drafts")
    assert row.id == placement_id
    raw = client.queries.raw(placement_id)
    assert raw is not None
    settle(client, dovecot_server, dovecot_user)
    (row,) = client.rows("Drafts")
    assert row.id == placement_id
    assert client.queries.raw(placement_id) == raw
    assert on_server(dovecot_server, dovecot_user, "Drafts") == [frozenset({"\\Draft", "\\Seen"})]


def test_quiet_afterwards(client: Client, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S13: nothing is uploaded or fetched again."""
    keep(client.intents, client.home)
    settle(client, dovecot_server, dovecot_user)
    commands: list[str] = []
    hook.on_command = commands.append
    try:
        assert client.sync().new_bodies == 0
    finally:
        hook.on_command = None
    assert not any("APPEND" in command for command in commands)


def test_edited_before_it_was_uploaded(client: Client, dovecot_server: Dovecot, dovecot_user: str) -> None:
    first, second, third = (keep(client.intents, client.home, subject=subject) for subject in ("one", "two", "three"))
    client.intents.set_flags([first], add=FlagSet(Flag.FLAGGED))
    client.intents.move([second], client.mailbox_id("Archive"))
    client.intents.expunge([third])
    settle(client, dovecot_server, dovecot_user)
    settle(client, dovecot_server, dovecot_user)
    assert client.subjects("Drafts") == ["one"]
    assert client.subjects("Archive") == ["two"]
    (row,) = client.unmarked("Drafts")
    assert row.flags.system & Flag.FLAGGED


def test_a_newer_version_replaces_the_one_on_the_server(
    client: Client, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    older = keep(client.intents, client.home)
    settle(client, dovecot_server, dovecot_user)
    keep(client.intents, client.home, body="At one?\n", replaces=older)
    client.sync()
    client.sync()
    (row,) = client.unmarked("Drafts")
    raw = client.queries.raw(row.id)
    assert raw is not None
    assert b"At one?" in raw


def test_a_copy_that_the_server_has_filed_itself_is_not_doubled(
    client: Client, dovecot_server: Dovecot, dovecot_user: str, tmp_path: Path
) -> None:
    """O10."""
    sent = message("filed by the server")
    append("127.0.0.1", dovecot_server.port, dovecot_user, dovecot_server.password(dovecot_user), "Sent", sent)
    (tmp_path / "sent.eml").write_bytes(sent)
    staged = stage(client.home, "one", "test", Role.SENT, Flag.SEEN, tmp_path / "sent.eml")
    with client.ingest.database.write() as connection:
        (owner_id,) = connection.execute("SELECT id FROM account").fetchone()
        add_upload(connection, owner_id, staged)
    client.sync()
    client.sync()
    assert len(on_server(dovecot_server, dovecot_user, "Sent")) == 1
    assert client.subjects("Sent") == ["filed by the server"]


def test_a_lost_answer_makes_no_second_copy(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S10: the connection is cut at many places of the upload, on the way there and on the way back."""
    lost = 0
    with Proxy("127.0.0.1", dovecot_server.port) as proxy:
        client = Client(tmp_path / "home", dovecot_server, dovecot_user, port=proxy.port)
        client.sync()
        for direction, cuts in (
            (Direction.TO_CLIENT, range(200, 2600, 120)),
            (Direction.TO_SERVER, range(50, 1100, 60)),
        ):
            for cut in cuts:
                subject = f"{direction.value} {cut}"
                keep(client.intents, client.home, subject=subject)
                proxy.cut_after(cut, direction)
                try:
                    client.sync()
                except TermmailError:
                    lost += 1
                proxy.never_cut()
                client.sync()
                client.sync()
                assert client.subjects("Drafts").count(subject) == 1
        assert client.contents() == dovecot_server.state(dovecot_user)
        client.close()
    assert lost > 20


def test_what_the_server_refuses_stays_and_is_told(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """L9: a mailbox that takes nothing."""
    client = Client(tmp_path / "home", dovecot_server, dovecot_user)
    client.sync()
    placement_id = keep(client.intents, client.home)
    (operation,) = client.queries.pending_operations()
    assert isinstance(operation.payload, Upload)
    with client.ingest.database.write() as connection:
        connection.execute(
            "UPDATE mailbox SET wire_name = ? WHERE id = ?", (b"No/\x01Such", operation.payload.mailbox_id)
        )
    with client.syncing() as sync:
        sync.replay()
    (sentence,) = client.sentences()
    assert "kept here" in sentence
    (operation,) = client.queries.pending_operations()
    assert operation.next_at > time.time() + 3000
    # Nor is it given up in any other way.
    client.intents.drop_operation(operation.id)
    client.journal.fail([operation.id], "no")
    assert client.queries.raw(placement_id) is not None
    assert [one.id for one in client.queries.pending_operations()] == [operation.id]
    client.close()


def test_without_its_mailbox_it_goes_to_the_inbox(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    client = Client(tmp_path / "home", dovecot_server, dovecot_user)
    client.sync()
    keep(client.intents, client.home)
    (operation,) = client.queries.pending_operations()
    client.journal.retarget_upload(operation)
    client.sync()
    client.sync()
    assert client.subjects("INBOX") == ["Boats"]
    client.close()


def test_the_database_is_lost_before_and_after_the_upload(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """L5: what waited is uploaded once."""
    client = Client(tmp_path / "home", dovecot_server, dovecot_user)
    client.sync()
    keep(client.intents, client.home)
    shutil.copytree(client.home.uploads, tmp_path / "uploads")
    for uploaded in (False, True):
        if uploaded:
            client.sync()
            shutil.copytree(tmp_path / "uploads", client.home.uploads, dirs_exist_ok=True)
        client.close()
        reindex(client.home, force=True)
        client = Client(tmp_path / "home", dovecot_server, dovecot_user)
        client.sync()
        client.sync()
        assert len(on_server(dovecot_server, dovecot_user, "Drafts")) == 1
        assert client.subjects("Drafts") == ["Boats"]
    client.close()


def _killed(folder: Path, server: Dovecot, user: str, when: str) -> bool:
    def sync() -> None:
        client = Client(folder, server, user)
        hook.on_command = crash.crash_point
        crash.arm(when)
        client.sync()

    return ends_in_child(sync)


def test_killed_at_every_point(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S1: at the end it is there once, here and there."""
    for point in range(1, 300):
        folder = tmp_path / str(point)
        client = Client(folder, dovecot_server, dovecot_user)
        client.sync()
        keep(client.intents, client.home, subject=f"killed at {point}")
        client.close()
        ended = _killed(folder, dovecot_server, dovecot_user, str(point))
        client = Client(folder, dovecot_server, dovecot_user)
        client.sync()
        client.sync()
        assert client.subjects("Drafts").count(f"killed at {point}") == 1
        assert client.contents() == dovecot_server.state(dovecot_user)
        assert client.queries.pending_operations() == []
        client.close()
        shutil.rmtree(folder)
        if ended:
            assert point > 10
            return
    raise AssertionError("it never came to its end")


# POP3: the Maildir is the mail


@pytest.fixture
def maildrop(tmp_path: Path) -> Iterator[MaildropHome]:
    home = MaildropHome(tmp_path / "home")
    yield home
    home.close()


def test_a_draft_is_a_file_of_the_maildir(maildrop: MaildropHome) -> None:
    placement_id = keep(maildrop.intents, maildrop.home, account="bob")
    before = maildrop.queries.raw(placement_id)
    maildrop.local.run(thorough=True)
    maildrop.local.run(thorough=True)
    assert maildrop.ids("Drafts") == [placement_id]
    assert maildrop.queries.raw(placement_id) == before
    (name,) = maildrop.files(".Drafts")
    data = (maildrop.folder / ".Drafts" / "cur" / name).read_bytes()
    assert b"\r" not in data
    assert name.endswith(":2,DS")
    assert list(maildrop.home.uploads.glob("*")) == []
    assert parse_envelope(data).subject == "Boats"


def _run_maildrop(folder: Path, when: str) -> None:
    home = MaildropHome(folder)
    crash.arm(when)
    home.local.run(thorough=True)


def test_a_maildir_draft_killed_at_every_point(tmp_path: Path) -> None:
    for point in range(1, 200):
        folder = tmp_path / str(point)
        home = MaildropHome(folder)
        placement_id = keep(home.intents, home.home, account="bob")
        home.close()
        ended = ends_in_child(partial(_run_maildrop, folder, str(point)))
        home = MaildropHome(folder)
        home.local.run(thorough=True)
        home.local.run(thorough=True)
        assert len(home.files(".Drafts")) == 1, point
        assert home.ids("Drafts") == [placement_id], point
        assert home.queries.raw(placement_id) is not None
        assert list(home.home.uploads.glob("*")) == [], point
        home.close()
        shutil.rmtree(folder)
        if ended:
            assert point > 5
            return
    raise AssertionError("it never came to its end")
