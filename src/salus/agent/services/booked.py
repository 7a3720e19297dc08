"""What becomes of one's own appointments: booked, shared and told, each once; ended; and news of it, from the ledger itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from salus.agent.home import Agent
from salus.agent.own_appointments import OwnAppointment, kept
from salus.agent.services.appointments import describe, standing, standings
from salus.agent.services.contacts import add_contact
from salus.agent.services.granting import access, grant
from salus.agent.services.manifest import plan_notes, sync
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.services.revoking import revoke
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.services.submitting import submit
from salus.agent.wallet import Wallet
from salus.codec import decode, encode
from salus.crypto.signing import SigningKey, person_id
from salus.errors import AgentRefused, LedgerRefused, SalusError, WarrantRefused
from salus.exchange.appointing import AppointmentLetter, sign_booking
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.hours import local_time
from salus.exchange.schedules import About, SignedAbout, require_about, require_page, root_of
from salus.fhir.appointments import AppointmentInfo
from salus.ledger.modules.scheduling.messages import BookAppointment, CancelAppointment
from salus.ledger.modules.scheduling.state import NOBODY, Appointment, AppointmentStatus, ends
from salus.warrants.link import Purpose, Right

AFTER_VISIT = 2 * 3_600_000  # ms for which the consent of a visit goes on after its planned end
MAX_LETTER = 262_144

_S = AppointmentStatus
_ENDED = (_S.CANCELLED.value, _S.FULFILLED.value)  # of which no news comes any more


@dataclass(frozen=True)
class News:
    """Something that became of an appointment: ``since`` (ms), in words, and of which practice and person."""

    appointment: str
    since: int
    text: str
    practice: str
    person: str


# --- done once


def settle(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment) -> OwnAppointment:
    """Booked on the ledger, then what it is instead of is cancelled; then shared, then told by letter, each once."""
    told = own.letter
    if told is None:
        return own
    if standing(agent, handle).status is not _S.BOOKED:
        submit(agent, [BookAppointment(handle)], [SigningKey(own.patient)])
    there = standing(agent, handle)
    practices = practices_of(agent, own, there)
    own = msgspec.structs.replace(own, practices=practices)
    instead = kept(agent, wallet).get(own.instead_of or b"")
    if own.instead_of and instead:
        with suppress(LedgerRefused):  # it is over: nothing is left to be given back
            give_up(agent, wallet, own.instead_of, instead)
    end_consent(agent, wallet, own, keep_until=ends(there.slots) + AFTER_VISIT)  # of a time that the practice could not keep
    shared = _share(agent, wallet, own, there)
    done = msgspec.structs.replace(own, grants=tuple(shared.values()), told=True, seen=mark(there))
    noted = plan_notes(agent, sync(agent, wallet.record.name), [done])
    with agent.store.writing():
        for signed in _each(practices):
            letter = msgspec.structs.replace(told, grant=shared.get(person_id(signed.about.card.card.key)))
            signed_letter = sign_booking(SigningKey(own.patient), letter, wallet.person)
            keep_letter(agent, wallet, signed.about.card, LetterKind.BOOKING, encode(signed_letter))
        agent.store.put(wallet.person, handle, done)
        agent.store.put(b"", noted.batch, noted)
    roll_forward(agent, noted, silent)
    send_letters(agent)
    return done


def note_waiting(agent: Agent, wallet: Wallet, own: OwnAppointment) -> None:
    """Let one's other devices know that one waits."""
    noted = plan_notes(agent, sync(agent, wallet.record.name), [own])
    with agent.store.writing():
        agent.store.put(b"", noted.batch, noted)
    roll_forward(agent, noted, silent)


def _share(agent: Agent, wallet: Wallet, own: OwnAppointment, there: Appointment) -> dict[bytes, bytes]:
    """One consent for each practice, until shortly after the visit; the one that an earlier command gave counts."""
    until, name, given = ends(there.slots) + AFTER_VISIT, wallet.record.name, dict[bytes, bytes]()
    for signed in _each(own.practices) if own.share else ():
        with suppress(AgentRefused):  # a newer card is known
            add_contact(agent, signed.about.card)
        reader = person_id(signed.about.card.card.key)
        known = [info.grant for info in access(agent, name, reader.hex()) if info.until == until and info.status == "active"]
        if known:
            given[reader] = bytes.fromhex(known[0])
            continue
        try:
            made = grant(
                agent,
                name,
                reader.hex(),
                sections=own.share,
                rights=(Right.READ,),
                purposes=(Purpose.TREAT,),
                until_ms=until,
            )
        except AgentRefused as error:
            if error.code != "nothing-to-grant":
                raise
            continue
        given[reader] = bytes.fromhex(made.grant)
    return given


def end_consent(agent: Agent, wallet: Wallet, own: OwnAppointment, keep_until: int = 0) -> None:
    """End what was shared for a visit that is not then (but for what ends at ``keep_until``, in ms), or not at all."""
    name = wallet.record.name
    given = {info.grant: info for info in access(agent, name)} if own.grants else {}
    for identity in own.grants:
        info = given.get(identity.hex())
        if info is not None and info.status == "active" and info.until != keep_until:
            revoke(agent, name, info.grant)


def give_up(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment) -> OwnAppointment:
    """Cancel it on the ledger, unless it is; and end what was shared for it."""
    if standing(agent, handle).status is not _S.CANCELLED:
        submit(agent, [CancelAppointment(handle)], [SigningKey(own.patient)])
    done = msgspec.structs.replace(own, seen=mark(standing(agent, handle)), told=True)
    with agent.store.writing():
        agent.store.put(wallet.person, handle, done)
    end_consent(agent, wallet, own)
    return done


