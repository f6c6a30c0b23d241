"""Keys that change messages: what the screen shows at once, and what the store and the journal have (UX.md, keys)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filled_store import FilledStore
from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import Copy, Expunge, FlagChange, Move
from termmail.ui.keymap import Where
from ui.support import NARROW, Driven, filled, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


def moves(ui: Driven) -> list[tuple[int | None, str]]:
    """The moves that wait for the server: placement and target."""
    names = {mailbox_id: name for name, mailbox_id in ui.store.mailboxes.items()}
    return [
        (operation.placement_id, names[operation.payload.mailbox_id])
        for operation in ui.journal()
        if isinstance(operation.payload, Move)
    ]


# out of the list


@pytest.mark.parametrize(
    ("key", "target", "words"),
    [
        ("e", "Archive", "Archived 1 message. z undoes it."),
        ("d", "Trash", "Moved to Trash: 1 message. z undoes it."),
        ("#", "Trash", "Moved to Trash: 1 message. z undoes it."),
        ("!", "Junk", "Moved to Junk: 1 message. z undoes it."),
    ],
)
async def test_out_of_the_list(store: FilledStore, key: str, target: str, words: str) -> None:
    """UX: e, d, # and ! take the message away at once; the cursor goes on in the direction of travel; z brings it back."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("j", key)
        assert "Subject 9 " not in "\n".join(ui.rows) + " "
        assert ui.cursor_id == ids[2]
        await ui.settled()
        assert words in ui.status
        assert ui.mailbox_of(ids[1]) == target
        assert moves(ui) == [(ids[1], target)]
        assert "Subject 8" in ui.message
        await ui.press("j", "k", key)
        await ui.settled()
        assert ui.mailbox_of(ids[2]) == target
        assert ui.cursor_id == ids[0]
        await ui.press("z")
        await ui.settled()
        assert f"Undone: {words.removesuffix(' z undoes it.')}" in ui.status
        assert ui.mailbox_of(ids[2]) == "INBOX"
        assert ui.cursor_id == ids[2]
        assert "Subject 8" in ui.cursor_line
        await ui.press("u")
        await ui.settled()
        assert list(ui.main.model.ids) == ids
        assert ui.cursor_id == ids[1]
        assert ui.journal() == []
        await ui.press("ctrl+z")
        await ui.says("Nothing to undo.")


async def test_where_it_is_already(store: FilledStore) -> None:
    """In the archive e does nothing and says so, nor d in Trash; ! in Junk brings back to the inbox."""
    for name in ("Archive", "Trash", "Junk"):
        store.add(range(1, 3), name)
    junk = store.ids("Junk")
    async with opened(store) as ui:
        await ui.press("g", "e", "e")
        assert "This is the archive already." in ui.status
        await ui.press("g", "t", "d")
        assert "This is Trash already. D deletes for good." in ui.status
        assert ui.journal() == []
        await ui.press("g", "!", "!")
        await ui.settled()
        assert "Moved 1 message to the inbox." in ui.status
        assert moves(ui) == [(junk[0], "INBOX")]


async def test_the_last_one_of_a_folder(store: FilledStore) -> None:
    """The last message goes: the list says that it is empty, the message pane shows nothing, undo brings it back."""
    store.add([1], "Work")
    (only,) = store.ids("Work")
    store.ingest.set_state(store.mailboxes["Work"], complete=True, fresh_at=1)
    async with opened(store, NARROW) as ui:
        await ui.press("g", "f")
        await ui.type("work")
        await ui.press("enter", "enter")
        assert ui.where() is Where.MESSAGE
        await ui.press("e")
        assert ui.where() is Where.LIST
        await ui.settled()
        assert "There are no messages in Work." in "\n".join(ui.rows)
        await ui.press("e")
        assert "There is no message here." in ui.status
        await ui.press("z")
        await ui.settled()
        assert ui.cursor_id == only


async def test_from_the_folders_pane(store: FilledStore) -> None:
    """Keys that act on messages say so where the folders have the keys, and do nothing."""
    async with opened(store) as ui:
        await ui.press("shift+tab")
        for key in ("e", "d", "!", "s", "N", "x", "D"):
            await ui.press("ctrl+l", key)
            assert "This acts on messages: Tab goes to the list." in ui.status, key
        assert ui.journal() == []
        assert not ui.main.model.selected


