"""`account add` without options: the questions one by one on a plain terminal, against a real Dovecot."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conversation import Conversation
from cli_runner import Cli
from protocols.test_pinning import fingerprint
from servers.dovecot import Dovecot
from servers.scripted import Conversation as Scripted
from servers.scripted import ScriptedServer
from servers.tls import Authority, Certificate, make_authority
from termmail.accounts import config
from termmail.model.account import Account, CredentialKind, KeepKind, Protocol
from termmail.model.home import Home

_TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    """`termmail account add` with a keyring in a file, and without a network."""
    with talk_with("FileKeyring", tmp_path) as conversation:
        yield conversation


def talk_with(keyring: str, tmp_path: Path, *options: str) -> Conversation:
    environment = {
        "PYTHON_KEYRING_BACKEND": f"keyrings.{keyring}",
        "PYTHONPATH": str(_TESTS),
        "TEST_KEYRING_FILE": str(tmp_path / "keyring.json"),
        "TERMMAIL_NAMESERVER": "127.0.0.1:1",
        "TERMMAIL_AUTOCONFIG_URL": "https://127.0.0.1:1/",
        "TERMMAIL_CONNECT_TO": "*:443=127.0.0.1:1 *:80=127.0.0.1:1",
    }
    command = [sys.executable, "-m", "termmail", "--home", str(tmp_path / "home"), "account", "add", *options]
    return Conversation(command, environment, tmp_path)


def home(tmp_path: Path) -> Home:
    return Home.under(tmp_path / "home")


def account(tmp_path: Path) -> Account:
    (found,) = config.load(home(tmp_path)).accounts
    return found


def untouched(tmp_path: Path) -> bool:
    return not home(tmp_path).config_file.exists() and not (tmp_path / "keyring.json").exists()


def person(talk: Conversation, address: str) -> None:
    talk.ask("Your e-mail address:", address)
    talk.ask("Your name, as others see it:", "Lisa Example")


def servers(talk: Conversation, dovecot: Dovecot, user: str, *, pop3: bool = False) -> None:
    """From the protocol to the name of the account."""
    talk.ask("1 or 2 [1]", "2" if pop3 else "")
    if pop3:
        talk.ask("How long mail stays on the server", "until-deleted")
    else:
        talk.ask("How much is kept on this computer", "30")
    talk.ask("POP3 server:" if pop3 else "IMAP server:", dovecot.host)
    talk.ask("Encryption: tls, starttls or none [tls]")
    talk.ask("Port", str(dovecot.pop3_tls_port if pop3 else dovecot.tls_port))
    talk.ask("Server for sending", "None")
    talk.ask("User name to sign in with:", user)
    talk.ask("Proxy (none for none):")
    talk.ask("File with an authority of your own", str(dovecot.tls.ca))
    talk.ask("What the account is called here: [example]")


def test_imap(tmp_path: Path, talk: Conversation, dovecot_server: Dovecot, dovecot_user: str) -> None:
    """From the address to the account; a wrong password is mended without starting over."""
    person(talk, f"{dovecot_user}@example.org")
    servers(talk, dovecot_server, dovecot_user)
    talk.ask("[1]")
    talk.ask("Password at 127.0.0.1", "wrong")
    talk.hear("failed: sign-in.")
    assert untouched(tmp_path)
    talk.hear("1. Type the password")
    talk.ask("What now? [1]")
    talk.ask("Password at 127.0.0.1", dovecot_server.test_password)
    talk.hear("ok: sign-in.")
    talk.hear("Added example.")
    assert talk.code() == 0
    found = account(tmp_path)
    assert found.protocol is Protocol.IMAP
    assert found.offline.days == 30
    assert found.full_name == "Lisa Example"
    assert dovecot_server.test_password in json.loads((tmp_path / "keyring.json").read_text()).values()
    assert dovecot_server.test_password not in talk.text
    assert "wrong" not in talk.text


def test_another_way_where_the_keyring_keeps_nothing(
    tmp_path: Path, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """C1: what is chosen instead is asked for and counts."""
    with talk_with("LockedKeyring", tmp_path) as talk:
        person(talk, f"{dovecot_user}@example.org")
        servers(talk, dovecot_server, dovecot_user)
        talk.hear("1. Password in the keyring. no keyring here.")
        talk.ask("1 to 6 [3]", "1")
        talk.ask("Password at 127.0.0.1", dovecot_server.test_password)
        talk.hear("ok: sign-in.")
        talk.hear("The system's keyring is locked.")
        talk.hear("Choose how you sign in again.")
        talk.ask("1 to 6 [1]", "3")
        talk.ask("Password at 127.0.0.1", dovecot_server.test_password)
        talk.hear("Added example.")
        assert talk.code() == 0
    assert account(tmp_path).credential.kind is CredentialKind.SESSION


def test_another_address_has_another_sign_in_server(talk: Conversation) -> None:
    """What was said of the first address's is not taken for the second."""
    person(talk, "lisa@example.org")
    talk.ask("1 or 2 [1]")
    talk.ask("How much is kept on this computer")
    talk.ask("IMAP server:", "127.0.0.1")
    for question in ("Encryption", "Port", "Server for sending", "User name", "Proxy", "authority of your own"):
        talk.ask(question)
    talk.ask("What the account is called here:")
    talk.ask("1 to 6 [1]", "4")
    talk.ask("Address of the sign-in server:", "http://127.0.0.1:1")
    talk.ask("Scopes to ask for")
    talk.ask("Client id:", "termmail")
    talk.ask("Client secret")
    talk.hear("127.0.0.1 can't be reached")
    talk.ask("1 to 6 [4]", "back")
    talk.ask("What the account is called here:", "back")
    talk.ask("Change any of that?", "back")
    talk.ask("How much is kept on this computer", "back")
    talk.ask("1 or 2 [1]", "back")
    talk.ask("Your name, as others see it:", "back")
    person(talk, "lisa@gmail.com")
    talk.ask("1 or 2 [1]")
    talk.ask("How much is kept on this computer")
    talk.ask("Change any of that?")
    talk.ask("What the account is called here:")
    talk.ask("1 to 5 [1]", "4")
    talk.hear("Google knows programs by an id.")


