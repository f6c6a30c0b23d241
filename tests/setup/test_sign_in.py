"""A person signs in by OAuth 2, against Authlib's authorization server: by the browser, and by a code on another device."""

from __future__ import annotations

import threading
import time
import urllib.parse
from collections.abc import Iterator

import msgspec
import pytest

from servers.oauth_server import CLIENT_SECRET, OAuthServer
from servers.ports import free_ports
from termmail.model.errors import Cancelled, ConfigError, ConnectionLost, InsecureConnection, SignInRefused
from termmail.model.oauth import AddressRefused, DeviceCode, SignInPage, Tokens
from termmail.model.secret import Secret
from termmail.setup import sign_in
from termmail.setup.child import SetupJob, SignInRequest
from termmail.setup.sign_in import BrowserSignIn, DeviceSignIn, find_endpoints


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


def visit_later(server: OAuthServer, url: str) -> None:
    threading.Thread(target=server.visit, args=(url,)).start()


@pytest.mark.parametrize("known", [True, False])
def test_browser(server: OAuthServer, known: bool) -> None:
    """C5: authorization code with PKCE; the endpoints as known, or from RFC 8414's metadata."""
    signing = BrowserSignIn(server.provider(known=known), "lisa@example.org")
    url = signing.begin()
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["login_hint"] == ["lisa@example.org"]
    assert urllib.parse.urlsplit(asked["redirect_uri"][0]).hostname == "127.0.0.1"
    visit_later(server, url)
    tokens = signing.wait()
    assert (server.tokens[-1].access, server.tokens[-1].refresh) == (
        tokens.access.reveal(),
        tokens.refresh and tokens.refresh.reveal(),
    )
    assert tokens.lifetime == 3600


