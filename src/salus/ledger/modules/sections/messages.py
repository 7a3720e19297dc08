"""What may be asked of a section: create, append, admit and remove writers, rotate, hand over, rewrite, entomb.

`AppendEntry` is signed by the named writer (the owner's key or an admitted writer's), everything else by the owner key;
`HandOver` by the pre-committed next owner key.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count


class Epoch(Record, frozen=True, tag="epoch"):
    """``number`` counts from 0 without gaps; entries may name it from ``activation`` (ms) until the next one's."""

    number: Count
    activation: Count
    seal_key: Bytes32  # tagged hash of the epoch's HPKE public key
    package: Bytes32  # SHA-256 of the key package blob


Schedule = Annotated[tuple[Epoch, ...], msgspec.Meta(min_length=1, max_length=64)]


class CreateSection(Record, frozen=True, tag="create-section"):
    """Section id = tagged hash of (network, owner, next_owner). ``next_owner`` is the hash of the next owner key."""

    owner: Bytes32
    next_owner: Bytes32
    schedule: Schedule


class AppendEntry(Record, frozen=True, tag="append-entry"):
    """Seal one blob as the section's next number. ``size`` is the padded size in bytes.

    ``commitment`` is the salted hash of what the author signed: it stays when the blob is sealed again, and so proves of a
    rewritten entry that this header, and no other, was there from the start.
    """

    section: Bytes32
    epoch: Count
    writer: Bytes32
    blob: Bytes32
    size: Count
    commitment: Bytes32 = bytes(32)


class AdmitWriter(Record, frozen=True, tag="admit-writer"):
    """Let another key append: at most ``entries`` of together ``size`` bytes, before ``expires`` (ms)."""

    section: Bytes32
    writer: Bytes32
    entries: Count
    size: Count
    expires: Count


class RemoveWriter(Record, frozen=True, tag="remove-writer"):
    """End a writer's right. Rights-protecting: on the reserved quota."""

    section: Bytes32
    writer: Bytes32


class Rotate(Record, frozen=True, tag="rotate"):
    """Replace the schedule as a whole by compare-and-swap on its hash. Rights-protecting.

    Epochs that have begun stay as they are; what follows is replaced; numbers go on without gaps.
    """

    section: Bytes32
    previous: Bytes32
    schedule: Schedule


class HandOver(Record, frozen=True, tag="hand-over"):
    """The pre-committed key becomes owner and commits the one after. Rights-protecting."""

    section: Bytes32
    owner: Bytes32
    next_owner: Bytes32


class Rewrite(Record, frozen=True, tag="rewrite"):
    """Seal an entry again, under its number and to the epoch that it has, without what was erased from it.

    ``before`` is the blob that is replaced, and for vaults to delete: a rewriting of another device is not undone by it.
    """

    section: Bytes32
    number: Count
    before: Bytes32
    blob: Bytes32
    size: Count


class Entomb(Record, frozen=True, tag="entomb"):
    """Erase a whole entry: its blob is for vaults to delete, its anchor remains."""

    section: Bytes32
    number: Count
