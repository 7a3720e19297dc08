"""What may be asked of the licences: issue, suspend, reinstate, end. Signed by the issuing member's authority key."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count
from salus.ledger.genesis import LicenceRight


class LicenceStatus(StrEnum):
    """The lifecycle of a licence. ``ended`` is final. ``undone`` by votes: it never was valid, whatever stood there before."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    UNDONE = "undone"


class IssueLicence(Record, frozen=True, tag="issue-licence"):
    """``person`` is who it is for, ``holder`` its Ed25519 key, ``card`` the hash of its contact card. ``expires`` 0: never."""

    issuer: Bytes32
    person: Bytes32
    holder: Bytes32
    card: Bytes32
    rights: Annotated[tuple[LicenceRight, ...], msgspec.Meta(min_length=1, max_length=16)]
    expires: Count


class SetLicenceStatus(Record, frozen=True, tag="set-licence-status"):
    """Move a licence to another status, by its issuer."""

    licence: Bytes32
    status: LicenceStatus
