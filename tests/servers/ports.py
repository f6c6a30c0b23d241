"""Loopback ports."""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import socket
import tempfile
import time
from pathlib import Path

_FIRST, _SLOT, _SLOTS = 10_240, 640, 34
"""Below the ports that systems give to outgoing connections and to those who ask for any; each process has a slot of its own. So
nobody takes a port between the moment it is chosen here and the moment a server listens on it."""

_folder = Path(tempfile.gettempdir()) / f"termmail-test-ports-{os.getuid()}"


@functools.cache
def _own_slot(pid: int) -> tuple[itertools.cycle[int], object]:
    """The ports of the slot this process holds, round and round, and what holds it: a lock that ends with the process."""
    _folder.mkdir(exist_ok=True)
    for slot in range(_SLOTS):
        lock = (_folder / str(slot)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        first = _FIRST + slot * _SLOT
        # Not from the beginning again, where the process before may have left something behind.
        shift = pid % _SLOT
        return itertools.cycle([*range(first + shift, first + _SLOT), *range(first, first + shift)]), lock
    raise RuntimeError(f"{_SLOTS} processes have taken all ports for tests; see {_folder}")


def free_ports(count: int) -> list[int]:
    """That many distinct TCP ports of 127.0.0.1 on which nothing listens, and which are given to nobody else. Raises RuntimeError
    where there are not so many."""
    ports: list[int] = []
    for port in itertools.islice(_own_slot(os.getpid())[0], _SLOT):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Connections that ended lately do not hold a port: in a minute a test may start more servers than there are.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError(f"only {len(ports)} of this process's {_SLOT} ports are free, and not {count}")


def wait_for_greeting(port: int, seconds: float) -> bytes:
    """The first bytes that the server on this port says; b"" where there were none within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as probe:
                if greeting := probe.recv(512):
                    return greeting
        except OSError:
            pass
        time.sleep(0.02)
    return b""
