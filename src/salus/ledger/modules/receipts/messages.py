"""Anchors of the vaults' receipt chains, signed by the member's node key."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32, Count


class AnchorReceipts(Record, frozen=True, tag="anchor-receipts"):
    """``root``: Merkle root over sorted (blinded section, chain head, count); ``sections`` counts the leaves.

    ``number`` is the vault's anchor number, from 0 without gaps; the first after idleness covers the whole gap.
    """

    vault: Bytes32
    number: Count
    root: Bytes32
    sections: Count
