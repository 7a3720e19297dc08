"""A chain whose beginning moves up: it is whole from there at every step, and what lies below goes a little at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger_world import some
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused, SalusError
from salus.ids import Millis
from salus.ledger.app import Application, results_coded
from salus.ledger.genesis import Genesis, ValidatingMember, network_id
from salus.ledger.header import TxResult
from salus.ledger.lightblock import CommittedHeader, chain_id, results_hash, transactions_hash, validators_hash
from salus.ledger.machine import Block
from salus.ledger.merkle import Tree
from salus.ledger.modules.members.queries import seated
from salus.node.chain import Chain
from salus.node.comet import abci_pb2 as abci
from salus.node.comet.application import AbciApplication
from salus.node.config import LEAST_KEPT, read_config
from salus.node.ledger_store import GOING, LedgerStore, StoredBlock
from salus.node.operating.checking import check
from salus.node.operating.looking import looking
from salus.node.operating.scrubbing import scrub
from salus.node.pruning import Pruning
from salus.node.replaying import replay
from salus.node.snapshots import Making, Snapshots
from validators_world import Validators

VOTING = Validators([1, 1, 1, 1])
EVERY, KEEP = 10, 25
SECONDS = 1_800_000_000


def key_of(text: str) -> bytes:
    return SigningKey(some(text)).public


GENESIS = Genesis(
    bytes(16),
    Millis(1_700_000_000_000),
    tuple(
        ValidatingMember(key_of(f"authority {number}"), key_of(f"node {number}"), (), one.key, bytes([number] * 20))
        for number, one in enumerate(VOTING.set)
    ),
)


class Node:
    """A node's ledger that executes blocks of one transaction each, a second apart, as its engine would have it do."""

    def __init__(self, home: Path, keep: int = KEEP) -> None:
        self.home = home
        self.store = LedgerStore(home / "node" / "ledger")
        self.app = Application(GENESIS, self.store, 0)
        self.store.commit_block(0, StoredBlock((), ()), self.app.init_chain())
        self.app.committed()
        self.snapshots = Snapshots(home / "node" / "snapshots", pruned=bool(keep))
        self.pruning = Pruning(self.snapshots, self.store, keep)
        self.making = Making(self.snapshots, network_id(GENESIS), EVERY, self.pruning.move)
        self.abci = AbciApplication(GENESIS, self.app, self, lambda: Millis(0))
        self.before: CommittedHeader | None = None
        self.results: list[tuple[int, bytes]] = []
        self.lost_after = 0  # s after which a header leads nobody

    def keep(self, block: Block, final: object) -> int:
        """As `CometEngine.keep`, each block with its own header, which is here already."""
        header = VOTING.commit(
            VOTING.header(
                block.height,
                chain_id=chain_id(network_id(GENESIS)),
                seconds=SECONDS + block.height,
                nanos=0,
                last_block=None if self.before is None else self.before.block,
                data=transactions_hash(list(block.transactions)),
                last_results=results_hash(self.results),
                app=self.app.info().root,
                next_validators=validators_hash(seated(self.store)),
                app_version=1,
            )
        )
        results, root = final.results, final.root  # type: ignore[attr-defined]
        since = block.time - 1000 * self.lost_after if self.lost_after else 0
        self.store.commit_block(block.height, StoredBlock(block.transactions, results), self.app.commit(), [header], since)
        self.app.committed()
        self.before, self.results = header, results_coded(results)
        self.making.offer(block.height, root, self.store.base(), self.store.leaves)
        self.making.wait()
        return self.store.lowest()

    def dropped(self, data: bytes, refusal: SalusError) -> None:
        raise AssertionError("nothing waits here")

    def go_on(self, count: int) -> int:
        """So many blocks; the height from which on CometBFT is told to keep its own."""
        retained = 0
        for _ in range(count):
            height = self.app.info().height + 1
            asked = abci.FinalizeBlockRequest(height=height, txs=[b"garbage"])
            asked.time.seconds = SECONDS + height
            self.abci.answer(abci.Request(finalize_block=asked))
            retained = self.abci.answer(abci.Request(commit=abci.CommitRequest())).commit.retain_height
        return retained

    def replayed(self) -> int:
        """How far the chain here is whole, from its base on."""
        base = self.store.base()
        state = self.snapshots.base(base) if base else None
        return replay(GENESIS, self.store, self.app.info().height, base=state)

    def heights(self) -> list[int]:
        return [height for height in range(self.app.info().height + 1) if self.store.block(height) is not None]

    def headers(self) -> list[int]:
        return [height for height in range(self.app.info().height + 1) if self.store.header(height) is not None]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.making.stop()
    made.store.close()


