"""What a validator more costs: processor time a transaction and validator, of seven validators beside four.

Of nodes and engines together, as the kernel counts it for their processes, over transactions of 1 kB and what is idle beside.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.localnets import Net, members
from bench.ratios import Effort, Row, compare

FEW, MANY = 4, 7


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    count = effort.of(200, 20)
    with members(FEW) as few, members(MANY) as many:
        what = f"processor time a transaction of 1 kB and validator, {MANY} validators"
        yield compare(
            effort, what, f"{FEW} validators", "<= 1.5", lambda: _used(many, count, MANY), lambda: _used(few, count, FEW)
        )


def _used(net: Net, count: int, validators: int) -> float:
    before = net.processor_seconds()
    net.ordered(count)
    return (net.processor_seconds() - before) / count / validators
