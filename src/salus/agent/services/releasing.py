"""Free seats of the hours that stand, offered to whoever waits: also those that fell free under hours which were changed since.

The ledger offers by itself what falls free on the page that it was taken from. What lies on a later page the desk alone knows.
"""

from __future__ import annotations

from contextlib import suppress

from salus.agent.home import Agent
from salus.agent.own_schedules import OwnSchedule, pages_of
from salus.agent.services.appointments import standings
from salus.agent.services.desk import Booking
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record, records
from salus.agent.wallet import Wallet
from salus.crypto.signing import SigningKey
from salus.errors import LedgerRefused
from salus.exchange.schedules import free_seats, shown_slot
from salus.ledger.modules.scheduling.messages import MOST_SLOTS, ReleaseSlots, ShownSlot, Slot
from salus.ledger.modules.scheduling.state import (
    Next,
    Schedule,
    Seats,
    Waiting,
    offer_until,
    schedule_key,
    seats_key,
    waiting_key,
)

NUMBERS = 256  # of a waiting list, the last ones: it has room for 32, and whoever lets an offer lapse gets another
MOST_LOOKED_AT = 512  # slots whose seats are looked at


def resume_releases(agent: Agent) -> None:
    """Offer what is free at each schedule of this home for which somebody waits. What the ledger refuses waits."""
    for wallet in agent.wallets():
        for handle, own in agent.store.all(OwnSchedule, wallet.person):
            with suppress(LedgerRefused):
                _release(agent, wallet, handle, own)


def _release(agent: Agent, desk: Wallet, handle: bytes, own: OwnSchedule) -> None:
    there = record(agent, schedule_key(handle), Schedule)
    waiting = _waiting(agent, handle, there) if there is not None and there.waiting else []
    if there is None or not waiting:
        return
    free, shown = _free(agent, desk, handle, there, waiting), list[ShownSlot]()
    for one in free:
        first = next((who for who in waiting if _suits(who, one.slot)), None)
        if first is not None and not first.lapsed:  # who let one lapse is not asked again until another falls free
            waiting.remove(first)
            shown.append(one)
    if shown:
        submit(agent, [ReleaseSlots(handle, tuple(shown[:MOST_SLOTS]))], [SigningKey(own.desk)])


def _waiting(agent: Agent, handle: bytes, there: Schedule) -> list[Waiting]:
    """Who waits, as the ledger has them in order."""
    numbers = range(max(0, there.waited - NUMBERS), there.waited)
    leaves, _ = records(agent, [waiting_key(handle, number) for number in numbers], Next)
    found = standings(agent, [leaf.appointment for leaf in leaves if leaf is not None])
    return [one.waiting for one in found if one is not None and one.waiting is not None]


def _free(agent: Agent, desk: Wallet, handle: bytes, there: Schedule, waiting: list[Waiting]) -> list[ShownSlot]:
    """The slots that suit anybody, can be offered still, and have a seat free; as they stand on their pages."""
    now, given_up = newest_header(agent).time, _given_up(agent, desk, handle)
    suiting = [
        (page, index, slot)
        for page in pages_of(agent, desk.person, handle)
        for index, slot in enumerate(page.slots)
        if slot.start not in given_up and offer_until(slot.start - there.lead, now) and any(_suits(one, slot) for one in waiting)
    ][:MOST_LOOKED_AT]
    leaves, _ = records(agent, [seats_key(handle, slot.start) for _, _, slot in suiting], Seats) if suiting else ([], None)
    taken = [
        (slot.start, seat.end, seat.kind)
        for (_, _, slot), leaf in zip(suiting, leaves, strict=True)
        if leaf
        for seat in leaf.taken
    ]
    return [shown_slot(page, index) for page, index, slot in suiting if free_seats(slot, taken)]


def _given_up(agent: Agent, desk: Wallet, handle: bytes) -> set[int]:
    """The starts at which this desk has cancelled somebody: as the ledger does, it offers them to nobody."""
    found = standings(agent, agent.store.ids(Booking, desk.person))
    return {at.slot.start for one in found if one and one.reason for at in one.slots if at.schedule == handle}


def _suits(one: Waiting, slot: Slot) -> bool:
    return one.earliest <= slot.start <= one.latest and slot.kind in one.kinds
