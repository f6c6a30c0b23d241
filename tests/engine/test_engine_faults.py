"""What the engine withstands: a full disk, a flapping server, a server that is away, another schema, secrets echoed back."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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
    until_state,
)
from servers.dovecot import Dovecot
from servers.imap_reader import append
from servers.proxy import Proxy
from servers.scripted import Conversation, ScriptedServer
from sync.support import Client, flags, message, messages
from termmail.engine.connector import back_off
from termmail.engine.log import close_log, open_log
from termmail.engine.sync_once import sync_once
from termmail.model.home import Home
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState
from termmail.protocols.redact import Redactor
from termmail.store.intents import Intents


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a tmpfs can't be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def test_a_full_disk_is_told_and_harms_nothing(small_disk: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """X5: a clear sentence, nothing corrupt, and it goes on when there is space again."""
    dovecot_server.make(dovecot_user, "INBOX", [message(f"mail {number}", size=200_000) for number in range(10)])
    account = make_account(dovecot_server.port, dovecot_user)
    home = make_home(small_disk / "home", account)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 1_500_000)
    (full,) = sync_once(home, [account]).accounts
    assert full.error is not None
    assert "space" in full.error.sentence
    filler.unlink()
    client = Client(home.config, dovecot_server, dovecot_user)
    assert client.ingest.database.one("PRAGMA quick_check(1)") == ("ok",)
    client.close()
    subprocess.run(["mount", "-o", "remount,size=30m", small_disk], check=True)
    (report,) = sync_once(home, [account]).accounts
    assert report.error is None
    client = Client(home.config, dovecot_server, dovecot_user)
    assert client.contents() == dovecot_server.state(dovecot_user)
    client.close()


def test_files_that_may_not_grow(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """X5: a write that fails in the middle of a body leaves no part of it behind."""
    dovecot_server.make(dovecot_user, "INBOX", [message("small"), message("large", size=3_000_000)])
    account = make_account(dovecot_server.port, dovecot_user)
    home = make_home(tmp_path / "home", account)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
        code = 1
        with contextlib.suppress(BaseException):
            (report,) = sync_once(home, [account]).accounts
            code = 0 if report.error is not None and "File too large" in report.error.sentence else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (report,) = sync_once(home, [account]).accounts
    assert report.error is None
    client = Client(home.config, dovecot_server, dovecot_user)
    assert client.contents() == dovecot_server.state(dovecot_user)
    client.close()


def test_a_flapping_server_is_not_stormed(tmp_path: Path) -> None:
    """T15: never more than one connection a second, fewer with each failure."""

    def hang_up(talk: Conversation) -> None:
        talk.close()

    with ScriptedServer(hang_up) as server:
        home = make_home(tmp_path / "home", make_account(server.port, "lisa"))
        with running_engine(home), reading(home) as queries:
            until(lambda: server.connections > 0, "it connects")
            began = time.monotonic()
            time.sleep(6)
            assert server.connections <= time.monotonic() - began + 1
            sentence = until_state(queries, ConnectionState.WAITING)
            assert "127.0.0.1" in sentence
            status = queries.account_status("test")
            assert status is not None
            assert status.next_at > time.time() - 1


def test_the_pause_grows_up_to_five_minutes() -> None:
    """T15."""
    for failures, seconds in ((1, 1), (2, 2), (5, 16), (9, 256), (20, 300), (1000, 300)):
        assert all(seconds * 0.7 <= back_off(failures) <= seconds * 1.3 for _ in range(50))
    assert len({back_off(3) for _ in range(10)}) > 1


def test_the_server_goes_away_and_comes_back(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """What was done meanwhile is carried out, what came meanwhile is fetched."""
    dovecot_server.make(dovecot_user, "INBOX", messages(2))
    with Proxy(dovecot_server.host, dovecot_server.port) as proxy:
        home = make_home(tmp_path / "home", make_account(proxy.port, dovecot_user))
        with running_engine(home), reading(home) as queries:
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.fresh_at, "the inbox is synced")
            proxy.down()
            until_state(queries, ConnectionState.WAITING)
            inbox = queries.find_mailbox("test", "INBOX")
            assert inbox is not None
            intents = Intents(home)
            intents.set_flags(queries.first_ids(inbox.id, 2), add=flags("\\Seen"))
            append(dovecot_server.host, dovecot_server.port, dovecot_user, SECRET, "INBOX", message("meanwhile"))
            proxy.up()
            intents.request_sync("test")
            intents.close()
            until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.total == 3, "the new message")
            until(lambda: not queries.pending_operations(), "the edits are on the server")


def test_what_is_under_way_is_finished_at_the_end(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """Archived and quit at once: the server has it."""
    dovecot_server.make(dovecot_user, "INBOX", messages(3))
    home = make_home(tmp_path / "home", make_account(dovecot_server.port, dovecot_user))
    process = start_engine(home)
    with reading(home) as queries:
        until(lambda: (box := queries.find_mailbox("test", "INBOX")) and box.fresh_at, "the inbox is synced")
        until_state(queries, ConnectionState.ONLINE)
        inbox = queries.find_mailbox("test", "INBOX")
        assert inbox is not None
        intents = Intents(home)
        intents.archive(queries.first_ids(inbox.id, 3))
        intents.close()
        assert stop_engine(process) == 0
        assert queries.pending_operations() == []
    assert dovecot_server.state(dovecot_user)["Archive"].total() == 3


def test_a_newer_schema_ends_it(tmp_path: Path) -> None:
    """L6: another termmail has migrated the database while it ran; one that starts is refused."""
    home = make_home(tmp_path / "home")
    process = start_engine(home)
    until(lambda: home.database.exists() and home.log_file.exists() and "runs" in home.log_file.read_text(), "it runs")
    with contextlib.closing(sqlite3.connect(home.database, timeout=10)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    assert process.wait(20) == 78
    stop_engine(process)
    again = start_engine(home)
    assert again.wait(20) == 78
    assert again.stderr is not None
    assert b"newer termmail" in again.stderr.read()
    stop_engine(again)


def test_no_secret_reaches_the_log(tmp_path: Path) -> None:
    """C3, C4: plain, in base64, as SASL PLAIN, in an exception with a traceback, echoed by the server."""
    home = Home.under(tmp_path / "home")
    redactor = Redactor()
    secret = Secret('pa"ss wörd\\1')
    redactor.add(secret)
    handler = open_log(home, redactor)
    log = logging.getLogger("termmail.test")
    forms = [
        secret.reveal(),
        secret.reveal().replace("\\", "\\\\").replace('"', '\\"'),
        base64.b64encode(secret.reveal().encode()).decode(),
        base64.b64encode(b"\0lisa@example.org\0" + secret.reveal().encode()).decode(),
    ]
    for form in forms:
        log.warning("the server said %s", form)
        try:
            raise ValueError(form)
        except ValueError:
            log.exception("failed with %r", secret)
    close_log(handler)
    logger = logging.getLogger("termmail")
    assert (logger.level, logger.propagate, handler in logger.handlers) == (logging.NOTSET, True, False)
    text = home.log_file.read_text()
    for form in forms[:3]:
        assert form not in text
    assert base64.b64encode(secret.reveal().encode()).decode()[4:-4] not in text
    assert forms[3][28:] not in text
    assert text.count("the server said") == 4


def test_a_server_that_echoes_the_password(tmp_path: Path) -> None:
    """C4: what the server sends back is cleaned as well, in rows as in the log."""

    def echo(talk: Conversation) -> None:
        talk.send(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
        line = talk.read_line()
        blob = line.split()[-1]
        talk.send(b"$TAG NO [AUTHENTICATIONFAILED] wrong: " + blob + b" hunter-2-secret\r\n")

    with ScriptedServer(echo) as server:
        home = make_home(tmp_path / "home", make_account(server.port, "lisa", password="hunter-2-secret"))
        with running_engine(home), reading(home) as queries:
            until_state(queries, ConnectionState.SIGN_IN)
        blob = base64.b64encode(b"\0lisa\0hunter-2-secret")
        for path in home.config.rglob("*"):
            if path.is_file() and path != home.config_file:
                data = path.read_bytes()
                assert b"hunter-2-secret" not in data, path
                assert blob not in data, path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_engine_is_killed_at_its_points(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """S1 with the engine itself, told by the environment: count first, then die at every fifth point."""
    dovecot_server.make(dovecot_user, "INBOX", messages(4))
    truth = dovecot_server.state(dovecot_user)
    counter = tmp_path / "count"
    account = make_account(dovecot_server.port, dovecot_user)

    def run(folder: Path, environment: dict[str, str]) -> None:
        home = make_home(folder, account)
        process = start_engine(home, environment=environment)
        with reading(home) as queries:
            until(
                lambda: (
                    process.poll() is not None
                    or (
                        (box := queries.find_mailbox("test", "INBOX"))
                        and box.fresh_at
                        and len(list(home.mail.rglob("cur/*"))) == 4
                    )
                ),
                "the mail is here, or the engine is dead",
            )
        stop_engine(process)

    run(tmp_path / "count home", {"TERMMAIL_CRASH_AT": "count", "TERMMAIL_CRASH_COUNT": str(counter)})
    for point in range(1, int(counter.read_text()), 5):
        folder = tmp_path / f"home {point}"
        run(folder, {"TERMMAIL_CRASH_AT": str(point)})
        (report,) = sync_once(Home.under(folder), [account]).accounts
        assert report.error is None
        client = Client(folder, dovecot_server, dovecot_user)
        assert client.contents() == truth, f"killed at point {point}"
        client.close()


def test_it_is_started_without_anything_else(tmp_path: Path) -> None:
    """`python -m termmail.engine` without a home says how it is used."""
    done = subprocess.run([sys.executable, "-m", "termmail.engine"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"--home" in done.stderr
