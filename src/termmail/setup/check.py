"""Does an account work: its password, its server's name, connection and TLS, sign-in, mailboxes, and sending."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from termmail.accounts.credentials import advice_when_refused
from termmail.model.account import Account, Protocol, Security, Server
from termmail.model.errors import ConnectionLost, InsecureConnection, PasswordRefused, SignInRefused, TermmailError
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckCause, CheckPart
from termmail.setup.steps import failed, passed, running

_RECEIVING, _SENDING = CheckPart.RECEIVING, CheckPart.SENDING


def check_account(account: Account, password: Callable[[], Secret]) -> Iterator[Check]:
    """The steps in order, each first RUNNING and then as it went; after the first that fails there is none.

    `password` is called once and may raise CredentialUnavailable. Sends nothing but what a sign-in and LIST need. Never raises
    TermmailError: that becomes a check.
    """
    yield running("password", CheckPart.ACCOUNT)
    try:
        secret = password()
    except TermmailError as error:
        yield failed("password", CheckPart.ACCOUNT, error)
        return
    yield passed("password", CheckPart.ACCOUNT, "The password is there.")
    server = account.incoming
    yield running("server name", _RECEIVING)
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        lost = ConnectionLost(
            f"{server.host} was not found. Check how it is written, and that this computer is online.",
            detail=str(error),
        )
        yield failed("server name", _RECEIVING, lost, cause=CheckCause.NAME)
        return
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    yield passed("server name", _RECEIVING, f"{server.host} is {addresses}.")
    yield running("connection", _RECEIVING)
    look = _look_at_mailboxes if account.protocol is Protocol.IMAP else _look_at_maildrop
    try:
        found_there = look(account, secret)
    except _Unlisted as unlisted:
        yield from _connected(account)
        yield _signed_in(account)
        yield failed(unlisted.what, _RECEIVING, unlisted.error)
    except TermmailError as error:
        steps = ["connection", "encryption", "sign-in"]
        step = 2 if isinstance(error, SignInRefused) else 1 if isinstance(error, InsecureConnection) else 0
        if step == 2:
            yield from _connected(account)
        yield failed(steps[step], _RECEIVING, error, fix=_advice(account, error))
    else:
        yield from _connected(account)
        yield _signed_in(account)
        yield found_there
        if account.smtp is not None:
            yield running("sending", _SENDING)
            yield _sending(account, account.smtp, secret)


def _advice(account: Account, error: TermmailError) -> str:
    return advice_when_refused(account) if isinstance(error, PasswordRefused) else ""


def _sending(account: Account, server: Server, secret: Secret) -> Check:
    from termmail.protocols import smtp

    try:
        session = smtp.connect(server, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    except TermmailError as error:
        return failed("sending", _SENDING, error, fix=_advice(account, error))
    limit = session.size_limit
    session.close()
    largest = f" up to {limit / 1e6:.0f} MB each" if limit else ""
    return passed("sending", _SENDING, f"{server.host} takes mail from {account.user}{largest}. Nothing was sent.")


class _Unlisted(Exception):
    """Signed in, but then the server did not say what it has."""

    def __init__(self, what: str, error: TermmailError) -> None:
        super().__init__(what)
        self.what = what
        self.error = error


def _look_at_mailboxes(account: Account, secret: Secret) -> Check:
    from termmail.protocols import imap

    session = imap.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    try:
        listing = session.list_mailboxes(with_status=True)
    except TermmailError as error:
        raise _Unlisted("mailboxes", error) from error
    finally:
        session.close()
    skipped = f" {len(listing.skipped)} could not be read." if listing.skipped else ""
    return passed("mailboxes", _RECEIVING, f"There are {len(listing.mailboxes)} mailboxes.{skipped}")


def _look_at_maildrop(account: Account, secret: Secret) -> Check:
    from termmail.protocols import pop3

    session = pop3.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
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
    return passed(
        "maildrop",
        _RECEIVING,
        f"There {'is' if count == 1 else 'are'} {count} message{'s' * (count != 1)}, {shown}.{names}",
    )


def _signed_in(account: Account) -> Check:
    return passed("sign-in", _RECEIVING, f"{account.incoming.host} accepted {account.user}.")


def _connected(account: Account) -> Iterator[Check]:
    server = account.incoming
    yield passed("connection", _RECEIVING, f"{server.host} answers on port {server.port}.")
    sentence = "The connection is encrypted and the server's certificate is good."
    if server.security is Security.NONE:
        sentence = "The connection is not encrypted, as configured; it stays on this computer."
    yield passed("encryption", _RECEIVING, sentence)