def _each(practices: Sequence[SignedAbout]) -> list[SignedAbout]:
    """One for each person: two schedules of the same are told once."""
    return list({signed.about.card.card.mailbox: signed for signed in practices}.values())


def practices_of(agent: Agent, own: OwnAppointment, there: Appointment) -> tuple[SignedAbout, ...]:
    """Whose schedules it is at now: what is not known yet, as of an offer, is on the page that the ledger has the root of."""
    known = {signed.about.schedule: signed for signed in own.practices}
    for one in there.slots:
        if one.schedule not in known and one.root != NOBODY:
            with suppress(SalusError):
                page = agent.network.page(one.root)
                if root_of(page) == one.root and require_page(page, agent.network_id).schedule == one.schedule:
                    known[one.schedule] = page.about
    at = [known[one.schedule] for one in there.slots if one.schedule in known]
    return tuple(dict.fromkeys(at)) or own.practices


def mark(there: Appointment) -> str:
    """What tells whether anything has become of it since."""
    return f"{there.status.value} {there.slots[0].slot.start if there.slots else 0}"


# --- letters, and news


def take_letter(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """What a practice says of an appointment; one that its desk has booked is taken over. ``wrong-sender``: it is not theirs."""
    sent = decode(letter.body, AppointmentLetter, limit=MAX_LETTER)
    about = require_about(sent.signed, agent.network_id)
    there = standing(agent, sent.appointment)
    known = kept(agent, wallet).get(sent.appointment)
    theirs = about.schedule in [one.schedule for one in there.slots] or (known is not None and _knows(known, about))
    ours = known is not None or (sent.patient is not None and SigningKey(sent.patient).public == there.patient)
    if not theirs or not ours or not _of_practice(letter, about):
        raise WarrantRefused("wrong-sender", "the letter is about no appointment of the reader's at the sender's")
    if known is None and sent.patient is not None:
        own = OwnAppointment(sent.patient, (sent.signed,), (), agent.clock(), told=True, seen=mark(there))
        agent.store.put(wallet.person, sent.appointment, own)
    words = f": {sent.words}" if sent.words else ""
    what = "has booked" if known is None else "writes about"
    return f"{about.service} {what} the appointment {sent.appointment.hex()[:12]}{words}"


def news(agent: Agent, wallet: Wallet) -> list[News]:
    """What has become of one's own appointments since this was last asked. The ledger says it: no practice need have written."""
    known = {handle: own for handle, own in kept(agent, wallet).items() if own.seen.partition(" ")[0] not in _ENDED}
    told = list[News]()
    for (handle, own), there in zip(known.items(), standings(agent, list(known)), strict=True):
        if there is None or not own.seen or mark(there) == own.seen:
            continue
        card = own.practices[0].about.card.card
        info = describe(handle, there, [one.about for one in own.practices])
        told.append(
            News(info.appointment, there.since, _said(own, info), own.practices[0].about.service, person_id(card.key).hex())
        )
        with agent.store.writing():
            agent.store.put(wallet.person, handle, msgspec.structs.replace(own, seen=mark(there)))
        if there.status in (_S.CANCELLED, _S.FULFILLED):
            end_consent(agent, wallet, own)
    return told


def resume_bookings(agent: Agent) -> None:
    """Complete what earlier commands began: what was held and is to be booked, and whom a practice is still to be told of."""
    for wallet in agent.wallets():
        for handle, own in kept(agent, wallet).items():
            if own.letter is not None and not own.told:
                _go_on(agent, wallet, handle, own)


def _go_on(agent: Agent, wallet: Wallet, handle: bytes, own: OwnAppointment) -> None:
    """Settle it; what cannot be booked any more is not tried again."""
    with suppress(LedgerRefused):
        if standing(agent, handle).status in (_S.PENDING, _S.BOOKED):
            settle(agent, wallet, handle, own)
            return
    with agent.store.writing():
        agent.store.put(wallet.person, handle, msgspec.structs.replace(own, told=True))


def _knows(known: OwnAppointment, about: About) -> bool:
    return about.schedule in [signed.about.schedule for signed in known.practices]


def _of_practice(letter: Letter, about: About) -> bool:
    """Whether the sender is whom the schedule is of, by the key that it is signed by."""
    return person_id(letter.sender.card.key) == person_id(about.card.card.key)


def _said(own: OwnAppointment, info: AppointmentInfo) -> str:
    """What has become of it, as people say it."""
    short, zone = info.appointment[:12], info.places[0].zone if info.places else "UTC"
    at = local_time(zone, info.begins) if info.begins else ""
    of = f" of {at}" if at else ""
    if info.status == "pending":
        asked = "A place is offered" if own.wait is not None and not own.letter else "The practice offers another time"
        until = local_time(zone, info.until)
        return f"{asked}{f', {at}' if at else ''}: book it until {until}, or cancel it: salus appt book {short}"
    return {
        "waitlist": f"The offer has lapsed: you wait again, behind all others: appointment {short}",
        "booked": f"The appointment{of} is booked: {short}",
        "arrived": f"You are checked in for the appointment{of}: {short}",
        "fulfilled": f"The visit{of} is over: appointment {short}",
        "noshow": f"The practice has noted that you did not come to the appointment{of}: {short}",
        "cancelled": f"The appointment{of} is cancelled{f' by the practice: {info.reason}' if info.reason else ''}: {short}",
    }[info.status]
