"""From an address to its servers: every source is asked at once, and told of as it answers, within five seconds in all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from termmail.mime.safe_text import safe_address
from termmail.model.account import Protocol, Security, Server
from termmail.model.errors import Retry, TermmailError
from termmail.model.setup import Discovery, ProviderNotes, ServerGuess, Source, SourceReport, SourceState
from termmail.setup.address import AddressParts, split_address
from termmail.setup.at_once import at_once
from termmail.setup.network import Network
from termmail.setup.providers import Provider, provider_of_domain
from termmail.setup.sources import Found, NotFound, SourceFailed, by_database, by_domain, by_exchanger, by_srv
from termmail.setup.trial import Trial, try_server

SECONDS = 5.0
"""How long discovery may take in all."""

_LOOKUP_SHARE = 0.5
"""The part of that after which servers are tried, with what has been found by then."""

_GRACE_SECONDS = 0.1
"""For a source that has just noticed by itself that the time is over."""

_LEAST_TRIAL_SECONDS = 1.0
_MOST_GUESSES = 6
"""Servers of one kind that are tried."""

_DEFAULT_NETWORK = Network()
_SERVICES = ("imap", "pop3", "smtp")
_USUAL_NAMES = {"imap": ("imap", "mail"), "pop3": ("pop", "pop3", "mail"), "smtp": ("smtp", "mail")}
_USUAL_PORTS = {"imap": (993, 143), "pop3": (995, 110), "smtp": (465, 587)}
_LOOKUPS: tuple[tuple[Source, Callable[[AddressParts, Network, float], Found]], ...] = (
    (Source.DOMAIN, by_domain),
    (Source.DATABASE, by_database),
    (Source.MX, by_exchanger),
    (Source.SRV, by_srv),
)
_PREFERENCE = (Source.DOMAIN, Source.DATABASE, Source.SRV, Source.MX)
_LOOKING = {
    Source.DOMAIN: "Asking {domain} for its mail settings.",
    Source.DATABASE: "Looking {domain} up in the database of providers.",
    Source.MX: "Looking up who takes mail for {domain} (MX).",
    Source.SRV: "Looking up the mail servers of {domain} in DNS (SRV).",
    Source.PROBE: "Trying the usual names at {domain}.",
}

Tell = Callable[[SourceReport], None]


def discover(address: str, tell: Tell, *, network: Network = _DEFAULT_NETWORK, seconds: float = SECONDS) -> Discovery:
    """The servers of an address. `tell` hears of each source as it changes, from this thread.

    A provider of our own table is the answer, and nobody is asked. Otherwise autoconfig files and DNS are, and the usual names are
    tried where nothing sure was found. Each server is connected to, nothing secret is sent. Raises TermmailError where the address is
    none.
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
    return _Search(address, parts, tell, network, time.monotonic() + seconds).run(seconds * _LOOKUP_SHARE)


def _of_provider(address: str, local: str, provider: Provider) -> Discovery:
    user = local if provider.local_user else address

    def guesses(server: Server | None) -> tuple[ServerGuess, ...]:
        return () if server is None else (ServerGuess(server, user, Source.PROVIDERS, sure=True),)

    return _discovery(
        address,
        provider.notes,
        {"imap": guesses(provider.imap), "pop3": guesses(provider.pop3), "smtp": guesses(provider.smtp)},
    )


def _discovery(address: str, notes: ProviderNotes | None, guesses: dict[str, tuple[ServerGuess, ...]]) -> Discovery:
    better = Protocol.POP3 if guesses["pop3"] and not guesses["imap"] else Protocol.IMAP
    return Discovery(address, notes, guesses["imap"], guesses["pop3"], guesses["smtp"], better)


