"""Jobs of the setup process and slow calls, in threads; their news come to the screen as messages."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from textual.message import Message
from textual.message_pump import MessagePump

from termmail.model.errors import Cancelled, TermmailError
from termmail.setup.child import Request, SetupJob
from termmail.ui.threads import tell


class Done:
    """The job has ended; `result` is what a call returned."""

    def __init__(self, result: object = None) -> None:
        self.result = result


class Jobs:
    """Starts jobs for a screen. Each has a number, by which it knows its news from those of an older one."""

    class Told(Message):
        """News of a job: a report, a TermmailError, or Done at the end."""

        def __init__(self, job: int, news: object) -> None:
            super().__init__()
            self.job = job
            self.news = news

    def __init__(self, screen: MessagePump) -> None:
        self._screen = screen
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._running: dict[int, SetupJob] = {}
        self._stopped: set[int] = set()

    def start(self, request: Request, *, instead_of: int = 0) -> int:
        """Begin a job in a process of its own; the one it replaces ends. Returns its number."""
        self.stop(instead_of)
        number = next(self._numbers)
        self._in_thread(number, lambda: self._follow(number, request))
        return number

    def call(self, function: Callable[[], object]) -> int:
        """Call something that may take seconds; Done brings its result, or a TermmailError comes."""
        number = next(self._numbers)
        self._in_thread(number, lambda: self._tell(number, Done(function())))
        return number

    def stop(self, number: int) -> None:
        """End a job, if it still runs."""
        with self._lock:
            self._stopped.add(number)
            job = self._running.pop(number, None)
        if job is not None:
            job.cancel()

    def paste(self, number: int, url: str) -> None:
        """Give a sign-in the address at which a browser elsewhere ended."""
        with self._lock:
            job = self._running.get(number)
        if job is not None:
            job.paste(url)

    def cancel(self) -> None:
        """End all jobs."""
        with self._lock:
            numbers = list(self._running)
        for number in numbers:
            self.stop(number)

    def _in_thread(self, number: int, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Cancelled:
                return
            except TermmailError as error:
                self._tell(number, error)
            except BaseException as error:  # noqa: BLE001 - raised again in the user interface's thread
                self._tell(number, error)

        threading.Thread(target=run, name=f"wizard job {number}", daemon=True).start()

    def _follow(self, number: int, request: Request) -> None:
        job = SetupJob(request)
        with self._lock:
            stopped = number in self._stopped
            if not stopped:
                self._running[number] = job
        if stopped:
            job.cancel()
            return
        try:
            for report in job:
                self._tell(number, report)
        finally:
            with self._lock:
                self._running.pop(number, None)
        self._tell(number, Done())

    def _tell(self, number: int, news: object) -> None:
        tell(self._screen, self.Told(number, news))
