"""What is kept of a licence: ``licences/<id>``, with its status intervals; and the table of its lifecycle."""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.codec import Record
from salus.ids import Bytes32, Count
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus

#: {status: statuses that `SetLicenceStatus` may move it to}
LIFECYCLE = {
    LicenceStatus.ACTIVE: (LicenceStatus.SUSPENDED, LicenceStatus.ENDED),
    LicenceStatus.SUSPENDED: (LicenceStatus.ACTIVE, LicenceStatus.ENDED),
    LicenceStatus.ENDED: (),
    LicenceStatus.UNDONE: (),
}
MAX_CHANGES = 256


class StatusSince(Record, frozen=True, tag="status-since"):
    """The status from block time ``time`` (ms), block ``height``, on."""

    status: LicenceStatus
    time: Count
    height: Count


class Licence(Record, frozen=True, tag="licence"):
    """``holder`` is the Ed25519 key of the professional ``person``; ``card`` the hash of the contact card."""

    issuer: Bytes32
    person: Bytes32
    holder: Bytes32
    card: Bytes32
    rights: Annotated[tuple[LicenceRight, ...], msgspec.Meta(max_length=16)]
    expires: Count
    intervals: Annotated[tuple[StatusSince, ...], msgspec.Meta(min_length=1, max_length=MAX_CHANGES)]


class Issued(Record, frozen=True, tag="issued"):
    """That the issuer which its key names has issued the licence that it names, in block ``height``."""

    height: Count


def licence_key(licence: bytes) -> bytes:
    """Where a licence's leaf stands."""
    return b"licences/" + licence


def issued_key(issuer: bytes, height: int, licence: bytes) -> bytes:
    """Where it stands that the issuer has issued the licence in block ``height``."""
    return b"issued/" + issuer + b"/" + height.to_bytes(8, "big") + licence


def issued_range(first: bytes) -> tuple[bytes, bytes]:
    """Where the index keys begin and end that are of the same issuer as ``first``, or stand behind it."""
    return first, first[: len(b"issued/") + 32] + b"0"


def status_at(licence: Licence, time: int) -> LicenceStatus | None:
    """The status at block time ``time`` (ms); None before the issue; ended from ``expires`` on."""
    if licence.expires and time >= licence.expires:
        return LicenceStatus.ENDED
    return next((interval.status for interval in reversed(licence.intervals) if interval.time <= time), None)
