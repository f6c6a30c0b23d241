"""Reading: the text, when a message counts as read, the views, pipes, the clipboard, and mail that comes meanwhile."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from filled_store import ROLES, FilledStore, listing
from termmail.accounts.config import Config, Ui
from termmail.cli import app as cli_app
from termmail.model.flags import Flag, FlagSet
from termmail.model.message import BodyState
from termmail.model.origin import Origin
from termmail.model.remote import FaultKind, FetchFault, RemoteFlags
from termmail.model.status import AccountStatus, ConnectionState, Request, RequestState
from termmail.store.intents import Intents
from termmail.ui.app import TermmailApp
from termmail.ui.keymap import Where
from termmail.ui.origins import Origins
from ui.support import MIDDLE, NARROW, PATIENCE, Driven, filled, opened

PLAIN = b"""\
From: Sender 3 <sender3@demo.example>
To: Lisa <lisa@demo.example>
Subject: Subject 10
X-Odd: a field of its own
Content-Type: text/plain; charset=utf-8

Good morning, see https://example.org/plan for the plan.

> quoted words
"""
HTML = b"""\
From: Sender 3 <sender3@demo.example>
Subject: Subject 10
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>Dear <b>reader</b>, <a href="https://example.org/go">go there</a>.</p>
--b
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename=plan.pdf

%PDF
--b--
"""
LONG = PLAIN.replace(b"> quoted words", b"\n\n".join(b"Paragraph %d." % number for number in range(80)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


async def text_shown(ui: Driven, words: str) -> None:
    await ui.until(lambda: words in ui.message)


# when it counts as read


async def test_it_becomes_read_in_view(store: FilledStore) -> None:
    """UX: a message becomes read after the time in view that the config says, quietly, and by going to it, not by the start."""
    ids = store.ids()
    for placement_id in ids[:3]:
        store.add_body(placement_id, PLAIN)
    store.intents.set_flags([ids[0]], remove=FlagSet(Flag.SEEN))
    async with opened(store, read_after=0.01) as ui:
        await text_shown(ui, "Good morning")
        await ui.settled()
        await ui.press("j")
        await text_shown(ui, "Good morning")
        await ui.until(lambda: "\\Seen" in ui.flags(ids[1]))
        await ui.settled()
        assert "●" not in ui.cursor_line
        assert ui.status.split()[0] == "lisa"
        assert "\\Seen" not in ui.flags(ids[0])
        await ui.press("N")
        await ui.settled()
        assert "●" in ui.cursor_line
        await ui.press("j", "k")
        await ui.until(lambda: "\\Seen" in ui.flags(ids[1]))


async def test_never_by_itself(store: FilledStore) -> None:
    """Config: `mark_read_after = -1` never marks a message read by looking at it."""
    ids = store.ids()
    store.add_body(ids[1], PLAIN)
    async with opened(store, read_after=-1) as ui:
        await ui.press("j")
        await text_shown(ui, "Good morning")
        await ui.press("enter")
        assert ui.main.reading._read_timer is None
        await ui.settled()
        assert "\\Seen" not in ui.flags(ids[1])


async def test_marked_unread_while_in_view_stays_so(store: FilledStore) -> None:
    """What the user marks unread while looking at it is not marked read under their eyes."""
    ids = store.ids()
    store.add_body(ids[1], PLAIN)
    async with opened(store, read_after=0.01) as ui:
        await ui.press("j")
        await text_shown(ui, "Good morning")
        await ui.until(lambda: "\\Seen" in ui.flags(ids[1]))
        await ui.press("N", "enter", "H", "H", "H", "H")
        await ui.settled()
        assert "\\Seen" not in ui.flags(ids[1])


def test_the_config_reaches_the_screen(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Config: `ui.mark_read_after` is the time that the screen waits."""
    started: list[float] = []
    monkeypatch.setattr("termmail.ui.app.check_terminal", lambda environment: None)
    monkeypatch.setattr(TermmailApp, "run", lambda app: started.append(app.read_after))
    config = Config(store.accounts, ui=Ui(mark_read_after=3.5))
    assert cli_app._run(store.home, config, store.accounts, lambda: None) == 0  # type: ignore[arg-type, return-value]
    assert started == [3.5]


# views


