"""Who a message is from: whose word is believed, what speaks against it, and that nothing forged is ever called checked (D4–D6, A6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import corpus_messages, require_corpus
from mime_safety import assert_safe
from termmail.mime.authentication_results import parse_authentication_results
from termmail.mime.headers import parse_envelope
from termmail.mime.known_senders import KnownSenders
from termmail.mime.lookalikes import Imitable, has_odd_letters, to_ascii, to_unicode
from termmail.mime.origin import origin
from termmail.mime.render import render_message
from termmail.model.message import Address
from termmail.model.origin import MailOwner, Origin, Trust, TrustLevel
from termmail.model.outgoing import Correspondent

LISA = MailOwner((Address("Lisa Brandt", "lisa@b.example"),), ("imap.b.example",))
CHECKED, UNCHECKED, SUSPICIOUS = TrustLevel.CHECKED, TrustLevel.UNCHECKED, TrustLevel.SUSPICIOUS
TAKEN = "Received: from out.a.example (out.a.example [198.51.100.7]) by mx.b.example with ESMTPS; Tue, 3 Nov 2026 12:00:18 +0000"
PASS = "Authentication-Results: mx.b.example; dkim=pass header.d=a.example; dmarc=pass (p=REJECT) header.from=a.example"


def person(name: str, address: str, written: int = 0, heard: int = 0) -> Correspondent:
    return Correspondent(address, name, written, 0, heard, 0)


MIRA = person("Mira Okonkwo", "mira@skarvik.example", written=2)


def origin_of(
    *fields: str, people: tuple[Correspondent, ...] = (), owner: MailOwner = LISA, sender: str = "Ann <ann@a.example>"
) -> Origin:
    header = "".join(f"{field}\r\n" for field in (*fields, f"From: {sender}", "Subject: x", "")).encode()
    return origin(parse_envelope(header), header, known=KnownSenders(people, owner.addresses), owner=owner)


def trust_of(
    *fields: str, people: tuple[Correspondent, ...] = (), owner: MailOwner = LISA, sender: str = "Ann <ann@a.example>"
) -> Trust:
    return origin_of(*fields, people=people, owner=owner, sender=sender).trust


# whose word


def test_the_providers_own_word_is_told_with_its_reason() -> None:
    assert trust_of(PASS, TAKEN) == Trust(
        CHECKED, "Sent by a.example (DMARC, checked by mx.b.example)", brief="Sent by a.example (DMARC)"
    )


def test_results_below_the_received_field_of_the_same_server_count() -> None:
    """A milter of Postfix puts them there."""
    assert trust_of(TAKEN, PASS).level is CHECKED


@pytest.mark.parametrize(
    "fields",
    [
        (TAKEN,),
        (PASS.replace("mx.b.example", "mx.evil.example"), TAKEN),
        # Another one's on top: one's own below it may be forged.
        (PASS.replace("mx.b.example", "mx.evil.example"), PASS, TAKEN),
        # Below a hop that the provider did not write.
        (TAKEN, "Received: from evil (evil [203.0.113.9]) by out.a.example with SMTP; 3 Nov 2026 12:00:10 +0000", PASS),
        (PASS.replace("mx.b.example; ", ""), TAKEN),
        (PASS.replace("mx.b.example", "mx.b.example.evil.example"), TAKEN),
        (PASS.replace("mx.b.example", "(mx.b.example) evil.example"), TAKEN),
    ],
    ids=["none", "another's", "another's above", "below an unsure hop", "no id", "longer name", "in a comment"],
)
def test_no_other_word_is_believed(fields: tuple[str, ...]) -> None:
    """D5: only the topmost field, and only the provider's own."""
    assert trust_of(*fields) == Trust(UNCHECKED, "Sender not checked")


def test_the_authserv_id_of_the_config_replaces_the_guess() -> None:
    owner = MailOwner(LISA.addresses, ("127.0.0.1",), "relay.c.example")
    ours = PASS.replace("mx.b.example", "Relay.C.example")
    assert trust_of(ours, owner=owner).level is CHECKED
    assert trust_of(PASS, TAKEN, owner=owner).level is UNCHECKED
    assert trust_of(ours, owner=MailOwner(LISA.addresses, ("127.0.0.1",))).level is UNCHECKED


