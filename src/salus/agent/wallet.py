"""A wallet: everything that a principal holds derives from one seed by labelled paths; the cold seed lies elsewhere.

Whoever restores the seed restores every key, and can still revoke and rotate. One secret is not derived: *reading*, which all
devices of a principal share, and which is replaced when one of them is taken off. The cold seed is needed only to take
sections over after a theft; what must be known of it beforehand (commitments, a recovery key) is computed once, when it is made.
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
from salus.ids import Bytes32, PersonId, SectionId
from salus.ledger.modules.sections.state import commit_owner, section_id

MAX_FORMER = 64

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Commitment(Record, frozen=True, tag="commitment"):
    """The hash of the key that may take section ``kind`` over, from the cold seed."""

    kind: SectionKind
    next_owner: Bytes32


class Taken(Record, frozen=True, tag="taken"):
    """A section that was made by an earlier wallet and taken over: its id, and the seed of its owner's key now."""

    kind: SectionKind
    section: Bytes32
    owner: Bytes32


class Former(Record, frozen=True, tag="former"):
    """The wallet before a recovery: who it was, and its seed (32 zero bytes where it was not found), which opens old receipts."""

    person: Bytes32
    seed: Bytes32


class PrincipalRecord(Record, frozen=True, tag="principal"):
    """A principal as the agent's store keeps it. ``name`` is the local name that commands use.

    ``readings`` are the reading secrets, newest first: what was sealed before a device was taken off opens by an older one.
    """

    name: Name
    role: Role
    seed: Bytes32
    recovery: Annotated[bytes, msgspec.Meta(max_length=1216)]  # HPKE key from the cold seed: opens a recovery slot
    commitments: Annotated[tuple[Commitment, ...], msgspec.Meta(max_length=64)]
    readings: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_FORMER)]
    taken: Annotated[tuple[Taken, ...], msgspec.Meta(max_length=64)] = ()
    former: Annotated[tuple[Former, ...], msgspec.Meta(max_length=MAX_FORMER)] = ()


class ColdSection(Record, frozen=True, tag="cold-section"):
    """Which section the cold seed can take over as ``kind``."""

    kind: SectionKind
    section: Bytes32


class ColdSeed(Record, frozen=True, tag="cold-seed-1"):
    """What lies in the cold file: the seed, whose it is, and which sections it can take over."""

    network: Bytes32
    name: Name
    role: Role
    person: Bytes32
    seed: Bytes32
    sections: Annotated[tuple[ColdSection, ...], msgspec.Meta(max_length=64)]


@dataclass(frozen=True)
class SectionKeys:
    """Keys of one section. Nothing in them is equal to, or derivable from, another section's without the seed.

    ``receipt_seeds`` open receipts, newest first: a wallet that took the section over opens its predecessors' as well.
    """

    identity: SectionId
    owner: SigningKey
    receipt_seeds: tuple[bytes, ...]
    slot_keys: tuple[bytes, ...]  # find and open the owner's slot in key packages; the newest is the one to be used


