"""Names of hosts and domains: who they seem to belong to, without asking anybody."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(
    r"(?=.{4,253}\.?$)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})\.?$", re.I
)
# Second level names under which countries register; a list of all public suffixes would be 15,000 lines for little more.
_SECOND_LEVEL = frozenset(
    {
        "ac",
        "co",
        "com",
        "edu",
        "go",
        "gob",
        "gouv",
        "gov",
        "govt",
        "ltd",
        "me",
        "mil",
        "ne",
        "net",
        "nhs",
        "nom",
        "or",
        "org",
    }
    | {"asso", "gv", "nic", "plc", "sch", "school", "tm", "web"}
)
# Large providers whose servers go by several names.
_PROVIDERS = {
    "exchangelabs.com": "outlook.com",
    "gmail.com": "google.com",
    "googlemail.com": "google.com",
    "hotmail.com": "outlook.com",
    "me.com": "icloud.com",
    "messagingengine.com": "fastmail.com",
    "office365.com": "outlook.com",
}
_LOCAL_SUFFIXES = (".local", ".localdomain", ".internal", ".lan", ".intern", ".home", ".corp", ".private", ".arpa")
_INNER_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
_IMPOSSIBLE_NETWORKS = tuple(
    ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def organisation(host: str) -> str:
    """The part of a public host name that somebody registered ("example.co.uk" of "mx.example.co.uk"), or an empty string.

    An estimate: the last two labels, three where the second is one of those that countries use.
    """
    host = host.lower().rstrip(".")
    if not is_public_name(host):
        return ""
    labels = host.rsplit(".", 3)[-3:]
    if len(labels) == 3 and not (len(labels[2]) == 2 and labels[1] in _SECOND_LEVEL):
        del labels[0]
    return ".".join(labels)


def provider_of(host: str) -> str:
    """The organisation of a mail server's name, one name for those that have several; an empty string for inner names."""
    owner = organisation(host)
    return _PROVIDERS.get(owner, owner)


def is_public_name(host: str) -> bool:
    """Whether a host name could be one of the Internet's: dotted, well formed, not one of those for inner networks."""
    lowered = host.lower().rstrip(".")
    return _NAME.match(lowered) is not None and not lowered.endswith(_LOCAL_SUFFIXES)


def ip_address(text: str) -> IpAddress | None:
    """An address in digits, IPv6 with or without its `IPv6:` and zone, or None."""
    text = text.strip("[]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    if len(text) > 100:
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def is_inner(address: IpAddress) -> bool:
    """Whether an address can only be reached from inside a network, or from the machine itself."""
    return any(address in network for network in _INNER_NETWORKS)


def is_impossible(address: IpAddress) -> bool:
    """Whether no host can have sent from this address."""
    return any(address in network for network in _IMPOSSIBLE_NETWORKS)


def same_network(one: IpAddress, other: IpAddress) -> bool:
    """Whether two addresses lie so near each other that one provider has both: the first 16 bits of IPv4, 32 of IPv6."""
    if one.version != other.version:
        return False
    shift = 16 if one.version == 4 else 96
    return int(one) >> shift == int(other) >> shift
