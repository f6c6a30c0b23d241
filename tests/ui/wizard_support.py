"""The wizard driven by keys, on a home of its own and a keyring in a file."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import keyring
import pytest

from keyrings import FileKeyring
from termmail.accounts import config
from termmail.accounts.config import Config
from termmail.accounts.home import prepare_home
from termmail.model.account import Account
from termmail.model.home import Home
from termmail.setup.network import Endpoint, Network
from termmail.ui.app import TermmailApp
from termmail.ui.backend import EngineHandle
from termmail.ui.wizard.form import FormField
from termmail.ui.wizard.screen import WizardScreen
from ui.support import PATIENCE, DrivenApp

TALL = (100, 44)
TERMINALS = ((80, 24), (120, 40))
NO_NETWORK = Network(
    nameservers=(Endpoint("127.0.0.1", 1),),
    database_url="",
    connect_to={f"*:{port}": Endpoint("127.0.0.1", 1) for port in (80, 110, 143, 443, 465, 587, 993, 995)},
)
"""Nobody answers."""


class Wizarding(DrivenApp):
    """The app with the wizard open."""

    @property
    def home(self) -> Home:
        return self.app.backend.home

    @property
    def wizard(self) -> WizardScreen:
        """The wizard that lies on top, or below what lies on it."""
        return next(screen for screen in reversed(self.app.screen_stack) if isinstance(screen, WizardScreen))

    @property
    def words(self) -> str:
        """The screen as one line, however it is broken."""
        return " ".join(self.everything().replace("▎", " ").split())

    @property
    def step(self) -> int:
        """The number of the step, from 1."""
        return self.wizard.place + 1

    @property
    def config(self) -> Config:
        """What is written."""
        return config.load(self.home)

    def account(self) -> Account:
        """The one account that is written."""
        (account,) = self.config.accounts
        return account

    def field(self, name: str) -> FormField:
        """A field by its name."""
        return self.app.screen.query_one(f"#field-{name}", FormField)

    def focused(self) -> str:
        """The name of the field that has the focus, or the id of what else has it."""
        focused = self.app.focused
        if focused is None:
            return ""
        return (focused.id or "").removeprefix("input-")

    async def write(self, name: str, text: str) -> None:
        """Go to a field by Tab and type something else into it."""
        for _ in range(40):
            if self.focused() == name:
                break
            await self.press("tab")
        assert self.focused() == name, self.everything()
        await self.press("end", "ctrl+u")
        for character in text:
            self.send("space" if character == " " else character)
        await self._handled()
        await self.drawn()

    async def person(self, address: str = "lisa@example.org", name: str = "Lisa Example") -> None:
        """The first step, and on to the second when the lookup is over."""
        await self.write("email", address)
        await self.press("enter")
        await self.write("full_name", name)
        await self.until(lambda: self.wizard.looked_up and not self.wizard.is_looking)
        await self.press("enter")
        assert self.step == 2, self.everything()

    async def server(self, host: str, port: int, user: str = "", ca: Path | str = "", *, service: str = "imap") -> None:
        """The second step by hand."""
        await self.write(f"{service}-host", host)
        await self.write(f"{service}-port", str(port))
        if user:
            await self.write("user", user)
        if ca:
            await self.write("ca_file", str(ca))
        await self.press("enter")

    async def tried(self, seconds: float = PATIENCE) -> None:
        """Wait until the checks of the last step are over, and what works is written."""
        await self.until(lambda: self.wizard.trial.next.display, seconds)
        await self.drawn()

    async def choose(self, words: str) -> None:
        """Choose what the last step offers, and do it."""
        for _ in range(10):
            options = self.wizard.trial.next
            chosen = next(option for option in options.options if option.value == options.value)
            if words in chosen.title:
                break
            await self.press("down")
        assert words in chosen.title, self.everything()
        await self.press("enter")
        await self.drawn()

    def untouched(self) -> bool:
        """Whether no config file, and no password, was written."""
        return not self.home.config_file.exists() and not (self.home.config.parent / "keyring.json").exists()


@pytest.fixture(autouse=True)
def own_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A keyring in a file, here and in the processes that are started."""
    path = tmp_path / "keyring.json"
    monkeypatch.setenv("TEST_KEYRING_FILE", str(path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.FileKeyring")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield path
    keyring.set_keyring(before)


@contextlib.asynccontextmanager
async def wizard(
    folder: Path,
    size: tuple[int, int] = TALL,
    *,
    network: Network = NO_NETWORK,
    demo: bool = False,
    start_engine: Callable[[], EngineHandle] | None = None,
) -> AsyncIterator[Wizarding]:
    """`termmail` in a home below `folder`, with the accounts that are there."""
    home = Home.under(folder / "home")
    prepare_home(home)
    known = config.load(home)
    app = TermmailApp(home, known.enabled_accounts, config=known, network=network, demo=demo, start_engine=start_engine)
    try:
        async with app.run_test(size=size) as pilot:
            driven = Wizarding(app, pilot)
            await driven.drawn()
            yield driven
    finally:
        app.close_backend()
    assert app.fault is None
