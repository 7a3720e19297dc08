"""Receipts: what a vault writes down, durably, before it serves the first byte."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Bytes64, Count
from salus.warrants.requests import SignedRead

PROMISE_TAG = "salus/receipt-promise/1"


class Receipt(Record, frozen=True, tag="receipt-1"):
    """Sealed to the root link's receipt key; embeds the reader's signed request, so that no vault can frame a reader."""

    read: SignedRead
    time: Count
    height: Count


class StoredReceipt(Record, frozen=True, tag="stored-receipt"):
    """The vault's chain: ``head`` = tagged hash of the head before and of ``sealed``."""

    index: Count
    head: Bytes32
    sealed: Annotated[bytes, msgspec.Meta(max_length=131072)]


class Promise(Record, frozen=True, tag="promise-1"):
    """What the vault owes the reader: this request stands in the section's chain at ``index`` with this ``head``."""

    network: Bytes32
    vault: Bytes32
    section: Bytes32
    request: Bytes32  # tagged hash of the SignedRead
    index: Count
    head: Bytes32
    time: Count


class SignedPromise(Record, frozen=True, tag="signed-promise"):
    """Signed by the vault's node key."""

    promise: Promise
    signature: Bytes64


class AnchorLeaf(Record, frozen=True, tag="anchor-leaf"):
    """One section's line in an anchor: ``blinded`` = tagged hash of (the vault's blind for this section, section id)."""

    blinded: Bytes32
    head: Bytes32
    count: Count


class ReceiptsAnswer(Record, frozen=True, tag="receipts-answer"):
    """A section's receipts from an index on, and the newest anchor that covers the section, with its proof.

    ``anchor`` is the anchor's number; ``leaf_index`` of ``leaves`` and ``proof`` show ``leaf`` under the anchor's root on the
    ledger. ``blind`` opens the blinding. Before the first anchor: ``anchored`` is False and the rest is empty.
    """

    receipts: Annotated[tuple[StoredReceipt, ...], msgspec.Meta(max_length=4096)]
    total: Count
    anchored: bool
    anchor: Count
    blind: Annotated[bytes, msgspec.Meta(max_length=32)]
    leaf: AnchorLeaf | None
    leaf_index: Count
    leaves: Count
    proof: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=64)]
