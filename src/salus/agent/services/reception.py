"""The desk's side: who comes today, booking by telephone, checking in, and a day on which nobody can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.own_schedules import OwnSchedule, desk_owner, pages_of, schedule_named
from salus.agent.services.appointments import REMEMBERED, look, standing
from salus.agent.services.contacts import find_contact
from salus.agent.services.desk import Booking, DeskInfo, at_desk, desk_info, one_of, own_schedule
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.submitting import submit
from salus.agent.verify import records
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused, Malformed
from salus.exchange.appointing import AppointmentLetter, BookingLetter
from salus.exchange.envelopes import MAX_ENVELOPE, LetterKind
from salus.exchange.schedules import free_seats, shown_slot
from salus.ids import Count
from salus.ledger.modules.scheduling.messages import (
    MOST_SLOTS,
    ArriveAppointment,
    DeclineAppointment,
    DeclineReason,
    FulfilAppointment,
    Kind,
    MissAppointment,
    OfferSlots,
    Override,
    ShownSlot,
    Slot,
    TakeSlots,
)
from salus.ledger.modules.scheduling.state import Appointment, AppointmentStatus, Seats, appointment_id, seats_key
from salus.ledger.tx import Action

MAX_LETTER = 65_536
_TOO_LONG = "a date of birth is written 1980-01-31, a reason has at most 1,000 characters"
#: Refusals of one slot after which the next one is tried.
_ANOTHER = ("slot-taken", "slot-overlaps", "short-notice", "no-such-page", "bad-list-proof", "too-far-ahead")
MOST_TRIED = 24  # free slots that are offered in place of one, before it is cancelled

_S = AppointmentStatus


class DeskJob(Record, frozen=True, tag="desk-job"):
    """A booking by the desk on its way, kept by the hash of the command that asked for it; ``done``: it is to be told alone."""

    booking: Booking
    shown: Annotated[tuple[ShownSlot, ...], msgspec.Meta(min_length=1, max_length=MOST_SLOTS)]
    override: Override
    begun: Count
    done: bool = False


@dataclass(frozen=True)
class Caller:
    """Who telephones or walks in. ``contact``: a contact's name or id, who gets the appointment into the own wallet."""

    name: str
    born: str = ""
    reason: str = ""
    phone: str = ""
    contact: str = ""


# --- commands


def day_list(agent: Agent, name: str, window: tuple[int, int], schedule: str = "") -> tuple[DeskInfo, ...]:
    """Every appointment at this desk that begins in the window (ms), by time: also of who has not introduced themselves."""
    wallet = agent.wallet(name)
    only = schedule_named(agent, wallet, schedule)[0] if schedule else None
    found = [one for one in at_desk(agent, wallet, window) if only in (None, one[0])]
    live = {handle: there for _, handle, there in found if there.status is not _S.CANCELLED}
    infos = [desk_info(agent, wallet, handle, there) for handle, there in live.items()]
    return tuple(sorted(infos, key=lambda info: (info.appointment.begins, info.appointment.appointment)))


def take(agent: Agent, name: str, slots: Sequence[str], caller: Caller, override: Override = Override.NONE) -> DeskInfo:
    """Book for somebody who telephones or walks in. With ``override`` any time: SCHEDULE@START/MINUTES/KIND.

    The same command again after it was cut off completes what it began.
    """
    wallet = agent.wallet(name)
    owner = desk_owner(agent, wallet)
    command = tagged("salus/desk-command/1", owner, *(slot.encode() for slot in slots), caller.name.encode(), override.encode())
    job = agent.store.find(DeskJob, owner, command)
    if job is None or agent.clock() - job.begun > REMEMBERED:
        job = _planned(agent, wallet, slots, caller, override)
        with agent.store.writing():
            agent.store.put(owner, command, job)
    handle = _roll_forward(agent, wallet, command, job)
    send_letters(agent)
    with agent.store.writing():
        agent.store.drop(DeskJob, owner, command)
    return desk_info(agent, wallet, handle, standing(agent, handle), told=job.booking.patient is not None)


def check_in(agent: Agent, name: str, named: str) -> DeskInfo:
    """The patient is there; what was shared for the visit is at hand."""
    return _act(agent, name, named, ArriveAppointment, _S.ARRIVED)


