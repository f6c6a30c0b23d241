"""Does an account work: its password, its server's name, connection and TLS, sign-in, mailboxes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import msgspec

from termmail.model.account import Account, Security
from termmail.model.errors import (
    ConnectionLost,
    InsecureConnection,
    SignInRefused,
    TermmailError,
)
from termmail.model.secret import Secret


class CheckResult(msgspec.Struct, frozen=True):
    """One step: what was checked, whether it is well, and a sentence. `error` is why it failed, None where it did not."""

    name: str
    ok: bool
    sentence: str
    error: TermmailError | None = None


def check_account(account: Account, password: Callable[[], Secret]) -> Iterator[CheckResult]:
    """The steps in order; after the first that fails there is none. `password` is called once and may raise CredentialUnavailable.

    Sends nothing but what a sign-in and LIST need. Never raises TermmailError: that becomes a result.
    """
    try:
        secret = password()
    except TermmailError as error:
        yield _failed("password", error)
        return
    yield CheckResult("password", True, "The password is there.")
    server = account.incoming
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield _failed(
            "server name",
            ConnectionLost(
                f"{server.host} was not found. Check how it is written, and that this computer is online.",
                detail=str(error),
            ),
        )
        return
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    yield CheckResult("server name", True, f"{server.host} is {addresses}.")
    yield from _check_server(account, secret)


def _check_server(account: Account, secret: Secret) -> Iterator[CheckResult]:
    from termmail.protocols import imap

    server = account.incoming
    try:
        session = imap.connect(server, account.user, secret, ca_file=account.ca_file)
    except TermmailError as error:
        steps = ["connection", "encryption", "sign-in"]
        step = {ConnectionLost: 0, InsecureConnection: 1, SignInRefused: 2}.get(type(error), 0)
        if step == 2:
            yield from _connected(account)
        yield _failed(steps[step], error)
        return
    try:
        yield from _connected(account)
        yield CheckResult("sign-in", True, f"{server.host} accepted {account.user}.")
        try:
            listing = session.list_mailboxes(with_status=True)
        except TermmailError as error:
            yield _failed("mailboxes", error)
            return
        skipped = f" {len(listing.skipped)} could not be read." if listing.skipped else ""
        yield CheckResult("mailboxes", True, f"There are {len(listing.mailboxes)} mailboxes.{skipped}")
    finally:
        session.close()


def _connected(account: Account) -> Iterator[CheckResult]:
    server = account.incoming
    yield CheckResult("connection", True, f"{server.host} answers on port {server.port}.")
    if server.security is Security.NONE:
        yield CheckResult(
            "encryption", True, "The connection is not encrypted, as configured; it stays on this computer."
        )
    else:
        yield CheckResult("encryption", True, "The connection is encrypted and the server's certificate is good.")


def _failed(name: str, error: TermmailError) -> CheckResult:
    return CheckResult(name, False, error.sentence, error)
