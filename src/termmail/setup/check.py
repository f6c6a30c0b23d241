"""Does an account work: its password, the way to its servers, sign-in, mailboxes, and sending."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Set

from termmail.accounts.credentials import advice_when_refused
from termmail.model.account import Account, CredentialKind, Protocol, Server
from termmail.model.errors import Advice, PasswordRefused, Retry, SignInRefused, TermmailError, TokenRefused
from termmail.model.mailbox import Role
from termmail.model.remote import MailboxListing, Quota
from termmail.model.secret import AccessToken, Secret
from termmail.model.setup import Check, CheckPart, SignInWay
from termmail.protocols import imap, pop3, smtp
from termmail.setup.providers import provider_of_server
from termmail.setup.reach import PORTS, reach
from termmail.setup.steps import Steps

_ACCOUNT, _RECEIVING, _SENDING = Steps(CheckPart.ACCOUNT), Steps(CheckPart.RECEIVING), Steps(CheckPart.SENDING)
_FULL = 0.9
"""The part of a quota above which it is worth a word."""

_ROLES = {
    Role.SENT: "sent mail",
    Role.DRAFTS: "drafts",
    Role.TRASH: "deleted mail",
    Role.JUNK: "junk",
    Role.ARCHIVE: "the archive",
}
_EXTENSIONS = {
    "imap": ("IDLE", "CONDSTORE", "QRESYNC", "MOVE", "UIDPLUS", "LIST-STATUS", "SPECIAL-USE", "NOTIFY", "QUOTA"),
    "pop3": ("UIDL", "TOP", "PIPELINING", "STLS"),
    "smtp": ("SIZE", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"),
}


def check_account(account: Account, password: Callable[[], Secret], *, thorough: bool = False) -> Iterator[Check]:
    """The steps in order, each first RUNNING and then as it went; of a part there is none after the first that fails.

    `password` is called once and may raise CredentialUnavailable. With `thorough` it also says what the servers can do, which
    mailboxes are missing, and how much room there is. A refused password is not tried again at the server for sending (T13). Nothing
    is sent. Never raises TermmailError: that becomes a check.
    """
    yield _ACCOUNT.running("password")
    try:
        secret = password()
    except TermmailError as error:
        yield _ACCOUNT.failed("password", error)
        return
    what = "A token to sign in with" if isinstance(secret, AccessToken) else "The password"
    yield _ACCOUNT.passed("password", f"{what} is there.")
    refused = yield from _receiving(account, secret, thorough)
    if account.smtp is not None and not refused:
        yield from _sending(account, account.smtp, secret, thorough)


def _receiving(account: Account, secret: Secret, thorough: bool) -> Generator[Check, None, bool]:
    """Returns whether the password was refused."""
    service = account.protocol.value
    look = yield from reach(account, service, account.incoming, _RECEIVING)
    if look is None:
        return False
    yield _RECEIVING.running("sign-in")
    try:
        session = _connect(account, secret)
    except TermmailError as error:
        fix = fix_for_refusal(account, account.incoming, error)
        yield _RECEIVING.failed("sign-in", error, fix=fix.sentence, command=fix.command)
        return isinstance(error, SignInRefused)
    yield _RECEIVING.passed("sign-in", f"{account.incoming.host} accepted {account.user}.")
    if thorough:
        # Many servers tell what else they can only now.
        yield _abilities(service, look.words | session.capabilities, look.words, _RECEIVING)
    try:
        if isinstance(session, imap.ImapSession):
            yield from _mailboxes(account, session, thorough)
        else:
            yield from _maildrop(session)
    finally:
        session.close()
    return False


def _connect(account: Account, secret: Secret) -> imap.ImapSession | pop3.Pop3Session:
    if account.protocol is Protocol.IMAP:
        return imap.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    return pop3.connect(account.incoming, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)


def _mailboxes(account: Account, session: imap.ImapSession, thorough: bool) -> Iterator[Check]:
    yield _RECEIVING.running("mailboxes")
    try:
        listing = session.list_mailboxes(with_status=True)
    except TermmailError as error:
        yield _RECEIVING.failed("mailboxes", error)
        return
    skipped = f" {len(listing.skipped)} could not be read." if listing.skipped else ""
    yield _RECEIVING.passed("mailboxes", f"There are {len(listing.mailboxes)} mailboxes.{skipped}")
    if not thorough:
        return
    yield _roles(account, listing)
    yield _RECEIVING.running("room")
    try:
        quota = session.quota()
    except TermmailError as error:
        yield _RECEIVING.failed("room", error)
        return
    yield _room(account.name, session.host, quota)


def _roles(account: Account, listing: MailboxListing) -> Check:
    there = {mailbox.role for mailbox in listing.mailboxes}
    missing = [role for role in _ROLES if role not in there]
    if Role.INBOX not in there:
        return _RECEIVING.warned("roles", f"{account.incoming.host} lists no inbox.", "Ask whoever runs the server.")
    if not missing:
        return _RECEIVING.passed(
            "roles", "There are mailboxes for sent mail, drafts, deleted mail, junk and the archive."
        )
    names = " and ".join(_ROLES[role] for role in missing)
    commands = "; ".join(f"termmail mailbox create {role.value.title()} -a {account.name}" for role in missing)
    return _RECEIVING.warned("roles", f"There is no mailbox for {names}.", "Make those you want to have.", commands)


def _room(account: str, host: str, quota: Quota | None) -> Check:
    if quota is None:
        return _RECEIVING.skipped("room", f"{host} does not say how much room there is.")
    shown = f"{quota.used / 1e6:.0f} MB of {quota.limit / 1e6:.0f} MB are used"
    if quota.used >= quota.limit:
        return _RECEIVING.failed(
            "room",
            TermmailError(f"The mailbox is full: {shown}, so new mail is turned away."),
            fix="Delete what is large, and empty Trash and Junk.",
            command=f"termmail empty trash -a {account} --yes",
        )
    if quota.used >= _FULL * quota.limit:
        return _RECEIVING.warned(
            "room", f"The mailbox is nearly full: {shown}.", "Empty Trash and Junk, or delete what is large."
        )
    return _RECEIVING.passed("room", f"{shown}.")


def _maildrop(session: pop3.Pop3Session) -> Iterator[Check]:
    yield _RECEIVING.running("maildrop")
    try:
        listing = session.listing()
    except TermmailError as error:
        yield _RECEIVING.failed("maildrop", error)
        return
    count = len(listing.entries)
    size = sum(entry.size for entry in listing.entries)
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    sentence = f"There {'is' if count == 1 else 'are'} {count} message{'s' * (count != 1)}, {shown}."
    if listing.has_uidls:
        yield _RECEIVING.passed("maildrop", sentence)
    else:
        unnamed = "The server does not name them for good (UIDL), so nothing is ever deleted there."
        yield _RECEIVING.warned("maildrop", f"{sentence} {unnamed}")


def _sending(account: Account, server: Server, secret: Secret, thorough: bool) -> Iterator[Check]:
    look = yield from reach(account, "smtp", server, _SENDING)
    if look is None:
        return
    if thorough:
        yield _abilities("smtp", look.words, look.words, _SENDING)
    yield _SENDING.running("sign-in")
    try:
        session = smtp.connect(server, account.user, secret, ca_file=account.ca_file, proxy=account.proxy)
    except TermmailError as error:
        fix = fix_for_refusal(account, server, error)
        yield _SENDING.failed("sign-in", error, fix=fix.sentence, command=fix.command)
        return
    try:
        yield _SENDING.passed("sign-in", f"{server.host} accepted {account.user}.")
        yield _SENDING.running("sending")
        try:
            session.would_take(account.email, account.email)
        except TermmailError as error:
            fix = _fix_sender(account, error)
            yield _SENDING.failed("sending", error, fix=fix.sentence, command=fix.command)
            return
        limit = session.size_limit
    finally:
        session.close()
    largest = f", messages up to {limit / 1e6:.0f} MB" if limit else ""
    yield _SENDING.passed("sending", f"{server.host} takes mail from {account.email}{largest}. Nothing was sent.")


def _abilities(service: str, words: Set[str], before: Set[str], steps: Steps) -> Check:
    """`before` is what it can do before the sign-in, of which some is how to sign in."""
    there = [word for word in _EXTENSIONS[service] if word in words]
    ways = sorted(word.partition("=")[2] for word in before if word.startswith(("AUTH=", "SASL=")))
    sentence = f"The server offers {', '.join(there) or 'nothing beyond what every server does'}."
    if ways:
        sentence += f" Ways to sign in: {', '.join(ways)}."
    return steps.passed("capabilities", sentence)


def _fix_sender(account: Account, error: TermmailError) -> Advice:
    if error.retry is not Retry.NEVER:
        return Advice("")
    return Advice(
        f"If {account.user} may send from another address only, give the account that one.",
        f"termmail account edit {account.name} --email ADDRESS",
    )


def fix_for_refusal(account: Account, server: Server, error: TermmailError) -> Advice:
    """What to do about a refused sign-in with this provider."""
    if not isinstance(error, PasswordRefused | TokenRefused):
        # Port 25 is for servers among each other: nobody signs in there.
        no_way = server is account.smtp and isinstance(error, SignInRefused) and error.retry is Retry.NEVER
        return Advice(PORTS["smtp"] if no_way else "")
    advice, command = advice_when_refused(account)
    provider = provider_of_server(server.host)
    if provider is None:
        local = account.email.partition("@")[0]
        if account.user == account.email and account.credential.kind is not CredentialKind.OAUTH2:
            advice += f" Some servers want the name before the @ alone, {local}."
            with_name = f"termmail account edit {account.name} --user {local}"
            command = f"{command}, or {with_name}" if command else with_name
        return Advice(advice, command)
    notes = provider.notes
    if account.credential.kind not in (CredentialKind.OAUTH2, CredentialKind.TOKEN_COMMAND):
        if SignInWay.APP_PASSWORD in notes.sign_in and notes.app_password_url:
            advice = f"{notes.sentence} App passwords are made at {notes.app_password_url}. {advice}"
        else:
            advice = f"{notes.sentence} {advice}"
    return Advice(advice.strip(), command)
