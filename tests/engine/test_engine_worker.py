"""Parts of the engine in this process, with faults that no server or disk can be made to show in time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.support import until, until_answered
from maildrop_home import BOB, MaildropHome, mail
from protocols.pop3_scripts import CAPABILITIES, Answers, usual
from protocols.pop3_sessions import PASSWORD
from servers.scripted import ScriptedServer
from termmail.engine import worker as workers
from termmail.engine.pop3_worker import Pop3Worker
from termmail.engine.process import Engine
from termmail.engine.status import StatusBoard
from termmail.engine.worker import Pace
from termmail.model.account import Account, Security, Server
from termmail.model.errors import ConnectionLost, StorageFailed
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState, Request, RequestState
from termmail.protocols.redact import Redactor


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[MaildropHome]:
    home = MaildropHome(tmp_path / "home")
    yield home
    home.close()


def test_a_body_is_answered_while_the_server_is_away(bob: MaildropHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known here does not wait for the next try, nor does the worker spin until then."""
    bob.arrive(("a", mail(1)))
    monkeypatch.setattr(workers, "back_off", lambda failures: 1000.0)

    def refuse(account: Account) -> Secret:
        raise ConnectionLost("The server is away.")

    worker = Pop3Worker(BOB, bob.ingest, bob.journal, refuse, offline=False)
    worker.start()
    try:
        until(lambda: worker.board.status.state is ConnectionState.WAITING, "the worker rests")
        request_id = bob.intents.request_body(bob.ids()[0])
        for request in bob.ingest.take_requests():
            worker.ask(request)
        answer = until_answered(bob.queries, request_id)
        assert (answer.state, answer.sentence) == (
            RequestState.FAILED,
            "The message is not on this computer any more.",
        )
    finally:
        worker.end()
        assert worker.join(20)


def secret_of(account: Account) -> Secret:
    return Secret(PASSWORD)


@pytest.mark.parametrize(
    ("answers", "state"),
    [({}, ConnectionState.ONLINE), ({"PASS": b"-ERR [LOGIN-DELAY] not yet\r\n"}, ConnectionState.WAITING)],
    ids=["told", "refused"],
)
def test_a_server_that_wants_time_between_two_looks(
    bob: MaildropHome, monkeypatch: pytest.MonkeyPatch, answers: Answers, state: ConnectionState
) -> None:
    """LOGIN-DELAY (RFC 2449) is heeded, when a look is due and when the user asks for one, who is told when it will be possible."""
    monkeypatch.setattr(workers, "back_off", lambda failures: 0.0)
    pace = Pace(maildrop=0.0, folders=0.01)
    with ScriptedServer(usual(answers, (*CAPABILITIES, "LOGIN-DELAY 900"))) as server:
        account = msgspec.structs.replace(BOB, incoming=Server("127.0.0.1", server.port, Security.NONE))
        worker = Pop3Worker(account, bob.ingest, bob.journal, secret_of, offline=False, pace=pace)
        worker.start()
        try:
            until(
                lambda: worker.board.status.state is state and not worker.board.status.activity,
                "the first look is over",
                30,
            )
            request_ids = bob.intents.request_sync(BOB.name)
            for request in bob.ingest.take_requests():
                worker.ask(request)
            answer = until_answered(bob.queries, request_ids[0], 30)
            assert answer.state is RequestState.FAILED
            assert re.search(r"wants more time to pass .* possible in \d+ seconds\.", answer.sentence)
            until(lambda: worker._sign_in_at > 0, "it is known", 10)
            with monkeypatch.context() as later:
                later.setattr(worker, "_sign_in_at", 0.0)
                until(lambda: len(server.conversations) > 1, "it looks again when the time is over", 30)
        finally:
            worker.abort()
            assert worker.join(30)


def test_switched_on_again_before_the_next_look_is_due(bob: MaildropHome) -> None:
    """It says that it is online, which it is, though the server is asked later."""
    with ScriptedServer(usual({})) as server:
        account = msgspec.structs.replace(BOB, incoming=Server("127.0.0.1", server.port, Security.NONE))
        worker = Pop3Worker(account, bob.ingest, bob.journal, secret_of, offline=False, pace=Pace(maildrop=3600.0))
        worker.start()
        try:
            until(lambda: worker.board.status.synced_at, "the first look is over")
            worker.set_offline(True)
            (asked,) = bob.intents.request_sync(BOB.name)
            for request in bob.ingest.take_requests():
                worker.ask(request)
            assert until_answered(bob.queries, asked).state is RequestState.FAILED
            assert worker.board.status.state is ConnectionState.OFFLINE
            worker.set_offline(False)
            until(lambda: worker.board.status.state is ConnectionState.ONLINE, "it is online")
            assert len(server.conversations) == 1
        finally:
            worker.abort()
            assert worker.join(30)


def test_a_state_the_disk_refused_is_said_again(bob: MaildropHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """X5: the account's line does not stay as it was before the disk was full."""
    board = StatusBoard(bob.ingest, BOB.name)

    def refuse(status: AccountStatus) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(bob.ingest, "set_status", refuse)
        with pytest.raises(StorageFailed):
            board.say(ConnectionState.ONLINE)
        with pytest.raises(StorageFailed):
            board.mute(True)
    board.say(ConnectionState.ONLINE)
    (status,) = bob.queries.accounts()
    assert status.state is ConnectionState.ONLINE
    board.mute(True)
    (status,) = bob.queries.accounts()
    assert status.state is ConnectionState.OFFLINE


def test_a_request_the_disk_refused_to_take_is_taken_later(bob: MaildropHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """X5: also where nobody writes anything meanwhile that would wake the engine."""
    engine = Engine(bob.home, Redactor(), child=False, pace=None)
    engine._ingest = bob.ingest
    engine._look_at_store()
    bob.intents.request_sync("nobody")
    ((request_id,),) = bob.ingest.database.all("SELECT id FROM request")

    def refuse() -> list[Request]:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(bob.ingest, "take_requests", refuse)
        with pytest.raises(StorageFailed):
            engine._look_at_store()
    engine._look_at_store()
    assert until_answered(bob.queries, request_id).state is RequestState.FAILED


def test_requests_taken_before_the_disk_refused_are_handed_over_later(
    bob: MaildropHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5: nobody else takes them, so they are not forgotten with the first."""
    engine = Engine(bob.home, Redactor(), child=False, pace=None)
    engine._ingest = bob.ingest
    asked = [*bob.intents.request_sync("nobody"), *bob.intents.request_sync("somebody")]

    def refuse(request_id: int, state: RequestState, sentence: str = "") -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(bob.ingest, "finish_request", refuse)
        with pytest.raises(StorageFailed):
            engine._look_at_store()
    engine._look_at_store()
    for request_id in asked:
        assert until_answered(bob.queries, request_id).state is RequestState.FAILED
