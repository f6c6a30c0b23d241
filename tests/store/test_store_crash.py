"""kill -9 at every commit, rename, link and command of what user and engine do with the store (S1): it ends as if nothing had been."""

from __future__ import annotations

import itertools
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crashing import ends_in_child
from filled_store import account
from store.store_checks import check_rows
from store.store_parts import StoreParts
from termmail.model import crash
from termmail.model.flags import Flag, FlagSet

Outcome = dict[str, list[tuple[int, list[str]]]]


class MortalStore(StoreParts):
    """A store whose process may end at any point; the server lives on, in a file."""

    def server_changed(self) -> None:
        crash.crash_point("before the command")
        (self.folder / "server").write_bytes(pickle.dumps((self.server, self.carried)))
        crash.crash_point("after the command")

    def restore(self) -> None:
        self.server, self.carried = pickle.loads((self.folder / "server").read_bytes())

    def prepare(self) -> None:
        for _ in range(8):
            self.server.deliver("INBOX")
        for _ in range(3):
            self.server.deliver("Trash")
        self.server.delete("Archive")
        self.server.create("A")
        self.ingest.register_accounts((account(),))
        self.sync()
        self.fetch_bodies(6)
        self.server_changed()

    def edits(self) -> list[Callable[[], object]]:
        """What the user does, with several steps for some messages."""
        ids = {self.token(one): one for one in self.seen()}
        names = {name: mailbox_id for mailbox_id, (name, _) in self.names().items()}
        return [
            lambda: self.intents.archive([ids[1], ids[2]]),
            lambda: self.intents.set_flags([ids[2], ids[3]], add=FlagSet(Flag.SEEN, frozenset({"later"}))),
            lambda: self.intents.copy([ids[3]], names["A"]),
            lambda: self.intents.expunge([ids[4]]),
            lambda: self.intents.move([ids[5], ids[6]], names["A"]),
            lambda: self.intents.undo(),
            lambda: self.intents.move([ids[6], ids[7]], names["A"]),
            lambda: self.intents.rename_mailbox(names["A"], "Renamed"),
            lambda: self.intents.create_mailbox("lisa", "New"),
        ]

    def meanwhile(self) -> None:
        """What other clients do."""
        inbox = self.server.boxes["INBOX"]
        del inbox.messages[8]
        self.server.deliver("INBOX")
        self.server.change_flags("INBOX", 7, FlagSet(Flag.FLAGGED), FlagSet())
        self.server.renumber("Trash")
        self.server_changed()

    def outcome(self) -> Outcome:
        """What the server has when the next engine has done its work, and that the store agrees."""
        self.ingest.reset_running()
        self.ingest.sweep_leftovers(unclean=True)
        check_rows(self.database)
        self.agree()
        return {
            name: sorted((held.token, held.flags.names()) for held in box.messages.values())
            for name, box in self.server.boxes.items()
        }


def in_child(template: Path, folder: Path, action: Callable[[MortalStore], object], when: str) -> bool:
    """On a copy of a store, in a process that dies at a point; True where it came to its end before."""
    shutil.copytree(template, folder)

    def act() -> None:
        store = MortalStore(folder)
        store.restore()
        crash.arm(when)
        action(store)

    return ends_in_child(act)


def outcome(folder: Path) -> Outcome:
    store = MortalStore(folder)
    try:
        store.restore()
        return store.outcome()
    finally:
        store.close()
        shutil.rmtree(folder)


def make_template(folder: Path, *, edited: int, meanwhile: bool) -> Path:
    """A store with so many of the edits made."""
    folder.mkdir()
    store = MortalStore(folder)
    store.prepare()
    for edit in store.edits()[:edited]:
        edit()
    if meanwhile:
        store.meanwhile()
    store.close()
    return folder


def test_killed_while_the_user_edits(tmp_path: Path) -> None:
    """Each edit is there whole or not at all."""
    edits = 9
    whole = [
        outcome(make_template(tmp_path / f"edits {number}", edited=number, meanwhile=False))
        for number in range(edits + 1)
    ]
    template = make_template(tmp_path / "template", edited=0, meanwhile=False)
    seen = []
    for point in itertools.count(1):
        survived = in_child(template, tmp_path / "run", lambda store: [edit() for edit in store.edits()], str(point))
        seen.append(whole.index(outcome(tmp_path / "run")))
        if survived:
            break
    # An outcome that an undo leads back to has the number of the first.
    assert set(seen) == {whole.index(one) for one in whole}
    assert len(seen) >= 2 * edits


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 7])
@pytest.mark.timeout(600)
def test_killed_while_the_engine_works(tmp_path: Path, step: int) -> None:
    """Nothing lost, nothing twice, no file that no row names."""
    template = make_template(tmp_path / "template", edited=9, meanwhile=True)
    assert in_child(template, tmp_path / "run", lambda store: store.agree(), "")
    expected = outcome(tmp_path / "run")
    assert sorted(token for held in expected.values() for token, _ in held) == [1, 2, 3, 3, 5, 6, 7, 9, 10, 11, 12]
    passed = 0
    for point in itertools.count(1, step):
        survived = in_child(template, tmp_path / "run", lambda store: store.agree(), str(point))
        assert outcome(tmp_path / "run") == expected, f"killed at point {point}"
        passed = point
        if survived:
            break
    assert passed > 100
