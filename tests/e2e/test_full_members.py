"""A member whose disk is full stops and says so; the others go on, and it catches up once there is room."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from disk.shim import shim
from localnet_world import Members, on_comet, until

pytestmark = on_comet

A, B, C, D = range(4)


@pytest.fixture
def world() -> Iterator[Members]:
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        made = Members(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.net.stop()


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
    assert "salus: node/engine-stopped" in words
    assert "node/storage-failed" in words
    assert "Traceback" not in words
    comes_back(world)


@pytest.mark.parametrize("what", ["everything", "what was agreed"])
def test_a_node_whose_engine_has_no_room_stops_and_says_so_and_catches_up(world: Members, what: str) -> None:
    """NET-32: where its log has no room either; and where it has, and the engine's process goes on without ordering."""
    engine = int((world.home(B) / "node" / "comet" / "engine.pid").read_text("ascii"))
    said = len(world.said(B))
    allowed = resource.prlimit(engine, resource.RLIMIT_FSIZE)
    size = 4096 if what == "everything" else (world.home(B) / "node" / "comet" / "data" / "cs.wal" / "wal").stat().st_size
    resource.prlimit(engine, resource.RLIMIT_FSIZE, (size, allowed[1]))
    words = ends(world, said)
    assert "salus: node/engine-stopped" in words
    assert ("orders nothing any more" if what == "what was agreed" else "does not answer any more") in words
    assert "Traceback" not in words
    comes_back(world)