def code(asked: Callable[[], object]) -> str:
    with pytest.raises(NodeRefused) as refused:
        asked()
    return refused.value.full_code


def test_the_base_moves_to_the_next_snapshot_once_enough_blocks_lie_above_it(node: Node) -> None:
    """NET-55, NET-56."""
    node.go_on(EVERY + KEEP - 1)
    assert node.store.base() == 0
    bases = [node.go_on(1) and node.store.base() for _ in range(100)]
    for height, base in enumerate(bases, EVERY + KEEP):
        assert base == 0 or height - 2 * (KEEP + EVERY) <= base <= height - KEEP
    assert [base for base, _ in itertools.groupby(bases)] == [0, 10, 30, 50, 70, 90]


def test_at_each_block_the_chain_is_whole_from_its_base_and_a_few_blocks_below_it_go(node: Node) -> None:
    """NET-56, NET-57: so a node may be killed whenever it likes."""
    node.go_on(EVERY + KEEP)
    lowest = 0
    for _ in range(60):
        node.go_on(1)
        assert node.replayed() == node.app.info().height
        assert node.store.lowest() - lowest <= GOING
        assert node.store.lowest() <= node.store.base()
        lowest = node.store.lowest()
    assert node.heights()[0] == node.store.base() > 0


def test_what_goes_with_one_block_is_little(tmp_path: Path) -> None:
    """NET-57: no block waits for long, however far the base was moved."""
    node = Node(tmp_path, keep=0)
    node.go_on(60)
    node.store.move_base(50)
    node.go_on(1)
    assert node.heights() == list(range(10, 62))
    node.store.close()


def test_the_engine_is_never_told_to_let_go_of_more_than_lies_below_the_base(node: Node) -> None:
    """NET-57."""
    told = [(node.go_on(1), node.store.base()) for _ in range(150)]
    assert all(retained <= base for retained, base in told)
    assert told[-1][0] > 0


def test_a_node_that_ended_when_the_base_was_moved_and_nothing_had_gone_yet_goes_on_where_it_was(tmp_path: Path) -> None:
    """NET-57."""
    node = Node(tmp_path)
    node.go_on(50)
    node.store.move_base(node.snapshots.after(node.store.base()))
    base = node.store.base()
    node.store.close()
    store = LedgerStore(tmp_path / "node" / "ledger")
    assert store.base() == base > store.lowest()
    assert replay(GENESIS, store, 50, base=node.snapshots.base(base)) == 50
    for height in range(51, 60):
        store.commit_block(height, StoredBlock((), ()), {})
    assert store.lowest() == store.base() == base
    store.close()


def test_the_snapshot_of_the_base_and_the_next_one_are_kept(node: Node) -> None:
    """NET-55."""
    node.go_on(100)
    base = node.store.base()
    assert base == 70
    assert node.snapshots.heights() == [100, 90, base, 50]
    node.go_on(EVERY)
    assert node.snapshots.heights() == [110, 100, 90, base]
    assert node.snapshots.base(base) is not None


def test_an_archive_keeps_everything(tmp_path: Path) -> None:
    """NET-55."""
    archive = Node(tmp_path, keep=0)
    assert archive.go_on(60) == 0
    assert archive.store.base() == 0
    assert archive.heights() == list(range(61))
    assert archive.snapshots.heights() == [60, 50]
    archive.store.close()


def test_a_snapshot_that_is_not_of_the_state_that_was_voted_for_never_becomes_the_base(node: Node) -> None:
    """NET-56."""
    node.go_on(EVERY + KEEP)
    (chunk,) = (node.home / "node" / "snapshots" / f"{EVERY:016d}").glob("00000")
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"x")
    node.go_on(EVERY)
    assert node.store.base() == 0
    assert EVERY not in node.snapshots.heights()
    other = [(b"key", b"value")]
    snapshots = Snapshots(node.home / "other")
    snapshots.make(network_id(GENESIS), EVERY, Tree().changed(other).root, other, base=0)
    assert not Pruning(snapshots, node.store, KEEP).move(node.app.info().height)
    assert node.store.base() == 0
    assert snapshots.heights() == []
    node.go_on(60)
    assert node.store.base() > EVERY
    assert node.replayed() == node.app.info().height


