"""The long thread: which lens goes into the lantern room. Lisa's own mails are in Sent."""

from __future__ import annotations

from termmail.demo.compose import Pen, attribution, say
from termmail.demo.files import lighthouse_png, text_pdf, tide_csv
from termmail.demo.people import BOARD, HENRIK, INGRID, LISA, MIRA, PRIYA, TOMAS

_SUBJECT = "Which lens for the lantern room?"
_REPLY = f"Re: {_SUBJECT}"


def write_thread(pen: Pen) -> None:
    """Twelve mails over a week."""
    clock = pen.clock
    first = pen.write(sender=MIRA, to=[BOARD], cc=[LISA], subject=_SUBJECT, when=clock.day(8, 9, 12))
    say(
        first,
        """
        Dear all,

        the scaffolding is coming down at the end of the month, so it is time to decide what goes into the lantern
        room. As I see it there are three ways:

          1. have the old Fresnel lens repaired (two of the prisms are cracked),
          2. put in the modern lamp the coastal authority offers us for nothing,
          3. do both: the old lens for show, the new lamp on the gallery rail.

        I have my favourite, and I will keep it to myself until I have heard yours. Please answer by Friday, because
        the crane must be booked.

        Mira

        --
        Friends of Skarvik Light · founded 1987, still damp
        """,
    )
    pen.deliver(first, "INBOX", "\\Seen", relay="mail.skarvik.example")

    henrik = pen.write(sender=HENRIK, to=[BOARD], cc=[LISA], subject=_REPLY, when=clock.day(8, 12, 40), parent=first)
    say(
        henrik,
        f"""
        {attribution(first)}
        > 2. put in the modern lamp the coastal authority offers us for nothing,

        Nothing is a price I like. Somebody has to say it, and I am the treasurer.

        > Please answer by Friday, because the crane must be booked.

        The crane is booked already. Ole owed me for the outboard motor.

        Henrik
        """,
    )
    pen.deliver(henrik, "INBOX", "\\Seen", relay="mail.skarvik.example")

    priya = pen.write(
        sender=PRIYA, to=[MIRA], cc=[LISA, HENRIK], subject=_REPLY, when=clock.day(7, 8, 5), parent=first, zone_hours=0
    )
    say(
        priya,
        f"""
        Hello Mira, hello everybody,

        {attribution(first)}
        > 1. have the old Fresnel lens repaired (two of the prisms are cracked),

        I looked at the photographs again. It is three prisms, not two: the one in the upper catadioptric row has a
        hairline crack that only shows against the light. All three can be cast anew. We did the same for a
        fourth-order lens two years ago, and nobody has been able to tell me since which ones are mine.

        It would take ten weeks, and most of that is waiting for glass to cool. You cannot hurry glass.

        Kind regards
        Priya
        """,
    )
    pen.deliver(priya, "INBOX", "\\Seen", "\\Flagged", relay="smtp.optics.example")

    lisa = pen.write(
        sender=LISA, to=[PRIYA], cc=[MIRA, HENRIK], subject=_REPLY, when=clock.day(7, 10, 31), parent=priya
    )
    say(
        lisa,
        f"""
        Hello Priya,

        {attribution(priya)}
        > It would take ten weeks, and most of that is waiting for glass to cool.

        Ten weeks from when? If you could start on the first, we would just make the anniversary. And can the lens
        stay in place while the prisms are away, or does the whole thing have to come down?

        Lisa
        """,
    )
    pen.deliver(lisa, "Sent", "\\Seen")

    priya2 = pen.write(
        sender=PRIYA, to=[LISA], cc=[MIRA, HENRIK], subject=_REPLY, when=clock.day(7, 11, 2), parent=lisa, zone_hours=0
    )
    say(
        priya2,
        f"""
        {attribution(lisa)}
        > Ten weeks from when?

        From the day the old prisms lie on my bench, wrapped in more blankets than you think are needed.

        > can the lens stay in place while the prisms are away,

        It can. Three gaps in a lens that size make it look like a child who has lost some teeth, but it is perfectly
        stable.

        Priya
        """,
    )
    pen.deliver(priya2, "INBOX", "\\Seen", relay="smtp.optics.example")

    tomas = pen.write(
        sender=TOMAS,
        to=[BOARD],
        cc=[LISA, PRIYA],
        subject=_REPLY,
        when=clock.day(6, 21, 48),
        parent=first,
        zone_hours=0,
    )
    say(
        tomas,
        f"""
        Friends,

        {attribution(first)}
        > I have my favourite, and I will keep it to myself

        Mira, we have all seen the lens on your coffee cup.

        A note from the archive, since that is what you keep me for. The keeper's log of the winter of 1911 says, in a
        very tidy hand:

        > The lamp was lit at four. At half past five the light was seen from the Ragnhild, eleven miles off, whose
        > master wrote that he had never been so glad of anything made of glass.

        I know that it is not an argument. I only wanted you to have it when you vote.

        Tomás
        """,
    )
    pen.deliver(tomas, "INBOX", "\\Seen", "\\Flagged", relay="mx.example.net")

    ingrid = pen.write(
        sender=INGRID, to=[MIRA], cc=[BOARD, LISA], subject=_REPLY, when=clock.day(5, 9, 0), parent=first
    )
    say(
        ingrid,
        f"""
        Dear Mira Okonkwo,

        {attribution(first)}
        > 3. do both: the old lens for show, the new lamp on the gallery rail.

        From the authority's side there is no objection to this. For navigation we need a range of eight nautical
        miles, a white flash every six seconds, and a mains supply with a battery behind it. Where on the tower the
        lamp is fixed is up to you, as long as nothing stands in front of it between 170 and 305 degrees.

        Please note that the offer of the lamp ends with the financial year.

        Yours sincerely
        Ingrid Solheim
        Aids to Navigation
        """,
    )
    pen.deliver(ingrid, "INBOX", "\\Seen", relay="out.coast.example")

    henrik2 = pen.write(
        sender=HENRIK, to=[BOARD], cc=[LISA, PRIYA, TOMAS], subject=_REPLY, when=clock.day(4, 7, 15), parent=tomas
    )
    say(
        henrik2,
        f"""
        {attribution(tomas)}
        >> The lamp was lit at four. At half past five the light was seen from the Ragnhild
        >
        > I know that it is not an argument.

        My grandfather was on the Ragnhild. He was fourteen, and he peeled potatoes.

        All right then. Repair the lens, and take the free lamp as well. I will find the money somewhere. Not the roof
        money.

        Henrik
        """,
    )
    pen.deliver(henrik2, "INBOX", "\\Seen", "\\Answered", relay="mail.skarvik.example")

    lisa2 = pen.write(
        sender=LISA, to=[HENRIK], cc=[BOARD, PRIYA, TOMAS], subject=_REPLY, when=clock.day(4, 8, 2), parent=henrik2
    )
    say(
        lisa2,
        f"""
        {attribution(henrik2)}
        > My grandfather was on the Ragnhild. He was fourteen, and he peeled potatoes.

        And in eleven years of meetings you never said a word!

        I can take the prisms to Priya by train next week, on my knees if need be.

        Lisa
        """,
    )
    pen.deliver(lisa2, "Sent", "\\Seen")

    tomas2 = pen.write(
        sender=TOMAS,
        to=[HENRIK],
        cc=[BOARD, LISA],
        subject=_REPLY,
        when=clock.day(3, 22, 20),
        parent=henrik2,
        zone_hours=0,
    )
    say(
        tomas2,
        """
        Henrik, I shall want an hour of your time, a recorder, and whatever you drink.

        Tomás
        """,
    )
    pen.deliver(tomas2, "INBOX", "\\Seen", relay="mx.example.net")

    mira2 = pen.write(
        sender=MIRA,
        to=[BOARD],
        cc=[LISA, PRIYA, TOMAS, INGRID],
        subject=_REPLY,
        when=clock.day(1, 18, 30),
        parent=henrik2,
    )
    say(
        mira2,
        """
        Then it is settled: seven votes for both, none against, one abstention (the cat walked over Ole's keyboard).

        What happens next:

          Mon   Lisa takes the three prisms to Priya
          Wed   crane, weather permitting
          Fri   Ingrid's people fit the new lamp
          then  ten weeks of patience

        Thank you all. It was the coffee cup, of course. It was always the coffee cup.

        Mira
        """,
    )
    pen.deliver(mira2, "INBOX", "\\Seen", "\\Flagged", relay="mail.skarvik.example")

    priya3 = pen.write(
        sender=PRIYA,
        to=[MIRA],
        cc=[LISA, BOARD],
        subject=_REPLY,
        when=clock.ago(minutes=38),
        parent=mira2,
        zone_hours=0,
    )
    say(
        priya3,
        f"""
        {attribution(mira2)}
        > Mon   Lisa takes the three prisms to Priya

        The bench is clear and the kettle is on. Lisa, take the carriage at the end of the train: it shakes the least.
        I asked a cellist.

        Priya
        """,
    )
    pen.deliver(priya3, "INBOX", relay="smtp.optics.example")


