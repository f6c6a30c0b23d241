"""The [oauth] tables of config.toml: client ids for the large providers, and servers of one's own."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec

from termmail.accounts.oauth.providers import BUILT_IN
from termmail.accounts.reading import ConfigText
from termmail.accounts.schema import OAuthTable
from termmail.model.hosts import is_loopback
from termmail.model.oauth import ClientAuthentication, OAuthProvider
from termmail.model.secret import Secret

_NAME = re.compile(r"\w[\w.-]{0,63}")
_URLS = ("issuer", "authorization_url", "token_url", "device_url")


def read_providers(source: ConfigText, tables: Mapping[str, OAuthTable]) -> tuple[OAuthProvider, ...]:
    """The large providers and those of the file, each with the client id that the file has for it. Raises ConfigError."""
    named = {name: _provider(source, name, table) for name, table in tables.items()}
    return tuple((BUILT_IN | named).values())


def safe_url(url: str) -> bool:
    """Whether tokens may go there: by https, or on this computer."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or port == 0 or parts.username is not None or not re.fullmatch(r"[\x21-\x7e]+", url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def written_values(provider: OAuthProvider) -> dict[str, Any]:
    """What config.toml has to say of a provider, without what is known already."""
    known = BUILT_IN.get(provider.name, OAuthProvider(name=provider.name, label=""))
    values: dict[str, Any] = {}
    for key in ("client_id", *_URLS):
        if getattr(provider, key) != getattr(known, key):
            values[key] = getattr(provider, key)
    if provider.client_secret != known.client_secret:
        values["client_secret"] = provider.client_secret.reveal()
    if provider.scopes != known.scopes:
        values["scopes"] = list(provider.scopes)
    return values


def _provider(source: ConfigText, name: str, table: OAuthTable) -> OAuthProvider:
    path = ("oauth", name)
    if not _NAME.fullmatch(name):
        raise source.mistake(
            path, "is not a name: at most 64 letters, digits and . _ -, the first a letter or digit", "[oauth.work]"
        )
    for key in _URLS:
        value = getattr(table, key)
        if value and not safe_url(value):
            raise source.mistake((*path, key), "must be a URL with https", f'{key} = "https://login.example.org"')
    for key, value in (("client_id", table.client_id), ("client_secret", table.client_secret)):
        if not value.isascii() or re.search(r"[\s\x00-\x1f\x7f]", value):
            raise source.mistake((*path, key), "holds a space or another character that can't be in it. Remove it")
    for scope in table.scopes:
        if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope):
            raise source.mistake((*path, "scopes"), "must be words without spaces", 'scopes = ["openid", "mail"]')
    known = BUILT_IN.get(name)
    if known is None:
        if not table.issuer and not (table.authorization_url and table.token_url):
            raise source.mistake((*path, "issuer"), "is missing", 'issuer = "https://login.example.org"')
        host = urllib.parse.urlsplit(table.issuer or table.token_url).hostname or name
        known = OAuthProvider(name=name, label=host)
    return msgspec.structs.replace(
        known,
        client_id=table.client_id,
        client_secret=Secret(table.client_secret),
        client_authentication=ClientAuthentication.POST if table.client_secret else ClientAuthentication.NONE,
        issuer=table.issuer or known.issuer,
        authorization_url=table.authorization_url or known.authorization_url,
        token_url=table.token_url or known.token_url,
        device_url=table.device_url or known.device_url,
        scopes=tuple(table.scopes) or known.scopes,
    )
