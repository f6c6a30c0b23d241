"""Mail that brings something: tables, contacts, a mail within a mail, a file from before MIME, dates that come again, a warning."""

from __future__ import annotations

import binascii
import datetime

from termmail.demo.compose import Pen, Person, say
from termmail.demo.files import text_pdf
from termmail.demo.people import HENRIK, LISA, MIRA, PRIYA, TOMAS

_OLE = Person("Ole Aune", "ole@nordholm.example")
_ACCOUNTS = """\
Month,Income,Spent,Balance,On what
January,412.00,96.50,315.50,"Rope, and a kettle"
February,380.00,1204.30,-508.80,Paint for the lantern room
March,915.00,88.00,318.20,"Soup, mostly"
April,1260.00,640.75,937.45,Three prisms by train
"""
_CONTACT = """\
BEGIN:VCARD
VERSION:4.0
FN:Ole Aune
ORG:Nordholm Cranes
TITLE:Crane driver
EMAIL;TYPE=work:ole@nordholm.example
TEL;TYPE=cell;VALUE=uri:tel:+47-555-0142
ADR;TYPE=work:;;North Quay 4;Nordholm;;0142;
NOTE:Does not answer before ten. Answers everything after.
END:VCARD
"""
_KNOT = """\
BOWLINE

Make a small loop. The rabbit comes out of the hole, goes round the tree,
and back down the hole. Pull. If the rabbit is lost, begin again.
"""


def write_parcels(pen: Pen) -> None:
    """All of them, into INBOX."""
    _accounts(pen)
    _calls(pen)
    _knot(pen)
    _warning(pen)


def _accounts(pen: Pen) -> None:
    clock = pen.clock
    asked = pen.write(sender=_OLE, to=[HENRIK], subject="Crane, hours and price", when=clock.day(5, 14, 10))
    say(
        asked,
        """
        Henrik,

        three hours, forty an hour, and somebody holds the rope. The price list is with it.

        Ole
        """,
    )
    asked.add_attachment(
        text_pdf(["Nordholm Cranes", "", "The hour        40.00", "The rope        free", "Waiting for fog 12.00"]),
        maintype="application",
        subtype="pdf",
        filename="prices.pdf",
    )
    mail = pen.write(
        sender=HENRIK, to=[LISA, MIRA], subject="The books, and who drives the crane", when=clock.day(4, 18, 32)
    )
    say(
        mail,
        """
        Dear both,

        the accounts to April are with this, and Ole's card, and what he wrote about the price. We can afford him if nobody
        buys another kettle.

        Henrik
        """,
    )
    mail.add_attachment(_ACCOUNTS.encode(), maintype="text", subtype="csv", filename="accounts.csv")
    mail.add_attachment(_CONTACT.encode(), maintype="text", subtype="vcard", filename="Ole Aune.vcf")
    mail.add_attachment(asked)
    pen.deliver(mail, "INBOX", "\\Seen", relay="mail.skarvik.example")


def _calls(pen: Pen) -> None:
    """Dates that come again, made in another time zone (RFC 5545)."""
    clock = pen.clock
    start = clock.now + datetime.timedelta(days=(1 - clock.now.weekday()) % 7 + 7)
    last = start + datetime.timedelta(days=98)
    calendar = "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "PRODID:-//Optics//Calendar//EN",
            "VERSION:2.0",
            "METHOD:REQUEST",
            "BEGIN:VEVENT",
            "UID:lens-calls@optics.example",
            f"DTSTAMP:{clock.day(6, 9).astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART;TZID=Asia/Kolkata:{start:%Y%m%d}T150000",
            f"DTEND;TZID=Asia/Kolkata:{start:%Y%m%d}T153000",
            f"RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL={last:%Y%m%d}T235959Z",
            "SUMMARY:Lens call",
            "URL:https://meet.optics.example/lens",
            "ORGANIZER;CN=Priya Raman:mailto:priya@optics.example",
            "ATTENDEE;CN=Lisa Brandt;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:lisa@demo.example",
            "ATTENDEE;CN=Mira Okonkwo;PARTSTAT=TENTATIVE;ROLE=OPT-PARTICIPANT:mailto:mira@skarvik.example",
            "SEQUENCE:1",
            "STATUS:CONFIRMED",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )
    mail = pen.write(
        sender=PRIYA, to=[LISA, MIRA], subject="Updated invitation: Lens call", when=clock.day(6, 9, 5), zone_hours=5
    )
    say(mail, "Half an hour later than before, so that nobody has to get up for it.\n\nPriya")
    mail.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    mail.add_attachment(calendar.encode(), maintype="application", subtype="ics", filename="invite.ics")
    pen.deliver(mail, "INBOX", "\\Seen", relay="mail.optics.example")


def _knot(pen: Pen) -> None:
    """A file in the text itself, uuencoded, as it was done before MIME."""
    data = _KNOT.encode()
    lines = "".join(binascii.b2a_uu(data[place : place + 45]).decode() for place in range(0, len(data), 45))
    mail = pen.write(sender=TOMAS, to=[LISA], subject="A knot from the old computer", when=pen.clock.day(11, 20, 15))
    say(
        mail,
        "My terminal in the shop is from 1991 and sees no reason to change.\n\n"
        f"begin 644 bowline.txt\n{lines}`\nend\n\nTomás",
        flow=False,
    )
    pen.deliver(mail, "INBOX", "\\Seen", relay="mail.example.net")


def _warning(pen: Pen) -> None:
    """A message that waits, told in words alone, as some mail systems do."""
    mail = pen.write(
        sender=Person("Mail Delivery System", "Mailer-Daemon@demo.example"),
        to=[LISA],
        subject="Warning: message 1tK3fX-0004Qz delayed 24 hours",
        when=pen.clock.day(8, 12, 0),
        headers={"Auto-Submitted": "auto-replied", "X-Failed-Recipients": "keeper@farlight.example"},
    )
    say(
        mail,
        """
        This message was created automatically by mail delivery software.

        A message that you sent has not yet been delivered to one or more of its recipients after more than 24 hours on the
        queue. The address to which it has not yet been delivered is:

          keeper@farlight.example
            host mx.farlight.example [192.0.2.90]: Connection timed out

        No action is required on your part. Delivery attempts will continue for some time.
        """,
        flow=False,
    )
    pen.deliver(mail, "INBOX", "\\Seen")
