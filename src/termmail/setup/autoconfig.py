"""Autoconfig files (Thunderbird's format, version 1.1): reading one, without believing anything in it that can't be."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from termmail.mime.safe_text import safe_text
from termmail.model.account import Security, Server
from termmail.model.hosts import is_loopback
from termmail.model.setup import ProviderNotes, SignInWay
from termmail.setup.address import AddressParts, to_ascii
from termmail.setup.field_checks import is_number, tidy

_MAX_SERVERS = 20
_SECURITY = {"ssl": Security.TLS, "starttls": Security.STARTTLS, "plain": Security.NONE}
_WAYS = {
    "oauth2": SignInWay.OAUTH2,
    "password-cleartext": SignInWay.PASSWORD,
    "password-encrypted": SignInWay.PASSWORD,
    "plain": SignInWay.PASSWORD,
    "secure": SignInWay.PASSWORD,
}


class BadFile(Exception):
    """This is no autoconfig file, or one that is not to be read."""


class ConfiguredServer(msgspec.Struct, frozen=True):
    """One server of a file, and the user name that it says for an address."""

    service: str
    server: Server
    user: str


class Autoconfig(msgspec.Struct, frozen=True):
    """What a file says, in its order."""

    servers: tuple[ConfiguredServer, ...]
    notes: ProviderNotes


def read_autoconfig(data: bytes, address: AddressParts) -> Autoconfig:
    """The servers that a file has for an address. Raises BadFile: not XML, with a document type or entities, or without servers."""
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise BadFile(f"{type(error).__name__}: {error}") from error
    provider = root.find("emailProvider") if root.tag == "clientConfig" else None
    if provider is None:
        raise BadFile("no clientConfig with an emailProvider")
    servers = []
    ways: list[SignInWay] = []
    for element in [*provider.findall("incomingServer"), *provider.findall("outgoingServer")][:_MAX_SERVERS]:
        found = _server(element, address)
        if found is not None:
            servers.append(found)
            ways += [way for way in _ways(element) if way not in ways]
    if not servers:
        raise BadFile("no server of a known kind")
    name = safe_text(provider.findtext("displayName") or provider.get("id") or address.domain, one_line=True)[:60]
    issuer = (root.findtext("oAuth2/issuer") or provider.findtext("oAuth2/issuer") or "").strip()
    host = to_ascii(issuer)
    return Autoconfig(
        tuple(servers),
        ProviderNotes(
            name,
            tuple(ways) or (SignInWay.PASSWORD,),
            oauth_provider=f"https://{host}" if host and SignInWay.OAUTH2 in ways else "",
        ),
    )


def _server(element: Any, address: AddressParts) -> ConfiguredServer | None:
    service = element.get("type", "").lower()
    host = _host((element.findtext("hostname") or "").strip(), address)
    port = tidy(element.findtext("port") or "")
    security = _SECURITY.get((element.findtext("socketType") or "").strip().lower())
    if service not in ("imap", "pop3", "smtp") or not host or security is None:
        return None
    if not is_number(port, 65535):
        return None
    if security is Security.NONE and not is_loopback(host):
        # Nobody is asked to send a password in the clear (T1).
        return None
    pattern = (element.findtext("username") or "%EMAILADDRESS%").strip()
    return ConfiguredServer(service, Server(host, int(port), security), _fill_in(pattern, address)[:320])


def _host(text: str, address: AddressParts) -> str:
    host = _fill_in(text, address)
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return to_ascii(host) or ""


def _fill_in(pattern: str, address: AddressParts) -> str:
    for name, value in (
        ("%EMAILADDRESS%", f"{address.local}@{address.domain}"),
        ("%EMAILLOCALPART%", address.local),
        ("%EMAILDOMAIN%", address.domain),
    ):
        pattern = pattern.replace(name, value)
    return safe_text(pattern, one_line=True)


def _ways(element: Any) -> Iterator[SignInWay]:
    for authentication in element.findall("authentication"):
        way = _WAYS.get((authentication.text or "").strip().lower())
        if way is not None:
            yield way
