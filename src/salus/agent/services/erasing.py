"""Erasing one resource, or a whole entry: honest vaults delete it, its neighbours stay proven, retained copies stay.

An entry is sealed again without the resource, under the author's own signature and under its number; whoever was granted a
snapshot of it gets new halves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.asking import entries_of
from salus.agent.epoch_pairs import own_pairs
from salus.agent.home import Agent
from salus.agent.opened_index import Opening, forget, remember
from salus.agent.own_sections import OwnSection, own_section, own_sections
from salus.agent.sealed_reading import Reading, read_all_own, read_own
from salus.agent.services.contacts import name_of
from salus.agent.services.manifest import sync
from salus.agent.services.posting import send_letters
from salus.agent.services.renewing import renew_snapshots
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header
from salus.agent.wallet import Name, Wallet
from salus.charts.entry import EntryKind, Erased, Sealed
from salus.charts.fold import NOBODY, Placed, source_key
from salus.charts.sealing import as_opened, seal, version_id, without
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.errors import AgentRefused, LedgerRefused
from salus.ids import Bytes32, Count
from salus.ledger.modules.sections.messages import Entomb, Rewrite
from salus.ledger.modules.sections.state import Entry

_ATTEMPTS = 5  # times that another device may erase meanwhile


class Erasure(Record, frozen=True, tag="erasure"):
    """What is to be erased of one entry: these versions; all of it when there are none."""

    kind: SectionKind
    number: Count
    versions: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=16_384)]


class ErasureJob(Record, frozen=True, tag="erasure-job"):
    """Erasures of ``name`` that any later command completes."""

    name: Name
    erasures: Annotated[tuple[Erasure, ...], msgspec.Meta(max_length=16_384)]


@dataclass(frozen=True)
class KeeperInfo:
    """Who keeps a copy of what was erased, because the law says so, and until when (ms)."""

    retainer: str
    name: str
    until: int


@dataclass(frozen=True)
class ErasedInfo:
    """How many entries were sealed again and how many erased whole, and who retains a copy."""

    rewritten: int
    erased: int
    retained: tuple[KeeperInfo, ...]


def erase(agent: Agent, patient: str, named: str) -> ErasedInfo:
    """Erase a resource ("Type/id", every version of it) or an entry (its id) from one's own record.

    ``no-such-resource``, ``ambiguous-resource`` where several sources use the same id, ``retained`` for what the law keeps.
    """
    wallet = sync(agent, patient)
    reading = Reading()
    sections = [section for section in own_sections(agent, wallet) if section.kind is not SectionKind.MANIFEST]
    read_all_own(agent, wallet, sections, reading)
    chosen = _choose(reading.placed, named)
    require_not_retained(chosen, max(newest_header(agent).time, agent.clock()))
    erasures = tuple(Erasure(placed.kind, placed.number, versions) for placed, versions in chosen)
    identity = new_seed()
    job = ErasureJob(patient, erasures)
    with agent.store.writing():
        agent.store.put(b"", identity, job)
    _complete(agent, identity, job)
    keepers = {placed.opened.header.retainer: placed.opened.header.retain_until for placed, _ in chosen}
    retained = tuple(
        KeeperInfo(keeper.hex(), name_of(agent, keeper), until) for keeper, until in keepers.items() if keeper != NOBODY
    )
    whole = sum(1 for erasure in erasures if not erasure.versions)
    return ErasedInfo(len(erasures) - whole, whole, retained)


def resume_erasures(agent: Agent) -> None:
    """Complete every erasure that an earlier command began."""
    for identity, job in agent.store.all(ErasureJob, b""):
        _complete(agent, identity, job)


def require_not_retained(chosen: Iterable[tuple[Placed, tuple[bytes, ...]]], now: int) -> None:
    """Raise ``retained`` for a member's copy of what a professional wrote, before its date."""
    for placed, _ in chosen:
        origin = placed.opened.header.origin
        if placed.opened.header.kind is EntryKind.RETAINED and origin is not None and now < origin.retain_until:
            raise AgentRefused("retained", "the law makes the member keep this copy until its date")


def _choose(placed: Iterable[Placed], named: str) -> list[tuple[Placed, tuple[bytes, ...]]]:
    """The entries that are touched, and which versions go; without versions, all of the entry goes."""
    chosen: list[tuple[Placed, tuple[bytes, ...]]] = []
    sources: set[str] = set()
    for one in placed:
        leaves = [leaf for leaf in one.opened.leaves if not isinstance(leaf, Erased)]
        going = tuple(version_id(leaf) for leaf in leaves if leaf.identity == named)
        if one.opened.header.entry.hex() == named:
            chosen.append((one, ()))
        elif going:
            sources.add(source_key(one.opened.header))
            chosen.append((one, () if len(going) == len(leaves) else going))
    if not chosen:
        raise AgentRefused("no-such-resource", "your record has no such resource or entry")
    if len(sources) > 1:
        raise AgentRefused("ambiguous-resource", "several sources use this id; name the entry")
    return chosen


def _complete(agent: Agent, identity: bytes, job: ErasureJob) -> None:
    wallet = sync(agent, job.name)
    for erasure in job.erasures:
        _erase_one(agent, wallet, erasure)
    if renew_snapshots(agent, job.name, {(erasure.kind, erasure.number) for erasure in job.erasures if erasure.versions}):
        with agent.store.writing():
            agent.store.drop(ErasureJob, b"", identity)
    send_letters(agent)


def _erase_one(agent: Agent, wallet: Wallet, erasure: Erasure) -> None:
    """Bring the ledger to where the erasure is done; nothing happens where it is."""
    for _ in range(_ATTEMPTS):
        section = own_section(agent, wallet, erasure.kind)
        found = entries_of(agent, section.identity, [erasure.number])
        if not found:
            return
        (entry,) = found
        try:
            if not erasure.versions:
                submit(agent, [Entomb(section.identity, erasure.number)], [section.keys.owner])
            elif not _rewrite(agent, wallet, section, entry, erasure):
                return
        except LedgerRefused as error:
            if error.code not in ("entry-changed", "already-erased"):
                raise
            continue
        forget(agent, section.identity, [entry.blob])
        return
    raise AgentRefused("section-busy", "the section's keys change all the time; try again")


def _rewrite(agent: Agent, wallet: Wallet, section: OwnSection, entry: Entry, erasure: Erasure) -> bool:
    """Seal the entry again, to its epoch, without the versions; False where they are gone already."""
    inside = _inside(agent, wallet, section, erasure.number)
    left = without(inside, frozenset(erasure.versions))
    if left == inside:
        return False
    pairs = own_pairs(agent, wallet, section, [entry.epoch])
    if entry.epoch not in pairs:
        raise AgentRefused("no-epoch-key", "this device has no key to the entry; was it taken off?")
    blob, half = seal(left, hpke.public_key(pairs[entry.epoch].seal_seed), entry.epoch)
    action = Rewrite(section.identity, entry.number, entry.blob, sha256(blob), len(blob))
    submit(agent, [action], [section.keys.owner], [blob])
    remember(agent, [Opening(section.identity, blob, half, as_opened(left))])
    return True


def _inside(agent: Agent, wallet: Wallet, section: OwnSection, number: int) -> Sealed:
    reading = Reading()
    read_own(agent, wallet, section, reading, number)
    found = [placed.opened.inside for placed in reading.placed if placed.number == number]
    if not found:
        raise AgentRefused("blob-missing", "the vault does not have this entry")
    return found[0]
