"""Submission by the command line, without an engine: what waits goes out once, and what does not says why (O1 to O5, O10)."""

from __future__ import annotations

from pathlib import Path

from engine.sending import BOB, NOBODY, item, queue, sending_account, sending_home
from servers.smtp_sink import SmtpSink
from termmail.engine.submit_once import submit_once
from termmail.model.outgoing import OutboxState


def test_what_waits_goes_out_once(tmp_path: Path) -> None:
    """O1, O10: and the copy is on its way to Sent."""
    with SmtpSink() as sink:
        account = sending_account(sink.port)
        home = sending_home(tmp_path / "home", account)
        first, second = queue(home), queue(home, subject="Trains")
        submit_once(home, [account])
        submit_once(home, [account])
    assert [one.recipients for one in sink.taken] == [(BOB,), (BOB,)]
    assert b"Subject: Boats\r\n" in sink.taken[0].data
    assert [item(home, one).state for one in (first, second)] == [OutboxState.FILED, OutboxState.FILED]
    assert len(sink.talks) == 1, "one connection for all of them"
    assert list(home.outbox.iterdir()) == []


def test_only_what_was_asked_for(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        account = sending_account(sink.port)
        home = sending_home(tmp_path / "home", account)
        first, second = queue(home), queue(home, subject="Trains")
        submit_once(home, [account], outbox_ids=[second])
    assert len(sink.taken) == 1
    assert item(home, first).state is OutboxState.QUEUED
    assert item(home, second).state is OutboxState.FILED


def test_a_server_that_is_away_leaves_it_queued_with_the_reason(tmp_path: Path) -> None:
    account = sending_account(NOBODY)
    home = sending_home(tmp_path / "home", account)
    outbox_id = queue(home)
    submit_once(home, [account])
    waiting = item(home, outbox_id)
    assert waiting.state is OutboxState.QUEUED
    assert "127.0.0.1" in waiting.sentence
    assert waiting.next_at > 0
