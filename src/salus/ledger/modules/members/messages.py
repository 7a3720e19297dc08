"""What a member may ask about itself without anybody's vote. Signed by its authority key."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32


class RenewValidator(Record, frozen=True, tag="renew-validator"):
    """The member's validator votes with ``key``; where it has a seat, from the block after next on, as heavy as before."""

    member: Bytes32
    key: Bytes32
