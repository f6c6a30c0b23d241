"""Fixtures of the protocols' tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from servers.dovecot import Dovecot
from servers.tls import Authority

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pop3_dovecot(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    """A Dovecot with POP3 for all tests: take a user of your own from `pop3_user`, never stop it."""
    with Dovecot(tmp_path_factory.mktemp("pop3-dovecot"), authority=authority, pop3=True) as server:
        yield server


@pytest.fixture
def pop3_user(pop3_dovecot: Dovecot) -> Iterator[str]:
    """The name of a new user of `pop3_dovecot`."""
    user = f"test-pop3-{next(_numbers)}"
    yield user
    pop3_dovecot.remove_mail(user)
