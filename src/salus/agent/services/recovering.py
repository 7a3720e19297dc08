"""Recovery with the cold seed, after a theft or a loss: every section is taken over by the key that it committed to.

From the hand-over on, what the stolen wallet signs counts for nothing, every warrant that it signed is void, and every writer
that it admitted is ended. The sections go on under a new wallet's keys, with new epochs that nobody else has a slot in. A cold
seed is used once: the hand-over commits to a new one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from salus.agent.asking import as_owner, epochs_of, fetch_packages
from salus.agent.epoch_pairs import keep_pair
from salus.agent.given import Ending, GivenGrant
from salus.agent.home import Agent
from salus.agent.own_sections import OwnSection, own_section
from salus.agent.services.manifest import WalletNote, plan_notes, sync
from salus.agent.services.people import PersonInfo, keep_person, write_cold
from salus.agent.services.rotating import rotate
from salus.agent.services.sealing import roll_forward, silent
from salus.agent.services.submitting import submit
from salus.agent.verify import newest_header, record
from salus.agent.wallet import (
    ColdSeed,
    Former,
    PrincipalRecord,
    Taken,
    Wallet,
    cold_owner,
    cold_owner_seed,
    cold_seed,
    commitments,
    recovery_key,
    recovery_seed,
)
from salus.charts.epochs import open_recovery
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto.keys import new_seed
from salus.errors import AgentRefused, CryptoRefused
from salus.ledger.modules.sections.messages import HandOver
from salus.ledger.modules.sections.state import Section, commit_owner, section_key


class RecoveryJob(Record, frozen=True, tag="recovery-job"):
    """A recovery under way: the cold seed that is used up by it, and the wallet that comes of it."""

    cold: ColdSeed
    principal: PrincipalRecord


@dataclass(frozen=True)
class RecoverInfo:
    """Who somebody is after a recovery: sections taken over, the names of those whose standing right ended with it."""

    person: PersonInfo
    former: str
    sections: tuple[str, ...]
    ended: tuple[str, ...]


def recover(agent: Agent, cold: ColdSeed, *, cold_dir: Path) -> RecoverInfo:
    """Take everything over; kept before it begins, so that any later command completes it.

    ``wrong-network``; ``cold-file-spent`` where the sections have committed to another cold seed meanwhile.
    """
    if cold.network != agent.network_id:
        raise AgentRefused("wrong-network", "the cold file is of another network")
    taken = _takeable(agent, cold)
    known = agent.store.find(PrincipalRecord, b"", cold.name.encode("utf-8"))
    if known is not None and Wallet(known).person != cold.person:
        raise AgentRefused("name-taken", "this home holds another wallet of that name")
    fresh = new_seed()
    former = (Former(cold.person, known.seed if known else bytes(32)), *(known.former if known else ()))
    principal = PrincipalRecord(
        cold.name, cold.role, new_seed(), recovery_key(fresh), commitments(fresh), (new_seed(),), taken, former
    )
    path = write_cold(cold_dir, cold_seed(principal, agent.network_id, fresh), beside=True)
    job = RecoveryJob(cold, principal)
    with agent.store.writing():
        agent.store.put(b"", cold.person, job)
        agent.store.put(b"", cold.name.encode("utf-8"), principal)
    wallet = _complete(agent, job)
    now = newest_header(agent).time
    given = [g for _, g in agent.store.all(GivenGrant, cold.person) if g.ending is Ending.NOT and g.made().not_after > now]
    person = PersonInfo(cold.name, cold.role.value, wallet.person.hex(), str(path))
    names = tuple(sorted({one.reader.card.name for one in given}))
    return RecoverInfo(person, cold.person.hex(), tuple(one.kind.value for one in taken), names)


def resume_recoveries(agent: Agent) -> None:
    """Complete every recovery that an earlier command began."""
    for _, job in agent.store.all(RecoveryJob, b""):
        _complete(agent, job)


def _takeable(agent: Agent, cold: ColdSeed) -> tuple[Taken, ...]:
    """The sections that this cold seed can take over."""
    taken, spent = [], False
    for one in cold.sections:
        found = record(agent, section_key(one.section), Section)
        if found is None:
            continue
        if found.next_owner == commit_owner(cold_owner(cold.seed, one.kind).public):
            taken.append(Taken(one.kind, one.section, cold_owner_seed(cold.seed, one.kind)))
        else:
            spent = True
    if spent and not taken:
        raise AgentRefused("cold-file-spent", "this cold file was used before; use the one that was made then")
    return tuple(taken)


def _complete(agent: Agent, job: RecoveryJob) -> Wallet:
    name = job.principal.name
    wallet = agent.wallet(name)
    kinds = [taken.kind for taken in job.principal.taken]
    for kind in kinds:
        _take_over(agent, wallet, kind)
    for kind in kinds:
        _reopen(agent, wallet, own_section(agent, wallet, kind), job.cold)
    for kind in sorted(kinds, key=lambda kind: kind is not SectionKind.MANIFEST):
        rotate(agent, name, kind)
    keep_person(agent, agent.wallet(name).record)  # after what no node may refuse: a mailbox needs an invitation
    wallet = sync(agent, name)
    notes = plan_notes(agent, wallet, [WalletNote(wallet.record)])
    with agent.store.writing():
        agent.store.put(b"", notes.batch, notes)
        agent.store.drop(RecoveryJob, b"", job.cold.person)
    roll_forward(agent, notes, silent)
    return wallet


def _take_over(agent: Agent, wallet: Wallet, kind: SectionKind) -> None:
    """Hand the section over to the wallet, unless the ledger has that."""
    section = own_section(agent, wallet, kind)
    owner = section.keys.owner
    if section.found is None or section.found.owner == owner.public:
        return
    submit(agent, [HandOver(section.identity, owner.public, wallet.next_owner(kind))], [owner])


def _reopen(agent: Agent, wallet: Wallet, section: OwnSection, cold: ColdSeed) -> None:
    """Find the pair of each epoch by its recovery slot. An epoch whose package is lost is opened by history, if at all."""
    epochs = epochs_of(agent, section.identity, range(section.schedule[-1].number + 1))
    packages = fetch_packages(agent, as_owner(agent, wallet, section), epochs)
    for epoch in epochs:
        if epoch.number in packages:
            with suppress(CryptoRefused):  # an epoch of before an earlier recovery: history leads back to it
                pair = open_recovery(packages[epoch.number], recovery_seed(cold.seed), section.identity, epoch.number)
                keep_pair(agent, wallet.person, section.identity, epoch.seal_key, pair)
