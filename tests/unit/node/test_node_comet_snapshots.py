"""Snapshots as CometBFT asks for them: what a node makes another begins with, and what peers send is believed by nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger_world import some
from long_history import HistoryBlock, read, write
from replay_history import Memory
from replay_history import replay as replay_history
from salus.codec import encode
from salus.errors import NodeRefused, SalusError
from salus.ids import Height, Millis
from salus.ledger.app import Application
from salus.ledger.genesis import Genesis
from salus.ledger.machine import Block
from salus.ledger.snapshot import FORMAT, Restored, Snapshot, chunk_hash, cut, snapshot_hash
from salus.node.comet import abci_pb2 as abci
from salus.node.comet.application import AbciApplication
from salus.node.comet.sharing import SharingSnapshots
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.snapshots import KEPT, Making, Snapshots

NETWORK = some("network")
Offered, Applied = abci.OfferSnapshotResponse, abci.ApplySnapshotChunkResponse


class Chain:
    """A node's chain: its ledger, what it has executed, and how far it has shown headers."""

    def __init__(self, genesis: Genesis, folder: Path) -> None:
        self.store = LedgerStore(folder / "ledger")
        self.app = Application(genesis, self.store, 0)
        self.store.commit_block(0, StoredBlock((), ()), self.app.init_chain())
        self.app.committed()
        self.snapshots = Snapshots(folder / "snapshots")
        self.making = Making(self.snapshots, NETWORK, 10)
        self.newest = 0
        self.sharing = SharingSnapshots(NETWORK, self.snapshots, self)
        self.abci = AbciApplication(genesis, self.app, self, lambda: Millis(0), snapshots=self.sharing)

    def keep(self, block: Block, final: object) -> int:
        raise AssertionError("no block is kept here")

    def dropped(self, data: bytes, refusal: SalusError) -> None:
        raise AssertionError("nothing waits here")

    def executed(self) -> int:
        return self.app.info().height

    def shown(self) -> int:
        return self.newest

    def begin_at(self, found: Restored) -> None:
        self.store.begin_at(found.snapshot.height, found.state)
        self.app.begin_at(found.snapshot.height, found.tree)

    def execute(self, written: HistoryBlock) -> bytes:
        """One more block; the application hash after it."""
        height = self.executed() + 1
        final = self.app.finalize_block(Block(Height(height), Millis(written.time), written.transactions))
        self.store.commit_block(height, StoredBlock(written.transactions, final.results), self.app.commit())
        self.app.committed()
        self.making.offer(height, final.root, self.store.base(), self.store.leaves)
        self.newest = height + 1
        return final.root

    def ask(self, **asked: object) -> abci.Response:
        return self.abci.answer(abci.Request(**asked))

    def listed(self) -> list[abci.Snapshot]:
        return list(self.ask(list_snapshots=abci.ListSnapshotsRequest()).list_snapshots.snapshots)

    def chunk(self, told: abci.Snapshot, index: int, form: int = FORMAT) -> bytes:
        asked = abci.LoadSnapshotChunkRequest(height=told.height, format=form, chunk=index)
        return self.ask(load_snapshot_chunk=asked).load_snapshot_chunk.chunk

    def offer(self, told: abci.Snapshot, root: bytes) -> int:
        return self.ask(offer_snapshot=abci.OfferSnapshotRequest(snapshot=told, app_hash=root)).offer_snapshot.result

    def apply(self, index: int, data: bytes) -> abci.ApplySnapshotChunkResponse:
        asked = abci.ApplySnapshotChunkRequest(index=index, chunk=data, sender="peer")
        return self.ask(apply_snapshot_chunk=asked).apply_snapshot_chunk


@dataclass(frozen=True)
class History:
    genesis: Genesis
    blocks: list[HistoryBlock]
    roots: list[bytes]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    path = tmp_path_factory.mktemp("history") / "history"
    write(path, 7, 350, 10)
    lines: list[str] = []
    replay_history(path, Memory(), False, lines.append)
    genesis, *blocks = read(path)
    assert isinstance(genesis, Genesis)
    written = [block for block in blocks if isinstance(block, HistoryBlock)]
    return History(genesis, written, [bytes.fromhex(line.split()[1]) for line in lines])