def test_code_without_the_verifier_is_worth_nothing(server: OAuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """C5: the server got our challenge; who has only the code gets no token."""
    signing = BrowserSignIn(server.provider(), "lisa@example.org")
    url = signing.begin()
    monkeypatch.setattr(signing, "_verifier", "another" * 7)
    visit_later(server, url)
    with pytest.raises(SignInRefused, match="invalid_grant"):
        signing.wait()


@pytest.mark.parametrize("method", ["basic", "post"])
def test_client_with_a_secret(method: str) -> None:
    with OAuthServer(needs_secret=True) as server:
        # The server's metadata offers Basic; endpoints that are known are asked by POST.
        signing = BrowserSignIn(server.provider(known=method == "post"), "lisa@example.org")
        visit_later(server, signing.begin())
        assert signing.wait().refresh is not None
        wrong = msgspec.structs.replace(server.provider(), client_secret=Secret("wrong"))
        signing = BrowserSignIn(wrong, "lisa@example.org")
        visit_later(server, signing.begin())
        with pytest.raises(ConfigError, match=r"client id.*\[oauth.loopback\]") as caught:
            signing.wait()
        assert CLIENT_SECRET not in caught.value.sentence + caught.value.detail


def test_person_says_no(server: OAuthServer) -> None:
    server.denies = True
    signing = BrowserSignIn(server.provider(), "lisa@example.org")
    visit_later(server, signing.begin())
    with pytest.raises(SignInRefused, match="told not to let termmail in"):
        signing.wait()


@pytest.mark.parametrize("sent", ["https://evil.example", ""])
def test_answer_of_another_server_is_refused(server: OAuthServer, sent: str) -> None:
    """RFC 9207: a wrong issuer, and none where the metadata promises one."""
    provider = find_endpoints(server.provider(known=False))
    assert provider.names_issuer
    server.issuer_sent = sent
    signing = BrowserSignIn(provider, "lisa@example.org")
    visit_later(server, signing.begin())
    with pytest.raises(SignInRefused, match=r"does not come from 127\.0\.0\.1"):
        signing.wait()
    assert server.requests == []


def test_metadata_of_another_issuer_is_refused(server: OAuthServer) -> None:
    """RFC 8414 §3.3."""
    server.issuer = "https://evil.example"
    provider = msgspec.structs.replace(server.provider(known=False), issuer=server.url)
    with pytest.raises(ConfigError, match=r"calls itself https://evil.example"):
        find_endpoints(provider)


def test_no_metadata(server: OAuthServer) -> None:
    provider = msgspec.structs.replace(server.provider(known=False), issuer=f"{server.url}/realms/x")
    with pytest.raises(ConfigError, match="does not say how to sign in"):
        find_endpoints(provider)


def test_no_client_id_is_answered_with_where_to_get_one() -> None:
    from termmail.accounts.oauth.providers import BUILT_IN

    for provider in BUILT_IN.values():
        with pytest.raises(ConfigError) as caught:
            BrowserSignIn(provider, "lisa@example.org").begin()
        assert provider.client_page in caught.value.sentence
        assert f"[oauth.{provider.name}]" in caught.value.sentence


def test_nothing_goes_in_the_clear(server: OAuthServer) -> None:
    """C5: an endpoint without https is this computer's or it is not asked."""
    provider = msgspec.structs.replace(
        server.provider(), issuer="", token_url="http://192.0.2.1/token", device_url="http://192.0.2.1/device"
    )
    with pytest.raises(InsecureConnection, match="nothing was sent"):
        DeviceSignIn(provider).begin()


def test_address_pasted_from_another_computer(server: OAuthServer) -> None:
    """Over SSH the browser can't reach this computer: the address where it ends is pasted."""
    signing = BrowserSignIn(server.provider(), "lisa@example.org")
    end = server.redirect_of(signing.begin())
    for other in ("https://example.org/?code=1&state=2", "http://[", f"{end}{'&a=b' * 30}"):
        with pytest.raises(SignInRefused, match="not the address"):
            signing.take_address(other)
    signing.take_address(f"  {end}\n")
    assert signing.wait().refresh is not None


def test_server_down_during_sign_in(server: OAuthServer) -> None:
    signing = BrowserSignIn(server.provider(), "lisa@example.org")
    end = server.redirect_of(signing.begin())
    signing.take_address(end)
    server.down = 503
    with pytest.raises(ConnectionLost, match="no time"):
        signing.wait()
    with pytest.raises(ConnectionLost, match="no time"):
        find_endpoints(server.provider(known=False))
    (port,) = free_ports(1)
    nobody = msgspec.structs.replace(server.provider(known=False), issuer=f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectionLost, match="can't be reached"):
        BrowserSignIn(nobody, "lisa@example.org").begin()


def test_cancelled(server: OAuthServer) -> None:
    signing = BrowserSignIn(server.provider(), "lisa@example.org")
    signing.begin()
    threading.Timer(0.2, signing.cancel).start()
    with pytest.raises(Cancelled):
        signing.wait()
    by_code = DeviceSignIn(server.provider())
    by_code.begin()
    threading.Timer(0.2, by_code.cancel).start()
    with pytest.raises(Cancelled):
        by_code.wait()
    with pytest.raises(Cancelled):
        by_code.begin()


def test_device_code(server: OAuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8628: asked until the person has agreed, and less often when the server says so."""
    monkeypatch.setattr(sign_in, "_SLOWER_SECONDS", 0.5)
    signing = DeviceSignIn(server.provider(known=False))
    code = signing.begin()
    assert code.url == f"{server.url}/activate"
    assert code.user_code in code.complete_url
    server.slow_downs = 1
    threading.Timer(2.0, server.approve, (code.user_code,)).start()
    began = time.monotonic()
    assert signing.wait().refresh is not None
    asked = [request for request in server.requests if request.endswith("device_code")]
    # Once it is told to slow down, each wait is longer by that: 1, then 1.5 seconds.
    assert 2 <= len(asked) <= 1 + (time.monotonic() - began - 1) / 1.5 + 0.01


def test_device_code_refused_and_expired(server: OAuthServer) -> None:
    signing = DeviceSignIn(server.provider())
    server.approve(signing.begin().user_code, allow=False)
    with pytest.raises(SignInRefused, match="told not to let termmail in"):
        signing.wait()
    server.device_seconds = 1
    signing = DeviceSignIn(server.provider())
    signing.begin()
    with pytest.raises(SignInRefused, match="not used in time"):
        signing.wait()


def test_device_code_while_the_server_is_down(server: OAuthServer) -> None:
    """RFC 8628 §3.5: asked on, less often."""
    signing = DeviceSignIn(server.provider())
    code = signing.begin()
    server.down = 503
    threading.Timer(1.3, setattr, (server, "down", 0)).start()
    server.approve(code.user_code)
    assert signing.wait().refresh is not None


def test_no_device_code_for_google() -> None:
    from termmail.accounts.oauth.providers import BUILT_IN

    provider = msgspec.structs.replace(BUILT_IN["google"], client_id="x")
    with pytest.raises(ConfigError, match="by the browser"):
        DeviceSignIn(provider).begin()


def test_in_the_setup_process(server: OAuthServer) -> None:
    """As the wizard does it: the page, a wrong address, the right one, the tokens."""
    job = SetupJob(SignInRequest(server.provider(), "lisa@example.org"))
    reports = iter(job)
    page = next(reports)
    assert isinstance(page, SignInPage)
    job.paste("http://127.0.0.1/?code=x")
    assert isinstance(next(reports), AddressRefused)
    job.paste(server.redirect_of(page.url))
    (tokens,) = reports
    assert isinstance(tokens, Tokens)
    assert tokens.access.reveal() == server.tokens[-1].access
    assert type(tokens.access).__name__ == "AccessToken"


def test_by_code_in_the_setup_process(server: OAuthServer) -> None:
    job = SetupJob(SignInRequest(server.provider(), "lisa@example.org", by_code=True))
    reports = iter(job)
    code = next(reports)
    assert isinstance(code, DeviceCode)
    server.approve(code.user_code)
    (tokens,) = reports
    assert isinstance(tokens, Tokens)


def test_cancelled_in_the_setup_process(server: OAuthServer) -> None:
    job = SetupJob(SignInRequest(server.provider(), "lisa@example.org"))
    reports = iter(job)
    next(reports)
    job.cancel()
    with pytest.raises(Cancelled):
        next(reports)
