"""What a message holds beside its text, to be viewed, saved, opened or handed on; and one part looked at in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Static

from termmail.model.body import Part, Picture, Rendered
from termmail.ui.pictures import Cells
from termmail.ui.screens.choice import Choices, Item
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.text import clip, one_line, steady, worded, wrapped
from termmail.ui.widgets.message_text import MessageText, PictureView
from termmail.ui.widgets.pane import PaneTitle, look_for
from termmail.ui.widgets.picture_pane import PicturePane
from termmail.ui.words import kind_words, part_words, size

Wish = Literal["view", "open", "save", "save_all", "pipe", "reply", "inside"]
Act = Callable[[Wish, Part], None]

_KEYS = (
    ("Enter", "view"),
    ("o", "open"),
    ("s", "save"),
    ("S", "all"),
    ("|", "pipe"),
    ("r", "answer with them"),
    ("q", "back"),
)
_MARGIN = 2
_LINKS_LISTED = 60
_WIDEST = 100


class AttachmentsScreen(Keyed, ModalScreen[None], inherit_bindings=False):
    """Lists parts and tells `act` what is wished with which; stays open until it is closed."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    AttachmentsScreen { align: center top; background: $background 55%; }
    AttachmentsScreen > Vertical {
        width: 84; max-width: 96%; height: auto; max-height: 84%; margin-top: 2; background: $surface; padding: 1 1;
    }
    AttachmentsScreen PaneTitle { margin-bottom: 1; }
    AttachmentsScreen Choices { height: auto; max-height: 20; }
    AttachmentsScreen .answer { height: auto; padding: 1 2 0 2; }
    AttachmentsScreen .keys { height: auto; padding: 1 2 0 2; }
    """

    def __init__(self, title: str, parts: Sequence[Part], act: Act) -> None:
        super().__init__()
        self._title = PaneTitle("attachments")
        self._words = one_line(title)
        self._parts = tuple(parts)
        self._act = act
        self._choices: Choices[Part] = Choices([_item(part, self._parts) for part in parts])
        self._answer = Static(classes="answer", markup=False)

    def compose(self) -> ComposeResult:
        keys = [piece for key, words in _KEYS for piece in ((key, "bold $primary"), f" {words}   ")]
        with Vertical():
            yield self._title
            yield self._choices
            yield self._answer
            yield Static(Content.assemble(*keys), markup=False, classes="keys")

    def on_mount(self) -> None:
        self._title.show(self._words, "", active=True)
        self._choices.styles.height = min(len(self._parts), 20)
        self._answer.display = False

    def tell(self, sentence: str) -> None:
        """Say what became of a wish."""
        self._answer.display = bool(sentence)
        self._answer.update(Content(one_line(sentence)))

    def key_pressed(self, event: events.Key) -> bool:
        moves = {
            "j": 1, "down": 1, "k": -1, "up": -1, "tab": 1, "shift+tab": -1, "pagedown": 10, "pageup": -10, "home": -1000,
            "end": 1000, "G": 1000,
        }  # fmt: skip
        wishes: dict[str, Wish] = {
            "enter": "view", "right": "view", "l": "view", "o": "open", "s": "save", "S": "save_all", "a": "save_all", "|": "pipe",
            "r": "reply",
        }  # fmt: skip
        key = key_name(event)
        if key in moves:
            self._choices.move(moves[key])
        elif key in ("q", "v", "escape", "left", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key in wishes and self._choices.cursor < len(self._choices.shown):
            self.tell("")
            self._act(wishes[key], self._choices.shown[self._choices.cursor].value)
        return True

    def on_choices_clicked(self, event: Choices.Clicked) -> None:
        event.stop()
        if event.place < len(self._choices.shown):
            again = self._choices.cursor == event.place
            self._choices.move(event.place - self._choices.cursor)
            if again:
                self._act("view", self._choices.shown[event.place].value)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)


def _item(part: Part, parts: Sequence[Part]) -> Item[Part]:
    depth = sum(
        part.part_path.startswith((f"{other.part_path}.", f"{other.part_path}~"))
        for other in parts
        if other.content_type.startswith("message/") or "~" in part.part_path
    )
    words = "└ " * min(depth, 5) + part_words(part)
    return Item(words, part, f"{kind_words(part.content_type)}  {size(part.size):>7}", muted=not part.is_attachment)


class PartPane(PicturePane):
    """A part that was laid out, with its links and what is to be said about it below."""

    DEFAULT_CSS = "PartPane { height: 1fr; background: $surface; }"

    class LinkClicked(Message):
        """A link was clicked; `number` is its place in `Rendered.links`."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__("part")
        self.rendered: Rendered | None = None
        self._words: tuple[str, ...] = ("Opening …",)
        self._ending: list[tuple[str, str]] = []
        self._first_link = 0

    @property
    def text_width(self) -> int:
        return max(10, min(_WIDEST, self.width - 1 - 2 * _MARGIN))

    def show(self, rendered: Rendered) -> None:
        self.rendered = rendered
        self.text = MessageText(rendered)
        self.text.toggle_folds()
        self._ending = [("", "text")]
        for note in rendered.notes:
            self._ending += [(line, "muted") for line in wrapped(f"▪ {steady(note)}", self.text_width, 4)]
        for part in rendered.attachments:
            self._ending.append((f"Attached: {part_words(part)}  {size(part.size)}", "text"))
        if rendered.links:
            self._ending.append(("Links", "heading"))
            self._first_link = len(self._ending)
            self._ending += [
                (clip(f"{number:>3}  {steady(link)}", self.text_width), "muted")
                for number, link in enumerate(rendered.links[:_LINKS_LISTED], 1)
            ]
        self.set_line_count(len(self.text.rows) + len(self._ending))
        self.touch()

    def on_click(self, event: events.Click) -> None:
        if self.text is None or self.rendered is None or event.x >= self.line_width:
            return
        place = event.y + self.top
        rows = len(self.text.rows)
        link = self.text.link_at(place, event.x - _MARGIN) if place < rows else place - rows - self._first_link
        if link is not None and 0 <= link < min(len(self.rendered.links), _LINKS_LISTED):
            event.stop()
            self.post_message(self.LinkClicked(link))

    def say(self, sentence: str) -> None:
        """In place of the part: why it can't be shown."""
        self.rendered = None
        self._words = (one_line(sentence),)
        self.set_line_count(0)
        self.touch()

    def draw_line(self, y: int) -> Strip:
        look = look_for(self)
        pen = self.pen()
        pen.space(_MARGIN)
        place = y + self.top
        if self.rendered is None or self.text is None:
            lines = worded(self._words, self.text_width)
            if place < len(lines):
                pen.put(lines[place][0], look.text)
            return self.ended(pen, y)
        if place < len(self.text.rows):
            self.draw_text(pen, y, place, look)
        elif place - len(self.text.rows) < len(self._ending):
            text, style = self._ending[place - len(self.text.rows)]
            pen.put(text, getattr(look, style))
        return self.ended(pen, y)


