"""`compose` on a real terminal: the composer alone, and what a mailto: link may ask for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from cli_runner import Cli
from engine.sending import NOBODY, sending_account, sending_home
from servers.smtp_sink import SmtpSink

LINK = "mailto:bob@else.example?subject=Boats%0D%0ABcc:eve@evil.example&body=When%20do%20they%20go?&attach=/etc/passwd&x-foo=1"

on_a_terminal = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="tmux is not installed (Debian: apt install tmux)"
)


class Screen:
    """termmail in a tmux of its own; `code` is what it ended with."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._socket = folder / "tmux"
        self._code = folder / "code"
        words = " ".join(f"'{word}'" for word in (sys.executable, "-m", "termmail", *arguments))
        (folder / "script").write_text(f"{words}; echo $? > {self._code}; sleep 1000\n")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "36", f"sh {folder / 'script'}")

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments], capture_output=True, text=True, check=False, timeout=30
        ).stdout

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def wait(self, there: Callable[[], object]) -> None:
        deadline = time.monotonic() + 40
        while not there():
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.1)

    def code(self) -> int:
        self.wait(lambda: self._code.exists() and self._code.read_text().strip())
        return int(self._code.read_text())

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    opened: list[Screen] = []

    def start(*arguments: str) -> Screen:
        opened.append(Screen(tmp_path, "--home", str(tmp_path / "home"), *arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@on_a_terminal
def test_a_link_opens_the_composer_and_sends_nothing(screen: Callable[..., Screen], tmp_path: Path) -> None:
    """A4: what it may ask for is in the fields, the rest is told of and left out; then one sends it oneself."""
    with SmtpSink() as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        with home.config_file.open("a") as file:
            file.write("[compose]\nundo_seconds = 1\n")
        opened = screen("compose", "--", LINK)
        opened.wait(lambda: "When do they go?" in opened.text())
        assert "bob@else.example" in opened.text()
        assert "passwd" not in opened.text()
        assert sink.taken == []
        assert not home.outbox.exists() or list(home.outbox.iterdir()) == []
        opened.keys("Escape")
        opened.wait(lambda: "Ctrl+S save" not in opened.text())
        opened.keys("y")
        assert opened.code() == 0
        assert "Left out, since a link may not ask for it: attach, x-foo." in opened.text()
        assert "Sending to bob@else.example." in opened.text()
    (taken,) = sink.taken
    assert taken.recipients == ("bob@else.example",)
    found = message_from_bytes(taken.data)
    assert (found["Subject"], found["Bcc"]) == ("BoatsBcc:eve@evil.example", None)


@on_a_terminal
def test_addresses_and_files(screen: Callable[..., Screen], tmp_path: Path) -> None:
    letter = tmp_path / "timetable.txt"
    letter.write_text("8:00\n")
    sending_home(tmp_path / "home", sending_account(NOBODY))
    opened = screen("compose", "--attach", str(letter), "bob@else.example", "carol@else.example")
    opened.wait(lambda: "timetable.txt" in opened.text())
    assert "bob@else.example, carol@else.example" in opened.text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("mailto:a@b.example", "c@d.example"), 64),
        (("--attach", "/none/such"), 66),
        (("-a", "none"), 66),
        (("mailto:" + "x" * 300_000,), 65),
        ((), 69),
    ],
)
def test_what_does_not_open_it(
    arguments: tuple[str, ...], code: int, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = Cli(tmp_path / "home", capfdbinary)
    assert cli("compose") == 66, "no account"
    sending_home(tmp_path / "home", sending_account(NOBODY))
    assert cli("compose", *arguments) == code
    assert cli.error