@pytest.fixture
def chains(history: History, tmp_path: Path) -> Iterator[list[Chain]]:
    """Two nodes: one that has executed 25 blocks, and one that has none."""
    made = [Chain(history.genesis, tmp_path / name) for name in ("a", "b")]
    for written in history.blocks[:25]:
        made[0].execute(written)
        made[0].making.wait()
    yield made
    for chain in made:
        chain.making.stop()
        chain.store.close()


def handed(there: Chain, here: Chain, root: bytes) -> abci.Snapshot:
    """The newest snapshot, taken from one node to the other."""
    told = there.listed()[0]
    assert here.offer(told, root) == Offered.ACCEPT
    for index in range(told.chunks):
        assert here.apply(index, there.chunk(told, index)).result == Applied.ACCEPT
    return told


def test_one_history_has_one_application_hash_by_replay_and_by_snapshot(chains: list[Chain], history: History) -> None:
    """NET-3, NET-41: what was begun with a snapshot executes on to the same hashes."""
    there, here = chains
    handed(there, here, history.roots[19])
    info = here.ask(info=abci.InfoRequest(abci_version="2.0.0")).info
    assert (info.last_block_height, info.last_block_app_hash, info.app_version) == (20, history.roots[19], 1)
    assert here.store.base() == 20
    assert [here.execute(block) for block in history.blocks[20:]] == history.roots[20:]
    assert [there.execute(block) for block in history.blocks[25:]] == history.roots[25:]


def test_snapshots_of_two_nodes_are_the_same_bytes_and_two_are_kept(chains: list[Chain], history: History) -> None:
    """NET-40, NET-43."""
    there, here = chains
    handed(there, here, history.roots[19])
    for written in history.blocks[25:31]:
        there.execute(written)
        there.making.wait()
    for written in history.blocks[20:31]:
        here.execute(written)
        here.making.wait()
    assert there.snapshots.heights() == [30, 20]
    assert KEPT == 2
    assert here.snapshots.heights() == [30, 20]
    assert [encode(found) for height in (30, 20) if (found := there.snapshots.find(height))] == [
        encode(found) for height in (30, 20) if (found := here.snapshots.find(height))
    ]


