"""The rows of the table: each measures termmail and its peers in turn, and says what was to be reached."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.measuring import OnTerminal, Result, Row, median, percentile, tree_memory
from bench.surroundings import (
    PASSWORD,
    filled_home,
    has,
    home_of,
    home_with,
    imap_account,
    long_newsletter,
    maildir,
    mbsync_settings,
    message,
    messages,
    mpop_command,
    neomutt_settings,
    pop3_account,
    run,
    sync,
    termmail,
)
from corpus import corpus_messages
from servers.dovecot import Dovecot
from termmail.model.account import OfflineKind
from termmail.model.home import Home

_EMPTY_APP = str(Path(__file__).with_name("empty_app.py"))
_CORPUS_FILES = 7_000
_LARGEST_OPENED = 4 * 1024 * 1024
# A text comes after the heading, which is drawn at once.
_OPENED = 0.35
# The sender of the message that is shown. Its place in the list is another one whenever mail comes in above it.
_SHOWN = re.compile(rb"<(person\d+@example\.net)>")
_HERE = Path(__file__).resolve().parents[1]


class Sizes(msgspec.Struct, frozen=True):
    """How much of everything: runs of what takes under a second, of what takes longer, and messages."""

    short_runs: int
    long_runs: int
    starts: tuple[int, ...]
    keys: int
    headers: int
    bodies: int
    body_size: int
    mailboxes: int
    listed: int
    pop3: tuple[int, ...]
    pop3_size: int
    opened: int


QUICK = Sizes(3, 1, (1_000,), 20, 1_000, 500, 8_000, 20, 5_000, (500,), 11_000, 30)
USUAL = Sizes(20, 3, (1_000, 50_000), 200, 50_000, 50_000, 10_000, 200, 100_000, (5_000,), 11_000, 400)
FULL = msgspec.structs.replace(USUAL, starts=(1_000, 50_000, 1_000_000), pop3=(5_000, 50_000), opened=4_000)


class Bench:
    """Everything rows need: a folder, a Dovecot, sizes. `say` is told what is being done."""

    def __init__(self, folder: Path, server: Dovecot | None, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.sizes = sizes
        self.say = say
        self._server = server
        self._serial = 0
        self._users: dict[tuple[int, int], str] = {}

    @property
    def server(self) -> Dovecot:
        """Raises FileNotFoundError where there is none."""
        if self._server is None:
            raise FileNotFoundError("Dovecot is not installed (Debian: dovecot-imapd dovecot-pop3d)")
        return self._server

    def new_folder(self, name: str) -> Path:
        self._serial += 1
        return self.folder / f"{name}-{self._serial}"

    def user_with(self, count: int, size: int) -> str:
        """A user of the server with so many messages of so many bytes in the inbox, which the server has looked at once."""
        if (count, size) not in self._users:
            self.say(f"{count:,} messages of {size:,} bytes")
            user = f"test-bench-{count}-{size}"
            self.server.make(user, "INBOX", messages(count, size))
            # Its index is its own affair: without this the first program measured would pay for it.
            self.server.doveadm(
                "fetch", "-u", user, "size.virtual imap.envelope date.received", "mailbox", "INBOX", "all"
            )
            self._users[count, size] = user
        return self._users[count, size]


def in_turn(runs: int, *programs: tuple[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each program once, then each again, so that what else the machine does meets all alike."""
    times: dict[str, list[float]] = {name: [] for name, _ in programs}
    for _ in range(runs):
        for name, measure in programs:
            times[name].append(measure())
    return times


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _row(name: str, unit: str, times: dict[str, list[float]], target: str, held_against: str, factor: float) -> Row:
    results = [Result(name, program, median(values), unit, len(values)) for program, values in times.items()]
    peer = next((one for one in results if one.program == held_against), None)
    reached = None if peer is None else results[0].value <= factor * peer.value
    return Row(name, results[0], tuple(results[1:]), target, reached)


