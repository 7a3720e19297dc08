"""What is kept of a listing: ``directory/<holder>``, with its hash alone. The listing itself is off the ledger."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32, Count

WITHDRAWN = bytes(32)
DIRECTORY = b"directory/"


class Listed(Record, frozen=True, tag="listed"):
    """The hash of the holder's listing since block time ``time`` (ms), block ``height``; 32 zero bytes: withdrawn."""

    listing: Bytes32
    time: Count
    height: Count


def listing_key(holder: bytes) -> bytes:
    """Where the leaf of a holder's listing stands."""
    return DIRECTORY + holder
