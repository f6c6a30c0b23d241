"""What config.toml may hold: each key with its type, what is expected of it, and an example."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from termmail.model.account import Security, SentCopy

DEFAULT_CONNECTIONS = 3
"""Connections open at once to one account's server (T15)."""


def _key(expected: str, example: str) -> msgspec.Meta:
    return msgspec.Meta(description=expected, examples=[example])


class PasswordFrom(enum.Enum):
    """CredentialKind in the words of the file."""

    KEYRING = "keyring"
    COMMAND = "command"
    ASK = "ask"
    OAUTH2 = "oauth2"
    TOKEN_COMMAND = "token-command"


Port = Annotated[int, _key("a whole number from 1 to 65535", "993"), msgspec.Meta(ge=1, le=65535)]


class ServerTable(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, _key("a host name or an IP address", '"imap.example.org"'), msgspec.Meta(min_length=1)]
    port: Port | None = None
    security: Annotated[Security, _key('"tls", "starttls" or, on this computer only, "none"', '"tls"')] = Security.TLS
    pin_sha256: Annotated[str, _key("the SHA-256 fingerprint of a certificate, 64 hexadecimal digits", '"3b1f…"')] = ""


class IdentityTable(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, _key("a name in quotes", '"Lisa Example"')]
    address: Annotated[str, _key("an e-mail address", '"lisa@example.org"')]
    signature: Annotated[str, _key("text in quotes", '"Lisa Example"')] = ""


class AccountTable(msgspec.Struct, frozen=True, kw_only=True):
    email: Annotated[str, _key("an e-mail address", '"lisa@example.org"')]
    full_name: Annotated[str, _key("a name in quotes", '"Lisa Example"')] = ""
    user: Annotated[str, _key("the name to sign in with; without it the e-mail address is used", '"lisa"')] = ""
    imap: ServerTable | None = None
    pop3: ServerTable | None = None
    smtp: ServerTable | None = None
    password_from: Annotated[
        PasswordFrom, _key('"keyring", "command", "ask", "oauth2" or "token-command"', '"keyring"')
    ] = PasswordFrom.KEYRING
    password_command: Annotated[str, _key("a command line that prints the password", '"pass show mail/lisa"')] = ""
    token_command: Annotated[
        str, _key("a command line that prints an OAuth 2 access token", '"oama access lisa@example.org"')
    ] = ""
    oauth: Annotated[str, _key('"google", "microsoft", "yahoo" or the name of an [oauth] table', '"google"')] = ""
    ca_file: Annotated[str, _key("the path of a PEM file", '"/etc/ssl/private-ca.pem"')] = ""
    proxy: Annotated[str, _key("the URL of a proxy", '"socks5://127.0.0.1:1080"')] = ""
    offline: Annotated[
        Literal["all", "on-demand"] | Annotated[int, msgspec.Meta(ge=1, le=36500)],
        _key('"all", "on-demand" or a number of days', '"all"'),
    ] = "all"
    keep: Annotated[
        Literal["forever", "until-deleted", "none"] | Annotated[int, msgspec.Meta(ge=1, le=36500)],
        _key('"forever", "until-deleted", "none" or a number of days', '"forever"'),
    ] = "forever"
    connections: Annotated[int, _key("a whole number from 1 to 20", "3"), msgspec.Meta(ge=1, le=20)] = (
        DEFAULT_CONNECTIONS
    )
    colour: Annotated[str, _key("a colour name of Textual's", '"ansi_blue"')] = ""
    identities: list[IdentityTable] = []
    signature: Annotated[str, _key("text in quotes", '"Lisa Example"')] = ""
    sent_copy: Annotated[SentCopy, _key('"auto", "termmail" or "server"', '"auto"')] = SentCopy.AUTO
    authserv_id: Annotated[
        str, _key("the name at the start of your provider's Authentication-Results", '"mx.example.org"')
    ] = ""
    enabled: Annotated[bool, _key("true, or false for an account that is left alone", "true")] = True


class OAuthTable(msgspec.Struct, frozen=True, kw_only=True):
    client_id: Annotated[
        str, _key("the id that the provider gave to termmail", '"123-abc.apps.googleusercontent.com"')
    ] = ""
    client_secret: Annotated[str, _key("the secret that the provider gave with it", '"GOCSPX-…"')] = ""
    issuer: Annotated[str, _key("the URL of the sign-in server", '"https://login.example.org"')] = ""
    authorization_url: Annotated[str, _key("a URL", '"https://login.example.org/authorize"')] = ""
    token_url: Annotated[str, _key("a URL", '"https://login.example.org/token"')] = ""
    device_url: Annotated[str, _key("a URL", '"https://login.example.org/device"')] = ""
    scopes: Annotated[list[str], _key("a list of words", '["openid", "offline_access"]')] = []


class UiTable(msgspec.Struct, frozen=True, kw_only=True):
    mark_read_after: Annotated[
        float,
        _key("seconds in view before a message counts as read; -1 for never", "1.0"),
        msgspec.Meta(ge=-1, le=3600),
    ] = 1.0


class ComposeTable(msgspec.Struct, frozen=True, kw_only=True):
    undo_seconds: Annotated[
        float,
        _key("seconds for which sending can be taken back; 0 for none", "10"),
        msgspec.Meta(ge=0, le=3600),
    ] = 10.0
    editor: Annotated[str, _key("a command line; without it $VISUAL or $EDITOR is used", '"vim"')] = ""


class KeysTable(msgspec.Struct, frozen=True, kw_only=True):
    preset: Annotated[str, _key("the name of a set of keys", '"gmail"')] = "gmail"
    bind: Annotated[
        dict[str, Annotated[str | list[str], _key("a key in quotes, or a list of keys", '"e"')]],
        _key("a table from a command to its key, or to a list of keys", '{ archive = "e" }'),
    ] = {}


class FileTable(msgspec.Struct, frozen=True, kw_only=True):
    accounts: dict[str, AccountTable] = {}
    oauth: dict[str, OAuthTable] = {}
    ui: UiTable = UiTable()
    compose: ComposeTable = ComposeTable()
    keys: KeysTable = KeysTable()


TABLE_EXAMPLES = {
    ServerTable: '{ host = "imap.example.org", port = 993, security = "tls" }',
    IdentityTable: '{ name = "Lisa Example", address = "lisa@example.org" }',
    AccountTable: '{ email = "lisa@example.org", imap = { host = "imap.example.org" } }',
    OAuthTable: '{ client_id = "123-abc.apps.googleusercontent.com" }',
    UiTable: "{ mark_read_after = 1.0 }",
    ComposeTable: "{ undo_seconds = 10 }",
    KeysTable: '{ preset = "gmail" }',
}
"""A table of each kind, as it may be written."""
