"""`account sign-in`: by the browser, by a code on another device, or with a password."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING

import click
import msgspec

from termmail.accounts import config, credentials
from termmail.cli.completions import complete_account
from termmail.cli.exit_codes import CommandError, ExitCode
from termmail.cli.output import note, say
from termmail.cli.passwords import read_password
from termmail.cli.session import Session, pass_session
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import SignInRefused
from termmail.model.oauth import OAuthProvider, Tokens
from termmail.model.secret import Secret
from termmail.setup.ways import has_browser

if TYPE_CHECKING:
    from termmail.setup.sign_in import BrowserSignIn


@click.command("sign-in", short_help="Sign in again: in the browser, by a code, or with a new password.")
@click.argument("account_name", metavar="NAME", shell_complete=complete_account)
@click.option("--code", is_flag=True, help="OAuth 2 by a code to type in a browser anywhere, as over SSH.")
@click.option(
    "--once", is_flag=True, help="Keep it in no keyring: it is given to the engine that runs, until that ends."
)
@click.option("--client-id", metavar="ID", help="The OAuth 2 client id to write into the config file first.")
@pass_session
def sign_in(session: Session, account_name: str, code: bool, once: bool, client_id: str | None) -> None:
    """Sign in to an account, the first time or again.

    With OAuth 2 the browser opens, or a code is shown. Otherwise the new password is asked for, or read from standard input.
    """
    from termmail.accounts.hardening import harden

    harden()
    account = session.configured(account_name)
    kind = account.credential.kind
    if kind is not CredentialKind.OAUTH2 and (code or client_id):
        raise click.UsageError(f"{account.name} does not sign in by OAuth 2. Change that with `account edit --oauth`.")
    if kind in (CredentialKind.COMMAND, CredentialKind.TOKEN_COMMAND):
        raise CommandError(
            f"{account.name} gets what it signs in with from a command. Run that by hand: {account.credential.command}",
            ExitCode.UNAVAILABLE,
        )
    if kind is CredentialKind.OAUTH2:
        account = _with_client_id(session, account, client_id)
        if not once:
            credentials.check_keyring(account)
        tokens = ask_for_tokens(account, by_code=code)
        if once:
            _give(session, account, credentials.remember_sign_in(account, tokens))
            return
        credentials.store_sign_in(account, tokens)
    else:
        once = once or kind is CredentialKind.SESSION
        if not once:
            credentials.check_keyring(account)
        secret = read_password(f"Password of {account.user} at {account.incoming.host}")
        if once:
            _give(session, account, secret)
            return
        credentials.store_password(account, secret)
    from termmail.engine.socket import tell_signed_in

    tell_signed_in(session.home, account.name)
    say(f"Signed in. `termmail account test {account.name}` checks it.")


def _give(session: Session, account: Account, secret: Secret) -> None:
    """What is kept in memory only has to go to a process that goes on running."""
    from termmail.engine.socket import send_password

    if not send_password(session.home, account.name, secret):
        raise CommandError(
            "No engine runs that could keep this in memory. Start termmail, or `termmail engine`, and sign in then.",
            ExitCode.UNAVAILABLE,
        )
    say(f"Signed in to {account.name} for as long as the engine runs.")


def _with_client_id(session: Session, account: Account, client_id: str | None) -> Account:
    """The account with a client id for its provider: the one there is, the one given, or one that is asked for at a terminal."""
    provider = account.credential.provider
    assert provider is not None
    if client_id is None:
        if provider.client_id or not sys.stdin.isatty():
            return account
        note(f"To sign in with {provider.label} termmail needs a client id of yours.")
        if provider.client_page:
            note(f"It is made at {provider.client_page}")
            note(provider.client_advice)
        client_id = str(click.prompt("Client id", err=True)).strip()
    secret = provider.client_secret
    if sys.stdin.isatty():
        typed = click.prompt("Client secret, empty for none", default="", show_default=False, hide_input=True, err=True)
        secret = Secret(str(typed).strip())
    changed = config.edit_provider(
        session.home, msgspec.structs.replace(provider, client_id=client_id, client_secret=secret)
    )
    found = changed.account(account.name)
    assert found is not None
    return found


def ask_for_tokens(account: Account, *, by_code: bool) -> Tokens:
    """Let the person at the terminal sign in by OAuth 2, in the browser or by a code.

    Raises SignInRefused, ConfigError, ConnectionLost, InsecureConnection.
    """
    from termmail.setup.sign_in import BrowserSignIn, DeviceSignIn, find_endpoints

    provider = account.credential.provider
    assert provider is not None
    provider = find_endpoints(provider, ca_file=account.ca_file, proxy=account.proxy)
    if by_code or (not has_browser(os.environ) and provider.device_url):
        by_device = DeviceSignIn(provider, ca_file=account.ca_file, proxy=account.proxy)
        code = by_device.begin()
        say(f"Open {code.url} in a browser, anywhere, and type this code: {code.user_code}")
        say(f"It is good for {code.expires_in / 60:.0f} minutes. Waiting …")
        return by_device.wait()
    by_browser = BrowserSignIn(provider, account.email, ca_file=account.ca_file, proxy=account.proxy)
    _show_page(by_browser.begin(), provider)
    ended = threading.Event()
    if sys.stdin.isatty():
        say("If the browser runs on another computer it ends at an address that does not open: paste that here.")
        threading.Thread(target=_read_pasted, args=(by_browser, ended), daemon=True).start()
    try:
        return by_browser.wait()
    finally:
        ended.set()


def _show_page(url: str, provider: OAuthProvider) -> None:
    import webbrowser

    if has_browser(os.environ) and webbrowser.open(url):
        say(f"The browser opens to sign in with {provider.label}. If it does not, go to:")
    else:
        say(f"To sign in with {provider.label}, open this in a browser:")
    # As it is, on a line of its own: it is copied.
    click.echo(url)


def _read_pasted(by_browser: BrowserSignIn, ended: threading.Event) -> None:
    """Lines of the terminal until one is the address. Not by `sys.stdin`, whose lock must be free when the command ends."""
    while not ended.is_set():
        if not select.select([0], [], [], 0.2)[0]:
            continue
        line = os.read(0, 16 << 10).decode("utf-8", "replace")
        if not line:
            return
        try:
            if line.strip():
                by_browser.take_address(line)
        except SignInRefused as error:
            note(error.sentence)
