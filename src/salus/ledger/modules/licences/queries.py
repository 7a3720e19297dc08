"""What others may read of the licences."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.genesis import LicenceRight
from salus.ledger.modules.licences.messages import LicenceStatus
from salus.ledger.modules.licences.state import Licence, licence_key, status_at
from salus.ledger.store import Reader, load


def licence(reader: Reader, identity: bytes) -> Licence:
    """The licence; `LedgerRefused` ``no-such-licence`` otherwise."""
    found = load(reader, licence_key(identity), Licence)
    if found is None:
        raise LedgerRefused("no-such-licence", "no licence of this id")
    return found


def require_right(reader: Reader, identity: bytes, right: LicenceRight, time: int) -> None:
    """Raise ``not-licensed`` unless the licence is active at block time ``time`` (ms) and gives the right."""
    found = licence(reader, identity)
    if status_at(found, time) is not LicenceStatus.ACTIVE or right not in found.rights:
        raise LedgerRefused("not-licensed", "the licence is not active, or does not give the right to do this")


def active(reader: Reader, identity: bytes, time: int) -> bool:
    """Whether the licence is active at block time ``time`` (ms), whatever right it gives."""
    return status_at(licence(reader, identity), time) is LicenceStatus.ACTIVE
