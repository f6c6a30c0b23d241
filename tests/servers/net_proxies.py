"""Real SOCKS and HTTP proxies on loopback (microsocks, tinyproxy)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.ports import free_ports

_SECONDS = 20.0


@contextmanager
def microsocks() -> Iterator[str]:
    """The URL of a SOCKS 5 proxy."""
    (port,) = free_ports(1)
    program = shutil.which("microsocks")
    assert program is not None
    with _running([program, "-i", "127.0.0.1", "-p", str(port)], port):
        yield f"socks5://127.0.0.1:{port}"


@contextmanager
def tinyproxy(folder: Path, *, ports: tuple[int, ...] = ()) -> Iterator[str]:
    """The URL of an HTTP proxy. With `ports` it connects to those alone (ConnectPort)."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 10", "LogLevel Critical"]
    lines += [f"ConnectPort {allowed}" for allowed in ports]
    config = folder / "tinyproxy.conf"
    config.write_text("\n".join(lines) + "\n")
    program = shutil.which("tinyproxy")
    assert program is not None
    with _running([program, "-d", "-c", str(config)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
