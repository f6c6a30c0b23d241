"""`make bench`: termmail and its peers side by side, in one run on this machine, as a table."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.measuring import Result, Row
from bench.rows import FULL, QUICK, ROWS, USUAL, Bench
from bench.surroundings import has
from servers.dovecot import Dovecot, find_dovecot, find_dovecot_pop3

_PEERS = {"neomutt": "neomutt", "mbsync": "isync", "mpop": "mpop"}


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: str
    mode: str
    rows: list[Row]
    left_out: list[str]


def main() -> int:
    """Measure and print; 0 also where a target is missed, since this is a measurement and no test."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little mail and few runs: a look within two minutes")
    parser.add_argument("--full", action="store_true", help="also a million messages")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="this row; may be given more than once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    mode, sizes = ("quick", QUICK) if options.quick else ("full", FULL) if options.full else ("usual", USUAL)
    rows: list[Row] = []
    left_out = [f"{program} (Debian: {package})" for program, package in _PEERS.items() if not has(program)]
    # An installed program has its bytecode; without it every start would measure Python's compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="termmail-bench-")))
        server = None
        if find_dovecot() is not None:
            with_pop3 = find_dovecot_pop3() is not None
            server = stack.enter_context(Dovecot(folder / "dovecot", pop3=with_pop3))
        bench = Bench(folder, server, sizes, _progress)
        for name in options.only or ROWS:
            try:
                for row in ROWS[name](bench):
                    rows.append(row)
                    _progress("")
                    print(_line(row), flush=True)
            except FileNotFoundError as error:
                left_out.append(f"{name}: {error}")
    report = Report(_machine(), mode, rows, left_out)
    _progress("")
    print("\n" + table(report) + f"\n{time.monotonic() - began:.0f} s in all.")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 0


def table(report: Report) -> str:
    """The rows as Markdown."""
    lines = [
        f"Measured on {report.machine}, medians.",
        "",
        "| | termmail | others | to be reached | |",
        "|---|---|---|---|---|",
    ]
    for row in report.rows:
        others = ", ".join(f"{one.program} {_value(one)}{_ratio(row.ours, one)}" for one in row.others) or "–"
        reached = {True: "yes", False: "no", None: ""}[row.reached]
        lines.append(f"| {row.name} | {_value(row.ours)} | {others} | {row.target or '–'} | {reached} |")
    if report.left_out:
        lines += ["", "Left out: " + "; ".join(report.left_out) + "."]
    return "\n".join(lines)


def _line(row: Row) -> str:
    others = ", ".join(f"{one.program} {_value(one)}" for one in row.others)
    return f"{row.name}: termmail {_value(row.ours)}; {others}"


def _value(result: Result) -> str:
    digits = 0 if result.value >= 100 or result.unit == "round trips" else 1 if result.value >= 10 else 2
    note = f" ({result.note})" if result.note else ""
    return f"{result.value:.{digits}f} {result.unit}{note}"


def _ratio(ours: Result, other: Result) -> str:
    return f" (× {ours.value / other.value:.2f})" if other.value and ours.unit == other.unit else ""


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{text[:width]:<{width}}\r")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