async def test_views(store: FilledStore) -> None:
    """UX: h goes through text, HTML and source, H through all header fields, source and the way it took; the title says which."""
    ids = store.ids()
    store.add_body(ids[0], HTML)
    async with opened(store) as ui:
        await text_shown(ui, "Dear")
        assert "HTML as text" in ui.title(Where.MESSAGE)
        assert "plan.pdf" in ui.message
        await ui.press("h")
        await text_shown(ui, "Dear")
        await ui.until(lambda: ui.title(Where.MESSAGE).rstrip().endswith(" HTML"))
        await ui.press("h")
        await text_shown(ui, "<p>Dear <b>reader</b>")
        assert "Content-Type: application/pdf" in ui.message
        await ui.press("h")
        await ui.until(lambda: "<p>" not in ui.message and "Dear" in ui.message)
        await ui.press("H")
        await text_shown(ui, "Content-Type: multipart/mixed; boundary=b")
        assert "all headers" in ui.title(Where.MESSAGE)
        await ui.press("H")
        await text_shown(ui, "<p>Dear <b>reader</b>")
        await ui.press("H")
        await text_shown(ui, "this computer")
        assert "the way it took" in ui.title(Where.MESSAGE)
        await ui.press("H")
        await ui.until(lambda: "this computer" not in ui.message and "Dear" in ui.message)
        await ui.press("H", "j", "k")
        await ui.until(lambda: "Dear" in ui.message)


async def test_views_of_what_is_not_here(store: FilledStore) -> None:
    """Without the text: its words for the connection, a request to the engine, and h says why it can't."""
    ids = store.ids()
    async with opened(store) as ui:
        assert "Fetching the text of this message (1.0 kB) …" in ui.message
        await ui.press("h")
        assert "The message is not here yet; only its headers above are." in ui.status
        await ui.until(lambda: store.ingest.take_requests())
        store.ingest.set_status(AccountStatus("lisa", ConnectionState.OFFLINE))
        await text_shown(ui, "The text of this message is not here yet, and there is no")
        assert "It is fetched first with the next one." in ui.message
        assert "…" not in ui.message
        store.add_body(ids[0], PLAIN)
        await text_shown(ui, "Good morning")


async def test_a_text_that_could_not_be_fetched(store: FilledStore) -> None:
    """A text that could not be fetched says why until it is asked for again, whatever the connection does meanwhile."""
    async with opened(store) as ui:
        requests: list[Request] = []

        def asked(times: int) -> bool:
            requests.extend(store.ingest.take_requests())
            return len(requests) == times

        def shown(activity: str) -> bool:
            return ui.main.statuses[0].activity == activity

        await ui.until(lambda: asked(1))
        store.ingest.finish_request(requests[0].id, RequestState.FAILED, "The server closed the connection.")
        await text_shown(ui, "The text of this message could not be fetched.")
        assert "The server closed the connection." in ui.message
        for activity in ("INBOX: messages", ""):
            store.ingest.set_status(AccountStatus("lisa", ConnectionState.ONLINE, activity=activity))
            await ui.settled()
            await ui.until(partial(shown, activity))
            assert "The server closed the connection." in ui.message
        await ui.press("enter")
        await ui.until(lambda: asked(2))
        assert "Fetching the text of this message" in ui.message


