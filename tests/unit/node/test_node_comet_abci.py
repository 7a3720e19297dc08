"""The application on CometBFT's socket: the same history comes to the same hashes, and nothing that fails becomes a result."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from long_history import HistoryBlock, read, write
from replay_history import Memory, replay
from salus.errors import SalusError
from salus.ids import Millis
from salus.ledger.app import Application, Finalized
from salus.ledger.genesis import Genesis, network_id
from salus.ledger.lightblock import chain_id
from salus.ledger.machine import Block
from salus.ledger.store import MemoryStore
from salus.node.comet import abci_pb2 as abci
from salus.node.comet.application import AbciApplication
from salus.node.comet.framing import Frames, framed
from salus.node.comet.server import AbciServer

BLOCKS = 40


class Keeping:
    """Keeps blocks in memory, as an engine keeps them on disk."""

    def __init__(self, app: Application, store: MemoryStore) -> None:
        self.app, self.store = app, store
        self.dropping: list[str] = []
        self.broken = False

    def keep(self, block: Block, final: Finalized) -> int:
        if self.broken:
            raise OSError(28, "no space")
        self.store.apply(self.app.commit())
        self.app.committed()
        return 0

    def dropped(self, data: bytes, refusal: SalusError) -> None:
        self.dropping.append(refusal.code)


class Line:
    """One of CometBFT's connections."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._frames = Frames()

    def ask(self, **request: object) -> abci.Response:
        """The answer to one request."""
        self.send(framed(abci.Request(**request).SerializeToString()))
        (answer,) = self.answers(1)
        return answer

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answers(self, count: int) -> list[abci.Response]:
        """The next answers; fewer where the connection is closed before."""
        found: list[abci.Response] = []
        while len(found) < count and (data := self._socket.recv(65_536)):
            found += [abci.Response.FromString(frame) for frame in self._frames.feed(data)]
        return found

    def close(self) -> None:
        self._socket.close()


