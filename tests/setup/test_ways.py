"""The ways to sign in: whose sign-in server it is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from termmail.accounts import config
from termmail.accounts.config import Config
from termmail.accounts.oauth.providers import BUILT_IN
from termmail.model.home import Home
from termmail.model.setup import ProviderNotes, SignInWay
from termmail.setup import ways


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.under(tmp_path / "home")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://sso.example.org/realms/a", "https://sso.example.org/realms/b"),
        ("https://sso.example.org", "https://sso.example.org:8443"),
    ],
)
def test_servers_of_ones_own_at_one_host_have_tables_of_their_own(home: Home, one: str, other: str) -> None:
    """The second would take the place of the first, and its accounts with it."""
    for issuer in (one, other):
        config.edit_provider(home, ways.with_client(ways.own_provider(issuer), "termmail", ""))
    known = {provider.issuer for provider in config.load(home).providers}
    assert {one, other} <= known
    assert ways.own_provider("https://login.example.org/").name == "login.example.org"


def test_sign_in_server_that_an_autoconfig_file_names() -> None:
    """By its issuer, a large provider and one of the config file are known."""
    own = msgspec.structs.replace(ways.own_provider("https://login.example.org"), client_id="termmail")
    configured = Config(providers=(*BUILT_IN.values(), own))

    def named(issuer: str) -> ProviderNotes:
        return ProviderNotes("Example", (SignInWay.OAUTH2,), oauth_provider=issuer)

    assert ways.known_provider(configured, named("https://accounts.google.com"), None) == BUILT_IN["google"]
    assert ways.known_provider(configured, named("https://login.example.org"), None) == own
    assert ways.known_provider(configured, named("https://login.example.net"), None) is None
