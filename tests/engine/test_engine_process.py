"""The engine as a process: lock, stdin, config, requests, passwords."""

from __future__ import annotations

import base64
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from engine.support import (
    SECRET,
    make_account,
    make_home,
    reading,
    running_engine,
    start_engine,
    stop_engine,
    until,
    until_answered,
    until_state,
)
from servers.dovecot import Dovecot
from servers.imap_reader import append
from servers.proxy import Proxy
from sync.support import flags, message, messages
from termmail.accounts import config, credentials
from termmail.engine.child import EngineChild
from termmail.engine.process import EXIT_STORAGE
from termmail.engine.socket import send_password, socket_path, wake_engine
from termmail.engine.sync_once import sync_once
from termmail.model.account import CredentialKind, OfflineKind, OfflinePolicy
from termmail.model.errors import SignInRefused
from termmail.model.home import Home
from termmail.model.message import BodyState
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState, RequestState
from termmail.store.intents import Intents


def test_it_syncs_carries_out_and_hears_of_new_mail(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """The thin slice: first sync, an intent on the server, new mail by IDLE, a clean end."""
    dovecot_server.make(dovecot_user, "INBOX", messages(3))
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user))
    with running_engine(home), reading(home) as queries:
        until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 3, "three messages")
        inbox = queries.find_mailbox("test", "INBOX")
        assert inbox is not None
        (newest, *_) = queries.first_ids(inbox.id, 3)
        until(lambda: queries.raw(newest) is not None, "a body")
        intents = Intents(home)
        intents.set_flags([newest], add=flags("\\Flagged"))
        until(lambda: not queries.pending_operations(), "the flag is on the server")
        intents.close()
        # IDLE has to be up before mail comes for the test to be one of IDLE.
        until(lambda: "waiting for changes" in home.log_file.read_text(), "the idle connection", 30)
        append(dovecot_server.host, dovecot_server.port, dovecot_user, SECRET, "INBOX", message("late"))
        until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 4, "the new message", 40)
    state = dovecot_server.state(dovecot_user)["INBOX"]
    assert sorted(names for _, names in state.elements() if names) == [frozenset({"\\Flagged"})]
    assert stat.S_IMODE(home.log_file.stat().st_mode) == 0o600


def test_a_lost_race_for_the_lock_is_silent(tmp_path: Path) -> None:
    """L7: exit code 75 and not a word."""
    home = make_home(tmp_path / "home")
    with running_engine(home):
        until(socket_path(home).exists, "the engine is up")
        second = start_engine(home)
        assert second.stderr is not None
        assert second.wait(20) == 75
        assert second.stderr.read() == b""
        stop_engine(second)


def test_a_lock_file_of_a_dead_engine_is_no_hindrance(tmp_path: Path) -> None:
    """L7: kill -9, then start again."""
    home = make_home(tmp_path / "home")
    first = start_engine(home)
    until(socket_path(home).exists, "the engine is up")
    first.kill()
    stop_engine(first)
    with running_engine(home):
        until(lambda: wake_engine(home), "the second engine listens")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, number: signal.Signals
) -> None:
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user))
    process = start_engine(home)
    with reading(home) as queries:
        until_state(queries, ConnectionState.ONLINE)
        process.send_signal(number)
        assert process.wait(20) == 0
    stop_engine(process)


def test_what_it_makes_is_private(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """L1: directories 0700, files and socket 0600."""
    os.umask(0o022)
    dovecot_server.make(dovecot_user, "INBOX", messages(2))
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user))
    with running_engine(home), reading(home) as queries:
        until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 2, "two messages")
        until(lambda: list(home.mail.rglob("cur/*")), "a body on disk")
        open_to_others = [
            path
            for path in [home.data, *home.data.rglob("*"), socket_path(home).parent, socket_path(home)]
            if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
        ]
        assert open_to_others == []


def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's path ends at some hundred bytes."""
    home = make_home(tmp_path / ("x" * 120))
    assert len(os.fsencode(home.socket)) > 108
    with running_engine(home):
        until(lambda: wake_engine(home), "the engine listens")
        assert stat.S_IMODE(socket_path(home).stat().st_mode) == 0o600
    assert not socket_path(home).exists()


