"""An account as a table of config.toml: read into an Account, and written from one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
_PORTS = {"imap": (993, 143), "pop3": (995, 110), "smtp": (465, 587)}


def default_port(service: str, security: Security) -> int:
    """The port of "imap", "pop3", or "smtp" (message submission) for a kind of security (RFC 8314)."""
    with_tls, without = _PORTS[service]
    return with_tls if security is Security.TLS else without


def read_account(source: ConfigText, name: str, table: AccountTable, providers: Sequence[OAuthProvider]) -> Account:
    """The account that a table [accounts.NAME] describes. Raises ConfigError that says what is wrong on which line."""
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


def account_values(account: Account) -> dict[str, Any]:
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


def account_table(account: Account) -> Any:
    """The account as a table of tomlkit's."""
    import tomlkit

    table = tomlkit.table()
    for key, value in account_values(account).items():
        table[key] = _as_written(value)
    return table


def _as_written(value: Any) -> Any:
    """A server's table goes on one line."""
    if not isinstance(value, dict):
        return value
    import tomlkit

    inner = tomlkit.inline_table()
    inner.update(value)
    return inner


def merge_table(table: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Bring a tomlkit table from `before` to `after`, writing only what differs."""
    for key in before:
        if key not in after and key in table:
            del table[key]
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        if isinstance(value, dict) and key in table:
            merge_table(table[key], before[key], value)
        else:
            table[key] = _as_written(value)
