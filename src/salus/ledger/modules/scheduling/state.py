"""What is kept of schedules and appointments, under ``scheduling/`` and ``appointments/``; the table of an appointment's life."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Count
from salus.ledger.listtree import list_proof, list_root
from salus.ledger.modules.scheduling.messages import (
    DAY,
    HOUR,
    LONGEST_SLOT,
    MINUTE,
    MOST_ON_PAGE,
    MOST_SEATS,
    MOST_SLOTS,
    ArriveAppointment,
    BookAppointment,
    CancelAppointment,
    DeclineAppointment,
    DeclineReason,
    FulfilAppointment,
    Hold,
    Horizon,
    Kind,
    Lead,
    MissAppointment,
    MoveAppointment,
    OfferSlots,
    Override,
    ShownSlot,
    Slot,
)
from salus.ledger.workflow import TIME, Table

MOST_PERIODS = 64  # pages of a schedule that stand at once
MOST_WAITING = 32  # on one waiting list
MOST_OFFERS = 3  # that somebody who waits lets lapse
MOST_OPEN = 1_000  # held, offered or waiting, of one sponsor
MOST_OPEN_HERE = 16  # of them at one schedule
MOST_AT_ONE_START = 2 * MOST_SEATS  # seats, with what a desk squeezes in
OFFER_LEAST, OFFER_MOST = 10 * MINUTE, DAY  # for how long a seat is offered: a quarter of the time that is left
ARRIVES_WITHIN = 12 * HOUR  # before the start
CLOSED_AFTER = DAY  # after the end
KEPT = 30 * DAY  # after it is over

NOBODY = bytes(32)

#: The ledger itself offers a seat that fell free to somebody who waits.
OFFER = "offer"


class AppointmentStatus(StrEnum):
    """The codes of FHIR's Appointment."""

    WAITLIST = "waitlist"
    PENDING = "pending"  # held, or offered: until a deadline
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    NOSHOW = "noshow"
    CANCELLED = "cancelled"


_S = AppointmentStatus

#: What moves an appointment, and where to.
TABLE: Table[AppointmentStatus] = {
    _S.WAITLIST: {OFFER: (_S.PENDING,), CancelAppointment: (_S.CANCELLED,), TIME: (_S.CANCELLED,)},
    _S.PENDING: {
        BookAppointment: (_S.BOOKED,),
        CancelAppointment: (_S.CANCELLED,),
        DeclineAppointment: (_S.CANCELLED,),
        TIME: (_S.CANCELLED, _S.WAITLIST),
    },
    _S.BOOKED: {
        MoveAppointment: (_S.BOOKED,),
        OfferSlots: (_S.PENDING,),
        CancelAppointment: (_S.CANCELLED,),
        DeclineAppointment: (_S.CANCELLED,),
        ArriveAppointment: (_S.ARRIVED,),
        MissAppointment: (_S.NOSHOW,),
        TIME: (_S.CANCELLED,),
    },
    _S.ARRIVED: {FulfilAppointment: (_S.FULFILLED,), MissAppointment: (_S.NOSHOW,), TIME: (_S.FULFILLED,)},
    _S.NOSHOW: {ArriveAppointment: (_S.ARRIVED,)},
    _S.FULFILLED: {},
    _S.CANCELLED: {},
}

#: The statuses after which time does nothing more but forget.
OVER = (_S.FULFILLED, _S.NOSHOW, _S.CANCELLED)


class Schedule(Record, frozen=True, tag="schedule"):
    """As `OpenSchedule` says. ``waited``: how many have ever joined its waiting list, ``waiting``: how many are on it."""

    licence: Bytes32
    desk: Bytes32
    lead: Lead
    horizon: Horizon
    hold: Hold
    waited: Count = 0
    waiting: Count = 0


class Period(Record, frozen=True, tag="period"):
    """The page of a schedule from the moment that its key names up to but without ``ends`` (ms)."""

    ends: Count
    root: Bytes32
    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_ON_PAGE)]


class Seat(Record, frozen=True, tag="taken-seat"):
    """One seat that is taken, until ``end`` (ms)."""

    appointment: Bytes32
    end: Count
    kind: Kind


class Seats(Record, frozen=True, tag="seats"):
    """All seats of a schedule that are taken from one moment on."""

    taken: Annotated[tuple[Seat, ...], msgspec.Meta(min_length=1, max_length=MOST_AT_ONE_START)]


