"""What setting up an account finds out: servers for an address, and how the checks of an account went."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.account import Protocol, Server


class Source(enum.Enum):
    """Where the servers of an address are looked up."""

    PROVIDERS = "providers"
    DOMAIN = "domain"
    DATABASE = "database"
    SRV = "srv"
    MX = "mx"
    PROBE = "probe"


class SourceState(enum.Enum):
    LOOKING = "looking"
    FOUND = "found"
    NOTHING = "nothing"
    FAILED = "failed"


class SourceReport(msgspec.Struct, frozen=True, tag=True):
    """How far one source of discovery is, as a sentence that is safe to show. A later one of the same source replaces it."""

    source: Source
    state: SourceState
    sentence: str


class SignInWay(enum.Enum):
    """What a provider accepts: the account's own password, one made for this program alone, or OAuth 2."""

    PASSWORD = "password"
    APP_PASSWORD = "app-password"
    OAUTH2 = "oauth2"


class ProviderNotes(msgspec.Struct, frozen=True):
    """What is to be known of a provider before signing in.

    `sign_in` has the ways it accepts, the simplest first. `app_password_url` is its own page where app passwords are made and
    `mail_settings_url` the one where IMAP or POP3 is switched on; `oauth_provider` is the key of its OAuth 2 endpoints, or
    the URL of an issuer. Any may be empty. `sentence` says what has to be done first, or is empty; `pop3_off` that POP3 has to be
    switched on first.
    """

    name: str
    sign_in: tuple[SignInWay, ...] = (SignInWay.PASSWORD,)
    app_password_url: str = ""
    mail_settings_url: str = ""
    oauth_provider: str = ""
    pop3_off: bool = False
    sentence: str = ""


class SeenCertificate(msgspec.Struct, frozen=True):
    """A server's certificate that is not trusted by itself. `sha256` is its fingerprint, lower-case hex without colons.

    `pinnable` says that nothing is wrong with it but that it is signed by itself, so that a person who has compared the
    fingerprint may pin it. Times are Unix seconds.
    """

    sha256: str
    subject: str
    not_before: float
    not_after: float
    pinnable: bool

    @property
    def fingerprint(self) -> str:
        """The fingerprint as other programs show it: capitals in pairs."""
        return ":".join(self.sha256[start : start + 2] for start in range(0, len(self.sha256), 2)).upper()


class ServerGuess(msgspec.Struct, frozen=True):
    """A server for an address, and the user name to sign in with.

    `sure` says that it comes from our own table or by HTTPS alone; anything else is shown with its host for confirmation.
    `answered` says that it was connected to and speaks the protocol as `server.security` says; where it could not be,
    `trouble` is the sentence about it, and `certificate` the certificate that is not trusted, if that was it.
    """

    server: Server
    user: str
    source: Source
    sure: bool
    answered: bool = False
    trouble: str = ""
    certificate: SeenCertificate | None = None


class Discovery(msgspec.Struct, frozen=True, tag=True):
    """All that was found for an address, the best guess of each kind first. `better` is the protocol to suggest."""

    address: str
    provider: ProviderNotes | None = None
    imap: tuple[ServerGuess, ...] = ()
    pop3: tuple[ServerGuess, ...] = ()
    smtp: tuple[ServerGuess, ...] = ()
    better: Protocol = Protocol.IMAP

    @property
    def found_any(self) -> bool:
        """Whether there is a server to receive mail from."""
        return bool(self.imap or self.pop3)


class CheckState(enum.Enum):
    """WARNING: it works, but something is worth a look. SKIPPED: it can't be said, as with a server that has no quota."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    FAILED = "failed"


class CheckPart(enum.Enum):
    """Which side of an account a check belongs to."""

    ACCOUNT = "account"
    RECEIVING = "receiving"
    SENDING = "sending"


class CheckCause(enum.Enum):
    """What kind of thing failed, for who has to decide where to go next."""

    NO_PASSWORD = "no-password"
    NAME = "name"
    UNREACHABLE = "unreachable"
    OTHER_SERVICE = "other-service"
    CERTIFICATE = "certificate"
    ENCRYPTION = "encryption"
    PASSWORD = "password"
    SIGN_IN = "sign-in"
    REFUSED = "refused"
    CONFIG = "config"
    OTHER = "other"


class Check(msgspec.Struct, frozen=True, tag=True):
    """One step of a check: what was looked at, how it is, and a sentence. First it is RUNNING, then one of the others.

    `fix` says what to do, where there is something to do; it goes behind the sentence. `command` does that on the command line, once
    the account is written. `cause` is set where it failed, and
    `later` says that a later try may succeed by itself. `certificate` is one that is not trusted.
    """

    name: str
    state: CheckState
    sentence: str = ""
    fix: str = ""
    part: CheckPart = CheckPart.ACCOUNT
    cause: CheckCause | None = None
    later: bool = False
    certificate: SeenCertificate | None = None
    command: str = ""

    @property
    def ok(self) -> bool:
        return self.state is not CheckState.FAILED

    @property
    def title(self) -> str:
        """Its name for people: both sides of an account have some of the same names."""
        return f"sending, {self.name}" if self.part is CheckPart.SENDING and self.name != "sending" else self.name
