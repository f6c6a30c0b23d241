"""The wizard's screen: its steps, the keys that lead through them, and the draft they fill."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Center
from textual.screen import Screen

from termmail.accounts import config
from termmail.accounts.config import Config
from termmail.model.account import Account
from termmail.model.errors import TermmailError
from termmail.model.oauth import Tokens
from termmail.model.secret import Secret
from termmail.model.setup import Check, CheckPart, Discovery, Source, SourceReport
from termmail.setup.account_draft import AccountDraft, account_name, draft_of, with_discovery, with_pin
from termmail.setup.child import DiscoverRequest
from termmail.setup.field_checks import tidy
from termmail.ui.text import one_line
from termmail.ui.widgets.address_field import Shown
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.wizard.form import Chosen, FormField, FormInput, Options, Segments
from termmail.ui.wizard.form_keys import FormKeys
from termmail.ui.wizard.jobs import Jobs
from termmail.ui.wizard.step import Control, Hint, Step, StepBar

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

STEP_NAMES = ("You", "Mail", "Sign in", "Try")
_STEPS = {"down": 1, "up": -1, "j": 1, "k": -1, "space": 1}
_MOVES = {"tab": 1, "down": 1, "shift+tab": -1, "up": -1}
_NOTHING_WRITTEN = "Nothing has been written. Ctrl+C again leaves; any other key goes on."
_NOT_WRITTEN = "This account has not been written. Ctrl+C again leaves; any other key goes on."
_NOTHING_CHANGED = "The account is as it was. Ctrl+C again leaves; any other key goes on."


class WizardScreen(FormKeys, Screen[tuple[Account, ...]], inherit_bindings=False):
    """Ends with the accounts that were written, none where it was left. `before` is one to change; `demo` offers the demo."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    WizardScreen { background: $background; }
    WizardScreen Center { height: 1fr; }
    """

    def __init__(self, known: Config, *, before: Account | None = None, demo: bool = False) -> None:
        super().__init__()
        self.config = known
        self.before = before
        self.is_new = before is None
        self.demo = demo
        self.written: tuple[Account, ...] = ()
        self.jobs = Jobs(self)
        self.words = Shown("words")
        self.key_hints = KeyHints()
        self._begin(AccountDraft() if before is None else draft_of(before))

    def _begin(self, draft: AccountDraft) -> None:
        self.draft = draft
        self.secret: Secret | Tokens | None = None
        self.discovery: Discovery | None = None
        self.reports: dict[Source, SourceReport] = {}
        self.looked_up = ""
        self.lookup_failed = ""
        self._lookup = 0
        self.place = 0
        self._leaving = False
        self._is_written = False
        self._bar = StepBar(self._title(), STEP_NAMES)

    # the beginning

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    @property
    def step(self) -> Step:
        """The one that is shown."""
        return self.steps[self.place]

    def compose(self) -> ComposeResult:
        from termmail.ui.wizard.mail_step import MailStep
        from termmail.ui.wizard.person_step import PersonStep
        from termmail.ui.wizard.sign_in_step import SignInStep
        from termmail.ui.wizard.try_step import TryStep

        self.person = PersonStep(self.draft)
        self.mail = MailStep(self.draft)
        self.sign_in = SignInStep(self.draft)
        self.trial = TryStep()
        self.steps: tuple[Step, ...] = (self.person, self.mail, self.sign_in, self.trial)
        yield self._bar
        with Center():
            yield from self.steps
        yield self.words
        yield self.key_hints

    def on_mount(self) -> None:
        self._show_step()
        if self.is_first_screen:
            self._watch = self.set_interval(1.0, self._look_for_account)

    def _look_for_account(self) -> None:
        """One that is added in another terminal meanwhile is opened, unless this one is being added."""
        if self.written or self._anything_typed():
            return
        # Where the store or the file can't be read now, it is looked at again.
        with contextlib.suppress(TermmailError):
            if self.mail_app.backend.queries.accounts():
                changed = config.load(self.mail_app.backend.home)
                self.mail_app.config, self.mail_app.accounts = changed, changed.enabled_accounts
                self._watch.stop()
                self.mail_app.first_run_ended(self.mail_app.accounts)

    def begin_again(self) -> None:
        """For another account; the person is the same."""
        self.keep_keys()
        self.before, self.is_new = None, True
        self._begin(AccountDraft(full_name=self.draft.full_name))
        self.call_next(self._recompose_steps)

    async def _recompose_steps(self) -> None:
        await self.recompose()
        self._show_step()
        self.take_early_keys()

    def _title(self) -> str:
        if not self.is_new:
            return f"Account {one_line(self.draft.name)}"
        address = one_line(self.draft.email)
        return f"New account  {address}" if address else "New account"

    # steps

    def go_to(self, place: int) -> None:
        """Show a step without asking the one before it."""
        self.place = place
        self._show_step()

    def _show_step(self) -> None:
        for place, step in enumerate(self.steps):
            step.display = place == self.place
        self._bar.show(self._title(), self.place)
        self.say("")
        self.step.opened()
        self.show_hints()

    def focus_on(self, control: Control | None) -> None:
        """Where the next key goes."""
        if control is None:
            self.set_focus(None)
        else:
            self.set_focus(control.input if isinstance(control, FormField) else control)
            control.scroll_visible(animate=False)
        self.show_hints()

    def show_hints(self) -> None:
        """The keys that matter now."""
        hints: list[Hint] = [("Enter", self.step.enter_words(), "enter")]
        focused = self.focused_control()
        if isinstance(focused, FormField) and (remark := focused.remark) is not None and remark.meant:
            hints.append(("Ctrl+Y", "write what is meant", "ctrl+y"))
        if isinstance(focused, FormField) and focused.is_secret:
            hints.append(("Ctrl+R", "hide" if not focused.input.password else "show", "ctrl+r"))
        if isinstance(focused, Options):
            hints.append(("↑ ↓", "choose", "down"))
        elif isinstance(focused, Segments):
            hints.append(("← →", "choose", "right"))
        if len(self.step.controls()) > 1:
            hints.append(("Tab", "next field", "tab"))
        hints.extend(self.step.hints())
        hints.append(self._way_out())
        self.key_hints.show(hints)

    def _way_out(self) -> Hint:
        if self.place:
            return "Esc", "back", "escape"
        words = "leave" if self.before is not None or self.mail_app.accounts else "quit"
        # Esc again and again, on the way back through the steps, must not lose what was typed.
        return ("Ctrl+C twice", words, "ctrl+c") if self._anything_typed() else ("Esc", words, "escape")

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer in the line above the keys."""
        self.words.show(f" {one_line(sentence)}" if sentence else "", tone)

    # jobs

    def look_up(self, address: str) -> None:
        """Find the servers of an address, unless that is under way or done."""
        if address.casefold() == self.looked_up:
            return
        self.looked_up = address.casefold()
        self.lookup_failed = ""
        self.discovery = None
        self.reports = {}
        network = self.mail_app.network
        if tidy(self.draft.proxy):
            network = msgspec.structs.replace(network, proxy=tidy(self.draft.proxy))
        self._lookup = self.jobs.start(DiscoverRequest(address, network), instead_of=self._lookup)
        self._looked()

    def look_up_again(self) -> None:
        """The same once more: the network may be back."""
        address, self.looked_up = self.looked_up, ""
        if address:
            self.look_up(address)

    @property
    def is_looking(self) -> bool:
        """Whether a lookup is under way."""
        return bool(self.looked_up) and self.discovery is None and not self.lookup_failed

    def _looked(self) -> None:
        for step in (self.person, self.mail, self.sign_in):
            step.looked()
        self.show_hints()

    def on_jobs_told(self, event: Jobs.Told) -> None:
        event.stop()
        if isinstance(event.news, BaseException) and not isinstance(event.news, TermmailError):
            raise event.news
        if event.job == self._lookup:
            match event.news:
                case SourceReport(source=source):
                    self.reports[source] = event.news
                case Discovery():
                    self.discovery = event.news
                    self.draft = with_discovery(self.draft, event.news)
                case TermmailError(sentence=sentence):
                    self.lookup_failed = sentence
            self._looked()
        else:
            self.trial.told(event.job, event.news)

    # keys

    def focused_control(self) -> Control | None:
        """The control that has the focus."""
        focused = self.focused
        if isinstance(focused, Options | Segments):
            return focused
        if isinstance(focused, FormInput):
            return next(
                (node for node in focused.ancestors if isinstance(node, FormField)),
                None,
            )
        return None

    def typed(self) -> None:
        self._leaving = False

    def act(self, key: str) -> None:
        """A key that is not typed into a field, or a click on its hint."""
        control = self.focused_control()
        if key == "ctrl+c":
            self._leave()
            return
        self._leaving = False
        if key == "escape":
            self.back()
        elif key == "ctrl+q":
            self.app.exit()
        elif key == "enter":
            self._enter(control)
        elif key == "ctrl+y" and isinstance(control, FormField):
            control.take_meant()
            self.show_hints()
        elif key == "ctrl+r" and isinstance(control, FormField) and control.is_secret:
            control.input.password = not control.input.password
            self.show_hints()
        elif self.step.key(key) or (isinstance(control, Options) and key in _STEPS and control.step(_STEPS[key])):
            pass
        elif isinstance(control, Segments) and key in ("left", "right", "h", "l", "space"):
            control.step(-1 if key in ("left", "h") else 1)
        elif key in _MOVES:
            self._move(control, _MOVES[key])

    def _move(self, control: Control | None, step: int) -> None:
        controls = self.step.controls()
        if not controls:
            return
        if isinstance(control, FormField):
            control.was_left_for(step)
            self.step.field_left(control)
        place = controls.index(control) + step if control in controls else 0
        self.focus_on(controls[place % len(controls)])

    def _enter(self, control: Control | None) -> None:
        """On to the next field, or from the last one to the next step."""
        controls = self.step.controls()
        if isinstance(control, FormField) and control in controls:
            control.was_left()
            self.step.field_left(control)
            following = next(
                (one for one in controls[controls.index(control) + 1 :] if isinstance(one, FormField)), None
            )
            if control.is_wrong:
                self.focus_on(control)
                return
            if following is not None and self.step.enter_moves:
                self.focus_on(following)
                return
        self.go_on()

    def go_on(self) -> None:
        """To the next step, if nothing is wrong with this one."""
        wrong = self.step.first_wrong()
        if wrong is not None:
            self.step.reveal(wrong)
            self.focus_on(wrong)
            return
        doubtful = self.step.first_doubt()
        if doubtful is not None:
            doubtful.insist()
            self.step.reveal(doubtful)
            self.focus_on(doubtful)
            self.say("Enter once more takes it as it is.", "warning")
            return
        if self.step.leaving() and self.place + 1 < len(self.steps):
            self.go_to(self.place + 1)

    def back(self) -> None:
        """To the step before; from the first one out, where there is somewhere to go."""
        if self.place:
            self.step.left_backwards()
            self.go_to(self.place - 1)
        else:
            self._leave()

    def _leave(self) -> None:
        """Out of the wizard: at once where nothing is lost, else when it is asked for again."""
        if self._leaving or not self._anything_typed():
            self.end()
            return
        self._leaving = True
        new = _NOT_WRITTEN if self.written else _NOTHING_WRITTEN
        self.say(new if self.before is None else _NOTHING_CHANGED, "warning")

    def _anything_typed(self) -> bool:
        fields = [control for step in self.steps for control in step.walk_children(FormField)]
        return not self._is_written and any(field.value != field.first_value for field in fields)

    def end(self) -> None:
        """Leave; what is under way ends."""
        self.jobs.cancel()
        if self.is_first_screen:
            self.mail_app.first_run_ended(self.written)
        else:
            self.dismiss(self.written)

    @property
    def is_first_screen(self) -> bool:
        """Whether there is none below it, since there is no account yet."""
        return self.app.screen_stack[0] is self

    # what the steps found out

    def take_person(self, email: str, full_name: str) -> None:
        """The first step's answers."""
        draft = msgspec.structs.replace(self.draft, email=email, full_name=full_name)
        if self.before is None and (not draft.name or email != self.draft.email):
            taken = [account.name for account in self.config.accounts]
            draft = msgspec.structs.replace(draft, name=account_name(email, taken))
        self.draft = draft

    def account_written(self, account: Account, changed: Config) -> None:
        """It is in the config file now; what is changed from here on is changed in it."""
        self.config = changed
        self._is_written = True
        self.written = (*(one for one in self.written if one.name != account.name), account)
        self.before = account
        self.draft = msgspec.structs.replace(self.draft, before=account)
        self.mail_app.accounts_written(changed, account, self.secret)

    def open_more(self) -> None:
        """Signature, identities, colour and keys of the account that was written."""
        from termmail.ui.wizard.more_screen import MoreScreen

        assert self.before is not None

        def ended(account: Account | None) -> None:
            if account is not None and self.before is not None:
                self.before = account
                self.draft = draft_of(account)
                self.written = (*(one for one in self.written if one.name != account.name), account)
                self.say("It is written.", "good")

        self.app.push_screen(MoreScreen(self.before), ended)

    def show_certificate(self, check: Check) -> None:
        """A certificate that nobody but its server vouches for."""
        from termmail.ui.wizard.certificate_screen import CertificateScreen

        assert check.certificate is not None
        certificate = check.certificate
        server = self.draft.smtp if check.part is CheckPart.SENDING else self.draft.incoming

        def ended(pinned: bool | None) -> None:
            if pinned:
                self.draft = with_pin(self.draft, check.part, certificate.sha256)
                self.trial.try_again()

        self.app.push_screen(CertificateScreen(server.host, certificate), ended)

    # the mouse

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.act(event.key)

    def on_step_bar_clicked(self, event: StepBar.Clicked) -> None:
        event.stop()
        while self.place > event.place:
            self.back()
        while self.place < event.place:
            before = self.place
            self.go_on()
            if self.place == before:
                break

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.show_hints()

    @on(FormField.Changed)
    def _field_changed(self, event: FormField.Changed) -> None:
        event.stop()
        self.step.field_changed(event.field)
        self.show_hints()

    @on(Chosen)
    def _chosen(self, event: Chosen) -> None:
        event.stop()
        self.step.chosen(event.chooser)
        self.show_hints()
