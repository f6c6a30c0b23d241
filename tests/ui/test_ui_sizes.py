"""The terminal's size changes faster than the screen can follow (X6)."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.geometry import Size

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
