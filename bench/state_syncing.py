"""A node that joins: it begins with a snapshot of a chain's state, or it executes every block of that chain.

Each transaction is an anchor of its own with two signatures, in blocks of 100, and none has expired, so that the state keeps the
most that it can of each. Both sides end with the same application hash, durably. What the network takes to carry chunks and
blocks is part of neither; nor is what CometBFT waits for snapshots to be offered (5 seconds, once).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.networks import BLOB, founding, owners, signed
from bench.ratios import Effort, Row, compare, timed
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import SigningKey
from salus.home_folder import clock
from salus.ids import Height, Millis
from salus.ledger.app import Application
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.machine import Block
from salus.ledger.snapshot import Snapshot, restored
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.snapshots import Snapshots

_SEED = tagged("bench/node")
_BLOCK = 100
_OWNERS = 50


class _Node:
    """A node's ledger, empty but for genesis."""

    def __init__(self, genesis: Genesis, folder: Path) -> None:
        self.genesis = genesis
        shutil.rmtree(folder, ignore_errors=True)
        self.store = LedgerStore(folder / "ledger")
        self.app = Application(genesis, self.store, 0)
        self.store.commit_block(0, StoredBlock((), ()), self.app.init_chain())
        self.app.committed()
        self.snapshots = Snapshots(folder / "snapshots")

    def execute(self, transactions: tuple[bytes, ...], time: int) -> None:
        """One more block, durably."""
        block = Block(Height(self.app.info().height + 1), Millis(time), transactions)
        final = self.app.finalize_block(block)
        if any(result.refusal for result in final.results):
            raise SystemExit("the ledger refused")
        self.store.commit_block(block.height, StoredBlock(transactions, final.results), self.app.commit())
        self.app.committed()

    def begin(self, there: Snapshots, snapshot: Snapshot) -> None:
        """Begin with what another node hands over, as `salus.node.comet.sharing` does."""
        arriving = self.snapshots.begin(snapshot)
        for index, data in enumerate(there.chunks(snapshot)):
            arriving.take(index, data)
        found = restored(snapshot, arriving.chunks())
        arriving.finish()
        self.store.begin_at(snapshot.height, found.state)
        self.app.begin_at(snapshot.height, found.tree)


def rows(effort: Effort) -> Iterator[Row]:
    """One row."""
    count = effort.of(100_000, 200)
    effort = replace(effort, most=4)  # a round takes minutes
    genesis = founding(_SEED)
    blocks = _blocks(genesis, count)
    now = clock() + 1
    with tempfile.TemporaryDirectory() as folder:
        there = _Node(genesis, Path(folder) / "there")
        for number, block in enumerate(blocks):
            there.execute(block, now + number)
        info = there.app.info()
        with there.store.leaves() as leaves:
            snapshot = there.snapshots.make(network_id(genesis), info.height, info.root, leaves, base=0)
        size = sum(map(len, there.snapshots.chunks(snapshot)))

        def ours() -> float:
            node = _Node(genesis, Path(folder) / "ours")
            return _ended(timed(lambda: node.begin(there.snapshots, snapshot)), node, info.root)

        def theirs() -> float:
            node = _Node(genesis, Path(folder) / "theirs")

            def every() -> None:
                for number, block in enumerate(blocks):
                    node.execute(block, now + number)

            return _ended(timed(every), node, info.root)

        what = f"joining a chain of {count} transactions by snapshot ({size / 1e6:.1f} MB)"
        yield compare(effort, what, "executing its blocks", "<= 0.1", ours, theirs)
        there.store.close()


def _ended(seconds: float, node: _Node, root: bytes) -> float:
    node.store.close()
    if node.app.info().root != root:
        raise SystemExit("the two ways do not come to one application hash")
    return seconds


def _blocks(genesis: Genesis, count: int) -> list[tuple[bytes, ...]]:
    key, people = SigningKey(derive(_SEED, "node")), owners(genesis, _OWNERS)
    creations = [signed(genesis, [owner.creation(genesis.time)], [owner.key, key]) for owner in people]
    anchors = [
        signed(genesis, [owner.anchor(BLOB[:-8] + number.to_bytes(8, "big"))], [owner.key, key])
        for number, owner in ((number, people[number % _OWNERS]) for number in range(count - _OWNERS))
    ]
    sent = creations + anchors
    return [tuple(sent[at : at + _BLOCK]) for at in range(0, len(sent), _BLOCK)]
