"""config.toml: read, changed without touching what the user wrote, and every mistake answered with what to write."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from termmail.accounts import config
from termmail.model.account import (
    Account,
    Credential,
    CredentialKind,
    Identity,
    KeepKind,
    KeepPolicy,
    OfflineKind,
    OfflinePolicy,
    Protocol,
    Security,
    SentCopy,
    Server,
)
from termmail.model.errors import ConfigError, StorageFailed
from termmail.model.home import Home
from termmail.model.hosts import is_loopback

LISA = Account(
    name="lisa",
    email="lisa@example.org",
    protocol=Protocol.IMAP,
    incoming=Server("imap.example.org", 993),
    smtp=Server("smtp.example.org", 465),
    user="lisa@example.org",
)
BY_HAND = """\
# My mail.
[ui]
mark_read_after = 2   # slow reader

# work comes first
[accounts.work]
email = "lisa@work.example"   # until May
imap = { host = "imap.work.example" }

[keys.bind]
archive = ["e", "y"]
delete = "d"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.under(tmp_path / "home")


def write(home: Home, text: str) -> None:
    home.config.mkdir(parents=True, exist_ok=True)
    home.config_file.write_text(text)


def test_no_file_is_an_empty_config(home: Home) -> None:
    assert config.load(home) == config.Config()


def test_written_by_hand(home: Home) -> None:
    write(home, BY_HAND)
    loaded = config.load(home)
    (work,) = loaded.accounts
    assert work.incoming == Server("imap.work.example", 993, Security.TLS)
    assert work.user == "lisa@work.example"
    assert work.smtp is None
    assert work.credential == Credential(CredentialKind.KEYRING)
    assert loaded.ui == config.Ui(2.0)
    assert loaded.keys.bind == {"archive": ("e", "y"), "delete": ("d",)}


def test_what_is_added_is_read_back(home: Home) -> None:
    assert config.add_account(home, LISA).accounts == (LISA,)
    assert config.load(home).accounts == (LISA,)


def test_comments_and_order_stay(home: Home) -> None:
    write(home, BY_HAND)
    config.add_account(home, LISA)
    assert home.config_file.read_text().startswith(BY_HAND.rstrip("\n").split("[keys.bind]")[0].rstrip())
    for line in BY_HAND.splitlines():
        assert line in home.config_file.read_text().splitlines()
    config.edit_account(home, msgspec.structs.replace(LISA, full_name="Lisa"))
    config.remove_account(home, "lisa")
    assert home.config_file.read_text().split() == BY_HAND.split()


def test_edit_writes_only_what_differs(home: Home) -> None:
    write(home, BY_HAND)
    (work,) = config.load(home).accounts
    config.edit_account(
        home, msgspec.structs.replace(work, incoming=Server("::1", 1143, Security.STARTTLS), ca_file="/x.pem")
    )
    text = home.config_file.read_text()
    assert 'email = "lisa@work.example"   # until May' in text
    assert "password_from" not in text
    assert config.load(home).accounts[0].incoming == Server("::1", 1143, Security.STARTTLS)


def test_file_is_private_and_replaced_whole(home: Home) -> None:
    """L1: 0600 whatever the umask, and no temporary file stays."""
    before = os.umask(0)
    try:
        config.add_account(home, LISA)
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o700
    assert sorted(path.name for path in home.config.iterdir()) == [".config.lock", "config.toml"]


def test_symbolic_link_stays_one(home: Home, tmp_path: Path) -> None:
    """A config file kept among the user's dotfiles."""
    dotfile = tmp_path / "dotfiles" / "termmail.toml"
    dotfile.parent.mkdir()
    dotfile.write_text(BY_HAND)
    home.config.mkdir()
    home.config_file.symlink_to(dotfile)
    config.add_account(home, LISA)
    assert home.config_file.is_symlink()
    assert "lisa@example.org" in dotfile.read_text()


