"""No control sequence of a mail reaches the terminal, and reading connects to nothing: the whole program on a terminal of its own
(D1–D3, D9–D11, T18)."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.accounts import config
from ui.hostile_mail import CLEAN_MAIL, HOSTILE_HOST, HOSTILE_MAIL
from ui.test_ui_origin import add_message
from ui.test_ui_terminal import Terminal

SOURCE = Path(__file__).resolve().parents[2] / "src" / "termmail" / "ui"

# What the program may write: CSI sequences, OSC and other strings, and single controls.
_CONTROLS = re.compile(
    r"\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]"
    r"|\x1b[\]P_^X][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[\x20-\x2f]*[\x30-\x7e]?"
    r"|[\x00-\x1f\x7f-\x9f]"
)
_READING = (b"\r", b"h", b"h", b"h", b"H", b"H", b"H", b"H", b" ", b"b", b"q")
"""Keys on each message: open, text, HTML, source; headers, source, way; page down and up; back."""
_OPENING = (b"M", b"v", b"y", b"l", b"|", b"?", b":", b"\x06")
"""Keys that open something above it, closed by Esc."""


def controls(output: bytes) -> set[str]:
    """The kinds of control sequences in what the terminal got: parameters of colours and positions apart."""
    kinds: set[str] = set()
    for match in _CONTROLS.finditer(output.decode("utf-8", "surrogateescape")):
        found = match[0]
        if found.startswith("\x1b[") and found[-1] in "mHABCDGdJK" and "?" not in found:
            found = "CSI " + found[-1]
        kinds.add(found)
    return kinds


def store_with(folder: Path, mails: list[bytes]) -> Path:
    """A home whose inbox holds these mails and which works offline, so that its engine connects to nothing."""
    store = FilledStore(folder, count=0)
    # The last one is the newest, at the top of the list.
    for number, raw in enumerate(reversed(mails)):
        head, _, body = raw.partition(b"\r\n\r\n")
        fields = head.decode("utf-8", "surrogateescape").split("\r\n")
        add_message(store, 100 + number, *fields, body=body.decode("utf-8", "surrogateescape"))
    store.intents.set_work_offline(True)
    config.add_account(store.home, store.accounts[0])
    store.close()
    return folder


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def read_all(terminal: Terminal, count: int) -> bytes:
    """Open each of the mails in every way, and quit; everything that the terminal was sent."""
    terminal.wait_for(b"Inbox")
    for _ in range(count):
        for key in _READING:
            press(terminal, key)
        press(terminal, b"j")
    for key in _OPENING:
        press(terminal, key)
        press(terminal, b"\x1b")
    deadline = time.monotonic() + 40
    # Ctrl+Q closes what is open and then the program.
    while time.monotonic() < deadline:
        terminal.send(b"\x11")
        if terminal.ended(0.3):
            break
    assert terminal.end() == 0
    return terminal.output


def press(terminal: Terminal, key: bytes) -> None:
    """A key, and what it draws: until nothing came for a while."""
    terminal.send(key)
    while terminal.read(0.12):
        pass


def test_hostile_mail_writes_only_what_clean_mail_writes(tmp_path: Path, terminals: list[Terminal]) -> None:
    """D1, D9, D10: the same keys on the same number of mails; no sequence, string or control that a clean run has not."""
    kinds: list[set[str]] = []
    outputs: list[bytes] = []
    mails = len(HOSTILE_MAIL)
    for name, wanted in (("clean", CLEAN_MAIL), ("hostile", HOSTILE_MAIL)):
        home = store_with(tmp_path / name, [wanted[number % len(wanted)] for number in range(mails)])
        terminal = Terminal(home, (120, 34))
        terminals.append(terminal)
        outputs.append(read_all(terminal, mails))
        kinds.append(controls(outputs[-1]))
    clean, hostile = kinds
    for subject in ("plain", "latin", "qp", "html", "widths", "parts", "efail"):
        assert f"{subject} spoken".encode() in outputs[1], f"“{subject}” was not shown."
    assert b"\\x1b]0;owned\\x07" in outputs[1], "The source of the hostile mail was not shown."
    assert not hostile - clean, sorted(hostile - clean)
    for forbidden in (b"\x1b]8;", b"\x1b]52;", b"\x1b]0;", b"\x1b]2;", b"\x1b]9;", b"\x1bk", b"\x1bP1$"):
        assert forbidden not in outputs[1], forbidden


@pytest.mark.strace
def test_reading_hostile_mail_connects_to_nothing(tmp_path: Path, terminals: list[Terminal]) -> None:
    """T18: no connection, no name looked up, not one internet socket, in any process of the program."""
    home = store_with(tmp_path / "home", HOSTILE_MAIL)
    trace = tmp_path / "trace"
    terminal = Terminal(home, (120, 34), under=f"strace -f -qq -s 300 -e trace=network -o {trace}")
    terminals.append(terminal)
    read_all(terminal, len(HOSTILE_MAIL))
    calls = trace.read_text(errors="replace").splitlines()
    assert any("AF_UNIX" in call for call in calls), "Nothing was traced."
    wrong = [call for call in calls if "AF_INET" in call or "AF_NETLINK" in call or HOSTILE_HOST in call]
    assert not wrong, wrong[:20]


# the way to the screen, as the source has it

SINKS = frozenset({"put", "field", "Segment", "Content", "Static", "Span", "assemble", "Text"})
MADE_SAFE = frozenset(
    {
        "one_line", "shown_address", "safe_text", "safe_address", "name_and_address", "person", "steady", "size", "folder_name",
        "folder_path",
    }
)  # fmt: skip
FROM_OUTSIDE = frozenset(
    {
        "subject", "address", "filename", "preview", "problem", "sentence", "list_id", "message_id_header", "reply", "from_",
        "to", "cc", "content_type", "activity", "delimiter",
    }
)  # fmt: skip


def ways_past_safe_text(source: str) -> list[int]:
    """Lines where a sink takes an attribute with text from outside that no function made safe."""
    found: list[int] = []

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.Call) and _called(node) in MADE_SAFE:
            return
        # What a widget keeps of its own it was given safe.
        own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node, ast.Attribute) and node.attr in FROM_OUTSIDE and not own:
            found.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            look(child)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _called(node) in SINKS:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                look(argument)
    return found


def _called(node: ast.Call) -> str:
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )


def test_no_text_from_outside_reaches_a_widget_by_another_way() -> None:
    """D1: what draws takes the fields of mails and servers only through a function that makes them safe; nothing but the Pen makes
    segments of text, and Rich's own texts, which read markup and control codes, are not used."""
    for path in SOURCE.rglob("*.py"):
        source = path.read_text()
        assert not ways_past_safe_text(source), f"{path}: {ways_past_safe_text(source)}"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module in ("rich.text", "rich.markup", "textual.markup"):
                raise AssertionError(path)
            if isinstance(node, ast.Call) and _called(node) == "Segment" and path.name != "drawing.py":
                assert isinstance(node.args[0], ast.Constant | ast.BinOp), f"{path}:{node.lineno}"


def test_the_check_itself_notices() -> None:
    assert ways_past_safe_text("pen.put(row.subject, look.text)") == [1]
    assert ways_past_safe_text("Static(Content(f'{error.sentence}'))") == [1, 1]
    assert not ways_past_safe_text("pen.put(one_line(row.subject), look.text)")
    assert controls("\x1b[1;31mred\x1b]0;owned\x07\x9b2J\x1b[2;2H\x1b[?25l".encode()) == {
        "CSI m", "\x1b]0;owned\x07", "\x9b", "CSI H", "\x1b[?25l",
    }  # fmt: skip