def start(bench: Bench) -> Iterator[Row]:
    """From the command to a list with rows in it."""
    for count in bench.sizes.starts:
        bench.say(f"a store of {count:,} messages")
        home = filled_home(bench.new_folder("start"), count)
        newest = f"Subject {count}"

        def ours(home: Home = home, newest: str = newest) -> float:
            with OnTerminal([termmail(), "--home", str(home.config)]) as program:
                return program.wait_for(newest)

        def empty() -> float:
            with OnTerminal([sys.executable, _EMPTY_APP, "30"]) as program:
                return program.wait_for("row 7")

        programs = [("termmail", ours), ("empty Textual app", empty)]
        if has("neomutt") and count <= 50_000:
            programs.append(("neomutt", _neomutt_start(bench, count)))
        times = in_turn(bench.sizes.short_runs, *programs)
        yield _row(f"start, {count:,} messages", "s", times, "≤ 1.3 × the empty Textual app", "empty Textual app", 1.3)


def _neomutt_start(bench: Bench, count: int) -> Callable[[], float]:
    folder = bench.new_folder("neomutt-start")
    mail = maildir(folder / "mail")
    for number in range(1, count + 1):
        (mail / "cur" / f"{number}.host:2,").write_bytes(message(number, 1_000).replace(b"\r\n", b"\n"))
    settings = neomutt_settings(folder)

    def measure() -> float:
        with OnTerminal(["neomutt", "-n", "-F", str(settings), "-f", str(mail)]) as program:
            return program.wait_for("Msgs:", 300)

    # The header cache is filled before it counts.
    measure()
    return measure


def keys(bench: Bench) -> Iterator[Row]:
    """From a key (next, previous) to the last byte of what it changes on the screen."""
    count = max(bench.sizes.starts[:2])
    home = filled_home(bench.new_folder("keys"), count, bodies=bench.sizes.keys + 20)
    times: dict[str, list[float]] = {}
    with OnTerminal([termmail(), "--home", str(home.config)]) as program:
        program.wait_for(f"Subject {count}")
        program.settle()
        times["termmail"] = [program.key(b"j") for _ in range(bench.sizes.keys)]
    with OnTerminal([sys.executable, _EMPTY_APP, str(min(count, 2_000))]) as program:
        program.wait_for("row 7")
        program.settle()
        times["empty Textual list"] = [program.key(b"\x1b[B") for _ in range(bench.sizes.keys)]
    if has("neomutt"):
        folder = bench.new_folder("neomutt-keys")
        mail = maildir(folder / "mail")
        for number in range(1, 1001):
            (mail / "cur" / f"{number}.host:2,").write_bytes(message(number, 1_000))
        settings = neomutt_settings(folder)
        with OnTerminal(["neomutt", "-n", "-F", str(settings), "-f", str(mail)]) as program:
            program.wait_for("Msgs:")
            program.settle()
            times["neomutt"] = [program.key(b"j") for _ in range(bench.sizes.keys)]
    yield _keys_row("a key to the finished screen", times)