def test_two_servers_of_one_host_each_with_a_certificate_of_its_own(
    tmp_path: Path, talk: Conversation, authority: Authority
) -> None:
    """T2: as with Dovecot and Postfix on one computer; either is compared and pinned for its server alone."""
    another = make_authority(tmp_path / "another").self_signed

    def keep_quiet(sending: Scripted) -> None:
        sending.wait_closed()

    with (
        Dovecot(tmp_path / "dovecot", authority=authority, certificate=authority.self_signed) as dovecot,
        ScriptedServer(keep_quiet, certificate=another, implicit_tls=True) as sending,
    ):
        person(talk, "test-1@example.org")
        talk.ask("1 or 2 [1]")
        talk.ask("How much is kept on this computer")
        talk.ask("IMAP server:", dovecot.host)
        talk.ask("Encryption: tls, starttls or none [tls]")
        talk.ask("Port", str(dovecot.tls_port))
        talk.ask("Server for sending", sending.host)
        talk.ask("Encryption: tls, starttls or none [tls]")
        talk.ask("Port", str(sending.port))
        talk.ask("User name to sign in with:", "test-1")
        talk.ask("Proxy (none for none):")
        talk.ask("File with an authority of your own")
        talk.ask("What the account is called here: [example]")
        talk.ask("1 to 6 [1]")
        talk.ask("Password at 127.0.0.1", dovecot.test_password)
        talk.hear(shown(authority.self_signed))
        talk.ask("Is it the same, and to be trusted?", "yes")
        talk.hear("ok: sign-in.")
        talk.hear(shown(another))
        talk.hear("Is it the same, and to be trusted?")


def shown(certificate: Certificate) -> str:
    """The fingerprint as people compare it."""
    sha256 = fingerprint(certificate).upper()
    return ":".join(sha256[start : start + 2] for start in range(0, len(sha256), 2))


@pytest.mark.dovecot_pop3
def test_pop3_by_a_command(tmp_path: Path, talk: Conversation) -> None:
    with Dovecot(tmp_path / "dovecot", pop3=True) as dovecot:
        person(talk, "test-1@example.org")
        servers(talk, dovecot, "test-1", pop3=True)
        talk.ask("[1]", "2")
        talk.ask("Command:", f"echo {dovecot.test_password}")
        talk.hear("Added example.")
        assert talk.code() == 0
    found = account(tmp_path)
    assert found.protocol is Protocol.POP3
    assert found.keep.kind is KeepKind.UNTIL_DELETED
    assert found.credential.kind is CredentialKind.COMMAND
    assert not (tmp_path / "keyring.json").exists()


def test_lines_are_only_appended(talk: Conversation) -> None:
    """For a screen reader, and for a terminal that can do nothing: no escape sequence, no line drawn over."""
    person(talk, "lisa@example.org")
    talk.hear("1 or 2 [1]")
    talk.interrupt()
    talk.code()
    assert "\x1b" not in talk.text
    assert not re.search(r"\r(?!\n)|\x08", talk.text)