async def test_a_text_that_arrives_while_it_is_found_missing(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown: the answer that it is not here does not stand for the question that was asked when it was."""
    looking, arrived = threading.Event(), threading.Event()
    second = store.ids()[1]
    real = Origins.of

    def of(origins: Origins, placement_id: int) -> Origin | None:
        if placement_id == second:
            looking.set()
            arrived.wait(PATIENCE)
        return real(origins, placement_id)

    async with opened(store) as ui:
        await text_shown(ui, "Fetching the text of this message")
        # It was looked at once already, as what is likely to be opened next.
        await ui.until(lambda: ui.main.backend.bodies.last_origin(second) is not None)
        monkeypatch.setattr(Origins, "of", of)
        await ui.press("j")
        await ui.until(looking.is_set)
        store.add_body(second, PLAIN)
        await ui.settled()
        arrived.set()
        await text_shown(ui, "Good morning")


async def test_a_very_large_message_is_fetched_on_request(store: FilledStore) -> None:
    """X8: a very large message is fetched only when it is opened."""
    target = store.ingest.body_target(store.ids()[0])
    assert target is not None
    store.ingest.mark_body(target, BodyState.TOO_LARGE, "")
    async with opened(store) as ui:
        await text_shown(ui, "This message is very large")
        await ui.press("j", "k")
        assert ui.main.reading._request_timer is None
        await ui.settled()
        assert store.ingest.take_requests() == []
        await ui.press("enter")
        await ui.settled()
        assert [request.placement_id for request in store.ingest.take_requests()] == [ui.cursor_id]


async def test_scrolling_a_long_message(store: FilledStore) -> None:
    """UX: in the message arrows, pages, g g and G scroll; Space pages and at the end goes to the next unread message."""
    ids = store.ids()
    store.add_body(ids[0], LONG)
    async with opened(store, NARROW) as ui:
        await ui.press("enter")
        await text_shown(ui, "Paragraph 0.")
        await ui.press("down", "down")
        assert ui.main.message_pane.top == 2
        await ui.press("up", "backspace")
        assert ui.main.message_pane.top == 0
        await ui.press("G")
        assert "Paragraph 79." in ui.message
        await ui.press("g", "g")
        assert "Subject 10" in ui.message
        for _ in range(40):
            await ui.press("space")
            if ui.cursor_id != ids[0]:
                break
            assert ui.main.message_pane.top > 0
        assert ui.cursor_id == ids[1]
        assert "Subject 9" in ui.message
        assert ui.main.message_pane.top == 0


# links


async def test_links_ask_with_the_whole_address(store: FilledStore) -> None:
    """D8: opening a link asks with the whole URL; n keeps it closed."""
    store.add_body(store.ids()[0], PLAIN)
    async with opened(store) as ui:
        await ui.press("tab")
        await text_shown(ui, "Links")
        await ui.press("1")
        await ui.shows("Open this link at example.org?")
        assert "https://example.org/plan" in ui.everything()
        await ui.press("n", "2")
        await ui.says("There is no such link: they have numbers from 1 to 1.")
        await ui.press("enter")
        assert "https://example.org/plan" in "\n".join(ui.choices)
        await ui.press("enter")
        await ui.shows("Open this link at example.org?")
        await ui.press("escape")


# elsewhere


async def test_pipe(store: FilledStore, tmp_path: Path) -> None:
    """UX: | gives the whole message, byte for byte, to a command; what it prints is shown, its failure said; it is remembered."""
    ids = store.ids()
    store.add_body(ids[0], PLAIN)
    target = tmp_path / "with a space"
    async with opened(store) as ui:
        await text_shown(ui, "Good morning")
        await ui.press("|")
        await ui.type(f"cat > {shlex.quote(str(target))}")
        await ui.press("enter")
        await ui.says("The command is done and printed nothing.")
        assert target.read_bytes() == PLAIN
        await ui.press("|")
        line = ui.input()
        assert line is not None
        assert line.value.startswith("cat > ")
        line.value = "grep -c . ; echo '[red]\x1b[31mred'; exit 3"
        await ui.press("enter")
        await ui.says("The command ended with exit code 3.")
        await ui.shows("[red]")
        assert "\x1b" not in ui.everything()
        await ui.press("q")
        assert ui.app.screen is ui.main
        await ui.press("j", "|")
        await ui.says("The message is not here yet; open it to fetch it first.")


async def test_copy_to_the_clipboard(store: FilledStore) -> None:
    """UX: y copies an address, the subject, a link or the text, through the terminal."""
    store.add_body(store.ids()[0], PLAIN)
    async with opened(store) as ui:
        await text_shown(ui, "Good morning")
        for words, copied in (
            ("sender3", "sender3@demo.example"),
            ("recipient", "lisa@demo.example"),
            ("subject 10", "Subject 10"),
            ("https link", "https://example.org/plan"),
            ("message-10", "<message-10@demo.example>"),
        ):
            await ui.press("y")
            await ui.type(words)
            await ui.press("enter")
            assert ui.app.clipboard == copied
            assert "is in the clipboard" in ui.status
        await ui.press("y")
        await ui.type("text of the")
        await ui.press("enter")
        assert "Good morning, see https://example.org/plan for the plan." in ui.app.clipboard
        await ui.press("y", "escape")


# what others do meanwhile


async def test_new_mail_while_reading(store: FilledStore) -> None:
    """New mail comes in above: list, counts and tree follow, the cursor and the text that is read stay where they are."""
    ids = store.ids()
    store.add_body(ids[4], LONG)
    async with opened(store, MIDDLE) as ui:
        await ui.press("j", "j", "j", "j", "enter")
        await text_shown(ui, "Paragraph 0.")
        await ui.press("down", "down", "down")
        store.add(range(11, 14), seen_every=99)
        await ui.settled()
        assert list(ui.main.model.ids) == store.ids()
        assert len(ui.main.model) == 13
        assert ui.cursor_id == ids[4]
        assert "Subject 6 " in ui.cursor_line
        assert ui.main.message_pane.top == 3
        assert "8 unread of 13" in ui.title(Where.LIST)
        assert ui.folders[1].split() == ["Inbox", "8"]
        assert "Message 8 of 13" in ui.title(Where.MESSAGE)


async def test_much_new_mail_and_a_window_that_is_scrolled(tmp_path: Path) -> None:
    """Thousands come in while the list is scrolled: the rows on the screen stay where they are."""
    with filled(tmp_path, count=400) as store:
        async with opened(store, MIDDLE) as ui:
            await ui.press("G")
            await ui.press("pageup")
            before = ui.rows
            at = ui.cursor_id
            store.add(range(401, 1401))
            await ui.settled()
            await ui.until(lambda: len(ui.main.model) == 1400)
            assert ui.cursor_id == at
            assert [line.rstrip(" ▐") for line in ui.rows] == [line.rstrip(" ▐") for line in before]


async def test_new_mail_under_another_order(store: FilledStore) -> None:
    """In a list sorted by sender new mail takes its place, and the cursor stays on its message."""
    async with opened(store) as ui:
        await ui.press("o")
        await ui.type("sender, a")
        await ui.press("enter", "j", "j")
        at = ui.cursor_id
        store.add([14])
        await ui.until(lambda: len(ui.main.model) == 11)
        assert ui.cursor_id == at
        assert ui.row(ui.main.model.ids[0]).from_[0].name == "Sender 0"
        assert list(ui.main.model.ids) == list(
            store.queries.message_ids(store.mailboxes["INBOX"], ui.main.model.key.sort)
        )


async def test_changes_of_another_process(store: FilledStore) -> None:
    """DESIGN: what another front end or the server changes is seen: flags, a message that goes, also the one that is read."""
    ids = store.ids()
    other = Intents(store.home)
    try:
        async with opened(store) as ui:
            await ui.press("j")
            other.set_flags([ids[1]], add=FlagSet(Flag.FLAGGED, frozenset({"later"})))
            await ui.until(lambda: "⚑" in ui.cursor_line)
            assert "⚑ flagged" in ui.message
            assert "Tags  later" in ui.message
            store.ingest.update_flags(store.mailboxes["INBOX"], [RemoteFlags(8, FlagSet())])
            await ui.until(lambda: "●" in ui.line_of(ids[2]))
            other.delete([ids[1]])
            await ui.until(lambda: ui.cursor_id == ids[2])
            assert "Subject 8" in ui.message
            await ui.press("x")
            other.delete([ids[2]])
            await ui.settled()
            assert not ui.main.model.selected
            assert "selected" not in ui.title(Where.LIST)
            other.undo()
            await ui.settled()
            assert list(ui.main.model.ids) == [ids[0], *ids[2:]]
    finally:
        other.close()


async def test_a_message_that_can_not_be_fetched(store: FilledStore) -> None:
    """P3: a message that could not be read is a row with its problem, told in the message pane too; j goes on past it."""
    store.ingest.add_fault(
        store.mailboxes["INBOX"], FetchFault(11, FaultKind.MALFORMED, "The server sent nonsense for it.")
    )
    async with opened(store) as ui:
        odd = next(each for each in ui.main.model.ids if ui.row(each).problem)
        while ui.cursor_id != odd:
            await ui.press("j")
        assert "The server sent nonsense for it." in ui.message
        assert "!" in ui.cursor_line
        await ui.press("e")
        await ui.settled()
        assert ui.mailbox_of(odd) == "Archive"


async def test_the_folder_that_is_shown_goes(store: FilledStore) -> None:
    """X7: the folder that is shown is deleted by another client: the inbox is shown instead, and that is said."""
    async with opened(store) as ui:
        await ui.press("g", "t")
        store.ingest.apply_listing("lisa", listing(*(name for name in ROLES if name != "Trash")))
        await ui.says("The folder is gone; this is the inbox.")
        assert ui.folder == "INBOX"
        assert ui.at == "Subject 10"
