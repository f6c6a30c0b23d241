"""The sources of discovery that look something up: autoconfig files, the ISP database, SRV and MX records.

Each takes an address, the network and a number of seconds, and raises NotFound where it has nothing, SourceFailed where it can't say.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

import msgspec

from termmail.mime.safe_text import safe_address
from termmail.model.account import Security, Server
from termmail.model.setup import ProviderNotes, ServerGuess, Source
from termmail.setup.address import AddressParts
from termmail.setup.at_once import at_once
from termmail.setup.autoconfig import Autoconfig, BadFile, read_autoconfig
from termmail.setup.dns_records import NoAnswer, NoDomain, exchangers_of, registered_domain, servers_of
from termmail.setup.network import Network
from termmail.setup.providers import Provider, provider_of_exchangers, provider_of_server
from termmail.setup.web import NotFetched, fetch


class NotFound(Exception):
    """The source has nothing for this address; the text is a sentence."""


class SourceFailed(Exception):
    """The source could not be asked, or what it gave is not to be used; the text is a sentence."""


class Found(msgspec.Struct, frozen=True):
    """What a source gave: servers by service, perhaps the provider, and a sentence."""

    sentence: str
    servers: dict[str, tuple[ServerGuess, ...]]
    notes: ProviderNotes | None = None


def by_domain(address: AddressParts, network: Network, seconds: float) -> Found:
    """The autoconfig file that the domain itself publishes, at one of two places; only what came by HTTPS alone is sure."""
    domain = address.domain
    query = f"emailaddress={quote(f'{address.local}@{domain}')}"
    secure = [
        f"https://autoconfig.{domain}/mail/config-v1.1.xml?{query}",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml?{query}",
    ]
    # The address itself is not for everybody on the way to read.
    plain = [url.replace("https:", "http:").partition("?")[0] for url in secure]
    urls = secure + plain
    failures: dict[int, Exception] = {}
    found: dict[int, Autoconfig] = {}
    for done in at_once([partial(_read, url, address, network, seconds) for url in urls], seconds):
        if done.result is not None:
            found[done.index] = done.result
        elif done.error is not None:
            failures[done.index] = done.error
        if any(index < len(secure) for index in found):
            break
    if found:
        index = min(found)
        sure = index < len(secure)
        how = "over HTTPS" if sure else "without encryption, so compare it"
        return _configured(found[index], Source.DOMAIN, sure, f"{domain} says it itself, {how}", address)
    bad = next((failure for failure in failures.values() if _is_bad(failure)), None)
    if bad is not None:
        raise SourceFailed(f"The mail settings that {domain} publishes can't be used: {_why(bad)}.")
    if len(failures) < len(urls):
        raise SourceFailed(f"{domain} did not say in time what its mail settings are.")
    raise NotFound(f"{domain} publishes no mail settings.")


def by_database(address: AddressParts, network: Network, seconds: float) -> Found:
    """The ISP database, which Thunderbird's people keep, over HTTPS."""
    return _from_database(address.domain, Source.DATABASE, address, network, seconds)


def by_srv(address: AddressParts, network: Network, seconds: float) -> Found:
    """The servers that SRV records name. Whoever is on the way to the name server can change them, so they are never sure."""
    domain = address.domain
    if network.proxy:
        raise NotFound("DNS was not asked, since it does not go through the proxy.")
    try:
        located = servers_of(domain, network, seconds)
    except NoAnswer as error:
        raise SourceFailed(f"No name server answered for {domain}.") from error
    servers: dict[str, tuple[ServerGuess, ...]] = {}
    for record in located:
        implicit = record.label.endswith("s")
        server = Server(record.host, record.port, Security.TLS if implicit else Security.STARTTLS)
        guess = ServerGuess(server, f"{address.local}@{domain}", Source.SRV, sure=False)
        servers[record.service] = (*servers.get(record.service, ()), guess)
    if not servers:
        raise NotFound(f"DNS names no mail servers for {domain} (SRV).")
    return Found(f"DNS names {_hosts(servers)}.", servers)


