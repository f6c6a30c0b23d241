"""From a server's name to an encrypted connection with the right service, step by step, and what to do where one fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator

from termmail.model.account import Account, Security, Server
from termmail.model.errors import (
    Advice,
    CertificateRefused,
    InsecureConnection,
    ProtocolViolation,
    Retry,
    TermmailError,
    Unreachable,
)
from termmail.model.hosts import is_address, is_loopback
from termmail.model.setup import Check, CheckCause, SeenCertificate
from termmail.protocols.probing import Look, Probe
from termmail.setup.network import Network
from termmail.setup.steps import Steps
from termmail.setup.trial import SERVICE_NAMES, Trial, try_server

_SECONDS = 15.0
_OTHER_WAY_SECONDS = 8.0
"""For finding out whether a server that does not answer as configured answers in another way."""

_SLOW_SECONDS = 3.0
"""A server that takes longer than this to answer is called slow."""

PORTS = {
    "imap": "IMAP's ports are 993 with tls and 143 with starttls.",
    "pop3": "POP3's ports are 995 with tls and 110 with starttls.",
    "smtp": "The ports for sending are 465 with tls and 587 with starttls.",
}
"""Where each service usually is, as a sentence."""


def reach(account: Account, service: str, server: Server, steps: Steps) -> Generator[Check, None, Look | None]:
    """The steps "server name", "connection" and "encryption"; returns what the server can do, None where one failed."""
    if account.proxy and not is_loopback(server.host):
        yield steps.passed("server name", f"{server.host} is looked up by the proxy {account.proxy}.")
    else:
        yield steps.running("server name")
        check = _looked_up(server, steps)
        yield check
        if not check.ok:
            return None
    yield steps.running("connection")
    began = time.monotonic()
    probe = Probe(service, server, ca_file=account.ca_file, proxy=account.proxy, seconds=_SECONDS)
    try:
        look = probe.look()
    except TermmailError as error:
        yield from _unreached(account, service, server, steps, error)
        return None
    seconds = time.monotonic() - began
    if look.speaks != service:
        yield _other_service(service, server, look.speaks, steps)
        return None
    if seconds > _SLOW_SECONDS:
        yield steps.warned(
            "connection",
            f"{server.host} answers on port {server.port}, but took {seconds:.0f} seconds.",
            "It may be busy, or far away; a name server or proxy that is slow looks the same.",
        )
    else:
        yield steps.passed("connection", f"{server.host} answers on port {server.port}.")
    yield steps.passed("encryption", _encrypted(server))
    return look


def _looked_up(server: Server, steps: Steps) -> Check:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return steps.failed(
            "server name",
            Unreachable(
                f"{server.host} was not found. Check how it is written, and that this computer is online.",
                name_unknown=True,
                detail=str(error),
            ),
            cause=CheckCause.NAME,
        )
    if is_address(server.host):
        return steps.passed("server name", f"{server.host} is an address already.")
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return steps.passed("server name", f"{server.host} is {addresses}.")


def _encrypted(server: Server) -> str:
    if server.security is Security.NONE:
        return "The connection is not encrypted, as configured; it stays on this computer."
    if server.pin_sha256:
        return "The connection is encrypted, and the server's certificate is the one that is pinned."
    return "The connection is encrypted and the server's certificate is good."


def _unreached(
    account: Account, service: str, server: Server, steps: Steps, error: TermmailError
) -> Generator[Check, None, None]:
    """Why there is no connection as configured, and whether there would be another."""
    if isinstance(error, Unreachable):
        yield steps.failed("connection", error, fix=PORTS[service] if server.port not in _usual(service) else "")
        return
    network = Network(ca_file=account.ca_file, proxy=account.proxy)
    if isinstance(error, CertificateRefused):
        yield steps.passed("connection", f"{server.host} answers on port {server.port}.")
        certificate = (
            Probe(service, server, ca_file=account.ca_file, proxy=account.proxy, seconds=_SECONDS).certificate()
            if error.self_signed
            else None
        )
        fix = _pin(account, service, certificate)
        yield steps.failed("encryption", error, fix=fix.sentence, command=fix.command, certificate=certificate)
        return
    trial = try_server(service, server, network, _OTHER_WAY_SECONDS)
    if trial.speaks and trial.speaks != service:
        yield _other_service(service, server, trial.speaks, steps)
        return
    if _would_do(trial) and trial.server.security not in (server.security, Security.NONE):
        yield steps.passed("connection", f"{server.host} answers on port {server.port}.")
        word = trial.server.security.value
        host = f"[{server.host}]" if ":" in server.host else server.host
        yield steps.failed(
            "encryption",
            InsecureConnection(
                f"{server.host} expects {word} on port {server.port}, not {server.security.value}. Nothing was sent."
            ),
            fix="Change that in the account's settings.",
            command=f"termmail account edit {account.name} --{service}-security {word} --{service} {host}:{server.port}",
        )
        return
    if isinstance(error, InsecureConnection):
        yield steps.passed("connection", f"{server.host} answers on port {server.port}.")
        yield steps.failed("encryption", error, fix=PORTS[service])
        return
    yield steps.failed("connection", error)


def _would_do(trial: Trial) -> bool:
    return trial.answered or trial.certificate is not None


def _other_service(service: str, server: Server, speaks: str, steps: Steps) -> Check:
    what = SERVICE_NAMES.get(speaks, "something else")
    return steps.failed(
        "connection",
        ProtocolViolation(
            f"Port {server.port} of {server.host} speaks {what}, not {SERVICE_NAMES[service]}.", retry=Retry.NEVER
        ),
        cause=CheckCause.OTHER_SERVICE,
        fix=PORTS[service],
    )


def _usual(service: str) -> tuple[int, ...]:
    return {"imap": (993, 143), "pop3": (995, 110), "smtp": (465, 587)}[service]


def _pin(account: Account, service: str, certificate: SeenCertificate | None) -> Advice:
    if certificate is None:
        return Advice("")
    if not certificate.pinnable:
        return Advice(
            "It can't be pinned either: it has expired, or is for another host. Whoever runs the server has to make a new one."
        )
    return Advice(
        f"Or compare its fingerprint (SHA-256) {certificate.fingerprint} with the server's own, and pin it.",
        f"termmail account edit {account.name} --{service}-pin {certificate.sha256}",
    )
