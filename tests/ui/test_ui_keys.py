"""Keys that change nothing but where one is: what the screen shows, and that the store stays as it was (UX.md, keys)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.model.flags import Flag, FlagSet
from termmail.ui import keys
from termmail.ui.keymap import PRESETS, Where, bindings
from ui.support import MIDDLE, NARROW, Driven, filled, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


def number(ui: Driven) -> int:
    """The number in the subject under the cursor."""
    return int(ui.at.split()[1])


# in the list


async def test_next_previous_first_last(store: FilledStore) -> None:
    """UX: j k, arrows, g g, G, Home, End; at the ends it says so."""
    async with opened(store) as ui:
        assert ui.folder == "INBOX"
        assert "Subject 10" in ui.cursor_line
        seen = [number(ui)]
        for key in ("j", "down", "k", "up", "G", "g", "g", "end", "home"):
            await ui.press(key)
            seen.append(number(ui))
        assert seen == [10, 9, 8, 9, 10, 1, 1, 10, 1, 10]
        assert "Subject 10" in ui.cursor_line
        assert "Subject 10" in ui.message
        await ui.press("k")
        assert "This is the first message." in ui.status
        await ui.press("G", "j")
        assert "This is the last message." in ui.status
        assert "Subject 1" in ui.message
        assert ui.journal() == []


async def test_pages_of_a_long_list(tmp_path: Path) -> None:
    """UX: a list longer than the window, and longer than what is read at first: pages, its end, its beginning."""
    with filled(tmp_path, count=450) as store:
        async with opened(store, MIDDLE) as ui:
            page = ui.main.message_list.rows_visible - 1
            await ui.press("pagedown")
            assert number(ui) == 450 - page
            await ui.press("ctrl+d")
            assert number(ui) == 450 - 2 * page
            await ui.press("ctrl+u", "b")
            assert number(ui) == 450
            await ui.press("G")
            assert number(ui) == 1
            assert "Subject 1" in ui.cursor_line
            await ui.press("pageup")
            assert number(ui) == 1 + page
            await ui.press("g", "g")
            assert "Subject 450" in ui.cursor_line


async def test_unread_messages(store: FilledStore) -> None:
    """UX: n and p go to the next and previous unread message, round the ends; where there is no other they say so."""
    async with opened(store) as ui:
        seen = []
        for key in ("n", "n", "p", "p", "n"):
            await ui.press(key)
            seen.append(number(ui))
        assert seen == [9, 7, 9, 1, 9]
        assert "Went on from the top." in ui.status
        store.intents.mark_all_read(store.mailboxes["INBOX"])
        await ui.settled()
        await ui.press("n")
        assert "There are no other unread messages in this folder." in ui.status
        assert number(ui) == 9


async def test_the_unread_message_under_the_cursor_is_not_another_one(tmp_path: Path) -> None:
    """UX: n on the only unread message stays there and says so."""
    with filled(tmp_path, count=3) as store:
        ids = store.ids()
        store.intents.set_flags(ids, add=FlagSet(Flag.SEEN))
        store.intents.set_flags([ids[1]], remove=FlagSet(Flag.SEEN))
        async with opened(store) as ui:
            await ui.press("n", "n")
            assert ui.cursor_id == ids[1]
            assert "There are no other unread messages in this folder." in ui.status
            await ui.press("p")
            assert ui.cursor_id == ids[1]


# opening and closing


async def test_open_and_back(store: FilledStore) -> None:
    """UX: Enter opens, q and Esc go back, q at the list ends the program."""
    async with opened(store, NARROW) as ui:
        assert ui.where() is Where.LIST
        await ui.press("enter")
        assert ui.where() is Where.MESSAGE
        assert "From  Sender 3 <sender3@demo.example>" in ui.everything()
        assert "Subject 9" not in ui.everything()
        await ui.press("q")
        assert ui.where() is Where.LIST
        assert "Subject 9" in ui.everything()
        assert "From " not in ui.everything()
        await ui.press("enter", "escape")
        assert ui.where() is Where.LIST
        await ui.press("escape")
        assert not ui.app._exit
        await ui.press("enter", "j")
        assert ui.where() is Where.MESSAGE
        assert "From  Sender 2 <sender2@demo.example>" in ui.everything()
        await ui.press("q", "q")
        await ui.until(lambda: ui.app._exit)


async def test_space_opens_and_goes_on(store: FilledStore) -> None:
    """UX: Space opens the message, and at its end goes on to the next unread one."""
    async with opened(store, NARROW) as ui:
        await ui.press("space")
        assert ui.where() is Where.MESSAGE
        await ui.press("space")
        assert number(ui) == 9
        assert "From  Sender 2" in ui.everything()
        await ui.press("space")
        assert number(ui) == 7


# panes


@pytest.mark.parametrize("size", [(140, 30), MIDDLE, NARROW])
async def test_tab_goes_round_the_panes(store: FilledStore, size: tuple[int, int]) -> None:
    """UX: Tab and Shift+Tab go round the panes, in every layout; the hints are those of the pane."""
    async with opened(store, size) as ui:
        order = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await ui.press(key)
            order.append(ui.where())
            assert ui.main.is_visible(ui.where())
            assert ui.title(ui.where()).strip() in ui.everything()
        assert order == [Where.MESSAGE, Where.FOLDERS, Where.LIST, Where.FOLDERS]
        assert "pane" in ui.hints
        await ui.press("tab")
        assert "archive" in ui.hints


# folders


async def test_next_and_previous_folder(store: FilledStore) -> None:
    """UX: J and K show the list of the next and the previous folder, in the order of the tree; at its ends they say so."""
    async with opened(store) as ui:
        seen = []
        for key in ("J", "J", "K", "K", "K"):
            await ui.press(key)
            seen.append(ui.folder)
        assert seen == ["Drafts", "Sent", "Drafts", "INBOX", "INBOX"]
        assert "This is the first folder." in ui.status
        assert "Inbox" in ui.title(Where.LIST)
        await ui.press("J")
        assert "Drafts" in ui.title(Where.LIST)
        assert "Fetching the first messages" in "\n".join(ui.rows)
        ui.fetched("Drafts")
        await ui.until(lambda: "There are no messages in Drafts." in "\n".join(ui.rows))


async def test_the_tree(store: FilledStore) -> None:
    """UX: in the tree j and k move, arrows fold, Enter opens; what is folded stays so for the next start."""
    async with opened(store) as ui:
        assert [line.split() for line in ui.folders[:3]] == [["▪", "lisa"], ["Inbox", "5"], ["Drafts"]]
        await ui.press("shift+tab", "G")
        assert ui.main.folder_tree.lines[ui.main.folder_tree.cursor].path == "Work/Deep"
        await ui.press("left", "left")
        assert "Deep" not in "\n".join(ui.folders)
        await ui.press("enter")
        assert ui.folder == "Work"
        assert ui.where() is Where.LIST
        await ui.settled()
    async with opened(store) as ui:
        assert ui.folder == "Work"
        assert "Deep" not in "\n".join(ui.folders)
        await ui.press("shift+tab", "right")
        assert "Deep" in "\n".join(ui.folders)
        await ui.press("g", "g", "enter")
        assert ui.folders == ["▸ lisa"]
        await ui.press("enter", "j", "enter")
        assert ui.folder == "INBOX"


# sequences


async def test_g_and_a_letter(store: FilledStore) -> None:
    """UX: g i, g s, g t, g d and the like; what an account lacks is said; g o shows the outbox over it."""
    async with opened(store) as ui:
        seen = []
        for letter in "tsde!i":
            await ui.press("g", letter)
            seen.append(ui.folder)
        assert seen == ["Trash", "Sent", "Drafts", "Archive", "Junk", "INBOX"]
        await ui.press("g", "a")
        assert "This account has no folder with all mail." in ui.status
        await ui.press("g", "o")
        await ui.shows("Nothing waits to be sent.")
        await ui.press("q")
        await ui.press("g", "f")
        await ui.type("dee")
        assert ui.choices == ["  Work / Deep"]
        await ui.press("enter")
        assert ui.folder == "Work/Deep"


async def test_a_sequence_shows_what_may_follow(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """UX: g shows what may follow; Esc clears it; after a second it is forgotten; a key that leads nowhere is said."""
    async with opened(store) as ui:
        before = ui.hints
        await ui.press("g")
        assert ui.hints.startswith(" g …")
        assert "i inbox" in ui.hints
        assert "t trash" in ui.hints
        assert "1 account" not in ui.hints
        await ui.press("escape")
        assert ui.hints == before
        await ui.press("t")
        assert ui.folder == "INBOX"
        assert ui.main.model.selected
        await ui.press("escape", "g", "z")
        assert "g z means nothing here. ? lists the keys." in ui.status
        assert ui.hints == before
        assert ui.journal() == []
        monkeypatch.setattr("termmail.ui.screens.main.SEQUENCE_SECONDS", 0.02)
        await ui.press("g")
        await ui.until(lambda: ui.hints == before)
        await ui.press("g")
        await ui.until(lambda: ui.hints == before)
        await ui.press("Z")
        assert "Z means nothing here." in ui.status
        assert keys.SEQUENCE_SECONDS == 1


async def test_accounts_by_number(tmp_path: Path) -> None:
    """UX: g 1…9 and Alt+1…9 go to an account's inbox; with several accounts g says which numbers there are."""
    with filled(tmp_path, accounts=("lisa", "work")) as store:
        async with opened(store) as ui:
            await ui.press("g")
            assert "2 account" in ui.hints
            assert "3 account" not in ui.hints
            await ui.press("2")
            assert ui.main.mailbox is not None
            assert (ui.main.mailbox.account, ui.folder) == ("work", "INBOX")
            await ui.press("alt+1")
            assert ui.main.mailbox.account == "lisa"
            await ui.press("g", "3")
            assert "There are only 2 accounts." in ui.status
            await ui.press("g", "2", "g", "t")
            assert (ui.main.mailbox.account, ui.folder) == ("work", "Trash")


