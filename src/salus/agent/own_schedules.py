"""What a home keeps of the schedules that it answers for: whoever opens one writes it, the desk reads it."""

from __future__ import annotations

from salus.agent.home import Agent
from salus.agent.services.licensing import organisation
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.exchange.schedules import SchedulePage, SignedAbout
from salus.ids import Bytes32


class OwnSchedule(Record, frozen=True, tag="own-schedule"):
    """A schedule that was opened here, by its handle, under `desk_owner`. ``desk``: the seed of its desk key."""

    desk: Bytes32
    about: SignedAbout


class OwnPage(Record, frozen=True, tag="own-page"):
    """A page that stands, by `page_place`, under `desk_owner`."""

    page: SchedulePage


def desk_owner(agent: Agent, wallet: Wallet) -> bytes:
    """Whose desk it is at which this person works: the organisation's of this home, or the person's own."""
    return (organisation(agent) or wallet).person


def page_place(schedule: bytes, begins: int) -> bytes:
    """By what a page is kept."""
    return schedule + begins.to_bytes(8, "big")
