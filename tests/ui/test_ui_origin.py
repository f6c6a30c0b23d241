"""The heading of the message pane: how far the sender can be believed, where answers go, the list (D4–D6, A6)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from filled_store import FilledStore, header
from termmail.mime.headers import parse_envelope
from termmail.model.flags import Flag, FlagSet
from ui.support import MIDDLE, Driven, filled, opened

TAKEN = "Received: from out.a.example (out.a.example [198.51.100.7]) by mx.demo.example with ESMTPS; Tue, 3 Nov 2026 12:00:18 +0000"
RESULTS = "Authentication-Results: mx.demo.example; dmarc=pass header.from=a.example; dkim=pass header.d=a.example"


def add_message(store: FilledStore, uid: int, *fields: str, body: str = "Hello\r\n", present: bool = True) -> int:
    """A new message of these header fields in the inbox, the newest; returns its placement's id."""
    raw = "".join(f"{field}\r\n" for field in fields) + "\r\n" + body
    data = raw.encode("utf-8", "surrogateescape")
    remote, _ = header(uid, flags=FlagSet(Flag.SEEN))
    envelope = msgspec.structs.replace(parse_envelope(data), message_id_header=f"{uid}@origin.example")
    store.ingest.add_headers(store.mailboxes["INBOX"], [(remote, envelope)])
    placement_id = store.ids()[0]
    if present:
        store.add_body(placement_id, data)
    return placement_id


def _store(folder: Path) -> FilledStore:
    store = FilledStore(folder, count=1)
    account = msgspec.structs.replace(store.accounts[0], authserv_id="mx.demo.example")
    store.accounts = (account,)
    return store


async def _heading(driven: Driven) -> str:
    await driven.until(lambda: driven.main.message_pane.rendered is not None)
    await driven.drawn()
    return " ".join(driven.message.partition("───")[0].split())


@pytest.mark.parametrize(("width", "line"), [(140, "(DMARC, checked by mx.demo.example)"), (44, "(DMARC)")])
async def test_a_well_behaved_mail_has_one_calm_line(tmp_path: Path, width: int, line: str) -> None:
    store = _store(tmp_path / "home")
    add_message(store, 90, RESULTS, TAKEN, "From: Ann <ann@a.example>", "To: lisa@example.org", "Subject: Well")
    try:
        async with opened(store, (width, 30)) as driven:
            await driven.press("enter")
            heading = await _heading(driven)
            assert f"✓ Sent by a.example {line} To" in heading
            assert "!" not in heading
            assert "Reply" not in heading
    finally:
        store.close()


async def test_what_speaks_against_a_mail_stands_below_its_sender(tmp_path: Path) -> None:
    """Also in a pane that is narrow, and in the same place when the text is a page long."""
    store = _store(tmp_path / "home")
    add_message(
        store, 90, RESULTS.replace("=a.", "=paypa1."), TAKEN,
        "From: PayPal <service@paypa1.com>", "Reply-To: eve@gmail.com", "Subject: Pay",
        "Content-Type: multipart/signed; protocol=application/pgp-signature; boundary=b",
        body="--b\r\n\r\nPay now\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n",
    )  # fmt: skip
    try:
        async with opened(store, MIDDLE) as driven:
            heading = await _heading(driven)
            assert "! paypa1.com looks like paypal.com and is not" in heading
            assert "! Answers go to another domain" in heading
            assert "Reply eve@gmail.com" in heading
            assert "Signed with OpenPGP, not checked" in heading
            assert "✓" not in heading
    finally:
        store.close()


async def test_a_message_whose_text_is_not_here_is_judged_by_its_envelope(tmp_path: Path) -> None:
    with filled(tmp_path / "home", 1) as store:
        add_message(store, 90, "From: PayPal <service@paypa1.com>", "Subject: Pay", present=False)
        async with opened(store) as driven:
            await driven.until(lambda: "paypa1.com looks like paypal.com" in driven.message)
            assert "not checked" not in driven.message


@pytest.mark.parametrize("width", [140, 80, 40])
async def test_the_list_and_how_it_is_left(tmp_path: Path, width: int) -> None:
    with filled(tmp_path / "home", 1) as store:
        add_message(
            store, 90, "From: Ann <ann@a.example>", "Subject: Tides", "List-Id: Tide tables <tides.lists.example>",
            "List-Unsubscribe: <mailto:leave@lists.example>, <https://lists.example/u/1>",
        )  # fmt: skip
        async with opened(store, (width, 30)) as driven:
            await driven.press("enter")
            heading = await _heading(driven)
            assert "List " in heading
            assert "tides.lists.example" in heading
            assert "U unsubscribes by mail" in heading


@pytest.mark.parametrize(
    ("sender", "words"),
    [
        ("From: MAILER-DAEMON", "! The sender's address has no domain"),
        ("From: Ann <@>", "! The sender's address has no domain"),
        ("From: Ann <ann@a.example>, Eve <eve@e.example>", "! The message names several senders"),
        ('From: "boss@bank.example" <eve@e.example>', "! Calls itself “boss@bank.example”, which is not its address"),
        ("X-From: nobody", "! The message names no sender."),
    ],
)
async def test_odd_senders_are_marked(tmp_path: Path, sender: str, words: str) -> None:
    """D4, P13."""
    with filled(tmp_path / "home", 1) as store:
        add_message(store, 90, sender, "Subject: Odd")
        async with opened(store) as driven:
            heading = await _heading(driven)
            assert words in heading
            assert "✓" not in heading


async def test_the_domain_is_in_sight_also_where_letters_are_wide(tmp_path: Path) -> None:
    """D4, D9: a name and an address of wide letters in a narrow pane."""
    store = _store(tmp_path / "home")
    add_message(
        store,
        90,
        "From: 東京のとても長い名前 <とても長い利用者の名前@例え.テスト>",
        "To: lisa@demo.example",
        "Subject: Wide",
    )
    try:
        async with opened(store, (44, 30)) as driven:
            await driven.press("enter")
            assert "@例え.テスト>" in await _heading(driven)
    finally:
        store.close()


async def test_why_there_is_no_text_can_be_scrolled_to_below_a_long_heading(tmp_path: Path) -> None:
    store = _store(tmp_path / "home")
    people = ", ".join(f"somebody.{number}@example.org" for number in range(12))
    add_message(
        store, 90, "From: Ann <ann@a.example>", f"To: {people}", f"Cc: {people}", "Subject: Many", present=False
    )
    try:
        async with opened(store, (44, 14)) as driven:
            await driven.press("enter", "G")
            await driven.until(lambda: "Fetching the text" in driven.message)
    finally:
        store.close()
