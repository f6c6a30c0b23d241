"""What a sync has to do, worked out from what is known here and what the server lists. Pure: no I/O, no clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from termmail.model.flags import FlagSet
from termmail.model.local import BodyTarget, MailboxState, OperationSource
from termmail.model.operation import Copy, Expunge, FlagChange, Move, Operation
from termmail.model.remote import MailboxStatus, RemoteFlags, UidRange

LAST_UID = 4_294_967_295
"""The highest UID there can be (RFC 9051 §2.3.1.1); unlike `*` it never names a message below the range."""

FIRST_WINDOW = 100
LARGEST_WINDOW = 10_000
_QUICK_SECONDS = 0.5
_SLOW_SECONDS = 2.0
_GROWTH = 4

_HALVED_ABOVE = 20

SMALLEST_BATCH = 64 * 1024
LARGEST_BATCH = 8 * 1024 * 1024
_MESSAGES_IN_BATCH = 1000
_BATCH_SECONDS = 0.5

LARGEST_GROUP = 500


class UidDiff(msgspec.Struct, frozen=True):
    """`gone` are UIDs known here that the server no longer lists, `missing` those it lists that are not known here."""

    gone: tuple[UidRange, ...]
    missing: tuple[UidRange, ...]


class Placed(msgspec.Struct, frozen=True):
    """An operation on a message, with where that message is on the server."""

    operation: Operation
    source: OperationSource
    uid: int


class OperationGroup(msgspec.Struct, frozen=True):
    """Operations of one kind in one mailbox that one command carries out.

    All share `mailbox_id` and its `uidvalidity`. `probe` says that an attempt was made before, whose end is not known.
    `target_id` is the mailbox moved or copied to.
    """

    members: tuple[Placed, ...]
    mailbox_id: int
    uidvalidity: int | None
    probe: bool
    target_id: int | None = None

    @property
    def ranges(self) -> tuple[UidRange, ...]:
        """The UIDs of the members."""
        return to_ranges(member.uid for member in self.members)

    @property
    def ids(self) -> list[int]:
        """The ids of the operations."""
        return [member.operation.id for member in self.members]

    def with_members(self, members: Iterable[Placed]) -> OperationGroup:
        """The same for some of the members."""
        return msgspec.structs.replace(self, members=tuple(members))


def needs_sync(state: MailboxState, status: MailboxStatus | None, *, thorough: bool) -> bool:
    """Whether a mailbox has to be selected, going by its STATUS.

    Equal numbers say that nothing changed only where HIGHESTMODSEQ is among them (RFC 7162): without it a change of flags may
    not show, and the mailbox is looked at in every `thorough` pass.
    """
    if not state.selectable or state.wire_name is None:
        return False
    if not state.complete or state.candidates or status is None or state.status is None or status != state.status:
        return True
    return thorough and not status.highestmodseq and status.messages != 0


def is_empty(state: MailboxState, status: MailboxStatus | None) -> bool:
    """Whether STATUS says all there is to know of a mailbox never looked at before: that there is nothing in it."""
    return (
        state.floor is None
        and state.uidvalidity is None
        and state.selectable
        and status is not None
        and status.messages == 0
        and status.uidvalidity is not None
        and status.uidnext is not None
    )


def next_window(high: int, remaining: int, messages: int) -> UidRange:
    """The next UIDs to list, from `high` downwards, that should hold about `messages` of the `remaining` ones.

    UIDs may lie far apart; the width goes by how many are still to come below `high`.
    """
    width = high if remaining <= messages else max(messages, high * messages // remaining)
    return UidRange(max(1, high - width + 1), high)


def next_size(messages: int, seconds: float) -> int:
    """How many messages to ask for next when `messages` took `seconds`: few enough that something urgent can come between."""
    if seconds < _QUICK_SECONDS:
        return min(messages * _GROWTH, LARGEST_WINDOW)
    if seconds > _SLOW_SECONDS:
        return max(messages // _GROWTH, FIRST_WINDOW)
    return messages


def is_halved(known: int, gone: int) -> bool:
    """Whether so many of the known messages vanished at once that the listing is not believed without a second one (S6)."""
    return gone > _HALVED_ABOVE and gone * 2 > known


def to_ranges(uids: Iterable[int]) -> tuple[UidRange, ...]:
    """UIDs in any order as ascending ranges."""
    ranges: list[UidRange] = []
    first = last = 0
    for uid in sorted(uids):
        if first and uid <= last + 1:
            last = uid
            continue
        if first:
            ranges.append(UidRange(first, last))
        first = last = uid
    if first:
        ranges.append(UidRange(first, last))
    return tuple(ranges)


def count(ranges: Iterable[UidRange]) -> int:
    """How many UIDs the ranges hold."""
    return sum(part.last - part.first + 1 for part in ranges)


def within(uids: Sequence[int], ranges: Iterable[UidRange]) -> list[int]:
    """Those of the ascending `uids` that lie in one of the ranges, ascending, each once."""
    found: list[int] = []
    after = 0
    for part in sorted(ranges):
        start = max(after, bisect_left(uids, part.first))
        after = max(after, bisect_right(uids, part.last))
        found += uids[start:after]
    return found


def diff_uids(local: Sequence[int], listed: Iterable[UidRange], *, first: int = 1, last: int = LAST_UID) -> UidDiff:
    """Compare ascending local UIDs with the server's within `first` to `last`."""
    here = local[bisect_left(local, first) : bisect_right(local, last)]
    gone: list[int] = []
    missing: list[UidRange] = []
    position = 0
    for part in sorted(listed):
        low, high = max(part.first, first), min(part.last, last)
        while position < len(here) and here[position] < low:
            gone.append(here[position])
            position += 1
        wanted = low
        while position < len(here) and here[position] <= high:
            if here[position] > wanted:
                missing.append(UidRange(wanted, here[position] - 1))
            wanted = max(wanted, here[position] + 1)
            position += 1
        if wanted <= high:
            missing.append(UidRange(wanted, high))
    gone += here[position:]
    return UidDiff(to_ranges(gone), tuple(missing))


