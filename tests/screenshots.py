"""Exports the README's pictures from the demo: `make screenshots`.

Writes an SVG of each screen into `screenshots/`, and a PNG beside it where rsvg-convert is installed.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from textual.pilot import Pilot

from termmail.accounts.config import add_account
from termmail.accounts.home import prepare_home
from termmail.demo.run import DemoProvider
from termmail.engine.child import EngineChild
from termmail.model.home import Home
from termmail.store.intents import Intents
from termmail.store.queries import Queries
from termmail.ui.app import TermmailApp
from termmail.ui.keymap import bindings
from termmail.ui.screens.main import MainScreen
from termmail.ui.wizard.screen import WizardScreen

FOLDER = Path(__file__).resolve().parent.parent / "screenshots"
_PATIENCE = 30.0


class Picture(NamedTuple):
    """Its size in columns and rows, the keys that lead to it, and the beginning of the subject that the cursor goes to first."""

    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    subject: str = ""


PICTURES = {
    "main": Picture((140, 38), subject="Re: Which lens"),
    "stacked": Picture((96, 34), ("j",)),
    "narrow": Picture((60, 24)),
    "move": Picture((140, 38), ("M", "l", "i", "g"), subject="Re: Which lens"),
    "keys": Picture((110, 36), ("?",)),
    "newsletter": Picture((79, 44), ("enter", "h"), subject="The Tidewater Gazette"),
    "invitation": Picture((79, 32), ("enter",), subject="Invitation"),
    "bounce": Picture((79, 32), ("enter",), subject="Undelivered"),
    "journey": Picture((79, 44), ("enter", "H", "H", "H"), subject="Notice to mariners"),
    "attachments": Picture((110, 34), ("v",), subject="The books"),
    "writing": Picture(
        (110, 34),
        ("r", *"Half past twelve it is; the mustard is in the attached file.", "enter", "escape", "y"),
    ),
    "outbox": Picture((110, 34), ("r", *"Mustard.", "escape", "y", "g", "o")),
}

FIRST_RUN = Picture((96, 26), (*"lisa@posteo.de", "enter", *"Lisa Example", "enter"))
"""The wizard, in a home without an account; the provider is one that is known without asking anybody."""


def main() -> None:
    """Start the demo, fetch its mail, take the pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="termmail-pictures-") as folder:
        home = Home.under(Path(folder) / "home")
        prepare_home(home)
        engine = EngineChild(home)
        engine.start()
        try:
            with DemoProvider(home.state) as provider:
                accounts = provider.accounts()
                for account in accounts:
                    _wait(lambda: engine.send_password(account.name, provider.password(account.user)))  # noqa: B023
                    add_account(home, account)
                intents = Intents(home)
                intents.register_accounts(accounts)
                intents.close()
                queries = Queries(home)
                _wait(lambda: all(status.synced_at for status in queries.accounts()))
                queries.close()
                for name, picture in PICTURES.items():
                    app = TermmailApp(home, accounts, start_engine=None, demo=False, keys=bindings("gmail", None))
                    asyncio.run(_take(app, name, picture))
                    app.close_backend()
        finally:
            engine.close()
        empty = Home.under(Path(folder) / "empty")
        prepare_home(empty)
        app = TermmailApp(empty, (), demo=False)
        asyncio.run(_take(app, "first-run", FIRST_RUN))
        app.close_backend()


async def _take(app: TermmailApp, name: str, picture: Picture) -> None:
    async with app.run_test(size=picture.size) as pilot:
        await _settle(pilot)
        if picture.subject:
            await _find(pilot, picture.subject)
        for key in picture.keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        await _settle(pilot)
        # The fonts that Textual names are fetched from the network by whoever looks at the picture.
        drawing = re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title="termmail"), flags=re.DOTALL)
        # librsvg drops the blanks that a piece of text begins with.
        drawing = drawing.replace("<text ", '<text xml:space="preserve" ')
    (FOLDER / f"{name}.svg").write_text(drawing, encoding="utf-8")
    if shutil.which("rsvg-convert"):
        subprocess.run(
            ["rsvg-convert", "-o", str(FOLDER / f"{name}.png"), str(FOLDER / f"{name}.svg")], check=True, timeout=60
        )


async def _find(pilot: Pilot[str], subject: str) -> None:
    """Go down the list to the first message whose subject begins so."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    for _ in range(len(screen.model)):
        row = screen.model.row(screen.model.cursor)
        if row is not None and row.subject.startswith(subject):
            return
        await pilot.press("j")
    raise SystemExit(f"The demo has no message “{subject}”.")


async def _settle(pilot: Pilot[str]) -> None:
    for _ in range(8):
        await pilot.pause(0.1)
    screen = pilot.app.screen
    while isinstance(screen, WizardScreen) and screen.is_looking:
        await pilot.pause(0.1)


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("The demo did not come up in time.")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
