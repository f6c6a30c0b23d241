"""Keys about the program itself: help, palette, the network switch, what went wrong, panes and themes (UX.md, keys)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest
from keyring.backends import fail

from filled_store import FilledStore
from keyrings import FileKeyring
from servers.oauth_server import OAuthServer
from termmail.accounts.config import Config
from termmail.model.account import Credential, CredentialKind
from termmail.model.flags import Flag, FlagSet
from termmail.model.operation import FlagChange, Move
from termmail.model.secret import Secret
from termmail.model.status import AccountStatus, ConnectionState, Request, RequestKind, RequestState
from termmail.ui.keymap import COMMANDS, Where, bindings
from termmail.ui.screens.composer import ComposerScreen
from ui.support import NARROW, NOW, filled, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    with filled(tmp_path) as store:
        yield store


class Engine:
    """Stands where the engine's process is: notes what it is told."""

    sentence = ""

    def __init__(self) -> None:
        self.passwords: list[tuple[str, str]] = []
        self.signed_in: list[str] = []
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return True

    def send_password(self, account: str, secret: Secret) -> bool:
        self.passwords.append((account, secret.reveal()))
        return True

    def tell_signed_in(self, account: str) -> bool:
        self.signed_in.append(account)
        return True

    def close(self) -> None:
        """Nothing runs."""


def passes(store: FilledStore) -> list[Request]:
    """The passes that were asked for; the text of what is shown may be asked for as well."""
    return [request for request in store.ingest.take_requests() if request.kind is RequestKind.SYNC]


# help and palette


async def test_help(store: FilledStore) -> None:
    """UX: ? lists the keys of where one is, searchable; Enter does what is chosen; Esc closes."""
    async with opened(store) as ui:
        await ui.press("?")
        assert "Keys in the list" in ui.everything()
        assert "Open a link" not in "\n".join(ui.choices)
        await ui.type("archive")
        assert ui.choices[0].split() == ["Archive", "e"]
        await ui.press("escape")
        assert ui.app.screen is ui.main
        await ui.press("?")
        await ui.type("unread mess")
        assert [line.split()[0] for line in ui.choices[:1]] == ["Next"]
        await ui.press("enter")
        assert ui.at == "Subject 9"
        await ui.press("enter", "?")
        assert "Keys in the message" in ui.everything()
        await ui.type("open a link")
        assert ui.choices[0].split()[:3] == ["Open", "a", "link"]
        await ui.press("ctrl+q")
        assert ui.app.screen is ui.main
        await ui.press("escape", "shift+tab", "?")
        assert "Keys in the folders" in ui.everything()
        await ui.type("folders below")
        assert "←" in "\n".join(ui.choices)


async def test_every_key_is_in_the_help(store: FilledStore) -> None:
    """UX: every key of the keymap can be found in the help of its pane, with the key that is bound."""
    async with opened(store, keys=bindings("gmail", {"archive": ["Q"]})) as ui:
        await ui.press("?")
        assert ui.app.screen is not ui.main
        await ui.type("archive")
        assert ui.choices[0].split() == ["Archive", "Q"]


@pytest.mark.parametrize("key", [":", "ctrl+p"])
async def test_palette(store: FilledStore, key: str) -> None:
    """UX: : and Ctrl+P open every command with its key; a few letters find it; arrows choose; what is not there yet says so."""
    async with opened(store) as ui:
        await ui.press(key)
        assert "Commands" in ui.everything()
        await ui.type("mrk rd")
        assert ui.choices[0].split() == ["Mark", "the", "folder", "read", "A"]
        await ui.press("enter")
        await ui.settled()
        assert "Marked read: 5 messages." in ui.status
        await ui.press(key)
        await ui.type("search")
        await ui.press("enter")
        assert "Searching is not there yet" in ui.status
        await ui.press(key, "down", "down", "up", "enter")
        assert ui.at == "Subject 10"
        assert "This is the first message." in ui.status
        await ui.press(key)
        await ui.type("zzzz")
        assert ui.choices == ["  Nothing matches."]
        await ui.press("enter", "escape")
        assert ui.app.screen is ui.main


