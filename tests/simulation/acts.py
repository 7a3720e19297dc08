"""What people and operators do: each act is one call of a service, as a command of the command line makes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from salus.agent.given import given_grants
from salus.agent.services import (
    charting,
    delegating,
    erasing,
    granting,
    inbox,
    licensing,
    manifest,
    pairing,
    proving,
    receipting,
    revoking,
    rotating,
    staffing,
    writing,
)
from salus.agent.services.received import received_grants
from salus.charts.grant import Grant
from salus.charts.sections import SectionKind
from salus.exchange.cards import Duty
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.warrants.link import Purpose, Right
from simulation.reading_model import Asked
from simulation.world import HOUR, NURSE, OWNERS, PEOPLE, READERS, Home, problem, take_in, vital

VITALS, PROBLEMS, DOCUMENTS = SectionKind.VITALS, SectionKind.PROBLEMS, SectionKind.DOCUMENTS
KINDS = (VITALS, PROBLEMS, DOCUMENTS)


class NothingToDo(Exception):
    """There is nothing yet that the act could be done to."""


@dataclass
class Doing:
    """An act as it is done: who does it where, what is left to chance, and what is told to the model beforehand."""

    home: Home
    chance: Random
    number: int
    asks: Callable[[Asked], None]
    removes: Callable[[str, str, str], None]

    @property
    def person(self) -> str:
        """Who acts: the patient, the physician, or the practice."""
        return OWNERS.get(self.home.name) or READERS[self.home.name]

    @property
    def agent(self) -> Any:
        """The agent that acts."""
        return self.home.agent


def add(doing: Doing) -> object:
    """Import one or two resources: new ones, or newer versions of known ones."""
    make = doing.chance.choice((vital, problem))
    names = doing.chance.sample(("a", "b"), doing.chance.choice((1, 1, 2)))
    return take_in(doing.agent, doing.person, *(make(f"{make.__name__}-{name}", doing.number) for name in names))


def grant(doing: Doing) -> object:
    """Grant a snapshot, a standing right, one from now on, the right to append, or both."""
    chance = doing.chance
    reader = chance.choice(sorted(READERS.values()))
    kinds = tuple(chance.sample(KINDS, chance.choice((1, 1, 2))))
    standing, history = chance.choice(((False, False), (True, True), (True, False)))
    rights = chance.choice(((Right.READ,), (Right.READ, Right.APPEND), (Right.READ, Right.APPEND), (Right.APPEND,)))
    until = doing.agent.clock() + chance.choice((1, 3, 24, 24 * 30)) * HOUR + chance.randrange(HOUR)
    doing.asks(Asked(doing.person, reader, kinds, Right.READ in rights, standing, history, until))
    return granting.grant(
        doing.agent,
        doing.person,
        reader,
        sections=kinds,
        rights=rights,
        purposes=(Purpose.TREAT,),
        until_ms=until,
        lasting=granting.Lasting(standing, history),
    )


def revoke(doing: Doing) -> object:
    """Revoke one grant, or all of one reader."""
    wallet = doing.agent.wallet(doing.person)
    given = given_grants(doing.agent, wallet)
    if not given:
        raise NothingToDo
    kept, made = doing.chance.choice(given)
    if doing.chance.random() < 0.7:
        return revoking.revoke(doing.agent, doing.person, grant=made.grant.hex())
    return revoking.revoke(doing.agent, doing.person, reader=kept.reader.card.name)


def rotate(doing: Doing) -> object:
    """Rotate one section."""
    return rotating.rotate(doing.agent, doing.person, doing.chance.choice((VITALS, VITALS, SectionKind.MANIFEST)))


def erase(doing: Doing) -> object:
    """Erase one resource, or a whole entry."""
    shown = charting.open_chart(doing.agent, doing.person, doing.person).shown
    if not shown:
        raise NothingToDo
    version = doing.chance.choice(shown)
    named = version.identity[1] if doing.chance.random() < 0.8 else version.header.entry.hex()
    return erasing.erase(doing.agent, doing.person, named)


def chart(doing: Doing) -> object:
    """Open a chart, one's own or a patient's: whose it is, and what was shown."""
    own = doing.home.name in OWNERS
    reader = doing.person if own else doing.chance.choice(sorted(PEOPLE[doing.home.name]))
    patient = doing.person if own else _held(doing)[1]
    return patient, charting.open_chart(doing.agent, reader, patient)


def note(doing: Doing) -> object:
    """Write into a section that one may write into; amend, or mark as entered in error, what one wrote before."""
    author = NURSE if doing.home.name == "clinic" else doing.person
    given, patient = _held(doing, Right.APPEND)
    kind = doing.chance.choice([part.kind for part in given.sections])
    way = doing.chance.choice(("new", "new", "amend", "error"))
    identity, older = f"written-{doing.number}", None
    if way != "new":
        person = doing.agent.wallet(author).person
        shown = charting.open_chart(doing.agent, author, patient).shown
        mine = [v for v in shown if v.header.author == person and v.section is kind]
        if not mine:
            raise NothingToDo
        older = doing.chance.choice(mine)
        identity = older.identity[1].partition("/")[2]
    data = f"note {doing.number}".encode()
    if kind is not DOCUMENTS:
        data = json.dumps((vital if kind is VITALS else problem)(identity, doing.number)).encode()
    return writing.write_note(
        doing.agent,
        author,
        patient,
        b"" if way == "error" else data,
        amends=older.header.entry.hex() if older and way == "amend" else None,
        entered_in_error=older.header.entry.hex() if older and way == "error" else None,
    )


def letters(doing: Doing) -> object:
    """Collect what has come."""
    return [inbox.collect(doing.agent, name) for name in sorted(PEOPLE[doing.home.name])]


def receipts(doing: Doing) -> object:
    """See who read what."""
    return receipting.receipts(doing.agent, doing.person)


def access(doing: Doing) -> object:
    """See who can."""
    return granting.access(doing.agent, doing.person)


def sync(doing: Doing) -> object:
    """Take in what the other device has noted."""
    return manifest.sync(doing.agent, doing.person)


def verify(doing: Doing) -> object:
    """Check everything anew."""
    return proving.verify_own(doing.agent, doing.person)


def remove(doing: Doing) -> object:
    """Take the other device off."""
    other, label = {"ann": ("ann2", "second"), "ann2": ("ann", "first device")}[doing.home.name]
    doing.removes(other, doing.person, label)
    return pairing.remove_device(doing.agent, doing.person, label)


def delegate(doing: Doing) -> object:
    """Pass a grant on to a colleague."""
    given, patient = _held(doing, Right.READ)
    to = doing.chance.choice(sorted(set(READERS.values()) - {doing.person}))
    until = doing.agent.clock() + doing.chance.choice((1, 24)) * HOUR
    kinds = tuple(part.kind for part in given.sections)
    doing.asks(Asked(patient, to, kinds, True, False, False, until, doing.home.name))
    return delegating.delegate(doing.agent, doing.person, given.grant.hex(), to, until)


def take_on(doing: Doing) -> object:
    """Take the nurse on."""
    return staffing.add_staff(doing.agent, NURSE, (Duty.NURSE,))


def dismiss(doing: Doing) -> object:
    """Dismiss the nurse."""
    return staffing.dismiss(doing.agent, NURSE)


def suspend(doing: Doing) -> object:
    """Suspend somebody's licence."""
    return licensing.set_licence(doing.agent, doing.chance.choice(("Dr. Ada", "Dr. Bo", NURSE)), LicenceStatus.SUSPENDED)


