"""From an address to its servers: every source is asked at once, and told of as it answers, within five seconds in all."""

from __future__ import annotations

from collections.abc import Callable

from termmail.mime.safe_text import safe_address
from termmail.model.account import Protocol, Server
from termmail.model.errors import Retry, TermmailError
from termmail.model.setup import Discovery, ServerGuess, Source, SourceReport, SourceState
from termmail.setup.address import split_address
from termmail.setup.network import Network
from termmail.setup.providers import Provider, provider_of_domain

SECONDS = 5.0
"""How long discovery may take in all."""

_DEFAULT_NETWORK = Network()


def discover(
    address: str,
    tell: Callable[[SourceReport], None],
    *,
    network: Network = _DEFAULT_NETWORK,
    seconds: float = SECONDS,
) -> Discovery:
    """The servers of an address. `tell` hears of each source as it changes, from this thread.

    A provider of our own table is the answer, and nobody is asked. Otherwise autoconfig files, DNS and then the usual names are.
    Raises TermmailError where the address is none.
    """
    parts = split_address(address)
    if parts is None:
        raise TermmailError(
            f"“{safe_address(address)}” is no address. Write it as lisa@example.org.", retry=Retry.NEVER
        )
    provider = provider_of_domain(parts.domain)
    if provider is not None:
        tell(SourceReport(Source.PROVIDERS, SourceState.FOUND, f"{parts.domain} belongs to {provider.notes.name}."))
        return _of_provider(address, parts.local, provider)
    tell(SourceReport(Source.PROVIDERS, SourceState.NOTHING, f"{parts.domain} is not one of the large providers."))
    return Discovery(address)


def _of_provider(address: str, local: str, provider: Provider) -> Discovery:
    user = local if provider.local_user else address

    def guesses(server: Server | None) -> tuple[ServerGuess, ...]:
        return () if server is None else (ServerGuess(server, user, Source.PROVIDERS, sure=True),)

    return Discovery(
        address,
        provider.notes,
        guesses(provider.imap),
        guesses(provider.pop3),
        guesses(provider.smtp),
        Protocol.POP3 if provider.imap is None and provider.pop3 is not None else Protocol.IMAP,
    )
