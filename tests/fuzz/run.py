"""`make fuzz`: every target for some time, by atheris where it is installed, else by Hypothesis.

What fails is written into `tests/fuzz/found/TARGET/`, where `test_fuzz.py` runs it from then on; commit it with the fix.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

# The targets are imported late: atheris instruments what is imported under its eyes.
NAMES = ("header_block", "addresses", "date", "body", "html", "answer", "mailto", "imap", "pop3", "smtp")
FOUND = Path(__file__).parent / "found"
_CORPUS_EVERY = 20
_SLOWEST = 2
"""Seconds of CPU that one input may take; three times as long under atheris, which counts what is executed."""

_MEMORY = 512


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--with", dest="by", choices=("atheris", "hypothesis"), default=None)
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    by = options.by or ("atheris" if importlib.util.find_spec("atheris") else "hypothesis")
    failed = 0
    for name in options.targets or NAMES:
        # Each in a process of its own: atheris never returns, and one that hangs must not end the others.
        command = [sys.executable, __file__, "--one", by, name, str(options.seconds)]
        ended = subprocess.run(command, check=False).returncode
        failed += ended != 0
        print(f"{name}: {'failed' if ended else 'nothing found'} in {options.seconds} s with {by}", flush=True)
    return 1 if failed else 0


def one(by: str, name: str, seconds: int) -> None:
    """Fuzz one target in this process."""
    if by == "atheris":
        _atheris(name, seconds)
    else:
        _hypothesis(name, seconds)


def keep(name: str, data: bytes) -> Path:
    """Write down what failed."""
    folder = FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def _atheris(name: str, seconds: int) -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["termmail"]):
        from fuzz.targets import TARGETS
    from fuzz.seeds import seeds

    target = TARGETS[name]
    # What is imported with its first use would count as time of an input.
    for seed in seeds(name):
        target(seed)

    def run(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            print(f"kept as {keep(name, data)}", flush=True)
            raise

    (FOUND / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(name, corpus_every=_CORPUS_EVERY)):
            (Path(folder) / str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}", f"-timeout={3 * _SLOWEST}", f"-rss_limit_mb={_MEMORY}", "-max_len=8192", "-verbosity=0",
            f"-artifact_prefix={FOUND / name}/", folder,
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], run)
        atheris.Fuzz()


def _hypothesis(name: str, seconds: int) -> None:
    from hypothesis import HealthCheck, Phase, given, settings

    from fuzz.mutation import mutated
    from fuzz.seeds import seeds
    from fuzz.targets import TARGETS

    target = TARGETS[name]
    until = time.monotonic() + seconds

    @settings(
        max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(mutated(list(seeds(name, corpus_every=_CORPUS_EVERY))))
    def run(data: bytes) -> None:
        if time.monotonic() > until:
            return
        began = time.process_time()
        try:
            target(data)
        except BaseException:
            print(f"kept as {keep(name, data)}", flush=True)
            raise
        if time.process_time() - began > _SLOWEST:
            print(f"slow, kept as {keep(name, data)}", flush=True)
            raise TimeoutError(f"took {time.process_time() - began:.1f} s")

    while time.monotonic() < until:
        run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        try:
            one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        except Exception:  # noqa: BLE001 - what the fuzzer found is printed, and its input is kept
            traceback.print_exc()
            sys.exit(1)
    else:
        sys.exit(main())
