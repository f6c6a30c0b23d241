"""What of HTML a browser would not show: hidden elements, and text in the colour of its background (D7)."""

from __future__ import annotations

import re

Attributes = dict[str, str | None]
Colour = tuple[int, int, int]

_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:!|;|$)"
    r"|(?:^|;|\s)opacity\s*:\s*0(?:\.0+)?\s*(?:!|;|$)|max-height\s*:\s*0(?:px)?\s*(?:!|;|$)"
)
_BRACE = re.compile(r"[{}]")
_HIDING_RULE = re.compile(r"\.([\w-]{1,80})\s*\{([^{}]{0,2000})\}")
_COLOUR = re.compile(r"(?:^|;|\s)color\s*:\s*([^;!]{1,60})")
_BACKGROUND = re.compile(r"background(?:-color)?\s*:\s*([^;!]{1,200})")
_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "transparent": None, "red": (255, 0, 0), "blue": (0, 0, 255)}
_PIXELS = re.compile(r"\s*(\d{1,5})(?:px)?\s*$")
_DOT_STYLE = re.compile(r"(?:^|;|\s)(?:width|height)\s*:\s*[01](?:px)?\s*(?:!|;|$)")
_COLOURING = frozenset(("color", "bgcolor", "background"))


class Sight:
    """Tells what of a document is hidden, by its style sheets (lower case) and its elements' own attributes."""

    def __init__(self, styles: str) -> None:
        self._hiding_classes = {
            name for name, rules in _HIDING_RULE.findall(_without_media(styles)) if _HIDING.search(rules)
        }
        # With backgrounds in a style sheet the colours cannot be judged from the elements alone.
        self._judges_colours = "background" not in styles
        # A mail writes the same few styles over and over.
        self._hiding_styles: dict[str, bool] = {"": False}
        self._style_colours: dict[str, tuple[str, str]] = {}

    def is_hidden(self, attributes: Attributes, style: str) -> bool:
        """Whether an element is not shown; `style` is its style attribute in lower case."""
        if "hidden" in attributes or self._hides(style):
            return True
        if self._hiding_classes and "class" in attributes:
            return not self._hiding_classes.isdisjoint((attributes["class"] or "").lower().split())
        return False

    def colours(
        self, attributes: Attributes, style: str, foreground: Colour | None, background: Colour | None
    ) -> tuple[Colour | None, Colour | None]:
        """The colours inside an element; None where they cannot be told."""
        if not self._judges_colours or not (style or not _COLOURING.isdisjoint(attributes)):
            return foreground, background
        own_background, own_foreground = self._own_colours(style)
        named = own_background or attributes.get("bgcolor")
        if named:
            background = _colour(named, background)
        if attributes.get("background") or "url(" in style:
            background = None
        named = own_foreground or attributes.get("color")
        if named:
            foreground = _colour(named, foreground)
        return foreground, background

    def _hides(self, style: str) -> bool:
        hides = self._hiding_styles.get(style)
        if hides is None:
            hides = self._hiding_styles[style] = _HIDING.search(style) is not None
        return hides

    def _own_colours(self, style: str) -> tuple[str, str]:
        """The background and the colour that a style names, empty where it names none."""
        colours = self._style_colours.get(style)
        if colours is None:
            background, foreground = _BACKGROUND.search(style), _COLOUR.search(style)
            colours = self._style_colours[style] = (
                background[1] if background is not None else "",
                foreground[1] if foreground is not None else "",
            )
        return colours


def is_dot(attributes: Attributes, style: str) -> bool:
    """Whether a picture is one pixel wide or high, or hidden: it is there to be counted, not to be seen."""
    return bool(
        any(
            (pixels := _PIXELS.match(attributes.get(side) or "")) and int(pixels[1]) <= 1
            for side in ("width", "height")
        )
        or _DOT_STYLE.search(style)
        or _HIDING.search(style)
    )


def alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether two colours can't be told apart by the eye."""
    return one is not None and other is not None and all(abs(a - b) <= 8 for a, b in zip(one, other, strict=True))


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
