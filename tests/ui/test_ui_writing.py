"""Writing in the mail reader: the composer, its ways out, and the outbox (UX.md, Composer; O9)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from filled_store import FilledStore
from termmail.mime.mailto import parse_mailto
from termmail.model.account import Identity, Security, Server
from termmail.model.errors import TermmailError
from termmail.model.home import Home
from termmail.model.message import Address
from termmail.model.operation import Upload
from termmail.model.outgoing import Draft, DraftAttachment, OutboxItem, OutboxState
from termmail.model.status import RequestState
from termmail.store.correspondents import catch_up
from termmail.store.drafts import DraftFolder, DraftTaken
from termmail.store.outbox import Outbox
from termmail.ui import editor
from termmail.ui.app import TermmailApp
from termmail.ui.screens.composer import ComposerScreen
from termmail.ui.screens.main import MainScreen
from termmail.ui.words import Clock, left_in_outbox
from termmail.ui.writing import Beginning
from ui.support import NARROW, NOW, WIDE, Driven, filled, opened, screen_text

ORIGINAL = (
    b"From: Bob Marlow <bob@demo.example>\r\nTo: Lisa <lisa@demo.example>\r\nCc: Sam <sam@demo.example>\r\n"
    b"Subject: Lunch\r\nMessage-ID: <lunch@demo.example>\r\nDate: Tue, 14 Nov 2023 22:00:00 +0000\r\n\r\n"
    b"Half past twelve?\r\n"
)


DRAFT = Draft(id="", account="lisa", from_=Address("Lisa", "lisa@demo.example"), to="bob@demo.example", subject="Hello")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path / "home", accounts=("lisa", "work")) as store:
        smtp = Server("127.0.0.1", 1, Security.NONE)
        store.accounts = tuple(msgspec.structs.replace(account, smtp=smtp) for account in store.accounts)
        store.add_body(store.ids()[0], ORIGINAL)
        yield store


class Writing:
    """The composer on top of an app."""

    def __init__(self, ui: Driven) -> None:
        self.ui = ui

    @property
    def screen(self) -> ComposerScreen:
        screen = self.ui.app.screen
        assert isinstance(screen, ComposerScreen), self.ui.everything()
        return screen

    async def here(self) -> None:
        await self.ui.until(lambda: isinstance(self.ui.app.screen, ComposerScreen) and self.ui.app.screen._ready)
        await self.ui.drawn()

    async def gone(self) -> None:
        await self.ui.until(lambda: self.ui.app.screen is self.ui.main)
        await self.ui.settled()

    async def write(self, text: str) -> None:
        """Type, as fast as a terminal pastes."""
        for character in text:
            self.ui.send({" ": "space", "\n": "enter", "\t": "tab"}.get(character, character))
        await self.ui.drawn()

    async def says(self, words: str) -> None:
        await self.ui.until(lambda: words in self.screen.words.words)

    @property
    def focus(self) -> str:
        return (self.screen.focused.id or "") if self.screen.focused is not None else "bar"


def sent_message(home: Home, item: OutboxItem) -> EmailMessage:
    """The message of an item, as Python's own parser reads it."""
    (folder,) = [one for one in home.outbox.iterdir() if (one / "message.eml").is_file()]
    assert item.state is OutboxState.QUEUED
    found = message_from_bytes((folder / "message.eml").read_bytes(), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def drafts_waiting(store: FilledStore) -> list[Upload]:
    """What is on its way into a Drafts mailbox."""
    return [one.payload for one in store.queries.pending_operations() if isinstance(one.payload, Upload)]


async def compose(ui: Driven, key: str = "m") -> Writing:
    await ui.press(key)
    writing = Writing(ui)
    await writing.here()
    return writing


async def test_a_message_is_written_and_sent(store: FilledStore) -> None:
    """m, the fields by Tab and Enter, Esc, y: it waits in the outbox for ten seconds, counted down, and is what was typed."""
    async with opened(store) as ui:
        writing = await compose(ui)
        assert writing.focus == "to"
        await writing.write("bob@demo.example\t\t\tLunch é\nHalf past twelve,\nat the pier.")
        assert writing.focus == "body"
        await ui.press("escape", "y")
        await writing.gone()
        await ui.until(lambda: "takes it back" in ui.status)
        assert "↑ Outbox" in ui.folders[0]
        await ui.says("1 to be sent")
        (item,) = store.queries.outbox()
        assert 5 < item.not_before - time.time() <= 10
        message = sent_message(store.home, item)
        assert message["To"] == "bob@demo.example"
        assert message["Subject"] == "Lunch é"
        assert message.get_content().split() == ["Half", "past", "twelve,", "at", "the", "pier."]
        assert message.get_content().count("\n") == 2


async def test_a_reply_and_undo(store: FilledStore) -> None:
    """r quotes and answers; what is typed ahead of the composer lands in it; z takes the mail back into the composer, whole."""
    async with opened(store) as ui:
        for key in ("r", *"Yes", "escape", "y"):
            ui.send(key)
        await ui.until(store.queries.outbox)
        writing = Writing(ui)
        await writing.gone()
        (item,) = store.queries.outbox()
        message = sent_message(store.home, item)
        assert message["To"] == "Bob Marlow <bob@demo.example>"
        assert message["Subject"] == "Re: Lunch"
        assert message["In-Reply-To"] == "<lunch@demo.example>"
        text = message.get_content()
        assert text.startswith("Yes")
        assert "> Half past twelve?" in text
        await ui.press("z")
        await writing.here()
        assert store.queries.outbox() == []
        assert writing.screen.body.text.startswith("Yes")
        assert writing.screen.head.fields["subject"].value == "Re: Lunch"


async def test_reply_to_all_and_forward(store: FilledStore) -> None:
    """a answers everybody but oneself; f takes the text along."""
    async with opened(store) as ui:
        writing = await compose(ui, "a")
        assert "sam@demo.example" in writing.screen.head.fields["cc"].value
        assert "lisa@" not in writing.screen.head.fields["to"].value + writing.screen.head.fields["cc"].value
        await ui.press("escape", "q")
        await writing.gone()
        writing = await compose(ui, "f")
        assert writing.focus == "to"
        assert writing.screen.head.fields["subject"].value == "Fwd: Lunch"
        assert "Half past twelve?" in writing.screen.body.text


async def test_a_message_that_is_not_here_is_fetched_first(store: FilledStore) -> None:
    """r on a message of which only the header is here asks the engine for it, and answers when it has come."""
    async with opened(store) as ui:
        await ui.press("j", "r")
        await ui.settled()
        assert "Fetching the message" in ui.status
        store.add_body(ui.cursor_id, ORIGINAL)
        for request in store.ingest.take_requests():
            store.ingest.finish_request(request.id, RequestState.DONE)
        writing = Writing(ui)
        await writing.here()
        assert writing.screen.head.fields["subject"].value == "Re: Lunch"


async def test_an_account_that_only_receives_says_so(store: FilledStore) -> None:
    """At once, not in the outbox after it was written; another sender mends it."""
    lisa, work = store.accounts
    store.accounts = (msgspec.structs.replace(lisa, smtp=None), work)
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.says("“lisa” only receives: it has no server for sending. Esc f writes as another sender.")
        await writing.write("bob@demo.example\t\t\tHello\tText")
        await ui.press("escape", "y")
        await writing.says("“lisa” only receives")
        assert ui.queries.outbox() == []
        await ui.press("f")
        await ui.type("work")
        await ui.press("enter")
        await writing.here()
        await ui.until(lambda: writing.screen.words.words == "")
        await ui.press("y")
        await writing.gone()
        assert [item.account for item in ui.queries.outbox()] == ["work"]


async def test_second_thoughts(store: FilledStore) -> None:
    """An empty subject and a missing attachment are said in one line; y again sends all the same; any other key forgets it."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\t\tsee the attached plan")
        await ui.press("escape", "y")
        assert "The subject is empty." in writing.screen.words.words
        assert "nothing is attached" in writing.screen.words.words
        assert store.queries.outbox() == []
        await ui.press("i", "escape", "y")
        assert store.queries.outbox() == []
        await ui.press("y")
        await writing.gone()
        assert len(store.queries.outbox()) == 1


@pytest.mark.parametrize("key", ["r", "a"])
async def test_a_reply_that_goes_elsewhere_is_said(store: FilledStore, key: str) -> None:
    """A6: a Reply-To at another domain than the writer's; not where one answers what one wrote oneself."""
    elsewhere = ORIGINAL.replace(b"Subject:", b"Reply-To: bob@elsewhere.example\r\nSubject:")
    mine = ORIGINAL.replace(b"From: Bob Marlow <bob@demo.example>", b"From: lisa@demo.example").replace(
        b"To: Lisa <lisa@demo.example>", b"To: bob@elsewhere.example"
    )
    store.add_body(store.ids()[1], elsewhere.replace(b"<lunch@", b"<elsewhere@"))
    store.add_body(store.ids()[2], mine.replace(b"<lunch@", b"<mine@"))
    async with opened(store) as ui:
        await ui.press("j")
        writing = await compose(ui, key)
        await ui.press("escape", "y")
        await writing.says("The reply goes to bob@elsewhere.example, not to bob@demo.example, who wrote.")
        await ui.press("q")
        await writing.gone()
        await ui.press("j")
        writing = await compose(ui, key)
        assert "bob@elsewhere.example" in writing.screen.head.fields["to"].value
        await ui.press("escape", "y")
        await writing.gone()


async def test_what_is_said_is_said_whole(store: FilledStore) -> None:
    """Second thoughts that take more than a line of a small terminal take two, with the key that sends all the same."""
    async with opened(store, NARROW) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\t\tsee the attached plan")
        await ui.press("escape", "y")
        assert writing.screen.words.height == 2
        assert writing.screen.words.words.endswith("y sends it all the same.")
        await ui.shows("The subject is empty.")
        await ui.shows("y sends it all the same.")
        await ui.press("i")
        await ui.press("escape", "s")
        await writing.says("Saved in Drafts.")
        await ui.until(lambda: writing.screen.words.height == 1)


async def test_an_address_that_is_none(store: FilledStore) -> None:
    """The sentence says which, the cursor goes to its field, and nothing is lost."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@@demo\tsam@demo.example\t\tLunch\tHello")
        await ui.press("escape", "y")
        await ui.until(lambda: writing.focus == "to")
        assert "bob@@demo" in writing.screen.words.words
        assert writing.screen.body.text == "Hello"
        assert store.queries.outbox() == []


async def test_addresses_are_completed(store: FilledStore) -> None:
    """A few letters of somebody one heard from; Enter takes the first, and the next one follows behind the comma."""
    catch_up(store.ingest.database)
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("sender3")
        await ui.until(lambda: writing.screen.head.suggestions.people)
        await ui.press("enter")
        assert writing.screen.head.fields["to"].value == "Sender 3 <sender3@demo.example>, "
        assert writing.focus == "to"


async def test_autosave_and_recovery(store: FilledStore) -> None:
    """O9: what is typed is on the disk within five seconds; after a crash the next start brings it into Drafts and says so."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tI was typing th")
        folder = writing.screen.folder.folder
        await ui.until(lambda: b"typing th" in (folder / "draft.json").read_bytes())


