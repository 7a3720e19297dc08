"""A practice links a wallet to its own patient number, once somebody has checked who it is; and takes that back.

The link is the practice's own: it stands in its store, and in a letter to the patient. Nothing of it is on the ledger. That two
are one person is proposed, where name and date of birth are the same, and done by people alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.own_schedules import desk_wallet
from salus.agent.services.charting import born_of
from salus.agent.services.contacts import find_contact
from salus.agent.services.posting import keep_letter, send_letters
from salus.agent.wallet import Wallet
from salus.codec import Record, decode, encode
from salus.crypto.signing import person_id
from salus.errors import AgentRefused, Malformed, WarrantRefused
from salus.exchange.carding import require_showable
from salus.exchange.cards import Role, SignedCard
from salus.exchange.envelopes import Letter, LetterKind
from salus.exchange.linking import MAX_LINK, MOST_NUMBERS, Assurance, LinkLetter, Numbers
from salus.exchange.listings import text_words
from salus.exchange.prescribing import BORN
from salus.ids import Count


class PatientLink(Record, frozen=True, tag="patient-link"):
    """Whom a practice keeps under which of its numbers, the newest first; by the person, under `desk_owner`."""

    card: SignedCard
    numbers: Numbers
    born: Annotated[str, msgspec.Meta(max_length=10, pattern=BORN)]
    assurance: Assurance
    since: Count


class OwnLink(Record, frozen=True, tag="own-link"):
    """Where a patient is kept, as a practice has said; by the practice's person."""

    card: SignedCard
    letter: LinkLetter


@dataclass(frozen=True)
class LinkInfo:
    """A link in plain values: ``name`` is of the other side. ``proposed``: numbers of others who may be the same person."""

    name: str
    person: str
    numbers: tuple[str, ...]
    born: str
    assurance: str
    since: int
    proposed: tuple[str, ...] = ()


def link(
    agent: Agent, name: str, patient: str, number: str, assurance: Assurance, born: str = "", *, merge: bool = False
) -> LinkInfo:
    """Link a contact to a number of the practice's own; the patient is told by letter.

    ``already-linked``: the number is somebody else's, or the person has another one; with ``merge`` it becomes this person's too,
    and whoever had it is told that it is theirs no more. ``bad-link``: a number, or a date, that is none.
    """
    desk, card = _practice(agent, name), find_contact(agent, patient)
    person = person_id(card.card.key)
    known = agent.store.find(PatientLink, desk.person, person)
    owner = next(((key, one) for key, one in _links(agent, desk) if number in one.numbers and key != person), None)
    moved = (number,) if owner is None else owner[1].numbers
    before = known.numbers if known is not None else ()
    if not merge and (owner is not None or set(before) - {number}):
        raise AgentRefused("already-linked", "the number, or the person, is linked otherwise: merge them, or undo that first")
    numbers = tuple(dict.fromkeys((*moved, *before)))
    since = known.since if known is not None and before == numbers else agent.clock()
    asked = born or (known.born if known is not None else "") or born_of(agent, name, card)
    kept = _sound(PatientLink(card, numbers, asked, assurance, since))
    with agent.store.writing():
        if owner is not None:
            _end(agent, desk, owner[0], owner[1])
        agent.store.put(desk.person, person, kept)
        _tell(agent, desk, kept)
    send_letters(agent)
    return next(info for info in links(agent, name) if info.person == person.hex())


def unlink(agent: Agent, name: str, patient: str) -> LinkInfo:
    """Take a link back, and tell the patient; ``not-linked``. By name as the practice has it, by person id, or by number."""
    desk = _practice(agent, name)
    found = [(key, one) for key, one in _links(agent, desk) if patient in (one.card.card.name, key.hex(), *one.numbers)]
    if len(found) != 1:
        raise AgentRefused("not-linked", "nobody of this name or number is linked here, or several are: use the number")
    key, one = found[0]
    with agent.store.writing():
        _end(agent, desk, key, one)
    send_letters(agent)
    return _info(key, one, ())


