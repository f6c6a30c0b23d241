"""Fixtures of the protocols' tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from servers.dovecot import Dovecot
from servers.tls import Authority

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pop3_dovecot(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    """A Dovecot with POP3 for all tests: take a user of your own from `pop3_user`, never stop it."""
    server = Dovecot(tmp_path_factory.mktemp("pop3-dovecot"), authority=authority, pop3=True)
    try:
        server.start()
    except RuntimeError as error:
        if "Unknown protocol: pop3" in str(error) and os.environ.get("TERMMAIL_REQUIRE_SERVERS") != "1":
            pytest.skip("Dovecot's POP3 is not installed (Debian: apt install dovecot-pop3d)")
        raise
    with server:
        yield server


@pytest.fixture
def pop3_user(pop3_dovecot: Dovecot) -> Iterator[str]:
    """The name of a new user of `pop3_dovecot`."""
    user = f"test-pop3-{next(_numbers)}"
    yield user
    pop3_dovecot.remove_mail(user)
