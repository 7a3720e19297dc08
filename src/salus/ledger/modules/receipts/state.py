"""Anchors of receipt chains: ``anchors/<vault>/<number>``, and how many each vault has: ``anchors/<vault>``."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32, Count


class Anchor(Record, frozen=True, tag="anchor"):
    """The Merkle root over ``sections`` anchor leaves, at block time ``time`` (ms), block ``height``."""

    root: Bytes32
    sections: Count
    time: Count
    height: Count


class AnchorCount(Record, frozen=True, tag="anchor-count"):
    """How many anchors a vault has made."""

    count: Count


def anchor_key(vault: bytes, number: int) -> bytes:
    """Where an anchor's leaf stands."""
    return b"anchors/" + vault + b"/" + number.to_bytes(8, "big")


def anchor_count_key(vault: bytes) -> bytes:
    """Where a vault's count stands."""
    return b"anchors/" + vault
