"""What is kept of a member: ``members/<id>``, its seat among the validators ``validators/<id>``; and who all are: ``roster``."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes20, Bytes32, Count
from salus.ledger.genesis import LicenceRight

SEATS = b"validators/"
ROSTER = b"roster"
MAX_MEMBERS = 1024
MAX_POWER = 1_000_000

NO_KEY, NO_PEER = bytes(32), bytes(20)
Power = Annotated[int, msgspec.Meta(ge=1, le=MAX_POWER)]


class Member(Record, frozen=True, tag="member"):
    """``authority`` issues licences and votes; ``node`` sponsors and signs headers; ``rights`` are what it may license.

    In CometBFT, ``validator`` is the key that it votes with where it has a seat, and ``peer`` the id of its engine; zero bytes
    where it has none. ``removed``: the block time (ms) at which it was removed; 0 while it is a member.
    """

    authority: Bytes32
    node: Bytes32
    rights: Annotated[tuple[LicenceRight, ...], msgspec.Meta(max_length=16)]
    validator: Bytes32 = NO_KEY
    peer: Bytes20 = NO_PEER
    removed: Count = 0


class Seat(Record, frozen=True, tag="seat"):
    """A member's place among the validators: the key that it votes with, and what its vote weighs."""

    key: Bytes32
    power: Power


class Voter(Record, frozen=True, tag="voter"):
    """The member whose validator votes, or once voted, with the key of this leaf's address."""

    member: Bytes32


class Roster(Record, frozen=True, tag="roster"):
    """The ids of those who are members now, the earliest first."""

    members: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_MEMBERS)]


class Misbehaviour(Record, frozen=True, tag="misbehaviour"):
    """The validator signed what excludes each other, and lost its seat at block time ``time`` (ms), block ``height``."""

    key: Bytes32
    time: Count
    height: Count


def member_key(member: bytes) -> bytes:
    """Where a member's leaf stands."""
    return b"members/" + member


def seat_key(member: bytes) -> bytes:
    """Where the leaf of a member's seat stands."""
    return SEATS + member


def voter_key(where: bytes) -> bytes:
    """Where it stands whose key it is that CometBFT knows by the address ``where``."""
    return b"voters/" + where


def misbehaviour_key(member: bytes) -> bytes:
    """Where it stands that a member's validator was caught."""
    return b"misbehaviour/" + member
