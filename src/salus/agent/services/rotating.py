"""Rotation: a section goes on under new keys, which only those get who may read on.

Every end of a standing grant rotates. Ends that are known ahead stand in the schedule as successor epochs on full hours, made
when the grant is made: they need nobody to be awake. The schedule is replaced by compare-and-swap, in one transaction with the
revocation that asks for it: whoever reads the schedule sees every revocation that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.epoch_pairs import keep_pair, own_pair
from salus.agent.given import Ending, GivenGrant, given_grants
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services.manifest import sync
from salus.agent.services.posting import keep_letter
from salus.agent.services.submitting import Committed, submit
from salus.agent.verify import records
from salus.agent.wallet import Name, Wallet
from salus.charts.epochs import EpochKeys, make_package, new_epoch_keys, seal_key_hash
from salus.charts.grant import SectionGrant
from salus.charts.sections import SectionKind
from salus.codec import Record, encode
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.crypto.signing import SigningKey
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.envelopes import LetterKind
from salus.ids import Bytes32
from salus.ledger.modules.revocations.state import Revoked, revocation_key
from salus.ledger.modules.sections.messages import Epoch, Rotate
from salus.ledger.modules.sections.state import schedule_hash
from salus.ledger.tx import Action

HOUR = 3_600_000
MAX_SCHEDULE = 64
_ATTEMPTS = 8  # other devices that may rotate in between
_RACED = ("schedule-changed", "bad-schedule")  # another device rotated, or the hour struck, since the schedule was read

Due = tuple[list[Action], list[SigningKey]]


class RotationJob(Record, frozen=True, tag="rotation-job"):
    """Sections of ``name`` that are still to be rotated."""

    name: Name
    kinds: Annotated[tuple[SectionKind, ...], msgspec.Meta(max_length=16)]
    job: Bytes32


@dataclass(frozen=True)
class Holder:
    """Whoever reads on: the key to its slot, whether back into history, and until when (ms; 0: the owner, without end)."""

    slot_key: bytes
    history: bool
    until: int


@dataclass(frozen=True)
class Plan:
    """A new schedule, its new key packages, and the pair of each new epoch by the hash of its public key."""

    schedule: tuple[Epoch, ...]
    packages: tuple[bytes, ...]
    pairs: tuple[tuple[bytes, EpochKeys], ...]


def nothing_due(_wallet: Wallet, _section: OwnSection) -> Due:
    """A rotation for its own sake."""
    return [], []


def rotate(
    agent: Agent,
    name: str,
    kind: SectionKind,
    *,
    leaving: bytes = b"",
    due: Callable[[Wallet, OwnSection], Due] = nothing_due,
) -> Committed:
    """Rotate a section of ``name``'s, in one transaction with what is ``due``; the grant ``leaving`` gets no slot.

    Where another device was quicker, everything is looked at again.
    """
    for attempt in range(_ATTEMPTS):
        wallet = sync(agent, name)
        section = own_section(agent, wallet, kind, attempt)
        actions, keys = due(wallet, section)
        holders = _holders(agent, wallet, section, leaving)
        plan = plan_rotation(wallet, section, own_pair(agent, wallet, section), holders)
        rotation = Rotate(section.identity, schedule_hash(section.schedule), plan.schedule)
        try:
            done = submit(agent, [*actions, rotation], [*keys, section.keys.owner], plan.packages)
        except LedgerRefused as error:
            if error.code not in _RACED:
                raise
            continue
        for seal_key, pair in plan.pairs:
            keep_pair(agent, wallet.person, section.identity, seal_key, pair)
        return done
    raise AgentRefused("section-busy", "the section's keys change all the time; try again")


def keep_rotation(agent: Agent, name: str, kinds: Sequence[SectionKind]) -> None:
    """Keep the wish to rotate, inside the caller's write transaction; `resume_rotations` goes on until it is done."""
    job = RotationJob(name, tuple(kinds), new_seed())
    agent.store.put(b"", job.job, job)


def resume_rotations(agent: Agent) -> None:
    """Complete every rotation that was wished for, here or by an earlier command."""
    for identity, job in agent.store.all(RotationJob, b""):
        for done, kind in enumerate(job.kinds, 1):
            rotate(agent, job.name, kind)
            with agent.store.writing():
                agent.store.put(b"", identity, msgspec.structs.replace(job, kinds=job.kinds[done:]))
        with agent.store.writing():
            agent.store.drop(RotationJob, b"", identity)


def plan_rotation(wallet: Wallet, section: OwnSection, current: EpochKeys, holders: Sequence[Holder]) -> Plan:
    """A new epoch at once, and one on each full hour by which the right of a holder has ended. ``current``: the pair now."""
    begin = max(section.time, section.epoch.activation + 1)
    ends = sorted({full_hour(holder.until) for holder in holders if holder.until})
    if len(ends) + 2 > MAX_SCHEDULE:
        raise AgentRefused("too-many-ends", "too many grants end at different hours; let some end together")
    schedule, packages, pairs, before = [section.epoch], [], [], current
    own = Holder(section.keys.slot_keys[0], True, 0)
    for number, activation in enumerate([begin, *ends], section.epoch.number + 1):
        pair = new_epoch_keys()
        staying = [own, *(holder for holder in holders if full_hour(holder.until) > activation)]
        slots = tuple((holder.slot_key, holder.history) for holder in staying)
        package = make_package(section.identity, number, pair, before, wallet.record.recovery, slots)
        sealed_to = seal_key_hash(hpke.public_key(pair.seal_seed))
        schedule.append(Epoch(number, activation, sealed_to, sha256(package)))
        packages.append(package)
        pairs.append((bytes(sealed_to), pair))
        before = pair
    return Plan(tuple(schedule), tuple(packages), tuple(pairs))


def full_hour(time: int) -> int:
    """The full UTC hour at or after ``time`` (ms): planned changes tell nothing of one patient."""
    return -(-time // HOUR) * HOUR


def _holders(agent: Agent, wallet: Wallet, section: OwnSection, leaving: bytes) -> list[Holder]:
    """The standing grantees of the section whose right goes on, as the ledger proves it.

    Whose slot key derives from an older reading secret, which a device that was taken off knows, gets another one by letter.
    """
    candidates = [
        (given, part, made)
        for given, made in given_grants(agent, wallet)
        for part in made.sections
        if part.slot_key and part.warrant.links[0].link.section == section.identity
        if given.ending is Ending.NOT and made.grant != leaving and made.not_after > section.now
    ]
    keys = [revocation_key(part.warrant.links[0].link.revocation) for _, part, _ in candidates]
    revoked, _ = records(agent, keys, Revoked)
    staying = [candidate for candidate, gone in zip(candidates, revoked, strict=True) if gone is None]
    return [Holder(_renewed_slot(agent, wallet, given, part), part.history, made.not_after) for given, part, made in staying]


def _renewed_slot(agent: Agent, wallet: Wallet, given: GivenGrant, part: SectionGrant) -> bytes:
    """The slot key of a standing grant under the newest reading secret; a new one is kept, and its letter with it."""
    made = given.made()
    slot_key = wallet.granted_slot(part.warrant.links[0].link.section, made.grant)
    if slot_key != part.slot_key:
        changed = msgspec.structs.replace(part, slot_key=slot_key)
        sections = tuple(changed if one == part else one for one in made.sections)
        renewed = msgspec.structs.replace(given, grant=encode(msgspec.structs.replace(made, sections=sections)))
        with agent.store.writing():
            agent.store.put(wallet.person, made.grant, renewed)
            keep_letter(agent, wallet, given.reader, LetterKind.GRANT, renewed.grant)
    return slot_key
