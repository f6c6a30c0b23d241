"""The private Postfix: nothing of it outlives the test that started it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from servers.ports import free_ports
from servers.postfix import Postfix
from servers.tls import Authority


def _processes_of(folder: Path) -> set[int]:
    """Processes whose working folder is below this one, which Postfix's all have, be it deleted or not."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(folder)):
                found.add(int(entry.name))
    return found


@pytest.mark.postfix
def test_nothing_is_left_of_it(authority: Authority) -> None:
    """Its master leads a session of its own, so the end of the program that started it does not end it."""
    auth_port, relay_port = free_ports(2)
    with Postfix(certificate=authority.good, auth_port=auth_port, relay_port=relay_port) as server:
        assert len(_processes_of(server.folder)) > 1
    deadline = time.monotonic() + 40
    while _processes_of(server.folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _processes_of(server.folder) == set()
    assert not server.folder.exists()
