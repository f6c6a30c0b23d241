"""The environment of a private network, and what can't be meant in it."""

from __future__ import annotations

import pytest

from termmail.model.errors import ConfigError
from termmail.setup.network import DATABASE_URL, Endpoint, network_from


def test_nothing_said() -> None:
    network = network_from({})
    assert network.database_url == DATABASE_URL
    assert network.nameservers == ()
    assert network.endpoint("imap.example.org", 993) == Endpoint("imap.example.org", 993)


def test_all_said() -> None:
    network = network_from(
        {
            "TERMMAIL_NAMESERVER": "10.0.0.1 127.0.0.1:5353 ::1 [::1]:5353",
            "TERMMAIL_AUTOCONFIG_URL": "https://mail.example.org/autoconfig/",
            "TERMMAIL_CONNECT_TO": "imap.example.org:993=127.0.0.1:1993 *:443=[::1]:8443",
        }
    )
    assert network.nameservers == (
        Endpoint("10.0.0.1", 53),
        Endpoint("127.0.0.1", 5353),
        Endpoint("::1", 53),
        Endpoint("::1", 5353),
    )
    assert network.database_url == "https://mail.example.org/autoconfig/"
    assert network.endpoint("imap.example.org", 993) == Endpoint("127.0.0.1", 1993)
    assert network.endpoint("any.example.org", 443) == Endpoint("::1", 8443)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TERMMAIL_NAMESERVER", "ns.example.org"),
        ("TERMMAIL_NAMESERVER", "10.0.0.1:x"),
        ("TERMMAIL_CONNECT_TO", "imap.example.org:993"),
        ("TERMMAIL_CONNECT_TO", "a:1=b"),
        ("TERMMAIL_CONNECT_TO", "a:1=b:99999"),
    ],
)
def test_mistakes(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        network_from({name: value})
