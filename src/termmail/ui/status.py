"""The words of the status line and of empty lists: each state has its own."""

from __future__ import annotations

from typing import NamedTuple

from termmail.model.mailbox import Mailbox, Role
from termmail.model.status import AccountStatus, ConnectionState
from termmail.ui.text import one_line
from termmail.ui.widgets.bars import Progress
from termmail.ui.words import Clock, changes, connection, folder_path

_TROUBLE = (ConnectionState.SIGN_IN, ConnectionState.INSECURE)
_AWAY = (ConnectionState.WAITING, ConnectionState.OFFLINE)


class StatusWords(NamedTuple):
    """What the status line shows; `tone` is one of Look's styles."""

    account: str = ""
    state: str = ""
    tone: str = "muted"
    progress: Progress | None = None
    waiting: str = ""


def status_line(
    status: AccountStatus | None,
    clock: Clock,
    *,
    work_offline: bool,
    problems: int,
    engine_sentence: str = "",
    several: bool = False,
    password_key: str = "",
) -> StatusWords:
    """One account's state in words. `password_key` is the key that asks for a password, or a sign-in."""
    if status is None:
        return StatusWords(state=one_line(engine_sentence) or "Getting ready")
    words = connection(status, clock, work_offline=work_offline)
    tone = "muted"
    if status.state in _TROUBLE and not work_offline:
        words = one_line(status.sentence) or words
        tone = "error"
        if status.state is ConnectionState.SIGN_IN and password_key:
            # In front: a long sentence is cut at its end.
            words = f"Press {password_key} to sign in · {words}"
    elif work_offline or status.state in _AWAY:
        tone = "warning"
        sentence = one_line(status.sentence)
        if sentence and not work_offline:
            words = f"{words} · {sentence}"
    elif engine_sentence:
        words, tone = one_line(engine_sentence), "warning"
    if status.plain:
        words = f"not encrypted · {words}"
        tone = "warning"
    progress = None
    if status.activity and not work_offline:
        progress = Progress(one_line(status.activity), status.done, status.total, status.size)
    parts: list[str] = []
    if status.pending_operations:
        parts.append(changes(status.pending_operations))
    if problems:
        parts.append("1 problem" if problems == 1 else f"{problems:,} problems")
    return StatusWords(one_line(status.account), words, tone, progress, " · ".join(parts))


def empty_list(mailbox: Mailbox | None, status: AccountStatus | None, *, work_offline: bool) -> tuple[str, ...]:
    """What an empty list says: empty, loading, offline and failed each have their own words."""
    away = work_offline or (status is not None and status.state in _AWAY)
    trouble = status is not None and status.state in _TROUBLE and not work_offline
    never = mailbox is None or (not mailbox.complete and not mailbox.fresh_at)
    if not never:
        assert mailbox is not None
        if not mailbox.selectable:
            return (f"{folder_path(mailbox)} only holds other folders.", "Choose one of those below it.")
        if mailbox.role is Role.INBOX:
            return ("The inbox is empty.", "New mail appears here by itself.")
        return (f"There are no messages in {folder_path(mailbox)}.",)
    if trouble and status is not None:
        return (
            one_line(status.sentence) or "The account can't be reached.",
            "Its mail appears here when that is solved.",
        )
    if work_offline:
        return (
            "Nothing of this folder is here yet, and you work offline.",
            "Switch it off in the palette: “Work offline”.",
        )
    if away:
        return (
            "Nothing of this folder is here yet, and there is no connection.",
            "Its mail appears here with the next one.",
        )
    if status is not None and status.state is ConnectionState.ONLINE and mailbox is not None and not status.activity:
        return (f"{folder_path(mailbox)} has not been fetched yet.", "F5 fetches it now.")
    return ("Fetching the first messages …", "They appear here as they come, the newest first.")
