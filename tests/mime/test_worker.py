"""The render process: answers, deadlines, limits, restarts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from termmail.mime.worker import RenderWorker
from termmail.model.body import Rendered, RenderFailed

HELLO = b"Subject: x\n\nhello https://example.org/\n"
# Takes seconds to lay out, but little when its HTML is stripped.
SLOW = b"Content-Type: text/html\n\n" + b"<div><p><b>x</b></p></div>" * 19_000


@pytest.fixture
def worker() -> Iterator[RenderWorker]:
    with RenderWorker() as worker:
        yield worker


def process_of(worker: RenderWorker) -> int:
    assert worker._child is not None
    return worker._child.process.pid


def test_messages_come_back_rendered(worker: RenderWorker, tmp_path: Path) -> None:
    """P5: from bytes and from a file."""
    path = tmp_path / "message"
    path.write_bytes(HELLO)
    for message in (HELLO, path):
        rendered = worker.render(message, 80, deadline=30)
        assert isinstance(rendered, Rendered)
        assert [line.text for line in rendered.lines] == ["hello https://example.org/"]
        assert rendered.links == ("https://example.org/",)


def test_a_process_that_can_not_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a computer with too many processes shows its mail later."""

    def refuse(*arguments: object, **options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    worker = RenderWorker()
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        for failed in (worker.render(HELLO, 80), worker.take_part(HELLO, "1")):
            assert isinstance(failed, RenderFailed)
            assert "could not be started: Resource temporarily unavailable." in failed.sentence
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)
    worker.stop()


def test_large_messages_pass_the_pipe(worker: RenderWorker) -> None:
    """P5: larger than any pipe's buffer, there and back."""
    rendered = worker.render(b"Subject: x\n\n" + b"a line of some text\n" * 40_000, 80, deadline=60)
    assert isinstance(rendered, Rendered)
    assert len(rendered.lines) == 40_000


def test_a_deadline_kills_and_the_next_message_is_rendered(worker: RenderWorker) -> None:
    """P5, P6."""
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)
    before = process_of(worker)
    failed = worker.render(SLOW, 80, deadline=0.01)
    assert isinstance(failed, RenderFailed)
    assert "more than 0.01 seconds" in failed.sentence
    assert process_of(worker) != before
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the clock is all there is to go by")
def test_a_busy_machine_gets_more_time(worker: RenderWorker) -> None:
    """P5: the two seconds are the processor's. A child that gets no turn is waited for, but not for ever."""
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)
    child = process_of(worker)
    os.kill(child, signal.SIGSTOP)
    goes_on = threading.Timer(2.0, os.kill, (child, signal.SIGCONT))
    goes_on.start()
    assert isinstance(worker.render(HELLO, 80, deadline=1.5), Rendered)
    assert process_of(worker) == child
    goes_on.join()
    os.kill(child, signal.SIGSTOP)
    worker.render(HELLO, 80, deadline=0.2)
    assert process_of(worker) != child


def test_a_message_that_needs_too_much_memory_is_given_up(worker: RenderWorker, tmp_path: Path) -> None:
    """P5: 512 MiB for the child, not for us."""
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.write(b"Subject: x\n\n")
        file.truncate(600 * 1024 * 1024)
    failed = worker.render(huge, 80, deadline=60)
    assert isinstance(failed, RenderFailed)
    assert "memory" in failed.sentence
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)


def test_a_child_that_was_killed_is_replaced(worker: RenderWorker) -> None:
    worker.render(HELLO, 80, deadline=30)
    os.kill(process_of(worker), 9)
    assert isinstance(worker.render(HELLO, 80, deadline=30), RenderFailed)
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)


def test_a_file_that_is_gone_is_told(worker: RenderWorker, tmp_path: Path) -> None:
    failed = worker.render(tmp_path / "gone", 80, deadline=30)
    assert isinstance(failed, RenderFailed)
    assert failed.sentence == "The file with this message cannot be read: No such file or directory."


def test_stop_releases_who_waits_and_start_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """It is no fault of a message, and nothing is written about it on the terminal that the program leaves."""
    worker = RenderWorker()
    answers: list[Rendered | RenderFailed] = []
    thread = threading.Thread(target=lambda: answers.extend(worker.render(SLOW, 80, deadline=60) for _ in range(3)))
    worker.start()
    thread.start()
    worker.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(answers[-1], RenderFailed)
    assert isinstance(worker.render(HELLO, 80), RenderFailed)
    assert not caplog.records
    worker.start()
    assert isinstance(worker.render(HELLO, 80, deadline=30), Rendered)
    worker.stop()


def test_several_threads_take_turns(worker: RenderWorker) -> None:
    answers: dict[int, Rendered | RenderFailed] = {}

    def ask(number: int) -> None:
        answers[number] = worker.render(b"Subject: x\n\nnumber %d" % number, 80, deadline=30)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, answer in answers.items():
        assert isinstance(answer, Rendered)
        assert answer.lines[0].text == f"number {number}"


def test_the_child_has_no_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """C2."""
    monkeypatch.setenv("IMAP_PASSWORD", "secret")
    with RenderWorker() as worker:
        worker.render(HELLO, 80, deadline=30)
        environment = Path(f"/proc/{process_of(worker)}/environ")
        if not environment.exists():
            pytest.skip("no /proc here to read a process's environment from")
        assert b"IMAP_PASSWORD" not in environment.read_bytes()


def test_the_front_end_imports_nothing_heavy() -> None:
    """The first frame comes before any of it."""
    code = "import sys, termmail.mime.worker; print([m for m in ('email', 'html2text', 'selectolax', 'html') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PARTS = (
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/csv\n"
    b'Content-Disposition: attachment; filename="a\x07.csv"\n\nx,y\n1,2\n--b--\n'
)


def test_parts_are_listed_viewed_and_taken(worker: RenderWorker) -> None:
    """P5, D1: in the process that can be ended."""
    listed = worker.list_parts(PARTS, deadline=30)
    assert isinstance(listed, tuple)
    assert [(part.part_path, part.filename) for part in listed] == [("2", "a\x07.csv")]
    viewed = worker.view_part(PARTS, "2", 40, deadline=30)
    assert isinstance(viewed, Rendered)
    assert viewed.lines[0].text == "x  y"
    assert worker.take_part(PARTS, "2", deadline=30) == b"x,y\n1,2"


def test_a_part_that_is_not_there_or_takes_too_long(worker: RenderWorker) -> None:
    """P1, P5: a sentence, and the next one works."""
    slow = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n" + SLOW + b"\n--b--\n"
    for failed in (worker.take_part(PARTS, "7", deadline=30), worker.view_part(slow, "2", 40, deadline=0)):
        assert isinstance(failed, RenderFailed)
        assert failed.sentence.endswith("The whole message can still be piped to a program.")
    assert worker.take_part(PARTS, "2", deadline=30) == b"x,y\n1,2"


def test_times_are_those_of_the_place_where_the_front_end_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process knows the zone that its parent is told by TZ."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    raw = (
        b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:x\nDTSTART:20261201T090000Z\n"
        b"END:VEVENT\nEND:VCALENDAR\n"
    )
    with RenderWorker() as worker:
        rendered = worker.render(raw, 80, deadline=30)
    assert isinstance(rendered, Rendered)
    assert rendered.lines[2].text == "When      Tue, 1 Dec 2026, 14:30"
