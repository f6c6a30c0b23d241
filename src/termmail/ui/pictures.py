"""Pictures of mails, drawn in the terminal: decoded by a process of their own, and turned into cells in a thread.

Loading those from elsewhere is a function that the program is given; without it, and unless it is called, nothing is loaded (T18).
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from rich.segment import Segment

from termmail.model.body import Pixels
from termmail.model.errors import TermmailError
from termmail.store.queries import Queries
from termmail.ui.desktop import OpenedFiles
from termmail.ui.driver import cell_size
from termmail.ui.kitty import MOST_CELLS, PictureNames, placeholders, transmission
from termmail.ui.sixel import IndexedPicture, SixelTerminal, indexed, sixels

if TYPE_CHECKING:
    from termmail.mime.worker import RenderWorker

Drawing = Literal["none", "blocks", "sixel", "kitty"]
"""How pictures are drawn: not at all, in half blocks, in sixels over these, or by kitty's protocol."""
Fetch = Callable[[Sequence[str], Path, str], Mapping[str, Path]]
"""Loads pictures into a folder, through a proxy where there is one; what could be had, by URL. Blocks, and may raise TermmailError."""

Cells = tuple[tuple[Segment, ...], ...]
Key = TypeVar("Key")
Value = TypeVar("Value")
_KEPT = 40
_VIEWS_KEPT = 12
_INDEXED_KEPT = 4
_KITTY_PIXELS = (10, 20)


def drawing_of(environment: Mapping[str, str], *, colours: bool) -> Drawing:
    """The best way in which this terminal may draw pictures. For more than half blocks in colour it is to be asked first.

    Inside tmux and screen there is no more: what they say of sixel does not hold for every terminal that shows them.
    """
    if not colours:
        return "none"
    inside = "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux"))
    is_kitty = "KITTY_WINDOW_ID" in environment or environment.get("TERM") in ("xterm-kitty", "xterm-ghostty")
    return "blocks" if inside else "kitty" if is_kitty else "sixel"


class PictureJob(msgspec.Struct, frozen=True):
    """A picture of a message, in a part or in a file that was loaded, and the cells it takes."""

    placement_id: int
    part_path: str
    file: str
    columns: int
    rows: int


class DrawnPicture(msgspec.Struct, frozen=True):
    """The answer: the cells of each row, or None where the picture can't be shown; `transmission` is sent to the terminal before.
    `for_kitty` says that the terminal was known to have kitty's protocol."""

    job: PictureJob
    cells: Cells | None
    transmission: str = ""
    for_kitty: bool = False


class ViewJob(msgspec.Struct, frozen=True):
    """Of the picture at a place of its text `rows` rows of cells from `first` on, in the pixels of a terminal."""

    picture: PictureJob
    place: int
    first: int
    rows: int
    terminal: SixelTerminal


