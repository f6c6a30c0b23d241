"""The log of the mail reader's own process (C4)."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

import termmail.ui.app
from filled_store import account
from termmail.accounts import config, session_secrets
from termmail.accounts.credentials import remember
from termmail.cli.main import run
from termmail.cli.reader_log import reader_log
from termmail.model.home import Home
from termmail.model.secret import Secret

LOGGER = logging.getLogger("termmail.mime.worker")


def test_lines_go_to_the_log_file(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Private, on one line, without secrets and control sequences; and nothing on the terminal, which the mail reader draws on."""
    home = Home.under(tmp_path)
    monkeypatch.setattr(session_secrets, "_secrets", {})
    remember(account(), Secret("s3cret-of-lisa"))
    with caplog.at_level(logging.INFO, "termmail"), reader_log(home):
        assert not home.log_file.exists()
        LOGGER.warning("A message could not be rendered: %s", "\x1b[31mraised\ns3cret-of-lisa")
        LOGGER.info("Nobody asked for this.")
    LOGGER.debug("And this is after the end.")
    (line,) = home.log_file.read_text().splitlines()
    assert line.endswith("Z WARNING reader A message could not be rendered: raised ***")
    assert stat.S_IMODE(home.log_file.stat().st_mode) == 0o600
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    home = Home.under(tmp_path)
    home.log_file.mkdir(parents=True)
    with reader_log(home):
        LOGGER.error("It goes on.")


def test_the_mail_reader_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(*_: object, **__: object) -> int:
        LOGGER.warning("something to know")
        return 0

    monkeypatch.setattr(termmail.ui.app, "run", reader)
    home = Home.under(tmp_path)
    config.add_account(home, account())
    assert run(["--home", str(tmp_path)]) == 0
    assert "WARNING reader something to know" in home.log_file.read_text()
