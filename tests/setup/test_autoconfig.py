"""Autoconfig files, which anybody may write."""

from __future__ import annotations

import pytest

from termmail.setup.address import AddressParts
from termmail.setup.autoconfig import BadFile, read_autoconfig

FILE = """<clientConfig><emailProvider id="example.org"><incomingServer type="imap"><hostname>imap.example.org</hostname>
<port>%s</port><socketType>SSL</socketType></incomingServer></emailProvider></clientConfig>"""


def read(port: str) -> int:
    found = read_autoconfig((FILE % port).encode(), AddressParts("lisa", "example.org"))
    return found.servers[0].server.port


@pytest.mark.parametrize("port", ["993", " 993\n", "9\u200b93", "\ufeff993"])
def test_a_port(port: str) -> None:
    """Copied from a page it may hold what nobody sees."""
    assert read(port) == 993


@pytest.mark.parametrize("port", ["", "0", "65536", "9" * 5000, "\u0663", "9.3", "-1"])
def test_what_is_no_port(port: str) -> None:
    with pytest.raises(BadFile):
        read(port)
