"""The files that go along with a message that is being written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from termmail.model.errors import TermmailError
from termmail.model.outgoing import DraftAttachment
from termmail.store.drafts import DraftFolder
from termmail.ui.text import one_line
from termmail.ui.words import size

if TYPE_CHECKING:
    from termmail.ui.screens.composer import ComposerScreen


class Copying:
    """Files on their way into a draft's folder, in a thread of their own: neither a key nor a save waits for it.

    `tell` hands a call over to the user interface's thread. `done` gets what was copied, nothing where it was stopped, or the error.
    """

    def __init__(
        self,
        folder: DraftFolder,
        paths: Sequence[Path],
        tell: Callable[[Callable[[], None]], object],
        progress: Callable[[str], None],
        done: Callable[[tuple[DraftAttachment, ...], TermmailError | None], None],
    ) -> None:
        self._folder = folder
        self._paths = tuple(paths)
        self._tell = tell
        self._progress = progress
        self._done = done
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="attach", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Copy no more; what is copied in part goes."""
        self._stopped = True

    def _run(self) -> None:
        found: list[DraftAttachment] = []
        error: TermmailError | None = None
        try:
            for path in self._paths:
                copied = self._folder.attach(path, progress=self._told(path), should_stop=lambda: self._stopped)
                if copied is None:
                    found.clear()
                    break
                found.append(copied)
        except TermmailError as failed:
            error = failed
        self._tell(lambda: self._done(tuple(found), error))

    def _told(self, path: Path) -> Callable[[int], None]:
        def progress(done: int) -> None:
            words = f"{one_line(path.name)}: {done / 1e6:.0f} MB"
            self._tell(lambda: self._progress(words))

        return progress


class Attaching:
    """The composer's attachments: files are chosen, copied and taken out."""

    def __init__(self, screen: ComposerScreen) -> None:
        self._screen = screen
        self._copying: Copying | None = None
        self._then: Callable[[], None] | None = None

    def attach(self) -> None:
        """Choose files."""
        from termmail.ui.screens.files import FilesScreen

        def chosen(paths: tuple[Path, ...] | None) -> None:
            if paths:
                self._copy(paths)

        if self._copying is not None:
            self._screen.say("A file is just being copied. Esc stops it.")
            return
        self._screen.app.push_screen(FilesScreen(), chosen)

    def when_copied(self, action: Callable[[], None]) -> None:
        """Do something that takes the files along: at once, or when they are copied."""
        if self._copying is None:
            action()
        else:
            self._then = action

    def stop(self) -> bool:
        """Copy no more; whether something was being copied."""
        if self._copying is None:
            return False
        self._copying.stop()
        self._then = None
        return True

    def _copy(self, paths: tuple[Path, ...]) -> None:
        screen = self._screen

        def progress(words: str) -> None:
            if self._copying is copying:
                screen.say(f"Copying {words}. {'It goes on then. ' if self._then else ''}Esc stops it.")

        def done(found: tuple[DraftAttachment, ...], error: TermmailError | None) -> None:
            self._copying = None
            then, self._then = self._then, None
            if error is not None:
                screen.say(error.sentence, "error")
                return
            if not found:
                screen.say("Not attached.")
                return
            screen.change(attachments=(*screen.draft.attachments, *found))
            screen.say(f"Attached {', '.join(one_line(one.name) for one in found)}.")
            if then is not None:
                then()

        copying = Copying(screen.folder, paths, screen.call_later, progress, done)
        self._copying = copying
        screen.say("Copying …")
        copying.start()

    def detach(self) -> None:
        """Take an attachment out."""
        from termmail.ui.screens.choice import Choice, Item

        screen = self._screen
        files = screen.draft.attachments
        if not files:
            screen.say("Nothing is attached.")
            return

        def chosen(place: int | None) -> None:
            if place is None:
                return
            left = tuple(one for number, one in enumerate(files) if number != place)
            screen.change(attachments=left)
            screen.say(f"{one_line(files[place].name)} is not attached any more.")

        items = [Item(one.name, place, size(one.size)) for place, one in enumerate(files)]
        screen.app.push_screen(Choice("Take out", items), chosen)
