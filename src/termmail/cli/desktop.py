"""termmail as what the desktop opens for mailto: links (Desktop Entry Specification)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from termmail.accounts.private_file import replace_file
from termmail.cli.integration import base_folder, own_command, remove_file, run_tool
from termmail.cli.output import note, say
from termmail.cli.session import Session

ENTRY = "termmail.desktop"
_SCHEME = "x-scheme-handler/mailto"
_TEXT = """\
[Desktop Entry]
Type=Application
Version=1.0
Name=termmail
GenericName=E-mail
Comment=Write an e-mail in the terminal
Exec={command} compose -- %u
Terminal=true
Categories=Network;Email;ConsoleOnly;
MimeType={scheme};
"""
_RESERVED = re.compile(r"[\s\"'\\><~|&;$*?#()`%]")


def install_handler(session: Session) -> None:
    """Write the entry, and make it the one for mailto: where xdg-mime is there, else say how. Raises StorageFailed."""
    path = _entry_file()
    command = " ".join(_quoted(word) for word in own_command(session))
    replace_file(path, _TEXT.format(command=command, scheme=_SCHEME))
    say(f"Wrote {path}.")
    if shutil.which("update-desktop-database") is not None:
        run_tool("update-desktop-database", str(path.parent))
    if shutil.which("xdg-mime") is None:
        note("There is no xdg-mime here. Choose termmail for e-mail in the settings of the desktop or the browser.")
    elif run_tool("xdg-mime", "default", ENTRY, _SCHEME):
        say("mailto: links open in termmail.")


def remove_handler() -> None:
    """Remove the entry; the desktop then takes another. Raises StorageFailed."""
    path = _entry_file()
    if not remove_file(path):
        note(f"There is no {path}.")
        return
    say(f"Removed {path}.")
    if shutil.which("update-desktop-database") is not None:
        run_tool("update-desktop-database", str(path.parent))


def _entry_file() -> Path:
    return base_folder("XDG_DATA_HOME", ".local/share") / "applications" / ENTRY


def _quoted(word: str) -> str:
    """A word of Exec: quoted as such, and then escaped as every value of the file is."""
    if _RESERVED.search(word) is None:
        return word
    quoted = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return '"' + quoted.replace("\\", "\\\\") + '"'
