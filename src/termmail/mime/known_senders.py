"""Whom the reader knows, to notice a known name on a new address and a domain that only looks like a known one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from termmail.mime.domains import organisation
from termmail.mime.lookalikes import Imitable, to_unicode
from termmail.model.message import Address
from termmail.model.outgoing import Correspondent

_HEARD_OFTEN = 3
_WORD = re.compile(r"[^\W_]+")
_SHARED_PROVIDERS = frozenset(
    {
        "aol.com", "fastmail.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com",
        "mail.com", "mail.ru", "me.com", "msn.com", "outlook.com", "proton.me", "protonmail.com", "qq.com", "t-online.de",
        "web.de", "yahoo.com", "yandex.ru", "163.com",
    }
)  # fmt: skip
# What crooks imitate most, so that it is noticed also by who never had mail from there.
_OFTEN_IMITATED = (
    "amazon.com", "apple.com", "bankofamerica.com", "chase.com", "dhl.com", "docusign.com", "dropbox.com", "ebay.com", "facebook.com",
    "fedex.com", "github.com", "google.com", "icloud.com", "instagram.com", "linkedin.com", "microsoft.com", "netflix.com",
    "outlook.com", "paypal.com", "ups.com", "usps.com", "wellsfargo.com", "whatsapp.com", "yahoo.com",
)  # fmt: skip


def is_shared_provider(domain: str) -> bool:
    """Whether anybody can have an address in the domain."""
    return organisation(domain) in _SHARED_PROVIDERS


class KnownSenders:
    """Built from the store's correspondents and one's own addresses; looked up for each message that is opened.

    Known are those one has written to, or had at least three messages from: one message is what a crook sends.
    """

    def __init__(self, people: Iterable[Correspondent] = (), own: Iterable[Address] = ()) -> None:
        self._addresses: set[str] = set()
        self._by_name: dict[tuple[str, ...], list[str]] = {}
        domains: dict[str, None] = {}
        for one in own:
            self._add(one.name, one.address, domains)
        for person in people:
            if person.written_count or person.heard_count >= _HEARD_OFTEN:
                self._add(person.name, person.address, domains)
        known = filter(None, (organisation(to_unicode(domain)) for domain in domains))
        self._imitable = Imitable((*known, *_OFTEN_IMITATED, *sorted(_SHARED_PROVIDERS)))

    def _add(self, name: str, address: str, domains: dict[str, None]) -> None:
        folded = address.casefold()
        self._addresses.add(folded)
        domains.setdefault(folded.rpartition("@")[2])
        if " " in name and len(words := _words(name)) > 1:
            self._by_name.setdefault(words, []).append(address)

    def knows(self, address: str) -> bool:
        """Whether the address is a known one."""
        return address.casefold() in self._addresses

    def known_address_of(self, sender: Address) -> str:
        """The address that somebody of the sender's name is known by, where it is another one; else empty."""
        if self.knows(sender.address):
            return ""
        return next(iter(self._by_name.get(_words(sender.name), ())), "")

    def imitated_by(self, domain: str) -> str:
        """The known domain that `domain` could be taken for, empty where there is none or `domain` is known itself."""
        return self._imitable.imitated_by(domain)


def _words(name: str) -> tuple[str, ...]:
    """A name for comparison: "Dahl, Henrik" is Henrik Dahl."""
    return tuple(sorted(_WORD.findall(name.casefold())[:10]))
