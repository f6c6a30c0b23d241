"""A list of 100,000 messages: only what is visible is read and drawn (X1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from termmail.model.message import MessageRow
from termmail.store.queries import Queries
from ui.support import WIDE, filled, opened

COUNT = 100_000


async def test_a_hundred_thousand_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = Queries.rows

    def counting(self: Queries, placement_ids: Sequence[int]) -> list[MessageRow | None]:
        read.append(len(placement_ids))
        return real(self, placement_ids)

    with filled(tmp_path / "home", count=COUNT) as store:
        monkeypatch.setattr(Queries, "rows", counting)
        async with opened(store, WIDE) as driven:
            assert len(driven.main.model) == COUNT
            assert f"of {COUNT:,}" in driven.title(driven.where())
            assert driven.at == f"Subject {COUNT}"
            await driven.press("G")
            assert driven.at == "Subject 1"
            assert "Subject 1" in driven.rows[-1]
            await driven.press("home")
            assert driven.at == f"Subject {COUNT}"
            for _ in range(5):
                await driven.press("pagedown")
            drawn = driven.rows
            store.add([COUNT + 1])
            await driven.until(lambda: len(driven.main.model) == COUNT + 1)
            await driven.drawn()
            assert driven.rows == drawn
            await driven.press("j", "e")
            await driven.settled()
            assert len(driven.main.model) == COUNT
            # Windows around what was looked at, never the list.
            assert sum(read) < 5_000
            await driven.run("Select everything")
            assert len(driven.main.model.selected) == COUNT
            assert sum(read) < 6_000