def reinstate(doing: Doing) -> object:
    """Reinstate somebody's licence."""
    return licensing.set_licence(doing.agent, doing.chance.choice(("Dr. Ada", "Dr. Bo", NURSE)), LicenceStatus.ACTIVE)


def _held(doing: Doing, right: Right | None = None) -> tuple[Grant, str]:
    """A grant that one holds, mostly one that has not ended, and whose it is."""
    now = doing.agent.clock()
    held = [
        (grant, card.card.name)
        for grant, card in received_grants(doing.agent, doing.agent.wallet(doing.person))
        if (right is None or right in grant.rights) and (grant.not_after > now or doing.chance.random() < 0.2)
    ]
    if not held:
        raise NothingToDo
    return doing.chance.choice(held)


#: What is done in which homes, and how often.
OWNERS_DO: dict[Callable[[Doing], object], int] = {
    add: 7,
    grant: 6,
    revoke: 4,
    rotate: 1,
    erase: 2,
    chart: 2,
    letters: 1,
    receipts: 2,
    access: 1,
    sync: 1,
    verify: 1,
}
READERS_DO: dict[Callable[[Doing], object], int] = {chart: 6, note: 7, letters: 6, delegate: 2, revoke: 1}
CLINIC_DOES: dict[Callable[[Doing], object], int] = {take_on: 3, dismiss: 1, suspend: 1, reinstate: 1}
ACTS = {act.__name__: act for act in (*OWNERS_DO, *READERS_DO, *CLINIC_DOES, remove)}
