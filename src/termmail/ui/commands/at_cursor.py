"""The message under the cursor, or a sentence why a command has nothing to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from termmail.model.message import BodyState, MessageRow

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen


def row_at_cursor(screen: MainScreen) -> MessageRow | None:
    """Its row; None, and said, where the list is empty."""
    row = screen.model.cursor_row
    if row is None:
        screen.say("There is no message here.")
    return row


def fetched_row_at_cursor(screen: MainScreen) -> MessageRow | None:
    """Its row; None, and said, where the list is empty or the message itself is not on this computer."""
    row = row_at_cursor(screen)
    if row is not None and row.body_state is not BodyState.PRESENT:
        screen.say("The message is not here yet; open it to fetch it first.")
        return None
    return row