@pytest.mark.parametrize(
    ("keys", "sent", "kept"), [(("y", "y", "escape"), 1, 0), (("y", "d"), 1, 0), (("q", "s"), 0, 1), (("d", "d"), 0, 0)]
)
async def test_a_draft_goes_one_way(store: FilledStore, keys: tuple[str, ...], sent: int, kept: int) -> None:
    """O9: keys behind the one that ends the composer, however fast they come, are for the list below it."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHello")
        await ui.press("escape")
        for key in keys:
            ui.send(key)
        await writing.gone()
        assert len(store.queries.outbox()) == sent
        assert len(drafts_waiting(store)) == kept
        assert ui.app.composers == []


async def test_a_draft_that_could_not_be_sent_stays_open(store: FilledStore) -> None:
    """O9: no other process takes it for one that was left behind, and keys typed ahead are not typed into it."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@@demo\t\t\tLunch\tHello")
        await ui.press("escape")
        ui.send("y")
        ui.send("j")
        await ui.until(lambda: writing.focus == "to")
        await ui.settled()
        assert writing.screen.head.fields["to"].value == "bob@@demo"
        with pytest.raises(DraftTaken):
            DraftFolder.open(store.home, writing.screen.folder.folder.name)


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_keeps_the_draft(store: FilledStore, key: str) -> None:
    """q leaves: the draft is on its way to the account's Drafts, once; E and Enter write on there."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tLater")
        await ui.press("escape", key)
        await writing.gone()
        assert len(drafts_waiting(store)) == 1
        await ui.until(lambda: any(line.split() == ["Drafts", "1"] for line in ui.folders))
        await ui.press("g", "d")
        await ui.until(lambda: len(ui.rows) >= 1)
        await ui.press("enter")
        await writing.here()
        assert writing.screen.body.text.rstrip() == "Later"
        assert writing.screen.head.fields["to"].value == "bob@demo.example"
        await writing.screen.app.workers.wait_for_complete()
        await ui.press("escape", "y")
        await writing.gone()
        (item,) = store.queries.outbox()
        assert sent_message(store.home, item)["Subject"] == "Lunch"


async def test_saving_puts_it_into_drafts(store: FilledStore) -> None:
    """s puts what is written so far into the account's Drafts, each time in place of the last, also with what comes right behind it."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tOne")
        await ui.press("escape", "s")
        await writing.says("Saved in Drafts.")
        (first,) = drafts_waiting(store)
        assert b"One" in (store.home.uploads / first.file).read_bytes()
        await ui.press("i")
        await writing.write(" two")
        for key in ("escape", "s", "q"):
            ui.send(key)
        await writing.gone()
        (last,) = drafts_waiting(store)
        assert b"One two" in (store.home.uploads / last.file).read_bytes()


