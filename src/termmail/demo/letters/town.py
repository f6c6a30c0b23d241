"""What else comes in: friends, a newsletter in HTML, an invitation, bills, and somebody phishing."""

from __future__ import annotations

import datetime

from termmail.demo.compose import Pen, Person, flowed, say
from termmail.demo.files import lighthouse_png, text_pdf
from termmail.demo.people import BOB, HENRIK, LISA, MARTA, MIRA, PRIYA, TIDES, TOMAS

_GAZETTE = Person("The Tidewater Gazette", "editor@gazette.example")
_FERRY = Person("Skarvik Ferry", "no-reply@ferry.example")
_CHANDLER = Person("Lund & Daughter, Ship Chandlers", "orders@chandler.example")
_LIBRARY = Person("Harbour Library", "desk@library.example")

_SIGNED = (
    "v=1; a=ed25519-sha256; d=gazette.example; s=press; h=from:to:subject:date:list-id:list-unsubscribe:list-unsubscribe-post;"
    " bh=Z2VybWFuIHNjb25lcyBhcmUgYSBteXRo; b=bm90aGluZyBpcyBzaWduZWQgaW4gYSBkZW1v"
)

_NEWSLETTER = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The Tidewater Gazette</title>
<style>body{{margin:0;background:#eef2f4}} a{{color:#0b5d7a}} .small{{font-size:12px;color:#667}}</style></head>
<body>
<div style="display:none;max-height:0;overflow:hidden">Storm glass, scones, and a signal restored.</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" width="600" cellpadding="16" style="background:#ffffff;font-family:Georgia,serif">
<tr><td style="background:#12384c;color:#ffffff">
<h1 style="margin:0">The Tidewater Gazette</h1>
<p style="margin:0">Every week from the edge of the map &middot; No. 212</p></td></tr>
<tr><td>
<img src="https://img.gazette.example/212/pier.jpg" width="568" height="240" alt="The east pier in last week's storm">
<h2>The storm, and what it left behind</h2>
<p>Eleven metres of sea wall, one garden shed (unclaimed, green, tools inside), and the best beachcombing in ten years.
Our correspondent was out at first light. <a href="https://gazette.example/212/storm?ref=mail&amp;r=lisa">Read on</a></p>
<h2>A signal restored</h2>
<p>The fog bell of Nordholm rings again. It is tuned to a <em>slightly</em> flat E, and the choir has asked whether that
could be changed. <strong>It could not.</strong>
<a href="https://gazette.example/212/bell?ref=mail&amp;r=lisa">The whole story</a></p>
<p><img src="cid:skarvik@gazette.example" width="288" alt="Skarvik Light at dusk, seen by a reader"></p>
<h2>High water this week</h2>
<table border="1" cellpadding="6" cellspacing="0" style="border-collapse:collapse">
<thead><tr><th>Day</th><th>Morning</th><th>Evening</th><th>Height</th></tr></thead>
<tbody>{rows}</tbody></table>
<h2>Three scones worth the walk</h2>
<ol><li>The Boathouse: cheese, with mustard</li><li>Mrs Aune's window: plain, perfect</li>
<li>The ferry kiosk: only before nine</li></ol>
<blockquote>&ldquo;A scone is bread that has been told it is loved.&rdquo; &mdash; Mrs Aune</blockquote>
</td></tr>
<tr><td class="small"><a href="https://gazette.example/prefs">Preferences</a> |
<a href="https://gazette.example/unsubscribe?u=lisa">Unsubscribe</a><br>Tidewater Press, 4 Quay Street</td></tr>
</table></td></tr></table>
<img src="https://click.gazette.example/open.gif?id=212-lisa" width="1" height="1" alt="">
</body></html>
"""

_ORDER = """\
<html><body style="font-family:sans-serif">
<p>Dear Lisa Brandt,</p>
<p>your order <b>CH-20417</b> has left our shop on the back of Ole's lorry.</p>
<table border="1" cellpadding="4">
<tr><th>Qty</th><th>Article</th><th>Each</th><th>Sum</th></tr>
<tr><td>2</td><td>Marine enamel, signal red, 2.5&nbsp;l</td><td>41.00</td><td>82.00</td></tr>
<tr><td>1</td><td>Manila rope, 14&nbsp;mm, 30&nbsp;m</td><td>66.50</td><td>66.50</td></tr>
<tr><td>12</td><td>Brass screw, slotted, 5&times;40</td><td>0.45</td><td>5.40</td></tr>
<tr><td colspan="3"><b>Total</b></td><td><b>153.90</b></td></tr>
</table>
<p>Follow it at <a href="https://chandler.example/orders/CH-20417">chandler.example/orders/CH-20417</a>,
or wave when you see him.</p>
</body></html>
"""


def write_friends(pen: Pen) -> None:
    """Short mails between people, in INBOX and Sent."""
    clock = pen.clock
    lunch = pen.write(sender=BOB, to=[LISA], subject="Lunch on the pier?", when=clock.ago(minutes=12))
    say(
        lunch,
        """
        The sun is out, the gulls are elsewhere, and the smokehouse has mackerel.

        Half past twelve at the third bollard? I'll bring the bread, you bring the mustard.

        Bob
        """,
    )
    pen.deliver(lunch, "INBOX")

    photo = pen.write(sender=BOB, to=[LISA], subject="Sunday, seen from the boat", when=clock.day(2, 21, 17))
    say(
        photo,
        """
        You said I should send this one. The light is real, I touched nothing but the shutter.

        Bob
        """,
    )
    photo.add_attachment(lighthouse_png(240, 160), maintype="image", subtype="png", filename="sunday.png")
    pen.deliver(photo, "INBOX", "\\Seen", "\\Flagged")

    thanks = pen.write(
        sender=LISA, to=[BOB], subject="Re: Sunday, seen from the boat", when=clock.day(2, 21, 40), parent=photo
    )
    say(
        thanks,
        """
        That goes on the cover of the anniversary booklet. You will be paid in mustard.

        Lisa
        """,
    )
    pen.deliver(thanks, "Sent", "\\Seen")

    prisms = pen.write(
        sender=LISA, to=[PRIYA], cc=[MIRA], subject="Three prisms, one train, Monday", when=clock.day(1, 19, 5)
    )
    say(
        prisms,
        """
        Hello Priya,

        I arrive at 14:52 with a trolley, three prisms and every blanket my mother owns. Could somebody be at the station
        with a car? I do not want to explain the tram to them.

        Lisa
        """,
    )
    pen.deliver(prisms, "Sent", "\\Seen")

    draft = pen.write(sender=LISA, to=[TOMAS], subject="The anniversary booklet", when=clock.day(1, 22, 48))
    say(
        draft,
        """
        Dear Tomás,

        would you write two pages on the winter of 1911 for the booklet? With Henrik's grandfather in it, if he can be
        brought to talk. (Henrik, I mean. And his grandfather

        """,
    )
    pen.deliver(draft, "Drafts", "\\Draft", "\\Seen")

    mum = pen.write(sender=MARTA, to=[LISA], subject="cat MISSING", when=clock.day(2, 7, 31))
    say(
        mum,
        """
        Have you seen him? He has not been in since yesterday's salmon. I have looked everywhere.

        Mum
        """,
    )
    pen.deliver(mum, "Trash", "\\Seen", relay="mx.example.org")

    old = pen.write(sender=HENRIK, to=[LISA], subject="Welcome aboard", when=clock.day(437, 16, 2))
    say(
        old,
        """
        You are member no. 112. Bring boots. The key is under the third stone, but everybody knows that.

        Henrik Dahl
        Treasurer
        """,
    )
    pen.deliver(old, "Archive", "\\Seen", "\\Flagged", relay="mail.skarvik.example")


def write_newsletters(pen: Pen) -> None:
    """Mail in HTML, and the plain letters that shops and libraries send."""
    clock = pen.clock
    for number, when, mailbox, flags in (
        (212, clock.ago(hours=1, minutes=25), "INBOX", ()),
        (211, clock.day(8, 6, 0), "Archive", ("\\Seen",)),
    ):
        issue = pen.write(
            sender=_GAZETTE,
            to=[LISA],
            subject=f"The Tidewater Gazette No. {number}: storm glass, scones, a signal restored",
            when=when,
            headers={
                "List-Id": "The Tidewater Gazette <weekly.gazette.example>",
                "List-Unsubscribe": "<https://gazette.example/unsubscribe?u=lisa>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Precedence": "bulk",
                "DKIM-Signature": _SIGNED,
            },
        )
        issue.set_content(
            flowed(
                "The Gazette is best read in colour: https://gazette.example/212\n\nThe storm, the bell, the tides, and scones."
            )
        )
        issue.add_alternative(_NEWSLETTER.format(rows=_tide_rows(when)), subtype="html", cte="quoted-printable")
        *_, markup = issue.iter_parts()
        markup.add_related(
            lighthouse_png(), maintype="image", subtype="png", cid="<skarvik@gazette.example>", disposition="inline"
        )
        pen.deliver(issue, mailbox, *flags, relay="out7.gazette.example")

    order = pen.write(
        sender=_CHANDLER, to=[LISA], subject="Your order CH-20417 is on its way", when=clock.day(3, 10, 3)
    )
    order.set_content(_ORDER, subtype="html", cte="quoted-printable")
    order.add_attachment(
        text_pdf(["Lund & Daughter, Ship Chandlers", "Invoice CH-20417", "", "Total 153.90, thirty days net."]),
        maintype="application",
        subtype="pdf",
        filename="Invoice CH-20417.pdf",
    )
    pen.deliver(order, "INBOX", "\\Seen", relay="shop.chandler.example")

    due = pen.write(sender=_LIBRARY, to=[LISA], subject="Due on Saturday: 2 books", when=clock.day(6, 8, 0))
    say(
        due,
        """
        Dear reader,

          Dioptric Apparatus for Lighthouses, vol. II      due Saturday
          Cats of the North Coast, illustrated             due Saturday

        The second has been reserved by M. Brandt.

        Harbour Library
        """,
        flow=False,
    )
    pen.deliver(due, "INBOX", "\\Seen", relay="mx.library.example")

    ticket = pen.write(sender=_FERRY, to=[LISA], subject="Your season ticket, zone B", when=clock.day(212, 12, 0))
    say(
        ticket,
        """
        Your season ticket is attached. Show it on paper or on a screen; the dog travels free, the trolley does not.
        """,
    )
    ticket.add_attachment(
        text_pdf(["SKARVIK FERRY", "Season ticket, zone B", "Lisa Brandt", "Not valid in fog."]),
        maintype="application",
        subtype="pdf",
        filename="season-ticket.pdf",
    )
    pen.deliver(ticket, "Archive", "\\Seen", relay="mail.ferry.example")


def write_invitation(pen: Pen) -> None:
    """An invitation (RFC 5546) for next week."""
    clock = pen.clock
    start = (clock.now + datetime.timedelta(days=6)).replace(hour=10, minute=0, second=0)
    utc = start.astimezone(datetime.UTC)
    calendar = "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "PRODID:-//Friends of Skarvik Light//Calendar//EN",
            "VERSION:2.0",
            "METHOD:REQUEST",
            "BEGIN:VEVENT",
            "UID:crane-day@skarvik.example",
            f"DTSTAMP:{clock.ago(hours=2).astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART:{utc:%Y%m%dT%H%M%SZ}",
            f"DTEND:{utc + datetime.timedelta(hours=3):%Y%m%dT%H%M%SZ}",
            "SUMMARY:Crane day at the lighthouse",
            "LOCATION:Skarvik Light\\, north landing",
            "DESCRIPTION:Hard hats are in the boathouse. Soup at one.",
            "ORGANIZER;CN=Mira Okonkwo:mailto:mira@skarvik.example",
            "ATTENDEE;CN=Lisa Brandt;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:lisa@demo.example",
            "ATTENDEE;CN=Henrik Dahl;PARTSTAT=ACCEPTED:mailto:henrik@skarvik.example",
            "SEQUENCE:0",
            "STATUS:CONFIRMED",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )
    mail = pen.write(
        sender=MIRA,
        to=[LISA, HENRIK],
        subject="Invitation: Crane day at the lighthouse",
        when=clock.ago(hours=2, minutes=10),
    )
    say(
        mail,
        """
        The crane comes, if the wind lets it. Hard hats are in the boathouse, soup is at one.

        Please say whether you can make it.

        Mira
        """,
    )
    mail.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    mail.add_attachment(calendar.encode(), maintype="application", subtype="ics", filename="invite.ics")
    pen.deliver(mail, "INBOX", relay="mail.skarvik.example")


def write_crooks(pen: Pen) -> None:
    """A phishing attempt in INBOX, ordinary junk in Junk."""
    clock = pen.clock
    phish = pen.write(
        sender=Person("demo.example Mail Support", "support@dem0.example"),
        to=[LISA],
        subject="Action required: your mailbox is 99 % full",
        when=clock.ago(hours=4, minutes=20),
        headers={"Reply-To": "helpdesk@secure-login.example", "X-Priority": "1"},
    )
    phish.set_content(
        "Your mailbox lisa@demo.example is 99 % full. Sign in within 24 hours to keep your mail:\n\n"
        "https://mail.demo.example/quota\n"
    )
    phish.add_alternative(
        "<html><body><p>Dear customer,</p><p>your mailbox <b>lisa@demo.example</b> is <b>99&nbsp;% full</b>. "
        "Incoming mail will be deleted within 24&nbsp;hours.</p>"
        '<p><a href="http://mail.demo.example.secure-login.example/quota?u=lisa">https://mail.demo.example/quota</a></p>'
        '<p style="color:#ffffff;font-size:1px">minutes lighthouse invoice tide library mackerel</p>'
        "<p>The Mail Support Team</p></body></html>",
        subtype="html",
        cte="quoted-printable",
    )
    pen.deliver(phish, "INBOX", relay="vps44.secure-login.example", verdict="fail")

    watches = pen.write(
        sender=Person("Premium Replica", "deals@bargain.example"),
        to=[LISA],
        subject="L I S A, genuine imitation chronometers -80%",
        when=clock.day(2, 4, 4),
    )
    say(watches, "Own the time. Or something that looks like it, until it rains.\n\nhttps://bargain.example/chrono")
    pen.deliver(watches, "Junk", relay="mx3.bargain.example", verdict="fail")

    prince = pen.write(
        sender=Person("Barrister A. Smith", "barrister@legal.example"),
        to=[Person("", "undisclosed@legal.example")],
        subject="INHERITANCE OF LATE LIGHTHOUSE KEEPER",
        when=clock.day(5, 2, 31),
    )
    say(
        prince,
        """
        Dear Beloved,

        a keeper of your surname has passed away without heirs and left a trunk of eleven million. Kindly send your bank
        details and a photograph of a lighthouse.
        """,
    )
    pen.deliver(prince, "Junk", "\\Seen", relay="relay.legal.example", verdict="fail")

    trial = pen.write(
        sender=Person("CloudBarometer", "hello@barometer.example"),
        to=[LISA],
        subject="Your free trial has ended",
        when=clock.day(17, 9, 9),
    )
    say(trial, "Your barometer will go on showing the weather, but no longer in the cloud.")
    pen.deliver(trial, "Trash", "\\Seen", relay="mail.barometer.example")


def _tide_rows(when: datetime.datetime) -> str:
    rows: list[str] = []
    for day in range(5):
        moment = when + datetime.timedelta(days=day)
        morning = 5 * 60 + 12 + 50 * day
        evening = morning + 12 * 60 + 25
        name = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
        rows.append(
            f"<tr><td>{name}</td><td>{morning // 60:02d}:{morning % 60:02d}</td>"
            f"<td>{evening // 60 % 24:02d}:{evening % 60:02d}</td><td>{1.9 + 0.08 * day:.2f}&nbsp;m</td></tr>"
        )
    return "".join(rows)


def write_bob(pen: Pen) -> None:
    """The few mails in Bob's own mailbox."""
    hello = pen.write(sender=LISA, to=[BOB], subject="Re: Sunday, seen from the boat", when=pen.clock.day(2, 21, 40))
    say(hello, "That goes on the cover of the anniversary booklet. You will be paid in mustard.\n\nLisa")
    note = pen.write(sender=HENRIK, to=[BOB], subject="Outboard motor", when=pen.clock.day(9, 7, 45))
    say(note, "Ole says it runs if you kick it first.\n\nHenrik")
    rope = pen.write(sender=TOMAS, to=[BOB], subject="Rope, twelve metres", when=pen.clock.day(5, 11, 20))
    say(rope, "It lies behind the counter under your name. The old one I have hung up as a warning.\n\nTomás")
    weather = pen.write(sender=TIDES, to=[BOB], subject="Tides for the week", when=pen.clock.day(1, 6, 0))
    say(
        weather,
        "High water at the old pier\n\nMon  05:12  17:38   3.1 m\nTue  05:58  18:25   3.2 m\nWed  06:47  19:15   3.0 m\n\n"
        "Small craft warning for Wednesday afternoon.\n\n-- \nThis list goes out every Sunday night.",
        flow=False,
    )
    pen.deliver(rope, "INBOX", relay="mail.example.net")
    pen.deliver(weather, "INBOX", relay="lists.example.com")
    pen.deliver(hello, "INBOX", "\\Seen")
    pen.deliver(note, "INBOX", relay="mail.skarvik.example")
