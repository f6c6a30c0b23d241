"""Who a message is from, and how far that can be believed: one sentence with its reason (D4, D5, D6, A6)."""

from __future__ import annotations

from collections.abc import Iterator

from termmail.mime.addresses import is_deceptive
from termmail.mime.authentication_results import AuthenticationResults, own_results
from termmail.mime.domains import organisation, provider_of
from termmail.mime.journey import journey
from termmail.mime.known_senders import KnownSenders, is_shared_provider
from termmail.mime.lookalikes import has_odd_letters, to_ascii, to_unicode
from termmail.mime.safe_text import safe_address, safe_text
from termmail.model.message import Address, Envelope
from termmail.model.origin import MailingList, MailOwner, Trust, TrustLevel

_NOTHING = Trust()


def checked_results(header: bytes, owner: MailOwner) -> AuthenticationResults | None:
    """What the reader's own provider says of a message; None where it says nothing that must be from there (D5, RFC 8601 §5).

    The provider is known by `owner.authserv_id`, or without that by having the incoming server's domain. No other field than the
    topmost is looked at, and none below a Received field that the provider did not write.
    """
    found = own_results(header, lambda authserv_id: _is_own(authserv_id, owner))
    if found is None or not found.above:
        return found
    hops = journey(header, own_hosts=(*owner.hosts, owner.authserv_id)).hops
    return found if found.above <= sum(hop.sure for hop in hops) else None


def judge(
    envelope: Envelope,
    results: AuthenticationResults | None,
    *,
    known: KnownSenders,
    owner: MailOwner,
    mailing_list: MailingList | None = None,
    has_travelled: bool = True,
) -> Trust:
    """What there is to say of the sender. `results` are those of `checked_results`; `has_travelled` is false for mail that never
    went by a server, such as one's own in Sent. That a message names no sender or several, or one whose name is an address, is told
    by its addresses themselves."""
    if len(envelope.from_) != 1 or "@" not in envelope.from_[0].address:
        return _NOTHING
    sender = envelope.from_[0]
    is_own = any(sender.address.casefold() == own.address.casefold() for own in owner.addresses)
    if is_own and not has_travelled:
        return _NOTHING
    domain = sender.address.rpartition("@")[2].lower()
    said = _said(domain, results, mailing_list)
    against = [*_against(domain, known), *_failed(domain, results, mailing_list)]
    if not is_own:
        against += _new_address(sender, domain, known, said)
    against += _answers_elsewhere(envelope, domain, said, mailing_list, doubted=bool(against))
    if against:
        return Trust(TrustLevel.SUSPICIOUS, against[0], tuple(against[1:]))
    return _NOTHING if is_deceptive(sender) else said


def _said(domain: str, results: AuthenticationResults | None, mailing_list: MailingList | None) -> Trust:
    """The provider's word, as far as it is good."""
    if results is None:
        return Trust(TrustLevel.UNCHECKED, "Sender not checked")
    shown = _shown(domain)
    method = _vouching(domain, results)
    if method:
        brief = f"Sent by {shown} ({method})"
        return Trust(TrustLevel.CHECKED, f"{brief[:-1]}, checked by {results.authserv_id})", brief=brief)
    if mailing_list is not None and (list_domain := mailing_list.list_id) and _vouching(list_domain, results):
        return Trust(TrustLevel.UNCHECKED, f"Passed on by {_shown(list_domain)}; the writer was not checked")
    return Trust(TrustLevel.UNCHECKED, f"Nothing proves that {shown} sent it, says {results.authserv_id}")


def _vouching(domain: str, results: AuthenticationResults) -> str:
    """The method by which a domain was found to have sent the message: one that agrees with the From field (RFC 7489 §3.1)."""
    owner = organisation(to_unicode(domain))
    if not owner:
        return ""
    found: dict[str, str] = {}
    for one in results.results:
        if one.result != "pass":
            continue
        value = one.value(*_WHO.get(one.method, ()))
        if value and organisation(to_unicode(value.rpartition("@")[2])) == owner:
            found.setdefault(one.method, one.method.upper())
    return next((found[method] for method in ("dmarc", "dkim", "spf") if method in found), "")


_WHO = {"dmarc": ("header.from",), "dkim": ("header.d", "header.i"), "spf": ("smtp.mailfrom",)}


def _failed(domain: str, results: AuthenticationResults | None, mailing_list: MailingList | None) -> Iterator[str]:
    if results is None or _vouching(domain, results):
        return
    if mailing_list is not None and mailing_list.list_id and _vouching(mailing_list.list_id, results):
        # A list changes what it passes on, which breaks the writer's signature.
        return
    outcomes = {(one.method, one.result) for one in results.results}
    shown = _shown(domain)
    if ("dmarc", "fail") in outcomes:
        yield f"Probably not from {shown} (DMARC, says {results.authserv_id})"
    elif ("spf", "fail") in outcomes and ("dkim", "pass") not in outcomes:
        yield f"From a server that may not send for {shown} (SPF, says {results.authserv_id})"


def _against(domain: str, known: KnownSenders) -> Iterator[str]:
    imitated = known.imitated_by(domain)
    if imitated:
        yield f"{_shown(domain)} looks like {_shown(imitated)} and is not"
    elif has_odd_letters(domain):
        yield f"Odd letters in the domain: {safe_address(to_unicode(domain))} is {safe_address(to_ascii(to_unicode(domain)))}"


def _new_address(sender: Address, domain: str, known: KnownSenders, said: Trust) -> Iterator[str]:
    other = known.known_address_of(sender)
    if not other:
        return
    owner = organisation(domain)
    same_house = owner == organisation(other.rpartition("@")[2]) and not is_shared_provider(domain)
    if not (same_house and said.level is TrustLevel.CHECKED):
        yield f"New address: you know {safe_text(sender.name, one_line=True)} as {safe_address(other)}"


def _answers_elsewhere(
    envelope: Envelope, domain: str, said: Trust, mailing_list: MailingList | None, *, doubted: bool
) -> Iterator[str]:
    house = organisation(domain)
    if mailing_list is not None and house and house == organisation(mailing_list.list_id):
        # The list writes in its own name and has answers go to the writer.
        return
    expected = not doubted and (mailing_list is not None or said.level is TrustLevel.CHECKED)
    for address in answers_to(envelope):
        there = address.address.rpartition("@")[2].lower()
        if "@" not in address.address or organisation(there) == house:
            continue
        if not expected or (is_shared_provider(there) and not is_shared_provider(domain)):
            yield "Answers go to another domain"
            return


def answers_to(envelope: Envelope) -> tuple[Address, ...]:
    """The addresses of Reply-To where they are not the sender's."""
    senders = {address.address.casefold() for address in envelope.from_}
    if {address.address.casefold() for address in envelope.reply_to} <= senders:
        return ()
    return envelope.reply_to


def _is_own(authserv_id: str, owner: MailOwner) -> bool:
    if owner.authserv_id:
        return authserv_id.casefold() == owner.authserv_id.casefold()
    provider = provider_of(authserv_id)
    return provider != "" and provider in {provider_of(host) for host in owner.hosts}


def _shown(domain: str) -> str:
    """A domain with its punycode where it needs it (D6)."""
    shown = safe_address(to_unicode(domain))
    return f"{shown} ({safe_address(to_ascii(to_unicode(domain)))})" if has_odd_letters(domain) else shown
