"""What an account may have beside what it needs: signature, other addresses, a colour; and the keys of the whole program."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Center, Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TextArea

from termmail.accounts import config
from termmail.mime.addresses import parse_addresses
from termmail.mime.addressing import format_address
from termmail.model.account import Account, Identity
from termmail.model.errors import TermmailError
from termmail.model.message import Address
from termmail.setup.field_checks import Weight, check_address, check_full_name, tidy
from termmail.ui.keymap import PRESETS
from termmail.ui.text import one_line
from termmail.ui.widgets.address_field import Shown
from termmail.ui.widgets.bars import KeyHints
from termmail.ui.widgets.pane import PaneTitle
from termmail.ui.wizard.facts import Fact, Facts
from termmail.ui.wizard.form import LABEL_CELLS, Chosen, FormField, FormInput, FormLabel, Segments
from termmail.ui.wizard.form_keys import FormKeys

if TYPE_CHECKING:
    from termmail.ui.app import TermmailApp

COLOURS = (
    ("", "automatic"),
    ("ansi_blue", "blue"),
    ("ansi_cyan", "cyan"),
    ("ansi_green", "green"),
    ("ansi_yellow", "yellow"),
    ("ansi_red", "red"),
)
_HINTS = (("Ctrl+S", "write it", "ctrl+s"), ("Tab", "next field", "tab"), ("Esc", "back without", "escape"))


class _Text(TextArea):
    DEFAULT_CSS = """
    _Text { border: none; height: 3; padding: 0 1; background: $panel; color: $foreground; width: 1fr; }
    _Text:focus { border: none; background-tint: $primary 14%; }
    _Text .text-area--cursor-line { background: $panel 0%; }
    """


class MoreScreen(FormKeys, Screen[Account | None], inherit_bindings=False):
    """Ends with the account as it was written, or None."""

    BINDINGS: ClassVar = []
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    MoreScreen { background: $background; }
    MoreScreen Center { height: 1fr; }
    MoreScreen VerticalScroll { width: 78; max-width: 100%; height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; }
    MoreScreen VerticalScroll { scrollbar-color: $foreground 26%; scrollbar-background: $background; }
    MoreScreen VerticalScroll { scrollbar-color-hover: $primary; scrollbar-color-active: $primary; }
    MoreScreen VerticalScroll { scrollbar-background-hover: $background; scrollbar-background-active: $background; }
    MoreScreen FormField, MoreScreen Segments, MoreScreen .text { margin-bottom: 1; }
    MoreScreen .text { height: auto; }
    MoreScreen Facts { margin-bottom: 1; }
    """

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account
        self._title = PaneTitle("more")
        self.full_name = FormField("full_name", "Your name", check_full_name, value=account.full_name)
        self.signature = _Text(account.signature, show_line_numbers=False, id="signature", tab_behavior="focus")
        self.identities = _Text(
            "\n".join(format_address(Address(one.name, one.address)) for one in account.identities),
            show_line_numbers=False,
            id="identities",
            tab_behavior="focus",
        )
        colours = (
            COLOURS
            if any(account.colour == name for name, _ in COLOURS)
            else (*COLOURS, (account.colour, account.colour))
        )
        self.colour = Segments("Colour", colours, account.colour, id="colour")
        self.keys = Segments(
            "Keys as in", [(name, name) for name in PRESETS], self.mail_app.config.keys.preset, id="keys"
        )
        self.words = Shown("words")
        self.key_hints = KeyHints()
        self._first = self._values()
        self._left: tuple[object, ...] = ()

    @property
    def mail_app(self) -> TermmailApp:
        return cast("TermmailApp", self.app)

    def compose(self) -> ComposeResult:
        yield self._title
        with Center(), VerticalScroll(can_focus=False):
            yield Facts([Fact("More about this account", "bright")])
            yield self.full_name
            yield Horizontal(FormLabel("Signature"), self.signature, classes="text")
            yield Horizontal(FormLabel("Also sends as"), self.identities, classes="text")
            yield Facts(
                [Fact("One a line, such as: Lisa Example <lisa@club.example>", "muted", " ")],
                column=LABEL_CELLS + 1,
            )
            yield self.colour
            yield self.keys
            yield Facts([Fact("The keys are those of all accounts.", "muted", " ")], column=LABEL_CELLS + 1)
        yield self.words
        yield self.key_hints

    def on_mount(self) -> None:
        self._title.show(f"Account {one_line(self._account.name)}", active=True)
        self.key_hints.show(_HINTS)
        self.set_focus(self.signature)

    def say(self, sentence: str, tone: str = "text") -> None:
        """Answer in the line above the keys."""
        self.words.show(f" {one_line(sentence)}" if sentence else "", tone)

    def _controls(self) -> list[Widget]:
        return [self.full_name.input, self.signature, self.identities, self.colour, self.keys]

    def _values(self) -> tuple[object, ...]:
        texts = (self.full_name.value, self.signature.text, self.identities.text)
        return (*texts, self.colour.value, self.keys.value)

    def _leave(self) -> None:
        """Out: at once where nothing is lost, else when it is asked for again."""
        values = self._values()
        if values in (self._first, self._left):
            self.dismiss(None)
            return
        self._left = values
        self.say("What was changed here is not written. Ctrl+S writes it; Esc again leaves without.", "warning")

    def act(self, key: str) -> None:
        """A key that is not typed into a field."""
        focused = self.focused
        if key in ("escape", "ctrl+c"):
            self._leave()
        elif key == "ctrl+q":
            self.app.exit()
        elif key == "ctrl+s" or (key == "enter" and not isinstance(focused, FormInput)):
            self._write()
        elif isinstance(focused, Segments) and key in ("left", "right", "h", "l", "space"):
            focused.step(-1 if key in ("left", "h") else 1)
        elif key in ("tab", "down", "enter", "shift+tab", "up"):
            controls = self._controls()
            step = -1 if key in ("shift+tab", "up") else 1
            place = controls.index(focused) + step if focused in controls else 0
            self.set_focus(controls[place % len(controls)])

    def on_key_hints_clicked(self, event: KeyHints.Clicked) -> None:
        event.stop()
        self.act(event.key)

    @on(Chosen)
    def _chosen(self, event: Chosen) -> None:
        event.stop()

    def on_click(self, event: events.Click) -> None:
        self.say("")

    # writing

    def _write(self) -> None:
        identities = self._typed_identities()
        if identities is None:
            return
        account = msgspec.structs.replace(
            self._account,
            full_name=tidy(self.full_name.value),
            signature=self.signature.text.strip("\n"),
            identities=identities,
            colour=self.colour.value,
        )
        app = self.mail_app
        home = app.backend.home
        try:
            changed = config.edit_account(home, account)
            if self.keys.value != changed.keys.preset:
                changed = config.choose_keys(home, self.keys.value)
        except TermmailError as error:
            self.say(error.sentence, "error")
            return
        app.accounts_written(changed, account, None)
        app.use_keys(changed.keys)
        self.dismiss(account)

    def _typed_identities(self) -> tuple[Identity, ...] | None:
        """The addresses that were typed; None where one is wrong, which is said then."""
        signatures = {one.address.casefold(): one.signature for one in self._account.identities}
        found = []
        for line in self.identities.text.splitlines():
            if not line.strip():
                continue
            addresses = parse_addresses(line)
            remark = check_address(addresses[0].address) if len(addresses) == 1 else None
            if len(addresses) != 1 or (remark is not None and remark.weight is Weight.WRONG):
                self.set_focus(self.identities)
                self.say(
                    f"“{one_line(line)}” is not one address. Write it as: Lisa Example <lisa@club.example>", "error"
                )
                return None
            one = addresses[0]
            found.append(Identity(one.name, one.address, signatures.get(one.address.casefold(), "")))
        return tuple(found)
