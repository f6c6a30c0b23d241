"""A message as the input of a command."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import NamedTuple

from termmail.mime.safe_text import safe_text

_LARGEST = 1024 * 1024


class Output(NamedTuple):
    """What a command printed, safe to show, and a sentence on how it ended."""

    text: str
    sentence: str
    failed: bool


def run(command: str, raw: bytes, seconds: float) -> Output:
    """Run a shell command that the user typed, with `raw` as its input and no terminal. It is ended after `seconds`. Blocks."""
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Without a terminal of ours a pager or editor can't take the screen.
            start_new_session=True,
        )
    except OSError as error:
        return Output("", f"The command could not be started: {error.strerror}.", failed=True)
    try:
        output, _ = process.communicate(raw, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Output(safe_text(output[:_LARGEST]), f"The command was ended after {seconds:g} seconds.", failed=True)
    text = safe_text(output[:_LARGEST])
    if process.returncode:
        return Output(text, f"The command ended with exit code {process.returncode}.", failed=True)
    return Output(
        text, "The command is done." if text.strip() else "The command is done and printed nothing.", failed=False
    )
