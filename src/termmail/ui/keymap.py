"""Commands and their keys, as data: presets, and keys rebound one by one.

A key is written as Textual names it ("enter", "ctrl+p", "f5") or as its character ("J", "#"); a sequence has a space between its keys
("g i"). Where a key is bound for one pane and for all, the pane's meaning counts there.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Where(enum.Enum):
    """Which pane must be active for a command."""

    ANY = "everywhere"
    FOLDERS = "folders"
    LIST = "list"
    MESSAGE = "message"


class Command(NamedTuple):
    """Something a key or the palette does. `later` is the sentence for what is not there yet; `hint` is short, for the footer."""

    name: str
    title: str
    keys: tuple[str, ...] = ()
    where: Where = Where.ANY
    hint: str = ""
    later: str = ""


_SEARCHING = "Searching is not there yet; n and p find unread messages, T selects by a pattern."

COMMANDS: tuple[Command, ...] = (
    Command("next", "Next", ("j", "down"), hint="next"),
    Command("previous", "Previous", ("k", "up"), hint="previous"),
    Command("first", "First", ("g g", "home"), hint="first"),
    Command("last", "Last", ("G", "end")),
    Command("page_down", "Page down", ("pagedown", "ctrl+d")),
    Command("page_up", "Page up", ("pageup", "ctrl+u", "b")),
    Command("open", "Open", ("enter",), hint="open"),
    Command("back", "Back; at the list, quit", ("q",), hint="back"),
    Command("escape", "Back, or end a selection", ("escape",)),
    Command("quit", "Quit", ("ctrl+q",)),
    Command("next_unread", "Next unread message", ("n",), hint="next unread"),
    Command("previous_unread", "Previous unread message", ("p",)),
    Command("read_on", "Page down, then next unread", ("space",), hint="read on"),
    Command("scroll_down", "Scroll down", ("down",), Where.MESSAGE),
    Command("scroll_up", "Scroll up", ("up", "backspace"), Where.MESSAGE),
    Command("links", "Open a link", ("enter",), Where.MESSAGE, hint="links"),
    *(Command(f"link_{number}", f"Open link {number}", (str(number),), Where.MESSAGE) for number in range(1, 10)),
    Command("expand", "Show the folders below", ("right",), Where.FOLDERS),
    Command("collapse", "Hide the folders below", ("left",), Where.FOLDERS),
    Command("next_folder", "Next folder", ("J",)),
    Command("previous_folder", "Previous folder", ("K",)),
    Command("next_pane", "Next pane", ("tab",), hint="pane"),
    Command("previous_pane", "Previous pane", ("shift+tab",)),
    Command("go_inbox", "Go to the inbox", ("g i",), hint="inbox"),
    Command("go_all", "Go to all mail", ("g a",), hint="all"),
    Command("go_sent", "Go to Sent", ("g s",), hint="sent"),
    Command("go_trash", "Go to Trash", ("g t",), hint="trash"),
    Command("go_drafts", "Go to Drafts", ("g d",), hint="drafts"),
    Command("go_archive", "Go to the archive", ("g e",), hint="archive"),
    Command("go_junk", "Go to Junk", ("g !",), hint="junk"),
    Command("go_folder", "Go to a folder", ("g f",), hint="folder"),
    Command("go_outbox", "Go to the outbox", ("g o",), hint="outbox"),
    *(
        Command(f"account_{number}", f"Go to account {number}", (f"g {number}", f"alt+{number}"), hint="account")
        for number in range(1, 10)
    ),
    Command("archive", "Archive", ("e",), hint="archive"),
    Command("delete", "Move to Trash", ("d", "#"), hint="trash"),
    Command("delete_for_good", "Delete for good", ("D",)),
    Command("junk", "Junk, or back from it", ("!",)),
    Command("undo", "Undo", ("z", "u", "ctrl+z"), hint="undo"),
    Command("flag", "Flag", ("s", "F"), hint="flag"),
    Command("toggle_read", "Read / unread", ("N",), hint="read/unread"),
    Command("select", "Select", ("x", "t"), hint="select"),
    Command("select_range", "Select a range", ("V",)),
    Command("select_pattern", "Select by a pattern", ("T",)),
    Command("select_all", "Select everything in this folder"),
    Command("move", "Move to a folder", ("M",), hint="move"),
    Command("copy_to_folder", "Copy to a folder", ("C",)),
    Command("labels", "Keywords and labels", ("l",), hint="keywords"),
    Command("mark_all_read", "Mark the folder read", ("A",)),
    Command("sort", "Sort the list", ("o",), hint="sort"),
    Command("view_mode", "Text, HTML, source", ("h",), hint="text/HTML"),
    Command("headers", "All headers, source, the way it took", ("H",)),
    Command("attachments", "Attachments", ("v",), hint="attachments"),
    Command("save", "Save the attachments", ("S",)),
    Command("enclosed", "Open the enclosed or returned message", ("O",)),
    Command("pipe", "Pipe to a command", ("|",)),
    Command("clipboard", "Copy an address, a link or the text", ("y",), hint="copy"),
    Command("sync", "Send and receive now", ("$", "f5"), hint="send/receive"),
    Command("help", "Keys", ("?",), hint="keys"),
    Command("palette", "All commands", (":", "ctrl+p"), hint="commands"),
    Command("toggle_folders", "Show or hide the folders", ("w f",), hint="folders"),
    Command("toggle_message", "Show or hide the message", ("w m",), hint="message"),
    Command("grow", "Make this pane larger", (">", "w >"), hint="larger"),
    Command("shrink", "Make this pane smaller", ("<", "w <"), hint="smaller"),
    Command("theme", "Choose a theme", ("w t",), hint="theme"),
    Command("toggle_dark", "Switch between dark and light", ("w d",), hint="dark/light"),
    Command("redraw", "Draw the screen again", ("ctrl+l",)),
    Command("work_offline", "Work offline, or online again"),
    Command("problems", "What went wrong lately", ("g p",), hint="problems"),
    Command("accounts", "Accounts: add, change, disable, remove", ("g c",), hint="accounts"),
    Command("password", "Type the password of an account, or sign in again", ("g k",), hint="password"),
    Command("unsubscribe", "Unsubscribe from this list", ("U",), hint="unsubscribe"),
    Command("archive_list", "Archive all from this list"),
    Command("folder_create", "Create a folder"),
    Command("folder_rename", "Rename this folder"),
    Command("folder_delete", "Delete this folder"),
    Command("folder_subscribe", "Subscribe to this folder, or no longer"),
    Command("folder_empty", "Empty this folder for good (Trash, Junk)"),
    Command("reply", "Reply", ("r",), hint="reply"),
    Command("reply_all", "Reply to all", ("a",), hint="reply to all"),
    Command("reply_with_attachments", "Reply with the attachments"),
    Command("reply_list", "Reply to the list", ("L",)),
    Command("forward", "Forward", ("f",), hint="forward"),
    Command("forward_attached", "Forward as an attachment"),
    Command("redirect", "Redirect: send on unchanged"),
    Command("compose", "Compose", ("m", "c"), hint="compose"),
    Command("edit_draft", "Write on at this draft", ("E",)),
    Command("edit_as_new", "Edit as a new message"),
    Command("search", "Search", ("/",), later=_SEARCHING),
    Command("filter", "Filter this list", ("\\",), later=_SEARCHING),
    Command("find", "Search in this message", ("ctrl+f",), hint="search in it"),
    Command("quotations", "Fold or show quotations", ("Q",), hint="quotations"),
    Command("load_pictures", "Load the pictures from elsewhere", ("i",), hint="load pictures"),
    Command("always_load_pictures", "Always load this sender's pictures, or no longer"),
    Command("browser", "Open the HTML in the browser", ("B",), hint="browser"),
    Command("pipe_text", "Pipe the text to a command"),
    Command("print", "Print the text", ("P",)),
)
BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gmail": {},
    "mutt": {
        "first": ("=", "g g", "home"),
        "last": ("*", "G", "end"),
        "next_unread": ("tab", "n"),
        "previous_unread": ("p",),
        "next_pane": ("ctrl+w",),
        "previous_pane": ("shift+tab",),
        "page_up": ("pageup", "-", "b", "ctrl+u"),
        "flag": ("F",),
        "move": ("s", "M"),
        "undo": ("u", "z", "ctrl+z"),
        "select": ("t", "x"),
        "go_folder": ("c", "g f"),
        "compose": ("m",),
        "reply_all": ("g r",),
        "archive": ("e", "a"),
        "view_mode": ("h",),
        "sync": ("$", "f5"),
        "links": ("ctrl+b", "enter"),
    },
    "aerc": {
        "delete": ("D", "d", "#"),
        "delete_for_good": (),
        "archive": ("a", "e"),
        "select": ("v", "x", "t"),
        "select_range": ("V",),
        "attachments": ("ctrl+k",),
        "page_down": ("ctrl+d", "pagedown", "ctrl+f"),
        "page_up": ("ctrl+u", "pageup", "ctrl+b"),
        "find": (),
        "reply": ("r r",),
        "reply_all": ("r a",),
        "compose": ("C",),
        "copy_to_folder": ("c",),
        "flag": ("F", "s"),
    },
    "alpine": {
        "next": ("n", "j", "down"),
        "previous": ("p", "k", "up"),
        "next_unread": ("tab",),
        "previous_unread": (),
        "next_pane": ("ctrl+w",),
        "open": (">", "enter"),
        "grow": ("w >",),
        "shrink": ("w <",),
        "flag": ("*",),
        "move": ("s", "M"),
        "undo": ("u", "z", "ctrl+z"),
        "select": (":", "x", "t"),
        "select_pattern": (";", "T"),
        "palette": ("ctrl+p",),
        "sort": ("$", "o"),
        "sync": ("ctrl+l", "f5"),
        "redraw": (),
        "go_folder": ("g f", "l"),
        "labels": (),
        "page_up": ("-", "pageup", "b"),
        "search": ("w w", "/"),
    },
}


class Bindings:
    """Which command a sequence of keys means in each pane."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._keys = keys
        self._maps: dict[Where, dict[tuple[str, ...], str]] = {where: {} for where in Where}
        for command in COMMANDS:
            for written in keys.get(command.name, ()):
                # Of two commands that want a key, the one that is listed first has it.
                self._maps[command.where].setdefault(tuple(written.split(" ")), command.name)

    def command(self, keys: tuple[str, ...], where: Where) -> str | None:
        """The command's name for a whole sequence, or None."""
        return self._maps[where].get(keys) or self._maps[Where.ANY].get(keys)

    def following(self, prefix: tuple[str, ...], where: Where) -> list[tuple[str, Command]]:
        """What may follow `prefix`: the next key and the command it completes. Empty where nothing goes on from it."""
        found: dict[str, Command] = {}
        depth = len(prefix)
        for chosen in (where, Where.ANY):
            for keys, name in self._maps[chosen].items():
                if len(keys) > depth and keys[:depth] == prefix:
                    found.setdefault(keys[depth], BY_NAME[name])
        return list(found.items())

    def keys_of(self, name: str) -> tuple[str, ...]:
        """The keys of a command, as they are written."""
        return self._keys.get(name, ())

    def shown(self, name: str) -> str:
        """The first key of a command as people read it; empty where it has none."""
        keys = self.keys_of(name)
        return show_key(keys[0]) if keys else ""


