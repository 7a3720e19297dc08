"""A member whose disk is full stops and says so; the others go on, and it catches up once there is room."""

from __future__ import annotations

import os
import resource
import signal

import pytest

from disk.shim import shim
from localnet_world import Members, on_comet, until

pytestmark = on_comet

A, B, C, D = range(4)


def ends(world: Members, said: int) -> str:
    """Write until B has ended; what it said at last."""
    for _ in range(10):
        world.append(A)
    assert until(lambda: world.net.pid(world.members[B]) is None)
    assert world.gone(B)
    return world.said(B)[said:]


def comes_back(world: Members) -> None:
    sent = [world.append(at) for at in (A, C, D)]
    world.net.start()
    sent.append(world.append(B))
    assert world.forks() == []
    assert world.lost(sent) == []


def test_a_node_whose_disk_is_full_stops_with_its_code_and_catches_up(world: Members) -> None:
    """NET-32."""
    steered = {"LD_PRELOAD": str(shim()), "DISK_ROOT": str(world.home(B) / "node"), "DISK_FAST": "1"}
    world.fault(B, "disk", steered)
    assert until(lambda: world.answers(B))
    said = len(world.said(B))
    pid = world.net.pid(world.members[B])
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    words = ends(world, said)
    assert "salus: node/node-failed" in words
    assert "node/storage-failed" in words
    assert "Traceback" not in words
    comes_back(world)


@pytest.mark.parametrize("what", ["everything", "what was agreed"])
def test_a_node_whose_engine_has_no_room_says_so_begins_again_and_catches_up(world: Members, what: str) -> None:
    """NET-32, NET-35: where its log has no room either; and where it has, and the engine's process goes on without ordering."""
    comet = world.home(B) / "node" / "comet"
    engine, said = int((comet / "engine.pid").read_text("ascii")), len(world.said(B))
    size = 4096 if what == "everything" else (comet / "data" / "cs.wal" / "wal").stat().st_size
    resource.prlimit(engine, resource.RLIMIT_FSIZE, (size, resource.prlimit(engine, resource.RLIMIT_FSIZE)[1]))
    sent = [world.append(A) for _ in range(10)]
    assert until(lambda: "node and engine begin again" in world.said(B)[said:])
    words = world.said(B)[said:]
    assert what == "everything" or "orders nothing any more: there is no room" in words  # without a log there is no cause
    assert "Traceback" not in words
    assert until(lambda: world.answers(B))
    sent.append(world.append(B))
    assert world.forks() == []
    assert world.lost(sent) == []
