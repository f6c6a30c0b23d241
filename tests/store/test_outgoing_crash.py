"""kill -9 at every point of writing, sending, taking back and filing: the text is always in exactly one place, sent at most once."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from crashing import ends_in_child
from filled_store import FilledStore
from termmail.model import crash
from termmail.model.message import Address
from termmail.model.outgoing import Draft, OutboxState, Submission
from termmail.store.drafts import DraftFolder, read_draft
from termmail.store.outbox import Outbox
from termmail.store.uploads import sweep_uploads

ID = "00112233445566aa"
SUBJECT = "Boats at noon"
POINTS = 400

Action = Callable[[FilledStore], object]


def begin(store: FilledStore) -> DraftFolder:
    draft = Draft(
        id=ID,
        account="lisa",
        from_=Address("Lisa", "lisa@demo.example"),
        to="bob@else.example",
        subject=SUBJECT,
        answers="message-3@demo.example",
    )
    folder = DraftFolder.create(store.home, draft)
    folder.save(msgspec.structs.replace(draft, body="The whole text.\n"))
    return folder


def keep(store: FilledStore) -> None:
    folder = DraftFolder.open(store.home, ID)
    store.intents.keep_draft(folder.draft)
    folder.release()


def save_twice(store: FilledStore) -> None:
    """While it is written on; what is written after that goes by what was saved before."""
    folder = DraftFolder.open(store.home, ID)
    for _ in range(2):
        store.intents.save_draft(folder.draft)
        folder.draft = read_draft(folder.folder)
    folder.release()


def discard_and_undo(store: FilledStore) -> None:
    folder = DraftFolder.open(store.home, ID)
    store.intents.discard_draft(folder.draft)
    folder.release()
    store.intents.undo()


def send(store: FilledStore) -> None:
    folder = DraftFolder.open(store.home, ID)
    store.intents.send(folder.draft, at=0.0)
    folder.release()


def send_and_undo(store: FilledStore) -> None:
    send(store)
    store.intents.undo()


def submit(store: FilledStore) -> None:
    """As the engine does it; the server is a file with a line for each copy."""
    send(store)
    outbox = Outbox(store.ingest.database)
    (item,) = outbox.due("lisa", time.time())
    assert outbox.begin_attempt(item.id) is not None
    assert outbox.begin_data(item.id)
    with (store.home.data / "server").open("a", encoding="ascii") as server:
        server.write("copy\n")
    crash.crash_point("after the dot")
    outbox.submitted(item.id, Submission(("bob@else.example",), ()), next_at=0)
    outbox.file_copies("lisa", keep_copy=True)


def places(store: FilledStore) -> list[str]:
    """Where the text is, after what the next start does."""
    outbox = Outbox(store.ingest.database)
    outbox.recover()
    outbox.sweep()
    outbox.file_copies("lisa", keep_copy=True)
    age(store.home.data)
    sweep_uploads(store.ingest.database)
    store.intents.recover_drafts()
    found = [f"outbox: {item.state.value}" for item in store.queries.outbox()]
    for row in store.queries.newest_rows("lisa", None, 100):
        if row.subject == SUBJECT:
            raw = store.queries.raw(row.id)
            assert raw is not None
            assert b"The whole text." in raw
            found.append(row.mailbox)
    assert not list(store.home.drafts.glob("[0-9a-f]*"))
    return found


def age(folder: Path) -> None:
    """A day passes for what lies about."""
    then = time.time() - 90_000
    for path in folder.rglob("*"):
        if not path.name.startswith("termmail.db"):
            os.utime(path, (then, then))


def _act(folder: Path, action: Action, when: str) -> None:
    store = FilledStore(folder, count=0)
    crash.arm(when)
    action(store)


def killed_everywhere(template: Path, folder: Path, action: Action) -> Iterator[tuple[int, bool, FilledStore]]:
    """The store after a death at each point of an action, and once after its end: (point, whether it ended, store)."""
    for point in range(1, POINTS):
        shutil.copytree(template, folder)
        ended = ends_in_child(partial(_act, folder, action, str(point)))
        store = FilledStore(folder, count=0)
        try:
            yield point, ended, store
        finally:
            store.close()
            shutil.rmtree(folder)
        if ended:
            assert point > 5
            return
    raise AssertionError("the action never came to its end")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outgoing") / "template"
    store = FilledStore(folder, count=5)
    begin(store).release()
    store.close()
    return folder


@pytest.mark.parametrize(
    "action", [keep, save_twice, discard_and_undo, send, send_and_undo], ids=lambda action: action.__name__
)
def test_the_text_is_in_one_place_whatever_happens(template: Path, tmp_path: Path, action: Action) -> None:
    """O9: nothing is lost and nothing doubled; after a discard that was not undone it may be among what is discarded."""
    for point, ended, store in killed_everywhere(template, tmp_path / "store", action):
        found = places(store)
        discarded = list((store.home.drafts / ".discarded").glob("*"))
        assert len(found) + len(discarded) == 1, (point, found, discarded)
        if ended:
            assert found == (["outbox: queued"] if action is send else ["Drafts"])


def test_sent_at_most_once_and_filed_once(template: Path, tmp_path: Path) -> None:
    """O1 to O3, O10: at every point the server has at most one copy, and one only if the item is sent or unknown."""
    seen = set()
    for point, ended, store in killed_everywhere(template, tmp_path / "store", submit):
        found = places(store)
        server = store.home.data / "server"
        copies = server.read_text(encoding="ascii").count("copy") if server.exists() else 0
        assert len(found) == 1, (point, found)
        seen.add((copies, found[0]))
        (answered,) = store.queries.find_rows_by_message_id_header("message-3@demo.example")
        assert ("\\Answered" in answered.flags.names()) == (found == ["Sent"])
        if ended:
            assert found == ["Sent"]
    assert seen == {
        (0, "Drafts"),
        (0, f"outbox: {OutboxState.QUEUED.value}"),
        (0, f"outbox: {OutboxState.UNKNOWN.value}"),
        (1, f"outbox: {OutboxState.UNKNOWN.value}"),
        (1, "Sent"),
    }
