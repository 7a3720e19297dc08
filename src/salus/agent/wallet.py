"""A wallet: everything that a principal holds derives from one seed by labelled paths; the cold seed lies elsewhere.

Whoever restores the seed restores every key, and can still revoke and rotate. The cold seed is needed only to hand a section
over after a theft; what must be known of it beforehand (commitments, a recovery key) is computed once, when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.charts.sections import SectionKind
from salus.codec import Record
from salus.crypto import hpke
from salus.crypto.keys import derive
from salus.crypto.signing import HybridKey, SigningKey, person_id
from salus.exchange.cards import Role
from salus.ids import Bytes32, PersonId
from salus.ledger.modules.sections.state import commit_owner


class Commitment(Record, frozen=True, tag="commitment"):
    """The hash of the key that may take section ``kind`` over, from the cold seed."""

    kind: SectionKind
    next_owner: Bytes32


class PrincipalRecord(Record, frozen=True, tag="principal"):
    """A principal as the agent's store keeps it. ``name`` is the local name that commands use."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    role: Role
    seed: Bytes32
    recovery: Annotated[bytes, msgspec.Meta(max_length=1216)]  # HPKE key from the cold seed: opens a recovery slot
    commitments: Annotated[tuple[Commitment, ...], msgspec.Meta(max_length=64)]


@dataclass(frozen=True)
class SectionKeys:
    """Keys of one section. Nothing in them is equal to, or derivable from, another section's without the seed."""

    owner: SigningKey
    receipt_seed: bytes
    secret: bytes  # root of the section's epoch secrets (charts.epochs)


class Wallet:
    """The keys of one principal."""

    def __init__(self, record: PrincipalRecord) -> None:
        self.record = record
        self._seed = record.seed
        self.identity = HybridKey(derive(self._seed, "identity"))
        self.person: PersonId = person_id(self.identity.public)
        self.sealing_seed = derive(self._seed, "sealing")
        self.mailbox = SigningKey(derive(self._seed, "mailbox"))
        self.authority = SigningKey(derive(self._seed, "authority"))  # a member's: issues licences
        self.mailbox_token = derive(self._seed, "mailbox-token", length=16)

    def section(self, kind: SectionKind) -> SectionKeys:
        """The keys of the principal's section ``kind``."""
        root = derive(self._seed, "section", kind.value)
        return SectionKeys(SigningKey(derive(root, "owner")), derive(root, "receipt"), derive(root, "epochs"))

    def next_owner(self, kind: SectionKind) -> bytes:
        """The committed hash of the key that may take the section over."""
        return next(c.next_owner for c in self.record.commitments if c.kind == kind)

    def preimage(self, link: bytes) -> bytes:
        """The secret whose publication revokes the link made under the label ``link``."""
        return derive(self._seed, "revocation", link)

    def writer_seed(self, section: bytes, grant: bytes) -> bytes:
        """The seed of the writer key that one append grant uses in one section."""
        return derive(self._seed, "writer", section, grant)


def new_principal(name: str, role: Role, seed: bytes, cold: bytes) -> PrincipalRecord:
    """A principal's record from its ``seed`` and its ``cold`` seed (32 bytes each)."""
    commitments = tuple(Commitment(kind, commit_owner(cold_owner(cold, kind).public)) for kind in SectionKind)
    return PrincipalRecord(name, role, seed, hpke.public_key(derive(cold, "recovery")), commitments)


def cold_owner(cold: bytes, kind: SectionKind, generation: int = 1) -> SigningKey:
    """The owner key number ``generation`` of section ``kind``: 0 is the wallet's own, later ones come from the cold seed."""
    return SigningKey(derive(cold, "owner", kind.value, str(generation)))
