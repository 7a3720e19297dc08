"""Sealing a batch into one's own sections: planned whole, kept durably, rolled forward by any later command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.epoch_pairs import own_pair, own_pairs
from salus.agent.home import Agent
from salus.agent.opened_index import Opening, remember
from salus.agent.own_sections import OwnSection
from salus.agent.services.sectioning import ensure_section
from salus.agent.services.submitting import submit
from salus.agent.verify import record
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryHeader, EntryKind, Leaf, Origin, Replaced, Sealed
from salus.charts.fold import NOBODY
from salus.charts.sealing import as_opened, commitment, content_root, half_of, open_entry, seal, sign_entry
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.errors import AgentRefused, LedgerRefused
from salus.exchange.api import MAX_SUBMISSION
from salus.ids import Bytes32, Count
from salus.ledger.modules.sections.messages import AppendEntry
from salus.ledger.modules.sections.state import Place, blob_key

Progress = Callable[[str, int, int], None]


def silent(_step: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


_AT_ONCE = 16  # entries of one section in one transaction
_BYTES_AT_ONCE = MAX_SUBMISSION // 2  # of their blobs


_ATTEMPTS = 5  # epochs that may close under a batch while it is sealed again


class JobEntry(Record, frozen=True, tag="job-entry"):
    """A sealed entry that waits to be anchored, and the epoch that it was sealed to."""

    kind: SectionKind
    epoch: Count
    commitment: Bytes32
    blob: bytes


class Job(Record, frozen=True, tag="job"):
    """A batch that is complete in itself; entries that the ledger has are not sent again."""

    name: Annotated[str, msgspec.Meta(max_length=128)]
    batch: Bytes32
    entries: tuple[JobEntry, ...]


@dataclass(frozen=True)
class Draft:
    """One entry before it is signed: its leaves, the versions that they replace, and its id where that was chosen before."""

    kind: SectionKind
    leaves: tuple[Leaf, ...]
    replaces: tuple[Replaced, ...]
    entry: bytes | None = None


@dataclass(frozen=True)
class Signing:
    """What all entries of a batch share in their headers."""

    kind: EntryKind
    source: str
    authored: int
    as_of: int = 0
    licence: bytes = NOBODY
    on_behalf_of: bytes = NOBODY
    warrant: bytes = NOBODY
    origin: Origin | None = None
    retainer: bytes = NOBODY
    retain_until: int = 0


def sign_draft(agent: Agent, wallet: Wallet, section: bytes, draft: Draft, signing: Signing, batch: bytes, size: int) -> Sealed:
    """The draft as its author's signed entry for one section."""
    header = EntryHeader(
        agent.network_id,
        section,
        draft.entry or new_seed(),
        signing.kind,
        signing.source,
        wallet.person,
        signing.on_behalf_of,
        signing.licence,
        signing.warrant,
        signing.authored,
        signing.as_of,
        draft.replaces,
        batch,
        size,
        signing.origin,
        signing.retainer,
        signing.retain_until,
        content_root(draft.leaves),
    )
    return sign_entry(wallet.identity, header, draft.leaves)


def seal_own(agent: Agent, wallet: Wallet, drafts: Sequence[Draft], signing: Signing, progress: Progress) -> list[Sealed]:
    """Sign and seal the drafts into one's own sections, keep them as one job, and roll it forward. The signed entries."""
    job, sealed = plan_own(agent, wallet, drafts, signing, progress)
    with agent.store.writing():
        agent.store.put(b"", job.batch, job)
    roll_forward(agent, job, progress)
    return sealed


def plan_own(
    agent: Agent, wallet: Wallet, drafts: Sequence[Draft], signing: Signing, progress: Progress
) -> tuple[Job, list[Sealed]]:
    """The drafts signed and sealed as a job that the caller keeps, and the signed entries. Only sections are made so far."""
    sections = {draft.kind: ensure_section(agent, wallet, draft.kind) for draft in drafts}
    seal_keys = {kind: hpke.public_key(own_pair(agent, wallet, section).seal_seed) for kind, section in sections.items()}
    batch, sealed, entries = new_seed(), [], []
    for number, draft in enumerate(drafts):
        section = sections[draft.kind]
        inside = sign_draft(agent, wallet, section.identity, draft, signing, batch, len(drafts))
        entries.append(_sealed(section, inside, seal_keys[draft.kind]))
        sealed.append(inside)
        progress("sealed", number + 1, len(drafts))
    remember(agent, [row for _, row in entries])
    return Job(wallet.record.name, batch, tuple(entry for entry, _ in entries)), sealed


