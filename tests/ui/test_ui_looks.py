"""Colours: what is to be read can be read, in the dark theme, in the light one, in the others and without colours."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from termmail.ui.look import DARK, LIGHT, PLAIN, Look, look_of

READABLE = 4.0
"""The contrast that running text needs; WCAG asks for 4.5 in small print and 3 in large."""
TEXTS = (
    "text", "bright", "muted", "accent", "accent_bold", "flag", "warning", "error", "good", "key", "heading",
    "heading_active", "signature", "link", "strong", "emphasis", "code",
)  # fmt: skip


def luminance(colour: Color) -> float:
    """WCAG's relative luminance."""
    parts = [part / 255 for part in colour.rgb]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    """WCAG's contrast ratio, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink(style: Style) -> Color:
    assert style.color is not None
    return Color.from_rich_color(style.color)


def ground(style: Style) -> Color:
    assert style.bgcolor is not None
    return Color.from_rich_color(style.bgcolor)


def grounds(theme: Theme, look: Look) -> dict[str, Color]:
    """Everything text is drawn on, but for the row under the cursor."""
    variables = theme.to_color_system().generate()
    found = {name: Color.parse(variables[name]) for name in ("background", "surface", "panel")}
    return found | {"idle": ground(look.cursor_idle), "marked": ground(look.marked)}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_everything_can_be_read(theme: Theme) -> None:
    """UX: dark and light themes: every colour of text has a contrast of 4 at least to whatever it is drawn on."""
    look = look_of(theme)
    around = grounds(theme, look)
    weak = []
    for name in TEXTS:
        for where, back in [*around.items(), ("cursor", ground(look.cursor))]:
            if contrast(ink(getattr(look, name)), back) < READABLE:
                weak.append((name, where, round(contrast(ink(getattr(look, name)), back), 2)))
    for style in look.quotes:
        weak += [("quote", where, 0) for where, back in around.items() if contrast(ink(style), back) < READABLE]
    weak += [("preview", where, 0) for where, back in around.items() if contrast(ink(look.faint), back) < READABLE]
    assert weak == []
    order = [contrast(ink(style), around["background"]) for style in (look.faint, look.muted, look.text, look.bright)]
    assert order == sorted(order)
    assert order[0] < order[1] < order[2]


@pytest.mark.parametrize("name", sorted(BUILTIN_THEMES))
def test_the_other_themes(name: str) -> None:
    """Previews and what is beside the point can be read in every theme one can choose, as far as its own text can."""
    theme = BUILTIN_THEMES[name]
    if theme.ansi:
        pytest.skip("It has the terminal's own colours.")
    look = look_of(theme)
    for style in (look.muted, look.faint):
        for back in grounds(theme, look).values():
            assert contrast(ink(style), back) >= min(READABLE, contrast(ink(look.text), back)) - 0.01


def test_without_colours() -> None:
    """NO_COLOR: no style has a colour, and the cursor and what is selected can be told apart all the same."""
    look = look_of(PLAIN, colours=False)
    styles = [style for style in look if isinstance(style, Style)]
    assert all(style.color is None and style.bgcolor is None for style in styles)
    assert len({str(style) for style in (look.text, look.bright, look.muted, look.cursor, look.marked)}) == 5
