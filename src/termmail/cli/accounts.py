"""`account add|list|show|test|edit|remove`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from termmail.accounts import credentials, saving
from termmail.accounts.account_tables import ACCOUNT_NAME, default_port
from termmail.cli.arguments import Fingerprint, HostPort, HostPortOrNone, Keep, Offline, ProxyUrl
from termmail.cli.checks import say_checks
from termmail.cli.completions import complete_account
from termmail.cli.output import columns, local_time, note, say, say_json
from termmail.cli.passwords import ask_password, read_password
from termmail.cli.session import NO_ACCOUNT, Session, existing_file, json_option, no_such_account, pass_session
from termmail.cli.shapes import PASSWORD_FROM, account_shape
from termmail.cli.sign_in import sign_in
from termmail.model.account import (
    Account,
    Credential,
    CredentialKind,
    KeepKind,
    OfflineKind,
    OfflinePolicy,
    Protocol,
    Security,
    Server,
)
from termmail.model.errors import StorageFailed
from termmail.model.hosts import is_loopback
from termmail.model.oauth import OAuthProvider
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState

Command = TypeVar("Command", bound=Callable[..., Any])
Address = tuple[str, int | None]

_PROTOCOL_NAMES = {Protocol.IMAP: "IMAP", Protocol.POP3: "POP3"}
_ONLY_WITH = {
    Protocol.IMAP: ("imap", "imap_security", "imap_pin", "offline"),
    Protocol.POP3: ("pop3", "pop3_security", "pop3_pin", "keep"),
}
_WAYS = "--password-stdin, --password-command CMD, --password-ask, --oauth PROVIDER or --token-command CMD"
_SECURITY = click.Choice([security.value for security in Security])


def _settings(command: Command) -> Command:
    """The options that `add` and `edit` share."""
    for option in reversed(
        (
            click.option("--name", "full_name", metavar="NAME", help="Your name, as others see it."),
            click.option(
                "--imap", type=HostPort(), help="The IMAP server; port 993, or 143 without TLS, if none is given."
            ),
            click.option(
                "--pop3",
                type=HostPort(),
                help="Instead of --imap, the POP3 server: mail is downloaded to this computer; port 995, or 110 without TLS.",
            ),
            click.option(
                "--smtp",
                type=HostPortOrNone(),
                help="The server for sending; port 465, or 587 without TLS; none for an account that only receives.",
            ),
            click.option(
                "--imap-security", type=_SECURITY, help="tls (the default), starttls, or none on this computer."
            ),
            click.option("--pop3-security", type=_SECURITY, help="The same for the POP3 server."),
            click.option("--smtp-security", type=_SECURITY, help="The same for the server for sending."),
            click.option("--user", metavar="USER", help="The name to sign in with; without it the address."),
            click.option(
                "--password-stdin", is_flag=True, help="Read the password from standard input into the keyring."
            ),
            click.option(
                "--password-command", metavar="CMD", help="A command that prints the password, run each time."
            ),
            click.option("--password-ask", is_flag=True, help="Ask for the password each time; keep it nowhere."),
            click.option(
                "--oauth",
                metavar="PROVIDER",
                help="Sign in by OAuth 2 with google, microsoft, yahoo, or a server of the config file's [oauth] tables.",
            ),
            click.option(
                "--token-command",
                metavar="CMD",
                help="A command that prints an OAuth 2 access token, run when one is needed.",
            ),
            click.option("--ca-file", metavar="PEM", help="Trust the authority in this file too."),
            click.option(
                "--imap-pin",
                type=Fingerprint(),
                help="Accept this certificate, by its fingerprint, and no other; none for any that is trusted.",
            ),
            click.option("--pop3-pin", type=Fingerprint(), help="The same for the POP3 server."),
            click.option("--smtp-pin", type=Fingerprint(), help="The same for the server for sending."),
            click.option(
                "--proxy",
                type=ProxyUrl(),
                help="Connect through this proxy, such as socks5://127.0.0.1:1080 or http://proxy:3128; none for no longer.",
            ),
            click.option(
                "--offline",
                type=Offline(),
                metavar=Offline.name,
                help="With IMAP: which messages to keep here whole: all, so many days, or those opened.",
            ),
            click.option(
                "--keep",
                type=Keep(),
                metavar=Keep.name,
                help="With POP3: how long mail stays on the server: forever (the default), so many days, until-deleted here, or none.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group()
def account() -> None:
    """Add, show, check, change and remove accounts."""


account.add_command(sign_in)


@account.command(short_help="Add an account: with options at once, without them by questions.")
@click.argument("account_name", metavar="[NAME]", required=False)
@click.option("--email", metavar="ADDRESS", help="The account's address.")
@_settings
@json_option
@pass_session
def add(session: Session, /, account_name: str | None, email: str | None, **options: Any) -> int | None:
    """Add an account. Without NAME and options it asks, one question after the other; with them it asks nothing.

    \b
    termmail account add work --email lisa@example.org \\
        --imap imap.example.org --smtp smtp.example.org --password-stdin
    """
    if account_name is None and email is None and not any(options.values()):
        return _ask_all(session)
    if account_name is None or email is None:
        raise click.UsageError(
            "Say NAME and --email ADDRESS, or nothing at all to be asked one question after the other."
        )
    if (options["imap"] is None) == (options["pop3"] is None):
        raise click.UsageError("Say where the mail is: --imap HOST[:PORT], or --pop3 HOST[:PORT].")
    if not ACCOUNT_NAME.fullmatch(account_name):
        raise click.UsageError("NAME may have at most 64 letters, digits and . _ @ + -, the first a letter or digit.")
    if _ways(options) != 1:
        raise click.UsageError(f"Say where the password comes from: {_WAYS}.")
    protocol = Protocol.IMAP if options["pop3"] is None else Protocol.POP3
    blank = Account(account_name, email, protocol, Server("", 0), None, email, offline=OfflinePolicy())
    new = _with_options(session, blank, options)
    if session.config.account(account_name) is not None:
        raise click.UsageError(
            f'There is an account "{account_name}" already. Choose another name, or change it with `termmail account edit`.'
        )
    secret = _given_password(new, options)
    changed = saving.add_account(session.home, new, secret)
    session.intents.register_accounts(changed.accounts)
    _warn_plain(new)
    if session.as_json:
        say_json(account_shape(new))
    elif new.credential.kind is CredentialKind.OAUTH2:
        say(f"Added {account_name}. Now sign in: termmail account sign-in {account_name}")
    else:
        say(
            f"Added {account_name}. `termmail account test {account_name}` checks it, `termmail sync` fetches the mail."
        )
    return None


def _ask_all(session: Session) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("Say what to add, see --help. Without options it asks, which needs a terminal.")
    from termmail.accounts.hardening import harden
    from termmail.cli.questions import Questions

    harden()
    return Questions(session).run()


@account.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List accounts."""
    accounts = session.config.accounts
    if session.as_json:
        say_json([account_shape(known) for known in accounts])
    elif not accounts:
        note(NO_ACCOUNT)
    else:
        columns(
            [("ACCOUNT", "ADDRESS", "KIND", "SERVER", "SECURITY", "PASSWORD", "KEPT", "IN USE")]
            + [
                (
                    known.name,
                    known.email,
                    _PROTOCOL_NAMES[known.protocol],
                    _server_text(known.incoming),
                    known.incoming.security.value,
                    PASSWORD_FROM[known.credential.kind],
                    _kept_text(known),
                    "yes" if known.enabled else "no",
                )
                for known in accounts
            ]
        )


