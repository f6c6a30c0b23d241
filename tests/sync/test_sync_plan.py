"""The pure part of the sync, by its properties."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from termmail.model.flags import Flag, FlagSet
from termmail.model.local import BodyTarget, MailboxState, OperationSource
from termmail.model.mailbox import Role
from termmail.model.operation import Copy, Expunge, FlagChange, Move, Operation, OperationState
from termmail.model.remote import MailboxStatus, RemoteFlags, UidRange
from termmail.sync import plan

uids = st.sets(st.integers(1, 400), max_size=120)
flag_sets = st.builds(
    FlagSet,
    st.integers(0, 31).map(Flag),
    st.frozensets(st.sampled_from(["$Forwarded", "Work", "$Junk"])),
)


def expand(ranges: list[UidRange] | tuple[UidRange, ...]) -> set[int]:
    return {uid for part in ranges for uid in range(part.first, part.last + 1)}


@given(uids)
def test_ranges_hold_exactly_the_uids(found: set[int]) -> None:
    ranges = plan.to_ranges(found)
    assert expand(ranges) == found
    assert plan.count(ranges) == len(found)
    assert all(left.last + 1 < right.first for left, right in itertools.pairwise(ranges))


@given(uids, uids, st.integers(1, 400), st.integers(1, 400))
def test_the_difference_of_uids(local: set[int], remote: set[int], first: int, last: int) -> None:
    """S8: whatever the server lists and in whatever shape, gone and missing are what sets say they are."""
    diff = plan.diff_uids(sorted(local), plan.to_ranges(remote), first=first, last=last)
    window = set(range(first, last + 1))
    assert expand(diff.gone) == (local - remote) & window
    assert expand(diff.missing) == (remote - local) & window


@given(uids, st.lists(st.tuples(st.integers(1, 400), st.integers(0, 30)), max_size=8))
def test_uids_within_ranges(found: set[int], parts: list[tuple[int, int]]) -> None:
    ranges = [UidRange(first, first + more) for first, more in parts]
    assert plan.within(sorted(found), ranges) == sorted(found & expand(ranges))


@given(st.integers(1, 2**32), st.integers(1, 10**6), st.integers(1, 10_000))
def test_windows_go_down_to_the_first_uid(high: int, remaining: int, messages: int) -> None:
    """Every UID lies in exactly one window, however far apart they are, and few windows are needed."""
    steps = 0
    while high >= 1 and steps < 200:
        window = plan.next_window(high, remaining, messages)
        assert 1 <= window.first <= window.last == high
        high = window.first - 1
        remaining = max(1, remaining - messages)
        messages = plan.next_size(messages, 0.0)
        steps += 1
    assert high == 0


def test_a_window_holds_about_what_was_asked_for() -> None:
    assert plan.next_window(1000, 1000, 100) == UidRange(901, 1000)
    assert plan.next_window(1_000_000, 1000, 100) == UidRange(900_001, 1_000_000)
    assert plan.next_window(4_000_000_000, 10, 100) == UidRange(1, 4_000_000_000)


def test_windows_grow_where_the_server_is_quick_and_shrink_where_it_is_slow() -> None:
    assert plan.next_size(100, 0.1) == 400
    assert plan.next_size(400, 1.0) == 400
    assert plan.next_size(6400, 0.1) == plan.LARGEST_WINDOW
    assert plan.next_size(6400, 9.0) == 1600
    assert plan.next_size(100, 9.0) == plan.FIRST_WINDOW


def test_half_of_a_mailbox_is_not_believed_to_be_gone() -> None:
    """S6: more than 20 messages and more than half."""
    assert not plan.is_halved(20, 20)
    assert plan.is_halved(40, 21)
    assert not plan.is_halved(42, 21)
    assert plan.is_halved(21, 21)
    assert not plan.is_halved(100_000, 50_000)


@given(
    st.dictionaries(st.integers(1, 30), flag_sets),
    st.lists(st.builds(RemoteFlags, uid=st.integers(1, 40), flags=flag_sets)),
)
def test_only_flags_that_differ_are_written(known: dict[int, FlagSet], listed: list[RemoteFlags]) -> None:
    changed = plan.changed_flags(known, listed)
    assert all(known[remote.uid] != remote.flags for remote in changed)
    assert [remote for remote in listed if remote.uid in known and known[remote.uid] != remote.flags] == changed


@given(flag_sets, flag_sets, flag_sets, flag_sets)
def test_edits_of_two_sides_merge_flag_by_flag(base: FlagSet, ours: FlagSet, theirs: FlagSet, overlap: FlagSet) -> None:
    """S5: what only one side changed is as that side wants it, and it does not matter whose change comes first.

    Where both changed the same flag they changed it to the same, since a flag is on or off.
    """
    add, remove = ours.minus(base), base.minus(ours)
    their_add, their_remove = theirs.minus(base), base.minus(theirs)
    pushed_first = base.apply(add, remove).apply(their_add, their_remove)
    pulled_first = base.apply(their_add, their_remove).apply(add, remove)
    assert pushed_first == pulled_first
    for name in base.apply(ours, FlagSet()).apply(theirs, FlagSet()).names():
        wanted = {name in ours, name in theirs}
        assert (name in pushed_first) in wanted
        if (name in ours) == (name in base):
            assert (name in pushed_first) == (name in theirs)


def state(**values: object) -> MailboxState:
    status = MailboxStatus(messages=3, unseen=1, uidnext=4, uidvalidity=7, highestmodseq=9)
    fields: dict[str, object] = {
        "id": 1, "account": "test", "name": "INBOX", "wire_name": b"INBOX", "delimiter": "/", "role": Role.INBOX,
        "selectable": True, "subscribed": True, "uidvalidity": 7, "uidnext": 4, "highestmodseq": 9, "floor": 1, "complete": True,
        "status": status, "refused_keywords": frozenset(), "candidates": 0,
    }  # fmt: skip
    return MailboxState(**{**fields, **values})  # type: ignore[arg-type]


def test_only_a_mailbox_that_changed_is_opened() -> None:
    """S13: 200 unchanged mailboxes cost one LIST."""
    same = MailboxStatus(messages=3, unseen=1, uidnext=4, uidvalidity=7, highestmodseq=9)
    assert not plan.needs_sync(state(), same, thorough=True)
    for change in ({"messages": 2}, {"unseen": 0}, {"uidnext": 5}, {"uidvalidity": 8}, {"highestmodseq": 10}):
        fields = {name: getattr(same, name) for name in same.__struct_fields__} | change
        assert plan.needs_sync(state(), MailboxStatus(**fields), thorough=False)
    assert plan.needs_sync(state(complete=False), same, thorough=False)
    assert plan.needs_sync(state(candidates=1), same, thorough=False)
    assert plan.needs_sync(state(status=None), same, thorough=False)
    assert plan.needs_sync(state(), None, thorough=False)
    assert not plan.needs_sync(state(selectable=False), None, thorough=True)
    assert not plan.needs_sync(state(wire_name=None), None, thorough=True)


def test_without_modseq_equal_numbers_say_little() -> None:
    """A flag that changed shows in no other number."""
    same = MailboxStatus(messages=3, unseen=1, uidnext=4, uidvalidity=7)
    assert plan.needs_sync(state(status=same), same, thorough=True)
    assert not plan.needs_sync(state(status=same), same, thorough=False)
    empty = MailboxStatus(messages=0, unseen=0, uidnext=1, uidvalidity=7)
    assert not plan.needs_sync(state(status=empty), empty, thorough=True)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 300_000)), min_size=1, max_size=40), st.integers(1, 10**6))
def test_batches_of_bodies(wanted: list[tuple[int, int]], budget: int) -> None:
    targets = [BodyTarget(n, n, mailbox, n, size, 0) for n, (mailbox, size) in enumerate(wanted)]
    batch = plan.body_batch(targets, budget)
    assert batch == targets[: len(batch)]
    assert {target.mailbox_id for target in batch} == {targets[0].mailbox_id}
    assert len(batch) == 1 or sum(target.size for target in batch) <= budget


def test_a_budget_of_bytes_follows_the_line() -> None:
    assert plan.next_budget(1_000_000, 1.0) == 500_000
    assert plan.next_budget(1_000, 10.0) == plan.SMALLEST_BATCH
    assert plan.next_budget(8_000_000, 0.01) == plan.LARGEST_BATCH


payloads = st.one_of(
    st.builds(FlagChange, flag_sets, flag_sets),
    st.builds(Move, st.integers(1, 3)),
    st.builds(Copy, st.integers(1, 9), st.integers(1, 3)),
    st.just(Expunge()),
)


@given(st.lists(st.tuples(payloads, st.integers(1, 3), st.integers(0, 1)), max_size=30))
def test_groups_hold_each_operation_once_and_only_likes(wanted: list[tuple[object, int, int]]) -> None:
    placed = [
        plan.Placed(
            Operation(n, "test", n, payload, OperationState.PENDING, attempts, 0, ""),  # type: ignore[arg-type]
            OperationSource(mailbox, b"X", 7, n, FlagSet(), "", 0, 0),
            n,
        )
        for n, (payload, mailbox, attempts) in enumerate(wanted, 1)
    ]
    groups = plan.group_operations(placed)
    assert sorted(member.uid for group in groups for member in group.members) == [member.uid for member in placed]
    for group in groups:
        first = group.members[0]
        assert {member.source.mailbox_id for member in group.members} == {group.mailbox_id}
        assert {type(member.operation.payload) for member in group.members} == {type(first.operation.payload)}
        assert {member.operation.attempts > 0 for member in group.members} == {group.probe}
        if isinstance(first.operation.payload, FlagChange):
            assert {member.operation.payload for member in group.members} == {first.operation.payload}
        if isinstance(first.operation.payload, Move | Copy):
            targets = {getattr(member.operation.payload, "mailbox_id", None) for member in group.members}
            assert targets == {group.target_id}
