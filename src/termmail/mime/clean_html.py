"""HTML of a mail to a small, safe HTML that only html2text reads (D7, D8, P6, T18).

The document is walked once and written anew from an allow-list: no attribute, script, style, comment or address of a picture
comes through. What html2text would turn into Markdown that has to be parsed again (emphasis, links, headings, tables) is marked
with noncharacters instead (`html_marks`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from termmail.mime import html_marks as marks
from termmail.mime.html_budget import too_complex
from termmail.mime.html_marks import FROM_MARKS, TO_MARKS
from termmail.mime.html_seen import Attributes, Colour, Sight, alike, is_dot
from termmail.mime.html_tables import SOFT_BREAK, Table
from termmail.mime.links import Links, claimed_host, host_of, is_refused, safe_url, same_site
from termmail.mime.safe_text import safe_address, safe_text

_MAX_INDENTS = 12
_MAX_HIDDEN_TEXT = 300
_MAX_PICTURES = 200
_BLANK = " \t\r\n\xa0\xad\u034f\u2007\u200b\u200c\ufeff"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SKIPPED = _words(
    "script style head title template svg math object embed iframe applet "
    "canvas audio video map frameset select textarea noframes datalist meter progress"
)
_BLOCKS = _words(
    "div section article header footer main nav aside address "
    "center figure figcaption form fieldset legend details summary caption li thead tbody tfoot"
)
_INLINE_MARKS = {
    "b": (marks.STRONG_OPEN, marks.STRONG_CLOSE),
    "strong": (marks.STRONG_OPEN, marks.STRONG_CLOSE),
    "i": (marks.EMPHASIS_OPEN, marks.EMPHASIS_CLOSE),
    "em": (marks.EMPHASIS_OPEN, marks.EMPHASIS_CLOSE),
    "cite": (marks.EMPHASIS_OPEN, marks.EMPHASIS_CLOSE),
    "code": (marks.CODE_OPEN, marks.CODE_CLOSE),
    "tt": (marks.CODE_OPEN, marks.CODE_CLOSE),
    "kbd": (marks.CODE_OPEN, marks.CODE_CLOSE),
    "samp": (marks.CODE_OPEN, marks.CODE_CLOSE),
    "del": (marks.DELETED_OPEN, marks.DELETED_CLOSE),
    "s": (marks.DELETED_OPEN, marks.DELETED_CLOSE),
    "strike": (marks.DELETED_OPEN, marks.DELETED_CLOSE),
    "q": ("\u201c", "\u201d"),
    "dt": (SOFT_BREAK + marks.STRONG_OPEN, marks.STRONG_CLOSE + SOFT_BREAK),
    "dd": (SOFT_BREAK + "<dd>", "</dd>"),
    "dl": ("<p>", "</p>"),
    "p": ("<p>", "</p>"),
}
_HEADINGS = _words("h1 h2 h3 h4 h5 h6")
_INDENTING = _words("ul ol blockquote")
_INDENTS_CLOSE = frozenset(f"</{tag}>" for tag in _INDENTING)
_PRE_CLOSE = marks.CODE_CLOSE + "</pre>"
_RAISED = {
    "sup": str.maketrans("0123456789+-()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ"),
    "sub": str.maketrans("0123456789+-()", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎"),
}
_RAISABLE = re.compile(r"[0-9+\-()n]{1,4}")
_PICTURE = re.compile(r"\ufdeb(\d+)\ufdec")
_TAG_OR_MARK = re.compile(r"<[^>]*>|[\ufdd0-\ufddd\ufde2-\ufded]")


class Picture(NamedTuple):
    """A picture of a document: where its bytes are ("cid:…" or a URL), what it shows in words, and the pixels its markup asks for."""

    source: str
    alternative: str
    width: int
    height: int


class Cleaned(NamedTuple):
    """The safe HTML, and what was found on the way.

    `preheader` is the hidden text at the very beginning, meant for the list of other mail programs; `hidden` the beginnings of what is
    hidden elsewhere (D7); `invisible` counts pieces of text in the colour of their background, which are shown and marked;
    `remote_images` the pictures that would be loaded from elsewhere, dots that only count readers among them.
    """

    html: str
    preheader: str = ""
    hidden: tuple[str, ...] = ()
    invisible: int = 0
    remote_images: int = 0
    pictures: tuple[Picture, ...] = ()
    has_form: bool = False


class _Frame(NamedTuple):
    """An element under way: what closes it, and the colours inside it."""

    closing: str
    foreground: Colour | None
    background: Colour | None
    link: int = -1
    text_start: int = 0
    tag: str = ""


def clean(markup: str, links: Links) -> Cleaned | None:
    """The safe HTML of a mail's `markup`, its links added to `links`; None where it cannot be parsed or is too complex."""
    if too_complex(markup):
        return None
    try:
        tree = LexborHTMLParser(markup)
    except SelectolaxError:
        return None
    body = tree.body
    if body is None:
        return Cleaned("")
    styles = " ".join(node.text() for node in tree.css("style"))[:200_000].lower()
    return _Cleaner(links, Sight(styles)).walk(body)


