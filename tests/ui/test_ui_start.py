"""The start of the mail reader, and what it leaves out of it."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

from termmail.accounts import config
from ui.support import filled, opened

_NOT_AT_START = (
    "termmail.store.reindex",
    "termmail.mime.parts",
    "html2text",
    "selectolax",
    "imapclient",
    "keyring",
    "tomlkit",
)


async def test_garbage_is_collected_again_once_the_first_frame_is_there(tmp_path: Path) -> None:
    """`termmail` starts with the collector off; what the start made is then no longer gone through."""
    with filled(tmp_path) as store:
        gc.disable()
        try:
            async with opened(store):
                assert gc.isenabled()
                assert gc.get_freeze_count() > 0
        finally:
            gc.enable()
            gc.unfreeze()


def test_nothing_heavy_is_loaded_before_the_first_frame(tmp_path: Path) -> None:
    """DESIGN.md, dependencies: import what is heavy only where it is used."""
    with filled(tmp_path) as store:
        config.add_account(store.home, store.accounts[0])
        script = (
            "import contextlib, sys\n"
            "from termmail.cli.main import run\n"
            "import termmail.ui.app as app\n"
            "def look(self):\n"
            "    print(*sys.modules, file=sys.__stdout__)\n"
            "    self.exit()\n"
            "app.check_terminal = lambda environment: None\n"
            "app._same_terminal = contextlib.nullcontext\n"
            "begin = app.TermmailApp.run\n"
            "app.TermmailApp.on_ready = look\n"
            "app.TermmailApp.run = lambda self: begin(self, headless=True)\n"
            f"sys.exit(run(['--home', {str(store.home.config)!r}]))"
        )
        done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    loaded = done.stdout.split()
    assert "termmail.ui.screens.main" in loaded
    assert [name for name in _NOT_AT_START if name in loaded] == []


def test_what_textual_is_told_before_it_is_loaded() -> None:
    """UX.md: ESCDELAY is 25 ms. A second change of the screen, such as a message's text, does not wait for a slow clock."""
    asked = "import termmail.ui.app; from textual import constants; print(constants.ESCAPE_DELAY, constants.MAX_FPS)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env={})
    assert told.stdout.split() == ["0.025", "240"]
