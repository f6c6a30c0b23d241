"""The README says what is: the config file, the commands, the exit codes, the JSON shapes."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from termmail.accounts import config
from termmail.accounts.key_names import key_sequence
from termmail.cli import shapes
from termmail.cli.exit_codes import ExitCode
from termmail.cli.main import cli
from termmail.model.account import OfflineKind
from termmail.ui.keymap import BY_NAME, COMMANDS

README = Path(__file__).parents[2] / "README.md"
_TEXT = README.read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, down to the next of its level."""
    found = re.search(rf"^(#+) {re.escape(title)}$", _TEXT, re.MULTILINE)
    assert found is not None
    rest = _TEXT[found.end() :]
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def test_config_file_is_one() -> None:
    """The example in the README is read as it is."""
    text = re.search(r"```toml\n(.*?)```", section("The config file"), re.DOTALL)
    assert text is not None
    loaded = config.check_text(Path("config.toml"), text[1])
    (account,) = loaded.accounts
    assert account.offline.kind is OfflineKind.DAYS
    assert loaded.keys.bind == {"archive": ("e", "y"), "delete": ("d",), "go_archive": ("ctrl+g", "g e")}
    assert set(loaded.keys.bind) <= set(BY_NAME)


def test_every_key_of_the_table_does_what_it_says() -> None:
    """The keys of the README are those of the mail reader."""
    keys = {key for command in COMMANDS for key in command.keys}
    shown = re.findall(r"`((?:\\.|[^`])+)`", section("Keys").partition("\n|")[2].partition("\n\n")[0])
    assert len(shown) > 50
    for written in shown:
        assert key_sequence(written.replace("\\|", "|")) in keys, written


def test_every_command_is_there() -> None:
    documented = section("The command line")
    context = cli.make_context("termmail", [], resilient_parsing=True)
    for name in cli.list_commands(context):
        assert re.search(rf"\b{name}\b", documented), name


def test_every_exit_code_is_there() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)}
    assert documented == {int(code) for code in ExitCode}


@pytest.mark.parametrize(
    ("command", "shape"),
    [
        ("`list`", shapes.MessageShape),
        ("`attachments`", shapes.AttachmentShape),
        ("`mailboxes`", shapes.MailboxShape),
        ("`account list`", shapes.AccountShape),
        ("`sync`", shapes.SyncShape),
        ("`flag`", shapes.ResultShape),
        ("`problems`", shapes.ProblemShape),
        ("`send`", shapes.OutboxShape),
    ],
)
def test_every_key_is_there(command: str, shape: type[msgspec.Struct]) -> None:
    row = next(line for line in section("JSON").splitlines() if line.startswith(f"| {command}"))
    documented = re.search(r"\{([a-z0-9_, ]+)\}", row)
    assert documented is not None
    assert documented[1].split(", ") == [field.encode_name for field in msgspec.structs.fields(shape)]


def test_what_show_adds_is_there() -> None:
    row = next(line for line in section("JSON").splitlines() if line.startswith("| `show`"))
    added = {field.name for field in msgspec.structs.fields(shapes.ShownMessageShape)} - {
        field.name for field in msgspec.structs.fields(shapes.MessageShape)
    }
    assert added == {"headers", "text", "parts"}
    for shape in (shapes.PartShape, shapes.HeaderShape):
        assert "{" + ", ".join(field.name for field in msgspec.structs.fields(shape)) + "}" in row
