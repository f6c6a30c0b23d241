"""Mail whose sender is worth a look: one that came a long way, one that is not who it says."""

from __future__ import annotations

from termmail.demo.compose import Pen, Person, Step, say
from termmail.demo.people import LISA

_HARBOUR = Person("Nordholm Harbour Office", "office@harbour.example")
_MIRA_ELSEWHERE = Person("Mira Okonkwo", "mira.okonkwo.private@postbox.example")


def write_senders(pen: Pen) -> None:
    """A notice that lay in a queue on its way, and a stranger with Mira's name."""
    clock = pen.clock
    notice = pen.write(
        sender=_HARBOUR,
        to=[LISA],
        subject="Notice to mariners 31: buoy N4 is adrift",
        when=clock.ago(hours=6, minutes=48),
        zone_hours=1,
    )
    say(
        notice,
        """
        The light buoy N4 has parted from its sinker and was last seen heading for Skarvik with the ebb, still flashing.

        Vessels are asked to keep clear. Lighthouse keepers are asked not to feel flattered.

        Nordholm Harbour Office

        This notice was written on the harbour launch, and reached you when the launch reached a signal.
        """,
    )
    pen.deliver(
        notice,
        "INBOX",
        "\\Seen",
        relay="out.coastmail.example",
        seconds=1_543,
        route=(
            Step(
                "[192.168.7.12] (launch.harbour.example [198.51.100.61])",
                "mail.harbour.example (Postfix)",
                "ESMTPSA (TLS1.3) id 4Zq1",
                1_331,
            ),
            Step("localhost (localhost [127.0.0.1])", "mail.harbour.example (spam filter)", "LMTP", 1_336),
            Step(
                "mail.harbour.example (mail.harbour.example [198.51.100.9])",
                "gate2.coastmail.example",
                "ESMTP id 77c",
                1_322,
            ),
            Step(
                "gate2.coastmail.example (gate2.coastmail.example [203.0.113.4])",
                "out.coastmail.example",
                "ESMTPS (TLS1.2) id 91f",
                1_541,
            ),
        ),
    )

    stranger = pen.write(
        sender=_MIRA_ELSEWHERE,
        to=[LISA],
        subject="Are you at your desk?",
        when=clock.ago(hours=9, minutes=5),
        headers={"Reply-To": "m.okonkwo@fastreply.example"},
    )
    say(
        stranger,
        """
        Lisa,

        I am in a meeting with the board and cannot talk. I need six gift cards for the volunteers within the hour, and
        will explain later. Can you get them and send me the numbers? Answer here, my other mail does not work today.

        Mira
        """,
    )
    pen.deliver(stranger, "INBOX", relay="out3.postbox.example")
