"""What termmail tells the desktop and the service manager of itself."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from cli_runner import Cli

ANALYZE = shutil.which("systemd-analyze")
VALIDATE = shutil.which("desktop-file-validate")
ODD = 'a b"c$d%e\\f`g'
"""A folder's name with everything that a command line in either file gives a meaning to."""


@pytest.fixture
def cli(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """With the user's folders in the test's, and none of the desktop's and systemd's programs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Cli(tmp_path / ODD, capfdbinary)


def tool(tmp_path: Path, name: str, code: int = 0) -> Path:
    """A program of this name that notes how it is called."""
    notes = tmp_path / f"{name}.calls"
    path = tmp_path / "tools" / name
    path.write_text(f'#!/bin/sh\necho "$*" >> {notes}\necho "no bus" >&2\nexit {code}\n')
    path.chmod(0o755)
    return notes


def unit(tmp_path: Path) -> Path:
    return tmp_path / "config" / "systemd" / "user" / "termmail.service"


def entry(tmp_path: Path) -> Path:
    return tmp_path / "data" / "applications" / "termmail.desktop"


def value(path: Path, section: str, key: str) -> str:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return parser[section][key]


def test_a_service_for_systemd(cli: Cli, tmp_path: Path) -> None:
    calls = tool(tmp_path, "systemctl")
    cli.ok("engine", "--install-service")
    assert calls.read_text().splitlines() == ["--user daemon-reload", "--user enable --now termmail.service"]
    words = shlex.split(value(unit(tmp_path), "Service", "ExecStart").replace("%%", "%").replace("$$", "$"))
    assert words[0].startswith("/")
    assert words[-3:] == ["--home", str(cli.folder), "engine"]
    assert value(unit(tmp_path), "Service", "Restart") == "on-failure"
    cli.ok("engine", "--remove-service")
    assert not unit(tmp_path).exists()
    assert calls.read_text().splitlines()[2:] == ["--user disable --now termmail.service", "--user daemon-reload"]
    cli.ok("engine", "--remove-service")
    assert "There is no " in cli.error


def test_a_service_manager_that_does_not_answer(cli: Cli, tmp_path: Path) -> None:
    tool(tmp_path, "systemctl", code=1)
    cli.ok("engine", "--install-service")
    assert "no bus" in cli.error
    assert "systemctl --user enable --now termmail.service" in cli.error
    cli.ok("engine", "--remove-service")
    assert not unit(tmp_path).exists()


def test_no_systemd(cli: Cli, tmp_path: Path) -> None:
    cli.ok("engine", "--install-service")
    assert shlex.quote(str(cli.folder)) in cli.error
    assert cli("engine", "--install-service", "--remove-service") == 64


def test_a_mistake_in_the_config_file_is_told_first(cli: Cli, tmp_path: Path) -> None:
    cli.folder.mkdir(mode=0o700)
    (cli.folder / "config.toml").write_text("[accounts]\nlisa = 1\n")
    assert cli("engine", "--install-service") == 78
    assert not unit(tmp_path).exists()


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(cli: Cli, tmp_path: Path) -> None:
    cli.ok("engine", "--install-service")
    done = subprocess.run(
        [str(ANALYZE), "verify", "--user", "--man=no", str(unit(tmp_path))],
        env={**os.environ, "PATH": os.defpath, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "termmail.service" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_a_handler_of_mailto_links(cli: Cli, tmp_path: Path) -> None:
    calls = tool(tmp_path, "xdg-mime")
    cli.ok("compose", "--install-handler")
    assert calls.read_text() == "default termmail.desktop x-scheme-handler/mailto\n"
    text = entry(tmp_path)
    assert value(text, "Desktop Entry", "MimeType") == "x-scheme-handler/mailto;"
    assert value(text, "Desktop Entry", "Terminal") == "true"
    # As the specification has it: first the escapes of a value, then the quotes, which sh has too, then the field codes.
    written = value(text, "Desktop Entry", "Exec").replace("\\\\", "\\")
    words = [word.replace("%%", "%") for word in shlex.split(written.replace("\\`", "`").replace("\\$", "$"))]
    assert words[0].startswith("/")
    assert words[-5:] == ["--home", str(cli.folder), "compose", "--", "%u"]
    cli.ok("compose", "--remove-handler")
    assert not entry(tmp_path).exists()
    cli.ok("compose", "--remove-handler")
    assert "There is no " in cli.error


def test_no_desktop(cli: Cli, tmp_path: Path) -> None:
    cli.ok("compose", "--install-handler")
    assert entry(tmp_path).exists()
    assert "settings" in cli.error
    assert cli("compose", "--install-handler", "bob@else.example") == 64


@pytest.mark.skipif(VALIDATE is None, reason="desktop-file-validate is not installed")
def test_the_desktop_takes_the_entry(cli: Cli, tmp_path: Path) -> None:
    cli.ok("compose", "--install-handler")
    done = subprocess.run(
        [str(VALIDATE), str(entry(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
