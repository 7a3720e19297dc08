"""What may be asked of schedules and appointments: handles, keys, times and codes. No name is in it, and no reason in words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # ms
MOST_SEATS = 64  # of one slot
MOST_SLOTS = 8  # of one appointment
MOST_ON_PAGE = 4_096  # slots of one period
LONGEST_SLOT = DAY
LONGEST_PERIOD = 32 * DAY

Lead = Annotated[int, msgspec.Meta(ge=0, le=90 * DAY)]
Horizon = Annotated[int, msgspec.Meta(ge=HOUR, le=400 * DAY)]
Hold = Annotated[int, msgspec.Meta(ge=MINUTE, le=HOUR)]


class Kind(StrEnum):
    """Where somebody is seen; wire values are stable."""

    VISIT = "visit"
    HOME = "home"
    VIDEO = "video"
    PHONE = "phone"


class Override(StrEnum):
    """Why a desk takes what nobody else could have; wire values are stable."""

    NONE = "none"
    URGENT = "urgent"  # it cannot wait
    SQUEEZED = "squeezed"  # it is short, and goes between two others
    RETURN = "return"  # the physician has asked for it
    CORRECTION = "correction"  # it was so agreed, and is not so on the ledger


class DeclineReason(StrEnum):
    """Why a practice cancels; wire values are stable."""

    CLOSED = "closed"
    ABSENT = "absent"  # whoever was to see the patient
    EMERGENCY = "emergency"
    NOT_SUITABLE = "not-suitable"
    PATIENT_REQUEST = "patient-request"
    ERROR = "error"


class Slot(Record, frozen=True, tag="time-slot"):
    """A time at which ``seats`` people are seen; from ``start`` up to but without ``end`` (ms)."""

    start: Count
    end: Count
    seats: Annotated[int, msgspec.Meta(ge=1, le=MOST_SEATS)]
    kind: Kind


class ShownSlot(Record, frozen=True, tag="shown-slot"):
    """A slot, and that it is number ``index`` of the page of ``schedule`` whose period begins at ``begins`` (ms)."""

    schedule: Bytes32
    begins: Count
    index: Annotated[int, msgspec.Meta(ge=0, lt=MOST_ON_PAGE)]
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=12)]
    slot: Slot


Shown = Annotated[tuple[ShownSlot, ...], msgspec.Meta(min_length=1, max_length=MOST_SLOTS)]


# --- the practice's schedule


class OpenSchedule(Record, frozen=True, tag="open-schedule"):
    """By the holder of ``licence``, for the fresh key ``desk``, by which everybody at the desk goes on.

    In ms: a slot is taken at least ``lead`` and at most ``horizon`` before its start, and held for ``hold``.
    """

    licence: Bytes32
    desk: Bytes32
    lead: Lead
    horizon: Horizon
    hold: Hold


class ReviseSchedule(Record, frozen=True, tag="revise-schedule"):
    """Other terms, another desk key, another licence. By the holders of the licence that it had, and of the one that it gets."""

    schedule: Bytes32
    licence: Bytes32
    desk: Bytes32
    lead: Lead
    horizon: Horizon
    hold: Hold


class PublishSlots(Record, frozen=True, tag="publish-slots"):
    """The ``count`` slots from ``begins`` up to but without ``ends`` (ms) are those under ``root``, and no others. By the desk.

    It takes the place of every page that was of any of that time. What was taken under those stays taken.
    """

    schedule: Bytes32
    begins: Count
    ends: Count
    root: Bytes32
    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_ON_PAGE)]


class ReleaseSlots(Record, frozen=True, tag="release-slots"):
    """Each of these has a seat free: it is offered to the first who waits for such a one. By the desk."""

    schedule: Bytes32
    slots: Shown


# --- the patient's appointment


class HoldSlots(Record, frozen=True, tag="hold-slots"):
    """All of the slots, or none, for the fresh key ``patient``, for a short time. By that key."""

    patient: Bytes32
    slots: Shown


class BookAppointment(Record, frozen=True, tag="book-appointment"):
    """What is held, or was offered, is wanted. By the patient's key."""

    appointment: Bytes32


class MoveAppointment(Record, frozen=True, tag="move-appointment"):
    """These slots in place of those that it has, or nothing. By the patient's key."""

    appointment: Bytes32
    slots: Shown


class CancelAppointment(Record, frozen=True, tag="cancel-appointment"):
    """It is not wanted any more: booked, held, offered or waiting. By the patient's key."""

    appointment: Bytes32


class JoinWaiting(Record, frozen=True, tag="join-waiting"):
    """A seat is wanted that starts between ``earliest`` and ``latest`` (ms), of one of these kinds. By the key ``patient``."""

    patient: Bytes32
    schedule: Bytes32
    earliest: Count
    latest: Count
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1, max_length=4)]


# --- the practice's desk


class TakeSlots(Record, frozen=True, tag="take-slots"):
    """The desk books for somebody who telephones or walks in, by the fresh key ``patient``. By the desk of each schedule.

    With a reason in ``override`` the slots need stand on no page, and may overlap, be full, and be close at hand.
    """

    patient: Bytes32
    slots: Shown
    override: Override


class OfferSlots(Record, frozen=True, tag="offer-slots"):
    """The practice cannot keep what is booked, and offers these in its place, until the patient books them. By a desk of it."""

    appointment: Bytes32
    schedule: Bytes32
    slots: Shown


class DeclineAppointment(Record, frozen=True, tag="decline-appointment"):
    """The practice cancels. By the desk of ``schedule``, at which the appointment is."""

    appointment: Bytes32
    schedule: Bytes32
    reason: DeclineReason


class ArriveAppointment(Record, frozen=True, tag="arrive-appointment"):
    """The patient is there. By the desk."""

    appointment: Bytes32
    schedule: Bytes32


class FulfilAppointment(Record, frozen=True, tag="fulfil-appointment"):
    """The patient was seen. By the desk."""

    appointment: Bytes32
    schedule: Bytes32


class MissAppointment(Record, frozen=True, tag="miss-appointment"):
    """The patient did not come. By the desk, once it has begun."""

    appointment: Bytes32
    schedule: Bytes32