def changed_flags(known: Mapping[int, FlagSet], listed: Iterable[RemoteFlags]) -> list[RemoteFlags]:
    """Those of a flag listing that say something else than what is known here; the merge with what waits is the store's (S5)."""
    return [remote for remote in listed if remote.uid in known and known[remote.uid] != remote.flags]


def body_batch(targets: Sequence[BodyTarget], budget: int) -> list[BodyTarget]:
    """The first targets that share a mailbox and together have at most `budget` bytes; at least one."""
    batch: list[BodyTarget] = []
    total = 0
    for target in targets:
        total += target.size
        if batch and (target.mailbox_id != batch[0].mailbox_id or total > budget or len(batch) >= _MESSAGES_IN_BATCH):
            break
        batch.append(target)
    return batch


def next_budget(taken: int, seconds: float) -> int:
    """How many bytes to ask for next when `taken` bytes took `seconds`: half a second's worth."""
    wanted = int(taken / max(seconds, 0.001) * _BATCH_SECONDS)
    return max(SMALLEST_BATCH, min(LARGEST_BATCH, wanted))


def group_operations(placed: Iterable[Placed]) -> list[OperationGroup]:
    """Group operations on messages that one command can carry out, in order of the first of each group.

    Each placement comes at most once, so their order among each other is free. What was begun before is not grouped with what
    was not, since it is probed first.
    """
    groups: dict[object, list[Placed]] = {}
    for member in placed:
        source = member.source
        key = (*_kind(member.operation), source.mailbox_id, source.uidvalidity, member.operation.attempts > 0)
        groups.setdefault(key, []).append(member)
    result: list[OperationGroup] = []
    for members in groups.values():
        payload = members[0].operation.payload
        whole = OperationGroup(
            members=tuple(members),
            mailbox_id=members[0].source.mailbox_id,
            uidvalidity=members[0].source.uidvalidity,
            probe=members[0].operation.attempts > 0,
            target_id=payload.mailbox_id if isinstance(payload, Move | Copy) else None,
        )
        result += [
            whole.with_members(members[start : start + LARGEST_GROUP])
            for start in range(0, len(members), LARGEST_GROUP)
        ]
    return result


def _kind(operation: Operation) -> tuple[object, ...]:
    match operation.payload:
        case FlagChange(add=add, remove=remove):
            return ("flags", add, remove)
        case Move(mailbox_id=target):
            return ("move", target)
        case Copy(mailbox_id=target):
            return ("copy", target)
        case Expunge():
            return ("expunge",)
    raise ValueError(f"not an operation on a message: {operation.payload!r}")
