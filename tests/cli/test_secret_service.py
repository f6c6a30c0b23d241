"""Passwords and refresh tokens in GNOME's real keyring: unlocked, locked, silent, and not there at all (C1)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.oauth_server import OAuthServer
from servers.secret_service import SecretService

# Each command is a process of its own, a dozen in a test.
pytestmark = [pytest.mark.secret_service, pytest.mark.timeout(300)]


class Command:
    """Runs `termmail` as a process of its own on one home, with a keyring's environment."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHON_KEYRING_BACKEND", "DISPLAY")
        } | environment

    def __call__(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "termmail", "--home", str(self.home), *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=90,
        )

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def add(self, server: Dovecot, user: str, password: str) -> subprocess.CompletedProcess[bytes]:
        return self(
            *("account", "add", "lisa", "--email", "lisa@example.org", "--user", user),
            *("--imap", f"localhost:{server.tls_port}", "--ca-file", str(server.tls.ca), "--password-stdin"),
            stdin=f"{password}\n".encode(),
        )


@pytest.fixture
def keyring() -> Iterator[SecretService]:
    with SecretService() as running:
        yield running


def test_password_kept_changed_and_forgotten(
    keyring: SecretService, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    termmail = Command(tmp_path / "home", keyring.environment)
    assert termmail.add(dovecot_server, dovecot_user, "wrong").returncode == 0
    refused = termmail("sync")
    assert refused.returncode == 77
    assert b"account edit lisa --password-stdin" in refused.stderr
    termmail.ok("account", "sign-in", "lisa", stdin=b"secret\n")
    termmail.ok("sync")
    written = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert b"secret" not in written.replace(b"secrets", b"")
    termmail.ok("account", "remove", "lisa")
    secrets = subprocess.run(
        [sys.executable, "-c", "import keyring, sys; sys.exit(keyring.get_password('termmail', sys.argv[1]) is not None)",
         f"{dovecot_user}@localhost"],
        env=termmail.environment, check=False, timeout=60,
    )  # fmt: skip
    assert secrets.returncode == 0


def test_locked_and_silent_keyring(
    keyring: SecretService, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """Answered with what to do, and with other ways; nothing is half written."""
    termmail = Command(tmp_path / "home", keyring.environment)
    assert termmail.add(dovecot_server, dovecot_user, "secret").returncode == 0
    before = (tmp_path / "home/config.toml").read_bytes()
    for happens, words in ((keyring.lock, b"is locked. Unlock it"), (keyring.hang, b"did not answer within 5 seconds")):
        happens()
        for done in (
            termmail("sync"),
            termmail("account", "edit", "lisa", "--password-stdin", stdin=b"other\n"),
            termmail("account", "sign-in", "lisa", stdin=b"other\n"),
        ):
            assert done.returncode == 77
            assert words in done.stderr
            assert b"--password-command" in done.stderr
            assert b"Traceback" not in done.stderr
        assert (tmp_path / "home/config.toml").read_bytes() == before
    other = Command(tmp_path / "other", keyring.environment)
    assert other.add(dovecot_server, dovecot_user, "secret").returncode == 77
    assert not (tmp_path / "other/config.toml").exists()


@pytest.mark.parametrize("bus", [True, False])
def test_no_keyring(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, bus: bool) -> None:
    """A bus with nothing on it, and no bus."""
    with SecretService(keyring=False) as empty:
        environment = empty.environment
        if not bus:
            environment = {**environment, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/nobody"}
        termmail = Command(tmp_path / "home", environment)
        done = termmail.add(dovecot_server, dovecot_user, "secret")
        assert done.returncode == 77
        assert b"no keyring" in done.stderr
        assert b"--password-command" in done.stderr
        assert not (tmp_path / "home/config.toml").exists()


def test_oauth_sign_in_is_kept_and_rotates(
    keyring: SecretService, tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """C5: in the keyring alone, and the next one after each use; a locked keyring is told before anybody signs in."""
    termmail = Command(tmp_path / "home", keyring.environment)
    with OAuthServer() as server:
        (tmp_path / "home").mkdir(mode=0o700)
        (tmp_path / "home/config.toml").write_text(server.config_table())
        termmail.ok(
            *("account", "add", "lisa", "--email", "lisa@example.org", "--user", dovecot_user),
            *("--imap", f"localhost:{dovecot_server.tls_port}", "--ca-file", str(dovecot_server.tls.ca)),
            *("--oauth", "loopback"),
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "termmail", "--home", str(termmail.home), "account", "sign-in", "lisa", "--code"],
            env={**termmail.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        shown = process.stdout.readline()
        assert f"{server.url}/activate" in shown
        server.approve(shown.rsplit(" ", 1)[1].strip())
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Signed in." in said
        # This Dovecot takes no tokens, so there is one refresh and one refusal.
        assert b"no sign-in by OAuth 2" in termmail("sync").stderr
        assert server.requests.count("refresh_token") == 1
        kept = subprocess.run(
            [sys.executable, "-c", "import keyring, sys; print(keyring.get_password('termmail', sys.argv[1]))",
             f"{dovecot_user} oauth2 loopback"],
            env=termmail.environment, check=True, timeout=60, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        assert kept == server.tokens[-1].refresh
        written = b"".join(path.read_bytes() for path in termmail.home.rglob("*") if path.is_file())
        for token in server.tokens:
            assert token.refresh.encode() not in written
            assert token.access.encode() not in written
        keyring.lock()
        asked = len(server.requests)
        locked = termmail("account", "sign-in", "lisa", "--code")
        assert locked.returncode == 77
        assert b"--token-command" in locked.stderr
        assert len(server.requests) == asked