@account.command()
@click.argument("account_name", metavar="NAME", shell_complete=complete_account)
@json_option
@pass_session
def show(session: Session, account_name: str) -> None:
    """Show one account's settings and how its last connection went."""
    found = session.configured(account_name)
    if session.as_json:
        say_json(account_shape(found))
        return
    try:
        status = session.queries.account_status(found.name)
    except StorageFailed as error:
        status = None
        note(error.sentence)
    columns(
        row
        for row in (
            ("name", found.name),
            ("address", found.email),
            ("your name", found.full_name),
            (_PROTOCOL_NAMES[found.protocol], f"{_server_text(found.incoming)} ({found.incoming.security.value})"),
            ("SMTP", "" if found.smtp is None else f"{_server_text(found.smtp)} ({found.smtp.security.value})"),
            ("user", found.user),
            ("password from", _password_from_text(found.credential)),
            ("authority", found.ca_file),
            ("pinned", "" if not found.incoming.pin_sha256 else f"{found.incoming.host} {found.incoming.pin_sha256}"),
            (
                "pinned",
                "" if found.smtp is None or not found.smtp.pin_sha256 else f"{found.smtp.host} {found.smtp.pin_sha256}",
            ),
            ("proxy", found.proxy),
            ("kept on the server" if found.protocol is Protocol.POP3 else "kept here", _kept_text(found)),
            ("state", _state(status) if found.enabled else "disabled"),
            ("last sync", local_time(status.synced_at) if status and status.synced_at else ""),
            ("waiting changes", str(status.pending_operations) if status and status.pending_operations else ""),
        )
        if row[1]
    )
    _warn_plain(found)


