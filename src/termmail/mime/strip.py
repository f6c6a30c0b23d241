"""The text between the tags of HTML, in linear time and without parsing it: for previews, and where the HTML is too much (P6)."""

from __future__ import annotations

import re
from html import unescape

_UNSHOWN = ("style", "script", "head", "title")
_NAME = re.compile(r"/?[a-z]+[1-6]?")
_BLOCKS = frozenset(
    f"{slash}{name}"
    for name in (
        "p",
        "div",
        "tr",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "table",
        "ul",
        "ol",
        "blockquote",
        "pre",
        "hr",
        "br",
    )
    for slash in ("", "/")
)


def strip_tags(markup: str, *, limit: int | None = None) -> str:
    """The text of `markup` with newlines for blocks, without style, script, head and comments; about `limit` characters of it."""
    pieces: list[str] = []
    length = 0
    unshown = ""
    first, *rest = markup.split("<")
    if first.strip():
        pieces.append(unescape(first))
    for piece in rest:
        if unshown == "!--" or (not unshown and piece.startswith("!--")):
            unshown = "" if "-->" in piece else "!--"
            if unshown:
                continue
            text = piece.partition("-->")[2]
        else:
            name = _NAME.match(piece[:12].lower())
            tag = name[0] if name is not None else ""
            if unshown:
                if tag != "/" + unshown:
                    continue
                unshown = ""
            elif tag in _UNSHOWN:
                unshown = tag
                continue
            if tag in _BLOCKS:
                pieces.append("\n")
            text = piece.partition(">")[2]
        if text and not text.isspace():
            pieces.append(unescape(text) if "&" in text else text)
            length += len(text)
            if limit is not None and length > limit:
                break
        elif text:
            pieces.append(" ")
    return "".join(pieces)
