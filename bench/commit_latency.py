"""How long one waits for a commit: from handing a transaction in at a node until it is acknowledged, four members, moderate load.

The slowest of twenty (p95) beside a bound in seconds, with the timing of members on one machine and with the usual one.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import quantiles

from bench.localnets import members
from bench.ratios import Effort, Row

EVERY = 0.25  # seconds between two transactions


def rows(effort: Effort) -> Iterator[Row]:
    """Two rows."""
    count = effort.of(120, 20)
    for what, local, bound in (("timing of one machine", True, 1.0), ("default timing", False, 3.0)):
        with members(4, local=local) as net:
            net.latencies(8, EVERY)  # caches
            found = [quantiles(net.latencies(count // 4, EVERY), n=20)[-1] for _ in range(effort.of(7, 2))]
        ratios = tuple(one / bound for one in found)
        yield Row(f"commit latency (p95) at 4 transactions a second, {what}", "its bound", "<= 1", ratios, max(found), bound)
