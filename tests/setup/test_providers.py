"""The table of providers: whole, consistent, and found by domain, exchanger and server."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from termmail.accounts.oauth.providers import BUILT_IN
from termmail.model.account import Security
from termmail.model.setup import SignInWay
from termmail.setup.address import to_ascii
from termmail.setup.providers import (
    PROVIDERS,
    known_domains,
    provider_of_domain,
    provider_of_exchangers,
    provider_of_server,
)


def test_at_least_thirty() -> None:
    assert len({provider.notes.name for provider in PROVIDERS if provider.domains}) >= 30


def test_each_domain_once() -> None:
    counted = Counter(domain for provider in PROVIDERS for domain in provider.domains)
    assert [domain for domain, count in counted.items() if count > 1] == []
    assert all(to_ascii(domain) == domain for domain in known_domains())


def test_each_entry_can_be_used() -> None:
    """Every server is encrypted (T1); a way to sign in that needs a page or endpoints has them."""
    for provider in PROVIDERS:
        notes = provider.notes
        servers = [server for server in (provider.imap, provider.pop3, provider.smtp) if server is not None]
        assert servers or notes.sentence, notes
        for server in servers:
            assert server.security is not Security.NONE
            assert to_ascii(server.host) == server.host
        assert provider.domains or provider.mx
        assert not notes.sentence or notes.sentence.endswith(".")
        for url in (notes.app_password_url, notes.mail_settings_url):
            assert not url or re.fullmatch(r"https://[a-z0-9.-]+/\S*", url), url
        if SignInWay.OAUTH2 in notes.sign_in:
            assert notes.oauth_provider in BUILT_IN


@pytest.mark.parametrize(
    ("domain", "name"),
    [("GMAIL.com", "Gmail"), ("web.de.", "WEB.DE"), ("hotmail.co.uk", "Outlook.com"), ("example.org", None)],
)
def test_by_domain(domain: str, name: str | None) -> None:
    found = provider_of_domain(domain)
    assert (found.notes.name if found else None) == name


def test_by_exchanger() -> None:
    """The end of the name decides, at a dot."""
    found = provider_of_exchangers(["mx.unknown.example", "ALT1.aspmx.l.google.com."])
    assert found is not None
    assert found.notes.name == "Google Workspace"
    assert provider_of_exchangers(["notaspmx.l.google.com", "aspmx.l.google.com.evil.example"]) is None


def test_by_server() -> None:
    found = provider_of_server("imap.gmail.com")
    assert found is not None
    assert found.notes.name == "Gmail"
    assert provider_of_server("127.0.0.1") is None
