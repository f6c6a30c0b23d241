"""A pane whose text holds pictures."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.message import Message

from termmail.ui.drawing import Overlay, Pen
from termmail.ui.look import Look
from termmail.ui.widgets.message_text import MessageText, PictureView
from termmail.ui.widgets.pane import Pane


class PicturePane(Pane):
    """Draws `text`, and tells which pictures of it are to be seen."""

    class PictureSeen(Message):
        """A picture came into view that is not drawn yet; `place` is that in `Rendered.pictures`."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    class ViewSeen(Message):
        """Of a picture in half blocks these rows are in view, and their pixels are not there."""

        def __init__(self, view: PictureView) -> None:
            super().__init__()
            self.view = view

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.text: MessageText | None = None

    def set_active(self, active: bool) -> None:
        # It looks the same, and its pixels would be sent again.
        self.is_active = active

    def draw_text(self, pen: Pen, y: int, row: int, look: Look) -> None:
        """Write a row of the text as line `y` of the pane."""
        text = self.text
        assert text is not None
        room = pen.left
        text.draw(pen, row, look)
        if (missing := text.missing_picture) >= 0:
            text.missing_picture = -1
            text.pictures[missing] = ()
            self.post_message(self.PictureSeen(missing))
        # Pixels are drawn over all lines at once, when the last one is there.
        view = text.view_ending(row, y + 1, is_last=y == self.height - 1)
        if view is None or text.picture_width(view.place) > room:
            return
        found, sixels = text.pixels.get(view.place, (None, ""))
        if found != view:
            self.post_message(self.ViewSeen(view))
        elif sixels:
            pen.overlay = Overlay(sixels, view.rows - 1, self.line_width - room)

    def show_picture(self, place: int, cells: Sequence[Sequence[Segment]]) -> None:
        """A picture is drawn."""
        if self.text is not None:
            self.text.pictures[place] = cells
            self.touch()

    def show_pixels(self, view: PictureView, sixels: str) -> None:
        """What is in view of a picture as a control sequence; empty where it stays as it is."""
        if self.text is not None:
            self.text.pixels[view.place] = view, sixels
            self.touch()

    def forget_pictures(self) -> None:
        """The terminal has them no more, or draws them in another way."""
        if self.text is not None:
            self.text.pictures.clear()
            self.touch()

    def forget_pixels(self) -> None:
        """The terminal draws pixels now, or its cells have another size."""
        if self.text is not None:
            self.text.pixels.clear()
            self.touch()
