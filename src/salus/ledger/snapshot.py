"""The state at one height as something to hand over: its leaves in order of their keys, cut into chunks.

The same state comes to the same bytes at every node. A snapshot says its height and root, and the hash of every chunk; its own
hash commits to all of that. Nothing in it is believed: a chunk is held against its hash, and what all of them come to against
the root, which a header names. The state is all that later execution depends on; blocks and results are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.codec import Record, decode, encode
from salus.crypto.hashing import sha256, tagged
from salus.errors import LedgerRefused, Malformed
from salus.ids import Bytes32, Count, Hash
from salus.ledger.merkle import Tree

FORMAT = 1
FILLED = 524_288  # bytes from which on a chunk takes no more leaves; one leaf has about half as many at most
MAX_CHUNK = 1_048_576  # bytes of a chunk
MAX_CHUNKS = 65_536
MAX_SNAPSHOT = 40 * MAX_CHUNKS  # bytes of a snapshot's description

_KEY = 511  # bytes, as a database takes them
_VALUE = 262_144
_FRAMING = 24  # bytes that a leaf takes besides, at most; so a chunk's leaves are bounded in number too
_LEAVES = 65_536


class StateLeaf(Record, frozen=True, tag="state-leaf"):
    """A key and its value."""

    key: Annotated[bytes, msgspec.Meta(min_length=1, max_length=_KEY)]
    value: Annotated[bytes, msgspec.Meta(max_length=_VALUE)]


class Chunk(Record, frozen=True, tag="snapshot-chunk"):
    """Leaves, in order of their keys."""

    leaves: Annotated[tuple[StateLeaf, ...], msgspec.Meta(min_length=1, max_length=_LEAVES)]


class Snapshot(Record, frozen=True, tag="snapshot"):
    """The state of ``network`` after the block at ``height``: its root, and the SHA-256 of each chunk, in order."""

    network: Bytes32
    height: Count
    root: Bytes32
    chunks: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=MAX_CHUNKS)]


@dataclass(frozen=True)
class Restored:
    """A state as it came back from its snapshot, in order of its keys, and the tree over it."""

    snapshot: Snapshot
    state: Mapping[bytes, bytes]
    tree: Tree


def snapshot_hash(snapshot: Snapshot) -> Hash:
    """What commits to all of a snapshot."""
    return tagged("salus/snapshot/1", encode(snapshot))


def read_snapshot(data: bytes) -> Snapshot:
    """The snapshot that is described by ``data``; `Malformed` otherwise."""
    return decode(data, Snapshot, limit=MAX_SNAPSHOT)


def cut(leaves: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The chunks of a state whose ``leaves`` come in order of their keys; each is cut by what it holds alone."""
    held, size = list[StateLeaf](), 0
    for key, value in leaves:
        held.append(StateLeaf(key, value))
        size += len(key) + len(value) + _FRAMING
        if size >= FILLED:
            yield encode(Chunk(tuple(held)))
            held, size = [], 0
    if held:
        yield encode(Chunk(tuple(held)))


def chunk_hash(data: bytes) -> bytes:
    """By what a snapshot names a chunk."""
    return sha256(data)


def require_chunk(snapshot: Snapshot, index: int, data: bytes) -> None:
    """Raise `LedgerRefused` ``bad-chunk`` unless ``data`` is the chunk of this number."""
    if not 0 <= index < len(snapshot.chunks) or len(data) > MAX_CHUNK or chunk_hash(data) != snapshot.chunks[index]:
        raise LedgerRefused("bad-chunk", "the chunk is not the one that the snapshot names")


def restored(snapshot: Snapshot, chunks: Iterable[bytes]) -> Restored:
    """The state from all chunks in order.

    `LedgerRefused` ``bad-chunk``, or ``bad-snapshot`` where they do not come to the root that the snapshot names.
    """
    state, last, count = dict[bytes, bytes](), b"", 0
    for index, data in enumerate(chunks):
        require_chunk(snapshot, index, data)
        for leaf in _leaves(data):
            if leaf.key <= last:
                raise LedgerRefused("bad-snapshot", "the snapshot's keys are not in order")
            state[leaf.key] = leaf.value
            last = leaf.key
        count += 1
    tree = Tree.of(state.items())
    if count != len(snapshot.chunks) or tree.root != snapshot.root:
        raise LedgerRefused("bad-snapshot", "the chunks do not come to the state that the snapshot names")
    return Restored(snapshot, state, tree)


def _leaves(data: bytes) -> tuple[StateLeaf, ...]:
    try:
        return decode(data, Chunk, limit=MAX_CHUNK).leaves
    except Malformed as error:
        raise LedgerRefused("bad-snapshot", "a chunk of the snapshot cannot be read") from error