async def test_a_message_that_was_saved_is_sent_once(store: FilledStore) -> None:
    """What is in Drafts goes when it is sent."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tOne")
        await ui.press("escape", "s", "y")
        await writing.gone()
        assert len(store.queries.outbox()) == 1
        assert drafts_waiting(store) == []


async def test_discarding_can_be_undone(store: FilledStore) -> None:
    """d leaves nothing behind; z brings it back into the composer."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tNo")
        await ui.press("escape", "d")
        await writing.gone()
        assert drafts_waiting(store) == []
        await ui.press("z")
        await writing.here()
        assert writing.screen.body.text == "No"


async def test_files_are_attached(store: FilledStore, tmp_path: Path) -> None:
    """a, a path that completes itself, Enter: the file is copied, so that changing it later changes nothing; x takes it out."""
    (tmp_path / "plans").mkdir()
    plan = tmp_path / "plans" / "Der Plän.txt"
    plan.write_text("the plan")
    async with opened(store) as ui:
        writing = await compose(ui)
        composer = writing.screen
        await writing.write("bob@demo.example\t\t\tPlan\tHere")
        for wanted in (1, 2):
            await ui.press("escape", "a")
            for key in (*f"{tmp_path}/pl", *(("tab", "enter") if wanted == 1 else ("enter", "D", "enter"))):
                ui.send(key)
            await ui.until(lambda wanted=wanted: len(composer.draft.attachments) == wanted)  # type: ignore[misc]
            await writing.here()
        plan.write_text("changed")
        assert "Der Plän.txt" in ui.everything()
        await ui.press("x", "enter")
        assert len(writing.screen.draft.attachments) == 1
        await ui.press("y")
        await writing.gone()
        (item,) = store.queries.outbox()
        (part,) = sent_message(store.home, item).iter_attachments()
        assert part.get_filename() == "Der Plän.txt"
        assert part.get_content() == "the plan"


