"""`account test` against real servers: each step is told, and the first that fails says what to do."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from servers.dovecot import Dovecot
from servers.ports import free_ports
from servers.smtp_sink import SmtpSink
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Security, Server
from termmail.model.errors import CredentialUnavailable
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState
from termmail.setup.check import check_account


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


def check(account: Account, password: str = Dovecot.test_password) -> list[Check]:
    """The steps as they went."""
    checks = list(check_account(account, lambda: Secret(password)))
    for before, after in itertools.pairwise(checks):
        if before.state is CheckState.RUNNING:
            assert after.part is before.part
    return [done for done in checks if done.state is not CheckState.RUNNING]


def failure_of(results: list[Check]) -> Check:
    """The last step, the only one that failed."""
    assert all(result.ok for result in results[:-1])
    assert not results[-1].ok
    assert results[-1].sentence
    return results[-1]


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
    failure = failure_of(results)
    assert failure.cause is CheckCause.PASSWORD
    assert [result.name for result in results][-2:] == ["encryption", "sign-in"]
    assert "hunter2" not in failure.sentence + failure.fix


@pytest.mark.parametrize(
    ("credential", "advice", "command"),
    [
        (Credential(CredentialKind.KEYRING), "Type it again.", "termmail account edit lisa --password-stdin"),
        (Credential(CredentialKind.COMMAND, "echo x"), "Run the password command", ""),
        (Credential(CredentialKind.SESSION), "Type it again.", ""),
    ],
)
def test_wrong_password_says_what_to_do(
    dovecot_server: Dovecot, dovecot_user: str, credential: Credential, advice: str, command: str
) -> None:
    """It depends on where the password comes from. What is for the command line alone is no part of the sentence."""
    failure = failure_of(check(account_on(dovecot_server, dovecot_user, credential=credential), "wrong"))
    assert advice in failure.fix
    assert command in failure.command
    assert "termmail" not in failure.sentence + failure.fix


def test_unknown_authority(dovecot_server: Dovecot, dovecot_user: str) -> None:
    """T2."""
    results = check(account_on(dovecot_server, dovecot_user, ca_file=""))
    assert failure_of(results).cause is CheckCause.CERTIFICATE
    assert results[-1].name == "encryption"


def test_nothing_listens(dovecot_server: Dovecot) -> None:
    (port,) = free_ports(1)
    results = check(account_on(dovecot_server, "x", incoming=Server("127.0.0.1", port, Security.NONE)))
    assert failure_of(results).cause is CheckCause.UNREACHABLE
    assert results[-1].name == "connection"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "..", "x\udc80"])
def test_name_that_is_not_found(host: str) -> None:
    account = Account("a", "a@b", Protocol.IMAP, Server(host, 993), None, "a")
    results = check(account)
    assert failure_of(results).cause is CheckCause.NAME
    assert results[-1].name == "server name"


def test_no_password() -> None:
    def none() -> Secret:
        raise CredentialUnavailable("There is no keyring.")

    account = Account("a", "a@b", Protocol.IMAP, Server("localhost", 1), None, "a")
    _, only = check_account(account, none)
    assert only == Check("password", CheckState.FAILED, "There is no keyring.", cause=CheckCause.NO_PASSWORD)


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
    failure = failure_of(check(account_on(dovecot_server, dovecot_user, smtp=dead)))
    assert (failure.cause, failure.part) == (CheckCause.UNREACHABLE, CheckPart.SENDING)
    with SmtpSink(answers=lambda command: "535 5.7.8 no" if command == "AUTH" else None) as sink:
        refusing = Server("127.0.0.1", sink.port, Security.NONE)
        failure = failure_of(check(account_on(dovecot_server, dovecot_user, smtp=refusing)))
        assert failure.cause is CheckCause.PASSWORD
