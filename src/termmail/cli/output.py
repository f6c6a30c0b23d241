"""Everything that is printed: text made safe for the terminal, JSON, dates, columns."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
import msgspec

from termmail.mime.safe_text import safe_text
from termmail.mime.width import cell_width
from termmail.model.errors import TermmailError

# What JSON leaves as it is and a terminal or an editor would act on.
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def say(text: str = "") -> None:
    """Lines of output, made safe one by one (D1)."""
    for line in text.split("\n"):
        click.echo(safe_text(line))


def note(text: str) -> None:
    """A line for the person at the terminal, beside the output: on standard error."""
    click.echo(safe_text(text, one_line=True), err=True)


def for_one_try(sentence: str) -> str:
    """An error's sentence where it is a command that ends, and not an engine that goes on trying, which failed."""
    happened, retried, _ = sentence.rpartition(" It is tried again.")
    return f"{happened} Try again later." if retried else sentence


def error_words(error: TermmailError) -> str:
    """An error for whoever is on the command line."""
    return with_command(error.sentence, error.command)


def with_command(sentence: str, command: str) -> str:
    """What to do, and the command that does it."""
    return f"{sentence} On the command line: {command}".strip() if command else sentence


def say_json(value: object) -> None:
    """One JSON value, indented, UTF-8 whatever the locale."""
    import json

    text = json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
    sys.stdout.flush()
    sys.stdout.buffer.write(_UNSAFE_IN_JSON.sub(_escape, text).encode() + b"\n")
    sys.stdout.buffer.flush()


def say_bytes(data: bytes) -> None:
    """Bytes as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def iso(seconds: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC, such as 2026-01-31T09:15:00Z."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None


def local_time(seconds: float | None) -> str:
    """Unix seconds as this computer's clock says it, to the minute; empty where there is no such time."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(int(seconds)).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return ""


def columns(rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), limits: Sequence[int] = ()) -> None:
    """Rows as aligned columns. `right` are those set to the right; `limits` cap a column's width in cells (0: no cap).

    On a terminal lines are cut at its width; elsewhere nothing is cut.
    """
    clean = [[safe_text(cell, one_line=True) for cell in row] for row in rows]
    if not clean:
        return
    terminal = sys.stdout.isatty()
    widest = [max(cell_width(row[index]) for row in clean) for index in range(len(clean[0]))]
    if terminal:
        widest = [
            min(width, limits[index]) if index < len(limits) and limits[index] else width
            for index, width in enumerate(widest)
        ]
    to_the_right = set(right)
    total = terminal_columns() if terminal else 0
    for row in clean:
        cells = (
            _pad(fit(cell, width) if terminal else cell, width, right=index in to_the_right)
            for index, (cell, width) in enumerate(zip(row, widest, strict=True))
        )
        line = "  ".join(cells).rstrip()
        click.echo(fit(line, total) if terminal else line)


def terminal_columns() -> int:
    """The terminal's width in cells; 80 where there is none."""
    # Imported here: it brings the compression libraries along, which costs more than the rest of this module.
    import shutil

    return shutil.get_terminal_size().columns


def fit(text: str, width: int) -> str:
    """`text` in at most `width` cells, with an ellipsis where it was cut."""
    if cell_width(text) <= width:
        return text
    used = itertools.accumulate(cell_width(character) for character in text)
    return text[: sum(1 for _ in itertools.takewhile(lambda cells: cells < width, used))] + "…"


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_width(text))
    return space + text if right else text + space


def _escape(match: re.Match[str]) -> str:
    import json

    return json.dumps(match[0])[1:-1]
