"""What becomes of a message by what the server says, and when the connection goes (O1 to O5, O10, O11)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.smtp_sink import SmtpSink
from sync.submitting import Sender
from termmail.model.errors import ConfigError, ConnectionLost, SignInRefused, StorageFailed, TermmailError
from termmail.model.outgoing import OutboxState, RecipientState
from termmail.store import outbox_items
from termmail.store.mailbox_intents import IntentRefused
from termmail.store.outbox_items import OutboxNote

BOB = "bob@else.example"
CAROL = "carol@else.example"
DAVE = "dave@else.example"
MINUTE = 60.0

Answers = Callable[[str], str | None]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Sender]]:
    """What a test puts here is closed."""
    senders: list[Sender] = []
    yield senders
    for sender in senders:
        sender.close()


def one(command: str, reply: str) -> Answers:
    return lambda said: reply if said == command else None


def once(command: str, reply: str) -> Answers:
    """The reply at the first time, the usual one later."""
    left = [reply]
    return lambda said: left.pop() if said == command and left else None


def make(opened: list[Sender], tmp_path: Path, port: int, *, seconds: float = 30.0) -> Sender:
    opened.append(sender := Sender(tmp_path / "home", port, seconds=seconds))
    return sender


@pytest.mark.parametrize("command", ["MAIL", f"RCPT {BOB}", "DATA", "dot"])
@pytest.mark.parametrize("reply", ["450 4.2.1 busy", "451 4.7.1 greylisted", "452 4.3.1 no space", "421 4.3.2 going"])
def test_a_later_at_each_command_is_tried_again(tmp_path: Path, opened: list[Sender], command: str, reply: str) -> None:
    """O5: and what comes after it goes out all the same."""
    with SmtpSink(answers=once(command, reply)) as sink:
        sender = make(opened, tmp_path, sink.port)
        first, second = sender.queue(), sender.queue(subject="Trains")
        began = time.time()
        sender.run()
        waiting = sender.item(first)
        assert waiting.state is OutboxState.QUEUED
        assert reply.partition(" ")[2].split(" ")[1] in waiting.sentence
        assert waiting.next_at >= began + (5 * MINUTE if reply.startswith("451") else MINUTE)
        assert waiting.next_at <= time.time() + 8 * MINUTE
        assert sender.item(second).state is OutboxState.FILED
        sender.run()
        assert len(sink.taken) == 1, "not before its time"
        sender.ask_again(first)
        sender.run()
        assert sender.item(first).state is OutboxState.FILED
    assert len(sink.taken) == 2
    assert sender.told == []


@pytest.mark.parametrize("command", ["MAIL", f"RCPT {BOB}", "DATA", "dot"])
@pytest.mark.parametrize("reply", ["550 5.7.1 not you", "552 5.3.4 too big", "554 5.6.0 spam \x1b]0;title\x07"])
def test_a_no_at_each_command_stops_it(tmp_path: Path, opened: list[Sender], command: str, reply: str) -> None:
    """O5: with the server's words, made safe; what comes after it goes out all the same."""
    with SmtpSink(answers=once(command, reply)) as sink:
        sender = make(opened, tmp_path, sink.port)
        first, second = sender.queue(), sender.queue(subject="Trains")
        sender.run()
        sender.run()
        failed = sender.item(first)
        assert failed.state is OutboxState.FAILED
        assert reply.split(" ")[2] in failed.sentence
        assert "\x1b" not in failed.sentence
        assert sender.item(second).state is OutboxState.FILED
        assert len(sender.told) == 1
        assert "Boats" in sender.told[0]
        assert len(sink.taken) == 1
        sender.store.intents.resend(first)
        sender.run()
        assert sender.item(first).state is OutboxState.FILED
    assert len(sink.taken) == 2


def test_pauses_grow_to_an_hour(tmp_path: Path, opened: list[Sender]) -> None:
    """O5."""
    with SmtpSink(answers=one("MAIL", "450 4.2.1 busy")) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue()
        pauses: list[float] = []
        for _ in range(9):
            sender.ask_again(outbox_id)
            began = time.time()
            sender.run()
            pauses.append(sender.item(outbox_id).next_at - began)
    assert MINUTE <= pauses[0] < 2 * MINUTE
    assert pauses[:6] == sorted(pauses[:6])
    assert 50 * MINUTE < pauses[-1] < 61 * MINUTE