def test_the_snapshot_with_which_a_chain_begins_is_kept(chains: list[Chain], history: History) -> None:
    """NET-43."""
    there, here = chains
    handed(there, here, history.roots[19])
    for number in (30, 40, 50):
        here.snapshots.make(NETWORK, number, some("root"), [(b"key", b"value")], base=20)
    assert here.snapshots.heights() == [50, 40, 20]
    base = here.snapshots.base(20)
    assert base is not None
    assert base.snapshot.root == history.roots[19]
    path = next((here.snapshots._folder / f"{20:016d}").glob("00000"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert here.snapshots.base(20) is None


def test_a_snapshot_is_offered_once_it_can_be_proven(chains: list[Chain]) -> None:
    """NET-43."""
    there = chains[0]
    assert [told.height for told in there.listed()] == [20, 10]
    there.newest = 21
    assert [told.height for told in there.listed()] == [10]
    assert there.chunk(there.listed()[0], 0, form=2) == b""
    assert there.chunk(there.listed()[0], 999_999) == b""


def test_what_is_said_of_a_snapshot_must_be_so(chains: list[Chain], history: History) -> None:
    """NET-42."""
    there, here = chains
    told, root = there.listed()[0], history.roots[19]
    other = Snapshot(some("other network"), 20, root, (some("chunk"),))
    wrong = [
        {"height": 21},
        {"chunks": told.chunks + 1},
        {"hash": some("hash")},
        {"metadata": told.metadata[:-1]},
        {"metadata": b""},
        {"metadata": encode(other), "hash": snapshot_hash(other), "chunks": 1},
    ]
    for changes in wrong:
        fields = {name: getattr(told, name) for name in ("height", "format", "chunks", "hash", "metadata")}
        assert here.offer(abci.Snapshot(**{**fields, **changes}), root) == Offered.REJECT
    assert here.offer(told, some("another root")) == Offered.REJECT
    assert here.offer(abci.Snapshot(height=20, format=2, chunks=told.chunks), root) == Offered.REJECT_FORMAT
    assert there.offer(told, root) == Offered.ABORT
    assert here.executed() == 0


def test_a_chunk_that_a_peer_altered_is_asked_for_again_and_the_peer_no_more(chains: list[Chain], history: History) -> None:
    """NET-42."""
    there, here = chains
    told = there.listed()[0]
    assert here.offer(told, history.roots[19]) == Offered.ACCEPT
    for index, data in ((0, b""), (0, there.chunk(told, 0) + b"x"), (99, there.chunk(told, 0))):
        answer = here.apply(index, data)
        assert (answer.result, list(answer.reject_senders)) == (Applied.RETRY, ["peer"])
        assert list(answer.refetch_chunks) == [index]
    assert here.executed() == 0
    for index in range(told.chunks):
        assert here.apply(index, there.chunk(told, index)).result == Applied.ACCEPT
    assert here.executed() == 20


def test_a_state_of_another_root_is_rejected_and_leaves_nothing(chains: list[Chain], history: History) -> None:
    """NET-42: chunks and description agree with each other, and not with what is proven."""
    here, root = chains[1], history.roots[19]
    before = here.app.info()
    (data,) = cut([(b"made", b"up")])
    forged = Snapshot(NETWORK, 20, root, (chunk_hash(data),))
    told = abci.Snapshot(height=20, format=FORMAT, chunks=1, hash=snapshot_hash(forged), metadata=encode(forged))
    assert here.offer(told, root) == Offered.ACCEPT
    assert here.apply(0, data).result == Applied.REJECT_SNAPSHOT
    assert here.app.info() == before
    assert here.store.base() == 0
    assert here.snapshots.heights() == []


def test_a_chunk_of_nothing_that_was_accepted_is_no_honest_engine_s(chains: list[Chain]) -> None:
    with pytest.raises(NodeRefused) as refused:
        chains[1].apply(0, b"")
    assert refused.value.full_code == "node/wrong-engine"


def test_a_node_without_snapshots_offers_and_takes_none(history: History, tmp_path: Path) -> None:
    chain = Chain(history.genesis, tmp_path)
    bare = AbciApplication(history.genesis, chain.app, chain, lambda: Millis(0))
    assert not bare.answer(abci.Request(list_snapshots=abci.ListSnapshotsRequest())).list_snapshots.snapshots
    assert not bare.answer(abci.Request(load_snapshot_chunk=abci.LoadSnapshotChunkRequest())).load_snapshot_chunk.chunk
    asked = abci.Request(offer_snapshot=abci.OfferSnapshotRequest())
    assert bare.answer(asked).offer_snapshot.result == Offered.ABORT
    applied = abci.Request(apply_snapshot_chunk=abci.ApplySnapshotChunkRequest())
    assert bare.answer(applied).apply_snapshot_chunk.result == Applied.ABORT
    chain.store.close()


def test_a_snapshot_shows_one_moment_while_blocks_go_on(chains: list[Chain], history: History) -> None:
    """NET-43: it is of the state at its height, whatever was written since."""
    there = chains[0]
    with there.store.leaves() as leaves:
        for written in history.blocks[25:30]:
            there.execute(written)
        made = there.snapshots.make(NETWORK, 25, history.roots[24], leaves, base=0)
    assert there.snapshots.base(25) is not None
    assert made.root == history.roots[24]


def test_a_disk_that_refuses_leaves_no_part_of_a_snapshot_and_the_node_goes_on(
    chains: list[Chain], history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = chains[0]

    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    leaves = there.store.leaves
    there.making.offer(30, some("root"), 0, leaves)
    there.making.wait()
    monkeypatch.undo()
    assert there.snapshots.heights() == [20, 10]
    assert there.execute(history.blocks[25]) == history.roots[25]


def test_nothing_is_made_where_none_is_wanted_or_one_is_given_up(chains: list[Chain], tmp_path: Path) -> None:
    there = chains[0]
    never = Making(Snapshots(tmp_path / "never"), NETWORK, 0)
    never.offer(10, some("root"), 0, there.store.leaves)
    never.wait()
    assert never._snapshots.heights() == []
    there.making._stopping.set()
    there.making.offer(30, some("root"), 0, there.store.leaves)
    there.making.wait()
    assert there.snapshots.heights() == [20, 10]