class _Cleaner:
    def __init__(self, links: Links, sight: Sight) -> None:
        self.links = links
        self.sight = sight
        self.out: list[str] = []
        self.preheader = ""
        self.hidden: list[str] = []
        self.invisible = 0
        self.images = 0
        self.pictures: list[Picture] = []
        self.has_form = False
        self.has_text = False
        self.in_pre = 0
        self.indents = 0
        self.shown_host = ""
        self.tables: list[Table] = []
        self.frames: list[_Frame] = [_Frame("", (0, 0, 0), (255, 255, 255))]

    def walk(self, body: LexborNode) -> Cleaned:
        node: LexborNode | None = body
        depth = 0
        while node is not None:
            descends = self.enter(node)
            child = node.first_child if descends else None
            if child is not None:
                node, depth = child, depth + 1
                continue
            if descends:
                self.leave()
            while node is not None and node.next is None and depth > 0:
                node, depth = node.parent, depth - 1
                self.leave()
            node = node.next if node is not None and depth > 0 else None
        return Cleaned(
            "".join(self.out),
            self.preheader,
            tuple(self.hidden),
            self.invisible,
            self.images,
            tuple(self.pictures),
            self.has_form,
        )

    def enter(self, node: LexborNode) -> bool:
        """Write the beginning of a node; whether its children are to be walked, and `leave` called after them."""
        tag = node.tag
        if tag == "-text":
            self.text(node.text_content or "")
            return False
        if tag is None or tag[0] in "-!" or tag in _SKIPPED:
            return False
        attributes = node.attributes
        style = (attributes.get("style") or "").lower() if attributes else ""
        if tag == "br":
            self.out.append("<br>")
            self.line_ended()
            return False
        if tag == "hr":
            if self.tables:
                self.tables[-1].rule()
            else:
                self.out.append(f"<p>{marks.RULE}</p>")
            return False
        if tag == "img":
            self.image(attributes, style)
            return False
        if tag in ("input", "button"):
            self.has_form = True
        if attributes and self.sight.is_hidden(attributes, style):
            self.hide(node)
            return False
        self.open(tag, attributes, style)
        return True

    def hide(self, node: LexborNode) -> None:
        """Take note of what is not shown."""
        text = safe_text(node.text(deep=True)[: 4 * _MAX_HIDDEN_TEXT], one_line=True)
        text = " ".join(text.translate(FROM_MARKS).split()).strip(_BLANK)[:_MAX_HIDDEN_TEXT]
        if not text:
            return
        if not self.has_text and not self.preheader and not self.hidden:
            self.preheader = text
        else:
            self.hidden.append(text)

    def open(self, tag: str, attributes: Attributes, style: str) -> None:
        link = -1
        if tag == "a":
            opening, closing, link = self.link_tags(attributes.get("href") or "")
        elif tag in ("table", "tr", "td", "th"):
            opening, closing = "", f"</{tag}"
            self.open_table_part(tag, attributes, style)
        else:
            opening, closing = self.tags(tag)
        frame = self.frames[-1]
        foreground, background = frame.foreground, frame.background
        if attributes:
            foreground, background = self.sight.colours(attributes, style, foreground, background)
        if opening:
            self.out.append(opening)
        self.frames.append(_Frame(closing, foreground, background, link, len(self.out), tag))

    def open_table_part(self, tag: str, attributes: Attributes, style: str) -> None:
        if tag == "table":
            self.tables.append(Table(self.out, attributes))
        elif not self.tables:
            self.out.append(SOFT_BREAK)
        elif tag == "tr":
            self.tables[-1].row()
        else:
            self.tables[-1].cell(tag, attributes, style)

    def link_tags(self, target: str) -> tuple[str, str, int]:
        """What opens and closes a link, and its place; of one that is none only what closes it says so."""
        place = self.links.add(target) if target else -1
        if place >= 0:
            return f"{marks.LINK_OPEN}{place}{marks.LINK_NUMBERED}", marks.LINK_CLOSE, place
        refused = is_refused(target) and safe_url(target) is None
        return "", f"{marks.TARGET_OPEN} [link refused]{marks.TARGET_CLOSE}" if refused else "", -1

    def tags(self, tag: str) -> tuple[str, str]:
        """What html2text is given for the beginning and the end of an element."""
        if tag == "p" and self.tables:
            self.tables[-1].paragraph()
        if tag in _INLINE_MARKS:
            return _INLINE_MARKS[tag]
        if tag in _HEADINGS:
            return f"<p>{marks.HEADING_OPEN}", f"{marks.HEADING_CLOSE}</p>"
        if tag in _INDENTING:
            if tag == "blockquote" and self.tables:
                self.tables[-1].holds_structure()
            if self.indents >= _MAX_INDENTS:
                return SOFT_BREAK, SOFT_BREAK
            self.indents += 1
            return f"<{tag}>", f"</{tag}>"
        if tag == "li" and self.indents:
            return "<li>", "</li>"
        if tag == "pre":
            if self.tables:
                self.tables[-1].holds_structure()
            self.in_pre += 1
            return "<pre>" + marks.CODE_OPEN, _PRE_CLOSE
        if tag in _BLOCKS:
            if tag == "caption" and self.tables:
                self.tables[-1].captioned()
            return SOFT_BREAK, SOFT_BREAK
        return "", ""

    def leave(self) -> None:
        frame = self.frames.pop()
        closing = frame.closing
        if not closing:
            return
        if frame.link >= 0:
            self.close_link(frame)
            return
        if closing.startswith("</t") and closing[-1] != ">":
            self.close_table_part(frame.tag)
            return
        if closing == _PRE_CLOSE:
            self.in_pre -= 1
        elif closing in _INDENTS_CLOSE:
            self.indents -= 1
        if closing[0] == "<":
            self.line_ended()
        self.out.append(closing)

    def close_table_part(self, tag: str) -> None:
        if not self.tables:
            self.out.append(SOFT_BREAK if tag == "tr" else "")
        elif tag == "table":
            table = self.tables.pop()
            table.end(self.tables[-1] if self.tables else None)
        elif tag != "tr":
            self.tables[-1].end_cell()

    def line_ended(self) -> None:
        if self.tables:
            self.tables[-1].line_ended()

    def close_link(self, frame: _Frame) -> None:
        """End a link with its number, and with its host where neither its text nor the link before it tells that (D8)."""
        written = "".join(self.out[frame.text_start :])
        written = _PICTURE.sub(lambda match: self.pictures[int(match[1])].alternative or match[0], written)
        text = _TAG_OR_MARK.sub(" ", _PICTURE.sub(" ", written)).translate(FROM_MARKS).strip()
        host = host_of(self.links.urls[frame.link])
        self.out.append(frame.closing)
        if not text and marks.PICTURE_OPEN not in written:
            return
        claimed = claimed_host(text)
        agrees = bool(claimed) and same_site(claimed, host)
        if claimed and not agrees and "@" not in text:
            self.links.misleading.append((claimed, host))
        number = str(frame.link + 1)
        if agrees or (not claimed and (host.lower() in text.lower() or host == self.shown_host)):
            note = number
        else:
            self.shown_host = host
            note = f"{number}→{safe_address(host)}"
        self.holds(len(note) + 3)
        self.out.append(f"{marks.TARGET_OPEN} [{note.translate(TO_MARKS)}]{marks.TARGET_CLOSE}")

    def holds(self, length: int) -> None:
        if self.tables:
            self.tables[-1].holds(length)

    def text(self, text: str) -> None:
        if text.isspace():
            self.out.append("\n" if self.in_pre and "\n" in text else " ")
            return
        frame = self.frames[-1]
        safe = safe_text(text)
        if not self.has_text:
            self.has_text = bool(text.strip(_BLANK))
        if frame.tag in _RAISED and _RAISABLE.fullmatch(safe):
            safe = safe.translate(_RAISED[frame.tag])
        if self.in_pre:
            safe = safe.expandtabs(8)
        elif self.tables:
            self.holds(len(safe.strip()))
        safe = safe.translate(TO_MARKS)
        if alike(frame.foreground, frame.background) and text.strip(_BLANK):
            self.invisible += 1
            safe = f"{marks.NOTE_OPEN}[invisible: {safe.strip()}]{marks.NOTE_CLOSE}"
        self.out.append(safe)

    def image(self, attributes: Attributes, style: str) -> None:
        source = (attributes.get("src") or "").strip()
        scheme = source[:6].lower()
        is_remote = scheme.startswith(("http:", "https:", "//", "ftp:"))
        self.images += is_remote
        if is_dot(attributes, style):
            return
        alternative = safe_text((attributes.get("alt") or "").strip()[:300], one_line=True)
        place = ""
        if (is_remote or scheme.startswith("cid:")) and len(self.pictures) < _MAX_PICTURES:
            place = f"{marks.PICTURE_OPEN}{len(self.pictures)}{marks.PICTURE_TOLD}"
            self.pictures.append(
                Picture(source, alternative, _pixels(attributes, "width"), _pixels(attributes, "height"))
            )
        self.holds(len(alternative) + 2 if alternative else 0)
        if alternative and not place:
            place = f"{marks.NOTE_OPEN}[{alternative.translate(TO_MARKS)}]{marks.NOTE_CLOSE}"
        if place:
            self.out.append(place)


def _pixels(attributes: Attributes, side: str) -> int:
    text = (attributes.get(side) or "").strip().removesuffix("px")
    return min(int(text), 10_000) if text.isdecimal() and text.isascii() and len(text) < 6 else 0
