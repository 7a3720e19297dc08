"""Guests, whom a member's node serves beside its own home: shapes. What is done with them is in `salus.exchange.inviting`."""

from __future__ import annotations

from salus.codec import Record
from salus.ids import Bytes32, Bytes64, Count

GUEST_TAG = "salus/guest-proof/1"
REDEMPTION_TAG = "salus/redemption/1"


class Invitation(Record, frozen=True, tag="invitation"):
    """What an operator hands over: whoever has it may become a guest of this member. ``secret`` never travels to a node.

    ``header`` is the hash of the header at ``height`` when it was made: what a new home must come by on its way from genesis.
    """

    network: Bytes32
    member: Bytes32
    secret: Bytes32
    height: Count = 0
    header: Bytes32 = bytes(32)


class Redemption(Record, frozen=True, tag="redemption"):
    """An invitation is used for the key ``guest``: both keys sign, so that nobody enrols a key that is another's.

    ``invitation`` is the public key that follows from the invitation's secret.
    """

    network: Bytes32
    member: Bytes32
    invitation: Bytes32
    guest: Bytes32
    granted: Bytes64
    signature: Bytes64


class GuestProof(Record, frozen=True, tag="guest-proof"):
    """A guest's signature over what it asks of one member's node."""

    guest: Bytes32
    signature: Bytes64
