"""What stands above the text of a message: who writes, to whom, the subject, and what is attached."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from termmail.model.outgoing import Draft
from termmail.ui.text import name_and_address, one_line
from termmail.ui.widgets.address_field import AddressField, Field, Label, People, Shown, Suggestions
from termmail.ui.words import size

ADDRESS_FIELDS = ("to", "cc", "bcc", "reply_to")
_LABELS = {"to": "To", "cc": "Cc", "bcc": "Bcc", "reply_to": "Reply-To", "subject": "Subject"}


class LetterHead(Vertical):
    """The fields of a draft, in the order in which Tab goes through them. Reply-To is there when it is needed."""

    DEFAULT_CSS = """
    LetterHead { height: auto; }
    LetterHead .row { height: 1; }
    """

    def __init__(self, draft: Draft, people: People) -> None:
        super().__init__()
        self.suggestions = Suggestions()
        self.from_line = Shown("from")
        self.attached = Shown("attached")
        self.fields: dict[str, Field] = {
            name: AddressField(getattr(draft, name), name, people, self.suggestions) for name in ADDRESS_FIELDS
        }
        self.fields["subject"] = Field(draft.subject, "subject")
        self._rows = {
            name: Horizontal(Label(label), self.fields[name], classes="row") for name, label in _LABELS.items()
        }
        self._rows["reply_to"].display = bool(draft.reply_to)
        self._attached_row = Horizontal(Label("Attached"), self.attached, classes="row")

    def compose(self) -> ComposeResult:
        yield Horizontal(Label("From"), self.from_line, classes="row")
        yield from self._rows.values()
        yield self._attached_row
        yield self.suggestions

    def show(self, draft: Draft) -> None:
        """Draw what is not typed: From and what is attached."""
        self.from_line.show(name_and_address(draft.from_), "text")
        files = draft.attachments
        self.attached.show("  ".join(f"{one_line(one.name)} ({size(one.size)})" for one in files))
        self._attached_row.display = bool(files)

    def show_reply_to(self) -> None:
        """Have the field for answers to go elsewhere."""
        self._rows["reply_to"].display = True

    @property
    def typed(self) -> dict[str, str]:
        """The text of each field, by the draft's names."""
        return {name: field.value for name, field in self.fields.items()}

    @property
    def first_empty(self) -> str:
        """Where one begins to write: the first of To and Subject that is empty, else nothing."""
        return next((name for name in ("to", "subject") if not self.fields[name].value.strip()), "")

    def beside(self, focused: Widget | None, step: int) -> str:
        """The field before (-1) or after (1) the one that has the focus; nothing is the text, which follows the last."""
        order = [name for name in self.fields if self._rows[name].display]
        place = next((place for place, name in enumerate(order) if self.fields[name] is focused), len(order)) + step
        return order[max(0, place)] if place < len(order) else ""
