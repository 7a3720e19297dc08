"""What is kept of a member: ``members/<id>``."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32
from salus.ledger.genesis import LicenceRight

MEMBERS = b"members/"


class Member(Record, frozen=True, tag="member"):
    """``authority`` issues licences; ``node`` sponsors and signs headers; ``rights`` are what it may license."""

    authority: Bytes32
    node: Bytes32
    rights: Annotated[tuple[LicenceRight, ...], msgspec.Meta(max_length=16)]


def member_key(member: bytes) -> bytes:
    """Where a member's leaf stands."""
    return MEMBERS + member
