"""An account that signs in by OAuth 2, from the command line and in the engine, against Dovecot and Authlib's server (T12, C4, C5)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.support import reading, running_engine, until, until_state
from servers.dovecot import Dovecot
from servers.oauth_dovecot import TOKEN_MECHANISMS, token_passdb
from servers.oauth_server import OAuthServer
from servers.proxy import Proxy
from servers.tls import Authority
from termmail.accounts.home import find_home
from termmail.model.home import Home
from termmail.model.status import ConnectionState
from termmail.store.intents import Intents

# Each command is a process of its own, a dozen in a test.
pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(300)]
MAIL = b"From: anna@example.org\r\nSubject: by token\r\nMessage-ID: <1@example.org>\r\n\r\nHello\r\n"


class Setting:
    """Lisa's account at a Dovecot that takes her tokens, on a home of the test's own."""

    def __init__(self, oauth: OAuthServer, dovecot: Dovecot, proxy: Proxy, folder: Path) -> None:
        self.oauth = oauth
        self.dovecot = dovecot
        self.proxy = proxy
        self.home: Home = find_home(folder / "home")
        self.environment = {
            **os.environ,
            "TEST_KEYRING_FILE": str(folder / "keyring.json"),
            "PYTHON_KEYRING_BACKEND": "keyrings.FileKeyring",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTHONUNBUFFERED": "1",
            "XDG_RUNTIME_DIR": str(folder),
            "DISPLAY": ":99",
            "BROWSER": "/bin/true %s",
        }
        self.home.config.mkdir(mode=0o700)
        self.home.config_file.write_text(oauth.config_table())
        self.ok(
            *("account", "add", "test", "--email", "lisa@example.org", "--user", "lisa", "--oauth", "loopback"),
            *("--imap", f"localhost:{proxy.port}", "--ca-file", str(dovecot.tls.ca)),
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "termmail", "--home", str(self.home.config), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def ok(self, *arguments: str) -> str:
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sign_in(self, *options: str) -> str:
        """In the browser, which is on this computer; what was said."""
        with subprocess.Popen(
            [sys.executable, "-m", "termmail", "--home", str(self.home.config), "account", "sign-in", "test", *options],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                first, url = process.stdout.readline(), process.stdout.readline()
                assert url.startswith(self.oauth.url), first + url
                self.oauth.visit(url.strip())
                said, _ = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0
        return said

    def assert_nothing_written(self) -> None:
        """C4, C5: no token in any file of the home, in any form it is sent in."""
        written = b"".join(path.read_bytes() for path in self.home.config.rglob("*") if path.is_file())
        for token in self.oauth.tokens:
            for secret in (token.access, token.refresh):
                assert secret.encode() not in written
                for lead in (b"user=lisa\x01auth=Bearer ", b"n,a=lisa,\x01auth=Bearer "):
                    assert base64.b64encode(lead + secret.encode())[:-4] not in written


@pytest.fixture
def setting(tmp_path: Path, authority: Authority) -> Iterator[Setting]:
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)
    with OAuthServer() as oauth:
        passdb = token_passdb(tmp_path / "passdb", oauth)
        (tmp_path / "passdb").chmod(0o755)
        with Dovecot(tmp_path / "dovecot", authority=authority, mechanisms=TOKEN_MECHANISMS, extra=passdb) as dovecot:
            dovecot.create("lisa")
            dovecot.make("lisa", "INBOX", [MAIL])
            with Proxy(dovecot.host, dovecot.tls_port) as proxy:
                yield Setting(oauth, dovecot, proxy, tmp_path)


def test_from_sign_in_to_revocation_and_back(setting: Setting) -> None:
    """Signed in once; tokens expire and are renewed by themselves; a permission taken back asks for one sign-in."""
    before = setting("sync")
    assert before.returncode == 77
    assert "Nobody has signed in" in before.stderr
    assert "account sign-in test" in before.stderr
    assert "Signed in." in setting.sign_in()
    setting.ok("sync")
    assert "by token" in setting.ok("list")
    assert "A token to sign in with is there." in setting.ok("account", "test", "test")
    setting.oauth.revoke_access_tokens()
    setting.ok("sync")
    setting.oauth.down = 503
    down = setting("sync")
    assert down.returncode == 75
    assert "sign-in test" not in down.stderr
    setting.oauth.down = 0
    setting.oauth.revoke_all()
    revoked = setting("sync")
    assert revoked.returncode == 77
    assert "no longer accepts the sign-in" in revoked.stderr
    assert revoked.stderr.count("account sign-in test") == 1
    setting.sign_in()
    setting.ok("sync")
    setting.assert_nothing_written()


def test_engine_renews_once_and_then_asks_for_one_sign_in(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """T12: a token that a server refuses is renewed once, in silence; a revoked one is a state of the account until a sign-in."""
    for name in ("TEST_KEYRING_FILE", "PYTHON_KEYRING_BACKEND", "PYTHONPATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, setting.environment[name])
    setting.sign_in()
    with running_engine(setting.home), reading(setting.home) as queries:
        until_state(queries, ConnectionState.ONLINE)
        refreshes = setting.oauth.requests.count("refresh_token")
        setting.oauth.revoke_access_tokens()
        setting.dovecot.kick("lisa")
        until(lambda: setting.oauth.requests.count("refresh_token") == refreshes + 1, "the token is renewed")
        until_state(queries, ConnectionState.ONLINE)
        setting.oauth.revoke_all()

        def is_refused() -> bool:
            # Online is said before all connections are made, and one that is made later would not be kicked.
            setting.dovecot.kick("lisa")
            return queries.accounts()[0].state is ConnectionState.SIGN_IN

        until(is_refused, "the account asks for a sign-in")
        sentence = until_state(queries, ConnectionState.SIGN_IN)
        assert "no longer accepts the sign-in of lisa" in sentence
        assert sentence.endswith("Sign in again.")
        asked = setting.oauth.requests.count("refresh_token")
        intents = Intents(setting.home)
        try:
            (request,) = intents.request_sync("test")
            until(lambda: (found := queries.request(request)) and found.sentence, "the request is answered")
        finally:
            intents.close()
        # The server has said no to this sign-in already.
        assert setting.oauth.requests.count("refresh_token") == asked
        problems = [problem for problem in queries.problems() if "no longer accepts" in problem.sentence]
        assert len(problems) == 1
        setting.sign_in()
        until_state(queries, ConnectionState.ONLINE)
    setting.assert_nothing_written()


def test_sign_in_kept_by_the_engine_alone(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: where there is no keyring; the next engine asks again."""
    for name in ("TEST_KEYRING_FILE", "PYTHONPATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, setting.environment[name])
    setting.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    refused = setting("account", "sign-in", "test")
    assert refused.returncode == 77
    assert "--once" in refused.stderr
    with running_engine(setting.home), reading(setting.home) as queries:
        assert "no keyring" in until_state(queries, ConnectionState.SIGN_IN)
        assert "for as long as the engine runs" in setting.sign_in("--once")
        until_state(queries, ConnectionState.ONLINE)
    with running_engine(setting.home), reading(setting.home) as queries:
        until_state(queries, ConnectionState.SIGN_IN)
    setting.assert_nothing_written()


def test_token_command(setting: Setting, tmp_path: Path) -> None:
    """A token of the user's own program: run again once where it was refused."""
    access, _ = setting.oauth.sign_in()
    (tmp_path / "tokens").write_text(f"stale-token-of-yesterday\n{access}\n")
    command = f"head -n 1 {tmp_path}/tokens; sed -i 1d {tmp_path}/tokens"
    setting.ok("account", "edit", "test", "--token-command", command)
    setting.ok("sync")
    assert "by token" in setting.ok("list")
    setting.ok("account", "edit", "test", "--token-command", "echo stale-token-of-yesterday")
    refused = setting("sync")
    assert refused.returncode == 77
    assert "Run the token command" in refused.stderr
    checked = setting("account", "test", "test", "--json")
    assert checked.returncode == 77
    (failed,) = [check for check in json.loads(checked.stdout) if not check["ok"]]
    assert failed["name"] == "sign-in"
    assert failed["fix"].startswith("Run the token command")
