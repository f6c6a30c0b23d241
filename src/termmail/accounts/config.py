"""config.toml: reading it, and adding, changing and removing accounts in it without touching the user's comments."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from termmail.accounts.key_names import key_sequence
from termmail.accounts.oauth.providers import BUILT_IN
from termmail.accounts.oauth.settings import read_providers, written_values
from termmail.accounts.private_file import replace_file
from termmail.accounts.reading import ConfigText
from termmail.accounts.schema import DEFAULT_CONNECTIONS, AccountTable, PasswordFrom, ServerTable
from termmail.model.account import (
    Account,
    Credential,
    CredentialKind,
    Identity,
    KeepKind,
    KeepPolicy,
    OfflineKind,
    OfflinePolicy,
    Protocol,
    Security,
    SentCopy,
    Server,
    normal_fingerprint,
)
from termmail.model.errors import ConfigError, StorageFailed
from termmail.model.home import Home
from termmail.model.hosts import is_loopback
from termmail.model.oauth import OAuthProvider
from termmail.model.proxy import parse_proxy

ACCOUNT_NAME = re.compile(r"\w[\w.@+-]{0,63}")
"""What an account may be called: it is a key in the file, a folder's name and a word on the command line."""

_CREDENTIAL_KINDS = {
    PasswordFrom.KEYRING: CredentialKind.KEYRING,
    PasswordFrom.COMMAND: CredentialKind.COMMAND,
    PasswordFrom.ASK: CredentialKind.SESSION,
    PasswordFrom.OAUTH2: CredentialKind.OAUTH2,
    PasswordFrom.TOKEN_COMMAND: CredentialKind.TOKEN_COMMAND,
}
_PASSWORD_FROM = {kind: word for word, kind in _CREDENTIAL_KINDS.items()}
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


_PORTS = {"imap": (993, 143), "pop3": (995, 110), "smtp": (465, 587)}


def default_port(service: str, security: Security) -> int:
    """The port of "imap", "pop3", or "smtp" (message submission) for a kind of security (RFC 8314)."""
    with_tls, without = _PORTS[service]
    return with_tls if security is Security.TLS else without


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
        document["accounts"][account.name] = _account_table(account)

    return _change(home, change, lambda config: config.account(account.name) == account)


def edit_account(home: Home, account: Account) -> Config:
    """Set an existing account's keys to these values; what is the same stays as it is written. Raises ConfigError, StorageFailed."""

    def change(document: Any, config: Config) -> None:
        before = config.account(account.name)
        if before is None or before.name != account.name:
            raise _no_account(account.name, config)
        _merge(document["accounts"][account.name], _account_values(before), _account_values(account))

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
        _merge(table, {} if before is None else written_values(before), written_values(provider))

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
    accounts = tuple(_account(source, name, account, providers) for name, account in table.accounts.items())
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


