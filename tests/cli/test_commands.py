"""Commands on a real store: what they print, what they change, and how they end."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from filled_store import FilledStore, account, header
from termmail.accounts import config, session_secrets
from termmail.model.flags import Flag, FlagSet
from termmail.model.home import Home
from termmail.model.secret import Secret

RAW = b"From: A <a@example.org>\r\nSubject: \xff\x00 odd\r\n\r\nbare\nlf, \r, 8-bit \xfe and no end"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    filled = FilledStore(tmp_path / "home")
    yield filled
    filled.close()


@pytest.fixture
def cli(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    return Cli(tmp_path / "home", capfdbinary)


def test_list_as_json(store: FilledStore, cli: Cli) -> None:
    """The documented object, newest first."""
    rows = cli.json("list", "-n", "3")
    assert [row["uid"] for row in rows] == [10, 9, 8]
    assert rows[0] == {
        "id": store.ids()[0],
        "account": "lisa",
        "mailbox": "INBOX",
        "uid": 10,
        "message_id": "message-10@demo.example",
        "from": [{"name": "Sender 3", "address": "sender3@demo.example"}],
        "to": [{"name": "Lisa", "address": "lisa@demo.example"}],
        "cc": [],
        "subject": "Subject 10",
        "date": "2023-11-14T22:23:20Z",
        "received": "2023-11-14T22:23:20Z",
        "size": 1010,
        "flags": ["\\Seen"],
        "attachments": False,
        "thread": None,
    }


def test_list_as_text(store: FilledStore, cli: Cli) -> None:
    lines = cli.ok("list", "-m", "inbox").splitlines()
    assert len(lines) == 10
    assert lines[0].split()[0] == str(store.ids()[0])
    assert "Subject 10" in lines[0]
    assert re.search(r" N +Sender 2 ", lines[1])


def test_list_of_account_and_mailbox(store: FilledStore, cli: Cli) -> None:
    store.add([1, 2], "Work/Deep")
    assert [row["mailbox"] for row in cli.json("list", "-a", "LISA", "-m", "work/deep")] == ["Work/Deep"] * 2
    assert cli("list", "-a", "bob") == 66
    assert 'no account "bob". Accounts: lisa.' in cli.error
    assert cli("list", "-m", "Wrk") == 66
    assert "Did you mean Work" in cli.error
    assert cli.output == b""


def test_nothing_to_list(cli: Cli) -> None:
    assert cli.json("list") == []
    assert cli.json("mailboxes") == []
    assert cli.json("account", "list") == []
    assert cli.json("problems") == []
    for command in ("list", "mailboxes"):
        assert cli.ok(command) == ""
        assert "account add" in cli.error


def test_nothing_to_list_of_an_account_that_was_written_by_hand(cli: Cli) -> None:
    config.add_account(Home.under(cli.folder), account())
    for command in ("list", "mailboxes"):
        assert cli.ok(command) == ""
        assert "`termmail sync` fetches them" in cli.error


def test_mailboxes(store: FilledStore, cli: Cli) -> None:
    found = cli.json("mailboxes", "-a", "lisa")
    assert found[0] == {"account": "lisa", "name": "INBOX", "role": "inbox", "total": 10, "unread": 5}
    assert {mailbox["name"]: mailbox["role"] for mailbox in found}["Trash"] == "trash"
    assert re.search(r"^lisa +INBOX +inbox +10 +5$", cli.ok("mailboxes"), re.MULTILINE)


def test_raw_is_byte_for_byte(store: FilledStore, cli: Cli) -> None:
    """P2."""
    message = store.ids()[0]
    store.add_body(message, RAW)
    assert cli("show", str(message), "--raw") == 0
    assert cli.output == RAW


@pytest.mark.parametrize("forms", [("--raw", "--html"), ("--headers", "--raw"), ("--raw", "--html", "--headers")])
def test_one_form_at_a_time(store: FilledStore, cli: Cli, forms: tuple[str, ...]) -> None:
    assert cli("show", str(store.ids()[0]), *forms) == 64
    assert "Give one of --" in cli.error
    assert cli.output == b""


def test_what_is_not_here_is_said_and_asked_for(store: FilledStore, cli: Cli) -> None:
    message = store.ids()[0]
    assert cli("show", str(message)) == 75
    assert "not on this computer yet" in cli.error
    assert cli("show", str(message), "--raw") == 75
    assert [request.placement_id for request in store.ingest.take_requests()] == [message]
    assert cli("show", "4711") == 66


def test_flag(store: FilledStore, cli: Cli) -> None:
    message = store.ids()[1]
    result = cli.json("flag", str(message), "--add", "flagged", "--add", "$Todo", "--add", "\\seen")
    assert result["ids"] == [message]
    assert result["sentence"] == "Changed the flags of 1 message."
    assert result["undoable"] is True
    row = store.queries.row(message)
    assert row is not None
    assert row.flags == FlagSet(Flag.SEEN | Flag.FLAGGED, frozenset({"$Todo"}))
    assert "Undone" in cli.ok("undo")
    row = store.queries.row(message)
    assert row is not None
    assert row.flags == FlagSet()


@pytest.mark.parametrize(
    "arguments",
    [
        ("flag", "1"),
        ("flag", "1", "--add", "seen", "--remove", "\\Seen"),
        ("flag", "1", "--add", "\\Recent"),
        ("flag", "1", "--add", "two words"),
        ("flag", "1", "--add", ""),
        ("flag", "one", "--add", "seen"),
        ("flag", "--add", "seen"),
        ("move", "1"),
        ("expunge", "1"),
        ("empty", "trash"),
        ("list", "-n", "0"),
        ("show",),
        ("show", "abc"),
        ("show", "0"),
        ("show", "99999999999999999999"),
        ("frobnicate",),
        ("list", "--frobnicate"),
        ("account", "frobnicate"),
        ("completion", "tcsh"),
    ],
)
def test_usage_errors(store: FilledStore, cli: Cli, arguments: tuple[str, ...]) -> None:
    """64, and nothing happens."""
    assert cli(*arguments) == 64
    assert cli.output == b""
    assert cli.error
    assert store.queries.pending_operations() == []


@pytest.mark.parametrize("command", ["archive", "delete", "junk", "move", "copy", "flag", "expunge"])
def test_unknown_message_changes_nothing(store: FilledStore, cli: Cli, command: str) -> None:
    extra = {"move": ["Work"], "copy": ["Work"], "flag": ["--add", "seen"], "expunge": ["--yes"]}.get(command, [])
    assert cli(command, str(store.ids()[0]), "4711", *extra) == 66
    assert "4711" in cli.error
    assert store.queries.pending_operations() == []


def mailbox_of(store: FilledStore, message: int) -> str:
    row = store.queries.row(message)
    assert row is not None
    return row.mailbox


def test_moves(store: FilledStore, cli: Cli) -> None:
    first, second, third, fourth, fifth = store.ids()[:5]
    cli.ok("archive", str(first), str(first))
    cli.ok("delete", str(second))
    cli.ok("move", str(third), "work/deep")
    cli.ok("junk", str(fourth))
    places = [mailbox_of(store, message) for message in (first, second, third, fourth)]
    assert places == ["Archive", "Trash", "Work/Deep", "Junk"]
    cli.ok("junk", "--not", str(fourth))
    assert mailbox_of(store, fourth) == "INBOX"
    copied = cli.json("copy", str(fifth), "Work")
    assert mailbox_of(store, fifth) == "INBOX"
    assert len(store.ids("Work")) == 1
    assert len(copied["ids"]) == 1
    assert cli("delete", str(second)) == 69
    assert "Trash" in cli.error


def test_move_of_two_accounts_goes_to_the_mailbox_of_each(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    store = FilledStore(tmp_path / "home", count=1, accounts=("lisa", "bob"))
    cli = Cli(tmp_path / "home", capfdbinary)
    try:
        inbox = store.queries.find_mailbox("bob", "INBOX")
        assert inbox is not None
        store.ingest.add_headers(inbox.id, [header(1)])
        ids = [row["id"] for row in cli.json("list")]
        result = cli.json("move", *map(str, ids), "work")
        assert sorted(result["ids"]) == sorted(ids)
        assert [(row["account"], row["mailbox"]) for row in cli.json("list")] in (
            [("lisa", "Work"), ("bob", "Work")],
            [("bob", "Work"), ("lisa", "Work")],
        )
        assert cli("mailbox", "create", "New") == 64
        cli.ok("mailbox", "create", "New", "-a", "bob")
        assert cli("move", *map(str, ids), "New") == 66
        assert 'in "lisa"' in cli.error
    finally:
        store.close()


def test_for_good(store: FilledStore, cli: Cli) -> None:
    first, second = store.ids()[:2]
    cli.ok("expunge", str(first), "--yes")
    assert first not in store.ids()
    cli.ok("delete", str(second))
    cli.ok("empty", "trash", "--yes")
    assert store.ids("Trash") == []


def test_mailbox_commands(store: FilledStore, cli: Cli) -> None:
    cli.ok("mailbox", "create", "Work/New")
    cli.ok("mailbox", "rename", "Work/New", "Work/Newer")
    names = {mailbox["name"] for mailbox in cli.json("mailboxes")}
    assert "Work/Newer" in names
    assert "Work/New" not in names
    cli.ok("mailbox", "unsubscribe", "Work")
    work = store.queries.find_mailbox("lisa", "Work")
    assert work is not None
    assert not work.subscribed
    cli.ok("mailbox", "subscribe", "Work")
    cli.ok("mailbox", "delete", "Work/Newer")
    assert cli("mailbox", "delete", "INBOX") == 64
    assert "Say --yes" in cli.error
    assert cli("mailbox", "create", "Work") == 69
    assert cli("mailbox", "delete", "nope") == 66


def test_control_characters_reach_no_terminal(store: FilledStore, cli: Cli) -> None:
    """D1: escape sequences and bidirectional overrides are in neither form of the output."""
    subject = "\x1b]0;owned\x07\x1b[2J\u202emoc.knab\u2069 \x9b31m \u200b[red]x[/red]\r\nSubject: two"
    store.ingest.add_headers(store.mailboxes["INBOX"], [header(99, subject=subject)])
    for arguments in (("list",), ("list", "--json")):
        text = cli.ok(*arguments)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
        assert "[red]x[/red]" in text
        assert "owned" not in text.splitlines()[0]
    assert cli.json("list")[0]["subject"].startswith("\x1b]0;owned\x07") or "\x1b" not in cli.json("list")[0]["subject"]


def test_problems(store: FilledStore, cli: Cli) -> None:
    store.ingest.add_problem("lisa", "The disk is \x1b[1mfull.", detail="ENOSPC", mailbox="INBOX")
    (problem,) = cli.json("problems")
    assert problem["detail"] == "ENOSPC"
    assert problem["mailbox"] == "INBOX"
    assert "The disk is full." in cli.ok("problems")


def test_reindex(store: FilledStore, cli: Cli) -> None:
    message = store.ids()[0]
    store.add_body(message, RAW)
    cli.ok("flag", str(message), "--add", "flagged")
    assert cli("reindex") == 69
    assert "--force" in cli.error
    store.close()
    report = cli.json("reindex", "--force")
    assert report["messages"] == 1
    assert Path(report["set_aside"]).exists()


def test_broken_config_is_78(store: FilledStore, cli: Cli) -> None:
    """The mistake is named wherever the config is needed; reading mail does not need it."""
    store.home.config_file.write_text("[ui]\nmark_raed_after = 1\n")
    for arguments in (
        ("account", "list"),
        ("account", "show", "lisa"),
        ("account", "test", "lisa"),
        ("sync",),
        ("engine",),
    ):
        assert cli(*arguments) == 78
        assert 'line 2: ui.mark_raed_after is not known. Did you mean "mark_read_after"?' in cli.error
    assert len(cli.json("list")) == 10


def test_help_of_every_command(cli: Cli) -> None:
    listed = re.findall(r"^  ([a-z]+) {2,}", cli.ok("--help").partition("Commands:")[2], re.MULTILINE)
    assert {"account", "sync", "engine", "list", "show", "demo", "reindex"} <= set(listed)
    for name in listed:
        assert cli.ok(name, "-h").startswith(f"Usage: termmail {name}")
    for group in ((), ("account",), ("mailbox",)):
        assert not re.search(r"^  .*\.\.\.$", cli.ok(*group, "--help"), re.MULTILINE), "a description is cut short"


def test_empty_home_is_not_the_usual_one(cli: Cli) -> None:
    assert cli("--home", "", "list") == 64
    assert "--home" in cli.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--home", "~nobody.is.called.so/mail", "list"),
        ("send", "~nobody.is.called.so/mail.eml"),
        ("attachments", "1", "--save", "~nobody.is.called.so/files"),
    ],
)
def test_a_home_folder_of_nobody_is_said(store: FilledStore, cli: Cli, arguments: tuple[str, ...]) -> None:
    store.add_body(1, b"Subject: one\r\n\r\nbody\r\n")
    assert cli(*arguments) == 64
    assert cli.error.startswith("The path begins with ~ and a name that no user here has.")


def test_folder_that_is_shared_is_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """L1."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "x").touch()
    assert Cli(shared, capfdbinary)("list") == 78


