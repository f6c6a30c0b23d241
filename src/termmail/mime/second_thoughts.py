"""What a writer may want to look at once more before sending, in one sentence each."""

from __future__ import annotations

import re
from collections.abc import Collection

from termmail.mime.addressing import parse_recipients
from termmail.model.outgoing import Draft

MANY_RECIPIENTS = 10
_ATTACHED = re.compile(
    r"\b(?:attach(?:ed|ing|ment|ments)|enclosed|anbei|angehängt|anhang|anhänge|beigefügt|im anhang|ci-joint|pièces? jointes?"
    r"|en pièce|adjunt[oa]s?|archivo adjunto|bijlagen?|bijgevoegd|allegat[oi]|in allegato|anexos?|em anexo|bifoga[drt]?|vedhæftet"
    r"|załącznik\w*|w załączeniu)\b",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(r"^(?:On .{1,300} wrote:|-{5,} ?Forwarded message ?-{5,})$", re.MULTILINE)
_CLOSE = 2


def before_sending(draft: Draft, *, known: Collection[str] = (), replies_to: str = "") -> tuple[str, ...]:
    """Sentences on a draft that is about to be sent; empty where there is nothing to say.

    `known` are the addresses one has written to or heard from; `replies_to` is the From address of the mail that it answers (A6).
    """
    found: list[str] = []
    if not draft.subject.strip():
        found.append("The subject is empty.")
    word = _ATTACHED.search(_own_text(draft.body))
    if word is not None and not draft.attachments:
        found.append(f"You write “{word[0]}”, and nothing is attached.")
    recipients = [one.address for field in (draft.to, draft.cc, draft.bcc) for one in parse_recipients(field)]
    folded = {one.casefold() for one in known}
    for address in recipients:
        near = _near(address.casefold(), folded)
        if near:
            found.append(f"You have not written to {address} before. Do you mean {near}?")
    if len(recipients) > MANY_RECIPIENTS:
        found.append(f"This goes to {len(recipients)} addresses.")
    first = parse_recipients(draft.to)[:1]
    if replies_to and first and draft.answers:
        theirs, ours = replies_to.rpartition("@")[2].casefold(), first[0].address.rpartition("@")[2].casefold()
        if theirs and ours and theirs != ours:
            found.append(f"The reply goes to {first[0].address}, not to {replies_to}, who wrote.")
    return tuple(found)


def _own_text(body: str) -> str:
    """What the writer wrote, without quotes and forwarded text."""
    found = _ATTRIBUTION.search(body)
    own = body if found is None else body[: found.start()]
    return "\n".join(line for line in own.split("\n") if not line.startswith(">"))


def _near(address: str, known: set[str]) -> str:
    """A known address that this one, which is not known, may be meant to be."""
    if address in known or "@" not in address:
        return ""
    local, _, domain = address.rpartition("@")
    for other in sorted(known):
        other_local, _, other_domain = other.rpartition("@")
        if other_domain == domain and len(local) > _CLOSE + 1 and _distance(local, other_local) <= _CLOSE:
            return other
        if other_local == local and other_domain and _distance(domain, other_domain) <= _CLOSE:
            return other
    return ""


def _distance(one: str, other: str) -> int:
    """How many letters differ, or are missing; `_CLOSE` + 1 for more than that."""
    if abs(len(one) - len(other)) > _CLOSE:
        return _CLOSE + 1
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, row = row, [i]
        for j, other_letter in enumerate(other, 1):
            row.append(min(earlier[j] + 1, row[j - 1] + 1, earlier[j - 1] + (letter != other_letter)))
    return min(row[-1], _CLOSE + 1)
