"""The ways to sign in, in plain words: which there are for an address, and which of them its provider accepts."""

from __future__ import annotations

import enum
import re
import sys
import urllib.parse
from collections.abc import Mapping

import msgspec

from termmail.accounts.config import Config
from termmail.accounts.oauth.settings import safe_url
from termmail.mime.safe_text import safe_text
from termmail.model.account import Account, Credential, CredentialKind
from termmail.model.oauth import OAuthProvider
from termmail.model.secret import Secret
from termmail.model.setup import ProviderNotes, SignInWay
from termmail.setup.field_checks import Remark, Weight, tidy


class Way(enum.Enum):
    """How a person signs in. BROWSER and CODE are OAuth 2, on this computer and on any other."""

    KEYRING = "keyring"
    COMMAND = "command"
    SESSION = "ask"
    BROWSER = "browser"
    CODE = "code"
    TOKEN_COMMAND = "token-command"


TITLES = {
    Way.KEYRING: "Password in the keyring",
    Way.COMMAND: "Command that prints the password",
    Way.SESSION: "Password asked each time",
    Way.BROWSER: "Sign in with the browser (OAuth 2)",
    Way.CODE: "Sign in with a code on any device (OAuth 2)",
    Way.TOKEN_COMMAND: "Command that prints an access token (OAuth 2)",
}
MEANINGS = {
    Way.KEYRING: "Typed once; kept in this system's keyring, locked when you log out.",
    Way.COMMAND: "A program such as pass prints it each time it is needed.",
    Way.SESSION: "Typed whenever termmail starts; kept in memory only.",
    Way.BROWSER: "Your provider asks for the password itself; termmail never sees it.",
    Way.CODE: "For a computer without a browser, as over SSH.",
    Way.TOKEN_COMMAND: "A program such as oama signs in and keeps the sign-in itself.",
}
TYPED = (Way.KEYRING, Way.SESSION)
COMMANDS = (Way.COMMAND, Way.TOKEN_COMMAND)
OAUTH = (Way.BROWSER, Way.CODE)
_KINDS = {
    Way.KEYRING: CredentialKind.KEYRING,
    Way.COMMAND: CredentialKind.COMMAND,
    Way.SESSION: CredentialKind.SESSION,
    Way.BROWSER: CredentialKind.OAUTH2,
    Way.CODE: CredentialKind.OAUTH2,
    Way.TOKEN_COMMAND: CredentialKind.TOKEN_COMMAND,
}
_WAYS = {kind: way for way, kind in reversed(_KINDS.items())}


class WayOffer(msgspec.Struct, frozen=True):
    """A way with what it means, and why it will not do, or empty. All safe text."""

    way: Way
    title: str
    meaning: str
    against: str = ""


def way_offers(
    notes: ProviderNotes | None, provider: OAuthProvider | None, keyring_trouble: str
) -> tuple[WayOffer, ...]:
    """The ways there are, in their order. `keyring_trouble` says why there is no keyring, or is empty."""
    found = []
    for way in Way:
        if way is Way.CODE and provider is not None and provider.client_page and not provider.device_url:
            continue
        meaning = keyring_trouble if way is Way.KEYRING and keyring_trouble else MEANINGS[way]
        found.append(WayOffer(way, TITLES[way], meaning, _against(way, notes, keyring_trouble)))
    return tuple(found)


def _against(way: Way, notes: ProviderNotes | None, keyring_trouble: str) -> str:
    if way in (Way.KEYRING, *OAUTH) and keyring_trouble:
        return "no keyring here"
    if notes is None:
        return ""
    name = safe_text(notes.name, one_line=True)
    if way in (*OAUTH, Way.TOKEN_COMMAND):
        return "" if SignInWay.OAUTH2 in notes.sign_in else f"not at {name}"
    return f"not accepted by {name}" if notes.sign_in == (SignInWay.OAUTH2,) else ""


