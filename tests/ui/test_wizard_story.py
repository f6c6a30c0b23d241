"""As a new user would: an address and a password, nothing else, against servers that say of themselves where they are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from servers.private_network import AUTOCONFIG, DOMAIN, autoconfig, private_network
from servers.tls import Authority
from termmail.engine.child import EngineChild
from termmail.model.account import Protocol
from termmail.model.setup import Discovery, ProviderNotes, SignInWay
from termmail.setup.ways import Way
from termmail.store.queries import Queries
from termmail.ui.screens.main import MainScreen
from ui.wizard_support import TERMINALS, Wizarding, own_keyring, wizard

__all__ = ["own_keyring"]
pytestmark = [pytest.mark.dovecot, pytest.mark.dovecot_pop3]


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("dovecot"), authority=authority, pop3=True) as server:
        yield server


@pytest.fixture(autouse=True)
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority of the tests is one that this computer trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))


def file_of(server: Dovecot) -> bytes:
    """What the domain says of its servers."""
    return autoconfig(
        f"imap localhost {server.tls_port} SSL %EMAILLOCALPART%",
        f"pop3 localhost {server.pop3_tls_port} SSL %EMAILLOCALPART%",
    )


async def fill(ui: Wizarding, user: str, protocol: Protocol) -> list[int]:
    """Address, name and password, and Enter; the numbers of the screens that were seen."""
    seen = [ui.step]
    await ui.person(f"{user}@{DOMAIN}")
    seen.append(ui.step)
    assert ui.focused() == "protocol"
    assert "suggested" in ui.words
    if protocol is Protocol.POP3:
        await ui.press("down")
    await ui.press("enter")
    seen.append(ui.step)
    assert ui.focused() == "password", ui.everything()
    await ui.write("password", Dovecot.test_password)
    await ui.press("enter")
    seen.append(ui.step)
    await ui.tried()
    return seen


@pytest.mark.parametrize("size", TERMINALS)
@pytest.mark.parametrize("protocol", list(Protocol))
async def test_by_address_and_password_alone(
    tmp_path: Path, authority: Authority, mail_server: Dovecot, size: tuple[int, int], protocol: Protocol
) -> None:
    """In four screens, with the keys that they show; then the mail reader."""
    with private_network(authority, https={AUTOCONFIG: (200, {}, file_of(mail_server))}) as place:
        async with wizard(tmp_path, size, network=place.network) as ui:
            assert await fill(ui, "test-1", protocol) == [1, 2, 3, 4]
            account = ui.account()
            assert account.protocol is protocol
            assert account.incoming.host == "localhost"
            assert account.incoming.port == (
                mail_server.tls_port if protocol is Protocol.IMAP else mail_server.pop3_tls_port
            )
            assert account.user == "test-1"
            assert account.email == f"test-1@{DOMAIN}"
            await ui.choose("Read mail")
            assert isinstance(ui.app.screen, MainScreen)


async def test_five_accounts_side_by_side(tmp_path: Path, authority: Authority, mail_server: Dovecot) -> None:
    """One after the other in the wizard, then all of them at work with one engine, by IMAP and by POP3."""
    engines: list[EngineChild] = []

    def start() -> EngineChild:
        engine = EngineChild(ui.home)
        engines.append(engine)
        engine.start()
        return engine

    with private_network(authority, https={AUTOCONFIG: (200, {}, file_of(mail_server))}) as place:
        async with wizard(tmp_path, network=place.network, start_engine=start) as ui:
            for number in range(1, 6):
                await fill(ui, f"test-five-{number}", Protocol.POP3 if number % 2 else Protocol.IMAP)
                assert len(ui.config.accounts) == number
                await ui.choose("Add another account" if number < 5 else "Read mail")
            assert [account.name for account in ui.config.accounts] == [
                "example", "example.test", "example-2", "example-3", "example-4",
            ]  # fmt: skip
            with contextlib.closing(Queries(ui.home)) as queries:
                await ui.until(lambda: _all(queries, lambda status: bool(status.synced_at)))
                assert len(queries.accounts()) == 5
            await ui.until(lambda: isinstance(ui.app.screen, MainScreen) and len(ui.app.screen.statuses) == 5)


def _all(queries: Queries, condition: Callable[..., bool]) -> bool:
    time.sleep(0.2)
    return all(condition(status) for status in queries.accounts())


async def test_each_provider_has_a_client_of_its_own(
    tmp_path: Path, authority: Authority, mail_server: Dovecot
) -> None:
    """The sign-in server that the domain names is filled in; what was typed for it is not given to another one, and comes back."""
    file = file_of(mail_server).replace(b"password-cleartext", b"OAuth2")
    file = file.replace(b"</emailProvider>", b"</emailProvider><oAuth2><issuer>login.example.test</issuer></oAuth2>")
    with private_network(authority, https={AUTOCONFIG: (200, {}, file)}) as place:
        async with wizard(tmp_path, network=place.network) as ui:

            async def sign_in(address: str) -> None:
                ui.wizard.go_to(0)
                await ui.person(address)
                ui.wizard.sign_in.way.value = Way.BROWSER
                ui.wizard.go_to(2)
                await ui.drawn()

            await sign_in(f"lisa@{DOMAIN}")
            assert ui.field("issuer").value == "https://login.example.test"
            await ui.write("client_id", "mine")
            await sign_in("lisa@nowhere.test")
            assert [ui.field(name).value for name in ("issuer", "client_id")] == ["", ""]
            await sign_in(f"lisa@{DOMAIN}")
            assert [ui.field(name).value for name in ("issuer", "client_id")] == ["https://login.example.test", "mine"]


async def test_a_late_lookup_takes_nothing_away_that_is_typed(tmp_path: Path) -> None:
    """Whoever has typed the servers need not wait for it."""
    async with wizard(tmp_path) as ui:
        ui.wizard.sign_in.way.value = Way.BROWSER
        ui.wizard.sign_in.chosen(ui.wizard.sign_in.way)
        ui.wizard.go_to(2)
        await ui.drawn()
        await ui.write("issuer", "https://login.example.org")
        await ui.write("client_id", "mine")
        notes = ProviderNotes("Elsewhere", (SignInWay.OAUTH2,), oauth_provider="https://login.example.test")
        ui.wizard.discovery = Discovery("lisa@example.test", notes)
        ui.wizard._looked()
        await ui.drawn()
        assert [ui.field(name).value for name in ("issuer", "client_id")] == ["https://login.example.org", "mine"]


async def test_names_found_in_the_clear_are_confirmed(
    tmp_path: Path, authority: Authority, mail_server: Dovecot
) -> None:
    """Plain HTTP could have been changed on the way: the host is shown, and Enter alone does not pass it."""
    with private_network(authority, http={AUTOCONFIG: (200, {}, file_of(mail_server))}) as place:
        async with wizard(tmp_path, network=place.network) as ui:
            await ui.person(f"test-1@{DOMAIN}")
            assert "localhost was found in a way that others on the network could have changed" in ui.words
            await ui.press("enter")
            assert ui.step == 2
            assert "Enter says yes" in ui.words
            await ui.press("enter")
            assert ui.step == 3


async def test_the_lookup_goes_on_while_the_name_is_typed(
    tmp_path: Path, authority: Authority, mail_server: Dovecot
) -> None:
    """And another address is looked up anew."""
    with private_network(authority, https={AUTOCONFIG: (200, {}, file_of(mail_server))}) as place:
        async with wizard(tmp_path, network=place.network) as ui:
            await ui.write("email", "lisa@nowhere.test")
            await ui.press("enter")
            assert ui.focused() == "full_name"
            await ui.until(lambda: "known providers" in ui.words)
            await ui.write("email", f"lisa@{DOMAIN}")
            await ui.press("enter")
            await ui.until(lambda: not ui.wizard.is_looking)
            assert "The servers of example.test" in ui.words
            assert "nowhere" not in ui.words
            await ui.write("full_name", "Lisa")
            await ui.press("enter")
            assert "localhost" in ui.words
