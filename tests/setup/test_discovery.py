"""Discovery in private networks: a name server, web servers and a Dovecot on loopback, right, wrong and hostile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from servers.dns_server import NameServer
from servers.dovecot import Dovecot
from servers.net_proxies import microsocks, tinyproxy
from servers.ports import free_ports
from servers.private_network import (
    AUTOCONFIG,
    DATABASE,
    DOMAIN,
    WELL_KNOWN,
    autoconfig,
    names_certificate,
    private_network,
)
from servers.scripted import Conversation, ScriptedServer
from servers.smtp_sink import SmtpSink
from servers.tls import Authority
from servers.web_server import Answer
from termmail.model.account import Protocol, Security, Server
from termmail.model.errors import TermmailError
from termmail.model.setup import Discovery, SignInWay, Source, SourceReport, SourceState
from termmail.setup.discovery import discover
from termmail.setup.network import Network

ADDRESS = f"lisa@{DOMAIN}"
BOTH = autoconfig(f"imap imap.{DOMAIN} 993 SSL", f"pop3 pop.{DOMAIN} 995 SSL", f"smtp smtp.{DOMAIN} 465 SSL")


@pytest.fixture(scope="module")
def mail_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dovecot]:
    """A Dovecot with IMAP and POP3 whose certificate is good for the names of the example."""
    with Dovecot(
        tmp_path_factory.mktemp("names"), authority=authority, certificate=names_certificate(authority), pop3=True
    ) as server:
        yield server


SILENCE = 32.0
"""Seconds in all where somebody says nothing."""


class Reports(list[SourceReport]):
    """What was told; `last` has the last of each source."""

    @property
    def last(self) -> dict[Source, SourceReport]:
        return {report.source: report for report in self}

    def state(self, source: Source) -> SourceState:
        return self.last[source].state


def search(network: Network, address: str = ADDRESS, *, seconds: float = 60.0) -> tuple[Discovery, Reports]:
    """With more time than a person would give it, for a machine that is busy; only where somebody is silent is it needed."""
    reports = Reports()
    return discover(address, reports.append, network=network, seconds=seconds), reports


def test_large_provider_asks_nobody() -> None:
    reports = Reports()
    found = discover("lisa@Gmail.com", reports.append, network=Network(nameservers=()))
    assert [report.source for report in reports] == [Source.PROVIDERS]
    assert found.imap[0].server == Server("imap.gmail.com", 993)
    assert found.imap[0].sure
    assert found.provider is not None
    assert found.provider.sign_in == (SignInWay.APP_PASSWORD, SignInWay.OAUTH2)
    assert found.provider.pop3_off


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
@pytest.mark.parametrize("place", [AUTOCONFIG, WELL_KNOWN])
def test_autoconfig_over_https(authority: Authority, mail_server: Dovecot, place: str) -> None:
    """Sure, and each server was tried; nothing guessed is left."""
    mail = {f"imap.{DOMAIN}:993": mail_server.tls_port, f"pop.{DOMAIN}:995": mail_server.pop3_tls_port}
    with private_network(authority, https={place: (200, {}, BOTH)}, mail=mail) as there:
        found, reports = search(there.network)
    assert reports.state(Source.DOMAIN) is SourceState.FOUND, reports.last[Source.DOMAIN]
    assert Source.PROBE not in reports.last
    (imap,), (pop3,), (smtp,) = found.imap, found.pop3, found.smtp
    assert (imap.server, imap.user, imap.sure, imap.answered) == (Server(f"imap.{DOMAIN}", 993), ADDRESS, True, True)
    assert (pop3.server, pop3.answered) == (Server(f"pop.{DOMAIN}", 995), True)
    assert not smtp.answered
    assert "takes no connections" in smtp.trouble
    assert found.better is Protocol.IMAP
    assert found.provider is not None
    assert found.provider.name == "Example Mail"


def test_each_source_is_told_twice(authority: Authority) -> None:
    with private_network(authority) as there:
        found, reports = search(there.network)
    assert not found.found_any
    for source in (Source.DOMAIN, Source.DATABASE, Source.SRV, Source.MX, Source.PROBE):
        first, *_, last = [report for report in reports if report.source is source]
        assert first.state is SourceState.LOOKING
        assert last.state is SourceState.NOTHING, last
        assert DOMAIN in last.sentence


def test_plain_http_is_not_sure(authority: Authority) -> None:
    """Whoever is on the way can write such a file: it is for confirmation, and the address is not sent."""
    with private_network(authority, http={AUTOCONFIG: (200, {}, BOTH)}) as there:
        found, reports = search(there.network)
        assert all("lisa" not in asked for asked in there.plain.asked)
    assert not found.imap[0].sure
    assert "without encryption" in reports.last[Source.DOMAIN].sentence


@pytest.mark.parametrize("target", [f"http://{AUTOCONFIG}", "ftp://x/", "file:///etc/passwd"])
def test_redirect_out_of_https(authority: Authority, target: str) -> None:
    https: dict[str, Answer] = {AUTOCONFIG: (302, {"Location": target}, b"")}
    with private_network(authority, https=https) as there:
        found, reports = search(there.network)
        assert not [asked for asked in there.plain.asked if "?" in asked]
    assert not found.found_any
    assert reports.state(Source.DOMAIN) is SourceState.FAILED
    assert "leads from HTTPS" in reports.last[Source.DOMAIN].sentence


def test_redirects(authority: Authority) -> None:
    """Some are followed, a circle is not."""
    https: dict[str, Answer] = {
        AUTOCONFIG: (301, {"Location": f"https://mail.{DOMAIN}/a.xml"}, b""),
        f"mail.{DOMAIN}/a.xml": (307, {"Location": "/b.xml"}, b""),
        f"mail.{DOMAIN}/b.xml": (200, {}, BOTH),
    }
    with private_network(authority, https=https) as there:
        found, _ = search(there.network)
    assert found.imap[0].sure
    with private_network(authority, https={AUTOCONFIG: (302, {"Location": f"https://{AUTOCONFIG}"}, b"")}) as there:
        found, reports = search(there.network)
        assert len(there.secure.asked) < 10
    assert not found.found_any
    assert reports.state(Source.DOMAIN) is SourceState.FAILED


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8))
    + "]><clientConfig><emailProvider><displayName>&i;</displayName></emailProvider></clientConfig>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><clientConfig>&a;</clientConfig>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Not here</body></html>",
        b"<clientConfig><emailProvider/></clientConfig>",
        b"<clientConfig><emailProvider",
        BOMB.encode(),
        OUTSIDE.encode(),
        b"<clientConfig>" + b"<a>" * 50_000,
        BOTH.replace(b"</clientConfig>", b" " * 300_000 + b"</clientConfig>"),
        autoconfig("imap imap.example.test 993 plain"),
        autoconfig("imap imap.example.test 0 SSL"),
        autoconfig(f"imap imap.example.test {'9' * 5000} SSL"),
        autoconfig("imap -bad- 993 SSL"),
        autoconfig("exchange imap.example.test 443 SSL"),
        BOTH.decode().encode("utf-16"),
    ],
    ids=[
        "empty",
        "html",
        "no servers",
        "cut",
        "bomb",
        "outside",
        "deep",
        "huge",
        "plain",
        "port",
        "endless port",
        "host",
        "type",
        "utf-16",
    ],
)
def test_file_that_is_not_to_be_used(authority: Authority, body: bytes) -> None:
    """Entity bombs, huge and broken files: a sentence, quickly, and no server from it (but UTF-16 is XML like any)."""
    with private_network(authority, https={AUTOCONFIG: (200, {}, body)}) as there:
        found, reports = search(there.network)
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert found.imap[0].sure
        return
    assert not found.found_any
    assert reports.state(Source.DOMAIN) is SourceState.FAILED
    assert "can't be used" in reports.last[Source.DOMAIN].sentence


def test_names_and_users_of_a_hostile_file(authority: Authority) -> None:
    """D1: escape sequences don't get through, nor does a line end into a user name (T11)."""
    body = autoconfig("imap imap.%EMAILDOMAIN% 993 SSL %EMAILLOCALPART%", name="&#x85;&#x9b;31mRed&#x202e;")
    with private_network(authority, https={AUTOCONFIG: (200, {}, body)}) as there:
        found, _ = search(there.network)
    assert found.imap[0].user == "lisa"
    assert found.imap[0].server.host == f"imap.{DOMAIN}"
    assert found.provider is not None
    assert found.provider.name.isprintable()


