"""Rendering and taking apart in a warm process of its own, with a deadline and limits, so that no mail can hold up the user
interface (P5, P6).

The front end makes one `RenderWorker` and calls `render` from a thread. What is heavy (html2text, selectolax) is imported in
the child only. The child reads requests from its stdin and writes answers to its stdout, each a four byte length and MessagePack.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import resource
import select
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

import msgspec

from termmail.model.body import Part, Pixels, Rendered, RenderFailed

DEADLINE = 2.0
PART_DEADLINE = 8.0
"""For one part that somebody asked to see or to save, which may be a long PDF; large messages get more, a second for each 4 MB."""
_BYTES_A_SECOND = 4_000_000
_BUSY_MACHINE = 4.0
"""On a machine that does other things a deadline, which is seconds of the processor, may be so many times as long by the clock."""
MAX_MEMORY = 512 * 1024 * 1024
_SHORTEST_WAIT = 0.01
_START_DEADLINE = 20.0
_IDLE = 2.0
_MAX_FRAME = 512 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_PIECE = 256 * 1024
_KEPT_VARIABLES = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "TMPDIR",
)  # fmt: skip

_STOPPED = "stopped"
_STILL_SAVED = "The whole message can still be piped to a program."

_log = logging.getLogger(__name__)


class _Request(msgspec.Struct, frozen=True):
    """What to do with a message: its bytes, or the path of a file with them."""

    raw: bytes | None
    path: str
    seconds: float
    task: Literal["render", "list", "view", "take", "page", "picture"] = "render"
    part_path: str = ""
    width: int = 0
    prefer: Literal["text", "html"] = "text"
    stripped: bool = False
    height: int = 0
    pictures: bool = False
    loaded: dict[str, str] = {}
    with_remote: bool = False


class _Parts(msgspec.Struct, frozen=True, tag="parts"):
    parts: tuple[Part, ...]


class _Content(msgspec.Struct, frozen=True, tag="content"):
    data: bytes


_Answer = Rendered | RenderFailed | Pixels | _Parts | _Content


class RenderWorker:
    """A child process that renders one message at a time. It starts with the first use, or with `start`, and again after a kill.

    May be used from several threads; they wait for each other. `stop` ends it, also while another thread waits for an answer.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process_lock = threading.Lock()
        self._child: _Child | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the child without waiting for it, so that it is warm when it is needed."""
        with self._process_lock:
            self._stopped.clear()
            if self._child is None:
                self._child = _Child()

    def stop(self) -> None:
        """End the child; whoever waits for an answer gets a RenderFailed. Only `start` begins anew."""
        with self._process_lock:
            self._stopped.set()
            child, self._child = self._child, None
        if child is not None:
            child.process.kill()
            # The pipes are closed when no other thread reads from them any more.
            with self._turn:
                child.close()

    def render(
        self,
        message: bytes | Path,
        width: int,
        prefer: Literal["text", "html"] = "text",
        *,
        pictures: bool = False,
        loaded: Mapping[str, Path] | None = None,
        deadline: float = DEADLINE,
    ) -> Rendered | RenderFailed:
        """The message laid out to `width` cells, or a sentence why not. `message` is its bytes or the file that holds them.

        With `pictures` those of the message get room, and those that were `loaded`: the files of their URLs.
        After `deadline` seconds of the processor the child is killed and the message tried once more without the layout of its HTML.
        Blocks for about twice the deadline, on a machine that is busy up to four times as long, and the start of a child: call it
        from a thread.
        """
        raw, path = _source(message)
        with self._turn:
            answer: _Answer | None = None
            for stripped in (False, True):
                request = _Request(
                    raw, path, deadline, width=width, prefer=prefer, stripped=stripped, pictures=pictures,
                    loaded={url: str(file) for url, file in (loaded or {}).items()},
                )  # fmt: skip
                answer = self._ask(request)
                if answer is not None:
                    break
        if answer is None:
            answer = RenderFailed(
                f"Laying out this message took more than {deadline:g} seconds and was given up. Its source can still be shown.",
                "deadline",
            )
        if isinstance(answer, RenderFailed):
            if answer.detail != _STOPPED:
                _log.warning("A message could not be rendered: %s", answer.detail)
            return answer
        assert isinstance(answer, Rendered)
        return answer

    def list_parts(self, message: bytes, *, deadline: float = PART_DEADLINE) -> tuple[Part, ...] | RenderFailed:
        """What the message holds beside its text (`mime.parts.listed_parts`), not yet safe, or a sentence why it can't be told."""
        answer = self._ask_for_part(message, "list", deadline)
        return answer.parts if isinstance(answer, _Parts) else _failed(answer)

    def view_part(
        self, message: bytes, part_path: str, width: int, *, pictures: bool = False, deadline: float = PART_DEADLINE
    ) -> Rendered | RenderFailed:
        """One part laid out to `width` cells (`mime.part_view`), or a sentence why not."""
        answer = self._ask_for_part(message, "view", deadline, part_path, width, pictures=pictures)
        return answer if isinstance(answer, Rendered) else _failed(answer)

    def take_part(self, message: bytes, part_path: str, *, deadline: float = PART_DEADLINE) -> bytes | RenderFailed:
        """The decoded bytes of one part, or a sentence why they can't be had."""
        answer = self._ask_for_part(message, "take", deadline, part_path)
        return answer.data if isinstance(answer, _Content) else _failed(answer)

    def browser_page(self, message: bytes | Path, *, with_remote: bool = False) -> bytes | RenderFailed:
        """The message's HTML as a page for the browser (`mime.browser_page`), or a sentence why there is none."""
        raw, path = _source(message)
        with self._turn:
            answer = self._ask(_Request(raw, path, DEADLINE, "page", with_remote=with_remote))
        if isinstance(answer, _Content) and answer.data:
            return answer.data
        if isinstance(answer, _Content):
            return RenderFailed("This message has no HTML, or too much of it, so there is no page for the browser.")
        return (
            answer
            if isinstance(answer, RenderFailed)
            else RenderFailed("This HTML takes too long to clean.", "deadline")
        )

    def picture(self, message: bytes | Path, part_path: str, width: int, height: int) -> Pixels | None:
        """The picture in a part, or in the file itself where `part_path` is empty, scaled; None where it can't be shown (P5)."""
        raw, path = _source(message)
        with self._turn:
            answer = self._ask(_Request(raw, path, DEADLINE, "picture", part_path, width, height=height))
        return answer if isinstance(answer, Pixels) else None

    def _ask_for_part(
        self,
        message: bytes,
        task: Literal["list", "view", "take"],
        deadline: float,
        part_path: str = "",
        width: int = 0,
        *,
        pictures: bool = False,
    ) -> _Answer:
        """As `render` about a part; what went wrong is told in the words of a part."""
        deadline += len(message) / _BYTES_A_SECOND
        with self._turn:
            answer = self._ask(_Request(message, "", deadline, task, part_path, width, pictures=pictures))
        if answer is None:
            answer = RenderFailed("", "deadline")
        if not isinstance(answer, RenderFailed):
            return answer
        _log.warning("A part of a message could not be read: %s", answer.detail)
        if answer.detail == "deadline":
            return RenderFailed(
                f"This took more than {deadline:.0f} seconds and was given up. {_STILL_SAVED}", "deadline"
            )
        return (
            answer
            if answer.detail.startswith((_STOPPED, "not started"))
            else RenderFailed(f"This part can't be read. {_STILL_SAVED}", answer.detail)
        )

    def _ask(self, request: _Request) -> _Answer | None:
        """The child's answer; None where it did not come in time, which ends the child."""
        with self._process_lock:
            if self._stopped.is_set():
                return RenderFailed("Rendering was stopped.", _STOPPED)
            try:
                if self._child is None:
                    self._child = _Child()
            except OSError as error:
                return RenderFailed(
                    f"The program that lays out mail could not be started: {error.strerror}. Try again when less is running.",
                    f"not started: {type(error).__name__}",
                )
            child = self._child
        answer: _Answer | None = None
        try:
            answer = child.ask(request)
        except TimeoutError:
            pass
        except (EOFError, OSError, msgspec.DecodeError) as error:
            answer = RenderFailed(
                "This message could not be laid out: it needed more memory or time than it may. Its source can still be shown.",
                f"the render process ended: {type(error).__name__}",
            )
            if self._stopped.is_set():
                answer = RenderFailed("Rendering was stopped.", _STOPPED)
        if answer is None or (isinstance(answer, RenderFailed) and not answer.detail.startswith("raised")):
            with self._process_lock:
                if self._child is child:
                    self._child = None
                    child.close()
                    # So that it is warm for the next one, which says why where that can't be.
                    with suppress(OSError):
                        self._child = _Child()
        return answer


