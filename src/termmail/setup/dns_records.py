"""What DNS tells of a domain's mail: SRV (RFC 6186, RFC 8314) and MX records."""

from __future__ import annotations

from functools import partial
from typing import Any

import dns.exception
import dns.resolver
import msgspec

from termmail.mime.safe_text import safe_address
from termmail.setup.at_once import at_once
from termmail.setup.network import Network

SRV_SERVICES = (
    ("_imaps", "imap"),
    ("_imap", "imap"),
    ("_pop3s", "pop3"),
    ("_pop3", "pop3"),
    ("_submissions", "smtp"),
    ("_submission", "smtp"),
)


class NoAnswer(Exception):
    """No name server gave an answer that can be used."""


class NoDomain(Exception):
    """There is no such domain."""


class Located(msgspec.Struct, frozen=True):
    """A server that an SRV record names. `label` is the record's, such as _imaps."""

    service: str
    label: str
    host: str
    port: int


def servers_of(domain: str, network: Network, seconds: float) -> list[Located]:
    """What the SRV records of a domain name, the preferred of each kind first. Raises NoAnswer."""
    calls = [partial(_ask, f"{label}._tcp.{domain}", "SRV", network, seconds) for label, _ in SRV_SERVICES]
    found: dict[int, list[Located]] = {}
    failures: list[NoAnswer] = []
    for done in at_once(calls, seconds):
        if isinstance(done.error, NoAnswer):
            failures.append(done.error)
        label, service = SRV_SERVICES[done.index]
        records = sorted(done.result or (), key=lambda record: (record.priority, -record.weight))
        targets = ((record.target.to_text(omit_final_dot=True), record.port) for record in records)
        # A target of "." says that there is no such service.
        found[done.index] = [
            Located(service, label, host.lower(), port) for host, port in targets if host and host != "."
        ]
    if not any(found.values()) and (failures or len(found) < len(calls)):
        raise failures[0] if failures else NoAnswer("the name server is silent")
    return [located for index in sorted(found) for located in found[index]]


def exchangers_of(domain: str, network: Network, seconds: float) -> list[str]:
    """The hosts that take mail for a domain, the preferred first; empty where it takes none (RFC 7505). Raises NoAnswer, NoDomain."""
    records = sorted(_ask(domain, "MX", network, seconds, must_exist=True), key=lambda record: record.preference)
    names = (record.exchange.to_text(omit_final_dot=True).lower() for record in records)
    return [name for name in names if name and name != "."]


def registered_domain(host: str) -> str:
    """The domain that a host's owner probably has, such as example.co.uk for mx1.example.co.uk."""
    labels = host.split(".")
    kept = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-kept:])


def _ask(name: str, kind: str, network: Network, seconds: float, *, must_exist: bool = False) -> list[Any]:
    try:
        resolver = dns.resolver.Resolver(configure=not network.nameservers)
        if network.nameservers:
            resolver.nameservers = [server.host for server in network.nameservers]
            resolver.nameserver_ports = {server.host: server.port for server in network.nameservers}
        answer = resolver.resolve(name, kind, lifetime=seconds, search=False)
    except dns.resolver.NXDOMAIN as error:
        if must_exist:
            raise NoDomain(safe_address(name)) from error
        return []
    except dns.resolver.NoAnswer:
        return []
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from error
    return list(answer)
