"""A state that is handed over: the same bytes everywhere, and nothing is taken that does not come to its root."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger_world import Ledger, some
from salus.codec import encode
from salus.errors import LedgerRefused, Malformed
from salus.ids import Height, Millis
from salus.ledger.app import Application
from salus.ledger.machine import Block
from salus.ledger.merkle import Tree
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.snapshot import (
    FILLED,
    MAX_CHUNK,
    Chunk,
    Snapshot,
    StateLeaf,
    chunk_hash,
    cut,
    read_snapshot,
    require_chunk,
    restored,
    snapshot_hash,
)
from salus.ledger.store import MemoryStore

STATE = {bytes([a, b]): some(f"{a} {b}") for a in range(40) for b in range(50)}
LARGE = {number.to_bytes(4, "big"): bytes(200_000) for number in range(7)}


def taken(state: dict[bytes, bytes], height: int = 9) -> tuple[Snapshot, list[bytes]]:
    """The snapshot of a state, and its chunks."""
    chunks = list(cut(sorted(state.items())))
    root = Tree().changed(state.items()).root
    return Snapshot(some("network"), height, root, tuple(map(chunk_hash, chunks))), chunks


def code(asked: Callable[[], object]) -> str:
    with pytest.raises(LedgerRefused) as refused:
        asked()
    return refused.value.full_code


@pytest.mark.parametrize("state", [STATE, LARGE, dict(list(LARGE.items())[:6]), {b"one": b""}])
def test_a_state_comes_back_from_its_snapshot_with_its_root(state: dict[bytes, bytes]) -> None:
    """NET-40."""
    snapshot, chunks = taken(state)
    found = restored(snapshot, chunks)
    assert list(found.state.items()) == sorted(state.items())
    assert (found.snapshot, found.tree.root) == (snapshot, snapshot.root)


def test_chunks_are_bounded_and_the_same_however_the_state_came_about() -> None:
    """NET-40."""
    snapshot, chunks = taken(LARGE)
    assert len(chunks) == 3
    assert all(len(chunk) <= MAX_CHUNK for chunk in chunks)
    largest = list(cut([*((bytes([1, number]), bytes(64)) for number in range(200)), (b"\xff" * 511, bytes(262_144))]))
    assert all(len(chunk) <= MAX_CHUNK for chunk in largest)
    empty = list(cut([(number.to_bytes(3, "big"), b"") for number in range(FILLED // 20)]))
    assert all(len(chunk) <= MAX_CHUNK for chunk in empty)
    store = MemoryStore()
    for key, value in reversed(LARGE.items()):
        store.apply({key: b"before"})
        store.apply({key: value, b"gone": b"gone"})
    store.apply({b"gone": None})
    again = list(cut((key, store.get(key) or b"") for key in store.keys(b"", b"\xff" * 8)))
    assert again == chunks
    assert snapshot_hash(snapshot) != snapshot_hash(taken(LARGE, 10)[0])


def test_a_chunk_that_is_another_is_refused() -> None:
    """NET-42."""
    snapshot, chunks = taken(LARGE)
    assert code(lambda: require_chunk(snapshot, 0, chunks[1])) == "ledger/bad-chunk"
    assert code(lambda: require_chunk(snapshot, 3, chunks[0])) == "ledger/bad-chunk"
    assert code(lambda: require_chunk(snapshot, -1, chunks[-1])) == "ledger/bad-chunk"
    assert code(lambda: restored(snapshot, [chunks[0], chunks[2], chunks[1]])) == "ledger/bad-chunk"


def test_a_chunk_of_too_many_bytes_is_refused_whatever_names_it() -> None:
    """NET-42."""
    data = bytes(MAX_CHUNK + 1)
    snapshot = Snapshot(some("network"), 9, some("root"), (chunk_hash(data),))
    assert code(lambda: require_chunk(snapshot, 0, data)) == "ledger/bad-chunk"


def named(*chunks: bytes, root: bytes) -> Snapshot:
    return Snapshot(some("network"), 9, root, tuple(map(chunk_hash, chunks)))


def test_chunks_that_do_not_come_to_the_root_are_refused() -> None:
    """NET-42."""
    snapshot, chunks = taken(STATE)
    one = encode(Chunk((StateLeaf(b"a", b"1"), StateLeaf(b"b", b"2"))))
    root = Tree().changed([(b"a", b"1"), (b"b", b"2")]).root
    assert restored(named(one, root=root), [one]).state == {b"a": b"1", b"b": b"2"}
    assert code(lambda: restored(named(one, root=snapshot.root), [one])) == "ledger/bad-snapshot"
    assert code(lambda: restored(snapshot, chunks[:-1])) == "ledger/bad-snapshot"
    turned = encode(Chunk((StateLeaf(b"b", b"2"), StateLeaf(b"a", b"1"))))
    assert code(lambda: restored(named(turned, root=root), [turned])) == "ledger/bad-snapshot"
    twice = encode(Chunk((StateLeaf(b"a", b"1"), StateLeaf(b"a", b"1"), StateLeaf(b"b", b"2"))))
    assert code(lambda: restored(named(twice, root=root), [twice])) == "ledger/bad-snapshot"
    garbage = b"no chunk"
    assert code(lambda: restored(named(garbage, root=root), [garbage])) == "ledger/bad-snapshot"


def test_a_description_is_read_strictly() -> None:
    snapshot, _ = taken(STATE)
    assert read_snapshot(encode(snapshot)) == snapshot
    for data in (b"", encode(snapshot) + b"x", encode(snapshot)[:-1]):
        with pytest.raises(Malformed):
            read_snapshot(data)


def test_an_application_goes_on_from_a_state_that_came_back() -> None:
    """NET-41."""
    there = Ledger()
    there.section()
    leaves = [(key, there.store.get(key) or b"") for key in there.store.keys(b"", b"\xff" * 8)]
    chunks = list(cut(leaves))
    info = there.app.info()
    found = restored(Snapshot(some("network"), info.height, info.root, tuple(map(chunk_hash, chunks))), chunks)
    store = MemoryStore()
    here = Application(there.genesis, store, 0)
    store.apply(dict(found.state))
    here.begin_at(info.height, found.tree)
    assert here.info() == info
    block = Block(Height(info.height + 1), Millis(there.time + 1), (there.tx(Revoke(some("x"))),))
    assert here.finalize_block(block) == there.app.finalize_block(block)