class _Child:
    """One process and the pipes to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "termmail.mime.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            env=_environment(os.environ),
        )
        self.ready = False
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)

    def ask(self, request: _Request) -> _Answer:
        """One request and its answer. Raises TimeoutError, and EOFError or OSError where the child ended."""
        if not self.ready:
            self._exchange(b"", _START_DEADLINE)
            self.ready = True
        data = msgspec.msgpack.encode(request)
        answer = self._exchange(_LENGTH.pack(len(data)) + data, request.seconds)
        decoded: _Answer = msgspec.msgpack.decode(answer, type=_Answer)
        return decoded

    def close(self) -> None:
        """End the process at once and give back its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _exchange(self, data: bytes, seconds: float) -> bytes:
        """Write `data` and read one frame, whichever the child is ready for, in so many seconds of the processor."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None or stdout.closed:
            raise EOFError
        unsent = memoryview(data)
        received = bytearray()
        began, used = time.monotonic(), _processor_seconds(self.process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(stdin, selectors.EVENT_WRITE)
            while True:
                passed = time.monotonic() - began
                left = seconds - passed
                if left <= 0 and passed < seconds * _BUSY_MACHINE:
                    left = seconds - (_processor_seconds(self.process.pid) - used)
                if left <= 0:
                    raise TimeoutError
                for key, _ in selector.select(max(left, _SHORTEST_WAIT)):
                    if key.fileobj is stdin:
                        unsent = unsent[os.write(key.fd, unsent[:_PIECE]) :]
                        if not unsent:
                            selector.unregister(stdin)
                        continue
                    piece = os.read(key.fd, _PIECE)
                    if not piece:
                        raise EOFError
                    received += piece
                if len(received) >= _LENGTH.size:
                    (length,) = _LENGTH.unpack_from(received)
                    if len(received) >= _LENGTH.size + length:
                        return bytes(received[_LENGTH.size :])


def _processor_seconds(pid: int) -> float:
    """What a process has used of the processor; where the system does not tell, the time."""
    try:
        # Linux's clock of another process, clock_getcpuclockid(3).
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return time.monotonic()


def _source(message: bytes | Path) -> tuple[bytes | None, str]:
    return (message, "") if isinstance(message, bytes) else (None, str(message))


def _failed(answer: _Answer) -> RenderFailed:
    """The failure that an answer is; any other was not asked for."""
    return (
        answer
        if isinstance(answer, RenderFailed)
        else RenderFailed(f"This part can't be read. {_STILL_SAVED}", "mixed up")
    )


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the child needs of the environment, and no secret that may be in the rest (C2)."""
    return {name: environment[name] for name in _KEPT_VARIABLES if name in environment}