async def test_several_files_are_marked(store: FilledStore, tmp_path: Path) -> None:
    """Ctrl+Space marks one of several, which is seen in the list; what is no file, such as a pipe, is not taken."""
    for name in ("one.txt", "two.txt", "three.txt"):
        (tmp_path / name).write_text(name)
    os.mkfifo(tmp_path / "zpipe")
    async with opened(store) as ui:
        writing = await compose(ui)
        composer = writing.screen
        await ui.press("escape", "a")
        await ui.type(f"{tmp_path}/")
        # A folder, which is not marked, comes first; the mark goes on to the next one.
        await ui.press("ctrl+@", "down", "ctrl+@", "ctrl+@")
        marked = [line.split()[1] for line in ui.choices if "✓" in line]
        assert marked == ["one.txt", "three.txt"]
        await ui.press("enter")
        await ui.until(lambda: composer.draft.attachments)
        assert [one.name for one in composer.draft.attachments] == marked
        await ui.press("a")
        await ui.type(f"{tmp_path}/zpipe")
        await ui.press("enter", "enter")
        assert not isinstance(ui.app.screen, ComposerScreen)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that copies no file before this is set, and tells the first megabyte."""
    goes_on = threading.Event()
    attach = DraftFolder.attach

    def attach_slowly(
        folder: DraftFolder,
        source: Path,
        *,
        progress: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> DraftAttachment | None:
        assert progress is not None
        progress(1_000_000)
        while not goes_on.wait(0.01) and not should_stop():
            pass
        return attach(folder, source, progress=progress, should_stop=should_stop)

    monkeypatch.setattr(DraftFolder, "attach", attach_slowly)
    yield goes_on
    goes_on.set()


async def test_a_message_waits_for_its_attachment(store: FilledStore, tmp_path: Path, slow: threading.Event) -> None:
    """O11: one can write on, and what is saved is saved, while a long file is copied; y sends the message when it is there."""
    (tmp_path / "film.mp4").write_bytes(b"film")
    async with opened(store) as ui:
        writing = await compose(ui)
        composer = writing.screen
        await writing.write("bob@demo.example\t\t\tFilm\tHere")
        await ui.press("escape", "a")
        await ui.type(f"{tmp_path}/film.mp4")
        await ui.press("enter")
        await writing.says("film.mp4: 1 MB")
        await ui.press("i")
        await writing.write(" it is")
        await ui.until(lambda: b"it is" in (composer.folder.folder / "draft.json").read_bytes())
        await ui.press("escape", "y")
        assert store.queries.outbox() == []
        slow.set()
        await writing.gone()
        (item,) = store.queries.outbox()
        (part,) = sent_message(store.home, item).iter_attachments()
        assert part.get_filename() == "film.mp4"


async def test_copying_can_be_stopped(store: FilledStore, tmp_path: Path, slow: threading.Event) -> None:
    """O11: Esc at the bar; nothing of the file stays."""
    (tmp_path / "film.mp4").write_bytes(b"film")
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tFilm\tHere")
        await ui.press("escape", "a")
        await ui.type(f"{tmp_path}/film.mp4")
        await ui.press("enter", "y", "escape")
        await writing.says("Not attached.")
        assert writing.screen.draft.attachments == ()
        assert store.queries.outbox() == []
        names = {path.name for path in writing.screen.folder.folder.iterdir()}
        assert names <= {"draft.json", "lock"}
        await ui.press("q")
        await writing.gone()


async def test_keys_that_act_in_the_text(store: FilledStore) -> None:
    """Alt with a letter, and Ctrl+S, act while something is typed, in a field as in the text, and are no part of it; Shift+Tab goes
    back."""
    async with opened(store) as ui:
        writing = await compose(ui)
        for key in (*"bob@demo.example", "alt+s"):
            ui.send(key)
        await writing.says("Saved in Drafts.")
        await writing.write("\t\t\tLunch")
        await ui.press("alt+r")
        assert writing.focus == "reply_to"
        await ui.press("tab", "tab", "alt+p")
        await ui.shows("As it will be read")
        await ui.press("q")
        await writing.here()
        assert writing.focus == "body"
        await ui.press("shift+tab")
        assert writing.focus == "subject"
        draft = writing.screen.draft
        assert (draft.to, draft.subject, draft.body) == ("bob@demo.example", "Lunch", "")
        for key in ("tab", *"Half", "ctrl+s", *" past", "alt+q"):
            ui.send("space" if key == " " else key)
        await writing.gone()
        (upload,) = drafts_waiting(store)
        assert b"Half past" in (store.home.uploads / upload.file).read_bytes()


async def test_the_bars_keys_are_listed(store: FilledStore) -> None:
    """? at the bar, and Ctrl+P from the text, list all that can be done with its keys; the one that is chosen is done."""
    async with opened(store, NARROW) as ui:
        writing = await compose(ui)
        await ui.press("ctrl+p")
        await ui.shows("Write in $EDITOR")
        await ui.shows("Ctrl+Enter")
        await ui.press("escape", "escape", "?")
        await ui.type("reply-to")
        await ui.press("enter")
        await writing.here()
        assert writing.focus == "reply_to"


async def test_the_signature_follows_the_sender(store: FilledStore) -> None:
    """Another identity signs with its own name; a signature that was changed by hand stays."""
    account = msgspec.structs.replace(
        store.accounts[0],
        signature="Lisa",
        identities=(Identity("Office", "office@demo.example", "Harbour Office"), Identity("L", "l@demo.example")),
    )
    store.accounts = (account, *store.accounts[1:])
    async with opened(store) as ui:
        writing = await compose(ui, "r")
        before = writing.screen.body.text
        assert before.endswith("\n-- \nLisa\n")
        for sender, signature in (("Office", "Harbour Office"), ("l@demo", ""), ("lisa@demo", "Lisa")):
            await ui.press("escape", "f")
            await ui.type(sender)
            await ui.press("enter")
            await writing.here()
            assert writing.screen.body.text.partition("-- \n")[2].strip() == signature
        assert writing.screen.body.text == before
        writing.screen.body.text = before.replace("\nLisa\n", "\nLisa, on the train\n")
        await ui.press("escape", "f")
        await ui.type("Office")
        await ui.press("enter")
        await writing.here()
        assert writing.screen.body.text.endswith("-- \nLisa, on the train\n")


async def test_sending_later(store: FilledStore) -> None:
    """t asks when, in words; words that are no time are said, and nothing is sent."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLater\tHello")
        await ui.press("escape", "t")
        await ui.type("when pigs fly")
        await ui.press("enter")
        await ui.until(lambda: writing.screen.words.words)
        assert store.queries.outbox() == []
        await ui.press("t")
        await ui.type("in 2 hours")
        await ui.press("enter")
        await writing.gone()
        (item,) = store.queries.outbox()
        assert abs(item.not_before - time.time() - 7200) < 120


