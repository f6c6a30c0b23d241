"""Keys of a screen with fields: characters go to the field, what acts waits for those typed before it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from textual import events
from textual.widget import Widget
from textual.widgets import TextArea

from termmail.ui.screens.keyed import Keyed, hand_key, key_name
from termmail.ui.wizard.form import FormInput

if TYPE_CHECKING:
    from textual.screen import Screen

FUNCTION_KEYS = tuple(f"f{number}" for number in range(1, 13))
ALWAYS = ("tab", "shift+tab", "escape", "ctrl+c", "ctrl+q", "ctrl+s", *FUNCTION_KEYS)
IN_A_LINE = (*ALWAYS, "enter", "ctrl+j", "down", "up", "ctrl+y", "ctrl+r")


class FormKeys(Keyed):
    """Mixed into a screen with lines and texts to type in: `act` is called with every key that is not typed."""

    _held: list[events.Key] | None = None

    def act(self, key: str) -> None:
        """A key that is not typed into a field, as the keymap writes it."""
        raise NotImplementedError

    def typed(self) -> None:
        """A key goes to a field."""

    def take_key(self, event: events.Key) -> bool:
        """What is typed after a key that acts waits for that one's effect (see Keyed)."""
        if not self._ready:
            return super().take_key(event)
        if self._held is not None:
            self._held.append(event)
            return True
        focused: Widget | None = self.focused  # type: ignore[attr-defined]
        acting = _acting_in(focused)
        if focused is None or acting is None:
            return self.key_pressed(event)
        if event.key not in acting:
            self.typed()
            return False
        self._held = []
        # In the field's own queue, behind what was typed before.
        focused.call_later(self._act_in_turn, event.key)
        return True

    def key_pressed(self, event: events.Key) -> bool:
        self.act(_entered(key_name(event)))
        return True

    def _act_in_turn(self, key: str) -> None:
        screen: Screen[object] = self  # type: ignore[assignment]
        try:
            self.act(_entered(key))
        finally:
            held, self._held = self._held or [], None
        for event in held:
            hand_key(screen.app.screen, event)


def _entered(key: str) -> str:
    """Enter, too, where the terminal had not been told yet to leave it as it is: pressed while the program was starting."""
    return "enter" if key == "ctrl+j" else key


def _acting_in(focused: Widget | None) -> Collection[str] | None:
    """The keys that act while this has the focus; None where all do."""
    if isinstance(focused, FormInput):
        return IN_A_LINE
    return ALWAYS if isinstance(focused, TextArea) else None
