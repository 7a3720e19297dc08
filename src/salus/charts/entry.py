"""Entries: a batch of FHIR resources under one hybrid signature, sealed to a section's epoch. Shapes; verbs in `sealing`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.signing import HybridPublic, HybridSignature
from salus.ids import Bytes32, Count

ENTRY_TAG = "salus/entry/1"
MAX_BLOB = 8 * 1024 * 1024
MAX_PLAIN = 64 * 1024 * 1024
MAX_LEAVES = 16_384


class EntryKind(StrEnum):
    """What an entry is. Later kinds are added, none is reused."""

    RECORD = "record"  # imported, or added by the patient
    NOTE = "note"
    AMENDMENT = "amendment"
    ENTERED_IN_ERROR = "entered-in-error"
    WITHDRAWAL = "withdrawal"
    RETAINED = "retained"
    MANIFEST = "manifest"  # what a wallet notes for its owner's other devices, and for its recovery


class Replaced(Record, frozen=True, tag="replaced"):
    """Leaf ``leaf`` of this entry supersedes an older version (by its `VersionId`) of the same identity."""

    leaf: Count
    version: Bytes32


class Origin(Record, frozen=True, tag="origin"):
    """Of a retained copy: the original's section, entry, content root, and until when (ms) it is retained."""

    section: Bytes32
    entry: Bytes32
    content: Bytes32
    retain_until: Count


class EntryHeader(Record, frozen=True, tag="entry-header-1"):
    """What the author signs. The epoch is not here, so that an author can seal again.

    ``source``: member id in hexadecimal for what a professional signs; for imports and the patient's own, the declared name
    (identity is then (author, source)). ``warrant``: 32 zero bytes for the owner. ``batch``/``batch_size``: entries that came
    together. ``as_of``: ms, 0 when not declared. ``content``: root over the leaves' salted hashes.
    """

    network: Bytes32
    section: Bytes32
    entry: Bytes32
    kind: EntryKind
    source: Annotated[str, msgspec.Meta(max_length=128)]
    author: Bytes32
    on_behalf_of: Bytes32
    licence: Bytes32
    warrant: Bytes32
    authored: Count
    as_of: Count
    replaces: Annotated[tuple[Replaced, ...], msgspec.Meta(max_length=MAX_LEAVES)]
    batch: Bytes32
    batch_size: Count
    origin: Origin | None
    retainer: Bytes32
    retain_until: Count
    content: Bytes32


class Leaf(Record, frozen=True, tag="leaf"):
    """One resource: ``data`` as it was received, ``identity`` "Type/id", ``faults`` FHIR OperationOutcome JSON or empty.

    ``data`` is empty in a withdrawal. ``VersionId`` = tagged hash of the leaf's canonical bytes (the salt is in them).
    """

    salt: Bytes32
    identity: Annotated[str, msgspec.Meta(min_length=3, max_length=160)]
    full_url: Annotated[str, msgspec.Meta(max_length=1024)]
    data: Annotated[bytes, msgspec.Meta(max_length=MAX_PLAIN)]
    faults: Annotated[bytes, msgspec.Meta(max_length=1_048_576)]


class Erased(Record, frozen=True, tag="erased"):
    """What is left of an erased resource: the `VersionId` that the author signed. The salt went with it, so it tells nothing."""

    version: Bytes32


class Sealed(Record, frozen=True, tag="inside-1"):
    """What lies inside the ciphertext. ``salt`` hides the header in its commitment on the ledger."""

    header: EntryHeader
    key: HybridPublic
    signature: HybridSignature
    salt: Bytes32
    leaves: Annotated[tuple[Leaf | Erased, ...], msgspec.Meta(max_length=MAX_LEAVES)]


class Blob(Record, frozen=True, tag="blob-1"):
    """What the vault keeps: the patient's half sealed to the epoch (HPKE), and the padded ciphertext."""

    half: Annotated[bytes, msgspec.Meta(min_length=1168, max_length=1168)]
    released: bool  # True: a release half is needed too (the seam; never set by version 1)
    ciphertext: Annotated[bytes, msgspec.Meta(max_length=MAX_BLOB)]


@dataclass(frozen=True)
class Outline:
    """What a chart is folded from: what the author signed, by which key, and each leaf's identity ("" where it was erased)."""

    header: EntryHeader
    key: HybridPublic
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    """An entry whose signature, section, network and content root were verified; ``versions``: the `VersionId` of each leaf.

    ``read`` gives all of it. Where it was verified before, that happens when its content is looked at, and only then: it
    raises what is wrong with it by now.
    """

    outline: Outline
    versions: tuple[bytes, ...]
    read: Callable[[], Sealed] = field(compare=False)

    @classmethod
    def of(cls, inside: Sealed, versions: tuple[bytes, ...]) -> Opened:
        """What was read already."""
        identities = tuple("" if isinstance(leaf, Erased) else leaf.identity for leaf in inside.leaves)
        return cls(Outline(inside.header, inside.key, identities), versions, lambda: inside)

    @cached_property
    def inside(self) -> Sealed:
        """All of it."""
        return self.read()

    @property
    def header(self) -> EntryHeader:
        """What the author signed."""
        return self.outline.header

    @property
    def key(self) -> HybridPublic:
        """The author's verification key."""
        return self.outline.key

    @property
    def leaves(self) -> tuple[Leaf | Erased, ...]:
        """The resources, and what is left of erased ones."""
        return self.inside.leaves
