"""The patient's side: holding, booking, moving, cancelling, waiting; and what became of it, told once.

What is asked for is kept before it is sent, and its handle with it: the same command again, after it was cut off, completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.own_appointments import OwnAppointment, kept
from salus.agent.services.appointments import REMEMBERED, choose, describe, look, standing, standings
from salus.agent.services.booked import AFTER_VISIT, end_consent, give_up, mark, note_waiting, settle
from salus.agent.services.finding import find, offer, slot_name
from salus.agent.services.manifest import sync
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import Wallet
from salus.charts.sections import SectionKind
from salus.codec import decode, encode
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused, Malformed
from salus.exchange.appointing import BookingLetter
from salus.exchange.envelopes import MAX_ENVELOPE
from salus.exchange.schedules import SignedAbout, SlotSearch
from salus.fhir.appointments import AppointmentInfo
from salus.ledger.modules.scheduling.messages import DAY, HoldSlots, JoinWaiting, Kind, MoveAppointment
from salus.ledger.modules.scheduling.state import Appointment, AppointmentStatus, Schedule, appointment_id, ends, schedule_key

_S = AppointmentStatus
_LIVE = (_S.PENDING, _S.BOOKED)


@dataclass(frozen=True)
class Visit:
    """What the practice is told, and what it may read until the visit is over. ``born`` is a FHIR date, or ""."""

    reason: str = ""
    born: str = ""
    phone: str = ""
    share: tuple[SectionKind, ...] = ()
    instead_of: str = ""


@dataclass(frozen=True)
class OwnInfo:
    """An appointment of one's own; ``told``: the practice knows who comes; ``shares``: what it may read till it is over."""

    appointment: AppointmentInfo
    told: bool
    shares: tuple[str, ...]
    waits: bool


# --- commands


def hold(agent: Agent, name: str, slots: Sequence[str]) -> OwnInfo:
    """Hold slots, all of them or none, for some minutes. ``no-such-slot``, ``bad-slot``, and what the ledger refuses."""
    wallet = sync(agent, name)
    handle, own = _held(agent, wallet, slots)
    return _info(agent, handle, own)


def book(agent: Agent, name: str, named: Sequence[str], visit: Visit) -> OwnInfo:
    """Book what is held or offered, or slots as they were found; tell the practice who comes, and let it read what is shared."""
    wallet = sync(agent, name)
    handle, own = _held(agent, wallet, named) if "@" in named[0] else _own(agent, wallet, named[0])
    instead = choose(list(kept(agent, wallet)), visit.instead_of) if visit.instead_of else own.instead_of
    told = own.letter or BookingLetter(handle, wallet.record.name, "", "", "", None, bytes(64))
    said = (visit.born or told.born, visit.reason or told.reason, visit.phone or told.phone)
    letter = BookingLetter(handle, wallet.record.name, *said, None, bytes(64))
    share = visit.share or own.share  # of what was booked before, and is offered at another time, all stays
    own = _sound(msgspec.structs.replace(own, letter=letter, share=share, told=False, instead_of=instead))
    with agent.store.writing():
        agent.store.put(wallet.person, handle, own)
    return _info(agent, handle, settle(agent, wallet, handle, own))


def move(agent: Agent, name: str, named: str, slots: Sequence[str]) -> OwnInfo:
    """These slots in place of what is booked; what the practice may read ends with the new time."""
    wallet = sync(agent, name)
    handle, before = _own(agent, wallet, named)
    own, there = before, standing(agent, handle)
    if not _is_at(there, slots):
        offers = [offer(agent, one) for one in slots]
        shown = tuple(one.shown for one in offers)
        submit(agent, [MoveAppointment(handle, shown)], [SigningKey(own.patient)])
        own = msgspec.structs.replace(own, practices=tuple(one.about for one in offers), shown=shown, told=False)
    moved = standing(agent, handle)
    end_consent(agent, wallet, before, keep_until=ends(moved.slots) + AFTER_VISIT)
    own = msgspec.structs.replace(own, seen=mark(moved))
    with agent.store.writing():
        agent.store.put(wallet.person, handle, own)
    return _info(agent, handle, settle(agent, wallet, handle, own))


def cancel(agent: Agent, name: str, named: str) -> OwnInfo:
    """Cancel what is booked or held, decline an offer, or wait no more. What the practice may read ends."""
    wallet = sync(agent, name)
    handle, own = _own(agent, wallet, named)
    return _info(agent, handle, give_up(agent, wallet, handle, own))


def wait(
    agent: Agent, name: str, schedule: bytes, window: tuple[int, int], kinds: Sequence[Kind], instead_of: str = ""
) -> OwnInfo:
    """Wait for a seat that starts within the window (ms): the ledger offers it, to whoever waits longest, first.

    A window that ends at 0 ends in 30 days, or as far ahead as the schedule is open.
    """
    wallet, wanted = sync(agent, name), tuple(kinds)
    instead = choose(list(kept(agent, wallet)), instead_of) if instead_of else None
    for handle, own in kept(agent, wallet).items():
        if _waits_for(own, schedule, window, wanted) and _recent(agent, own) and _may_go_on(agent, handle):
            return _info(agent, handle, _join(agent, wallet, handle, own))
    there = record(agent, schedule_key(schedule), Schedule)
    if there is None:
        raise LedgerRefused("no-such-schedule", "no schedule of this id")
    latest = window[1] or newest_header(agent).time + min(30 * DAY, there.horizon)
    seed = new_seed()
    public = SigningKey(seed).public
    handle = appointment_id(agent.network_id, public)
    join = JoinWaiting(public, schedule, window[0], latest, wanted)
    own = OwnAppointment(seed, _practice(agent, schedule), (), agent.clock(), join, instead_of=instead)
    with agent.store.writing():
        agent.store.put(wallet.person, handle, own)
    joined = _join(agent, wallet, handle, own)
    note_waiting(agent, wallet, joined)
    return _info(agent, handle, joined)