async def test_typed_ahead(store: FilledStore) -> None:
    """Keys that come faster than the screen is drawn have the same effect."""
    async with opened(store) as ui:
        for key in (":", *"newest", "escape", "j", "M", *"trash", "enter", "j", "e"):
            ui.send(key)
        await ui.until(lambda: len(ui.journal()) == 2)
        payloads = [operation.payload for operation in ui.journal()]
        assert [payload.mailbox_id for payload in payloads if isinstance(payload, Move)] == [
            store.mailboxes["Trash"],
            store.mailboxes["Archive"],
        ]


async def test_every_command_of_the_palette(store: FilledStore) -> None:
    """Every command can be carried out, with nothing selected, and leaves a working screen behind."""
    store.add_body(store.ids()[0], b"Subject: Subject 10\n\nGood morning.\n")
    apart = {"quit", "back", "redraw"}
    several = {f"_{number}" for number in range(3, 10)}
    async with opened(store) as ui:
        for where in (Where.LIST, Where.FOLDERS):
            for command in COMMANDS:
                if command.name in apart or command.name[-2:] in several:
                    continue
                ui.main.set_active(where)
                ui.main.run_command(command.name)
                await ui.drawn()
                await ui.settled()
                if isinstance(ui.app.screen, ComposerScreen):
                    await ui.press("escape", "q")
                    await ui.until(lambda: ui.app.screen is ui.main)
                elif ui.app.screen is not ui.main:
                    await ui.press("escape")
                assert ui.app.screen is ui.main, command.name
        assert set(ui.main._commands) == {command.name for command in COMMANDS if not command.later}
        await ui.settled()
        assert ui.app.fault is None
        assert not ui.app._exit


# the network


@pytest.mark.parametrize("key", ["$", "f5"])
async def test_receive_now(store: FilledStore, key: str) -> None:
    """UX: $ and F5 write a request that the engine takes; its end is said, good or bad."""
    engine = Engine()
    async with opened(store, engine=engine) as ui:
        await ui.press(key)
        assert "Looking for new mail …" in ui.status
        await ui.settled()
        (request,) = passes(store)
        assert (request.kind, request.account) == (RequestKind.SYNC, "lisa")
        assert engine.woken
        store.ingest.finish_request(request.id, RequestState.DONE)
        await ui.says("lisa is up to date.")
        await ui.press(key)
        await ui.settled()
        (request,) = passes(store)
        store.ingest.finish_request(request.id, RequestState.FAILED, "mail.example.org did not answer.")
        await ui.says("lisa: mail.example.org did not answer.")


async def test_how_far_it_is(store: FilledStore) -> None:
    """What runs stands in the status line, with how much of how much, and how many bytes came."""
    store.ingest.set_status(
        AccountStatus("lisa", ConnectionState.ONLINE, activity="Inbox: messages", done=3, total=27, size=4_100_000)
    )
    async with opened(store) as ui:
        await ui.says("Inbox: messages 3 of 27, 4.1 MB")
        store.ingest.set_status(AccountStatus("lisa", ConnectionState.ONLINE))
        await ui.until(lambda: "27" not in ui.status)


async def test_work_offline(store: FilledStore) -> None:
    """The palette's switch: it is kept in the store, said in the status line and the tree; keys go on working; F5 says why not."""
    store.ingest.set_status(AccountStatus("lisa", ConnectionState.ONLINE, synced_at=NOW - 120))
    async with opened(store) as ui:
        assert "up to date" in ui.status
        await ui.run("work offline")
        await ui.settled()
        assert store.ingest.work_offline()
        assert "Working offline: what you do is kept and made later." in ui.status
        await ui.until(lambda: ui.folders[0].split() == ["▪", "lisa", "offline"])
        await ui.press("f5")
        assert "You work offline." in ui.status
        assert passes(store) == []
        await ui.press("e")
        await ui.says("1 change waits")
    async with opened(store) as ui:
        assert "working offline, last up to date 2 min ago" in ui.status
        await ui.press(":")
        await ui.type("work offline")
        await ui.press("enter")
        await ui.settled()
        assert "Working online again." in ui.status
        assert not store.ingest.work_offline()