@account.command(short_help="Connect and sign in, and say how each step went.")
@click.argument("account_name", metavar="NAME", shell_complete=complete_account)
@click.option("--password-stdin", is_flag=True, help="Read the password to try from standard input; it is not kept.")
@json_option
@pass_session
def test(session: Session, account_name: str, password_stdin: bool) -> int:
    """Connect, sign in and look what is there, and say how each step went."""
    found = session.configured(account_name)
    ask_password(found, from_stdin=password_stdin)
    from termmail.setup.check import check_account

    return say_checks(session, check_account(found, lambda: credentials.password(found)))


@account.command(short_help="Change an account.")
@click.argument("account_name", metavar="NAME", shell_complete=complete_account)
@click.option("--email", metavar="ADDRESS", help="The account's address.")
@click.option(
    "--enable/--disable",
    "enabled",
    default=None,
    help="Disabled it keeps its settings and its mail here, is not connected to and not listed.",
)
@_settings
@json_option
@pass_session
def edit(session: Session, /, account_name: str, email: str | None, enabled: bool | None, **options: Any) -> None:
    """Change an account; without an option the config file opens in $EDITOR."""
    if email is None and enabled is None and not any(value not in (None, False) for value in options.values()):
        from termmail.cli.config_editor import edit_config

        edit_config(session)
        return
    before = session.configured(account_name)
    if _ways(options) > 1:
        raise click.UsageError(f"Give one of {_WAYS}.")
    after = before
    if email is not None:
        after = msgspec.structs.replace(after, email=email, user=email if before.user == before.email else before.user)
    if enabled is not None:
        after = msgspec.structs.replace(after, enabled=enabled)
    after = _with_options(session, after, options)
    secret = _given_password(after, options)
    changed, left = saving.change_account(session.home, before, after, secret)
    if left:
        note(left)
    session.intents.register_accounts(changed.accounts)
    if secret is not None:
        from termmail.engine.socket import tell_signed_in

        tell_signed_in(session.home, after.name)
    _warn_plain(after)
    if session.as_json:
        say_json(account_shape(after))
    else:
        say(f"Changed {after.name}.")
        another = credentials.keyring_name(after) != credentials.keyring_name(before)
        if after.credential.kind is CredentialKind.OAUTH2 and another:
            say(f"Now sign in: termmail account sign-in {after.name}")


@account.command()
@click.argument("account_name", metavar="NAME", shell_complete=complete_account)
@click.option("--purge", is_flag=True, help="Delete its mail from this computer too; this cannot be undone.")
@json_option
@pass_session
def remove(session: Session, account_name: str, purge: bool) -> None:
    """Remove an account from termmail. Nothing is deleted on the server.

    Its mail stays on this computer, and comes back when an account of the same name is added, unless --purge deletes it.
    """
    found = session.config.account(account_name)
    if found is None and not (purge and session.intents.has_mail(account_name)):
        raise no_such_account(account_name, [known.name for known in session.config.accounts])
    name = account_name if found is None else found.name
    waiting = len(session.queries.pending_operations(name))
    if found is not None:
        changed, left = saving.remove_account(session.home, found)
        session.intents.register_accounts(changed.accounts)
        if left:
            note(left)
    if purge:
        session.intents.purge_account(name)
    if waiting:
        note(
            ("1 change had not reached the server" if waiting == 1 else f"{waiting} changes had not reached the server")
            + (", lost now." if purge else ".")
        )
    sentence = (
        f"Removed {name} and its mail on this computer."
        if purge
        else f"Removed {name}. Its mail is still on this computer; `termmail account remove {name} --purge` deletes that too."
    )
    if purge:
        for old in sorted(session.home.data.glob(f"{session.home.database.name}.2*[0-9]")):
            note(
                f"{old}, a database that was set aside, may hold parts of its mail too. Delete it if you don't need it."
            )
    if session.as_json:
        say_json({"sentence": sentence, "purged": purge})
    else:
        say(sentence)


def _state(status: AccountStatus | None) -> str:
    if status is None or (status.state is ConnectionState.UNKNOWN and not status.sentence):
        return ""
    return status.sentence or status.state.value


def _ways(options: dict[str, Any]) -> int:
    return sum(
        bool(options[way]) for way in ("password_stdin", "password_command", "password_ask", "oauth", "token_command")
    )


