"""The authenticated state: a compact sparse Merkle tree with proofs of presence and absence.

A leaf sits at the path of its hashed key; a subtree with a single leaf is that leaf (it is lifted); an empty one is 32 zero
bytes. Nodes are immutable and shared, so a candidate root and the committed one coexist for free.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from salus.codec import Record
from salus.crypto.hashing import tagged_one, tagged_pair
from salus.errors import LedgerRefused
from salus.ids import Bytes32, Hash

EMPTY = Hash(bytes(32))
_DEPTH = 256


_Leaf = bytes  # its path and its hashed value, 32 bytes each: there may be a million


class _Inner(msgspec.Struct, frozen=True, gc=False):
    hash: bytes
    left: _Leaf | _Inner | None
    right: _Leaf | _Inner | None


_Node = _Leaf | _Inner | None
_Change = tuple[bytes, bytes | None]  # path, hashed value or None


class StateProof(Record, frozen=True, tag="state-proof"):
    """``siblings`` from the root down; ``other`` the (path, hashed value) of the leaf that stands where an absent key would."""

    siblings: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=_DEPTH)]
    other: tuple[Bytes32, Bytes32] | None


@dataclass(frozen=True, slots=True)
class Tree:
    """An immutable tree; `changed` gives the next one."""

    root_node: _Node = None

    @property
    def root(self) -> Hash:
        """The root hash, 32 bytes."""
        return Hash(_hash(self.root_node))

    @classmethod
    def of(cls, items: Iterable[tuple[bytes, bytes]]) -> Tree:
        """The tree over these keys and values; no key may come twice."""
        return cls(_build(sorted(_path(key) + _value(value) for key, value in items), 0))

    def changed(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Tree:
        """The tree after setting each key to its value, or removing it (None). A later change of a key wins."""
        hashed = {_path(key): None if value is None else _value(value) for key, value in changes}
        return Tree(_apply(self.root_node, sorted(hashed.items()), 0)) if hashed else self

    def prove(self, key: bytes) -> StateProof:
        """A proof for ``key``, of presence or of absence as the case may be."""
        path, siblings, node, depth = _path(key), [], self.root_node, 0
        while isinstance(node, _Inner):
            here, there = (node.right, node.left) if _bit(path, depth) else (node.left, node.right)
            siblings.append(_hash(there))
            node, depth = here, depth + 1
        other = None if node is None or node[:32] == path else (node[:32], node[32:])
        return StateProof(tuple(siblings), other)


def require_presence(root: bytes, key: bytes, value: bytes, proof: StateProof) -> None:
    """Raise `LedgerRefused` ``bad-state-proof`` unless ``key`` has ``value`` under ``root``."""
    path = _path(key)
    if proof.other is not None or _fold(_leaf_hash(path, _value(value)), path, proof.siblings) != root:
        raise LedgerRefused("bad-state-proof", "the value is not proven by this header")


def require_absence(root: bytes, key: bytes, proof: StateProof) -> None:
    """Raise `LedgerRefused` ``bad-state-proof`` unless ``key`` is absent under ``root``."""
    path, end = _path(key), bytes(EMPTY)
    if proof.other is not None:
        _require_neighbour(path, proof.other[0], len(proof.siblings))
        end = _leaf_hash(*proof.other)
    if _fold(end, path, proof.siblings) != root:
        raise LedgerRefused("bad-state-proof", "the absence is not proven by this header")


def _require_neighbour(path: bytes, other: bytes, depth: int) -> None:
    if other == path or any(_bit(path, i) != _bit(other, i) for i in range(depth)):
        raise LedgerRefused("bad-state-proof", "the neighbour does not stand in the key's place")


def _fold(node: bytes, path: bytes, siblings: tuple[bytes, ...]) -> bytes:
    for depth in range(len(siblings) - 1, -1, -1):
        pair = (siblings[depth], node) if _bit(path, depth) else (node, siblings[depth])
        node = _inner_hash(*pair)
    return node


def _apply(node: _Node, changes: list[_Change], depth: int) -> _Node:
    """``node`` at ``depth`` after ``changes``, which are sorted by path and not empty."""
    if not isinstance(node, _Inner):
        leaves = [path + value for path, value in changes if value is not None]
        if node is not None and all(path != node[:32] for path, _ in changes):
            insort(leaves, node)
        return _build(leaves, depth)
    split = _split([path for path, _ in changes], depth)
    if not split:
        return _join(node.left, _apply(node.right, changes, depth + 1))
    if split == len(changes):
        return _join(_apply(node.left, changes, depth + 1), node.right)
    return _join(_apply(node.left, changes[:split], depth + 1), _apply(node.right, changes[split:], depth + 1))


def _build(leaves: list[_Leaf], depth: int) -> _Node:
    if len(leaves) < 2:
        return leaves[0] if leaves else None
    split = _split(leaves, depth)
    return _join(_build(leaves[:split], depth + 1), _build(leaves[split:], depth + 1))


def _split(paths: list[bytes], depth: int) -> int:
    """How many of the sorted ``paths`` (or leaves, which begin with theirs), equal up to ``depth``, go left."""
    byte, bit, first, end = depth >> 3, 0x80 >> (depth & 7), 0, len(paths)
    while first < end:
        middle = (first + end) >> 1
        if paths[middle][byte] & bit:
            end = middle
        else:
            first = middle + 1
    return first


def _join(left: _Node, right: _Node) -> _Node:
    if left is None or right is None:
        other = right if left is None else left
        if not isinstance(other, _Inner):
            return other
    return _Inner(_inner_hash(_hash(left), _hash(right)), left, right)


_path = tagged_one("salus/state-key/1")
_value = tagged_one("salus/state-value/1")
_inner_hash = tagged_pair("salus/state-inner/1")
_leaf_hash = tagged_pair("salus/state-leaf/1")


def _hash(node: _Node) -> bytes:
    if isinstance(node, _Inner):
        return node.hash
    return EMPTY if node is None else _leaf_hash(node[:32], node[32:])


def _bit(path: bytes, depth: int) -> int:
    return (path[depth >> 3] >> (7 - (depth & 7))) & 1
