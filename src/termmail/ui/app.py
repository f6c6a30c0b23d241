"""The Textual app, and how it is run and ended."""

from __future__ import annotations

import os

# Read when textual is imported: a lone Esc is reported after 25 ms, and what changed is drawn within 4 ms. With its 60 frames a second
# the text of a message, which is here a few milliseconds after its heading, would wait for the second frame after it.
os.environ.setdefault("ESCDELAY", "25")
os.environ.setdefault("TEXTUAL_FPS", "240")

import asyncio
import contextlib
import gc
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.theme import Theme

from termmail.accounts.config import Compose, Config, Keys
from termmail.model.account import Account, CredentialKind
from termmail.model.errors import Retry, TermmailError
from termmail.model.home import Home
from termmail.model.oauth import Tokens
from termmail.model.secret import Secret
from termmail.setup.network import Network
from termmail.ui.answers import SixelFound
from termmail.ui.backend import Backend, EngineHandle
from termmail.ui.driver import TerminalDriver
from termmail.ui.keymap import Bindings, bindings
from termmail.ui.look import DARK, LIGHT, PLAIN, Look, look_of
from termmail.ui.pictures import Drawing, Fetch, drawing_of
from termmail.ui.screens.keyed import Keyed
from termmail.ui.threads import faults_told
from termmail.ui.widgets.pane import Drawn
from termmail.ui.widgets.picture_pane import PicturePane
from termmail.ui.words import Clock, left_in_outbox

if TYPE_CHECKING:
    from termmail.ui.screens.composer import ComposerScreen
    from termmail.ui.screens.main import MainScreen
    from termmail.ui.writing import Beginning

_THEME_SETTING = "ui.theme"
_DEMO = "demo"
_ENDED = "ended"


class NoTerminal(TermmailError):
    """There is no terminal to draw on, or one that can't do it (X6)."""

    retry = Retry.NEVER


