"""The hook around every command, for tests that count commands or end the process at one."""

from __future__ import annotations

from collections.abc import Callable

on_command: Callable[[str], None] | None = None
"""Called around each command to a server with "before VERB" and "after VERB", without arguments."""


def announce(verb: str, when: str) -> None:
    """Tell the hook, if there is one, that a command is about to be sent ("before") or was answered ("after")."""
    if on_command is not None:
        on_command(f"{when} {verb}")
