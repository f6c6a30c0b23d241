"""What HTML may cost before its layout is given up (P6)."""

from __future__ import annotations

import re

MAX_INPUT = 1024 * 1024
MAX_TAGS = 60_000
MAX_NESTING = 400

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NEVER_NEST = frozenset(
    [
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
        *("p", "li", "tr", "td", "th", "tbody", "thead", "tfoot", "dd", "dt", "option", "colgroup"),
    ]
)
_SCOPES = frozenset(("table", "button", "object", "applet", "marquee", "template", "svg", "math", "select", "caption"))
_SEARCHED_OPEN_TAGS = 16


def too_complex(markup: str) -> bool:
    """Whether parsing might take more time or memory than a mail is worth (P6): size, tags, nesting, reckoned in linear time.

    Nesting is overestimated where tags are not closed, as parsers may carry those on.
    """
    if len(markup) > MAX_INPUT:
        return True
    tags = _TAG.findall(markup)
    if len(tags) > MAX_TAGS:
        return True
    open_tags: list[str] = []
    for closing, written in tags:
        name = written.lower()
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