def keys_while_syncing(bench: Bench) -> Iterator[Row]:
    """From a key to the frame that shows the next message, while the engine takes in a mailbox."""
    user = bench.user_with(bench.sizes.headers, 1_000)
    home = home_of(bench.new_folder("keys-sync"), imap_account(bench.server.port, user, offline=OfflineKind.ON_DEMAND))
    with OnTerminal([termmail(), "--home", str(home.config)]) as program:
        program.wait_until_told(_SHOWN, 120)
        times = [
            program.key_until(b"j" if number % 40 < 20 else b"k", _SHOWN) for number in range(bench.sizes.keys // 4)
        ]
    yield _keys_row("a key while mail comes in", {"termmail": times})


def _keys_row(name: str, times: dict[str, list[float]]) -> Row:
    results = [
        Result(name, program, median(values) * 1000, "ms", len(values), f"p99 {percentile(values, 0.99) * 1000:.0f} ms")
        for program, values in times.items()
    ]
    ours = times["termmail"]
    reached = median(ours) <= 0.016 and percentile(ours, 0.99) <= 0.050
    return Row(name, results[0], tuple(results[1:]), "p50 ≤ 16 ms, p99 ≤ 50 ms", reached)


def headers(bench: Bench) -> Iterator[Row]:
    """The first sync of an inbox without bodies."""
    user = bench.user_with(bench.sizes.headers, 1_000)

    def ours() -> float:
        home = home_of(
            bench.new_folder("headers"), imap_account(bench.server.port, user, offline=OfflineKind.ON_DEMAND)
        )
        seconds = timed(lambda: sync(home))
        shutil.rmtree(home.config)
        return seconds

    def neomutt() -> float:
        folder = bench.new_folder("neomutt-headers")
        settings = neomutt_settings(
            folder,
            f'set imap_user = "{user}"',
            f'set imap_pass = "{PASSWORD}"',
            "set ssl_force_tls = no",
            "set ssl_starttls = no",
        )
        url = f"imap://{bench.server.host}:{bench.server.port}/INBOX"
        with OnTerminal(["neomutt", "-n", "-F", str(settings), "-f", url]) as program:
            seconds = program.wait_for("Msgs:", 300)
        shutil.rmtree(folder)
        return seconds

    programs = [("termmail", ours)]
    if has("neomutt"):
        programs.append(("neomutt", neomutt))
    times = in_turn(bench.sizes.long_runs, *programs)
    name = f"first IMAP sync, headers of {bench.sizes.headers:,}"
    yield _row(name, "s", times, "≤ 0.8 × neomutt", "neomutt", 0.8)

    def first_screen() -> float:
        home = home_of(bench.new_folder("first"), imap_account(bench.server.port, user, offline=OfflineKind.ON_DEMAND))
        with OnTerminal([termmail(), "--home", str(home.config)]) as program:
            seconds = program.wait_for("keeper", 120)
        shutil.rmtree(home.config)
        return seconds

    seconds = [first_screen() for _ in range(bench.sizes.long_runs)]
    result = Result("first screen", "termmail", median(seconds), "s", len(seconds), "from the start of the program")
    yield Row(f"first screen of {bench.sizes.headers:,}", result, (), "≤ 1 s", result.value <= 1.0)


def bodies(bench: Bench) -> Iterator[Row]:
    """The first sync of an inbox with everything."""
    user = bench.user_with(bench.sizes.bodies, bench.sizes.body_size)

    def ours() -> float:
        home = home_of(bench.new_folder("bodies"), imap_account(bench.server.port, user))
        seconds = timed(lambda: sync(home))
        shutil.rmtree(home.config)
        return seconds

    def mbsync() -> float:
        folder = bench.new_folder("mbsync")
        settings = mbsync_settings(folder, bench.server.host, bench.server.port, user)
        seconds = timed(lambda: run("mbsync", "-q", "-c", str(settings), "all"))
        shutil.rmtree(folder)
        return seconds

    programs = [("termmail", ours)]
    if has("mbsync"):
        programs.append(("mbsync", mbsync))
    times = in_turn(max(1, bench.sizes.long_runs - 1), *programs)
    name = f"first IMAP sync, {bench.sizes.bodies:,} bodies"
    yield _row(name, "s", times, "≤ 1 × mbsync", "mbsync", 1.0)


@contextmanager
def delayed(host: str, port: int, seconds: float) -> Iterator[tuple[int, Callable[[], dict[str, int]]]]:
    """A proxy in a process of its own with so much delay one way: its port, and a call for what it counted since the last."""
    process = subprocess.Popen(
        [sys.executable, "-m", "servers.proxy", host, str(port), "--delay", str(seconds)],
        cwd=_HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    standing = {"round_trips": 0}

    def counted() -> dict[str, int]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("stats\n")
        process.stdin.flush()
        now = json.loads(process.stdout.readline())
        since = {"round_trips": now["round_trips"] - standing["round_trips"]}
        standing.update(now)
        return since

    try:
        yield int(process.stdout.readline()), counted
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def quiet(bench: Bench) -> Iterator[Row]:
    """A sync with nothing new, many mailboxes, 50 ms away."""
    user = f"test-bench-quiet-{bench.sizes.mailboxes}"
    names = [f"Folder {number:03d}" for number in range(bench.sizes.mailboxes - 6)]
    bench.server.create(user, *names)
    for name in names:
        bench.server.make(user, name, messages(3, 1_000))
    with delayed(bench.server.host, bench.server.port, 0.025) as (port, counted):
        home = home_of(bench.new_folder("quiet"), imap_account(port, user))
        sync(home)
        programs = [("termmail", lambda: sync(home))]
        if has("mbsync"):
            folder = bench.new_folder("mbsync-quiet")
            settings = mbsync_settings(folder, bench.server.host, port, user)
            command = ("mbsync", "-q", "-c", str(settings), "all")
            run(*command)
            programs.append(("mbsync", lambda: run(*command)))
        counted()
        trips: dict[str, list[float]] = {name: [] for name, _ in programs}
        times: dict[str, list[float]] = {name: [] for name, _ in programs}
        for _ in range(bench.sizes.long_runs):
            for name, action in programs:
                times[name].append(timed(action))
                trips[name].append(counted()["round_trips"])
    results = [
        Result("quiet", name, median(trips[name]), "round trips", len(trips[name]), f"{median(times[name]):.2f} s")
        for name, _ in programs
    ]
    name = f"sync with nothing new, {bench.sizes.mailboxes} mailboxes, 50 ms away"
    yield Row(name, results[0], tuple(results[1:]), "≤ 8 round trips", results[0].value <= 8)


def memory(bench: Bench) -> Iterator[Row]:
    """The mail reader, its engine and its renderer, with a long list."""
    count = bench.sizes.listed
    home = filled_home(bench.new_folder("memory"), count)
    with OnTerminal([termmail(), "--home", str(home.config)]) as program:
        program.wait_for(f"Subject {count}")
        for key in (b"G", b"g", b"g", b"j", b"j"):
            program.key(key)
        program.settle()
        ours = tree_memory(program.pid)
    others: tuple[Result, ...] = ()
    if has("neomutt"):
        half = count // 2
        folder = bench.new_folder("neomutt-memory")
        mail = maildir(folder / "mail")
        for number in range(1, half + 1):
            (mail / "cur" / f"{number}.host:2,").write_bytes(message(number, 600))
        with OnTerminal(["neomutt", "-n", "-F", str(neomutt_settings(folder)), "-f", str(mail)]) as program:
            program.wait_for("Msgs:", 300)
            others = (Result("memory", "neomutt", tree_memory(program.pid), "MB", 1, f"{half:,} messages"),)
    result = Result("memory", "termmail", ours, "MB", 1, "mail reader and engine together")
    yield Row(f"memory, {count:,} messages listed", result, others, "≤ 150 MB", ours <= 150)


def pop3(bench: Bench) -> Iterator[Row]:
    """A maildrop into an empty Maildir, durable, near and far, and a look with nothing new."""
    with delayed(bench.server.host, bench.server.pop3_port, 0.025) as (far_port, counted):
        for count in bench.sizes.pop3:
            user = bench.user_with(count, bench.sizes.pop3_size)
            yield from _pop3(bench, f"{count:,} messages", user, bench.server.pop3_port, None)
            yield from _pop3(bench, f"{count:,} messages, 50 ms away", user, far_port, counted)


def _pop3(bench: Bench, name: str, user: str, port: int, counted: Callable[[], dict[str, int]] | None) -> Iterator[Row]:
    kept: dict[str, Path] = {}

    def ours() -> float:
        home = home_of(bench.new_folder("pop3"), pop3_account(port, user))
        kept["termmail"] = home.config
        return timed(lambda: sync(home))

    def mpop() -> float:
        kept["mpop"] = bench.new_folder("mpop")
        command = mpop_command(port, user, kept["mpop"])
        return timed(lambda: run(*command))

    programs = [("termmail", ours)]
    if has("mpop"):
        programs.append(("mpop", mpop))
    times = in_turn(bench.sizes.long_runs, *programs)
    yield _row(f"POP3, {name}", "s", times, "≤ 1 × mpop", "mpop", 1.0)
    again = {"termmail": lambda: sync(Home.under(kept["termmail"]))}
    if "mpop" in kept:
        again["mpop"] = lambda: run(*mpop_command(port, user, kept["mpop"]), ok=(0, 1))
    if counted is not None:
        counted()
    results: list[Result] = []
    for program, action in again.items():
        values = [timed(action) for _ in range(bench.sizes.short_runs)]
        note = "" if counted is None else f"{counted()['round_trips'] / len(values):.0f} round trips"
        results.append(Result("nothing new", program, median(values), "s", len(values), note))
    yield Row(f"POP3, {name}, nothing new", results[0], tuple(results[1:]), "", None)


def opening(bench: Bench) -> Iterator[Row]:
    """From the key for the next message to the last byte of its text on the screen, over the corpus of real mail."""
    count = bench.sizes.opened
    every = max(1, _CORPUS_FILES // count)
    bodies = [raw for _, raw in itertools.islice(corpus_messages(every=every), count) if len(raw) < _LARGEST_OPENED]
    if not bodies:
        raise FileNotFoundError("there is no corpus of real mail (TERMMAIL_CORPUS)")
    home = home_with(bench.new_folder("opening"), bodies)
    for name, keys in (
        ("opening the next message of the corpus", b"j"),
        ("opening the message after the next", b"jj"),
    ):
        with OnTerminal([termmail(), "--home", str(home.config)]) as program:
            program.wait_for(f"Subject {len(bodies)}")
            program.settle(1.0)
            times = [program.key(keys, _OPENED) for _ in range(len(bodies) // len(keys) - 1)]
        yield _opening_row(
            name, times, "p50 ≤ 50 ms, p99 ≤ 300 ms", median(times) <= 0.05 and percentile(times, 0.99) <= 0.3
        )


def newsletter(bench: Bench) -> Iterator[Row]:
    """A newsletter of 200 kB that was not expected to be opened: the first time, and from the cache."""
    short, runs = message(1, 1_000), min(bench.sizes.short_runs, 12)
    mails = [short, *itertools.chain.from_iterable((short, long_newsletter(run), short) for run in range(runs))]
    home = home_with(bench.new_folder("newsletter"), mails)
    for name, target, most in (
        ("a newsletter of 200 kB on the screen", "≤ 150 ms", 0.15),
        ("the same newsletter the second time", "", 0.0),
    ):
        with OnTerminal([termmail(), "--home", str(home.config)]) as program:
            program.wait_for(f"Subject {3 * runs + 1}")
            program.settle(2.0)
            times = []
            for _ in range(runs):
                times.append(program.key(b"jj", _OPENED))
                program.key(b"j", _OPENED)
        yield _opening_row(name, times, target, median(times) <= most if most else None)


def _opening_row(name: str, times: list[float], target: str, reached: bool | None) -> Row:
    note = f"p99 {percentile(times, 0.99) * 1000:.0f} ms"
    return Row(name, Result(name, "termmail", median(times) * 1000, "ms", len(times), note), (), target, reached)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "start": start,
    "keys": keys,
    "keys-while-syncing": keys_while_syncing,
    "opening": opening,
    "newsletter": newsletter,
    "headers": headers,
    "bodies": bodies,
    "quiet": quiet,
    "memory": memory,
    "pop3": pop3,
}
