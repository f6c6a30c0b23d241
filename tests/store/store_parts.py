"""The parts of a store over a server that is a model: what the engine does with both, a step at a time, and what is then seen."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from store.server_model import NOT_KEPT, Server, raw
from store.store_checks import check_files, check_no_strays, check_rows
from termmail.model.account import OfflinePolicy
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.local import MailboxState, OperationSource, StoredBody
from termmail.model.operation import (
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Expunge,
    FlagChange,
    Move,
    Operation,
    RenameMailbox,
    Subscribe,
)
from termmail.model.remote import RemoteFlags
from termmail.store.ingest import Ingest, uid_ranges
from termmail.store.intents import Intents
from termmail.store.journal import Journal
from termmail.store.queries import Queries

ENDLESS = 1e18

Seen = dict[int, tuple[str, FlagSet]]
Names = dict[int, tuple[str, bool]]


@functools.cache
def empty_database() -> Path:
    """A database that was just made, since the schema takes a while."""
    home = Home.under(Path(tempfile.mkdtemp(prefix="termmail-")))
    atexit.register(shutil.rmtree, home.data)
    Ingest(home, checkpoints=True).close()
    return home.database


class Carried(msgspec.Struct):
    """An operation that is being carried out: begun, then done on the server, then settled here."""

    operation: Operation
    source: OperationSource
    done: bool = False
    uid: int | None = None
    uidvalidity: int | None = None


class StoreParts:
    """A store in a folder of its own, and a server. `given_up` are messages that were deleted, or in a mailbox that was."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.folder = folder or Path(tempfile.mkdtemp(prefix="termmail-", dir=memory if memory.is_dir() else None))
        if not Home.under(self.folder).database.exists():
            shutil.copyfile(empty_database(), Home.under(self.folder).database)
        self.server = Server(email_ids=False)
        self.handed: list[tuple[Operation, OperationSource]] = []
        self.current: Carried | None = None
        self.carried: dict[int, tuple[str, int, int] | None] = {}
        self.given_up: set[int] = set()
        self.open()

    def open(self) -> None:
        home = Home.under(self.folder)
        self.ingest = Ingest(home, checkpoints=True)
        self.journal = Journal(self.ingest.database)
        self.queries = Queries(home)
        self.intents = Intents(home)
        self.database = self.ingest.database

    def close(self) -> None:
        for one in (self.queries, self.intents, self.ingest):
            one.close()

    # what is seen

    def seen(self) -> Seen:
        """By placement: the name of its mailbox, and its flags."""
        rows = self.database.all(
            "SELECT p.id, b.name, p.flags, p.keywords FROM placement p JOIN mailbox b ON b.id = p.mailbox_id"
        )
        return {row[0]: (row[1], FlagSet(Flag(row[2]), frozenset(row[3].split()))) for row in rows}

    def names(self) -> Names:
        rows = self.database.all("SELECT id, name, subscribed FROM mailbox WHERE pending <> 'delete'")
        return {row[0]: (row[1], bool(row[2])) for row in rows}

    @contextlib.contextmanager
    def nothing_is_seen_of_it(self) -> Iterator[None]:
        """What the engine does for the user changes nothing for the user, who has seen it already."""
        before = (self.seen(), self.names())
        yield
        assert self.seen() == before[0]
        assert self.names() == before[1]

    def token(self, placement_id: int) -> int:
        row = self.queries.envelope(placement_id)
        assert row is not None
        return int(row.subject.removeprefix("number "))

    # listings

    def states(self) -> list[MailboxState]:
        """Mailboxes that are known here and on the server by the same name."""
        states = self.ingest.mailbox_states("lisa")
        return [
            state for state in states if state.wire_name is not None and state.wire_name.decode() in self.server.boxes
        ]

    def select(self, state: MailboxState) -> tuple[int, int]:
        assert state.wire_name is not None
        uidvalidity = self.server.boxes[state.wire_name.decode()].uidvalidity
        self.ingest.begin_uidvalidity(state.id, uidvalidity)
        return state.id, uidvalidity

    def list_new(self, mailbox_id: int, name: str) -> None:
        local = set(self.ingest.local_uids(mailbox_id))
        new = [uid for uid in self.server.boxes[name].messages if uid not in local]
        self.ingest.add_headers(mailbox_id, [self.server.header(name, uid) for uid in new])

    def list_flags(self, mailbox_id: int, name: str) -> None:
        held = self.server.boxes[name].messages
        self.ingest.update_flags(mailbox_id, [RemoteFlags(uid, one.flags) for uid, one in held.items()])

    def list_gone(self, mailbox_id: int, name: str, keep_days: int = 0) -> None:
        there = self.server.boxes[name].messages
        gone = [uid for uid in self.ingest.local_uids(mailbox_id) if uid not in there]
        self.ingest.remove_uids(mailbox_id, uid_ranges(gone), keep_bodies_days=keep_days)

    def end_listing(self, mailbox_id: int) -> None:
        state = self.ingest.mailbox_state(mailbox_id)
        if state is not None and state.candidates:
            self.ingest.end_adoption(mailbox_id)

    def sync(self) -> None:
        self.ingest.apply_listing("lisa", self.server.listing())
        for state in self.states():
            name = (state.wire_name or b"").decode()
            self.select(state)
            self.list_new(state.id, name)
            self.list_flags(state.id, name)
            self.list_gone(state.id, name)
            self.end_listing(state.id)

    def fetch_bodies(self, limit: int = 100) -> None:
        bodies = []
        for target in self.ingest.missing_bodies("lisa", OfflinePolicy(), limit=limit):
            state = self.ingest.mailbox_state(target.mailbox_id)
            assert state is not None
            box = self.server.boxes.get((state.wire_name or b"").decode())
            if box is not None and box.uidvalidity == state.uidvalidity and target.uid in box.messages:
                bodies.append(StoredBody(target, raw(box.messages[target.uid].token), "", has_attachments=False))
        if bodies:
            self.ingest.store_bodies(bodies)

    # the journal

    def take_due(self, limit: int = 200) -> None:
        self.handed = []
        for operation in self.journal.due("lisa", ENDLESS, limit):
            source = self.journal.source(operation)
            if source is None:
                self.journal.drop([operation.id])
            else:
                self.handed.append((operation, source))

    def begin_one(self, operation: Operation, source: OperationSource) -> None:
        """Begin it, unless the mailbox turns out to be another than was known."""
        state = self.ingest.mailbox_state(source.mailbox_id)
        if state is None:
            return
        if operation.placement_id is not None:
            box = self.server.boxes.get((source.wire_name or b"").decode())
            if box is None or not box.uidvalidity == state.uidvalidity == source.uidvalidity:
                return
            target_id = operation.payload.mailbox_id if isinstance(operation.payload, Move | Copy) else None
            target = None if target_id is None else self.ingest.mailbox_state(target_id)
            if target_id is not None and target is None:
                self.journal.fail([operation.id], "The folder is gone.")
                return
        with self.nothing_is_seen_of_it():
            begun = self.journal.begin([operation.id])
        if begun:
            self.current = Carried(operation, source)

    def server_changed(self) -> None:
        """For a test that ends the process: the server goes on from what it has now."""

    def carry_out(self, current: Carried, *, by_halves: bool = False) -> None:
        """What the server does. An earlier attempt that got through is found again."""
        operation, source = current.operation, current.source
        payload = operation.payload
        if operation.placement_id is None:
            current.done = self.change_mailbox(operation)
            self.server_changed()
            if not current.done:
                self.journal.fail([operation.id], "The server will not.")
                self.current = None
            return
        name = (source.wire_name or b"").decode()
        box = self.server.boxes.get(name)
        present = box is not None and box.uidvalidity == source.uidvalidity and source.uid in box.messages
        assert source.uid is not None
        if isinstance(payload, Move | Copy):
            self.transfer(current, name, payload, present=present, by_halves=by_halves)
            return
        if not present:
            self.journal.gone(operation)
            self.current = None
            return
        match payload:
            case FlagChange(add=add, remove=remove):
                self.server.change_flags(name, source.uid, add, remove)
            case Expunge():
                del self.server.boxes[name].messages[source.uid]
        self.server_changed()
        current.done = True

    def transfer(self, current: Carried, name: str, payload: Move | Copy, *, present: bool, by_halves: bool) -> None:
        operation, source = current.operation, current.source
        target = self.ingest.mailbox_state(payload.mailbox_id)
        wire_name = None if target is None else (target.wire_name or b"").decode()
        if wire_name is None or wire_name not in self.server.boxes:
            self.journal.fail([operation.id], "There is no such folder.")
            self.current = None
            return
        assert source.uid is not None
        box = self.server.boxes[wire_name]
        earlier = self.carried.get(operation.id)
        if earlier is not None and not (earlier[1] == box.uidvalidity and earlier[2] in box.messages):
            # Somebody has moved it on, or numbered it anew.
            earlier = None if present else ("", 0, 0)
        if earlier is None:
            if not present:
                if isinstance(payload, Copy):
                    self.journal.drop([operation.id])
                else:
                    self.journal.gone(operation)
                self.current = None
                return
            uid = self.server.copy(name, source.uid, wire_name)
            self.carried[operation.id] = (wire_name, box.uidvalidity, uid)
            self.server_changed()
            current.uid, current.uidvalidity = uid, box.uidvalidity
        elif earlier[2]:
            current.uid, current.uidvalidity = earlier[2], earlier[1]
        if isinstance(payload, Move) and present:
            if by_halves and current.uid is not None:
                with self.nothing_is_seen_of_it():
                    self.journal.record_copied(operation, current.uid)
                return
            if name == wire_name and source.uid == current.uid:
                return
            del self.server.boxes[name].messages[source.uid]
            self.server_changed()
        current.done = True

    def change_mailbox(self, operation: Operation) -> bool:
        payload = operation.payload
        assert isinstance(payload, CreateMailbox | RenameMailbox | DeleteMailbox | Subscribe)
        state = self.ingest.mailbox_state(payload.mailbox_id)
        if state is None:
            return False
        name = (state.wire_name or state.name.encode()).decode()
        match payload:
            case CreateMailbox():
                return self.server.create(name) or name in self.server.boxes
            case RenameMailbox(new_name=new_name):
                if operation.id in self.carried and name not in self.server.boxes and new_name in self.server.boxes:
                    return True
                self.carried[operation.id] = None
                return self.server.rename(name, new_name)
            case DeleteMailbox():
                if name in self.server.boxes:
                    self.given_up |= {held.token for held in self.server.boxes[name].messages.values()}
                return self.server.delete(name) or name not in self.server.boxes
            case Subscribe(subscribed=subscribed):
                if name in self.server.boxes:
                    self.server.boxes[name].subscribed = subscribed
                return name in self.server.boxes

    def settle_one(self, told: bool) -> None:
        """The engine hears of it. `told`: the server says under which UID a message lies now."""
        assert self.current is not None
        current, self.current = self.current, None
        operation, payload = current.operation, current.operation.payload
        uid, uidvalidity = (current.uid, current.uidvalidity) if told else (None, None)
        double = self.database.one(
            "SELECT 1 FROM placement WHERE base_mailbox_id = ? AND uid = ?",
            (payload.mailbox_id if isinstance(payload, Move | Copy) else None, uid),
        )
        there = operation.placement_id is not None and self.queries.envelope(operation.placement_id) is not None
        plain = there and double is None
        with self.nothing_is_seen_of_it() if plain else contextlib.nullcontext():
            match payload:
                case FlagChange(add=add):
                    refused = FlagSet(Flag(0), add.keywords & {NOT_KEPT})
                    self.journal.finish_flags([operation], local=refused)
                case Move():
                    self.journal.finish_move(operation, uid, uidvalidity)
                case Copy():
                    self.journal.finish_copy(operation, uid, uidvalidity)
                case Expunge():
                    self.journal.finish_expunge(operation)
                case CreateMailbox(mailbox_id=mailbox_id):
                    state = self.ingest.mailbox_state(mailbox_id)
                    if state is not None:
                        self.journal.finish_created(operation, state.wire_name or state.name.encode())
                case RenameMailbox(new_name=new_name):
                    self.journal.finish_renamed(operation, new_name.encode())
                case DeleteMailbox():
                    self.journal.finish_deleted(operation)
                case Subscribe():
                    self.journal.finish_subscribed(operation)

    # how it ends

    def agree(self) -> None:
        """Everything that waits is carried out and listed again, until nothing changes."""
        self.handed = []
        if self.current is not None and not self.current.done:
            self.carry_out(self.current)
        if self.current is not None:
            self.settle_one(told=True)
        for _ in range(30):
            self.sync()
            self.take_due()
            if not self.handed and not self.queries.pending_operations():
                break
            for operation, source in self.handed:
                self.begin_one(operation, source)
                if self.current is not None:
                    self.carry_out(self.current)
                if self.current is not None:
                    self.settle_one(told=True)
            self.handed = []
        assert self.queries.pending_operations() == []
        self.fetch_bodies()
        self.ingest.follow_rows()
        self.compare()
        without_file = self.database.all(
            "SELECT id FROM placement WHERE file_name IS NULL OR file_mailbox_id <> mailbox_id"
        )
        assert without_file == []
        before = (self.seen(), self.names())
        self.sync()
        assert (self.seen(), self.names()) == before
        check_no_strays(self.database)

    def compare(self) -> None:
        check_rows(self.database)
        check_files(self.database)
        found: dict[str, dict[int, tuple[int, FlagSet]]] = {name: {} for name, _ in self.names().values()}
        refused = FlagSet(Flag(0), frozenset({NOT_KEPT}))
        for mailbox in self.queries.mailboxes():
            for placement_id in self.queries.message_ids(mailbox.id):
                row = self.queries.row(placement_id)
                assert row is not None
                assert row.uid is not None
                assert self.queries.raw(placement_id) == raw(self.token(placement_id))
                found[mailbox.name][row.uid] = (self.token(placement_id), row.flags.minus(refused))
        expected = {
            name: {uid: (held.token, held.flags) for uid, held in box.messages.items()}
            for name, box in self.server.boxes.items()
        }
        assert found == expected
