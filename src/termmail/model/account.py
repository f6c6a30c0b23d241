"""What the user configured: accounts, servers, identities, policies."""

from __future__ import annotations

import enum
import re

import msgspec

from termmail.model.oauth import OAuthProvider


class Security(enum.Enum):
    """How a connection is protected (RFC 8314). NONE is accepted for loopback only."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Protocol(enum.Enum):
    """How an account receives mail."""

    IMAP = "imap"
    POP3 = "pop3"


class CredentialKind(enum.Enum):
    """Where an account's password comes from. SESSION: asked for each time, kept in memory only.

    Two give an OAuth 2 access token in its place: OAUTH2 by a sign-in in the browser, whose refresh token is kept in the keyring,
    and TOKEN_COMMAND by a command that prints one.
    """

    KEYRING = "keyring"
    COMMAND = "command"
    SESSION = "session"
    OAUTH2 = "oauth2"
    TOKEN_COMMAND = "token-command"


class Server(msgspec.Struct, frozen=True):
    """One server of an account. `pin_sha256` is the fingerprint of the one certificate that is accepted from it, lower-case hex, or
    empty for any that this computer trusts."""

    host: str
    port: int
    security: Security = Security.TLS
    pin_sha256: str = ""


def normal_fingerprint(text: str) -> str | None:
    """A SHA-256 fingerprint as other programs show it, in our form: 64 lower-case hexadecimal digits; None where it is none."""
    plain = re.sub(r"[:\s]", "", text.lower().removeprefix("sha256"))
    return plain if re.fullmatch(r"(?:[0-9a-f]{64})?", plain) else None


class Credential(msgspec.Struct, frozen=True):
    """How to get the password; never the password itself (C2). `command` is a shell command line for COMMAND and TOKEN_COMMAND,
    `provider` who is signed in with for OAUTH2."""

    kind: CredentialKind = CredentialKind.KEYRING
    command: str = ""
    provider: OAuthProvider | None = None


class Identity(msgspec.Struct, frozen=True):
    """A From name and address, and the signature that goes below what is written under them (plain text, may be empty)."""

    name: str
    address: str
    signature: str = ""


class SentCopy(enum.Enum):
    """Who puts a copy of sent mail into the Sent mailbox. AUTO: the server where it is known to do so itself, else termmail (O10)."""

    AUTO = "auto"
    TERMMAIL = "termmail"
    SERVER = "server"


class OfflineKind(enum.Enum):
    ALL = "all"
    DAYS = "days"
    ON_DEMAND = "on-demand"


class OfflinePolicy(msgspec.Struct, frozen=True):
    """Which bodies are kept here: all, those received in the last `days` days, or those opened."""

    kind: OfflineKind = OfflineKind.ALL
    days: int = 0


class KeepKind(enum.Enum):
    FOREVER = "forever"
    DAYS = "days"
    UNTIL_DELETED = "until-deleted"
    NONE = "none"


class KeepPolicy(msgspec.Struct, frozen=True):
    """How long mail that POP3 downloaded stays on the server: for ever, `days` days, until it is deleted here, or not at all."""

    kind: KeepKind = KeepKind.FOREVER
    days: int = 0


class Account(msgspec.Struct, frozen=True):
    """One account as configured in config.toml. `name` is its key there and in the store.

    `incoming` is the IMAP or POP3 server as `protocol` says. `user` signs in at both servers. `ca_file` is a PEM file
    with a private authority, `proxy` the URL of a proxy that all its connections go through; both may be empty. `offline` is for
    IMAP, `keep` for POP3. `connections` caps the connections open at once (T15).
    `colour` is one of Textual's colour names, or empty for one chosen by position. One that is not `enabled` keeps its settings
    and its mail here, is not connected to and not listed. `authserv_id` is the name under which its provider writes
    Authentication-Results (RFC 8601), empty where it is to be known by the incoming server's domain.
    """

    name: str
    email: str
    protocol: Protocol
    incoming: Server
    smtp: Server | None
    user: str
    full_name: str = ""
    credential: Credential = Credential()
    ca_file: str = ""
    offline: OfflinePolicy = OfflinePolicy()
    keep: KeepPolicy = KeepPolicy()
    connections: int = 3
    colour: str = ""
    identities: tuple[Identity, ...] = ()
    signature: str = ""
    sent_copy: SentCopy = SentCopy.AUTO
    enabled: bool = True
    authserv_id: str = ""
    proxy: str = ""

    @property
    def all_identities(self) -> tuple[Identity, ...]:
        """The account's own name and address first, then the others."""
        own = Identity(self.full_name, self.email, self.signature)
        return own, *(identity for identity in self.identities if identity.address.casefold() != self.email.casefold())
