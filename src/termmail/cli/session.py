"""What the commands of one invocation share: the home, the store, the config, and how to answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from termmail.accounts.home import find_home, prepare_home
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import note
from termmail.model.home import Home
from termmail.model.typed_path import typed_path

if TYPE_CHECKING:
    from termmail.accounts.config import Config
    from termmail.model.account import Account
    from termmail.store.intents import Intents
    from termmail.store.queries import Queries

HOME_KEY = "termmail.home"
"""Where the context's `meta` has what --home says, also while a line is being completed and there is no session."""

ALL_DISABLED = "Every account is disabled. `termmail account edit NAME --enable` enables one again."
NO_ACCOUNT = "There is no account yet. `termmail account add` adds one."

Command = TypeVar("Command", bound=Callable[..., Any])


class Session:
    """Opened lazily, closed when the command ends."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.as_json = False

    @functools.cached_property
    def home(self) -> Home:
        """The home, its folders made and private; says what was not (L1). Raises StorageFailed, ConfigError."""
        home = find_home(self.folder)
        for sentence in prepare_home(home):
            note(sentence)
        return home

    @functools.cached_property
    def queries(self) -> Queries:
        from termmail.store.queries import Queries

        self._repair()
        return Queries(self.home)

    @functools.cached_property
    def intents(self) -> Intents:
        from termmail.store.intents import Intents

        self._repair()
        return Intents(self.home)

    def _repair(self) -> None:
        """A database that a power cut or a disk has damaged is rebuilt before anything reads it (L5)."""
        from termmail.store.damage import is_damaged

        if is_damaged(self.home):
            from termmail.store.reindex import rebuild_if_damaged

            sentence = rebuild_if_damaged(self.home)
            if sentence:
                note(sentence)

    @functools.cached_property
    def config(self) -> Config:
        from termmail.accounts import config

        return config.load(self.home)

    def register_accounts(self) -> None:
        """Let the store know the accounts of the config file, which may have been edited by hand. Raises ConfigError, StorageFailed."""
        accounts = self.config.enabled_accounts
        if [status.account for status in self.queries.accounts()] != [account.name for account in accounts]:
            self.intents.register_accounts(accounts)

    def configured(self, name: str) -> Account:
        """The account as configured. Raises CommandError (66) where there is none of this name."""
        account = self.config.account(name)
        if account is None:
            raise no_such_account(name, [known.name for known in self.config.accounts])
        return account

    def enabled(self, name: str) -> Account:
        """The same, of an account that is in use. Raises CommandError, also where it is disabled (69)."""
        account = self.configured(name)
        if not account.enabled:
            raise CommandError(
                f'"{account.name}" is disabled. `termmail account edit {account.name} --enable` enables it again.',
                ExitCode.UNAVAILABLE,
            )
        return account

    def enabled_accounts(self) -> tuple[Account, ...]:
        """The accounts in use, in the order of the config file. Raises CommandError (66) where there is none."""
        accounts = self.config.enabled_accounts
        if not accounts:
            raise CommandError(ALL_DISABLED if self.config.accounts else NO_ACCOUNT, ExitCode.NO_INPUT)
        return accounts

    def known_account(self, name: str) -> str:
        """The name of an account in the store, for what was typed. Raises CommandError (66)."""
        names = [status.account for status in self.queries.accounts()]
        for known in names:
            if known == name:
                return known
        folded = [known for known in names if known.casefold() == name.casefold()]
        if len(folded) == 1:
            return folded[0]
        raise no_such_account(name, names)

    def close(self) -> None:
        """Close what was opened."""
        for opened in ("intents", "queries"):
            store = self.__dict__.pop(opened, None)
            if store is not None:
                store.close()


def no_such_account(name: str, names: list[str]) -> CommandError:
    """The error for an account that is not there, with those that are."""
    if not names:
        return CommandError(
            f'There is no account "{name}", and none at all yet. `termmail account add` adds one.',
            ExitCode.NO_INPUT,
        )
    return CommandError(f'There is no account "{name}". Accounts: {", ".join(names)}.', ExitCode.NO_INPUT)


pass_session = click.make_pass_decorator(Session)


def _set_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    session = context.find_object(Session)
    if value and session is not None:
        session.as_json = True


def json_option(command: Command) -> Command:
    """The option `--json`, which sets the session's `as_json`."""
    return click.option(
        "--json", "json", is_flag=True, expose_value=False, callback=_set_json, help="Print JSON instead of text."
    )(command)


def existing_file(value: str) -> str:
    """The absolute path of a file given on the command line. Raises CommandError (66) where there is none, UnusablePath."""
    path = typed_path(value)
    if not path.is_file():
        raise CommandError(f"There is no file {path}.", ExitCode.NO_INPUT)
    return str(path)
