"""The doctor: setups that are broken on purpose, each explained in a sentence and with what to do, and a mail to oneself and back.

`account test` and the wizard's test are the same checks without those that `thorough` adds.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keyring
import msgspec
import pytest
from keyring.backends import fail

from cli_runner import Cli
from protocols.test_pinning import fingerprint
from servers.dovecot import Dovecot
from servers.ports import free_ports
from servers.postfix import Postfix
from servers.private_network import AUTOCONFIG, DOMAIN, autoconfig, private_network
from servers.proxy import Proxy
from servers.scripted import Conversation, ScriptedServer
from servers.smtp_sink import SmtpSink
from servers.submissiond import Submissiond
from servers.tls import Authority
from servers.web_server import Answer
from termmail.accounts import credentials
from termmail.model.account import Account, Credential, CredentialKind, Protocol, Security, Server
from termmail.model.errors import PasswordRefused
from termmail.model.remote import CopiedUids, UidRange
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState
from termmail.protocols import imap
from termmail.setup import reach, there_and_back
from termmail.setup.check import check_account, fix_for_refusal
from termmail.setup.doctor import examine_account
from termmail.setup.network import Endpoint, Network

ADDRESS = f"lisa@{DOMAIN}"
NOWHERE = Network(database_url="")
"""Enough for an account whose discovery is not looked at."""


def account_at(server: Server, user: str = "test-doctor", **changes: object) -> Account:
    return msgspec.structs.replace(
        Account("lisa", ADDRESS, Protocol.IMAP, server, None, user, credential=Credential(CredentialKind.SESSION)),
        **changes,
    )


def checked(account: Account, password: str = Dovecot.test_password) -> list[Check]:
    """The steps as they went, those under way left out."""
    checks = check_account(account, lambda: Secret(password), thorough=True)
    return [check for check in checks if check.state is not CheckState.RUNNING]


def failed(checks: list[Check]) -> Check:
    """The one step that failed."""
    (found,) = [check for check in checks if not check.ok]
    assert found.sentence.endswith((".", "”."))
    return found


def named(checks: list[Check], name: str, part: CheckPart = CheckPart.RECEIVING) -> Check:
    (found,) = [check for check in checks if check.name == name and check.part is part]
    return found


def test_all_is_well(dovecot_server: Dovecot, dovecot_user: str, authority: Authority) -> None:
    account = account_at(Server("localhost", dovecot_server.tls_port), dovecot_user, ca_file=str(authority.ca))
    checks = checked(account)
    assert [check.name for check in checks] == [
        "password",
        "server name",
        "connection",
        "encryption",
        "sign-in",
        "capabilities",
        "mailboxes",
        "roles",
        "room",
    ]
    assert {check.state for check in checks} <= {CheckState.OK, CheckState.SKIPPED}
    assert "QRESYNC, MOVE" in named(checks, "capabilities").sentence
    assert "SCRAM-SHA-256" in named(checks, "capabilities").sentence


# Broken on purpose


def test_name_that_is_wrong() -> None:
    found = failed(checked(account_at(Server("imap.example.invalid", 993))))
    assert (found.name, found.cause) == ("server name", CheckCause.NAME)
    assert "imap.example.invalid was not found" in found.sentence


def test_port_that_is_closed(authority: Authority) -> None:
    (port,) = free_ports(1)
    found = failed(checked(account_at(Server("127.0.0.1", port))))
    assert (found.name, found.cause, found.later) == ("connection", CheckCause.UNREACHABLE, True)
    assert f"takes no connections on port {port}" in found.sentence
    assert "993 with tls" in found.fix


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_port_of_another_service(tmp_path: Path, authority: Authority, protocol: Protocol, security: Security) -> None:
    """With either kind of TLS, and also where the kind is wrong too."""
    with Dovecot(tmp_path, authority=authority, pop3=True) as server:
        imap, pop3 = (server.tls_port, server.port), (server.pop3_tls_port, server.pop3_port)
        mine, other = ("IMAP", "POP3") if protocol is Protocol.IMAP else ("POP3", "IMAP")
        for port in pop3 if protocol is Protocol.IMAP else imap:
            account = account_at(Server("localhost", port, security), ca_file=str(authority.ca), protocol=protocol)
            found = failed(checked(account))
            assert (found.name, found.cause) == ("connection", CheckCause.OTHER_SERVICE)
            assert found.sentence == f"Port {port} of localhost speaks {other}, not {mine}."
            assert f"{mine}'s ports are" in found.fix


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"220 mx.example.test ESMTP\r\n"])
def test_port_of_something_else(greeting: bytes) -> None:
    def greet(talk: Conversation) -> None:
        talk.send(greeting)
        talk.wait_closed()

    with ScriptedServer(greet) as server:
        found = failed(checked(account_at(Server("127.0.0.1", server.port, Security.STARTTLS))))
    assert found.cause is CheckCause.OTHER_SERVICE
    assert ("SSH" if greeting.startswith(b"SSH") else "SMTP") in found.sentence


@pytest.mark.parametrize(("security", "right"), [(Security.TLS, "starttls"), (Security.STARTTLS, "tls")])
def test_the_other_kind_of_tls(
    dovecot_server: Dovecot, dovecot_user: str, authority: Authority, security: Security, right: str
) -> None:
    """The way that works is found, and the command for it is right."""
    port = dovecot_server.port if right == "starttls" else dovecot_server.tls_port
    account = account_at(Server("localhost", port, security), dovecot_user, ca_file=str(authority.ca))
    found = failed(checked(account))
    assert (found.name, found.cause) == ("encryption", CheckCause.ENCRYPTION)
    assert f"expects {right} on port {port}" in found.sentence
    assert found.fix == "Change that in the account's settings."
    assert found.command == f"termmail account edit lisa --imap-security {right} --imap localhost:{port}"


@pytest.mark.dovecot
@pytest.mark.parametrize(
    ("certificate", "words"),
    [("expired", "has expired"), ("wrong_host", "is for another host"), ("self_signed_expired", "signed by itself")],
)
def test_certificate_that_cannot_be_clicked_away(
    tmp_path: Path, authority: Authority, certificate: str, words: str
) -> None:
    """T2: nothing but a self-signed certificate that is good otherwise can be pinned."""
    with Dovecot(tmp_path, authority=authority, certificate=getattr(authority, certificate)) as server:
        found = failed(checked(account_at(Server("localhost", server.tls_port), ca_file=str(authority.ca))))
    assert (found.name, found.cause) == ("encryption", CheckCause.CERTIFICATE)
    assert words in found.sentence
    assert "--imap-pin" not in found.fix
    assert found.certificate is None or not found.certificate.pinnable


@pytest.mark.dovecot
def test_self_signed_certificate(tmp_path: Path, authority: Authority) -> None:
    """Its fingerprint is shown; with the pin all is well; when the certificate changes it is refused again."""
    with Dovecot(tmp_path, authority=authority, certificate=authority.self_signed) as server:
        account = account_at(Server("localhost", server.tls_port))
        found = failed(checked(account))
        pin = fingerprint(authority.self_signed)
        assert found.certificate is not None
        assert found.certificate.pinnable
        assert found.certificate.fingerprint in found.fix
        assert found.command.endswith(f"--imap-pin {pin}")
        pinned = msgspec.structs.replace(account, incoming=msgspec.structs.replace(account.incoming, pin_sha256=pin))
        checks = checked(pinned)
        assert all(check.ok for check in checks)
        assert "the one that is pinned" in named(checks, "encryption").sentence
        server.stop()
        server.certificate = authority.self_signed_wrong_host
        server.start()
        found = failed(checked(pinned))
        assert "not the one that was pinned" in found.sentence
        assert found.cause is CheckCause.CERTIFICATE


def test_starttls_that_is_refused() -> None:
    """Nothing secret is sent, and no way without TLS is offered."""

    def refuse(talk: Conversation) -> None:
        talk.send(b"* OK hello\r\n")
        while True:
            talk.read_line()
            talk.send(b"$TAG NO not here\r\n")

    with ScriptedServer(refuse) as server:
        found = failed(checked(account_at(Server("127.0.0.1", server.port, Security.STARTTLS))))
        assert Dovecot.test_password.encode() not in server.received
    assert (found.name, found.cause) == ("encryption", CheckCause.ENCRYPTION)
    assert "refuses encryption (STARTTLS)" in found.sentence
    assert "993 with tls" in found.fix
    assert "none" not in found.fix


@pytest.mark.dovecot
@pytest.mark.submissiond
def test_wrong_password(tmp_path: Path, authority: Authority) -> None:
    """T13: it is tried once, and not at the other server; and it is in no sentence."""
    with SmtpSink() as sink, Submissiond(tmp_path, relay_port=sink.port, authority=authority) as server:
        account = account_at(
            Server("localhost", server.tls_port),
            ADDRESS,
            ca_file=str(authority.ca),
            smtp=Server("localhost", server.submissions_port),
        )
        checks = checked(account, "hunter2")
        found = failed(checks)
        assert (found.name, found.cause) == ("sign-in", CheckCause.PASSWORD)
        assert not [check for check in checks if check.part is CheckPart.SENDING]
        assert "hunter2" not in repr(checks)
        assert found.fix == "Type it again. Some servers want the name before the @ alone, lisa."
        assert found.command == "termmail account edit lisa --user lisa"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("imap.gmail.com", "https://myaccount.google.com/apppasswords"),
        ("imap.fastmail.com", "https://app.fastmail.com/settings/security"),
        ("imap.qq.com", "authorization code"),
        ("imap.gmx.net", "IMAP and POP3 are off until you allow them"),
    ],
)
def test_wrong_password_at_a_known_provider(host: str, words: str) -> None:
    """Where its app passwords are made, or what has to be switched on."""
    account = account_at(Server(host, 993))
    assert words in fix_for_refusal(account, account.incoming, PasswordRefused("No.")).sentence


@pytest.mark.dovecot
def test_mailboxes_that_are_missing(tmp_path: Path, authority: Authority) -> None:
    with Dovecot(tmp_path, authority=authority, special=("Drafts", "Trash")) as server:
        checks = checked(account_at(Server("localhost", server.tls_port), ca_file=str(authority.ca)))
    found = named(checks, "roles")
    assert found.state is CheckState.WARNING
    assert found.sentence == "There is no mailbox for sent mail and junk and the archive."
    assert "termmail mailbox create Sent -a lisa" in found.command


QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=100k
}
"""


