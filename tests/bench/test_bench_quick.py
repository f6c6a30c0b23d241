"""The benchmark runs, and says what it measured; how fast is nobody's business here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.run import Report

_RUN = Path(__file__).with_name("run.py")


def report_of(tmp_path: Path, row: str) -> Report:
    out = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, str(_RUN), "--quick", "--only", row, "--json", str(out)],
        env={"PYTHONPATH": str(_RUN.parents[1]), "PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=280,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(out.read_bytes(), type=Report)
    for one in report.rows:
        assert f"| {one.name} |" in done.stdout
    return report


def test_memory(tmp_path: Path) -> None:
    (row,) = report_of(tmp_path, "memory").rows
    assert row.ours.program == "termmail"
    assert row.ours.value > 0


def test_opening_a_newsletter(tmp_path: Path) -> None:
    first, second = report_of(tmp_path, "newsletter").rows
    assert first.ours.runs == second.ours.runs == 3
    assert first.ours.value > 0


@pytest.mark.dovecot
def test_keys_while_mail_comes_in(tmp_path: Path) -> None:
    (row,) = report_of(tmp_path, "keys-while-syncing").rows
    assert row.ours.unit == "ms"
    assert row.ours.runs == 5
    assert row.ours.value > 0


@pytest.mark.dovecot
def test_round_trips(tmp_path: Path) -> None:
    """What is counted does not depend on the machine: 8 round trips at most for an account where nothing is new."""
    (row,) = report_of(tmp_path, "quiet").rows
    assert row.ours.unit == "round trips"
    assert 0 < row.ours.value <= 8
    assert row.reached