class DrawnView(msgspec.Struct, frozen=True):
    """The answer: the control sequence that draws them where the cursor is, empty where it can't be done."""

    job: ViewJob
    sixels: str


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
        best: Drawing,
        tell: Callable[[DrawnPicture | DrawnView | LoadedPictures], None],
    ) -> None:
        self.best = best
        self.terminal: SixelTerminal | None = None
        self._has_kitty = False
        self._names = PictureNames(secrets.randbelow(256))
        self.loaded: dict[int, dict[str, Path]] = {}
        self._queries = queries
        self._files = files
        self._tell = tell
        self._wake = threading.Condition()
        self._wanted: deque[PictureJob | ViewJob] = deque()
        self._ready: OrderedDict[PictureJob, DrawnPicture] = OrderedDict()
        self._views: OrderedDict[ViewJob, DrawnView] = OrderedDict()
        self._indexed: OrderedDict[tuple[PictureJob, SixelTerminal], IndexedPicture | None] = OrderedDict()
        self._worker: RenderWorker | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def drawing(self) -> Drawing:
        """How pictures are drawn as far as the terminal has told what it can."""
        if self.best == "none":
            return "none"
        return "kitty" if self._has_kitty else "sixel" if self.terminal is not None else "blocks"

    def is_current(self, drawn: DrawnPicture | DrawnView) -> bool:
        """Whether it was drawn for what the terminal is known to be now. What was not is drawn again."""
        if isinstance(drawn, DrawnView):
            return drawn.job.terminal == self.terminal
        return drawn.for_kitty == self._has_kitty

    def use_kitty(self) -> None:
        """Draw by kitty's protocol from now on. The terminal has none of the pictures that were drawn before."""
        with self._wake:
            self._has_kitty = True
            self._ready.clear()

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
            self._begin(job)
        return None

    def want_view(self, job: ViewJob) -> str | None:
        """The control sequence if it is in memory; otherwise it is told when it is made. Others of the same place are not needed."""
        with self._wake:
            drawn = self._views.get(job)
            if drawn is not None:
                self._views.move_to_end(job)
                return drawn.sixels
            self._wanted = deque(other for other in self._wanted if not _in_place_of(job, other))
            self._begin(job)
        return None

    def _begin(self, job: PictureJob | ViewJob) -> None:
        """Called with the lock."""
        if job not in self._wanted:
            self._wanted.append(job)
            self._wake.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
            self._thread.start()

    def forget_others(self, placement_id: int) -> None:
        """This message is shown: what was not begun of others is not needed any more."""
        with self._wake:
            self._wanted = deque(job for job in self._wanted if _picture_of(job).placement_id == placement_id)

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
            drawn = self._drawn(job, self._worker)
            with self._wake:
                if isinstance(drawn, DrawnView):
                    _keep(self._views, drawn.job, drawn, _VIEWS_KEPT)
                elif self.is_current(drawn):
                    _keep(self._ready, drawn.job, drawn, _KEPT)
            self._tell(drawn)

    def _take(self) -> PictureJob | ViewJob | None:
        with self._wake:
            while not self._stopping:
                if self._wanted:
                    return self._wanted.popleft()
                self._wake.wait()
        return None

    def _drawn(self, job: PictureJob | ViewJob, worker: RenderWorker) -> DrawnPicture | DrawnView:
        if isinstance(job, ViewJob):
            height = job.terminal.cell_height
            picture = self._indexed_picture(job, worker)
            return DrawnView(job, sixels(picture, job.first * height, job.rows * height) if picture is not None else "")
        for_kitty = self._has_kitty
        by_kitty = for_kitty and max(job.columns, job.rows) <= MOST_CELLS
        pixels = self._pixels(job, *((cell_size() or _KITTY_PIXELS) if by_kitty else (1, 2)), worker)
        if pixels is None:
            return DrawnPicture(job, None, for_kitty=for_kitty)
        if not by_kitty:
            return DrawnPicture(job, tuple(_half_blocks(pixels, job.columns, job.rows)), for_kitty=for_kitty)
        name = self._names.next()
        cells = tuple(placeholders(name, job.columns, job.rows))
        return DrawnPicture(job, cells, transmission(pixels, name, job.columns, job.rows), for_kitty)

    def _indexed_picture(self, job: ViewJob, worker: RenderWorker) -> IndexedPicture | None:
        key = job.picture, job.terminal
        if key not in self._indexed:
            pixels = self._pixels(job.picture, job.terminal.cell_width, job.terminal.cell_height, worker)
            found = None if pixels is None else indexed(pixels, job.terminal.colours)
            _keep(self._indexed, key, found, _INDEXED_KEPT)
        return self._indexed[key]

    def _pixels(self, job: PictureJob, wide: int, high: int, worker: RenderWorker) -> Pixels | None:
        """The picture decoded, with cells of so many pixels."""
        try:
            message = Path(job.file) if job.file else self._queries.body_path(job.placement_id)
        except TermmailError:
            # The store tells so itself wherever it is read next.
            return None
        return None if message is None else worker.picture(message, job.part_path, job.columns * wide, job.rows * high)


def _picture_of(job: PictureJob | ViewJob) -> PictureJob:
    return job.picture if isinstance(job, ViewJob) else job


def _in_place_of(job: ViewJob, other: PictureJob | ViewJob) -> bool:
    return isinstance(other, ViewJob) and (other.picture, other.place) == (job.picture, job.place)


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Add to a memory of at most so many, which begins with what was needed longest ago."""
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


_drawing = threading.Lock()


def _half_blocks(pixels: Pixels, columns: int, rows: int) -> Iterator[tuple[Segment, ...]]:
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
        finally:
            sys.__stdout__ = terminal  # type: ignore[misc]
        get_cell_size._result = CellSize(*(cell_size() or _KITTY_PIXELS))  # type: ignore[attr-defined]
    console = Console(width=columns, height=rows, force_terminal=True, color_system="truecolor")
    options = console.options.update(width=columns, height=rows)
    for line in Segment.split_lines(console.render(HalfBlocks(picture, columns, rows), options)):
        if line:
            yield tuple(Segment.simplify(line))