def _account(source: ConfigText, name: str, table: AccountTable, providers: Sequence[OAuthProvider]) -> Account:
    path = ("accounts", name)
    if not ACCOUNT_NAME.fullmatch(name):
        raise source.mistake(
            path,
            "is not a name for an account: at most 64 letters, digits and . _ @ + -, the first a letter or digit",
            "[accounts.work]",
        )
    if not re.fullmatch(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+", table.email):
        raise source.mistake((*path, "email"), "must be an e-mail address", 'email = "lisa@example.org"')
    for key, value in (("user", table.user), ("full_name", table.full_name)):
        if re.search(r"[\x00-\x1f\x7f]", value):
            raise source.mistake((*path, key), "holds a control character. Remove it")
    if table.imap is not None and table.pop3 is not None:
        raise source.mistake((*path, "pop3"), "stands beside imap; an account has one of the two. Remove one")
    if table.proxy and parse_proxy(table.proxy) is None:
        raise source.mistake(
            (*path, "proxy"),
            "must be the URL of a SOCKS or HTTP proxy, without a user or password",
            'proxy = "socks5://127.0.0.1:1080"',
        )
    incoming = table.imap if table.pop3 is None else table.pop3
    if incoming is None:
        raise source.mistake((*path, "imap"), "is missing, and so is pop3", 'imap = { host = "imap.example.org" }')
    protocol = Protocol.IMAP if table.pop3 is None else Protocol.POP3
    return Account(
        name=name,
        email=table.email,
        protocol=protocol,
        incoming=_server(source, incoming, (*path, protocol.value)),
        smtp=None if table.smtp is None else _server(source, table.smtp, (*path, "smtp")),
        user=table.user or table.email,
        full_name=table.full_name,
        credential=_credential(source, path, table, providers),
        ca_file=table.ca_file,
        proxy=table.proxy,
        offline=_policy(table.offline),
        keep=_keep(table.keep),
        connections=table.connections,
        colour=table.colour,
        identities=tuple(
            Identity(identity.name, identity.address, identity.signature) for identity in table.identities
        ),
        signature=table.signature,
        sent_copy=table.sent_copy,
        authserv_id=table.authserv_id,
        enabled=table.enabled,
    )


def _credential(
    source: ConfigText, path: tuple[str, ...], table: AccountTable, providers: Sequence[OAuthProvider]
) -> Credential:
    for kind, key, example in (
        (PasswordFrom.COMMAND, "password_command", "pass show mail/lisa"),
        (PasswordFrom.TOKEN_COMMAND, "token_command", "oama access lisa@example.org"),
        (PasswordFrom.OAUTH2, "oauth", "google"),
    ):
        if (table.password_from is kind) != bool(getattr(table, key)):
            raise source.mistake(
                (*path, key),
                f'belongs together with password_from = "{kind.value}"; one is there without the other',
                f'password_from = "{kind.value}" and {key} = "{example}"',
            )
    provider = next((provider for provider in providers if provider.name == table.oauth), None)
    if table.oauth and provider is None:
        names = ", ".join(f'"{provider.name}"' for provider in providers)
        raise source.mistake(
            (*path, "oauth"), f"must be one of {names}, or the name of a table such as [oauth.work]", 'oauth = "google"'
        )
    command = table.password_command or table.token_command
    return Credential(_CREDENTIAL_KINDS[table.password_from], command, provider)


def _policy(offline: str | int) -> OfflinePolicy:
    if isinstance(offline, int):
        return OfflinePolicy(OfflineKind.DAYS, offline)
    return OfflinePolicy(OfflineKind(offline))


def _keep(keep: str | int) -> KeepPolicy:
    return KeepPolicy(KeepKind.DAYS, keep) if isinstance(keep, int) else KeepPolicy(KeepKind(keep))


def _server(source: ConfigText, table: ServerTable, path: tuple[str, ...]) -> Server:
    if re.search(r"[\s\x00-\x1f\x7f\[\]/]", table.host):
        raise source.mistake(
            (*path, "host"), "must be a host name or an IP address and nothing else", 'host = "imap.example.org"'
        )
    if table.security is Security.NONE and not is_loopback(table.host):
        raise source.mistake(
            (*path, "security"),
            '"none" would send the password in the clear; it is accepted for this computer only (localhost)',
            'security = "tls"',
        )
    pin = normal_fingerprint(table.pin_sha256)
    if pin is None:
        raise source.mistake(
            (*path, "pin_sha256"),
            "must be the SHA-256 fingerprint of a certificate, 64 hexadecimal digits with or without colons",
        )
    return Server(table.host, table.port or default_port(path[-1], table.security), table.security, pin)


def _account_values(account: Account) -> dict[str, Any]:
    """The account as the file holds it, without what is the default."""
    values: dict[str, Any] = {"email": account.email}
    if account.full_name:
        values["full_name"] = account.full_name
    if account.user != account.email:
        values["user"] = account.user
    values["password_from"] = _PASSWORD_FROM[account.credential.kind].value
    match account.credential.kind:
        case CredentialKind.COMMAND:
            values["password_command"] = account.credential.command
        case CredentialKind.TOKEN_COMMAND:
            values["token_command"] = account.credential.command
        case CredentialKind.OAUTH2:
            values["oauth"] = "" if account.credential.provider is None else account.credential.provider.name
    if account.ca_file:
        values["ca_file"] = account.ca_file
    if account.proxy:
        values["proxy"] = account.proxy
    if account.protocol is Protocol.POP3:
        values["keep"] = account.keep.days if account.keep.kind is KeepKind.DAYS else account.keep.kind.value
    else:
        values["offline"] = (
            account.offline.days if account.offline.kind is OfflineKind.DAYS else account.offline.kind.value
        )
    if account.connections != DEFAULT_CONNECTIONS:
        values["connections"] = account.connections
    if account.colour:
        values["colour"] = account.colour
    values[account.protocol.value] = _server_values(account.incoming)
    if account.smtp is not None:
        values["smtp"] = _server_values(account.smtp)
    if account.identities:
        values["identities"] = [
            {"name": identity.name, "address": identity.address}
            | ({"signature": identity.signature} if identity.signature else {})
            for identity in account.identities
        ]
    if account.signature:
        values["signature"] = account.signature
    if account.sent_copy is not SentCopy.AUTO:
        values["sent_copy"] = account.sent_copy.value
    if account.authserv_id:
        values["authserv_id"] = account.authserv_id
    if not account.enabled:
        values["enabled"] = False
    return values


def _server_values(server: Server) -> dict[str, Any]:
    values = {"host": server.host, "port": server.port, "security": server.security.value}
    return values | ({"pin_sha256": server.pin_sha256} if server.pin_sha256 else {})


def _account_table(account: Account) -> Any:
    import tomlkit

    table = tomlkit.table()
    for key, value in _account_values(account).items():
        if isinstance(value, dict):
            inner = tomlkit.inline_table()
            inner.update(value)
            table[key] = inner
        else:
            table[key] = value
    return table


def _merge(table: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Bring a tomlkit table from `before` to `after`, writing only what differs."""
    for key in before:
        if key not in after and key in table:
            del table[key]
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        if isinstance(value, dict) and key in table:
            _merge(table[key], before[key], value)
        elif isinstance(value, dict):
            import tomlkit

            inner = tomlkit.inline_table()
            inner.update(value)
            table[key] = inner
        else:
            table[key] = value
