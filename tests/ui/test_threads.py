"""Threads of the mail reader: what they have to tell when it has ended, and what nobody foresaw in one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.message import Message
from textual.screen import Screen

from termmail.ui.app import TermmailApp
from termmail.ui.threads import call_in_app, faults_told, tell
from ui.support import filled, opened


def in_a_thread(work: object) -> None:
    assert callable(work)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


async def test_a_thread_outlives_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has to tell is for nobody any more, and no error."""
    faults: list[object] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    with filled(tmp_path) as store:
        async with opened(store) as ui:
            heard: list[str] = []
            in_a_thread(lambda: call_in_app(ui.app, heard.append, "here"))
            await ui.until(lambda: heard == ["here"])
            screen = ui.main
    in_a_thread(lambda: call_in_app(ui.app, heard.append, "gone"))
    in_a_thread(lambda: tell(screen, Message()))
    in_a_thread(lambda: tell(Screen(), Message()))
    assert heard == ["here"]
    assert faults == []


async def test_a_fault_in_a_thread_ends_the_app(tmp_path: Path) -> None:
    """A reader without its threads would wait for ever for a message; it ends and tells what went wrong."""
    with filled(tmp_path) as store:
        app = TermmailApp(store.home, store.accounts)
        before = threading.excepthook

        async def divide_by_zero() -> None:
            async with app.run_test() as pilot:
                in_a_thread(lambda: 1 // 0)
                while app.fault is None:
                    await pilot.pause(0.01)

        with faults_told(app), pytest.raises(ZeroDivisionError):
            await divide_by_zero()
        app.close_backend()
        assert isinstance(app.fault, ZeroDivisionError)
        assert threading.excepthook is before


async def test_a_fault_while_the_app_ends_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is nobody left to end with it, so the log has it."""
    with filled(tmp_path) as store:
        async with opened(store) as ui:
            app = ui.app
    with faults_told(app):
        in_a_thread(lambda: 1 // 0)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "termmail.ui.threads"]
    assert line.startswith("ZeroDivisionError while the mail reader ended, at ")
    assert "test_threads.py" in line
