"""The store between a user, a server and other clients, in any order: what is seen, what is told, and that both come to agree."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from filled_store import account
from store.server_model import NOT_KEPT, raw
from store.store_checks import check_files, check_rows
from store.store_parts import Names, Seen, StoreParts
from termmail.model.errors import TermmailError
from termmail.model.flags import Flag, FlagSet
from termmail.model.mailbox import Role
from termmail.model.message import MessageRow

NAMES = ("A", "A/B", "C")
FLAGS = st.sampled_from(
    [
        FlagSet(Flag.SEEN),
        FlagSet(Flag.FLAGGED),
        FlagSet(Flag.SEEN, frozenset({"later"})),
        FlagSet(Flag(0), frozenset({NOT_KEPT})),
    ]
)
ENDLESS = 1e18
PICK = st.integers(0, 1 << 20)


class StoreMachine(StoreParts, RuleBasedStateMachine):
    """Steps of the user, of other clients, and of an engine that may be killed between any two of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.listing: tuple[int, int] | None = None
        self.wished: tuple[Seen, Names, int] | None = None
        self.copies: dict[int, int] = {}

    @initialize(email_ids=st.booleans(), archive=st.booleans(), messages=st.integers(1, 5), bodies=st.booleans())
    def begin(self, email_ids: bool, archive: bool, messages: int, bodies: bool) -> None:
        self.server.email_ids = email_ids
        if not archive:
            self.server.delete("Archive")
        self.server.create("A")
        self.server.create("A/B")
        for _ in range(messages):
            self.copies[self.server.deliver("INBOX")] = 1
        self.ingest.register_accounts((account(),))
        self.sync()
        if bodies:
            self.fetch_bodies()
        self.mirror = {mailbox.id: self.queries.changed_now() for mailbox in self.queries.mailboxes()}
        self.rows = {mailbox_id: self.fresh(mailbox_id) for mailbox_id in self.mirror}

    def teardown(self) -> None:
        try:
            if self.copies:
                self.agree()
                for token, copies in self.copies.items():
                    assert self.server.count(token) <= copies, f"message {token} is there twice"
                    assert self.server.count(token) >= 1 or token in self.given_up, f"message {token} is lost"
        finally:
            self.close()
            shutil.rmtree(self.folder)

    # what is seen

    def fresh(self, mailbox_id: int) -> dict[int, object]:
        return self.by_id(self.queries.rows(self.queries.message_ids(mailbox_id)))

    @staticmethod
    def by_id(rows: Iterable[MessageRow | None]) -> dict[int, object]:
        """Without what is told of the mailbox alone: its name, and that it is numbered anew."""
        return {row.id: msgspec.structs.replace(row, mailbox="", uid=None) for row in rows if row is not None}

    def placements(self) -> list[int]:
        return sorted(self.seen())

    def mailbox_ids(self) -> list[int]:
        return [mailbox.id for mailbox in self.queries.mailboxes()]

    def chosen(self, pick: int) -> int:
        ids = self.placements()
        return ids[pick % len(ids)]

    # the user

    @contextlib.contextmanager
    def wish(self) -> Iterator[None]:
        """Remember what was seen before, for an undo that follows at once. What is refused changes nothing."""
        before = (self.seen(), self.names())
        undo = self.queries.undo_sentence()
        try:
            yield
        except TermmailError:
            assert (self.seen(), self.names()) == before
        self.wished = (*before, self.queries.changed_now()) if self.queries.undo_sentence() != undo else None

    @precondition(lambda self: self.placements())
    @rule(pick=PICK, more=PICK, flags=FLAGS, on=st.booleans())
    def user_flags(self, pick: int, more: int, flags: FlagSet, on: bool) -> None:
        ids = list({self.chosen(pick), self.chosen(more)})
        expected = self.seen()
        with self.wish():
            self.intents.set_flags(ids, **{"add" if on else "remove": flags})
            for one in ids:
                name, had = expected[one]
                expected[one] = (name, had.apply(flags, FlagSet()) if on else had.apply(FlagSet(), flags))
            assert self.seen() == expected

    @precondition(lambda self: self.placements())
    @rule(pick=PICK, where=PICK)
    def user_moves(self, pick: int, where: int) -> None:
        one, targets = self.chosen(pick), self.mailbox_ids()
        target = targets[where % len(targets)]
        expected = self.seen()
        with self.wish():
            self.intents.move([one], target)
            expected[one] = (self.names()[target][0], expected[one][1])
            assert self.seen() == expected

    @precondition(lambda self: self.placements())
    @rule(pick=PICK, how=st.sampled_from(["archive", "delete", "not_junk"]))
    def user_files(self, pick: int, how: str) -> None:
        one = self.chosen(pick)
        role = {"archive": Role.ARCHIVE, "delete": Role.TRASH, "not_junk": Role.INBOX}[how]
        with self.wish():
            getattr(self.intents, how)([one])
            row = self.queries.row(one)
            assert row is not None
            mailbox = self.queries.mailbox(row.mailbox_id)
            assert mailbox is not None
            assert mailbox.role is role or mailbox.name.casefold() == role.value

    @precondition(lambda self: self.placements())
    @rule(pick=PICK, where=PICK)
    def user_copies(self, pick: int, where: int) -> None:
        one, targets = self.chosen(pick), self.mailbox_ids()
        target = targets[where % len(targets)]
        expected = self.seen()
        with self.wish():
            (made,) = self.intents.copy([one], target).placement_ids
            self.copies[self.token(made)] += 1
            expected[made] = (self.names()[target][0], expected[one][1])
            assert self.seen() == expected

    @precondition(lambda self: self.placements())
    @rule(pick=PICK)
    def user_expunges(self, pick: int) -> None:
        one = self.chosen(pick)
        expected = self.seen()
        with self.wish():
            self.given_up.add(self.token(one))
            self.intents.expunge([one])
            del expected[one]
            assert self.seen() == expected

    @rule()
    def user_undoes(self) -> None:
        seen, names, changed = self.wished or ({}, {}, 0)
        at_once = changed == self.queries.changed_now()
        with contextlib.suppress(TermmailError):
            self.intents.undo()
            if at_once:
                # A folder that was made to archive into stays.
                assert self.seen() == seen
                assert names.items() <= self.names().items()

    @rule(name=st.sampled_from([*NAMES, "D/E"]))
    def user_creates(self, name: str) -> None:
        with self.wish():
            self.intents.create_mailbox("lisa", name)
            assert name in {one for one, _ in self.names().values()}

    @rule(pick=PICK, name=st.sampled_from([*NAMES, "D/E"]))
    def user_renames(self, pick: int, name: str) -> None:
        ids = self.mailbox_ids()
        one = ids[pick % len(ids)]
        expected = self.names()
        old = expected[one][0]
        with self.wish():
            self.intents.rename_mailbox(one, name)
            for other, (had, subscribed) in expected.items():
                if other == one or had.startswith(old + "/"):
                    expected[other] = (name + had[len(old) :], subscribed)
            assert self.names() == expected

    @rule(pick=PICK)
    def user_deletes_mailbox(self, pick: int) -> None:
        ids = self.mailbox_ids()
        one = ids[pick % len(ids)]
        with self.wish():
            self.give_up_all(one)
            self.intents.delete_mailbox(one)
            assert one not in self.names()

    @rule(pick=PICK, subscribed=st.booleans())
    def user_subscribes(self, pick: int, subscribed: bool) -> None:
        ids = self.mailbox_ids()
        with self.wish():
            self.intents.subscribe(ids[pick % len(ids)], subscribed)

    @rule(pick=PICK, drop=st.booleans())
    def user_looks_at_what_waits(self, pick: int, drop: bool) -> None:
        waiting = self.queries.pending_operations()
        if waiting:
            one = waiting[pick % len(waiting)].id
            if drop and (self.current is None or self.current.operation.id != one):
                self.intents.drop_operation(one)
            else:
                self.intents.retry_operation(one)

    # other clients

    @rule(pick=PICK)
    def delivery(self, pick: int) -> None:
        names = list(self.server.boxes)
        self.copies[self.server.deliver(names[pick % len(names)])] = 1

    @rule(
        pick=PICK, flags=FLAGS, on=st.booleans(), how=st.sampled_from(["flags", "expunge", "move", "copy"]), where=PICK
    )
    def other_client(self, pick: int, flags: FlagSet, on: bool, how: str, where: int) -> None:
        held = [(name, uid) for name, box in self.server.boxes.items() for uid in box.messages]
        if not held:
            return
        name, uid = held[pick % len(held)]
        token = self.server.boxes[name].messages[uid].token
        target = list(self.server.boxes)[where % len(self.server.boxes)]
        match how:
            case "flags" if on:
                self.server.change_flags(name, uid, flags, FlagSet())
            case "flags":
                self.server.change_flags(name, uid, FlagSet(), flags)
            case "expunge":
                self.given_up.add(token)
                del self.server.boxes[name].messages[uid]
            case "move":
                self.server.move(name, uid, target)
            case "copy":
                self.copies[token] += 1
                self.server.copy(name, uid, target)

    @rule(pick=PICK, name=st.sampled_from(NAMES), how=st.sampled_from(["create", "rename", "delete", "renumber"]))
    def other_client_with_mailboxes(self, pick: int, name: str, how: str) -> None:
        old = list(self.server.boxes)[pick % len(self.server.boxes)]
        match how:
            case "create":
                self.server.create(name)
            case "rename":
                self.server.rename(old, name)
            case "delete" if old != "INBOX":
                self.given_up |= {held.token for held in self.server.boxes[old].messages.values()}
                self.server.delete(old)
            case "renumber":
                self.server.renumber(old)

    # the engine: listings

    @precondition(lambda self: self.current is None)
    @rule()
    def engine_lists_mailboxes(self) -> None:
        self.ingest.apply_listing("lisa", self.server.listing())

    @precondition(lambda self: self.current is None)
    @rule(pick=PICK)
    def engine_opens(self, pick: int) -> None:
        states = self.states()
        if states:
            self.listing = self.select(states[pick % len(states)])

    @precondition(lambda self: self.current is None and self.listing is not None)
    @rule(part=st.sampled_from(["new", "flags", "gone", "all"]), keep=st.booleans())
    def engine_lists(self, part: str, keep: bool) -> None:
        assert self.listing is not None
        mailbox_id, uidvalidity = self.listing
        state = self.ingest.mailbox_state(mailbox_id)
        box = None if state is None else self.server.boxes.get((state.wire_name or b"").decode())
        if state is None or box is None or box.uidvalidity != uidvalidity:
            self.listing = None
            return
        name = (state.wire_name or b"").decode()
        if part in ("new", "all"):
            self.list_new(mailbox_id, name)
        if part in ("flags", "all"):
            self.list_flags(mailbox_id, name)
        if part in ("gone", "all"):
            self.list_gone(mailbox_id, name, keep_days=30 if keep else 0)
        if part == "all":
            self.end_listing(mailbox_id)
            self.listing = None

    @precondition(lambda self: self.current is None)
    @rule(limit=st.integers(1, 4))
    def engine_fetches_bodies(self, limit: int) -> None:
        self.fetch_bodies(limit)

    @precondition(lambda self: self.current is None)
    @rule()
    def engine_renames_files(self) -> None:
        with self.nothing_is_seen_of_it():
            self.ingest.rename_pending(3)

    @precondition(lambda self: self.current is None)
    @rule()
    def engine_links_files(self) -> None:
        with self.nothing_is_seen_of_it():
            self.ingest.link_pending(3)

    # the engine: the journal

    @precondition(lambda self: self.current is None)
    @rule(limit=st.integers(1, 5))
    def engine_takes_what_is_due(self, limit: int) -> None:
        with self.nothing_is_seen_of_it():
            self.take_due(limit)

    @precondition(lambda self: self.current is None and self.handed)
    @rule(how=st.sampled_from(["begin", "begin", "begin", "refuse", "later", "skip"]))
    def engine_begins(self, how: str) -> None:
        operation, source = self.handed.pop(0)
        if how == "refuse":
            self.journal.fail([operation.id], "The server will not.")
        elif how == "later":
            with self.nothing_is_seen_of_it():
                self.journal.retry([operation.id], "The server is busy.", 1.0)
        elif how == "begin":
            self.begin_one(operation, source)

    @precondition(lambda self: self.current is not None)
    @rule(how=st.sampled_from(["done", "done", "done", "refused", "by halves"]))
    def server_does_it(self, how: str) -> None:
        assert self.current is not None
        if self.current.done:
            return
        if how == "refused" and not self.carried.get(self.current.operation.id):
            self.journal.fail([self.current.operation.id], "The server will not.")
            self.current = None
        else:
            self.carry_out(self.current, by_halves=how == "by halves")

    @precondition(lambda self: self.current is not None and self.current.done)
    @rule(told=st.booleans())
    def engine_settles(self, told: bool) -> None:
        self.settle_one(told)

    @rule()
    def engine_is_killed(self) -> None:
        """What was begun stays begun; a new one starts."""
        self.close()
        self.handed, self.current, self.listing = [], None, None
        self.open()
        self.ingest.reset_running()

    # how it is done

    def give_up_all(self, mailbox_id: int) -> None:
        """What is in a mailbox that goes may go with it."""
        for placement_id, in_mailbox, base in self.database.all(
            "SELECT id, mailbox_id, base_mailbox_id FROM placement"
        ):
            if mailbox_id in (in_mailbox, base):
                self.given_up.add(self.token(placement_id))
        state = self.ingest.mailbox_state(mailbox_id)
        if state is not None and state.wire_name is not None and state.wire_name.decode() in self.server.boxes:
            self.given_up |= {held.token for held in self.server.boxes[state.wire_name.decode()].messages.values()}

    # what holds

    @invariant()
    def rows_and_files_are_right(self) -> None:
        if self.copies:
            check_rows(self.database)
            check_files(self.database)

    @invariant()
    def patches_bring_a_front_end_up_to_date(self) -> None:
        if not self.copies:
            return
        for mailbox_id, changed in list(self.mirror.items()):
            patch = self.queries.patch_since(mailbox_id, changed)
            assert not patch.overflow
            self.mirror[mailbox_id] = patch.changed
            for placement_id in patch.removed:
                self.rows[mailbox_id].pop(placement_id, None)
            self.rows[mailbox_id].update(self.by_id(patch.upserted))
            assert self.rows[mailbox_id] == self.fresh(mailbox_id)

    @invariant()
    def bodies_are_those_of_their_messages(self) -> None:
        for (placement_id,) in self.database.all("SELECT id FROM placement WHERE file_name IS NOT NULL"):
            assert self.queries.raw(placement_id) == raw(self.token(placement_id))


COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate, Phase.shrink],
    "database": None,
}


@pytest.mark.timeout(600)
def test_store_and_server_come_to_agree() -> None:
    """S1, S3, S5, S9: the same steps each time."""
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=50, stateful_step_count=40, derandomize=True, **COMMON)
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_store_and_server_come_to_agree_whatever_happens() -> None:
    """The same with other steps each time."""
    run_state_machine_as_test(StoreMachine, settings=settings(max_examples=2000, stateful_step_count=60, **COMMON))
