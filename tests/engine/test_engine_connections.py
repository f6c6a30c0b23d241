"""How many connections there are and how long they are used (T14, T15)."""

from __future__ import annotations

import threading
from pathlib import Path

from engine.support import SECRET, make_account, make_home, reading, running_engine, until
from servers.dovecot import Dovecot
from servers.imap_reader import append
from servers.proxy import Proxy
from servers.scripted import Conversation, ScriptedServer
from servers.tls import Authority
from sync.support import message, messages
from termmail.engine.connector import Connector
from termmail.engine.idle import IdleWatch
from termmail.model.errors import Cancelled, TermmailError
from termmail.model.secret import Secret
from termmail.protocols import imap


def test_idle_is_renewed_and_tells_of_changes(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T14: DONE and IDLE again before anything on the way forgets the connection; a change is told at once."""
    told = threading.Event()
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        connector = Connector(make_account(proxy.port, dovecot_user), lambda account: Secret(SECRET), imap.connect)
        watch = IdleWatch("test", connector, told.set, renew_seconds=0.3)
        watch.start()
        until(lambda: proxy.commands()["IDLE"] >= 4, "it is renewed")
        assert proxy.stats.connections == 1
        told.clear()
        append(dovecot_server.host, dovecot_server.port, dovecot_user, SECRET, "INBOX", message("new"))
        assert told.wait(20)
        watch.stop()
        watch.join(10)
        until(lambda: proxy.open_connections() == 0, "the connection is closed")


def test_idle_comes_back_after_a_cut(dovecot_server: Dovecot, dovecot_user: str) -> None:
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        connector = Connector(make_account(proxy.port, dovecot_user), lambda account: Secret(SECRET), imap.connect)
        watch = IdleWatch("test", connector, lambda: None)
        watch.start()
        until(lambda: proxy.commands()["IDLE"] == 1, "it waits")
        proxy.cut()
        until(lambda: proxy.commands()["IDLE"] == 2, "it waits again")
        watch.stop()
        watch.join(10)


def test_connecting_is_given_up_when_the_engine_ends() -> None:
    """X3: a server that says nothing does not keep anybody waiting who quits."""
    called = threading.Event()
    ended: list[BaseException] = []

    def say_nothing(talk: Conversation) -> None:
        called.set()
        talk.wait_closed(60)

    def connect() -> None:
        try:
            connector.connect(lambda: False)
        except TermmailError as error:
            ended.append(error)

    with ScriptedServer(say_nothing) as server:
        connector = Connector(make_account(server.port, "lisa"), lambda account: Secret(SECRET), imap.connect)
        thread = threading.Thread(target=connect)
        thread.start()
        assert called.wait(20)
        connector.abort_connecting()
        thread.join(60)
    assert [type(error) for error in ended] == [Cancelled]
    connector.abort_connecting()


def test_an_account_with_one_connection_keeps_to_it(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T15: the cap; without a connection of its own for IDLE the inbox is polled."""
    dovecot_server.make(dovecot_user, "INBOX", messages(2))
    with Proxy(dovecot_server.host, dovecot_server.port, record=True) as proxy:
        home = make_home(tmp_path / "home", make_account(proxy.port, dovecot_user, connections=1))
        with running_engine(home), reading(home) as queries:
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.fresh_at, "the inbox is synced")
            until(lambda: len(list(home.mail.rglob("cur/*"))) == 2, "the bodies are here")
        assert proxy.stats.connections == 1
        assert proxy.commands()["IDLE"] == 0


def test_other_mailboxes_are_watched_where_the_server_can(tmp_path: Path, authority: Authority) -> None:
    """RFC 5465: what comes into another mailbox is here long before the next poll."""
    with Dovecot(tmp_path / "dovecot", authority=authority, extra="mailbox_list_index = yes") as server:
        server.make("test-notify", "INBOX", messages(1))
        home = make_home(tmp_path / "home", make_account(server.port, "test-notify"))
        with running_engine(home), reading(home) as queries:
            until(lambda: home.log_file.exists() and "waiting for" in home.log_file.read_text(), "the inbox is watched")
            append(server.host, server.port, "test-notify", SECRET, "Archive", message("filed elsewhere"))
            until(lambda: (box := queries.find_mailbox("test", "Archive")) and box.total == 1, "it is in the archive")