def test_a_wrong_password_is_one_sentence_and_one_try(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """T13: no automatic retry; the user asks again, and a right password from a session goes on. C4: nothing in the log."""
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        account = make_account(proxy.port, dovecot_user, password="wr0ng-pass")
        home = make_home(tmp_path / "home", account)
        with running_engine(home), reading(home) as queries:
            sentence = until_state(queries, ConnectionState.SIGN_IN)
            assert "refused" in sentence
            assert sentence.count(".") >= 1
            time.sleep(3)
            assert proxy.stats.connections == 1
            intents = Intents(home)
            (asked,) = intents.request_sync("test")
            assert until_answered(queries, asked).state is RequestState.FAILED
            assert proxy.stats.connections == 2
            assert send_password(home, "test", Secret(SECRET))
            until_state(queries, ConnectionState.ONLINE)
            intents.close()
        everything = b"".join(
            path.read_bytes() for path in home.config.rglob("*") if path.is_file() and path != home.config_file
        )
        for secret in (b"wr0ng-pass", b"\0secret"):
            assert secret not in everything
            assert base64.b64encode(dovecot_user.encode() + b"\0" + secret)[4:] not in everything


def test_a_session_password_comes_by_the_socket(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """An account whose password is asked for each time waits for it and never writes it down."""
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user, kind=CredentialKind.SESSION))
    with running_engine(home), reading(home) as queries:
        assert "asked for each time" in until_state(queries, ConnectionState.SIGN_IN)
        assert send_password(home, "test", Secret(SECRET))
        until_state(queries, ConnectionState.ONLINE)


def test_a_password_that_comes_before_its_account(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """It is kept for it: the account signs in as soon as it is there."""
    home = make_home(tmp_path / "home")
    account = make_account(dovecot_server.port, dovecot_user, kind=CredentialKind.SESSION)
    with running_engine(home):
        until(lambda: send_password(home, "test", Secret(SECRET)), "the engine listens")
        config.add_account(home, account)
        intents = Intents(home)
        intents.register_accounts([account])
        intents.close()
        with reading(home) as queries:
            until_state(queries, ConnectionState.ONLINE)


def test_working_offline_takes_effect_at_once(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """No connection stays open; requests are answered with a sentence; back online it goes on by itself."""
    dovecot_server.make(dovecot_user, "INBOX", messages(1))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        home = make_home(tmp_path / "home", make_account(proxy.port, dovecot_user))
        with running_engine(home), reading(home) as queries:
            until_state(queries, ConnectionState.ONLINE)
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.fresh_at, "the inbox is synced")
            intents = Intents(home)
            intents.set_work_offline(True)
            until_state(queries, ConnectionState.OFFLINE)
            until(lambda: proxy.open_connections() == 0, "no connection is open")
            (asked,) = intents.request_sync("test")
            assert "offline" in until_answered(queries, asked).sentence
            inbox = queries.find_mailbox("test", "INBOX")
            assert inbox is not None
            intents.archive(queries.first_ids(inbox.id, 1))
            time.sleep(1)
            assert proxy.open_connections() == 0
            intents.set_work_offline(False)
            until(lambda: not queries.pending_operations(), "the edit is on the server")
            intents.close()
        assert dovecot_server.state(dovecot_user)["Archive"].total() == 1


def test_a_stalled_server_is_given_up_at_once(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """X3: the switch to offline does not wait for the server. One second is the aim; the bound here is generous."""
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        home = make_home(tmp_path / "home", make_account(proxy.port, dovecot_user))
        proxy.stall()
        with running_engine(home), reading(home) as queries:
            until(lambda: proxy.open_connections() > 0, "the engine connects")
            intents = Intents(home)
            began = time.monotonic()
            intents.set_work_offline(True)
            until_state(queries, ConnectionState.OFFLINE)
            proxy.resume()
            intents.set_work_offline(False)
            # A worker that still waited for the first connection would do so for 20 s.
            until_state(queries, ConnectionState.ONLINE)
            assert time.monotonic() - began < 10
            intents.close()


def test_a_dead_account_delays_no_other(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S15: the first one's server takes the connection and says nothing."""
    dovecot_server.make(dovecot_user, "INBOX", messages(3))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        proxy.stall()
        dead = make_account(proxy.port, dovecot_user, name="dead")
        home = make_home(tmp_path / "home", dead, make_account(dovecot_server.port, dovecot_user))
        with running_engine(home), reading(home) as queries:
            until(lambda: proxy.open_connections() > 0, "the engine connects to the dead one")
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 3, "the other is synced", 15)
            assert queries.mailboxes("dead") == []
            proxy.resume()


def test_a_body_is_fetched_when_it_is_opened(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """On demand nothing is fetched unasked, and what is opened comes."""
    dovecot_server.make(dovecot_user, "INBOX", messages(3))
    account = make_account(dovecot_server.port, dovecot_user, offline=OfflinePolicy(OfflineKind.ON_DEMAND))
    home = make_home(tmp_path / "home", account)
    with running_engine(home), reading(home) as queries:
        until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.fresh_at, "the inbox is synced")
        inbox = queries.find_mailbox("test", "INBOX")
        assert inbox is not None
        ids = queries.first_ids(inbox.id, 3)
        intents = Intents(home)
        assert until_answered(queries, intents.request_body(ids[1])).state is RequestState.DONE
        intents.close()
        assert [row is not None and row.body_state for row in queries.rows(ids)] == [
            BodyState.MISSING,
            BodyState.PRESENT,
            BodyState.MISSING,
        ]


@pytest.mark.parametrize("told_by", ["idle", "user"])
def test_new_mail_does_not_wait_for_old_bodies(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, told_by: str
) -> None:
    """S15: over a slow line the bodies of a first sync take long; a message that comes meanwhile is listed at once, by IDLE or `$`."""
    dovecot_server.make(dovecot_user, "INBOX", (message(str(number), size=60_000) for number in range(100)))
    with Proxy(dovecot_server.host, dovecot_server.port, rate=400_000) as proxy:
        account = make_account(proxy.port, dovecot_user, connections=3 if told_by == "idle" else 1)
        home = make_home(tmp_path / "home", account)
        with running_engine(home), reading(home) as queries:
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 100, "the list")
            inbox = queries.find_mailbox("test", "INBOX")
            assert inbox is not None

            def missing() -> int:
                rows = queries.rows(queries.first_ids(inbox.id, 200))
                return sum(row is not None and row.body_state is BodyState.MISSING for row in rows)

            until(lambda: missing() < 100, "the first body")
            if told_by == "idle":
                until(lambda: "waiting for changes" in home.log_file.read_text(), "the idle connection", 30)
            append(dovecot_server.host, dovecot_server.port, dovecot_user, SECRET, "INBOX", message("late"))
            intents = Intents(home)
            request = intents.request_sync("test")[0] if told_by == "user" else None
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 101, "the new message", 40)
            assert missing() > 20
            proxy.rate = 0.0
            if request is not None:
                assert until_answered(queries, request, 60).state is RequestState.DONE
            until(lambda: missing() == 0, "all bodies, the new one too", 60)
            intents.close()