def done(agent: Agent, name: str, named: str) -> DeskInfo:
    """The patient was seen."""
    return _act(agent, name, named, FulfilAppointment, _S.FULFILLED)


def no_show(agent: Agent, name: str, named: str) -> DeskInfo:
    """The patient did not come."""
    return _act(agent, name, named, MissAppointment, _S.NOSHOW)


def cancel_day(
    agent: Agent, name: str, window: tuple[int, int], reason: DeclineReason, words: str, schedule: str = "", *, offer: bool = True
) -> tuple[DeskInfo, ...]:
    """Nobody is seen in the window (ms): each is offered the next free slot behind it, or cancelled, and written to.

    What an earlier command did of it is not done again.
    """
    wallet = agent.wallet(name)
    moved, only = list[DeskInfo](), schedule_named(agent, wallet, schedule)[0] if schedule else None
    for place, handle, there in at_desk(agent, wallet, window):
        if there.status not in (_S.PENDING, _S.BOOKED) or only not in (None, place):
            continue
        own = own_schedule(agent, wallet, place)
        single = offer and there.status is _S.BOOKED and len(there.slots) == 1
        if not single or not _offered(agent, wallet, handle, there, window[1]):
            submit(agent, [DeclineAppointment(handle, place, reason)], [SigningKey(own.desk)])
        told = _write(agent, wallet, handle, own, words)
        moved.append(desk_info(agent, wallet, handle, standing(agent, handle), told=told))
    send_letters(agent)
    return tuple(moved)


def decline(agent: Agent, name: str, named: str, reason: DeclineReason, words: str = "") -> DeskInfo:
    """Cancel one, with a code that everybody sees and words that the patient alone reads."""
    wallet = agent.wallet(name)
    place, handle, there = one_of(agent, wallet, named)
    own = own_schedule(agent, wallet, place)
    if there.status is not _S.CANCELLED:
        submit(agent, [DeclineAppointment(handle, place, reason)], [SigningKey(own.desk)])
    told = _write(agent, wallet, handle, own, words)
    send_letters(agent)
    return desk_info(agent, wallet, handle, standing(agent, handle), told=told)


def resume_desk(agent: Agent) -> None:
    """Complete what earlier commands began; what is done is remembered for a while."""
    for wallet in agent.wallets():
        for command, job in agent.store.all(DeskJob, wallet.person):
            if job.done and agent.clock() - job.begun > REMEMBERED:
                with agent.store.writing():
                    agent.store.drop(DeskJob, wallet.person, command)
            else:
                try:
                    _roll_forward(agent, wallet, command, job)
                except LedgerRefused:
                    continue  # given up, and forgotten


# --- how


def _planned(agent: Agent, wallet: Wallet, slots: Sequence[str], caller: Caller, override: Override) -> DeskJob:
    seed = new_seed()
    handle = appointment_id(agent.network_id, SigningKey(seed).public)
    card = find_contact(agent, caller.contact) if caller.contact else None
    letter = BookingLetter(handle, caller.name, caller.born, caller.reason, caller.phone, None, bytes(64))
    shown = tuple(_shown(agent, wallet, one, override) for one in slots)
    job = DeskJob(Booking(letter, card, seed, agent.clock()), shown, override, agent.clock())
    try:
        return decode(encode(job), DeskJob, limit=MAX_ENVELOPE)
    except Malformed as error:
        raise AgentRefused("bad-booking", _TOO_LONG) from error


def _roll_forward(agent: Agent, wallet: Wallet, command: bytes, job: DeskJob) -> bytes:
    """Taken unless the ledger has it; then kept, and the patient written to, in one step."""
    owner, booking = desk_owner(agent, wallet), job.booking
    handle = booking.letter.appointment
    if job.done or booking.seed is None:
        return handle
    desks = [own_schedule(agent, wallet, one.schedule) for one in job.shown]
    if look(agent, handle) is None:
        action = TakeSlots(SigningKey(booking.seed).public, job.shown, job.override)
        try:
            submit(agent, [action], [SigningKey(own.desk) for own in desks])
        except LedgerRefused:
            with agent.store.writing():
                agent.store.drop(DeskJob, owner, command)
            raise
    with agent.store.writing():
        agent.store.put(owner, handle, booking)
        if booking.patient is not None:
            sender = _sender(agent, wallet, desks[0])
            body = encode(AppointmentLetter(handle, booking.seed, desks[0].signed, ""))
            keep_letter(agent, sender, booking.patient, LetterKind.APPOINTMENT, body)
        agent.store.put(owner, command, msgspec.structs.replace(job, done=True))
    return handle


