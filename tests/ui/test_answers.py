"""What the terminal answers: what is made of it, and that it never becomes keys."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from textual import events

from termmail.ui import answers
from termmail.ui.answers import AnswerParser, KittyFound, PictureQuestion, SixelFound
from termmail.ui.sixel import SixelTerminal

XTERM = "\x1b[?63;1;2;4;6;9;15;16;22;28c"
WITHOUT_SIXEL = "\x1b[?64;1;2;6;9;15;16;17;18;21;22;28;29c"
CELL = "\x1b[6;20;10t"
COLOURS = "\x1b[?1;0;256S"
KITTY = "\x1b_Gi=8231;OK\x1b\\"


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, unless a test says that an answer was waited for too long."""
    monkeypatch.setattr(answers, "time", SimpleNamespace(monotonic=lambda: 0.0))


class Asked:
    """A question and the parser that hears the answers, on a terminal of which everything that is written is kept."""

    def __init__(self, cell: tuple[int, int] | None = None, *, kitty: bool = False) -> None:
        self.question = PictureQuestion(lambda: cell)
        self.written: list[str] = []
        self.found: list[SixelFound | KittyFound] = []
        self.parser = AnswerParser(False, self.question, self._answered)
        self._write(self.question.ask(kitty=kitty))

    def _answered(self, answer: re.Match[str]) -> None:
        question, found = self.question.answered(answer)
        self._write(question)
        if found is not None:
            self.found.append(found)

    def _write(self, question: str) -> None:
        if question:
            self.written.append(question)

    def keys(self, *pieces: str) -> list[str]:
        """The keys that the terminal's bytes are taken for."""
        return [event.key for piece in pieces for event in self.parser.feed(piece) if isinstance(event, events.Key)]

    def keys_later(self) -> list[str]:
        return [event.key for event in self.parser.tick() if isinstance(event, events.Key)]

    @property
    def terminals(self) -> list[SixelTerminal]:
        return [found.terminal for found in self.found if isinstance(found, SixelFound)]


def test_a_terminal_with_sixel() -> None:
    asked = Asked()
    assert asked.written == ["\x1b[c"]
    assert asked.keys(XTERM) == []
    assert asked.written[1:] == ["\x1b[16t\x1b[?1;1;0S\x1b[c"]
    assert asked.keys(CELL + COLOURS + XTERM) == []
    assert asked.terminals == [SixelTerminal(10, 20, 128)]
    assert asked.question.ask(kitty=False) == ""


def test_a_terminal_that_tells_no_details() -> None:
    """Then the size of a cell is that of the window (TIOCGWINSZ) by its cells, and without that nothing is drawn."""
    asked = Asked((6, 13))
    assert asked.keys(XTERM, "\x1b[?1;3S", XTERM) == []
    assert asked.terminals == [SixelTerminal(6, 13, 128)]
    without = Asked(None)
    assert without.keys(XTERM, XTERM) == []
    assert without.found == []


@pytest.mark.parametrize("answer", [WITHOUT_SIXEL, "\x1b[?4c", "\x1b[?62;c", "\x1b[?6c", "\x1b[?64;14;24;44c"])
def test_a_terminal_without_sixel(answer: str) -> None:
    """It is asked nothing more; the first number is the kind of terminal."""
    asked = Asked((6, 13))
    assert asked.keys(answer, "j") == ["j"]
    assert asked.written == ["\x1b[c"]
    assert asked.found == []
    assert asked.question.ask_for_size() == ""


def test_a_terminal_with_few_colours() -> None:
    asked = Asked()
    assert asked.keys(XTERM, CELL, "\x1b[?1;0;16S", XTERM) == []
    assert asked.terminals == [SixelTerminal(10, 20, 16)]


def test_another_size_of_the_letters() -> None:
    asked = Asked()
    assert asked.keys(XTERM, CELL, XTERM) == []
    asked._write(asked.question.ask_for_size())
    # A second one before the answer is asked for afterwards.
    asked._write(asked.question.ask_for_size())
    assert len(asked.written) == 3
    assert asked.keys("\x1b[6;24;12t", XTERM) == []
    assert len(asked.written) == 4
    assert asked.keys("\x1b[6;26;13t", XTERM) == []
    assert asked.terminals == [SixelTerminal(10, 20), SixelTerminal(12, 24), SixelTerminal(13, 26)]


