"""What the store and other threads tell the main screen, and what of it changes by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from termmail.model.status import AccountStatus
from termmail.ui.backend import Failed, WrittenNews
from termmail.ui.bodies import Body
from termmail.ui.pictures import DrawnPicture, DrawnView, LoadedPictures
from termmail.ui.watcher import (
    ListChanged,
    ListLoaded,
    MailboxesChanged,
    OutboxChanged,
    RequestEnded,
    StatusChanged,
    WatchFailed,
)

if TYPE_CHECKING:
    from termmail.ui.screens.main import MainScreen


class News:
    """Hands each piece of news to the part of the screen that it concerns."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen

    def take(self, news: object) -> None:
        """Raises what a thread failed with (`Failed`)."""
        screen = self.screen
        match news:
            case ListChanged(key=key) if key == screen.model.key:
                self._list_changed(news)
            case ListLoaded(key=key) if key == screen.model.key:
                self._list_loaded(news)
            case MailboxesChanged():
                self._mailboxes_changed(news)
            case StatusChanged(accounts=accounts, problems=problems, work_offline=work_offline):
                screen.problems = problems
                screen.work_offline = work_offline
                self.take_statuses(accounts)
                screen.reading.status_changed()
            case Body() as body:
                screen.reading.body_ready(body)
            case WrittenNews(done=done, written=written):
                done(written)
            case DrawnPicture() | DrawnView() if not screen.backend.pictures.is_current(news):
                pass
            case DrawnPicture() as drawn:
                screen.mail_app.send_to_terminal(drawn.transmission)
                screen.viewing.picture_drawn(drawn)
                screen.attachments.picture_drawn(drawn)
            case DrawnView() as drawn:
                screen.viewing.view_drawn(drawn)
                screen.attachments.view_drawn(drawn)
            case LoadedPictures() as loaded:
                screen.viewing.pictures_loaded(loaded)
            case OutboxChanged(items=items):
                screen.composing.outbox_changed(items)
            case RequestEnded(request=request):
                screen.program.request_ended(request)
            case WatchFailed(error=error):
                screen.say(error.sentence, "error")
            case Failed(error=error):
                raise error

    def take_statuses(self, statuses: list[AccountStatus]) -> None:
        """How all the accounts are now."""
        screen = self.screen
        screen.statuses = statuses
        screen.folder_tree.set_accounts(statuses, work_offline=screen.work_offline)
        screen.open_first()
        if not len(screen.model):
            screen.say_why_empty()
            screen.message_list.touch()
        screen.show_status()

    def _list_loaded(self, news: ListLoaded) -> None:
        screen = self.screen
        place = screen.message_list.cursor_place()
        screen.model.load(news.ids, news.changed)
        screen.message_list.loaded(place)
        screen.model.forget_rows()
        screen.list_changed()
        screen.navigation.list_loaded()
        screen.reading.list_changed()

    def _list_changed(self, news: ListChanged) -> None:
        screen = self.screen
        cursor_id = screen.model.cursor_id
        change = screen.model.patch(news.patch)
        screen.message_list.changed(change)
        if change.reload:
            screen.backend.watcher.reload(screen.model.key)
        if change.structure:
            screen.show_titles()
            screen.navigation.list_loaded()
        if change.structure or change.rows:
            screen.reading.list_changed(moved=screen.model.cursor_id != cursor_id)

    def _mailboxes_changed(self, news: MailboxesChanged) -> None:
        screen = self.screen
        mailboxes = screen.folder_tree.mailboxes
        screen.folder_tree.patch(news.upserted, news.removed)
        current = screen.mailbox
        if current is None:
            screen.open_first()
        elif current.id not in mailboxes:
            screen.leave_lost_mailbox()
        else:
            screen.mailbox = mailboxes[current.id]
            if not len(screen.model):
                screen.say_why_empty()
                screen.message_list.touch()
                screen.reading.status_changed()
            if current.name != screen.mailbox.name:
                screen.folder_tree.choose(current.id)
        screen.show_titles()