class Wallet:
    """The keys of one principal."""

    def __init__(self, record: PrincipalRecord) -> None:
        self.record = record
        self._sections: dict[tuple[SectionKind, bytes], SectionKeys] = {}
        self._seed = record.seed
        self.identity = HybridKey(derive(self._seed, "identity"))
        self.person: PersonId = person_id(self.identity.public)
        self.sealing_seed = derive(self._seed, "sealing")
        self.mailbox = SigningKey(derive(self._seed, "mailbox"))
        self.authority = SigningKey(derive(self._seed, "authority"))  # a member's: issues licences
        self.mailbox_token = derive(self._seed, "mailbox-token", length=16)

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The person ids under which the principal has signed, newest first."""
        return (self.person, *(former.person for former in self.record.former))

    def section(self, kind: SectionKind, network: bytes) -> SectionKeys:
        """The keys of the principal's section ``kind`` in ``network``. They are derived once: that takes its time."""
        known = self._sections.get((kind, network))
        if known is None:
            known = self._sections[(kind, network)] = self._derived(kind, network)
        return known

    def _derived(self, kind: SectionKind, network: bytes) -> SectionKeys:
        taken = next((taken for taken in self.record.taken if taken.kind == kind), None)
        owner = SigningKey(derive(self._seed, "section", kind.value, "owner") if taken is None else taken.owner)
        made = section_id(network, owner.public, self.next_owner(kind)) if taken is None else SectionId(taken.section)
        seeds = (self._seed, *(former.seed for former in self.record.former))
        receipts = tuple(derive(seed, "section", kind.value, "receipt") for seed in seeds)
        slots = tuple(derive(reading, "slot", made) for reading in self.record.readings)
        return SectionKeys(made, owner, receipts, slots)

    def next_owner(self, kind: SectionKind) -> bytes:
        """The committed hash of the key that may take the section over."""
        return next(c.next_owner for c in self.record.commitments if c.kind == kind)

    def preimage(self, link: bytes) -> bytes:
        """The secret whose publication revokes the link made under the label ``link``."""
        return derive(self._seed, "revocation", link)

    def writer_seed(self, section: bytes, grant: bytes) -> bytes:
        """The seed of the writer key that one append grant uses in one section."""
        return derive(self._seed, "writer", section, grant)

    def prescription_seed(self, prescription: bytes) -> bytes:
        """The seed of the key by which the patient steers a prescription, once it is taken over."""
        return prescription_seed(self._seed, prescription)

    def held_seed(self, prescription: bytes, fill: int) -> bytes:
        """The seed of the key by which a pharmacy holds a fill: another one for each, and none is lost with a device."""
        return derive(self._seed, "held-fill", prescription, fill.to_bytes(1, "big"))

    def desk_seed(self, schedule: str) -> bytes:
        """The seed of the key by which everybody at the desk goes on with the schedule of that name."""
        return derive(self._seed, "desk", schedule.encode("utf-8"))

    def held_order_seed(self, order: bytes) -> bytes:
        """The seed of the key by which a laboratory holds an order: another one for each, and none is lost with a device."""
        return derive(self._seed, "held-order", order)

    def granted_slot(self, section: bytes, grant: bytes) -> bytes:
        """The slot key that one standing grant uses in key packages of one section that are made from now on.

        It derives from the newest reading secret: a device that was taken off knows the seed, but none that comes after it.
        """
        return derive(self.record.readings[0], "granted-slot", section, grant)


def prescription_seed(seed: bytes, prescription: bytes) -> bytes:
    """`Wallet.prescription_seed`, of a wallet of which there is the seed alone."""
    return derive(seed, "prescription", prescription)


def new_principal(name: str, role: Role, seed: bytes, cold: bytes, reading: bytes) -> PrincipalRecord:
    """A principal's record from its ``seed``, its ``cold`` seed and its ``reading`` secret (32 bytes each)."""
    return PrincipalRecord(name, role, seed, recovery_key(cold), commitments(cold), (reading,))


def commitments(cold: bytes) -> tuple[Commitment, ...]:
    """What sections made under this cold seed commit to."""
    return tuple(Commitment(kind, commit_owner(cold_owner(cold, kind).public)) for kind in SectionKind)


def cold_owner(cold: bytes, kind: SectionKind) -> SigningKey:
    """The key that may take section ``kind`` over: it is used once, and the hand-over commits to another cold seed's."""
    return SigningKey(cold_owner_seed(cold, kind))


def cold_owner_seed(cold: bytes, kind: SectionKind) -> bytes:
    """The seed of `cold_owner`: what a wallet keeps that has taken the section over."""
    return derive(cold, "owner", kind.value)


def recovery_seed(cold: bytes) -> bytes:
    """Opens the recovery slot of every key package."""
    return derive(cold, "recovery")


def recovery_key(cold: bytes) -> bytes:
    """What recovery slots are sealed to."""
    return hpke.public_key(recovery_seed(cold))


def cold_seed(record: PrincipalRecord, network: bytes, cold: bytes) -> ColdSeed:
    """The cold file's content for a principal."""
    wallet = Wallet(record)
    sections = tuple(ColdSection(kind, wallet.section(kind, network).identity) for kind in SectionKind)
    return ColdSeed(network, record.name, record.role, wallet.person, cold, sections)
