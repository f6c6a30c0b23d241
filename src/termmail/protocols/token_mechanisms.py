"""Signing in with an OAuth 2 access token: OAUTHBEARER (RFC 7628) and XOAUTH2, Google's and Microsoft's, with T12's rules."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.errors import TokenRefused
from termmail.model.secret import Secret
from termmail.protocols.mechanism import BadChallenge, Mechanism


class TokenTrouble(enum.Enum):
    """What a server says is wrong: with the token, with the request around it, or with what the token is for."""

    TOKEN = "token"
    REQUEST = "request"
    SCOPE = "scope"


class _TokenMechanism:
    """The token goes first. A challenge after it is the server's JSON about what is wrong; it wants an answer before it says no."""

    name = ""
    proved = True
    _acknowledgement = b""

    def __init__(self, user: str, token: Secret) -> None:
        self._user = user
        self._token = token
        self.trouble: TokenTrouble | None = None

    @property
    def finished(self) -> bool:
        return self.trouble is None

    @property
    def initial(self) -> bytes:
        raise NotImplementedError

    def respond(self, challenge: bytes) -> bytes:
        if self.trouble is not None:
            raise BadChallenge(f"{self.name} has one challenge")
        self.trouble = _trouble(challenge)
        return self._acknowledgement


class OAuthBearer(_TokenMechanism):
    """RFC 7628. The answer to a challenge is a single ^A (§3.2.3)."""

    name = "OAUTHBEARER"
    _acknowledgement = b"\x01"

    @property
    def initial(self) -> bytes:
        user = self._user.replace("=", "=3D").replace(",", "=2C")
        return f"n,a={user},\x01auth=Bearer {self._token.reveal()}\x01\x01".encode()


class XOAuth2(_TokenMechanism):
    """https://developers.google.com/workspace/gmail/imap/xoauth2-protocol. The answer to a challenge is empty."""

    name = "XOAUTH2"

    @property
    def initial(self) -> bytes:
        return f"user={self._user}\x01auth=Bearer {self._token.reveal()}\x01\x01".encode()


def token_refused(host: str, user: str, mechanism: Mechanism, words: str, detail: str) -> TokenRefused | None:
    """The error where it was a token that the server refused; None where it was not. `words` are the server's own."""
    if not isinstance(mechanism, _TokenMechanism):
        return None
    match mechanism.trouble:
        case TokenTrouble.SCOPE:
            what = f"{host} says that the sign-in of {user} is not for mail{words}."
        case TokenTrouble.REQUEST:
            what = (
                f"{host} can't use the sign-in of {user}: it may be that of another account, or this way to the mail is switched off"
                f" there{words}."
            )
        case _:
            what = f"{host} refused the sign-in of {user}{words}."
    renewable = mechanism.trouble is not TokenTrouble.SCOPE
    return TokenRefused(what, renewable=renewable, detail=f"{mechanism.name} {detail}".strip())


def _trouble(challenge: bytes) -> TokenTrouble:
    """`status` is an HTTP status with XOAUTH2, and one of RFC 6750's error codes with OAUTHBEARER; some servers mix them up."""
    try:
        fields = msgspec.json.decode(challenge, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return TokenTrouble.TOKEN
    match str(fields.get("status", "")):
        case "400" | "invalid_request":
            return TokenTrouble.REQUEST
        case "403" | "insufficient_scope":
            return TokenTrouble.SCOPE
        case _:
            return TokenTrouble.TOKEN
