"""Backends of the real keyring library for tests: one that works, and ones that fail as those of real systems do (C1)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class FileKeyring(KeyringBackend):
    """Keeps passwords in the file named by TEST_KEYRING_FILE, so that several processes share it."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def _read(self) -> dict[str, str]:
        path = Path(os.environ["TEST_KEYRING_FILE"])
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return known

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """What is known, to be changed by nobody else meanwhile, and read whole or not at all."""
        path = Path(os.environ["TEST_KEYRING_FILE"])
        with path.with_name(path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self._read()
            yield known
            anew = path.with_name(path.name + ".new")
            anew.write_text(json.dumps(known))
            anew.replace(path)

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        with self._changing() as known:
            known[f"{service} {username}"] = password

    def delete_password(self, service: str, username: str) -> None:
        with self._changing() as known:
            del known[f"{service} {username}"]


class _Failing(KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def fail(self) -> None:
        raise NotImplementedError

    def get_password(self, service: str, username: str) -> str | None:
        self.fail()
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        self.fail()

    def delete_password(self, service: str, username: str) -> None:
        self.fail()


class LockedKeyring(_Failing):
    """The user dismissed the prompt."""

    def fail(self) -> None:
        raise KeyringLocked("Failed to unlock the collection!")


class HangingKeyring(_Failing):
    """A D-Bus that never answers."""

    def fail(self) -> None:
        time.sleep(3600)


class OddKeyring(_Failing):
    """Raises what no interface promises, with the password in it."""

    def fail(self) -> None:
        raise RuntimeError("DBus said: hunter2-in-the-error")


class PlainKeyring(FileKeyring):
    """Looks like keyrings.alt's plaintext file."""


PlainKeyring.__module__ = "keyrings.alt.file"
