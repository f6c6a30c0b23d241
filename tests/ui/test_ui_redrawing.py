"""What comes in while somebody reads: only the lines that show something else are drawn again, and those all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from termmail.model.flags import Flag, FlagSet
from termmail.ui.bodies import Bodies, BodyJob
from termmail.ui.widgets.folder_tree import FolderTree
from termmail.ui.widgets.message_list import MessageList
from termmail.ui.widgets.pane import Pane
from ui.support import MIDDLE, NARROW, WIDE, Driven, filled, opened


async def assert_drawn_as_it_is(driven: Driven) -> None:
    """What is kept of each pane is what it would draw now."""
    await driven.settled()
    for pane in driven.main.query(Pane):
        kept = driven.lines(pane)
        pane.forget_drawn()
        assert driven.lines(pane) == kept


async def test_mail_out_of_view_draws_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Pane, int]] = []

    def record(kind: type[MessageList | FolderTree]) -> None:
        real = kind.draw_line

        def draw_line(self: MessageList | FolderTree, y: int) -> object:
            drawn.append((self, y))
            return real(self, y)  # type: ignore[arg-type]

        monkeypatch.setattr(kind, "draw_line", draw_line)

    with filled(tmp_path, count=0) as store:
        store.add(range(1_000, 2_000))
        async with opened(store, WIDE) as driven:
            record(MessageList)
            record(FolderTree)
            # More than are taken over one by one, so the list is loaded again.
            store.add(range(1, 900))
            await driven.until(lambda: len(driven.main.model) == 1_899)
            await driven.settled()
            rows = [y for pane, y in drawn if isinstance(pane, MessageList)]
            folders = [y for pane, y in drawn if isinstance(pane, FolderTree)]
            # The scroll bar's thumb became shorter, and the inbox has another count.
            assert len(set(rows)) <= 3
            assert 1 <= len(set(folders)) <= 2
            await assert_drawn_as_it_is(driven)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [WIDE, MIDDLE, NARROW], ids=["wide", "middle", "narrow"])
async def test_all_that_changed_is_drawn(tmp_path: Path, size: tuple[int, int], seed: int) -> None:
    chance = random.Random(seed)
    with filled(tmp_path, count=0) as store:
        store.add(range(1_000, 1_100))
        newest, oldest = 1_100, 1_000
        async with opened(store, size) as driven:
            for _ in range(40):
                ids = store.ids()
                match chance.choice((0, 1, 2, 2, 2, 3, 4, 5, 6, 7)):
                    case 0:
                        count = chance.choice((1, 3, 40))
                        store.add(range(newest, newest + count))
                        newest += count
                    case 1:
                        count = chance.choice((1, 3, 40))
                        store.add(range(oldest - count, oldest))
                        oldest -= count
                    case 2:
                        flag = FlagSet(chance.choice((Flag.SEEN, Flag.FLAGGED)))
                        store.intents.set_flags(chance.sample(ids[:40], 3), add=flag)
                    case 3:
                        store.intents.archive(chance.sample(ids[:60], chance.choice((1, 5))))
                    case 4:
                        await driven.press(*["j"] * chance.randrange(1, 12))
                    case 5:
                        await driven.press("pagedown")
                    case 6:
                        await driven.press(chance.choice(("k", "space", "home", "s")))
                    case 7:
                        await driven.press("tab", "tab", "tab")
                await driven.settled()
                await assert_drawn_as_it_is(driven)


async def test_where_it_is_from_is_there_with_the_heading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not here but for its headers is prepared too, so that a key draws its heading once."""
    with filled(tmp_path) as store:
        async with opened(store, WIDE) as driven:
            bodies = driven.main.backend.bodies
            following = store.ids()[1]
            await driven.until(lambda: bodies.last_origin(following) is not None)
            asked: list[BodyJob] = []
            monkeypatch.setattr(Bodies, "want", lambda self, job: asked.append(job))
            await driven.press("j")
            assert [job.placement_id for job in asked] == [following]
            assert driven.main.message_pane.origin is not None
