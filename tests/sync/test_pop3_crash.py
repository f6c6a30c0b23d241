"""kill -9 at every commit, fsync, rename, link and command of a POP3 pass (S1, S12, L3): nothing is lost, nothing doubled."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crashing import ends_in_child
from maildrop_home import mail
from servers.dovecot import Dovecot
from servers.imap_reader import read_contents
from servers.tls import Authority
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
from termmail.store.intents import Intents
from termmail.store.queries import Queries

pytestmark = pytest.mark.dovecot_pop3

MESSAGES = [mail(number) for number in range(1, 5)]
LATE = mail(5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("pop3-crash"), authority=authority, pop3=True) as running:
        yield running


def account_of(server: Dovecot, user: str, keep: KeepPolicy) -> Account:
    return Account(
        name="bob",
        email="bob@example.org",
        protocol=Protocol.POP3,
        incoming=Server(server.host, server.pop3_port, Security.NONE),
        smtp=None,
        user=user,
        credential=Credential(CredentialKind.COMMAND, "true"),
        keep=keep,
    )


def sync(home: Home, account: Account) -> AccountReport:
    (report,) = sync_once(home, [account], password=lambda account: Secret("secret")).accounts
    return report


def nothing(home: Home, server: Dovecot, user: str) -> None:
    """The first download itself."""


def edits(home: Home, server: Dovecot, user: str) -> None:
    server.make(user, "INBOX", [LATE], new=True)
    queries, intents = Queries(home), Intents(home)
    inbox = queries.find_mailbox("bob", "INBOX")
    assert inbox is not None
    by_subject = {row.subject: row.id for row in queries.newest_rows("bob", inbox.id, 10)}
    intents.archive([by_subject["Number 1"]])
    intents.expunge([by_subject["Number 2"]])
    intents.set_flags([by_subject["Number 3"]], add=FlagSet(Flag.SEEN, frozenset({"work"})))
    intents.copy([by_subject["Number 4"]], inbox.id)
    intents.close()
    queries.close()


NONE, UNTIL_DELETED = KeepPolicy(KeepKind.NONE), KeepPolicy(KeepKind.UNTIL_DELETED)
SCENARIOS: dict[str, tuple[KeepPolicy, bool, Callable[[Home, Dovecot, str], None]]] = {
    "download and delete": (NONE, False, nothing),
    "edits and new mail": (UNTIL_DELETED, True, edits),
}


def outcome(home: Home, server: Dovecot, account: Account) -> object:
    """What is here and there after resuming. A message is never in neither place, and never twice."""
    assert sync(home, account).error is None
    again = sync(home, account)
    assert (again.error, again.new_messages, again.pending) == (None, 0, 0)
    queries = Queries(home)
    here: dict[str, Counter[tuple[str, tuple[str, ...]]]] = {}
    for box in queries.mailboxes("bob"):
        rows = [row for row in queries.rows(queries.message_ids(box.id)) if row is not None]
        raws = [queries.raw(row.id) for row in rows]
        assert None not in raws
        here[box.name] = Counter(
            (hashlib.sha256(raw or b"").hexdigest(), tuple(sorted(row.flags.names())))
            for raw, row in zip(raws, rows, strict=True)
        )
    queries.close()
    assert len(list((home.mail / "bob").glob("*/cur/*"))) == sum(counter.total() for counter in here.values())
    assert not list((home.mail / "bob").glob("*/tmp/*"))
    there = read_contents(server.host, server.port, account.user, "secret")["INBOX"]
    return here, Counter(digest for digest, _ in there.elements())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_point(tmp_path: Path, server: Dovecot, name: str) -> None:
    keep, synced, prepare = SCENARIOS[name]
    user = f"test-{name.replace(' ', '-')}"
    server.make(user, "INBOX", MESSAGES, new=True)
    template = Home.under(tmp_path / "template")
    if synced:
        assert sync(template, account_of(server, user, keep)).error is None
    prepare(template, server, user)

    def run(when: str) -> tuple[bool, object]:
        copy, home = f"{user}-{when or 'whole'}", Home.under(tmp_path / f"home-{when}")
        subprocess.run(["cp", "-a", server.home(user), server.home(copy)], check=True)
        if template.data.exists():
            subprocess.run(["cp", "-a", template.data, home.data], check=True)
        account = account_of(server, copy, keep)
        ended = _sync_and_die(home, account, when)
        result = outcome(home, server, account)
        shutil.rmtree(home.data)
        shutil.rmtree(server.home(copy))
        return ended, result

    whole, expected = run("")
    assert whole
    point, survived = 0, False
    while not survived:
        point += 1
        survived, result = run(str(point))
        assert result == expected, f"killed at point {point}"
    # That there were points to die at.
    assert point > 20


def _sync_and_die(home: Home, account: Account, when: str) -> bool:
    """A pass that dies at a point; True where it came to its end before."""

    def pass_over() -> None:
        assert sync(home, account).error is None

    return ends_in_child(pass_over, when)
