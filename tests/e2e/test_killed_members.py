"""A member's application or engine is killed at each step of a block, while others write; and comes to the same as they have."""

from __future__ import annotations

from pathlib import Path

from localnet_world import Members, Sent, on_comet
from salus.node.ledger_store import LedgerStore
from salus.node.replaying import replay

pytestmark = on_comet

A, B = 0, 1
STEPS = ("prepare_proposal", "process_proposal", "finalize_block", "write", "commit")
DRILLS = [
    *(f"application {when} {step}" for step in STEPS for when in ("before", "after")),
    *(f"engine {when} {step}" for step in ("process_proposal", "finalize_block", "commit") for when in ("before", "after")),
]
AGAIN = "node and engine begin again"
BLOCKS = 60  # written at most until a step is reached: every fourth block is proposed by B


def test_killed_at_each_step_of_a_block_a_member_comes_to_the_same(world: Members) -> None:
    """NET-31: nothing acknowledged is lost, no header parts, and the state is that of a replay from genesis."""
    acknowledged, sockets = list[Sent](), set[Path]()
    for drill in DRILLS:
        said = len(world.said(B))
        sockets.add(world.engine_socket(B).parent)
        world.fault(B, f"{drill} 2")
        for _ in range(BLOCKS):
            acknowledged.append(world.append(A))
            if world.net.pid(world.members[B]) is None or AGAIN in world.said(B)[said:]:
                break
        if drill.startswith("engine"):
            assert AGAIN in world.said(B)[said:], f"{drill}: was not reached, or the node does not say what it does"
        else:
            assert world.gone(B), f"{drill}: was not reached, or one half outlived the other"
    world.net.start()
    assert [folder for folder in sockets if folder.exists()] == [], "sockets of killed nodes are left"
    acknowledged.append(world.append(B))
    assert world.forks() == []
    assert world.lost(acknowledged) == []
    world.net.kill(world.members[B].name)
    assert world.gone(B)
    store = LedgerStore(world.home(B) / "node" / "ledger")
    newest = store.newest()
    assert newest is not None
    assert replay(world.genesis, store, newest.header.height) == newest.header.height
    store.close()
