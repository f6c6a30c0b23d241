"""`termmail` and `termmail demo` on a real terminal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from filled_store import FilledStore
from termmail.accounts import config

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed (Debian: apt install tmux)")


class Terminal:
    """A command in a tmux of its own, 130 by 36 cells."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        self._socket = folder / "tmux"
        self.code_file = folder / "code"
        script = folder / "script"
        words = " ".join(f"'{word}'" for word in command)
        settings = " ".join(f"{name}='{value}'" for name, value in environment.items())
        script.write_text(f"{settings} {words}; echo $? > {self.code_file}; sleep 1000\n")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "36", f"sh {script}")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments], capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def wait(self, there: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < deadline, self.screen()
            time.sleep(0.1)

    def code(self) -> int:
        self.wait(lambda: self.code_file.exists() and self.code_file.read_text().strip())
        return int(self.code_file.read_text())

    def processes(self) -> list[int]:
        """The process ids of the command."""
        shell = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        return [int(word) for word in Path(f"/proc/{shell}/task/{shell}/children").read_text().split()]

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        found = Terminal(tmp_path, sys.executable, "-m", "termmail", *arguments, **environment)
        opened.append(found)
        return found

    yield start
    for one in opened:
        one.close()


def test_demo(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """Mail on the screen, a key acts, and nothing is left behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    opened = terminal("demo", TMPDIR=str(temporary))
    opened.wait(lambda: "Bob Marlow" in opened.screen())
    (home,) = temporary.glob("termmail-demo-*/home")
    command = [sys.executable, "-m", "termmail", "--home", str(home)]
    assert b"Bob Marlow" in subprocess.run([*command, "list"], capture_output=True, check=True).stdout
    synced = subprocess.run([*command, "sync"], capture_output=True, check=False, timeout=60)
    assert synced.returncode == 0, synced.stderr
    problems = subprocess.run([*command, "problems", "--json"], capture_output=True, check=True).stdout
    assert problems == b"[]\n"
    opened.keys("gc")
    opened.wait(lambda: "lisa · IMAP" in opened.screen())
    opened.keys("q")
    opened.wait(lambda: "lisa · IMAP" not in opened.screen())
    opened.keys("q")
    assert opened.code() == 0
    assert list(temporary.glob("termmail-demo-*")) == []


def test_mail_reader_reads_with_the_server_down(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    store = FilledStore(tmp_path / "home")
    try:
        config.add_account(store.home, store.accounts[0])
        opened = terminal("--home", str(tmp_path / "home"))
        opened.wait(lambda: "Subject 10" in opened.screen())
        opened.keys("e")
        opened.wait(lambda: len(store.ids("Archive")) == 1)
        opened.keys("q")
        assert opened.code() == 0
        opened.wait(lambda: "1 change waits" in opened.screen())
    finally:
        store.close()


def test_mistake_among_the_keys_is_told_before_the_screen_changes(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[keys.bind]\narchvie = "y"\n')
    opened = terminal("--home", str(home))
    assert opened.code() == 78
    assert "Did you mean" in opened.screen().replace("\n", "")


def test_without_an_account_the_wizard_opens(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """What is typed at once is not lost on a question; the second ^C leaves, and nothing was written."""
    opened = terminal("--home", str(tmp_path / "home"))
    opened.wait(lambda: "Who are you?" in opened.screen())
    opened.keys("lisa", "C-c")
    opened.wait(lambda: "Nothing has been written" in opened.screen())
    assert "lisa" in opened.screen()
    opened.keys("C-c")
    assert opened.code() == 0
    assert not (tmp_path / "home" / "config.toml").exists()


def test_keys_pressed_while_the_wizard_starts(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """The terminal turns Enter into a line feed until it is told otherwise; each key has its effect all the same."""
    opened = terminal("--home", str(tmp_path / "home"), TERMMAIL_NAMESERVER="127.0.0.1:1")
    opened.keys("lisa@posteo.de", "Enter", "Lisa", "Enter")
    opened.wait(lambda: "How should mail come" in opened.screen())
    assert "New account  lisa@posteo.de" in opened.screen()


@pytest.mark.parametrize("end", ["SIGKILL", "SIGHUP", "SIGTERM"])
def test_the_wizard_ended_from_outside_leaves_nothing(
    terminal: Callable[..., Terminal], tmp_path: Path, end: str
) -> None:
    """kill -9, a terminal that is closed, a shutdown: no account, no password, nothing half-written; and it begins again."""
    environment = {"TEST_KEYRING_FILE": str(tmp_path / "keyring.json"), "TERMMAIL_NAMESERVER": "127.0.0.1:1"}
    opened = terminal("--home", str(tmp_path / "home"), **environment)
    opened.wait(lambda: "Who are you?" in opened.screen())
    opened.keys("lisa@posteo.de", "Enter")
    opened.wait(lambda: "belongs to" in opened.screen())
    opened.keys("Lisa", "Enter")
    opened.wait(lambda: "How should mail come" in opened.screen())
    opened.keys("Enter")
    opened.wait(lambda: "How do you sign in?" in opened.screen())
    opened.keys("secret")
    (process,) = opened.processes()
    os.kill(process, getattr(signal, end))
    opened.code()
    assert not (tmp_path / "home" / "config.toml").exists()
    assert not (tmp_path / "keyring.json").exists()
    (tmp_path / "again").mkdir()
    again = Terminal(tmp_path / "again", sys.executable, "-m", "termmail", "--home", str(tmp_path / "home"))
    try:
        again.wait(lambda: "Who are you?" in again.screen())
    finally:
        again.close()


@pytest.mark.parametrize("arguments", [(), ("demo",)])
def test_no_terminal(arguments: tuple[str, ...], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """X6."""
    assert not os.isatty(1)
    cli = Cli(tmp_path / "home", capfdbinary)
    assert cli(*arguments) == 69
    assert "needs a terminal" in cli.error
