"""The wizard against a real Dovecot: from an address to the first message list, and every way that can go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.dovecot import Dovecot
from termmail.accounts import credentials
from termmail.model.account import CredentialKind, KeepKind, OfflineKind, Protocol, Security, Server
from termmail.ui.screens.main import MainScreen
from ui.wizard_support import TERMINALS, Wizarding, own_keyring, wizard

__all__ = ["own_keyring"]


async def to_sign_in(ui: Wizarding, dovecot: Dovecot, user: str) -> None:
    """The first two steps, with the servers of Dovecot typed by hand."""
    await ui.person(f"{user}@example.org")
    await ui.server(dovecot.host, dovecot.tls_port, user, dovecot.tls.ca)
    assert ui.step == 3, ui.everything()


@pytest.mark.parametrize("size", TERMINALS)
async def test_imap_by_hand(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, size: tuple[int, int]) -> None:
    """Nothing is found, so the servers are typed; tried for real, written, and the mail reader opens."""
    async with wizard(tmp_path, size) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        assert ui.untouched()
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        assert "All is well." in ui.words
        account = ui.account()
        assert account.name == "example"
        assert account.full_name == "Lisa Example"
        assert account.incoming == Server(dovecot_server.host, dovecot_server.tls_port, Security.TLS)
        assert account.smtp is None
        assert credentials.password(account).reveal() == dovecot_server.test_password
        assert dovecot_server.test_password not in ui.home.config_file.read_text()
        await ui.choose("Read mail")
        assert isinstance(ui.app.screen, MainScreen)
        assert ui.app.accounts == (account,)


async def test_a_wrong_password_is_mended_where_it_was_typed(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """T13: it is understood, nothing is written, and one goes on from the password, not from the start."""
    async with wizard(tmp_path) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        await ui.write("password", "old password")
        await ui.press("enter")
        await ui.tried()
        assert "refused the password" in ui.words
        assert "old password" not in ui.words
        assert ui.untouched()
        await ui.choose("Type the password again")
        assert ui.step == 3
        assert ui.focused() == "password"
        assert "refused the password" in ui.words
        assert ui.field("password").value == "old password"
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        assert credentials.password(ui.account()).reveal() == dovecot_server.test_password


async def test_asked_each_time_it_is_written_nowhere(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """C2: the engine hears of it, no file does."""
    async with wizard(tmp_path) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        await ui.press("shift+tab", "down", "down")
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        assert ui.account().credential.kind is CredentialKind.SESSION
        assert not (tmp_path / "keyring.json").exists()


async def test_by_a_command(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """One that fails is mended where it was typed."""
    async with wizard(tmp_path) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        await ui.press("shift+tab", "down")
        await ui.write("command", "exit 3")
        await ui.press("enter")
        await ui.tried()
        assert "exit code 3" in ui.words
        assert ui.untouched()
        await ui.choose("Change the command")
        assert ui.focused() == "command"
        assert ui.field("command").value == "exit 3"
        await ui.write("command", "echo secret")
        await ui.press("enter")
        await ui.tried()
        assert ui.account().credential.command == "echo secret"


async def test_policies(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """How much is kept here, in days."""
    async with wizard(tmp_path) as ui:
        await ui.person(f"{dovecot_user}@example.org")
        while ui.focused() != "offline":
            await ui.press("shift+tab")
        await ui.press("right")
        await ui.write("days", "x")
        await ui.press("enter")
        assert ui.step == 2
        assert "Type a number of days" in ui.words
        await ui.write("days", "90")
        await ui.server(dovecot_server.host, dovecot_server.tls_port, dovecot_user, dovecot_server.tls.ca)
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        assert ui.account().offline.kind is OfflineKind.DAYS
        assert ui.account().offline.days == 90


@pytest.mark.dovecot_pop3
async def test_pop3_by_hand(tmp_path: Path) -> None:
    """The same for POP3, with what stays on the server."""
    with Dovecot(tmp_path / "dovecot", pop3=True) as dovecot:
        async with wizard(tmp_path) as ui:
            await ui.person("test-1@example.org")
            while ui.focused() != "protocol":
                await ui.press("shift+tab")
            await ui.press("down")
            while ui.focused() != "keep":
                await ui.press("tab")
            await ui.press("right", "right")
            await ui.server(dovecot.host, dovecot.pop3_tls_port, "test-1", dovecot.tls.ca, service="pop3")
            await ui.write("password", dovecot.test_password)
            await ui.press("enter")
            await ui.tried()
            account = ui.account()
            assert account.protocol is Protocol.POP3
            assert account.keep.kind is KeepKind.UNTIL_DELETED


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_leaving_in_each_step(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str, step: int) -> None:
    """^C asks once, what is typed is still there, and a second one leaves nothing behind."""
    async with wizard(tmp_path) as ui:
        if step == 1:
            await ui.write("email", "lisa@example.org")
        elif step == 2:
            await ui.person()
        else:
            await to_sign_in(ui, dovecot_server, dovecot_user)
            await ui.write("password", "wrong")
        if step == 4:
            await ui.press("enter")
            await ui.tried()
        assert ui.step == step
        await ui.press("ctrl+c")
        assert "Nothing has been written. Ctrl+C again leaves" in ui.words
        assert ui.step == step
        for _ in range(step - 1):
            await ui.press("escape")
        await ui.press("home")
        assert ui.field("email").value in ("lisa@example.org", f"{dovecot_user}@example.org")
        await ui.press("ctrl+c")
        assert ui.app.is_running
        await ui.press("ctrl+c")
        assert ui.untouched()
    assert ui.app.return_code == 0


async def test_back_and_forth_keeps_what_was_typed(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """Every field of every step."""
    async with wizard(tmp_path) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        await ui.write("password", "half a pass")
        await ui.press("escape", "escape")
        assert ui.step == 1
        assert ui.field("full_name").value == "Lisa Example"
        await ui.press("enter")
        assert ui.step == 2
        assert ui.field("imap-port").value == str(dovecot_server.tls_port)
        assert ui.field("user").value == dovecot_user
        await ui.press("enter")
        assert ui.step == 3
        assert ui.field("password").value == "half a pass"


async def test_changed_later_in_the_same_screens(tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """Nothing has to be typed again, the password neither; what is changed is tried before it is written."""
    async with wizard(tmp_path) as ui:
        await to_sign_in(ui, dovecot_server, dovecot_user)
        await ui.write("password", dovecot_server.test_password)
        await ui.press("enter")
        await ui.tried()
        await ui.choose("Read mail")
        await ui.press("g", "c", "enter")
        await ui.write("full_name", "Lisa Newname")
        await ui.press("enter")
        assert ui.step == 2
        await ui.press("enter")
        assert ui.step == 3
        assert ui.field("password").value == ""
        await ui.press("enter")
        assert ui.step == 4, ui.everything()
        assert ui.account().full_name == "Lisa Example"
        await ui.tried()
        assert "All is well." in ui.words
        assert ui.account().full_name == "Lisa Newname"
        assert credentials.password(ui.account()).reveal() == dovecot_server.test_password
        await ui.choose("Done")
        await ui.until(lambda: "example: written." in ui.words)
