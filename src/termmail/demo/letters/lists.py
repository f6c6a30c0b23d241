"""Mail of the technical kind: a mailing list, a patch, a signed announcement, a bounce."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from termmail.demo.compose import Pen, Person, attribution, say
from termmail.demo.people import JONAS, LISA, SAM, TIDES

_LIST = {
    "List-Id": "tidetable development <tidetable.lists.example>",
    "List-Post": "<mailto:tidetable@lists.example>",
    "List-Help": "<mailto:tidetable-request@lists.example?subject=help>",
    "List-Unsubscribe": "<mailto:tidetable-request@lists.example?subject=unsubscribe>",
    "List-Archive": "<https://lists.example/tidetable>",
    "Precedence": "list",
}

_PATCH = """\
A constituent with a phase between 180 and 360 degrees lost the sign of its
speed when the table was written with fewer than four digits. Nobody saw it
because the large constituents use six. The small ones are what makes the
tide at Skarvik eleven minutes late.

Round after the sign has been taken, not before. Found with Henrik Dahl's
readings, by torch and yardstick.

Signed-off-by: Sam Whitfield <sam@example.com>
---
Changes since v1: a test, as Jonas asked.

 tidetable/harmonics.py  | 5 +++--
 tests/test_harmonics.py | 5 +++++
 2 files changed, 8 insertions(+), 2 deletions(-)

diff --git a/tidetable/harmonics.py b/tidetable/harmonics.py
index 3b1f2c4..9d0e7aa 100644
--- a/tidetable/harmonics.py
+++ b/tidetable/harmonics.py
@@ -88,7 +88,8 @@ class Constituent:
     def row(self, digits: int = 3) -> str:
         \"\"\"This constituent as a line of the table.\"\"\"
-        speed = round(abs(self.speed), digits)
-        return f"{self.name:<6}{speed:>12}{self.phase:>8.2f}"
+        sign = "-" if self.speed < 0 else ""
+        speed = f"{sign}{round(abs(self.speed), digits)}"
+        return f"{self.name:<6}{speed:>12}{self.phase:>8.2f}"
\x20
     @classmethod
     def parse(cls, line: str) -> Constituent:
diff --git a/tests/test_harmonics.py b/tests/test_harmonics.py
index 77aa01e..c21d9f0 100644
--- a/tests/test_harmonics.py
+++ b/tests/test_harmonics.py
@@ -40,3 +40,8 @@ def test_parse_round_trip(line: str) -> None:
     constituent = Constituent.parse(line)
     assert constituent.row() == line
     assert constituent.name
+
+
+def test_small_constituents_keep_their_sign() -> None:
+    small = Constituent("2SM2", speed=-0.0163, phase=212.4)
+    assert Constituent.parse(small.row()).speed < 0
--\x20
2.47.1
"""

_SIGNATURE = """\
-----BEGIN PGP SIGNATURE-----