async def test_move_and_copy_with_fuzzy_choice(store: FilledStore) -> None:
    """UX: M and C ask for a folder, found by a few letters; this folder is not among them; Esc leaves all as it is."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("M")
        assert "Move to" in ui.everything()
        assert [line.strip() for line in ui.choices] == [
            "Drafts", "Sent", "Archive", "Junk", "Trash", "Work", "Work / Deep",
        ]  # fmt: skip
        await ui.press("escape")
        assert ui.journal() == []
        await ui.press("M")
        await ui.type("wkdp")
        assert ui.choices == ["  Work / Deep"]
        await ui.press("enter")
        await ui.settled()
        assert "Moved 1 message to Work/Deep. z undoes it." in ui.status
        assert moves(ui) == [(ids[0], "Work/Deep")]
        await ui.press("C")
        await ui.type("work")
        await ui.press("enter")
        await ui.settled()
        assert "Copied 1 message to Work. z undoes it." in ui.status
        assert ui.cursor_id == ids[1]
        copies = [operation for operation in ui.journal() if isinstance(operation.payload, Copy)]
        assert [copy.payload.source_id for copy in copies if isinstance(copy.payload, Copy)] == [ids[1]]
        assert len(store.ids("Work")) == 1
        await ui.press("z")
        await ui.settled()
        assert store.ids("Work") == []
        await ui.press("M")
        await ui.type("nowhere")
        assert ui.choices == ["  Nothing matches."]
        await ui.press("enter", "escape")
        assert moves(ui) == [(ids[0], "Work/Deep")]


async def test_delete_for_good_asks(store: FilledStore) -> None:
    """UX: what can't be undone asks: n, q and Esc keep it, y deletes."""
    ids = store.ids()
    async with opened(store) as ui:
        for key in ("n", "q", "escape"):
            await ui.press("D")
            await ui.shows("Delete 1 message for good? This can't be undone.")
            await ui.press("j", key)
            assert ui.journal() == []
            assert ui.cursor_id == ids[0]
        await ui.press("D", "y")
        await ui.settled()
        assert "Deleted 1 message for good." in ui.status
        assert "undoes" not in ui.status
        assert [(type(each.payload), each.placement_id) for each in ui.journal()] == [(Expunge, ids[0])]
        assert ui.cursor_id == ids[1]


# flags


async def test_flag(store: FilledStore) -> None:
    """UX: s and F flag, and take the flag away; what waits for the network is marked."""
    ids = store.ids()
    async with opened(store) as ui:
        assert "⚑" not in ui.cursor_line
        await ui.press("s")
        assert "⚑" in ui.cursor_line
        assert "↑" in ui.cursor_line
        assert "⚑ flagged" in ui.message
        await ui.settled()
        assert "Flagged 1 message. z undoes it." in ui.status
        assert "\\Flagged" in ui.flags(ids[0])
        assert [each.payload for each in ui.journal()] == [FlagChange(FlagSet(Flag.FLAGGED), FlagSet())]
        await ui.press("F")
        await ui.settled()
        assert "⚑" not in ui.cursor_line
        assert "↑" not in ui.cursor_line
        assert ui.journal() == []
        await ui.press("z")
        await ui.settled()
        assert "⚑" in ui.cursor_line
        assert "\\Flagged" in ui.flags(ids[0])


async def test_read_and_unread(store: FilledStore) -> None:
    """UX: N marks unread and read again; the counts follow."""
    ids = store.ids()
    async with opened(store) as ui:
        assert "5 unread of 10" in ui.title(Where.LIST)
        await ui.press("N")
        assert "●" in ui.cursor_line
        await ui.settled()
        assert "Marked unread: 1 message. z undoes it." in ui.status
        assert ui.flags(ids[0]) == FlagSet()
        assert "6 unread of 10" in ui.title(Where.LIST)
        assert ui.folders[1].split() == ["Inbox", "6"]
        await ui.press("N")
        await ui.settled()
        assert "●" not in ui.cursor_line
        assert "Marked read: 1 message. z undoes it." in ui.status
        assert "5 unread of 10" in ui.title(Where.LIST)


