"""Leaving a list and archiving what came by it: asked for, told which way, undone with one key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from filled_store import FilledStore
from termmail.model.errors import ServerRefused
from termmail.ui.screens.composer import ComposerScreen
from ui.support import WIDE, Driven, opened
from ui.test_ui_origin import RESULTS, TAKEN, add_message

ONE = "List-Unsubscribe: <mailto:leave@lists.example?subject=leave%20tides>,\r\n <https://lists.example/u/1>"
POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
SIGNED = "DKIM-Signature: v=1; d=a.example; h=from:list-unsubscribe:list-unsubscribe-post; bh=x; b=y"
LIST = "List-Id: Tides <tides.lists.example>"
FROM = "From: Ann <ann@a.example>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilledStore]:
    store = FilledStore(tmp_path / "home", count=3)
    store.accounts = (msgspec.structs.replace(store.accounts[0], authserv_id="mx.demo.example"),)
    yield store
    store.close()


class _Post:
    """Takes what would go to the network."""

    def __init__(self, answer: str | ServerRefused = "lists.example took it.") -> None:
        self.urls: list[str] = []
        self.proxies: list[str] = []
        self.answer = answer

    def __call__(self, url: str, proxy: str) -> str:
        self.urls.append(url)
        self.proxies.append(proxy)
        if isinstance(self.answer, ServerRefused):
            raise self.answer
        return self.answer


async def shown(driven: Driven) -> None:
    await driven.until(lambda: driven.main.message_pane.rendered is not None)


async def test_in_one_step_after_asking_with_the_host(store: FilledStore) -> None:
    """RFC 8058: the list's server is named, and whether it signed for the address is told; n does nothing."""
    add_message(store, 90, RESULTS, TAKEN, SIGNED, FROM, "Subject: High water", LIST, ONE, POST)
    post = _Post()
    store.accounts = (msgspec.structs.replace(store.accounts[0], proxy="socks5://127.0.0.1:9050"),)
    async with opened(store, WIDE) as driven:
        driven.app.post_one_click = post
        await shown(driven)
        assert "U unsubscribes in one step at lists.example" in driven.message
        await driven.press("U")
        await driven.shows("Unsubscribe from Tides? One request goes to lists.example.")
        await driven.shows("a.example has signed that address, your provider says.")
        await driven.shows("https://lists.example/u/1")
        await driven.press("n")
        assert not post.urls
        await driven.press("U", "y")
        await driven.says("lists.example took it.")
        assert post.urls == ["https://lists.example/u/1"]
        assert post.proxies == ["socks5://127.0.0.1:9050"]


async def test_nobody_vouches_for_an_address_that_no_signature_covers(store: FilledStore) -> None:
    unsigned = SIGNED.replace(":list-unsubscribe-post", "")
    add_message(store, 90, RESULTS, TAKEN, unsigned, FROM, "Subject: High water", LIST, ONE, POST)
    async with opened(store, WIDE) as driven:
        driven.app.post_one_click = _Post()
        await shown(driven)
        await driven.press("U")
        await driven.shows("was not checked")
        assert "has signed" not in driven.everything()


async def test_a_refusal_is_said(store: FilledStore) -> None:
    add_message(store, 90, FROM, "Subject: High water", LIST, ONE, POST)
    async with opened(store, WIDE) as driven:
        driven.app.post_one_click = _Post(ServerRefused("lists.example did not take it (HTTP 410)."))
        await driven.press("U", "y")
        await driven.says("lists.example did not take it (HTTP 410).")


async def test_without_a_network_it_says_so(store: FilledStore) -> None:
    add_message(store, 90, FROM, "Subject: High water", LIST, ONE, POST)
    async with opened(store, WIDE) as driven:
        post = driven.app.post_one_click = _Post()
        driven.main.work_offline = True
        await driven.press("U")
        await driven.says("Unsubscribing at lists.example needs the network, and you work offline.")
        assert not post.urls


async def test_a_mail_is_written_and_not_sent(store: FilledStore) -> None:
    """Where the list does not say that it takes a POST."""
    add_message(store, 90, FROM, "Subject: High water", LIST, ONE)
    async with opened(store, WIDE) as driven:
        await shown(driven)
        assert "U unsubscribes by mail" in driven.message
        await driven.press("U")
        await driven.until(lambda: isinstance(driven.app.screen, ComposerScreen))
        await driven.shows("leave@lists.example")
        await driven.shows("leave tides")
        assert not driven.queries.outbox()


@pytest.mark.parametrize(
    "field",
    [
        "List-Unsubscribe: <http://lists.example/u/1>\r\n" + POST,
        "List-Unsubscribe: <https://192.168.1.1/u>\r\n" + POST,
        "List-Unsubscribe: <https://lists.example/u/1>",
    ],
    ids=["not https", "in one's own network", "no POST is asked for"],
)
async def test_a_page_is_opened_only_after_asking(
    store: FilledStore, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    opened_urls: list[str] = []

    def take(url: str, *_: object) -> None:
        opened_urls.append(url)

    monkeypatch.setattr("termmail.ui.commands.lists.open_link", take)
    add_message(store, 90, FROM, "Subject: High water", LIST, field)
    async with opened(store, WIDE) as driven:
        post = driven.app.post_one_click = _Post()
        await driven.press("U")
        await driven.shows("Tides is left on a page at")
        url = field.partition("<")[2].partition(">")[0]
        await driven.shows(url)
        assert not opened_urls
        await driven.press("y")
        assert opened_urls == [url]
        assert not post.urls


async def test_a_mail_that_something_speaks_against_is_not_answered_lightly(store: FilledStore) -> None:
    add_message(store, 90, "From: PayPal <service@paypa1.com>", "Subject: Pay", LIST, ONE, POST)
    async with opened(store, WIDE) as driven:
        driven.app.post_one_click = _Post()
        await driven.press("U")
        await driven.shows("Something speaks against this mail")


async def test_mail_that_came_by_no_list_says_so(store: FilledStore) -> None:
    add_message(store, 90, FROM, "Subject: High water")
    async with opened(store, WIDE) as driven:
        await driven.press("U")
        await driven.says("This message did not come by a list.")
        await driven.run("Archive all from this list")
        await driven.says("This message did not come by a list.")


async def test_all_from_a_list_goes_to_the_archive_and_comes_back(store: FilledStore) -> None:
    """Only what came by the same list, in this folder; z takes all of it back."""
    ids = [add_message(store, 90 + n, FROM, f"Subject: High water {n}", LIST) for n in range(3)]
    other = add_message(store, 95, FROM, "Subject: tides.lists.example", "List-Id: <other.tides.lists.example>")
    add_message(store, 96, FROM, "Subject: High water 4", LIST, present=False)
    async with opened(store, WIDE) as driven:
        before = list(driven.main.model.ids)
        await driven.run("Archive all from this list")
        await driven.says("Archived 4 messages. z undoes it.")
        await driven.settled()
        assert {driven.mailbox_of(each) for each in ids} == {"Archive"}
        assert driven.mailbox_of(other) == "INBOX"
        assert set(driven.main.model.ids) == set(before) - set(ids) - {before[0]}
        await driven.press("z")
        await driven.settled()
        await driven.until(lambda: list(driven.main.model.ids) == before)
