"""Access tokens and the refresh tokens they come from, against Authlib's authorization server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest

from keyrings import FileKeyring, LockedKeyring
from servers.oauth_server import OAuthServer
from termmail.accounts import credentials, session_secrets
from termmail.accounts.oauth import tokens
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Server
from termmail.model.errors import (
    ConfigError,
    ConnectionLost,
    CredentialUnavailable,
    SignInRefused,
)
from termmail.model.oauth import Tokens
from termmail.model.secret import AccessToken, Secret


@pytest.fixture(autouse=True)
def own_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)
    tokens._held.clear()
    tokens._refused.clear()
    session_secrets._secrets.clear()


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


def account_of(server: OAuthServer) -> Account:
    credential = Credential(CredentialKind.OAUTH2, provider=server.provider())
    return Account(
        "lisa",
        "lisa@example.org",
        Protocol.IMAP,
        Server("imap.example.org", 993),
        None,
        "lisa",
        credential=credential,
    )


def signed_in(server: OAuthServer) -> Account:
    """An account whose refresh token is in the keyring, and no access token in memory: as after a start."""
    account = account_of(server)
    access, refresh = server.sign_in()
    credentials.store_sign_in(
        account, Tokens(access=AccessToken(access), refresh=Secret(refresh), lifetime=server.lifetime)
    )
    tokens.forget(account)
    return account


def in_keyring(account: Account) -> str | None:
    return keyring.get_password("termmail", credentials.keyring_name(account))


def test_refreshed_once_and_used_until_it_expires(server: OAuthServer) -> None:
    account = signed_in(server)
    first = credentials.password(account)
    assert isinstance(first, AccessToken)
    assert first.reveal() == server.tokens[-1].access
    assert credentials.password(account) == first
    assert server.requests == ["refresh_token"]
    server.lifetime = 0
    credentials.discard(account, first)
    second = credentials.password(account)
    assert second != first
    # It is over as soon as it is there, so each time there is another.
    assert credentials.password(account) != second


def test_only_the_refresh_token_is_kept(server: OAuthServer, tmp_path: Path) -> None:
    """C5: the access token is in memory only, and neither lies where a password would."""
    account = signed_in(server)
    access = credentials.password(account).reveal()
    kept = json.loads((tmp_path / "keyring.json").read_text())
    assert list(kept.values()) == [server.tokens[-1].refresh]
    assert access not in kept.values()
    by_password = msgspec.structs.replace(account, credential=Credential())
    with pytest.raises(CredentialUnavailable):
        credentials.password(by_password)


def test_rotated_refresh_token_is_kept_before_it_is_needed(server: OAuthServer) -> None:
    """Each use gives a new one, and a second use of the old one would end the sign-in."""
    account = signed_in(server)
    seen = {in_keyring(account)}
    for _ in range(4):
        token = credentials.password(account)
        assert in_keyring(account) == server.tokens[-1].refresh
        seen.add(in_keyring(account))
        assert isinstance(token, AccessToken)
        credentials.discard(account, token)
    assert len(seen) == 5


def test_refresh_token_that_stays(server: OAuthServer) -> None:
    server.rotates = False
    account = signed_in(server)
    before = in_keyring(account)
    for _ in range(3):
        credentials.discard(account, credentials.password(account))
    assert in_keyring(account) == before


def test_rotated_token_that_the_keyring_does_not_take_is_used_from_memory(server: OAuthServer) -> None:
    """The old one is used up: what is there now must not get lost while this process runs."""
    account = signed_in(server)
    real = keyring.get_keyring()

    class ReadOnly(FileKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            raise OSError("read-only")

    keyring.set_keyring(ReadOnly())
    first = credentials.password(account)
    credentials.discard(account, first)
    assert credentials.password(account) != first
    keyring.set_keyring(real)
    assert session_secrets.remembered(tokens.keyring_name(account)) is not None


def test_revoked_sign_in_asks_for_another_and_asks_the_server_once(server: OAuthServer) -> None:
    account = signed_in(server)
    server.revoke_all()
    for _ in range(3):
        with pytest.raises(SignInRefused, match=r"Sign in again\.$") as caught:
            credentials.password(account)
        assert caught.value.command == "termmail account sign-in lisa"
        assert "revoked or has expired" in caught.value.sentence
    assert server.requests == ["refresh_token"]
    access, refresh = server.sign_in()
    credentials.store_sign_in(account, Tokens(access=AccessToken(access), refresh=Secret(refresh), lifetime=60))
    assert credentials.password(account).reveal() == access


def test_nobody_has_signed_in_yet(server: OAuthServer) -> None:
    with pytest.raises(CredentialUnavailable, match=r"Sign in\.$") as caught:
        credentials.password(account_of(server))
    assert caught.value.command == "termmail account sign-in lisa"


@pytest.mark.parametrize("status", [500, 502, 503, 429, 404, 403])
def test_server_in_trouble_is_asked_again_later(server: OAuthServer, status: int) -> None:
    """Down is not "sign in again"."""
    account = signed_in(server)
    server.down = status
    with pytest.raises(ConnectionLost, match="tried again"):
        credentials.password(account)
    server.down = 0
    assert credentials.password(account).reveal() == server.tokens[-1].access


def test_unknown_client_is_a_matter_of_the_settings(server: OAuthServer) -> None:
    account = signed_in(server)
    assert account.credential.provider is not None
    provider = msgspec.structs.replace(account.credential.provider, client_id="other")
    credential = msgspec.structs.replace(account.credential, provider=provider)
    with pytest.raises(ConfigError, match=r"\[oauth.loopback\]"):
        credentials.password(msgspec.structs.replace(account, credential=credential))


def test_lifetime_that_is_not_told(server: OAuthServer) -> None:
    server.tell_lifetime = False
    account = signed_in(server)
    assert credentials.password(account) == credentials.password(account)
    assert len(server.requests) == 1


def test_clock_that_is_set_meanwhile(server: OAuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """S14: a token is good for as long as the server said, whatever the clock shows."""
    account = signed_in(server)
    first = credentials.password(account)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert credentials.password(account) == first
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert credentials.password(account) == first


def test_sign_in_without_a_refresh_token_is_not_kept(server: OAuthServer) -> None:
    only = Tokens(access=AccessToken("a" * 20), refresh=None, lifetime=3600)
    with pytest.raises(SignInRefused, match="offline_access"):
        credentials.store_sign_in(account_of(server), only)


def test_sign_in_in_memory_only(server: OAuthServer) -> None:
    """C1: where there is no keyring, for as long as the process runs; rotation stays in memory too."""
    keyring.set_keyring(LockedKeyring())
    account = account_of(server)
    access, refresh = server.sign_in()
    given = Tokens(access=AccessToken(access), refresh=Secret(refresh), lifetime=3600)
    with pytest.raises(CredentialUnavailable, match=r"locked.*a command takes a token") as caught:
        credentials.store_sign_in(account, given)
    assert "--token-command" in caught.value.command
    credentials.remember_sign_in(account, given)
    for _ in range(3):
        token = credentials.password(account)
        credentials.discard(account, token)
    assert server.requests == ["refresh_token"] * 2


def test_what_is_in_memory_goes_to_no_other_server(server: OAuthServer) -> None:
    """C5: an account that now signs in in another way, or elsewhere, is asked anew: a refresh token is no password, nor the reverse."""
    account = account_of(server)
    access, refresh = server.sign_in()
    credentials.remember_sign_in(
        account, Tokens(access=AccessToken(access), refresh=Secret(refresh), lifetime=server.lifetime)
    )
    asked = msgspec.structs.replace(account, credential=Credential(CredentialKind.SESSION))
    with pytest.raises(CredentialUnavailable, match="asked for each time"):
        credentials.password(asked)
    credentials.forget_in_memory(account)
    credentials.remember(asked, Secret("hunter2"))
    with pytest.raises(CredentialUnavailable, match="Nobody has signed in"):
        credentials.password(account)
    assert server.requests == []
    moved = msgspec.structs.replace(asked, incoming=Server("imap.example.net", 993))
    with pytest.raises(CredentialUnavailable, match="asked for each time"):
        credentials.password(moved)
    assert credentials.password(asked).reveal() == "hunter2"


def test_threads_share_one_refresh(server: OAuthServer) -> None:
    account = signed_in(server)
    server.refresh_delay = 0.3
    found: list[Secret] = []
    workers = [threading.Thread(target=lambda: found.append(credentials.password(account))) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(found)) == 1
    assert server.requests == ["refresh_token"]


def test_a_slow_sign_in_server_holds_up_no_other_account(server: OAuthServer) -> None:
    """S15: another account's token is there before the slow one's."""
    slow = signed_in(server)
    with OAuthServer() as other:
        quick = msgspec.structs.replace(account_of(other), name="anna", user="anna")
        access, refresh = other.sign_in()
        credentials.store_sign_in(quick, Tokens(access=AccessToken(access), refresh=Secret(refresh), lifetime=3600))
        tokens.forget(quick)
        server.refreshing.clear()
        waiting = threading.Thread(target=lambda: credentials.password(slow))
        waiting.start()
        while not server.requests:
            waiting.join(0.01)
        assert credentials.password(quick).reveal() == other.tokens[-1].access
        assert waiting.is_alive()
        server.refreshing.set()
        waiting.join()


def test_processes_never_use_a_refresh_token_twice(server: OAuthServer, tmp_path: Path) -> None:
    """An engine and commands side by side: with rotation a second use of one would end the sign-in."""
    account = signed_in(server)
    server.refresh_delay = 0.3
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(
        server.config_table()
        + '[accounts.lisa]\nemail = "lisa@example.org"\nuser = "lisa"\nimap = { host = "imap.example.org" }\n'
        'password_from = "oauth2"\noauth = "loopback"\n'
    )
    script = textwrap.dedent("""
        import sys
        import keyring
        from pathlib import Path
        from keyrings import FileKeyring
        from termmail.accounts import config, credentials
        from termmail.model.home import Home
        keyring.set_keyring(FileKeyring())
        account = config.load(Home.under(Path(sys.argv[1]))).account("lisa")
        for _ in range(2):
            token = credentials.password(account)
            credentials.discard(account, token)
        print(token.reveal())
    """)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", "src"])}
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, env=environment, text=True)
        for _ in range(3)
    ]
    found = [process.communicate(timeout=100)[0].strip() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert len(set(found)) == 3
    assert server.requests == ["refresh_token"] * 6
    assert in_keyring(account) == server.tokens[-1].refresh


def test_secrets_are_known_to_who_cleans_the_log(server: OAuthServer) -> None:
    """C4."""
    account = signed_in(server)
    token = credentials.password(account)
    known = credentials.known_secrets()
    assert token in known
    assert Secret(server.tokens[-1].refresh) in known


def test_token_command() -> None:
    credential = Credential(CredentialKind.TOKEN_COMMAND, "echo ya29.token; echo more")
    account = Account(
        "lisa", "l@example.org", Protocol.IMAP, Server("imap.example.org", 993), None, "lisa", credential=credential
    )
    token = credentials.password(account)
    assert isinstance(token, AccessToken)
    assert token.reveal() == "ya29.token"
    failing = msgspec.structs.replace(account, credential=Credential(CredentialKind.TOKEN_COMMAND, "exit 3"))
    with pytest.raises(CredentialUnavailable, match="token command"):
        credentials.password(failing)