class SeatOf(Record, frozen=True, tag="seat-of"):
    """A slot in which an appointment has a seat; ``begins`` and ``root``: the page on which it stood, 0 where on none."""

    schedule: Bytes32
    begins: Count
    root: Bytes32
    slot: Slot


class Waiting(Record, frozen=True, tag="waiting"):
    """What somebody waits for, with which ``number`` of the list; ``lapsed``: offers that were not taken."""

    schedule: Bytes32
    earliest: Count
    latest: Count
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1, max_length=4)]
    number: Count
    lapsed: Annotated[int, msgspec.Meta(ge=0, le=MOST_OFFERS)]


class Appointment(Record, frozen=True, tag="appointment"):
    """``until``: the deadline while it is pending, else 0; ``since``: block time (ms) of its last change.

    ``sponsor``: in whose count it is, of what is held or waited for; else 0. ``slots`` stay when it is cancelled.
    """

    patient: Bytes32
    status: AppointmentStatus
    sponsor: Bytes32
    slots: Annotated[tuple[SeatOf, ...], msgspec.Meta(max_length=MOST_SLOTS)]
    until: Count
    since: Count
    waiting: Waiting | None = None
    override: Override = Override.NONE
    reason: DeclineReason | None = None


class OpenCount(Record, frozen=True, tag="open-count"):
    """How many appointments are held, offered or waited for."""

    count: Count


class Next(Record, frozen=True, tag="next"):
    """Who has a number of a waiting list."""

    appointment: Bytes32


def schedule_id(network: bytes, desk: bytes) -> bytes:
    """The handle of the schedule that was opened for this desk key."""
    return tagged("salus/schedule/1", network, desk)


def appointment_id(network: bytes, patient: bytes) -> bytes:
    """The handle of the appointment of this fresh key."""
    return tagged("salus/appointment/1", network, patient)


def page_root(slots: Sequence[Slot]) -> bytes:
    """What a page is published as: the root over its slots, in their order."""
    return list_root([encode(slot) for slot in slots])


def shown(schedule: bytes, begins: int, slots: Sequence[Slot], index: int) -> ShownSlot:
    """Slot number ``index`` of the page that begins at ``begins``, as whoever takes it shows it."""
    path = list_proof([encode(slot) for slot in slots], index)
    return ShownSlot(schedule, begins, index, path, slots[index])


def offer_until(last: int, now: int) -> int:
    """Until when (ms) a seat is offered that can be taken up to ``last``; 0 where too little is left for anybody to answer."""
    until = now + min(max((last - now) // 4, OFFER_LEAST), OFFER_MOST)
    return until if until <= last else 0


def starts(slots: Sequence[SeatOf]) -> int:
    """When an appointment begins."""
    return min(one.slot.start for one in slots)


def ends(slots: Sequence[SeatOf]) -> int:
    """When an appointment is over."""
    return max(one.slot.end for one in slots)


def schedule_key(schedule: bytes) -> bytes:
    """Where a schedule's leaf stands."""
    return b"scheduling/" + schedule


def period_key(schedule: bytes, begins: int) -> bytes:
    """Where the leaf of its page stands that begins then."""
    return b"scheduling/" + schedule + b"/page/" + begins.to_bytes(8, "big")


def seats_key(schedule: bytes, start: int) -> bytes:
    """Where the leaf of its seats stands that are taken from then on; there is none where none is."""
    return b"scheduling/" + schedule + b"/seat/" + start.to_bytes(8, "big")


def seats_range(schedule: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """Between which keys all seats stand that may overlap the time from ``start`` to ``end``."""
    return seats_key(schedule, max(0, start - LONGEST_SLOT)), seats_key(schedule, end)


def waiting_key(schedule: bytes, number: int) -> bytes:
    """Where it stands who has that number of its waiting list."""
    return b"scheduling/" + schedule + b"/wait/" + number.to_bytes(8, "big")


def appointment_key(appointment: bytes) -> bytes:
    """Where an appointment's leaf stands."""
    return b"appointments/" + appointment


def open_key(sponsor: bytes, schedule: bytes = b"") -> bytes:
    """Where it is counted what a sponsor has open, in all or at one schedule."""
    return b"open/" + sponsor + (b"/" + schedule if schedule else b"")
