"""Every key of the main screen: what the screen shows, and what the store has (UX.md, keys)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.model.flags import Flag
from termmail.model.operation import FlagChange, Move
from termmail.ui.keymap import Where
from ui.support import NARROW, filled, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


# moving about


async def test_next_previous_first_last(store: FilledStore) -> None:
    """UX: j k, arrows, g g, G, Home, End; at the ends it says so."""
    async with opened(store) as ui:
        assert ui.folder == "INBOX"
        assert "Subject 10" in ui.cursor_line
        seen = [ui.at]
        for key in ("j", "down", "k", "up", "G", "g", "g", "end", "home"):
            await ui.press(key)
            seen.append(ui.at)
        numbers = [int(subject.split()[1]) for subject in seen]
        assert numbers == [10, 9, 8, 9, 10, 1, 1, 10, 1, 10]
        assert "Subject 10" in ui.cursor_line and "Subject 10" in ui.message
        await ui.press("k")
        assert "This is the first message." in ui.status
        await ui.press("G", "j")
        assert "This is the last message." in ui.status
        assert ui.journal() == []
