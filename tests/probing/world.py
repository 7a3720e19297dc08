"""The world that is probed: one patient's record in all kinds of sections, and people in every relation to it and state.

All of it is made by the product's own services: grants, delegations, staff links, notes, removals, revocations. Entries come in
three waves: before anything was granted, between the grants and their ends, and after the ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from reader_by_bytes import keys_of
from salus.agent.asking import as_owner
from salus.agent.home import Agent
from salus.agent.known import licence_of
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services import delegating, granting, inbox, writing
from salus.agent.services.granting import Lasting
from salus.agent.services.holding import held_parts
from salus.agent.services.received import received_grants
from salus.agent.store import read_store_key
from salus.agent.wallet import SectionKeys, Wallet
from salus.charts.sections import SectionKind
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.exchange.cards import Role
from salus.exchange.schedules import SchedulePage
from salus.ids import MemberId
from salus.ledger.modules.sections.messages import Epoch
from salus.node.identity import Identity
from salus.warrants.checking import NOBODY
from salus.warrants.link import Purpose, Right, Warrant
from world import HOUR, World, bundle

PATIENT, OTHER_PATIENT, ROBBED, PRACTICE = "Clemente", "Maria", "Rosa", "Practice"
K = SectionKind
HERS = "another patient's vitals"  # the one section of the other patient's
TAKEN = "vitals that were taken over"  # the one section of the robbed patient's, who has recovered it with the cold seed
OWN_KINDS = tuple(kind for kind in K if kind is not K.RECORDS)  # the patient's; the last kind is a member's own
#: What is granted; nobody is granted what is sensitive, or the manifest.
GRANTED = tuple(kind for kind in OWN_KINDS if kind not in (K.SENSITIVE, K.MANIFEST))
DOCUMENTS = (K.DOCUMENTS,)
SNAPSHOT, STANDING, FROM_NOW_ON = Lasting(), Lasting(True, True), Lasting(True, False)


class State(StrEnum):
    """How it stands with what somebody was given."""

    NONE = "nothing given"
    OWN = "own"
    GRANTED = "granted"
    DELEGATED = "delegated"
    NOT_YET = "not yet"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REVOKED_ABOVE = "revoked above"  # a link that one's own hangs on
    SUSPENDED = "suspended"
    ENDED = "licence ended"
    DISMISSED = "dismissed"
    REMOVED = "taken off"
    HANDED_OVER = "handed over"  # the section has another owner's key since


class Wave(StrEnum):
    """When an entry was sealed; `WRITTEN`: by a professional, between the grants and their ends."""

    BEFORE = "before"
    BETWEEN = "between"
    AFTER = "after"
    WRITTEN = "written"


@dataclass(frozen=True)
class Holding:
    """What somebody signs requests for one section with."""

    key: SigningKey
    warrant: Warrant


@dataclass
class Actor:
    """Somebody who asks. ``key`` signs where nothing is held.

    ``owners`` are owner's keys of sections, ``pens`` writer's keys; ``written`` is the number of one's own note, or of that
    which one would like to read. ``keys``: every 32 bytes that one has, and what a wallet derives; ``seeds``: of these, what
    letters and receipts are sealed to.
    """

    name: str
    role: str
    state: State
    key: SigningKey
    mailbox: SigningKey
    licence: bytes = NOBODY
    behalf: bytes = NOBODY
    holdings: dict[str, Holding] = field(default_factory=dict)
    owners: dict[str, SigningKey] = field(default_factory=dict)
    pens: dict[str, SigningKey] = field(default_factory=dict)
    written: int = -1
    keys: set[bytes] = field(default_factory=set)
    seeds: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Place:
    """A section, the owner's key, and which entries came when: each one's ``blobs`` and ``epochs`` by number.

    ``packages`` are those of all epochs, ``package`` that of the current one, ``epoch``.
    """

    name: str
    section: bytes
    owner: SigningKey
    waves: dict[Wave, tuple[int, ...]]
    blobs: dict[int, bytes]
    epochs: dict[int, int]
    packages: tuple[bytes, ...]
    package: bytes
    epoch: int
    schedule: tuple[Epoch, ...]

    @property
    def begun(self) -> tuple[Epoch, ...]:
        """The schedule from the epoch on that is current."""
        return tuple(epoch for epoch in self.schedule if epoch.number >= self.epoch)

    def number(self, target: str, actor: Actor) -> int | None:
        """An entry of that wave, if there is one: of notes the actor's own, where it has written any."""
        if target == Wave.WRITTEN and actor.written in self.waves.get(Wave.WRITTEN, ()):
            return actor.written
        found = self.waves.get(Wave(target), ())
        return found[0] if found else None


