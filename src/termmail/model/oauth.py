"""OAuth 2: who may be signed in with, and what a sign-in yields (RFC 6749, RFC 8628)."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.secret import AccessToken, Secret


class ClientAuthentication(enum.Enum):
    """How the program shows its client id, and its secret if it has one, to the token endpoint (RFC 6749 §2.3.1)."""

    NONE = "none"
    POST = "client_secret_post"
    BASIC = "client_secret_basic"


class OAuthProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Who lets termmail sign in for a person, and as which client.

    `name` is the word in config.toml, `label` the one for people. `issuer` is its identifier (RFC 8414), or empty where it is
    not fixed; where the URLs of the endpoints are empty, they are looked up there. `device_url` stays empty where mail can't be
    had by device code. `redirect_host` is the name of this computer in the redirect. `extra` is sent along when a person is
    asked. `names_issuer` says that it names itself in each redirect (RFC 9207). `client_id` is empty until the user has one:
    `client_page` is where it is made, and `client_advice` says what to choose there.
    """

    name: str
    label: str
    client_id: str = ""
    client_secret: Secret = Secret("")
    issuer: str = ""
    authorization_url: str = ""
    token_url: str = ""
    device_url: str = ""
    scopes: tuple[str, ...] = ()
    redirect_host: str = "127.0.0.1"
    extra: tuple[tuple[str, str], ...] = ()
    client_authentication: ClientAuthentication = ClientAuthentication.POST
    names_issuer: bool = False
    client_page: str = ""
    client_advice: str = ""


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a person types on another device: `user_code` at `url`. `complete_url` holds the code already, or is empty.

    `expires_in` and `interval` are seconds. `device_code` is this program's half, which is asked with.
    """

    url: str
    user_code: str
    device_code: Secret
    expires_in: float
    interval: float
    complete_url: str = ""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a sign-in or a refresh yields. `refresh` is None where the server gave none; `lifetime` is how many seconds `access` is
    good for, counted from the request."""

    access: AccessToken
    refresh: Secret | None
    lifetime: float


class SignInPage(msgspec.Struct, frozen=True, tag=True):
    """The page to open in the browser, whose end termmail waits for."""

    url: str


class AddressRefused(msgspec.Struct, frozen=True, tag=True):
    """An address that was pasted is not that at which the sign-in ends; the wait goes on."""

    sentence: str
