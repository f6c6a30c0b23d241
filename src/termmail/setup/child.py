"""Discovery, checks and sign-ins in a process of their own, so that no screen waits for the network or imports what speaks to it.

The front end makes a `SetupJob` and iterates over its reports in a thread; `cancel` ends it from any thread at once. The child
reads one request from its stdin and writes reports to its stdout, each a four byte length and MessagePack; it ends with its stdin.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from termmail.accounts.hardening import harden
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import Cancelled, Retry, TermmailError
from termmail.model.oauth import AddressRefused, DeviceCode, OAuthProvider, SignInPage, Tokens
from termmail.model.secret import AccessToken, Secret
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
    """Check an account's servers: Checks. `secret` is the password or access token to try, None for what the account's credential
    gives.

    With `round_trip` all is looked at that `doctor` does: a mail is sent to oneself and waited for; it and its copy are deleted again.
    """

    account: Account
    secret: Secret | None = None
    network: Network = Network()
    round_trip: bool = False


class SignInRequest(msgspec.Struct, frozen=True, tag=True):
    """Let a person sign in by OAuth 2: a SignInPage, or with `by_code` a DeviceCode, and Tokens once they have agreed."""

    provider: OAuthProvider
    address: str
    by_code: bool = False
    ca_file: str = ""
    proxy: str = ""


class PastedAddress(msgspec.Struct, frozen=True, tag=True):
    """Where a browser on another computer ended, for a SignInRequest that waits; answered with AddressRefused where it is not that."""

    url: str


class JobFailed(msgspec.Struct, frozen=True, tag=True):
    """The job could not be done at all; the sentence is safe to show."""

    sentence: str


Request = DiscoverRequest | CheckRequest | SignInRequest
Report = SourceReport | Discovery | Check | SignInPage | DeviceCode | AddressRefused | Tokens
_Answer = SourceReport | Discovery | Check | SignInPage | DeviceCode | AddressRefused | Tokens | JobFailed


class SetupJob:
    """One job in a child process, which is started at once. Iterate over it once, in one thread; `cancel` from any."""

    def __init__(self, request: Request) -> None:
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._followed = False
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
        # The pipe, not the arguments or the environment, which others could read (C2).
        self._send(request)

    def paste(self, url: str) -> None:
        """Where a browser on another computer ended, for a SignInRequest; from any thread."""
        self._send(PastedAddress(url))

    def _send(self, value: Request | PastedAddress) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError, ValueError):
            _write(stdin, value)

    def __iter__(self) -> Iterator[Report]:
        """Reports as they come, until the job is done. Raises Cancelled, and TermmailError where it can't be done."""
        stdout = self._process.stdout
        assert stdout is not None
        with self._lock:
            self._followed = not self._cancelled.is_set()
        if not self._followed:
            raise Cancelled("Stopped.")
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
            self._cancelled.set()
            if self._process.poll() is None:
                with suppress(OSError):
                    self._process.kill()
                self._process.wait()
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            assert self._process.stdout is not None
            if not self._followed:
                self._process.stdout.close()


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value))


def _hide(kind: type, value: Any) -> Any:
    if issubclass(kind, Secret):
        return kind(value)
    raise NotImplementedError(kind)


def _write(stream: BinaryIO | Any, value: Request | PastedAddress | _Answer) -> None:
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
    harden()
    request: Request | None = _read(sys.stdin.buffer, Request)
    if request is None:
        return
    out = sys.stdout.buffer
    try:
        if isinstance(request, DiscoverRequest):
            from termmail.setup.discovery import discover

            _write(out, discover(request.address, lambda report: _write(out, report), network=request.network))
        elif isinstance(request, SignInRequest):
            _sign_in(request, out)
        else:
            _end_with_front_end()
            for check in _checks(request):
                _write(out, check)
    except TermmailError as error:
        _write(out, JobFailed(error.sentence))
    except Exception as error:  # noqa: BLE001 - a defect, which the front end tells
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        _write(out, JobFailed(f"Something in termmail went wrong that should not have. Please report it: {what}"))
    out.flush()
    # Threads that still wait for a name server or a dead host are left behind.
    os._exit(0)


def _sign_in(request: SignInRequest, out: BinaryIO) -> None:
    from termmail.setup.sign_in import BrowserSignIn, DeviceSignIn

    if request.by_code:
        _end_with_front_end()
        by_code = DeviceSignIn(request.provider, ca_file=request.ca_file, proxy=request.proxy)
        _write(out, by_code.begin())
        _write(out, by_code.wait())
        return
    by_browser = BrowserSignIn(request.provider, request.address, ca_file=request.ca_file, proxy=request.proxy)
    _write(out, SignInPage(by_browser.begin()))

    def take(pasted: PastedAddress) -> None:
        try:
            by_browser.take_address(pasted.url)
        except TermmailError as error:
            _write(out, AddressRefused(error.sentence))

    _end_with_front_end(take)
    _write(out, by_browser.wait())


def _end_with_front_end(take: Callable[[PastedAddress], None] = lambda pasted: None) -> None:
    """Hand on what the front end still sends, in a thread. Where it is gone nobody waits for the job any more, and it ends."""

    def listen() -> None:
        while (pasted := _read(sys.stdin.buffer, PastedAddress)) is not None:
            take(pasted)
        os._exit(1)

    threading.Thread(target=listen, name="front end", daemon=True).start()


def _checks(request: CheckRequest) -> Iterator[Check]:
    if request.round_trip:
        from termmail.setup.doctor import examine_account

        return examine_account(request.account, _password(request), network=request.network)
    from termmail.setup.check import check_account

    return check_account(request.account, _password(request))


def _password(request: CheckRequest) -> Callable[[], Secret]:
    secret = request.secret
    if secret is not None:
        if request.account.credential.kind in (CredentialKind.OAUTH2, CredentialKind.TOKEN_COMMAND):
            secret = AccessToken(secret.reveal())
        given = secret
        return lambda: given
    from termmail.accounts import credentials

    return lambda: credentials.password(request.account)


if __name__ == "__main__":
    main()