def _limit(kind: int, soft: int, hard: int) -> None:
    # Some systems refuse some limits (macOS RLIMIT_AS); the parent's deadline holds there alone.
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (soft, hard))


def _answer(request: _Request) -> _Answer:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + request.seconds) + 2
    _limit(resource.RLIMIT_CPU, seconds, resource.RLIM_INFINITY)
    try:
        raw = request.raw if request.raw is not None else Path(request.path).read_bytes()
        return _carried_out(request, raw)
    except OSError as error:
        return RenderFailed(
            f"The file with this message cannot be read: {error.strerror}.", f"raised {type(error).__name__}"
        )
    except MemoryError:
        return RenderFailed(
            "This message needs more memory than it may to be laid out. Its source can still be shown.", "memory"
        )
    except Exception as error:  # noqa: BLE001 - whatever a mail provokes is answered; the rest of the mail must stay readable
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return RenderFailed(
            "This message cannot be shown because of a mistake in termmail. Its source can still be shown.",
            f"raised {type(error).__name__} at {place}",
        )


def _carried_out(request: _Request, raw: bytes) -> _Answer:
    from termmail.mime.parts import listed_parts, part_bytes
    from termmail.mime.render import render_message

    match request.task:
        case "list":
            return _Parts(listed_parts(raw))
        case "take":
            return _Content(part_bytes(raw, request.part_path))
        case "view":
            from termmail.mime.part_view import view_part

            return view_part(raw, request.part_path, width=request.width, pictures=request.pictures)
        case "page":
            from termmail.mime.browser_page import browser_page

            return _Content(browser_page(raw, with_remote=request.with_remote) or b"")
        case "picture":
            from termmail.mime.pixels import decode_picture

            data = part_bytes(raw, request.part_path) if request.part_path else raw
            decoded = decode_picture(data, request.width, request.height)
            return decoded if decoded is not None else RenderFailed("This picture can't be shown.", "raised nothing")
        case "render":
            return render_message(
                raw,
                width=request.width,
                prefer=request.prefer,
                stripped=request.stripped,
                pictures=request.pictures,
                loaded=request.loaded,
            )


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    return data if data is not None and len(data) == size else b""


def _write(stream: BinaryIO, data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def main() -> None:
    """The child: limits, warm-up, then requests until stdin ends."""
    import termmail.mime.render

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(resource.RLIMIT_AS, MAX_MEMORY, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_FSIZE, 0, 0)
    termmail.mime.render.render_message(b"Content-Type: text/html\n\n<p>warm</p>", width=80)
    # What is imported stays: looking through it for garbage would take a tenth of the time of every large mail.
    gc.collect()
    gc.freeze()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    _write(stdout, b"")
    # What few mails need is loaded when nobody has asked for anything for a while: then an invitation opens as fast as any.
    if not select.select([stdin], [], [], _IDLE)[0]:
        importlib.import_module("icalendar")
    while header := _read(stdin, _LENGTH.size):
        (length,) = _LENGTH.unpack(header)
        if length > _MAX_FRAME:
            return
        request = msgspec.msgpack.decode(_read(stdin, length), type=_Request)
        _write(stdout, msgspec.msgpack.encode(_answer(request)))


if __name__ == "__main__":
    main()