class _Search:
    """One search, which `run` carries out once."""

    def __init__(self, address: str, parts: AddressParts, tell: Tell, network: Network, deadline: float) -> None:
        self._address = address
        self._parts = parts
        self._tell = tell
        self._network = network
        self._deadline = deadline
        self._found: dict[Source, Found] = {}

    def run(self, lookup_seconds: float) -> Discovery:
        self._look_up(lookup_seconds)
        notes = next((found.notes for found in self._found_in_order() if found.notes is not None), None)
        guesses = {service: self._guesses(service) for service in _SERVICES}
        probing = _to_be_probed(guesses)
        if probing:
            self._say(Source.PROBE, SourceState.LOOKING, _LOOKING[Source.PROBE].format(domain=self._parts.domain))
            guesses |= {service: (*guesses[service], *self._usual(service, guesses[service])) for service in probing}
        tried = self._try(guesses)
        if probing:
            self._say_what_answered(tried)
        return _discovery(self._address, notes, {service: _ordered(tried[service]) for service in _SERVICES})

    def _say(self, source: Source, state: SourceState, sentence: str) -> None:
        self._tell(SourceReport(source, state, sentence))

    def _look_up(self, seconds: float) -> None:
        """Ask all sources that look something up."""
        for source, _ in _LOOKUPS:
            self._say(source, SourceState.LOOKING, _LOOKING[source].format(domain=self._parts.domain))
        waiting = {source for source, _ in _LOOKUPS}
        calls = [partial(look, self._parts, self._network, seconds) for _, look in _LOOKUPS]
        for done in at_once(calls, seconds + _GRACE_SECONDS):
            source = _LOOKUPS[done.index][0]
            waiting.discard(source)
            if done.result is not None:
                self._found[source] = done.result
                self._say(source, SourceState.FOUND, done.result.sentence)
            elif isinstance(done.error, NotFound):
                self._say(source, SourceState.NOTHING, str(done.error))
            elif isinstance(done.error, SourceFailed):
                self._say(source, SourceState.FAILED, str(done.error))
            elif done.error is not None:
                raise done.error
        for source, _ in _LOOKUPS:
            if source in waiting:
                self._say(source, SourceState.FAILED, "There was no answer in time.")

    def _found_in_order(self) -> list[Found]:
        return [self._found[source] for source in _PREFERENCE if source in self._found]

    def _guesses(self, service: str) -> tuple[ServerGuess, ...]:
        """What the sources said of a service, each server once."""
        best: dict[tuple[str, int], ServerGuess] = {}
        said = [guess for found in self._found_in_order() for guess in found.servers.get(service, ())]
        for guess in sorted(said, key=lambda guess: not guess.sure):
            best.setdefault((guess.server.host, guess.server.port), guess)
        return tuple(best.values())[:_MOST_GUESSES]

    def _usual(self, service: str, known: tuple[ServerGuess, ...]) -> Iterator[ServerGuess]:
        """The usual names and ports, but those that are known."""
        places = {(guess.server.host, guess.server.port) for guess in known}
        for name in _USUAL_NAMES[service]:
            for port in _USUAL_PORTS[service]:
                host = f"{name}.{self._parts.domain}"
                if (host, port) not in places:
                    yield ServerGuess(
                        Server(host, port), f"{self._parts.local}@{self._parts.domain}", Source.PROBE, sure=False
                    )

    def _try(self, guesses: dict[str, tuple[ServerGuess, ...]]) -> dict[str, list[ServerGuess]]:
        """Connect to all of them at the same time; those that have not answered when the time is over stay as they were."""
        flat = [(service, guess) for service in _SERVICES for guess in guesses[service]]
        seconds = max(_LEAST_TRIAL_SECONDS, self._deadline - time.monotonic())
        calls = [partial(try_server, service, guess.server, self._network, seconds) for service, guess in flat]
        results = [guess for _, guess in flat]
        for done in at_once(calls, seconds):
            if done.result is not None:
                results[done.index] = _with_trial(results[done.index], done.result)
            elif done.error is not None:
                raise done.error
        tried: dict[str, list[ServerGuess]] = {service: [] for service in _SERVICES}
        for (service, _), guess in zip(flat, results, strict=True):
            tried[service].append(guess)
        return tried

    def _say_what_answered(self, tried: dict[str, list[ServerGuess]]) -> None:
        hosts = [
            guess.server.host
            for service in _SERVICES
            for guess in tried[service]
            if guess.source is Source.PROBE and _is_there(guess)
        ]
        if hosts:
            self._say(Source.PROBE, SourceState.FOUND, f"{', '.join(dict.fromkeys(hosts))} answers.")
        else:
            self._say(
                Source.PROBE,
                SourceState.NOTHING,
                f"Nothing that answers has one of the usual names at {self._parts.domain}.",
            )


def _to_be_probed(guesses: dict[str, tuple[ServerGuess, ...]]) -> tuple[str, ...]:
    """The services whose usual names are tried: all where it is not sure where mail is received, else that for sending if nobody
    said anything of it."""
    if not any(guess.sure for service in ("imap", "pop3") for guess in guesses[service]):
        return _SERVICES
    return () if guesses["smtp"] else ("smtp",)


def _with_trial(guess: ServerGuess, trial: Trial) -> ServerGuess:
    return msgspec.structs.replace(
        guess,
        server=trial.server,
        answered=trial.answered,
        trouble=trial.trouble,
        certificate=trial.certificate,
    )


def _is_there(guess: ServerGuess) -> bool:
    """Whether it can be used, if perhaps after its certificate was pinned."""
    return guess.answered or (guess.certificate is not None and guess.certificate.pinnable)


def _ordered(guesses: list[ServerGuess]) -> tuple[ServerGuess, ...]:
    """The best first. A usual name where nothing answers is no guess at all."""
    kept = [guess for guess in guesses if guess.source is not Source.PROBE or _is_there(guess)]
    return tuple(
        sorted(
            kept,
            # What is sure stays before what only answers: others could keep the one from answering, and put the other there.
            key=lambda guess: (
                not guess.sure,
                not _is_there(guess),
                guess.source is Source.PROBE,
                guess.server.security is not Security.TLS,
            ),
        )
    )
