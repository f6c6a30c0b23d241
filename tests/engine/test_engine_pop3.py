"""The engine with a POP3 account: mail comes, what the user and other programs do is carried out, with and without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.support import make_account, make_home, reading, running_engine, until, until_answered, until_state
from maildrop_home import mail
from servers.dovecot import Dovecot
from servers.proxy import Proxy
from servers.tls import Authority
from termmail.model.account import Account, OfflinePolicy, Protocol
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.status import ConnectionState, RequestState
from termmail.store.intents import Intents
from termmail.store.queries import Queries

pytestmark = pytest.mark.dovecot_pop3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("engine-pop3"), authority=authority, pop3=True) as running:
        yield running


def account(port: int, user: str, *, password: str = "secret") -> Account:
    by_imap = make_account(port, user, password=password)
    return msgspec.structs.replace(by_imap, protocol=Protocol.POP3, offline=OfflinePolicy())


def total(queries: Queries, mailbox: str = "INBOX") -> int:
    found = queries.find_mailbox("test", mailbox)
    return -1 if found is None else found.total


def ids(queries: Queries, mailbox: str = "INBOX") -> list[int]:
    found = queries.find_mailbox("test", mailbox)
    assert found is not None
    return list(queries.message_ids(found.id))


def files(home: Home, directory: str) -> list[str]:
    return sorted(path.name for path in (home.mail / "test" / directory / "cur").iterdir())


def test_mail_comes_and_is_moved_about(tmp_path: Path, server: Dovecot) -> None:
    server.make("test-engine", "INBOX", [mail(1), mail(2), mail(3)], new=True)
    home = make_home(tmp_path / "home", account(server.pop3_port, "test-engine"))
    intents = Intents(home)
    with running_engine(home), reading(home) as queries:
        until(lambda: total(queries) == 3, "three messages")
        first, second, third = ids(queries)
        intents.archive([first])
        intents.set_flags([second], add=FlagSet(Flag.FLAGGED))
        until(lambda: not queries.pending_operations(), "it is carried out")
        until(lambda: len(files(home, ".Archive")) == 1, "the file is in its folder")
        until(lambda: any(name.endswith(":2,F") for name in files(home, "INBOX")), "the flag is in its name")
        server.make("test-engine", "INBOX", [mail(4)], new=True)
        assert until_answered(queries, intents.request_sync("test")[0]).state is RequestState.DONE
        assert total(queries) == 3
        # Another program removes a file: seen without being asked.
        path = queries.body_path(third)
        assert path is not None
        path.unlink()
        until(lambda: total(queries) == 2, "the row is gone")
        assert queries.problems() == []
    intents.close()


def test_without_its_server(tmp_path: Path, server: Dovecot) -> None:
    """The account waits, what the user does is done all the same, and later mail comes."""
    server.make("test-dead", "INBOX", [mail(1), mail(2)], new=True)
    with Proxy(server.host, server.pop3_port) as proxy:
        home = make_home(tmp_path / "home", account(proxy.port, "test-dead"))
        intents = Intents(home)
        with running_engine(home), reading(home) as queries:
            until(lambda: total(queries) == 2, "two messages")
            proxy.down()
            assert until_answered(queries, intents.request_sync("test")[0]).state is RequestState.FAILED
            until_state(queries, ConnectionState.WAITING)
            intents.archive(ids(queries)[:1])
            until(lambda: len(files(home, ".Archive")) == 1, "it is archived without the server")
            server.make("test-dead", "INBOX", [mail(3)], new=True)
            proxy.up()
            assert until_answered(queries, intents.request_sync("test")[0]).state is RequestState.DONE
            assert total(queries) == 2
            intents.set_work_offline(True)
            until_state(queries, ConnectionState.OFFLINE)
            intents.delete(ids(queries)[:1])
            until(lambda: len(files(home, ".Trash")) == 1, "it is in Trash with the network switched off")
        intents.close()


def test_a_wrong_password(tmp_path: Path, server: Dovecot) -> None:
    """T13: one try, one sentence, and the local folders work."""
    with Proxy(server.host, server.pop3_port) as proxy:
        home = make_home(tmp_path / "home", account(proxy.port, "test-wrong", password="hunter2"))
        with running_engine(home), reading(home) as queries:
            until_state(queries, ConnectionState.SIGN_IN)
            assert total(queries) == 0
            (problem,) = queries.problems()
            assert "password" in problem.sentence
            assert "hunter2" not in problem.sentence + problem.detail
        assert proxy.stats.connections == 1
