"""The next free slots. Whatever a node says is held against the ledger here: it can leave some out, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from salus.agent.home import Agent
from salus.agent.verify import proven
from salus.codec import Record, decode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, SalusError
from salus.exchange.schedules import (
    MOST_FOUND,
    About,
    FoundSlot,
    FoundSlots,
    SignedAbout,
    SlotSearch,
    Spot,
    Wish,
    described,
    free_seats,
    metres_between,
    names_of,
    require_about,
    require_found,
    wanted,
)
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.scheduling.messages import ShownSlot
from salus.ledger.modules.scheduling.state import Period, Schedule, Seats, period_key, schedule_key, seats_key
from salus.ledger.verifying import StateAnswer

_LEAF = 262_144


@dataclass(frozen=True)
class SlotInfo:
    """A slot with a seat free, in plain values: times in ms, ``away`` in metres from where was asked, -1 where nobody knows."""

    slot: str
    begins: int
    ends: int
    kind: str
    free: int
    zone: str
    practitioner: str
    organisation: str
    service: str
    specialties: tuple[str, ...]
    languages: tuple[str, ...]
    telecom: tuple[str, ...]
    place: str
    away: int
    schedule: str


@dataclass(frozen=True)
class Offer:
    """A slot that was proven to be free: what it says, what it is shown to the ledger by, and who offers it."""

    info: SlotInfo
    shown: ShownSlot
    about: SignedAbout


@dataclass(frozen=True)
class Found:
    """What was found and proven, by start; ``dropped`` counts what was not, ``more``: there may be others."""

    offers: tuple[Offer, ...]
    dropped: int
    more: bool


def find(agent: Agent, search: SlotSearch) -> Found:
    """The first slots that are free. Each is proven: its page, whose it is and that the licence is active, and the seats left."""
    answer = agent.network.find_slots(search)
    sound = _sound(agent, answer, search)
    answers, header = proven(agent, [key for found, about in sound for key in _keys(found, about.about)])
    offers = list[Offer]()
    for number, (found, signed) in enumerate(sound):
        with suppress(SalusError):
            free = _require_free(found, signed.about, answers[4 * number : 4 * number + 4], header.time)
            offers.append(Offer(_info(found, signed.about, free, search.near), found.shown, signed))
    return Found(tuple(offers), len(answer.slots) - len(offers), answer.more)


def offer(agent: Agent, named: str) -> Offer:
    """The slot of this id, free and proven now; ``no-such-slot`` where it is not, ``bad-slot`` where that is no slot's id."""
    read = re.fullmatch(r"([0-9a-f]{64})@([0-9]{1,15})", named)
    if read is None:
        raise AgentRefused("bad-slot", "a slot is named as `salus slots find` names it")
    start = int(read[2])
    found = find(agent, SlotSearch((), (), None, (), None, 0, bytes.fromhex(read[1]), start, start + 1, 1))
    if not found.offers:
        raise AgentRefused("no-such-slot", "there is no such slot, or no seat is free in it any more")
    return found.offers[0]


def slot_name(shown: ShownSlot) -> str:
    """How a slot is named in commands."""
    return f"{shown.schedule.hex()}@{shown.slot.start}"


def _sound(agent: Agent, answer: FoundSlots, search: SlotSearch) -> list[tuple[FoundSlot, SignedAbout]]:
    """What verifies by itself and is what was asked for, each once."""
    wish, good, kept = Wish(search), dict[int, SignedAbout](), dict[str, tuple[FoundSlot, SignedAbout]]()
    for number, signed in enumerate(answer.abouts):
        with suppress(SalusError):
            if wish.suits(described(require_about(signed, agent.network_id))):
                good[number] = signed
    for found in answer.slots[:MOST_FOUND]:
        about = good.get(found.about)
        if about is not None and found.shown.schedule == about.about.schedule and wanted(found.shown.slot, search):
            kept[slot_name(found.shown)] = (found, about)
    return sorted(kept.values(), key=lambda one: one[0].shown.slot.start)


def _keys(found: FoundSlot, about: About) -> tuple[bytes, ...]:
    shown = found.shown
    page, seats = period_key(shown.schedule, shown.begins), seats_key(shown.schedule, shown.slot.start)
    return schedule_key(shown.schedule), page, seats, licence_key(about.licence)


def _require_free(found: FoundSlot, about: About, answers: Sequence[StateAnswer], now: int) -> int:
    """How many seats are free; ``slot-not-proven`` unless the ledger has all that is said of the slot, and it can be taken."""
    shapes: tuple[type[Record], ...] = (Schedule, Period, Seats, Licence)
    read = [None if a.value is None else decode(a.value, shape, limit=_LEAF) for a, shape in zip(answers, shapes, strict=True)]
    match read:
        case [Schedule() as schedule, Period() as page, seats, Licence() as licence]:
            slot = require_found(found, about, page.root)
            card = about.card.card
            theirs = (licence.person, licence.holder) == (person_id(card.key), card.key.ed25519)
            genuine = theirs and schedule.licence == about.licence and found.count == page.count
            active = status_at(licence, now) is LicenceStatus.ACTIVE
            timely = now + max(schedule.lead, 1) <= slot.start <= now + schedule.horizon
            of_page = found.shown.begins <= slot.start < page.ends
            taken = [(slot.start, seat.end, seat.kind) for seat in seats.taken] if isinstance(seats, Seats) else []
            free = free_seats(slot, taken)
            if genuine and active and timely and of_page and free:
                return free
    raise AgentRefused("slot-not-proven", "the ledger does not say that the slot is free")


def _info(found: FoundSlot, about: About, free: int, near: Spot | None) -> SlotInfo:
    slot = found.shown.slot
    away = metres_between(near, about.spot) if near is not None and about.spot is not None else -1
    return SlotInfo(
        slot_name(found.shown),
        slot.start,
        slot.end,
        slot.kind.value,
        free,
        about.zone,
        *names_of(about),
        about.service,
        about.specialties,
        about.languages,
        about.telecom,
        about.place,
        away,
        about.schedule.hex(),
    )