async def test_from_another_account(store: FilledStore) -> None:
    """f chooses among the identities of all accounts; the message goes through that account."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tHello\tHello")
        await ui.press("escape", "f")
        await ui.type("work")
        await ui.press("enter")
        await ui.press("y")
        await writing.gone()
        (item,) = store.queries.outbox()
        assert item.account == "work"
        assert sent_message(store.home, item)["From"].addresses[0].addr_spec == "work@demo.example"


async def test_preview(store: FilledStore) -> None:
    """p shows it as its recipient will, and any key leads back."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch é\tHello")
        await ui.press("escape", "p")
        await ui.shows("As it will be read")
        await ui.shows("Subject: Lunch é")
        await ui.press("q")
        assert writing.screen


async def test_the_outbox(store: FilledStore) -> None:
    """g o: what waits, to whom and when; d takes it out of the queue and keeps it as a draft, e opens it."""
    async with opened(store) as ui:
        for subject in ("One", "Two"):
            writing = await compose(ui)
            await writing.write(f"bob@demo.example\t\t\t{subject}\tHello")
            await ui.press("escape", "y")
            await writing.gone()
        await ui.press("g", "o")
        await ui.shows("bob@demo.example")
        await ui.shows("Two")
        await ui.press("d")
        await ui.shows("Not sent. The message is in Drafts.")
        await ui.press("e")
        await writing.here()
        assert store.queries.outbox() == []


