"""Sealing a batch into one's own sections: planned whole, kept durably, rolled forward by any later command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.epoch_pairs import own_pair, own_pairs
from salus.agent.home import Agent
from salus.agent.opened_index import Opening, remember
from salus.agent.own_sections import OwnSection
from salus.agent.services.sectioning import ensure_sections
from salus.agent.services.submitting import Wanted, submit_all
from salus.agent.verify import records
from salus.agent.wallet import Wallet
from salus.charts.entry import EntryHeader, EntryKind, Leaf, Origin, Replaced, Sealed
from salus.charts.fold import NOBODY
from salus.charts.sealing import as_opened, commitment, content_root, half_of, open_entry, seal, sign_entry
from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto import hpke
from salus.crypto.hashing import sha256
from salus.crypto.keys import new_seed
from salus.errors import AgentRefused, LedgerRefused, SalusError
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
    sections = ensure_sections(agent, wallet, list(dict.fromkeys(draft.kind for draft in drafts)))
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
    """Anchor what the ledger does not have yet, all sections at once; then forget the job.

    Where an epoch has closed meanwhile, what was sealed to it is sealed again, under the same signature.
    """
    wallet = agent.wallet(job.name)
    kinds = list(dict.fromkeys(entry.kind for entry in job.entries))
    for attempt in range(_ATTEMPTS):
        sections = ensure_sections(agent, wallet, kinds, attempt)
        waiting = _waiting(agent, sections, job)
        closed = [entry for entry in waiting if entry.epoch != sections[entry.kind].epoch.number]
        job, waiting = _renew(agent, wallet, sections, job, waiting, closed)
        kinds = _anchor(agent, sections, waiting)
        done = sum(1 for entry in job.entries if entry.kind not in kinds)
        progress("anchored", done, len(job.entries))
        if not kinds:
            break
    else:
        raise AgentRefused("section-busy", "the section's keys change all the time; try again")
    with agent.store.tidying():  # a job that comes back finds everything anchored
        agent.store.drop(Job, b"", job.batch)


def resume_jobs(agent: Agent) -> None:
    """Roll forward every job that an earlier command left."""
    for _, job in agent.store.all(Job, b""):
        roll_forward(agent, job, silent)


def _anchor(agent: Agent, sections: Mapping[SectionKind, OwnSection], waiting: Sequence[JobEntry]) -> list[SectionKind]:
    """Anchor the entries, those of one section in their order; the sections that are to be looked at once more.

    An epoch has closed under the entries; or some were anchored meanwhile, by what an earlier command had sent.
    """
    pages = {kind: _pages([entry for entry in waiting if entry.kind == kind]) for kind in sections}
    busy: list[SectionKind] = []
    while any(pages.values()):
        turn = {kind: of.pop(0) for kind, of in pages.items() if of}
        outcomes = submit_all(agent, [_append(sections[kind], page) for kind, page in turn.items()])
        for kind, outcome in zip(turn, outcomes, strict=True):
            if isinstance(outcome, LedgerRefused) and outcome.code in ("epoch-closed", "blob-held"):
                busy.append(kind)
                pages[kind] = []
            elif isinstance(outcome, SalusError):
                raise outcome
    return busy


def _renew(
    agent: Agent,
    wallet: Wallet,
    sections: Mapping[SectionKind, OwnSection],
    job: Job,
    waiting: list[JobEntry],
    closed: Sequence[JobEntry],
) -> tuple[Job, list[JobEntry]]:
    """The job with what was sealed to closed epochs sealed again, and what waits of it; kept before anything of it is sent."""
    if not closed:
        return job, waiting
    renewed, openings = {}, []
    for kind in dict.fromkeys(entry.kind for entry in closed):
        section, own = sections[kind], [entry for entry in closed if entry.kind == kind]
        pairs = own_pairs(agent, wallet, section, {entry.epoch for entry in own})
        seal_key = hpke.public_key(own_pair(agent, wallet, section).seal_seed)
        for entry in own:
            half = half_of(entry.blob, pairs[entry.epoch].seal_seed, agent.network_id, section.identity, entry.epoch)
            inside = open_entry(entry.blob, half, agent.network_id, section.identity, entry.epoch).inside
            renewed[entry.blob], opening = _sealed(section, inside, seal_key)
            openings.append(opening)
    remember(agent, openings)
    job = msgspec.structs.replace(job, entries=tuple(renewed.get(entry.blob, entry) for entry in job.entries))
    with agent.store.writing():
        agent.store.put(b"", job.batch, job)
    return job, [renewed.get(entry.blob, entry) for entry in waiting]


def _pages(entries: Sequence[JobEntry]) -> list[list[JobEntry]]:
    """The entries, by what fits into one submission."""
    pages: list[list[JobEntry]] = [[]]
    for entry in entries:
        size = sum(len(other.blob) for other in pages[-1])
        if len(pages[-1]) == _AT_ONCE or (pages[-1] and size + len(entry.blob) > _BYTES_AT_ONCE):
            pages.append([])
        pages[-1].append(entry)
    return pages if entries else []


def _waiting(agent: Agent, sections: Mapping[SectionKind, OwnSection], job: Job) -> list[JobEntry]:
    """The job's entries of these sections that the ledger does not have; each section is asked about by itself."""
    waiting: list[JobEntry] = []
    for kind, section in sections.items():
        own = [entry for entry in job.entries if entry.kind == kind]
        held, _ = records(agent, [blob_key(section.identity, sha256(entry.blob)) for entry in own], Place)
        waiting += [entry for entry, place in zip(own, held, strict=True) if place is None]
    return waiting


def _append(section: OwnSection, entries: Sequence[JobEntry]) -> Wanted:
    owner = section.keys.owner
    actions = [
        AppendEntry(section.identity, entry.epoch, owner.public, sha256(entry.blob), len(entry.blob), entry.commitment)
        for entry in entries
    ]
    return Wanted(actions, [owner], [entry.blob for entry in entries])