async def test_mark_the_folder_read(store: FilledStore) -> None:
    """UX: A marks the whole folder read, undoable; once more says that all is read; in the tree it acts on the tree's folder."""
    store.add(range(1, 4), "Work", seen_every=9)
    async with opened(store) as ui:
        await ui.press("A")
        await ui.settled()
        assert "Marked read: 5 messages. z undoes it." in ui.status
        assert "●" not in "\n".join(ui.rows)
        assert len(ui.journal()) == 5
        await ui.press("A")
        assert "Everything in Inbox is read." in ui.status
        await ui.press("z")
        await ui.settled()
        assert "5 unread of 10" in ui.title(Where.LIST)
        await ui.press("shift+tab", "G", "k", "A")
        await ui.settled()
        assert "Marked read: 3 messages." in ui.status
        assert ui.folder == "INBOX"
        assert "5 unread of 10" in ui.title(Where.LIST)


async def test_keywords(store: FilledStore) -> None:
    """UX: l shows the keywords, to be changed: what is added and what is taken away; one that can't be is refused in words."""
    ids = store.ids()
    store.intents.set_flags(ids[:1], add=FlagSet(keywords=frozenset({"work", "later"})))
    before = len(store.queries.pending_operations())
    async with opened(store) as ui:
        assert "Tags  later, work" in ui.message
        await ui.press("l")
        line = ui.input()
        assert line is not None
        assert line.value == "later work"
        await ui.press("escape")
        await ui.settled()
        assert len(ui.journal()) == before
        await ui.press("l", *["backspace"] * 4)
        await ui.type("urgent  Later")
        await ui.press("enter")
        await ui.settled()
        assert ui.flags(ids[0]).keywords == {"later", "urgent"}
        assert "Tags  later, urgent" in ui.message
        assert "z undoes it." in ui.status
        await ui.press("z")
        await ui.settled()
        assert ui.flags(ids[0]).keywords == {"later", "work"}
        await ui.press("x", "x", "l")
        line = ui.input()
        assert line is not None
        assert line.value == ""
        await ui.type("two")
        await ui.press("enter")
        await ui.settled()
        assert ui.flags(ids[0]).keywords == {"later", "work", "two"}
        assert ui.flags(ids[1]).keywords == {"two"}
        await ui.press("k")
        assert "Tags  two" in ui.message
        await ui.press("escape", "l")
        await ui.type(' a"b')
        await ui.press("enter")
        await ui.says("A keyword is a word of letters, digits and most signs, without spaces.")
        assert 'a"b' not in ui.message


# selection


async def test_select_and_act(store: FilledStore) -> None:
    """UX: x and t select and go on; the action takes the selection, not the cursor, and the selection is over."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("x", "j", "t")
        assert ui.main.model.selected == {ids[0], ids[2]}
        assert "2 selected" in ui.title(Where.LIST)
        assert ui.line_of(ids[0]).startswith("▌")
        assert not ui.line_of(ids[1]).startswith("▌")
        await ui.press("e")
        await ui.settled()
        assert "Archived 2 messages. z undoes it." in ui.status
        assert {ui.mailbox_of(each) for each in (ids[0], ids[2])} == {"Archive"}
        assert ui.mailbox_of(ids[3]) == "INBOX"
        assert ui.cursor_id == ids[3]
        assert "selected" not in ui.title(Where.LIST)
        await ui.press("z")
        await ui.settled()
        assert list(ui.main.model.ids) == ids
        await ui.press("x", "x", "escape")
        assert not ui.main.model.selected
        assert "selected" not in ui.title(Where.LIST)


async def test_select_a_range(store: FilledStore) -> None:
    """UX: V begins a range that follows the cursor, up or down; Esc gives it up; the action takes all of it."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("j", "V", "j", "j")
        assert [ui.line_of(each).startswith("▌") for each in ids[:5]] == [False, True, True, True, False]
        assert "3 selected" in ui.title(Where.LIST)
        await ui.press("escape")
        assert "▌" not in "\n".join(ui.rows)
        assert ui.where() is Where.LIST
        await ui.press("V", "k", "V", "j", "j")
        assert ui.main.model.selected == {ids[2], ids[3]}
        await ui.press("s")
        await ui.settled()
        assert "Flagged 2 messages." in ui.status
        assert "\\Flagged" in ui.flags(ids[2])
        assert "\\Flagged" not in ui.flags(ids[4])
        await ui.press("escape", "G", "V", "g", "g", "d")
        await ui.settled()
        assert "Moved to Trash: 10 messages." in ui.status
        assert store.ids() == []


