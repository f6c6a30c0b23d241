"""Every server dead, slow or lying, every field wrong, the disk full: a sentence, nothing half-written, the typed text still there."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest

from keyrings import LockedKeyring
from servers.dovecot import Dovecot
from servers.oauth_dovecot import TOKEN_MECHANISMS, token_passdb
from servers.oauth_server import CLIENT_ID, SCOPE, OAuthServer
from servers.ports import free_ports
from servers.smtp_sink import SmtpSink
from servers.tls import Authority
from termmail.accounts import config, credentials
from termmail.accounts.home import prepare_home
from termmail.model.account import CredentialKind, Security
from termmail.model.home import Home
from termmail.model.setup import Source, SourceReport, SourceState
from termmail.ui.app import TermmailApp
from termmail.ui.wizard.certificate_screen import CertificateScreen
from termmail.ui.wizard.jobs import Done, Jobs
from termmail.ui.wizard.oauth_screen import OAuthScreen
from termmail.ui.wizard.screen import WizardScreen
from ui.support import filled
from ui.wizard_support import NO_NETWORK, Wizarding, own_keyring, wizard

__all__ = ["own_keyring"]
_SLOW = 60.0


async def to_the_try(
    ui: Wizarding, host: str, port: int, user: str = "test-1", ca: Path | str = "", password: str = "secret"
) -> None:
    """All the way to the checks, which may take their time."""
    await ui.person(f"{user}@example.org")
    await ui.server(host, port, user, ca)
    assert ui.step == 3, ui.everything()
    await ui.write("password", password)
    await ui.press("enter")
    assert ui.step == 4, ui.everything()


async def failed(ui: Wizarding) -> str:
    """The sentence of the check that failed."""
    await ui.tried(_SLOW)
    failure = ui.wizard.trial.failure
    assert failure is not None, ui.everything()
    assert failure.sentence.endswith((".", "”", '".'))
    assert ui.untouched()
    return failure.sentence


async def test_news_of_a_lookup_that_was_replaced(tmp_path: Path) -> None:
    """A report that was on its way when the address was changed is nobody's."""
    async with wizard(tmp_path) as ui:
        ui.wizard.look_up("lisa@example.org")
        first = ui.wizard._lookup
        ui.wizard.look_up("lisa@example.com")
        stale = SourceReport(Source.DOMAIN, SourceState.FOUND, "The settings of example.org.")
        ui.wizard.post_message(Jobs.Told(first, stale))
        ui.wizard.post_message(Jobs.Told(first, Done()))
        await ui.drawn()
        assert "The settings of example.org." not in ui.words


async def test_a_lookup_that_fails_by_a_bug(tmp_path: Path) -> None:
    """It ends the program with its trace in the log, like any other; it is no lookup that goes on for ever."""
    home = Home.under(tmp_path / "home")
    prepare_home(home)
    app = TermmailApp(home, (), network=NO_NETWORK)

    async def fail() -> None:
        async with app.run_test() as pilot:
            screen = app.screen
            assert isinstance(screen, WizardScreen)
            screen.look_up("lisa@example.org")
            screen.post_message(Jobs.Told(screen._lookup, ZeroDivisionError()))
            await pilot.pause()

    try:
        with pytest.raises(ZeroDivisionError):
            await fail()
    finally:
        app.close_backend()


async def test_what_is_typed_while_another_account_opens_is_typed_there(tmp_path: Path) -> None:
    """Keys come faster than a screen is built anew; none is lost, and none goes to what was there before."""
    with filled(tmp_path / "other") as other:
        (account,) = other.accounts
    async with wizard(tmp_path) as ui:
        ui.wizard.account_written(account, config.add_account(ui.home, account))
        ui.wizard.begin_again()
        for key in (*"lisa@example.net", "enter", *"Lisa"):
            ui.send(key)
        await ui.until(lambda: ui.field("full_name").value == "Lisa")
        assert ui.field("email").value == "lisa@example.net"
        assert ui.step == 1


async def test_the_hint_of_the_first_step_says_how_one_leaves(tmp_path: Path) -> None:
    """Esc leaves at once where nothing was typed, and else never; Ctrl+C does, twice."""
    async with wizard(tmp_path) as ui:
        assert "Esc quit" in ui.words
        await ui.write("email", "lisa@example.net")
        assert "Esc quit" not in ui.words
        assert "Ctrl+C twice quit" in ui.words
        await ui.press("escape", "escape", "escape")
        assert ui.app.is_running
        assert ui.field("email").value == "lisa@example.net"
        await ui.press("ctrl+c", "ctrl+c")
    assert ui.app.return_code == 0


