"""`python -m termmail.engine`: the engine as a child of a front end, which gives it the home's folders."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from termmail.model.errors import TermmailError
from termmail.model.home import Home


def main() -> int:
    """Exit codes: 0 ended as asked, 74 the disk refused, 75 another engine has this home, 78 a newer termmail's database."""
    parser = argparse.ArgumentParser(prog="python -m termmail.engine")
    parser.add_argument("--home", type=Path, help="one folder for everything")
    parser.add_argument("--folders", type=Path, nargs=4, metavar=("CONFIG", "DATA", "STATE", "RUNTIME"))
    parser.add_argument("--child", action="store_true", help="end when stdin closes")
    options = parser.parse_args()
    if options.folders:
        home = Home(*options.folders)
    elif options.home:
        home = Home.under(options.home.absolute())
    else:
        parser.error("--home or --folders is needed")
    # A tenth of the start would go into looking for garbage among modules.
    gc.disable()
    from termmail.engine.process import engine_exit_code, run_engine

    gc.freeze()
    gc.enable()
    try:
        return run_engine(home, child=options.child)
    except TermmailError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return engine_exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
