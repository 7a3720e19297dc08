"""Tagged SHA-256: no two purposes share a hash, no two lists of parts share an input."""

from __future__ import annotations

import hashlib

from salus.ids import Hash


def tagged(tag: str, *parts: bytes) -> Hash:
    """SHA-256 over the length-prefixed ``tag`` and each length-prefixed part (8-byte big-endian lengths). 32 bytes."""
    digest = hashlib.sha256()
    for part in (tag.encode("ascii"), *parts):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return Hash(digest.digest())


def sha256(data: bytes) -> bytes:
    """Plain SHA-256 of ``data``: what blobs and files are named by. 32 bytes."""
    return hashlib.sha256(data).digest()
