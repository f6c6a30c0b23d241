"""Does an account work: its password, its server's name, connection and TLS, sign-in, mailboxes, and sending."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import msgspec

from termmail.accounts.credentials import advice_when_refused
from termmail.model.account import Account, Protocol, Security, Server
from termmail.model.errors import (
    ConnectionLost,
    InsecureConnection,
    PasswordRefused,
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
    look = _look_at_mailboxes if account.protocol is Protocol.IMAP else _look_at_maildrop
    try:
        found_there = look(account, secret)
    except _Unlisted as unlisted:
        yield from _connected(account)
        yield _signed_in(account)
        yield _failed(unlisted.what, unlisted.error)
    except TermmailError as error:
        steps = ["connection", "encryption", "sign-in"]
        step = 2 if isinstance(error, SignInRefused) else 1 if isinstance(error, InsecureConnection) else 0
        if step == 2:
            yield from _connected(account)
        if isinstance(error, PasswordRefused):
            error = PasswordRefused(f"{error.sentence} {advice_when_refused(account)}", detail=error.detail)
        yield _failed(steps[step], error)
    else:
        yield from _connected(account)
        yield _signed_in(account)
        yield found_there
        if account.smtp is not None:
            yield _sending(account, account.smtp, secret)


def _sending(account: Account, server: Server, secret: Secret) -> CheckResult:
    from termmail.protocols import smtp

    try:
        session = smtp.connect(server, account.user, secret, ca_file=account.ca_file)
    except PasswordRefused as error:
        return _failed(
            "sending", PasswordRefused(f"{error.sentence} {advice_when_refused(account)}", detail=error.detail)
        )
    except TermmailError as error:
        return _failed("sending", error)
    limit = session.size_limit
    session.close()
    largest = f" up to {limit / 1e6:.0f} MB each" if limit else ""
    return CheckResult("sending", True, f"{server.host} takes mail from {account.user}{largest}. Nothing was sent.")


class _Unlisted(Exception):
    """Signed in, but then the server did not say what it has."""

    def __init__(self, what: str, error: TermmailError) -> None:
        super().__init__(what)
        self.what = what
        self.error = error


def _look_at_mailboxes(account: Account, secret: Secret) -> CheckResult:
    from termmail.protocols import imap

    session = imap.connect(account.incoming, account.user, secret, ca_file=account.ca_file)
    try:
        listing = session.list_mailboxes(with_status=True)
    except TermmailError as error:
        raise _Unlisted("mailboxes", error) from error
    finally:
        session.close()
    skipped = f" {len(listing.skipped)} could not be read." if listing.skipped else ""
    return CheckResult("mailboxes", True, f"There are {len(listing.mailboxes)} mailboxes.{skipped}")


def _look_at_maildrop(account: Account, secret: Secret) -> CheckResult:
    from termmail.protocols import pop3

    session = pop3.connect(account.incoming, account.user, secret, ca_file=account.ca_file)
    try:
        listing = session.listing()
    except TermmailError as error:
        raise _Unlisted("maildrop", error) from error
    finally:
        session.close()
    count = len(listing.entries)
    size = sum(entry.size for entry in listing.entries)
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    names = (
        "" if listing.has_uidls else " The server does not name them for good (UIDL), so nothing is ever deleted there."
    )
    return CheckResult(
        "maildrop",
        True,
        f"There {'is' if count == 1 else 'are'} {count} message{'s' * (count != 1)}, {shown}.{names}",
    )


def _signed_in(account: Account) -> CheckResult:
    return CheckResult("sign-in", True, f"{account.incoming.host} accepted {account.user}.")


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
