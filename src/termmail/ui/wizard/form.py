"""What a form is made of: lines to type in, with what is to be said about them, and things to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from termmail.setup.field_checks import Remark, Weight
from termmail.ui.text import one_line, wrapped
from termmail.ui.widgets.pane import Drawn, look_for
from termmail.ui.wizard.facts import Fact, Facts

Value = TypeVar("Value")

LABEL_CELLS = 14
_TONES = {Weight.NOTE: "muted", Weight.DOUBT: "warning", Weight.WRONG: "error"}
TAKE_KEY = "Ctrl+Y"


class FormLabel(Drawn, can_focus=False):
    """The name of a field."""

    DEFAULT_CSS = f"FormLabel {{ width: {LABEL_CELLS}; height: 1; }}"

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def draw_line(self, y: int) -> Strip:
        pen = self.pen()
        pen.put(self._words, look_for(self).muted)
        return pen.strip()


class _Mark(Drawn, can_focus=False):
    """Whether what stands beside it is well."""

    DEFAULT_CSS = "_Mark { width: 3; height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._mark, self._tone = "", "muted"

    def show(self, mark: str, tone: str) -> None:
        if (mark, tone) != (self._mark, self._tone):
            self._mark, self._tone = mark, tone
            self.touch()

    def draw_line(self, y: int) -> Strip:
        pen = self.pen()
        pen.space()
        pen.put(self._mark, getattr(look_for(self), self._tone))
        return pen.strip()


class FormInput(Input):
    """The line itself."""

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    FormInput { border: none; height: 1; padding: 0 1; background: $panel; color: $foreground; width: 1fr; }
    FormInput:focus { border: none; background-tint: $primary 14%; }
    """