@pytest.mark.parametrize(
    "results",
    [
        "dmarc=pass header.from=evil.example",
        "dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=evil.example",
        "dkim=none; spf=none smtp.mailfrom=a.example",
        "spf=pass smtp.mailfrom=a.example.evil.example",
        'dkim=neutral reason="dkim=pass header.d=a.example"',
        "dkim=none (; dmarc=pass header.from=a.example)",
        "dkim=pass header.i=@evil.example",
    ],
)
def test_a_pass_for_another_domain_is_none(results: str) -> None:
    """espoofer a4–a6: what passed must be the From field's own domain; words in comments and quotes are no results."""
    trust = trust_of(f"Authentication-Results: mx.b.example; {results}", TAKEN)
    assert trust == Trust(UNCHECKED, "Nothing proves that a.example sent it, says mx.b.example")


@pytest.mark.parametrize(
    "sender",
    ["", "Ann", "ann@a.example, eve@e.example", "a.example", "<>", '"ann@a.example" <eve@e.example>'],
    ids=["empty", "a name", "two", "a domain", "nothing", "an address as its name"],
)
def test_odd_senders_are_never_checked(sender: str) -> None:
    """D4: their addresses themselves tell what is odd."""
    fields = (PASS.replace("a.example", "e.example"), PASS, TAKEN)
    for field in fields[:2]:
        assert trust_of(field, TAKEN, sender=sender).level is not CHECKED


def test_two_from_fields_are_never_checked() -> None:
    assert trust_of(PASS, TAKEN, "From: Eve <eve@e.example>").level is not CHECKED


def test_ones_own_mail_in_sent_says_nothing() -> None:
    assert trust_of(sender="Lisa <lisa@b.example>") == Trust()


# what speaks against it


def test_a_failed_check_is_told() -> None:
    trust = trust_of("Authentication-Results: mx.b.example; spf=fail; dmarc=fail header.from=a.example", TAKEN)
    assert trust.level is SUSPICIOUS
    assert "DMARC" in trust.sentence
    trust = trust_of("Authentication-Results: mx.b.example; spf=fail smtp.mailfrom=a.example", TAKEN)
    assert trust.level is SUSPICIOUS
    assert "SPF" in trust.sentence


def test_a_list_that_breaks_the_writers_signature_is_no_alarm() -> None:
    """Only where the provider found that the list itself passed it on."""
    by_list = "List-Id: Tides <tides.lists.example>"
    fail = "Authentication-Results: mx.b.example; dmarc=fail header.from=a.example; dkim=pass header.d=lists.example"
    assert trust_of(fail, TAKEN, by_list) == Trust(
        UNCHECKED, "Passed on by tides.lists.example; the writer was not checked"
    )
    assert trust_of(fail.replace("lists.example", "evil.example"), TAKEN, by_list).level is SUSPICIOUS


@pytest.mark.parametrize(
    ("domain", "known"),
    [
        ("pаypal.com", "paypal.com"),
        ("paypa1.com", "paypal.com"),
        ("xn--pypal-4ve.com", "paypal.com"),
        ("rnicrosoft.com", "microsoft.com"),
        ("skravik.example", "skarvik.example"),
        ("skarvikk.example", "skarvik.example"),
        ("mail.skarvik.example.evil.example", "skarvik.example"),
    ],
)
def test_a_domain_that_looks_like_a_known_one(domain: str, known: str) -> None:
    """D6: also where that domain itself passes all checks."""
    results = f"Authentication-Results: mx.b.example; dmarc=pass header.from={to_ascii(domain)}"
    trust = trust_of(results, TAKEN, sender=f"Mira <mira@{domain}>", people=(MIRA,))
    assert trust.level is SUSPICIOUS
    assert f" looks like {known} and is not" in trust.sentence
    assert domain.isascii() or to_ascii(domain) in trust.sentence


@pytest.mark.parametrize(
    "domain", ["skarvik.example", "mail.skarvik.example", "gitlab.com", "example.org", "münchen.example"]
)
def test_a_domain_of_its_own_is_no_alarm(domain: str) -> None:
    assert trust_of(sender=f"Ann <ann@{domain}>", people=(MIRA,)).level is UNCHECKED


def test_odd_letters_are_shown_in_punycode() -> None:
    """D6, also where nobody knows what they imitate."""
    trust = trust_of(sender="Ann <ann@hаrbour.example>")
    assert trust.level is SUSPICIOUS
    assert "xn--hrbour-4nf.example" in trust.sentence or to_ascii("hаrbour.example") in trust.sentence
    assert not has_odd_letters("пример.example")
    assert not has_odd_letters("東京tower.example")
    assert has_odd_letters("аррle.example")


