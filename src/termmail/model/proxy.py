"""The proxy that an account's connections go through."""

from __future__ import annotations

import enum
import re

import msgspec

from termmail.model.errors import ConfigError


class ProxyKind(enum.Enum):
    """SOCKS 5 (RFC 1928), SOCKS 4a, or HTTP's CONNECT (RFC 9110 §9.3.6)."""

    SOCKS5 = "socks5"
    SOCKS4 = "socks4"
    HTTP = "http"


class Proxy(msgspec.Struct, frozen=True):
    """Where the proxy is. It looks names up itself, so that nothing about a server is asked of this computer's name servers."""

    kind: ProxyKind
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind.value}://{host}:{self.port}"


_URL = re.compile(
    r"(?P<kind>socks5h?|socks4a?|http)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/@:\[\]\x00-\x1f\x7f]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_USUAL_PORTS = {ProxyKind.SOCKS5: 1080, ProxyKind.SOCKS4: 1080, ProxyKind.HTTP: 8080}


def parse_proxy(url: str) -> Proxy | None:
    """The proxy of a URL such as socks5://127.0.0.1:9050 or http://proxy.example.org:3128; None where it is none.

    One with a user and password is none either: they would be a secret in the config file (C2).
    """
    found = _URL.fullmatch(url.strip())
    if found is None:
        return None
    kind = ProxyKind(found["kind"].lower().removesuffix("h").removesuffix("a"))
    port = int(found["port"]) if found["port"] else _USUAL_PORTS[kind]
    return Proxy(kind, found["host"].strip("[]"), port) if 0 < port < 65536 else None


def web_proxy(url: str) -> str | None:
    """An account's proxy for requests to web servers; None without one. Raises ConfigError for one that can't be used for them."""
    proxy = parse_proxy(url) if url else None
    if proxy is None:
        return None
    if proxy.kind is ProxyKind.SOCKS4:
        raise ConfigError(
            "Web servers are asked through a proxy of SOCKS 5 or HTTP, not of SOCKS 4. Change the account's proxy."
        )
    return proxy.url
