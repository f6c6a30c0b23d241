"""The user's own editor on the text of a message."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

from termmail.model.errors import Retry, TermmailError


def editor_command(configured: str) -> list[str]:
    """The command: as configured, else $VISUAL, else $EDITOR, else vi."""
    written = configured or os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(written) or ["vi"]
    except ValueError:
        return [written]


def edit_text(command: list[str], text: str) -> str:
    """Let the editor change a text, in a private file; returns the new one. Raises TermmailError where it could not run."""
    with tempfile.TemporaryDirectory(prefix="termmail-edit-") as folder:
        path = Path(folder) / "message.txt"
        path.write_text(text, encoding="utf-8", errors="replace")
        path.chmod(0o600)
        # A ^C in the editor is the editor's.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            ended = subprocess.run([*command, str(path)], check=False)
        except OSError as error:
            raise TermmailError(
                f"{command[0]} could not be started: {error.strerror}. Set $EDITOR, or compose.editor in the config file.",
                retry=Retry.NEVER,
            ) from error
        finally:
            signal.signal(signal.SIGINT, before)
        if ended.returncode:
            raise TermmailError(
                f"{command[0]} ended with {ended.returncode}; the text is as it was.", retry=Retry.NEVER
            )
        return path.read_text(encoding="utf-8", errors="replace")