async def test_a_failure_stays_in_sight(store: FilledStore) -> None:
    """What a server refused is said at once, marked in the tree and the status line, and shown with the server's words."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHello")
        await ui.press("escape", "y")
        await writing.gone()
        (item,) = store.queries.outbox()
        with store.ingest.database.write() as connection:
            connection.execute(
                "UPDATE outbox SET state = 'failed', sentence = ? WHERE id = ?",
                ("The server refused it: “550 \x1b[31mNo such user”.", item.id),
            )
        await ui.says("1 not sent")
        assert "! Outbox" in ui.folders[0]
        await ui.press("g", "o")
        await ui.shows("could not be sent")
        await ui.shows("No such user")
        assert "\x1b" not in ui.everything()


async def test_what_may_have_been_sent_is_sent_again_on_a_second_key(store: FilledStore) -> None:
    """O2: R asks first, and another key in between forgets it; then it goes out with the Message-ID that it had."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHello")
        await ui.press("escape", "y")
        await writing.gone()
        (item,) = store.queries.outbox()
        store.intents.send_now(item.id)
        outbox = Outbox(store.ingest.database)
        outbox.begin_attempt(item.id)
        outbox.begin_data(item.id)
        outbox.unknown(item.id, "It may have been sent: the answer was lost.")
        await ui.says("1 not sent")
        await ui.press("g", "o")
        await ui.shows("may have been sent")
        await ui.press("R")
        await ui.shows("R again sends it once more.")
        await ui.press("j", "R")
        await ui.settled()
        assert store.queries.outbox()[0].state is OutboxState.UNKNOWN
        await ui.press("R")
        await ui.until(lambda: store.queries.outbox()[0].state is OutboxState.QUEUED)
        assert store.queries.outbox()[0].message_id_header == item.message_id_header