def _sealed(section: OwnSection, inside: Sealed, seal_key: bytes) -> tuple[JobEntry, Opening]:
    """The entry, sealed to the epoch that is current; and what the index keeps of it."""
    epoch = section.epoch.number
    blob, half = seal(inside, seal_key, epoch)
    return JobEntry(section.kind, epoch, commitment(inside), blob), Opening(section.identity, blob, half, as_opened(inside))


def roll_forward(agent: Agent, job: Job, progress: Progress) -> None:
    """Anchor what the ledger does not have yet, one section after the other; then forget the job.

    Where an epoch has closed meanwhile, what was sealed to it is sealed again, under the same signature.
    """
    wallet = agent.wallet(job.name)
    done = 0
    for kind in dict.fromkeys(entry.kind for entry in job.entries):
        job = _anchor_section(agent, wallet, job, kind)
        done += sum(1 for entry in job.entries if entry.kind == kind)
        progress("anchored", done, len(job.entries))
    with agent.store.tidying():  # a job that comes back finds everything anchored
        agent.store.drop(Job, b"", job.batch)


def resume_jobs(agent: Agent) -> None:
    """Roll forward every job that an earlier command left."""
    for _, job in agent.store.all(Job, b""):
        roll_forward(agent, job, silent)


def _anchor_section(agent: Agent, wallet: Wallet, job: Job, kind: SectionKind) -> Job:
    """Anchor the job's entries of one section; the job, as it was kept when the last of them was sent."""
    for attempt in range(_ATTEMPTS):
        section = ensure_section(agent, wallet, kind, attempt)
        waiting = [entry for entry in job.entries if entry.kind == kind and not _held(agent, section, entry.blob)]
        job = _renew(agent, wallet, section, job, [entry for entry in waiting if entry.epoch != section.epoch.number])
        waiting = [entry for entry in job.entries if entry.kind == kind and not _held(agent, section, entry.blob)]
        try:
            for page in _pages(waiting):
                _append(agent, section, page)
        except LedgerRefused as error:
            if error.code != "epoch-closed":
                raise
            continue
        return job
    raise AgentRefused("section-busy", "the section's keys change all the time; try again")


def _renew(agent: Agent, wallet: Wallet, section: OwnSection, job: Job, closed: Sequence[JobEntry]) -> Job:
    """The job with what was sealed to closed epochs sealed again; kept before anything of it is sent."""
    if not closed:
        return job
    pairs = own_pairs(agent, wallet, section, {entry.epoch for entry in closed})
    seal_key = hpke.public_key(own_pair(agent, wallet, section).seal_seed)
    renewed, openings = {}, []
    for entry in closed:
        half = half_of(entry.blob, pairs[entry.epoch].seal_seed, agent.network_id, section.identity, entry.epoch)
        inside = open_entry(entry.blob, half, agent.network_id, section.identity, entry.epoch).inside
        renewed[entry.blob], opening = _sealed(section, inside, seal_key)
        openings.append(opening)
    remember(agent, openings)
    job = msgspec.structs.replace(job, entries=tuple(renewed.get(entry.blob, entry) for entry in job.entries))
    with agent.store.writing():
        agent.store.put(b"", job.batch, job)
    return job


def _pages(entries: Sequence[JobEntry]) -> list[list[JobEntry]]:
    """The entries, by what fits into one submission."""
    pages: list[list[JobEntry]] = [[]]
    for entry in entries:
        size = sum(len(other.blob) for other in pages[-1])
        if len(pages[-1]) == _AT_ONCE or (pages[-1] and size + len(entry.blob) > _BYTES_AT_ONCE):
            pages.append([])
        pages[-1].append(entry)
    return pages if entries else []


def _held(agent: Agent, section: OwnSection, blob: bytes) -> bool:
    return record(agent, blob_key(section.identity, sha256(blob)), Place) is not None


def _append(agent: Agent, section: OwnSection, entries: Sequence[JobEntry]) -> None:
    owner = section.keys.owner
    actions = [
        AppendEntry(section.identity, entry.epoch, owner.public, sha256(entry.blob), len(entry.blob), entry.commitment)
        for entry in entries
    ]
    submit(agent, actions, [owner], [entry.blob for entry in entries])
