"""The hook around every command."""

from __future__ import annotations

import termmail.protocols.smtp as room


def announce(verb: str, when: str) -> None:
    """Tell the hook of the package, if there is one, that a command is about to be sent or was answered."""
    if room.on_command is not None:
        room.on_command(f"{when} {verb}")