class TermmailApp(App[str], inherit_bindings=False):
    """The mail reader on one home. Its return value says how it ended."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    ESCAPE_TO_MINIMIZE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        home: Home,
        accounts: Sequence[Account],
        *,
        start_engine: Callable[[], EngineHandle] | None = None,
        demo: bool = False,
        keys: Bindings | None = None,
        clock: Clock | None = None,
        read_after: float = 1.0,
        compose_settings: Compose | None = None,
        begin: Beginning | None = None,
        config: Config | None = None,
        network: Network | None = None,
        post_one_click: Callable[[str, str], str] | None = None,
        fetch_pictures: Fetch | None = None,
        drawing: Drawing = "blocks",
    ) -> None:
        """`accounts` are those in use, `config` is all of the config file, `network` where discovery asks. `begin` is the message to
        write, with which the app ends; `demo` says that the demo is offered where there is no account; `read_after` are the seconds in
        view after which a message is read, negative for never. `post_one_click` unsubscribes at a URL, through a proxy where there is
        one, and returns a sentence; it is called in a thread, and without it there is no network. `fetch_pictures` loads those a mail
        names elsewhere, `drawing` is how pictures are drawn. Raises StorageFailed, StoreTooNew."""
        self.fault: BaseException | None = None
        self.look: Look = look_of(DARK)
        self.keys = keys or bindings()
        self.clock = clock or Clock()
        self.accounts = tuple(accounts)
        self.offers_demo = demo
        self.read_after = read_after
        self.compose_settings = compose_settings or Compose()
        self.begin = begin
        self.config = config or Config(self.accounts)
        self.network = network or Network()
        self.post_one_click = post_one_click
        self.fetch_pictures = fetch_pictures
        self.farewell = ""
        self.composers: list[ComposerScreen] = []
        colourless = "NO_COLOR" in os.environ
        self.backend = Backend(home, self.accounts, start_engine, "none" if colourless else drawing)
        self._stopped = False
        super().__init__(driver_class=TerminalDriver, ansi_color=True if colourless else None)
        for theme in (DARK, LIGHT, PLAIN):
            self.register_theme(theme)
        wanted = self.backend.queries.setting(_THEME_SETTING)
        self.theme = PLAIN.name if colourless else wanted if wanted in self.available_themes else DARK.name
        self.look = look_of(self.current_theme, colours=not colourless)
        self._colourless = colourless

    # start and end

    def on_load(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            # Signals go to the main thread only.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self.exit, _ENDED)

    def get_default_screen(self) -> Screen[Any]:
        """The first screen: with another one below it the first frame would be laid out twice."""
        if self.accounts:
            from termmail.ui.screens.main import MainScreen

            return MainScreen(self.backend)
        from termmail.ui.wizard.screen import WizardScreen

        return WizardScreen(self.config, demo=self.offers_demo)

    def on_mount(self) -> None:
        self.watch(self, "theme", self._theme_changed, init=False)

    def on_ready(self) -> None:
        if not gc.isenabled():
            # What is there by now stays. Left out, it does not make a key wait while the collector goes through it.
            gc.freeze()
            gc.enable()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            if not self._screen_stack:
                # The app is ending: there is nobody to press it for.
                return
            screen = self.screen
            if isinstance(screen, Keyed) and screen.take_key(event):
                return
        if isinstance(event, events.Resize) and not self.is_headless:
            event = _as_it_is_now(event)
            if isinstance(self._driver, TerminalDriver):
                # With the size of the window that of the letters may have changed.
                self._driver.ask_for_size()
        await super().on_event(event)

    # accounts

    def proxy_of(self, account: str) -> str:
        """The proxy of an account by its name; empty where it has none."""
        return next((one.proxy for one in self.accounts if one.name == account), "")

    def accounts_written(self, config: Config, account: Account, secret: Secret | Tokens | None) -> None:
        """An account was written to the config file; `secret` is its password where one was typed."""
        self._take_config(config)
        if isinstance(secret, Secret) and account.credential.kind is CredentialKind.SESSION:
            self.backend.give_password(account.name, secret)
        elif secret is not None:
            # Where nothing else has changed the engine would not look again by itself.
            self.backend.tell_signed_in(account.name)

    def config_changed(self, config: Config) -> None:
        """Accounts were changed in the config file, or taken out of it."""
        self._take_config(config)

    def _take_config(self, config: Config) -> None:
        self.config = config
        self.accounts = config.enabled_accounts
        self.backend.origins.set_accounts(self.accounts)
        for main in self._main_screens():
            main.show_colours()

    def use_keys(self, keys: Keys) -> None:
        """Take another set of keys from now on."""
        self.keys = bindings(keys.preset, keys.bind)
        for main in self._main_screens():
            main.use_keys(self.keys)

    def _main_screens(self) -> list[MainScreen]:
        """The mail reader's screen, where it is open."""
        from termmail.ui.screens.main import MainScreen

        return [screen for screen in self.screen_stack if isinstance(screen, MainScreen)]

    def first_run_ended(self, accounts: Sequence[Account]) -> None:
        """The wizard with which the app began was left: to the mail, or out."""
        if not accounts:
            self.exit()
            return
        from termmail.ui.screens.main import MainScreen

        self.push_screen(MainScreen(self.backend))

    def open_accounts(self) -> None:
        """The list of accounts, to change them."""
        from termmail.ui.wizard.accounts_screen import AccountsScreen

        self.push_screen(AccountsScreen(self.config))

    def run_demo(self) -> None:
        """End, to begin again with the demo."""
        self.exit(_DEMO)

    def close_backend(self) -> None:
        """Write what is left and close the store; once."""
        if not self._stopped:
            self._stopped = True
            try:
                for composer in self.composers:
                    composer.keep_at_the_end()
            finally:
                self.backend.stop()

    # looks

    def _theme_changed(self) -> None:
        self.look = look_of(self.current_theme, colours=not self._colourless)
        for screen in self.screen_stack:
            for widget in screen.walk_children(Drawn):
                widget.forget_drawn()

    def choose_theme(self, name: str) -> None:
        """Switch and remember it."""
        self.theme = name
        self.backend.writer.wish(lambda intents: intents.set_setting(_THEME_SETTING, name), for_engine=False)

    def themes(self) -> list[Theme]:
        """Those to choose from."""
        plain = {PLAIN.name}
        return [theme for name, theme in self.available_themes.items() if name not in plain and not theme.ansi]

    # pictures

    def ask_for_pictures(self) -> None:
        """Ask the terminal how it draws pictures, before the first one is drawn; later calls do nothing."""
        best = self.backend.pictures.best
        if best in ("sixel", "kitty") and isinstance(self._driver, TerminalDriver):
            self._driver.ask_for_pictures(kitty=best == "kitty")

    def send_to_terminal(self, sequence: str) -> None:
        """Send a control sequence before what is drawn next."""
        if sequence and self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def on_sixel_found(self, found: SixelFound) -> None:
        """It does so in sixels, or its cells have another size."""
        pictures = self.backend.pictures
        if pictures.best in ("sixel", "kitty") and pictures.terminal != found.terminal:
            pictures.terminal = found.terminal
            for pane in self._picture_panes():
                pane.forget_pixels()
            # Pixels that were drawn in larger cells reach out of those that the panes have now.
            self.screen.refresh()

    def on_kitty_found(self) -> None:
        """It does so by kitty's protocol, or has forgotten the pictures that it got."""
        if self.backend.pictures.best == "kitty":
            self.backend.pictures.use_kitty()
            for pane in self._picture_panes():
                pane.forget_pictures()

    def _picture_panes(self) -> list[PicturePane]:
        return [pane for screen in self.screen_stack for pane in screen.walk_children(PicturePane)]

    # faults

    def _handle_exception(self, error: Exception) -> None:
        if self.fault is None:
            self.fault = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual would print the local variables of every frame, a mail's text and maybe a password among them (C3).
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()


