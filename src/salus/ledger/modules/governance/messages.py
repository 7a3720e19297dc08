"""What members may propose and vote on, signed by their authority keys. No text: why, stands in a document elsewhere."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes20, Bytes32, Count
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.members.state import MAX_POWER

Rights = Annotated[tuple[LicenceRight, ...], msgspec.Meta(max_length=16)]


class AdmitMember(Record, frozen=True, tag="admit-member"):
    """A new member, with what it may license. ``validator`` and ``peer`` as of `Member`: being one is not yet having a seat."""

    authority: Bytes32
    node: Bytes32
    rights: Rights
    validator: Bytes32
    peer: Bytes20


class RemoveMember(Record, frozen=True, tag="remove-member"):
    """The member sponsors and licenses no longer, and its validator's seat is taken."""

    member: Bytes32


class SetRights(Record, frozen=True, tag="set-rights"):
    """From then on, these and no others are what the member may license; licences that stand are not touched."""

    member: Bytes32
    rights: Rights


class SetPower(Record, frozen=True, tag="set-power"):
    """The member's validator has a seat and weighs ``power``; 0 takes its seat."""

    member: Bytes32
    power: Annotated[int, msgspec.Meta(ge=0, le=MAX_POWER)]


class UndoLicences(Record, frozen=True, tag="undo-licences"):
    """Every licence that ``issuer`` has issued in block ``height`` or later never was."""

    issuer: Bytes32
    height: Count


class Upgrade(Record, frozen=True, tag="upgrade"):
    """From block ``height`` on, rules of version ``version`` hold, the next one; a node that does not know them stops there."""

    height: Count
    version: Count


Change = AdmitMember | RemoveMember | SetRights | SetPower | UndoLicences | Upgrade


class Propose(Record, frozen=True, tag="propose"):
    """Propose a change, and be for it. ``document``: the SHA-256 of what explains it, kept elsewhere; 32 zero bytes without."""

    proposer: Bytes32
    change: Change
    document: Bytes32


class CastVote(Record, frozen=True, tag="cast-vote"):
    """For a proposal, or against it. A vote stands."""

    member: Bytes32
    proposal: Count
    favour: bool
