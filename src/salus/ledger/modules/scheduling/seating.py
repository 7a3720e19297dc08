"""Seats: taken all or none, given back, offered to whoever waits first. Nobody sees two people at once who may not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.codec import encode
from salus.errors import LedgerRefused
from salus.ledger.context import Context
from salus.ledger.listtree import require_in_list
from salus.ledger.modules.licences.queries import active
from salus.ledger.modules.scheduling.messages import LONGEST_SLOT, Override, ShownSlot, Slot
from salus.ledger.modules.scheduling.queries import appointment, schedule
from salus.ledger.modules.scheduling.state import (
    MOST_AT_ONE_START,
    MOST_OPEN,
    MOST_OPEN_HERE,
    NOBODY,
    OFFER,
    TABLE,
    Appointment,
    AppointmentStatus,
    Next,
    OpenCount,
    Period,
    Schedule,
    Seat,
    SeatOf,
    Seats,
    Waiting,
    appointment_key,
    offer_until,
    open_key,
    period_key,
    schedule_key,
    seats_key,
    seats_range,
    waiting_key,
)
from salus.ledger.store import Reader, load
from salus.ledger.workflow import require_move

LAPSE = "scheduling/lapse"

_S = AppointmentStatus


# --- taking


def take(context: Context, identity: bytes, slots: Sequence[ShownSlot], override: Override = Override.NONE) -> tuple[SeatOf, ...]:
    """A seat of each slot for the appointment, which has none; what refuses one of them refuses the transaction."""
    return tuple(_take(context, identity, one, override) for one in slots)


def _take(context: Context, identity: bytes, one: ShownSlot, override: Override) -> SeatOf:
    there, slot = schedule(context.state, one.schedule), one.slot
    require_open(context, there)
    if not 0 < slot.end - slot.start <= LONGEST_SLOT:
        raise LedgerRefused("wrong-slot", "a slot ends after it starts, within a day")
    if slot.start > context.time + there.horizon:
        raise LedgerRefused("too-far-ahead", "the schedule is not open for so long ahead")
    if override is Override.NONE:
        found = on_page(context.state, one)
        if slot.start < context.time + max(there.lead, 1):
            raise LedgerRefused("short-notice", "it is too short a time before its start")
        _require_free(context.state, one.schedule, slot, identity)
    else:
        found = SeatOf(one.schedule, 0, NOBODY, slot)
        if slot.end <= context.time:
            raise LedgerRefused("short-notice", "it is over")
    _sit(context, identity, found)
    return found


def require_open(context: Context, there: Schedule) -> None:
    """Raise ``not-licensed`` unless the licence that the schedule is of is active."""
    if not active(context.state, there.licence, context.time):
        raise LedgerRefused("not-licensed", "the licence that the schedule is of is not active")


def on_page(reader: Reader, one: ShownSlot) -> SeatOf:
    """The slot as the page that stands has it: ``no-such-page`` and ``bad-list-proof`` where it has not."""
    page = load(reader, period_key(one.schedule, one.begins), Period)
    if page is None or not one.begins <= one.slot.start < page.ends:
        raise LedgerRefused("no-such-page", "no page of this time is published, or another one is by now")
    require_in_list(page.root, encode(one.slot), one.index, page.count, one.path)
    return SeatOf(one.schedule, one.begins, page.root, one.slot)


def _taken(reader: Reader, schedule: bytes, slot: Slot) -> tuple[list[bytes], bool]:
    """Who has a seat of just this slot, and whether anybody has one that overlaps it otherwise."""
    same, other = list[bytes](), False
    for key in reader.keys(*seats_range(schedule, slot.start, slot.end)):
        start, seats = int.from_bytes(key[-8:], "big"), load(reader, key, Seats)
        for seat in seats.taken if seats else ():
            if (start, seat.end, seat.kind) == (slot.start, slot.end, slot.kind):
                same.append(seat.appointment)
            else:
                other = other or seat.end > slot.start
    return same, other


def _require_free(reader: Reader, schedule: bytes, slot: Slot, identity: bytes) -> None:
    same, other = _taken(reader, schedule, slot)
    if identity in same or len(same) >= slot.seats:
        raise LedgerRefused("slot-taken", "somebody else has it")
    if other:
        raise LedgerRefused("slot-overlaps", "a seat is taken that overlaps it")


def _sit(context: Context, identity: bytes, one: SeatOf) -> None:
    key = seats_key(one.schedule, one.slot.start)
    seats = load(context.state, key, Seats)
    taken = seats.taken if seats else ()
    if len(taken) >= MOST_AT_ONE_START or identity in [seat.appointment for seat in taken]:
        raise LedgerRefused("slot-taken", "there is no more room for anybody")
    context.put(key, Seats((*taken, Seat(identity, one.slot.end, one.slot.kind))))


# --- giving back


def leave(context: Context, identity: bytes, slots: Sequence[SeatOf]) -> None:
    """The appointment has no seat any more."""
    for one in slots:
        key = seats_key(one.schedule, one.slot.start)
        seats = load(context.state, key, Seats)
        left = tuple(seat for seat in seats.taken if seat.appointment != identity) if seats else ()
        if left:
            context.put(key, Seats(left))
        else:
            context.state.remove(key)


def offer(context: Context, freed: Sequence[SeatOf]) -> None:
    """Of each slot that is free now and stands on its page still, one seat to the first who waits for such a one."""
    for one in freed:
        there = schedule(context.state, one.schedule)
        until = offer_until(one.slot.start - there.lead, context.time)
        page = load(context.state, period_key(one.schedule, one.begins), Period)
        if not until or page is None or page.root != one.root or not active(context.state, there.licence, context.time):
            continue
        same, other = _taken(context.state, one.schedule, one.slot)
        if len(same) < one.slot.seats and not other:
            _offer_to_first(context, one, until)


def _offer_to_first(context: Context, one: SeatOf, until: int) -> None:
    for key in context.state.keys(waiting_key(one.schedule, 0), waiting_key(one.schedule, 1 << 63)):
        first = load(context.state, key, Next)
        identity = first.appointment if first else NOBODY
        found = appointment(context.state, identity)
        if found.waiting is not None and _suits(found.waiting, one.slot):
            unqueue(context, found.waiting)
            _sit(context, identity, one)
            to = require_move(TABLE, found.status, OFFER, _S.PENDING)
            changed = msgspec.structs.replace(found, status=to, slots=(one,), until=until, since=context.time)
            context.put(appointment_key(identity), changed)
            context.at(until, LAPSE, identity)
            return


def _suits(waiting: Waiting, slot: Slot) -> bool:
    return waiting.earliest <= slot.start <= waiting.latest and slot.kind in waiting.kinds


# --- waiting


def queue(context: Context, identity: bytes, waiting: Waiting) -> Waiting:
    """At the end of the list, with the number that it has there."""
    there = schedule(context.state, waiting.schedule)
    numbered = msgspec.structs.replace(waiting, number=there.waited)
    context.put(waiting_key(waiting.schedule, there.waited), Next(identity))
    changed = msgspec.structs.replace(there, waited=there.waited + 1, waiting=there.waiting + 1)
    context.put(schedule_key(waiting.schedule), changed)
    return numbered


def unqueue(context: Context, waiting: Waiting) -> None:
    """Off the list."""
    there = schedule(context.state, waiting.schedule)
    context.state.remove(waiting_key(waiting.schedule, waiting.number))
    context.put(schedule_key(waiting.schedule), msgspec.structs.replace(there, waiting=there.waiting - 1))


# --- what is open


def count_open(context: Context, sponsor: bytes, found: Appointment, by: int) -> None:
    """Count what the sponsor has open up (1) or down (-1); ``too-many-open`` where that is more than one member may have."""
    where = [found.waiting.schedule] if found.waiting else [one.schedule for one in found.slots]
    counts = [(open_key(sponsor), MOST_OPEN), *((open_key(sponsor, one), MOST_OPEN_HERE) for one in where)]
    for key, most in counts if sponsor != NOBODY else ():
        kept = load(context.state, key, OpenCount)
        count = (kept.count if kept else 0) + by
        if count > most:
            raise LedgerRefused("too-many-open", "the sponsor has too much that is held or waited for")
        if count:
            context.put(key, OpenCount(count))
        else:
            context.state.remove(key)
