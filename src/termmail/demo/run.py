"""Starts and stops the demo's provider for whoever wants to read its mail."""

from __future__ import annotations

import datetime
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import msgspec

from termmail.demo.announcement import LOG_NAME, Announcement
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Security, Server
from termmail.model.secret import Secret

_LISA = "lisa@demo.example"
_BOB = "bob@demo.example"
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class DemoError(Exception):
    """The provider did not start; the text is a sentence that says why."""


class DemoProvider:
    """The provider as a child process; a context manager. `home` is the folder for its log.

    `now` is the moment from which the mail is dated, the present by default.
    """

    host = "127.0.0.1"

    def __init__(self, home: Path, *, quiet_log: bool = False, now: datetime.datetime | None = None) -> None:
        self._home = home
        self._log_file = home / LOG_NAME
        self._quiet_log = quiet_log
        self._now = now
        self._process: subprocess.Popen[bytes] | None = None
        self._announcement: Announcement | None = None

    def __enter__(self) -> DemoProvider:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def imap_port(self) -> int:
        return self._told().imap_port

    @property
    def pop3_port(self) -> int:
        return self._told().pop3_port

    @property
    def smtp_port(self) -> int:
        return self._told().smtp_port

    def password(self, user: str) -> Secret:
        """The password of this run of "lisa@demo.example" or "bob@demo.example". Raises KeyError for others."""
        return Secret(self._told().passwords[user])

    def accounts(self) -> list[Account]:
        """Lisa's account, by IMAP, and Bob's, by POP3, named "lisa" and "bob".

        Their credential is SESSION: `password` is to be handed over as one types it.
        """
        return [
            self._account("lisa", _LISA, "Lisa Brandt", Protocol.IMAP, self.imap_port),
            self._account("bob", _BOB, "Bob Marlow", Protocol.POP3, self.pop3_port),
        ]

    def _account(self, name: str, address: str, full_name: str, protocol: Protocol, port: int) -> Account:
        return Account(
            name=name,
            email=address,
            protocol=protocol,
            incoming=Server(self.host, port, Security.NONE),
            smtp=Server(self.host, self.smtp_port, Security.NONE),
            user=address,
            full_name=full_name,
            credential=Credential(CredentialKind.SESSION),
            authserv_id="mx.demo.example",
        )

    def start(self) -> None:
        """Start it and wait for its mail to be there, about a second. Raises DemoError."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "termmail.demo.provider", "--home", str(self._home)]
        if self._quiet_log:
            command.append("--quiet-log")
        if self._now is not None:
            command += ["--now", self._now.isoformat()]
        # In a session of its own, so that a ^C meant for what runs in the terminal does not reach it.
        self._home.mkdir(parents=True, exist_ok=True)
        with open(self._log_file, "ab", opener=_private) as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self._process = process
        try:
            self._announcement = msgspec.json.decode(self._first_line(process), type=Announcement)
        except (msgspec.DecodeError, TimeoutError) as error:
            process.kill()
            self.stop()
            raise DemoError(f"The demo's mail server did not start: {self._last_words() or error}") from error

    def stop(self) -> None:
        """End it. Its mail is gone with it."""
        process, self._process = self._process, None
        self._announcement = None
        if process is None:
            return
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _told(self) -> Announcement:
        if self._announcement is None:
            raise DemoError("The demo's mail server does not run.")
        return self._announcement

    @staticmethod
    def _first_line(process: subprocess.Popen[bytes]) -> bytes:
        if process.stdout is None:
            return b""
        descriptor = process.stdout.fileno()
        deadline = time.monotonic() + _START_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"it said nothing for {_START_SECONDS:.0f} seconds")
            data = os.read(descriptor, 65536)
            if not data:
                break
            line += data
        return line

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
