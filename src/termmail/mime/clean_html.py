"""HTML of a mail to a small, safe HTML that only html2text reads (D7, D8, P6, T18).

The document is walked once and written anew from an allow-list: no attribute, script, style, comment or address of a picture
comes through. What html2text would turn into Markdown that has to be parsed again (emphasis, links, headings) is marked
with noncharacters instead, which no mail can hold here because they are removed from its text first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from termmail.mime.links import Links, claimed_host, host_of, is_refused, same_site
from termmail.mime.safe_text import safe_address, safe_text

MAX_INPUT = 1024 * 1024
MAX_TAGS = 60_000
MAX_NESTING = 400
_MAX_INDENTS = 12
_BLANK = " \t\r\n\xa0\xad\u034f\u2007\u200b\u200c\ufeff"

LINK_OPEN, LINK_NUMBERED, LINK_CLOSE = "\ufdd0", "\ufdd1", "\ufdd2"
STRONG_OPEN, STRONG_CLOSE = "\ufdd3", "\ufdd4"
EMPHASIS_OPEN, EMPHASIS_CLOSE = "\ufdd5", "\ufdd6"
HEADING_OPEN, HEADING_CLOSE = "\ufdd7", "\ufdd8"
CODE_OPEN, CODE_CLOSE = "\ufdd9", "\ufdda"
NOTE_OPEN, NOTE_CLOSE = "\ufddb", "\ufddc"
CELL = "\ufddd"
BACKSLASH, AMPERSAND, LESS, GREATER = "\ufdde", "\ufddf", "\ufde0", "\ufde1"
# html2text takes its time for each entity and escapes what looks like Markdown: it gets neither.
_TO_MARKS: dict[int, str | None] = dict.fromkeys(range(0xFDD0, 0xFDF0)) | {
    ord("\\"): BACKSLASH,
    ord("&"): AMPERSAND,
    ord("<"): LESS,
    ord(">"): GREATER,
}
FROM_MARKS: dict[int, str | None] = dict.fromkeys(range(0xFDD0, 0xFDF0)) | {
    ord(BACKSLASH): "\\",
    ord(AMPERSAND): "&",
    ord(LESS): "<",
    ord(GREATER): ">",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SKIPPED = _words(
    "script style head title template svg math object embed iframe applet "
    "canvas audio video map frameset select textarea noframes datalist meter progress"
)
_BLOCKS = _words(
    "div tr table section article header footer main nav aside address "
    "center dt dd figure figcaption form fieldset legend details summary caption li"
)
_INLINE_MARKS = {
    "b": (STRONG_OPEN, STRONG_CLOSE),
    "strong": (STRONG_OPEN, STRONG_CLOSE),
    "i": (EMPHASIS_OPEN, EMPHASIS_CLOSE),
    "em": (EMPHASIS_OPEN, EMPHASIS_CLOSE),
    "cite": (EMPHASIS_OPEN, EMPHASIS_CLOSE),
    "code": (CODE_OPEN, CODE_CLOSE),
    "tt": (CODE_OPEN, CODE_CLOSE),
    "kbd": (CODE_OPEN, CODE_CLOSE),
    "samp": (CODE_OPEN, CODE_CLOSE),
}
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_INDENTING = frozenset(("ul", "ol", "blockquote"))
_INDENTS_CLOSE = frozenset(f"</{tag}>" for tag in _INDENTING)
_PRE_CLOSE = CODE_CLOSE + "</pre>"
_COLOURING = frozenset(("color", "bgcolor", "background"))
# html2text breaks the line softly at the end of a table row, and only there.
_SOFT_BREAK = "</tr>"

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NEVER_NEST = _words(
    "area base br col embed hr img input link meta source track "
    "wbr p li tr td th tbody thead tfoot dd dt option colgroup"
)
_SCOPES = frozenset(["table", "button", "object", "applet", "marquee", "template", "svg", "math", "select", "caption"])
_SEARCHED_OPEN_TAGS = 16

_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:!|;|$)"
    r"|(?:^|;|\s)opacity\s*:\s*0(?:\.0+)?\s*(?:!|;|$)|max-height\s*:\s*0(?:px)?\s*(?:!|;|$)"
)
_TAG_OR_MARK = re.compile(r"<[^>]*>|[\ufdd0-\ufddd]")
_BRACE = re.compile(r"[{}]")
_HIDING_RULE = re.compile(r"\.([\w-]{1,80})\s*\{([^{}]{0,2000})\}")
_COLOUR = re.compile(r"(?:^|;|\s)color\s*:\s*([^;!]{1,60})")
_BACKGROUND = re.compile(r"background(?:-color)?\s*:\s*([^;!]{1,200})")
_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "transparent": None, "red": (255, 0, 0), "blue": (0, 0, 255)}
_PIXELS = re.compile(r"\s*(\d{1,5})(?:px)?\s*$")
_WIDTH_STYLE = re.compile(r"(?:^|;|\s)(?:width|height)\s*:\s*[01](?:px)?\s*(?:!|;|$)")

Colour = tuple[int, int, int]


class Cleaned(NamedTuple):
    """The safe HTML, and what was found on the way: hidden parts (D7), text in the colour of its background, pictures not loaded."""

    html: str
    hidden: int
    invisible: int
    remote_images: int


class _Frame(NamedTuple):
    """An element under way: what closes it, and the colours inside it."""

    closing: str
    foreground: Colour | None
    background: Colour | None
    link: str = ""
    text_start: int = 0


def too_complex(markup: str) -> bool:
    """Whether parsing might take more time or memory than a mail is worth (P6): size, tags, nesting, reckoned in linear time.

    Nesting is overestimated where tags are not closed, as parsers may carry those on.
    """
    if len(markup) > MAX_INPUT:
        return True
    open_tags: list[str] = []
    for count, match in enumerate(_TAG.finditer(markup)):
        if count > MAX_TAGS:
            return True
        closing, name = match[1], match[2].lower()
        if name in _NEVER_NEST:
            continue
        if not closing:
            open_tags.append(name)
            if len(open_tags) > MAX_NESTING:
                return True
            continue
        for back in range(1, min(len(open_tags), _SEARCHED_OPEN_TAGS) + 1):
            if open_tags[-back] == name:
                del open_tags[-back:]
                break
            if open_tags[-back] in _SCOPES:
                break
    return False


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
        return Cleaned("", 0, 0, 0)
    styles = " ".join(node.text() for node in tree.css("style"))[:200_000].lower()
    return _Cleaner(links, styles).walk(body)


class _Cleaner:
    def __init__(self, links: Links, styles: str) -> None:
        self.links = links
        self.out: list[str] = []
        self.hidden = 0
        self.invisible = 0
        self.images = 0
        self.in_pre = 0
        self.indents = 0
        self.hiding_classes = {
            name for name, rules in _HIDING_RULE.findall(_without_media(styles)) if _HIDING.search(rules)
        }
        # With backgrounds in a style sheet the colours cannot be judged from the elements alone.
        self.judges_colours = "background" not in styles
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
        return Cleaned("".join(self.out), self.hidden, self.invisible, self.images)

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
            return False
        if tag == "hr":
            self.out.append("<hr>")
            return False
        if tag == "img":
            self.image(attributes, style)
            return False
        if attributes and self.is_hidden(attributes, style):
            if node.text(deep=True).strip(_BLANK):
                self.hidden += 1
            return False
        self.open(tag, attributes, style)
        return True

    def open(self, tag: str, attributes: dict[str, str | None], style: str) -> None:
        link = ""
        if tag == "a":
            opening, closing, link = self.link_tags(attributes.get("href") or "")
        else:
            opening, closing = self.tags(tag)
        frame = self.frames[-1]
        foreground, background = frame.foreground, frame.background
        if self.judges_colours and (style or not _COLOURING.isdisjoint(attributes)):
            foreground, background = _colours(attributes, style, foreground, background)
        self.out.append(opening)
        self.frames.append(_Frame(closing, foreground, background, link, len(self.out)))

    def link_tags(self, target: str) -> tuple[str, str, str]:
        """What opens and closes a link, and its safe URL; of one that is none only what closes it says so."""
        place = self.links.add(target) if target else -1
        if place >= 0:
            return f"{LINK_OPEN}{place}{LINK_NUMBERED}", LINK_CLOSE, self.links.urls[place]
        return "", (f"{NOTE_OPEN} [link refused]{NOTE_CLOSE}" if is_refused(target) else ""), ""

    def tags(self, tag: str) -> tuple[str, str]:
        """What html2text is given for the beginning and the end of an element."""
        if tag in _INLINE_MARKS:
            return _INLINE_MARKS[tag]
        if tag in _HEADINGS:
            return f"<p>{HEADING_OPEN}", f"{HEADING_CLOSE}</p>"
        if tag in _INDENTING:
            if self.indents >= _MAX_INDENTS:
                return _SOFT_BREAK, _SOFT_BREAK
            self.indents += 1
            return f"<{tag}>", f"</{tag}>"
        if tag == "li" and self.indents:
            return "<li>", "</li>"
        if tag == "pre":
            self.in_pre += 1
            return "<pre>" + CODE_OPEN, _PRE_CLOSE
        if tag in ("p", "dl"):
            return "<p>", "</p>"
        if tag in ("td", "th"):
            return "", CELL
        if tag in _BLOCKS:
            return _SOFT_BREAK, _SOFT_BREAK
        return ("\u201c", "\u201d") if tag == "q" else ("", "")

    def leave(self) -> None:
        frame = self.frames.pop()
        if frame.closing == _PRE_CLOSE:
            self.in_pre -= 1
        elif frame.closing in _INDENTS_CLOSE:
            self.indents -= 1
        if frame.link:
            self.close_link(frame)
        else:
            self.out.append(frame.closing)

    def close_link(self, frame: _Frame) -> None:
        """End a link, with its host where its text does not tell it (D8)."""
        written = "".join(self.out[frame.text_start :])
        text = _TAG_OR_MARK.sub(" ", written).translate(FROM_MARKS).strip()
        host = host_of(frame.link)
        if not text:
            if "<" not in written:
                self.out.append(f"[{safe_address(host).translate(_TO_MARKS)}]")
            self.out.append(frame.closing)
            return
        claimed = claimed_host(text)
        self.out.append(frame.closing)
        if claimed and not same_site(claimed, host) and "@" not in text:
            self.links.misleading.append((claimed, host))
        if not (claimed and same_site(claimed, host)) and host.lower() not in text.lower():
            self.out.append(f"{NOTE_OPEN} [{safe_address(host).translate(_TO_MARKS)}]{NOTE_CLOSE}")

    def text(self, text: str) -> None:
        if text.isspace():
            self.out.append("\n" if self.in_pre and "\n" in text else " ")
            return
        frame = self.frames[-1]
        if frame.foreground is not None and frame.background is not None and _alike(frame.foreground, frame.background):
            self.invisible += 1
        safe = safe_text(text)
        if self.in_pre:
            safe = safe.expandtabs(8)
        self.out.append(safe.translate(_TO_MARKS))

    def image(self, attributes: dict[str, str | None], style: str) -> None:
        source = (attributes.get("src") or "").strip().lower()
        if source.startswith(("http:", "https:", "//", "ftp:")):
            self.images += 1
        alternative = (attributes.get("alt") or "").strip()
        tiny = any(
            (match := _PIXELS.match(attributes.get(side) or "")) and int(match[1]) <= 1 for side in ("width", "height")
        )
        if alternative and not tiny and not _WIDTH_STYLE.search(style) and not _HIDING.search(style):
            shown = safe_text(alternative[:300], one_line=True).translate(_TO_MARKS)
            self.out.append(f"{NOTE_OPEN}[{shown}]{NOTE_CLOSE}")

    def is_hidden(self, attributes: dict[str, str | None], style: str) -> bool:
        if "hidden" in attributes or (style and _HIDING.search(style)):
            return True
        if self.hiding_classes and "class" in attributes:
            return not self.hiding_classes.isdisjoint((attributes["class"] or "").lower().split())
        return False


def _without_media(styles: str) -> str:
    """Style rules outside of @media: those inside are for other screens, such as a telephone's."""
    first, *pieces = styles.split("@media")
    kept = [first]
    for piece in pieces:
        depth = 0
        for match in _BRACE.finditer(piece):
            depth += 1 if match[0] == "{" else -1
            if depth <= 0:
                kept.append(piece[match.end() :])
                break
    return " ".join(kept)


def _colours(
    attributes: dict[str, str | None], style: str, foreground: Colour | None, background: Colour | None
) -> tuple[Colour | None, Colour | None]:
    """The colours inside an element; None where they cannot be told."""
    own_background = _BACKGROUND.search(style)
    named = own_background[1] if own_background is not None else attributes.get("bgcolor")
    if named:
        background = _colour(named, background)
    if attributes.get("background") or "url(" in style:
        background = None
    own_foreground = _COLOUR.search(style)
    named = own_foreground[1] if own_foreground is not None else attributes.get("color")
    if named:
        foreground = _colour(named, foreground)
    return foreground, background


def _colour(text: str, inherited: Colour | None) -> Colour | None:
    text = text.strip().lower()
    match = _HEX.search(text)
    if match is not None:
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    match = _RGB.search(text)
    if match is not None:
        return int(match[1]), int(match[2]), int(match[3])
    first = text.split(" ")[0]
    if first in ("transparent", "inherit", "initial", "none"):
        return inherited
    return _NAMED.get(first)


def _alike(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= 8 for a, b in zip(one, other, strict=True))