def test_nothing_is_put_off_for_ever(tmp_path: Path, opened: list[Sender]) -> None:
    """O5: a server that says "later" for five days has said no; tries that it never heard of don't count."""
    with SmtpSink(answers=one("MAIL", "450 4.2.1 busy")) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue()
        with sender.store.ingest.database.write() as connection:
            connection.execute("UPDATE outbox SET created_at = created_at - 6 * 86400")
        sender.run()
        assert sender.item(outbox_id).state is OutboxState.QUEUED
        with sender.store.ingest.database.write() as connection:
            connection.execute("UPDATE outbox SET attempts = 50, next_at = 0")
        sender.run()
        failed = sender.item(outbox_id)
    assert failed.state is OutboxState.FAILED
    assert "for days" in failed.sentence


def test_who_is_refused_for_good_is_not_asked_for_again(tmp_path: Path, opened: list[Sender]) -> None:
    """O4: all are refused, one for now and one for good."""

    def answers(command: str) -> str | None:
        return {f"RCPT {BOB}": "450 4.2.1 busy", f"RCPT {CAROL}": "550 5.1.1 unknown"}.get(command)

    with SmtpSink(answers=answers) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue(BOB, CAROL)
        sender.run()
        waiting = sender.item(outbox_id)
        assert waiting.state is OutboxState.QUEUED
        assert [one.state for one in waiting.recipients] == [RecipientState.WAITING, RecipientState.REFUSED]
        sink.answers = lambda command: None
        sender.ask_again(outbox_id)
        sender.run()
    assert [one.recipients for one in sink.taken] == [(BOB,)]
    done = sender.item(outbox_id)
    assert done.state is OutboxState.FAILED
    assert CAROL in done.sentence
    assert "unknown" in done.sentence


def test_a_partial_refusal_is_not_repeated_for_the_rest(tmp_path: Path, opened: list[Sender]) -> None:
    """O4."""

    def answers(command: str) -> str | None:
        return {f"RCPT {CAROL}": "451 4.7.1 later", f"RCPT {DAVE}": "550 5.1.1 unknown"}.get(command)

    with SmtpSink(answers=answers) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue(BOB, CAROL, DAVE)
        sender.run()
        waiting = sender.item(outbox_id)
        assert waiting.state is OutboxState.QUEUED
        assert waiting.next_at > time.time() + 4 * MINUTE
        assert len(sender.told) == 1
        assert DAVE in sender.told[0]
        sink.answers = lambda command: None
        sender.ask_again(outbox_id)
        sender.run()
    assert [one.recipients for one in sink.taken] == [(BOB,), (CAROL,)]
    assert sender.copies() == 1
    assert sender.item(outbox_id).state is OutboxState.FAILED


def test_an_answer_that_is_lost_makes_it_unknown(tmp_path: Path, opened: list[Sender]) -> None:
    """O2: never sent again by itself, and with the same Message-ID when the user says so."""
    with SmtpSink(answers=once("dot", "CLOSE")) as sink:
        sender = make(opened, tmp_path, sink.port)
        first, second = sender.queue(), sender.queue(subject="Trains")
        sender.run()
        sender.run()
        unknown = sender.item(first)
        assert unknown.state is OutboxState.UNKNOWN
        assert "may have been sent" in unknown.sentence
        assert len(sender.told) == 1
        assert sender.item(second).state is OutboxState.FILED
        assert len(sink.taken) == 1
        sender.store.intents.resend(first)
        sender.run()
    assert sum(b"Message-ID: <Boats@example.org>" in taken.data for taken in sink.taken) == 1


def test_a_connection_that_ends_between_two_messages_says_nothing_of_the_second(
    tmp_path: Path, opened: list[Sender]
) -> None:
    said: list[str] = []

    def answers(command: str) -> str | None:
        said.append(command)
        return "CLOSE" if said.count("MAIL") == 2 and command == "MAIL" else None

    with SmtpSink(answers=answers) as sink:
        sender = make(opened, tmp_path, sink.port)
        ids = [sender.queue(subject=f"Number {number}") for number in range(3)]
        sender.run()
        assert [sender.item(one).state for one in ids] == [OutboxState.FILED] * 3
    assert len(sink.taken) == 3
    assert sender.sessions.opened == 2


