"""A practice's hours, published: the schedule on the ledger, its pages there as roots, and at the node as they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.own_schedules import (
    OutgoingPage,
    OwnPage,
    OwnSchedule,
    desk_owner,
    desk_wallet,
    page_place,
    pages_of,
    schedule_named,
)
from salus.agent.services.licensing import schedule_licence
from salus.agent.services.people import public_card
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.cards import Role
from salus.exchange.hours import Closed, Hours, day_of, expand, month_of, read_hours, span_ms, zone_of
from salus.exchange.schedules import About, SchedulePage, SignedAbout, free_seats, require_about, root_of, sign_about, spot_of
from salus.fhir.schedules import facts_of, to_fhir
from salus.ledger.modules.scheduling.messages import LONGEST_PERIOD, OpenSchedule, PublishSlots, ReviseSchedule, Slot
from salus.ledger.modules.scheduling.state import Period, Schedule, Seats, period_key, schedule_id, schedule_key, seats_key


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
    desk = desk_wallet(agent, wallet)
    if data is None:
        handle, known = schedule_named(agent, wallet, schedule)
        own: OwnSchedule | None = known
        data = known.hours
        about = known.signed
        seed = known.desk
    else:
        seed = desk.desk_seed(read_hours(data).name)
        handle = schedule_id(agent.network_id, SigningKey(seed).public)
        own = agent.store.find(OwnSchedule, desk.person, handle)
        about = _about(agent, wallet, read_hours(data), handle, own)
    closed = tuple(sorted({*(own.closed if own else ()), *close} - set(reopen)))
    kept = OwnSchedule(seed, about, data, closed, agent.clock())
    pages, left_out = _pages(agent, kept)
    with agent.store.writing():
        agent.store.put(desk.person, handle, kept)
        _keep(agent, desk, handle, pages)
    opened, changed = _complete(agent, desk, handle, kept)
    return _info(agent, handle, kept, pages, (changed, left_out), opened=opened)


def opened_hours(agent: Agent, name: str) -> tuple[OpeningInfo, ...]:
    """What was published at this desk, as it is kept here."""
    owner = desk_owner(agent, agent.wallet(name))
    return tuple(
        _info(agent, handle, own, pages_of(agent, owner, handle), (0, 0), opened=False)
        for handle, own in agent.store.all(OwnSchedule, owner)
    )


def in_fhir(agent: Agent, name: str, schedule: str, moment: int) -> bytes:
    """The month of ``moment`` (ms) as a FHIR Bundle: a slot is busy where the ledger has no seat left. ``no-such-schedule``."""
    wallet = agent.wallet(name)
    handle, _ = schedule_named(agent, wallet, schedule)
    pages = pages_of(agent, desk_owner(agent, wallet), handle)
    page = next((page for page in pages if page.begins <= moment < page.ends), None)
    if page is None:
        raise AgentRefused("no-such-schedule", "no hours of this month are published here")
    leaves, _ = records(agent, [seats_key(handle, slot.start) for slot in page.slots], Seats)
    seats = [
        (slot.start, seat.end, seat.kind) for slot, leaf in zip(page.slots, leaves, strict=True) if leaf for seat in leaf.taken
    ]
    return to_fhir(facts_of(page, [slot.start for slot in page.slots if not free_seats(slot, seats)]))


def resume_schedules(agent: Agent) -> None:
    """Publish what an earlier command has kept, and the months that have come within the horizon since.

    What the ledger refuses waits for the next one.
    """
    for wallet in agent.wallets():
        for handle, opened in agent.store.all(OwnSchedule, wallet.person):
            _extend(agent, wallet, handle, opened)
        for handle in {kept.schedule for _, kept in agent.store.all(OutgoingPage, wallet.person)}:
            own = agent.store.find(OwnSchedule, wallet.person, handle)
            if own is not None:
                with suppress(LedgerRefused):
                    _complete(agent, wallet, handle, own)


def _extend(agent: Agent, desk: Wallet, handle: bytes, own: OwnSchedule) -> None:
    """Keep a page for each month that has come within the horizon since the last one."""
    known = [int.from_bytes(key[32:], "big") for key in agent.store.ids(OwnPage, desk.person) if key[:32] == handle]
    if not known or not own.hours:
        return
    hours = own.read()
    _, begins = month_of(zone_of(hours.zone), max(known))
    if begins > agent.clock() + span_ms(hours.horizon):
        return
    pages, _ = _pages(agent, own)
    with agent.store.writing():
        _keep(agent, desk, handle, [page for page in pages if page.begins >= begins])


def _keep(agent: Agent, desk: Wallet, handle: bytes, pages: Sequence[SchedulePage]) -> None:
    """Keep pages that are to be sent, inside the caller's write transaction."""
    for page in pages:
        agent.store.put(desk.person, page_place(handle, page.begins), OwnPage(page))
        agent.store.put(desk.person, page_place(handle, page.begins), OutgoingPage(handle))