async def test_redirecting(store: FilledStore) -> None:
    """A message goes on unchanged, in the name of the identity that it came to (RFC 5322 §3.6.6), and z takes it back."""
    account = msgspec.structs.replace(
        store.accounts[0], email="other@demo.example", identities=(Identity("Lisa", "lisa@demo.example"),)
    )
    store.accounts = (account, *store.accounts[1:])
    async with opened(store) as ui:
        await ui.run("redirect")
        await ui.type("sam@demo.example")
        await ui.press("enter")
        await ui.until(store.queries.outbox)
        (item,) = store.queries.outbox()
        message = sent_message(store.home, item)
        assert message["Resent-From"] == "Lisa <lisa@demo.example>"
        assert message["Resent-To"] == "sam@demo.example"
        assert message["From"] == "Bob Marlow <bob@demo.example>"
        assert message["Message-ID"] == "<lunch@demo.example>"
        assert [one.address for one in item.recipients] == ["sam@demo.example"]
        await ui.press("z")
        await ui.until(lambda: not store.queries.outbox())


def test_what_is_said_of_the_outbox_at_the_end(store: FilledStore) -> None:
    """What the engine still sends does not wait; what is for later, or is stuck, does."""
    drafts = [
        DraftFolder.create(store.home, msgspec.structs.replace(DRAFT, id=f"{number:016x}")) for number in range(3)
    ]
    now = time.time()
    for draft, at in zip(drafts, (now + 8, now + 7200, now), strict=True):
        store.intents.send(draft.draft, at=at)
        draft.release()
    items = store.queries.outbox()
    assert left_in_outbox(items[:1], now) == "1 message still goes out."
    assert left_in_outbox(items[:2], now).startswith("1 message still goes out. 1 message waits in the outbox:")
    Outbox(store.ingest.database).put_off(items[2].id, "The server is down.", now + 5)
    assert left_in_outbox(store.queries.outbox()[1:], now).startswith("2 messages wait in the outbox:")