async def test_flags_of_a_mixed_selection(store: FilledStore) -> None:
    """Where one of the selection lacks the flag all get it; where all have it, it is taken from all. The selection stays."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("V", "j", "j", "V", "N")
        await ui.settled()
        assert "Marked read: 1 message." in ui.status
        assert all("\\Seen" in ui.flags(each) for each in ids[:3])
        assert ui.main.model.selected == set(ids[:3])
        assert ["↑" in ui.line_of(each) for each in ids[:3]] == [False, True, False]
        await ui.press("N")
        await ui.settled()
        assert "Marked unread: 3 messages." in ui.status
        assert "3 selected" in ui.title(Where.LIST)
        await ui.press("escape")
        assert "7 unread of 10" in ui.title(Where.LIST)


async def test_select_by_a_pattern(store: FilledStore) -> None:
    """UX: T selects by part of a sender or subject, or with * and ?; what matches nothing is said."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("T")
        await ui.type("SENDER3@")
        await ui.press("enter")
        assert ui.main.model.selected == {ids[0], ids[7]}
        assert "2 messages selected." in ui.status
        await ui.press("escape", "T")
        await ui.type("subject ?0")
        await ui.press("enter")
        assert ui.main.model.selected == {ids[0]}
        await ui.press("escape", "T")
        await ui.type("[x")
        await ui.press("enter")
        assert "No message matches." in ui.status
        await ui.press("T", "escape", "T", "enter")
        assert not ui.main.model.selected


async def test_select_everything_in_the_folder(tmp_path: Path) -> None:
    """The palette selects everything in the folder, what is not on the screen too; undo is one step."""
    with filled(tmp_path, count=300) as store:
        async with opened(store) as ui:
            await ui.run("select everything")
            assert "300 messages selected." in ui.status
            await ui.press("d")
            await ui.settled()
            assert "Moved to Trash: 300 messages." in ui.status
            assert store.ids() == []
            await ui.press("z")
            await ui.settled()
            await ui.until(lambda: len(ui.main.model) == 300)
            assert len(store.ids()) == 300
            assert ui.journal() == []


# undo


async def test_undo_after_a_restart(store: FilledStore) -> None:
    """UX: undo survives a restart, step by step."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("e", "s", "d")
        await ui.settled()
        assert len(ui.journal()) == 3
    async with opened(store) as ui:
        assert list(ui.main.model.ids) == ids[2:]
        await ui.press("z")
        await ui.settled()
        assert list(ui.main.model.ids) == ids[1:]
        assert "⚑" in ui.cursor_line
        await ui.press("u", "ctrl+z")
        await ui.settled()
        assert list(ui.main.model.ids) == ids
        assert "⚑" not in "\n".join(ui.rows)
        assert ui.journal() == []


async def test_changes_right_before_quitting_are_kept(store: FilledStore) -> None:
    """L3: what was done right before q is in the store."""
    ids = store.ids()
    async with opened(store) as ui:
        for key in ("e", "s", "q"):
            ui.send(key)
        await ui.until(lambda: ui.app._exit)
    assert store.queries.row(ids[0]).mailbox == "Archive"  # type: ignore[union-attr]
    assert "\\Flagged" in store.queries.row(ids[1]).flags  # type: ignore[union-attr]


async def test_undo_in_another_folder_goes_back_there(store: FilledStore) -> None:
    """Undo acts wherever one is, and leaves the list that is shown alone."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("e", "g", "e")
        await ui.settled()
        assert list(ui.main.model.ids) == [ids[0]]
        await ui.press("z")
        await ui.settled()
        assert ui.mailbox_of(ids[0]) == "INBOX"
        assert list(ui.main.model.ids) == []
        await ui.press("g", "i")
        assert ui.cursor_id == ids[0]