@pytest.mark.dovecot
@pytest.mark.parametrize(
    ("messages", "state", "words"),
    [
        (1, CheckState.OK, "of 0 MB are used"),
        (95, CheckState.WARNING, "nearly full"),
        (120, CheckState.FAILED, "is full"),
    ],
)
def test_room(tmp_path: Path, authority: Authority, messages: int, state: CheckState, words: str) -> None:
    with Dovecot(tmp_path, authority=authority, extra=QUOTA) as server:
        server.make("test-doctor", "INBOX", [b"Subject: x\n\n" + b"x" * 1011 + b"\n"] * messages)
        checks = checked(account_at(Server("localhost", server.tls_port), ca_file=str(authority.ca)))
    found = named(checks, "room")
    assert found.state is state
    assert words in found.sentence
    if state is CheckState.FAILED:
        assert "empty Trash and Junk" in found.fix
        assert found.command == "termmail empty trash -a lisa --yes"


def test_slow_server(dovecot_server: Dovecot, dovecot_user: str, authority: Authority) -> None:
    """It works, and that it is slow is said."""
    with Proxy("127.0.0.1", dovecot_server.tls_port, delay=0.8) as slow:
        checks = checked(account_at(Server("localhost", slow.port), dovecot_user, ca_file=str(authority.ca)))
    found = named(checks, "connection")
    assert found.state is CheckState.WARNING
    assert re.search(r"took \d+ seconds", found.sentence)
    assert all(check.ok for check in checks)


