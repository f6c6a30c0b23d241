"""The program itself: help, palette, layout, themes, sync, what went wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from termmail.model.account import Account, CredentialKind
from termmail.model.oauth import Tokens
from termmail.model.secret import Secret
from termmail.model.status import ConnectionState, Request, RequestKind, RequestState
from termmail.ui.keymap import COMMANDS, Command, Where, show_key
from termmail.ui.text import one_line
from termmail.ui.threads import call_in_app
from termmail.ui.writer import Written

if TYPE_CHECKING:
    from termmail.ui.screens.choice import Item
    from termmail.ui.screens.main import MainScreen

_STEP = 4


class Program:
    """Commands that are about termmail rather than about mail."""

    def __init__(self, screen: MainScreen) -> None:
        self.screen = screen

    def commands(self) -> dict[str, Callable[[], None]]:
        return {
            "help": self.help,
            "palette": self.palette,
            "sync": self.sync,
            "toggle_folders": self.toggle_folders,
            "toggle_message": self.toggle_message,
            "grow": lambda: self.resize(_STEP),
            "shrink": lambda: self.resize(-_STEP),
            "theme": self.theme,
            "toggle_dark": self.toggle_dark,
            "redraw": self.redraw,
            "work_offline": self.work_offline,
            "problems": self.problems,
            "password": self.password,
            "accounts": lambda: self.screen.mail_app.open_accounts(),
        }

    # commands by name

    def _items(self, commands: list[Command]) -> list[Item[str]]:
        from termmail.ui.screens.choice import Item

        keys = self.screen.mail_app.keys
        items: list[Item[str]] = []
        for command in commands:
            shown = "  ".join(show_key(key) for key in keys.keys_of(command.name))
            items.append(Item(command.title, command.name, shown, muted=bool(command.later)))
        return items

    def help(self) -> None:
        """The keys of where one is."""
        from termmail.ui.screens.choice import Choice

        active = self.screen.active
        keys = self.screen.mail_app.keys
        here = [command for command in COMMANDS if command.where is active and keys.keys_of(command.name)]
        everywhere = [command for command in COMMANDS if command.where is Where.ANY and keys.keys_of(command.name)]
        self.screen.app.push_screen(
            Choice(f"Keys in the {_PANE_WORDS[active]}", self._items(here + everywhere), wide=True), self._chosen
        )

    def palette(self) -> None:
        """Every command with its key."""
        from termmail.ui.screens.choice import Choice

        commands = [
            command
            for command in COMMANDS
            if not command.name.startswith(("link_", "account_")) and command.name != "palette"
        ]
        self.screen.app.push_screen(Choice("Commands", self._items(commands), wide=True), self._chosen)

    def _chosen(self, name: str | None) -> None:
        if name is not None:
            self.screen.run_command(name)

    # the network

    def sync(self) -> None:
        """Ask the engine for a pass over all accounts now."""
        screen = self.screen
        if screen.work_offline:
            screen.say("You work offline. The palette's “Work offline” switches the network on again.")
            return

        def done(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
                return
            if isinstance(written.result, list):
                for request_id in written.result:
                    screen.backend.watcher.follow(request_id)

        screen.say("Looking for new mail …")
        screen.backend.writer.wish(lambda intents: intents.request_sync(), done)

    def request_ended(self, request: Request) -> None:
        """A pass or a body that was asked for here has ended."""
        screen = self.screen
        if request.kind is RequestKind.BODY:
            screen.composing.request_ended(request)
            if request.state is RequestState.FAILED and request.placement_id is not None:
                screen.reading.request_failed(request.placement_id, request.sentence)
            return
        name = one_line(request.account)
        if request.state is RequestState.FAILED:
            screen.say(f"{name}: {one_line(request.sentence) or 'the pass failed.'}", "error")
        else:
            screen.say(f"{name} is up to date.")

    def work_offline(self) -> None:
        screen = self.screen
        offline = not screen.work_offline

        def done(written: Written) -> None:
            if written.error is not None:
                screen.say(written.error.sentence, "error")
            else:
                screen.say(
                    "Working offline: what you do is kept and made later." if offline else "Working online again."
                )

        screen.backend.writer.wish(lambda intents: intents.set_work_offline(offline), done)

    def password(self) -> None:
        """Type the password of the account that asks for one, for this engine."""
        from termmail.ui.screens.ask import Prompt

        screen = self.screen
        asking = [status for status in screen.statuses if status.state is ConnectionState.SIGN_IN]
        current = screen.account_status()
        status = current if current in asking else asking[0] if asking else current
        if status is None:
            screen.say("There is no account.")
            return
        account = status.account
        configured = screen.mail_app.config.account(account)
        kind = configured.credential.kind if configured is not None else None
        if configured is not None and kind is CredentialKind.OAUTH2:
            self._sign_in(configured)
            return
        if kind is CredentialKind.TOKEN_COMMAND:
            screen.backend.tell_signed_in(account)
            screen.say("Running the token command again …")
            return

        def typed(password: str | None) -> None:
            if not password:
                return
            engine = screen.backend.engine
            sent = engine is not None and engine.send_password(account, Secret(password))
            screen.say(
                "Signing in …" if sent else "There is no engine to give the password to yet. Try again in a moment."
            )

        screen.app.push_screen(
            Prompt(f"Password of {one_line(account)}", note="It is kept in memory only.", secret=True), typed
        )

    def _sign_in(self, account: Account) -> None:
        """In the browser, or by a code where there is none here."""
        from termmail.setup.child import SignInRequest
        from termmail.setup.ways import has_browser
        from termmail.ui.wizard.oauth_screen import OAuthScreen

        screen, app, provider = self.screen, self.screen.app, account.credential.provider
        if provider is None:
            return
        by_code = bool(provider.device_url) and not has_browser(os.environ)
        request = SignInRequest(provider, account.email, by_code, account.ca_file, account.proxy)

        def ended(tokens: Tokens | None) -> None:
            if tokens is not None:
                screen.backend.keep_sign_in(account, tokens, lambda sentence: call_in_app(app, screen.say, sentence))

        screen.app.push_screen(OAuthScreen(request), ended)

    def problems(self) -> None:
        """What went wrong lately."""
        from termmail.ui.screens.problems import ProblemsScreen

        screen = self.screen

        def chosen(placement_id: int | None) -> None:
            if placement_id is not None:
                self._go_to(placement_id)

        screen.app.push_screen(ProblemsScreen(screen.backend, screen.clock), chosen)
        screen.backend.writer.wish(lambda intents: intents.mark_problems_seen(), for_engine=False)

    def _go_to(self, placement_id: int) -> None:
        screen = self.screen
        row = screen.queries.row(placement_id)
        mailbox = screen.folder_tree.mailboxes.get(row.mailbox_id) if row is not None else None
        if mailbox is None:
            screen.say("That message is gone.")
            return
        screen.open_mailbox(mailbox)
        screen.set_active(Where.LIST)
        screen.navigation.want(placement_id)

    # looks

    def toggle_folders(self) -> None:
        self._set_hidden("folders_hidden", Where.FOLDERS, "folders")

    def toggle_message(self) -> None:
        self._set_hidden("message_hidden", Where.MESSAGE, "message")

    def _set_hidden(self, field: str, where: Where, words: str) -> None:
        screen = self.screen
        if screen.is_single:
            screen.set_active(Where.LIST if screen.active is where else where)
            if screen.active is Where.MESSAGE:
                screen.reading.open()
            return
        hidden = not getattr(screen.panes.sizes, field)
        screen.panes.sizes = msgspec.structs.replace(screen.panes.sizes, **{field: hidden})
        if hidden and screen.active is where:
            screen.set_active(Where.LIST)
        screen.panes.arrange_again()
        screen.remember_layout()
        screen.reading.resized()
        key = screen.mail_app.keys.shown("toggle_folders" if where is Where.FOLDERS else "toggle_message")
        screen.say(f"The {words} pane is hidden; {key} shows it again." if hidden else f"The {words} pane is back.")

    def resize(self, cells: int) -> None:
        screen = self.screen
        if screen.is_single:
            screen.say("There is one pane at a time in a terminal this narrow.")
            return
        sizes = screen.panes.sizes.grown(screen.active, screen.panes.arrangement, cells)
        if sizes != screen.panes.sizes:
            screen.panes.sizes = sizes
            screen.panes.arrange_again()
            screen.remember_layout()
            screen.reading.resized()

    def theme(self) -> None:
        from termmail.ui.screens.choice import Choice, Item

        app = self.screen.mail_app
        items = [
            Item(theme.name, theme.name, "dark" if theme.dark else "light")
            for theme in sorted(app.themes(), key=lambda theme: (not theme.name.startswith("termmail"), theme.name))
        ]

        def chosen(name: str | None) -> None:
            if name is not None:
                app.choose_theme(name)

        app.push_screen(Choice("Theme", items), chosen)

    def toggle_dark(self) -> None:
        app = self.screen.mail_app
        app.choose_theme("termmail-light" if app.current_theme.dark else "termmail-dark")

    def redraw(self) -> None:
        self.screen.app.refresh(layout=True)


_PANE_WORDS = {Where.LIST: "list", Where.MESSAGE: "message", Where.FOLDERS: "folders"}
