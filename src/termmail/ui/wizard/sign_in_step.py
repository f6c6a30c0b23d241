"""The third step: where the password comes from, and what the provider accepts."""

from __future__ import annotations

import msgspec
from textual.app import ComposeResult
from textual.widget import Widget

from termmail.accounts import credentials
from termmail.model.account import Credential, CredentialKind
from termmail.model.errors import TermmailError
from termmail.model.secret import Secret
from termmail.setup import field_checks
from termmail.setup.account_draft import AccountDraft
from termmail.setup.field_checks import Remark
from termmail.setup.offer import sign_in_notes
from termmail.ui.text import one_line
from termmail.ui.wizard.facts import DOUBTFUL, Fact, Facts
from termmail.ui.wizard.form import FormField, Option, Options
from termmail.ui.wizard.jobs import Done
from termmail.ui.wizard.step import Step

_WORDS = {
    CredentialKind.KEYRING: (
        "Keyring",
        "Typed once and kept in this system's keyring, which is locked when you log out.",
    ),
    CredentialKind.COMMAND: ("Command", "A program prints it, such as pass, each time it is needed."),
    CredentialKind.SESSION: ("Ask each time", "Typed whenever termmail starts, and kept in memory only."),
}
_TYPED = (CredentialKind.KEYRING, CredentialKind.SESSION)


class SignInStep(Step):
    """What was typed for one way stays while another is looked at."""

    def __init__(self, draft: AccountDraft) -> None:
        super().__init__()
        self._notes = Facts(id="sign-in-notes")
        self.kind: Options[CredentialKind] = Options(_options(""), draft.credential.kind, id="credential")
        self.password = FormField("password", "Password", self._check_password, secret=True)
        self.command = FormField(
            "command",
            "Command",
            field_checks.check_command,
            value=draft.credential.command,
            placeholder="pass show mail/lisa",
        )
        self._keyring_job = 0
        self._keyring_trouble = ""
        self._chosen = draft.before is not None

    def compose(self) -> ComposeResult:
        yield Facts([Fact("How do you sign in?", "bright")])
        yield self._notes
        yield self.kind
        yield Facts()
        yield self.password
        yield self.command

    def opened(self) -> None:
        self.looked()
        if not self._keyring_job:
            account = self.wizard.draft.account()
            self._keyring_job = self.wizard.jobs.call(lambda: credentials.check_keyring(account))
        self._to_the_field()

    def _to_the_field(self) -> None:
        field = self.command if self.kind.value is CredentialKind.COMMAND else self.password
        self.wizard.focus_on(field if not self._keeps_password() else self.kind)

    def told(self, job: int, news: object) -> bool:
        """News of a job, if it is this step's: whether there is a keyring."""
        if job != self._keyring_job:
            return False
        if isinstance(news, TermmailError):
            self._keyring_trouble = one_line(news.sentence.partition(" Other ways:")[0])
            if not self._chosen and self.kind.value is CredentialKind.KEYRING:
                self.kind.choose(CredentialKind.SESSION)
        elif isinstance(news, Done):
            self._keyring_trouble = ""
        self.looked()
        return True

    def looked(self) -> None:
        if not self.is_mounted:
            return
        wizard = self.wizard
        self.kind.show(_options(self._keyring_trouble))
        self.password.display = self.kind.value in _TYPED
        self.command.display = self.kind.value is CredentialKind.COMMAND
        notes = wizard.discovery.provider if wizard.discovery is not None else None
        self._notes.show([Fact(words, "warning", "", DOUBTFUL, "warning") for words in sign_in_notes(notes)])
        self._notes.display = bool(self._notes.facts)

    def chosen(self, control: Widget) -> None:
        self._chosen = True
        self.looked()

    # what is typed

    def _check_password(self, text: str) -> Remark | None:
        if not text and self._keeps_password():
            return Remark(field_checks.Weight.NOTE, "Nothing typed: the password stays as it is.")
        return field_checks.check_password(text)

    def _keeps_password(self) -> bool:
        """Whether the account that is changed has one in the keyring that goes on being used."""
        if not self.is_mounted:
            return False
        before = self.wizard.before
        return (
            before is not None
            and before.credential.kind is CredentialKind.KEYRING
            and self.kind.value is CredentialKind.KEYRING
        )

    def leaving(self) -> bool:
        kind = self.kind.value
        command = self.command.value.strip() if kind is CredentialKind.COMMAND else ""
        self.wizard.draft = msgspec.structs.replace(self.wizard.draft, credential=Credential(kind, command))
        typed = self.password.value if kind in _TYPED else ""
        self.wizard.secret = Secret(typed) if typed else None
        return True

    def complain(self, sentence: str) -> None:
        """The password, or the command that prints it, was not accepted."""
        field = self.command if self.kind.value is CredentialKind.COMMAND else self.password
        field.complain(sentence)
        self.wizard.focus_on(field)


def _options(keyring_trouble: str) -> list[Option[CredentialKind]]:
    return [
        Option(
            kind,
            title,
            (keyring_trouble,) if kind is CredentialKind.KEYRING and keyring_trouble else (words,),
            "not here" if kind is CredentialKind.KEYRING and keyring_trouble else "",
            "warning",
        )
        for kind, (title, words) in _WORDS.items()
    ]