async def test_nothing_is_counted_down_of_what_is_being_sent(store: FilledStore) -> None:
    """S in the outbox does not wait for the time in which it can be taken back."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHello")
        await ui.press("escape", "y")
        await writing.gone()
        await ui.says("takes it back")
        (item,) = store.queries.outbox()
        store.intents.send_now(item.id)
        outbox = Outbox(store.ingest.database)
        assert outbox.begin_attempt(item.id) is not None
        assert outbox.begin_data(item.id)
        await ui.says("Sending to bob@demo.example …")
        assert "takes it back" not in ui.status


async def test_what_can_not_go_out_now_is_said(store: FilledStore) -> None:
    """The reason for which a message waits is said once it is known, and stands in the outbox with the time of the next try."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHello")
        await ui.press("escape", "y")
        await writing.gone()
        (item,) = store.queries.outbox()
        Outbox(store.ingest.database).put_off(item.id, "The server is down.", time.time() + 60)
        await ui.says("Not sent yet. The server is down.")
        await ui.says("1 to be sent")
        await ui.press("g", "o")
        await ui.shows("is tried again in")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_hostile_subjects_are_answered(store: FilledStore, size: tuple[int, int]) -> None:
    """D1: escape sequences of a mail reach neither the composer's screen nor the message that is sent."""
    raw = ORIGINAL.replace(b"Subject: Lunch", b"Subject: =?utf-8?q?Lu=1B]0;x=07nch=0D=0ABcc:_eve@example.org?=")
    store.add_body(store.ids()[1], raw.replace(b"Half", b"\x1b[2JHalf"))
    async with opened(store, size) as ui:
        await ui.press("j")
        writing = await compose(ui, "r")
        assert "\x1b" not in ui.everything()
        await ui.press("escape", "y")
        await writing.gone()
        (item,) = store.queries.outbox()
        message = sent_message(store.home, item)
        assert message["Bcc"] is None
        assert [one.address for one in item.recipients] == ["bob@demo.example"]
        assert b"\x1b" not in bytes(message)


def test_the_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$VISUAL and $EDITOR; an editor that fails changes nothing; one that a signal ended has what it saved; no file is left."""
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nprintf "%s, edited" "$(cat "$1")" > "$1.new" && mv "$1.new" "$1"\n')
    script.chmod(0o755)
    assert editor.editor_command(f"{script}") == [str(script)]
    monkeypatch.setenv("VISUAL", "emacs -nw")
    assert editor.editor_command("") == ["emacs", "-nw"]
    path = tmp_path / "text.txt"
    assert editor.edit_text([str(script)], path, "Grüße") == "Grüße, edited"
    with pytest.raises(TermmailError, match="ended with 1"):
        editor.edit_text(["false"], path, "text")
    with pytest.raises(TermmailError, match="could not be started"):
        editor.edit_text([str(tmp_path / "none")], path, "text")
    with pytest.raises(TermmailError, match="could not be handed"):
        editor.edit_text([str(script)], tmp_path / "gone" / "text.txt", "text")
    script.write_text('#!/bin/sh\nprintf saved > "$1"\nkill -HUP $$\n')
    assert editor.edit_text([str(script)], path, "text") == "saved"
    assert not path.exists()


async def test_started_to_write(store: FilledStore, tmp_path: Path) -> None:
    """`termmail compose`: the composer on what a link asks for, and the app ends with it, saying what came of it."""
    (tmp_path / "note.txt").write_text("note")
    asked = parse_mailto("mailto:bob@demo.example?subject=Hello%20Bob&attach=/etc/passwd")
    app = TermmailApp(
        store.home, store.accounts, clock=Clock(NOW), begin=Beginning(asked, "work", (tmp_path / "note.txt",))
    )
    try:
        async with app.run_test(size=WIDE) as pilot:
            ui = Driven(app, pilot, store)
            writing = Writing(ui)
            await writing.here()
            assert isinstance(app.screen_stack[0], MainScreen)
            assert "Hello Bob" in screen_text(app.screen)
            assert [one.name for one in writing.screen.draft.attachments] == ["note.txt"]
            ui.send("escape")
            ui.send("y")
            await ui.until(lambda: app._exit)
    finally:
        app.close_backend()
    (item,) = store.queries.outbox()
    assert item.account == "work"
    assert f"termmail outbox cancel {item.id}" in app.farewell


async def test_the_program_ends_while_somebody_writes(store: FilledStore) -> None:
    """O9: quitting, a signal or a fault with the composer open keeps the draft."""
    async with opened(store) as ui:
        writing = await compose(ui)
        await writing.write("bob@demo.example\t\t\tLunch\tHalf a sen")
    (upload,) = drafts_waiting(store)
    assert b"Half a sen" in (store.home.uploads / upload.file).read_bytes()
    assert not any(folder.is_dir() for folder in store.home.drafts.iterdir())
