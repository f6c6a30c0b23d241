"""The last step: receiving and sending are tried for real, and what works is written."""

from __future__ import annotations

import enum

from textual.app import ComposeResult
from textual.widget import Widget

from termmail.accounts import saving
from termmail.accounts.config import Config
from termmail.model.account import Account
from termmail.model.errors import TermmailError
from termmail.model.oauth import Tokens
from termmail.model.setup import Check, CheckCause, CheckPart, CheckState
from termmail.setup import ways
from termmail.setup.child import CheckRequest
from termmail.setup.offer import sign_in_notes
from termmail.setup.ways import Way
from termmail.store.intents import Intents
from termmail.ui.text import one_line
from termmail.ui.wizard.facts import BAD, DOUBTFUL, GOOD, OPEN, Fact, Facts
from termmail.ui.wizard.form import Option, Options
from termmail.ui.wizard.jobs import Done
from termmail.ui.wizard.step import Hint, Step

_MARKS = {
    CheckState.RUNNING: (OPEN, "warning"),
    CheckState.OK: (GOOD, "good"),
    CheckState.WARNING: (DOUBTFUL, "warning"),
    CheckState.SKIPPED: (OPEN, "faint"),
    CheckState.FAILED: (BAD, "error"),
}
_AT_THE_SERVER = {
    CheckCause.NAME: "host",
    CheckCause.UNREACHABLE: "host",
    CheckCause.OTHER_SERVICE: "port",
    CheckCause.ENCRYPTION: "port",
    CheckCause.CERTIFICATE: "host",
}


class Next(enum.Enum):
    """What may be done when the checks are over."""

    START = "start"
    ANOTHER = "another"
    MORE = "more"
    MEND = "mend"
    CERTIFICATE = "certificate"
    AGAIN = "again"
    SAVE = "save"