def links(agent: Agent, name: str) -> tuple[LinkInfo, ...]:
    """Everybody whom the practice has linked, by number; and of each who else may be the same person."""
    found = sorted(_links(agent, _practice(agent, name)), key=lambda one: one[1].numbers)
    same = {key: others for group in _alike(found) for key, others in group}
    return tuple(_info(key, one, same.get(key, ())) for key, one in found)


def number_of(agent: Agent, wallet: Wallet, person: bytes) -> str:
    """Under which number the practice keeps the person; "" where it has linked nobody."""
    found = agent.store.find(PatientLink, desk_wallet(agent, wallet).person, person)
    return found.numbers[0] if found is not None else ""


def own_links(agent: Agent, name: str) -> tuple[LinkInfo, ...]:
    """Where one is kept, and under which numbers, as the practices have said."""
    wallet = agent.wallet(name)
    kept = agent.store.all(OwnLink, wallet.person)
    return tuple(
        LinkInfo(own.card.card.name, key.hex(), own.letter.numbers, "", own.letter.assurance.value, own.letter.since)
        for key, own in kept
    )


def take_link(agent: Agent, wallet: Wallet, letter: Letter) -> str:
    """Keep what a practice says of the number that it keeps one under; in words, what it says."""
    sent, sender = decode(letter.body, LinkLetter, limit=MAX_LINK), letter.sender.card
    person = person_id(sender.key)
    if not sent.numbers:
        agent.store.drop(OwnLink, wallet.person, person)
        return f"{sender.name} has ended the link to its patient number"
    for number in sent.numbers:
        require_showable(number)
    agent.store.put(wallet.person, person, OwnLink(letter.sender, sent))
    return f"{sender.name} keeps you as number {', '.join(sent.numbers)} ({words(sent.assurance.value)})"


def words(assurance: str) -> str:
    """A level of assurance as people say it."""
    return {
        "level1": "who you are was not checked",
        "level2": "you are known there in person",
        "level3": "an official document was seen",
        "level4": "an official document was verified electronically",
    }[assurance]


def _practice(agent: Agent, name: str) -> Wallet:
    wallet = agent.wallet(name)
    if wallet.record.role is Role.PATIENT:
        raise AgentRefused("not-a-practice", "a patient keeps no patients")
    return desk_wallet(agent, wallet)


def _links(agent: Agent, desk: Wallet) -> list[tuple[bytes, PatientLink]]:
    return agent.store.all(PatientLink, desk.person)


def _end(agent: Agent, desk: Wallet, person: bytes, one: PatientLink) -> None:
    agent.store.drop(PatientLink, desk.person, person)
    _tell(agent, desk, msgspec.structs.replace(one, numbers=(), since=agent.clock()))


def _tell(agent: Agent, desk: Wallet, one: PatientLink) -> None:
    letter = LinkLetter(one.numbers, one.assurance, one.since)
    keep_letter(agent, desk, one.card, LetterKind.LINK, encode(letter))


def _sound(one: PatientLink) -> PatientLink:
    """The link, where it is read back as it is written, and can be shown."""
    try:
        for number in one.numbers:
            require_showable(number)
        return decode(encode(one), PatientLink, limit=65_536)
    except (Malformed, WarrantRefused) as error:
        text = f"a number is 1 to 64 printable characters, of which one has {MOST_NUMBERS}; a date of birth is written 1980-01-31"
        raise AgentRefused("bad-link", text) from error


def _alike(found: Sequence[tuple[bytes, PatientLink]]) -> Iterable[list[tuple[bytes, tuple[str, ...]]]]:
    """Those who have the same name, folded and in any order, and the same whole date of birth: of each, the others' numbers."""

    def who(one: tuple[bytes, PatientLink]) -> tuple[str, ...]:
        return (one[1].born, *sorted(text_words((one[1].card.card.name,))))

    told = sorted((one for one in found if len(one[1].born) == 10), key=who)
    for _, group in groupby(told, who):
        same = list(group)
        yield [(key, tuple(other.numbers[0] for at, other in same if at != key)) for key, _ in same]


def _info(person: bytes, one: PatientLink, proposed: tuple[str, ...]) -> LinkInfo:
    return LinkInfo(one.card.card.name, person.hex(), one.numbers, one.born, one.assurance.value, one.since, proposed)