def test_a_known_name_on_a_new_address() -> None:
    trust = trust_of(sender='"Okonkwo, Mira" <mira.okonkwo@freemail.example>', people=(MIRA,))
    assert trust.level is SUSPICIOUS
    assert trust.sentence == "New address: you know Okonkwo, Mira as mira@skarvik.example"
    assert trust_of(sender="Mira Okonkwo <mira@skarvik.example>", people=(MIRA,)).level is UNCHECKED
    # One message is what a crook sends: nobody is known by it.
    once = person("Mira Okonkwo", "mira@skarvik.example", heard=1)
    assert trust_of(sender="Mira Okonkwo <mira@new.example>", people=(once,)).level is UNCHECKED
    # Another mailbox of the same house, which vouches for it.
    results = "Authentication-Results: mx.b.example; dmarc=pass header.from=skarvik.example"
    assert trust_of(results, TAKEN, sender="Mira Okonkwo <board@skarvik.example>", people=(MIRA,)).level is CHECKED


def test_ones_own_name_on_a_foreign_address() -> None:
    assert trust_of(sender="Lisa Brandt <lisa@evil.example>").level is SUSPICIOUS


def test_answers_that_go_elsewhere() -> None:
    """A6: told; as an alarm only where nobody vouches for the sender, or they go to where anybody can have an address."""
    elsewhere = "Reply-To: ann@other.example"
    got = origin_of(elsewhere)
    assert got.trust == Trust(SUSPICIOUS, "Answers go to another domain")
    assert [address.address for address in got.reply_to] == ["ann@other.example"]
    assert origin_of(PASS, TAKEN, elsewhere).trust.level is CHECKED
    assert origin_of(PASS, TAKEN, elsewhere).reply_to
    assert trust_of(PASS, TAKEN, "Reply-To: ann.a@gmail.com").level is SUSPICIOUS
    assert trust_of("Reply-To: office@mail.a.example").level is UNCHECKED
    assert not origin_of("Reply-To: Ann <ANN@a.example>").reply_to
    assert trust_of("List-Id: <x.lists.example>", "Reply-To: x@lists.example").level is UNCHECKED


def test_several_reasons_are_all_told() -> None:
    trust = trust_of("Reply-To: eve@other.example", sender="Mira Okonkwo <mira@skravik.example>", people=(MIRA,))
    assert len((trust.sentence, *trust.more)) == 3


def test_without_the_header_only_what_speaks_against_it_is_told() -> None:
    envelope = parse_envelope(b"From: Mira Okonkwo <mira@skravik.example>\r\n\r\n")
    known = KnownSenders((MIRA,))
    assert origin(envelope, None, known=known, owner=LISA).trust.level is SUSPICIOUS
    envelope = parse_envelope(b"From: Ann <ann@a.example>\r\n\r\n")
    assert origin(envelope, None, known=known, owner=LISA) == Origin()


# lookalikes


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    assert Imitable([one, other]).imitated_by(one) in ("", one, other)
    assert Imitable([one.lower()]).imitated_by(one) in ("", one.lower())
    has_odd_letters(one)
    assert isinstance(to_ascii(to_unicode(one)), str)


# anything at all


@given(st.binary(max_size=400))
def test_any_field_can_be_parsed(value: bytes) -> None:
    assert_safe(parse_authentication_results(value))


@given(
    st.lists(
        st.sampled_from(
            [
                PASS,
                TAKEN,
                "Reply-To: =?utf-8?q?=1b]0;x?= <a@b>",
                "List-Id: \x1b[2J <\u202ex>",
                'From: "',
                "From: a@b, c@d",
            ]
        )
    )
)
def test_any_mix_of_fields_is_told_safely(fields: list[str]) -> None:
    got = origin_of(*fields)
    assert_safe(got.trust)
    if got.mailing_list is not None:
        assert_safe(got.mailing_list)


# signatures are named, never believed

_CLAIMS = ("verified", "valid", "trusted", "genuine", "authentic")


def test_forged_signatures_never_look_checked() -> None:
    """The cases of *Johnny, You Are Fired*, and all other signed and encrypted mail of the corpus: named as unchecked."""
    require_corpus()
    owner = MailOwner((), ("imap.gmail.com",))
    seen = 0
    for name, raw in corpus_messages():
        if "johnny" not in name and b"pgp" not in raw[:100_000].lower() and b"pkcs7" not in raw[:100_000].lower():
            continue
        seen += "johnny" in name
        rendered = render_message(raw, width=100)
        got = origin(parse_envelope(raw), raw, known=KnownSenders(), owner=owner)
        if "johnny" in name:
            assert got.trust.level is not CHECKED, name
        for text in (rendered.protection, *rendered.notes):
            assert not any(claim in text.casefold() for claim in _CLAIMS), (name, text)
        assert "signed" not in rendered.protection or rendered.protection.endswith(", not checked"), name
    assert seen > 30
