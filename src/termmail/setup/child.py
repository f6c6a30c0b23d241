"""Discovery and checks in a process of their own, so that no screen waits for the network or imports what speaks to it.

The front end makes a `SetupJob` and iterates over its reports in a thread; `cancel` ends it from any thread at once. The child
reads one request from its stdin and writes reports to its stdout, each a four byte length and MessagePack.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

import msgspec

from termmail.model.account import Account
from termmail.model.errors import Cancelled, Retry, TermmailError
from termmail.model.secret import Secret
from termmail.model.setup import Check, Discovery, SourceReport
from termmail.setup.network import Network

Kind = TypeVar("Kind")

_LENGTH = struct.Struct(">I")
_MAX_FRAME = 16 << 20


class DiscoverRequest(msgspec.Struct, frozen=True, tag=True):
    """Find the servers of an address: SourceReports, and a Discovery at the end."""

    address: str
    network: Network = Network()


class CheckRequest(msgspec.Struct, frozen=True, tag=True):
    """Check an account's servers: Checks. `secret` is the password to try, None for the one that the account's credential gives.

    With `round_trip` a mail is sent to oneself and waited for; it and its copy are deleted again.
    """

    account: Account
    secret: Secret | None = None
    network: Network = Network()
    round_trip: bool = False


class JobFailed(msgspec.Struct, frozen=True, tag=True):
    """The job could not be done at all; the sentence is safe to show."""

    sentence: str


Request = DiscoverRequest | CheckRequest
Report = SourceReport | Discovery | Check
_Answer = SourceReport | Discovery | Check | JobFailed


class SetupJob:
    """One job in a child process, which is started at once. Iterate over it once, in one thread; `cancel` from any."""

    def __init__(self, request: Request) -> None:
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "termmail.setup.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A ^C in the terminal is the front end's to answer.
                start_new_session=True,
            )
        except OSError as error:
            raise TermmailError(f"A process for this could not be started: {error.strerror}.") from error
        stdin = self._process.stdin
        assert stdin is not None
        # The pipe, not the arguments or the environment, which others could read (C2).
        with suppress(BrokenPipeError), stdin:
            _write(stdin, request)

    def __iter__(self) -> Iterator[Report]:
        """Reports as they come, until the job is done. Raises Cancelled, and TermmailError where it can't be done."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            with stdout:
                while (answer := _read(stdout, _Answer)) is not None:
                    if isinstance(answer, JobFailed):
                        raise TermmailError(answer.sentence, retry=Retry.NEVER)
                    yield answer
            code = self._process.wait()
            if code and not self._cancelled.is_set():
                raise TermmailError("The check ended before it was done. Try again.", detail=f"exit code {code}")
        finally:
            self.cancel()
        if self._cancelled.is_set() and code:
            raise Cancelled("Stopped.")

    def cancel(self) -> None:
        """End the job; whoever iterates stops."""
        with self._lock:
            if self._process.poll() is None:
                self._cancelled.set()
                with suppress(OSError):
                    self._process.kill()
                self._process.wait()


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value))


def _hide(kind: type, value: Any) -> Any:
    if kind is Secret:
        return Secret(value)
    raise NotImplementedError(kind)


def _write(stream: BinaryIO | Any, value: Request | _Answer) -> None:
    data = msgspec.msgpack.encode(value, enc_hook=_reveal)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: BinaryIO | Any, kind: Any) -> Any:
    """The next frame, or None at the end."""
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    if length > _MAX_FRAME:
        return None
    data = stream.read(length)
    return None if len(data) < length else msgspec.msgpack.decode(data, type=kind, dec_hook=_hide)


def main() -> None:
    """The child: one request, its reports, the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    request: Request | None = _read(sys.stdin.buffer, Request)
    if request is None:
        return
    out = sys.stdout.buffer
    try:
        if isinstance(request, DiscoverRequest):
            from termmail.setup.discovery import discover

            _write(out, discover(request.address, lambda report: _write(out, report), network=request.network))
        else:
            from termmail.setup.check import check_account

            for check in check_account(request.account, _password(request)):
                _write(out, check)
    except TermmailError as error:
        _write(out, JobFailed(error.sentence))
    out.flush()
    # Threads that still wait for a name server or a dead host are left behind.
    os._exit(0)


def _password(request: CheckRequest) -> Callable[[], Secret]:
    secret = request.secret
    if secret is not None:
        return lambda: secret
    from termmail.accounts import credentials

    return lambda: credentials.password(request.account)


if __name__ == "__main__":
    main()