class FormField(Vertical):
    """A labelled line. It is looked at while it is typed; that something is missing is said only when it was left."""

    DEFAULT_CSS = """
    FormField { height: auto; }
    FormField > Horizontal { height: 1; }
    FormField > Facts { padding: 0 3 0 0; }
    """

    class Changed(Message):
        """Something else stands in the line now."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

    def __init__(
        self,
        name: str,
        label: str,
        check: Callable[[str], Remark | None] = lambda text: None,
        *,
        value: str = "",
        secret: bool = False,
        placeholder: str = "",
    ) -> None:
        super().__init__(id=f"field-{name}")
        self.key = name
        self.is_secret = secret
        self.first_value = value
        self._insisted = ""
        self.input = FormInput(
            value=value, password=secret, select_on_focus=False, id=f"input-{name}", placeholder=placeholder
        )
        self._label = label
        self._check = check
        self._mark = _Mark()
        self._remark = Facts(column=LABEL_CELLS + 1)
        self._left = False
        self._outside: Remark | None = None

    def compose(self) -> ComposeResult:
        yield Horizontal(FormLabel(self._label), self.input, self._mark)
        yield self._remark

    def on_mount(self) -> None:
        self.look()

    @property
    def value(self) -> str:
        """As it is typed."""
        return self.input.value

    @value.setter
    def value(self, text: str) -> None:
        if text != self.input.value:
            self.input.value = text
            self.input.cursor_position = len(text)

    @property
    def remark(self) -> Remark | None:
        """What there is to say about it, whether it is shown yet or not."""
        return self._check(self.input.value)

    @property
    def is_wrong(self) -> bool:
        """Whether it has to be changed before one can go on."""
        remark = self.remark
        return remark is not None and remark.weight is Weight.WRONG

    @property
    def is_doubtful(self) -> bool:
        """Whether it may be a slip of the fingers; not when it was insisted on."""
        remark = self.remark
        doubt = remark is not None and remark.weight is Weight.DOUBT and bool(remark.meant)
        return doubt and self._insisted != self.input.value

    def insist(self) -> None:
        """It is meant as it stands."""
        self._insisted = self.input.value

    def complain(self, sentence: str) -> None:
        """Say what a server or a check had against it, until it is changed."""
        self._outside = Remark(Weight.WRONG, one_line(sentence))
        self.look()

    def was_left(self) -> None:
        """It counts as typed from now on."""
        self._left = True
        self.look()

    def was_left_for(self, step: int) -> None:
        """By a key that goes down or up: a field that was only passed by is not complained about."""
        if self.input.value or step > 0:
            self.was_left()

    def take_meant(self) -> bool:
        """Put what was probably meant in its place; whether there was something."""
        remark = self.remark
        if remark is None or not remark.meant:
            return False
        self.value = remark.meant
        return True

    def look(self) -> None:
        """Show the remark there is."""
        remark = self._outside or self.remark
        early = remark is not None and remark.weight is not Weight.DOUBT and not self._left and self._outside is None
        if remark is None:
            self._mark.show("✓" if self.input.value.strip() else "", "good")
        elif early or remark.weight is Weight.NOTE:
            self._mark.show("", "muted")
        else:
            self._mark.show("!" if remark.weight is Weight.DOUBT else "✗", _TONES[remark.weight])
        facts = []
        if remark is not None and not early:
            words = remark.sentence
            if remark.meant:
                words += f" {TAKE_KEY} writes: {one_line(remark.meant)}"
            facts = [Fact(words, _TONES[remark.weight], head=" ")]
        self._remark.show(facts)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._outside = None
        self.look()
        self.post_message(self.Changed(self))

    @on(events.DescendantBlur)
    def _blurred(self, event: events.DescendantBlur) -> None:
        if self.input.value:
            self.was_left()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self._remark and self.take_meant():
            event.stop()
            self.input.focus()


class Option(NamedTuple, Generic[Value]):
    """One of several to choose from: a title, what it means, and a word beside the title, such as "recommended"."""

    value: Value
    title: str
    words: tuple[str, ...] = ()
    beside: str = ""
    tone: str = "good"


class Chosen(Message):
    """Another value was chosen in `control`."""

    def __init__(self, control: Widget) -> None:
        super().__init__()
        self.chooser = control


class Options(Drawn, Generic[Value], can_focus=True):
    """One of several below each other; the arrows choose."""

    DEFAULT_CSS = "Options { height: auto; width: 1fr; }"

    def __init__(
        self, options: Sequence[Option[Value]], value: Value, id: str | None = None, *, terse: bool = False
    ) -> None:
        """`terse` shows the words of the chosen one alone."""
        super().__init__(id)
        self.options = tuple(options)
        self.value = value
        self._terse = terse
        self._lines: list[tuple[int, str, bool]] = []
        self._laid_out: object = None

    def show(self, options: Sequence[Option[Value]]) -> None:
        """Offer these; what was chosen stays chosen where it is among them."""
        if tuple(options) != self.options:
            self.options = tuple(options)
            if all(option.value != self.value for option in self.options):
                self.value = self.options[0].value
            self.touch()
            self.refresh(layout=True)

    def choose(self, value: Value) -> None:
        """Choose without being asked."""
        if value != self.value:
            self.value = value
            self.touch()
            if self._terse:
                self.refresh(layout=True)
            self.post_message(Chosen(self))

    def step(self, step: int) -> bool:
        """Choose the next one, or the one before; False at the end."""
        place = next(place for place, option in enumerate(self.options) if option.value == self.value) + step
        if not 0 <= place < len(self.options):
            return False
        self.choose(self.options[place].value)
        return True

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lay_out(width))

    def _lay_out(self, width: int) -> list[tuple[int, str, bool]]:
        laid_out = (self.options, width, self.value if self._terse else None)
        if self._laid_out != laid_out:
            self._laid_out = laid_out
            self._lines = []
            spaced = not self._terse and any(option.words for option in self.options)
            for place, option in enumerate(self.options):
                if place and spaced:
                    self._lines.append((place, "", False))
                self._lines.append((place, option.title, True))
                for words in () if self._terse and option.value != self.value else option.words:
                    self._lines.extend((place, line, False) for line in wrapped(words, max(width - 5, 8), 4))
        return self._lines

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        lines = self._lay_out(self.width)
        if y >= len(lines):
            return self.pen().strip()
        place, words, is_title = lines[y]
        option = self.options[place]
        chosen = option.value == self.value
        if not is_title:
            pen = self.pen()
            pen.space(4)
            pen.put(words, look.muted)
            return pen.strip()
        pen = self.pen(look.cursor if chosen and self.has_focus else None)
        pen.space()
        pen.put("●" if chosen else "○", look.accent if chosen else look.muted)
        pen.space(2)
        pen.put(words, look.bright if chosen else look.text)
        if option.beside:
            pen.space(2)
            pen.put(option.beside, getattr(look, option.tone))
        return pen.strip()

    def on_focus(self) -> None:
        self.touch()

    def on_blur(self) -> None:
        self.touch()

    def on_click(self, event: events.Click) -> None:
        lines = self._lay_out(self.width)
        if event.y < len(lines):
            self.choose(self.options[lines[event.y][0]].value)


class Segments(Drawn, Generic[Value], can_focus=True):
    """One of a few beside each other behind a label; left and right choose."""

    DEFAULT_CSS = "Segments { height: auto; width: 1fr; }"

    def __init__(self, label: str, options: Sequence[tuple[Value, str]], value: Value, id: str | None = None) -> None:
        super().__init__(id)
        self._label = label
        self.options = tuple(options)
        self.value = value

    def choose(self, value: Value) -> None:
        """Choose without being asked."""
        if value != self.value:
            self.value = value
            self.touch()
            self.post_message(Chosen(self))

    def show(self, value: Value) -> None:
        """Show what is chosen; nobody chose it now."""
        if value != self.value:
            self.value = value
            self.touch()

    def step(self, step: int) -> None:
        """Choose the next one, or the one before."""
        place = next((place for place, (value, _) in enumerate(self.options) if value == self.value), 0) + step
        self.choose(self.options[max(0, min(place, len(self.options) - 1))][0])

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + max((line for line, _, _ in self._placed(width)), default=0)

    def _placed(self, width: int) -> list[tuple[int, int, int]]:
        """Line, column and cells of each option."""
        placed = []
        line, left = 0, LABEL_CELLS
        for _, words in self.options:
            cells = cell_len(words) + 2
            if left + cells > width and left > LABEL_CELLS:
                line, left = line + 1, LABEL_CELLS
            placed.append((line, left, cells))
            left += cells + 1
        return placed

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        pen.field(self._label if y == 0 else "", look.muted, LABEL_CELLS)
        at = LABEL_CELLS
        for (line, left, cells), (value, words) in zip(self._placed(self.width), self.options, strict=True):
            if line != y:
                continue
            pen.space(left - at)
            at = left + cells
            if value == self.value:
                style = look.bright + (look.cursor if self.has_focus else look.cursor_idle)
                pen.put(f" {words} ", style)
            else:
                pen.put(f" {words} ", look.muted)
        return pen.strip()

    def on_focus(self) -> None:
        self.touch()

    def on_blur(self) -> None:
        self.touch()

    def on_click(self, event: events.Click) -> None:
        for (line, left, cells), (value, _) in zip(self._placed(self.width), self.options, strict=True):
            if line == event.y and left <= event.x < left + cells:
                self.choose(value)
