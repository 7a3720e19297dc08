"""Merkle trees over lists, as RFC 6962 section 2.1 shapes them, with tagged hashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from salus.crypto.hashing import tagged, tagged_one, tagged_pair
from salus.errors import LedgerRefused
from salus.ids import Hash


def list_root(items: Sequence[bytes]) -> Hash:
    """The root over ``items`` in order; of no items, the tagged hash of nothing."""
    return _root(list(map(_leaf, items)))


def list_proof(items: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The siblings of item ``index``, from the leaf up."""
    return tuple(_path([_leaf(item) for item in items], index))


def require_in_list(root: bytes, item: bytes, index: int, count: int, proof: Sequence[bytes]) -> None:
    """Raise `LedgerRefused` ``bad-list-proof`` unless ``item`` is number ``index`` of the ``count`` items under ``root``."""
    if not 0 <= index < count or _climb(_leaf(item), index, count, list(proof)) != root:
        raise LedgerRefused("bad-list-proof", "the item is not proven to stand in the list")


def _climb(node: bytes, index: int, count: int, proof: list[bytes]) -> bytes | None:
    if count == 1:
        return node if not proof else None
    if not proof:
        return None
    half = _half(count)
    sibling = proof.pop()
    if index < half:
        inner = _climb(node, index, half, proof)
        return None if inner is None else _inner(inner, sibling)
    inner = _climb(node, index - half, count - half, proof)
    return None if inner is None else _inner(sibling, inner)


def _path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*_path(leaves[:half], index), _root(leaves[half:])]
    return [*_path(leaves[half:], index - half), _root(leaves[:half])]


def paired(leaves: list[bytes], inner: Callable[[bytes, bytes], bytes]) -> Hash:
    """From one leaf or more up, pair by pair; one that is left over stands for itself: RFC 6962's shape, level by level."""
    level = leaves
    while len(level) > 1:
        left_over = level[-1:] if len(level) % 2 else []
        level = [*map(inner, level[::2], level[1::2]), *left_over]
    return Hash(level[0])


def _root(leaves: list[bytes]) -> Hash:
    return paired(leaves, _inner) if leaves else tagged("salus/list-empty/1")


def _half(count: int) -> int:
    """The largest power of two below ``count`` (two or more)."""
    return 1 << ((count - 1).bit_length() - 1)


_leaf = tagged_one("salus/list-leaf/1")
_inner = tagged_pair("salus/list-inner/1")
