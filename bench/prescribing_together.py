"""A prescription's way through four members that order together, beside plain anchors of as many signatures.

Both sides hand in all that are issued (or anchored), then all that are accepted, then all that are dispensed, and wait until none
waits any more.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.localnets import members, ordered
from bench.prescribing import LICENSED, anchored, licence_for, prescribed
from bench.ratios import Effort, Row, compare
from salus.home_folder import clock

MEMBERS = 4


def rows(effort: Effort) -> Iterator[Row]:
    """One row; seconds a transaction."""
    size = effort.of(200, 10)
    with members(MEMBERS) as net:
        licensed = [licence_for(net.genesis, net.node, net.authority, name, right) for name, right in LICENSED]
        ordered(net.socket, [data for data, _ in licensed])
        licences = [licence for _, licence in licensed]

        def ours() -> float:
            steps = prescribed(net.genesis, clock(), net.node, licences, size)
            return sum(ordered(net.socket, step) for step in steps) / len(steps)

        def theirs() -> float:
            steps = anchored(net.genesis, net.node, net.owners, size)
            return sum(ordered(net.socket, step) for step in steps) / len(steps)

        what = f"prescriptions among {MEMBERS} members: a transition"
        yield compare(effort, what, "plain anchors, as many signatures", ">= 0.5", ours, theirs)