def test_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_SECONDS", 1.0)

    def nothing(talk: Conversation) -> None:
        talk.wait_closed(30)

    with ScriptedServer(nothing) as server:
        found = failed(checked(account_at(Server("127.0.0.1", server.port))))
    assert (found.name, found.cause) == ("connection", CheckCause.UNREACHABLE)
    assert "did not answer in time" in found.sentence


@pytest.mark.parametrize(
    ("protocol", "greeting"), [(Protocol.IMAP, b"* BYE too many\r\n"), (Protocol.POP3, b"-ERR [SYS/TEMP] busy\r\n")]
)
def test_server_that_takes_nobody(protocol: Protocol, greeting: bytes) -> None:
    with ScriptedServer(lambda talk: talk.send(greeting)) as server:
        account = account_at(Server("127.0.0.1", server.port, Security.NONE), protocol=protocol)
        found = failed(checked(account))
    assert (found.name, found.cause, found.later) == ("connection", CheckCause.UNREACHABLE, True)
    assert found.sentence == "127.0.0.1 takes no connections at the moment. Try again later."


def test_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: the other ways are named."""
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        account = account_at(Server("localhost", 993), credential=Credential(CredentialKind.KEYRING))
        (only,) = [
            check
            for check in check_account(account, lambda: credentials.password(account))
            if check.state is not CheckState.RUNNING
        ]
    finally:
        keyring.set_keyring(before)
    assert only.cause is CheckCause.NO_PASSWORD
    assert "no keyring" in only.sentence
    assert "--password-command" in only.command


@contextmanager
def postfix_beside_dovecot(tmp_path: Path, authority: Authority, extra: str) -> Iterator[Account]:
    """An account that receives from a Dovecot and sends by a Postfix with an odd configuration."""
    with (
        SmtpSink() as sink,
        Submissiond(tmp_path, relay_port=sink.port, authority=authority) as dovecot,
        Postfix(certificate=authority.good, auth_port=dovecot.auth_port, relay_port=sink.port, extra=extra) as postfix,
    ):
        yield account_at(
            Server("localhost", dovecot.tls_port), ca_file=str(authority.ca), smtp=Server("localhost", postfix.tls_port)
        )
        assert sink.taken == []


@pytest.mark.dovecot
@pytest.mark.submissiond
@pytest.mark.postfix
def test_postfix_that_takes_it(tmp_path: Path, authority: Authority) -> None:
    """Nothing is sent."""
    with postfix_beside_dovecot(tmp_path, authority, "") as account:
        checks = checked(account)
    assert all(check.ok for check in checks)
    assert "2 MB" in named(checks, "sending", CheckPart.SENDING).sentence


@pytest.mark.dovecot
@pytest.mark.submissiond
@pytest.mark.postfix
def test_sender_that_is_refused(tmp_path: Path, authority: Authority) -> None:
    refusing = (
        f"smtpd_sender_restrictions = check_sender_access inline:{{ {{ {ADDRESS} = 553 5.7.1 not your address }} }}"
    )
    with postfix_beside_dovecot(tmp_path, authority, refusing) as account:
        found = failed(checked(account))
    assert (found.name, found.part, found.cause) == ("sending", CheckPart.SENDING, CheckCause.REFUSED)
    assert "not your address" in found.sentence
    assert found.command == "termmail account edit lisa --email ADDRESS"


@pytest.mark.dovecot
@pytest.mark.submissiond
@pytest.mark.postfix
def test_submission_without_sign_in(tmp_path: Path, authority: Authority) -> None:
    with postfix_beside_dovecot(tmp_path, authority, "smtpd_sasl_auth_enable = no") as account:
        found = failed(checked(account))
    assert (found.name, found.part, found.cause) == ("sign-in", CheckPart.SENDING, CheckCause.SIGN_IN)
    assert "offers no way to sign in" in found.sentence
    assert "465 with tls" in found.fix


def test_receiving_that_fails_leaves_sending_to_be_looked_at(authority: Authority) -> None:
    """They are two servers: each is explained."""
    (port,) = free_ports(1)
    with SmtpSink() as sink:
        checks = checked(
            account_at(Server("127.0.0.1", port), smtp=Server("127.0.0.1", sink.port, Security.NONE)), "secret"
        )
    assert failed(checks).part is CheckPart.RECEIVING
    assert named(checks, "sending", CheckPart.SENDING).ok


# Settings that others publish


def test_settings_that_are_published(authority: Authority, dovecot_server: Dovecot, dovecot_user: str) -> None:
    here = f"imap localhost {dovecot_server.tls_port} SSL"
    account = account_at(Server("localhost", dovecot_server.tls_port), dovecot_user, ca_file=str(authority.ca))
    elsewhere = autoconfig(f"imap imap.{DOMAIN} 993 SSL")
    cases: tuple[tuple[dict[str, Answer], CheckState, str], ...] = (
        ({AUTOCONFIG: (200, {}, autoconfig(here))}, CheckState.OK, "Example Mail publishes"),
        ({AUTOCONFIG: (200, {}, elsewhere)}, CheckState.WARNING, f"imap imap.{DOMAIN}:993, not localhost:"),
        ({}, CheckState.SKIPPED, "Nobody publishes"),
    )
    for files, state, words in cases:
        with private_network(authority, https=files) as there:
            checks = list(examine_account(account, lambda: Secret(Dovecot.test_password), network=there.network))
        found = next(check for check in checks if check.name == "discovery" and check.state is not CheckState.RUNNING)
        assert found.state is state
        assert words in found.sentence
        assert all(check.ok for check in checks)


def test_published_settings_without_a_network(authority: Authority) -> None:
    """That nobody could be asked is not that nobody publishes any."""
    (silent, closed) = free_ports(2)
    network = Network(
        nameservers=(Endpoint("127.0.0.1", silent),),
        database_url="",
        connect_to={"*:443": Endpoint("127.0.0.1", closed), "*:80": Endpoint("127.0.0.1", closed)},
    )
    account = account_at(Server("127.0.0.1", closed))
    checks = list(examine_account(account, lambda: Secret("secret"), network=network))
    found = next(check for check in checks if check.name == "discovery" and check.state is not CheckState.RUNNING)
    assert found.state is CheckState.SKIPPED
    assert "No name server answered for" in found.sentence


# There and back


@contextmanager
def mail_home(
    tmp_path: Path, authority: Authority, *, mailbox: str = "INBOX", protocol: Protocol = Protocol.IMAP
) -> Iterator[Account]:
    """An account whose mail goes by a Dovecot's submission and a relay into a mailbox, or with `mailbox` "" nowhere.

    With POP3 it is sent in the clear on this computer. At the end it must have been one mail, and be deleted.
    """
    user = "test-doctor"
    pop3 = protocol is Protocol.POP3
    with SmtpSink() as sink:
        dovecot: Dovecot = (
            Dovecot(tmp_path, authority=authority, pop3=True)
            if pop3
            else Submissiond(tmp_path, relay_port=sink.port, authority=authority)
        )
        with dovecot as server, delivering(sink, server, user, mailbox):
            yield account_at(
                Server("localhost", server.pop3_tls_port if pop3 else server.tls_port),
                user,
                protocol=protocol,
                ca_file=str(authority.ca),
                smtp=Server("localhost", server.submissions_port)
                if isinstance(server, Submissiond)
                else Server("127.0.0.1", sink.port, Security.NONE),
            )
            assert [message.recipients for message in sink.taken] == [(ADDRESS,)]
            assert not any(server.state(user).values())


@contextmanager
def delivering(sink: SmtpSink, server: Dovecot, user: str, mailbox: str) -> Iterator[None]:
    """What the sink takes is put into a mailbox."""
    stopped = threading.Event()

    def deliver() -> None:
        done = 0
        while not stopped.wait(0.05):
            for message in sink.taken[done:]:
                done += 1
                if mailbox:
                    server.doveadm("save", "-u", user, "-m", mailbox, stdin=message.data)

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def last_of(account: Account, seconds: float = 60.0) -> Check:
    checks = list(
        examine_account(account, lambda: Secret(Dovecot.test_password), network=NOWHERE, round_trip_seconds=seconds)
    )
    assert checks[-1].name == "there and back", checks[-1]
    return checks[-1]


@pytest.mark.dovecot
@pytest.mark.submissiond
def test_there_and_back(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is deleted by way of Trash, since elsewhere Gmail's expunge only archives; at the end it is nowhere."""
    moved: list[bytes] = []
    move = imap.ImapSession.move

    def watched(session: imap.ImapSession, uids: Sequence[UidRange], wire_name: bytes) -> CopiedUids:
        moved.append(wire_name)
        return move(session, uids, wire_name)

    monkeypatch.setattr(imap.ImapSession, "move", watched)
    with mail_home(tmp_path, authority) as account:
        found = last_of(account)
    assert moved == [b"Trash"]
    assert found.state is CheckState.OK
    assert re.search(r"was back after \d+\.\d seconds, and is deleted again", found.sentence)


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
def test_there_and_back_by_pop3(tmp_path: Path, authority: Authority) -> None:
    with mail_home(tmp_path, authority, protocol=Protocol.POP3) as account:
        assert last_of(account).state is CheckState.OK


