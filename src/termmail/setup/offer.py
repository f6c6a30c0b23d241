"""What was found for an address, in plain words: IMAP or POP3 and what each means for this server, and how one may sign in."""

from __future__ import annotations

import msgspec

from termmail.mime.safe_text import safe_text
from termmail.model.account import Protocol, Security
from termmail.model.setup import Discovery, ProviderNotes, ServerGuess, SignInWay, Source
from termmail.setup.account_draft import AccountDraft, ServerDraft

_MEANING = {
    Protocol.IMAP: "Mail stays on the server, and this computer keeps a copy to read offline. Other devices see the same.",
    Protocol.POP3: "Mail is downloaded to this computer, which then has the only folders and flags; on the server it stays as you say.",
}
_FOUND_BY = {
    Source.PROVIDERS: "known to termmail",
    Source.DOMAIN: "from the domain's own settings",
    Source.DATABASE: "from the ISP database",
    Source.SRV: "from DNS",
    Source.MX: "from DNS",
    Source.PROBE: "by trying the usual names",
}
_SECURITY = {Security.TLS: "TLS", Security.STARTTLS: "STARTTLS", Security.NONE: "not encrypted"}


class ProtocolOffer(msgspec.Struct, frozen=True):
    """One way to receive mail: what it means, what was found for it, and whether it is the one to suggest. All safe text."""

    protocol: Protocol
    meaning: str
    here: str
    better: bool
    found: bool


def protocol_offers(draft: AccountDraft, discovery: Discovery | None) -> tuple[ProtocolOffer, ...]:
    """IMAP and POP3 for this address. Without a discovery nothing is said of the servers."""
    return tuple(_offer(protocol, draft, discovery) for protocol in Protocol)


def _offer(protocol: Protocol, draft: AccountDraft, discovery: Discovery | None) -> ProtocolOffer:
    server = draft.imap if protocol is Protocol.IMAP else draft.pop3
    found = bool(server.host.strip())
    here = ""
    if found:
        here = server_words(server)
    elif discovery is not None and discovery.found_any:
        here = "No such server was found for this address."
    notes = discovery.provider if discovery is not None else None
    if notes is not None and protocol is Protocol.POP3 and notes.pop3_off:
        here += f". It has to be switched on first, at {safe_text(notes.mail_settings_url, one_line=True)}"
    better = discovery is not None and discovery.found_any and discovery.better is protocol
    return ProtocolOffer(protocol, _MEANING[protocol], here, better, found)


def server_words(server: ServerDraft) -> str:
    """A server in a few words: name, port, encryption, and where it was found."""
    host = safe_text(server.host.strip(), one_line=True)
    words = f"{host}, port {safe_text(server.port, one_line=True)}, {_SECURITY[server.security]}"
    if server.guess is None:
        return words
    return f"{words}; {_FOUND_BY[server.guess.source]}"


def servers_to_confirm(draft: AccountDraft) -> str:
    """A question about the servers whose names came by a way that somebody could have changed, or an empty string."""
    hosts = list(dict.fromkeys(safe_text(server.host.strip(), one_line=True) for server in draft.to_confirm))
    if not hosts:
        return ""
    names = hosts[0] if len(hosts) == 1 else f"{', '.join(hosts[:-1])} and {hosts[-1]}"
    verb, servers = (
        ("was", "this server of your provider") if len(hosts) == 1 else ("were", "these servers of your provider")
    )
    return f"{names} {verb} found in a way that others on the network could have changed. Is it {servers}?"


def sign_in_notes(notes: ProviderNotes | None) -> tuple[str, ...]:
    """What is to be known before signing in at a provider: what it accepts, and where what it accepts is made. Safe text."""
    if notes is None:
        return ()
    name = safe_text(notes.name, one_line=True)
    page = safe_text(notes.app_password_url, one_line=True)
    found: list[str] = []
    if notes.sentence:
        found.append(safe_text(notes.sentence, one_line=True))
    elif notes.sign_in == (SignInWay.OAUTH2,):
        found.append(f"{name} accepts no password here, only a sign-in in the browser (OAuth 2).")
    elif SignInWay.APP_PASSWORD in notes.sign_in and SignInWay.PASSWORD not in notes.sign_in:
        found.append(f"{name} wants an app password here, not the one of its web pages.")
    elif SignInWay.APP_PASSWORD in notes.sign_in:
        found.append(f"With two-step verification {name} wants an app password here.")
    if page and SignInWay.APP_PASSWORD in notes.sign_in:
        found.append(f"App passwords are made at {page}")
    return tuple(found)


def troubles(discovery: Discovery, protocol: Protocol) -> tuple[str, ...]:
    """What went wrong when the servers that are suggested were connected to."""
    guesses: list[ServerGuess] = []
    for found in (discovery.imap if protocol is Protocol.IMAP else discovery.pop3, discovery.smtp):
        guesses.extend(found[:1])
    return tuple(safe_text(guess.trouble, one_line=True) for guess in guesses if guess.trouble)