iHUEARYKAB0WIQTzWJ0k8m1uYxFQb7T0ZGVtb3NpZ25hdHVyZQUCZ0ZGVtbwAKCR
A8bm90LWEtcmVhbC1rZXk+VGhpcyBpcyBhIGR1bW15IHNpZ25hdHVyZSBmb3IgdGhl
IGRlbW8sIGl0IHZlcmlmaWVzIG5vdGhpbmcgYXQgYWxsLg==
=dEm0
-----END PGP SIGNATURE-----
"""


def write_lists(pen: Pen) -> None:
    """tidetable, a small library that predicts tides, and its mailing list."""
    clock = pen.clock
    bug = pen.write(
        sender=LISA, to=[TIDES], subject="Skarvik is eleven minutes late", when=clock.day(20, 20, 10), headers=_LIST
    )
    say(
        bug,
        """
        Hello,

        with 2.3 the predicted high water at Skarvik is eleven minutes behind the gauge, every day, in the same
        direction. I have a week of readings, taken by the treasurer himself. Where should I look?

        Lisa
        """,
    )
    pen.deliver(bug, "Sent", "\\Seen")
    answer = pen.write(
        sender=JONAS,
        to=[TIDES],
        cc=[LISA],
        subject="Re: [tidetable] Skarvik is eleven minutes late",
        when=clock.day(19, 9, 33),
        parent=bug,
        headers=_LIST,
    )
    say(
        answer,
        f"""
        {attribution(bug)}
        > Where should I look?

        At the small constituents. Eleven minutes in one direction is too regular for weather and too small for M2. If I
        had to bet, I would bet on a sign.

        Could you send the readings? "The treasurer himself" is a calibration standard I should like to cite.

        Jonas
        """,
    )
    pen.deliver(answer, "Archive", "\\Seen", "\\Answered", relay="lists.example")

    patch = pen.write(
        sender=SAM,
        to=[TIDES],
        cc=[JONAS, LISA],
        subject="[PATCH v2] harmonics: keep the sign of small constituents",
        when=clock.ago(hours=3),
        parent=answer,
        zone_hours=-5,
        headers={**_LIST, "X-Mailer": "git-send-email 2.47.1"},
    )
    patch.set_content(_PATCH, charset="us-ascii", cte="7bit")
    pen.deliver(patch, "INBOX", relay="lists.example")

    release = pen.write(
        sender=JONAS,
        to=[TIDES],
        subject="[tidetable] [ANNOUNCE] tidetable 2.3.1",
        when=clock.day(6, 16, 45),
        zone_hours=1,
        headers=_LIST,
    )
    pen.deliver(_signed(release), "INBOX", "\\Seen", relay="lists.example")
    _bounce(pen)


def _signed(message: EmailMessage) -> EmailMessage:
    """PGP/MIME (RFC 3156) with a signature that only looks like one."""
    text = say(
        EmailMessage(policy=SMTP),
        """
        tidetable 2.3.1 is out. It fixes the reading of tables with Windows line ends and the spelling of Reykjavík.

          https://tidetable.example/2.3.1.tar.gz
          sha256 4f1c0d2a9b7e66c05ad3e81f

        The bug of Skarvik is not fixed yet. We have a suspect.

        Jonas
        """,
    )
    signature = EmailMessage(policy=SMTP)
    signature.set_content(_SIGNATURE, cte="7bit")
    signature.replace_header("Content-Type", 'application/pgp-signature; name="signature.asc"')
    signature["Content-Description"] = "OpenPGP digital signature"
    signature["Content-Disposition"] = 'attachment; filename="signature.asc"'
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = (
        'multipart/signed; micalg=pgp-sha512; protocol="application/pgp-signature"; boundary="signed-by-jonas"'
    )
    for part in (text, signature):
        del part["MIME-Version"]
        message.attach(part)
    return message


def _bounce(pen: Pen) -> None:
    """A delivery status notification (RFC 3464)."""
    clock = pen.clock
    sent = pen.write(
        sender=LISA,
        to=[Person("Ole Aune", "ole@nordholm.example")],
        subject="The crane on Wednesday",
        when=clock.day(1, 16, 20),
    )
    say(sent, "Hello Ole,\n\nWednesday at ten, north landing, wind permitting?\n\nLisa")
    pen.deliver(sent, "Sent", "\\Seen")
    when = clock.day(1, 16, 21)
    message = pen.write(
        sender=Person("Mail Delivery System", "mailer-daemon@demo.example"),
        to=[LISA],
        subject="Undelivered Mail Returned to Sender",
        when=when,
        headers={"Auto-Submitted": "auto-replied", "MIME-Version": "1.0"},
    )
    message["Content-Type"] = 'multipart/report; report-type=delivery-status; boundary="returned-mail"'
    text = say(
        EmailMessage(policy=SMTP),
        """
        This is the mail system at mx.demo.example.

        I am sorry to have to tell you that your message could not be delivered
        to one of its recipients. It is attached.

        <ole@nordholm.example>: host mx.nordholm.example[192.0.2.77] said:
            550 5.1.1 <ole@nordholm.example>: Recipient address rejected:
            gone fishing (in reply to RCPT TO command)
        """,
        flow=False,
    )
    status = EmailMessage(policy=SMTP)
    status["Content-Type"] = "message/delivery-status"
    status.set_payload(
        [
            _fields(
                {"Reporting-MTA": "dns; mx.demo.example", "Arrival-Date": format_datetime(clock.day(1, 16, 20))},
            ),
            _fields(
                {
                    "Final-Recipient": "rfc822; ole@nordholm.example",
                    "Action": "failed",
                    "Status": "5.1.1",
                    "Remote-MTA": "dns; mx.nordholm.example",
                    "Diagnostic-Code": "smtp; 550 5.1.1 Recipient address rejected: gone fishing",
                }
            ),
        ]
    )
    original = EmailMessage(policy=SMTP)
    original.set_content(sent)
    for part in (text, status, original):
        del part["MIME-Version"]
        message.attach(part)
    pen.deliver(message, "INBOX")


def _fields(values: Mapping[str, str]) -> EmailMessage:
    fields = EmailMessage(policy=SMTP)
    for name, value in values.items():
        fields[name] = value
    return fields
