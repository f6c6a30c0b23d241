"""Engines as processes of a test's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from termmail.accounts import config
from termmail.model.account import Account, Credential, CredentialKind, OfflinePolicy, Security, Server
from termmail.model.account import Protocol as Incoming
from termmail.model.home import Home
from termmail.model.status import ConnectionState, Request, RequestState
from termmail.store.queries import Queries

SECRET = "secret"


def make_account(
    port: int,
    user: str,
    *,
    name: str = "test",
    password: str = SECRET,
    offline: OfflinePolicy | None = None,
    connections: int = 3,
    kind: CredentialKind = CredentialKind.COMMAND,
) -> Account:
    return Account(
        name=name,
        email="lisa@example.org",
        protocol=Incoming.IMAP,
        incoming=Server("127.0.0.1", port, Security.NONE),
        smtp=None,
        user=user,
        credential=Credential(kind, f"echo {password}" if kind is CredentialKind.COMMAND else ""),
        offline=offline or OfflinePolicy(),
        connections=connections,
    )


def make_home(folder: Path, *accounts: Account) -> Home:
    """A home whose config file has these accounts."""
    home = Home.under(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for account in accounts:
        config.add_account(home, account)
    return home


def start_engine(home: Home, *, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "termmail.engine", "--home", str(home.config), "--child"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


def stop_engine(process: subprocess.Popen[bytes], seconds: float = 60) -> int:
    """Close its stdin and wait; the exit code."""
    assert process.stdin is not None
    assert process.stderr is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        process.wait()
        process.stderr.close()


@contextlib.contextmanager
def running_engine(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    process = start_engine(home)
    try:
        yield process
    finally:
        stop_engine(process)


@contextlib.contextmanager
def reading(home: Home) -> Iterator[Queries]:
    queries = Queries(home)
    try:
        yield queries
    finally:
        queries.close()


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something to become true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in {seconds} s it did not happen: {what}"
        time.sleep(0.02)


def until_state(queries: Queries, state: ConnectionState, account: str = "test", seconds: float = 60) -> str:
    """Wait for an account's state; its sentence."""

    def reached() -> bool:
        status = queries.account_status(account)
        return status is not None and status.state is state

    until(reached, f"{account} is {state.value}", seconds)
    status = queries.account_status(account)
    assert status is not None
    return status.sentence


def until_answered(queries: Queries, request_id: int, seconds: float = 60) -> Request:
    def answered() -> bool:
        request = queries.request(request_id)
        return request is not None and request.state in (RequestState.DONE, RequestState.FAILED)

    until(answered, "the request is answered", seconds)
    request = queries.request(request_id)
    assert request is not None
    return request
