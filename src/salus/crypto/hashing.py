"""Tagged SHA-256: no two purposes share a hash, no two lists of parts share an input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from salus.ids import Hash

_BYTES_32 = (32).to_bytes(8, "big")
_SMALL = 4096  # bytes: copying so many takes less time than another call


def tagged(tag: str, *parts: bytes) -> Hash:
    """SHA-256 over the length-prefixed ``tag`` and each length-prefixed part (8-byte big-endian lengths). 32 bytes."""
    digest, waiting = hashlib.sha256(), _front(tag)
    for part in parts:
        waiting += len(part).to_bytes(8, "big")
        if len(part) > _SMALL:
            digest.update(waiting)
            digest.update(part)
            waiting = b""
        else:
            waiting += part
    digest.update(waiting)
    return Hash(digest.digest())


@lru_cache(maxsize=256)
def _front(tag: str) -> bytes:
    name = tag.encode("ascii")
    return len(name).to_bytes(8, "big") + name


def tagged_one(tag: str) -> Callable[[bytes], Hash]:
    """A function that gives ``tagged(tag, part)``, in half the time where the part is short: an entry has thousands."""
    front = _front(tag)

    def one(part: bytes) -> Hash:
        if len(part) > _SMALL:
            return tagged(tag, part)
        return Hash(hashlib.sha256(front + len(part).to_bytes(8, "big") + part).digest())

    return one


def tagged_pair(tag: str) -> Callable[[bytes, bytes], Hash]:
    """A function that gives ``tagged(tag, left, right)``, in half the time where both parts have 32 bytes: trees hash many."""
    front = _front(tag) + _BYTES_32

    def pair(left: bytes, right: bytes) -> Hash:
        if len(left) != 32 or len(right) != 32:
            return tagged(tag, left, right)
        return Hash(hashlib.sha256(front + left + _BYTES_32 + right).digest())

    return pair


def sha256(data: bytes) -> bytes:
    """Plain SHA-256 of ``data``: what blobs and files are named by. 32 bytes."""
    return hashlib.sha256(data).digest()
