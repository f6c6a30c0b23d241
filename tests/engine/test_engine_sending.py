"""The engine sends: on time, once, whatever receiving does, and says why when it does not (O1 to O5, O10, S15)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from engine.sending import BOB, CAROL, NOBODY, item, queue, sending_account, sending_home, writing
from engine.support import reading, running_engine, start_engine, stop_engine, until
from servers.ports import free_ports
from servers.smtp_sink import SmtpSink
from termmail.engine.lock import engine_runs
from termmail.engine.socket import send_password
from termmail.model.account import Credential, CredentialKind
from termmail.model.home import Home
from termmail.model.outgoing import OutboxItem, OutboxState
from termmail.model.secret import Secret
from termmail.store.mailbox_intents import IntentRefused


def until_item(home: Home, outbox_id: int, state: OutboxState, seconds: float = 60) -> OutboxItem:
    until(lambda: item(home, outbox_id).state is state, f"the message is {state.value}", seconds)
    return item(home, outbox_id)


def until_told(home: Home, outbox_id: int, words: str) -> OutboxItem:
    """Until an item that waits says why."""
    until(lambda: words in item(home, outbox_id).sentence, f"it says {words!r}")
    return item(home, outbox_id)


def test_a_message_goes_out_while_receiving_is_dead(tmp_path: Path) -> None:
    """S15: nobody answers at the account's IMAP server."""
    with SmtpSink() as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        with running_engine(home):
            outbox_id = queue(home)
            until_item(home, outbox_id, OutboxState.FILED)
            with reading(home) as queries:
                sent = queries.find_mailbox("test", "sent")
                assert sent is not None
                assert sent.total == 1
    assert [one.recipients for one in sink.taken] == [(BOB,)]


def test_a_dead_account_does_not_hold_up_another(tmp_path: Path) -> None:
    """S15: one server takes no connection, another takes it and never says a word."""
    (silent_port,) = free_ports(1)
    import socket

    with SmtpSink() as sink, socket.create_server(("127.0.0.1", silent_port)):
        accounts = [
            sending_account(NOBODY, name="dead"),
            sending_account(silent_port, name="silent"),
            sending_account(sink.port, name="well"),
        ]
        home = sending_home(tmp_path / "home", *accounts)
        dead, silent, well = (queue(home, account=one.name, subject=one.name) for one in accounts)
        with running_engine(home):
            until_item(home, well, OutboxState.FILED)
            until_told(home, dead, "127.0.0.1")
            assert item(home, silent).state is OutboxState.QUEUED
            asked_to_end = time.monotonic()
        assert time.monotonic() - asked_to_end < 15, "a server that does not answer keeps nobody waiting"
    assert item(home, dead).state is item(home, silent).state is OutboxState.QUEUED


def test_it_goes_when_its_time_has_come_and_not_before(tmp_path: Path) -> None:
    """`--at`: with nothing to wake the engine but its own clock."""
    with SmtpSink() as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        with running_engine(home):
            later, soon = queue(home, at=time.time() + 86400, subject="tomorrow"), queue(home, at=time.time() + 2)
            until_item(home, soon, OutboxState.FILED)
            waits = item(home, later)
            assert waits.state is OutboxState.QUEUED
            assert waits.attempts == 0
            with writing(home) as intents:
                intents.send_now(later)
            until_item(home, later, OutboxState.FILED)
    assert [one.data.count(b"tomorrow") > 0 for one in sink.taken] == [False, True]


def test_a_long_message_on_its_way_can_be_stopped(tmp_path: Path) -> None:
    """O11: also while the server reads nothing of it. It stays in the outbox, from where it goes to Drafts, and the next goes out."""

    def answers(command: str) -> str | None:
        if command == "DATA" and not sink.talks[1:]:
            sink.reading.clear()
        return None

    with SmtpSink(answers=answers) as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        film = queue(home, subject="Film", size=40_000_000)
        with running_engine(home), writing(home) as intents:
            until_item(home, film, OutboxState.SENDING)
            with pytest.raises(IntentRefused, match="stopped"):
                intents.cancel_sending(film)
            assert "You stopped it" in until_item(home, film, OutboxState.FAILED).sentence
            sink.reading.set()
            until_item(home, queue(home), OutboxState.FILED)
            intents.cancel_sending(film)
        with reading(home) as queries:
            assert queries.outbox() == []
            assert queries.problems() == []
    assert [one.data.count(b"Subject: Film") for one in sink.taken] == [0]


