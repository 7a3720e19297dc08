"""The genesis document: the root of trust of one network. Its hash is the network's id."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.ids import Bytes16, Bytes20, Bytes32, Count, MemberId, Millis, NetworkId
from salus.ledger.lightblock import Validator

MAX_GENESIS = 1_048_576  # bytes


class LicenceRight(StrEnum):
    """What a licence lets its holder do; wire values are stable."""

    TREAT = "treat"
    PRESCRIBE = "prescribe"
    PRESCRIBE_CONTROLLED = "prescribe-controlled"
    DISPENSE = "dispense"
    ORDER = "order"
    REPORT = "report"
    RESPOND = "respond"
    SCHEDULE = "schedule"  # keeps a schedule, and no more: what an organisation is licensed for


class GenesisMember(Record, frozen=True, tag="genesis-member"):
    """A member from the first block. ``authority`` issues licences; ``node`` sponsors, signs headers and vault promises."""

    authority: Bytes32
    node: Bytes32
    rights: Annotated[tuple[LicenceRight, ...], msgspec.Meta(max_length=16)]


class ValidatingMember(GenesisMember, frozen=True, tag="genesis-validator"):
    """A member whose node validates blocks besides: in CometBFT, ``validator`` is the key that it votes with, ``peer`` its id."""

    validator: Bytes32
    peer: Bytes20


class Parameters(Record, frozen=True, tag="parameters"):
    """Rules that all nodes share. Times in milliseconds, sizes in bytes, quotas in actions a member and quota window."""

    max_transaction: Count = 65_536
    max_block: Count = 1_048_576
    quota_window: Count = 60_000
    quota: Count = 20_000
    reserve: Count = 2_000
    max_expiry: Count = 600_000
    max_warrant_window: Count = 63_244_800_000  # two years
    header_interval: Count = 10_000  # a newer header is made at most this often when asked for
    max_staleness: Count = 120_000  # third parties are refused when the newest header is older
    voting_period: Count = 604_800_000  # a week, within which a proposal finds its votes
    time_lock: Count = 172_800_000  # two days between a decision and its effect, in which everybody can see it
    trust_period: Count = 2_592_000_000  # thirty days; a wallet that slept longer asks for a checkpoint
    copies: Count = 3  # members that keep each sealed blob
    durable_copies: Count = 2  # of them, those that have it before a writer is told


class Genesis(Record, frozen=True, tag="genesis-1"):
    """``salt`` makes two networks of the same members differ.

    Where members validate, CometBFT orders blocks among them; where none does, the first member's node orders alone.
    """

    salt: Bytes16
    time: Millis
    members: Annotated[tuple[GenesisMember | ValidatingMember, ...], msgspec.Meta(min_length=1, max_length=1024)]
    parameters: Parameters = Parameters()


def orderer(genesis: Genesis) -> GenesisMember:
    """The member whose node orders blocks and signs headers, where no consensus does: the first one."""
    return genesis.members[0]


def validators(genesis: Genesis) -> tuple[Validator, ...]:
    """The validators of the first block, each of power 1; none where the first member orders alone."""
    return tuple(Validator(member.validator, 1) for member in genesis.members if isinstance(member, ValidatingMember))


def network_id(genesis: Genesis) -> NetworkId:
    """The hash of the genesis document."""
    return NetworkId(tagged("salus/network/1", encode(genesis)))


def member_id(authority: bytes) -> MemberId:
    """The id of the member whose *first* authority key this is."""
    return MemberId(tagged("salus/member/1", authority))
