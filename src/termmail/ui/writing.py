"""A draft on its way between the composer and the store: everything here runs in the writer's thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from termmail.mime import replying
from termmail.mime.mailto import Mailto
from termmail.mime.parts import parse_message, part_bytes
from termmail.mime.save_names import save_name
from termmail.model.account import Account
from termmail.model.errors import Unsendable
from termmail.model.home import Home
from termmail.model.message import Address
from termmail.model.outgoing import Correspondent, Draft, DraftAttachment, ReplyKind
from termmail.model.view import IntentResult
from termmail.store.drafts import DraftFolder, guess_type, new_draft_id
from termmail.store.intents import Intents
from termmail.store.queries import Queries


class Writing(msgspec.Struct, frozen=True):
    """A draft that is open. `replies_to` is who wrote the mail that it answers, or empty; `people` are to complete addresses from."""

    folder: DraftFolder
    draft: Draft
    replies_to: str = ""
    people: tuple[Correspondent, ...] = ()


class Beginning(msgspec.Struct, frozen=True):
    """What to write when the app starts: what a mailto: URL asks for, from which account (the first by default), and files."""

    asked: Mailto
    account: str | None = None
    attach: tuple[Path, ...] = ()


def begin_new(
    home: Home, queries: Queries, account: Account, asked: Mailto | None = None, files: Sequence[Path] = ()
) -> Writing:
    """An empty draft from the account's own address, or one that a mailto: URL fills. Raises StorageFailed."""
    identity = account.all_identities[0]
    wanted = asked or Mailto()
    draft = Draft(
        id=new_draft_id(),
        account=account.name,
        from_=Address(identity.name, identity.address),
        to=wanted.to,
        cc=wanted.cc,
        bcc=wanted.bcc,
        subject=wanted.subject,
        in_reply_to=wanted.in_reply_to,
        references=(wanted.in_reply_to,) if wanted.in_reply_to else (),
        body=wanted.body + replying.signature_block(identity),
    )
    folder = DraftFolder.create(home, draft)
    if files:
        try:
            draft = msgspec.structs.replace(draft, attachments=attach(folder, files))
            folder.save(draft)
        except BaseException:
            folder.release()
            raise
    return Writing(folder, draft, people=tuple(queries.correspondents()))


def begin_reply(
    home: Home,
    queries: Queries,
    account: Account,
    placement_id: int,
    kind: ReplyKind,
    *,
    with_attachments: bool = False,
) -> Writing:
    """A reply, with what was attached to the message where that is wished. Raises Unsendable, StorageFailed."""
    raw = _raw(queries, placement_id)
    what = replying.original(raw)
    draft = replying.reply(
        what, draft_id=new_draft_id(), account=account.name, identities=account.all_identities, kind=kind
    )
    writers = what.envelope.from_
    folder = DraftFolder.create(home, draft)
    if with_attachments and what.attachments:
        try:
            paths = [part.part_path for part in what.attachments]
            draft = msgspec.structs.replace(draft, attachments=_parts(folder, raw, paths))
            folder.save(draft)
        except BaseException:
            folder.release()
            raise
    own = {one.address.casefold() for one in account.all_identities}
    by_another = bool(writers) and writers[0].address.casefold() not in own
    return Writing(
        folder,
        draft,
        writers[0].address if by_another and kind is not ReplyKind.LIST else "",
        tuple(queries.correspondents()),
    )


def begin_forward(home: Home, queries: Queries, account: Account, placement_id: int, *, inline: bool) -> Writing:
    """A message to be sent on, its text in the text or itself attached. Raises StorageFailed."""
    raw = _raw(queries, placement_id)
    what = replying.original(raw)
    draft, paths = replying.forward(
        what, draft_id=new_draft_id(), account=account.name, identities=account.all_identities, inline=inline
    )
    folder = DraftFolder.create(home, draft)
    try:
        attached = _parts(folder, raw, paths)
        if not inline:
            name = (replying.bare_subject(what.envelope.subject) or "message")[:80].replace("/", "_")
            attached = (folder.attach_bytes(f"{name}.eml", "message/rfc822", raw),)
        draft = msgspec.structs.replace(draft, attachments=attached)
        folder.save(draft)
    except BaseException:
        folder.release()
        raise
    return Writing(folder, draft, people=tuple(queries.correspondents()))


def begin_again(home: Home, queries: Queries, account: Account, placement_id: int, *, as_new: bool) -> Writing:
    """A message of a Drafts mailbox to be written on, which replaces it; or with `as_new` any message as a new one."""
    raw = _raw(queries, placement_id)
    draft, paths = replying.draft_from(
        raw, draft_id=new_draft_id(), account=account.name, identities=account.all_identities, as_new=as_new
    )
    folder = DraftFolder.create(home, draft)
    try:
        replaces = None if as_new else placement_id
        draft = msgspec.structs.replace(draft, attachments=_parts(folder, raw, paths), replaces=replaces)
        folder.save(draft)
    except BaseException:
        folder.release()
        raise
    return Writing(folder, draft, people=tuple(queries.correspondents()))


def redirect(
    intents: Intents, queries: Queries, account: Account, placement_id: int, *, to: str, at: float
) -> IntentResult:
    """Send a message on as it is, in the name of whom it came to. Raises Unsendable, StorageFailed."""
    raw = _raw(queries, placement_id)
    identity = replying.identity_for(replying.original(raw), account.all_identities)
    return intents.redirect(account.name, raw, sender=Address(identity.name, identity.address), to=to, at=at)


def reopen(home: Home, queries: Queries, draft_id: str) -> Writing:
    """A draft that was taken back or brought back. Raises DraftTaken, StorageFailed."""
    folder = DraftFolder.open(home, draft_id)
    return Writing(folder, folder.draft, people=tuple(queries.correspondents()))


def attach(folder: DraftFolder, paths: Sequence[Path]) -> tuple[DraftAttachment, ...]:
    """Copy files into the draft's folder. Raises StorageFailed."""
    return tuple(copied for path in paths if (copied := folder.attach(path)) is not None)


def _raw(queries: Queries, placement_id: int) -> bytes:
    raw = queries.raw(placement_id)
    if raw is None:
        raise Unsendable("The message is not here yet. Open it first, then it comes down.")
    return raw


def _parts(folder: DraftFolder, raw: bytes, paths: Sequence[str]) -> tuple[DraftAttachment, ...]:
    parts = {part.part_path: part for part in parse_message(raw).parts}
    return tuple(
        folder.attach_bytes(
            save_name(parts[path].filename, parts[path].content_type, number),
            parts[path].content_type or guess_type(""),
            part_bytes(raw, path),
        )
        for number, path in enumerate(paths, 1)
    )
