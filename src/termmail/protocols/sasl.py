"""SASL mechanisms (RFC 4422): PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, and those with an OAuth 2 token; with T12's rules."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Callable, Set

from termmail.model.secret import AccessToken, Secret
from termmail.protocols.mechanism import BadChallenge, Mechanism
from termmail.protocols.token_mechanisms import OAuthBearer, XOAuth2

MAX_ITERATIONS = 600_000
"""More than that a server may not ask of us: it would be a way to stop us (T12)."""

_IN_TABLE_B1 = stringprep.in_table_b1
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Plain:
    """RFC 4616."""

    name = "PLAIN"
    proved = True
    finished = True

    def __init__(self, user: str, password: Secret) -> None:
        self._user = user
        self._password = password

    @property
    def initial(self) -> bytes | None:
        return f"\0{self._user}\0{self._password.reveal()}".encode()

    def respond(self, challenge: bytes) -> bytes:
        raise BadChallenge("PLAIN has one step")


class Login:
    """draft-murchison-sasl-login: the server asks for the user, then for the password."""

    name = "LOGIN"
    initial = None

    def __init__(self, user: str, password: Secret) -> None:
        self._user = user
        self._password = password
        self._step = 0

    @property
    def proved(self) -> bool:
        return self._step >= 2

    @property
    def finished(self) -> bool:
        return self._step == 2

    def respond(self, challenge: bytes) -> bytes:
        self._step += 1
        if self._step == 1:
            return self._user.encode()
        if self._step == 2:
            return self._password.reveal().encode()
        raise BadChallenge("LOGIN has two steps")


class CramMd5:
    """RFC 2195."""

    name = "CRAM-MD5"
    initial = None

    def __init__(self, user: str, password: Secret) -> None:
        self._user = user
        self._password = password
        self.proved = False

    @property
    def finished(self) -> bool:
        return self.proved

    def respond(self, challenge: bytes) -> bytes:
        if self.proved or not challenge:
            raise BadChallenge("CRAM-MD5 has one challenge")
        self.proved = True
        digest = hmac.new(self._password.reveal().encode(), challenge, "md5").hexdigest()
        return f"{self._user} {digest}".encode()


class ScramSha256:
    """RFC 5802 and RFC 7677, without channel binding."""

    name = "SCRAM-SHA-256"

    def __init__(self, user: str, password: Secret, nonce: str = "") -> None:
        self._user = _prepared(user)
        self._password = password
        self._nonce = nonce or secrets.token_urlsafe(24)
        self._step = 0
        self._server_signature = b""

    @property
    def initial(self) -> bytes | None:
        return b"n,," + self._first_bare

    @property
    def proved(self) -> bool:
        return self._step >= 1

    @property
    def finished(self) -> bool:
        return self._step == 2

    @property
    def _first_bare(self) -> bytes:
        name = self._user.replace("=", "=3D").replace(",", "=2C")
        return f"n={name},r={self._nonce}".encode()

    def respond(self, challenge: bytes) -> bytes:
        if self._step == 0:
            answer = self._prove(challenge)
        elif self._step == 1:
            answer = self._check_server(challenge)
        else:
            raise BadChallenge("SCRAM has two challenges")
        self._step += 1
        return answer

    def _prove(self, challenge: bytes) -> bytes:
        fields = _fields(challenge)
        if "m" in fields:
            raise BadChallenge("the server asks for an extension of SCRAM that is not known")
        nonce = fields.get("r", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise BadChallenge("the server's nonce does not begin with ours")
        try:
            salt = base64.b64decode(fields["s"], validate=True)
            iterations = int(fields["i"]) if len(fields["i"]) < 10 else MAX_ITERATIONS + 1
        except (KeyError, ValueError) as error:
            raise BadChallenge("the first challenge of SCRAM can't be read") from error
        if not salt or iterations < 1:
            raise BadChallenge("the first challenge of SCRAM has no salt or no iterations")
        if iterations > MAX_ITERATIONS:
            raise BadChallenge(f"the server asks for more than {MAX_ITERATIONS} iterations")
        password = _prepared(self._password.reveal()).encode()
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored_key = hashlib.sha256(client_key).digest()
        without_proof = f"c=biws,r={nonce}".encode()
        message = b",".join((self._first_bare, challenge, without_proof))
        signature = hmac.digest(stored_key, message, "sha256")
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self._server_signature = hmac.digest(server_key, message, "sha256")
        proof = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        return without_proof + b",p=" + base64.b64encode(proof)

    def _check_server(self, challenge: bytes) -> bytes:
        try:
            theirs = base64.b64decode(_fields(challenge).get("v", ""), validate=True)
        except binascii.Error as error:
            raise BadChallenge("the server's signature can't be read") from error
        if not hmac.compare_digest(theirs, self._server_signature):
            raise BadChallenge("the server's signature is wrong: it does not know the password")
        return b""


def choose(offered: Set[str], secret: Secret) -> list[Callable[[str, Secret], Mechanism]]:
    """The mechanisms to try, best first, of those offered (in capitals): for an access token those of OAuth 2 and no other.

    A second one is for a server that refuses the first before anything of the password was sent, never for a refused
    password. CRAM-MD5 is taken only where no other is offered, so never after another (T12).
    """
    if isinstance(secret, AccessToken):
        return [make for make in (OAuthBearer, XOAuth2) if make.name in offered]
    good: list[tuple[str, Callable[[str, Secret], Mechanism]]] = [
        ("SCRAM-SHA-256", ScramSha256),
        ("PLAIN", Plain),
        ("LOGIN", Login),
    ]
    chosen = [make for name, make in good if name in offered]
    if not chosen and "CRAM-MD5" in offered:
        return [CramMd5]
    return chosen


def _fields(challenge: bytes) -> dict[str, str]:
    try:
        text = challenge.decode()
    except UnicodeDecodeError as error:
        raise BadChallenge("the challenge is not UTF-8") from error
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name in fields:
            raise BadChallenge("the challenge of SCRAM can't be read")
        fields[name] = value
    return fields


def _prepared(text: str) -> str:
    """SASLprep (RFC 4013); what it prohibits goes as it is, as most servers store it."""
    if text.isascii():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character for character in text if not _IN_TABLE_B1(character)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(prohibited(character) for character in normal for prohibited in _PROHIBITED):
        return text
    return normal
