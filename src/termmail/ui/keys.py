"""Sequences of keys to commands: waits for what may follow, and says what that is."""

from __future__ import annotations

from typing import NamedTuple

from termmail.ui.keymap import Bindings, Command, Where

SEQUENCE_SECONDS = 1.0
"""How long a sequence that was begun waits for its next key."""


class Pressed(NamedTuple):
    """What a key did: the command it completes, or None; `begun` says that it began or continued a sequence; `unknown` that the
    sequence, given here, means nothing."""

    command: str | None = None
    begun: bool = False
    unknown: tuple[str, ...] = ()


class KeyResolver:
    """Remembers the keys of a sequence that is not complete. The caller clears it after SEQUENCE_SECONDS."""

    def __init__(self, bindings: Bindings) -> None:
        self.bindings = bindings
        self.pending: tuple[str, ...] = ()

    def press(self, key: str, where: Where) -> Pressed:
        """One key, in the pane that is active."""
        if self.pending and key == "escape":
            self.pending = ()
            return Pressed(begun=True)
        keys = (*self.pending, key)
        if self.bindings.following(keys, where):
            self.pending = keys
            return Pressed(begun=True)
        self.pending = ()
        command = self.bindings.command(keys, where)
        return Pressed(command, unknown=() if command else keys)

    def following(self, where: Where) -> list[tuple[str, Command]]:
        """What may follow the keys pressed so far."""
        return self.bindings.following(self.pending, where) if self.pending else []

    def give_up(self, where: Where) -> str | None:
        """Nothing followed in time: the command that the keys so far mean by themselves, if any."""
        keys, self.pending = self.pending, ()
        return self.bindings.command(keys, where) if keys else None
