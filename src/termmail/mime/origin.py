"""Where a message comes from, out of its header: the sender's standing, where answers go, the list."""

from __future__ import annotations

from termmail.mime.headers import header_fields
from termmail.mime.known_senders import KnownSenders
from termmail.mime.mailing_list import mailing_list
from termmail.mime.trust import answers_to, checked_results, judge
from termmail.model.message import Envelope
from termmail.model.origin import MailOwner, Origin, Trust, TrustLevel


def origin(envelope: Envelope, header: bytes | None, *, known: KnownSenders, owner: MailOwner) -> Origin:
    """The origin of a message; `header` is its raw header block (or the whole message), None where that is not here. Never raises."""
    if header is None:
        trust = judge(envelope, None, known=known, owner=owner)
        # What the provider found is not known yet, so nothing is said of it.
        return Origin(trust if trust.level is TrustLevel.SUSPICIOUS else Trust(), answers_to(envelope))
    results = checked_results(header, owner)
    by_list = mailing_list(header, results)
    has_travelled = any(name.lower() == "received" for name, _ in header_fields(header))
    trust = judge(envelope, results, known=known, owner=owner, mailing_list=by_list, has_travelled=has_travelled)
    return Origin(trust, answers_to(envelope), by_list)
