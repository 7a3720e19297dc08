"""The one global set of revocations: ``revocations/<id>``. It tells nothing but that something was revoked, and when."""

from __future__ import annotations

from salus.codec import Record
from salus.crypto.hashing import tagged
from salus.ids import Count, RevocationId


class Revoked(Record, frozen=True, tag="revoked"):
    """Since block time ``time`` (ms), block ``height``."""

    time: Count
    height: Count


def revocation_id(preimage: bytes) -> RevocationId:
    """What a link names; publishing ``preimage`` revokes it."""
    return RevocationId(tagged("salus/revocation/1", preimage))


def revocation_key(revocation: bytes) -> bytes:
    """Where a revocation's leaf stands."""
    return b"revocations/" + revocation
