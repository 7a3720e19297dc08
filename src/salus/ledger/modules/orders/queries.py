"""What others may read of orders."""

from __future__ import annotations

from salus.errors import LedgerRefused
from salus.ledger.modules.orders.state import Order, Report, order_key, report_key
from salus.ledger.store import Reader, load


def order(reader: Reader, identity: bytes) -> Order:
    """The order; `LedgerRefused` ``no-such-order`` otherwise."""
    found = load(reader, order_key(identity), Order)
    if found is None:
        raise LedgerRefused("no-such-order", "no order of this id")
    return found


def report(reader: Reader, identity: bytes, number: int) -> Report:
    """One of its reports; `LedgerRefused` ``no-such-report`` otherwise."""
    found = load(reader, report_key(identity, number), Report)
    if found is None:
        raise LedgerRefused("no-such-report", "the order has no report of this number")
    return found


def reports(reader: Reader, identity: bytes) -> tuple[Report, ...]:
    """All its reports, in order."""
    return tuple(report(reader, identity, number) for number in range(order(reader, identity).reports))
