"""A disk that refuses at any write (X5), and a connection cut anywhere (X4): with a policy that deletes at once, nothing is lost."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maildrop_home import mail
from servers.dovecot import Dovecot
from servers.proxy import Direction, Proxy
from servers.tls import Authority
from sync.test_pop3_sync import Bob, digests
from termmail.engine.sync_once import sync_once
from termmail.model.account import KeepKind, KeepPolicy
from termmail.model.secret import Secret
from termmail.store import durable

pytestmark = pytest.mark.dovecot_pop3
NONE = KeepPolicy(KeepKind.NONE)
MESSAGES = [mail(number) for number in range(1, 6)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("pop3-faults"), authority=authority, pop3=True) as running:
        yield running


class FailingDisk:
    """Lets the n-th call of the pass's thread that changes the disk fail."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int, error: int) -> None:
        self.calls = 0
        self.failed = ""
        self._fails_at = fails_at
        self._error = error
        for name in ("write", "rename", "fsync", "link"):
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
        syncfs = durable._syncfs()
        if syncfs is not None:
            wrapped = self._wrapped("syncfs", syncfs)
            patch.setattr(durable, "_syncfs", lambda: wrapped)

    def _wrapped(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if threading.current_thread().name == "bob":
                self.calls += 1
                if self.calls == self._fails_at:
                    self.failed = name
                    raise OSError(self._error, os.strerror(self._error))
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_the_disk_refuses_at_any_call(tmp_path: Path, server: Dovecot, error: int) -> None:
    """X5, L3: told in a sentence; mail that is not durable stays on the server, and the next pass makes good."""
    step, failed = 0, {""}
    while True:
        step += 1
        bob = Bob(tmp_path / f"home{step}", server)
        bob.keep = NONE
        bob.deliver(*MESSAGES)
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(patch, step, error)
            (report,) = sync_once(bob.home, [bob.account], password=lambda account: Secret("secret")).accounts
        if not disk.failed:
            assert report.error is None
            break
        failed.add(disk.failed)
        if report.error is not None:
            assert report.error.sentence.endswith(".")
            assert "Traceback" not in report.error.sentence
        bob.sync()
        assert bob.here() == digests(*MESSAGES), f"call {step}, {disk.failed}"
        assert len(bob.files()) == len(MESSAGES)
        assert bob.on_server() == 0
        server.remove_mail(bob.user)
    assert failed >= {"write", "rename", "fsync"}


def cut_and_resume(folder: Path, server: Dovecot, count: int, direction: Direction) -> bool:
    """One pass over a connection that is cut, and one that is not; whether the cut came."""
    bob = Bob(folder, server)
    bob.keep = NONE
    bob.deliver(*MESSAGES)
    with Proxy(server.host, server.pop3_port) as proxy:
        bob.port = proxy.port
        proxy.cut_after(count, direction)
        (report,) = sync_once(bob.home, [bob.account], password=lambda account: Secret("secret")).accounts
    bob.port = server.pop3_port
    bob.sync()
    assert bob.here() == digests(*MESSAGES), f"cut after {count} {direction.value}"
    assert len(bob.files()) == len(MESSAGES)
    assert bob.on_server() == 0
    server.remove_mail(bob.user)
    return report.error is not None


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("direction", Direction)
def test_cut_at_every_byte(tmp_path: Path, server: Dovecot, direction: Direction) -> None:
    """X4, S12."""
    count, cut = 0, True
    # The last answer, to QUIT, may be cut without an error: one more than the first that went well is looked at.
    went_well = 0
    while went_well < 3:
        count += 1
        cut = cut_and_resume(tmp_path / f"home{count}", server, count, direction)
        went_well = 0 if cut else went_well + 1
    assert count > 100
