"""Schedules, holding, booking, moving, waiting, the desk: who must sign, and what moves."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.crypto.signing import require_sound_key
from salus.errors import LedgerRefused
from salus.ids import VerifyKey
from salus.ledger.context import Context
from salus.ledger.module import Handler, Module
from salus.ledger.modules.licences.queries import licence
from salus.ledger.modules.scheduling.messages import (
    LONGEST_PERIOD,
    ArriveAppointment,
    BookAppointment,
    CancelAppointment,
    DeclineAppointment,
    FulfilAppointment,
    HoldSlots,
    JoinWaiting,
    MissAppointment,
    MoveAppointment,
    OfferSlots,
    OpenSchedule,
    Override,
    PublishSlots,
    ReleaseSlots,
    ReviseSchedule,
    TakeSlots,
)
from salus.ledger.modules.scheduling.queries import appointment, schedule
from salus.ledger.modules.scheduling.seating import (
    LAPSE,
    count_open,
    leave,
    offer,
    on_page,
    queue,
    require_open,
    take,
    unqueue,
)
from salus.ledger.modules.scheduling.state import (
    ARRIVES_WITHIN,
    CLOSED_AFTER,
    KEPT,
    MOST_OFFERS,
    MOST_PERIODS,
    MOST_WAITING,
    NOBODY,
    OVER,
    TABLE,
    Appointment,
    AppointmentStatus,
    Period,
    Schedule,
    SeatOf,
    Waiting,
    appointment_id,
    appointment_key,
    ends,
    offer_until,
    period_key,
    schedule_id,
    schedule_key,
    starts,
)
from salus.ledger.store import Reader, load
from salus.ledger.workflow import TIME, conflict, require_move

CLOSE, FORGET = "scheduling/close", "scheduling/forget"

_S = AppointmentStatus


# --- who must sign


def _licensed(reader: Reader, message: OpenSchedule) -> tuple[VerifyKey, ...]:
    return (VerifyKey(licence(reader, message.licence).holder),)


def _both_licensed(reader: Reader, message: ReviseSchedule) -> tuple[VerifyKey, ...]:
    before = schedule(reader, message.schedule).licence
    return VerifyKey(licence(reader, before).holder), VerifyKey(licence(reader, message.licence).holder)


def _desk(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    return (VerifyKey(schedule(reader, message.schedule).desk),)


def _desks(reader: Reader, message: TakeSlots | OfferSlots) -> tuple[VerifyKey, ...]:
    return tuple(VerifyKey(schedule(reader, one.schedule).desk) for one in message.slots)


def _offering(reader: Reader, message: OfferSlots) -> tuple[VerifyKey, ...]:
    return *_desk(reader, message), *_desks(reader, message)


def _fresh(_: Reader, message: HoldSlots | JoinWaiting) -> tuple[VerifyKey, ...]:
    return (VerifyKey(message.patient),)


def _patient(reader: Reader, message: Any) -> tuple[VerifyKey, ...]:
    return (VerifyKey(appointment(reader, message.appointment).patient),)


# --- the practice's schedule


def _open(context: Context, message: OpenSchedule) -> None:
    require_sound_key(message.desk)
    identity = schedule_id(context.network, message.desk)
    if context.state.get(schedule_key(identity)) is not None:
        raise LedgerRefused("handle-taken", "there is a schedule under this key already")
    made = Schedule(message.licence, message.desk, message.lead, message.horizon, message.hold)
    require_open(context, made)
    context.put(schedule_key(identity), made)


def _revise(context: Context, message: ReviseSchedule) -> None:
    require_sound_key(message.desk)
    before = schedule(context.state, message.schedule)
    made = Schedule(message.licence, message.desk, message.lead, message.horizon, message.hold, before.waited, before.waiting)
    require_open(context, made)
    context.put(schedule_key(message.schedule), made)


def _publish(context: Context, message: PublishSlots) -> None:
    if not message.begins < message.ends <= message.begins + LONGEST_PERIOD or message.ends <= context.time:
        raise LedgerRefused("wrong-period", "a page is of a time that is not over, and of at most 32 days")
    standing = 0
    for key in list(context.state.keys(period_key(message.schedule, 0), period_key(message.schedule, 1 << 63))):
        begins, page = int.from_bytes(key[-8:], "big"), load(context.state, key, Period)
        if page is None or page.ends <= context.time or (begins < message.ends and message.begins < page.ends):
            context.state.remove(key)
        else:
            standing += 1
    if standing >= MOST_PERIODS:
        raise LedgerRefused("too-many-pages", f"a schedule has at most {MOST_PERIODS} pages at once")
    context.put(period_key(message.schedule, message.begins), Period(message.ends, message.root, message.count))


def _release(context: Context, message: ReleaseSlots) -> None:
    offer(context, [on_page(context.state, _of_desk(message.schedule, one)) for one in message.slots])


def _of_desk(desk: bytes, one: Any) -> Any:
    if one.schedule != desk:
        raise LedgerRefused("not-at-this-desk", "the slot is not of this schedule")
    return one


# --- the patient


def _hold(context: Context, message: HoldSlots) -> None:
    identity = _new(context, message.patient)
    slots = take(context, identity, message.slots)
    hold = min(schedule(context.state, one.schedule).hold for one in slots)
    until = min(context.time + hold, starts(slots))
    made = Appointment(message.patient, _S.PENDING, context.sponsor, slots, until, context.time)
    count_open(context, context.sponsor, made, 1)
    context.put(appointment_key(identity), made)
    context.at(until, LAPSE, identity)


def _book(context: Context, message: BookAppointment) -> None:
    found = appointment(context.state, message.appointment)
    require_move(TABLE, found.status, BookAppointment, _S.BOOKED)
    for one in found.slots:
        require_open(context, schedule(context.state, one.schedule))
    count_open(context, found.sponsor, found, -1)
    context.at(ends(found.slots) + CLOSED_AFTER, CLOSE, message.appointment)
    _put(context, BookAppointment, message.appointment, found, _S.BOOKED, sponsor=NOBODY, until=0, waiting=None)


def _move(context: Context, message: MoveAppointment) -> None:
    found = appointment(context.state, message.appointment)
    require_move(TABLE, found.status, MoveAppointment, _S.BOOKED)
    _require_not_begun(context, found)
    slots = _instead(context, message.appointment, found, message.slots)
    context.at(ends(slots) + CLOSED_AFTER, CLOSE, message.appointment)
    _put(context, MoveAppointment, message.appointment, found, _S.BOOKED, slots=slots, override=Override.NONE)
    offer(context, found.slots)


def _cancel(context: Context, message: CancelAppointment) -> None:
    found = appointment(context.state, message.appointment)
    if found.status is _S.BOOKED:
        _require_not_begun(context, found)
    _end(context, CancelAppointment, message.appointment, found)


def _join(context: Context, message: JoinWaiting) -> None:
    identity, there = _new(context, message.patient), schedule(context.state, message.schedule)
    require_open(context, there)
    if not max(message.earliest, context.time + 1) <= message.latest <= context.time + there.horizon:
        raise LedgerRefused("wrong-wait", "what is waited for is ahead, and no further than the schedule is open")
    if there.waiting >= MOST_WAITING:
        raise LedgerRefused("waiting-list-full", f"{MOST_WAITING} wait already")
    wanted = Waiting(message.schedule, message.earliest, message.latest, message.kinds, 0, 0)
    waiting = queue(context, identity, wanted)
    made = Appointment(message.patient, _S.WAITLIST, context.sponsor, (), 0, context.time, waiting)
    count_open(context, context.sponsor, made, 1)
    context.put(appointment_key(identity), made)
    context.at(message.latest, CLOSE, identity)


# --- the desk


def _take(context: Context, message: TakeSlots) -> None:
    identity = _new(context, message.patient)
    slots = take(context, identity, message.slots, message.override)
    made = Appointment(message.patient, _S.BOOKED, NOBODY, slots, 0, context.time, None, message.override)
    context.put(appointment_key(identity), made)
    context.at(ends(slots) + CLOSED_AFTER, CLOSE, identity)


def _offer(context: Context, message: OfferSlots) -> None:
    found = _at_desk(context, message)
    require_move(TABLE, found.status, OfferSlots, _S.PENDING)
    slots = _instead(context, message.appointment, found, message.slots)
    lead = max(schedule(context.state, one.schedule).lead for one in slots)
    until = offer_until(starts(slots) - lead, context.time) or starts(slots)
    _put(context, OfferSlots, message.appointment, found, _S.PENDING, slots=slots, until=until, override=Override.NONE)
    context.at(until, LAPSE, message.appointment)
    offer(context, [one for one in found.slots if one.schedule != message.schedule])


def _decline(context: Context, message: DeclineAppointment) -> None:
    found = _at_desk(context, message)
    _end(context, DeclineAppointment, message.appointment, found, by=message.schedule, reason=message.reason)


def _arrive(context: Context, message: ArriveAppointment) -> None:
    found = _at_desk(context, message)
    require_move(TABLE, found.status, ArriveAppointment, _S.ARRIVED)
    if context.time < starts(found.slots) - ARRIVES_WITHIN:
        raise LedgerRefused("not-begun", "it is not today")
    _put(context, ArriveAppointment, message.appointment, found, _S.ARRIVED)
    context.at(max(ends(found.slots), context.time) + CLOSED_AFTER, CLOSE, message.appointment)


def _fulfil(context: Context, message: FulfilAppointment) -> None:
    _put(context, FulfilAppointment, message.appointment, _at_desk(context, message), _S.FULFILLED)


def _miss(context: Context, message: MissAppointment) -> None:
    found = _at_desk(context, message)
    require_move(TABLE, found.status, MissAppointment, _S.NOSHOW)
    if context.time < starts(found.slots):
        raise LedgerRefused("not-begun", "who has time left to come has not missed it")
    _put(context, MissAppointment, message.appointment, found, _S.NOSHOW)


def _at_desk(context: Context, message: Any) -> Appointment:
    found = appointment(context.state, message.appointment)
    if not found.slots:
        raise conflict(found.status)
    if message.schedule not in [one.schedule for one in found.slots]:
        raise LedgerRefused("not-at-this-desk", "the appointment is at another desk")
    return found


# --- time


def _lapse(context: Context, identity: bytes) -> None:
    """Nobody has booked what was held or offered: the seats are free, and whoever had waited waits again, behind all others."""
    found = load(context.state, appointment_key(identity), Appointment)
    if found is None or found.status is not _S.PENDING or context.time < found.until:
        return
    waiting = found.waiting
    if waiting is None or waiting.lapsed + 1 >= MOST_OFFERS or context.time >= waiting.latest:
        _end(context, TIME, identity, found)
        return
    leave(context, identity, found.slots)
    offer(context, found.slots)
    again = queue(context, identity, msgspec.structs.replace(waiting, lapsed=waiting.lapsed + 1))
    _put(context, TIME, identity, found, _S.WAITLIST, slots=(), until=0, waiting=again)


def _close(context: Context, identity: bytes) -> None:
    """Nobody has said what became of it, or nothing fell free while it was waited for."""
    found = load(context.state, appointment_key(identity), Appointment)
    if found is not None and found.status in _CLOSING and context.time >= _closes(found):
        if found.status is _S.ARRIVED:
            _put(context, TIME, identity, found, _S.FULFILLED)
        else:
            _end(context, TIME, identity, found)


_CLOSING = (_S.WAITLIST, _S.BOOKED, _S.ARRIVED)


def _closes(found: Appointment) -> int:
    if not found.slots:
        return 0  # it waits, until the one moment at which this is asked
    since = found.since if found.status is _S.ARRIVED else 0
    return max(ends(found.slots), since) + CLOSED_AFTER


def _forget(context: Context, identity: bytes) -> None:
    found = load(context.state, appointment_key(identity), Appointment)
    if found is not None and found.status in OVER and context.time >= found.since + KEPT:
        leave(context, identity, found.slots)
        context.state.remove(appointment_key(identity))


# --- what moves


def _new(context: Context, patient: bytes) -> bytes:
    require_sound_key(patient)
    identity = appointment_id(context.network, patient)
    if context.state.get(appointment_key(identity)) is not None:
        raise LedgerRefused("handle-taken", "there is an appointment under this key already")
    return identity


def _require_not_begun(context: Context, found: Appointment) -> None:
    if context.time >= starts(found.slots):
        raise LedgerRefused("already-begun", "it has begun")


def _instead(context: Context, identity: bytes, found: Appointment, slots: Any) -> tuple[SeatOf, ...]:
    """These seats in place of those that it has: its own never stand in its way."""
    leave(context, identity, found.slots)
    return take(context, identity, slots)


def _end(context: Context, event: type | str, identity: bytes, found: Appointment, by: bytes = NOBODY, **changed: Any) -> None:
    """It is cancelled; each seat is offered to who waits, but for those of the practice which has cancelled."""
    _put(context, event, identity, found, _S.CANCELLED, sponsor=NOBODY, until=0, **changed)
    count_open(context, found.sponsor, found, -1)
    if found.status is _S.WAITLIST and found.waiting is not None:
        unqueue(context, found.waiting)
    leave(context, identity, found.slots)
    offer(context, [one for one in found.slots if one.schedule != by])


def _put(context: Context, event: type | str, identity: bytes, found: Appointment, to: AppointmentStatus, **changed: Any) -> None:
    """Move an appointment, where the table lets the event do so."""
    require_move(TABLE, found.status, event, to)
    context.put(appointment_key(identity), msgspec.structs.replace(found, status=to, since=context.time, **changed))
    if to in OVER:
        context.at(context.time + KEPT, FORGET, identity)


MODULE = Module(
    "scheduling",
    {
        OpenSchedule: Handler(_licensed, _open),
        ReviseSchedule: Handler(_both_licensed, _revise),
        PublishSlots: Handler(_desk, _publish),
        ReleaseSlots: Handler(_desk, _release),
        HoldSlots: Handler(_fresh, _hold),
        BookAppointment: Handler(_patient, _book),
        MoveAppointment: Handler(_patient, _move),
        CancelAppointment: Handler(_patient, _cancel),
        JoinWaiting: Handler(_fresh, _join),
        TakeSlots: Handler(_desks, _take),
        OfferSlots: Handler(_offering, _offer),
        DeclineAppointment: Handler(_desk, _decline),
        ArriveAppointment: Handler(_desk, _arrive),
        FulfilAppointment: Handler(_desk, _fulfil),
        MissAppointment: Handler(_desk, _miss),
    },
    due={LAPSE: _lapse, CLOSE: _close, FORGET: _forget},
)
