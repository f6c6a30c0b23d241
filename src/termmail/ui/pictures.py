"""Pictures of mails, drawn in the terminal: decoded by a process of their own, and turned into cells in a thread.

Loading those from elsewhere is a function that the program is given; without it, and unless it is called, nothing is loaded (T18).
"""

from __future__ import annotations

import fcntl
import struct
import sys
import termios
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from rich.segment import Segment

from termmail.model.body import Pixels
from termmail.model.errors import TermmailError
from termmail.store.queries import Queries
from termmail.ui.desktop import OpenedFiles

if TYPE_CHECKING:
    from rich.console import Console

    from termmail.mime.worker import RenderWorker

Drawing = Literal["none", "blocks", "kitty"]
Fetch = Callable[[Sequence[str], Path, str], Mapping[str, Path]]
"""Loads pictures into a folder, through a proxy where there is one; what could be had, by URL. Blocks, and may raise TermmailError."""

Cells = tuple[tuple[Segment, ...], ...]
_KEPT = 40
_KITTY_PIXELS = (10, 20)


def drawing_of(environment: Mapping[str, str], *, colours: bool) -> Drawing:
    """How this terminal shows pictures: by kitty's protocol where it surely has it, otherwise by half blocks in colour."""
    if not colours:
        return "none"
    inside = "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux"))
    is_kitty = "KITTY_WINDOW_ID" in environment or environment.get("TERM") in ("xterm-kitty", "xterm-ghostty")
    return "kitty" if is_kitty and not inside else "blocks"


class PictureJob(msgspec.Struct, frozen=True):
    """A picture of a message, in a part or in a file that was loaded, and the cells it takes."""

    placement_id: int
    part_path: str
    file: str
    columns: int
    rows: int


class DrawnPicture(msgspec.Struct, frozen=True):
    """The answer: the cells of each row, or None where the picture can't be shown."""

    job: PictureJob
    cells: Cells | None


class LoadedPictures(msgspec.Struct, frozen=True):
    """Pictures from elsewhere were asked for: how many of how many could be had, or why none."""

    message_id: int
    count: int
    wanted: int
    sentence: str = ""


class Pictures:
    """A thread that decodes and draws. `tell` is called in it, and in one that loads."""

    def __init__(
        self,
        queries: Queries,
        files: OpenedFiles,
        drawing: Drawing,
        tell: Callable[[DrawnPicture | LoadedPictures], None],
    ) -> None:
        self.drawing = drawing
        self.loaded: dict[int, dict[str, Path]] = {}
        self._queries = queries
        self._files = files
        self._tell = tell
        self._wake = threading.Condition()
        self._wanted: deque[PictureJob] = deque()
        self._ready: OrderedDict[PictureJob, DrawnPicture] = OrderedDict()
        self._worker: RenderWorker | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def stop(self) -> None:
        """End, also while a picture is being decoded."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
            worker, thread = self._worker, self._thread
        if worker is not None:
            worker.stop()
        if thread is not None:
            thread.join(5)

    def want(self, job: PictureJob) -> Cells | None:
        """The cells if they are in memory; otherwise they are told when they are drawn."""
        with self._wake:
            drawn = self._ready.get(job)
            if drawn is not None:
                self._ready.move_to_end(job)
                return drawn.cells
            if job not in self._wanted:
                self._wanted.append(job)
                self._wake.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
                self._thread.start()
        return None

    def forget_others(self, placement_id: int) -> None:
        """This message is shown: what was not begun of others is not needed any more."""
        with self._wake:
            self._wanted = deque(job for job in self._wanted if job.placement_id == placement_id)

    def load(self, message_id: int, urls: Sequence[str], fetch: Fetch, proxy: str) -> None:
        """Load pictures from elsewhere, in a thread; they are told when they are there."""

        def run() -> None:
            try:
                found = fetch(urls, self._files.folder(), proxy)
            except TermmailError as error:
                self._tell(LoadedPictures(message_id, 0, len(urls), error.sentence))
                return
            except OSError as error:
                self._tell(
                    LoadedPictures(message_id, 0, len(urls), f"Pictures can't be kept on this disk: {error.strerror}.")
                )
                return
            self.loaded[message_id] = {**self.loaded.get(message_id, {}), **found}
            self._tell(LoadedPictures(message_id, len(found), len(urls)))

        threading.Thread(target=run, name="loading pictures", daemon=True).start()

    def _run(self) -> None:
        from termmail.mime.worker import RenderWorker

        with self._wake:
            if self._stopping:
                return
            self._worker = RenderWorker()
        while (job := self._take()) is not None:
            drawn = DrawnPicture(job, self._draw(job, self._worker))
            with self._wake:
                self._ready[job] = drawn
                while len(self._ready) > _KEPT:
                    self._ready.popitem(last=False)
            self._tell(drawn)

    def _take(self) -> PictureJob | None:
        with self._wake:
            while not self._stopping:
                if self._wanted:
                    return self._wanted.popleft()
                self._wake.wait()
        return None

    def _draw(self, job: PictureJob, worker: RenderWorker) -> Cells | None:
        try:
            message = Path(job.file) if job.file else self._queries.body_path(job.placement_id)
        except TermmailError:
            # The store tells so itself wherever it is read next.
            return None
        if message is None:
            return None
        wide, high = _KITTY_PIXELS if self.drawing == "kitty" else (1, 2)
        pixels = worker.picture(message, job.part_path, job.columns * wide, job.rows * high)
        return None if pixels is None else tuple(_cells(pixels, job.columns, job.rows, self.drawing))


_drawing = threading.Lock()


def _cells(pixels: Pixels, columns: int, rows: int, drawing: Drawing) -> Iterator[tuple[Segment, ...]]:
    """The rows of a picture as textual-image draws it."""
    from PIL import Image
    from rich.console import Console

    picture = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    with _drawing:
        # Its package asks the terminal what it can when it is imported, and would take the answer from the keyboard's thread.
        terminal, sys.__stdout__ = sys.__stdout__, None  # type: ignore[misc]
        try:
            from textual_image._terminal import CellSize, get_cell_size
            from textual_image.renderable.halfcell import Image as HalfBlocks
            from textual_image.renderable.tgp import Image as Kitty
        finally:
            sys.__stdout__ = terminal  # type: ignore[misc]
        get_cell_size._result = CellSize(*_cell_size())  # type: ignore[attr-defined]
    console = Console(width=columns, height=rows, force_terminal=True, color_system="truecolor")
    shown = Kitty(picture, columns, rows) if drawing == "kitty" else HalfBlocks(picture, columns, rows)
    yield from _lines(shown, console, columns, rows)


def _lines(shown: object, console: Console, columns: int, rows: int) -> Iterator[tuple[Segment, ...]]:
    options = console.options.update(width=columns, height=rows)
    for line in Segment.split_lines(console.render(shown, options)):  # type: ignore[arg-type]
        if line:
            yield tuple(Segment.simplify(line))


def _cell_size() -> tuple[int, int]:
    """The size of a cell of the terminal in pixels, where it tells that without being asked."""
    try:
        answer = fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return _KITTY_PIXELS
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if not (rows and columns and width and height):
        return _KITTY_PIXELS
    return max(1, width // columns), max(1, height // rows)
