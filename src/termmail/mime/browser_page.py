"""The HTML of a mail as a page for the browser: without scripts, and loading nothing unless that was asked for (T18, D8, A3)."""

from __future__ import annotations

import base64
import re
from html import escape

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from termmail.mime.charsets import decode_text
from termmail.mime.headers import parse_envelope
from termmail.mime.html_budget import too_complex
from termmail.mime.image_size import image_size
from termmail.mime.links import safe_url
from termmail.mime.structure import Node, Tree

_REMOVED = (
    "script, iframe, frame, frameset, object, embed, applet, link, meta, base, svg, math, template, noscript, audio, video, source, "
    "track, portal, title, input, button, select, textarea, keygen"
)
_KEPT_ATTRIBUTES = frozenset((
    "abbr", "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "char", "charoff", "cite", "class", "clear", "color",
    "cols", "colspan", "compact", "coords", "dir", "face", "height", "hspace", "id", "ismap", "lang", "name", "noshade", "nowrap",
    "reversed", "role", "rowspan", "rules", "scope", "shape", "size", "span", "start", "style", "summary", "title", "type", "usemap",
    "valign", "value", "vspace", "width",
))  # fmt: skip
_LOADING = re.compile(
    r"@import[^;]*;?|(?:url|image-set)\s*\([^)]*\)?|expression\s*\(|-moz-binding|behavior\s*:|\\|(?:[a-z]+:)?//[^\s;'\")]*",
    re.IGNORECASE,
)
_PICTURE_DATA = re.compile(r"data:image/(?:png|gif|jpe?g|webp|bmp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_TYPES = {"PNG": "image/png", "GIF": "image/gif", "JPEG": "image/jpeg", "WebP": "image/webp", "BMP": "image/bmp"}
_MAX_PICTURES = 24 * 1024 * 1024


def browser_page(raw: bytes, *, with_remote: bool = False) -> bytes | None:
    """A page with the first HTML of the message in `raw`; None where it has none, or one above the budgets of P6.

    Scripts, forms, frames and everything else that acts is taken out, and the page's own policy (CSP) forbids it once more. Pictures of
    the message are put into the page; with `with_remote` it also loads those that the mail names elsewhere, without a referrer.
    """
    tree = Tree(raw)
    node = next((node for node in tree.root.walk() if node.content_type == "text/html"), None)
    if node is None:
        return None
    markup = decode_text(node.decoded(), node.charset)
    if too_complex(markup):
        return None
    try:
        document = LexborHTMLParser(markup)
    except SelectolaxError:
        return None
    body = document.body
    if body is None:
        return None
    styles = "\n".join(_harmless(style.text()) for style in document.css("style"))
    for unwanted in body.css(f"{_REMOVED}, style"):
        unwanted.decompose()
    pictures = _Pictures(tree)
    for element in body.css("*"):
        _clean(element, pictures, with_remote=with_remote)
    _clean(body, pictures, with_remote=with_remote)
    sources = "data: https: http:" if with_remote else "data:"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; form-action 'none'; base-uri 'none'"
    subject = escape(parse_envelope(tree.root.header()).subject)
    page = (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        f"<title>{subject}</title><style>{styles}</style></head>\n{body.html or ''}\n</html>\n"
    )
    return page.encode("utf-8", "replace")


def _harmless(styles: str) -> str:
    """Style sheets that load nothing and can't end their element."""
    # A blank for each, so that what stood on both sides does not become another such word.
    return _LOADING.sub(" ", styles.replace("<", " "))


class _Pictures:
    """The pictures that came with the message, as data: URLs."""

    def __init__(self, tree: Tree) -> None:
        self._nodes: dict[str, Node] = {node.content_id: node for node in tree.root.walk() if node.content_id}
        self._left = _MAX_PICTURES

    def url(self, content_id: str) -> str:
        node = self._nodes.get(content_id)
        if node is None:
            return ""
        data = node.decoded(limit=self._left + 1)
        found = image_size(data)
        if found is None or len(data) > self._left:
            return ""
        self._left -= len(data)
        return f"data:{_TYPES[found[0]]};base64,{base64.b64encode(data).decode()}"


def _clean(element: LexborNode, pictures: _Pictures, *, with_remote: bool) -> None:
    """Take away every attribute that could act or load."""
    attributes = element.attributes
    for name, value in attributes.items():
        wanted: str | None = None
        if name in _KEPT_ATTRIBUTES:
            wanted = _harmless(value or "") if name == "style" else value or ""
        elif name == "href" and element.tag in ("a", "area"):
            target = (value or "").strip()
            wanted = target if target.startswith("#") else safe_url(target)
        elif name == "src" and element.tag == "img":
            wanted = _picture((value or "").strip(), pictures, with_remote=with_remote)
        if wanted is None:
            del element.attrs[name]
        elif wanted != value:
            element.attrs[name] = wanted
    if element.tag in ("a", "area"):
        element.attrs["rel"] = "noopener noreferrer"
        element.attrs["target"] = "_blank"


def _picture(source: str, pictures: _Pictures, *, with_remote: bool) -> str | None:
    if source[:4].lower() == "cid:":
        return pictures.url(source[4:].strip("<>")) or None
    if _PICTURE_DATA.fullmatch(source):
        return source
    if with_remote:
        return safe_url(f"https:{source}" if source.startswith("//") else source)
    return None
