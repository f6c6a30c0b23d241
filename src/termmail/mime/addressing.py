"""Addresses as people type them, and as they are sent: what is shown is what is used (P14)."""

from __future__ import annotations

import re

from termmail.mime.addresses import parse_addresses
from termmail.mime.safe_text import safe_text
from termmail.model.errors import Unsendable
from termmail.model.message import Address

_ATEXT = r"[^\s\x00-\x20\x7f-\x9f()<>\[\]:;@\\,.\"]+"
_LOCAL = re.compile(rf'{_ATEXT}(?:\.{_ATEXT})*|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])+"')
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LITERAL = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f:.]+\]")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_LONGEST = 254


def parse_recipients(text: str) -> tuple[Address, ...]:
    """The addresses of a To, Cc or Bcc field as it was typed: separated by commas, semicolons or line ends. Never raises."""
    return parse_addresses(text.replace("\n", ", ").replace("\t", " "))


def check_recipients(text: str) -> tuple[Address, ...]:
    """As `parse_recipients`; raises Unsendable naming the first that no mail can be sent to."""
    recipients = parse_recipients(text)
    for recipient in recipients:
        check_address(recipient.address, shown=recipient.address or recipient.name)
    return recipients


def check_address(address: str, *, shown: str = "") -> str:
    """The address with its domain as DNS has it (RFC 5890), unless the part before the @ is in another script (RFC 6531).

    Raises Unsendable where it is none.
    """
    local, _, domain = address.rpartition("@")
    if not local or _LOCAL.fullmatch(local) is None:
        raise _no_address(shown or address)
    if _LITERAL.fullmatch(domain):
        return address
    try:
        ascii_domain = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    except UnicodeError:
        raise _no_address(shown or address) from None
    labels = ascii_domain.split(".")
    if len(address.encode("utf-8", "replace")) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _no_address(shown or address)
    return f"{local}@{ascii_domain if local.isascii() else domain}"


def _no_address(text: str) -> Unsendable:
    return Unsendable(f"“{safe_text(text, one_line=True)}” is not a whole e-mail address. Complete it or take it out.")


def format_address(address: Address) -> str:
    """One address as people read and type it: `Name <address>`, quoted where it has to be. The inverse of `parse_recipients`."""
    name = " ".join(address.name.split())
    if not name:
        return address.address
    if _PLAIN_NAME.fullmatch(name) is None and (not name.isprintable() or any(one in name for one in '()<>[]:;@\\,."')):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address.address}>"


def format_addresses(addresses: tuple[Address, ...] | list[Address]) -> str:
    """Several, separated by commas."""
    return ", ".join(format_address(address) for address in addresses)
