"""kill -9 at every commit, fsync, rename, link and command of sending a reply (O1 to O3, O10): one copy at most, and one at the end
or the message is unknown and says so; one copy in Sent; the original answered."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from crashing import ends_in_child
from engine.sending import NOBODY, item, writing
from engine.support import SECRET, make_account, reading
from maildrop_home import BOB, MaildropHome, mail
from servers.dovecot import Dovecot
from servers.smtp_sink import SmtpSink
from sync.support import Client, message
from termmail.engine.sync_once import sync_once
from termmail.model.account import Account, Security, Server
from termmail.model.home import Home
from termmail.model.message import Address
from termmail.model.outgoing import Draft, OutboxState
from termmail.model.secret import Secret
from termmail.store.drafts import DraftFolder, new_draft_id

TO = "anna@else.example"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


def send_reply(home: Home, account: Account, answers: str) -> int:
    """A reply in the outbox; its id there."""
    draft = Draft(
        id=new_draft_id(),
        account=account.name,
        from_=Address("Me", account.email),
        to=TO,
        subject="Re: your mail",
        body="Yes.\n",
        in_reply_to=answers,
        references=(answers,),
        answers=answers,
    )
    folder = DraftFolder.create(home, draft)
    with writing(home) as intents:
        result = intents.send(draft, at=0.0)
    folder.release()
    assert result.outbox_id is not None
    return result.outbox_id


def send_and_die(home: Home, account: Account, when: str) -> bool:
    """A pass that dies at a point; whether it came to its end before."""
    return ends_in_child(lambda: pass_over(home, account), when)


def pass_over(home: Home, account: Account) -> None:
    sync_once(home, [account], password=lambda account: Secret(SECRET))


def check_sending(home: Home, sink: SmtpSink, outbox_id: int, point: int) -> OutboxState:
    """After resuming: what became of the message, here and at the server for sending."""
    reply = item(home, outbox_id)
    assert len(sink.taken) <= 1, f"killed at point {point}"
    if reply.state is OutboxState.UNKNOWN:
        assert "may have been sent" in reply.sentence
        assert (home.outbox / reply.folder / "message.eml").exists()
    else:
        assert reply.state is OutboxState.FILED, f"killed at point {point}"
        assert len(sink.taken) == 1
        assert list(home.outbox.iterdir()) == []
    return reply.state


def shown(home: Home, account: Account) -> dict[str, list[tuple[str, ...]]]:
    """Each mailbox's subjects and flags, and that every message can be read."""
    with reading(home) as queries:
        found: dict[str, list[tuple[str, ...]]] = {}
        for box in queries.mailboxes(account.name):
            rows = [row for row in queries.rows(queries.message_ids(box.id)) if row is not None]
            assert all(queries.raw(row.id) for row in rows)
            found[box.name] = sorted((row.subject, *row.flags.names()) for row in rows)
        return found


def test_killed_at_every_point(tmp_path: Path, sink: SmtpSink) -> None:
    """A POP3 account, whose Sent is here."""
    template = MaildropHome(tmp_path / "template")
    template.arrive(("one", mail(1)))
    template.close()
    account = msgspec.structs.replace(
        BOB, incoming=Server("127.0.0.1", NOBODY, Security.NONE), smtp=Server(sink.host, sink.port, Security.NONE)
    )
    outbox_id = send_reply(template.home, account, "1@example.org")
    states: Counter[OutboxState] = Counter()
    survived = False
    point = 0
    while not survived:
        point += 1
        sink.taken.clear()
        home = Home.under(tmp_path / f"home {point}")
        subprocess.run(["cp", "-a", tmp_path / "template", home.data], check=True)
        survived = send_and_die(home, account, str(point))
        pass_over(home, account)
        pass_over(home, account)
        state = check_sending(home, sink, outbox_id, point)
        sent = state is OutboxState.FILED
        boxes = shown(home, account)
        expected = ("Number 1", "\\Answered") if sent else ("Number 1",)
        assert boxes["INBOX"] == [expected], f"killed at point {point}"
        assert boxes["Sent"] == ([("Re: your mail", "\\Seen")] if sent else []), f"killed at point {point}"
        assert len(list((home.mail / "bob").rglob("cur/*"))) == (2 if sent else 1)
        assert not list((home.mail / "bob").rglob("tmp/*"))
        assert not home.uploads.is_dir() or list(home.uploads.iterdir()) == [], f"killed at point {point}"
        states[state] += 1
        shutil.rmtree(home.data)
    # Between the row that says so and the server's answer there are a few points, and many around them.
    assert 0 < states[OutboxState.UNKNOWN] < 15
    assert states[OutboxState.FILED] > 30


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.dovecot
def test_killed_at_every_point_with_imap(tmp_path: Path, own_dovecot: Dovecot, sink: SmtpSink) -> None:
    """As above; the copy goes to the server's Sent by APPEND."""
    server = own_dovecot
    server.make("test-0", "INBOX", [message("original")])
    client = Client(tmp_path / "template", server, "test-0")
    client.sync()
    original = client.row("original")
    raw = client.queries.raw(original.id)
    assert raw is not None
    (answers,) = (
        line.partition(b"<")[2].rstrip(b">\r").decode()
        for line in raw.split(b"\n")
        if line.lower().startswith(b"message-id:")
    )
    template = client.home
    client.close()
    smtp = Server(sink.host, sink.port, Security.NONE)
    outbox_id = send_reply(template, make_account(server.port, "test-0"), answers)
    states: Counter[OutboxState] = Counter()
    survived = False
    point = 0
    while not survived:
        point += 1
        user = f"test-{point}"
        sink.taken.clear()
        home = Home.under(tmp_path / f"home {point}")
        subprocess.run(["cp", "-a", tmp_path / "template", home.data], check=True)
        subprocess.run(["cp", "-a", server.home("test-0"), server.home(user)], check=True)
        account = msgspec.structs.replace(make_account(server.port, user), smtp=smtp)
        survived = send_and_die(home, account, str(point))
        pass_over(home, account)
        pass_over(home, account)
        state = check_sending(home, sink, outbox_id, point)
        sent = state is OutboxState.FILED
        boxes = shown(home, account)
        expected = ("original", "\\Answered") if sent else ("original",)
        assert boxes["INBOX"] == [expected], f"killed at point {point}"
        assert boxes["Sent"] == ([("Re: your mail", "\\Seen")] if sent else []), f"killed at point {point}"
        there = server.state(user)
        assert there["Sent"].total() == (1 if sent else 0), f"killed at point {point}"
        again = Client(home.data, server, user)
        assert again.contents() == there, f"killed at point {point}"
        again.close()
        assert not home.uploads.is_dir() or list(home.uploads.iterdir()) == []
        states[state] += 1
        shutil.rmtree(home.data)
        server.remove_mail(user)
    assert 0 < states[OutboxState.UNKNOWN] < 15
    assert states[OutboxState.FILED] > 50
