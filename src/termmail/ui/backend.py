"""What the screens stand on: the store, the threads that read and write it, and the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from termmail.model.account import Account
from termmail.model.errors import TermmailError
from termmail.model.home import Home
from termmail.model.oauth import Tokens
from termmail.model.secret import Secret
from termmail.store.queries import Queries
from termmail.ui.bodies import Bodies
from termmail.ui.desktop import OpenedFiles
from termmail.ui.origins import Origins
from termmail.ui.part_reader import PartReader
from termmail.ui.pictures import Drawing, DrawnPicture, DrawnView, LoadedPictures, Pictures
from termmail.ui.watcher import News, Watcher
from termmail.ui.writer import Done, Writer, Written

_ENGINE_SECONDS = 600.0
"""How long a password waits for an engine: as long as somebody may take to add other accounts before the first one starts."""

_LOOK_SECONDS = 0.2


class EngineHandle(Protocol):
    """The engine as a child of the user interface (`termmail.engine.child.EngineChild`)."""

    @property
    def sentence(self) -> str:
        """Why there is no engine at the moment, or empty."""
        ...

    def wake(self) -> bool:
        """Let the engine look at the store now."""
        ...

    def send_password(self, account: str, secret: Secret) -> bool:
        """Give the engine an account's password for as long as it runs; False where none listens."""
        ...

    def tell_signed_in(self, account: str) -> bool:
        """Let the engine try again with what the keyring has now; False where none listens."""
        ...

    def close(self) -> None:
        """Let it finish what is under way, and end."""
        ...


class WrittenNews(NamedTuple):
    """A wish was carried out, or not: `done` is to be called with `written` in the user interface's thread."""

    done: Done
    written: Written


class Failed(NamedTuple):
    """A thread ended by an error that nobody foresaw."""

    error: BaseException


class Backend:
    """Opened before the first frame with the connection for reading only; the threads and the engine follow by `start`."""

    def __init__(
        self,
        home: Home,
        accounts: Sequence[Account],
        start_engine: Callable[[], EngineHandle] | None,
        drawing: Drawing = "none",
    ) -> None:
        """Open the store. Raises StorageFailed, StoreTooNew."""
        self.home = home
        self.queries = Queries(home)
        self.engine: EngineHandle | None = None
        self._start_engine = start_engine
        self._tell: Callable[[News | DrawnPicture | DrawnView | LoadedPictures], None] = lambda news: None
        self._engine_lock = threading.Lock()
        self._stopping = False
        self.watcher = Watcher(self.queries, self._told)
        self.writer = Writer(home, self.queries, self._written, self.wake_engine)
        self.origins = Origins(self.queries, accounts)
        self.parts = PartReader(self.queries)
        self.opened = OpenedFiles(home.runtime)
        self.pictures = Pictures(self.queries, self.opened, drawing, self._told)
        self.bodies = Bodies(self.queries, self._told, self._keep_rendering, self.origins, self.pictures.loaded)

    def start(self, tell: Callable[[News | DrawnPicture | DrawnView | LoadedPictures], None], changed: int) -> None:
        """Start the threads; `tell` is called in them. `changed` is the store's number from before the mailboxes were read."""
        self._tell = tell
        self.watcher.start(changed)
        self.writer.start()
        self.bodies.start()
        if self._start_engine is not None:
            threading.Thread(target=self._open_engine, name="engine start", daemon=True).start()

    def _open_engine(self) -> None:
        assert self._start_engine is not None
        with self._engine_lock:
            if not self._stopping:
                self.engine = self._start_engine()

    def stop(self) -> None:
        """Write what is still to be written, end the engine and close the store."""
        self.writer.stop()
        self.bodies.stop()
        self.parts.stop()
        self.pictures.stop()
        self.opened.close()
        self.watcher.stop()
        with self._engine_lock:
            self._stopping = True
            engine, self.engine = self.engine, None
        if engine is not None:
            engine.close()
        self.queries.close()

    def wake_engine(self) -> None:
        """Tell the engine that there is something to do. It looks by itself before long where this does not reach it."""
        engine = self.engine
        if engine is not None:
            engine.wake()

    def give_password(self, account: str, secret: Secret) -> None:
        """Hand a password that was typed to the engine, as soon as one listens."""

        self._tell_engine(lambda engine: engine.send_password(account, secret))

    def tell_signed_in(self, account: str) -> None:
        """Let the engine know that the keyring has something new for an account, as soon as one listens."""
        self._tell_engine(lambda engine: engine.tell_signed_in(account))

    def keep_sign_in(self, account: Account, tokens: Tokens, said: Callable[[str], None]) -> None:
        """Put what a sign-in yielded into the keyring, in a thread, and let the engine go on. `said` gets a sentence, in that thread:
        where the keyring does not take it, the engine keeps it for as long as it runs."""

        def keep() -> None:
            from termmail.accounts import credentials

            try:
                credentials.store_sign_in(account, tokens)
            except TermmailError as error:
                if tokens.refresh is None:
                    said(error.sentence)
                    return
                self.give_password(account.name, tokens.refresh)
                said(f"Signed in until termmail ends. {error.sentence}")
            else:
                self.tell_signed_in(account.name)
                said("Signed in.")

        threading.Thread(target=keep, name="sign-in", daemon=True).start()

    def _tell_engine(self, tell: Callable[[EngineHandle], bool]) -> None:
        def try_it() -> None:
            deadline = time.monotonic() + _ENGINE_SECONDS
            while not self._stopping and time.monotonic() < deadline:
                engine = self.engine
                if engine is not None and tell(engine):
                    return
                time.sleep(_LOOK_SECONDS)

        threading.Thread(target=try_it, name="password", daemon=True).start()

    def _told(self, news: News | DrawnPicture | DrawnView | LoadedPictures) -> None:
        self._tell(news)

    def _written(self, done: Done, written: Written) -> None:
        self._tell(WrittenNews(done, written))
        self.watcher.look()

    def _keep_rendering(self, message_id: int, key: str, data: bytes) -> None:
        self.writer.wish(lambda intents: intents.store_rendered(message_id, key, data), for_engine=False)