def test_disk_that_refuses_changes_nothing(home: Home) -> None:
    """X5: where the new file can't be written the old one stays."""
    write(home, BY_HAND)
    before = config.load(home)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(StorageFailed, match=r"Nothing was changed"):
            config.add_account(home, LISA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert config.load(home) == before
    assert sorted(path.name for path in home.config.iterdir()) == [".config.lock", "config.toml"]


def test_taken_name(home: Home) -> None:
    config.add_account(home, LISA)
    with pytest.raises(ConfigError, match="already") as caught:
        config.add_account(home, msgspec.structs.replace(LISA, name="LISA"))
    assert caught.value.command == "termmail account edit lisa"


def test_unknown_account(home: Home) -> None:
    config.add_account(home, LISA)
    with pytest.raises(ConfigError, match=r'no account "bob".*lisa'):
        config.remove_account(home, "bob")
    with pytest.raises(ConfigError, match=r'no account "bob".*lisa'):
        config.edit_account(home, msgspec.structs.replace(LISA, name="bob"))


def test_plain_connection_is_for_this_computer_only(home: Home) -> None:
    """T1: security = "none" is refused for any other host, before it is written."""
    for host in ("localhost", "127.0.0.1", "127.8.9.10", "::1"):
        assert is_loopback(host)
    for host in ("imap.example.org", "10.0.0.1", "localhost.example.org", "::2", "0.0.0.0"):
        plain = msgspec.structs.replace(LISA, incoming=Server(host, 143, Security.NONE))
        with pytest.raises(ConfigError, match=r'in the clear.*security = "tls"'):
            config.add_account(home, plain)
    assert not home.config_file.exists()


ACCOUNT = '[accounts.lisa]\nemail = "lisa@example.org"\n'
IMAP = 'imap = { host = "imap.example.org" }\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[accounts\n", 1, ["TOML"]),
        ('teme = "x"\n', 1, ["teme", "accounts, oauth, ui, compose, keys"]),
        ("[ui]\n\nmark_raed_after = 1\n", 3, ["ui.mark_raed_after", 'Did you mean "mark_read_after"?']),
        ('[ui]\nmark_read_after = "soon"\n', 2, ["ui.mark_read_after", "seconds", '"soon"', "mark_read_after = 1.0"]),
        ("[ui]\nmark_read_after = -7\n", 2, ["-7"]),
        ("accounts = 3\n", 1, ["accounts", "3"]),
        ("[accounts]\nlisa = 3\n", 2, ["accounts.lisa", "table"]),
        (ACCOUNT, 1, ["accounts.lisa.imap", "missing", "imap = {"]),
        ("[accounts.lisa]\n" + IMAP, 1, ["accounts.lisa.email", "missing", 'email = "']),
        ('[accounts.lisa]\nemail = "lisa"\n' + IMAP, 2, ["accounts.lisa.email", "address"]),
        (ACCOUNT + "imap = { host = 7 }\n", 3, ["imap.host", "host name", "7"]),
        (ACCOUNT + 'imap = { host = "" }\n', 3, ["imap.host"]),
        (ACCOUNT + 'imap = { host = "a b" }\n', 3, ["imap.host"]),
        (ACCOUNT + 'imap = { host = "x", port = 70000 }\n', 3, ["imap.port", "1 to 65535", "70000", "port = 993"]),
        (ACCOUNT + 'imap = { host = "x", pin_sha256 = "abc" }\n', 3, ["imap.pin_sha256", "64 hexadecimal digits"]),
        (ACCOUNT + 'proxy = "http://me:secret@proxy:3128"\n' + IMAP, 3, ["proxy", "without a user", "socks5://"]),
        (ACCOUNT + 'imap = { host = "x", port = true }\n', 3, ["imap.port", "true"]),
        (ACCOUNT + '\n[accounts.lisa.imap]\nhsot = "x"\n', 5, ["imap.hsot", '"host"']),
        (ACCOUNT + 'imap = { host = "x", security = "ssl" }\n', 3, ["imap.security", '"tls", "starttls"', '"ssl"']),
        (ACCOUNT + IMAP + 'offline = "30"\n', 4, ["offline", '"on-demand"', '"30"']),
        (ACCOUNT + IMAP + "offline = 0\n", 4, ["offline"]),
        (ACCOUNT + IMAP + 'password_from = "command"\n', 1, ["password_command"]),
        (ACCOUNT + IMAP + 'password_command = "pass"\n', 4, ["password_from"]),
        (ACCOUNT + IMAP + 'password_from = "file"\n', 4, ["password_from", '"keyring", "command", "ask"']),
        (ACCOUNT + IMAP + "connections = 50\n", 4, ["connections", "1 to 20"]),
        (ACCOUNT + IMAP + 'identities = [{ name = "x", adress = "y" }]\n', 4, ["identities", '"address"']),
        (ACCOUNT + IMAP + "identities = 3\n", 4, ["identities", "list"]),
        (ACCOUNT + 'pop3 = { host = "x" }\nimap = { host = "x" }\n', 3, ["pop3", "one of the two"]),
        (ACCOUNT + 'pop3 = { host = "x" }\nkeep = "a week"\n', 4, ["keep", "until-deleted"]),
        (ACCOUNT + IMAP + 'user = "a\\u0007"\n', 4, ["user", "control"]),
        ('[accounts."a b"]\nemail = "a@b"\n' + IMAP, 1, ['"a b"', "name"]),
        (ACCOUNT + IMAP + '[accounts.Lisa]\nemail = "a@b"\n' + IMAP, 4, ["Lisa", "case"]),
        ("[keys.bind]\narchive = 3\n", 2, ["keys.bind.archive", "list of keys", 'archive = "e"']),
        ("[keys.bind]\narchive = ['e', 3]\n", 2, ["keys.bind.archive", "list of keys", 'archive = "e"']),
        ('[keys.bind]\narchive = ["e", "hyper+e"]\n', 2, ["keys.bind.archive", '"hyper+e"', '"ctrl+e"']),
        ("[keys]\nbind = 3\n", 2, ["keys.bind", "table", 'archive = "e"']),
        ('# mine\n[accuonts.work]\nemail = "a@b"\n', 2, ["accuonts", 'Did you mean "accounts"?']),
    ],
)
def test_each_mistake_is_answered(home: Home, text: str, line: int, words: list[str]) -> None:
    """The file, the line, the key, what was expected and what to write."""
    write(home, text)
    with pytest.raises(ConfigError) as caught:
        config.load(home)
    sentence = caught.value.sentence
    assert str(home.config_file) in sentence
    assert f"line {line}" in sentence
    for word in words:
        assert word in sentence
    assert sentence.endswith((".", "?", "}", '"')) or "Write for example" in sentence


