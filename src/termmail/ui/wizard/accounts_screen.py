"""The accounts there are: changed, disabled, removed and added from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from termmail.accounts import config, saving
from termmail.accounts.config import Config
from termmail.model.account import Account, Protocol
from termmail.model.errors import TermmailError
from termmail.store.intents import Intents
from termmail.ui.screens.ask import Ask
from termmail.ui.screens.keyed import Keyed, key_name
from termmail.ui.screens.problems import Entry, ProblemsPane
from termmail.ui.text import one_line
from termmail.ui.widgets.address_field import Shown
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.wizard.jobs import Done, Jobs

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

_HINTS = (
    ("Enter", "change", "enter"), ("a", "add", "a"), ("m", "more", "m"), ("d", "on/off", "d"),
    ("x", "remove", "x"), ("X", "remove with its mail", "X"), ("q", "close", "q"),
)  # fmt: skip


class AccountsScreen(Keyed, ModalScreen[None], inherit_bindings=False):
    """Everything it does is written at once."""

    BINDINGS: ClassVar = []
    DEFAULT_CSS = """
    AccountsScreen { align: center middle; background: $background 55%; }
    AccountsScreen > Vertical { width: 92%; max-width: 110; height: 88%; background: $surface; padding: 1; }
    """

    def __init__(self, known: Config) -> None:
        super().__init__()
        self._config = known
        self.jobs = Jobs(self)
        self._after: dict[int, Callable[[object], None]] = {}
        self._leaving = False
        self._title = PaneTitle("accounts")
        self.pane = ProblemsPane([], "There is no account.")
        self._words = Shown("words")
        self._hints = KeyHints("accounts-hints")

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self.pane
            yield self._words
            yield self._hints

    def on_mount(self) -> None:
        self._title.show("Accounts", active=True)
        self._hints.show(_HINTS)
        self._show()

    def _show(self) -> None:
        self.pane.entries = [_entry(account, place) for place, account in enumerate(self._config.accounts)]
        self.pane.cursor = min(self.pane.cursor, max(0, len(self.pane.entries) - 1))
        self.pane.lay_out()
        self.pane.touch()

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer above the keys."""
        self._words.show(f" {one_line(sentence)}" if sentence else "", tone)

    @property
    def _current(self) -> Account | None:
        accounts = self._config.accounts
        return accounts[self.pane.cursor] if self.pane.cursor < len(accounts) else None

    # keys

    def key_pressed(self, event: events.Key) -> bool:
        self.act(key_name(event))
        return True

    def act(self, key: str) -> None:
        """A key, or a click on its hint."""
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": 8, "pageup": -8, "G": 10**6, "home": -(10**6)}
        account = self._current
        self.say("")
        if key in ("q", "escape", "ctrl+c"):
            self._leave()
        elif key == "ctrl+q":
            self.app.exit()
        elif key in moves:
            self.pane.move(moves[key])
        elif key in ("a", "n", "+"):
            self._open_wizard(None)
        elif account is None:
            return
        elif key in ("enter", "e"):
            self._open_wizard(account)
        elif key == "m":
            self._open_more(account)
        elif key == "d":
            self._enable(account, not account.enabled)
        elif key == "x":
            self._remove(account)
        elif key == "X":
            self._purge(account)

    def _leave(self) -> None:
        """Close: when what is being written is written, at once where that is asked for again."""
        if self._after and not self._leaving:
            self._leaving = True
            self.say("This closes when it is written. q again closes it now.")
        else:
            self.dismiss(None)

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.act(event.key)

    def on_problems_pane_clicked(self, event: ProblemsPane.Clicked) -> None:
        event.stop()
        self.act("enter")

    # what the keys do

    def _open_wizard(self, account: Account | None) -> None:
        from termmail.ui.wizard.screen import WizardScreen

        def ended(written: tuple[Account, ...] | None) -> None:
            self._config = self.mail_app.config
            self._show()
            if written:
                self.say(f"{', '.join(one.name for one in written)}: written.", "good")

        self.app.push_screen(WizardScreen(self._config, before=account), ended)

    def _open_more(self, account: Account) -> None:
        from termmail.ui.wizard.more_screen import MoreScreen

        def ended(written: Account | None) -> None:
            self._config = self.mail_app.config
            self._show()
            if written is not None:
                self.say(f"{written.name}: written.", "good")

        self.app.push_screen(MoreScreen(account), ended)

    def _enable(self, account: Account, enabled: bool) -> None:
        home = self.mail_app.backend.home
        changed = msgspec.structs.replace(account, enabled=enabled)
        words = (
            f"{account.name} is in use again."
            if enabled
            else f"{account.name} is disabled: its settings and its mail stay here. d enables it again."
        )
        self._write(lambda: (config.edit_account(home, changed), ""), words)

    def _remove(self, account: Account) -> None:
        home = self.mail_app.backend.home

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(
                    lambda: saving.remove_account(home, account),
                    f"{account.name} is removed. Its mail on this computer comes back with an account of this name.",
                )

        self.app.push_screen(
            Ask(
                f"Remove the account {account.name}?",
                "Remove",
                detail="Its settings and its password go. Its mail stays on this computer, and on the server.",
            ),
            answered,
        )

    def _purge(self, account: Account) -> None:
        home = self.mail_app.backend.home

        def answered(yes: bool | None) -> None:
            if yes:
                self._write(
                    lambda: saving.remove_account(home, account),
                    f"{account.name} is removed, and its mail on this computer.",
                    lambda intents: intents.purge_account(account.name),
                )

        self.app.push_screen(
            Ask(
                f"Remove the account {account.name} and all its mail on this computer?",
                "Remove with its mail",
                detail="This can't be undone."
                + (
                    " By POP3 this computer has the only copy of what is no longer on the server."
                    if account.protocol is Protocol.POP3
                    else " On the server it stays."
                ),
            ),
            answered,
        )

    def _write(
        self,
        change: Callable[[], tuple[Config, str]],
        words: str,
        then: Callable[[Intents], object] = lambda intents: None,
    ) -> None:
        """Change the config file in a thread, since the keyring may have to be asked, and `then` the store."""

        def done(result: object) -> None:
            changed, left, failure = cast("tuple[Config, str, TermmailError | None]", result)
            self._config = changed
            self.mail_app.config_changed(changed)
            self._show()
            if failure is not None:
                self.say(failure.sentence, "error")
            else:
                self.say(f"{words} {left}".strip(), "warning" if left else "good")

        home = self.mail_app.backend.home

        def write() -> tuple[Config, str, TermmailError | None]:
            changed, left = change()
            # By itself: where the wizard was opened first, the user interface's own writer has not begun yet.
            try:
                intents = Intents(home)
                try:
                    intents.register_accounts(changed.accounts)
                    then(intents)
                finally:
                    intents.close()
            except TermmailError as error:
                return changed, left, error
            return changed, left, None

        self._after[self.jobs.call(write)] = done

    def on_jobs_told(self, event: Jobs.Told) -> None:
        event.stop()
        after = self._after.pop(event.job, None)
        match event.news:
            case Done(result=result) if after is not None:
                after(result)
                if self._leaving and not self._after:
                    self.dismiss(None)
            case TermmailError(sentence=sentence):
                self._leaving = False
                self.say(sentence, "error")
            case BaseException() as error:
                raise error


def _entry(account: Account, place: int) -> Entry:
    server = account.incoming
    sends = f", sends by {one_line(account.smtp.host)}" if account.smtp is not None else ", only receives"
    head = f"{one_line(account.name)} · {account.protocol.value.upper()}" + ("" if account.enabled else " · disabled")
    return Entry(head, f"{one_line(account.email)}   {one_line(server.host)}{sends}", None, place)
