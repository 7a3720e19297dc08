"""A member whose node's clock is wrong: it stops nobody else, and what it refuses for that is taken by another member."""

from __future__ import annotations

import pytest

from localnet_world import MEMBERS, Members, Sent, on_comet, until
from salus.errors import SalusError

pytestmark = on_comet

A, B, C, D = range(4)
MINUTE = 60  # seconds
TIMES = 8


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_member_whose_clock_is_wrong_stops_nobody_and_what_it_refuses_was_not_taken(world: Members, minutes: int) -> None:
    """NET-33: the clock of the node's process is wrong; its engine reads the machine's, which is right."""
    world.fault(B, f"clock {minutes * MINUTE}")
    assert until(lambda: world.answers(B))
    acknowledged, refused, codes = list[Sent](), list[Sent](), set[str]()
    for number in range(TIMES):
        acknowledged.append(world.append(A if number % 2 else C))
        sent, owner = world.anchor(B, number), world.owners[number]
        try:
            with world.client(B) as node:
                node.submit(sent.submission)
            acknowledged.append(sent)
        except SalusError as error:
            codes.add(error.full_code)
            refused.append(sent)
            with world.client(D) as node:  # another member sponsors the same
                other = world.signed(D, [owner.anchor(sent.submission.blobs[0])], owner, sent.submission.blobs)
                node.submit(other.submission)
            acknowledged.append(other)
    assert codes <= {"ledger/expired", "ledger/expires-too-late", "node/too-few-copies"}
    assert world.forks() == []
    assert world.lost(acknowledged) == []
    assert len(world.lost(refused)) == len(refused) * MEMBERS, "what was refused has come into a block"