def _about(agent: Agent, wallet: Wallet, hours: Hours, handle: bytes, known: OwnSchedule | None) -> SignedAbout:
    """What the schedule is about; as it was signed before, where it says the same: so that no page changes for a signature."""
    who = agent.wallet(hours.practitioner) if hours.practitioner else wallet
    if who.person != wallet.person and wallet.record.role not in (Role.MEMBER, Role.ORGANISATION):
        raise AgentRefused("not-an-organisation", "an organisation alone publishes the hours of those who work there")
    about = About(
        agent.network_id,
        handle,
        public_card(agent, who.record.name),
        schedule_licence(agent, who),
        hours.name,
        wallet.record.name if who.person != wallet.person else "",
        hours.specialties,
        hours.languages,
        hours.telecom,
        hours.place,
        spot_of(hours.latitude, hours.longitude),
        hours.zone,
    )
    if known is not None and _says_the_same(known.signed.about, about):
        return known.signed
    signed = sign_about(who.identity, about)
    require_about(signed, agent.network_id)
    return signed


def _with_closed(own: OwnSchedule) -> Hours:
    """The hours with the days that were closed since; `bad-hours` for what is no day."""
    hours = own.read()
    closed = (*hours.closed, *(Closed(day=day) for day in own.closed))
    changed = msgspec.structs.replace(hours, closed=closed, extra=tuple(one for one in hours.extra if one.day not in own.closed))
    return read_hours(msgspec.json.encode(changed))


def _pages(agent: Agent, own: OwnSchedule) -> tuple[list[SchedulePage], int]:
    """A page for each month of the zone up to the horizon."""
    now, hours = max(newest_header(agent).time, agent.clock()), _with_closed(own)
    pages, left_out, zone = list[SchedulePage](), 0, zone_of(hours.zone)
    begins, ends = month_of(zone, now)
    while begins <= now + span_ms(hours.horizon):
        found = expand(hours, begins, ends)
        pages.append(SchedulePage(own.signed, begins, ends, found.slots))
        left_out += found.left_out
        begins, ends = month_of(zone, ends)
    return pages, left_out


def _says_the_same(one: About, other: About) -> bool:
    """Whether they do, but for the signature of the card."""
    return one.card.card == other.card.card and msgspec.structs.replace(one, card=other.card) == other


def _complete(agent: Agent, desk: Wallet, handle: bytes, own: OwnSchedule) -> tuple[bool, int]:
    """Bring ledger and node to what is kept: whether the schedule is new, and how many pages."""
    opened = _open(agent, handle, own)
    keys = [key for key in agent.store.ids(OutgoingPage, desk.person) if key[:32] == handle]
    now = newest_header(agent).time
    waiting = [one for one in agent.store.some(OwnPage, desk.person, keys).items() if one[1].page.ends > now]
    leaves, _ = records(agent, [period_key(handle, kept.page.begins) for _, kept in waiting], Period)
    wanted = [Period(kept.page.ends, root_of(kept.page), len(kept.page.slots) + 1) for _, kept in waiting]
    actions = [
        PublishSlots(handle, kept.page.begins, kept.page.ends, page.root, page.count)
        for (_, kept), leaf, page in zip(waiting, leaves, wanted, strict=True)
        if leaf != page
    ]
    if actions:
        submit(agent, actions, [SigningKey(own.desk)])
    for key, kept in waiting:
        agent.network.put_page(kept.page)
        with agent.store.writing():
            agent.store.drop(OutgoingPage, desk.person, key)
    _forget_past(agent, desk.person, now)
    return opened, len(actions)


def _open(agent: Agent, handle: bytes, own: OwnSchedule) -> bool:
    """Have the schedule on the ledger as the hours say; whether it is new there."""
    hours, licence = own.read(), own.signed.about.licence
    terms = (licence, SigningKey(own.desk).public, span_ms(hours.lead), span_ms(hours.horizon), span_ms(hours.hold))
    there = record(agent, schedule_key(handle), Schedule)
    if there is None:
        submit(agent, [OpenSchedule(*terms)], _holders(agent, licence))
        return True
    if terms != (there.licence, there.desk, there.lead, there.horizon, there.hold):
        submit(agent, [ReviseSchedule(handle, *terms)], [*_holders(agent, licence), *_holders(agent, there.licence)])
    return False


def _holders(agent: Agent, licence: bytes) -> list[SigningKey]:
    """The key of whom of this home the licence is."""
    return [one.identity.classic for one in agent.wallets() if licence_of(agent, one.person) == licence]


def _forget_past(agent: Agent, owner: bytes, now: int) -> None:
    with agent.store.writing():
        for key in agent.store.ids(OwnPage, owner):
            if int.from_bytes(key[32:], "big") + LONGEST_PERIOD <= now:
                agent.store.drop(OwnPage, owner, key)
                agent.store.drop(OutgoingPage, owner, key)


def _info(
    agent: Agent, handle: bytes, own: OwnSchedule, pages: Sequence[SchedulePage], counts: tuple[int, int], *, opened: bool
) -> OpeningInfo:
    hours, now = own.read(), agent.clock()
    ahead: list[Slot] = [slot for page in pages for slot in page.slots if slot.start > now]
    days = {day_of(hours.zone, slot.start) for slot in ahead}
    until = max((page.ends for page in pages), default=0)
    counted = (len(days), len(ahead), until, len(pages), *counts)
    return OpeningInfo(handle.hex(), hours.name, hours.zone, *counted, opened, own.closed)