def test_a_password_may_be_the_word_for_going_back(
    tmp_path: Path, talk: Conversation, dovecot_server: Dovecot, dovecot_user: str
) -> None:
    """Enter alone goes back from there instead, and the question says so."""
    person(talk, f"{dovecot_user}@example.org")
    servers(talk, dovecot_server, dovecot_user)
    talk.ask("[1]")
    talk.ask("Enter alone goes back):")
    talk.hear("How do you sign in?")
    talk.ask("[1]")
    talk.ask("Password at 127.0.0.1", "back")
    talk.hear("failed: sign-in.")


def test_back(talk: Conversation) -> None:
    """What was answered is there to be taken again."""
    talk.ask("Your e-mail address:", "lisa@example.org")
    talk.ask("Your name, as others see it:", "Lisa Example")
    talk.ask("1 or 2 [1]", "back")
    talk.ask("Your name, as others see it: [Lisa Example]", "back")
    talk.ask("Your e-mail address: [lisa@example.org]", "Back")
    talk.ask("Your e-mail address: [lisa@example.org]")
    talk.ask("Your name, as others see it: [Lisa Example]")
    talk.hear("1 or 2 [1]")


def test_terminal_of_another_encoding(talk: Conversation) -> None:
    """Letters in Latin-1 are no text: a sentence says so, and the question is there again."""
    talk.ask("Your e-mail address:", b"l\xfcsa@example.org")
    talk.hear("in another encoding than UTF-8")
    talk.ask("Your e-mail address:", "lisa@example.org")
    talk.ask("Your name, as others see it:", b"L\xfcsa")
    talk.hear("in another encoding than UTF-8")
    talk.ask("Your name, as others see it:", "Lüsa")
    talk.hear("1 or 2")


def test_password_in_another_encoding(tmp_path: Path) -> None:
    """A sentence, and nothing written, also with options."""
    options = ("work", "--email", "lisa@example.org", "--imap", "imap.example.org", "--password-stdin")
    with talk_with("FileKeyring", tmp_path, *options) as talk:
        talk.ask("Password of lisa@example.org", b"p\xe4ssword")
        talk.hear("in another encoding than UTF-8")
        assert talk.code() == 64
    assert untouched(tmp_path)


def test_wrong_answers(talk: Conversation) -> None:
    """Each is answered with a sentence, and with what was meant as the answer to take."""
    talk.ask("Your e-mail address:", "lisa")
    talk.ask("An address has an @ between the name and the domain")
    talk.ask("Your e-mail address: [lisa]", "lisa@gmial.com")
    talk.hear("Do you mean gmail.com?")
    talk.hear("The same answer again takes it as it is.")
    talk.ask("Your e-mail address: [lisa@gmail.com]")
    talk.ask("Your name, as others see it:", "Lisa")
    talk.hear("gmail.com belongs to Gmail.")
    talk.ask("1 or 2 [1]", "3")
    talk.hear("Type a number from 1 to 2.")
    talk.ask("1 or 2 [1]")
    talk.ask("How much is kept on this computer: all, so many days, or on-demand [all]", "some")
    talk.hear("Type all, on-demand or a number of days.")
    talk.ask("[all]", "ALL")
    talk.hear("Receives by imap.gmail.com, port 993, TLS; known to termmail.")
    talk.ask("Change any of that? yes or no [no]")
    talk.ask("What the account is called here: [gmail]", "my mail")
    talk.ask("What the account is called here: [my-mail]")
    talk.hear("app password")
    talk.hear("https://myaccount.google.com/apppasswords")


@pytest.mark.parametrize("step", ["address", "name", "protocol", "password", "trying"])
@pytest.mark.parametrize("end", ["^C", "kill -9"])
def test_left_at_any_question(
    tmp_path: Path, talk: Conversation, dovecot_server: Dovecot, dovecot_user: str, step: str, end: str
) -> None:
    """Nothing is half-written."""
    if step == "address":
        talk.hear("Your e-mail address:")
    elif step == "name":
        talk.ask("Your e-mail address:", "lisa@example.org")
        talk.hear("Your name, as others see it:")
    else:
        person(talk, f"{dovecot_user}@example.org")
        if step == "protocol":
            talk.hear("1 or 2 [1]")
        else:
            servers(talk, dovecot_server, dovecot_user)
            talk.ask("[1]")
            talk.hear("Password at 127.0.0.1 (it is not shown; Enter alone goes back):")
            if step == "trying":
                talk.answer("wrong")
                talk.hear("What now? [1]")
    if end == "^C":
        talk.interrupt()
        talk.hear("Stopped. Nothing was written.")
        assert talk.code() == 130
    else:
        talk.kill()
        assert talk.code() == -9
    assert untouched(tmp_path)


def test_it_needs_a_terminal(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cli = Cli(tmp_path / "home", capfdbinary)
    assert cli("account", "add") == 64
    assert "which needs a terminal" in cli.error
    assert cli("account", "add", "work") == 64
    assert "--email" in cli.error