def bindings(preset: str = "gmail", rebound: Mapping[str, Sequence[str]] | None = None) -> Bindings:
    """The keys of a preset with some commands' keys replaced. A rebound key is taken from the command that had it.

    Raises KeyError for an unknown preset or command.
    """
    keys = {command.name: command.keys for command in COMMANDS}
    for changes in (PRESETS[preset], rebound or {}):
        for name, wanted in changes.items():
            where = BY_NAME[name].where
            taken = set(wanted)
            for other, had in keys.items():
                if other != name and BY_NAME[other].where is where and taken.intersection(had):
                    keys[other] = tuple(key for key in had if key not in taken or key in changes.get(other, ()))
            keys[name] = tuple(wanted)
    return Bindings(keys)


_SHOWN = {
    "enter": "Enter", "escape": "Esc", "space": "Space", "tab": "Tab", "shift+tab": "Shift+Tab", "pagedown": "PgDn",
    "pageup": "PgUp", "home": "Home", "end": "End", "up": "↑", "down": "↓", "left": "←", "right": "→", "backspace": "Backspace",
}  # fmt: skip


def show_key(written: str) -> str:
    """A key or sequence as people read it: "Ctrl+P", "g i"."""
    return " ".join(_SHOWN.get(key) or _show_combined(key) for key in written.split(" "))


def _show_combined(key: str) -> str:
    modifiers, plus, last = key.rpartition("+")
    if plus and modifiers:
        return "+".join([*(modifier.capitalize() for modifier in modifiers.split("+")), last.upper()])
    return key.upper() if len(key) > 1 else key