def _as_it_is_now(event: events.Resize) -> events.Resize:
    """The terminal's size now, in place of the one that was reported.

    Of two signals in one go the handler of the second runs inside that of the first, which then reports the older size last.
    """
    if sys.__stdout__ is None:
        return event
    try:
        size = Size(*os.get_terminal_size(sys.__stdout__.fileno()))
    except (ValueError, OSError):
        return event
    return events.Resize(size, size, size, event.pixel_size) if size else event


def check_terminal(environment: Mapping[str, str]) -> None:
    """Raises NoTerminal where nothing can be drawn."""
    for stream, name in ((sys.__stdin__, "input"), (sys.__stdout__, "output"), (sys.__stderr__, "output")):
        try:
            usable = stream is not None and stream.isatty()
        except ValueError:
            usable = False
        if not usable:
            raise NoTerminal(
                f"termmail needs a terminal, and its {name} is not one. `termmail list` and `termmail show` work without."
            )
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        raise NoTerminal(
            "This terminal (TERM=%s) can't be drawn on. `termmail list` and `termmail show` work in it."
            % (environment.get("TERM") or "unset")
        )


@contextlib.contextmanager
def _same_terminal() -> Iterator[None]:
    """Leave the terminal's settings as they were found. Textual takes those it finds after SIGCONT, its own, for the first ones."""
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        yield
        return
    try:
        yield
    finally:
        # The terminal may be gone by now.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def run(
    home: Home,
    accounts: Sequence[Account],
    *,
    start_engine: Callable[[], EngineHandle] | None,
    demo_factory: Callable[[], int] | None = None,
    preset: str = "gmail",
    rebound: Mapping[str, Sequence[str]] | None = None,
    read_after: float = 1.0,
    compose_settings: Compose | None = None,
    begin: Beginning | None = None,
    config: Config | None = None,
    network: Network | None = None,
    post_one_click: Callable[[str, str], str] | None = None,
    fetch_pictures: Fetch | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Open the mail reader and return when it has ended, with an exit code.

    `start_engine` starts the engine as a child and is called in a thread after the first frame. `demo_factory` runs the demo,
    offered where there is no account. `preset` and `rebound` choose the keys (`keymap.bindings`). `read_after` are the seconds in view
    after which a message is read, negative for never. `begin` opens the composer, and the app ends with it. `post_one_click`
    unsubscribes at a URL, `fetch_pictures` loads those a mail names elsewhere, each in a thread. `config` is all of the config file,
    `network` where discovery asks. `say` is told in one sentence what still waits for the network, when the terminal is restored.
    Raises NoTerminal, StorageFailed,
    StoreTooNew; and what nobody foresaw, when the terminal is restored: the caller tells and logs it, without local variables.
    """
    check_terminal(os.environ)
    for stream in (sys.__stdout__, sys.__stderr__):
        # In a locale that is not UTF-8 what can't be written must not end the program (X6).
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app = TermmailApp(
        home,
        accounts,
        start_engine=start_engine,
        demo=demo_factory is not None,
        keys=bindings(preset, rebound),
        read_after=read_after,
        compose_settings=compose_settings,
        begin=begin,
        config=config,
        network=network,
        post_one_click=post_one_click,
        fetch_pictures=fetch_pictures,
        drawing=drawing_of(os.environ, colours="NO_COLOR" not in os.environ),
    )
    try:
        with _same_terminal(), faults_told(app):
            ended = app.run()
        waiting = sum(status.pending_operations for status in app.backend.queries.accounts()) if app.accounts else 0
        outbox = app.backend.queries.outbox()
    finally:
        app.close_backend()
    if app.fault is not None:
        raise app.fault
    if ended == _DEMO and demo_factory is not None:
        return demo_factory()
    if begin is not None:
        if app.farewell and say is not None:
            say(app.farewell)
        return 0
    if outbox and say is not None and ended != _ENDED:
        say(left_in_outbox(outbox, time.time()))
    if waiting and say is not None and ended != _ENDED:
        what = "1 change waits" if waiting == 1 else f"{waiting:,} changes wait"
        say(
            f"{what} for the network and will be made with the next connection: open termmail again, or run `termmail sync`."
        )
    return 0
