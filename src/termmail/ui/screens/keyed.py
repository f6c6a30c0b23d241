"""Screens that take keys and sizes in the order in which they came, however fast they come.

Textual puts a key into the queue of the screen that is on top when the key arrives. Of keys that come in one go, the letters meant for
what the first one opens would be commands of the screen below. And a screen tells itself each size that it is laid out to: while the
terminal is resized, that may come after the terminal's next size, and in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.widgets import Input


class Keyed:
    """Mixed into a screen: the app hands it each key at once, and waits with the next until it had its effect."""

    _ready = False
    _early: tuple[events.Key, ...] = ()

    def key_pressed(self, event: events.Key) -> bool:
        """Act on a key; False leaves it to what has the focus."""
        raise NotImplementedError

    def take_key(self, event: events.Key) -> bool:
        """A key from the app; one that is too early waits until the screen is there."""
        if self._ready:
            return self.key_pressed(event)
        self._early = (*self._early, event)
        return True

    def on_screen_resume(self) -> None:
        """The screen is there."""
        self.take_early_keys()

    def keep_keys(self) -> None:
        """What is pressed from now on waits until `take_early_keys`: the screen is being built anew."""
        self._ready = False

    def take_early_keys(self) -> None:
        """The screen is there for keys, those that waited first."""
        if not self._ready:
            self._ready = True
            early, self._early = self._early, ()
            for event in early:
                # One of them may have opened another screen, or closed this one.
                hand_key(self.app.screen, event)  # type: ignore[attr-defined]

    def on_resize(self, event: events.Resize) -> None:
        """Whatever overtook it, the terminal's size is the one that stays (X6)."""
        size = self.app.size  # type: ignore[attr-defined]
        if event.size != size:
            self.post_message(events.Resize(size, size))  # type: ignore[attr-defined]


def hand_key(screen: Screen[Any], event: events.Key) -> None:
    """Give a key that waited to a screen, as the app does with one that comes now."""
    if not (isinstance(screen, Keyed) and screen.take_key(event)):
        (screen.focused or screen)._forward_event(event)


def key_name(event: events.Key) -> str:
    """A key as the keymap writes it."""
    return event.character if event.is_printable and event.character not in (None, " ") else event.key


def write(line: Input, event: events.Key) -> bool:
    """Put a character that was pressed into a line of text; whether it was one."""
    if not event.is_printable or event.character is None:
        return False
    if line.selection.is_empty:
        line.insert_text_at_cursor(event.character)
    else:
        line.replace(event.character, *line.selection)
    return True