def test_newer_database_is_refused(store: FilledStore, cli: Cli) -> None:
    """L6."""
    with store.ingest.database.write() as connection:
        connection.execute("PRAGMA user_version = 999")
    assert cli("list") == 78
    assert "newer" in cli.error


def test_unexpected_failure_is_one_sentence_without_locals(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """C3: a defect ends with 70, a sentence and a log line; no traceback, no local variable."""
    monkeypatch.setattr(session_secrets, "_secrets", {"lisa": Secret("hunter2")})

    def load(home: Home) -> config.Config:
        password = "s3cret-local"
        raise RuntimeError(f"no idea {len(password)} hunter2")

    monkeypatch.setattr(config, "load", load)
    assert cli("account", "list") == 70
    log = (cli.folder / "state" / "termmail.log").read_text()
    assert "RuntimeError: no idea" in log
    for text in (cli.error, log):
        assert "s3cret-local" not in text
        assert "hunter2" not in text
        assert "Traceback" not in text
    assert (cli.folder / "state" / "termmail.log").stat().st_mode & 0o777 == 0o600


def test_no_part_of_a_secret_is_left_where_a_long_failure_is_cut(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """C3: nobody would know the first half of a password as one."""
    monkeypatch.setattr(session_secrets, "_secrets", {"lisa": Secret("hunter2")})

    def load(home: Home) -> config.Config:
        raise RuntimeError("x" * 495 + "hunter2")

    monkeypatch.setattr(config, "load", load)
    assert cli("account", "list") == 70
    log = (cli.folder / "state" / "termmail.log").read_text()
    assert "x" * 495 in log
    assert "hunt" not in log


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("--help",)])
def test_output_that_cannot_be_written(store: FilledStore, cli: Cli, arguments: tuple[str, ...]) -> None:
    """X5: a file on a full disk; told once, and no defect."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "termmail", "--home", str(cli.folder), *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == "The output could not be written: No space left on device.\n"
    assert done.returncode == 73


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_stream_that_is_closed(store: FilledStore, cli: Cli, closed: str) -> None:
    """X6."""
    command = f"{sys.executable} -m termmail --home {cli.folder} flag {store.ids()[1]} --add flagged {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert len(store.queries.pending_operations()) == 1


def test_reader_that_goes_away(store: FilledStore, cli: Cli) -> None:
    """`termmail list | head -1` ends in silence."""
    store.add(range(100, 3000))
    done = subprocess.run(
        f"{sys.executable} -m termmail --home {cli.folder} list -n 3000 | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1


def test_list_loads_nothing_heavy(store: FilledStore, cli: Cli) -> None:
    """`termmail list` starts without the user interface, the keyring and the protocols."""
    code = (
        "import sys; from termmail.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'textual', 'rich', 'keyring', 'imapclient', 'imaplib', 'ssl', 'tomlkit', 'html2text', 'selectolax', 'asyncio'};"
        "loaded = sorted(heavy & set(sys.modules)); sys.exit(f'loaded: {loaded}' if code or loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--home", str(cli.folder), "list"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 10


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(cli: Cli, shell: str) -> None:
    assert "_TERMMAIL_COMPLETE" in cli.ok("completion", shell)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_names_with_blanks_are_completed_in_bash(store: FilledStore, cli: Cli, tmp_path: Path) -> None:
    """What bash puts into the line is one word again when it is read."""
    store.intents.create_mailbox("lisa", "Outgoing & (old)")
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m termmail "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(
        cli.ok("completion", "bash")
        + f"""
        COMP_WORDS=(termmail --home {cli.folder} list -m outg); COMP_CWORD=5
        _termmail_completion {program}
        printf '%s' "${{COMPREPLY[*]}}"
        """
    )
    done = subprocess.run(["bash", "--norc", str(script)], capture_output=True, text=True, check=False)
    assert shlex.split(done.stdout) == ["Outgoing & (old)"], done


def complete(folder: Path, words: str) -> list[str]:
    """What bash would be offered after these words."""
    done = subprocess.run(
        [sys.executable, "-m", "termmail"],
        env={
            "_TERMMAIL_COMPLETE": "bash_complete",
            "COMP_WORDS": f"termmail --home {folder} {words}",
            "COMP_CWORD": str(len(words.split()) + 3 if words.endswith(" ") else len(words.split()) + 2),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_completion_knows_accounts_and_mailboxes(store: FilledStore, cli: Cli) -> None:
    for known in store.accounts:
        config.add_account(store.home, known)
    assert complete(cli.folder, "mo") == ["move"]
    assert complete(cli.folder, "list -a l") == ["lisa"]
    assert complete(cli.folder, "list -m wo") == ["Work", "Work/Deep"]
    assert "Archive" in complete(cli.folder, "move 3 ")
    assert complete(cli.folder / "nowhere", "list -m ") == []
    store.intents.create_mailbox("lisa", "Sent Items (old)")
    assert complete(cli.folder, "list -m sent") == ["Sent", r"Sent\ Items\ \(old\)"]