def test_a_message_that_the_server_has_is_not_stopped(tmp_path: Path) -> None:
    """O2: once all of it is there, only the server's answer says what became of it."""
    asked = threading.Event()

    def answers(command: str) -> str | None:
        if command == "dot":
            asked.wait(60)
        return None

    with SmtpSink(answers=answers) as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        outbox_id = queue(home)
        with running_engine(home), writing(home) as intents:
            until_item(home, outbox_id, OutboxState.SENDING)
            with pytest.raises(IntentRefused, match="right now"):
                intents.take_back(outbox_id)
            time.sleep(0.5)
            asked.set()
            until_item(home, outbox_id, OutboxState.FILED)
            with pytest.raises(IntentRefused):
                intents.take_back(outbox_id)
    assert len(sink.taken) == 1


def test_without_a_server_for_sending_it_says_what_to_add(tmp_path: Path) -> None:
    account = msgspec.structs.replace(sending_account(NOBODY), smtp=None)
    home = sending_home(tmp_path / "home", account)
    outbox_id = queue(home)
    with running_engine(home):
        until_told(home, outbox_id, "no server for sending. Give it one in its settings.")
    assert item(home, outbox_id).state is OutboxState.QUEUED


def test_a_refused_password_is_tried_once_and_again_when_a_new_one_is_given(tmp_path: Path) -> None:
    """T13."""
    wrong = [True]
    with SmtpSink(answers=lambda command: "535 5.7.8 no" if command == "AUTH" and wrong[0] else None) as sink:
        account = msgspec.structs.replace(sending_account(sink.port), credential=Credential(CredentialKind.SESSION))
        home = sending_home(tmp_path / "home", account)
        outbox_id = queue(home)
        with running_engine(home), reading(home) as queries:
            until_told(home, outbox_id, "password")
            assert sink.talks == []
            until(lambda: send_password(home, "test", Secret("wrong")), "the engine takes a password")
            until_told(home, outbox_id, "refused")
            status = queries.account_status("test")
            assert status is not None
            tried = len(sink.talks)
            another = queue(home, subject="Trains")
            until_told(home, another, "refused")
            time.sleep(1.5)
            assert len(sink.talks) == tried, "no more tries by itself"
            wrong[0] = False
            assert send_password(home, "test", Secret("right"))
            until_item(home, outbox_id, OutboxState.FILED)
            until_item(home, another, OutboxState.FILED)
            problems = [one.sentence for one in queries.problems() if "refused the password" in one.sentence]
            assert len(problems) == 1
    assert len(sink.taken) == 2


