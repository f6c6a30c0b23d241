"""Where discovery asks: the name servers, the ISP database, and what stands in for the Internet in a private network."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import msgspec

from termmail.model.errors import ConfigError

DATABASE_URL = "https://autoconfig.thunderbird.net/v1.1/"
"""The ISP database: a domain is appended."""


class Endpoint(msgspec.Struct, frozen=True):
    """A host and a port."""

    host: str
    port: int


class Network(msgspec.Struct, frozen=True):
    """`nameservers` are asked instead of the system's. `database_url` is the ISP database, or empty for none.

    `connect_to` says where connections to a "host:port" go instead, as curl's --connect-to does; "*:port" is for all hosts.
    Names in certificates are still those of the host that was meant. `ca_file` is a PEM file with a private authority.
    `proxy` is a URL as in an account's settings, or empty.
    """

    nameservers: tuple[Endpoint, ...] = ()
    database_url: str = DATABASE_URL
    connect_to: dict[str, Endpoint] = {}
    ca_file: str = ""
    proxy: str = ""

    def endpoint(self, host: str, port: int) -> Endpoint:
        """Where to connect to for a host and port."""
        for key in (f"{host}:{port}", f"*:{port}"):
            if key in self.connect_to:
                return self.connect_to[key]
        return Endpoint(host, port)


def network_from(environment: Mapping[str, str]) -> Network:
    """The network as the environment says, for private ones: TERMMAIL_NAMESERVER and TERMMAIL_CONNECT_TO, lists separated by
    spaces of `ADDRESS[:PORT]` and `HOST:PORT=HOST:PORT`; TERMMAIL_AUTOCONFIG_URL. Raises ConfigError."""
    nameservers = tuple(
        _endpoint("TERMMAIL_NAMESERVER", word, 53) for word in environment.get("TERMMAIL_NAMESERVER", "").split()
    )
    for nameserver in nameservers:
        try:
            ipaddress.ip_address(nameserver.host)
        except ValueError as error:
            raise ConfigError(
                f'TERMMAIL_NAMESERVER must be IP addresses, not "{nameserver.host}".', detail=str(error)
            ) from error
    connect_to = {}
    for word in environment.get("TERMMAIL_CONNECT_TO", "").split():
        meant, equals, instead = word.partition("=")
        if not equals:
            raise ConfigError(f'TERMMAIL_CONNECT_TO must be HOST:PORT=HOST:PORT, not "{word}".')
        connect_to[meant.lower()] = _endpoint("TERMMAIL_CONNECT_TO", instead, 0)
    return Network(nameservers, environment.get("TERMMAIL_AUTOCONFIG_URL", DATABASE_URL), connect_to)


def _endpoint(variable: str, text: str, default_port: int) -> Endpoint:
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if not colon and default_port:
        return Endpoint(text.strip("[]"), default_port)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f'{variable} has "{text}", which is no host with a port from 1 to 65535.')
    return Endpoint(host.strip("[]"), int(port))
