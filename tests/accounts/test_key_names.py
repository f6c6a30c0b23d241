"""Keys in config.toml: what a person writes, and what the mail reader itself shows, is understood; anything else is told."""

from __future__ import annotations

import pytest

from termmail.accounts.key_names import key_sequence
from termmail.ui.keymap import COMMANDS, PRESETS, show_key

OWN = sorted({keys for command in COMMANDS for keys in command.keys} | {
    keys for preset in PRESETS.values() for bound in preset.values() for keys in bound
})  # fmt: skip


@pytest.mark.parametrize("keys", OWN)
def test_every_key_of_the_mail_reader_as_written_and_as_shown(keys: str) -> None:
    assert key_sequence(keys) == keys
    assert key_sequence(show_key(keys)) == keys


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Ctrl+E", "ctrl+e"),
        ("control+E", "ctrl+e"),
        ("G", "G"),
        ("+", "+"),
        ("ctrl++", "ctrl++"),
        ("F5", "f5"),
        (" g   i ", "g i"),
        ("Esc", "escape"),
        ("Meta+x", "alt+x"),
        ("Ctrl+\\", "ctrl+backslash"),
        ("ctrl+backslash", "ctrl+backslash"),
        ("shift+ctrl+Up", "ctrl+shift+up"),
        ("ö", "ö"),
    ],
)
def test_as_people_write(written: str, meant: str) -> None:
    assert key_sequence(written) == meant


@pytest.mark.parametrize(
    "written", ["", " ", "hyper+e", "ctrl+", "++", "foo", "ctrl+foo", "\x1b", "g foo", "ctrl + e x+"]
)
def test_no_keys(written: str) -> None:
    assert key_sequence(written) is None