# sorting


async def test_sort_by_each(store: FilledStore) -> None:
    """UX: o sorts by date, sender, size, subject, either way round; the title says by which, the cursor is on the first."""
    expected = {
        "date, oldest": [1, 2, 3],
        "sender, a": [7, 8, 1],
        "sender, z": [6, 5, 4],
        "size, l": [10, 9, 8],
        "size, s": [1, 2, 3],
        "subject, a": [1, 10, 2],
        "subject, z": [9, 8, 7],
        "date, newest": [10, 9, 8],
    }
    async with opened(store) as ui:
        for words, first in expected.items():
            await ui.press("o")
            await ui.type(words)
            await ui.press("enter")
            await ui.pilot.pause()
            shown = [ui.row(placement_id).subject for placement_id in ui.main.model.ids[:3]]
            assert shown == [f"Subject {each}" for each in first], words
            assert ui.main.model.cursor == 0
            assert f"Sorted by {words[:4]}" in ui.status
            assert (f"· by {words.split(',')[0]}" in ui.title(Where.LIST)) == (words != "date, newest")
        assert ui.journal() == []


# keys that mean nothing, or not yet


async def test_what_is_not_there_yet_says_so(store: FilledStore) -> None:
    """Keys of what comes later say so; a key without a meaning says where the keys are listed."""
    async with opened(store) as ui:
        for key, words in (
            ("/", "Searching is not there yet"),
            ("\\", "Searching is not there yet"),
            ("X", "X means nothing here. ? lists the keys."),
            ("f9", "F9 means nothing here."),
            ("é", "é means nothing here."),
        ):
            await ui.press("ctrl+l")
            await ui.press(key)
            assert words in ui.status, key
        assert ui.journal() == []


async def test_keys_of_a_preset_and_rebound_ones(store: FilledStore) -> None:
    """UX: presets, and keys rebound one by one."""
    async with opened(store, keys=bindings("mutt", {"archive": ["X"], "go_sent": ["Z s"]})) as ui:
        await ui.press("tab")
        assert number(ui) == 9
        await ui.press("X")
        await ui.settled()
        assert "Archived 1 message." in ui.status
        await ui.press("e")
        assert "e means nothing here." in ui.status
        await ui.press("Z", "s")
        assert ui.folder == "Sent"


@pytest.mark.parametrize("preset", PRESETS)
async def test_every_preset_has_a_key_for_the_attachments(store: FilledStore, preset: str) -> None:
    """What most mail readers are asked for daily is one key away."""
    keys = bindings(preset)
    async with opened(store, keys=keys) as ui:
        await ui.press(*keys.keys_of("attachments")[0].split())
        assert "not here yet" in ui.status
