"""config.toml: reading it, and adding, changing and removing accounts in it without touching the user's comments."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from termmail.accounts.account_tables import account_table, account_values, merge_table, read_account
from termmail.accounts.key_names import key_sequence
from termmail.accounts.oauth.providers import BUILT_IN
from termmail.accounts.oauth.settings import read_providers, written_values
from termmail.accounts.private_file import replace_file
from termmail.accounts.reading import ConfigText
from termmail.model.account import (
    Account,
)
from termmail.model.errors import ConfigError, StorageFailed
from termmail.model.home import Home
from termmail.model.oauth import OAuthProvider

_HEADER = """\
# termmail's configuration. It may be edited by hand: comments and order stay as they are.
# A password never belongs in here: password_from says where it comes from.

"""


class Keys(msgspec.Struct, frozen=True):
    """The set of keys to start from, and what was bound otherwise: from a command's name to its keys."""

    preset: str = "gmail"
    bind: Mapping[str, tuple[str, ...]] = {}


class Ui(msgspec.Struct, frozen=True):
    """How the user interface acts. `mark_read_after` is in seconds, negative for never."""

    mark_read_after: float = 1.0


class Compose(msgspec.Struct, frozen=True):
    """How writing acts. `undo_seconds` is how long sending can be taken back; `editor` is a command line, or empty."""

    undo_seconds: float = 10.0
    editor: str = ""


class Config(msgspec.Struct, frozen=True):
    """All of config.toml; accounts in the order of the file. `providers` are those of OAuth 2."""

    accounts: tuple[Account, ...] = ()
    keys: Keys = Keys()
    ui: Ui = Ui()
    compose: Compose = Compose()
    providers: tuple[OAuthProvider, ...] = tuple(BUILT_IN.values())

    @property
    def enabled_accounts(self) -> tuple[Account, ...]:
        """Those that are connected to and listed."""
        return tuple(account for account in self.accounts if account.enabled)

    def provider(self, name: str) -> OAuthProvider | None:
        """Who `oauth = "…"` means, with the client id that the file has: a large provider or an [oauth] table."""
        return next((provider for provider in self.providers if provider.name == name), None)

    def account(self, name: str) -> Account | None:
        """The account of this name, exactly or, where that is unambiguous, without regard to case."""
        for account in self.accounts:
            if account.name == name:
                return account
        folded = [account for account in self.accounts if account.name.casefold() == name.casefold()]
        return folded[0] if len(folded) == 1 else None


def load(home: Home) -> Config:
    """The configuration; an empty one where there is no file. Raises ConfigError, StorageFailed."""
    return _parse(home.config_file, _read(home.config_file))


def add_account(home: Home, account: Account) -> Config:
    """Append an account to the file; returns the new configuration.

    Raises ConfigError, also where the name is taken, and StorageFailed.
    """

    def change(document: Any, config: Config) -> None:
        taken = next((known for known in config.accounts if known.name.casefold() == account.name.casefold()), None)
        if taken is not None:
            raise ConfigError(
                f'There is an account "{taken.name}" already. Choose another name, or change that account.',
                command=f"termmail account edit {taken.name}",
            )
        import tomlkit

        if "accounts" not in document:
            document["accounts"] = tomlkit.table(is_super_table=True)
        document["accounts"][account.name] = account_table(account)

    return _change(home, change, lambda config: config.account(account.name) == account)


def edit_account(home: Home, account: Account) -> Config:
    """Set an existing account's keys to these values; what is the same stays as it is written. Raises ConfigError, StorageFailed."""

    def change(document: Any, config: Config) -> None:
        before = config.account(account.name)
        if before is None or before.name != account.name:
            raise _no_account(account.name, config)
        merge_table(document["accounts"][account.name], account_values(before), account_values(account))

    return _change(home, change, lambda config: config.account(account.name) == account)


def edit_provider(home: Home, provider: OAuthProvider) -> Config:
    """Write what there is to say of an OAuth 2 provider, such as its client id, to its [oauth] table.

    Raises ConfigError, StorageFailed.
    """

    def change(document: Any, config: Config) -> None:
        import tomlkit

        before = config.provider(provider.name)
        tables = document.setdefault("oauth", tomlkit.table(is_super_table=True))
        table = tables.setdefault(provider.name, tomlkit.table())
        merge_table(table, {} if before is None else written_values(before), written_values(provider))

    def as_wished(config: Config) -> bool:
        found = config.provider(provider.name)
        return found is not None and written_values(found) == written_values(provider)

    return _change(home, change, as_wished)


