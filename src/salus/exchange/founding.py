"""Members that are to be: what one tells of itself, and what it is told of a network that it joins. No secret is in either."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from salus.codec import Record, decode, encode
from salus.exchange.addressing import Address
from salus.exchange.armour import from_line, to_line
from salus.ids import Bytes32
from salus.ledger.genesis import MAX_GENESIS, GenesisMember, ValidatingMember
from salus.ledger.header import ProvenHeader
from salus.ledger.lightblock import MAX_COMMITTED

ARMOUR = "salus-member-1:"
MAX_MEMBER = 1024
WAY_IN = "salus-way-in-1:"
MAX_WAY_IN = MAX_GENESIS + MAX_COMMITTED + 1_048_576
_EITHER: Any = GenesisMember | ValidatingMember


class Reached(Record, frozen=True, tag="reached"):
    """How a member is reached: its engine, as ``id@host:port`` ("" where none is known), and its node's address (the same)."""

    member: Bytes32
    engine: Annotated[str, msgspec.Meta(max_length=255, pattern=r"^([0-9a-f]{40}@[^\s:@,]+:\d{1,5})?\Z")]
    node: Address


class WayIn(Record, frozen=True, tag="way-in-1"):
    """What a member that was admitted needs to join: the genesis document, a header to go by, and how others are reached.

    ``local``: all of them are on one machine.
    """

    genesis: Annotated[bytes, msgspec.Meta(max_length=MAX_GENESIS)]
    checkpoint: ProvenHeader
    others: Annotated[tuple[Reached, ...], msgspec.Meta(min_length=1, max_length=1024)]
    local: bool


def member_to_text(member: GenesisMember | ValidatingMember) -> str:
    """The member as one line of text."""
    return to_line(ARMOUR, encode(member))


def member_from_text(data: bytes) -> GenesisMember | ValidatingMember:
    """The member that `member_to_text` wrote; `Malformed` for anything else."""
    member: GenesisMember | ValidatingMember = decode(from_line(ARMOUR, data, MAX_MEMBER), _EITHER, limit=MAX_MEMBER)
    return member


def way_in_to_text(way: WayIn) -> str:
    """The way in as one line of text."""
    return to_line(WAY_IN, encode(way))


def way_in_from_text(data: bytes) -> WayIn:
    """The way in that `way_in_to_text` wrote; `Malformed` for anything else. It is worth what its giver is."""
    return decode(from_line(WAY_IN, data, MAX_WAY_IN), WayIn, limit=MAX_WAY_IN)