class TryStep(Step):
    """Each check is shown as it passes. What failed leads back to the field concerned."""

    enter_moves = False

    def __init__(self) -> None:
        super().__init__()
        self._title = Facts(id="try-title")
        self._results = Facts(id="checks")
        self.next: Options[Next] = Options([Option(Next.AGAIN, "Try again")], Next.AGAIN, id="next")
        self._checks: dict[tuple[CheckPart, str], Check] = {}
        self._job = 0
        self._saving = 0
        self._saved: Fact | None = None
        self.account: Account | None = None

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._results
        yield self.next

    # trying

    def opened(self) -> None:
        self._try()

    def try_again(self) -> None:
        """All checks from the beginning."""
        self._try()

    def _try(self) -> None:
        wizard = self.wizard
        wizard.jobs.stop(self._job)
        self._checks = {}
        self._saved = None
        self._saving = 0
        self.account = wizard.draft.account()
        secret = wizard.secret.access if isinstance(wizard.secret, Tokens) else wizard.secret
        self._job = wizard.jobs.start(CheckRequest(self.account, secret, wizard.mail_app.network))
        self._offer([])
        self._show()

    def left_backwards(self) -> None:
        self.wizard.jobs.stop(self._job)
        self._job = 0

    def told(self, job: int, news: object) -> None:
        """News of the checks, or of the writing."""
        if self.wizard.sign_in.told(job, news):
            return
        if job == self._job:
            match news:
                case Check():
                    self._checks[news.part, news.name] = news
                case TermmailError():
                    self._failed(news.sentence)
                case Done():
                    self._checks = {
                        key: check for key, check in self._checks.items() if check.state is not CheckState.RUNNING
                    }
                    self._tried()
        elif job == self._saving:
            match news:
                case Done(result=result):
                    assert isinstance(result, Config)
                    self._written(result)
                case TermmailError():
                    self._could_not_write(news)
        else:
            # Of a job that was replaced by another one.
            return
        self._show()

    @property
    def failure(self) -> Check | None:
        """The check that failed."""
        return next((check for check in self._checks.values() if check.state is CheckState.FAILED), None)

    def _failed(self, sentence: str) -> None:
        self._checks[CheckPart.ACCOUNT, "check"] = Check("check", CheckState.FAILED, sentence)
        self._tried()

    def _tried(self) -> None:
        failure = self.failure
        if failure is None:
            self._save()
            return
        offers: list[Option[Next]] = []
        if failure.cause is CheckCause.CERTIFICATE and failure.certificate is not None and failure.certificate.pinnable:
            offers.append(Option(Next.CERTIFICATE, "Look at the certificate"))
        mend = _mend_words(failure, self.wizard.sign_in.way.value)
        if mend and not failure.later:
            offers.append(Option(Next.MEND, mend))
        offers.append(Option(Next.AGAIN, "Try again"))
        if mend and failure.later:
            offers.append(Option(Next.MEND, mend))
        offers.append(Option(Next.SAVE, "Keep it as it is, and let termmail try later"))
        self._offer(offers)

    # writing

    def _save(self) -> None:
        wizard, account = self.wizard, self.account
        assert account is not None
        home, before, secret = wizard.mail_app.backend.home, wizard.before, wizard.secret

        def write() -> Config:
            written = saving.keep_provider(home, account)
            if before is None:
                changed = saving.add_account(home, written, secret)
            else:
                changed, _ = saving.change_account(home, before, written, secret)
            intents = Intents(home)
            try:
                intents.register_accounts(changed.accounts)
            finally:
                intents.close()
            return changed

        self._saved = Fact("Writing …", "muted", "settings", OPEN, "warning")
        self._saving = wizard.jobs.call(write)

    def _written(self, changed: Config) -> None:
        wizard = self.wizard
        assert self.account is not None
        account = self.account = changed.account(self.account.name) or self.account
        path = one_line(str(wizard.mail_app.backend.home.config_file))
        self._saved = Fact(f"Written to {path}.", "text", "settings", GOOD, "good")
        wizard.account_written(account, changed)
        self._offer(
            [
                Option(Next.START, "Read mail" if wizard.is_first_screen else "Done"),
                *([Option(Next.ANOTHER, "Add another account")] if wizard.is_new else []),
                Option(Next.MORE, "Signature, other addresses, colour, keys"),
            ]
        )

    def _could_not_write(self, error: TermmailError) -> None:
        self._saved = Fact(one_line(error.sentence), "error", "settings", BAD, "error")
        self._offer([Option(Next.MEND, "Change how you sign in"), Option(Next.SAVE, "Try again to write it")])

    # what is shown

    def _offer(self, options: list[Option[Next]]) -> None:
        self.next.display = bool(options)
        if options:
            self.next.show(options)
            self.next.choose(options[0].value)
        if self.wizard.step is self:
            self.wizard.focus_on(self.next if options else None)

    def _show(self) -> None:
        account = self.account
        assert account is not None
        facts = []
        for check in self._checks.values():
            mark, tone = _MARKS[check.state]
            words_tone = {CheckState.FAILED: "error", CheckState.SKIPPED: "muted", CheckState.RUNNING: "muted"}.get(
                check.state, "text"
            )
            facts.append(Fact(one_line(check.sentence) or "…", words_tone, one_line(check.title), mark, tone))
            if check.state in (CheckState.FAILED, CheckState.WARNING):
                facts.extend(Fact(words, "text", " ") for words in self._what_to_do(check))
        if self._saved is not None:
            facts.append(self._saved)
        self._results.show(facts)
        self._title.show([Fact(self._title_words(), "bright")])
        self.wizard.show_hints()

    def _what_to_do(self, check: Check) -> tuple[str, ...]:
        """What a check's `fix` says for the command line is said in the wizard's words, or is offered below."""
        match check.cause:
            case CheckCause.PASSWORD | CheckCause.NO_PASSWORD:
                discovery = self.wizard.discovery
                return sign_in_notes(discovery.provider if discovery is not None else None)
            case CheckCause.ENCRYPTION:
                return ("“Change the server” leads to its port and encryption.",)
            case CheckCause.REFUSED if check.part is CheckPart.SENDING and check.fix:
                return ("If you may send from another address only, go back to “You” and type that one.",)
            case CheckCause.CERTIFICATE if check.certificate is not None and check.certificate.pinnable:
                return ()
        return (one_line(check.fix),) if check.fix else ()

    def _title_words(self) -> str:
        if self._saved is not None and self._saved.mark == GOOD:
            return (
                "All is well."
                if not any(check.state in (CheckState.WARNING, CheckState.FAILED) for check in self._checks.values())
                else "It is written."
            )
        if self.failure is not None:
            return "This did not work."
        return "Trying it …"

    def enter_words(self) -> str:
        return "do it" if self.next.display else "…"

    def hints(self) -> tuple[Hint, ...]:
        return () if self._job == 0 or self.failure is None else (("F5", "try again", "f5"),)

    def key(self, key: str) -> bool:
        if key != "f5" or self.failure is None:
            return False
        self._try()
        return True

    # what is done

    def leaving(self) -> bool:
        if not self.next.display:
            return False
        wizard, failure = self.wizard, self.failure
        match self.next.value:
            case Next.START:
                wizard.end()
            case Next.ANOTHER:
                wizard.begin_again()
            case Next.MORE:
                wizard.open_more()
            case Next.AGAIN:
                self._try()
            case Next.SAVE:
                self._save()
                self._show()
            case Next.MEND:
                self._mend(failure)
            case Next.CERTIFICATE if failure is not None:
                wizard.show_certificate(failure)
        return False

    def chosen(self, control: Widget) -> None:
        self.wizard.show_hints()

    def clicked(self) -> None:
        """What was clicked is done at once."""
        self.leaving()

    def _mend(self, failure: Check | None) -> None:
        wizard = self.wizard
        self.left_backwards()
        if failure is None or failure.cause in (CheckCause.NO_PASSWORD, CheckCause.PASSWORD):
            wizard.go_to(wizard.steps.index(wizard.sign_in))
            if failure is not None:
                wizard.sign_in.complain(failure.sentence)
            return
        wizard.go_to(wizard.steps.index(wizard.mail))
        field = (
            "user"
            if failure.cause is CheckCause.SIGN_IN
            else _AT_THE_SERVER.get(failure.cause or CheckCause.OTHER, "host")
        )
        wizard.mail.complain(failure.part, failure.sentence, field=field)


def _mend_words(failure: Check, way: Way) -> str:
    match failure.cause:
        case CheckCause.NO_PASSWORD | CheckCause.PASSWORD:
            if way in ways.OAUTH:
                return "Sign in again"
            return "Change the command" if way in ways.COMMANDS else "Type the password again"
        case CheckCause.SIGN_IN:
            return "Change the user name"
        case (
            CheckCause.NAME
            | CheckCause.UNREACHABLE
            | CheckCause.OTHER_SERVICE
            | CheckCause.ENCRYPTION
            | CheckCause.CERTIFICATE
        ):
            return "Change the server"
    return ""
