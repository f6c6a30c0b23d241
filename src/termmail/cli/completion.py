"""`completion`: the script that lets the shell complete commands, accounts and mailboxes."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from termmail.cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash  in ~/.bashrc:                   eval "$(termmail completion bash)"
    zsh   in ~/.zshrc, after compinit:    eval "$(termmail completion zsh)"
    fish  in ~/.config/fish/config.fish:  termmail completion fish | source
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = context.find_root().command
    # Not the class's own source(): for bash that starts a bash to ask its version.
    script = ShellComplete.source(kind(root, {}, "termmail", "_TERMMAIL_COMPLETE"))
    # Without -r bash would take the backslashes away that a mailbox's name needs.
    say(script.replace("' read type", "' read -r type"))
