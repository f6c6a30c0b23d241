"""The story of the README in the demo: Lisa writes, her provider hands it on, Bob receives."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from termmail.accounts.config import Compose, add_account
from termmail.accounts.home import prepare_home
from termmail.demo.run import DemoProvider
from termmail.engine.child import EngineChild
from termmail.mime.parts import parse_message
from termmail.model.home import Home
from termmail.model.mailbox import Role
from termmail.model.message import MessageRow
from termmail.store.intents import Intents
from termmail.store.queries import Queries
from termmail.ui.app import TermmailApp
from termmail.ui.screens.composer import ComposerScreen
from termmail.ui.screens.main import MainScreen

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


async def test_lisa_answers_bob(tmp_path: Path) -> None:
    """A reply with an attachment, taken back, sent again: it comes down to Bob once, it is in Lisa's Sent, and what it answers is
    marked as answered."""
    home = Home.under(tmp_path / "home")
    prepare_home(home)
    (tmp_path / "mustard.txt").write_text("recipe")
    with contextlib.ExitStack() as stack:
        engine = EngineChild(home)
        engine.start()
        stack.callback(engine.close)
        provider = stack.enter_context(DemoProvider(home.state))
        accounts = provider.accounts()
        for account in accounts:
            wait(lambda: engine.send_password(account.name, provider.password(account.user)))  # noqa: B023
            add_account(home, account)
        intents = Intents(home)
        stack.callback(intents.close)
        intents.register_accounts(accounts)
        queries = Queries(home)
        stack.callback(queries.close)
        wait(lambda: all(status.synced_at for status in queries.accounts()))
        answered = newest(queries, "lisa", Role.INBOX)
        assert answered is not None

        app = TermmailApp(home, accounts, compose_settings=Compose(undo_seconds=4))
        stack.callback(app.close_backend)
        async with app.run_test(size=(140, 38)) as pilot:

            async def until(ready: Callable[[], object]) -> None:
                deadline = time.monotonic() + _PATIENCE
                while not ready():
                    assert time.monotonic() < deadline
                    await pilot.pause(0.02)

            def composing() -> bool:
                return isinstance(app.screen, ComposerScreen) and app.screen._ready

            main = app.screen
            assert isinstance(main, MainScreen)
            await until(lambda: main.model.complete and main.mailbox is not None)
            await pilot.press("r")
            await until(composing)
            await pilot.press(*"Attached.", "escape", "a", *str(tmp_path / "mustard.txt"), "enter")
            await until(composing)
            composer = app.screen
            assert isinstance(composer, ComposerScreen)
            await until(lambda: composer.draft.attachments)
            await pilot.press("y")
            await until(queries.outbox)
            await pilot.press("z")
            await until(composing)
            assert queries.outbox() == []
            assert newest(queries, "bob", Role.INBOX) is not None
            await pilot.press("escape", "y")
            await until(queries.outbox)
            await until(lambda: not queries.outbox())
            await pilot.press("f5")

            def arrived() -> MessageRow | None:
                row = newest(queries, "bob", Role.INBOX)
                return row if row is not None and row.subject == f"Re: {answered.subject}" else None

            await until(arrived)
            copy = newest(queries, "lisa", Role.SENT)
            await until(lambda: (row := queries.row(answered.id)) is not None and "\\Answered" in row.flags)
        row = arrived()
        assert row is not None
        wait(lambda: queries.raw(row.id))
        raw = queries.raw(row.id)
        assert raw is not None
        assert [part.filename for part in parse_message(raw).parts if part.filename] == ["mustard.txt"]
        assert copy is not None
        assert copy.subject == row.subject
        subjects = [
            found.subject
            for one in queries.mailboxes()
            if (one.account, one.role) == ("bob", Role.INBOX)
            for placement in queries.message_ids(one.id)
            if (found := queries.row(placement)) is not None
        ]
        assert subjects.count(row.subject) == 1
