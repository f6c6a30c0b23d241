"""Fixtures that all tests share: real servers, and who runs what."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from servers.courier import find_courier
from servers.dovecot import PLAIN_CAPABILITY, Dovecot, find_dovecot, find_dovecot_pop3, find_dovecot_submission
from servers.mbsync import find_mbsync
from servers.postfix import find_postfix
from servers.pymap_server import PymapServer
from servers.secret_service import find_secret_service
from servers.tls import Authority, make_authority

_SERVER_MARKERS = {
    "dovecot": (find_dovecot, "Dovecot is not installed (Debian: apt install dovecot-imapd)"),
    "dovecot_pop3": (find_dovecot_pop3, "Dovecot's POP3 is not installed (Debian: apt install dovecot-pop3d)"),
    "mbsync": (find_mbsync, "mbsync is not installed (Debian: apt install isync)"),
    "courier": (find_courier, "courier-pop is not there (Debian: courier-pop, or unpacked in TERMMAIL_COURIER)"),
    "mpop": (lambda: shutil.which("mpop"), "mpop is not installed (Debian: apt install mpop)"),
    "getmail": (lambda: shutil.which("getmail"), "getmail is not installed (Debian: apt install getmail6)"),
    "submissiond": (
        find_dovecot_submission,
        "Dovecot's submission service is not installed (Debian: apt install dovecot-submissiond)",
    ),
    "postfix": (
        lambda: find_postfix() if os.geteuid() == 0 else None,
        "Postfix is not installed (Debian: apt install postfix), or this is not root, as which alone it runs",
    ),
    "secret_service": (
        find_secret_service,
        "GNOME's keyring or D-Bus is not installed (Debian: apt install gnome-keyring dbus)",
    ),
    "swaks": (lambda: shutil.which("swaks"), "swaks is not installed (Debian: apt install swaks)"),
    "msmtp": (lambda: shutil.which("msmtp"), "msmtp is not installed (Debian: apt install msmtp)"),
    "microsocks": (lambda: shutil.which("microsocks"), "microsocks is not installed (Debian: apt install microsocks)"),
    "tinyproxy": (lambda: shutil.which("tinyproxy"), "tinyproxy is not installed (Debian: apt install tinyproxy-bin)"),
    "strace": (lambda: shutil.which("strace"), "strace is not installed (Debian: apt install strace)"),
    "notmuch": (lambda: shutil.which("notmuch"), "notmuch is not installed (Debian: apt install notmuch)"),
    "neomutt": (lambda: shutil.which("neomutt"), "neomutt is not installed (Debian: apt install neomutt)"),
}
_NEVER_REQUIRED = {"courier"} if os.geteuid() == 0 else {"courier", "postfix"}
"""Debian does not let Courier be installed beside Dovecot's POP3, and Postfix runs as root only."""

_MARKER_OF_FIXTURE = {
    "dovecot_server": "dovecot",
    "plain_dovecot_server": "dovecot",
    "dovecot_user": "dovecot",
    "own_dovecot": "dovecot",
    "plain_dovecot_user": "dovecot",
}
_numbers = itertools.count(1)

# A shell starts what runs in its background with SIGINT ignored, and programs would inherit that; tests press ^C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    # Other work on the machine makes an example slow; what hangs ends by the timeout of its test. The same examples each time, so that
    # a change is judged by what it changes; others are looked for by `make test-full` and `make fuzz`.
    settings.register_profile(
        "termmail",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=not config.getoption("--full"),
    )
    settings.load_profile("termmail")
    # Whatever a test forgets to redirect must not touch a real home, keyring or terminal.
    for name in ("TERMMAIL_HOME", "TERMMAIL_CRASH_AT", "NO_COLOR"):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is slow unless asked; mark what uses a server's fixture."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKER_OF_FIXTURE:
                item.add_marker(_MARKER_OF_FIXTURE[fixture])
    if config.getoption("--full") or os.environ.get("TERMMAIL_FULL") == "1":
        return
    slow = [item for item in items if "slow" in item.keywords]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose server is not installed; where TERMMAIL_REQUIRE_SERVERS=1 says that it must be, fail it."""
    for marker, (find, reason) in _SERVER_MARKERS.items():
        if marker in item.keywords and find() is None:
            if os.environ.get("TERMMAIL_REQUIRE_SERVERS") == "1" and marker not in _NEVER_REQUIRED:
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Whatever termmail sets in the test's own process is undone, for the servers that later tests start."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority and certificates, good and bad."""
    return make_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def dovecot_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    """One Dovecot with all its extensions for all tests: take a user of your own from `dovecot_user`, never stop it."""
    with Dovecot(tmp_path_factory.mktemp("dovecot"), authority=authority) as server:
        yield server


@pytest.fixture(scope="session")
def plain_dovecot_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    """As `dovecot_server`, saying that it has none of the extensions."""
    folder = tmp_path_factory.mktemp("plain-dovecot")
    with Dovecot(folder, authority=authority, capability=PLAIN_CAPABILITY) as server:
        yield server


@pytest.fixture
def dovecot_user(dovecot_server: Dovecot) -> Iterator[str]:
    """The name of a new user of `dovecot_server`, with the special mailboxes; password `Dovecot.test_password`."""
    user = f"test-{next(_numbers)}"
    yield user
    dovecot_server.remove_mail(user)


@pytest.fixture
def plain_dovecot_user(plain_dovecot_server: Dovecot) -> Iterator[str]:
    """As `dovecot_user`, of `plain_dovecot_server`."""
    user = f"test-{next(_numbers)}"
    yield user
    plain_dovecot_server.remove_mail(user)


@pytest.fixture
def pymap_server() -> Iterator[PymapServer]:
    """A pymap of the test's own, with the user lisa."""
    with PymapServer() as server:
        yield server


@pytest.fixture
def own_dovecot(tmp_path: Path, authority: Authority) -> Iterator[Dovecot]:
    """A Dovecot of the test's own, to be stopped and started."""
    with Dovecot(tmp_path / "dovecot", authority=authority) as server:
        yield server
