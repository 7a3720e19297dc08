"""What a desk knows of the appointments at its schedules: from the ledger who has a seat, from letters who that is."""

from __future__ import annotations

from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.own_schedules import OwnSchedule, desk_owner, pages_of
from salus.agent.services.appointments import choose, describe, standing, standings
from salus.agent.services.received import ReceivedGrant
from salus.agent.verify import records
from salus.agent.wallet import Wallet
from salus.charts.grant import Grant
from salus.charts.granting import MAX_GRANT
from salus.codec import Record, decode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, WarrantRefused
from salus.exchange.appointing import BookingLetter, require_booking
from salus.exchange.cards import SignedCard
from salus.exchange.envelopes import Letter
from salus.exchange.hours import local_time
from salus.fhir.appointments import AppointmentInfo
from salus.ids import Bytes32, Count
from salus.ledger.modules.scheduling.messages import DAY
from salus.ledger.modules.scheduling.state import Appointment, Seats, seats_key

MAX_LETTER = 65_536


class Booking(Record, frozen=True, tag="booking"):
    """What the desk knows of an appointment, by its handle, under `desk_owner`: who comes, and why.

    ``patient``: whose letter it was, or to whom the desk has written. ``seed``: of its key, where the desk has booked it.
    """

    letter: BookingLetter
    patient: SignedCard | None
    seed: Bytes32 | None
    came: Count


@dataclass(frozen=True)
class DeskInfo:
    """An appointment at this desk. ``name`` is "" where nobody has introduced themselves yet.

    ``shared``: sections that the patient lets be read for the visit; ``told``: the patient is written to.
    """

    appointment: AppointmentInfo
    name: str
    born: str
    reason: str
    phone: str
    shared: tuple[str, ...]
    told: bool = False


def take_booking(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep who comes, once the ledger was seen to have the appointment at a schedule of this desk; in words, who.

    ``wrong-sender`` where it is not; `bad-signature` where somebody else introduces themselves than has its key.
    """
    sent = decode(letter.body, BookingLetter, limit=MAX_LETTER)
    owner = desk_owner(agent, wallet)
    there = standing(agent, sent.appointment)
    here = dict(agent.store.all(OwnSchedule, owner))
    known = agent.store.find(Booking, owner, sent.appointment)
    require_booking(sent, there.patient, person_id(letter.sender.card.key))
    times = [(here[one.schedule], one.slot.start) for one in there.slots if one.schedule in here]
    if not times:
        raise WarrantRefused("wrong-sender", "the letter is about no appointment at this desk")
    kept = Booking(sent, letter.sender, known.seed if known else None, agent.clock())
    agent.store.put(owner, sent.appointment, kept)
    schedule, start = times[0]
    at = local_time(schedule.signed.about.zone, start)
    return f"{sent.name} comes on {at} ({schedule.name}): appointment {sent.appointment.hex()[:12]}"


def at_desk(agent: Agent, wallet: Wallet, window: tuple[int, int]) -> list[tuple[bytes, bytes, Appointment]]:
    """(schedule, appointment, as it stands) of all that begin in the window (ms): by the pages' seats, and by what is known."""
    owner, places, handles = desk_owner(agent, wallet), list[bytes](), agent.store.ids(Booking, desk_owner(agent, wallet))
    for schedule in agent.store.ids(OwnSchedule, owner):
        begins = {slot.start for page in pages_of(agent, owner, schedule) for slot in page.slots}
        places += [seats_key(schedule, start) for start in sorted(begins) if window[0] <= start < window[1]]
    seats = records(agent, places, Seats)[0] if places else []
    handles += [seat.appointment for one in seats if one for seat in one.taken]
    here, unique = set(agent.store.ids(OwnSchedule, owner)), list(dict.fromkeys(handles))
    return [
        (one.schedule, handle, there)
        for handle, there in zip(unique, standings(agent, unique), strict=True)
        for one in (there.slots if there else ())
        if there is not None and one.schedule in here and window[0] <= one.slot.start < window[1]
    ]


def one_of(agent: Agent, wallet: Wallet, named: str) -> tuple[bytes, bytes, Appointment]:
    """The appointment that ``named`` is, or begins, of those that are known here or are of these days."""
    now, owner = agent.clock(), desk_owner(agent, wallet)
    near = [handle for _, handle, _ in at_desk(agent, wallet, (now - 2 * DAY, now + 2 * DAY))]
    handle = choose([*agent.store.ids(Booking, owner), *near], named)
    there, here = standing(agent, handle), set(agent.store.ids(OwnSchedule, owner))
    for one in there.slots:
        if one.schedule in here:
            return one.schedule, handle, there
    raise AgentRefused("no-such-appointment", "the appointment is at no desk of this home any more")


def own_schedule(agent: Agent, wallet: Wallet, schedule: bytes) -> OwnSchedule:
    """The schedule of that handle; ``no-such-schedule`` where it is of no desk of this home."""
    own = agent.store.find(OwnSchedule, desk_owner(agent, wallet), schedule)
    if own is None:
        raise AgentRefused("no-such-schedule", "no schedule of that name was published here")
    return own


def desk_info(agent: Agent, wallet: Wallet, handle: bytes, there: Appointment, *, told: bool = False) -> DeskInfo:
    """In plain values, with what is known here of who comes."""
    owner = desk_owner(agent, wallet)
    abouts = [own.signed.about for _, own in agent.store.all(OwnSchedule, owner)]
    booking = agent.store.find(Booking, owner, handle)
    info = describe(handle, there, abouts)
    if booking is None:
        return DeskInfo(info, "", "", "", "", (), told)
    letter = booking.letter
    return DeskInfo(info, letter.name, letter.born, letter.reason, letter.phone, _shared(agent, letter), told)


def _shared(agent: Agent, letter: BookingLetter) -> tuple[str, ...]:
    """The sections that somebody of this home may read for the visit."""
    for wallet in agent.wallets() if letter.grant else ():
        received = agent.store.find(ReceivedGrant, wallet.person, letter.grant or b"")
        if received is not None:
            return tuple(part.kind.value for part in decode(received.grant, Grant, limit=MAX_GRANT).sections)
    return ()
