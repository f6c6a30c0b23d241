"""Signing in by OAuth 2: the page to open, or the code to type, and the wait for the person's yes."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from termmail.model.errors import TermmailError
from termmail.model.oauth import AddressRefused, DeviceCode, SignInPage, Tokens
from termmail.setup.child import SignInRequest
from termmail.setup.field_checks import tidy
from termmail.ui.commands.handing import open_link
from termmail.ui.text import one_line, shown_address
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.wizard.facts import BAD, BLANK, OPEN, Fact, Facts
from termmail.ui.wizard.form import FormField
from termmail.ui.wizard.form_keys import FormKeys
from termmail.ui.wizard.jobs import Done, Jobs
from termmail.ui.wizard.step import Hint


class OAuthScreen(FormKeys, ModalScreen[Tokens | None], inherit_bindings=False):
    """Ends with what the sign-in yielded, or None."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    OAuthScreen { align: center middle; background: $background 55%; }
    OAuthScreen > Vertical { width: 78; max-width: 100%; height: auto; max-height: 100%; background: $surface; padding: 1; }
    OAuthScreen Facts { margin: 1 1; }
    OAuthScreen FormField { margin: 0 1 1 1; }
    """

    def __init__(self, request: SignInRequest) -> None:
        super().__init__()
        self._provider = request.provider
        self._request = request
        self._jobs = Jobs(self)
        self._job = 0
        self._url = ""
        self._title = PaneTitle("oauth")
        self._facts = Facts()
        self.pasted = FormField("pasted", "Address")
        self._hints = KeyHints()
        self._over = False
        self._page: list[Fact] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            yield self._facts
            yield self.pasted
            yield self._hints

    def on_mount(self) -> None:
        self._title.show(f"Sign in at {one_line(self._provider.label)}", active=True)
        self._begin()

    def _begin(self) -> None:
        self._over = False
        self._url = ""
        self.pasted.display = False
        self._facts.show([Fact("Asking the sign-in server …", "muted", "", OPEN, "warning")])
        self._job = self._jobs.start(self._request, instead_of=self._job)
        self._show_hints()

    def _show_hints(self) -> None:
        hints: list[Hint] = []
        if self._over:
            hints.append(("F5", "again", "f5"))
        elif self._url:
            hints += [("F6", "open the page", "f6"), ("F7", "copy its address", "f7")]
            if self.pasted.display:
                hints.append(("Enter", "take the address", "enter"))
        self._hints.show([*hints, ("Esc", "back", "escape")])

    def on_jobs_told(self, event: Jobs.Told) -> None:
        event.stop()
        if event.job != self._job:
            return
        match event.news:
            case SignInPage(url=url):
                self._show_page(url)
            case DeviceCode() as code:
                self._show_code(code)
            case AddressRefused(sentence=sentence):
                self.pasted.complain(sentence)
            case Tokens() as tokens:
                self._jobs.cancel()
                self.dismiss(tokens)
            case TermmailError(sentence=sentence):
                self._over = True
                self.pasted.display = False
                self._facts.show([Fact(one_line(sentence), "error", "", BAD, "error")])
            case Done():
                pass
            case BaseException() as error:
                raise error
        self._show_hints()

    def _show_page(self, url: str) -> None:
        self._url = url
        self.pasted.display = True
        self._page = [
            Fact("Agree on the sign-in page in the browser, and this goes on by itself."),
            BLANK,
            Fact(shown_address(url), "code"),
            BLANK,
            Fact(
                "Where the browser runs on another computer its last page can't be shown; paste the address of that page here."
            ),
        ]
        self._open_page()
        self.set_focus(self.pasted.input)

    def _show_code(self, code: DeviceCode) -> None:
        self._url = code.complete_url or code.url
        minutes = max(1, round(code.expires_in / 60))
        self._page = [
            Fact("Open this page on any device, and type the code there. This goes on by itself."),
            BLANK,
            Fact(shown_address(code.url), "code", "page"),
            Fact(one_line(code.user_code), "bright", "code"),
            BLANK,
            Fact(f"The code is good for {minutes} minute{'s' * (minutes != 1)}.", "muted"),
        ]
        self._facts.show(self._page)

    def _open_page(self) -> None:
        open_link(self._url, self.app, self._page_opened, "F7 copies the page's address.")

    def _page_opened(self, sentence: str) -> None:
        if not self._over:
            self._facts.show([Fact(one_line(sentence)), BLANK, *self._page])

    def act(self, key: str) -> None:
        """A key that is not typed into a field."""
        if key in ("escape", "ctrl+c"):
            self._jobs.cancel()
            self.dismiss(None)
        elif key == "ctrl+q":
            self.app.exit()
        elif key == "f5" and self._over:
            self._begin()
        elif key == "f6" and self._url:
            self._open_page()
        elif key == "f7" and self._url:
            self.app.copy_to_clipboard(self._url)
        elif key == "enter" and self.pasted.display and tidy(self.pasted.value):
            self._jobs.paste(self._job, tidy(self.pasted.value))

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.act(event.key)
