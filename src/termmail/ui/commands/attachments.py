"""What is done with the parts of a message: looked at, saved, opened, piped, answered with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from termmail.mime.dangers import Danger, danger_of
from termmail.mime.save_names import save_name
from termmail.mime.saving import save_file
from termmail.model.body import Part, Picture
from termmail.model.errors import TermmailError
from termmail.model.message import MessageRow
from termmail.model.outgoing import ReplyKind
from termmail.ui.commands.at_cursor import fetched_row_at_cursor
from termmail.ui.desktop import hand_over
from termmail.ui.pictures import DrawnPicture, DrawnView, PictureJob, ViewJob
from termmail.ui.screens.keyed import hand_key
from termmail.ui.text import one_line
from termmail.ui.threads import call_in_app
from termmail.ui.widgets.message_text import PictureView

if TYPE_CHECKING:
    from termmail.ui.screens.attachments import PartScreen, Wish
    from termmail.ui.screens.main import MainScreen

Found = TypeVar("Found")

_TYPED_TO_OPEN = "open"


class Attachments:
    """Commands on the parts of the message under the cursor. What takes time is done in a thread; the answer comes as a sentence."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen
        self._folder = ""
        self._drawing: dict[PictureJob | ViewJob, PartScreen] = {}

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "attachments": self.show_all,
            "save": self.save_all,
            "enclosed": self.view_enclosed,
            "reply_with_attachments": lambda: self.screen.composing.reply(ReplyKind.SENDER, with_attachments=True),
        }

    # lists

    def show_all(self) -> None:
        """All parts of the message beside its text."""
        self._with_parts(lambda row, parts: self._show_list(row, parts, parts))

    def _show_list(self, row: MessageRow, parts: Sequence[Part], shown: Sequence[Part]) -> None:
        from termmail.ui.screens.attachments import AttachmentsScreen

        if not shown:
            self.screen.say("This message has no attachments.")
            return
        title = f"Attachments of “{one_line(row.subject) or '(no subject)'}”"
        self.screen.app.push_screen(
            AttachmentsScreen(title, shown, lambda wish, part: self._act(row, parts, wish, part))
        )

    def save_all(self) -> None:
        """Ask where, and save the attachments of the message."""
        self._with_parts(self._ask_where_for_all)

    def _ask_where_for_all(self, row: MessageRow, parts: Sequence[Part]) -> None:
        own = _to_save(parts)
        if own:
            self._ask_where(row, parts, own)
        else:
            self.screen.say("This message has no attachments.")

    def view_enclosed(self) -> None:
        """The message that came back with a bounce, or the first one that is enclosed."""

        def chosen(row: MessageRow, parts: Sequence[Part]) -> None:
            pane = self.screen.message_pane
            is_shown = pane.row is not None and pane.row.id == row.id
            wanted = pane.rendered.enclosed if is_shown and pane.rendered is not None else ""
            part = next((one for one in parts if one.part_path == wanted), None) or next(
                (
                    one
                    for one in parts
                    if one.content_type in ("message/rfc822", "message/global", "text/rfc822-headers")
                ),
                None,
            )
            if part is None:
                self.screen.say("This message encloses no other one.")
            else:
                self._view(row, parts, part)

        self._with_parts(chosen)

    def _with_parts(self, then: Callable[[MessageRow, Sequence[Part]], None]) -> None:
        """Do something with the list of parts; keys that come meanwhile are for what opens."""
        screen = self.screen
        row = fetched_row_at_cursor(screen)
        if row is None:
            return
        placement_id = row.id

        def listed(parts: tuple[Part, ...]) -> None:
            held = screen.end_hold()
            then(row, parts)
            for event in held:
                hand_key(screen.app.screen, event)

        def failed(sentence: str) -> None:
            screen.end_hold()
            screen.say(sentence, "error")

        screen.hold()
        self._run(lambda: screen.backend.parts.listed(placement_id), listed, failed)

    # wishes

    def _act(self, row: MessageRow, parts: Sequence[Part], wish: Wish, part: Part) -> None:
        match wish:
            case "view":
                self._view(row, parts, part)
            case "inside":
                inside = [
                    one for one in parts if one.part_path.startswith((f"{part.part_path}.", f"{part.part_path}~"))
                ]
                if inside:
                    self._show_list(row, parts, inside)
            case "save":
                self._ask_where(row, parts, [part])
            case "save_all":
                self._ask_where(row, parts, _to_save(parts) or list(parts))
            case "open":
                self._open(row, parts, part)
            case "pipe":
                self._pipe(row, part)
            case "reply":
                while self.screen.app.screen is not self.screen:
                    self.screen.app.pop_screen()
                self.screen.composing.reply(ReplyKind.SENDER, with_attachments=True)

    def _view(self, row: MessageRow, parts: Sequence[Part], part: Part) -> None:
        from termmail.ui.screens.attachments import PartScreen

        def bring(screen: PartScreen, width: int) -> None:
            self._run(
                lambda: self.screen.backend.parts.view(
                    row.id, part.part_path, width, pictures=self.screen.backend.pictures.drawing != "none"
                ),
                lambda rendered: screen.show(rendered),
                screen.say,
            )

        def draw(screen: PartScreen, picture: Picture, view: PictureView | None) -> None:
            job = PictureJob(row.id, picture.part_path, "", picture.columns, picture.rows)
            if view is not None:
                self._draw_view(screen, job, view)
                return
            self.screen.mail_app.ask_for_pictures()
            self._draws(job, screen)
            if (cells := self.screen.backend.pictures.want(job)) is not None:
                self.picture_drawn(DrawnPicture(job, cells))

        self.screen.app.push_screen(
            PartScreen(
                part,
                bring,
                draw,
                lambda wish, one: self._act(row, parts, wish, one),
                self.screen.handing.follow,
                lambda links, digit: self.screen.handing.follow_number(links, digit, self._say),
            )
        )

    def _draws(self, job: PictureJob | ViewJob, screen: PartScreen) -> None:
        # Not every picture is told of: one that is scrolled away is not drawn.
        self._drawing = {known: one for known, one in self._drawing.items() if one.is_attached}
        self._drawing[job] = screen

    def picture_drawn(self, drawn: DrawnPicture) -> None:
        """A picture is drawn, maybe of a part that is no longer looked at."""
        screen = self._drawing.pop(drawn.job, None)
        if screen is not None and screen.is_attached and drawn.cells is not None:
            screen.show_picture(_picture(drawn.job), drawn.cells)

    def _draw_view(self, screen: PartScreen, picture: PictureJob, view: PictureView) -> None:
        pictures = self.screen.backend.pictures
        if pictures.terminal is not None:
            job = ViewJob(picture, *view, pictures.terminal)
            self._draws(job, screen)
            if (sixels := pictures.want_view(job)) is not None:
                self.view_drawn(DrawnView(job, sixels))

    def view_drawn(self, drawn: DrawnView) -> None:
        """The pixels of what is in view of a picture are there, maybe of a part that is no longer looked at."""
        screen = self._drawing.pop(drawn.job, None)
        if screen is not None and screen.is_attached:
            screen.show_pixels(PictureView(drawn.job.place, drawn.job.first, drawn.job.rows), drawn.sixels)

    def _ask_where(self, row: MessageRow, parts: Sequence[Part], chosen: Sequence[Part]) -> None:
        from termmail.ui.screens.ask import Prompt

        names = [_name(part, parts) for part in chosen]
        what = f"“{names[0]}”" if len(names) == 1 else f"{len(names)} attachments"
        note = (
            "A folder, or a new name in one. Nothing that is there is overwritten."
            if len(names) == 1
            else ("A folder. Nothing that is there is overwritten.")
        )

        def answered(typed: str | None) -> None:
            if typed is not None and typed.strip():
                self._save(row, list(zip(chosen, names, strict=True)), typed.strip())

        self.screen.app.push_screen(Prompt(f"Save {what} in", value=self._folder or _downloads(), note=note), answered)

    def _save(self, row: MessageRow, chosen: list[tuple[Part, str]], typed: str) -> None:
        # That of Path raises where there is no such user.
        folder = Path(os.path.expanduser(typed)).absolute()  # noqa: PTH111
        if len(chosen) == 1 and not _is_folder(folder) and _is_folder(folder.parent) and not typed.endswith("/"):
            chosen = [(chosen[0][0], save_name(folder.name))]
            folder = folder.parent
        else:
            self._folder = typed
        if not _is_folder(folder):
            self._say(f"There is no folder {folder}. Make it first, or name another one.", "error")
            return

        def save() -> list[Path]:
            return [
                save_file(folder, name, self.screen.backend.parts.take(row.id, part.part_path)) for part, name in chosen
            ]

        def saved(paths: list[Path]) -> None:
            if len(paths) == 1:
                self._say(f"Saved as {_short(paths[0])}.")
            else:
                self._say(f"Saved {len(paths)} attachments in {_short(folder)}.")

        self._say("Saving …")
        self._run(save, saved)

    def _open(self, row: MessageRow, parts: Sequence[Part], part: Part) -> None:
        """With the system's program, after a question where that may run something (A3)."""
        from termmail.ui.screens.ask import Ask, Prompt

        name = _name(part, parts)
        app = self.screen.app

        def taken(data: bytes) -> None:
            def confirmed(yes: bool | None) -> None:
                if yes:
                    self._hand_over(name, data)

            def typed(word: str | None) -> None:
                if word is not None and word.strip().lower() == _TYPED_TO_OPEN:
                    self._hand_over(name, data)
                elif word is not None:
                    self._say("It was not opened.")

            match danger_of(name, part.content_type, data):
                case Danger.PROGRAM:
                    app.push_screen(
                        Prompt(
                            f"“{name}” is a program, or can run one",
                            note=f"Opening it may do anything to this computer. Type {_TYPED_TO_OPEN} to open it all the same.",
                        ),
                        typed,
                    )
                case Danger.PAGE:
                    question = f"Open “{name}” in the browser? It may load what it refers to and tell its sender that you read it."
                    app.push_screen(Ask(question, "Open"), confirmed)
                case Danger.NONE:
                    self._hand_over(name, data)

        self._say("Opening …")
        self._run(lambda: self.screen.backend.parts.take(row.id, part.part_path), taken)

    def _hand_over(self, name: str, data: bytes) -> None:
        try:
            path = self.screen.backend.opened.copy(name, data)
        except OSError as error:
            self._say(f"“{name}” could not be copied for another program: {error.strerror}.", "error")
            return
        app = self.screen.app

        def failed(sentence: str) -> None:
            call_in_app(app, self._say, f"{sentence} s saves it instead.", "error")

        handed = hand_over(str(path), failed, path.parent)
        if handed.done:
            self._say(f"“{name}” was given to {handed.words}; its copy goes when termmail ends.")
        else:
            failed(handed.words)

    def _pipe(self, row: MessageRow, part: Part) -> None:
        self._run(
            lambda: self.screen.backend.parts.take(row.id, part.part_path),
            lambda data: self.screen.handing.pipe_data(data, "The attachment is its input."),
        )

    # threads and words

    def _run(
        self, work: Callable[[], Found], done: Callable[[Found], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """Do something in a thread, then go on with what came of it; an error is said."""
        app = self.screen.app
        tell = failed or (lambda sentence: self._say(sentence, "error"))

        def run() -> None:
            try:
                found = work()
            except TermmailError as error:
                call_in_app(app, tell, error.sentence)
            else:
                call_in_app(app, done, found)

        threading.Thread(target=run, name="parts", daemon=True).start()

    def _say(self, sentence: str, tone: str = "text") -> None:
        """In the status line, and on what lies above it."""
        from termmail.ui.screens.attachments import AttachmentsScreen, PartScreen

        self.screen.say(sentence, tone)
        top = self.screen.app.screen
        if isinstance(top, AttachmentsScreen | PartScreen):
            top.tell(sentence)


def _picture(job: PictureJob) -> Picture:
    return Picture(job.part_path, "", job.columns, job.rows)


def _to_save(parts: Sequence[Part]) -> list[Part]:
    """The attachments of the message itself, not those of messages that are enclosed, which are saved as a whole."""
    mails = [part.part_path for part in parts if part.content_type.startswith("message/")]
    return [
        part for part in parts if part.is_attachment and not any(part.part_path.startswith(f"{one}.") for one in mails)
    ]


def _name(part: Part, parts: Sequence[Part]) -> str:
    return save_name(part.filename, part.content_type, list(parts).index(part) + 1)


def _is_folder(path: Path) -> bool:
    """Also False where that can't be told: a name that is too long, or a folder that may not be looked into."""
    return os.path.isdir(path)  # noqa: PTH112


def _downloads() -> str:
    return "~/Downloads" if _is_folder(Path.home() / "Downloads") else "~"


def _short(path: Path) -> str:
    """A path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)
