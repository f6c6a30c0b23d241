"""What is wrong with an account: all that can be looked at, and a mail to oneself and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from termmail.model.account import Account, Protocol
from termmail.model.errors import TermmailError
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckPart, Discovery, Source, SourceReport, SourceState
from termmail.setup.check import check_account
from termmail.setup.discovery import discover
from termmail.setup.network import Network
from termmail.setup.steps import Steps
from termmail.setup.there_and_back import SECONDS, send_and_wait

_STEPS = Steps(CheckPart.ACCOUNT)
_NAME = "discovery"


def examine_account(
    account: Account,
    password: Callable[[], Secret],
    *,
    network: Network,
    round_trip: bool = True,
    round_trip_seconds: float = SECONDS,
) -> Iterator[Check]:
    """What `check_account` looks at, and more: whether the settings are those that the provider publishes, and with `round_trip`
    whether a mail to oneself arrives. `password` is called once. Never raises TermmailError."""
    yield _STEPS.running(_NAME)
    yield _compare(account, network)
    given: list[Secret] = []

    def once() -> Secret:
        given.append(password())
        return given[0]

    well = True
    for check in check_account(account, once, thorough=True):
        well = well and check.ok
        yield check
    if round_trip and well and account.smtp is not None:
        yield from send_and_wait(account, account.smtp, given[0], round_trip_seconds)


def _compare(account: Account, network: Network) -> Check:
    """The account's servers beside those that are found for its address."""
    reports: dict[Source, SourceReport] = {}

    def note(report: SourceReport) -> None:
        reports[report.source] = report

    try:
        found = discover(account.email, note, network=network)
    except TermmailError as error:
        return _STEPS.failed(_NAME, error)
    if not found.found_any:
        failure = next((report for report in reports.values() if report.state is SourceState.FAILED), None)
        if failure is not None:
            return _STEPS.skipped(_NAME, f"Which servers this address has was not found out. {failure.sentence}")
        return _STEPS.skipped(_NAME, "Nobody publishes which servers this address has.")
    wanted = found.imap if account.protocol is Protocol.IMAP else found.pop3
    differing = []
    for service, server, guesses in (
        (account.protocol.value, account.incoming, wanted),
        ("smtp", account.smtp, found.smtp),
    ):
        if server is None or not guesses:
            continue
        if not any((guess.server.host, guess.server.port) == (server.host, server.port) for guess in guesses):
            best = guesses[0].server
            differing.append(f"{service} {best.host}:{best.port}, not {server.host}:{server.port}")
    if not differing:
        return _STEPS.passed(_NAME, f"The settings are those that {_who(found)} publishes.")
    return _STEPS.warned(
        _NAME,
        f"{_who(found)} publishes other servers: {'; '.join(differing)}.",
        f"If something below fails, change them with: termmail account edit {account.name}",
    )


def _who(found: Discovery) -> str:
    return found.provider.name if found.provider is not None else found.address.rpartition("@")[2]
