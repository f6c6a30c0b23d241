"""The user's own editor on the text of a message."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from pathlib import Path

from termmail.model.errors import Retry, TermmailError


def editor_command(configured: str) -> list[str]:
    """The command: as configured, else $VISUAL, else $EDITOR, else vi."""
    written = configured or os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(written) or ["vi"]
    except ValueError:
        return [written]


def edit_text(command: list[str], path: Path, text: str) -> str:
    """Let the editor change a text, in a private file that is created at `path` and gone afterwards; returns the new one.

    Of an editor that was ended by a signal what it had saved is taken. Raises TermmailError where it could not run, or says by its
    exit code that nothing is to be changed.
    """
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        code = _run(command, path)
        if code > 0:
            raise TermmailError(f"{command[0]} ended with {code}; the text is as it was.", retry=Retry.NEVER)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise TermmailError(
            f"The text could not be handed to {command[0]}: {error.strerror}. It is as it was.", retry=Retry.NEVER
        ) from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _run(command: list[str], path: Path) -> int:
    """The editor's exit code, negative for a signal."""
    # A ^C in the editor is the editor's.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run([*command, str(path)], check=False).returncode
    except OSError as error:
        raise TermmailError(
            f"{command[0]} could not be started: {error.strerror}. Set $EDITOR, or compose.editor in the config file.",
            retry=Retry.NEVER,
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
