"""What one can do in the composer, and by which keys: letters at the bar below the text, others from anywhere."""

from __future__ import annotations

from typing import NamedTuple


class Action(NamedTuple):
    """`letter` acts at the bar, and everywhere with Alt. `words` are for the bar, `title` says it in full; `keys` act in the text too,
    as Textual names them and as they are read."""

    name: str
    letter: str
    words: str
    title: str
    keys: tuple[tuple[str, str], ...] = ()


ACTIONS = (
    Action("send", "y", "send", "Send", (("ctrl+enter", "Ctrl+Enter"),)),
    Action("write_on", "i", "write on", "Go back to the text", (("enter", "Enter"),)),
    Action("attach", "a", "attach", "Attach files"),
    Action("leave", "q", "keep and leave", "Keep it in Drafts and leave", (("ctrl+q", "Ctrl+Q"),)),
    Action("discard", "d", "discard", "Discard it"),
    Action("edit", "e", "editor", "Write in $EDITOR"),
    Action("preview", "p", "preview", "See it as it will be read"),
    Action("send_later", "t", "send later", "Send at a time"),
    Action("choose_from", "f", "from", "Write as another sender"),
    Action("detach", "x", "detach", "Take out an attachment"),
    Action("save_now", "s", "save", "Save", (("ctrl+s", "Ctrl+S"),)),
    Action("show_reply_to", "r", "reply-to", "Have answers go elsewhere (Reply-To)"),
    Action("to_fields", "tab", "fields", "Go to the fields"),
    Action("help", "?", "keys", "List what can be done here", ((":", ":"), ("ctrl+p", "Ctrl+P"))),
)
"""In the order in which the bar shows them: what does not fit in it is left out from the end, but for the last one."""

BY_KEY = {action.letter: action.name for action in ACTIONS} | {
    key: action.name for action in ACTIONS for key, _ in action.keys
}
"""What a key does at the bar."""

FROM_THE_TEXT = {key: name for key, name in BY_KEY.items() if key.startswith("ctrl+")} | {
    f"alt+{action.letter}": action.name for action in ACTIONS if action.letter.isalpha() and len(action.letter) == 1
}
"""What a key does while something is being typed."""

BAR = tuple((action.letter, action.words, action.letter) for action in ACTIONS if action.name != "to_fields")
TEXT_HINTS = (
    ("Esc", "send, attach, …", "escape"), ("Tab", "next field", "tab"), ("Ctrl+S", "save", "ctrl+s"),
    ("Ctrl+P", "keys", "ctrl+p"),
)  # fmt: skip