@dataclass(frozen=True)
class Care:
    """What ``prescriber`` has at the care services: a page of hours that stands, a ``former`` one, a prescription and an order.

    ``suspended`` is the page of a colleague whose licence is suspended.
    """

    prescriber: str
    page: SchedulePage
    former: SchedulePage
    suspended: SchedulePage
    prescription: bytes
    order: bytes


@dataclass
class Scene:
    """All that a matrix is made of. ``folder`` is the stopped node's; ``time`` (ms) is when everybody asks.

    ``letters`` are by mailbox and ``receipts`` by section, sealed, the first of each; ``newest`` and ``oldest`` are (height,
    hash) of blocks; ``plain`` is what stands nowhere but in sealed content.
    """

    folder: Path
    identity: Identity
    time: int
    actors: list[Actor]
    places: list[Place]
    letters: dict[bytes, bytes]
    receipts: dict[bytes, bytes]
    newest: tuple[int, bytes]
    oldest: tuple[int, bytes]
    care: Care
    plain: bytes = b"canary-"

    @property
    def member(self) -> MemberId:
        """The one member."""
        return self.identity.member

    def actor(self, role: str, state: State) -> Actor:
        """The one of this role and state."""
        return next(actor for actor in self.actors if (actor.role, actor.state) == (role, state))


