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
    bash  termmail completion bash > ~/.local/share/bash-completion/completions/termmail
    zsh   termmail completion zsh > "${fpath[1]}/_termmail"
    fish  termmail completion fish > ~/.config/fish/completions/termmail.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = context.find_root().command
    # Not the class's own source(): for bash that starts a bash to ask its version.
    say(ShellComplete.source(kind(root, {}, "termmail", "_TERMMAIL_COMPLETE")))