def remove_account(home: Home, name: str) -> Config:
    """Take an account out of the file. Raises ConfigError, StorageFailed."""

    def change(document: Any, config: Config) -> None:
        if not any(account.name == name for account in config.accounts):
            raise _no_account(name, config)
        del document["accounts"][name]
        if not document["accounts"]:
            del document["accounts"]

    return _change(home, change, lambda config: all(account.name != name for account in config.accounts))


def choose_keys(home: Home, preset: str) -> Config:
    """Set the preset of keys; those bound one by one stay. Raises ConfigError, StorageFailed."""

    def change(document: Any, config: Config) -> None:
        import tomlkit

        if "keys" not in document:
            document["keys"] = tomlkit.table()
        document["keys"]["preset"] = preset

    return _change(home, change, lambda config: config.keys.preset == preset)


def check_keys(home: Home, presets: Collection[str], commands: Collection[str]) -> None:
    """Whether the file's [keys] name a preset and commands that there are. Raises ConfigError, with near names."""
    source = ConfigText(home.config_file, _read(home.config_file))
    keys = source.parse().keys
    if keys.preset not in presets:
        raise source.mistake(
            ("keys", "preset"), f'must be one of {", ".join(presets)}, not "{keys.preset}"', 'preset = "gmail"'
        )
    for command in keys.bind:
        if command not in commands:
            raise source.unknown(command, commands, ("keys", "bind"))


def check_text(path: Path, text: str) -> Config:
    """What a config file with this text would say. Raises ConfigError that names `path`."""
    return _parse(path, text)


def replace_text(home: Home, text: str) -> Config:
    """Make `text` the config file if it holds no mistake. Raises ConfigError, StorageFailed; then the file is as before."""
    config = _parse(home.config_file, text)
    with _locked(home):
        replace_file(home.config_file, text)
    return config


def _no_account(name: str, config: Config) -> ConfigError:
    names = ", ".join(account.name for account in config.accounts) or "none yet"
    return ConfigError(f'There is no account "{name}". Accounts: {names}.')


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8. Save the file as UTF-8.") from error
    except OSError as error:
        raise StorageFailed(f"{path} could not be read: {error.strerror}.") from error


def _change(home: Home, change: Callable[[Any, Config], None], as_wished: Callable[[Config], bool]) -> Config:
    import tomlkit

    with _locked(home):
        text = _read(home.config_file)
        config = _parse(home.config_file, text)
        document = tomlkit.parse(text or _HEADER)
        change(document, config)
        after = tomlkit.dumps(document)
        result = _parse(home.config_file, after)
        if not as_wished(result):
            raise ConfigError(
                f"{home.config_file} is laid out in a way that termmail cannot change. Nothing was changed: edit it by hand."
            )
        replace_file(home.config_file, after)
    return result


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    path = home.config / ".config.lock"
    try:
        home.config.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed(f"{path} could not be made: {error.strerror}. Nothing was changed.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _parse(path: Path, text: str) -> Config:
    source = ConfigText(path, text)
    table = source.parse()
    keys = Keys(
        table.keys.preset, {command: _bound(source, command, keys) for command, keys in table.keys.bind.items()}
    )
    providers = read_providers(source, table.oauth)
    accounts = tuple(read_account(source, name, account, providers) for name, account in table.accounts.items())
    for account in accounts:
        twin = next(
            (other.name for other in accounts if other.name.casefold() == account.name.casefold()), account.name
        )
        if twin != account.name:
            raise source.mistake(
                ("accounts", account.name), f'differs from "{twin}" in nothing but case. Call it something else'
            )
    compose = Compose(table.compose.undo_seconds, table.compose.editor)
    return Config(accounts, keys, Ui(table.ui.mark_read_after), compose, providers)


def _bound(source: ConfigText, command: str, written: str | list[str]) -> tuple[str, ...]:
    """The keys of a command, in the mail reader's names."""
    found = []
    for keys in [written] if isinstance(written, str) else written:
        sequence = key_sequence(keys)
        if sequence is None:
            raise source.mistake(
                ("keys", "bind", command),
                f'must be keys such as "e", "ctrl+e", "f5" or, one after the other, "g e", not "{keys}"',
                f'{command} = "ctrl+e"',
            )
        found.append(sequence)
    return tuple(found)
