"""A node whose bucket is killed, stands still and comes back while four write without end; then the node is killed as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from bucket_world import eventually, keys, named, on_buckets, server
from node_world import QUIET, NodeWorld, blob, key, running
from salus.crypto.hashing import sha256

WRITERS, PORTION, QUICK = 4, 40, 0.5
pytestmark = [pytest.mark.slow, on_buckets]


@contextmanager
def over_bucket(folder: Path, port: int) -> Iterator[NodeWorld]:
    """The node in ``folder``, over the bucket of the server on this port."""
    with running(folder, config=replace(QUIET, store=named(port, timeout=QUICK))) as world:
        yield world


def work(folder: Path, port: int) -> None:
    """Append without end; a line of output for each that was acknowledged."""
    with over_bucket(folder, port) as world, ThreadPoolExecutor(WRITERS) as pool:

        def write(writer: int) -> None:
            name = f"section {writer}"
            world.fill(name)
            for number in range(1_000_000):
                data = blob(f"{writer} {number}", 20_000)
                world.submit(world.entry(name, data), keys=[key(name)], blobs=[data])
                os.write(1, f"{writer} {number}\n".encode())

        list(pool.map(write, range(WRITERS)))


def test_nothing_that_was_acknowledged_is_lost_while_the_bucket_comes_and_goes(tmp_path: Path) -> None:
    """MEM-30, MEM-31: and those who write never wait for it."""
    with server(tmp_path) as store, keys():
        paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        child = subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / "node"), str(store.port)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert child.stdout is not None
        output = child.stdout
        said = [output.readline() for _ in range(PORTION)]
        store.kill()
        said += [output.readline() for _ in range(PORTION)]
        store.start()
        said += [output.readline() for _ in range(PORTION)]
        with store.standing_still():
            said += [output.readline() for _ in range(PORTION)]
        before = len(store.objects())
        while len(store.objects()) <= before:  # it moves again by itself
            said += [output.readline()]
        child.send_signal(signal.SIGKILL)
        said += output.readlines()
        output.close()
        assert child.wait() == -signal.SIGKILL
        with over_bucket(tmp_path / "node", store.port) as world:
            eventually(world.node.blobs.move)
            acknowledged = [blob(line.decode().strip(), 20_000) for line in said if line.endswith(b"\n")]
            wanted = {sha256(data): data for data in acknowledged}
            assert len(wanted) > 4 * PORTION
            assert {name for name, data in wanted.items() if world.node.blobs.get(name) != data} == set()
            assert world.node.engine.verify_chain() == world.node.status().height
        assert {name.hex() for name in wanted} <= {name.rpartition("/")[2] for name in store.objects()}
        assert not [path for path in (tmp_path / "node" / "vault" / "blobs").rglob("*") if path.is_file()]


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
