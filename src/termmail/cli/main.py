"""The `termmail` command: its subcommands, loaded when they are called, and how every error ends."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import resource
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from termmail import __version__
from termmail.cli.exit_codes import ExitCode, exit_code
from termmail.cli.output import error_words, note
from termmail.cli.session import HOME_KEY, Session, pass_session
from termmail.model.errors import TermmailError

_COMPLETE = "_TERMMAIL_COMPLETE"
_REFUSED_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
_COMMANDS = {
    "account": "accounts:account",
    "archive": "edits:archive",
    "attachments": "attachments:attachments",
    "completion": "completion:completion",
    "compose": "compose:compose",
    "copy": "edits:copy",
    "delete": "edits:delete",
    "demo": "app:demo",
    "doctor": "doctor:doctor",
    "empty": "mailboxes:empty",
    "engine": "engine:engine",
    "expunge": "edits:expunge",
    "flag": "edits:flag",
    "junk": "edits:junk",
    "list": "messages:list_",
    "mailbox": "mailboxes:mailbox",
    "mailboxes": "mailboxes:mailboxes",
    "move": "edits:move",
    "outbox": "outbox:outbox",
    "problems": "maintenance:problems",
    "reindex": "maintenance:reindex",
    "send": "sending:send",
    "sendmail": "sending:sendmail",
    "show": "show:show",
    "sync": "sync:sync",
    "undo": "edits:undo",
}


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, so that `termmail list` loads nothing of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"termmail.cli.{module}"), name)
        return command


def _set_home(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value == "":
        # From a variable that is not set: the usual home is not what was meant.
        raise click.BadParameter("it is empty. Name a folder, or leave --home away.", context, parameter)
    context.meta[HOME_KEY] = value
    session = context.find_object(Session)
    if session is not None:
        session.folder = value


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    metavar="DIR",
    is_eager=True,
    expose_value=False,
    callback=_set_home,
    help="Keep all of termmail's files under DIR. Without it, and without TERMMAIL_HOME, they lie where the platform puts them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.version_option(__version__, message="termmail %(version)s")
@pass_session
@click.pass_context
def cli(context: click.Context, session: Session, as_json: bool) -> int | None:
    """Read and write e-mail in the terminal. Without a command it opens the mail reader.

    IDs are the numbers that `termmail list` prints. Changes are made here at once and reach the server through the running mail reader
    or the next `termmail sync`.
    """
    session.as_json = as_json
    if context.invoked_subcommand is None:
        from termmail.cli.app import open_app

        return open_app(session)
    return None


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Every failure becomes one sentence on standard error."""
    os.umask(0o077)
    # No core file, which would hold passwords (C2).
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if _COMPLETE in os.environ:
        return shell_complete(cli, {}, "termmail", _COMPLETE, os.environ[_COMPLETE])
    session = Session()
    try:
        # Not cli.main(), which ends the process with 1 where the reader of our output goes away.
        with cli.make_context("termmail", list(arguments), obj=session) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        note(error.format_message())
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt, EOFError):
        note("Stopped.")
        return ExitCode.INTERRUPTED
    except TermmailError as error:
        note(error_words(error))
        return exit_code(error)
    except BrokenPipeError:
        _drop_output()
        return ExitCode.OK
    except OSError as error:
        # What the store and the accounts write has been told as StorageFailed: this is what was to be printed.
        if error.errno not in _REFUSED_OUTPUT:
            return _crashed(error, session)
        note(f"The output could not be written: {error.strerror}.")
        _drop_output()
        return ExitCode.CANNOT_CREATE
    except Exception as error:  # noqa: BLE001 - told and logged, without the local variables that may hold a secret (C3)
        return _crashed(error, session)
    finally:
        session.close()
    return code if isinstance(code, int) else ExitCode.OK


def _crashed(error: Exception, session: Session) -> int:
    from termmail.cli.crash_log import log_crash

    note(log_crash(error, session.folder))
    return ExitCode.SOFTWARE


def _open_closed_streams() -> None:
    """Where the caller closed a standard stream, what is opened next would take its place, be it the database."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                continue
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _drop_output() -> None:
    """Python would complain once more about what it can't print when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
