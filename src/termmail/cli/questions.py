"""`account add` without options: the wizard's questions one by one on a plain terminal, for screen readers too.

Lines are only ever added below the others: no cursor tricks, no colours. An answer in brackets is taken by Enter alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import click
import msgspec

from termmail.accounts import credentials, saving
from termmail.accounts.account_tables import default_port
from termmail.cli.asking import BACK, GoBack, agree, ask, choose
from termmail.cli.exit_codes import ExitCode
from termmail.cli.output import note, say
from termmail.cli.session import Session
from termmail.cli.sign_in import ask_for_tokens
from termmail.model.account import Account, KeepKind, KeepPolicy, OfflineKind, OfflinePolicy, Protocol, Security
from termmail.model.errors import TermmailError
from termmail.model.oauth import OAuthProvider, Tokens
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState, Discovery, SourceReport, SourceState
from termmail.setup import field_checks, ways
from termmail.setup.account_draft import AccountDraft, ServerDraft, account_name, with_discovery, with_pin
from termmail.setup.child import CheckRequest, DiscoverRequest, SetupJob
from termmail.setup.field_checks import Remark, Weight, tidy
from termmail.setup.network import network_from
from termmail.setup.offer import protocol_offers, server_words, servers_to_confirm, sign_in_notes, troubles
from termmail.setup.ways import Way

_STATES = {
    CheckState.OK: "ok",
    CheckState.WARNING: "look",
    CheckState.SKIPPED: "skipped",
    CheckState.FAILED: "failed",
}


class _Lookup:
    """The servers of an address looked up, in a thread, while the next question is asked."""

    def __init__(self, request: DiscoverRequest) -> None:
        self.address = request.address
        self.reports: dict[object, SourceReport] = {}
        self.discovery: Discovery | None = None
        self.error: TermmailError | None = None
        self._job = SetupJob(request)
        self._thread = threading.Thread(target=self._run, name="lookup", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for news in self._job:
                if isinstance(news, SourceReport):
                    self.reports[news.source] = news
                elif isinstance(news, Discovery):
                    self.discovery = news
        except TermmailError as error:
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        # In short waits, so that ^C gets through.
        while not self.is_over:
            self._thread.join(0.2)

    def stop(self) -> None:
        self._job.cancel()


class Questions:
    """Asks until an account is written or the person leaves; everything that was answered stays while one goes back."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._home = session.home
        self._config = session.config
        self._network = network_from(os.environ)
        self._draft = AccountDraft()
        self._lookup: _Lookup | None = None
        self._told: object = None
        self._way: Way | None = None
        self._secret: Secret | Tokens | None = None
        self._provider: OAuthProvider | None = None
        self._by_hand = False
        self._keyring_trouble: str | None = None
        self._written = False
        self._questions: tuple[Callable[[], None], ...] = (
            self._ask_address,
            self._ask_name,
            self._ask_protocol,
            self._ask_policy,
            self._ask_servers,
            self._ask_account_name,
            self._ask_way,
            self._ask_secret,
            self._try,
        )

    def run(self) -> int:
        """The whole conversation; returns the exit code."""
        say("This adds a mail account. Type an answer and press Enter; Enter alone takes the answer in brackets.")
        say(f'"{BACK}" goes to the question before. Ctrl+C ends this, and nothing is written before all of it works.')
        say()
        place, last = 0, len(self._questions) - 1
        mended: Callable[[], None] | None = None
        try:
            while place < len(self._questions):
                try:
                    self._questions[place]()
                    # What was mended is tried at once, without the questions in between.
                    place = last if self._questions[place] == mended else place + 1
                except GoBack:
                    mended = None
                    place = max(0, place - 1)
                except _Mend as mend:
                    mended = mend.last
                    place = self._questions.index(mend.first)
        except (click.Abort, KeyboardInterrupt, EOFError):
            say()
            note("Stopped." if self._written else "Stopped. Nothing was written.")
            return ExitCode.INTERRUPTED
        finally:
            if self._lookup is not None:
                self._lookup.stop()
        return ExitCode.OK

    def _change(self, **changes: object) -> None:
        self._draft = msgspec.structs.replace(self._draft, **changes)

    # the questions

    def _ask_address(self) -> None:
        address = ask("Your e-mail address:", field_checks.check_address, self._draft.email)
        if address != self._draft.email:
            self._change(email=address, name="")
            self._way = self._provider = None
        if self._lookup is None or self._lookup.address != address or self._lookup.error is not None:
            if self._lookup is not None:
                self._lookup.stop()
            self._lookup = _Lookup(DiscoverRequest(address, self._network))

    def _ask_name(self) -> None:
        self._change(full_name=ask("Your name, as others see it:", field_checks.check_full_name, self._draft.full_name))

    def _tell_what_was_found(self) -> None:
        lookup = self._lookup
        assert lookup is not None
        if self._told is lookup:
            return
        if not lookup.is_over:
            say("Looking for the servers …")
        lookup.wait()
        self._told = lookup
        told = (report.sentence for report in lookup.reports.values() if report.state is not SourceState.NOTHING)
        # DNS is asked in two ways, and may be silent in both.
        for sentence in dict.fromkeys(told):
            say(sentence)
        if lookup.error is not None:
            say(lookup.error.sentence)
        if lookup.discovery is not None:
            self._draft = with_discovery(self._draft, lookup.discovery)
        if not tidy(self._draft.incoming.host):
            say("No server was found. Your provider's help pages name them.")

    @property
    def _discovery(self) -> Discovery | None:
        return self._lookup.discovery if self._lookup is not None else None

    def _ask_protocol(self) -> None:
        self._tell_what_was_found()
        say()
        say("How should mail come to this computer?")
        offers = protocol_offers(self._draft, self._discovery)
        words = [
            f"{offer.protocol.value.upper()}{' (suggested)' if offer.better else ''}. {offer.meaning} {offer.here}".strip()
            for offer in offers
        ]
        place = [offer.protocol for offer in offers].index(self._draft.protocol)
        chosen = offers[choose("1 or 2", words, place)].protocol
        self._change(protocol=chosen, protocol_given=True)

    def _ask_policy(self) -> None:
        draft = self._draft
        if draft.protocol is Protocol.IMAP:
            answer = ask(
                "How much is kept on this computer: all, so many days, or on-demand",
                lambda text: _check_policy(text, ("all", "on-demand")),
                str(draft.offline.days or draft.offline.kind.value),
            )
            self._change(
                offline=OfflinePolicy(OfflineKind.DAYS, int(answer))
                if answer.isdecimal()
                else OfflinePolicy(OfflineKind(answer.casefold()))
            )
        else:
            answer = ask(
                "How long mail stays on the server: forever, so many days, until-deleted here, or none",
                lambda text: _check_policy(text, ("forever", "until-deleted", "none")),
                str(draft.keep.days or draft.keep.kind.value),
            )
            self._change(
                keep=KeepPolicy(KeepKind.DAYS, int(answer))
                if answer.isdecimal()
                else KeepPolicy(KeepKind(answer.casefold()))
            )

    def _ask_servers(self) -> None:
        draft = self._draft
        if tidy(draft.incoming.host) and not self._by_hand:
            say(f"Receives by {server_words(draft.incoming)}.")
            say(
                f"Sends by {server_words(draft.smtp)}."
                if tidy(draft.smtp.host)
                else "Sends by no server: this account only receives."
            )
            say(f"Signs in as {tidy(draft.user) or draft.email}.")
            if self._discovery is not None:
                for sentence in troubles(self._discovery, draft.protocol):
                    say(sentence)
            question = servers_to_confirm(draft)
            if question and not agree(question, default=False):
                say("Then type the right ones.")
            elif question or not agree("Change any of that?", default=False):
                return
        self._by_hand = True
        service = draft.protocol.value
        incoming = self._ask_server(service, f"{service.upper()} server:", draft.incoming, optional=False)
        smtp = self._ask_server("smtp", "Server for sending (none for no sending):", draft.smtp, optional=True)
        self._change(**{service: incoming, "smtp": smtp})
        user = tidy(self._draft.user) or self._draft.email
        self._change(user=ask("User name to sign in with:", field_checks.check_user, user))
        proxy = ask("Proxy (none for none):", _or_none(field_checks.check_proxy), self._draft.proxy or "none")
        self._change(proxy="" if _is_none(proxy) else proxy)
        prompt = "File with an authority of your own (none for none):"
        ca_file = ask(prompt, _or_none(field_checks.check_file), self._draft.ca_file or "none")
        self._change(ca_file="" if _is_none(ca_file) else ca_file)
        self._by_hand = False

    def _ask_server(self, service: str, prompt: str, before: ServerDraft, *, optional: bool) -> ServerDraft:
        check = _or_none(field_checks.check_host) if optional else field_checks.check_host
        host = ask(prompt, check, before.host or ("none" if optional else ""))
        if _is_none(host):
            return ServerDraft()
        kinds = (Security.TLS, Security.STARTTLS, Security.NONE)

        def check_security(text: str) -> Remark | None:
            typed = tidy(text).casefold()
            if typed not in [kind.value for kind in kinds]:
                return Remark(Weight.WRONG, "Type tls, starttls or none.", "tls")
            return field_checks.check_security(Security(typed), host)

        security = Security(ask("Encryption: tls, starttls or none", check_security, before.security.value).casefold())
        usual = str(default_port(service, security))
        port = before.port if before.port and before.security is security else usual
        port = ask("Port", lambda text: field_checks.check_port(text, service, security), port)
        same = (host, port, security) == (before.host, before.port, before.security)
        return before if same else ServerDraft(host, port, security)

    def _ask_account_name(self) -> None:
        taken = [account.name for account in self._config.accounts]
        name = self._draft.name or account_name(self._draft.email, taken)
        self._change(
            name=ask(
                "What the account is called here:", lambda text: field_checks.check_account_name(text, taken), name
            )
        )

    def _ask_way(self) -> None:
        notes = self._discovery.provider if self._discovery is not None else None
        if self._keyring_trouble is None:
            self._keyring_trouble = _keyring_trouble(self._draft.account())
        known = ways.known_provider(self._config, notes, None)
        offers = ways.way_offers(notes, known, self._keyring_trouble)
        say()
        say("How do you sign in?")
        for sentence in sign_in_notes(notes):
            say(sentence)
        way = self._way or ways.suggested_way(notes, os.environ, keyring=not self._keyring_trouble)
        place = next((place for place, offer in enumerate(offers) if offer.way is way), 0)
        words = [f"{offer.title}. {offer.against + '. ' if offer.against else ''}{offer.meaning}" for offer in offers]
        self._way = offers[choose(f"1 to {len(offers)}", words, place)].way

    def _ask_secret(self) -> None:
        way = self._way
        assert way is not None
        self._secret = None
        command = ""
        if way in ways.TYPED:
            where = self._draft.incoming.host
            answer = ask(
                f"Password at {where} (it is not shown; Enter alone goes back):",
                field_checks.check_password,
                secret=True,
            )
            self._secret = Secret(answer)
        elif way in ways.COMMANDS:
            command = ask("Command:", field_checks.check_command, self._draft.credential.command)
        else:
            self._provider = self._ask_provider()
        self._change(credential=ways.credential(way, command, self._provider))
        if way in ways.OAUTH:
            try:
                self._secret = ask_for_tokens(self._draft.account(), by_code=way is Way.CODE)
            except TermmailError as error:
                say(error.sentence)
                raise GoBack from error

    def _ask_provider(self) -> OAuthProvider:
        notes = self._discovery.provider if self._discovery is not None else None
        known = self._provider or ways.known_provider(self._config, notes, None)
        if known is None:
            issuer = ask(
                "Address of the sign-in server:", ways.check_issuer, notes.oauth_provider if notes is not None else ""
            )
            scopes = ask("Scopes to ask for (Enter alone for the usual ones):", lambda text: None, optional=True)
            known = ways.own_provider(issuer, scopes)
        for sentence in ways.client_notes(known):
            say(sentence)
        client_id = ask("Client id:", ways.check_client_id, known.client_id)
        secret = known.client_secret.reveal()
        if not secret:
            secret = ask(
                "Client secret (Enter alone where there is none):", lambda text: None, secret=True, optional=True
            )
        return ways.with_client(known, client_id, secret)

    # trying

    def _try(self) -> None:
        while True:
            say()
            say("Trying it …")
            failure = self._check()
            if failure is None:
                break
            self._after(failure)
            if self._save_untested:
                self._save_untested = False
                break
        self._write()

    _save_untested = False

    def _check(self) -> Check | None:
        """Every check as a line; the one that failed."""
        account = self._draft.account()
        secret = self._secret.access if isinstance(self._secret, Tokens) else self._secret
        failure = None
        try:
            for check in SetupJob(CheckRequest(account, secret, self._network)):
                if not isinstance(check, Check) or check.state is CheckState.RUNNING:
                    continue
                say(f"{_STATES[check.state]}: {check.title}. {check.sentence}")
                if check.state is CheckState.FAILED:
                    failure = failure or check
                elif check.state is CheckState.WARNING and check.fix:
                    say(check.fix)
        except TermmailError as error:
            say(error.sentence)
            failure = Check("check", CheckState.FAILED, error.sentence, later=True)
        return failure

    def _after(self, failure: Check) -> None:
        """What to do about a check that failed: returns to try again, raises _Mend to ask something again."""
        is_password = failure.cause in (CheckCause.PASSWORD, CheckCause.NO_PASSWORD)
        certificate = failure.certificate
        can_pin = certificate is not None and certificate.pinnable
        if failure.fix and not is_password and not can_pin:
            say(failure.fix)
        if certificate is not None and can_pin:
            incoming = self._draft.incoming
            server = self._draft.smtp if failure.part is CheckPart.SENDING else incoming
            if (tidy(server.host), certificate.sha256) == (tidy(incoming.host), incoming.pin_sha256):
                # It was compared a moment ago.
                self._draft = with_pin(self._draft, failure.part, certificate.sha256)
                return
            say(
                f"The certificate of {tidy(server.host)} is signed by itself, as on a server of one's own. Its SHA-256 fingerprint is:"
            )
            say(certificate.fingerprint)
            if agree(
                "Compare it with what the server's owner tells you. Is it the same, and to be trusted?", default=False
            ):
                self._draft = with_pin(self._draft, failure.part, certificate.sha256)
                return
        choices: list[tuple[str, Callable[[], None] | None]] = [("Try again.", None)]
        mend: tuple[str, Callable[[], None] | None] = (
            ("Type the password, or choose how you sign in, again.", self._ask_secret)
            if is_password
            else ("Change the servers or the user name.", self._ask_servers)
        )
        choices.insert(1 if failure.later else 0, mend)
        words = [words for words, _ in choices]
        chosen = choose("What now?", [*words, "Keep it as it is, and let termmail try later."], 0)
        if chosen == len(choices):
            self._save_untested = True
            return
        question = choices[chosen][1]
        if question is not None:
            self._by_hand = question == self._ask_servers
            raise _Mend(question, question)

    def _write(self) -> None:
        account = self._draft.account()
        try:
            account = saving.keep_provider(self._home, account)
            changed = saving.add_account(self._home, account, self._secret)
        except TermmailError as error:
            say(error.sentence)
            say("Choose how you sign in again.")
            raise _Mend(self._ask_way, self._ask_secret) from error
        self._written = True
        self._session.intents.register_accounts(changed.accounts)
        say()
        say(f"Added {account.name}. It is written to {self._home.config_file}.")
        say(
            "`termmail` opens the mail reader, `termmail sync` fetches the mail, `termmail account add` adds another account."
        )


class _Mend(Exception):
    """Questions are to be asked again: from `first` to `last`, which may be the same."""

    def __init__(self, first: Callable[[], None], last: Callable[[], None]) -> None:
        super().__init__()
        self.first = first
        self.last = last


def _check_policy(text: str, words: tuple[str, ...]) -> Remark | None:
    typed = tidy(text).casefold()
    if typed in words or (typed.isdecimal() and field_checks.check_days(typed) is None):
        return None
    return Remark(Weight.WRONG, f"Type {', '.join(words)} or a number of days.", words[0])


def _or_none(check: Callable[[str], Remark | None]) -> Callable[[str], Remark | None]:
    return lambda text: None if _is_none(text) else check(text)


def _is_none(text: str) -> bool:
    return tidy(text).casefold() == "none"


def _keyring_trouble(account: Account) -> str:
    """Why there is no keyring; empty where there is one."""
    try:
        credentials.check_keyring(account)
    except TermmailError as error:
        return error.sentence.partition(" Other ways:")[0].rstrip(".")
    return ""