def test_password_in_the_file_is_refused_and_not_repeated(home: Home) -> None:
    """C2."""
    write(home, ACCOUNT + IMAP + 'password = "hunter2"\n')
    with pytest.raises(ConfigError, match=r"never kept in this file") as caught:
        config.load(home)
    assert "hunter2" not in caught.value.sentence


def test_keys_that_there_are(home: Home) -> None:
    """What the user interface calls its commands is not known here; it is asked to check."""
    write(home, '[keys]\npreset = "vim"\n')
    with pytest.raises(ConfigError, match=r'line 2: keys.preset must be one of gmail, mutt, not "vim"'):
        config.check_keys(home, ["gmail", "mutt"], ["archive"])
    write(home, '[keys.bind]\narchive = "e"\narchvie = "y"\n')
    with pytest.raises(ConfigError, match=r'line 3: keys.bind.archvie is not known. Did you mean "archive"\?'):
        config.check_keys(home, ["gmail"], ["archive"])
    write(home, '[keys.bind]\narchive = "e"\n')
    config.check_keys(home, ["gmail"], ["archive"])


def test_not_utf_8(home: Home) -> None:
    home.config.mkdir(parents=True)
    home.config_file.write_bytes(b"# fine\n# gr\xfc\xdfe\n")
    with pytest.raises(ConfigError, match=r"line 2.*UTF-8"):
        config.load(home)


def test_change_of_a_broken_file_leaves_it(home: Home) -> None:
    write(home, "[ui]\nfoo = 1\n")
    with pytest.raises(ConfigError):
        config.add_account(home, LISA)
    assert home.config_file.read_text() == "[ui]\nfoo = 1\n"


_names = st.from_regex(r"[A-Za-z0-9äß][A-Za-z0-9.@+_ß-]{0,20}", fullmatch=True)
_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
_servers = st.builds(
    Server,
    st.sampled_from(["imap.example.org", "::1", "10.0.0.7"]),
    st.integers(1, 65535),
    st.sampled_from([Security.TLS, Security.STARTTLS]),
    st.sampled_from(["", "3b" * 32]),
)
_accounts = st.builds(
    Account,
    name=_names,
    email=st.just("a@b"),
    protocol=st.just(Protocol.IMAP),
    incoming=_servers,
    smtp=st.none() | _servers,
    user=_text.filter(bool),
    full_name=_text,
    credential=st.sampled_from(
        [Credential(), Credential(CredentialKind.SESSION), Credential(CredentialKind.COMMAND, "pass 'x' \"y\" \\z")]
    ),
    ca_file=_text,
    proxy=st.sampled_from(["", "socks5://127.0.0.1:1080", "http://proxy.example.org:3128"]),
    offline=st.sampled_from(
        [OfflinePolicy(), OfflinePolicy(OfflineKind.DAYS, 30), OfflinePolicy(OfflineKind.ON_DEMAND)]
    ),
    connections=st.integers(1, 20),
    colour=_text,
    signature=_text,
    sent_copy=st.sampled_from(SentCopy),
    identities=st.lists(st.builds(Identity, _text, _text, _text), max_size=2).map(tuple),
)


def _by_pop3(account: Account, keep: KeepPolicy) -> Account:
    return msgspec.structs.replace(account, protocol=Protocol.POP3, offline=OfflinePolicy(), keep=keep)


_keep = st.sampled_from(
    [KeepPolicy(), KeepPolicy(KeepKind.DAYS, 7), KeepPolicy(KeepKind.UNTIL_DELETED), KeepPolicy(KeepKind.NONE)]
)
_any_accounts = _accounts | st.builds(_by_pop3, _accounts, _keep)


@settings(deadline=None, max_examples=40)
@given(accounts=st.lists(_any_accounts, min_size=1, max_size=3, unique_by=lambda account: account.name.casefold()))
def test_every_account_survives_the_file(accounts: list[Account], tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home.under(tmp_path_factory.mktemp("home"))
    write(home, BY_HAND.replace("accounts.work", 'accounts."by-hand @x"'.replace(" ", "")))
    for account in accounts:
        config.add_account(home, account)
    assert list(config.load(home).accounts[1:]) == accounts
    changed = msgspec.structs.replace(accounts[0], full_name="other", identities=(), offline=OfflinePolicy())
    config.edit_account(home, changed)
    assert config.load(home).accounts[1:] == (changed, *accounts[1:])
    config.remove_account(home, changed.name)
    assert list(config.load(home).accounts[1:]) == accounts[1:]