def _given_password(account: Account, options: dict[str, Any]) -> Secret | None:
    if not options["password_stdin"]:
        return None
    credentials.check_keyring(account)
    return read_password(f"Password of {account.user} at {account.incoming.host}")


def _with_options(session: Session, account: Account, options: dict[str, Any]) -> Account:
    """The account with what was given; raises UsageError for a connection in the clear to another computer (T1)."""
    receiving = account.protocol.value
    for option in _ONLY_WITH[Protocol.IMAP if account.protocol is Protocol.POP3 else Protocol.POP3]:
        if options[option] is not None:
            shown = option.replace("_", "-")
            raise click.UsageError(f"--{shown} is not for a {_PROTOCOL_NAMES[account.protocol]} account.")
    credential = account.credential
    if options["password_stdin"]:
        credential = Credential(CredentialKind.KEYRING)
    elif options["password_command"]:
        credential = Credential(CredentialKind.COMMAND, options["password_command"])
    elif options["password_ask"]:
        credential = Credential(CredentialKind.SESSION)
    elif options["oauth"]:
        credential = Credential(CredentialKind.OAUTH2, provider=_provider(session, options["oauth"]))
    elif options["token_command"]:
        credential = Credential(CredentialKind.TOKEN_COMMAND, options["token_command"])
    return msgspec.structs.replace(
        account,
        full_name=account.full_name if options["full_name"] is None else options["full_name"],
        user=options["user"] or account.user,
        incoming=_pinned(_server(account.incoming, options, receiving), options, receiving) or account.incoming,
        smtp=_pinned(_server(account.smtp, options, "smtp"), options, "smtp"),
        credential=credential,
        ca_file=existing_file(options["ca_file"]) if options["ca_file"] else account.ca_file,
        proxy=account.proxy if options["proxy"] is None else options["proxy"],
        offline=options["offline"] or account.offline,
        keep=options["keep"] or account.keep,
    )


def _provider(session: Session, name: str) -> OAuthProvider:
    found = session.config.provider(name.lower()) or session.config.provider(name)
    if found is None:
        names = ", ".join(provider.name for provider in session.config.providers)
        raise click.UsageError(
            f'--oauth "{name}" is none of {names}. A server of your own needs a table [oauth.{name}] with issuer and client_id in the'
            " config file."
        )
    return found


def _pinned(server: Server | None, options: dict[str, Any], service: str) -> Server | None:
    pin: str | None = options[f"{service}_pin"]
    if pin is None:
        return server
    if server is None:
        raise click.UsageError(f"--{service}-pin needs --{service}.")
    return msgspec.structs.replace(server, pin_sha256=pin)


def _server(before: Server | None, options: dict[str, Any], service: str) -> Server | None:
    address: Address | None = options[service]
    security: str | None = options[f"{service}_security"]
    option = f"--{service}"
    if address is None and security is None:
        return before
    if address is None and before is None:
        raise click.UsageError(f"{option}-security needs {option}.")
    if address == ("", None):
        if security is not None:
            raise click.UsageError(f"{option} none has no {option}-security.")
        return None
    default = Security.TLS if before is None else before.security
    wanted = default if security is None else Security(security)
    if address is not None:
        host, port = address
    else:
        assert before is not None
        standard = before.port == default_port(service, before.security)
        host, port = before.host, None if standard else before.port
    if wanted is Security.NONE and not is_loopback(host):
        raise click.UsageError(
            f"{option}-security none would send the password in the clear; it is accepted for this computer only (localhost)."
        )
    # A pin is for one host.
    pin = before.pin_sha256 if before is not None and before.host == host else ""
    return Server(host, port or default_port(service, wanted), wanted, pin)


def _warn_plain(account: Account) -> None:
    for server in (account.incoming, account.smtp):
        if server is not None and server.security is Security.NONE:
            note(f"Insecure: the connection to {_server_text(server)} is not encrypted.")


def _server_text(server: Server) -> str:
    return f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"


def _password_from_text(credential: Credential) -> str:
    if credential.provider is not None:
        return f"OAuth 2 with {credential.provider.label}"
    return credential.command or PASSWORD_FROM[credential.kind]


def _kept_text(account: Account) -> str:
    """With IMAP what is kept here, with POP3 how long mail stays on the server."""
    if account.protocol is Protocol.POP3:
        return f"{account.keep.days} days" if account.keep.kind is KeepKind.DAYS else account.keep.kind.value
    return f"{account.offline.days} days" if account.offline.kind is OfflineKind.DAYS else account.offline.kind.value