@pytest.mark.dovecot
@pytest.mark.submissiond
def test_back_into_junk(tmp_path: Path, authority: Authority) -> None:
    with mail_home(tmp_path, authority, mailbox="Junk") as account:
        found = last_of(account)
    assert found.state is CheckState.WARNING
    assert "into Junk" in found.sentence


@pytest.mark.dovecot
@pytest.mark.submissiond
def test_never_back(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there_and_back, "_BETWEEN_LOOKS", 0.1)
    with mail_home(tmp_path, authority, mailbox="") as account:
        found = last_of(account, seconds=1)
    assert found.state is CheckState.FAILED
    assert "has not arrived within 1 seconds" in found.sentence
    assert "termmail doctor" in found.fix


# The command


@pytest.mark.dovecot
def test_command(
    tmp_path: Path, authority: Authority, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report has no password and no user name in it; the exit code is that of what failed first (sysexits)."""
    cli = Cli(tmp_path / "home", capfdbinary)
    monkeypatch.setenv("TERMMAIL_AUTOCONFIG_URL", "")
    with Dovecot(tmp_path / "dovecot", authority=authority, users={ADDRESS: "hunter2"}) as server, SmtpSink() as sink:
        for name, port in (("good", server.tls_port), ("bad", server.pop3_port)):
            cli.ok(
                *("account", "add", name, "--email", ADDRESS, "--imap", f"localhost:{port}", "--password-command"),
                *(
                    "echo hunter2",
                    "--ca-file",
                    str(authority.ca),
                    "--smtp",
                    f"127.0.0.1:{sink.port}",
                    "--smtp-security",
                    "none",
                ),
            )
        report = cli.ok("doctor", "good", "--no-mail")
        assert sink.taken == []
        assert report.startswith("termmail ")
        assert f"accepted l…@{DOMAIN}" in report
        assert "ok       sending: " in report
        assert cli("doctor", "--no-mail") == 75
        report += cli.output.decode()
        assert "failed   connection: " in report
        for secret in ("hunter2", "lisa"):
            assert secret not in report
        assert cli("doctor", "bad", "--json", "--no-mail") == 75
        steps = cli.json_output()
        assert {step["account"] for step in steps} == {"bad"}
        assert [step["name"] for step in steps if not step["ok"]] == ["connection"]
        assert cli("doctor", "good", "--password-stdin", "--no-mail", stdin=b"wrong\n") == 77
        assert cli("doctor", "--password-stdin") == 64
        assert cli("doctor", "nobody") == 66
