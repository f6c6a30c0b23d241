"""The way a message took: each form of Received, what is sure of it, and where the time went."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import corpus_messages, require_corpus
from mime_safety import assert_safe
from termmail.mime.journey import MAX_HOPS, journey
from termmail.mime.received import parse_received
from termmail.model.journey import Journey

FORMS = {
    "postfix": (
        b"from mail.a.example (mx3.a.example [IPv6:2001:db9::432])\r\n"
        b"\t(using TLSv1.3 with cipher AEAD-AES128-GCM-SHA256 (128/128 bits))\r\n\t(No client certificate requested)\r\n"
        b"\tby mx.b.example (Postfix) with ESMTPS id EDD4E2073D\r\n\tfor <lisa@b.example>; Tue, 15 Jun 2021 11:55:45 +0200 (CEST)",
        ("mail.a.example", "mx3.a.example", "2001:db9::432", "mx.b.example", "ESMTPS", True, "1.3", 1623750945),
    ),
    "sendmail": (
        b"from a.example (mx.a.example [63.76.155.11] (may be forged)) by b.example (8.13.8/8.13.8) with ESMTP id oBF6xAuc0182"
        b" (version=TLSv1/SSLv3 cipher=DHE bits=256 verify=OK); Wed, 15 Dec 2010 00:59:10 -0600",
        ("a.example", "mx.a.example", "63.76.155.11", "b.example", "ESMTP", True, "1.0", 1292396350),
    ),
    "exim": (
        b"from p-imp006.a.example ([47.43.26.137]:58410 helo=imp.a.example) by mm2.b.example with esmtps (TLS1.2) tls\r\n"
        b" TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 (Exim 4.93) (envelope-from <d@a.example>) id 1l9afo-0005cd-5r for u@b.example;"
        b" Tue, 09 Feb 2021 16:35:52 -0500",
        (
            "imp.a.example",
            "p-imp006.a.example",
            "47.43.26.137",
            "mm2.b.example",
            "ESMTPS",
            True,
            "1.2",
            1612906552,
        ),
    ),
    "qmail": (
        b"from unknown (HELO games.a.example) (222.47.112.31) by b.example with SMTP; 7 Nov 2004 21:30:57 -0000",
        ("games.a.example", "", "222.47.112.31", "b.example", "SMTP", False, "", 1099863057),
    ),
    "qmail itself": (
        b"(qmail 12977 invoked from network); 6 May 2005 10:58:40 -0000",
        ("", "", "", "", "qmail", None, "", 1115377120),
    ),
    "exchange": (
        b"from A.GBRP123.PROD.OUTLOOK.COM (2603:10a6:600:197::17) by\r\n B.GBRP123.PROD.OUTLOOK.COM (2603:10a6:600:21c::9) with"
        b" Microsoft SMTP\r\n Server (version=TLS1_2, cipher=TLS_ECDHE) id\r\n 15.20.4909.8; Wed, 26 Jan 2022 09:06:51 +0000",
        (
            "A.GBRP123.PROD.OUTLOOK.COM",
            "",
            "2603:10a6:600:197::17",
            "B.GBRP123.PROD.OUTLOOK.COM",
            "SMTP",
            True,
            "1.2",
            1643188011,
        ),
    ),
    "exchange within": (
        b"from A.eurprd01.prod.exchangelabs.com ([fe80::7830:c66f:eaa8:e3dd]) by A.eurprd01.prod.exchangelabs.com"
        b" ([fe80::7830:c66f:eaa8:e3dd%14]) with mapi id 15.20.0218.015; Wed, 15 Nov 2017 14:16:14 +0000",
        (
            "A.eurprd01.prod.exchangelabs.com",
            "",
            "fe80::7830:c66f:eaa8:e3dd",
            "A.eurprd01.prod.exchangelabs.com",
            "MAPI",
            None,
            "",
            1510755374,
        ),
    ),
    "google": (
        b"from [192.168.2.12] (dsl.a.example. [174.88.53.7]) by smtp.googlemail.com with ESMTPSA id f8sm767.6.2021"
        b" for <u@b.example> (version=TLS1_2 cipher=ECDHE-ECDSA-AES128-GCM-SHA256 bits=128/128);"
        b" Tue, 09 Feb 2021 13:41:51 -0800 (PST)",
        (
            "[192.168.2.12]",
            "dsl.a.example",
            "174.88.53.7",
            "smtp.googlemail.com",
            "ESMTPSA",
            True,
            "1.2",
            1612906911,
        ),
    ),
    "google within": (
        b"by 2002:a05:6402:1a4f:b0:4a2:1a2b:3c4d with SMTP id 68so1694448wri; Tue, 10 May 2005 10:26:40 -0700 (PDT)",
        ("", "", "", "2002:a05:6402:1a4f:b0:4a2:1a2b:3c4d", "SMTP", False, "", 1115746000),
    ),
    "by with an id only": (
        b"by rubyforge.example (Postfix, from userid 502)\n\tid 8FB1518581AC; Mon, 22 Sep 2008 15:06:28 -0400 (EDT)",
        ("", "", "", "rubyforge.example", "", None, "", 1222110388),
    ),
    "vger": (
        b'from l.a.example ([23.128.96.19]:50038 "EHLO\r\n        lindberg.a.example" rhost-flags-OK-OK-OK-OK) by vger.b.example'
        b" with ESMTP\r\n        id S1725779AbgI3KMU (ORCPT <rfc822;m@b.example>);\r\n        Wed, 30 Sep 2020 06:12:20 -0400",
        ("lindberg.a.example", "l.a.example", "23.128.96.19", "vger.b.example", "ESMTP", False, "", 1601460740),
    ),
    "ironport": (
        b"from unknown (HELO email.a.example) ([170.129.1.10])\n  by esa4.b.example with"
        b" ESMTP/TLS/ECDHE-RSA-AES128-GCM-SHA256; 20 Sep 2023 07:37:11 -0700",
        ("email.a.example", "", "170.129.1.10", "esa4.b.example", "ESMTP", True, "", 1695220631),
    ),
    "fetchmail": (
        b"from mail.a.example [82.165.184.25] by localhost with IMAP (fetchmail-6.3.9-rc2) for <c@localhost> (single-drop);"
        b" Wed, 18 Nov 2009 01:27:47 -0800 (PST)",
        ("mail.a.example", "", "82.165.184.25", "localhost", "IMAP", None, "", 1258536467),
    ),
    "no semicolon": (
        b"by filterdrecv-7f9 with SMTP id filterdrecv-7f9-1-65205A18-A4 2023-10-06 19:03:52.833050666 +0000 UTC m=+78116.24",
        ("", "", "", "filterdrecv-7f9", "SMTP", False, "", 1696619032),
    ),
    "nested comments, semicolons within": (
        b"from a.example ((hello; (there)) [1.2.3.4]) by b.example (built (May 7; 2001)) with ESMTP; 1 Jan 2024 00:00:00 +0000",
        ("a.example", "", "1.2.3.4", "b.example", "ESMTP", False, "", 1704067200),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_field(form: str) -> None:
    value, wanted = FORMS[form]
    got = parse_received(value)
    found = (
        got.from_name,
        got.from_host,
        got.from_ip,
        got.by,
        got.protocol,
        got.tls,
        got.tls_version,
        got.at,
    )
    assert found == wanted


def header(*fields: bytes, date: bytes = b"Tue, 3 Nov 2026 12:00:00 +0000") -> bytes:
    """A block with the given Received values, the latest first."""
    return b"".join(b"Received: " + field + b"\r\n" for field in fields) + b"Date: " + date + b"\r\n\r\n"


LOCAL = b"from mx.b.example (localhost [127.0.0.1]) by imap.b.example with LMTP; Tue, 3 Nov 2026 13:00:20 +0100"
TAKEN = b"from out.a.example (out.a.example [198.51.100.7]) by mx.b.example with ESMTPS; Tue, 3 Nov 2026 12:00:18 +0000"
WRITER = (
    b"from [192.168.1.2] (dsl.c.example [203.0.113.9]) by out.a.example with ESMTPSA; Tue, 3 Nov 2026 12:00:03 +0000"
)


def test_the_way_goes_from_the_writer_to_here() -> None:
    way = journey(header(LOCAL, TAKEN, WRITER))
    assert [hop.by for hop in way.hops] == ["out.a.example", "mx.b.example", "imap.b.example"]
    assert [hop.delay for hop in way.hops] == [3, 15, 2]
    assert (way.written_at, way.arrived_at, way.seconds) == (1793707200, 1793707220, 20)


def test_only_what_ones_own_provider_wrote_is_sure() -> None:
    way = journey(header(LOCAL, TAKEN, WRITER))
    assert [hop.sure for hop in way.hops] == [False, True, True]
    assert not any(hop.doubts for hop in way.hops)
    assert "does not answer for" in way.notes[0]


def test_a_made_up_hop_of_the_own_provider_is_not_sure() -> None:
    """The forger's field bears the provider's name, but the provider took the message from a stranger above it."""
    forged = (
        b"from bank.example (bank.example [203.0.113.5]) by mx.b.example with ESMTPS; Tue, 3 Nov 2026 12:00:01 +0000"
    )
    way = journey(header(LOCAL, TAKEN, forged))
    assert [hop.sure for hop in way.hops] == [False, True, True]
    assert any("out.a.example" in doubt for doubt in way.hops[0].doubts)


def test_a_stranger_who_only_calls_itself_by_the_providers_name_is_a_stranger() -> None:
    liar = b"from mx2.b.example (unknown [203.0.113.5]) by mx.b.example with ESMTP; Tue, 3 Nov 2026 12:00:18 +0000"
    way = journey(header(liar, WRITER))
    assert [hop.sure for hop in way.hops] == [False, True]
    same = b"from mx.b.example (unknown [203.0.113.5]) by mx.b.example with ESMTP; Tue, 3 Nov 2026 12:00:18 +0000"
    assert any("own name" in doubt for doubt in journey(header(same)).hops[0].doubts)


def test_the_steps_within_a_large_provider_are_sure() -> None:
    within = FORMS["exchange"][0]
    across = (
        b"from X.namprd10.prod.outlook.com (2603:10a6:10:230:cafe::20) by Y.outlook.office365.com (2603:10a6:10:230::13) with"
        b" Microsoft SMTP Server (version=TLS1_3) id 15.20; Wed, 26 Jan 2022 09:06:50 +0000"
    )
    taken = (
        b"from out.a.example (198.51.100.7) by X.mail.protection.outlook.com (10.167.8.1) with Microsoft SMTP Server"
        b" (version=TLS1_3) id 15.20; Wed, 26 Jan 2022 09:06:49 +0000"
    )
    assert [hop.sure for hop in journey(header(within, across, taken, WRITER)).hops] == [False, True, True, True]


def test_what_a_fetching_program_took_from_the_account_is_the_providers() -> None:
    assert [hop.sure for hop in journey(header(FORMS["fetchmail"][0], TAKEN, WRITER)).hops] == [False, True, True]


def test_own_hosts_name_the_provider_where_a_filter_stands_before_it() -> None:
    filtered = (
        b"from mx.b.example (mx.b.example [192.0.2.1]) by filter.d.example with ESMTPS; Tue, 3 Nov 2026 12:00:19 +0000"
    )
    assert [hop.sure for hop in journey(header(filtered, TAKEN)).hops] == [False, True]
    assert [hop.sure for hop in journey(header(filtered, TAKEN), own_hosts=("imap.b.example",)).hops] == [True, True]


def test_names_that_do_not_chain_are_told() -> None:
    way = journey(header(TAKEN, WRITER.replace(b"by out.a.example", b"by relay.e.example")))
    assert any("relay.e.example took the message" in doubt for doubt in way.hops[0].doubts)


def test_clocks_that_disagree_are_told() -> None:
    late = WRITER.replace(b"12:00:03", b"12:10:03")
    way = journey(header(TAKEN, late))
    assert way.hops[1].delay == -585
    assert any("9 minutes 45 seconds before" in doubt for doubt in way.hops[1].doubts)
    assert way.seconds == 18


def test_odd_fields_are_told() -> None:
    way = journey(
        header(b"from a.example ([255.255.255.255]) by b.example with SMTP; yesterday", b"garbage \x00\x1b[2J")
    )
    assert any("No computer can have" in doubt for doubt in way.hops[1].doubts)
    assert any("time that can be read" in doubt for doubt in way.hops[1].doubts)
    assert_safe(way)


def test_no_received_field_at_all() -> None:
    assert journey(b"").notes == ("The message does not tell which way it took.",)
    assert (
        journey(b"Date: Tue, 3 Nov 2026 12:00:00 +0000\nX-Originating-IP: [203.0.113.9]\n\n").origin_ip == "203.0.113.9"
    )


@pytest.mark.timeout(60)
def test_hostile_fields_take_linear_time() -> None:
    """P5."""
    for piece in (b"(", b")", b"((((;", b"from ", b"[1.", b"::", b"helo=", b'"', b"\\", b"<", b"a.", b"1:", b"TLS "):
        for _ in range(20):
            parse_received(b"from " + piece * (8192 // len(piece)) + b"; x")
    way = journey(b"Received: from a by b; 1 Jan 2024 00:00:00 +0000\n" * 5000)
    assert len(way.hops) == MAX_HOPS
    assert any("not shown" in note for note in way.notes)


@given(st.lists(st.sampled_from([form[0] for form in FORMS.values()]), max_size=4), st.binary(max_size=60), st.data())
def test_any_bytes_are_read_and_safe(fields: list[bytes], junk: bytes, data: st.DataObject) -> None:
    """P15, D1."""
    block = bytearray(header(*fields, junk))
    for _ in range(data.draw(st.integers(0, 5))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    check(journey(bytes(block)))


def check(way: Journey) -> None:
    assert_safe(way)
    assert len(way.hops) <= MAX_HOPS
    assert way.seconds is None or way.seconds >= 0
    sure = [hop.sure for hop in way.hops]
    assert sure == sorted(sure)
    for hop in way.hops:
        assert hop.sure or way.notes


def check_corpus(every: int) -> None:
    require_corpus()
    hops = timed = named = 0
    for _, raw in corpus_messages(every=every):
        way = journey(raw)
        check(way)
        hops += len(way.hops)
        timed += sum(hop.at is not None for hop in way.hops)
        named += sum(bool(hop.by) for hop in way.hops)
    assert timed >= 0.99 * hops
    assert named >= 0.97 * hops


def test_a_sample_of_the_corpus() -> None:
    check_corpus(12)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_corpus() -> None:
    check_corpus(1)