async def test_another_account_is_not_lost_either(tmp_path: Path) -> None:
    """One account is written, another one is being typed: ^C asks as it did for the first, and says what is true of it."""
    with filled(tmp_path / "other") as other:
        (account,) = other.accounts
    async with wizard(tmp_path) as ui:
        ui.wizard.account_written(account, config.add_account(ui.home, account))
        ui.wizard.begin_again()
        await ui.drawn()
        await ui.write("email", "lisa@example.net")
        await ui.press("ctrl+c")
        assert "This account has not been written. Ctrl+C again leaves" in ui.words
        assert ui.field("email").value == "lisa@example.net"
        await ui.press("ctrl+c")
        assert not isinstance(ui.app.screen, WizardScreen)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lisa @example.org", "lisa@example.org"),
        ("lisa@example,org", "lisa@example.org"),
        ("lisa@gmial.com", "lisa@gmail.com"),
        ("Lisa <lisa@example.org>", "lisa@example.org"),
        ("lisa.example.org", ""),
        ("lisa@", ""),
        ("müller@example.org", ""),
    ],
)
async def test_an_address_that_is_wrong(tmp_path: Path, typed: str, meant: str) -> None:
    """Said where it stands; what was meant is one key away."""
    async with wizard(tmp_path) as ui:
        await ui.write("email", typed)
        await ui.press("enter")
        remark = ui.field("email").remark
        assert remark is not None
        assert " ".join(remark.sentence.split()) in ui.words
        assert ui.field("email").value == typed
        if meant:
            if ui.focused() != "email":
                await ui.press("shift+tab")
            await ui.press("ctrl+y")
            assert ui.field("email").value == meant


async def test_a_doubtful_address_is_taken_when_it_is_meant(tmp_path: Path) -> None:
    async with wizard(tmp_path) as ui:
        await ui.write("email", "lisa@gmial.com")
        await ui.press("enter")
        await ui.write("full_name", "Lisa")
        await ui.press("enter")
        assert ui.step == 1
        assert "Enter once more takes it as it is." in ui.words
        assert ui.focused() == "email"
        await ui.press("enter", "enter")
        assert ui.step == 2


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("imap-host", "https://imap.example.org/", "A server's name stands alone"),
        ("imap-host", "imap example org", "A server's name stands alone"),
        ("imap-host", "", "Type the server's name"),
        ("imap-port", "imap", "A port is a number from 1 to 65535."),
        ("imap-port", "0", "A port is a number from 1 to 65535."),
        ("ca_file", "/nowhere.pem", "There is no such file."),
        ("proxy", "127.0.0.1", "A proxy is written as socks5://127.0.0.1:1080"),
        ("name", "my mail", "The name may have letters, digits"),
    ],
)
async def test_a_detail_that_is_wrong(tmp_path: Path, field: str, typed: str, words: str) -> None:
    """One can't go on with it; one is led to it, also where it is folded away."""
    async with wizard(tmp_path) as ui:
        await ui.person()
        await ui.write("imap-host", "imap.example.org")
        await ui.write(field, typed)
        await ui.press("f4", "enter")
        assert ui.step == 2
        assert ui.focused() == field
        assert words in ui.words
        assert ui.field(field).value == typed


async def test_a_port_of_another_service_is_a_doubt(tmp_path: Path) -> None:
    async with wizard(tmp_path) as ui:
        await ui.person()
        await ui.server("imap.example.org", 995)
        assert ui.step == 2
        assert "995 is POP3's with TLS." in ui.words
        await ui.press("ctrl+y")
        assert ui.field("imap-port").value == "993"
        await ui.press("enter")
        assert ui.step == 3


async def test_not_encrypted_is_refused_but_for_this_computer(tmp_path: Path) -> None:
    """T1."""
    async with wizard(tmp_path) as ui:
        await ui.person()
        await ui.write("imap-host", "imap.example.org")
        ui.wizard.mail.servers["imap"].security.choose(Security.NONE)
        await ui.drawn()
        await ui.press("enter")
        assert ui.step == 2
        assert "it is accepted for this computer only" in ui.words