def suggested_way(notes: ProviderNotes | None, environment: Mapping[str, str], *, keyring: bool) -> Way:
    """The way to choose first."""
    if notes is not None and notes.sign_in == (SignInWay.OAUTH2,):
        if not keyring:
            return Way.TOKEN_COMMAND
        return Way.CODE if environment.get("SSH_CONNECTION") and notes.oauth_provider == "microsoft" else Way.BROWSER
    return Way.KEYRING if keyring else Way.SESSION


def has_browser(environment: Mapping[str, str]) -> bool:
    """Whether there is a screen for a browser here: without, one of text would take the terminal."""
    return sys.platform == "darwin" or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def way_of(account: Account) -> Way:
    """The way an account signs in now."""
    return _WAYS[account.credential.kind]


def credential(way: Way, command: str, provider: OAuthProvider | None) -> Credential:
    """What the config file says of a way."""
    return Credential(_KINDS[way], tidy(command) if way in COMMANDS else "", provider if way in OAUTH else None)


def known_provider(config: Config, notes: ProviderNotes | None, before: Account | None) -> OAuthProvider | None:
    """Who is signed in with by OAuth 2: the account's own, the address's, or the only one that the config file has beside the large
    ones."""
    if before is not None and before.credential.provider is not None:
        return config.provider(before.credential.provider.name)
    if notes is not None and notes.oauth_provider:
        by_issuer = (provider for provider in config.providers if provider.issuer == notes.oauth_provider)
        return config.provider(notes.oauth_provider) or next(by_issuer, None)
    own = [provider for provider in config.providers if not provider.client_page]
    return own[0] if len(own) == 1 and notes is None else None


def own_provider(issuer: str, scopes: str = "") -> OAuthProvider:
    """A sign-in server of one's own, by its address (RFC 8414, OpenID Connect Discovery). `scopes` are words that it wants to be asked
    for, or empty for the usual ones."""
    url = tidy(issuer).rstrip("/")
    parts = urllib.parse.urlsplit(url)
    # One host may have several, as Keycloak does for each realm.
    name = re.sub(r"[^\w.-]+", "-", f"{parts.netloc.lower()}{parts.path}").strip("-.")[:64]
    return OAuthProvider(name=name, label=parts.hostname or url, issuer=url, scopes=tuple(scopes.split()))


def check_issuer(text: str) -> Remark | None:
    """The address of a sign-in server."""
    typed = tidy(text)
    if safe_url(typed):
        return None
    meant = f"https://{typed}" if typed and safe_url(f"https://{typed}") else ""
    return Remark(
        Weight.WRONG, "Type the address of the sign-in server, with https, such as https://login.example.org.", meant
    )


def check_client_id(text: str) -> Remark | None:
    """The id by which a provider knows termmail."""
    typed = tidy(text)
    if re.search(r"\s", typed) or not typed.isascii():
        meant = re.sub(r"\s", "", typed) if typed.isascii() else ""
        return Remark(Weight.WRONG, "There is a space or another character in it that no client id has.", meant)
    if typed:
        return None
    return Remark(Weight.WRONG, "Type the client id by which the sign-in server knows termmail.")


def client_notes(provider: OAuthProvider | None) -> tuple[str, ...]:
    """Where the client id is had that OAuth 2 needs; nothing where there is one. Safe text."""
    if provider is None:
        return ("A sign-in server knows programs by an id, which whoever runs it gives out.",)
    if provider.client_id or not provider.client_page:
        return ()
    return (
        f"{provider.label} knows programs by an id. {provider.client_advice}",
        f"It is made at {provider.client_page}",
    )


def with_client(provider: OAuthProvider, client_id: str, client_secret: str) -> OAuthProvider:
    """The provider with the id, and the secret if it gave one."""
    return msgspec.structs.replace(provider, client_id=tidy(client_id), client_secret=Secret(tidy(client_secret)))
