"""The mail reader on a terminal of its own: signals, sizes, odd terminals, and what it leaves behind (X6, C3)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from gallery.mails import mails
from termmail.accounts import config
from termmail.engine.lock import engine_runs
from termmail.model.home import Home

_PATIENCE = 40.0
LEFT_ALTERNATE_SCREEN, SHOWS_CURSOR, MOUSE_OFF = b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"


class Terminal:
    """`termmail` on a pseudo terminal."""

    def __init__(self, home: Path, size: tuple[int, int] = (100, 30), under: str = "", **environment: str) -> None:
        """`under` is the command line of a program that runs it."""
        self.output = b""
        # The program's side stays open here too: without it what the program set is gone when it ends.
        self._master, self._slave = pty.openpty()
        self.before = termios.tcgetattr(self._slave)
        self.resize(*size)
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(self._slave)
            settings = {
                "TERM": "xterm-256color",
                **{name: os.environ[name] for name in ("PATH", "HOME")},
                **environment,
            }
            command = [*shlex.split(under), sys.executable, "-m", "termmail", "--home", str(home)]
            os.execvpe(command[0], command, settings)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return b""
        try:
            found = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""
        self.output += found
        return found

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + _PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, self.output[-2000:]
            self.read(0.1)

    def send(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def answer(self, sequence: bytes, *, in_pieces: bool = False) -> None:
        """Say what a terminal says by itself."""
        for piece in [sequence[at : at + 1] for at in range(len(sequence))] if in_pieces else [sequence]:
            if piece:
                self.send(piece)
            if in_pieces:
                self.read(0.03)

    def unread(self) -> bytes:
        """What was said to the program and not read by it."""
        os.set_blocking(self._slave, False)
        settings = termios.tcgetattr(self._slave)
        settings[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        try:
            return os.read(self._slave, 1000)
        except BlockingIOError:
            return b""

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, after waiting for its output for some time."""
        self.read(seconds)
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.status = os.waitstatus_to_exitcode(status)
        return pid != 0

    def threads(self) -> int:
        """How many threads the program has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def end(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        deadline = time.monotonic() + _PATIENCE
        while self.status is None:
            assert time.monotonic() < deadline, self.output[-2000:]
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        while self.read(0.1):
            pass
        return self.status

    def check_restored(self) -> None:
        """The screen, the cursor, the mouse and the line settings are as they were."""
        for wanted in (LEFT_ALTERNATE_SCREEN, SHOWS_CURSOR, MOUSE_OFF):
            assert wanted in self.output
        assert self.output.rindex(LEFT_ALTERNATE_SCREEN) > self.output.rindex(b"\x1b[?1049h")
        assert termios.tcgetattr(self._slave)[:4] == self.before[:4]

    def close(self) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = FilledStore(tmp_path / "home")
    config.add_account(store.home, store.accounts[0])
    store.close()
    return tmp_path / "home"


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def engine_ended(home: Path) -> bool:
    deadline = time.monotonic() + 40
    while engine_runs(Home.under(home)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_what_is_typed_is_kept(home: Path, terminals: list[Terminal], how: signal.Signals) -> None:
    """O9: at a signal the draft goes to Drafts; where nothing could be done any more the next start does it, and says so."""
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"m")
    terminal.wait_for(b"New message")
    terminal.send(b"bob@demo.example\t\t\tLunch\tHalf past twel")
    terminal.wait_for(b"twel")
    drafts = Home.under(home).drafts
    if how is signal.SIGKILL:
        deadline = time.monotonic() + _PATIENCE
        while not any(b"twel" in draft.read_bytes() for draft in drafts.glob("*/draft.json")):
            assert time.monotonic() < deadline
            terminal.read(0.1)
    os.kill(terminal.pid, how)
    terminal.end()
    assert engine_ended(home)
    if how is signal.SIGKILL:
        terminal = Terminal(home)
        terminals.append(terminal)
        terminal.wait_for(b"Drafts")
        terminal.wait_for(b"Recovered")
        terminal.send(b"q")
        terminal.end()
    kept = [path.read_bytes() for path in Home.under(home).uploads.iterdir() if path.is_file()]
    assert [b"Half past twel" in raw for raw in kept if b"Subject: Lunch" in raw] == [True]


def test_the_editor(home: Path, terminals: list[Terminal], tmp_path: Path) -> None:
    """e hands the text to $EDITOR, which has the terminal for itself; what it made of it goes out."""
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho ed-runs\nread line\nprintf "%s %s" "$(cat "$1")" "$line" > "$1"\n')
    editor.chmod(0o755)
    terminal = Terminal(home, EDITOR=str(editor))
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"m")
    terminal.wait_for(b"New message")
    terminal.send(b"bob@demo.example\t\t\tLunch\tHalf past")
    terminal.wait_for(b"past")
    terminal.send(b"\x1b")
    terminal.wait_for(b"keep and leave")
    terminal.send(b"e")
    terminal.wait_for(b"ed-runs")
    terminal.send(b"twelve\n")
    terminal.wait_for(b"Back from the editor")
    terminal.send(b"q")
    terminal.wait_for(b"Kept in Drafts")
    terminal.send(b"q")
    assert terminal.end() == 0
    kept = [path.read_bytes() for path in Home.under(home).uploads.iterdir() if path.suffix != ".json"]
    assert any(b"Half past twelve" in raw for raw in kept)
    assert b"ext.txt" not in b"".join(kept)


@pytest.mark.parametrize("editor", ["/no/such/editor", "false"])
def test_an_editor_that_fails(home: Path, terminals: list[Terminal], editor: str) -> None:
    """It is said, the screen is there again, and what was typed too."""
    terminal = Terminal(home, EDITOR=editor)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"m")
    terminal.wait_for(b"New message")
    terminal.send(b"bob@demo.example\t\t\tLunch\tHalf past")
    terminal.wait_for(b"past")
    terminal.send(b"\x1b")
    terminal.wait_for(b"keep and leave")
    terminal.send(b"e")
    terminal.wait_for(b"could not be started" if "such" in editor else b"ended with 1")
    assert terminal.output.rindex(b"\x1b[?1049h") > terminal.output.rindex(LEFT_ALTERNATE_SCREEN)
    terminal.send(b"q")
    terminal.wait_for(b"Kept in Drafts")
    terminal.send(b"q")
    assert terminal.end() == 0
    terminal.check_restored()


def test_killed_while_the_editor_runs(home: Path, terminals: list[Terminal], tmp_path: Path) -> None:
    """O9: what the editor has saved by then comes into Drafts with the next start."""
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "saved in the editor" > "$1"\necho ed-runs\nread line\n')
    editor.chmod(0o755)
    terminal = Terminal(home, EDITOR=str(editor))
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"m")
    terminal.wait_for(b"New message")
    terminal.send(b"bob@demo.example\t\t\tLunch\tHalf past")
    terminal.wait_for(b"past")
    terminal.send(b"\x1b")
    terminal.wait_for(b"keep and leave")
    terminal.send(b"e")
    terminal.wait_for(b"ed-runs")
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.end()
    assert engine_ended(home)
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Recovered")
    terminal.send(b"q")
    terminal.end()
    kept = [path.read_bytes() for path in Home.under(home).uploads.iterdir() if path.is_file()]
    assert any(b"saved in the editor" in raw for raw in kept)


@pytest.mark.parametrize("how", ["key", signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_it_leaves_the_terminal_as_it_was(home: Path, terminals: list[Terminal], how: str | signal.Signals) -> None:
    """And its engine ends with it."""
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    if isinstance(how, str):
        terminal.send(b"q")
    else:
        os.kill(terminal.pid, how)
    code = terminal.end()
    assert code in (0, 128 + how if isinstance(how, signal.Signals) else 0)
    terminal.check_restored()
    assert b"Traceback" not in terminal.output
    assert engine_ended(home)


def test_stopped_and_continued(home: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"j")
    terminal.wait_for(b"Message 2 of 10")
    threads = []
    for title in (b"Message 3 of 10", b"Message 4 of 10", b"Message 5 of 10", b"Message 6 of 10", b"Message 7 of 10"):
        os.kill(terminal.pid, signal.SIGSTOP)
        time.sleep(0.2)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.send(b"j")
        terminal.wait_for(title)
        threads.append(terminal.threads())
    # Another one each time that reads the keyboard would be waited for at the end, for ever.
    assert threads[-1] <= threads[0] + 4
    terminal.send(b"q")
    assert terminal.end() == 0
    terminal.check_restored()


def test_a_storm_of_sizes(home: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(home, (140, 40))
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    for step in range(100):
        terminal.resize(*((20, 5), (140, 40), (60, 20), (1, 1), (300, 90), (81, 24))[step % 6])
        terminal.read(0.01)
    terminal.resize(100, 30)
    terminal.output = terminal.output[-100:]
    terminal.send(b"j")
    terminal.send(b"?")
    terminal.wait_for(b"ype to find")
    terminal.send(b"\x1b")
    # Else the next key would be one with Alt.
    time.sleep(0.3)
    terminal.send(b"q")
    assert terminal.end() == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"NO_COLOR": "1"},
        {"TERM": "linux"},
        {"TERM": "vt100"},
        {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
    ],
    ids=lambda environment: "-".join(f"{name}={value}" for name, value in environment.items()),
)
def test_odd_terminals(home: Path, terminals: list[Terminal], environment: dict[str, str]) -> None:
    terminal = Terminal(home, (20, 5), **environment)
    terminals.append(terminal)
    terminal.wait_for(b"Subject")
    terminal.send(b"q")
    assert terminal.end() == 0


def test_a_terminal_that_can_do_nothing(home: Path, terminals: list[Terminal]) -> None:
    """TERM=dumb: a sentence, and no escape sequences."""
    terminal = Terminal(home, TERM="dumb")
    terminals.append(terminal)
    assert terminal.end() != 0
    assert b"\x1b[" not in terminal.output
    assert b"Traceback" not in terminal.output
    assert b"terminal" in terminal.output


def test_a_terminal_that_goes_away(home: Path, terminals: list[Terminal]) -> None:
    """Its other end is closed: it ends, and so does its engine."""
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    os.close(terminal._slave)
    os.close(terminal._master)
    terminal._master, terminal._slave = os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR)
    deadline = time.monotonic() + 40
    while not os.waitpid(terminal.pid, os.WNOHANG)[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    terminal.status = 0
    assert engine_ended(home)


# pictures, and what the terminal is asked for them

XTERM, NO_SIXEL = b"\x1b[?63;1;2;4;6;9;15;16;22;28c", b"\x1b[?64;1;2;6;9;15;16;17;18;21;22;28;29c"


@pytest.fixture
def home_with_picture(tmp_path: Path) -> Path:
    store = FilledStore(tmp_path / "home")
    config.add_account(store.home, store.accounts[0])
    store.add_body(store.ids()[0], mails()["picture"])
    store.close()
    return tmp_path / "home"


def typed_nothing(terminal: Terminal) -> None:
    """What the terminal answered did nothing: the keys that follow do what they do at the same place."""
    terminal.send(b"j")
    terminal.wait_for(b"Message 2 of 10")
    assert b"means nothing" not in terminal.output


@pytest.mark.parametrize("how", ["at once", "in pieces", "late"])
def test_a_terminal_that_draws_sixels(home_with_picture: Path, terminals: list[Terminal], how: str) -> None:
    """It is asked when the first picture is seen; its answers are no keys, however they come."""
    terminal = Terminal(home_with_picture, (120, 40))
    terminals.append(terminal)
    terminal.wait_for("▀▀▀▀".encode())
    terminal.wait_for(b"\x1b[c")
    assert terminal.output.count(b"\x1b[c") == 1
    if how == "late":
        # Longer than an answer is waited for.
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            terminal.read(0.1)
    terminal.answer(XTERM, in_pieces=how == "in pieces")
    terminal.wait_for(b"\x1b[16t\x1b[?1;1;0S\x1b[c")
    assert b"\x1bP" not in terminal.output
    terminal.answer(b"\x1b[6;16;8t\x1b[?1;0;64S" + XTERM, in_pieces=how == "in pieces")
    terminal.wait_for(b'\x1bP0;1;0q"1;1;')
    width = int(terminal.output.partition(b'\x1bP0;1;0q"1;1;')[2].partition(b";")[0])
    assert width % 8 == 0
    terminal.wait_for(b"\x1b\\\x1b8")
    typed_nothing(terminal)
    terminal.send(b"q")
    assert terminal.end() == 0
    terminal.check_restored()


@pytest.mark.parametrize("answer", [NO_SIXEL, b""])
def test_a_terminal_that_draws_none(home_with_picture: Path, terminals: list[Terminal], answer: bytes) -> None:
    """Also one that says nothing at all: half blocks, no second question, and nothing typed."""
    terminal = Terminal(home_with_picture, (120, 40))
    terminals.append(terminal)
    terminal.wait_for("▀▀▀▀".encode())
    terminal.wait_for(b"\x1b[c")
    terminal.answer(answer)
    typed_nothing(terminal)
    assert b"\x1b[16t" not in terminal.output
    terminal.send(b"q")
    assert terminal.end() == 0
    assert b"\x1bP" not in terminal.output
    terminal.check_restored()


@pytest.mark.parametrize("inside", [{"TMUX": "/tmp/x,1,0"}, {"TERM": "screen-256color"}, {"NO_COLOR": "1"}])
def test_a_terminal_that_is_not_asked(
    home_with_picture: Path, terminals: list[Terminal], inside: dict[str, str]
) -> None:
    terminal = Terminal(home_with_picture, (120, 40), **inside)
    terminals.append(terminal)
    terminal.wait_for(b"[The pier" if "NO_COLOR" in inside else "▀▀▀▀".encode())
    terminal.send(b"j")
    terminal.wait_for(b"Message 2 of 10")
    terminal.send(b"q")
    assert terminal.end() == 0
    assert b"\x1b[c" not in terminal.output
    assert b"\x1b_G" not in terminal.output


@pytest.mark.parametrize("answer", [b"\x1b_Gi=8231;OK\x1b\\\x1b[?62;c", b"\x1b[?62;c"])
def test_a_terminal_that_calls_itself_kitty(home_with_picture: Path, terminals: list[Terminal], answer: bytes) -> None:
    """Its way of drawing is used where it says that it has it; versions before 0.28 have not."""
    terminal = Terminal(home_with_picture, (120, 40), TERM="xterm-kitty")
    terminals.append(terminal)
    terminal.wait_for("▀▀▀▀".encode())
    terminal.wait_for(b",a=q,t=d,f=24,U=1;AAAA\x1b\\\x1b[c")
    terminal.answer(answer)
    if b"OK" in answer:
        terminal.wait_for(b"\x1b_Ga=T,U=1,i=")
        terminal.wait_for("\U0010eeee".encode())
    typed_nothing(terminal)
    terminal.send(b"q")
    assert terminal.end() == 0
    assert ("\U0010eeee".encode() in terminal.output) == (b"OK" in answer)
    terminal.check_restored()


def test_an_answer_that_is_on_its_way_at_the_end(home_with_picture: Path, terminals: list[Terminal]) -> None:
    """It is waited for, so that it is not typed into what comes after."""
    terminal = Terminal(home_with_picture, (120, 40))
    terminals.append(terminal)
    terminal.wait_for(b"\x1b[c")
    terminal.send(b"q")
    time.sleep(0.2)
    terminal.answer(NO_SIXEL)
    assert terminal.end() == 0
    assert terminal.unread() == b""


def test_keys_that_are_only_held(home: Path, terminals: list[Terminal]) -> None:
    """A terminal with kitty's keyboard protocol tells Shift and others when they are pressed: that means nothing."""
    terminal = Terminal(home)
    terminals.append(terminal)
    terminal.wait_for(b"Subject 10")
    terminal.send(b"\x1b[57441;2u\x1b[57442;5u\x1b[57358;1u")
    typed_nothing(terminal)
    before = terminal.output.count(b"Message 1 of 10")
    terminal.send(b"g\x1b[57441;2ug")
    deadline = time.monotonic() + _PATIENCE
    while terminal.output.count(b"Message 1 of 10") == before:
        assert time.monotonic() < deadline, terminal.output[-2000:]
        terminal.read(0.1)
    terminal.send(b"q")
    assert terminal.end() == 0
