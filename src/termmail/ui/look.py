"""Colours and styles of the panes, from the theme that is chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

DARK = Theme(
    name="termmail-dark",
    primary="#7aa2e3",
    secondary="#8fb6a3",
    accent="#7aa2e3",
    warning="#e0b168",
    error="#ea8a86",
    success="#8fb98b",
    foreground="#c8cdd6",
    background="#15171c",
    surface="#191c22",
    panel="#20242c",
    dark=True,
)
LIGHT = Theme(
    name="termmail-light",
    primary="#2a62b8",
    secondary="#33694f",
    accent="#2a62b8",
    warning="#8a5806",
    error="#b3332b",
    success="#34702f",
    foreground="#343841",
    background="#fcfbf8",
    surface="#f5f3ee",
    panel="#ebe8e1",
    dark=False,
)
PLAIN = Theme(
    name="termmail-plain",
    primary="ansi_default",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    ansi=True,
    variables=dict.fromkeys(
        (
            "ansi-background",
            "ansi-foreground",
            "border-blurred",
            "block-cursor-foreground",
            "block-cursor-background",
            "input-cursor-background",
            "input-cursor-foreground",
            "input-selection-background",
            "input-selection-foreground",
            "screen-selection-background",
            "screen-selection-foreground",
        ),
        "ansi_default",
    )
    | {"input-cursor-text-style": "reverse"},
)
"""No colours at all, for NO_COLOR: bold, dim, underlined and reversed text only."""

ACCOUNT_COLOURS = ("primary", "secondary", "warning", "error", "success")


class Look(NamedTuple):
    """Rich styles without a background, but for those that are a background."""

    name: str
    text: Style
    bright: Style
    muted: Style
    faint: Style
    accent: Style
    accent_bold: Style
    flag: Style
    warning: Style
    error: Style
    good: Style
    key: Style
    heading: Style
    heading_active: Style
    cursor: Style
    cursor_idle: Style
    marked: Style
    line: Style
    bar: Style
    quotes: tuple[Style, Style, Style]
    signature: Style
    link: Style
    strong: Style
    emphasis: Style
    code: Style
    title: Style
    deleted: Style
    hit: Style
    hit_now: Style
    accounts: tuple[Style, ...]
    colourless: bool = False


def account_style(look: Look, place: int, colour: str) -> Style:
    """The style of an account's mark: in the colour that was chosen for it, or in one by its place among the others."""
    if colour and not look.colourless:
        # One that was written by hand may be none that Textual knows.
        with contextlib.suppress(ColorParseError):
            return Style(color=Color.parse(colour).rich_color)
    return look.accounts[place % len(look.accounts)]


def look_of(theme: Theme, *, colours: bool = True) -> Look:
    """The styles of a theme."""
    return _coloured(theme) if colours and not theme.ansi else _plain(theme.name)


def _coloured(theme: Theme) -> Look:
    variables = theme.to_color_system().generate()

    def colour(name: str) -> Color:
        return Color.parse(variables[name])

    back, fore, primary = colour("background"), colour("foreground"), colour("primary")
    white = Color.parse("#ffffff") if theme.dark else Color.parse("#000000")

    def ink(shade: Color, *, bold: bool = False, italic: bool = False, underline: bool = False) -> Style:
        return Style(color=shade.rich_color, bold=bold or None, italic=italic or None, underline=underline or None)

    cursor = back.blend(primary, 0.24 if theme.dark else 0.15)
    idle, marked = back.blend(fore, 0.09), back.blend(primary, 0.11)
    surfaces = (back, colour("surface"), colour("panel"), idle, marked)
    muted, faint = _weakened(fore, back, (*surfaces, cursor), 4.3), _weakened(fore, back, surfaces, 4.1)
    bright = fore.blend(white, 0.55)
    return Look(
        name=theme.name,
        text=ink(fore),
        bright=ink(bright, bold=True),
        muted=ink(muted),
        faint=ink(faint),
        accent=ink(primary),
        accent_bold=ink(primary, bold=True),
        flag=ink(colour("warning")),
        warning=ink(colour("warning")),
        error=ink(colour("error")),
        good=ink(colour("success")),
        key=ink(primary, bold=True),
        heading=ink(muted, bold=True),
        heading_active=ink(primary, bold=True),
        cursor=Style(bgcolor=cursor.rich_color),
        cursor_idle=Style(bgcolor=idle.rich_color),
        marked=Style(bgcolor=marked.rich_color),
        line=ink(fore.blend(back, 0.82)),
        bar=ink(fore.blend(back, 0.74)),
        quotes=(
            ink(primary.blend(fore, 0.35).blend(back, 0.12)),
            ink(colour("secondary").blend(back, 0.12)),
            ink(muted),
        ),
        signature=ink(muted),
        link=ink(primary, underline=True),
        strong=ink(bright, bold=True),
        emphasis=ink(fore, italic=True),
        code=ink(colour("secondary")),
        title=ink(primary.blend(white, 0.25), bold=True),
        deleted=ink(muted) + Style(strike=True),
        hit=Style(bgcolor=back.blend(colour("warning"), 0.3).rich_color),
        hit_now=Style(color=back.rich_color, bgcolor=colour("warning").rich_color),
        accounts=tuple(ink(colour(name)) for name in ACCOUNT_COLOURS),
    )


def _weakened(fore: Color, back: Color, grounds: Iterable[Color], contrast: float) -> Color:
    """The text's colour taken as far back as its contrast on these grounds allows (a ratio as WCAG has it)."""
    lights = [_luminance(ground) for ground in grounds]
    for step in range(70, 0, -2):
        shade = fore.blend(back, step / 100)
        light = _luminance(shade)
        if all((max(light, ground) + 0.05) / (min(light, ground) + 0.05) >= contrast for ground in lights):
            return shade
    return fore


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _plain(name: str) -> Look:
    text, bold, dim = Style(), Style(bold=True), Style(dim=True)
    underlined, reverse = Style(underline=True), Style(reverse=True)
    return Look(
        name=name, text=text, bright=bold, muted=dim, faint=dim, accent=bold, accent_bold=bold, flag=bold, warning=bold,
        error=bold, good=text, key=bold, heading=dim, heading_active=bold + underlined, cursor=reverse,
        cursor_idle=underlined, marked=underlined, line=dim, bar=dim, quotes=(dim, dim, dim), signature=dim, link=underlined,
        strong=bold, emphasis=Style(italic=True), code=text, title=bold + underlined, deleted=Style(strike=True),
        hit=underlined, hit_now=reverse, accounts=(bold,) * len(ACCOUNT_COLOURS), colourless=True,
    )  # fmt: skip