async def test_password(store: FilledStore) -> None:
    """A refused password is said with the key that types it again; it goes to the engine, and is shown nowhere."""
    engine = Engine()
    async with opened(store, engine=engine) as ui:
        await ui.until(lambda: ui.main.backend.engine is engine)
        store.ingest.set_status(AccountStatus("lisa", ConnectionState.SIGN_IN, "demo.example refused the password."))
        await ui.says("Press g k to sign in · demo.example refused the password.")
        assert ui.folders[0].split() == ["▪", "lisa", "sign", "in"]
        await ui.press("g", "k")
        await ui.type("s3cret")
        assert "s3cret" not in ui.everything()
        await ui.press("enter")
        assert engine.passwords == [("lisa", "s3cret")]
        assert "Signing in …" in ui.status
        await ui.press("g", "k", "escape")
        assert len(engine.passwords) == 1
        for path in store.home.state.rglob("*"):
            if path.is_file():
                assert b"s3cret" not in path.read_bytes()


@pytest.mark.parametrize("keeps", [True, False])
async def test_sign_in_again(store: FilledStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool) -> None:
    """C1, C5: a revoked sign-in is one sentence; g k signs in again, into the keyring, or where there is none into the engine."""
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring() if keeps else fail.Keyring())  # type: ignore[no-untyped-call]
    engine = Engine()
    sentence = "Loopback no longer accepts the sign-in of lisa. Sign in again."
    try:
        with OAuthServer() as server:
            async with opened(store, engine=engine) as ui:
                await ui.until(lambda: ui.main.backend.engine is engine)
                credential = Credential(CredentialKind.OAUTH2, provider=server.provider())
                account = msgspec.structs.replace(store.accounts[0], credential=credential)
                ui.main.mail_app.config = Config((account,))
                store.ingest.set_status(AccountStatus("lisa", ConnectionState.SIGN_IN, sentence))
                await ui.says("Press g k to sign in · Loopback no longer accepts the sign-in of lisa. Sign in again.")
                await ui.press("g", "k")
                await ui.until(lambda: bool(server._devices))
                await ui.until(
                    lambda: any(data["user_code"] in ui.everything() for data, _ in server._devices.values())
                )
                for data, _ in server._devices.values():
                    server.approve(data["user_code"])
                await ui.says("Signed in" if keeps else "Signed in until termmail ends.")
                refresh = server.tokens[-1].refresh
                if keeps:
                    await ui.until(lambda: engine.signed_in == ["lisa"])
                    assert refresh in (tmp_path / "keyring.json").read_text()
                    assert engine.passwords == []
                else:
                    await ui.until(lambda: engine.passwords == [("lisa", refresh)])
    finally:
        keyring.set_keyring(before)


# what went wrong


async def test_problems(store: FilledStore) -> None:
    """g p shows what went wrong lately; Enter goes to the message; looking at it takes the count from the status line."""
    ids = store.ids()
    async with opened(store) as ui:
        await ui.press("g", "p")
        assert "Nothing went wrong lately." in ui.everything()
        await ui.press("q")
        store.ingest.add_problem("lisa", "The disk is nearly full. " * 12, mailbox="INBOX")
        store.ingest.add_problem("lisa", "One message can't be read.", mailbox="INBOX", placement_id=ids[6])
        await ui.says("2 problems")
        await ui.press("g", "p")
        assert "One message can't be read." in ui.everything()
        assert "nearly full" in ui.everything()
        assert all(len(line) <= 108 for line in ui.choices)
        await ui.press("j", "k", "enter")
        assert ui.app.screen is ui.main
        assert ui.cursor_id == ids[6]
        await ui.settled()
        await ui.until(lambda: "problem" not in ui.status)


