"""Carries out the journal on the server: at least once, and probed before a second try, so that nothing is done twice (S9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from termmail.mime.headers import parse_envelope
from termmail.model.errors import ServerRefused, UnsafeArgument
from termmail.model.flags import Flag, FlagSet
from termmail.model.local import MailboxState, OperationSource
from termmail.model.operation import Copy, Expunge, FlagChange, Move, Operation, Upload
from termmail.model.remote import CopiedUids, RemoteHeader, Selected, UidRange
from termmail.sync import plan
from termmail.sync.mailbox_edits import MailboxEdits
from termmail.sync.plan import OperationGroup, Placed
from termmail.sync.uploads import Uploads
from termmail.sync.work import MailboxRenumbered, Work

_DELETED = FlagSet(Flag.DELETED)
_NOTHING = FlagSet()
_TRANSIENT = frozenset({"INUSE", "UNAVAILABLE", "SERVERBUG", "LIMIT"})
_LONGEST_PAUSE = 300.0
_ATTEMPTS = 8
_END_OF_TIME = 1e18
_DUE_AT_ONCE = 2000
_MANY = 1000


class Replay:
    """Carries out what waits for one account. `renew` syncs a mailbox, when its UIDs turn out to be no longer valid."""

    def __init__(self, work: Work, renew: Callable[[int], None]) -> None:
        self._work = work
        self._renew = renew
        self._mailboxes = MailboxEdits(work)
        self._uploads = Uploads(work)
        self._left: set[int] = set()
        self._renewed: set[int] = set()

    def run(self, *, everything: bool = False) -> bool:
        """Carry out all that is due, or `everything` that waits, however long it was put off; whether there was anything."""
        self._left.clear()
        self._renewed.clear()
        anything = False
        while True:
            self._work.check_stop()
            now = _END_OF_TIME if everything else time.time()
            due = [
                operation
                for operation in self._work.journal.due(self._work.account.name, now, _DUE_AT_ONCE)
                if operation.id not in self._left
            ]
            if not due:
                return anything
            anything = True
            # What stays undone is not looked at again in this run: each of these is settled, or left, below.
            self._left.update(operation.id for operation in due)
            self._run(due)

    def _run(self, due: Sequence[Operation]) -> None:
        placed: list[Placed] = []
        for operation in due:
            if isinstance(operation.payload, Upload):
                self._work.check_stop()
                self._uploads.run(operation)
                continue
            source = self._work.journal.source(operation)
            if source is None:
                self._work.journal.drop([operation.id])
            elif operation.placement_id is None:
                self._work.check_stop()
                self._mailboxes.run(operation, source)
            elif source.uid is not None and source.wire_name is not None:
                placed.append(Placed(operation, source, source.uid))
        for group in plan.group_operations(placed):
            self._work.check_stop()
            self._run_group(group)

    def _run_group(self, group: OperationGroup) -> None:
        state = self._work.ingest.mailbox_state(group.mailbox_id)
        if state is None:
            return
        if state.uidvalidity != group.uidvalidity:
            # Another group had the mailbox listed anew: with the UIDs it has now this one comes round once more.
            self._left.difference_update(group.ids)
            return
        try:
            selected = self._work.enter(state)
        except MailboxRenumbered as error:
            self._bind_anew(group, error)
        except ServerRefused as error:
            self._put_off(group, f"The server did not open {state.name}: {error.sentence}")
        else:
            self._attempt(group, state, selected)

    def _bind_anew(self, group: OperationGroup, error: MailboxRenumbered) -> None:
        """UIDs are not valid: list the mailbox, which finds the messages again, and let the operations come round once more."""
        if group.mailbox_id in self._renewed:
            self._put_off(group, error.sentence)
            return
        self._renewed.add(group.mailbox_id)
        self._renew(group.mailbox_id)
        self._left.difference_update(group.ids)

    def _attempt(self, group: OperationGroup, state: MailboxState, selected: Selected) -> None:
        payload = group.members[0].operation.payload
        try:
            match payload:
                case FlagChange():
                    self._flags(group, state, selected, payload)
                case Move():
                    self._move(group, state)
                case Copy():
                    self._copy(group, state)
                case Expunge():
                    self._expunge(group, state)
        except ServerRefused as error:
            if len(group.members) > 1:
                for member in group.members:
                    self._attempt(group.with_members([member]), state, self._work.enter(state))
            else:
                self._refused(group, state, error)
        except UnsafeArgument as error:
            self._work.journal.fail(group.ids, error.sentence)

    def _refused(self, group: OperationGroup, state: MailboxState, error: ServerRefused) -> None:
        """A NO for one message: it is gone, or the server is busy, or it won't."""
        (member,) = group.members
        self._work.enter(state)
        if not self._present(group):
            self._gone(member.operation)
        elif error.code in _TRANSIENT and member.operation.attempts < _ATTEMPTS:
            self._put_off(group, error.sentence)
        else:
            self._work.journal.fail(group.ids, error.sentence)

    def _put_off(self, group: OperationGroup, sentence: str) -> None:
        attempts = max(member.operation.attempts for member in group.members)
        pause = min(_LONGEST_PAUSE, 5.0 * 2 ** min(attempts, 10))
        self._work.journal.retry(group.ids, sentence, time.time() + pause)

    def _gone(self, operation: Operation) -> None:
        """Somebody removed the message meanwhile; there is nothing left to do."""
        if isinstance(operation.payload, Copy):
            self._work.journal.drop([operation.id])
        else:
            self._work.journal.gone(operation)

    # flags

    def _flags(self, group: OperationGroup, state: MailboxState, selected: Selected, change: FlagChange) -> None:
        journal = self._work.journal
        if selected.read_only:
            journal.fail(group.ids, f"{state.name} can only be read on the server, so flags can't be changed there.")
            return
        local = self._not_kept(state, selected, change.add)
        add, remove = change.add.minus(local), change.remove
        journal.begin(group.ids)
        if add or remove:
            try:
                self._work.session.store_flags(group.ranges, add=add, remove=remove)
            except ServerRefused:
                keywords = FlagSet(Flag(0), add.keywords)
                if not keywords:
                    raise
                # Which of them it minds it does not say: without any it has to take the rest.
                if add.minus(keywords) or remove:
                    self._work.session.store_flags(group.ranges, add=add.minus(keywords), remove=remove)
                elif not self._present(group):
                    raise
                local = FlagSet(Flag(0), local.keywords | keywords.keywords)
        if local:
            refused = state.refused_keywords | {keyword.lower() for keyword in local.keywords}
            self._work.ingest.set_state(state.id, refused_keywords=refused)
        journal.finish_flags([member.operation for member in group.members], local=local)

    @staticmethod
    def _not_kept(state: MailboxState, selected: Selected, add: FlagSet) -> FlagSet:
        """Keywords that the server won't keep: it said so when the mailbox was opened, or refused them before."""
        kept = {name.lower() for name in selected.permanent_flags}
        return FlagSet(
            Flag(0),
            frozenset(
                keyword
                for keyword in add.keywords
                if keyword.lower() in state.refused_keywords
                or (not selected.new_keywords and keyword.lower() not in kept)
            ),
        )

    # moving, copying, deleting

    def _move(self, group: OperationGroup, state: MailboxState) -> None:
        target = self._target(group)
        if target is None:
            return
        if group.probe:
            group = self._probe(group, state, target)
        self._finish_copied(group, state, target)
        group = group.with_members(member for member in group.members if _copied(member.operation) is None)
        if not group.members:
            return
        journal, session = self._work.journal, self._work.session
        journal.begin(group.ids)
        if session.has("MOVE"):
            told = self._creating(target, lambda name: session.move(group.ranges, name))
            left = self._settle(group, told, journal.finish_move)
            self._not_told(left, journal.finish_move)
            return
        told = self._creating(target, lambda name: session.copy(group.ranges, name))
        uids = dict(told.pairs)
        done: list[Placed] = []
        for member in group.members:
            if not uids and not session.has("UIDPLUS"):
                uid = -1
            elif member.uid in uids:
                uid = uids[member.uid]
            else:
                self._not_told(group.with_members([member]), journal.finish_move)
                continue
            journal.record_copied(member.operation, uid)
            done.append(Placed(_with_copied(member.operation, uid), member.source, member.uid))
        self._finish_copied(group.with_members(done), state, target)

    def _finish_copied(self, group: OperationGroup, state: MailboxState, target: MailboxState) -> None:
        """The second half of a move without MOVE: the copies are made and recorded, the originals go."""
        copied = group.with_members(member for member in group.members if _copied(member.operation) is not None)
        if not copied.members:
            return
        self._remove(copied, state)
        for member in copied.members:
            uid = _copied(member.operation)
            known = uid is not None and uid > 0
            self._work.journal.finish_move(
                member.operation, uid if known else None, target.uidvalidity if known else None
            )

    def _copy(self, group: OperationGroup, state: MailboxState) -> None:
        target = self._target(group)
        if target is None:
            return
        if group.probe:
            group = self._probe(group, state, target)
            if not group.members:
                return
        journal, session = self._work.journal, self._work.session
        journal.begin(group.ids)
        told = self._creating(target, lambda name: session.copy(group.ranges, name))
        left = self._settle(group, told, journal.finish_copy)
        self._not_told(left, journal.finish_copy)

    def _expunge(self, group: OperationGroup, state: MailboxState) -> None:
        begun = self._work.journal.begin(group.ids)
        group = msgspec.structs.replace(
            group, members=tuple(member for member in group.members if member.operation.id in begun)
        )
        if not group.members:
            return
        self._remove(group, state)
        for member in group.members:
            self._work.journal.finish_expunge(member.operation)

    def _remove(self, group: OperationGroup, state: MailboxState) -> None:
        """\\Deleted and UID EXPUNGE; never a plain EXPUNGE, which would take what others have marked (S9)."""
        session = self._work.session
        session.store_flags(group.ranges, add=_DELETED, remove=_NOTHING)
        if not session.expunge(group.ranges):
            self._work.ingest.add_problem(
                self._work.account.name,
                f"The server of {self._work.account.name} can't remove single messages. They are marked as deleted in {state.name}"
                " and stay until another program empties it.",
                mailbox=state.name,
            )

    def _target(self, group: OperationGroup) -> MailboxState | None:
        target = None if group.target_id is None else self._work.ingest.mailbox_state(group.target_id)
        if target is None:
            self._work.journal.fail(group.ids, "The folder is gone.")
            return None
        return target if target.wire_name is not None else None

    def _creating(self, target: MailboxState, action: Callable[[bytes], CopiedUids]) -> CopiedUids:
        """Do it; where the server says TRYCREATE, create the mailbox and do it again."""
        assert target.wire_name is not None
        try:
            return action(target.wire_name)
        except ServerRefused as error:
            if error.code != "TRYCREATE":
                raise
        self._work.session.create(target.wire_name)
        return action(target.wire_name)

    @staticmethod
    def _settle(
        group: OperationGroup, told: CopiedUids, finish: Callable[[Operation, int | None, int | None], None]
    ) -> OperationGroup:
        """Finish what COPYUID tells of; returns the rest."""
        uids = dict(told.pairs)
        left: list[Placed] = []
        for member in group.members:
            if member.uid in uids:
                finish(member.operation, uids[member.uid], told.uidvalidity)
            else:
                left.append(member)
        return group.with_members(left)

    def _not_told(self, group: OperationGroup, finish: Callable[[Operation, int | None, int | None], None]) -> None:
        """The command went well and the server did not say what became of these."""
        if not group.members:
            return
        there = set(self._present(group))
        for member in group.members:
            moved = isinstance(member.operation.payload, Move)
            if moved and member.uid in there:
                self._put_off(group.with_members([member]), "The server did not move the message.")
            elif self._work.session.has("UIDPLUS") and (moved or member.uid not in there):
                self._gone(member.operation)
            else:
                # The next listing of the target finds it by what it is.
                finish(member.operation, None, None)

    # after a crash or a lost connection

    def _probe(self, group: OperationGroup, state: MailboxState, target: MailboxState) -> OperationGroup:
        """Find out what an earlier attempt did; returns those still to be done, those with a copy marked as copied."""
        journal = self._work.journal
        there = set(self._present(group))
        fresh = self._fresh(target)
        todo: list[Placed] = []
        for member in group.members:
            operation, source = member.operation, member.source
            present = member.uid in there
            copied = _copied(operation)
            uid = copied
            if uid is None:
                uid = self._search(target, source) if fresh is None else _take(fresh, source)
            if isinstance(operation.payload, Copy):
                if uid is not None:
                    journal.finish_copy(operation, uid, target.uidvalidity)
                elif present:
                    todo.append(member)
                else:
                    journal.drop([operation.id])
            elif present and uid is not None:
                if copied is None:
                    journal.record_copied(operation, uid)
                todo.append(Placed(_with_copied(operation, uid), source, member.uid))
            elif present:
                todo.append(member)
            else:
                found = uid if uid is not None and uid > 0 else self._search(target, source)
                journal.finish_move(operation, found, target.uidvalidity if found is not None else None)
        self._work.enter(state)
        return group.with_members(todo)

    def _present(self, group: OperationGroup) -> list[int]:
        """Those of the group's UIDs that are still in the selected mailbox."""
        uids = sorted(member.uid for member in group.members)
        if not uids:
            return []
        return plan.within(uids, self._work.session.search_uids(uids[0], uids[-1]))

    def _fresh(self, target: MailboxState) -> list[tuple[int, OperationSource]] | None:
        """What lies in the target above all that is listed here: copies of ours are among it.

        None for a large mailbox of which nothing is listed here yet: there each message has to be searched for.
        """
        selected = self._open(target)
        if selected is None:
            return []
        if target.uidnext is None and selected.exists > _MANY:
            return None
        first = target.uidnext or 1
        return [
            (item.uid, _identity(target, item))
            for item in self._work.session.fetch_headers([UidRange(first, plan.LAST_UID)])
            if isinstance(item, RemoteHeader) and item.uid >= first
        ]

    def _open(self, target: MailboxState) -> Selected | None:
        """Select a target; None where it can't be, or where what is known of it here is void."""
        try:
            return self._work.select(target) if target.uidvalidity is None else self._work.enter(target)
        except (MailboxRenumbered, ServerRefused):
            return None

    def _search(self, target: MailboxState, source: OperationSource) -> int | None:
        """The newest message of the target that is this one by Message-ID and size; None where there is none or it can't be told."""
        if not source.message_id_header or self._open(target) is None:
            return None
        uids = self._work.session.search_message_id(source.message_id_header)
        if not uids:
            return None
        found = [
            item.uid
            for item in self._work.session.fetch_headers(plan.to_ranges(uids))
            if isinstance(item, RemoteHeader) and _same(_identity(target, item), source)
        ]
        return max(found, default=None)


def _identity(target: MailboxState, item: RemoteHeader) -> OperationSource:
    message_id = parse_envelope(item.header).message_id_header
    return OperationSource(
        target.id, target.wire_name, target.uidvalidity, item.uid, item.flags, message_id, item.size, item.received_at
    )


def _same(found: OperationSource, source: OperationSource) -> bool:
    if found.message_id_header != source.message_id_header or found.size != source.size:
        return False
    return source.message_id_header != "" or found.received_at == source.received_at


def _take(fresh: list[tuple[int, OperationSource]], source: OperationSource) -> int | None:
    """The first fresh message that is this one; it is taken out, since it can't be another one's copy as well."""
    for position, (uid, found) in enumerate(fresh):
        if _same(found, source):
            del fresh[position]
            return uid
    return None


def _copied(operation: Operation) -> int | None:
    return operation.payload.copied_uid if isinstance(operation.payload, Move) else None


def _with_copied(operation: Operation, uid: int) -> Operation:
    assert isinstance(operation.payload, Move)
    return msgspec.structs.replace(operation, payload=Move(operation.payload.mailbox_id, uid))
