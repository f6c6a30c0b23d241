"""An account while a person is still answering: as it is typed, filled in by what was found, and made an account at the end."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from termmail.accounts.account_tables import default_port
from termmail.model.account import (
    Account,
    Credential,
    KeepPolicy,
    OfflinePolicy,
    Protocol,
    Security,
    Server,
)
from termmail.model.setup import CheckPart, Discovery, ServerGuess
from termmail.model.typed_path import typed_path
from termmail.setup.field_checks import free_name, tidy

SERVICES = ("imap", "pop3", "smtp")


class ServerDraft(msgspec.Struct, frozen=True):
    """A server as it is typed. `guess` is where it comes from, None for one that a person gave."""

    host: str = ""
    port: str = ""
    security: Security = Security.TLS
    guess: ServerGuess | None = None
    pin_sha256: str = ""

    @property
    def to_confirm(self) -> bool:
        """Whether its name came by a way on which somebody could have changed it."""
        return self.guess is not None and not self.guess.sure

    def server(self, service: str) -> Server | None:
        """The server; None where none is given."""
        host, port = tidy(self.host), tidy(self.port)
        if not host:
            return None
        return Server(host, int(port) if port else default_port(service, self.security), self.security, self.pin_sha256)


class AccountDraft(msgspec.Struct, frozen=True):
    """All answers so far. `before` is the account that is being changed, None for a new one; `protocol_given` says that a person
    chose the protocol."""

    email: str = ""
    full_name: str = ""
    name: str = ""
    protocol: Protocol = Protocol.IMAP
    protocol_given: bool = False
    imap: ServerDraft = ServerDraft()
    pop3: ServerDraft = ServerDraft()
    smtp: ServerDraft = ServerDraft()
    user: str = ""
    ca_file: str = ""
    proxy: str = ""
    offline: OfflinePolicy = OfflinePolicy()
    keep: KeepPolicy = KeepPolicy()
    credential: Credential = Credential()
    before: Account | None = None

    @property
    def incoming(self) -> ServerDraft:
        """The server that mail is received from."""
        return self.imap if self.protocol is Protocol.IMAP else self.pop3

    @property
    def to_confirm(self) -> tuple[ServerDraft, ...]:
        """The servers of this account whose names a person has to look at first."""
        return tuple(server for server in (self.incoming, self.smtp) if server.host and server.to_confirm)

    def account(self) -> Account:
        """The account; its fields have been looked at before (`field_checks`)."""
        email, ca_file = tidy(self.email), tidy(self.ca_file)
        incoming = self.incoming.server(self.protocol.value)
        values = {
            "name": tidy(self.name),
            "email": email,
            "protocol": self.protocol,
            "incoming": incoming or Server("", 0),
            "smtp": self.smtp.server("smtp"),
            "user": tidy(self.user) or email,
            "ca_file": str(typed_path(ca_file)) if ca_file else "",
            "proxy": tidy(self.proxy),
            "full_name": tidy(self.full_name),
            "credential": self.credential,
            "offline": self.offline,
            "keep": self.keep,
        }
        if self.before is None:
            return Account(**values)  # type: ignore[arg-type]
        return msgspec.structs.replace(self.before, **values)


def draft_of(account: Account) -> AccountDraft:
    """The answers that lead to this account."""
    incoming = _server_draft(account.incoming)
    return AccountDraft(
        email=account.email,
        full_name=account.full_name,
        name=account.name,
        protocol=account.protocol,
        imap=incoming if account.protocol is Protocol.IMAP else ServerDraft(),
        pop3=incoming if account.protocol is Protocol.POP3 else ServerDraft(),
        smtp=ServerDraft() if account.smtp is None else _server_draft(account.smtp),
        user=account.user,
        ca_file=account.ca_file,
        proxy=account.proxy,
        offline=account.offline,
        keep=account.keep,
        credential=account.credential,
        before=account,
    )


def with_discovery(draft: AccountDraft, discovery: Discovery) -> AccountDraft:
    """The draft with the best guess of each kind; what a person gave stays."""
    changes: dict[str, object] = {}
    for service in SERVICES:
        here: ServerDraft = getattr(draft, service)
        guesses: tuple[ServerGuess, ...] = getattr(discovery, service)
        if here.host and here.guess is None:
            continue
        changes[service] = _guess_draft(guesses[0]) if guesses else ServerDraft()
    if draft.before is None and not draft.protocol_given:
        changes["protocol"] = discovery.better
    found = msgspec.structs.replace(draft, **changes)
    if not tidy(draft.user) or draft.user == _guessed_user(draft):
        found = msgspec.structs.replace(found, user=_guessed_user(found))
    return found


def with_pin(draft: AccountDraft, part: CheckPart, sha256: str) -> AccountDraft:
    """The draft with a self-signed certificate that a person accepted for the server of one part.

    Others on the same host may have certificates of their own, as Dovecot and Postfix do.
    """
    service = "smtp" if part is CheckPart.SENDING else draft.protocol.value
    server: ServerDraft = getattr(draft, service)
    return msgspec.structs.replace(draft, **{service: msgspec.structs.replace(server, pin_sha256=sha256)})


def _guessed_user(draft: AccountDraft) -> str:
    """The name to sign in with that was found for the server mail is received from."""
    guess = draft.incoming.guess
    return guess.user if guess is not None else ""


def account_name(email: str, taken: Collection[str]) -> str:
    """A name for the account of an address that no other has: the domain's first part, or the whole domain, or with a number."""
    domain = tidy(email).rpartition("@")[2].lower()
    first = re.sub(r"[^\w-]", "", domain.split(".")[0]).strip("_-") or "mail"
    for candidate in (first, re.sub(r"[^\w.-]", "", domain).strip("._-")):
        if candidate and candidate.casefold() not in {name.casefold() for name in taken}:
            return candidate[:60]
    return free_name(first[:60], taken)


def _server_draft(server: Server) -> ServerDraft:
    return ServerDraft(server.host, str(server.port), server.security, pin_sha256=server.pin_sha256)


def _guess_draft(guess: ServerGuess) -> ServerDraft:
    return ServerDraft(guess.server.host, str(guess.server.port), guess.server.security, guess)
