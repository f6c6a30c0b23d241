"""The engine as a service of systemd's, one for each user: `engine --install-service` and `--remove-service`."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from termmail.accounts.private_file import replace_file
from termmail.cli.integration import base_folder, own_command, remove_file, run_tool
from termmail.cli.output import note, say
from termmail.cli.session import Session

UNIT = "termmail.service"

# Nothing here takes the keyring, gpg-agent, or a file that a password command may need away.
_TEXT = """\
[Unit]
Description=termmail: keep the mail here and on the servers in step

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=64 78
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def install_service(session: Session) -> None:
    """Write the unit, and start it where a service manager answers, else say how. Raises StorageFailed."""
    command = [*own_command(session), "engine"]
    path = _unit_file()
    replace_file(path, _TEXT.format(command=" ".join(_quoted(word) for word in command)))
    say(f"Wrote {path}.")
    if shutil.which("systemctl") is None:
        note(f"There is no systemd here. Let another service manager run: {shlex.join(command)}")
    elif _systemctl("daemon-reload") and _systemctl("enable", "--now", UNIT):
        say("The engine runs now, and whenever you are logged in. `systemctl --user status termmail` shows how it is.")
    else:
        note(
            "The service manager did not take it. Start it from a session of your own with:"
            f" systemctl --user daemon-reload && systemctl --user enable --now {UNIT}"
        )


def remove_service() -> None:
    """Stop the service and remove its unit. Raises StorageFailed."""
    path = _unit_file()
    there = path.exists()
    managed = there and shutil.which("systemctl") is not None
    stopped = managed and _systemctl("disable", "--now", UNIT)
    if not remove_file(path):
        note(f"There is no {path}.")
        return
    say(f"Removed {path}.")
    if stopped:
        _systemctl("daemon-reload")
    elif managed:
        note(f"The service manager did not answer. Where it still runs, end it with: systemctl --user stop {UNIT}")


def _unit_file() -> Path:
    return base_folder("XDG_CONFIG_HOME", ".config") / "systemd" / "user" / UNIT


def _quoted(word: str) -> str:
    """A word of a command line as systemd.service(5) has it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word or any(one in word for one in " \t';") else word


def _systemctl(*arguments: str) -> bool:
    return run_tool("systemctl", "--user", *arguments)
