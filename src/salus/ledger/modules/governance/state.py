"""What is kept: each proposal ``proposals/<number>``, how many a member has open ``governance/<member>``, and ``rules``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count
from salus.ledger.header import RefusalCode
from salus.ledger.modules.governance.messages import Change
from salus.ledger.modules.members.state import MAX_MEMBERS

PROPOSALS = b"proposals"
RULES = b"rules"
MAX_OPEN = 16  # proposals that a member may have open at once

Voters = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=MAX_MEMBERS)]


class Stage(StrEnum):
    """Where a proposal is. All but ``open`` and ``accepted`` are final."""

    OPEN = "open"
    ACCEPTED = "accepted"  # enough are for it; it has its effect when the time-lock ends
    REFUSED = "refused"  # so many are against it that it cannot find enough any more
    LAPSED = "lapsed"  # it did not find enough votes in time
    DONE = "done"
    FAILED = "failed"  # it was not possible any more when it was to have its effect


class Proposal(Record, frozen=True, tag="proposal"):
    """``opened``, ``until`` and ``effect`` are block times in ms; ``effect`` is 0 until it is accepted.

    ``yes`` and ``no``: who voted so, the earliest first. ``failure``: why it failed, "" otherwise.
    """

    proposer: Bytes32
    change: Change
    document: Bytes32
    opened: Count
    until: Count
    stage: Stage
    effect: Count
    yes: Voters
    no: Voters
    failure: RefusalCode


class ProposalCount(Record, frozen=True, tag="proposal-count"):
    """How many proposals were ever made: the number of the newest."""

    count: Count


class OpenProposals(Record, frozen=True, tag="open-proposals"):
    """How many proposals of a member are open."""

    count: Count


class Rules(Record, frozen=True, tag="rules"):
    """From block ``height`` on, the rules of ``version`` hold."""

    height: Count
    version: Count


def proposal_key(number: int) -> bytes:
    """Where a proposal's leaf stands; they are numbered from 1 on."""
    return PROPOSALS + b"/" + number.to_bytes(8, "big")


def open_key(member: bytes) -> bytes:
    """Where a member's count of open proposals stands."""
    return b"governance/" + member
