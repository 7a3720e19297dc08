"""The index of one's own entries: what was opened and verified once is neither fetched nor verified again.

It lies in a database of its own that is encrypted and can be thrown away at any time. A blob stands there as the ledger names it,
with the patient's half that opens it. Beside it stands which entries hold a type of resource, as far as a section was looked
through, so that a few resources among very many are found without opening all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.agent.home import Agent
from salus.agent.store import MAX_BODY
from salus.charts.entry import MAX_BLOB, MAX_LEAVES, EntryHeader, Opened, Outline, Sealed
from salus.charts.fold import Placed
from salus.charts.sealing import decrypt
from salus.codec import Record
from salus.crypto.hashing import sha256
from salus.crypto.signing import HybridPublic, person_id
from salus.errors import AgentRefused
from salus.ids import Bytes32, Count
from salus.ledger.modules.sections.state import Entry

_COMPLETE = b"complete"


class Kept(Record, frozen=True, tag="kept-entry-3"):
    """An entry of one's own that was opened and verified: its blob, the half that opens it, and what a chart is folded from.

    ``versions`` are the ids of its versions, ``identities`` theirs ("" where erased).
    """

    half: Bytes32
    blob: Annotated[bytes, msgspec.Meta(max_length=MAX_BLOB)]
    versions: Annotated[bytes, msgspec.Meta(max_length=32 * MAX_LEAVES)]
    header: EntryHeader
    key: HybridPublic
    identities: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_LEAVES)]


class KeptType(Record, frozen=True, tag="kept-type"):
    """Entry ``number`` of a section held resources of a type when it was opened; a rewriting takes away and adds nothing."""

    number: Count


class KeptThrough(Record, frozen=True, tag="kept-through"):
    """Of a section's first ``count`` entries it is known which types of resources they hold."""

    count: Count


class KeptBatch(Record, frozen=True, tag="kept-batch"):
    """A batch of which only ``entries`` were there so far; of one that is complete, none are kept."""

    entries: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_BODY // 64)]


@dataclass(frozen=True)
class Opening:
    """An entry of one's own: its section, its blob, the patient's half, and what was verified, or sealed by oneself."""

    section: bytes
    blob: bytes
    half: bytes
    opened: Opened


def remember(agent: Agent, openings: Iterable[Opening]) -> None:
    """Keep them, so that they need not be fetched and verified."""
    with agent.index.writing():
        for one in openings:
            outline, versions = one.opened.outline, b"".join(one.opened.versions)
            kept = Kept(one.half, one.blob, versions, outline.header, outline.key, outline.identities)
            agent.index.put(one.section, sha256(one.blob), kept)


def recall(agent: Agent, section: bytes, entries: Sequence[Entry]) -> dict[int, tuple[bytes, Opened]]:
    """{number: (patient's half, entry)} of those entries that were kept; the content of each is opened when it is looked at."""
    kept = agent.index.some(Kept, section, [entry.blob for entry in entries])
    return {entry.number: _opened(agent, section, entry, kept[entry.blob]) for entry in entries if entry.blob in kept}


def _opened(agent: Agent, section: bytes, entry: Entry, kept: Kept) -> tuple[bytes, Opened]:
    outline = Outline(kept.header, kept.key, kept.identities)
    require_kept(person_id(kept.key) == kept.header.author and len(kept.versions) == 32 * len(kept.identities))
    versions = tuple(kept.versions[at : at + 32] for at in range(0, len(kept.versions), 32))

    def read() -> Sealed:
        inside = decrypt(kept.blob, kept.half, agent.network_id, section, entry.epoch)
        require_kept(Opened.of(inside, versions).outline == outline)
        return inside

    return kept.half, Opened(outline, versions, read)


def require_kept(sound: bool) -> None:
    """Raise ``index-damaged`` unless what the index says of an entry holds together."""
    if not sound:
        raise AgentRefused("index-damaged", "the index is damaged; it will be made anew")


def forget(agent: Agent, section: bytes, blobs: Sequence[bytes] = ()) -> None:
    """Throw away what is kept of the blobs, or of the whole section: then all of it is fetched and verified anew."""
    with agent.index.writing():
        for blob in blobs or agent.index.ids(Kept, section):
            agent.index.drop(Kept, section, blob)
        if not blobs:
            agent.index.drop(KeptThrough, b"", section)


def looked_through(agent: Agent, section: bytes) -> int:
    """How many of the section's first entries `look_through` has seen."""
    through = agent.index.find(KeptThrough, b"", section)
    return 0 if through is None else through.count


def look_through(agent: Agent, person: bytes, section: bytes, placed: Sequence[Placed], count: int) -> None:
    """Note which types the entries hold, and which batches are not complete; all before number ``count`` were seen by now."""
    batches: dict[bytes, tuple[int, dict[bytes, None]]] = {}
    with agent.index.writing():
        for one in placed:
            header = one.opened.header
            batches.setdefault(header.batch, (header.batch_size, {}))[1][header.entry] = None
            for kind in {identity.partition("/")[0] for identity in one.opened.outline.identities if identity}:
                agent.index.put(section + kind.encode("utf-8"), one.number.to_bytes(8, "big"), KeptType(one.number))
        for batch, (size, entries) in batches.items():
            _note_batch(agent, person, batch, size, entries)
        agent.index.put(b"", section, KeptThrough(count))


def _note_batch(agent: Agent, person: bytes, batch: bytes, size: int, entries: Iterable[bytes]) -> None:
    if size < 2 or agent.index.find(KeptBatch, person + _COMPLETE, batch) is not None:
        return
    known = agent.index.find(KeptBatch, person, batch)
    there = tuple(dict.fromkeys((*(known.entries if known else ()), *entries)))
    if len(there) < size:
        agent.index.put(person, batch, KeptBatch(there))
    else:
        agent.index.drop(KeptBatch, person, batch)
        agent.index.put(person + _COMPLETE, batch, KeptBatch(()))


def numbers_of(agent: Agent, section: bytes, types: Iterable[str]) -> list[int]:
    """The numbers of entries that hold, or held before they were rewritten, a resource of one of the types."""
    return sorted({kept.number for kind in types for _, kept in agent.index.all(KeptType, section + kind.encode("utf-8"))})


def incomplete_batches(agent: Agent, person: bytes) -> int:
    """How many of the person's batches are not complete, as far as its sections were looked through."""
    return len(agent.index.ids(KeptBatch, person))
