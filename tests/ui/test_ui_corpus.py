"""Every message of the corpus is listed, opened in each view, replied to, and its attachments saved: no exception, no control character
on the screen, every text laid out within its time, and memory in bounds (P1, P5, D1)."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from corpus import corpus_messages, require_corpus
from filled_store import FilledStore, header
from termmail.mime.headers import parse_envelope
from termmail.mime.save_names import save_name
from termmail.mime.saving import save_file
from termmail.model.errors import Unsendable
from termmail.model.flags import Flag, FlagSet
from termmail.model.local import StoredBody
from termmail.model.outgoing import ReplyKind
from termmail.ui import writing
from termmail.ui.part_reader import PartReader
from ui.support import WIDE, Driven, opened

_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_BATCH = 400
_MOST_GROWN = 400 * 1024
"""KiB that the program may have grown by at its peak, over some thousand messages."""


def batches(every: int) -> Iterator[list[tuple[str, bytes]]]:
    batch: list[tuple[str, bytes]] = []
    for found in corpus_messages(every=every):
        batch.append(found)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def store_of(folder: Path, messages: list[tuple[str, bytes]]) -> FilledStore:
    """A store whose inbox holds these, the first one newest."""
    store = FilledStore(folder, count=0)
    inbox = store.mailboxes["INBOX"]
    rows = []
    for number, (_, raw) in enumerate(messages):
        remote, _ = header(len(messages) - number, flags=FlagSet(Flag.SEEN))
        envelope = parse_envelope(raw)
        rows.append((msgspec.structs.replace(remote, size=len(raw)), envelope))
    store.ingest.add_headers(inbox, rows)
    bodies = []
    for placement_id, (_, raw) in zip(store.ids(), messages, strict=True):
        target = store.ingest.body_target(placement_id)
        assert target is not None
        bodies.append(StoredBody(target, raw, "preview", has_attachments=False))
    store.ingest.store_bodies(bodies)
    return store


def check_screen(driven: Driven, name: str) -> None:
    found = _FORBIDDEN.findall(driven.everything())
    assert not found, (name, found)


async def read_all(driven: Driven, names: list[str], views: tuple[str, ...]) -> None:
    """Each message after the other, in every view."""
    pane = driven.main.message_pane
    await driven.press("enter")
    for position, name in enumerate(names):
        if position:
            await driven.press("q", "j", "enter")
        for key in ("", *views):
            if key:
                await driven.press(key)
            wanted = driven.main.reading.mode

            def ready(wanted: str = wanted, name: str = name) -> bool:
                assert "was given up" not in driven.message, name
                assert "mistake in termmail" not in driven.message, name
                return pane.rendered is not None and pane.mode == wanted

            await driven.until(ready)
            check_screen(driven, name)
        pane.to_line(pane.furthest)
        await driven.drawn()
        check_screen(driven, name)


def reply_to_all(store: FilledStore, names: list[str]) -> None:
    """A reply to each, to all of its people; nothing of the mail but safe text gets into it (A5)."""
    account = store.accounts[0]
    for placement_id, name in zip(store.ids(), names, strict=True):
        try:
            open_ = writing.begin_reply(store.home, store.queries, account, placement_id, ReplyKind.ALL)
        except Unsendable:
            # It names nobody who could be answered.
            continue
        try:
            draft = open_.draft
            for text in (draft.to, draft.cc, draft.subject, draft.body.replace("\t", " ")):
                assert not _FORBIDDEN.search(text), name
        finally:
            open_.folder.release()


def save_all(store: FilledStore, names: list[str], folder: Path) -> None:
    """Every part beside the text, under its own name: a new private file in the folder, and nowhere else (A1, A2)."""
    folder.mkdir()
    reader = PartReader(store.queries)
    try:
        for placement_id, name in zip(store.ids(), names, strict=True):
            for number, part in enumerate(reader.listed(placement_id), 1):
                data = reader.take(placement_id, part.part_path)
                path = save_file(folder, save_name(part.filename, part.content_type, number), data)
                assert path.parent == folder, name
                assert path.read_bytes() == data, name
                assert path.stat().st_mode & 0o777 == 0o600, name
                assert not _FORBIDDEN.search(path.name), name
                path.unlink()
        assert not list(folder.iterdir())
    finally:
        reader.stop()


async def check(folder: Path, every: int, views: tuple[str, ...]) -> None:
    require_corpus()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, messages in enumerate(batches(every)):
        names = [name for name, _ in messages]
        store = store_of(folder / str(number), messages)
        try:
            async with opened(store, WIDE) as driven:
                await read_all(driven, names, views)
            reply_to_all(store, names)
            save_all(store, names, folder / f"saved-{number}")
        finally:
            store.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _MOST_GROWN


async def test_a_sample_of_the_corpus(tmp_path: Path) -> None:
    await check(tmp_path, 120, ("h", "H", "H", "H"))


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_the_whole_corpus(tmp_path: Path) -> None:
    await check(tmp_path, 1, ("h", "H", "H", "H"))
