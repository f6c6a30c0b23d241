"""One question on a plain terminal: asked until the answer will do, with a way back to the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from termmail.cli.output import say
from termmail.setup.field_checks import Remark, Weight, is_number, tidy

BACK = "back"
"""What is typed to be asked the question before again."""


class GoBack(Exception):
    """The person wants the question before this one again."""


def ask(
    prompt: str,
    check: Callable[[str], Remark | None],
    default: str = "",
    *,
    secret: bool = False,
    optional: bool = False,
) -> str:
    """An answer that `check` has nothing against. Raises GoBack: for `BACK`, but where a password is asked for, which that may be,
    for an empty answer."""
    insisted = ""
    while True:
        try:
            answer = _read(prompt, default, secret=secret)
            answer.encode()
        except UnicodeError:
            say("This terminal sends letters such as ä in another encoding than UTF-8. Type it without them.")
            continue
        if not answer if secret and not optional else answer.strip().casefold() == BACK:
            raise GoBack
        if optional and not tidy(answer):
            return ""
        remark = check(answer)
        if remark is None or remark.weight is Weight.NOTE or (answer == insisted and remark.weight is Weight.DOUBT):
            if remark is not None and remark.weight is Weight.NOTE:
                say(remark.sentence)
            return answer if secret else tidy(answer)
        say(remark.sentence)
        if remark.weight is Weight.DOUBT:
            insisted = answer
            say("The same answer again takes it as it is.")
        if not secret:
            default = remark.meant or tidy(answer)


def choose(prompt: str, options: Sequence[str], default: int) -> int:
    """The place of an option, which are listed with numbers from 1. Raises GoBack."""
    for number, words in enumerate(options, 1):
        say(f"{number}. {words}")

    def check(text: str) -> Remark | None:
        if is_number(text, len(options)):
            return None
        return Remark(Weight.WRONG, f"Type a number from 1 to {len(options)}.", str(default + 1))

    return int(ask(prompt, check, str(default + 1))) - 1


def agree(prompt: str, *, default: bool) -> bool:
    """Yes or no. Raises GoBack."""

    def check(text: str) -> Remark | None:
        known = tidy(text).casefold() in ("y", "yes", "n", "no")
        return None if known else Remark(Weight.WRONG, "Type yes or no.", "yes" if default else "no")

    return ask(f"{prompt} yes or no", check, "yes" if default else "no").casefold().startswith("y")


def _read(prompt: str, default: str, *, secret: bool) -> str:
    shown = f"{prompt} [{default}]" if default and not secret else prompt
    answer: str = click.prompt(shown, default=default, show_default=False, hide_input=secret, prompt_suffix=" ")
    return answer
