"""What is needed to tell the desktop and the service manager of termmail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from termmail.accounts.home import HOME_VARIABLE
from termmail.cli.output import note
from termmail.cli.session import Session
from termmail.model.errors import StorageFailed

_SECONDS = 30


def own_command(session: Session) -> list[str]:
    """The words that start this termmail, on this home, from anywhere."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("termmail")
    if called.name == "termmail" and os.access(called, os.X_OK):
        # Not resolved: a link stays when what it leads to is replaced by a newer version.
        words = [str(called.absolute())]
    elif os.access(beside, os.X_OK):
        words = [str(beside)]
    else:
        words = [sys.executable, "-m", "termmail"]
    if session.folder or os.environ.get(HOME_VARIABLE):
        words += ["--home", str(session.home.config)]
    return words


def base_folder(variable: str, otherwise: str) -> Path:
    """One of the XDG base directories; what is not absolute there is ignored, as their specification says."""
    chosen = os.environ.get(variable, "")
    return Path(chosen) if chosen.startswith("/") else Path.home() / otherwise


def remove_file(path: Path) -> bool:
    """Whether there was one. Raises StorageFailed."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageFailed(f"{path} cannot be removed: {error.strerror}.") from error
    return True


def run_tool(*command: str) -> bool:
    """Whether it went well; what it says of a failure is passed on."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        note(f"{command[0]}: {error}")
        return False
    if done.returncode != 0:
        note(f"{command[0]}: {done.stderr}")
    return done.returncode == 0
