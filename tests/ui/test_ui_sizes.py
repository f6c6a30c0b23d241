"""The terminal's size changes faster than the screen can follow (X6)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size

from termmail.ui.app import TermmailApp
from ui.support import filled, opened, screen_text


async def test_an_old_size_that_overtakes_the_new_one_does_not_stay(tmp_path: Path) -> None:
    """While it is laid out to a size the screen reports that size to itself, maybe behind the terminal's next one."""
    with filled(tmp_path / "home") as store:
        async with opened(store, (140, 40)) as driven:
            screen = driven.app.screen
            old = Size(1, 1)
            await driven.pilot.resize_terminal(100, 30)
            screen.post_message(events.Resize(old, old))
            await driven.pilot.pause()
            await driven.until(lambda: screen_text(screen).count("\n") == 29)
            await driven.press("?")
            await driven.until(lambda: driven.app.screen is not screen)
            help_screen = driven.app.screen
            help_screen.post_message(events.Resize(old, old))
            await driven.pilot.pause()
            await driven.until(lambda: screen_text(help_screen).count("\n") == 29)


async def test_reports_of_sizes_in_the_wrong_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app goes by the size that the terminal has, not by the one that was reported last."""
    reported, real = Size(1, 1), os.terminal_size((90, 25))
    with filled(tmp_path / "home") as store, (tmp_path / "terminal").open("w") as terminal:
        async with opened(store, (140, 40)) as driven:
            with monkeypatch.context() as patched:
                patched.setattr(TermmailApp, "is_headless", False)
                patched.setattr(sys, "__stdout__", terminal)
                patched.setattr(os, "get_terminal_size", lambda *_: real)
                driven.app.post_message(events.Resize(reported, reported))
                await driven.until(lambda: driven.app.size == Size(90, 25))
                await driven.until(lambda: screen_text(driven.app.screen).count("\n") == 24)
