"""A practice's hours, published: the schedule on the ledger, its pages there as roots, and at the node as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.own_schedules import OutgoingPage, OwnPage, OwnSchedule, desk_key, page_id, pages_of, schedule_named, schedules_of
from salus.agent.services.licensing import organisation
from salus.agent.services.people import public_card
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.hours import Closed, Hours, day_of, expand, month_of, read_hours, span_ms, zone_of
from salus.exchange.schedules import About, SchedulePage, SignedAbout, require_about, root_of, sign_about, spot_of
from salus.ledger.modules.scheduling.messages import LONGEST_PERIOD, OpenSchedule, PublishSlots, ReviseSchedule, Slot
from salus.ledger.modules.scheduling.state import Period, Schedule, period_key, schedule_id, schedule_key


@dataclass(frozen=True)
class OpeningInfo:
    """What was published. ``days`` and ``slots`` are of now on, up to ``until`` (ms); ``changed`` months of ``months`` are new.

    ``left_out``: slots that would have overlapped others. ``opened``: the schedule is new on the ledger.
    """

    schedule: str
    name: str
    zone: str
    days: int
    slots: int
    until: int
    months: int
    changed: int
    left_out: int
    opened: bool
    closed: tuple[str, ...]


def publish(
    agent: Agent, name: str, data: bytes | None, close: Sequence[str] = (), reopen: Sequence[str] = (), schedule: str = ""
) -> OpeningInfo:
    """Publish the hours of a file, or those that were published before with days closed or reopened, for as far as they say.

    Kept before anything is sent: the same command again, or the next one, completes it. ``bad-hours``, ``too-many-slots``,
    ``no-licence``, ``no-such-schedule``.
    """
    wallet = agent.wallet(name)
    if data is None:
        handle, before = schedule_named(agent, wallet, schedule)
        own = before
    else:
        own = _own(agent, wallet, data)
        handle = schedule_id(agent.network_id, desk_key(wallet, own).public)
        known = agent.store.find(OwnSchedule, wallet.person, handle)
        own = own if known is None else msgspec.structs.replace(own, closed=known.closed)
    closed = tuple(sorted({*own.closed, *close} - set(reopen)))
    own = msgspec.structs.replace(own, closed=closed, changed=agent.clock())
    hours = _with_closed(own)
    pages, left_out = _pages(agent, wallet, own, hours, handle)
    with agent.store.writing():
        agent.store.put(wallet.person, handle, own)
        for page in pages:
            agent.store.put(wallet.person, page_id(handle, page.begins), OwnPage(page))
            agent.store.put(wallet.person, page_id(handle, page.begins), OutgoingPage(handle))
    opened, changed = _complete(agent, wallet, handle, own)
    return _info(agent, handle, own, pages, (changed, left_out), opened=opened)


def opened_hours(agent: Agent, name: str) -> tuple[OpeningInfo, ...]:
    """What one has published, as it is kept here."""
    wallet = agent.wallet(name)
    found = []
    for handle, own in schedules_of(agent, wallet):
        found.append(_info(agent, handle, own, pages_of(agent, wallet, handle), (0, 0), opened=False))
    return tuple(found)


def resume_schedules(agent: Agent) -> None:
    """Publish what an earlier command has kept. What the ledger refuses waits for the next one."""
    for wallet in agent.wallets():
        waiting = {kept.schedule for _, kept in agent.store.all(OutgoingPage, wallet.person)}
        for handle in waiting:
            own = agent.store.find(OwnSchedule, wallet.person, handle)
            if own is not None:
                try:
                    _complete(agent, wallet, handle, own)
                except LedgerRefused:
                    continue


def _own(agent: Agent, wallet: Wallet, data: bytes) -> OwnSchedule:
    hours = read_hours(data)
    who = agent.wallet(hours.practitioner) if hours.practitioner else wallet
    practice = organisation(agent)
    if who.person != wallet.person and (practice is None or practice.person != wallet.person):
        raise AgentRefused("not-an-organisation", "an organisation alone publishes the hours of those who work there")
    licence = licence_of(agent, who.person)
    if licence is None:
        raise AgentRefused("no-licence", "a schedule is of a licensed professional: name one of this home as its practitioner")
    return OwnSchedule(data, (), who.person, licence, 0)


def _with_closed(own: OwnSchedule) -> Hours:
    """The hours with the days that were closed since; `bad-hours` for what is no day."""
    hours = own.read()
    closed = (*hours.closed, *(Closed(day=day) for day in own.closed))
    changed = msgspec.structs.replace(hours, closed=closed, extra=tuple(one for one in hours.extra if one.day not in own.closed))
    return read_hours(msgspec.json.encode(changed))


def _pages(agent: Agent, wallet: Wallet, own: OwnSchedule, hours: Hours, handle: bytes) -> tuple[list[SchedulePage], int]:
    """A page for each month of the zone up to the horizon."""
    now = max(newest_header(agent).time, agent.clock())
    about = _about(agent, wallet, own, hours, handle)
    pages, left_out, zone = list[SchedulePage](), 0, zone_of(hours.zone)
    begins, ends = month_of(zone, now)
    while begins <= now + span_ms(hours.horizon):
        found = expand(hours, begins, ends)
        pages.append(SchedulePage(about, begins, ends, found.slots))
        left_out += found.left_out
        begins, ends = month_of(zone, ends)
    return pages, left_out


def _about(agent: Agent, wallet: Wallet, own: OwnSchedule, hours: Hours, handle: bytes) -> SignedAbout:
    """As it was signed before, where it says the same: so that no page changes for a signature."""
    who = next(one for one in agent.wallets() if one.person == own.person)
    about = About(
        agent.network_id,
        handle,
        public_card(agent, who.record.name),
        own.licence,
        hours.name,
        wallet.record.name if who.person != wallet.person else "",
        hours.specialties,
        hours.languages,
        hours.telecom,
        hours.place,
        spot_of(hours.latitude, hours.longitude),
        hours.zone,
    )
    known = [page.about for page in pages_of(agent, wallet, handle)]
    signed = next((one for one in known if _says_the_same(one.about, about)), None) or sign_about(who.identity, about)
    require_about(signed, agent.network_id)
    return signed


def _says_the_same(one: About, other: About) -> bool:
    """Whether they do, but for the signature of the card."""
    return one.card.card == other.card.card and msgspec.structs.replace(one, card=other.card) == other


def _complete(agent: Agent, wallet: Wallet, handle: bytes, own: OwnSchedule) -> tuple[bool, int]:
    """Bring ledger and node to what is kept: whether the schedule is new, and how many pages."""
    opened = _open(agent, wallet, handle, own)
    keys = [key for key in agent.store.ids(OutgoingPage, wallet.person) if key[:32] == handle]
    now = newest_header(agent).time
    waiting = [one for one in agent.store.some(OwnPage, wallet.person, keys).items() if one[1].page.ends > now]
    leaves, _ = records(agent, [period_key(handle, kept.page.begins) for _, kept in waiting], Period)
    wanted = [Period(kept.page.ends, root_of(kept.page), len(kept.page.slots) + 1) for _, kept in waiting]
    actions = [
        PublishSlots(handle, kept.page.begins, kept.page.ends, page.root, page.count)
        for (_, kept), leaf, page in zip(waiting, leaves, wanted, strict=True)
        if leaf != page
    ]
    if actions:
        submit(agent, actions, [desk_key(wallet, own)])
    for key, kept in waiting:
        agent.network.put_page(kept.page)
        with agent.store.writing():
            agent.store.drop(OutgoingPage, wallet.person, key)
    _forget_past(agent, wallet, now)
    return opened, len(actions)


def _open(agent: Agent, wallet: Wallet, handle: bytes, own: OwnSchedule) -> bool:
    """Have the schedule on the ledger as the hours say; whether it is new there."""
    hours, desk = own.read(), desk_key(wallet, own).public
    terms = (own.licence, desk, span_ms(hours.lead), span_ms(hours.horizon), span_ms(hours.hold))
    there = record(agent, schedule_key(handle), Schedule)
    holders = [one.identity.classic for one in agent.wallets() if one.person == own.person]
    if there is None:
        submit(agent, [OpenSchedule(*terms)], holders)
        return True
    if terms != (there.licence, there.desk, there.lead, there.horizon, there.hold):
        former = [one for one in agent.wallets() if licence_of(agent, one.person) == there.licence]
        submit(agent, [ReviseSchedule(handle, *terms)], [*holders, *(one.identity.classic for one in former)])
    return False


def _forget_past(agent: Agent, wallet: Wallet, now: int) -> None:
    with agent.store.writing():
        for key in agent.store.ids(OwnPage, wallet.person):
            if int.from_bytes(key[32:], "big") + LONGEST_PERIOD <= now:
                agent.store.drop(OwnPage, wallet.person, key)
                agent.store.drop(OutgoingPage, wallet.person, key)


def _info(
    agent: Agent, handle: bytes, own: OwnSchedule, pages: Sequence[SchedulePage], counts: tuple[int, int], *, opened: bool
) -> OpeningInfo:
    hours, now = own.read(), agent.clock()
    ahead: list[Slot] = [slot for page in pages for slot in page.slots if slot.start > now]
    days = {day_of(hours.zone, slot.start) for slot in ahead}
    until = max((page.ends for page in pages), default=0)
    counted = (len(days), len(ahead), until, len(pages), *counts)
    return OpeningInfo(handle.hex(), hours.name, hours.zone, *counted, opened, own.closed)