def own_appointments(agent: Agent, name: str) -> tuple[OwnInfo, ...]:
    """All that the ledger has of one's own, by time."""
    wallet = sync(agent, name)
    known = kept(agent, wallet)
    found = standings(agent, list(known))
    infos = [
        _described(handle, own, there) for (handle, own), there in zip(known.items(), found, strict=True) if there is not None
    ]
    return tuple(sorted(infos, key=lambda info: (info.appointment.begins or 1 << 62, info.appointment.appointment)))


# --- how


def _held(agent: Agent, wallet: Wallet, slots: Sequence[str]) -> tuple[bytes, OwnAppointment]:
    """The appointment that holds just these slots: one that an earlier command began, or a new one."""
    for handle, own in kept(agent, wallet).items():
        same = own.shown and sorted(map(slot_name, own.shown)) == sorted(slots)
        if same and _recent(agent, own) and _may_go_on(agent, handle):
            return handle, _take(agent, wallet, handle, own)
    offers = [offer(agent, one) for one in slots]
    seed = new_seed()
    handle = appointment_id(agent.network_id, SigningKey(seed).public)
    own = OwnAppointment(seed, tuple(one.about for one in offers), tuple(one.shown for one in offers), agent.clock())
    with agent.store.writing():
        agent.store.put(wallet.person, handle, own)
    return handle, _take(agent, wallet, handle, own)


def _waits_for(own: OwnAppointment, schedule: bytes, window: tuple[int, int], kinds: tuple[Kind, ...]) -> bool:
    known = own.wait
    if known is None or (known.schedule, known.earliest, known.kinds) != (schedule, window[0], kinds):
        return False
    return window[1] in (0, known.latest)


def _recent(agent: Agent, own: OwnAppointment) -> bool:
    """Whether it was begun so lately that the same command means the same."""
    return agent.clock() - own.begun < REMEMBERED


def _may_go_on(agent: Agent, handle: bytes) -> bool:
    there = look(agent, handle)
    return there is None or there.status in (*_LIVE, _S.WAITLIST)


def _take(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment) -> OwnAppointment:
    key = SigningKey(own.patient)
    return _ask(agent, wallet, handle, own, HoldSlots(key.public, own.shown))


def _join(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment) -> OwnAppointment:
    return own if own.wait is None else _ask(agent, wallet, handle, own, own.wait)


def _ask(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment, action: HoldSlots | JoinWaiting) -> OwnAppointment:
    """Have the ledger make the appointment, unless it has; what it refuses is forgotten."""
    if look(agent, handle) is None:
        try:
            submit(agent, [action], [SigningKey(own.patient)])
        except LedgerRefused:
            with agent.store.writing():
                agent.store.drop(OwnAppointment, wallet.person, handle)
            raise
    seen = msgspec.structs.replace(own, seen=mark(standing(agent, handle)))
    with agent.store.writing():
        agent.store.put(wallet.person, handle, seen)
    return seen


def _practice(agent: Agent, schedule: bytes) -> tuple[SignedAbout, ...]:
    """What the schedule is about, where a node can prove it by any free slot; else it is known once a seat is offered."""
    now = agent.clock()
    found = find(agent, SlotSearch((), (), None, (), None, 0, schedule, now, now + 400 * DAY, 1))
    return tuple(one.about for one in found.offers)


def _is_at(there: Appointment, slots: Sequence[str]) -> bool:
    """Whether it has just these already: what an earlier command moved is not moved again."""
    return sorted(f"{one.schedule.hex()}@{one.slot.start}" for one in there.slots) == sorted(slots)


def _info(agent: Agent, handle: bytes, own: OwnAppointment) -> OwnInfo:
    return _described(handle, own, standing(agent, handle))


def _described(handle: bytes, own: OwnAppointment, there: Appointment) -> OwnInfo:
    info = describe(handle, there, [signed.about for signed in own.practices])
    return OwnInfo(info, own.told, tuple(kind.value for kind in own.share), own.wait is not None)


def _own(agent: Agent, wallet: Wallet, named: str) -> tuple[bytes, OwnAppointment]:
    known = kept(agent, wallet)
    handle = choose(list(known), named)
    return handle, known[handle]


def _sound(own: OwnAppointment) -> OwnAppointment:
    """As it is read back: what people typed may be too long, or no date."""
    try:
        return decode(encode(own), OwnAppointment, limit=MAX_ENVELOPE)
    except Malformed as error:
        raise AgentRefused(
            "bad-booking", "a date of birth is written 1980-01-31, a reason has at most 1,000 characters"
        ) from error
