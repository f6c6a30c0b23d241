"""`account test` against real servers: each step is told, and the first that fails says what to do."""

from __future__ import annotations

import msgspec
import pytest

from servers.dovecot import Dovecot
from servers.ports import free_ports
from servers.smtp_sink import SmtpSink
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Security, Server
from termmail.model.errors import (
    ConnectionLost,
    CredentialUnavailable,
    InsecureConnection,
    SignInRefused,
    TermmailError,
)
from termmail.model.secret import Secret
from termmail.setup.check import CheckResult, check_account


def account_on(server: Dovecot, user: str, **changes: object) -> Account:
    found = Account(
        name="lisa",
        email="lisa@demo.example",
        protocol=Protocol.IMAP,
        incoming=Server("localhost", server.tls_port),
        smtp=None,
        user=user,
        ca_file=str(server.tls.ca),
    )
    return msgspec.structs.replace(found, **changes)


def check(account: Account, password: str = Dovecot.test_password) -> list[CheckResult]:
    return list(check_account(account, lambda: Secret(password)))


def error_of(results: list[CheckResult]) -> TermmailError:
    """The error of the last step, the only one that failed."""
    assert all(result.ok for result in results[:-1])
    error = results[-1].error
    assert error is not None
    assert not results[-1].ok
    assert results[-1].sentence == error.sentence
    return error


def test_all_is_well(dovecot_server: Dovecot, dovecot_user: str) -> None:
    for security, port in ((Security.TLS, dovecot_server.tls_port), (Security.STARTTLS, dovecot_server.port)):
        results = check(account_on(dovecot_server, dovecot_user, incoming=Server("localhost", port, security)))
        assert [result.name for result in results] == [
            "password",
            "server name",
            "connection",
            "encryption",
            "sign-in",
            "mailboxes",
        ]
        assert all(result.ok for result in results)
        assert "6 mailboxes" in results[-1].sentence


def test_plain_connection_says_so(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T1."""
    plain = Server("127.0.0.1", dovecot_server.port, Security.NONE)
    results = check(account_on(dovecot_server, dovecot_user, incoming=plain))
    assert "not encrypted" in results[3].sentence


def test_wrong_password(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T13: the connection was fine, and the password is not repeated."""
    results = check(account_on(dovecot_server, dovecot_user), "hunter2")
    error = error_of(results)
    assert isinstance(error, SignInRefused)
    assert [result.name for result in results][-2:] == ["encryption", "sign-in"]
    assert "hunter2" not in error.sentence + error.detail


@pytest.mark.parametrize(
    ("credential", "advice"),
    [
        (Credential(CredentialKind.KEYRING), "account edit lisa --password-stdin"),
        (Credential(CredentialKind.COMMAND, "echo x"), "Run the password command"),
        (Credential(CredentialKind.SESSION), "Type it again."),
    ],
)
def test_wrong_password_says_what_to_do(
    dovecot_server: Dovecot, dovecot_user: str, credential: Credential, advice: str
) -> None:
    """It depends on where the password comes from."""
    error = error_of(check(account_on(dovecot_server, dovecot_user, credential=credential), "wrong"))
    assert advice in error.sentence


def test_unknown_authority(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T2."""
    results = check(account_on(dovecot_server, dovecot_user, ca_file=""))
    assert isinstance(error_of(results), InsecureConnection)
    assert results[-1].name == "encryption"


def test_nothing_listens(dovecot_server: Dovecot) -> None:
    (port,) = free_ports(1)
    results = check(account_on(dovecot_server, "x", incoming=Server("127.0.0.1", port, Security.NONE)))
    assert isinstance(error_of(results), ConnectionLost)
    assert results[-1].name == "connection"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "..", "x\udc80"])
def test_name_that_is_not_found(host: str) -> None:
    account = Account("a", "a@b", Protocol.IMAP, Server(host, 993), None, "a")
    results = check(account)
    assert isinstance(error_of(results), ConnectionLost)
    assert results[-1].name == "server name"


def test_no_password() -> None:
    def none() -> Secret:
        raise CredentialUnavailable("There is no keyring.")

    account = Account("a", "a@b", Protocol.IMAP, Server("localhost", 1), None, "a")
    (only,) = check_account(account, none)
    assert only == CheckResult("password", False, "There is no keyring.", only.error)


def test_sending_is_checked_too(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """A server for sending is signed in to, and no message is sent."""
    with SmtpSink() as sink:
        sending = Server("127.0.0.1", sink.port, Security.NONE)
        results = check(account_on(dovecot_server, dovecot_user, smtp=sending))
        assert results[-1].name == "sending"
        assert results[-1].ok
        assert "60 MB" in results[-1].sentence
        assert sink.taken == []
    dead = Server("127.0.0.1", free_ports(1)[0], Security.NONE)
    error = error_of(check(account_on(dovecot_server, dovecot_user, smtp=dead)))
    assert isinstance(error, ConnectionLost)
    with SmtpSink(answers=lambda command: "535 5.7.8 no" if command == "AUTH" else None) as sink:
        refusing = Server("127.0.0.1", sink.port, Security.NONE)
        error = error_of(check(account_on(dovecot_server, dovecot_user, smtp=refusing)))
        assert isinstance(error, SignInRefused)