def test_slow_web_server(authority: Authority) -> None:
    """A byte now and then: it is given up in time, and what the others say is there."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(300):
            handler.wfile.write(b"<")
            time.sleep(0.1)

    https: dict[str, Answer] = {AUTOCONFIG: drip, WELL_KNOWN: drip, DATABASE: (200, {}, BOTH)}
    with private_network(authority, https=https) as there:
        found, reports = search(there.network, seconds=SILENCE)
    assert reports.state(Source.DOMAIN) is SourceState.FAILED
    assert reports.state(Source.DATABASE) is SourceState.FOUND, reports.last[Source.DATABASE].sentence
    assert found.imap[0].source is Source.DATABASE


def test_certificate_of_another_host(authority: Authority) -> None:
    """What comes over TLS from nobody knows whom is not taken."""
    with private_network(
        authority, https={AUTOCONFIG: (200, {}, BOTH), DATABASE: (200, {}, BOTH)}, certificate=authority.wrong_host
    ) as there:
        found, reports = search(there.network)
        assert there.secure.asked == []
    assert not found.found_any
    assert reports.state(Source.DATABASE) is SourceState.FAILED
    assert "certificate is not trusted" in reports.last[Source.DATABASE].sentence


def test_database(authority: Authority) -> None:
    """It is asked for the domain, never for the address."""
    with private_network(authority, https={DATABASE: (200, {}, BOTH)}) as there:
        found, reports = search(there.network)
        assert [asked for asked in there.secure.asked if asked.startswith("database")] == [DATABASE]
    assert (found.imap[0].source, found.imap[0].sure) == (Source.DATABASE, True)
    assert f"knows {DOMAIN}" in reports.last[Source.DATABASE].sentence


SRV = f"""
_imaps._tcp.{DOMAIN}. 60 IN SRV 10 1 993 backup.{DOMAIN}.
_imaps._tcp.{DOMAIN}. 60 IN SRV 0 1 993 imap.{DOMAIN}.
_imap._tcp.{DOMAIN}. 60 IN SRV 0 1 143 imap.{DOMAIN}.
_pop3s._tcp.{DOMAIN}. 60 IN SRV 0 0 0 .
_submission._tcp.{DOMAIN}. 60 IN SRV 0 1 587 smtp.{DOMAIN}.
"""


@pytest.mark.dovecot
def test_srv(authority: Authority, mail_server: Dovecot) -> None:
    """The preferred first; a service that is said not to be there is none; nothing of it is sure (RFC 6186)."""
    mail = {f"imap.{DOMAIN}:993": mail_server.tls_port, f"imap.{DOMAIN}:143": mail_server.port}
    with private_network(authority, zone=SRV, mail=mail) as there:
        found, reports = search(there.network)
    assert reports.state(Source.SRV) is SourceState.FOUND
    answering = [guess.server for guess in found.imap if guess.answered]
    assert answering[0] == Server(f"imap.{DOMAIN}", 993)
    assert Server(f"imap.{DOMAIN}", 143, Security.STARTTLS) in answering
    assert found.imap[-1].server.host == f"backup.{DOMAIN}"
    assert not any(guess.sure for guess in found.imap + found.smtp)
    assert found.pop3 == ()
    assert found.smtp[0].server == Server(f"smtp.{DOMAIN}", 587, Security.STARTTLS)


@pytest.mark.parametrize(
    ("exchanger", "host", "way"),
    [
        ("aspmx.l.google.com", "imap.gmail.com", SignInWay.APP_PASSWORD),
        ("example-test.mail.protection.outlook.com", "outlook.office365.com", SignInWay.OAUTH2),
        ("in1-smtp.messagingengine.com", "imap.fastmail.com", SignInWay.APP_PASSWORD),
    ],
)
def test_hosted_domain(authority: Authority, exchanger: str, host: str, way: SignInWay) -> None:
    zone = f"{DOMAIN}. 60 IN MX 20 other.test.\n{DOMAIN}. 60 IN MX 5 {exchanger}.\n"
    with private_network(authority, zone=zone) as there:
        found, reports = search(there.network)
    assert found.imap[0].server.host == host
    assert not found.imap[0].sure
    assert found.provider is not None
    assert way in found.provider.sign_in
    assert found.provider.name in reports.last[Source.MX].sentence


def test_hoster_that_the_database_knows(authority: Authority) -> None:
    body = autoconfig("imap imap.hoster.test 993 SSL")
    zone = f"{DOMAIN}. 60 IN MX 5 mx1.hoster.test."
    with private_network(authority, zone=zone, https={"database.test/v1.1/hoster.test": (200, {}, body)}) as there:
        found, reports = search(there.network)
    assert (found.imap[0].server.host, found.imap[0].sure) == ("imap.hoster.test", False)
    assert "mx1.hoster.test" in reports.last[Source.MX].sentence


@pytest.mark.parametrize(
    ("names", "state", "words"),
    [
        (NameServer(failure="SERVFAIL"), SourceState.FAILED, "No name server answered"),
        (NameServer(failure="REFUSED"), SourceState.FAILED, "No name server answered"),
        (NameServer(silent=True), SourceState.FAILED, ""),
        (NameServer(), SourceState.NOTHING, "There is no domain"),
        (NameServer(f"{DOMAIN}. 60 IN MX 0 ."), SourceState.NOTHING, "receives no mail"),
        (NameServer(f"{DOMAIN}. 60 IN A 127.0.0.1"), SourceState.NOTHING, "receives no mail"),
        (NameServer(f"{DOMAIN}. 60 IN MX 0 mx.nobody.test."), SourceState.NOTHING, "mx.nobody.test"),
    ],
    ids=["servfail", "refused", "silent", "no domain", "null mx", "no mx", "unknown"],
)
def test_lame_name_servers(authority: Authority, names: NameServer, state: SourceState, words: str) -> None:
    """The rest goes on without them."""
    with private_network(authority, names=names, https={AUTOCONFIG: (200, {}, BOTH)}) as there:
        found, reports = search(there.network, seconds=SILENCE)
    assert reports.state(Source.MX) is state
    assert words in reports.last[Source.MX].sentence
    assert found.imap[0].sure


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
def test_usual_names(authority: Authority, mail_server: Dovecot) -> None:
    """The kind of TLS is found by trying: here port 993 has STARTTLS and port 143 TLS."""
    mail = {
        f"mail.{DOMAIN}:993": mail_server.port,
        f"mail.{DOMAIN}:143": mail_server.tls_port,
        f"mail.{DOMAIN}:110": mail_server.pop3_port,
    }
    with private_network(authority, mail=mail) as there:
        found, reports = search(there.network)
    assert [guess.server for guess in found.imap] == [
        Server(f"mail.{DOMAIN}", 143),
        Server(f"mail.{DOMAIN}", 993, Security.STARTTLS),
    ]
    assert [guess.server for guess in found.pop3] == [Server(f"mail.{DOMAIN}", 110, Security.STARTTLS)]
    assert all(guess.answered and not guess.sure for guess in found.imap)
    assert reports.state(Source.PROBE) is SourceState.FOUND


@pytest.mark.dovecot
def test_sure_server_that_does_not_answer(authority: Authority, mail_server: Dovecot) -> None:
    """It stays before one that answers and that anybody could have named."""
    body = autoconfig(f"imap imap.{DOMAIN} 993 SSL")
    zone = "_imaps._tcp.example.test. 60 IN SRV 0 1 993 mail.example.test."
    mail = {f"mail.{DOMAIN}:993": mail_server.tls_port}
    with private_network(authority, https={AUTOCONFIG: (200, {}, body)}, zone=zone, mail=mail) as there:
        found, _ = search(there.network)
    assert [(guess.server.host, guess.sure, guess.answered) for guess in found.imap] == [
        (f"imap.{DOMAIN}", True, False),
        (f"mail.{DOMAIN}", False, True),
    ]


def test_nobody_speaks_of_sending(authority: Authority) -> None:
    """Then, and for that alone, the usual names are tried."""
    https: dict[str, Answer] = {AUTOCONFIG: (200, {}, autoconfig(f"imap imap.{DOMAIN} 993 SSL"))}
    with SmtpSink() as sink, private_network(authority, https=https, mail={f"smtp.{DOMAIN}:587": sink.port}) as there:
        found, reports = search(there.network)
    assert [guess.source for guess in found.imap] == [Source.DOMAIN]
    assert Source.PROBE in reports.last
    # It answers without TLS alone, which is no answer.
    assert found.smtp == ()
    assert found.pop3 == ()


@pytest.mark.dovecot
@pytest.mark.dovecot_pop3
def test_port_of_another_service(authority: Authority, mail_server: Dovecot) -> None:
    body = autoconfig(f"imap imap.{DOMAIN} 993 SSL", f"pop3 pop.{DOMAIN} 995 SSL")
    mail = {f"imap.{DOMAIN}:993": mail_server.pop3_tls_port, f"pop.{DOMAIN}:995": mail_server.port}
    with private_network(authority, https={AUTOCONFIG: (200, {}, body)}, mail=mail) as there:
        found, _ = search(there.network)
    assert found.imap[0].trouble == f"Port 993 of imap.{DOMAIN} speaks POP3, not IMAP."
    assert found.pop3[0].trouble == f"Port 995 of pop.{DOMAIN} speaks IMAP, not POP3."


@pytest.mark.dovecot
@pytest.mark.parametrize(
    ("certificate", "pinnable"),
    [("self_signed", True), ("self_signed_expired", False), ("self_signed_wrong_host", False), ("wrong_host", None)],
)
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_certificates_that_are_not_trusted(
    tmp_path: Path, authority: Authority, certificate: str, pinnable: bool | None, security: Security
) -> None:
    """One that is signed by itself and otherwise good is shown with its fingerprint and can be pinned; nothing else can."""
    shown = getattr(authority, certificate)
    with Dovecot(tmp_path, authority=authority, certificate=shown) as server:
        port = server.tls_port if security is Security.TLS else server.port
        body = autoconfig(f"imap localhost {port} {'SSL' if security is Security.TLS else 'STARTTLS'}")
        with private_network(authority, https={AUTOCONFIG: (200, {}, body)}) as there:
            found, _ = search(there.network)
    (guess,) = found.imap
    assert not guess.answered
    assert guess.server.security is security
    assert "certificate" in guess.trouble
    if pinnable is None:
        assert guess.certificate is None
        return
    assert guess.certificate is not None
    assert guess.certificate.pinnable is pinnable
    if pinnable:
        from protocols.test_pinning import fingerprint

        assert guess.certificate.sha256 == fingerprint(shown)
        assert guess.certificate.subject == "localhost"
        assert guess.certificate.not_after > guess.certificate.not_before > 0


def test_silent_mail_server(authority: Authority) -> None:
    """It is there and says nothing: told in time."""

    def nothing(talk: Conversation) -> None:
        talk.wait_closed(30)

    body = autoconfig(f"imap imap.{DOMAIN} 993 SSL")
    with (
        ScriptedServer(nothing) as silent,
        private_network(
            authority, https={AUTOCONFIG: (200, {}, body)}, mail={f"imap.{DOMAIN}:993": silent.port}
        ) as there,
    ):
        found, _ = search(there.network, seconds=SILENCE / 2)
    assert not found.imap[0].answered


def test_plain_submission_on_this_computer(authority: Authority) -> None:
    """Without TLS it is taken on this computer alone."""
    with SmtpSink() as sink:
        body = autoconfig("imap imap.example.test 993 SSL", f"smtp 127.0.0.1 {sink.port} plain")
        with private_network(authority, https={AUTOCONFIG: (200, {}, body)}) as there:
            found, _ = search(there.network)
    assert found.smtp[0].server == Server("127.0.0.1", sink.port, Security.NONE)
    assert found.smtp[0].answered


def test_idn_domain(authority: Authority) -> None:
    """RFC 5891: the network hears the ASCII form."""
    names = NameServer()
    with private_network(authority, names=names) as there:
        _, reports = search(there.network, "lisa@bücher.test")
    assert "xn--bcher-kva.test MX" in names.asked
    assert reports.state(Source.DOMAIN) is SourceState.NOTHING


@pytest.mark.parametrize(
    "address", ["", "lisa", "@x.org", "lisa@", "lisa@-x-.org", "lisa@a..b", "lisa@ü" + "x" * 80, "a@b\n.org"]
)
def test_no_address(address: str) -> None:
    with pytest.raises(TermmailError, match="no address"):
        discover(address, lambda report: None)


@pytest.mark.microsocks
def test_through_a_socks_proxy(authority: Authority) -> None:
    """Autoconfig files come through it; DNS, which does not, is not asked."""
    names = NameServer()
    with private_network(authority, names=names, https={AUTOCONFIG: (200, {}, BOTH)}) as there, microsocks() as proxy:
        found, reports = search(msgspec.structs.replace(there.network, proxy=proxy))
    assert found.imap[0].sure
    assert names.asked == []
    assert "does not go through the proxy" in reports.last[Source.MX].sentence


@pytest.mark.tinyproxy
def test_through_an_http_proxy(authority: Authority, tmp_path: Path) -> None:
    with private_network(authority, https={DATABASE: (200, {}, BOTH)}) as there, tinyproxy(tmp_path) as proxy:
        found, _ = search(msgspec.structs.replace(there.network, proxy=proxy))
    assert found.imap[0].source is Source.DATABASE


def test_proxy_that_is_not_there(authority: Authority) -> None:
    """Nothing goes past it."""
    with private_network(authority, https={AUTOCONFIG: (200, {}, BOTH), DATABASE: (200, {}, BOTH)}) as there:
        proxy = f"socks5://127.0.0.1:{free_ports(1)[0]}"
        found, reports = search(msgspec.structs.replace(there.network, proxy=proxy))
        assert there.secure.asked == there.plain.asked == there.names.asked == []
    assert not found.found_any
    assert reports.state(Source.DATABASE) is SourceState.FAILED
