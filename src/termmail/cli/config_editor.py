"""`account edit` without options: config.toml in $EDITOR, and only a file without mistakes replaces it."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import click

from termmail.accounts import config
from termmail.accounts.private_file import replace_file
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import note, say
from termmail.cli.session import Session
from termmail.model.errors import ConfigError


def edit_config(session: Session) -> None:
    """Edit a copy until it holds no mistake or the user gives up; the file in use is replaced as a whole."""
    if _chosen_editor() is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "Say what to change, see --help. Without an option an editor opens, which needs a terminal."
        )
    target = session.home.config_file
    text = target.read_text(encoding="utf-8") if target.exists() else ""
    draft = target.with_name(f"config.{secrets.token_hex(4)}.toml")
    replace_file(draft, text)
    try:
        while True:
            _run_editor(draft)
            after = draft.read_text(encoding="utf-8", errors="surrogateescape")
            if after == text:
                say("Nothing was changed.")
                return
            try:
                config.check_text(draft, after)
                break
            except ConfigError as error:
                note(error.sentence)
                if not click.confirm("Edit it again?", default=True, err=True):
                    raise CommandError("The config file was left as it was.", ExitCode.CONFIG) from None
        changed = config.replace_text(session.home, after)
    finally:
        draft.unlink(missing_ok=True)
    session.intents.register_accounts(changed.accounts)
    say(f"Changed {target}.")


def _chosen_editor() -> str | None:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or None


def _run_editor(path: Path) -> None:
    editor = _chosen_editor() or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise CommandError(f'The editor "{editor}" could not be started. Set EDITOR.', ExitCode.UNAVAILABLE) from error
    if done.returncode:
        raise CommandError(f"The editor ended with {done.returncode}; nothing was changed.", ExitCode.UNAVAILABLE)
