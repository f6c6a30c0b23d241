"""What mail, servers and file names hold can't steer the screen (D1, D2, D3, D11)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from filled_store import FilledStore, header, remote_mailbox
from termmail.model.flags import Flag, FlagSet
from termmail.model.message import Address, Envelope
from termmail.model.remote import MailboxListing, RemoteHeader, RemoteMailbox
from termmail.ui.widgets.pane import Drawn
from ui.support import MIDDLE, NARROW, WIDE, Driven, filled, opened

SOURCE = Path(__file__).resolve().parents[2] / "src" / "termmail" / "ui"

HOSTILE = [
    "Re: [/foo]",
    "[@click=app.quit]quit[/]",
    "[link=https://evil.example]here[/link]",
    "[bold red]",
    "\x1b]0;owned\x07title",
    "\x1b[2J\x1b[31mred",
    "\x1bP1$r\x1b\\dcs",
    "\x9b2Jc1 \x85 next",
    "nul\0tab\tline\r\nfeed",
    "\u202egnp.exe \u2066iso\u200b\u00ad",
    "lone \ud800 surrogate",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈",
    "Z" + "\u0301" * 200 + "algo",
    "宽字符" * 30,
    "ｶﾞｷﾞ ①②③ ±×",
]
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
OPENING, CLOSING = re.compile("[\u202a\u202b\u202d\u202e\u2066-\u2068]"), re.compile("[\u202c\u2069]")


def hostile_store(store: FilledStore) -> None:
    """Each text as subject and sender of a message, and as a folder's name."""
    rows: list[tuple[RemoteHeader, Envelope]] = []
    for number, text in enumerate(HOSTILE):
        remote, _ = header(100 + number, flags=FlagSet(Flag(0)))
        envelope = Envelope(
            message_id_header=f"hostile-{number}@example.org",
            subject=text,
            from_=(Address(text, f"{text}@example.org"),),
            to=(Address(text, "lisa@example.org"), Address("", text)),
            cc=(Address(text * 3, "c@example.org"),),
            sent_at=remote.received_at,
        )
        rows.append((remote, envelope))
    store.ingest.add_headers(store.mailboxes["INBOX"], rows)
    names = [*store.mailboxes, *(text.replace("/", "|") for text in HOSTILE)]
    boxes = tuple(remote_mailbox(name) if name in store.mailboxes else _odd(name) for name in names)
    store.ingest.apply_listing("lisa", MailboxListing(boxes))
    for placement_id in store.ids()[: len(HOSTILE)]:
        lines = [f"Subject: {placement_id}", "Content-Type: text/plain; charset=utf-8", "", *HOSTILE, ""]
        raw = "\r\n".join(lines)
        store.add_body(placement_id, raw.encode("utf-8", "surrogatepass"))
    for text in HOSTILE:
        store.ingest.add_problem("lisa", f"The server says: {text}", detail=text, mailbox=text)


def _odd(name: str) -> RemoteMailbox:
    return msgspec.structs.replace(remote_mailbox("odd"), wire_name=name.encode("utf-8", "surrogatepass"), name=name)


def check_screen(driven: Driven) -> None:
    """No control byte is on it; what turns the direction of text is turned back in its line, and only in a body; each widget's lines
    are exactly as wide as the widget."""
    text = driven.everything()
    found = FORBIDDEN.findall(text.replace("\n", ""))
    assert not found, found
    body = {line.strip() for line in driven.lines(driven.main.message_pane)}
    for line in text.splitlines():
        assert len(OPENING.findall(line)) == len(CLOSING.findall(line))
        assert not OPENING.search(line) or any(part and part in line for part in body), line
    for widget in driven.app.screen.query(Drawn):
        for y in range(widget.height):
            strip = widget.render_line(y)
            assert strip.cell_length == widget.width
            assert cell_len(strip.text) == widget.width, repr(strip.text)


@pytest.mark.parametrize("size", [WIDE, MIDDLE, NARROW, (20, 5)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_hostile_text_is_only_text(tmp_path: Path, size: tuple[int, int]) -> None:
    with filled(tmp_path / "home") as store:
        hostile_store(store)
        async with opened(store, size) as driven:
            for _ in HOSTILE:
                await driven.press("enter")
                await driven.until(lambda: driven.main.message_pane.rendered is not None or size[0] < 80)
                check_screen(driven)
                await driven.press("q", "j")
                check_screen(driven)
            await driven.press("M")
            check_screen(driven)
            await driven.press("escape", "g", "p")
            check_screen(driven)
            await driven.press("escape", "H")
            check_screen(driven)
            await driven.press("escape", "?")
            check_screen(driven)


async def test_markup_is_shown_as_it_is_written(tmp_path: Path) -> None:
    """D3: and nothing crashes."""
    with filled(tmp_path / "home") as store:
        hostile_store(store)
        async with opened(store, (160, 60)) as driven:
            text = "\n".join(driven.rows)
            for wanted in ("Re: [/foo]", "[@click=app.quit]quit[/]", "[bold red]"):
                assert wanted in text


def test_no_widget_takes_text_as_markup() -> None:
    """D1, D3: Textual's widgets that parse markup are not used; the one way to the screen is a Pen, which draws safe text."""
    parsing = {"Label", "DataTable", "Markdown", "RichLog", "Log", "ListItem", "OptionList", "Tree", "Button"}
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("textual.widgets"):
                assert not {name.name for name in node.names} & parsing, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr != "from_markup", f"{path}:{node.lineno}"
                receiver = ast.unparse(node.func.value)
                assert node.func.attr != "notify" or not receiver.endswith(("app", "screen", "self")), receiver
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Static":
                assert any(keyword.arg == "markup" for keyword in node.keywords), f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg == "markup":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path


async def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    """D11: it opens, scrolls, and shows its source."""
    with filled(tmp_path / "home", count=2) as store:
        raw = b"Subject: long\r\nContent-Type: text/plain\r\n\r\n" + b"word " * 2_000_000 + b"end\r\n"
        store.add_body(store.ids()[0], raw)
        async with opened(store) as driven:
            await driven.press("enter")
            await driven.until(lambda: driven.main.message_pane.rendered is not None)
            for _ in range(5):
                await driven.press("space")
            check_screen(driven)
            await driven.press("h", "h")
            await driven.until(lambda: driven.main.message_pane.line_count > 1000)
            check_screen(driven)
