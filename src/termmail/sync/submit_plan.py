"""When a message that was not taken is tried again, and who files the copy of one that was. Pure: no I/O, no clock."""

from __future__ import annotations

import random

from termmail.model.account import Account, Protocol, SentCopy
from termmail.model.errors import SubmissionRefused
from termmail.model.outgoing import OutboxItem

GIVE_UP_SECONDS = 5 * 86400.0
"""For how long a server may say "later" (RFC 5321 §4.5.4.1: at least 4 to 5 days)."""

_LEAST_ATTEMPTS = 12
_FIRST_SECONDS = 60.0
_GREYLISTED_SECONDS = 300.0
_LOST_SECONDS = 10.0
_UNREACHABLE_SECONDS = 5.0
_LONGEST_SECONDS = 3600.0
_LONGEST_UNREACHABLE_SECONDS = 300.0
_FILES_ITSELF = (
    "smtp.gmail.com",
    "smtp.googlemail.com",
    "smtp.office365.com",
    "smtp-mail.outlook.com",
    "smtp.outlook.com",
    "smtp.live.com",
    "smtp.hotmail.com",
    "outlook.office365.com",
)


def files_copy(account: Account) -> bool:
    """Whether termmail puts the copy of a sent mail into Sent; a second one beside the server's own would be one too many (O10)."""
    match account.sent_copy:
        case SentCopy.TERMMAIL:
            return True
        case SentCopy.SERVER:
            return False
    if account.protocol is Protocol.POP3 or account.smtp is None:
        # What the server files is out of POP3's reach.
        return True
    host = account.smtp.host.casefold().rstrip(".")
    return not any(host == known or host.endswith(f".{known}") for known in _FILES_ITSELF)


def after_refusal(attempts: int, error: SubmissionRefused) -> float:
    """Seconds until the next try after a 4xx: about one minute, growing to an hour; five minutes at least where the server is
    greylisting, which would take an earlier try for impatience."""
    codes = {error.code, *(refusal.code for refusal in error.refused)}
    words = " ".join((error.sentence, *(refusal.text for refusal in error.refused))).casefold()
    return temporary_refusal(attempts, codes, words)


def temporary_refusal(attempts: int, codes: set[int], words: str) -> float:
    """As `after_refusal`, of the reply codes and what the server said, in lower case."""
    pause = _growing(_FIRST_SECONDS, attempts)
    if 451 in codes or "greylist" in words or "graylist" in words or "4.7.1" in words:
        pause = max(pause, _GREYLISTED_SECONDS)
    return min(_LONGEST_SECONDS, pause * random.uniform(1.0, 1.25))


def after_loss(attempts: int) -> float:
    """Seconds until the next try where the connection was lost in the middle of it."""
    return min(_LONGEST_SECONDS, _growing(_LOST_SECONDS, attempts) * random.uniform(0.75, 1.25))


def after_unreachable(failures: int) -> float:
    """Seconds until the next try after so many connections in a row that could not be made."""
    pause = _growing(_UNREACHABLE_SECONDS, failures) * random.uniform(0.75, 1.25)
    return min(_LONGEST_UNREACHABLE_SECONDS, pause)


def is_hopeless(item: OutboxItem, now: float) -> bool:
    """Whether a server that says "later" has said so for long enough; tries count as well, since the network may have been away."""
    since = max(item.created_at, item.not_before)
    return now - since > GIVE_UP_SECONDS and item.attempts >= _LEAST_ATTEMPTS


def _growing(first: float, times: int) -> float:
    doubled: float = first * 2.0 ** min(max(times, 1) - 1, 20)
    return doubled
