"""An address as discovery needs it: the name, and the domain as it goes over the network."""

from __future__ import annotations

import re

import msgspec

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_DOMAIN = 253


class AddressParts(msgspec.Struct, frozen=True):
    """`domain` is ASCII (RFC 5891), lower case."""

    local: str
    domain: str


def split_address(address: str) -> AddressParts | None:
    """The parts of an address, or None where it is none, or its domain none that a name server could know."""
    local, _, domain = address.rpartition("@")
    ascii_domain = to_ascii(domain)
    return None if not local or ascii_domain is None else AddressParts(local, ascii_domain)


def to_ascii(domain: str) -> str | None:
    """A domain as it goes over the network, or None where it is none."""
    if domain.isascii():
        found = domain.lower()
    else:
        import idna

        try:
            found = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    if len(found) > _MAX_DOMAIN or not all(_LABEL.fullmatch(label) for label in found.split(".")):
        return None
    return found