def test_cut_after_any_byte_there_is_one_copy_at_most(tmp_path: Path, opened: list[Sender]) -> None:
    """O2, O3: cut at each 13th byte of the dialogue, then left alone: one copy, or it is unknown and says so."""
    states: set[OutboxState] = set()
    with SmtpSink() as sink:
        sender = make(opened, tmp_path, sink.port, seconds=1.0)
        cut = 0
        while True:
            sink.taken.clear()
            sink.cut_after = cut
            subject = f"Cut {cut}"
            outbox_id = sender.queue(subject=subject)
            finished = True
            try:
                sender.run()
            except TermmailError:
                finished = False
            state = sender.item(outbox_id).state
            if state is OutboxState.QUEUED:
                finished = False
                sink.cut_after = -1
                sender.ask_again(outbox_id)
                sender.run()
                state = sender.item(outbox_id).state
            copies = sum(f"Message-ID: <Cut-{cut}@".encode() in taken.data for taken in sink.taken)
            assert copies <= 1
            if state is OutboxState.UNKNOWN:
                assert "may have been sent" in sender.item(outbox_id).sentence
                finished = False
            else:
                assert state is OutboxState.FILED
                assert copies == 1
            states.add(state)
            if finished:
                break
            cut += 13
    assert states == {OutboxState.FILED, OutboxState.UNKNOWN}
    assert cut > 300


def test_taken_back_between_the_commands_nothing_is_sent(tmp_path: Path, opened: list[Sender]) -> None:
    """Undo up to the last moment; and the next one goes out."""
    waiting: list[int] = []

    def answers(command: str) -> str | None:
        if command.startswith("RCPT") and waiting:
            sender.store.intents.cancel_sending(waiting.pop())
        return None

    with SmtpSink(answers=answers) as sink:
        sender = make(opened, tmp_path, sink.port)
        first, second = sender.queue(), sender.queue(subject="Trains")
        waiting.append(first)
        sender.run()
        assert sender.store.queries.outbox_item(first) is None
        assert sender.item(second).state is OutboxState.FILED
    assert [b"Trains" in taken.data for taken in sink.taken] == [True]
    assert len(sender.store.ids("Drafts")) == 1


def test_taking_back_races_with_sending(tmp_path: Path, opened: list[Sender]) -> None:
    """At whatever moment it comes: either it was taken back and nobody has it, or it was sent and can't be taken back."""
    outcomes: set[bool] = set()
    with SmtpSink() as sink:
        sender = make(opened, tmp_path, sink.port)
        for number in range(45):
            sink.taken.clear()
            outbox_id = sender.queue(subject=f"Race {number}")
            runs = threading.Thread(target=sender.run)
            runs.start()
            time.sleep(number * 0.002)
            try:
                sender.store.intents.cancel_sending(outbox_id)
                taken_back = True
            except IntentRefused:
                taken_back = False
            runs.join()
            assert len(sink.taken) == (0 if taken_back else 1)
            outcomes.add(taken_back)
    assert outcomes == {True, False}


def test_a_message_whose_file_is_gone_fails_and_says_so(tmp_path: Path, opened: list[Sender]) -> None:
    with SmtpSink() as sink:
        sender = make(opened, tmp_path, sink.port)
        gone, shorter, good = sender.queue(), sender.queue(subject="Trains"), sender.queue(subject="Cars")
        sender.outbox.message_path(sender.item(gone)).unlink()
        sender.outbox.message_path(sender.item(shorter)).write_bytes(b"Subject: Trains\r\n")
        sender.run()
        assert sender.item(gone).state is OutboxState.FAILED
        assert "could not be read" in sender.item(gone).sentence
        assert sender.item(shorter).state is OutboxState.FAILED
        assert "was changed" in sender.item(shorter).sentence
        assert sender.item(good).state is OutboxState.FILED
    assert len(sink.taken) == 1


