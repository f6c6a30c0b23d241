"""The list of one mailbox in memory: all ids, the rows near what is visible, and what the user did before the store says so."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import msgspec

from termmail.model.flags import Flag, FlagSet
from termmail.model.message import MessageRow
from termmail.model.view import MailboxPatch, Sort

_ROWS_KEPT = 3000
_PLACED_ONE_BY_ONE = 20

ReadRows = Callable[[Sequence[int]], list[MessageRow | None]]


class ListKey(msgspec.Struct, frozen=True):
    """Which list: answers that were asked for another one are dropped."""

    mailbox_id: int
    sort: Sort = Sort.DATE
    reverse: bool = False
    generation: int = 0


class _Held(msgspec.Struct):
    """A change shown before the store has it. `settled` is the store's `changed` number that has it, 0 while it is being written.

    What is `gone` went from one mailbox, and may be in another one's list already.
    """

    mailbox_id: int
    placement_ids: frozenset[int]
    add: FlagSet
    remove: FlagSet
    gone: bool
    settled: int = 0


class Change(msgspec.Struct, frozen=True):
    """What a patch did to the list. `added_above` counts rows that came in above the cursor; `reload` asks for the ids again."""

    rows: bool = False
    structure: bool = False
    added_above: int = 0
    reload: bool = False


class ListModel:
    """The ids of one list, its cursor and selection. Belongs to the thread of the user interface.

    `cursor` is a position, -1 in an empty list. The cursor stays on its message whatever comes and goes around it.
    """

    def __init__(self, read_rows: ReadRows) -> None:
        self._read_rows = read_rows
        self.key = ListKey(0)
        self.ids: array[int] = array("q")
        self.complete = True
        self.cursor = -1
        self.selected: set[int] = set()
        self.range_from: int | None = None
        self.direction = 1
        self._rows: dict[int, MessageRow] = {}
        self._held: dict[int, _Held] = {}
        self._tokens = 0
        self._highest = 0

    def __len__(self) -> int:
        return len(self.ids)

    # loading

    def open(self, key: ListKey, ids: Iterable[int], changed: int, *, complete: bool) -> None:
        """Begin another list with its first ids, read at the store's number `changed` or later; the cursor is on the first."""
        self._forget_held(changed)
        self.key = key
        self.complete = complete
        self.selected.clear()
        self.range_from = None
        self.direction = 1
        self._rows.clear()
        self._set_ids(array("q", ids))
        self.cursor = 0 if self.ids else -1

    def load(self, ids: array[int], changed: int) -> None:
        """All ids of the list, read at the store's number `changed` or later; the cursor stays on its message."""
        self._forget_held(changed)
        cursor_id, position = self.cursor_id, self.cursor
        self._set_ids(ids)
        self.complete = True
        if cursor_id is not None:
            found = self.position(cursor_id)
            self.cursor = found if found is not None else min(position, len(self.ids) - 1)
        else:
            self.cursor = 0 if self.ids else -1
        if self.selected:
            self.selected.intersection_update(self.ids)

    def _set_ids(self, ids: array[int]) -> None:
        gone = self._gone()
        if gone and not gone.isdisjoint(ids):
            ids = array("q", [placement_id for placement_id in ids if placement_id not in gone])
        self.ids = ids
        self._highest = max(ids, default=0)

    # rows

    @property
    def cursor_id(self) -> int | None:
        """The placement under the cursor."""
        return self.ids[self.cursor] if 0 <= self.cursor < len(self.ids) else None

    @property
    def cursor_row(self) -> MessageRow | None:
        """The row under the cursor; None where the list is empty."""
        return None if self.cursor_id is None else self.row_of(self.cursor_id)

    def ensure(self, first: int, last: int) -> None:
        """Have the rows of the positions from `first` to before `last` in memory, by one query."""
        first, last = max(0, first), min(last, len(self.ids))
        wanted = [placement_id for placement_id in self.ids[first:last] if placement_id not in self._rows]
        if not wanted:
            return
        if len(self._rows) > _ROWS_KEPT:
            kept = set(self.ids[max(0, first - 200) : last + 200])
            self._rows = {placement_id: row for placement_id, row in self._rows.items() if placement_id in kept}
        for row in self._read_rows(wanted):
            if row is not None:
                self._rows[row.id] = self._as_shown(row)

    def row(self, position: int) -> MessageRow | None:
        """The row at a position if it is in memory (`ensure`)."""
        return self._rows.get(self.ids[position]) if 0 <= position < len(self.ids) else None

    def row_of(self, placement_id: int) -> MessageRow | None:
        """The row of a placement, read if need be; None where it is gone."""
        row = self._rows.get(placement_id)
        if row is None:
            (found,) = self._read_rows([placement_id])
            row = None if found is None else self._as_shown(found)
        return row

    def position(self, placement_id: int) -> int | None:
        """Where a placement is in the list."""
        first = max(0, self.cursor - 100)
        try:
            return self.ids.index(placement_id, first, first + 200)
        except ValueError:
            pass
        try:
            return self.ids.index(placement_id)
        except ValueError:
            return None

    def forget_rows(self) -> None:
        """Read all rows again when they are needed."""
        self._rows.clear()

    # the user's changes

    def targets(self) -> list[int]:
        """What a command acts on: the selection in list order, or else the cursor's message."""
        if self.range_from is not None:
            self._select_range()
        if self.selected:
            return [placement_id for placement_id in self.ids if placement_id in self.selected]
        return [] if self.cursor_id is None else [self.cursor_id]

    def toggle_selected(self) -> None:
        if self.cursor_id is not None:
            self.selected ^= {self.cursor_id}

    def start_range(self) -> None:
        """From now on everything between here and the cursor is selected; again: what is selected now stays."""
        if self.range_from is None:
            self.range_from = self.cursor if self.cursor >= 0 else None
        else:
            self._select_range()
            self.range_from = None

    def _select_range(self) -> None:
        if self.range_from is not None:
            self.selected.update(self.ids[self.range_first : self.range_last + 1])

    @property
    def range_first(self) -> int:
        return min(self.range_from, self.cursor) if self.range_from is not None else -1

    @property
    def range_last(self) -> int:
        return max(self.range_from, self.cursor) if self.range_from is not None else -2

    def is_marked(self, position: int) -> bool:
        """Whether a row is selected, or in the range being selected."""
        return self.ids[position] in self.selected or self.range_first <= position <= self.range_last

    @property
    def marked_count(self) -> int:
        """How many are selected or in the range being selected."""
        count = len(self.selected)
        if self.range_from is not None:
            span = self.ids[self.range_first : self.range_last + 1]
            count += len(span) - (sum(1 for each in span if each in self.selected) if count else 0)
        return count

    def clear_selection(self) -> bool:
        """Select nothing; whether something was."""
        had = bool(self.selected) or self.range_from is not None
        self.selected.clear()
        self.range_from = None
        return had

    def hold_flags(self, placement_ids: Sequence[int], add: FlagSet, remove: FlagSet) -> int:
        """Show a change of flags at once; returns a token for `settle`."""
        token = self._hold(_Held(self.key.mailbox_id, frozenset(placement_ids), add, remove, gone=False))
        for placement_id in placement_ids:
            row = self._rows.get(placement_id)
            if row is not None and (flags := row.flags.apply(add, remove)) != row.flags:
                self._rows[placement_id] = msgspec.structs.replace(row, flags=flags, pending=True)
        return token

    def hold_removal(self, placement_ids: Sequence[int]) -> int:
        """Take messages out of the list at once; the cursor goes to the next one in the direction of travel."""
        token = self._hold(_Held(self.key.mailbox_id, frozenset(placement_ids), FlagSet(), FlagSet(), gone=True))
        self._remove(set(placement_ids))
        return token

    def _hold(self, held: _Held) -> int:
        self._tokens += 1
        self._held[self._tokens] = held
        return self._tokens

    def settle(self, token: int, changed: int) -> None:
        """The store has the change, in its state number `changed` or before; patches from then on are true."""
        held = self._held.get(token)
        if held is not None:
            held.settled = changed

    def refuse(self, token: int) -> bool:
        """The store did not take the change: it is no longer shown. Whether the ids have to be loaded again."""
        held = self._held.pop(token, None)
        if held is None:
            return False
        for placement_id in held.placement_ids:
            self._rows.pop(placement_id, None)
        return held.gone

    def _gone(self) -> set[int]:
        gone: set[int] = set()
        for held in self._held.values():
            if held.gone and held.mailbox_id == self.key.mailbox_id:
                gone |= held.placement_ids
        return gone

    def _forget_held(self, changed: int) -> None:
        """What the store has at `changed` needs no holding."""
        self._held = {token: held for token, held in self._held.items() if not held.settled or held.settled > changed}

    def _as_shown(self, row: MessageRow) -> MessageRow:
        for held in self._held.values():
            if not held.gone and row.id in held.placement_ids:
                row = msgspec.structs.replace(row, flags=row.flags.apply(held.add, held.remove))
        return row

    # the store's changes

    def patch(self, patch: MailboxPatch) -> Change:
        """Take over what changed in the store."""
        self._forget_held(patch.changed)
        gone = self._gone()
        structure = False
        removed = set(patch.removed)
        if removed:
            structure = self._remove(removed)
            self.selected -= removed
        unknown: list[MessageRow] = []
        touched = False
        for row in patch.upserted:
            if row.id in self._rows:
                self._rows[row.id] = self._as_shown(row)
                touched = True
            elif row.id not in gone:
                unknown.append(row)
        new = self._new_among(unknown)
        if not new:
            return Change(rows=touched, structure=structure)
        if self.key.sort is not Sort.DATE or (len(new) > _PLACED_ONE_BY_ONE and not self._all_on_top(new)):
            return Change(rows=True, structure=structure, reload=True)
        above = self._place(new)
        return Change(rows=True, structure=True, added_above=above)

    def _new_among(self, rows: list[MessageRow]) -> list[MessageRow]:
        if not rows:
            return []
        low = [row.id for row in rows if row.id <= self._highest]
        known = set(low).intersection(self.ids) if low else set()
        return [row for row in rows if row.id not in known]

    def _all_on_top(self, rows: list[MessageRow]) -> bool:
        if self.key.reverse:
            return False
        if not self.ids:
            return True
        top = self.row_of(self.ids[0])
        return top is not None and min((row.received_at, row.id) for row in rows) > (top.received_at, top.id)

    def _place(self, rows: list[MessageRow]) -> int:
        """Insert rows where they belong by date; how many came above the cursor."""
        above = 0
        if self._all_on_top(rows):
            rows.sort(key=lambda row: (row.received_at, row.id), reverse=True)
            self.ids[0:0] = array("q", [row.id for row in rows])
            above = len(rows) if self.cursor >= 0 else 0
            self._moved(above)
        else:
            for row in rows:
                position = self._place_of(row)
                if position >= len(self.ids) and not self.complete:
                    continue
                self.ids.insert(position, row.id)
                if self.cursor >= 0 and position <= self.cursor:
                    above += 1
                    self._moved(1)
        for row in rows:
            self._rows[row.id] = self._as_shown(row)
            self._highest = max(self._highest, row.id)
        if self.cursor < 0 and self.ids:
            self.cursor = 0
        return above

    def _moved(self, count: int) -> None:
        if self.cursor >= 0:
            self.cursor += count
        if self.range_from is not None:
            self.range_from += count

    def _place_of(self, row: MessageRow) -> int:
        """By binary search among the rows there are; one that is gone counts as older."""
        sign = 1 if self.key.reverse else -1

        def order(placement_id: int) -> tuple[int, int]:
            there = self.row_of(placement_id)
            return (sign * there.received_at, sign * there.id) if there is not None else (sign * row.received_at, 0)

        return bisect_left(self.ids, (sign * row.received_at, sign * row.id), key=order)

    def _remove(self, gone: set[int]) -> bool:
        """Take ids out, keeping the cursor on its message, or on the next one in the direction of travel."""
        positions = self._positions(gone)
        if not positions:
            return False
        cursor = self.cursor
        before = sum(1 for position in positions if position < cursor)
        under = bool(positions) and cursor in set(positions)
        if len(positions) <= 50:
            for position in reversed(positions):
                del self.ids[position]
        else:
            self.ids = array("q", [placement_id for placement_id in self.ids if placement_id not in gone])
        cursor -= before
        if under and self.direction < 0:
            cursor -= 1
        self.cursor = max(0, min(cursor, len(self.ids) - 1)) if self.ids else -1
        if self.range_from is not None:
            self.range_from = None
        for placement_id in gone:
            self._rows.pop(placement_id, None)
            self.selected.discard(placement_id)
        return True

    def _positions(self, wanted: set[int]) -> list[int]:
        if len(wanted) <= 3:
            found = (self.position(placement_id) for placement_id in wanted)
            return sorted(position for position in found if position is not None)
        return [position for position, placement_id in enumerate(self.ids) if placement_id in wanted]

    # unread

    def next_unread(self, step: int, unread_ids: Callable[[], set[int]]) -> int | None:
        """The position of the next unread message in a direction, not counting the cursor's; None where there is none."""
        position = self.cursor + step
        looked = 0
        while 0 <= position < len(self.ids) and looked < 300:
            row = self._rows.get(self.ids[position])
            if row is None:
                break
            if not row.flags.system & Flag.SEEN:
                return position
            position += step
            looked += 1
        else:
            if not 0 <= position < len(self.ids):
                return None
        unread = unread_ids()
        for held in self._held.values():
            if held.add.system & Flag.SEEN:
                unread -= held.placement_ids
            elif held.remove.system & Flag.SEEN:
                unread |= held.placement_ids
        if not unread:
            return None
        while 0 <= position < len(self.ids):
            if self.ids[position] in unread:
                return position
            position += step
        return None
