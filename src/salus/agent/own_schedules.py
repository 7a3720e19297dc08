"""What a home keeps of the schedules that it answers for: whoever opens one writes it, the desk reads it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.services.licensing import organisation
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.errors import AgentRefused
from salus.exchange.hours import MAX_DAYS, MAX_HOURS, Hours, read_hours
from salus.exchange.schedules import SchedulePage, SignedAbout
from salus.ids import Bytes32, Count

DayText = Annotated[str, msgspec.Meta(max_length=10)]


class OwnSchedule(Record, frozen=True, tag="own-schedule"):
    """A schedule that was opened here, by its handle, under `desk_owner`. ``desk``: the seed of its desk key.

    ``hours`` is the file as it was read, ``closed`` are days that were closed since; ``changed`` in ms.
    """

    desk: Bytes32
    signed: SignedAbout
    hours: Annotated[bytes, msgspec.Meta(max_length=MAX_HOURS)] = b""
    closed: Annotated[tuple[DayText, ...], msgspec.Meta(max_length=MAX_DAYS)] = ()
    changed: Count = 0

    @property
    def name(self) -> str:
        """What people call it."""
        return self.signed.about.service

    def read(self) -> Hours:
        """What the file says."""
        return read_hours(self.hours)


class OwnPage(Record, frozen=True, tag="own-page"):
    """A page that stands, by `page_place`, under `desk_owner`."""

    page: SchedulePage


class OutgoingPage(Record, frozen=True, tag="outgoing-page"):
    """A page that the ledger, or the node, may not have yet; by `page_place`, under `desk_owner`."""

    schedule: Bytes32


def desk_owner(agent: Agent, wallet: Wallet) -> bytes:
    """Whose desk it is at which this person works: the organisation's of this home, or the person's own."""
    return desk_wallet(agent, wallet).person


def desk_wallet(agent: Agent, wallet: Wallet) -> Wallet:
    """The wallet of `desk_owner`."""
    return organisation(agent) or wallet


def page_place(schedule: bytes, begins: int) -> bytes:
    """By what a page is kept."""
    return schedule + begins.to_bytes(8, "big")


def schedule_named(agent: Agent, wallet: Wallet, named: str) -> tuple[bytes, OwnSchedule]:
    """The one of this name, or whose handle begins so; the only one for ""; ``no-such-schedule``, ``ambiguous-schedule``."""
    known = agent.store.all(OwnSchedule, desk_owner(agent, wallet))
    found = [one for one in known if not named or one[1].name == named or one[0].hex().startswith(named)]
    if not found:
        raise AgentRefused("no-such-schedule", "no schedule of that name was published here")
    if len(found) > 1:
        raise AgentRefused("ambiguous-schedule", "several schedules are meant; name one")
    return found[0]


def pages_of(agent: Agent, owner: bytes, schedule: bytes) -> list[SchedulePage]:
    """The pages of one schedule, by time."""
    keys = [key for key in agent.store.ids(OwnPage, owner) if key[:32] == schedule]
    return [kept.page for kept in agent.store.some(OwnPage, owner, keys).values()]
