"""Keys as config.toml has them: as a person writes them or the mail reader shows them, "Ctrl+P", become its own names, "ctrl+p"."""

from __future__ import annotations

_MODIFIERS = {"ctrl": "ctrl", "control": "ctrl", "alt": "alt", "meta": "alt", "shift": "shift"}
_NAMES = {
    "enter", "escape", "space", "tab", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown",
    "up", "down", "left", "right", *(f"f{number}" for number in range(1, 25)),
}  # fmt: skip
_ALIASES = {
    "return": "enter", "esc": "escape", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown",
    "pgdown": "pagedown", "↑": "up", "↓": "down", "←": "left", "→": "right",
}  # fmt: skip
# How terminal programs name a control character that is no letter.
_CONTROL_NAMES = {
    "\\": "backslash",
    "]": "right_square_bracket",
    "^": "circumflex_accent",
    "_": "underscore",
    "@": "at",
}


def key_sequence(written: str) -> str | None:
    """One key, or several with a space between them, in the names of the mail reader; None where it names no key."""
    keys = [_key(part) for part in written.split()]
    return " ".join(key for key in keys if key is not None) if keys and None not in keys else None


def _key(written: str) -> str | None:
    if len(written) == 1:
        return _ALIASES.get(written, written) if written.isprintable() else None
    before, _, last = written[:-1].rpartition("+")
    modifiers = [_MODIFIERS.get(word.lower()) for word in before.split("+")] if before else []
    name = (last + written[-1]).lower()
    name = _ALIASES.get(name, name)
    if "ctrl" in modifiers:
        name = _CONTROL_NAMES.get(name, name)
    named = name in _NAMES or ("ctrl" in modifiers and name in _CONTROL_NAMES.values())
    if None in modifiers or not (named or (modifiers and len(name) == 1)):
        return None
    chosen = [modifier for modifier in ("alt", "ctrl", "shift") if modifier in modifiers]
    return "+".join([*chosen, name])
