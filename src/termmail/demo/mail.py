"""The mail of the demo, some fifty messages, made anew each time with dates relative to now."""

from __future__ import annotations

import datetime

from termmail.demo.compose import Clock, Pen, Sample
from termmail.demo.letters import lighthouse, lists, parcels, senders, town, world
from termmail.demo.people import BOB, LISA

USERS = (LISA.address, BOB.address)
MAILBOXES = ("INBOX", "Archive", "Drafts", "Junk", "Projects/Lighthouse", "Sent", "Trash")


def demo_mail(now: datetime.datetime) -> list[Sample]:
    """Everything, oldest first. `now` must have a zone: it is also the zone of Lisa and her neighbours."""
    clock = Clock(now)
    lisa = Pen(clock, LISA.address)
    lighthouse.write_thread(lisa)
    lighthouse.write_project(lisa)
    world.write_world(lisa)
    town.write_friends(lisa)
    town.write_newsletters(lisa)
    town.write_invitation(lisa)
    parcels.write_parcels(lisa)
    town.write_crooks(lisa)
    senders.write_senders(lisa)
    lists.write_lists(lisa)
    bob = Pen(clock, BOB.address)
    town.write_bob(bob)
    return sorted([*lisa.samples, *bob.samples], key=lambda sample: sample.received)
