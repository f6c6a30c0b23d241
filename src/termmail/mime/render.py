"""A message's text as the message pane shows it: chosen among its parts, cleaned, laid out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from termmail.mime.charsets import decode_text
from termmail.mime.headers import parse_envelope
from termmail.mime.html_lines import html_lines
from termmail.mime.layout import LogicalLine, Run, lay_out, with_links
from termmail.mime.links import Links
from termmail.mime.parts import part_of
from termmail.mime.plain import plain_lines
from termmail.mime.protection import protection
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.structure import Node, Tree
from termmail.model.body import Part, Rendered, Style
from termmail.model.message import Address

MAX_TEXT = 2 * 1024 * 1024
_MAX_INSIDE = 5
_QUOTED_WITH_LAYOUT = 256 * 1024

Preference = Literal["text", "html"]

_READ_AS_TEXT = (
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "message/global-delivery-status",
    "application/pgp",
)
_ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_SIGNED = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")


def render_message(raw: bytes, *, width: int, prefer: Preference = "text", stripped: bool = False) -> Rendered:
    """The message in `raw` laid out to `width` cells. `prefer` chooses where a mail has its text twice.

    With `stripped` HTML loses its layout, which takes linear time: for mail that did not make it within its deadline (P6).

    Nothing is ever loaded or opened (T18), every string of the result is safe to show (D1, D2), and budgets of P5 and P6 hold but
    for time: the caller sets a deadline (`RenderWorker`). Never raises on bad mail.
    """
    return _Renderer(Tree(raw), prefer, stripped=stripped).render(width)


def message_text(raw: bytes) -> str:
    """The text of the message in `raw` for quoting it: paragraphs as they were written, quotes with their marks. Safe to show.

    Large HTML loses its layout, so that this takes linear time (P6). Never raises on bad mail.
    """
    tree = Tree(raw)
    renderer = _Renderer(tree, "text", stripped=len(raw) > _QUOTED_WITH_LAYOUT)
    lines = [
        (">" * line.depth + " " if line.depth else "") + "".join(run.text for run in line.runs)
        for line in renderer.message(tree.root, 0)
    ]
    return "\n".join(line.rstrip() if line != "-- " else line for line in lines)


class _Renderer:
    def __init__(self, tree: Tree, prefer: Preference, *, stripped: bool) -> None:
        self.tree = tree
        self.prefer = prefer
        self.stripped = stripped
        self.links = Links()
        self.notes: list[str] = []
        self.sources: list[str] = []
        self.left = MAX_TEXT

    def render(self, width: int) -> Rendered:
        lines, cut = lay_out(self.message(self.tree.root, 0), width)
        if cut:
            self.note("The text has very many lines: only its beginning is shown.")
        for defect in self.tree.defects:
            self.note(defect)
        source = "html" if "html" in self.sources else "text" if "text" in self.sources else "none"
        attachments = tuple(_safe_part(part) for part in self.attachments(self.tree.root))
        return Rendered(
            lines=tuple(lines),
            links=tuple(self.links.urls),
            notes=tuple(safe_text(note, one_line=True) for note in self.notes),
            attachments=attachments,
            source=source,
            protection=protection(self.tree.root),
        )

    def attachments(self, root: Node) -> Iterator[Part]:
        first = True
        pending = [root]
        while pending:
            node = pending.pop(0)
            if node.is_multipart:
                pending[:0] = node.children
                continue
            part = part_of(node, first=first)
            first = False
            if part.is_attachment:
                yield part

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def message(self, root: Node, inside: int) -> Iterator[LogicalLine]:
        """The lines of all parts of a message that are to be read, separated by empty lines."""
        for number, node in enumerate(self.readable(root)):
            if self.left <= 0:
                self.note("The text is very long: only its beginning is shown.")
                return
            if number:
                yield LogicalLine()
            if node.content_type in ("message/rfc822", "message/global"):
                yield from self.inner(node, inside)
            else:
                yield from self.part(node, titled=number > 0)

    def readable(self, node: Node) -> Iterator[Node]:
        kind = node.content_type
        if not node.is_multipart:
            if self.is_readable(node):
                yield node
        elif kind == "multipart/alternative":
            chosen = self.alternative(node.children)
            if chosen is not None:
                yield from self.readable(chosen)
        elif kind == "multipart/related":
            yield from self.readable(self.related_root(node))
        elif kind == "multipart/encrypted":
            self.note("The message is encrypted. Save it and open it with the program that holds its key.")
            for child in node.children:
                if child.content_type.startswith(("text/", "multipart/")):
                    yield from self.readable(child)
        else:
            for child in node.children:
                yield from self.readable(child)

    def is_readable(self, node: Node) -> bool:
        kind = node.content_type
        if kind in _ENCRYPTED:
            self.note(
                "The message is encrypted or signed with S/MIME. Save it and open it with the program that holds its key."
            )
            return False
        if kind in _SIGNED:
            self.note("The signature of the message was not checked.")
            return False
        if kind in ("message/rfc822", "message/global"):
            return node.disposition != "attachment" and bool(node.children)
        if kind in _READ_AS_TEXT:
            return node.disposition != "attachment"
        return kind.startswith("text/") and (
            node is self.tree.root or not part_of(node, first=self.is_first(node)).is_attachment
        )

    def is_first(self, node: Node) -> bool:
        return node.path.replace("1", "").strip(".") == ""

    def alternative(self, children: list[Node]) -> Node | None:
        """The child to read: the last of the preferred kind that says something, else the last that can be read."""
        wanted = "text/html" if self.prefer == "html" else "text/plain"
        texts = [child for child in children if self.holds(child, "text/plain") or self.holds(child, "text/html")]
        for child in reversed(texts):
            if self.holds(child, wanted) and (child.is_multipart or child.decoded(limit=20_000).strip()):
                return child
        said = [child for child in texts if child.is_multipart or child.decoded(limit=20_000).strip()]
        readable = (
            said or texts or [child for child in children if child.content_type.startswith(("text/", "multipart/"))]
        )
        return readable[-1] if readable else None

    def holds(self, node: Node, kind: str) -> bool:
        if not node.is_multipart:
            return node.content_type == kind
        return any(child.content_type == kind for child in node.walk() if not child.is_multipart)

    def related_root(self, node: Node) -> Node:
        start = node.parameters.get("start", "").strip("<> ")
        named = [child for child in node.children if start and child.content_id == start]
        texts = [child for child in node.children if child.content_type.startswith(("text/", "multipart/"))]
        texts = [child for child in texts if child.disposition != "attachment"]
        return (named or texts or node.children)[0]

    def part(self, node: Node, *, titled: bool) -> Iterator[LogicalLine]:
        if titled and node.filename:
            yield LogicalLine(runs=(Run(f"[{safe_address(node.filename)}]", Style.NOTE),))
        data = node.decoded(limit=2 * self.left)
        text = decode_text(data, node.charset)
        if len(text) > self.left or 2 * self.left < node.body_end - node.body_start:
            self.note("The text is very long: only its beginning is shown.")
        if node.content_type == "text/html":
            self.sources.append("html")
            self.left -= len(text)
            found = html_lines(text, self.links, stripped=self.stripped)
            for sentence in found.notes:
                self.note(sentence)
            yield from found.lines
            return
        self.sources.append("text")
        text = text[: self.left]
        self.left -= len(text)
        flowed = node.parameters.get("format", "").strip().lower() == "flowed"
        refused = self.links.refused
        yield from plain_lines(text, self.links, flowed=flowed, delsp=node.parameters.get("delsp", "").lower() == "yes")
        if self.links.refused > refused:
            self.note("Links with a user name or other tricks in them were not made links.")

    def inner(self, node: Node, inside: int) -> Iterator[LogicalLine]:
        """A forwarded message: who wrote it to whom when, and its text."""
        root = node.children[0]
        envelope = parse_envelope(root.header())
        sent = (
            time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(envelope.sent_at)) if envelope.sent_at is not None else ""
        )
        fields = (
            ("From", _addresses(envelope.from_)),
            ("To", _addresses(envelope.to)),
            ("Date", sent),
            ("Subject", safe_text(envelope.subject, one_line=True)),
        )
        yield LogicalLine(runs=(Run("Forwarded message", Style.HEADING),))
        for name, value in fields:
            if value:
                yield LogicalLine(runs=(Run(f"{name}: ", Style.NOTE), *with_links(value, Style.PLAIN, self.links)))
        yield LogicalLine()
        if inside >= _MAX_INSIDE:
            self.note("Messages are attached within messages; the innermost are not shown.")
            return
        yield from self.message(root, inside + 1)


def _addresses(addresses: tuple[Address, ...]) -> str:
    shown = [
        f"{safe_text(entry.name, one_line=True)} <{safe_address(entry.address)}>"
        if entry.name
        else safe_address(entry.address)
        for entry in addresses[:20]
    ]
    return ", ".join(shown) + (" …" if len(addresses) > 20 else "")


def _safe_part(part: Part) -> Part:
    return Part(
        part_path=part.part_path,
        content_type=safe_address(part.content_type),
        charset=safe_address(part.charset),
        filename=safe_address(part.filename),
        size=part.size,
        disposition=safe_address(part.disposition),
        content_id=safe_address(part.content_id),
        is_attachment=part.is_attachment,
    )
