"""Which mailbox the main screen begins with, and goes to where the open one is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from termmail.model.mailbox import Mailbox, Role
from termmail.model.status import AccountStatus, ConnectionState

_ABOUT_TO_LIST = (ConnectionState.UNKNOWN, ConnectionState.CONNECTING, ConnectionState.ONLINE)


def first_mailbox(
    mailboxes: Mapping[int, Mailbox], statuses: Sequence[AccountStatus], last_id: int | None, *, patient: bool
) -> Mailbox | None:
    """The one that was open last, of this id, else the inbox of the first account that has mailboxes; None where there is none yet.

    With `patient` an account whose mailboxes are on their way is not passed over: those of one that was quicker would be left again
    in a moment.
    """
    last = mailboxes.get(last_id) if last_id is not None else None
    if last is not None and last.selectable:
        return last
    for status in statuses:
        boxes = [box for box in mailboxes.values() if box.account == status.account]
        if boxes:
            inbox = next((box for box in boxes if box.role is Role.INBOX), None)
            return inbox or next((box for box in boxes if box.selectable), None)
        if patient and status.state in _ABOUT_TO_LIST:
            return None
    return None
