"""The third step: how one signs in, and what the provider accepts."""

from __future__ import annotations

import os

import msgspec
from textual.app import ComposeResult
from textual.widget import Widget

from termmail.accounts import credentials
from termmail.model.errors import TermmailError
from termmail.model.oauth import OAuthProvider, Tokens
from termmail.model.secret import Secret
from termmail.model.setup import ProviderNotes
from termmail.setup import field_checks, ways
from termmail.setup.account_draft import AccountDraft
from termmail.setup.child import SignInRequest
from termmail.setup.field_checks import Remark
from termmail.setup.offer import sign_in_notes
from termmail.setup.ways import Way
from termmail.ui.text import one_line
from termmail.ui.wizard.facts import DOUBTFUL, Fact, Facts
from termmail.ui.wizard.form import FormField, Option, Options
from termmail.ui.wizard.jobs import Done
from termmail.ui.wizard.step import Step


class SignInStep(Step):
    """What was typed for one way stays while another is looked at."""

    def __init__(self, draft: AccountDraft) -> None:
        super().__init__()
        before = draft.before
        self._notes = Facts(id="sign-in-notes")
        way = Way.KEYRING if before is None else ways.way_of(before)
        self.way: Options[Way] = Options([Option(way, "")], way, id="way", terse=True)
        command = draft.credential.command
        self.password = FormField("password", "Password", self._check_password, secret=True)
        self.command = FormField(
            "command", "Command", field_checks.check_command, value=command, placeholder="pass show mail/lisa"
        )
        self.issuer = FormField("issuer", "Signs in at", ways.check_issuer, placeholder="https://login.example.org")
        self.scopes = FormField("scopes", "Scopes", placeholder="the usual ones")
        self.client_id = FormField("client_id", "Client id", ways.check_client_id)
        self.client_secret = FormField("client_secret", "Client secret", secret=True)
        self._keyring_job = 0
        self._keyring_trouble = ""
        self._chosen = before is not None
        self._signed_in: tuple[OAuthProvider, str, Tokens] | None = None
        self._clients: dict[str, tuple[str, ...]] = {}
        self._client_of: str | None = None
        self._client_shown: tuple[str, ...] = ("", "", "", "")

    def compose(self) -> ComposeResult:
        yield Facts([Fact("How do you sign in?", "bright")])
        yield self._notes
        yield self.way
        yield Facts()
        yield self.password
        yield self.command
        yield self.issuer
        yield self.scopes
        yield self.client_id
        yield self.client_secret

    @property
    def _provider_notes(self) -> ProviderNotes | None:
        return self.wizard.discovery.provider if self.wizard.discovery is not None else None

    @property
    def _known_provider(self) -> OAuthProvider | None:
        return ways.known_provider(self.wizard.config, self._provider_notes, self.wizard.before)

    @property
    def provider(self) -> OAuthProvider:
        """Who is signed in with, as it is typed."""
        known = self._known_provider or ways.own_provider(self.issuer.value, self.scopes.value)
        return ways.with_client(known, self.client_id.value, self.client_secret.value)

    def opened(self) -> None:
        if not self._keyring_job:
            account = self.wizard.draft.account()
            self._keyring_job = self.wizard.jobs.call(lambda: credentials.check_keyring(account))
        self._show_client()
        self._suggest()
        self.looked()
        self.to_the_field()

    def _show_client(self) -> None:
        """What is known, or was typed, of the client at the provider of this address: each has its own."""
        known, notes = self._known_provider, self._provider_notes
        issuer = notes.oauth_provider if known is None and notes is not None else ""
        name = issuer if known is None else known.name
        if name == self._client_of:
            return
        if self._client_of is not None:
            self._clients[self._client_of] = tuple(field.value for field in self._client_fields)
        self._client_of = name
        client = ("", "") if known is None else (known.client_id, known.client_secret.reveal())
        self._client_shown = self._clients.get(name, (issuer, "", *client))
        for field, value in zip(self._client_fields, self._client_shown, strict=True):
            field.value = value

    @property
    def _client_fields(self) -> tuple[FormField, ...]:
        return self.issuer, self.scopes, self.client_id, self.client_secret

    def to_the_field(self) -> None:
        """The focus where something is to be typed, or else where one chooses."""
        field = next((field for field in self.fields() if field.is_wrong and not field.value), None)
        self.wizard.focus_on(self.way if field is None or self._keeps_secret() else field)

    def _suggest(self) -> None:
        if not self._chosen:
            way = ways.suggested_way(self._provider_notes, os.environ, keyring=not self._keyring_trouble)
            if way is not self.way.value:
                self.way.value = way
                self.looked()
                if self.wizard.step is self:
                    self.to_the_field()

    def told(self, job: int, news: object) -> bool:
        """News of a job, if it is this step's: whether there is a keyring."""
        if job != self._keyring_job:
            return False
        if isinstance(news, TermmailError):
            self._keyring_trouble = one_line(news.sentence.partition(" Other ways:")[0])
        elif isinstance(news, Done):
            self._keyring_trouble = ""
        self._suggest()
        self.looked()
        return True

    def looked(self) -> None:
        if not self.is_mounted:
            return
        if tuple(field.value for field in self._client_fields) == self._client_shown:
            # Else it is being typed, and a lookup that takes long must not take it away.
            self._show_client()
        offers = ways.way_offers(self._provider_notes, self._known_provider, self._keyring_trouble)
        self.way.show([Option(offer.way, offer.title, (offer.meaning,), offer.against, "warning") for offer in offers])
        way = self.way.value
        self.password.display = way in ways.TYPED
        self.command.display = way in ways.COMMANDS
        self.client_id.display = self.client_secret.display = way in ways.OAUTH
        self.issuer.display = self.scopes.display = way in ways.OAUTH and self._known_provider is None
        if way in ways.OAUTH:
            facts = [Fact(words, "muted") for words in ways.client_notes(self._known_provider)]
        else:
            facts = [Fact(words, "warning", "", DOUBTFUL, "warning") for words in sign_in_notes(self._provider_notes)]
        self._notes.show(facts)
        self._notes.display = bool(self._notes.facts)

    def chosen(self, control: Widget) -> None:
        self._chosen = True
        self.looked()

    # what is typed

    def _check_password(self, text: str) -> Remark | None:
        if not text and self._keeps_secret():
            return Remark(field_checks.Weight.NOTE, "Nothing typed: the password stays as it is.")
        return field_checks.check_password(text)

    def _keeps_secret(self) -> bool:
        """Whether the account that is changed goes on with what the keyring has."""
        if not self.is_mounted:
            return False
        before = self.wizard.before
        way = self.way.value
        return before is not None and ways.way_of(before) is way and way is not Way.SESSION and not self._refused

    _refused = False

    def leaving(self) -> bool:
        wizard, way = self.wizard, self.way.value
        provider = self.provider if way in ways.OAUTH else None
        wizard.draft = msgspec.structs.replace(
            wizard.draft, credential=ways.credential(way, self.command.value, provider)
        )
        wizard.secret = Secret(self.password.value) if way in ways.TYPED and self.password.value else None
        if provider is None or self._keeps_secret():
            return True
        if self._signed_in is not None and self._signed_in[:2] == (provider, wizard.draft.email) and not self._refused:
            wizard.secret = self._signed_in[2]
            return True
        self._sign_in(provider, by_code=way is Way.CODE)
        return False

    def _sign_in(self, provider: OAuthProvider, *, by_code: bool) -> None:
        from termmail.ui.wizard.oauth_screen import OAuthScreen

        wizard = self.wizard
        account = wizard.draft.account()

        def ended(tokens: Tokens | None) -> None:
            if tokens is None:
                return
            self._refused = False
            self._signed_in = provider, account.email, tokens
            wizard.secret = tokens
            wizard.go_to(wizard.steps.index(self) + 1)

        request = SignInRequest(provider, account.email, by_code, account.ca_file, account.proxy)
        wizard.app.push_screen(OAuthScreen(request), ended)

    def complain(self, sentence: str) -> None:
        """The password, the command or the sign-in was not accepted."""
        self._refused = True
        way = self.way.value
        field = self.command if way in ways.COMMANDS else self.client_id if way in ways.OAUTH else self.password
        field.complain(sentence)
        self.wizard.focus_on(field)