async def test_a_change_that_waits_is_tried_again_or_given_up(store: FilledStore) -> None:
    """UX: what could not be made so far is in the problems: r tries it now, d gives it up and it rolls back in the list."""
    ids = store.ids()
    store.intents.set_flags([ids[0]], add=FlagSet(Flag.FLAGGED))
    store.intents.archive([ids[1]])
    operations = store.queries.pending_operations()
    store.journal.begin([operations[0].id])
    store.journal.retry([operation.id for operation in operations], "The server is busy.", 9e9)
    async with opened(store) as ui:
        assert "2 changes wait" in ui.status
        await ui.press("g", "p")
        assert "a change of flags has not reached the server · r tries it now, d gives it up" in ui.everything()
        assert "The server is busy." in ui.everything()
        await ui.press("r")
        await ui.settled()
        assert [each.next_at for each in ui.journal() if isinstance(each.payload, FlagChange)] == [0]
        assert "a change of flags" not in ui.everything()
        assert "a move has not reached the server" in ui.everything()
        await ui.press("d")
        await ui.settled()
        assert not [each for each in ui.journal() if isinstance(each.payload, Move)]
        assert "has not reached" not in ui.everything()
        await ui.press("q")
        assert list(ui.main.model.ids) == ids
        assert ui.mailbox_of(ids[1]) == "INBOX"


# panes and themes


async def test_panes_hide_and_grow(store: FilledStore) -> None:
    """UX: each pane can be hidden and resized, and the layout is remembered."""
    async with opened(store) as ui:
        await ui.press("w")
        assert "f folders" in ui.hints
        await ui.press("f")
        assert "The folders pane is hidden; w f shows it again." in ui.status
        assert "Drafts" not in ui.everything()
        await ui.press("w", "m")
        assert "From  Sender 3" not in ui.everything()
        assert ui.main.message_list.width == 140
        await ui.press("enter")
        assert "From  Sender 3" in ui.everything()
        await ui.press("q", "w", "m")
        before = ui.main.message_list.width
        await ui.press(">")
        assert ui.main.message_list.width > before
        await ui.settled()
        after = ui.main.message_list.width
    async with opened(store) as ui:
        assert ui.main.message_list.width == after
        assert "Drafts" not in ui.everything()
        await ui.press("shift+tab")
        assert ui.where() is Where.MESSAGE
        await ui.press("w", "f")
        assert "Drafts" in ui.everything()
    async with opened(store, NARROW) as ui:
        await ui.press(">")
        assert "There is one pane at a time in a terminal this narrow." in ui.status


async def test_themes(store: FilledStore) -> None:
    """UX: dark and light themes, remembered; the panes are drawn anew in them."""
    async with opened(store) as ui:
        before = ui.main.message_list.render_line(0)
        await ui.press("w", "d")
        assert ui.app.theme == "termmail-light"
        assert ui.main.message_list.render_line(0) != before
        await ui.settled()
    async with opened(store) as ui:
        assert ui.app.theme == "termmail-light"
        await ui.press("w", "t")
        await ui.type("nord")
        await ui.press("enter")
        assert ui.app.theme == "nord"
        await ui.press("ctrl+l")
        assert "Subject 10" in ui.everything()


async def test_no_color(store: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """UX: NO_COLOR is honoured: bold, dim, underlined and reversed text only."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(store) as ui:
        for keys in ((), (":",), ("T",), ("D",), ("g", "p")):
            await ui.press(*keys)
            for segment in (segment for strip in ui.app.screen._compositor.render_strips() for segment in strip):
                style = segment.style
                assert style is None or style.color is None or style.color.is_default, (keys, segment)
                assert style is None or style.bgcolor is None or style.bgcolor.is_default, (keys, segment)
            assert (ui.app.screen is ui.main) is not bool(keys)
            await ui.press("escape")
        await ui.press("w", "d", "j", "e")
        assert ui.at == "Subject 8"
