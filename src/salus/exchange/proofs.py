"""Proof files: what an auditor verifies with the genesis document and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto.hashing import tagged
from salus.errors import LedgerRefused
from salus.ids import Bytes32, Count
from salus.ledger.genesis import Genesis
from salus.ledger.lightblock import CommittedHeader
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.modules.prescriptions.state import Fill, fill_key
from salus.ledger.modules.revocations.state import Revoked, revocation_key
from salus.ledger.modules.sections.state import Entry, entry_key
from salus.ledger.verifying import StateAnswer, require_answer

MAX_PROOF = 1_048_576


class ProofKind(StrEnum):
    """What a proof file is about."""

    ENTRY = "entry"
    LICENCE = "licence"
    REVOCATION = "revocation"
    ABSENCE = "absence"  # that something is not revoked
    FILL = "fill"  # what became of one fill of a prescription


class Proof(Record, frozen=True, tag="proof-1"):
    """``subject`` is the id of a section, licence, revocation or prescription; ``number`` an entry's or a fill's (0 otherwise).

    ``at`` is the block time (ms) that a licence's status is asked for; 0 otherwise.
    """

    kind: ProofKind
    subject: Bytes32
    number: Count
    at: Count
    answer: StateAnswer


class ProofFile(Record, frozen=True, tag="proof-file-1"):
    """One or more proofs of the same kind: a grant has one revocation for each section.

    ``trail``: headers that lead from genesis to those of the answers, where the network's validators have changed since.
    ``check`` is the tagged hash of both: with it no byte of a file can change unnoticed, not even the time asked about.
    """

    proofs: Annotated[tuple[Proof, ...], msgspec.Meta(min_length=1, max_length=64)]
    trail: Annotated[tuple[CommittedHeader, ...], msgspec.Meta(max_length=64)]
    check: Bytes32


@dataclass(frozen=True)
class Finding:
    """What was proven: as of block ``height``, block time ``as_of`` (ms). ``facts`` are (name, value) pairs to show."""

    kind: str
    subject: str
    height: int
    as_of: int
    facts: tuple[tuple[str, str | int], ...]


def proof_file(proofs: tuple[Proof, ...], trail: tuple[CommittedHeader, ...] = ()) -> ProofFile:
    """The proofs as a file."""
    return ProofFile(proofs, trail, tagged("salus/proof-file/1", *(encode(part) for part in (*proofs, *trail))))


def read_proofs(data: bytes) -> ProofFile:
    """The proof file; `Malformed` when the bytes are not one."""
    return decode(data, ProofFile, limit=MAX_PROOF)


def require_proofs(genesis: Genesis, file: ProofFile) -> tuple[Finding, ...]:
    """What the file proves; raises `LedgerRefused` or `CryptoRefused` where anything does not check."""
    if file != proof_file(file.proofs, file.trail):
        raise LedgerRefused("wrong-proof", "the file was altered")
    return tuple(_require(genesis, proof, file.trail) for proof in file.proofs)


def state_key(kind: ProofKind, subject: bytes, number: int) -> bytes:
    """The state's key that a proof of this kind is about."""
    if kind is ProofKind.ENTRY:
        return entry_key(subject, number)
    if kind is ProofKind.FILL:
        return fill_key(subject, number)
    return licence_key(subject) if kind is ProofKind.LICENCE else revocation_key(subject)


def _require(genesis: Genesis, proof: Proof, trail: tuple[CommittedHeader, ...]) -> Finding:
    if proof.answer.key != state_key(proof.kind, proof.subject, proof.number):
        raise LedgerRefused("wrong-proof", "the proof is about something else")
    if (proof.number and proof.kind not in (ProofKind.ENTRY, ProofKind.FILL)) or (
        proof.at and proof.kind is not ProofKind.LICENCE
    ):
        raise LedgerRefused("wrong-proof", "the proof names what its kind does not have")
    value = require_answer(genesis, proof.answer, trail)
    if (value is None) != (proof.kind is ProofKind.ABSENCE):
        raise LedgerRefused("wrong-proof", "the proof shows the opposite")
    header = proof.answer.header.header
    if proof.at > header.time:
        raise LedgerRefused("wrong-proof", "the proof is about a time that had not come")
    return Finding(proof.kind.value, proof.subject.hex(), header.height, header.time, _facts(proof, value))


def _facts(proof: Proof, value: bytes | None) -> tuple[tuple[str, str | int], ...]:
    if value is None:
        return (("revoked", "no"),)
    if proof.kind is ProofKind.ENTRY:
        entry = decode(value, Entry, limit=MAX_PROOF)
        return (
            ("number", entry.number),
            ("blob", entry.blob.hex()),
            ("writer", entry.writer.hex()),
            ("size", entry.size),
            ("sealed_at", entry.time),
            ("sealed_in_block", entry.height),
            ("erased_at", entry.erased),
        )
    if proof.kind is ProofKind.FILL:
        fill = decode(value, Fill, limit=MAX_PROOF)
        return (
            ("fill", proof.number + 1),
            ("status", fill.status.value),
            ("dispensed_thousandths", fill.dispensed),
            ("at", fill.at),
            ("licence", fill.licence.hex()),
        )
    if proof.kind is ProofKind.LICENCE:
        licence = decode(value, Licence, limit=MAX_PROOF)
        at = proof.at or proof.answer.header.header.time
        status = status_at(licence, at)
        rights = " ".join(licence.rights)
        return (("person", licence.person.hex()), ("rights", rights), ("at", at), ("status", status or "not issued"))
    revoked = decode(value, Revoked, limit=MAX_PROOF)
    return (("revoked", "yes"), ("revoked_at", revoked.time), ("revoked_in_block", revoked.height))
