"""The story of the README in the demo: Lisa writes, her provider hands it on, Bob receives."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
from textual.pilot import Pilot

from servers.proxy import Proxy
from termmail.accounts.config import Compose, add_account
from termmail.accounts.home import prepare_home
from termmail.demo.run import DemoProvider
from termmail.engine.child import EngineChild
from termmail.mime.parts import parse_message
from termmail.model.account import Security, Server
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.message import MessageRow
from termmail.store.intents import Intents
from termmail.store.queries import Queries
from termmail.ui.app import TermmailApp
from termmail.ui.screens.composer import ComposerScreen
from termmail.ui.screens.main import MainScreen
from ui.support import screen_text

_PATIENCE = 40.0


def wait(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def newest(queries: Queries, account: str, role: Role) -> MessageRow | None:
    """The newest row of an account's mailbox."""
    mailbox = next((one for one in queries.mailboxes() if (one.account, one.role) == (account, role)), None)
    ids = queries.message_ids(mailbox.id) if mailbox is not None else []
    return queries.row(ids[0]) if ids else None


class Story:
    """The demo's two accounts in a home of their own, whose mail reader can be opened several times."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.home = Home.under(folder / "home")
        prepare_home(self.home)
        self.provider = stack.enter_context(DemoProvider(self.home.state))
        self.network = stack.enter_context(Proxy("127.0.0.1", self.provider.smtp_port))
        smtp = Server("127.0.0.1", self.network.port, Security.NONE)
        self.accounts = [msgspec.structs.replace(one, smtp=smtp) for one in self.provider.accounts()]
        for account in self.accounts:
            add_account(self.home, account)
        intents = Intents(self.home)
        stack.callback(intents.close)
        intents.register_accounts(self.accounts)
        self.queries = Queries(self.home)
        stack.callback(self.queries.close)

    @contextlib.contextmanager
    def engine(self) -> Iterator[EngineChild]:
        """The engine, when it has looked at all accounts."""
        began = int(time.time())
        engine = EngineChild(self.home)
        engine.start()
        try:
            for account in self.accounts:
                wait(lambda: engine.send_password(account.name, self.provider.password(account.user)))  # noqa: B023
            wait(lambda: all(status.synced_at >= began for status in self.queries.accounts()))
            yield engine
        finally:
            engine.close()

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """The mail reader, when its list is there."""
        app = TermmailApp(self.home, self.accounts, compose_settings=Compose(undo_seconds=4))
        try:
            async with app.run_test(size=(140, 38)) as pilot:
                reader = Reader(app, pilot)
                await reader.until(lambda: reader.main.model.complete and reader.main.mailbox is not None)
                yield reader
        finally:
            app.close_backend()

    def bobs(self, subject: str) -> list[MessageRow]:
        """What Bob has of this subject."""
        rows = [
            self.queries.row(placement)
            for one in self.queries.mailboxes()
            if (one.account, one.role) == ("bob", Role.INBOX)
            for placement in self.queries.message_ids(one.id)
        ]
        return [row for row in rows if row is not None and row.subject == subject]


class Reader:
    """A mail reader that is open."""

    def __init__(self, app: TermmailApp, pilot: Pilot[str]) -> None:
        self.app = app
        self.pilot = pilot
        main = app.screen
        assert isinstance(main, MainScreen)
        self.main = main

    async def until(self, ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            assert time.monotonic() < deadline, screen_text(self.app.screen)
            await self.pilot.pause(0.02)

    async def composer(self) -> ComposerScreen:
        await self.until(lambda: isinstance(self.app.screen, ComposerScreen) and self.app.screen._ready)
        assert isinstance(self.app.screen, ComposerScreen)
        return self.app.screen


async def test_lisa_answers_bob(tmp_path: Path) -> None:
    """A reply with an attachment, taken back, sent again: it comes down to Bob once, it is in Lisa's Sent, and what it answers is
    marked as answered."""
    (tmp_path / "mustard.txt").write_text("recipe")
    with contextlib.ExitStack() as stack:
        story = Story(stack, tmp_path)
        queries = story.queries
        stack.enter_context(story.engine())
        answered = newest(queries, "lisa", Role.INBOX)
        assert answered is not None
        subject = f"Re: {answered.subject}"
        async with story.reader() as reader:
            press = reader.pilot.press
            await press("r")
            await reader.composer()
            await press(*"Attached.", "escape", "a", *str(tmp_path / "mustard.txt"), "enter")
            composer = await reader.composer()
            await reader.until(lambda: composer.draft.attachments)
            await press("y")
            await reader.until(queries.outbox)
            await press("z")
            await reader.composer()
            assert queries.outbox() == []
            await press("escape", "y")
            await reader.until(queries.outbox)
            await reader.until(lambda: not queries.outbox())
            await press("f5")
            await reader.until(lambda: story.bobs(subject))
            copy = newest(queries, "lisa", Role.SENT)
            await reader.until(lambda: (row := queries.row(answered.id)) is not None and "\\Answered" in row.flags)
        (row,) = story.bobs(subject)
        wait(lambda: queries.raw(row.id))
        raw = queries.raw(row.id)
        assert raw is not None
        assert [part.filename for part in parse_message(raw).parts if part.filename] == ["mustard.txt"]
        assert copy is not None
        assert copy.subject == row.subject


async def test_the_provider_is_away_for_a_while(tmp_path: Path) -> None:
    """A mail waits in the outbox and says why, survives a restart, and goes out once when the provider is back."""
    with contextlib.ExitStack() as stack:
        story = Story(stack, tmp_path)
        queries = story.queries
        with story.engine():
            story.network.down()
            async with story.reader() as reader:
                await reader.pilot.press("m")
                await reader.composer()
                await reader.pilot.press(
                    *"bob@demo.example", "tab", "tab", "tab", *"Storm", "tab", *"Stay", "escape", "y"
                )
                await reader.until(lambda: [one.sentence for one in queries.outbox() if one.sentence])
                await reader.until(lambda: "takes no connections" in screen_text(reader.app.screen))
        (item,) = queries.outbox()
        with story.engine() as engine:
            async with story.reader() as reader:
                await reader.until(lambda: "1 to be sent" in screen_text(reader.app.screen))
                await reader.pilot.press("g", "o")
                await reader.until(lambda: "takes no connections" in " ".join(screen_text(reader.app.screen).split()))
                assert [one.id for one in queries.outbox()] == [item.id]
                story.network.up()
                await reader.pilot.press("S")
                engine.wake()
                await reader.until(lambda: not queries.outbox())
                await reader.pilot.press("q", "f5")
                await reader.until(lambda: story.bobs("Storm"))
        assert len(story.bobs("Storm")) == 1
        copy = newest(queries, "lisa", Role.SENT)
        assert copy is not None
        assert copy.subject == "Storm"
