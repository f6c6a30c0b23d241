"""Loopback ports."""

from __future__ import annotations

import contextlib
import socket
import time


def free_ports(count: int) -> list[int]:
    """That many distinct TCP ports of 127.0.0.1 on which nothing listens at the moment."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
        return ports


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
