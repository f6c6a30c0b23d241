"""Connections through a proxy (RFC 1928, RFC 9110 §9.3.6), which looks the server's name up."""

from __future__ import annotations

import socket
from typing import Any

from python_socks import ProxyError, ProxyTimeoutError, ProxyType
from python_socks.sync import Proxy as SocksProxy

from termmail.model.account import Server
from termmail.model.errors import Cancelled, Unreachable
from termmail.model.proxy import Proxy, ProxyKind
from termmail.protocols.tls import Lifeline, open_tcp

_TYPES = {ProxyKind.SOCKS5: ProxyType.SOCKS5, ProxyKind.SOCKS4: ProxyType.SOCKS4, ProxyKind.HTTP: ProxyType.HTTP}


class _Opened(SocksProxy):
    """The connection to the proxy, which the lifeline holds already, where python-socks expects a proxy in front of the proxy."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def connect(self, dest_host: str, dest_port: int, timeout: float | None = None, **_: Any) -> socket.socket:
        return self._connection


def open_through(proxy: Proxy, server: Server, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A connection to `server` within so many seconds. Raises Unreachable, Cancelled."""
    try:
        to_proxy = open_tcp(proxy.host, proxy.port, seconds, lifeline)
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"The proxy {proxy.url} can't be reached. Check its name and port, and whether it runs.",
            detail=f"{type(error).__name__}: {error}",
        ) from error
    try:
        return SocksProxy(_TYPES[proxy.kind], proxy.host, proxy.port, rdns=True, forward=_Opened(to_proxy)).connect(
            server.host, server.port, timeout=seconds
        )
    except (ProxyError, ProxyTimeoutError, OSError, ValueError) as error:
        lifeline.close()
        if lifeline.is_cut:
            raise Cancelled("Stopped.") from error
        detail = f"{type(error).__name__}: {error}"
        if isinstance(error, ProxyTimeoutError | TimeoutError):
            raise Unreachable(
                f"The proxy {proxy.url} did not answer in time. Check that it is a {proxy.kind.value} proxy.",
                detail=detail,
            ) from error
        raise Unreachable(
            f"The proxy {proxy.url} did not connect to {server.host}, port {server.port}. Check the server's name, and whether "
            "the proxy lets mail through.",
            detail=detail,
        ) from error
