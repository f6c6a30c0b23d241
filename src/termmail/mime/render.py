"""A message's text as the message pane shows it: chosen among its parts, cleaned, laid out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Literal

from termmail.mime.cards import people
from termmail.mime.charsets import decode_text
from termmail.mime.embedded import is_tnef, tnef_of
from termmail.mime.folds import folds_of, mark_old
from termmail.mime.headers import parse_envelope
from termmail.mime.html_lines import html_lines
from termmail.mime.layout import lay_out
from termmail.mime.links import Links
from termmail.mime.logical import Logical, LogicalLine, LogicalTable, Run
from termmail.mime.message_cards import MessageCards
from termmail.mime.parts import own_attachments, own_nodes, part_of
from termmail.mime.picture_places import PicturePlaces, remote_url
from termmail.mime.plain import plain_lines
from termmail.mime.protection import protection
from termmail.mime.reflow import reflowed
from termmail.mime.report_card import own_words_line
from termmail.mime.rtf import decompress_rtf, rtf_text
from termmail.mime.safe_text import safe_address, safe_text
from termmail.mime.structure import Node, Tree
from termmail.mime.text_blocks import find_blocks
from termmail.mime.told_parts import block_words, told_parts
from termmail.model.body import Part, Rendered, Style

MAX_TEXT = 2 * 1024 * 1024
_MAX_INSIDE = 5
_QUOTED_WITH_LAYOUT = 256 * 1024
_QUOTED_TABLE = 70
_QUOTED_RULE = "-" * 20

Preference = Literal["text", "html"]

_READ_AS_TEXT = (
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "message/global-delivery-status",
    "application/pgp",
)
_MESSAGES = ("message/rfc822", "message/global")
_HEADERS_ONLY = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
_ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_SIGNED = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")


def render_message(
    raw: bytes,
    *,
    width: int,
    prefer: Preference = "text",
    stripped: bool = False,
    pictures: bool = False,
    loaded: Mapping[str, str] | None = None,
) -> Rendered:
    """The message in `raw` laid out to `width` cells. `prefer` chooses where a mail has its text twice. With `pictures` those that came
    with it get room in its HTML, and those whose URLs were `loaded` into files before.

    With `stripped` HTML loses its layout, which takes linear time: for mail that did not make it within its deadline (P6).

    Nothing is ever loaded or opened (T18), every string of the result is safe to show (D1, D2), and budgets of P5 and P6 hold but
    for time: the caller sets a deadline (`RenderWorker`). Never raises on bad mail.
    """
    tree = Tree(raw)
    renderer = _Renderer(tree, prefer, stripped=stripped)
    if pictures:
        renderer.places = PicturePlaces(tree.root, loaded or {})
    return renderer.render(width)


def render_enclosed(tree: Tree, node: Node, width: int, *, pictures: bool = False) -> Rendered:
    """A message that is enclosed in another one, at its node, with its own attachments; their paths are those of the whole message.
    With `pictures` those that came with it get room in its HTML."""
    renderer = _Renderer(tree, "text", stripped=node.body_end - node.body_start > MAX_TEXT)
    if pictures:
        renderer.places = PicturePlaces(node, {})
    return renderer.enclosed(node, width)


def render_tnef(tree: Tree, node: Node, width: int) -> Rendered:
    """The text of a winmail.dat and the files in it."""
    return _Renderer(tree, "text", stripped=False).tnef_alone(node, width)


def message_text(raw: bytes) -> str:
    """The text of the message in `raw` for quoting it: paragraphs as they were written, quotes with their marks. Safe to show.

    Large HTML loses its layout, so that this takes linear time (P6). Never raises on bad mail.
    """
    tree = Tree(raw)
    renderer = _Renderer(tree, "text", stripped=len(raw) > _QUOTED_WITH_LAYOUT)
    lines: list[str] = []
    for logical in renderer.message(tree.root, 0):
        lead = ">" * logical.depth + " " if logical.depth else ""
        if isinstance(logical, LogicalLine):
            text = "".join(run.text for run in logical.runs if run.style is not Style.TARGET)
            lines.append(lead + (_QUOTED_RULE if logical.is_rule else text))
        elif isinstance(logical, LogicalTable):
            laid, _ = lay_out([_without_targets(logical)], _QUOTED_TABLE)
            lines += [lead + line.text for line in laid]
        else:
            lines.append(f"{lead}[{logical.alternative or 'picture'}]")
    return "\n".join(line.rstrip() if line != "-- " else line for line in lines)


def _without_targets(table: LogicalTable) -> LogicalTable:
    rows = tuple(
        tuple(
            cell._replace(
                lines=tuple(tuple(run for run in line if run.style is not Style.TARGET) for line in cell.lines)
            )
            for cell in row
        )
        for row in table.rows
    )
    return table._replace(rows=rows, depth=0)


class _Renderer:
    def __init__(self, tree: Tree, prefer: Preference, *, stripped: bool) -> None:
        self.tree = tree
        self.prefer = prefer
        self.stripped = stripped
        self.links = Links()
        self.notes: list[str] = []
        self.sources: list[str] = []
        self.left = MAX_TEXT
        # By their paths: parts that a card shows already, and what enclosed messages are called.
        self.on_cards: set[str] = set()
        self.titles: dict[str, str] = {}
        self.returned = ""
        self.width: int | None = None
        self.places: PicturePlaces | None = None
        self.remote: list[str] = []

    def render(self, width: int) -> Rendered:
        root = self.tree.root
        for sentence in told_parts(root):
            self.note(sentence)
        return self.rendered(root, self.whole(root), width)

    def enclosed(self, node: Node, width: int) -> Rendered:
        root = node.children[0] if node.children else node
        fields = self.fields_of(node, root.header(), "Enclosed message")
        return self.rendered(root, itertools.chain(fields, (LogicalLine(),), self.whole(root)), width)

    def tnef_alone(self, node: Node, width: int) -> Rendered:
        return self.rendered(node, self.tnef(node), width)

    def rendered(self, root: Node, text: Iterator[Logical], width: int) -> Rendered:
        self.width = width
        lines, cut = lay_out(mark_old(text), width)
        if cut:
            self.note("The text has very many lines: only its beginning is shown.")
        for defect in self.tree.defects:
            self.note(defect)
        source = "html" if "html" in self.sources else "text" if "text" in self.sources else "none"
        attachments = tuple(safe_part(part) for part in own_attachments(root))
        return Rendered(
            lines=tuple(lines),
            links=tuple(self.links.urls),
            notes=tuple(safe_text(note, one_line=True) for note in self.notes),
            attachments=attachments,
            source=source,
            protection=protection(self.tree.root),
            enclosed=self.returned
            or next((node.path for node in own_nodes(root) if node.content_type in _MESSAGES), ""),
            folds=folds_of(lines),
            pictures=self.places.pictures(lines, width) if self.places is not None else (),
            remote=tuple(dict.fromkeys(self.remote)),
        )

    def whole(self, root: Node) -> Iterator[Logical]:
        """The message with what it reports or invites to in front, as cards."""
        cards = MessageCards(root, self.links, with_events=not self.stripped)
        self.on_cards |= cards.paths
        for sentence in cards.notes:
            self.note(sentence)
        for lines in (*cards.events, *cards.reports):
            yield from lines
            yield LogicalLine()
        text = self.message(root, 0)
        first = next(text, None)
        if first is not None:
            if cards.reports:
                yield own_words_line()
                yield LogicalLine()
            yield first
            yield from text

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def message(self, root: Node, inside: int) -> Iterator[Logical]:
        """The lines of all parts of a message that are to be read, separated by empty lines."""
        nodes = list(self.readable(root))
        if not any(self.says_something(node) for node in nodes):
            nodes += [node for node in own_nodes(root) if is_tnef(node)]
        for number, node in enumerate(nodes):
            if self.left <= 0:
                self.note("The text is very long: only its beginning is shown.")
                return
            if number:
                yield LogicalLine()
            if node.content_type in _MESSAGES:
                yield from self.inner(node, inside)
            elif node.content_type in _HEADERS_ONLY:
                yield from self.fields_of(node, node.decoded(), "The message that came back, only its headers")
            elif is_tnef(node):
                yield from self.tnef(node)
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
            for number, child in enumerate(node.children, 1):
                if kind == "multipart/digest":
                    self.titles[child.path] = f"Message {number} of {len(node.children)}"
                elif kind == "multipart/report" and child.content_type in (*_MESSAGES, *_HEADERS_ONLY):
                    self.titles[child.path] = "The message that came back"
                    self.returned = self.returned or child.path
                yield from self.readable(child)

    def says_something(self, node: Node) -> bool:
        return not node.content_type.startswith("text/") or bool(node.decoded(limit=20_000).strip())

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
        if node.path in self.on_cards:
            return False
        if kind in _MESSAGES:
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

    def part(self, node: Node, *, titled: bool) -> Iterator[Logical]:
        if titled and node.filename:
            yield LogicalLine(runs=(Run(f"[{safe_address(node.filename)}]", Style.NOTE),))
        data = node.decoded(limit=2 * self.left)
        text = decode_text(data, node.charset)
        if len(text) > self.left or 2 * self.left < node.body_end - node.body_start:
            self.note("The text is very long: only its beginning is shown.")
        if node.content_type == "text/html":
            self.sources.append("html")
            self.left -= len(text)
            found = html_lines(
                text, self.links, stripped=self.stripped, find=self.places.find if self.places is not None else None
            )
            self.remote += (url for source in found.remote if (url := remote_url(source)))
            for sentence in found.notes:
                self.note(sentence)
            yield from found.lines
            return
        self.sources.append("text")
        blocks = find_blocks(data) if node.content_type == "text/plain" else []
        if not blocks:
            yield from self.plain(node, text)
            return
        position = 0
        for block in blocks:
            yield from self.plain(node, decode_text(data[position : block.start], node.charset).rstrip())
            yield LogicalLine(runs=(Run(block_words(block), Style.NOTE),))
            position = block.end
        yield from self.plain(node, decode_text(data[position:], node.charset).rstrip())

    def plain(self, node: Node, text: str) -> Iterator[Logical]:
        text = text[: self.left]
        self.left -= len(text)
        flowed = node.parameters.get("format", "").strip().lower() == "flowed"
        refused = self.links.refused
        delsp = node.parameters.get("delsp", "").lower() == "yes"
        lines = plain_lines(text, self.links, flowed=flowed, delsp=delsp)
        yield from lines if flowed or self.width is None else reflowed(lines, self.width)
        if self.links.refused > refused:
            self.note("Links with a user name or other tricks in them were not made links.")

    def tnef(self, node: Node) -> Iterator[Logical]:
        """The text of a winmail.dat, for a mail that has no other."""
        found = tnef_of(node)
        if found is None or not found.is_whole:
            self.note("Its winmail.dat can't be read, or only in part. It can be saved as it is.")
        if found is None:
            return
        if found.html.strip():
            self.sources.append("html")
            html = html_lines(found.html[: self.left], self.links, stripped=self.stripped)
            for sentence in html.notes:
                self.note(sentence)
            yield from html.lines
        elif text := found.text or rtf_text(decompress_rtf(found.compressed_rtf)):
            self.sources.append("text")
            yield from self.plain(node, text)

    def inner(self, node: Node, inside: int) -> Iterator[Logical]:
        """An enclosed message: who wrote it to whom when, and its text; of one that came back no text."""
        root = node.children[0]
        yield from self.fields_of(node, root.header(), "Forwarded message")
        if node.path == self.returned:
            return
        yield LogicalLine()
        if inside >= _MAX_INSIDE:
            self.note("Messages are attached within messages; the innermost are not shown.")
            return
        yield from self.message(root, inside + 1)

    def fields_of(self, node: Node, header: bytes, otherwise: str) -> Iterator[Logical]:
        """The most important fields of an enclosed message below what it is."""
        envelope = parse_envelope(header)
        fields = (
            ("From", people(envelope.from_)),
            ("To", people(envelope.to)),
            ("Date", _local_time(envelope.sent_at)),
            ("Subject", safe_text(envelope.subject, one_line=True)),
        )
        yield LogicalLine(runs=(Run(self.titles.get(node.path, otherwise), Style.HEADING),))
        for name, value in fields:
            if value:
                yield LogicalLine(runs=(Run(f"{name}: ", Style.NOTE), Run(value)))


def _local_time(moment: int | None) -> str:
    """A time in the zone of this computer; empty where there is none, or none that can be shown."""
    if moment is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, OSError, ValueError):
        return ""


def safe_part(part: Part) -> Part:
    """The part with every string of it safe to show on one line (D2)."""
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
