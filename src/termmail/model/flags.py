"""Flags (RFC 9051 §2.3.2) and keywords of a message as one value."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec


class Flag(enum.IntFlag):
    """The system flags as bits, as they lie in the database."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


IMAP_NAMES: dict[Flag, str] = {
    Flag.SEEN: "\\Seen",
    Flag.ANSWERED: "\\Answered",
    Flag.FLAGGED: "\\Flagged",
    Flag.DELETED: "\\Deleted",
    Flag.DRAFT: "\\Draft",
}
_BY_NAME: dict[str, Flag] = {name.lower(): flag for flag, name in IMAP_NAMES.items()}


class FlagSet(msgspec.Struct, frozen=True):
    """System flags and keywords of one placement. Keywords keep the spelling first seen and compare without case."""

    system: Flag = Flag(0)
    keywords: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, names: Iterable[str]) -> FlagSet:
        """From IMAP names. `\\Recent` and unknown backslash flags are dropped: they are the server's business."""
        system = Flag(0)
        keywords: dict[str, str] = {}
        for name in names:
            flag = _BY_NAME.get(name.lower())
            if flag is not None:
                system |= flag
            elif name and not name.startswith("\\"):
                keywords.setdefault(name.lower(), name)
        return cls(system, frozenset(keywords.values()))

    def names(self) -> list[str]:
        """IMAP names, system flags first, then keywords sorted."""
        return [name for flag, name in IMAP_NAMES.items() if flag & self.system] + sorted(self.keywords)

    def __contains__(self, name: str) -> bool:
        flag = _BY_NAME.get(name.lower())
        if flag is not None:
            return bool(flag & self.system)
        return name.lower() in {keyword.lower() for keyword in self.keywords}

    def apply(self, add: FlagSet, remove: FlagSet) -> FlagSet:
        """This set with `add` added, then `remove` removed."""
        gone = {keyword.lower() for keyword in remove.keywords}
        merged: dict[str, str] = {keyword.lower(): keyword for keyword in sorted(add.keywords)}
        merged.update({keyword.lower(): keyword for keyword in sorted(self.keywords)})
        kept = frozenset(keyword for folded, keyword in merged.items() if folded not in gone)
        return FlagSet((self.system | add.system) & ~remove.system, kept)

    def minus(self, other: FlagSet) -> FlagSet:
        """What is set here and not in `other`."""
        theirs = {keyword.lower() for keyword in other.keywords}
        return FlagSet(
            self.system & ~other.system,
            frozenset(keyword for keyword in self.keywords if keyword.lower() not in theirs),
        )

    def __bool__(self) -> bool:
        return bool(self.system) or bool(self.keywords)
