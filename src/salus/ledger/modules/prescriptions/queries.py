"""What others may read of prescriptions."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.prescriptions.state import Fill, Prescription, fill_key, prescription_key
from salus.ledger.store import Reader, load


def prescription(reader: Reader, identity: bytes) -> Prescription:
    """The prescription; `LedgerRefused` ``no-such-prescription`` otherwise."""
    found = load(reader, prescription_key(identity), Prescription)
    if found is None:
        raise LedgerRefused("no-such-prescription", "no prescription of this id")
    return found


def fill(reader: Reader, identity: bytes, number: int) -> Fill:
    """One of its fills; `LedgerRefused` ``no-such-fill`` otherwise."""
    found = load(reader, fill_key(identity, number), Fill)
    if found is None:
        raise LedgerRefused("no-such-fill", "the prescription has no fill of this number")
    return found


def fills(reader: Reader, identity: bytes) -> tuple[Fill, ...]:
    """All its fills, in order."""
    return tuple(fill(reader, identity, number) for number in range(prescription(reader, identity).fills))
