"""The mail reader itself: `termmail` without a command, and `demo`."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import note
from termmail.cli.reader_log import reader_log
from termmail.cli.session import Session
from termmail.model.account import Account
from termmail.model.home import Home
from termmail.model.secret import Secret

if TYPE_CHECKING:
    from termmail.accounts.config import Config
    from termmail.engine.child import EngineChild

_ENGINE_SECONDS = 10.0


def open_app(session: Session) -> int:
    """Open the mail reader on the session's home; returns its exit code when the user quits."""
    home, config = make_ready(session)
    return _run(home, config, config.enabled_accounts, lambda: start_engine(home), demo_factory=run_demo)


def make_ready(session: Session) -> tuple[Home, Config]:
    """What a screen needs: this process hardened, the config file checked, its accounts known to the store. Raises ConfigError."""
    from termmail.accounts.hardening import harden

    # A tenth of a start would go into looking for garbage among modules; the app turns it on again when it is ready.
    gc.disable()
    harden()
    home, config = session.home, session.config
    if config.keys.bind or config.keys.preset != "gmail":
        _check_keys(home)
    session.register_accounts()
    session.close()
    return home, config


@click.command(short_help="Try the mail reader on sample mail.")
def demo() -> int:
    """Try the mail reader on a mail server of its own, with sample mail, in a home that is thrown away."""
    return run_demo()


def run_demo() -> int:
    """Start the demo's mail server, read its mail, and leave nothing behind; returns an exit code."""
    from termmail.accounts.config import Config, add_account
    from termmail.accounts.home import prepare_home
    from termmail.demo.run import DemoError, DemoProvider
    from termmail.store.intents import Intents
    from termmail.ui.app import check_terminal

    check_terminal(os.environ)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="termmail-demo-", ignore_cleanup_errors=True))
        home = Home.under(Path(folder) / "home")
        prepare_home(home)
        # The engine first, so that it has the passwords before it hears of the accounts.
        engine = start_engine(home)
        # Its home goes with it.
        stack.callback(engine.close, 8.0, kill=True)
        try:
            provider = stack.enter_context(DemoProvider(home.state))
        except DemoError as error:
            raise CommandError(str(error), ExitCode.UNAVAILABLE) from error
        accounts = provider.accounts()
        config = Config()
        for account in accounts:
            _give_password(engine, account.name, provider.password(account.user))
            config = add_account(home, account)
        intents = Intents(home)
        try:
            intents.register_accounts(accounts)
        finally:
            intents.close()
        return _run(home, config, accounts, lambda: engine)


def _run(
    home: Home,
    config: Config,
    accounts: Sequence[Account],
    start_engine: Callable[[], EngineChild],
    demo_factory: Callable[[], int] | None = None,
) -> int:
    from termmail.setup.network import network_from
    from termmail.ui.app import run

    with reader_log(home):
        return run(
            home,
            accounts,
            start_engine=start_engine,
            demo_factory=demo_factory,
            preset=config.keys.preset,
            rebound=config.keys.bind,
            read_after=config.ui.mark_read_after,
            compose_settings=config.compose,
            config=config,
            network=network_from(os.environ),
            post_one_click=_post_one_click,
            fetch_pictures=_fetch_pictures,
            say=note,
        )


def _post_one_click(url: str, proxy: str) -> str:
    # Not needed before somebody unsubscribes.
    from termmail.protocols.one_click import post_one_click

    return post_one_click(url, proxy=proxy)


def _fetch_pictures(urls: Sequence[str], folder: Path, proxy: str) -> Mapping[str, Path]:
    # Not needed before somebody asks for pictures from elsewhere.
    from termmail.protocols.pictures import fetch_pictures

    return fetch_pictures(urls, folder, proxy=proxy)


def _check_keys(home: Home) -> None:
    """Raises ConfigError where the file names a preset or a command that there is not."""
    from termmail.accounts.config import check_keys
    from termmail.ui.keymap import BY_NAME, PRESETS

    check_keys(home, PRESETS, BY_NAME)


def start_engine(home: Home) -> EngineChild:
    """The engine as a child."""
    from termmail.engine.child import EngineChild

    child = EngineChild(home)
    child.start()
    return child


def _give_password(engine: EngineChild, account: str, secret: Secret) -> None:
    """Hand a password to an engine that may still be starting."""
    deadline = time.monotonic() + _ENGINE_SECONDS
    while not engine.send_password(account, secret) and time.monotonic() < deadline:
        time.sleep(0.02)