def test_one_that_is_too_large_is_not_sent_at_all(tmp_path: Path, opened: list[Sender]) -> None:
    """O5: SIZE is looked at before the upload."""
    with SmtpSink(extensions=("SIZE 1000", "8BITMIME")) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue(size=5000)
        sender.run()
        assert sender.item(outbox_id).state is OutboxState.FAILED
        assert "at most" in sender.item(outbox_id).sentence
        assert not any(command.startswith(b"MAIL") for command in sink.talks[0].commands)


def test_a_server_that_falls_silent_is_left(tmp_path: Path, opened: list[Sender]) -> None:
    """X3: before the dot it is tried again, after it nobody knows."""
    over = threading.Event()
    for command, state in (("DATA", OutboxState.QUEUED), ("dot", OutboxState.UNKNOWN)):

        def answers(said: str, command: str = command) -> str | None:
            if said == command:
                over.wait(20)
                return "CLOSE"
            return None

        over.clear()
        with SmtpSink(answers=answers) as sink:
            opened.append(sender := Sender(tmp_path / command, sink.port, seconds=0.5))
            outbox_id = sender.queue()
            sender.run()
            assert sender.item(outbox_id).state is state
            over.set()


def test_what_concerns_the_account_keeps_all_of_it_queued(tmp_path: Path, opened: list[Sender]) -> None:
    """O5: never failed for the network or the password; each message says what it waits for."""
    with SmtpSink(answers=one("AUTH", "535 5.7.8 no")) as sink:
        sender = make(opened, tmp_path, sink.port)
        ids = [sender.queue(), sender.queue(subject="Trains")]
        with pytest.raises(SignInRefused):
            sender.run()
        assert sender.sessions.opened == 1
        for outbox_id in ids:
            assert sender.item(outbox_id).state is OutboxState.QUEUED
            assert "refused the password" in sender.item(outbox_id).sentence
            assert sender.item(outbox_id).attempts == 0
        assert not sender.submitter.is_asked_for()
        sender.ask_again(ids[1])
        assert sender.submitter.is_asked_for()
    with pytest.raises(ConnectionLost):
        sender.run()
    assert all(sender.item(outbox_id).next_at > time.time() for outbox_id in ids)
    with SmtpSink(port=sink.port) as sink:
        sender.submitter.release()
        sender.run()
        assert len(sink.taken) == 2


def test_without_a_server_for_sending(tmp_path: Path, opened: list[Sender]) -> None:
    opened.append(sender := Sender(tmp_path / "home", 1))
    sender.account = sender.store.accounts[0]
    sender.submitter._account = sender.account
    outbox_id = sender.queue()
    with pytest.raises(ConfigError) as caught:
        sender.run()
    assert caught.value.command == "termmail account edit lisa --smtp HOST"
    assert sender.item(outbox_id).sentence.endswith("Give it one in its settings.")


def test_a_long_message_says_how_far_it_is(tmp_path: Path, opened: list[Sender]) -> None:
    """O11."""
    with SmtpSink(keep=False) as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue(size=40_000_000)
        sender.run()
        assert sender.item(outbox_id).state is OutboxState.FILED
    assert any(line.startswith(f"Sending to {BOB}… ") and line.endswith(" of 41 MB") for line in sender.progress)
    assert sender.progress[-1] == ""


def test_what_became_of_it_is_written_when_the_disk_takes_it_again(
    tmp_path: Path, opened: list[Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """X5: the server has it, and the disk is full: not sent again."""
    with SmtpSink() as sink:
        sender = make(opened, tmp_path, sink.port)
        outbox_id = sender.queue()
        full = [True]
        write_note = outbox_items.write_note

        def refuses(folder: Path, note: OutboxNote) -> None:
            if full[0] and note.item.state is not OutboxState.SENDING:
                raise StorageFailed("The disk is full.")
            write_note(folder, note)

        monkeypatch.setattr(outbox_items, "write_note", refuses)
        with pytest.raises(StorageFailed):
            sender.run()
        assert sender.item(outbox_id).state is OutboxState.SENDING
        with pytest.raises(StorageFailed):
            sender.run()
        full[0] = False
        sender.run()
        assert sender.item(outbox_id).state is OutboxState.FILED
    assert len(sink.taken) == 1
