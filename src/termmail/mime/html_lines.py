"""text/html to logical lines: cleaned, through html2text, and its marks read as styles (P6, D7, D8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import html2text

from termmail.mime import clean_html as marks
from termmail.mime.layout import LogicalLine, Run, quote_style, with_links
from termmail.mime.links import Links
from termmail.mime.plain import plain_lines, quote_depth
from termmail.mime.strip import strip_tags
from termmail.model.body import Style

MAX_OUTPUT = 2 * 1024 * 1024

_MARK = re.compile(r"([\ufdd0\ufdd2-\ufddd])(?:(?<=\ufdd0)(\d+)\ufdd1)?")
_OPENING = {
    marks.STRONG_OPEN: Style.STRONG,
    marks.EMPHASIS_OPEN: Style.EMPHASIS,
    marks.HEADING_OPEN: Style.HEADING,
    marks.CODE_OPEN: Style.CODE,
    marks.NOTE_OPEN: Style.NOTE,
}
_CLOSING = {
    marks.LINK_CLOSE: Style.LINK,
    marks.STRONG_CLOSE: Style.STRONG,
    marks.EMPHASIS_CLOSE: Style.EMPHASIS,
    marks.HEADING_CLOSE: Style.HEADING,
    marks.CODE_CLOSE: Style.CODE,
    marks.NOTE_CLOSE: Style.NOTE,
}
_RANK = {Style.LINK: 6, Style.NOTE: 5, Style.CODE: 4, Style.HEADING: 3, Style.STRONG: 2, Style.EMPHASIS: 1}


class HtmlText(NamedTuple):
    """The logical lines of an HTML part, and notes on what of it is not shown."""

    lines: list[LogicalLine]
    notes: list[str]


def html_lines(markup: str, links: Links, *, stripped: bool = False) -> HtmlText:
    """The logical lines of an HTML part that is decoded but not yet safe. Nothing is ever loaded (T18).

    With `stripped`, and where the HTML is above its budget, its text alone is taken, in linear time (P6).
    """
    refused, misleading = links.refused, len(links.misleading)
    cleaned = None if stripped else marks.clean(markup, links)
    if cleaned is None:
        text = strip_tags(markup[: 4 * marks.MAX_INPUT])[:MAX_OUTPUT]
        return HtmlText(
            _compact(plain_lines(text, links)), ["The HTML is too large or too nested: only its text is shown."]
        )
    converter = html2text.HTML2Text(bodywidth=0)
    converter.unicode_snob = True
    converter.ignore_links = converter.ignore_images = converter.ignore_emphasis = converter.ignore_tables = True
    output = converter.handle(cleaned.html)
    notes = _notes(cleaned)
    if len(output) > MAX_OUTPUT:
        output = output[:MAX_OUTPUT]
        notes.append("The text is very long: only its beginning is shown.")
    lines = _compact(_styled(output, links))
    notes += _link_notes(links, refused, misleading)
    return HtmlText(lines, notes)


def _notes(cleaned: marks.Cleaned) -> list[str]:
    notes: list[str] = []
    if cleaned.hidden:
        notes.append(_counted(cleaned.hidden, "hidden part is", "hidden parts are") + " not shown.")
    if cleaned.invisible:
        count = _counted(cleaned.invisible, "piece of text has", "pieces of text have")
        notes.append(count + " the colour of the background.")
    if cleaned.remote_images:
        notes.append(_counted(cleaned.remote_images, "remote image was", "remote images were") + " not loaded.")
    return notes


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _link_notes(links: Links, refused: int, misleading: int) -> list[str]:
    notes: list[str] = []
    count = links.refused - refused
    if count:
        notes.append(_counted(count, "unsafe link was", "unsafe links were") + " not made a link.")
    for claimed, host in links.misleading[misleading : misleading + 3]:
        notes.append(f"A link that says {claimed} leads to {host}.")
    return notes


def _styled(output: str, links: Links) -> Iterator[LogicalLine]:
    """Lines of html2text's output with its marks read as styles. Marks may open on one line and close on a later one."""
    open_: list[tuple[Style, int]] = []
    # Every backslash of the mail was marked, so those left are html2text's own escapes.
    for line in output.replace("\\", "").split("\n"):
        depth, rest = quote_depth(line)
        runs: list[Run] = []
        position = 0
        in_code = any(style is Style.CODE for style, _ in open_)
        for match in _MARK.finditer(rest):
            _add(runs, rest[position : match.start()], open_, depth, in_code=in_code)
            position = match.end()
            _apply(match, open_, runs)
        _add(runs, rest[position:], open_, depth, in_code=in_code)
        yield LogicalLine(depth, tuple(_linked(_trimmed(runs), depth, links)), hard=in_code and rest.startswith("    "))


def _apply(match: re.Match[str], open_: list[tuple[Style, int]], runs: list[Run]) -> None:
    mark = match[1]
    if mark == marks.LINK_OPEN:
        open_.append((Style.LINK, int(match[2] or -1)))
    elif mark in _OPENING:
        open_.append((_OPENING[mark], -1))
    elif mark in _CLOSING:
        for index in range(len(open_) - 1, -1, -1):
            if open_[index][0] is _CLOSING[mark]:
                del open_[index]
                break
    elif runs and not runs[-1].text.endswith("  "):
        runs.append(Run("  "))


def _add(runs: list[Run], text: str, open_: list[tuple[Style, int]], depth: int, *, in_code: bool) -> None:
    text = text.translate(marks.FROM_MARKS)
    if not in_code and runs and runs[-1].text.endswith(" "):
        text = text.lstrip(" ")
    if not text:
        return
    if not open_:
        runs.append(Run(text, quote_style(depth)))
        return
    style, link = max(open_, key=lambda entry: _RANK[entry[0]])
    runs.append(Run(text, style, link))


def _trimmed(runs: list[Run]) -> list[Run]:
    while runs and not runs[-1].text.rstrip(" \xa0"):
        runs.pop()
    if runs:
        runs[-1] = runs[-1]._replace(text=runs[-1].text.rstrip(" \xa0"))
    return runs


def _linked(runs: list[Run], depth: int, links: Links) -> Iterator[Run]:
    for run in runs:
        if run.style in (Style.PLAIN, Style.STRONG, Style.EMPHASIS, quote_style(depth)):
            yield from with_links(run.text, run.style, links)
        else:
            yield run


def _compact(lines: Iterator[LogicalLine]) -> list[LogicalLine]:
    """Without blank lines at either end, and never two in a row."""
    kept: list[LogicalLine] = []
    for line in lines:
        if line.runs or (kept and kept[-1].runs):
            kept.append(line)
    while kept and not kept[-1].runs:
        kept.pop()
    return kept
