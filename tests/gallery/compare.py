"""`make gallery`: each mail of the gallery as termmail, neomutt and w3m show it, side by side, as pictures to look at one by one.

Needs neomutt, w3m, tmux and rsvg-convert (Debian: librsvg2-bin). Writes `NAME.png` for each mail into the folder that is given.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from filled_store import FilledStore, header
from gallery.mails import LETTERS, mails
from termmail.mime.charsets import decode_text
from termmail.mime.headers import parse_envelope
from termmail.mime.structure import Tree
from termmail.model.flags import Flag, FlagSet
from termmail.ui.app import TermmailApp
from termmail.ui.screens.main import MainScreen
from termmail.ui.words import Clock

COLUMNS = 78
ROWS = 56
_PROGRAMS = ("neomutt", "w3m", "tmux", "rsvg-convert")
_PATIENCE = 10.0
_NOW = 1_762_340_000
_MUTTRC = """\
set mailcap_path={folder}/mailcap
set mbox_type=mbox folder={folder} spoolfile={folder}/{name}.mbox
set sleep_time=0 pager_index_lines=0 wait_key=no quit=yes markers=no smart_wrap=yes tilde=no mark_old=no
auto_view text/html
alternative_order text/plain text/html
ignore *
unignore from: to: date: subject:
color quoted cyan default
color signature blue default
color hdrdefault green default
push <enter-command>unset<space>help<enter><display-message>
"""


def main() -> int:
    """Make the pictures; 69 where a program is missing."""
    parser = argparse.ArgumentParser(prog="make gallery ARGS=…", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("build/gallery"), help="the folder for the pictures")
    parser.add_argument("--only", action="append", choices=list(LETTERS), help="this mail; may be given more than once")
    options = parser.parse_args()
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"Missing: {', '.join(missing)}.", file=sys.stderr)
        return 69
    options.into.mkdir(parents=True, exist_ok=True)
    for name, raw in mails().items():
        if options.only and name not in options.only:
            continue
        with tempfile.TemporaryDirectory(prefix="termmail-gallery-") as folder:
            there = Path(folder)
            pictures = [
                _picture(there / "termmail", asyncio.run(_termmail(there / "home", raw))),
                _picture(there / "neomutt", _as_svg(_neomutt(there, name, raw), "neomutt")),
                _picture(there / "w3m", _as_svg(_w3m(raw), "w3m -dump")),
            ]
            _beside(pictures, options.into / f"{name}.png")
        print(options.into / f"{name}.png", flush=True)
    return 0


async def _termmail(folder: Path, raw: bytes) -> str:
    store = FilledStore(folder, count=0)
    listed, _ = header(1, flags=FlagSet(Flag.SEEN))
    store.ingest.add_headers(store.mailboxes["INBOX"], [(listed, parse_envelope(raw))])
    store.add_body(store.ids()[0], raw)
    app = TermmailApp(store.home, store.accounts, start_engine=None, clock=Clock(_NOW))
    try:
        async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
            await pilot.pause(0.3)
            await pilot.press("enter")
            deadline = time.monotonic() + _PATIENCE
            main = app.screen_stack[0]
            assert isinstance(main, MainScreen)
            while main.message_pane.text is None and time.monotonic() < deadline:
                await pilot.pause(0.05)
            text = main.message_pane.text
            while text is not None and not all(
                text.pictures.get(place) for place in range(len(text.rendered.pictures))
            ):
                assert time.monotonic() < deadline, "A picture was not drawn in time."
                await pilot.pause(0.1)
            await pilot.pause(0.3)
            picture = re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title="termmail"), flags=re.DOTALL)
            return picture.replace("<text ", '<text xml:space="preserve" ')
    finally:
        app.close_backend()
        store.close()


def _neomutt(folder: Path, name: str, raw: bytes) -> str:
    (folder / f"{name}.mbox").write_bytes(
        b"From x@example.org Wed Nov  5 10:02:13 2025\n" + raw.replace(b"\r\n", b"\n") + b"\n"
    )
    (folder / "mailcap").write_text(
        f"text/html; w3m -I %{{charset}} -cols {COLUMNS} -dump -T text/html; copiousoutput\n"
    )
    (folder / "muttrc").write_text(_MUTTRC.format(folder=folder, name=name))
    tmux = ["tmux", "-S", str(folder / "tmux")]
    command = f"neomutt -n -F {folder}/muttrc"
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command], check=True
    )
    try:
        time.sleep(1.5)
        shown = subprocess.run([*tmux, "capture-pane", "-p", "-e"], check=True, capture_output=True, text=True)
        return shown.stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def _w3m(raw: bytes) -> str:
    """The first text part, as w3m prints it; plain text as it is."""
    node = next(node for node in Tree(raw).root.walk() if node.content_type.startswith("text/"))
    text = decode_text(node.decoded(), node.charset)
    if node.content_type != "text/html":
        return text.replace("\r", "")
    command = ["w3m", "-I", "utf-8", "-O", "utf-8", "-cols", str(COLUMNS), "-dump", "-T", "text/html"]
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout


def _as_svg(text: str, title: str) -> str:
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w"), force_terminal=True)  # noqa: SIM115, PTH123
    for line in text.split("\n")[:ROWS]:
        console.print(Text.from_ansi(line), overflow="fold")
    for _ in range(ROWS - text.count("\n") - 1):
        console.print()
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    return picture.replace("<text ", '<text xml:space="preserve" ')


def _picture(path: Path, svg: str) -> Path:
    path.with_suffix(".svg").write_text(svg, encoding="utf-8")
    picture = path.with_suffix(".png")
    subprocess.run(
        ["rsvg-convert", "-w", "900", "-o", str(picture), str(path.with_suffix(".svg"))], check=True, timeout=60
    )
    return picture


def _beside(pictures: list[Path], into: Path) -> None:
    opened = [Image.open(picture) for picture in pictures]
    page = Image.new("RGB", (sum(one.width for one in opened), max(one.height for one in opened)), "#888888")
    left = 0
    for one in opened:
        page.paste(one, (left, 0))
        left += one.width
    page.save(into)


if __name__ == "__main__":
    sys.exit(main())