def test_without_the_header_that_stands_over_its_state_a_snapshot_waits(node: Node) -> None:
    """NET-56."""
    node.go_on(EVERY + KEEP)
    with node.store.leaves() as leaves:
        found = Snapshots(node.home / "ahead")
        found.make(network_id(GENESIS), 35, node.app.info().root, leaves, base=0)
    assert not Pruning(found, node.store, KEEP).move(100)
    assert found.heights() == [35]


def test_headers_stay_as_long_as_a_wallet_may_go_by_one(node: Node) -> None:
    """NET-58."""
    node.go_on(100)
    assert node.headers() == list(range(1, 101))
    node.lost_after = 70
    node.go_on(10)
    assert node.headers() == list(range(40, 111))
    node.lost_after = 5
    node.go_on(19)
    assert node.headers()[0] == node.store.base() + 1
    assert node.replayed() == node.app.info().height


def test_what_is_below_the_base_is_refused_as_pruned_and_what_is_not_there_yet_is_not(node: Node) -> None:
    """NET-59."""

    class Bare(Chain):
        def _require_sound(self) -> None:
            """Its newest header stands over the state before its block."""

    node.lost_after = 1
    node.go_on(100)
    chain, base = Bare(GENESIS, node.store, None), node.store.base()
    assert chain.base() == base
    assert code(lambda: chain.header(1)) == "node/pruned"
    for height in (0, base - 1, base):
        assert code(lambda height=height: chain.block(height)) == "node/pruned"
    assert code(lambda: chain.block(101)) == "node/no-such-height"
    assert code(lambda: chain.header(101)) == "node/no-such-height"
    assert chain.block(base + 1).transactions == (b"garbage",)


def test_what_became_of_a_body_is_told_also_where_its_block_is_gone(node: Node) -> None:
    """NET-60."""
    applied = TxResult(some("body"), "")
    node.go_on(5)
    node.store.commit_block(5, StoredBlock((b"one",), (TxResult(some("other"), "ledger/expired"), applied)), {})
    assert node.store.result(some("body")) == (5, applied)
    for height in range(6, 100):
        node.store.commit_block(height, StoredBlock((), ()), {})
    node.store.move_base(60)
    for height in range(100, 110):
        node.store.commit_block(height, StoredBlock((), ()), {})
    assert node.store.block(5) is None
    assert node.store.result(some("body")) == (5, applied)
    assert node.store.result(some("other")) is None
    node.store.close()
    with looking(node.home / "node" / "ledger") as ledger:
        assert ledger.base() == 60
        assert ledger.result(some("body")) == (5, applied)


def test_check_and_scrub_begin_with_the_base(node: Node) -> None:
    """NET-56."""
    node.go_on(100)
    node.store.close()
    (node.home / "node" / "vault" / "blobs").mkdir(parents=True)

    def said(findings: object) -> list[tuple[str, str]]:
        return [(one.code, one.text) for one in findings if one.what == "chain"]  # type: ignore[attr-defined]

    assert said(check(node.home, GENESIS, 1_900_000_000_000)) == [("", "headers 71 to 100 are signed and linked")]
    ((found, text),) = said(scrub(node.home, GENESIS, lambda *_: None).findings)
    assert (found, text.startswith("all blocks from 70 up to 100 ")) == ("", True)


def test_a_ledger_that_begins_anew_knows_of_no_former_base(node: Node) -> None:
    """NET-57."""
    node.go_on(100)
    state = node.snapshots.base(90)
    assert state is not None
    node.store.begin_at(90, state.state)
    assert node.store.base() == node.store.lowest() == 90
    node.store.move_base(90)
    node.store.forget()
    assert node.store.base() == 0


@pytest.mark.parametrize(
    "lines",
    [f"keep_blocks = {LEAST_KEPT - 1}", "keep_blocks = -1", "keep_blocks = 100\nsnapshot_blocks = 0"],
    ids=["too few", "less than none", "without snapshots"],
)
def test_what_could_not_be_kept_so_is_refused(tmp_path: Path, lines: str) -> None:
    """NET-55."""
    path = tmp_path / "config.toml"
    path.write_text(f'[comet]\nlisten = "127.0.0.1:1"\nkeep_blocks = {LEAST_KEPT}\n', "utf-8")
    comet = read_config(path).comet
    assert comet is not None
    assert comet.keep_blocks == LEAST_KEPT
    path.write_text(f'[comet]\nlisten = "127.0.0.1:1"\n{lines}\n', "utf-8")
    assert code(lambda: read_config(path)) == "node/bad-config"
