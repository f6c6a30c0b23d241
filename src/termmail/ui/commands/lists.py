"""Mailing lists: leaving one, and archiving what came by it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from termmail.mime.links import host_of
from termmail.mime.mailto import parse_mailto
from termmail.model.errors import TermmailError
from termmail.model.mailbox import Role
from termmail.model.origin import MailingList, Origin, TrustLevel
from termmail.ui.commands.at_cursor import fetched_row_at_cursor
from termmail.ui.commands.handing import open_link
from termmail.ui.text import one_line
from termmail.ui.threads import call_in_app

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen

_WARNING = "Something speaks against this mail, and an answer tells its sender that you are there. "


class Lists:
    """Commands for the list that the cursor's message came by."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen

    def commands(self) -> dict[str, Callable[[], None]]:
        return {"unsubscribe": self.unsubscribe, "archive_list": self.archive_list}

    def unsubscribe(self) -> None:
        """Leave the list: in one step where it can be, else by a mail, else on its page; never without being asked."""
        screen = self.screen
        row = fetched_row_at_cursor(screen)
        if row is None:
            return
        origin = screen.backend.origins.of(row.id)
        mailing_list = origin.mailing_list if origin is not None else None
        if origin is None or mailing_list is None:
            screen.say("This message did not come by a list.")
        elif mailing_list.one_click:
            self._in_one_step(origin, mailing_list, screen.mail_app.proxy_of(row.account))
        elif mailing_list.mailto:
            screen.say(f"Sending this mail unsubscribes from {_name(mailing_list)}.")
            screen.composing.write_to(parse_mailto(mailing_list.mailto))
        elif mailing_list.link:
            self._on_its_page(origin, mailing_list)
        else:
            screen.say(f"{_name(mailing_list)} does not say how to unsubscribe.")

    def _in_one_step(self, origin: Origin, mailing_list: MailingList, proxy: str) -> None:
        from termmail.ui.screens.ask import Ask

        screen, app = self.screen, self.screen.app
        post = screen.mail_app.post_one_click
        host = host_of(mailing_list.one_click)
        if post is None or screen.work_offline:
            screen.say(
                f"Unsubscribing at {host} needs the network, and you work offline. The palette's “Work offline” ends that."
            )
            return
        vouched = (
            f"{mailing_list.vouched_by} has signed that address, your provider says."
            if mailing_list.vouched_by
            else "Whether the list itself put that address there was not checked."
        )

        def run() -> None:
            try:
                sentence, tone = post(mailing_list.one_click, proxy), "text"
            except TermmailError as error:
                sentence, tone = error.sentence, "error"
            call_in_app(app, screen.say, sentence, tone)

        def answered(yes: bool | None) -> None:
            if yes:
                screen.say(f"Unsubscribing at {host} …")
                threading.Thread(target=run, name="unsubscribe", daemon=True).start()

        question = f"{_warning(origin)}Unsubscribe from {_name(mailing_list)}? One request goes to {host}. {vouched}"
        screen.app.push_screen(Ask(question, "Unsubscribe", detail=mailing_list.one_click), answered)

    def _on_its_page(self, origin: Origin, mailing_list: MailingList) -> None:
        from termmail.ui.screens.ask import Ask

        screen = self.screen

        def answered(yes: bool | None) -> None:
            if yes:
                open_link(mailing_list.link, screen.app, screen.say)

        host = host_of(mailing_list.link)
        question = f"{_warning(origin)}{_name(mailing_list)} is left on a page at {host}. Open it in the browser?"
        screen.app.push_screen(Ask(question, "Open", detail=mailing_list.link), answered)

    def archive_list(self) -> None:
        """Archive all in this folder that came by the same list."""
        screen = self.screen
        mailbox, placement_id = screen.mailbox, screen.model.cursor_id
        envelope = screen.queries.envelope(placement_id) if placement_id is not None else None
        if mailbox is None or envelope is None:
            screen.say("There is no message here.")
            return
        list_id = envelope.list_id
        if not list_id:
            screen.say("This message did not come by a list.")
            return
        if mailbox.role is Role.ARCHIVE:
            screen.say("This is the archive already.")
            return
        queries = screen.queries
        screen.changes.wish(lambda intents: intents.archive(queries.ids_of_list(mailbox.id, list_id)))


def _name(mailing_list: MailingList) -> str:
    return one_line(mailing_list.name or mailing_list.list_id) or "this list"


def _warning(origin: Origin) -> str:
    return _WARNING if origin.trust.level is TrustLevel.SUSPICIOUS else ""
