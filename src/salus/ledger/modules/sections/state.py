"""What is kept of a section, its entries, writers, epochs and blobs. One leaf an entry, with times and heights in it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.ids import Bytes32, Count, Hash, SectionId
from salus.ledger.modules.sections.messages import Epoch, Schedule

MAX_OWNERS = 64
NEXT_OWNER_TAG = "salus/next-owner/1"
BLOBS, TOMBSTONES = b"blobs/", b"tombstones/"  # followed by the blob's hash, a slash, and the section


class OwnerSince(Record, frozen=True, tag="owner-since"):
    """The owner's key from block ``height``, block time ``time`` (ms), on."""

    key: Bytes32
    time: Count
    height: Count


class Section(Record, frozen=True, tag="section"):
    """``schedule`` begins with the epoch that was current when it was set; ``count`` entries are numbered from 0."""

    next_owner: Bytes32
    schedule: Schedule
    count: Count
    owners: Annotated[tuple[OwnerSince, ...], msgspec.Meta(min_length=1, max_length=MAX_OWNERS)]

    @property
    def owner(self) -> bytes:
        """The owner's key now."""
        return self.owners[-1].key


class Entry(Record, frozen=True, tag="entry"):
    """``erased`` is the block time (ms) since which honest vaults have deleted the blob; 0: not erased.

    ``rewritten`` is the block time (ms) of the last rewriting, 0 without one; ``time`` and ``height`` are the first sealing's.
    """

    number: Count
    epoch: Count
    writer: Bytes32
    blob: Bytes32
    size: Count
    time: Count
    height: Count
    erased: Count
    commitment: Bytes32
    rewritten: Count


class Writer(Record, frozen=True, tag="writer"):
    """Limits, what was used of them, and the interval in block time (ms); ``removed`` 0: not removed."""

    entries: Count
    size: Count
    expires: Count
    used_entries: Count
    used_size: Count
    admitted: Count
    removed: Count


class Place(Record, frozen=True, tag="place"):
    """Where a blob stands in its section."""

    number: Count


class Tombstone(Record, frozen=True, tag="tombstone"):
    """Since block time ``time`` (ms) the section holds this blob no more, and honest vaults delete it."""

    time: Count


def section_id(network: bytes, owner: bytes, next_owner: bytes) -> SectionId:
    """The id of the section that ``owner`` creates, committing to ``next_owner``."""
    return SectionId(tagged("salus/section/1", network, owner, next_owner))


def commit_owner(key: bytes) -> Hash:
    """The commitment to a next owner key."""
    return tagged(NEXT_OWNER_TAG, key)


def schedule_hash(schedule: tuple[Epoch, ...]) -> Hash:
    """What a rotation names as the schedule that it replaces."""
    return tagged("salus/schedule/1", *(encode(epoch) for epoch in schedule))


def current_epoch(schedule: tuple[Epoch, ...], time: int) -> Epoch:
    """The epoch that has begun last at ``time`` (ms); the schedule's first was current when it was set."""
    return [schedule[0], *(epoch for epoch in schedule if epoch.activation <= time)][-1]


def section_key(section: bytes) -> bytes:
    """Where a section's leaf stands."""
    return b"sections/" + section


def entry_key(section: bytes, number: int) -> bytes:
    """Where an entry's leaf stands."""
    return b"sections/" + section + b"/entry/" + number.to_bytes(8, "big")


def writer_key(section: bytes, writer: bytes) -> bytes:
    """Where a writer's leaf stands."""
    return b"sections/" + section + b"/writer/" + writer


def epoch_key(section: bytes, number: int) -> bytes:
    """Where an epoch's leaf stands."""
    return b"sections/" + section + b"/epoch/" + number.to_bytes(8, "big")


def blob_key(section: bytes, blob: bytes) -> bytes:
    """Where the place of a blob stands: by blob first, so that a vault finds every section that still holds it."""
    return BLOBS + blob + b"/" + section


def tombstone_key(section: bytes, blob: bytes) -> bytes:
    """Where it stands that a section held the blob and does so no more."""
    return TOMBSTONES + blob + b"/" + section
