"""POP3 accounts against courier-pop, which numbers and names its mail in other ways than Dovecot."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from maildrop_home import mail
from servers.courier import Courier
from termmail.engine.sync_once import AccountReport, sync_once
from termmail.model.account import Account, KeepKind, KeepPolicy, Protocol, Security, Server
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.store.queries import Queries

pytestmark = pytest.mark.courier


def sync(home: Home, server: Courier, keep: KeepPolicy) -> AccountReport:
    incoming = Server(server.host, server.port, Security.NONE)
    account = Account("bob", "bob@example.org", Protocol.POP3, incoming, None, "bob", keep=keep)
    (report,) = sync_once(home, [account], password=lambda account: Secret(server.password)).accounts
    assert report.error is None
    return report


@pytest.mark.parametrize("kind", [KeepKind.FOREVER, KeepKind.NONE])
def test_what_courier_has_comes_down_whole(tmp_path: Path, kind: KeepKind) -> None:
    messages = [mail(number) for number in range(1, 301)] + [b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n"]
    home, keep = Home.under(tmp_path / "home"), KeepPolicy(kind)
    with Courier(tmp_path) as server:
        server.deliver(messages)
        assert sync(home, server, keep).new_messages == len(messages)
        assert sync(home, server, keep).new_messages == 0
        server.deliver([mail(999)])
        assert sync(home, server, keep).new_messages == 1
        left = sum(1 for part in ("cur", "new") for _ in (server.maildir / part).iterdir())
    assert left == (0 if kind is KeepKind.NONE else len(messages) + 1)
    queries = Queries(home)
    inbox = queries.find_mailbox("bob", "INBOX")
    assert inbox is not None
    here = Counter(hashlib.sha256(queries.raw(one) or b"").digest() for one in queries.message_ids(inbox.id))
    queries.close()
    assert here == Counter(hashlib.sha256(raw).digest() for raw in [*messages, mail(999)])
