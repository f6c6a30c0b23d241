"""Which tests run: a missing server skips them with its package's name, and fails them where it is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = "tests/servers/test_servers.py::test_uidvalidity_can_be_changed"
WITHOUT_DOVECOT = f"""
import sys
sys.path.insert(0, "tests")
import pytest, servers.dovecot
servers.dovecot.find_dovecot = lambda: None
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "{TARGET}"]))
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TERMMAIL_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_DOVECOT],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_server_is_named_and_skipped() -> None:
    done = run()
    assert done.returncode == pytest.ExitCode.OK
    assert "1 skipped" in done.stdout
    assert "dovecot-imapd" in done.stdout


def test_a_missing_server_fails_where_it_is_required() -> None:
    done = run(TERMMAIL_REQUIRE_SERVERS="1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "dovecot-imapd" in done.stdout
