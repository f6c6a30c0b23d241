"""The composer alone: `termmail compose`, and what a browser calls for a mailto: link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from termmail.accounts.config import Compose
from termmail.mime.mailto import Mailto
from termmail.model.account import Account
from termmail.model.home import Home
from termmail.ui.app import run
from termmail.ui.backend import EngineHandle
from termmail.ui.writing import Beginning


def run_compose(
    home: Home,
    accounts: Sequence[Account],
    *,
    asked: Mailto,
    account: str | None,
    settings: Compose,
    attach: tuple[Path, ...] = (),
    start_engine: Callable[[], EngineHandle] | None = None,
    preset: str = "gmail",
    rebound: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Open the composer on what a mailto: URL asks for, and end with it; returns an exit code.

    `account` is whom it is from, the first one by default; `attach` are files that the user named. `start_engine` starts what sends it.
    `say` is told what became of it, when the terminal is restored. Raises what `run` raises.
    """
    return run(
        home,
        accounts,
        start_engine=start_engine,
        preset=preset,
        rebound=rebound,
        compose_settings=settings,
        begin=Beginning(asked, account, attach),
        say=say,
    )