class PartScreen(Keyed, ModalScreen[None], inherit_bindings=False):
    """One part, looked at over the main screen. `bring` is asked for it when it is opened, and when there is another width for it."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    PartScreen { align: center middle; background: $background 55%; }
    PartScreen > Vertical { width: 94%; height: 92%; background: $surface; padding: 1 0; }
    PartScreen PaneTitle { margin-bottom: 1; }
    """

    def __init__(
        self,
        part: Part,
        bring: Callable[[PartScreen, int], None],
        draw: Callable[[PartScreen, Picture, PictureView | None], None],
        act: Act,
        follow: Callable[[str], None],
        follow_number: Callable[[Sequence[str], int], None],
    ) -> None:
        """`draw` is asked for its pictures, and then for the pixels of what is in view of them; `act` is told what is wished with it.
        `follow` opens a link, `follow_number` one of these whose number begins with a digit."""
        super().__init__()
        self._draw = draw
        self.part = part
        self._bring = bring
        self._act = act
        self._follow = follow
        self._follow_number = follow_number
        self._title = PaneTitle("part")
        self._pane = PartPane()
        self._width = 0

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._pane

    def on_mount(self) -> None:
        self.tell("")
        self.call_after_refresh(self._lay_out)

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        width = self._pane.text_width
        if self._pane.width and width != self._width:
            self._width = width
            self._bring(self, width)

    def show(self, rendered: Rendered) -> None:
        """The part as it was laid out."""
        self._pane.show(rendered)
        self.tell("")

    def show_picture(self, picture: Picture, cells: Cells) -> None:
        """One of its pictures as it was drawn."""
        rendered = self._pane.rendered
        for place, one in enumerate(rendered.pictures if rendered is not None else ()):
            if one == picture:
                self._pane.show_picture(place, cells)

    def show_pixels(self, view: PictureView, sixels: str) -> None:
        """What is in view of one of its pictures, in pixels."""
        self._pane.show_pixels(view, sixels)

    def on_picture_pane_picture_seen(self, event: PicturePane.PictureSeen) -> None:
        event.stop()
        self._draw_picture(event.place, None)

    def on_picture_pane_view_seen(self, event: PicturePane.ViewSeen) -> None:
        event.stop()
        self._draw_picture(event.view.place, event.view)

    def _draw_picture(self, place: int, view: PictureView | None) -> None:
        rendered = self._pane.rendered
        if rendered is not None and place < len(rendered.pictures):
            self._draw(self, rendered.pictures[place], view)

    def on_part_pane_link_clicked(self, event: PartPane.LinkClicked) -> None:
        event.stop()
        rendered = self._pane.rendered
        if rendered is not None and event.number < len(rendered.links):
            self._follow(rendered.links[event.number])

    def say(self, sentence: str) -> None:
        """Why it can't be shown."""
        self._pane.say(sentence)

    def tell(self, sentence: str) -> None:
        """Say what became of a wish, in the title."""
        held = self._pane.rendered is not None and bool(self._pane.rendered.attachments)
        keys = "v its attachments · o opens · s saves · q closes" if held else "o opens · s saves · q closes"
        self._title.show(part_words(self.part), one_line(sentence) or keys, active=True)

    def key_pressed(self, event: events.Key) -> bool:
        page = max(1, self._pane.height - 2)
        moves = {
            "j": 1, "down": 1, "k": -1, "up": -1, "space": page, "pagedown": page, "b": -page, "pageup": -page, "ctrl+d": page,
            "ctrl+u": -page, "home": -(10**9), "g": -(10**9), "end": 10**9, "G": 10**9,
        }  # fmt: skip
        wishes: dict[str, Wish] = {"o": "open", "s": "save", "|": "pipe", "v": "inside"}
        key = key_name(event)
        if key in ("q", "escape", "left", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key in moves:
            self._pane.to_line(self._pane.top + moves[key])
        elif key in wishes:
            self._act(wishes[key], self.part)
        elif key in "123456789" and self._pane.rendered is not None:
            self._follow_number(self._pane.rendered.links, int(key))
        return True
