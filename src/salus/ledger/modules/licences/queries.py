"""What others may read of the licences."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.licences.state import Licence, licence_key
from salus.ledger.store import Reader, load


def licence(reader: Reader, identity: bytes) -> Licence:
    """The licence; `LedgerRefused` ``no-such-licence`` otherwise."""
    found = load(reader, licence_key(identity), Licence)
    if found is None:
        raise LedgerRefused("no-such-licence", "no licence of this id")
    return found
