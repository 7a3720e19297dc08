"""Schedules that a practice of this home has published: what each device of it keeps of them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.wallet import Wallet
from salus.codec import Record
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused
from salus.exchange.hours import MAX_DAYS, MAX_HOURS, Hours, read_hours
from salus.exchange.schedules import SchedulePage
from salus.ids import Bytes32, Count

DayText = Annotated[str, msgspec.Meta(max_length=10)]


class OwnSchedule(Record, frozen=True, tag="own-schedule"):
    """``hours`` is the file as it was read, ``closed`` are days that were closed since; by ``person`` and ``licence``."""

    hours: Annotated[bytes, msgspec.Meta(max_length=MAX_HOURS)]
    closed: Annotated[tuple[DayText, ...], msgspec.Meta(max_length=MAX_DAYS)]
    person: Bytes32
    licence: Bytes32
    changed: Count

    def read(self) -> Hours:
        """What the file says."""
        return read_hours(self.hours)


class OwnPage(Record, frozen=True, tag="own-page"):
    """A page of one's own, by its schedule and its beginning."""

    page: SchedulePage


class OutgoingPage(Record, frozen=True, tag="outgoing-page"):
    """A page of one's own that the ledger, or the node, may not have yet; by its schedule and its beginning."""

    schedule: Bytes32


def page_id(schedule: bytes, begins: int) -> bytes:
    """Under what a page is kept."""
    return schedule + begins.to_bytes(8, "big")


def desk_key(wallet: Wallet, own: OwnSchedule) -> SigningKey:
    """The key of the schedule's desk, where it was published by this wallet."""
    return SigningKey(wallet.desk_seed(own.read().name))


def schedules_of(agent: Agent, wallet: Wallet) -> list[tuple[bytes, OwnSchedule]]:
    """Every schedule that the wallet's principal has published, by handle."""
    return agent.store.all(OwnSchedule, wallet.person)


def schedule_named(agent: Agent, wallet: Wallet, named: str) -> tuple[bytes, OwnSchedule]:
    """The one of this name, or whose handle begins so; the only one for ""; ``no-such-schedule``, ``ambiguous-schedule``."""
    known = schedules_of(agent, wallet)
    found = [one for one in known if not named or one[1].read().name == named or one[0].hex().startswith(named)]
    if not found:
        raise AgentRefused("no-such-schedule", "no schedule of that name was published here")
    if len(found) > 1:
        raise AgentRefused("ambiguous-schedule", "several schedules are meant; name one")
    return found[0]


def pages_of(agent: Agent, wallet: Wallet, schedule: bytes) -> list[SchedulePage]:
    """The pages of one of its schedules, by time."""
    keys = [key for key in agent.store.ids(OwnPage, wallet.person) if key[:32] == schedule]
    return [kept.page for kept in agent.store.some(OwnPage, wallet.person, keys).values()]