def test_it_follows_the_config_file(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """An account added while it runs is synced; a mistake in the file is told and changes nothing."""
    home = make_home(tmp_path / "home")
    with running_engine(home), reading(home) as queries:
        config.add_account(home, make_account(dovecot_server.port, dovecot_user))
        until_state(queries, ConnectionState.ONLINE)
        text = home.config_file.read_text()
        home.config_file.write_text(text + "\n[nonsense\n")
        until(queries.problems, "the mistake is told")
        home.config_file.write_text(text)
        account = config.load(home).accounts[0]
        config.edit_account(home, msgspec.structs.replace(account, enabled=False))
        until(lambda: not queries.accounts(), "the disabled account is hidden")
        config.edit_account(home, account)
        until_state(queries, ConnectionState.ONLINE)
        config.remove_account(home, "test")
        until(lambda: not queries.accounts(), "the account is hidden")


def test_an_account_is_asked_for_as_soon_as_it_is_added(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """Before the engine has looked at the config file again."""
    home = make_home(tmp_path / "home")
    with running_engine(home), reading(home) as queries:
        until(lambda: wake_engine(home), "the engine runs")
        intents = Intents(home)
        for number in range(3):
            account = make_account(dovecot_server.port, dovecot_user, name=f"test{number}")
            config.add_account(home, account)
            (request_id,) = intents.request_sync(account.name)
            assert until_answered(queries, request_id).state is RequestState.DONE
        intents.close()


def test_two_front_ends_share_one_engine(tmp_path: Path) -> None:
    """A second one uses the engine that runs, and starts one when that ends."""
    home = make_home(tmp_path / "home")
    first, second = EngineChild(home), EngineChild(home)
    first.start()
    until(first.wake, "the first one's engine listens")
    second.start()
    assert second.wake()
    first.close()
    until(second.wake, "the second one's engine listens")
    second.close()
    assert not second.wake()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A front end that is killed takes its engine along: its stdin closes."""
    home = make_home(tmp_path / "home")
    script = (
        "import sys, time; from pathlib import Path; from termmail.engine.child import EngineChild;"
        "from termmail.model.home import Home; child = EngineChild(Home.under(Path(sys.argv[1]))); child.start(); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(home.config)])
    until(lambda: wake_engine(home), "the engine listens")
    parent.kill()
    parent.wait()
    until(lambda: not wake_engine(home), "the engine has ended")


def test_one_pass_in_the_foreground(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """`termmail sync` without an engine: everything is here when it returns, and progress was told."""
    dovecot_server.make(dovecot_user, "INBOX", messages(5))
    account = make_account(dovecot_server.port, dovecot_user)
    home = make_home(tmp_path / "home", account)
    seen: list[str] = []
    report = sync_once(home, [account], on_progress=lambda status: seen.append(status.activity))
    assert [(one.account, one.error, one.new_messages, one.new_bodies) for one in report.accounts] == [
        ("test", None, 5, 5)
    ]
    assert not report.by_engine
    assert "Fetching mail" in seen
    (again,) = sync_once(home, [account]).accounts
    assert (again.new_messages, again.new_bodies, again.pending) == (0, 0, 0)


def test_one_pass_by_the_engine_that_runs(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    account = make_account(dovecot_server.port, dovecot_user)
    home = make_home(tmp_path / "home", account)
    with running_engine(home), reading(home) as queries:
        until_state(queries, ConnectionState.ONLINE)
        dovecot_server.make(dovecot_user, "INBOX", messages(2))
        report = sync_once(home, [account])
        assert report.by_engine
        assert [one.error for one in report.accounts] == [None]
        inbox = queries.find_mailbox("test", "INBOX")
        assert inbox is not None
        assert all(queries.raw(placement_id) for placement_id in queries.first_ids(inbox.id, 2))
        assert inbox.total == 2


def test_a_pass_says_what_is_wrong(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    account = make_account(dovecot_server.port, dovecot_user, password="wrong")
    home = make_home(tmp_path / "home", account)
    (one,) = sync_once(home, [account]).accounts
    assert isinstance(one.error, SignInRefused)
    advice = credentials.advice_when_refused(account)
    assert one.error.sentence.endswith(advice.sentence)
    assert one.error.command == advice.command
    good = make_account(dovecot_server.port, dovecot_user)
    (one,) = sync_once(home, [good], mailbox="No such").accounts
    assert one.error is not None
    assert "No such" in one.error.sentence


def test_it_leaves_no_core_and_is_not_dumpable(tmp_path: Path) -> None:
    """C2."""
    home = make_home(tmp_path / "home")
    with running_engine(home) as process:
        until(lambda: wake_engine(home), "the engine listens")
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]


def test_a_home_knows_its_socket_in_every_process(tmp_path: Path) -> None:
    assert socket_path(Home.under(tmp_path)) == socket_path(Home.under(tmp_path))
    assert socket_path(Home.under(tmp_path / ("y" * 150))) != socket_path(Home.under(tmp_path / ("z" * 150)))


def test_a_database_that_is_deleted_is_rebuilt_by_the_next_engine(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """L5, L9: the engine that runs ends, and so writes nothing where nobody sees it."""
    dovecot_server.make(dovecot_user, "INBOX", messages(3))
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user))
    process = start_engine(home)
    try:
        with reading(home) as queries:
            until(lambda: len(list(home.mail.rglob("cur/*,U=*"))) == 3, "three bodies")
            until_state(queries, ConnectionState.ONLINE)
        for file in home.data.glob("termmail.db*"):
            file.unlink()
        assert process.wait(20) == EXIT_STORAGE
    finally:
        stop_engine(process)
    assert not home.database.exists()
    with running_engine(home):
        until(lambda: home.database.exists() and home.database.stat().st_size, "a database")
        with reading(home) as queries:
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 3, "three messages")
            until(lambda: any("was missing" in one.sentence for one in queries.problems()), "it is told")