def by_exchanger(address: AddressParts, network: Network, seconds: float) -> Found:
    """Who takes mail for the domain tells who hosts it, but DNS alone says so."""
    domain = address.domain
    if network.proxy:
        raise NotFound("DNS was not asked, since it does not go through the proxy.")
    try:
        exchangers = exchangers_of(domain, network, seconds / 2)
    except NoAnswer as error:
        raise SourceFailed(f"No name server answered for {domain}.") from error
    except NoDomain as error:
        raise NotFound(f"There is no domain {domain}. Check how it is written.") from error
    if not exchangers:
        raise NotFound(f"{domain} receives no mail, according to DNS (MX).")
    provider = provider_of_exchangers(exchangers)
    if provider is not None:
        return _hosted(provider, f"{address.local}@{domain}", f"Mail for {domain} goes to {provider.notes.name}.")
    first = safe_address(exchangers[0])
    host = registered_domain(exchangers[0])
    if host != domain:
        try:
            found = _from_database(host, Source.MX, address, network, seconds / 2)
        except (NotFound, SourceFailed):
            pass
        else:
            return msgspec.structs.replace(found, sentence=f"Mail for {domain} goes to {first}, which is known.")
    raise NotFound(f"Mail for {domain} goes to {first}; who that is is not known.")


def _from_database(domain: str, source: Source, address: AddressParts, network: Network, seconds: float) -> Found:
    if not network.database_url:
        raise NotFound("There is no database of providers to ask.")
    try:
        found = _read(network.database_url + quote(domain), address, network, seconds)
    except NotFetched as error:
        if error.absent:
            raise NotFound(f"The database of providers does not know {domain}.") from error
        raise SourceFailed(f"The database of providers could not be asked: {_why(error)}.") from error
    except BadFile as error:
        raise SourceFailed(f"What the database of providers says of {domain} can't be used.") from error
    sure = source is Source.DATABASE and network.database_url.startswith("https:")
    return _configured(found, source, sure, f"The database of providers knows {domain}", address)


def _read(url: str, address: AddressParts, network: Network, seconds: float) -> Autoconfig:
    return read_autoconfig(fetch(url, network, seconds), address)


def _configured(found: Autoconfig, source: Source, sure: bool, sentence: str, address: AddressParts) -> Found:
    servers: dict[str, tuple[ServerGuess, ...]] = {}
    for configured in found.servers:
        guess = ServerGuess(configured.server, configured.user, source, sure)
        servers[configured.service] = (*servers.get(configured.service, ()), guess)
    known = next(
        (provider for guess in found.servers if (provider := provider_of_server(guess.server.host)) is not None), None
    )
    return Found(f"{sentence}: {_hosts(servers)}.", servers, found.notes if known is None else known.notes)


def _hosted(provider: Provider, user: str, sentence: str) -> Found:
    return Found(
        sentence,
        {
            service: (ServerGuess(server, user, Source.MX, sure=False),)
            for service, server in (("imap", provider.imap), ("pop3", provider.pop3), ("smtp", provider.smtp))
            if server is not None
        },
        provider.notes,
    )


def _hosts(servers: dict[str, tuple[ServerGuess, ...]]) -> str:
    guesses: Iterable[ServerGuess] = (
        guess for service in ("imap", "pop3", "smtp") for guess in servers.get(service, ())
    )
    return ", ".join(dict.fromkeys(safe_address(guess.server.host) for guess in guesses))


def _is_bad(failure: Exception) -> bool:
    """Whether there is a file, but not one to be used."""
    return isinstance(failure, BadFile) or (isinstance(failure, NotFetched) and failure.refused)


def _why(failure: Exception) -> str:
    if isinstance(failure, BadFile):
        return "they are no autoconfig file"
    return str(failure)