def _act(agent: Agent, name: str, named: str, kind: type, to: AppointmentStatus) -> DeskInfo:
    """Say it on the ledger, unless it is so already."""
    wallet = agent.wallet(name)
    place, handle, there = one_of(agent, wallet, named)
    if there.status is not to:
        action: Action = kind(handle, place)
        submit(agent, [action], [SigningKey(own_schedule(agent, wallet, place).desk)])
    return desk_info(agent, wallet, handle, standing(agent, handle))


def _offered(agent: Agent, wallet: Wallet, handle: bytes, there: Appointment, after: int) -> bool:
    """Whether the ledger took one of the next free slots of the kind in its place."""
    one = there.slots[0]
    own = own_schedule(agent, wallet, one.schedule)
    for shown in _free(agent, wallet, one.schedule, one.slot, after):
        try:
            submit(agent, [OfferSlots(handle, one.schedule, (shown,))], [SigningKey(own.desk)])
        except LedgerRefused as error:
            if error.code not in _ANOTHER:
                raise
            continue
        return True
    return False


def _free(agent: Agent, wallet: Wallet, schedule: bytes, like: Slot, after: int) -> Iterator[ShownSlot]:
    """The next slots of the desk's own pages with a seat free, of the same kind and as long at least."""
    tried = 0
    for page in pages_of(agent, desk_owner(agent, wallet), schedule):
        fitting = [
            (index, slot)
            for index, slot in enumerate(page.slots)
            if slot.start >= after and slot.kind == like.kind and slot.end - slot.start >= like.end - like.start
        ]
        found, _ = records(agent, [seats_key(schedule, slot.start) for _, slot in fitting], Seats) if fitting else ([], None)
        for (index, slot), seats in zip(fitting, found, strict=True):
            taken = [(slot.start, seat.end, seat.kind) for seat in seats.taken] if seats else []
            if free_seats(slot, taken) and tried < MOST_TRIED:
                tried += 1
                yield shown_slot(page, index)


def _shown(agent: Agent, wallet: Wallet, text: str, override: Override) -> ShownSlot:
    """A slot of the own pages, as `slot_name` names it; or, to be passed over with a reason, any time of the schedule."""
    handle, _, when = text.partition("@")
    start, _, rest = when.partition("/")
    known = [one for one in agent.store.ids(OwnSchedule, desk_owner(agent, wallet)) if one.hex().startswith(handle)]
    if len(handle) < 8 or len(known) != 1 or not start.isdecimal():
        raise AgentRefused("bad-slot", "a slot is named as `salus slots find` names it, and is of a schedule of this desk")
    if rest and override is not Override.NONE:
        minutes, _, kind = rest.partition("/")
        if not minutes.isdecimal() or kind not in tuple(Kind):
            raise AgentRefused("bad-slot", "a time that stands on no page is SCHEDULE@START/MINUTES/KIND")
        return ShownSlot(known[0], 0, 0, (), Slot(int(start), int(start) + int(minutes) * 60_000, 1, Kind(kind)))
    for page in pages_of(agent, desk_owner(agent, wallet), known[0]):
        for index, slot in enumerate(page.slots):
            if slot.start == int(start):
                return shown_slot(page, index)
    raise AgentRefused("no-such-slot", "no slot of this desk begins then")


def _sender(agent: Agent, wallet: Wallet, own: OwnSchedule) -> Wallet:
    """Who writes: whom the schedule is of, where that wallet is of this home."""
    key = own.signed.about.card.card.key
    return next((one for one in agent.wallets() if one.identity.public == key), wallet)


def _write(agent: Agent, wallet: Wallet, handle: bytes, own: OwnSchedule, words: str) -> bool:
    """Write to the patient what the ledger cannot say; whether anybody knows whom to write to."""
    booking = agent.store.find(Booking, desk_owner(agent, wallet), handle)
    if booking is None or booking.patient is None:
        return False
    body = encode(AppointmentLetter(handle, None, own.signed, words))
    with agent.store.writing():
        keep_letter(agent, _sender(agent, wallet, own), booking.patient, LetterKind.APPOINTMENT, body)
    return True
