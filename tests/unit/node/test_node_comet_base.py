"""A chain that begins with a snapshot: it is replayed from there, and only what its first header names is taken for its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger_world import some
from salus.crypto.signing import SigningKey
from salus.errors import NodeRefused
from salus.ids import Height, Millis
from salus.ledger.app import Application, results_coded
from salus.ledger.genesis import Genesis, ValidatingMember, network_id
from salus.ledger.lightblock import CommittedHeader, chain_id, results_hash, transactions_hash, validators_hash
from salus.ledger.machine import Block
from salus.ledger.modules.members.queries import seated
from salus.ledger.snapshot import Restored, Snapshot, chunk_hash, cut, snapshot_hash
from salus.node.chain import Chain
from salus.node.ledger_store import LedgerStore, StoredBlock
from salus.node.operating.checking import check
from salus.node.operating.scrubbing import scrub
from salus.node.replaying import replay
from salus.node.snapshots import Snapshots
from validators_world import Validators

VOTING = Validators([1, 1, 1, 1])


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
BASE, TOP = 20, 30
GARBAGE = b"garbage"  # a transaction that is refused, so that a block has a result


@dataclass
class Scene:
    """A home whose chain begins with the state after `BASE`, of one that goes up to `TOP`."""

    home: Path
    store: LedgerStore
    headers: dict[int, CommittedHeader]

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.home / "node" / "snapshots")

    def replay(self, base: Restored | None) -> int:
        return replay(GENESIS, self.store, TOP, base=base)


def next_header(app: Application, store: LedgerStore, before: CommittedHeader | None, results: object) -> CommittedHeader:
    """The header over the block of one transaction that comes now, and the state before it."""
    height = app.info().height + 1
    seats = validators_hash(seated(store))
    header = VOTING.header(
        height,
        chain_id=chain_id(network_id(GENESIS)),
        seconds=1_800_000_000 + height,
        last_block=None if before is None else before.block,
        data=transactions_hash([GARBAGE]),
        last_results=results_hash(results),  # type: ignore[arg-type]
        app=app.info().root,
        next_validators=seats,
        app_version=1,
    )
    return VOTING.commit(header)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    whole, home = LedgerStore(tmp_path / "whole"), tmp_path / "home"
    app = Application(GENESIS, whole, 0)
    whole.commit_block(0, StoredBlock((), ()), app.init_chain())
    app.committed()
    headers, before, results = dict[int, CommittedHeader](), None, list[tuple[int, bytes]]()
    snapshots = Snapshots(home / "node" / "snapshots")
    store = LedgerStore(home / "node" / "ledger")
    for height in range(1, TOP + 1):
        before = headers[height] = next_header(app, whole, before, results)
        final = app.finalize_block(Block(Height(height), before.header.time, (GARBAGE,)))
        block, changes = StoredBlock((GARBAGE,), final.results), app.commit()
        changes = {**changes}
        whole.commit_block(height, block, changes)
        app.committed()
        results = results_coded(final.results)
        if height == BASE:
            with whole.leaves() as leaves:
                snapshots.make(network_id(GENESIS), BASE, final.root, leaves, base=0)
            base = snapshots.base(BASE)
            assert base is not None
            store.begin_at(BASE, base.state)
        elif height > BASE:
            store.commit_block(height, block, changes, [before])
    yield Scene(home, store, headers)
    whole.close()
    store.close()


def code(asked: Callable[[], object]) -> str:
    with pytest.raises(NodeRefused) as refused:
        asked()
    return refused.value.full_code


def test_a_chain_is_replayed_from_the_snapshot_with_which_it_begins(scene: Scene) -> None:
    """NET-46."""
    assert scene.store.base() == BASE
    assert scene.replay(scene.snapshots.base(BASE)) == TOP


def test_without_that_snapshot_nothing_is_replayed(scene: Scene) -> None:
    """NET-46."""
    assert code(lambda: scene.replay(None)) == "node/no-base"
    other = scene.snapshots.base(BASE)
    assert other is not None
    wrong = replace(other, snapshot=Snapshot(network_id(GENESIS), BASE + 1, other.snapshot.root, other.snapshot.chunks))
    assert code(lambda: scene.replay(wrong)) == "node/no-base"


def test_a_snapshot_of_another_state_is_not_what_the_first_header_names(scene: Scene) -> None:
    """NET-46."""
    base = scene.snapshots.base(BASE)
    assert base is not None
    state = {**base.state, b"zz": b"made up"}
    chunks = tuple(chunk_hash(data) for data in cut(state.items()))
    forged = Restored(Snapshot(network_id(GENESIS), BASE, base.snapshot.root, chunks), state, base.tree)
    assert snapshot_hash(forged.snapshot) != snapshot_hash(base.snapshot)
    assert code(lambda: scene.replay(forged)) == "node/chain-damaged"


def test_a_first_header_that_too_few_voted_for_is_found(scene: Scene) -> None:
    """NET-46."""
    header = scene.headers[BASE + 1].header
    scene.store.put_headers([VOTING.commit(header, flags=[2, 2, 1, 1])])
    assert code(lambda: scene.replay(scene.snapshots.base(BASE))) == "node/chain-damaged"


def test_a_changed_block_or_result_above_the_base_is_found(scene: Scene) -> None:
    """NET-46."""
    kept = scene.store.block(BASE + 5)
    assert kept is not None
    scene.store.commit_block(BASE + 5, StoredBlock((GARBAGE, b"more"), kept.results), {})
    assert code(lambda: scene.replay(scene.snapshots.base(BASE))) == "node/chain-damaged"


def test_the_block_of_the_base_is_not_there(scene: Scene) -> None:
    """NET-46."""

    class Bare(Chain):
        def _require_sound(self) -> None:
            """Its newest header stands over the state before its block."""

    chain = Bare(GENESIS, scene.store, None)
    assert chain.app.info().height == TOP
    for height in (0, BASE - 1, BASE):
        assert code(lambda height=height: chain.block(height)) == "node/pruned"
        assert code(lambda height=height: chain.header(height)) == "node/pruned"
    assert chain.block(BASE + 1).transactions == (GARBAGE,)


def test_check_and_scrub_say_from_where_on_they_have_checked(scene: Scene) -> None:
    """NET-46."""
    scene.store.close()
    (scene.home / "node" / "vault" / "blobs").mkdir(parents=True)

    def said(findings: object) -> list[tuple[str, str]]:
        return [(one.code, one.text) for one in findings if one.what == "chain"]  # type: ignore[attr-defined]

    assert said(check(scene.home, GENESIS, 1_900_000_000_000)) == [("", f"headers {BASE + 1} to {TOP} are signed and linked")]
    ((found, text),) = said(scrub(scene.home, GENESIS, lambda *_: None).findings)
    assert (found, text.startswith(f"all blocks from {BASE} up to {TOP} ")) == ("", True)
    scene.snapshots._at(BASE).rename(scene.home / "elsewhere")
    ((found, _),) = said(scrub(scene.home, GENESIS, lambda *_: None).findings)
    assert found == "node/no-base"