def test_kitty() -> None:
    asked = Asked(kitty=True)
    assert asked.written == ["\x1b_Gi=8231,s=1,v=1,a=q,t=d,f=24,U=1;AAAA\x1b\\\x1b[c"]
    assert asked.keys(KITTY + "\x1b[?62;c") == []
    assert [type(found) for found in asked.found] == [KittyFound]
    assert len(asked.written) == 1


@pytest.mark.parametrize("answer", ["", "\x1b_Gi=8231;EINVAL:what is U?\x1b\\", "\x1b_Gi=1;OK\x1b\\"])
def test_what_only_calls_itself_kitty(answer: str) -> None:
    """A version that places no pictures by characters (before 0.28), or another terminal that was started from kitty."""
    asked = Asked(kitty=True)
    assert asked.keys(answer, "\x1b[?62;c") == []
    assert asked.found == []
    xterm = Asked(kitty=True)
    assert xterm.keys(answer, XTERM, CELL, XTERM) == []
    assert xterm.terminals == [SixelTerminal(10, 20)]


@pytest.mark.parametrize("answer", [XTERM, WITHOUT_SIXEL, CELL, COLOURS, KITTY])
def test_answers_in_two_pieces(answer: str) -> None:
    """However late the rest comes, and whatever is typed before and behind it."""
    for cut in range(1, len(answer)):
        asked = Asked(kitty=True)
        assert asked.keys("j" + answer[:cut]) == ["j"]
        assert asked.keys_later() == []
        assert asked.keys(answer[cut:] + "k") == ["k"]
        assert asked.keys_later() == []


@pytest.mark.parametrize("answer", [XTERM, WITHOUT_SIXEL, CELL, COLOURS, KITTY])
def test_answers_byte_by_byte(answer: str) -> None:
    asked = Asked(kitty=True)
    assert asked.keys(*answer, "k") == ["k"]


def test_an_answer_that_comes_when_nobody_waits_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(answers, "_AWAITED_SECONDS", -1.0)
    assert asked.keys("j" + XTERM + "k") == ["j", "k"]
    assert asked.keys(CELL[:3], CELL[3:], XTERM[:6], XTERM[6:]) == []
    assert asked.terminals == [SixelTerminal(10, 20)]


def test_an_answer_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no key either."""
    asked = Asked()
    assert asked.keys("\x1b[?62;4") == []
    monkeypatch.setattr(answers, "_UNFINISHED_SECONDS", -1.0)
    assert asked.keys_later() == []
    assert asked.keys("j") == ["j"]


@pytest.mark.parametrize(
    ("sequence", "key"),
    [("\x1b[A", "up"), ("\x1b[6~", "pagedown"), ("\x1b[6;5~", "ctrl+pagedown"), ("\x1bj", "alt+j"), ("\x1bOP", "f1")],
)
def test_keys_while_an_answer_is_awaited(sequence: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.constants.ESCAPE_DELAY", 60.0)
    for cut in range(1, len(sequence)):
        asked = Asked()
        found = asked.keys(sequence[:cut], sequence[cut:])
        with monkeypatch.context() as later:
            later.setattr("textual._parser.get_time", lambda: float("inf"))
            assert found + asked.keys_later() == [key]


def test_escape_while_an_answer_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits a little for what may follow, and is then Esc."""
    asked = Asked()
    assert asked.keys("\x1b") == []
    assert asked.keys_later() == []
    monkeypatch.setattr(answers, "_ESCAPE_SECONDS", -1.0)
    monkeypatch.setattr("textual._parser.get_time", lambda: float("inf"))
    assert asked.keys_later() == ["escape"]


def test_a_key_after_escape_while_an_answer_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """UX.md: later than 25 ms after it, it is a key of its own, not one with Alt."""
    monkeypatch.setattr("textual.constants.ESCAPE_DELAY", -1.0)
    asked = Asked()
    assert asked.keys("\x1b", "j") == ["escape", "j"]


def test_what_a_terminal_tells_of_a_mode_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no answer to a question of this module, and no key, however late the rest comes."""
    report = "\x1b[?2026;2$y"
    for cut in range(1, len(report)):
        asked = Asked()
        assert asked.keys(report[:cut]) == []
        with monkeypatch.context() as later:
            later.setattr("textual._parser.get_time", lambda: float("inf"))
            assert asked.keys_later() == []
        assert asked.keys(report[cut:] + "j") == ["j"]


def test_escape_otherwise_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    assert asked.keys(WITHOUT_SIXEL) == []
    assert asked.keys("\x1b") == []
    monkeypatch.setattr("textual._parser.get_time", lambda: float("inf"))
    assert asked.keys_later() == ["escape"]
