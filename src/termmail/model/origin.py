"""Where a message comes from, as far as its header can be believed: the sender, and the list it came by."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.message import Address


class TrustLevel(enum.Enum):
    """CHECKED: the reader's own provider vouches for the sender's domain. UNCHECKED: nobody does, and nothing speaks against it.
    SUSPICIOUS: something speaks against it."""

    CHECKED = "checked"
    UNCHECKED = "unchecked"
    SUSPICIOUS = "suspicious"


class MailOwner(msgspec.Struct, frozen=True):
    """Whose mail it is: all of the account's own addresses, its incoming servers' names, and `authserv_id` as in `Account`."""

    addresses: tuple[Address, ...] = ()
    hosts: tuple[str, ...] = ()
    authserv_id: str = ""


class Trust(msgspec.Struct, frozen=True):
    """What is known of the sender, as a sentence with its reason, empty where there is nothing to say. `more` are further sentences
    that speak against the message; `brief` is the sentence for where that has no room on one line. All of it is safe
    to show."""

    level: TrustLevel = TrustLevel.UNCHECKED
    sentence: str = ""
    more: tuple[str, ...] = ()
    brief: str = ""


class MailingList(msgspec.Struct, frozen=True):
    """The list that a message came by (RFC 2919), and the ways to leave it (RFC 2369, RFC 8058).

    `list_id` is the id alone, `name` its phrase; both may be empty where a message only says how to unsubscribe. `one_click` is an
    https URL to POST to, `mailto` a mailto: URL, `link` a web page; each is empty where it is missing or unfit. `vouched_by` is the
    domain whose signature over these fields was found valid by the reader's own provider, empty where that is not known.
    All of it is safe to show.
    """

    list_id: str = ""
    name: str = ""
    one_click: str = ""
    mailto: str = ""
    link: str = ""
    vouched_by: str = ""


class Origin(msgspec.Struct, frozen=True):
    """`reply_to` is where answers go, empty where that is the sender; not yet safe to show."""

    trust: Trust = Trust()
    reply_to: tuple[Address, ...] = ()
    mailing_list: MailingList | None = None
