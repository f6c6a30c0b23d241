"""Discovery and checks in a process of their own: reports arrive as they come, and a job can be ended at any time."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.scripted import Conversation, ScriptedServer
from termmail.model.account import Account, Protocol, Security, Server
from termmail.model.errors import Cancelled, TermmailError
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckState, Discovery, SourceReport
from termmail.setup.child import CheckRequest, DiscoverRequest, SetupJob


def test_large_provider() -> None:
    """The report comes first, then what was found."""
    report, found = SetupJob(DiscoverRequest("lisa@gmail.com"))
    assert isinstance(report, SourceReport)
    assert isinstance(found, Discovery)
    assert found.imap[0].server == Server("imap.gmail.com", 993)


def test_ends_with_whoever_asked() -> None:
    """Killed, a front end can cancel nothing; a sign-in that nobody waits for any more does not stay behind."""
    front_end = """
from termmail.model.oauth import OAuthProvider
from termmail.setup.child import SetupJob, SignInRequest
url = "https://login.invalid/"
provider = OAuthProvider(name="x", label="x", client_id="x", authorization_url=url, token_url=url)
for news in SetupJob(SignInRequest(provider, "lisa@example.org")):
    print(news.url, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", front_end], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        page = urllib.parse.urlsplit(process.stdout.readline().strip())
        process.kill()
    (redirect,) = urllib.parse.parse_qs(page.query)["redirect_uri"]
    port = urllib.parse.urlsplit(redirect).port
    assert port is not None
    deadline = time.monotonic() + 40
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            break
        assert time.monotonic() < deadline, "the sign-in still waits"
        time.sleep(0.1)


def test_ended_before_anybody_listens() -> None:
    """Its pipes are closed, and it has nothing to say any more."""
    job = SetupJob(DiscoverRequest("lisa@gmail.com"))
    job.cancel()
    stdin, stdout = job._process.stdin, job._process.stdout
    assert stdin is not None
    assert stdin.closed
    assert stdout is not None
    assert stdout.closed
    with pytest.raises(Cancelled):
        next(iter(job))


def test_no_address() -> None:
    with pytest.raises(TermmailError, match="no address"):
        list(SetupJob(DiscoverRequest("lisa")))


def test_check(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """C2: the password goes by pipe, and is in neither arguments nor environment of the child."""
    account = Account(
        "lisa",
        "lisa@demo.example",
        Protocol.IMAP,
        Server("localhost", dovecot_server.tls_port),
        None,
        dovecot_user,
        ca_file=str(dovecot_server.tls.ca),
    )
    job = SetupJob(CheckRequest(account, Secret(Dovecot.test_password)))
    process = Path("/proc") / str(job._process.pid)
    if process.exists():
        for name in ("cmdline", "environ"):
            assert Dovecot.test_password.encode() not in (process / name).read_bytes()
    checks = [check for check in job if isinstance(check, Check) and check.state is not CheckState.RUNNING]
    assert checks[-1].name == "mailboxes"
    assert all(check.ok for check in checks)


def test_defect() -> None:
    """C3: what should not have happened has its kind and place told, and nothing of what was worked with."""
    account = Account("a", "a@b", Protocol.IMAP, Server("127.0.0.1", 1), None, "a", ca_file="\0")
    with pytest.raises(TermmailError, match=r"should not have.*ValueError at \w+\.py:[0-9]+$") as caught:
        list(SetupJob(CheckRequest(account, Secret("hunter2"))))
    assert "hunter2" not in caught.value.sentence


def test_cancelled_while_a_server_is_silent() -> None:
    """The server never says anything; whoever waits is free at once, and the process is gone."""

    def say_nothing(talk: Conversation) -> None:
        talk.wait_closed(60)

    with ScriptedServer(say_nothing) as server:
        account = Account("a", "a@b", Protocol.IMAP, Server("127.0.0.1", server.port, Security.NONE), None, "a")
        job = SetupJob(CheckRequest(account, Secret("x")))
        reports = iter(job)
        while True:
            report = next(reports)
            if isinstance(report, Check) and report.name == "connection":
                break
        limits = Path("/proc") / str(job._process.pid) / "limits"
        if limits.exists():
            # C2: it knows the password, and leaves no core behind.
            assert re.search(r"Max core file size +0 +0 ", limits.read_text())
        threading.Timer(0.1, job.cancel).start()
        with pytest.raises(Cancelled):
            list(reports)
        with pytest.raises(ProcessLookupError):
            os.kill(job._process.pid, 0)