def resource(kind: str, identity: str, /, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": identity, **more}


VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
RESTRICTED = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
HER = {"reference": "Patient/p"}


def vital_sign(wave: str, **more: Any) -> dict[str, Any]:
    """An observation for the section of vital signs."""
    return resource(
        "Observation", f"vit-{wave}", **{"status": "final", "category": VITAL, "code": {"text": f"canary-{wave}"}, **more}
    )


def record_of(wave: str, person: str) -> bytes:
    """One resource for each kind of section; ``wave`` stands in every one of them."""
    words = {"text": f"canary-{person}-{wave}"}
    return bundle(
        resource("Organization", f"org-{wave}", name=words["text"]),
        resource("RelatedPerson", f"kin-{wave}", patient=HER, name=[words]),
        resource("Coverage", f"cov-{wave}", status="active", beneficiary=HER, payor=[{"display": words["text"]}]),
        resource("MedicationStatement", f"med-{wave}", status="active", subject=HER, medicationCodeableConcept=words),
        resource("AllergyIntolerance", f"all-{wave}", patient=HER, code=words),
        resource("Observation", f"lab-{wave}", status="final", subject=HER, code=words),
        resource("Procedure", f"op-{wave}", status="completed", subject=HER, code=words),
        vital_sign(wave, subject=HER, code=words),
        resource("DocumentReference", f"doc-{wave}", status="current", content=[{"attachment": {"title": words["text"]}}]),
        resource("Condition", f"hid-{wave}", subject=HER, code=words, meta=RESTRICTED),
    )


class Builder:
    """Makes the world step by step, and writes down which entries came when."""

    def __init__(self, folder: Path, world: World, stack: ExitStack) -> None:
        self.folder, self.world, self.agent, self.stack = folder, world, world.agent, stack
        self.waves: dict[SectionKind, dict[Wave, tuple[int, ...]]] = {kind: {} for kind in K}
        self.notes: dict[str, int] = {}
        self.homes: dict[str, World] = {}
        self.grants: dict[str, str] = {}
        self.links: dict[str, dict[SectionKind, Warrant]] = {}

    def physician(self, name: str) -> str:
        """Somebody with a licence."""
        self.world.person(name, Role.PHYSICIAN)
        return name

    def give(self, to: str, lasting: Lasting = SNAPSHOT, hours: int = 72, patient: str = PATIENT, **options: Any) -> str:
        """A grant of the patient's; its id."""
        settings: dict[str, Any] = {"sections": GRANTED, "rights": (Right.READ,), "purposes": (Purpose.TREAT,), **options}
        until = self.world.clock.now + hours * HOUR
        made = granting.grant(self.agent, patient, to, until_ms=until, lasting=lasting, **settings)
        inbox.collect(self.agent, to)
        return made.grant

    def pass_on(self, holder: str, grant: str, to: str, hours: int = 72) -> str:
        """A delegation; its id."""
        made = delegating.delegate(self.agent, holder, grant, to, self.world.clock.now + hours * HOUR)
        inbox.collect(self.agent, to)
        return made.grant

    def wave(self, wave: Wave) -> None:
        """Seal one resource of each kind, and whatever the manifest and the practice's records have got since."""
        self.world.take_in(record_of(wave, PATIENT))
        self.catch_up(wave)

    def catch_up(self, wave: Wave) -> None:
        """Whatever was sealed since the last look counts as of this wave."""
        for kind in K:
            before = sum(map(len, self.waves[kind].values()))
            fresh = tuple(range(before, self.section(kind).count))
            self.waves[kind][wave] = (*self.waves[kind].get(wave, ()), *fresh)

    def section(self, kind: SectionKind, name: str = "") -> OwnSection:
        """The section of that kind, of its owner in this world."""
        name = name or (PRACTICE if kind is K.RECORDS else PATIENT)
        return own_section(self.agent, self.agent.wallet(name), kind)

    def note(self, author: str) -> None:
        """``author`` writes into the patient's documents; a copy goes into the practice's records."""
        number = self.section(K.DOCUMENTS).count
        writing.write_note(self.agent, author, PATIENT, f"canary-{author}".encode(), amends=None, entered_in_error=None)
        self.notes[author] = number
        for kind in DOCUMENTS:
            self.waves[kind][Wave.WRITTEN] = (*self.waves[kind].get(Wave.WRITTEN, ()), number)

    def staff_links(self, name: str, grant: str) -> dict[SectionKind, Warrant]:
        """What the practice passes on of that grant to its staff, as the duties allow."""
        held = held_parts(self.agent, self.agent.wallet(name), PATIENT)
        return {one.part.kind: one.asking().warrant for one in held if one.grant.grant.hex() == grant}

    def warrants(self, name: str) -> dict[SectionKind, Warrant]:
        """What somebody was given, as it came by letter."""
        grants = received_grants(self.agent, self.agent.wallet(name))
        return {part.kind: part.warrant for made, _ in grants for part in made.sections}

    def by_grant(self, name: str, grant: str) -> dict[SectionKind, Warrant]:
        """What one grant of several gave."""
        grants = received_grants(self.agent, self.agent.wallet(name))
        return {part.kind: part.warrant for made, _ in grants if made.grant.hex() == grant for part in made.sections}

    def known(self, name: str, role: str, state: State, warrants: dict[SectionKind, Warrant]) -> Actor:
        """Somebody of this home, who asks by these warrants."""
        wallet = self.agent.wallet(name)
        key = wallet.identity.classic
        holdings: dict[str, Holding] = {kind: Holding(key, warrant) for kind, warrant in warrants.items()}
        licence = licence_of(self.agent, wallet.person) or NOBODY
        grants = received_grants(self.agent, wallet)
        pens: dict[str, SigningKey] = {
            part.kind: SigningKey(part.writer_seed) for made, _ in grants for part in made.sections if part.writer_seed
        }
        store_key = read_store_key(self.world.home / "agent" / "agent.key", str)
        keys = keys_of(self.world.home / "agent" / "store.db", store_key.hex(), wallet.person) | derived(self.agent, wallet)
        seeds = seeds_of(self.agent, wallet)
        found = Actor(name, role, state, key, wallet.mailbox, licence, holdings=holdings, pens=pens, keys=keys, seeds=seeds)
        found.written = self.notes.get(name, -1)
        return found


def sections_of(agent: Agent, wallet: Wallet) -> list[SectionKeys]:
    """The keys of each section that the wallet knows to be its own."""
    return [wallet.section(commitment.kind, agent.network_id) for commitment in wallet.record.commitments]


def seeds_of(agent: Agent, wallet: Wallet) -> set[bytes]:
    """What letters and receipts are sealed to."""
    return {wallet.sealing_seed, *(seed for keys in sections_of(agent, wallet) for seed in keys.receipt_seeds)}


def derived(agent: Agent, wallet: Wallet) -> set[bytes]:
    """What a wallet makes of its seeds and never writes down."""
    return seeds_of(agent, wallet) | {key for keys in sections_of(agent, wallet) for key in keys.slot_keys}


def device(name: str, role: str, state: State, home: World) -> Actor:
    """A device of the patient's, in a home of its own: it signs with the owner's keys, which all devices derive."""
    return owning(elsewhere(name, role, state, home, PATIENT), home.agent, home.agent.wallet(PATIENT), OWN_KINDS)


def elsewhere(name: str, role: str, state: State, home: World, person: str) -> Actor:
    """Somebody in a home beside the node's."""
    wallet = home.agent.wallet(person)
    store_key = derive(home.home.name.encode().ljust(32, b"\0"), "store")
    keys = keys_of(home.home / "store.db", store_key.hex(), wallet.person) | derived(home.agent, wallet)
    return Actor(name, role, state, wallet.identity.classic, wallet.mailbox, keys=keys, seeds=seeds_of(home.agent, wallet))


def owning(actor: Actor, agent: Agent, wallet: Wallet, kinds: Sequence[SectionKind], name: str = "") -> Actor:
    """The actor with what an owner asks with, over these sections; ``name``: that of the place, where it is not the kind's."""
    for kind in kinds:
        section = own_section(agent, wallet, kind)
        asking = as_owner(agent, wallet, section)
        actor.holdings[name or kind] = Holding(asking.key, asking.warrant)
        actor.owners[name or kind] = section.keys.owner
    return actor
