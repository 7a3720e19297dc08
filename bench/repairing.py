"""How fast a vault that was lost comes back from another member's, beside copying the same files by hand.

The other member's node is a process of its own, asked over loopback HTTP; what comes is held against its hash and is durable. By
hand: each file is copied and flushed, then each folder. Blobs of 64 KiB.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bench.networks import BLOB, founding, owners, signed
from bench.ratios import Effort, Row, compare
from bench.serving import served
from salus.codec import encode
from salus.crypto.hashing import sha256
from salus.crypto.keys import derive, new_seed
from salus.crypto.signing import SigningKey
from salus.durable import sync_folder
from salus.exchange.api import Submission
from salus.exchange.client import NodeClient
from salus.home_folder import clock
from salus.ledger.genesis import Genesis, GenesisMember, LicenceRight, member_id
from salus.ledger.modules.sections.messages import AppendEntry
from salus.node.config import Config
from salus.node.identity import Identity
from salus.node.service import NodeService

_SIZE, _AT_ONCE = 65_536, 64


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    count = effort.of(2048, 64)
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first", Path(folder) / "second"
        seeds, authority = (new_seed(), new_seed()), SigningKey(new_seed())
        lost = GenesisMember(authority.public, SigningKey(derive(seeds[1], "node")).public, tuple(LicenceRight))
        genesis = founding(seeds[0], lost)
        genesis = replace(genesis, parameters=replace(genesis.parameters, durable_copies=1))  # one member alone writes here
        _make_home(first, genesis, seeds[0])
        with served(first) as url:
            _fill(url, genesis, count)
            identity = Identity(genesis, member_id(authority.public), seeds[1])
            node = NodeService(second, identity, Config(follow=url), clock, background=False)
            held = first / "node" / "vault" / "blobs"
            yield compare(
                effort,
                f"a lost vault comes back from another member's: {count} blobs of 64 KiB",
                "the same files copied by hand, each flushed",
                ">= 0.5",
                lambda: _repaired(node, count),
                lambda: _copied(held, Path(folder) / "copy"),
            )
            node.stop()


def _make_home(home: Path, genesis: Genesis, seed: bytes) -> None:
    (home / "node").mkdir(parents=True)
    (home / "node" / "config.toml").write_text('guests = "open"\n', "ascii")
    (home / "node" / "node.key").write_text(seed.hex() + "\n", "ascii")
    (home / "node" / "founding").write_bytes(b"")
    (home / "genesis.bin").write_bytes(encode(genesis))


def _fill(url: str, genesis: Genesis, count: int) -> None:
    """So many blobs in the vault of the node at ``url``."""
    node, (owner,) = NodeClient(url), owners(genesis, 1)
    node.submit(Submission(signed(genesis, [owner.creation(genesis.time)], [owner.key]), (BLOB,)))
    for _ in range(count // _AT_ONCE):
        blobs = tuple(secrets.token_bytes(_SIZE) for _ in range(_AT_ONCE))
        appends = [AppendEntry(owner.section, 0, owner.key.public, sha256(blob), len(blob)) for blob in blobs]
        node.submit(Submission(signed(genesis, appends, [owner.key]), blobs))
    node.close()


def _repaired(node: NodeService, count: int) -> float:
    """Seconds a blob until a vault that has lost all has all again."""
    assert node.replicating is not None
    for blob in list(node.blobs.stock()):
        node.blobs.remove(blob)
    node.replicating.search()
    assert node.replicating.lacking() > count
    begun = time.perf_counter()
    node.replicating.look()
    node.blobs.settle()
    taken = time.perf_counter() - begun
    assert node.replicating.lacking() == 0
    return taken / count


def _copied(held: Path, copy: Path) -> float:
    """Seconds a file until all are copied and durable."""
    shutil.rmtree(copy, ignore_errors=True)
    files = [path for path in held.glob("*/*") if path.is_file()]
    begun = time.perf_counter()
    for folder in sorted({path.parent.name for path in files}):
        (copy / folder).mkdir(parents=True)
    for path in files:
        target = copy / path.parent.name / path.name
        shutil.copyfile(path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    for folder in copy.iterdir():
        sync_folder(folder)
    return (time.perf_counter() - begun) / len(files)