def write_project(pen: Pen) -> None:
    """The folder Projects/Lighthouse: what was filed away, with attachments."""
    clock = pen.clock
    folder = "Projects/Lighthouse"
    minutes = pen.write(
        sender=MIRA, to=[BOARD], cc=[LISA], subject="Minutes of the spring meeting", when=clock.day(64, 20, 15)
    )
    say(
        minutes,
        """
        Here are the minutes. Corrections until Sunday, please; after that it is history, and history belongs to
        Tomás.

        Mira
        """,
    )
    minutes.add_attachment(
        text_pdf(
            [
                "Friends of Skarvik Light",
                "Minutes of the spring meeting",
                "",
                "1. Scaffolding: up on the 4th, all say it is windy.",
                "2. Paint: the red is the right red. (Two years!)",
                "3. The puffins on the north ledge are not to be disturbed.",
                "4. Money: the treasurer sighed. The sigh was noted.",
            ]
        ),
        maintype="application",
        subtype="pdf",
        filename="Minutes spring meeting.pdf",
    )
    pen.deliver(minutes, folder, "\\Seen", relay="mail.skarvik.example")

    readings = pen.write(sender=HENRIK, to=[LISA], subject="Tide readings, one week", when=clock.day(23, 6, 50))
    say(
        readings,
        """
        As promised, from the gauge at the landing stage. The readings of Thursday night are mine, by torch and
        yardstick, since the batteries were flat.

        H.
        """,
    )
    readings.add_attachment(tide_csv(), maintype="text", subtype="csv", filename="tides-week.csv")
    pen.deliver(readings, folder, "\\Seen", "\\Answered", relay="mail.skarvik.example")

    picture = pen.write(
        sender=TOMAS, to=[LISA, MIRA], subject="The postcard, scanned at last", when=clock.day(41, 17, 26), zone_hours=0
    )
    say(
        picture,
        """
        Found it between two tax returns of 1938. Look at the gallery rail: it had a finial on every second post, so
        the blacksmith was right and we were wrong.

        Tomás
        """,
    )
    picture.add_attachment(
        lighthouse_png(), maintype="image", subtype="png", filename="Skarvik, Ansichtskarte (1912).png"
    )
    pen.deliver(picture, folder, "\\Seen", "\\Flagged", relay="mx.example.net")

    permit = pen.write(
        sender=INGRID,
        to=[MIRA],
        cc=[LISA],
        subject="Permit no. 3381, works on a navigational mark",
        when=clock.day(90, 13, 5),
    )
    say(
        permit,
        """
        Dear Mira Okonkwo,

        your permit is attached. Please keep a copy at the site, in a dry place, if there is one.

        Yours sincerely
        Ingrid Solheim
        Aids to Navigation
        """,
    )
    permit.add_attachment(
        text_pdf(["Permit no. 3381", "", "Works on a navigational mark: Skarvik Light", "Valid for twelve months."]),
        maintype="application",
        subtype="pdf",
        filename="permit-3381.pdf",
    )
    pen.deliver(permit, folder, "\\Seen", relay="out.coast.example")
