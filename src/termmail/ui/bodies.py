"""Bring the text of messages to the message pane: from memory, from the store's cache, or laid out by the render process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from termmail.mime.safe_text import safe_text
from termmail.mime.width import cell_width, cut_cells
from termmail.model.body import Line, Rendered, RenderFailed, Span, Style
from termmail.model.errors import TermmailError
from termmail.model.origin import Origin
from termmail.store.queries import Queries
from termmail.ui.origins import Origins

if TYPE_CHECKING:
    from termmail.mime.worker import RenderWorker

Mode = Literal["text", "html", "source", "headers", "journey"]

_RENDERING = 5
"""Part of the cache's key: renderings of another kind are not found."""
_KEPT = 24
_ORIGINS_KEPT = 200
_LARGEST_KEPT = 256 * 1024
_WORTH_KEEPING = 0.05
_EXPECT_AFTER = 0.025
_SOURCE_LINES = 200_000


class BodyJob(msgspec.Struct, frozen=True):
    """One message, laid out to `width` cells in one mode, with room for its `pictures` and for as many that were `loaded` for it."""

    placement_id: int
    message_id: int
    width: int
    mode: Mode = "text"
    pictures: bool = False
    loaded: int = 0


class Body(msgspec.Struct, frozen=True):
    """The answer: `rendered`, or a `sentence` why it can't be shown, or neither where the message's bytes are not here.

    `origin` is where the message comes from, None where it is gone.
    """

    job: BodyJob
    rendered: Rendered | None = None
    sentence: str = ""
    origin: Origin | None = None


