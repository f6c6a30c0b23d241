"""Trying a server: does it answer, as which service, and with which kind of TLS? That is found out, not read off the port."""

from __future__ import annotations

import time

import msgspec

from termmail.model.account import Security, Server
from termmail.model.errors import CertificateRefused, TermmailError, Unreachable
from termmail.model.hosts import is_loopback
from termmail.model.setup import SeenCertificate
from termmail.protocols.probing import Look, Probe
from termmail.setup.network import Network

_LEAST_SECONDS = 0.2

SERVICE_NAMES = {
    "imap": "IMAP",
    "pop3": "POP3",
    "smtp": "SMTP",
    "ssh": "SSH",
    "ftp": "FTP",
    "http": "HTTP",
    "managesieve": "ManageSieve",
}


class Trial(msgspec.Struct, frozen=True):
    """How it went. `server` has the kind of security that was found, or was given where none was; `answered` says that it is the
    service and can be used as it is. Otherwise `trouble` is a sentence; `speaks` is another service that answered, `unreachable` says
    that nothing did."""

    server: Server
    answered: bool
    trouble: str = ""
    certificate: SeenCertificate | None = None
    speaks: str = ""
    unreachable: bool = False


def try_server(service: str, server: Server, network: Network, seconds: float) -> Trial:
    """Try a port with TLS, then with STARTTLS, and on this computer without any. Never raises TermmailError."""
    deadline = time.monotonic() + seconds
    # Who waits for a greeting where TLS is spoken waits long; who begins with TLS where a server greets is told at once.
    modes = [Security.TLS, Security.STARTTLS, *([Security.NONE] if is_loopback(server.host) else [])]
    trouble, speaks = "", ""
    for mode in modes:
        left = deadline - time.monotonic()
        if left < _LEAST_SECONDS:
            break
        tried = msgspec.structs.replace(server, security=mode)
        probe = _probe(service, tried, network, left)
        try:
            look: Look = probe.look()
        except CertificateRefused as error:
            certificate = None
            left = deadline - time.monotonic()
            if error.self_signed and left > _LEAST_SECONDS:
                certificate = _probe(service, tried, network, left).certificate()
            return Trial(tried, False, error.sentence, certificate)
        except Unreachable as error:
            return Trial(server, False, error.sentence, unreachable=True)
        except TermmailError as error:
            trouble = trouble if mode is Security.NONE else error.sentence
            continue
        if look.speaks == service:
            return Trial(tried, True)
        if look.speaks or mode is modes[-1]:
            speaks = look.speaks
            what = SERVICE_NAMES.get(speaks, "something else")
            trouble = f"Port {server.port} of {server.host} speaks {what}, not {SERVICE_NAMES[service]}."
            break
    return Trial(
        server, False, trouble or f"{server.host} did not answer in time on port {server.port}.", speaks=speaks
    )


def _probe(service: str, server: Server, network: Network, seconds: float) -> Probe:
    place = network.endpoint(server.host, server.port)
    return Probe(
        service,
        server,
        ca_file=network.ca_file,
        proxy=network.proxy,
        reach=(place.host, place.port),
        seconds=seconds,
    )
