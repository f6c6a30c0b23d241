"""Several things that wait for the network, done at the same time and for so long at most."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

Result = TypeVar("Result")


class Done(msgspec.Struct, Generic[Result], frozen=True):
    """What came of the call with this index: a result, or the exception it raised."""

    index: int
    result: Result | None = None
    error: Exception | None = None


def at_once(calls: Sequence[Callable[[], Result]], seconds: float) -> Iterator[Done[Result]]:
    """Make all calls, each in a thread, and give what comes of each as it comes, until all are done or the time is over.

    Whatever is then still under way is left behind, for nothing ends a look-up of a name.
    """
    answers: queue.SimpleQueue[Done[Result]] = queue.SimpleQueue()

    def work(index: int, call: Callable[[], Result]) -> None:
        try:
            answers.put(Done(index, call()))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            answers.put(Done(index, error=error))

    deadline = time.monotonic() + seconds
    for index, call in enumerate(calls):
        threading.Thread(target=work, args=(index, call), name="setup", daemon=True).start()
    for _ in calls:
        try:
            yield answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
