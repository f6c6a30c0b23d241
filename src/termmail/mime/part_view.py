"""One part of a message laid out to be looked at in place: mail in mail, tables, invitations, contacts, PDF, text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from termmail.mime.calendar_card import calendar_lines
from termmail.mime.calendar_events import read_calendar
from termmail.mime.cards import labelled, title
from termmail.mime.charsets import decode_text
from termmail.mime.contact_card import contact_lines
from termmail.mime.embedded import find_part, is_tnef
from termmail.mime.html_lines import html_lines
from termmail.mime.image_size import image_size
from termmail.mime.layout import lay_out, picture_cells
from termmail.mime.links import Links
from termmail.mime.logical import Logical, LogicalLine, LogicalPicture, Run
from termmail.mime.pdf_text import pdf_text
from termmail.mime.picture_places import PicturePlaces
from termmail.mime.plain import plain_lines
from termmail.mime.render import MAX_TEXT, render_enclosed, render_tnef
from termmail.mime.rtf import rtf_text
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.structure import Node, Tree
from termmail.mime.table import table_lines
from termmail.model.body import Picture, Rendered, Style

_TEXT_TYPES = frozenset((
    "application/json", "application/xml", "application/javascript", "application/x-sh", "application/x-shellscript",
    "application/pgp", "application/x-perl", "application/x-python", "application/yaml", "application/toml", "application/sql",
    "application/pgp-signature", "application/pgp-keys", "application/x-patch", "application/x-diff", "message/delivery-status",
    "message/disposition-notification", "message/feedback-report", "message/global-delivery-status", "message/rfc822-headers",
    "message/global-headers", "message/partial", "message/external-body",
))  # fmt: skip
_ENLARGED = 3
_EXTENSIONS = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".ics": "text/calendar", ".vcf": "text/vcard", ".pdf": "application/pdf",
    ".eml": "message/rfc822", ".rtf": "text/rtf", ".html": "text/html", ".htm": "text/html", ".txt": "text/plain", ".log": "text/plain",
    ".md": "text/plain", ".patch": "text/plain", ".diff": "text/plain", ".json": "application/json", ".xml": "application/xml",
}  # fmt: skip
_VAGUE = (
    "application/octet-stream",
    "application/binary",
    "application/x-unknown",
    "application/vnd.ms-excel",
    "text/plain",
)
_CARDS = {
    "text/vcard": "contact", "text/x-vcard": "contact", "text/directory": "contact", "text/calendar": "calendar",
    "application/ics": "calendar", "text/csv": "table", "text/tab-separated-values": "table", "application/csv": "table",
    "application/rtf": "rtf", "text/rtf": "rtf", "application/pdf": "pdf", "application/x-pdf": "pdf", "text/html": "html",
}  # fmt: skip


def view_part(raw: bytes, part_path: str, *, width: int, pictures: bool = False) -> Rendered:
    """The part of the message in `raw` at `part_path`, laid out to `width` cells. What can't be shown says so in its lines.
    With `pictures` those that came with the message get room to be drawn in.

    Every string is safe to show (D1, D2); nothing is loaded, run or written. Budgets of P5 hold but for
    time: the caller sets a deadline. Raises LookupError where there is no such part.
    """
    tree = Tree(raw)
    node = find_part(tree, part_path)
    if node is None:
        raise LookupError(part_path)
    kind = kind_of(node)
    if kind in ("message/rfc822", "message/global"):
        if node.children:
            return render_enclosed(tree, node, width, pictures=pictures)
        # What is in it has no path in the whole message, by which a picture could be found.
        inner = Tree(node.decoded())
        return render_enclosed(inner, inner.root, width)
    if is_tnef(node):
        return render_tnef(tree, node, width)
    view = _View(node, kind, width, PicturePlaces(tree.root, {}) if pictures else None)
    lines, cut = lay_out(view.lines(), width)
    if cut:
        view.notes.append("There are very many lines: only the first are shown.")
    return Rendered(
        tuple(lines),
        tuple(view.links.urls),
        tuple(safe_text(note, one_line=True) for note in view.notes),
        source="part",
        pictures=view.pictures or (view.places.pictures(lines, width) if view.places is not None else ()),
    )


def kind_of(node: Node) -> str:
    """The media type of a part; that of its file name where the type says too little."""
    name = node.filename.lower()
    extension = name[name.rfind(".") :] if "." in name else ""
    if node.content_type in _VAGUE and extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    return node.content_type


class _View:
    def __init__(self, node: Node, kind: str, width: int, places: PicturePlaces | None) -> None:
        self.node = node
        self.kind = kind
        self.width = width
        self.links = Links()
        self.notes: list[str] = []
        self.places = places
        self.pictures: tuple[Picture, ...] = ()

    def lines(self) -> Iterator[Logical]:
        views: dict[str, Callable[[], Iterator[Logical]]] = {
            "contact": lambda: contact_lines(self.text(), self.links),
            "calendar": self.calendar,
            "table": lambda: table_lines(self.text(), self.width, tabs=self.kind == "text/tab-separated-values"),
            "rtf": lambda: self.plain(rtf_text(self.node.decoded())),
            "pdf": self.pdf,
            "html": self.html,
        }
        found = list(views[_CARDS[self.kind]]()) if self.kind in _CARDS else []
        if found:
            yield from found
        elif self.kind.startswith("image/"):
            yield from self.image()
        elif self.kind.startswith("text/") or self.kind in _TEXT_TYPES or self.looks_like_text():
            yield from self.plain(self.text())
        elif self.kind not in _CARDS:
            yield from self.told("It can't be shown here.")

    def text(self) -> str:
        text = decode_text(self.node.decoded(limit=2 * MAX_TEXT), self.node.charset)
        if len(text) > MAX_TEXT:
            self.notes.append("The text is very long: only its beginning is shown.")
        return text[:MAX_TEXT]

    def looks_like_text(self) -> bool:
        sample = self.node.decoded(limit=8_000)[:4_000]
        control = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in sample)
        if not sample or control:
            return False
        try:
            sample[:-4].decode()
        except UnicodeDecodeError:
            return False
        return True

    def plain(self, text: str) -> Iterator[Logical]:
        return plain_lines(text, self.links)

    def html(self) -> Iterator[Logical]:
        found = html_lines(self.text(), self.links, find=self.places.find if self.places is not None else None)
        self.notes += found.notes
        return iter(found.lines)

    def calendar(self) -> Iterator[Logical]:
        text = decode_text(self.node.decoded(), self.node.charset or "utf-8")
        data = read_calendar(text, self.node.parameters.get("method", ""))
        if data is None:
            self.notes.append("This can't be read as a calendar; it is shown as text.")
            return self.plain(text[:MAX_TEXT])
        return calendar_lines(data, self.links)

    def pdf(self) -> Iterator[Logical]:
        found = pdf_text(self.node.decoded())
        if found is None:
            yield from self.told("It can't be read as a PDF.")
            return
        if found.is_locked:
            yield from self.told("It needs a password, which only the program that opens it can ask for.")
            return
        for number, page in enumerate(found.pages, 1):
            if len(found.pages) > 1:
                yield LogicalLine(runs=(Run(f"Page {number} of {found.page_count}", Style.NOTE),))
            yield from self.plain(page.strip("\n"))
            yield LogicalLine()
        if not any(page.strip() for page in found.pages):
            yield from self.told("It holds no text: its pages are pictures.")
        elif len(found.pages) < found.page_count:
            self.notes.append(f"Only {len(found.pages)} of {found.page_count:,} pages are shown.")
        self.notes.append("Only the text is shown, without pictures and layout.")

    def image(self) -> Iterator[Logical]:
        found = image_size(self.node.decoded(limit=256 * 1024))
        if found is not None and found[1] and found[2] and self.places is not None:
            # Larger than in a text: somebody wants to see it.
            width, height = _ENLARGED * found[1], _ENLARGED * found[2]
            columns, rows = picture_cells(width, height, self.width)
            self.pictures = (Picture(self.node.path, "", columns, rows),)
            yield LogicalPicture(0, 0, width, height, safe_address(self.node.filename))
            yield LogicalLine()
        words = f"A {found[0]} picture of {found[1]:,} × {found[2]:,} pixels." if found is not None else "A picture."
        yield from self.told(words)

    def told(self, sentence: str) -> Iterator[Logical]:
        """In place of the content: what it is, and that it can be had otherwise."""
        yield title(sentence, Style.PLAIN)
        yield labelled("Type", self.node.content_type)
        yield labelled("Size", f"{self.node.decoded_size():,} bytes")
