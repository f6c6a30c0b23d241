"""`show`: one message from the store, as text, as it is, or as JSON."""

from __future__ import annotations

import sys

import click

from termmail.cli.arguments import MessageId
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import local_time, note, say, say_bytes, say_json, terminal_columns
from termmail.cli.session import Session, json_option, pass_session
from termmail.cli.shapes import HeaderShape, PartShape, ShownMessageShape, message_values
from termmail.mime.safe_text import safe_address, safe_text
from termmail.model.body import Part, Rendered, RenderFailed
from termmail.model.message import Address, MessageRow

_UNWRAPPED = 100_000
_PIPED = 80
_LARGE = 256 * 1024


@click.command()
@click.argument("message_id", metavar="ID", type=MessageId())
@click.option("--raw", is_flag=True, help="Byte for byte as the server gave it.")
@click.option("--html", is_flag=True, help="The HTML as the message has it.")
@click.option("--headers", is_flag=True, help="All header fields as they are.")
@json_option
@pass_session
def show(session: Session, /, message_id: int, **forms: bool) -> None:
    """Show a message as text, without fetching anything."""
    asked = [form for form, wanted in forms.items() if wanted]
    if len(asked) > 1:
        raise click.UsageError(f"Give one of --{' and --'.join(asked)}.")
    form = asked[0] if asked else None
    if form is not None and session.as_json:
        raise click.UsageError(f"--json has all that --{form} shows but the bytes; give one of them.")
    row = _row(session, message_id)
    raw = _raw(session, row)
    match form:
        case "raw":
            say_bytes(raw)
        case "html":
            _say_source(_html(row, raw))
        case "headers":
            from termmail.mime.headers import split_header

            _say_source(raw[: split_header(raw)].rstrip(b"\r\n") + b"\n")
        case _ if session.as_json:
            say_json(_shape(row, raw))
        case _:
            _say_message(row, raw)


def message_bytes(session: Session, message_id: int) -> bytes:
    """The bytes of a message. Raises CommandError (66) where there is none of that number, (75) or (69) where they are not here."""
    return _raw(session, _row(session, message_id))


def _row(session: Session, message_id: int) -> MessageRow:
    row = session.queries.row(message_id)
    if row is None:
        raise CommandError(f"There is no message {message_id}. `termmail list` shows the numbers.", ExitCode.NO_INPUT)
    return row


def _raw(session: Session, row: MessageRow) -> bytes:
    raw = session.queries.raw(row.id)
    if raw is None:
        raise _not_here(session, row)
    return raw


def _not_here(session: Session, row: MessageRow) -> CommandError:
    """Why a message can't be shown; one that can be had is asked for."""
    if row.problem:
        return CommandError(row.problem, ExitCode.UNAVAILABLE)
    session.intents.request_body(row.id)
    return CommandError(
        f"Message {row.id} is not on this computer yet; it has been asked for. The next `termmail sync` fetches it,"
        " or the mail reader at once where it runs; then show it again.",
        ExitCode.TRY_LATER,
    )


def _say_source(data: bytes) -> None:
    """What the message has: made safe for a terminal, as it is for a file or another program."""
    if sys.stdout.isatty():
        say(safe_text(data).rstrip("\n"))
    else:
        say_bytes(data)


def _html(row: MessageRow, raw: bytes) -> bytes:
    from termmail.mime.charsets import decode_text
    from termmail.mime.parts import parse_message, part_bytes

    part = parse_message(raw).html_part
    if part is None:
        raise CommandError(f"Message {row.id} has no HTML. Leave --html away to read its text.", ExitCode.NO_INPUT)
    return decode_text(part_bytes(raw, part.part_path), part.charset).encode("utf-8", "replace")


def _say_message(row: MessageRow, raw: bytes) -> None:
    from termmail.mime.headers import parse_envelope

    envelope = parse_envelope(raw)
    fields = (
        ("From", _addresses(envelope.from_)),
        ("Reply-To", _addresses(envelope.reply_to) if envelope.reply_to != envelope.from_ else ""),
        ("To", _addresses(envelope.to)),
        ("Cc", _addresses(envelope.cc)),
        ("Date", local_time(envelope.sent_at) or local_time(row.received_at)),
        ("Subject", safe_text(envelope.subject, one_line=True)),
        ("Folder", f"{row.account} / {row.mailbox}"),
        ("Flags", " ".join(row.flags.names())),
    )
    for name, value in fields:
        if value:
            say(f"{name + ':':<10}{safe_text(value, one_line=True)}")
    say()
    rendered = _rendered(raw, terminal_columns() if sys.stdout.isatty() else _PIPED)
    if isinstance(rendered, RenderFailed):
        raise CommandError(rendered.sentence, ExitCode.DATA)
    for line in rendered.lines:
        say(line.text)
    if rendered.attachments:
        say()
        for part in rendered.attachments:
            name = safe_address(part.filename) or "without a name"
            say(f"Attachment {part.part_path}: {name} ({part.content_type}, {readable_size(part.size)})")
    for sentence in rendered.notes:
        note(sentence)


def _shape(row: MessageRow, raw: bytes) -> ShownMessageShape:
    from termmail.mime.parts import parse_message

    parsed = parse_message(raw)
    rendered = _rendered(raw, _UNWRAPPED)
    if isinstance(rendered, RenderFailed):
        note(rendered.sentence)
    lines = () if isinstance(rendered, RenderFailed) else rendered.lines
    return ShownMessageShape(
        **message_values(row),  # type: ignore[arg-type]
        headers=[HeaderShape(field.name, field.value) for field in parsed.headers],
        text="\n".join(line.text for line in lines),
        parts=[_part(part) for part in parsed.parts],
    )


def _part(part: Part) -> PartShape:
    return PartShape(
        path=part.part_path,
        type=part.content_type,
        charset=part.charset,
        name=part.filename,
        size=part.size,
        disposition=part.disposition,
        attachment=part.is_attachment,
    )


def _rendered(raw: bytes, width: int) -> Rendered | RenderFailed:
    """The message's text: HTML and whatever is large is laid out by a process that can be ended (P5, P6)."""
    from termmail.mime.parts import parse_message

    simple = len(raw) <= _LARGE and all(part.content_type != "text/html" for part in parse_message(raw).parts)
    if simple:
        from termmail.mime.render import render_message

        return render_message(raw, width=width)
    from termmail.mime.worker import RenderWorker

    with RenderWorker() as worker:
        return worker.render(raw, width)


def _addresses(addresses: tuple[Address, ...]) -> str:
    return ", ".join(_address(address) for address in addresses)


def _address(address: Address) -> str:
    shown = safe_address(address.address)
    name = safe_text(address.name, one_line=True)
    return f"{name} <{shown}>" if name else shown


def readable_size(size: int) -> str:
    """Bytes as people read them."""
    if size < 1000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{size / 1000:.0f} KB"
    return f"{size / 1_000_000:.1f} MB"
