"""`attachments`: what a message holds beside its text, listed or saved."""

from __future__ import annotations

from pathlib import Path

import click

from termmail.cli.arguments import MessageId
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import columns, note, say, say_json
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import AttachmentShape
from termmail.cli.show import message_bytes, readable_size
from termmail.mime.safe_text import safe_address
from termmail.mime.save_names import save_name
from termmail.mime.saving import save_file
from termmail.model.body import Part, RenderFailed
from termmail.model.errors import StorageFailed
from termmail.model.typed_path import typed_path

_LARGE = 256 * 1024


@click.command(short_help="List or save what is attached to a message.")
@click.argument("message_id", metavar="ID", type=MessageId())
@click.option(
    "--save", "folder", metavar="DIR", help="Save the attachments into DIR, which is made where there is none."
)
@click.option(
    "--part", "paths", metavar="PATH", multiple=True, help="Only this one of the list; also one that is no attachment."
)
@json_option
@pass_session
def attachments(session: Session, message_id: int, folder: str | None, paths: tuple[str, ...]) -> None:
    """List what a message holds beside its text, or save it, without fetching anything.

    Listed are attachments, pictures in the text and enclosed messages with what those hold in turn; marked * are the attachments, which
    --save saves. Nothing that exists is ever overwritten: a second file of a name becomes "name (2)".
    """
    raw = message_bytes(session, message_id)
    listed = _listed(raw)
    chosen = _chosen(listed, paths, only_attachments=folder is not None)
    saved = {} if folder is None else _save(raw, listed, chosen, typed_path(folder))
    if session.as_json:
        shown = chosen if paths or folder is not None else listed
        say_json([_shape(part, saved.get(part.part_path)) for part in shown])
    elif folder is not None:
        for path in saved.values():
            say(str(path))
        if not saved:
            note(f"Message {message_id} has no attachments.")
    elif listed:
        columns(
            [
                (
                    part.part_path,
                    "*" if part.is_attachment else " ",
                    safe_address(part.filename) or "(no name)",
                    safe_address(part.content_type),
                    readable_size(part.size),
                )
                for part in (chosen if paths else listed)
            ],
            right=(4,),
            limits=(0, 0, 60),
        )
    else:
        note(f"Message {message_id} has no attachments.")


def _listed(raw: bytes) -> tuple[Part, ...]:
    """What large messages hold is found out by a process that can be ended (P5)."""
    if len(raw) <= _LARGE:
        from termmail.mime.parts import listed_parts

        return listed_parts(raw)
    from termmail.mime.worker import RenderWorker

    with RenderWorker() as worker:
        found = worker.list_parts(raw)
    if isinstance(found, RenderFailed):
        raise CommandError(found.sentence, ExitCode.DATA)
    return found


def _chosen(listed: tuple[Part, ...], paths: tuple[str, ...], *, only_attachments: bool) -> tuple[Part, ...]:
    if not paths:
        return (
            tuple(part for part in listed if part.is_attachment and _is_own(part, listed))
            if only_attachments
            else listed
        )
    by_path = {part.part_path: part for part in listed}
    for path in paths:
        if path not in by_path:
            raise CommandError(
                f"There is no part {path} to save. Without --part the parts are listed with their numbers.",
                ExitCode.NO_INPUT,
            )
    return tuple(by_path[path] for path in dict.fromkeys(paths))


def _is_own(part: Part, listed: tuple[Part, ...]) -> bool:
    """Whether it is attached to the message itself, not to one that is enclosed, which is saved as a whole."""
    return not any(
        part.part_path.startswith(f"{other.part_path}.")
        for other in listed
        if other.content_type.startswith("message/")
    )


def _save(raw: bytes, listed: tuple[Part, ...], chosen: tuple[Part, ...], folder: Path) -> dict[str, Path]:
    """Where each part was saved, by its path."""
    if not chosen:
        return {}
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"Nothing was saved: {folder} can't be made ({error.strerror}).") from error
    return {
        part.part_path: save_file(
            folder, save_name(part.filename, part.content_type, listed.index(part) + 1), _content(raw, part.part_path)
        )
        for part in chosen
    }


def _content(raw: bytes, part_path: str) -> bytes:
    if len(raw) <= _LARGE:
        from termmail.mime.parts import part_bytes

        return part_bytes(raw, part_path)
    from termmail.mime.worker import RenderWorker

    with RenderWorker() as worker:
        found = worker.take_part(raw, part_path)
    if isinstance(found, RenderFailed):
        raise CommandError(found.sentence, ExitCode.DATA)
    return found


def _shape(part: Part, saved: Path | None) -> AttachmentShape:
    return AttachmentShape(
        path=part.part_path,
        name=part.filename,
        type=part.content_type,
        size=part.size,
        disposition=part.disposition,
        attachment=part.is_attachment,
        saved=None if saved is None else str(saved),
    )
