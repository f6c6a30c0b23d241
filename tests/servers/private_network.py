"""Private networks for discovery: a name server, web servers and mail servers on loopback, and nothing beyond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import msgspec

from servers.dns_server import NameServer
from servers.ports import free_ports
from servers.tls import Authority, Certificate
from servers.web_server import Answer, WebServer
from termmail.setup.network import Endpoint, Network

DOMAIN = "example.test"
AUTOCONFIG = f"autoconfig.{DOMAIN}/mail/config-v1.1.xml"
WELL_KNOWN = f"{DOMAIN}/.well-known/autoconfig/mail/config-v1.1.xml"
DATABASE = f"database.test/v1.1/{DOMAIN}"
NAMES = (
    DOMAIN,
    f"autoconfig.{DOMAIN}",
    f"imap.{DOMAIN}",
    f"pop.{DOMAIN}",
    f"smtp.{DOMAIN}",
    f"mail.{DOMAIN}",
    "database.test",
    "localhost",
    "127.0.0.1",
)
_PORTS = (80, 110, 143, 443, 465, 587, 993, 995)


class Place(msgspec.Struct, frozen=True):
    """A network, and the servers that stand in for the Internet in it."""

    network: Network
    names: NameServer
    secure: WebServer
    plain: WebServer


def names_certificate(authority: Authority) -> Certificate:
    """One that is good for all the names of the example."""
    return authority.issue("names", *NAMES)


@contextmanager
def private_network(
    authority: Authority,
    *,
    https: Mapping[str, Answer] | None = None,
    http: Mapping[str, Answer] | None = None,
    zone: str = "",
    mail: Mapping[str, int] | None = None,
    names: NameServer | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Place]:
    """`mail` goes from "host:port" to the port on loopback where that server is; every other usual port is closed."""
    (closed,) = free_ports(1)
    with ExitStack() as stack:
        name_server = stack.enter_context(names or NameServer(zone))
        secure = stack.enter_context(WebServer(https or {}, certificate=certificate or names_certificate(authority)))
        plain = stack.enter_context(WebServer(http or {}))
        connect_to = {f"*:{port}": Endpoint("127.0.0.1", closed) for port in _PORTS}
        connect_to["*:443"] = Endpoint("127.0.0.1", secure.port)
        connect_to["*:80"] = Endpoint("127.0.0.1", plain.port)
        connect_to |= {place: Endpoint("127.0.0.1", port) for place, port in (mail or {}).items()}
        network = Network(
            nameservers=(Endpoint("127.0.0.1", name_server.port),),
            database_url="https://database.test/v1.1/",
            connect_to=connect_to,
            ca_file=str(authority.ca),
        )
        yield Place(network, name_server, secure, plain)


def autoconfig(*servers: str, name: str = "Example Mail", more: str = "") -> bytes:
    """An autoconfig file. A server is "imap HOST PORT SSL [USER]", "smtp …"."""
    elements = []
    for server in servers:
        service, host, port, security, *user = server.split()
        tag = "outgoingServer" if service == "smtp" else "incomingServer"
        elements.append(
            f'<{tag} type="{service}"><hostname>{host}</hostname><port>{port}</port><socketType>{security}</socketType>'
            f"<username>{user[0] if user else '%EMAILADDRESS%'}</username>"
            f"<authentication>password-cleartext</authentication></{tag}>"
        )
    return (
        '<?xml version="1.0"?><clientConfig version="1.1">'
        f'<emailProvider id="{DOMAIN}"><domain>{DOMAIN}</domain><displayName>{name}</displayName>{"".join(elements)}{more}'
        "</emailProvider></clientConfig>"
    ).encode()