async def test_a_dead_server(tmp_path: Path) -> None:
    """Enter leads to its name; nothing else has to be typed again."""
    (port,) = free_ports(1)
    async with wizard(tmp_path) as ui:
        await to_the_try(ui, "127.0.0.1", port)
        sentence = await failed(ui)
        await ui.choose("Change the server")
        assert ui.step == 2
        assert ui.focused() == "imap-host"
        assert " ".join(sentence.split()) in ui.words
        assert ui.field("imap-host").value == "127.0.0.1"
        assert ui.field("imap-port").value == str(port)


async def test_the_network_is_off_and_comes_back(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """ "Try again" when it is there; or kept as it is, for termmail to try later."""
    (port,) = free_ports(1)
    async with wizard(tmp_path) as ui:
        await to_the_try(ui, "127.0.0.1", port, dovecot_user, dovecot_server.tls.ca)
        await failed(ui)
        await ui.choose("Keep it as it is")
        await ui.until(lambda: ui.config.accounts)
        assert ui.account().incoming.port == port
        assert credentials.password(ui.account()).reveal() == "secret"


async def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    """Nobody has to wait for it: Esc goes back at once, and what was typed is there."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        async with wizard(tmp_path) as ui:
            await to_the_try(ui, "127.0.0.1", listener.getsockname()[1])
            await ui.until(lambda: "…" in ui.words)
            await ui.press("escape")
            assert ui.step == 3
            assert ui.field("password").value == "secret"
            await ui.press("escape")
            assert ui.field("imap-host").value == "127.0.0.1"
            assert ui.untouched()


@pytest.fixture
def liar() -> Iterator[int]:
    """A port at which something speaks that is no mail server."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2 \x1b[31m\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


async def test_a_server_that_lies(tmp_path: Path, liar: int) -> None:
    async with wizard(tmp_path) as ui:
        await to_the_try(ui, "127.0.0.1", liar)
        await failed(ui)
        assert "\x1b" not in ui.everything()
        await ui.choose("Change the server")
        assert ui.step == 2


@pytest.mark.dovecot_pop3
async def test_pop3s_port_for_imap(tmp_path: Path, authority: Authority) -> None:
    """A real server of another service."""
    with Dovecot(tmp_path / "dovecot", authority=authority, pop3=True) as dovecot:
        async with wizard(tmp_path) as ui:
            await to_the_try(ui, dovecot.host, dovecot.pop3_tls_port, ca=authority.ca)
            await failed(ui)
            await ui.choose("Change the server")
            await ui.write("imap-port", str(dovecot.tls_port))
            await ui.press("enter")
            assert ui.step == 3
            await ui.press("enter")
            await ui.tried(_SLOW)
            assert ui.account().incoming.port == dovecot.tls_port


@pytest.mark.dovecot
async def test_starttls_where_tls_is_expected(tmp_path: Path, authority: Authority) -> None:
    """What to do is said in the wizard's words, not in options of the command line."""
    with Dovecot(tmp_path / "dovecot", authority=authority) as dovecot:
        async with wizard(tmp_path) as ui:
            await to_the_try(ui, dovecot.host, dovecot.port, ca=authority.ca)
            assert "expects starttls" in await failed(ui)
            assert "“Change the server” leads to its port and encryption." in ui.words
            assert "termmail account" not in ui.words
            await ui.choose("Change the server")
            assert ui.focused() == "imap-port"


@pytest.mark.dovecot
async def test_a_self_signed_certificate_is_compared_and_pinned(tmp_path: Path, authority: Authority) -> None:
    """T2: nothing is trusted by itself; after a yes this one certificate is, for this host."""
    with Dovecot(tmp_path / "dovecot", authority=authority, certificate=authority.self_signed) as dovecot:
        async with wizard(tmp_path) as ui:
            await to_the_try(ui, dovecot.host, dovecot.tls_port)
            await failed(ui)
            await ui.choose("Look at the certificate")
            assert isinstance(ui.app.screen, CertificateScreen)
            assert "SHA-256" in ui.words
            await ui.press("escape")
            assert ui.untouched()
            await ui.choose("Look at the certificate")
            await ui.press("p")
            await ui.tried(_SLOW)
            assert len(ui.account().incoming.pin_sha256) == 64


@pytest.mark.dovecot
@pytest.mark.parametrize("name", ["expired", "wrong_host"])
async def test_a_bad_certificate_can_not_be_clicked_away(tmp_path: Path, authority: Authority, name: str) -> None:
    """T2."""
    with Dovecot(tmp_path / "dovecot", authority=authority, certificate=getattr(authority, name)) as dovecot:
        async with wizard(tmp_path) as ui:
            await to_the_try(ui, dovecot.host, dovecot.tls_port, ca=authority.ca)
            await failed(ui)
            assert "Look at the certificate" not in ui.words


async def test_no_keyring(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """C1: said at once, and the next best way is chosen."""
    keyring.set_keyring(LockedKeyring())
    async with wizard(tmp_path) as ui:
        await ui.person(f"{dovecot_user}@example.org")
        await ui.server(dovecot_server.host, dovecot_server.tls_port, dovecot_user, dovecot_server.tls.ca)
        await ui.until(lambda: "● Password asked each time" in ui.words)
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        assert ui.account().credential.kind is CredentialKind.SESSION


async def test_a_config_file_that_can_not_be_written(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """X5: said, the password is not kept alone, and it can be tried again."""
    async with wizard(tmp_path) as ui:
        ui.home.config_file.mkdir()
        await to_the_try(ui, dovecot_server.host, dovecot_server.tls_port, dovecot_user, dovecot_server.tls.ca)
        await ui.tried()
        assert "could not be" in ui.words
        assert not (tmp_path / "keyring.json").exists() or (tmp_path / "keyring.json").read_text() == "{}"
        ui.home.config_file.rmdir()
        await ui.choose("Try again to write it")
        await ui.until(lambda: ui.home.config_file.exists())
        assert ui.account().user == dovecot_user


@pytest.mark.dovecot
@pytest.mark.parametrize("by", ["browser", "code"])
async def test_oauth(tmp_path: Path, authority: Authority, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """C5: a server of one's own by its address alone, against Authlib's; the account signs in with the token."""
    from termmail.ui.wizard import oauth_screen

    with OAuthServer() as server:

        def visit(url: str, *_: object) -> None:
            threading.Thread(target=server.visit, args=(url,), daemon=True).start()

        monkeypatch.setattr(oauth_screen, "open_link", visit)
        # Dovecot's own user has to read it.
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(folder.stat().st_mode | 0o055)
        passdb = token_passdb(tmp_path / "passdb", server)
        mechanisms = f"plain {TOKEN_MECHANISMS}"
        with Dovecot(tmp_path / "dovecot", authority=authority, mechanisms=mechanisms, extra=passdb) as dovecot:
            async with wizard(tmp_path) as ui:
                await ui.person("lisa@example.org")
                await ui.server(dovecot.host, dovecot.tls_port, server.user, authority.ca)
                await ui.press("shift+tab", *["down"] * (3 if by == "browser" else 4))
                await ui.write("issuer", server.url)
                await ui.write("scopes", SCOPE)
                await ui.write("client_id", CLIENT_ID)
                await ui.press("tab", "enter")
                if by == "code":
                    await ui.until(lambda: isinstance(ui.app.screen, OAuthScreen) and "code is good for" in ui.words)
                    code = re.search(r"[A-Z]{4}-[A-Z]{4}", ui.words)
                    assert code is not None
                    server.approve(code[0])
                await ui.until(lambda: ui.step == 4)
                await ui.tried(_SLOW)
                assert ui.config.accounts, ui.everything()
                account = ui.account()
                assert account.credential.kind is CredentialKind.OAUTH2
                assert account.credential.provider is not None
                assert account.credential.provider.client_id == CLIENT_ID
                assert server.tokens[-1].access not in ui.home.config_file.read_text()


async def test_sending_is_tried_too(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """One that fails leads to the server for sending, not to the one that works; then both are well."""
    (closed,) = free_ports(1)
    with SmtpSink() as sink:
        async with wizard(tmp_path) as ui:
            await ui.person(f"{dovecot_user}@example.org")
            await ui.write("smtp-host", "127.0.0.1")
            await ui.write("smtp-port", str(closed))
            ui.wizard.mail.servers["smtp"].security.choose(Security.NONE)
            await ui.server(dovecot_server.host, dovecot_server.tls_port, dovecot_user, dovecot_server.tls.ca)
            await ui.write("password", dovecot_server.test_password)
            await ui.press("enter")
            await failed(ui)
            assert "accepted" in ui.words
            assert "sending, connection" in ui.words
            await ui.choose("Change the server")
            assert ui.focused() == "smtp-host"
            await ui.write("smtp-port", str(sink.port))
            await ui.press("enter")
            assert ui.step == 3, ui.everything()
            await ui.press("enter")
            await ui.tried(_SLOW)
            account = ui.account()
            assert account.smtp is not None
            assert account.smtp.port == sink.port
            assert sink.taken == []