def test_working_offline_it_waits_and_says_so(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        with writing(home) as intents:
            intents.set_work_offline(True)
        outbox_id = queue(home)
        with running_engine(home):
            until_told(home, outbox_id, "offline")
            assert sink.talks == []
            with writing(home) as intents:
                intents.set_work_offline(False)
            until_item(home, outbox_id, OutboxState.FILED)


def test_when_the_server_is_back_it_goes_by_itself(tmp_path: Path) -> None:
    """O5: never failed for a network reason."""
    (port,) = free_ports(1)
    home = sending_home(tmp_path / "home", sending_account(port))
    first, second = queue(home), queue(home, subject="Trains")
    with running_engine(home):
        waiting = until_told(home, first, "127.0.0.1")
        assert waiting.state is OutboxState.QUEUED
        assert waiting.next_at > 0
        with SmtpSink(port=port) as sink:
            until_item(home, first, OutboxState.FILED, 40)
            until_item(home, second, OutboxState.FILED)
    assert len(sink.taken) == 2


def test_it_waits_across_a_restart_and_goes_once(tmp_path: Path) -> None:
    """O1: the reason stays to be read while no engine runs."""
    (port,) = free_ports(1)
    home = sending_home(tmp_path / "home", sending_account(port))
    waiting = queue(home)
    with running_engine(home):
        until_told(home, waiting, "127.0.0.1")
    assert item(home, waiting).state is OutboxState.QUEUED
    assert "127.0.0.1" in item(home, waiting).sentence
    with SmtpSink(port=port) as sink, running_engine(home):
        until_item(home, waiting, OutboxState.FILED, 40)
    assert len(sink.taken) == 1


def test_asked_to_end_it_sends_what_is_due_within_a_minute(tmp_path: Path) -> None:
    """What was sent just before quitting, with the time for undo still running."""
    with SmtpSink() as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        soon, later = queue(home, at=time.time() + 6), queue(home, at=time.time() + 600, subject="later")
        process = start_engine(home)
        until(lambda: home.log_file.exists() and "the engine runs" in home.log_file.read_text(), "the engine runs")
        assert stop_engine(process) == 0
    assert len(sink.taken) == 1
    assert item(home, soon).state is OutboxState.FILED
    assert item(home, later).state is OutboxState.QUEUED


def test_asked_to_end_it_waits_for_the_answer_to_a_message(tmp_path: Path) -> None:
    """O2: a server that takes its time with the last reply."""
    began: list[str] = []

    def slowly(command: str) -> str | None:
        if command == "dot":
            began.append(command)
            time.sleep(4)
        return None

    with SmtpSink(answers=slowly) as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        process = start_engine(home)
        outbox_id = queue(home)
        until(lambda: began, "the message was handed over")
        os.kill(process.pid, signal.SIGTERM)
        assert stop_engine(process) == 0
    assert len(sink.taken) == 1
    assert item(home, outbox_id).state is OutboxState.FILED


@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "450 4.2.0 mailbox busy"])
def test_one_of_two_recipients_is_refused(tmp_path: Path, answer: str) -> None:
    """O4: told for the one, and never repeated for the other."""
    refusing = [True]

    def answers(command: str) -> str | None:
        return answer if command == f"RCPT {CAROL}" and refusing[0] else None

    with SmtpSink(answers=answers) as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        outbox_id = queue(home, BOB, CAROL)
        with running_engine(home):
            refused = until_told(home, outbox_id, CAROL)
            assert refused.state is (OutboxState.FAILED if answer.startswith("5") else OutboxState.QUEUED)
            refusing[0] = False
            with writing(home) as intents:
                if refused.state is OutboxState.FAILED:
                    intents.resend(outbox_id)
                else:
                    intents.send_now(outbox_id)
            until_item(home, outbox_id, OutboxState.FILED)
            with reading(home) as queries:
                sent = queries.find_mailbox("test", "sent")
                assert sent is not None
                assert sent.total == 1, "one copy, whatever it took"
    assert [one.recipients for one in sink.taken] == [(BOB,), (CAROL,)]


_QUIT_AT_ONCE = """
import sys
from pathlib import Path
from termmail.engine.child import EngineChild
from termmail.model.home import Home

child = EngineChild(Home.under(Path(sys.argv[1])))
child.start()
sys.stdin.readline()
child.close(0.1)
sys.stdout.write("quit")
"""


def test_the_front_end_is_gone_and_the_message_goes_out(tmp_path: Path) -> None:
    """Quitting does not wait for a message that is under way, and does not lose it."""
    began: list[str] = []

    def slowly(command: str) -> str | None:
        if command == "dot":
            began.append(command)
            time.sleep(3)
        return None

    with SmtpSink(answers=slowly) as sink:
        home = sending_home(tmp_path / "home", sending_account(sink.port))
        outbox_id = queue(home)
        front_end = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _QUIT_AT_ONCE, str(home.config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: began, "the message was handed over")
        said, complained = front_end.communicate("\n", timeout=20)
        assert (said, complained) == ("quit", "")
        assert item(home, outbox_id).state is OutboxState.SENDING
        until_item(home, outbox_id, OutboxState.FILED)
        until(lambda: not engine_runs(home), "the engine ends")
    assert len(sink.taken) == 1
