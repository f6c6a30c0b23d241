"""What to fetch from a POP3 maildrop and what to delete there: pure, a listing and what is known here in, a plan out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import msgspec

from termmail.model.account import KeepKind, KeepPolicy
from termmail.model.maildrop import KnownUidl, Whereabouts

_DAY = 86400


class Listed(msgspec.Struct, frozen=True):
    """A message of the maildrop in this session. `key` is what it is known by: its UIDL, or where that is missing or not its own
    (`own` False) one that was made of its header. `size` is in bytes, as the server says."""

    number: int
    key: str
    size: int
    own: bool = True


def to_fetch(listed: Iterable[Listed], known: Mapping[str, KnownUidl], last: Set[str] = frozenset()) -> list[Listed]:
    """What is not here, the newest first, and those whose keys are in `last` after all others.

    Mail whose size differs from what it was is another one under an old UIDL.
    """
    return sorted(
        (one for one in listed if not _is_here(known.get(one.key), one)), key=lambda one: (one.key in last, -one.number)
    )


def to_delete(listed: Iterable[Listed], known: Mapping[str, KnownUidl], policy: KeepPolicy, now: float) -> list[Listed]:
    """What the policy wants gone from the server, of what is durable here, or was deleted here (L3).

    Nothing that has no UIDL of its own: what it is known by may be another message's too (S12).
    """
    wanted: list[Listed] = []
    for one in listed:
        mail = known.get(one.key)
        if one.own and mail is not None and _is_here(mail, one) and _is_over(mail, policy, now):
            wanted.append(one)
    return wanted


def _is_here(mail: KnownUidl | None, one: Listed) -> bool:
    return mail is not None and mail.whereabouts is not Whereabouts.LOST and mail.size == one.size


def _is_over(mail: KnownUidl, policy: KeepPolicy, now: float) -> bool:
    deleted = mail.whereabouts in (Whereabouts.DELETED, Whereabouts.TRASH)
    match policy.kind:
        case KeepKind.FOREVER:
            return False
        case KeepKind.UNTIL_DELETED:
            return deleted
        case KeepKind.DAYS:
            return now - mail.downloaded_at >= policy.days * _DAY and not mail.doubtful
        case KeepKind.NONE:
            return not mail.doubtful