class Scene:
    """An application that is served, and a connection to it."""

    def __init__(self, genesis: Genesis, path: Path) -> None:
        self.genesis, self.path, self.failures = genesis, path, list[BaseException]()
        store = MemoryStore()
        self.app = Application(genesis, store, 0)
        store.apply(self.app.init_chain())
        self.keeping = Keeping(self.app, store)
        self.application = AbciApplication(genesis, self.app, self.keeping, lambda: Millis(genesis.time))
        self.server = AbciServer(path, self.application.answer, self.failures.append)

    def block(self, line: Line, height: int, written: HistoryBlock, *, proposed: bool) -> bytes:
        """Have one block decided; the application hash after it."""
        asked = {"height": height, "txs": written.transactions, "hash": height.to_bytes(32, "big")}
        time = {"seconds": written.time // 1000, "nanos": written.time % 1000 * 1_000_000}
        if proposed:
            status = line.ask(process_proposal=abci.ProcessProposalRequest(**asked, time=time)).process_proposal.status
            assert status == abci.ProcessProposalResponse.ACCEPT
        final = line.ask(finalize_block=abci.FinalizeBlockRequest(**asked, time=time)).finalize_block
        assert len(final.tx_results) == len(written.transactions)
        line.ask(commit=abci.CommitRequest())
        return final.app_hash


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history"
    write(path, 7, BLOCKS * 10, 10)
    return path


@contextmanager
def served(history: Path) -> Iterator[tuple[Scene, Line, list[HistoryBlock]]]:
    genesis, *blocks = read(history)
    assert isinstance(genesis, Genesis)
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:  # a short path, as sockets need
        scene = Scene(genesis, Path(folder) / "app.sock")
        scene.server.start()
        line = Line(scene.path)
        try:
            yield scene, line, [block for block in blocks if isinstance(block, HistoryBlock)]
        finally:
            line.close()
            scene.server.stop()


def founded(scene: Scene, line: Line) -> bytes:
    """Found the chain; the first application hash."""
    asked = abci.InitChainRequest(chain_id=chain_id(network_id(scene.genesis)), initial_height=1)
    return line.ask(init_chain=asked).init_chain.app_hash


def test_one_history_comes_to_the_same_hashes_on_the_socket_as_by_replay(history: Path) -> None:
    """NET-3."""
    lines: list[str] = []
    replay(history, Memory(), False, lines.append)
    with served(history) as (scene, line, blocks):
        assert founded(scene, line) == scene.app.info().root
        for height, written in enumerate(blocks, 1):
            root = scene.block(line, height, written, proposed=height % 3 > 0)
            assert root.hex() == lines[height - 1].split()[1]
        info = line.ask(info=abci.InfoRequest(abci_version="2.0.0")).info
        assert (info.last_block_height, info.last_block_app_hash) == (len(blocks), root)


def test_a_block_that_was_finalized_and_not_committed_leaves_nothing(history: Path) -> None:
    """NET-4."""
    with served(history) as (scene, line, blocks):
        founded(scene, line)
        before = scene.app.info()
        time = {"seconds": blocks[0].time // 1000, "nanos": blocks[0].time % 1000 * 1_000_000}
        asked = abci.FinalizeBlockRequest(height=1, txs=blocks[0].transactions, time=time)
        first = line.ask(finalize_block=asked).finalize_block
        assert scene.app.info() == before
        assert line.ask(info=abci.InfoRequest()).info.last_block_height == 0
        assert line.ask(finalize_block=asked).finalize_block == first


def test_what_was_proposed_and_not_decided_leaves_nothing(history: Path) -> None:
    """NET-4: of two proposals for a height the one that is decided counts."""
    with served(history) as (scene, line, blocks):
        founded(scene, line)
        time = {"seconds": blocks[0].time // 1000, "nanos": blocks[0].time % 1000 * 1_000_000}
        line.ask(process_proposal=abci.ProcessProposalRequest(height=1, txs=[], time=time))
        assert scene.block(line, 1, blocks[0], proposed=False) == blocks[0].root


def test_a_failure_to_keep_a_block_is_no_result_and_ends_every_connection(history: Path) -> None:
    """NET-5."""
    with served(history) as (scene, line, blocks):
        founded(scene, line)
        other = Line(scene.path)
        other.ask(echo=abci.Echo(message="here"))
        scene.keeping.broken = True
        time = {"seconds": blocks[0].time // 1000}
        line.ask(finalize_block=abci.FinalizeBlockRequest(height=1, txs=blocks[0].transactions, time=time))
        line.send(framed(abci.Request(commit=abci.CommitRequest()).SerializeToString()))
        assert line.answers(1) == []
        assert other.answers(1) == []
        assert [type(failure) for failure in scene.failures] == [OSError]
        other.close()


def test_another_network_s_engine_is_not_answered(history: Path) -> None:
    """NET-5."""
    with served(history) as (scene, line, _):
        asked = abci.InitChainRequest(chain_id="salus-other", initial_height=1)
        line.send(framed(abci.Request(init_chain=asked).SerializeToString()))
        assert line.answers(1) == []
        assert isinstance(scene.failures[0], SalusError)
        assert scene.failures[0].full_code == "node/wrong-network"


@pytest.mark.parametrize("data", [b"\xff" * 12, framed(b"\xff\xff"), framed(b"")], ids=["length", "message", "nothing"])
def test_garbage_ends_its_connection_alone_or_is_a_failure(history: Path, data: bytes) -> None:
    with served(history) as (scene, line, _):
        founded(scene, line)
        other = Line(scene.path)
        other.send(data)
        told = other.answers(2)
        assert [answer.WhichOneof("value") for answer in told] in ([], ["exception"])
        other.close()


def test_many_requests_that_come_together_are_answered_in_their_order(history: Path) -> None:
    with served(history) as (_, line, __):
        line.send(b"".join(framed(abci.Request(echo=abci.Echo(message=str(n))).SerializeToString()) for n in range(500)))
        assert [answer.echo.message for answer in line.answers(500)] == [str(n) for n in range(500)]


def test_what_waits_and_has_become_impossible_is_told_to_who_waits(history: Path) -> None:
    with served(history) as (scene, line, blocks):
        founded(scene, line)
        refused = line.ask(check_tx=abci.CheckTxRequest(tx=b"\x90", type=abci.NEW)).check_tx
        assert (refused.code, refused.codespace, refused.log) == (1, "codec", "not-decodable")
        assert scene.keeping.dropping == []
        line.ask(check_tx=abci.CheckTxRequest(tx=b"\x90", type=abci.RECHECK))
        assert scene.keeping.dropping == ["not-decodable"]
        assert len(blocks) > 10


def test_a_proposal_has_only_what_applies_one_after_the_other_and_fits(history: Path) -> None:
    """NET-6."""
    with served(history) as (scene, line, blocks):
        founded(scene, line)
        written = next(block for block in blocks if block.transactions)
        time = {"seconds": written.time // 1000, "nanos": written.time % 1000 * 1_000_000}
        (first, *_) = written.transactions
        asked = abci.PrepareProposalRequest(max_tx_bytes=1_000_000, txs=[first, b"\x90", first], height=1, time=time)
        assert list(line.ask(prepare_proposal=asked).prepare_proposal.txs) in ([first], [])
        asked.max_tx_bytes = 10
        assert list(line.ask(prepare_proposal=asked).prepare_proposal.txs) == []
        too_large = [b"\0" * scene.genesis.parameters.max_transaction] * 80
        refused = line.ask(process_proposal=abci.ProcessProposalRequest(height=1, txs=too_large, time=time))
        assert refused.process_proposal.status == abci.ProcessProposalResponse.REJECT


def test_snapshots_votes_and_peers_are_answered(history: Path) -> None:
    with served(history) as (_, line, __):
        assert not line.ask(list_snapshots=abci.ListSnapshotsRequest()).list_snapshots.snapshots
        offered = line.ask(offer_snapshot=abci.OfferSnapshotRequest()).offer_snapshot
        assert offered.result == abci.OfferSnapshotResponse.ABORT
        assert line.ask(load_snapshot_chunk=abci.LoadSnapshotChunkRequest()).load_snapshot_chunk.chunk == b""
        applied = line.ask(apply_snapshot_chunk=abci.ApplySnapshotChunkRequest()).apply_snapshot_chunk
        assert applied.result == abci.ApplySnapshotChunkResponse.ABORT
        assert line.ask(extend_vote=abci.ExtendVoteRequest()).extend_vote.vote_extension == b""
        vote = line.ask(verify_vote_extension=abci.VerifyVoteExtensionRequest()).verify_vote_extension
        assert vote.status == abci.VerifyVoteExtensionResponse.ACCEPT
        assert line.ask(query=abci.QueryRequest(path="/p2p/filter/addr/127.0.0.1:1")).query.code == 0
        assert line.ask(query=abci.QueryRequest(path="/p2p/filter/id/abc")).query.code == 1
        assert line.ask(query=abci.QueryRequest(path="/store")).query.code == 1
        assert line.ask(insert_tx=abci.InsertTxRequest()).insert_tx.code == 1
        assert not line.ask(reap_txs=abci.ReapTxsRequest()).reap_txs.txs
        assert line.ask(flush=abci.Flush()).WhichOneof("value") == "flush"