class Bodies:
    """A thread that prepares what is wanted, then what may be wanted next. `tell` is called in that thread."""

    def __init__(
        self,
        queries: Queries,
        tell: Callable[[Body], None],
        keep: Callable[[int, str, bytes], None],
        origins: Origins,
        loaded: Mapping[int, Mapping[str, Path]],
    ) -> None:
        """`loaded` are the files of pictures from elsewhere by URL, for each message whose user asked for them."""
        self._loaded = loaded
        self._queries = queries
        self._origins = origins
        self._tell = tell
        self._keep = keep
        self._wake = threading.Condition()
        self._wanted: BodyJob | None = None
        self._next: BodyJob | None = None
        self._stopping = False
        self._ready: OrderedDict[BodyJob, Body] = OrderedDict()
        self._last_origins: OrderedDict[int, Origin | None] = OrderedDict()
        self._worker: RenderWorker | None = None
        self._thread = threading.Thread(target=self._run, name="bodies", daemon=True)

    def start(self) -> None:
        """Begin; the render process starts with the first message that needs it."""
        self._thread.start()

    def stop(self) -> None:
        """End, also while a message is being laid out."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
            worker = self._worker
        if worker is not None:
            worker.stop()
        if self._thread.is_alive():
            self._thread.join(5)

    def ready(self, job: BodyJob) -> Body | None:
        """The answer if it is in memory."""
        with self._wake:
            body = self._ready.get(job)
            if body is not None:
                self._ready.move_to_end(job)
            return body

    def last_origin(self, placement_id: int) -> Origin | None:
        """Where a message comes from by what was told of it last, its text or not; None where that is not in memory."""
        with self._wake:
            return self._last_origins.get(placement_id)

    def want(self, job: BodyJob) -> None:
        """Prepare this one now; what was wanted before is dropped if it was not begun."""
        with self._wake:
            self._wanted = job
            self._next = None
            self._wake.notify()

    def expect(self, job: BodyJob) -> None:
        """Prepare this one when nothing else is wanted; of one whose text is not here its origin."""
        with self._wake:
            if job not in self._ready:
                self._next = job
                self._wake.notify()

    def _run(self) -> None:
        # Not needed for the first frame.
        from termmail.mime.worker import RenderWorker

        with self._wake:
            if self._stopping:
                return
            self._worker = RenderWorker()
        while (taken := self._take()) is not None:
            job, wanted = taken
            try:
                body = msgspec.structs.replace(self._prepare(job), origin=self._origins.of(job.placement_id))
            except TermmailError as error:
                body = Body(job, sentence=error.sentence)
            with self._wake:
                self._last_origins[job.placement_id] = body.origin
                while len(self._last_origins) > _ORIGINS_KEPT:
                    self._last_origins.popitem(last=False)
                if body.rendered is not None:
                    self._ready[job] = body
                    while len(self._ready) > _KEPT:
                        self._ready.popitem(last=False)
                # That it was not here answers no question that was asked meanwhile: it may just have come.
                if self._wanted == job and (body.rendered is not None or body.sentence):
                    self._wanted = None
                    wanted = True
            if wanted and not self._stopping:
                self._tell(body)

    def _take(self) -> tuple[BodyJob, bool] | None:
        """The next job and whether somebody waits for it; None at the end."""
        with self._wake:
            while not self._stopping:
                if (job := self._wanted) is not None:
                    self._wanted = None
                    return job, True
                if (job := self._next) is not None:
                    # What is only expected waits until the keyboard rests.
                    if self._wake.wait(_EXPECT_AFTER) or self._next is not job:
                        continue
                    self._next = None
                    return job, False
                self._wake.wait()
        return None

    def _prepare(self, job: BodyJob) -> Body:
        if job.mode == "journey":
            from termmail.ui.journey_lines import journey_lines

            way = self._origins.journey(job.placement_id)
            return Body(job) if way is None else Body(job, Rendered(journey_lines(way, job.width), source=job.mode))
        if job.mode in ("source", "headers"):
            raw = self._queries.raw(job.placement_id)
            if raw is None:
                return Body(job)
            lines = source_lines(raw, job.width) if job.mode == "source" else header_lines(raw, job.width)
            return Body(job, Rendered(tuple(lines), source=job.mode))
        # Times are laid out in the zone of this computer.
        zone = time.strftime("%z")
        key = f"{_RENDERING}:{job.mode}:{job.width}:{int(job.pictures)}:{zone}"
        kept = self._queries.rendered(job.message_id, key) if not job.loaded else None
        if kept is not None:
            return Body(job, msgspec.msgpack.decode(kept, type=Rendered))
        path = self._queries.body_path(job.placement_id)
        if path is None:
            return Body(job)
        assert self._worker is not None
        began = time.monotonic()
        rendered = self._worker.render(
            path,
            job.width,
            "html" if job.mode == "html" else "text",
            pictures=job.pictures,
            loaded=self._loaded.get(job.message_id) if job.loaded else None,
        )
        if isinstance(rendered, RenderFailed):
            return Body(job, sentence=rendered.sentence)
        if time.monotonic() - began > _WORTH_KEEPING and not job.loaded:
            data = msgspec.msgpack.encode(rendered)
            if len(data) <= _LARGEST_KEPT:
                self._keep(job.message_id, key, data)
        return Body(job, rendered)


def source_lines(raw: bytes, width: int) -> Iterator[Line]:
    """The message as it came, control characters as marks, cut to `width` cells."""
    from termmail.mime.headers import split_header

    body = split_header(raw)
    position = 0
    count = 0
    for number, piece in enumerate(raw.split(b"\n")):
        text = safe_text(piece.removesuffix(b"\r"), marks=True).replace("\t", "        ").replace("\n", " ")
        style = Style.NOTE if position < body else Style.PLAIN
        position += len(piece) + 1
        while True:
            end = cut_cells(text, width)
            # No line begins with a blank that is not an indentation, so that what goes on can be told from what is set in.
            if text[end : end + 1] == " " and (last := len(text[:end].rstrip(" ")) - 1) > 0:
                end = last
            part, text = text[:end], text[end:]
            yield Line((Span(part, style),) if part else (), wrapped=bool(text), cut=True)
            count += 1
            if not text:
                break
        if count > _SOURCE_LINES:
            yield Line(
                (Span(f"Only the first {number + 1:,} lines are shown. Pipe the message to see it all.", Style.NOTE),)
            )
            return


def header_lines(raw: bytes, width: int) -> Iterator[Line]:
    """All header fields, decoded, one after the other."""
    from termmail.mime.headers import decode_header, header_fields

    for name, value in header_fields(raw):
        shown = safe_text(name, one_line=True)
        text = safe_text(decode_header(value), one_line=True)
        first = True
        while text or first:
            head = f"{shown}: " if first else "    "
            room = max(width - cell_width(head), 8)
            cut = cut_cells(text, room) if text else 0
            if cut < len(text):
                space = text.rfind(" ", cut // 2, cut)
                cut = space + 1 if space > 0 else cut
            yield Line(
                (Span(head, Style.STRONG if first else Style.PLAIN), Span(text[:cut])),
                wrapped=cut < len(text),
                cut=True,
            )
            text = text[cut:]
            first = False
