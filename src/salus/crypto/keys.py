"""Keys derived from a seed by labelled paths (HKDF-SHA256, RFC 5869), so that a restored seed restores them all."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def new_seed() -> bytes:
    """32 fresh random bytes from the operating system."""
    return secrets.token_bytes(32)


def fresh_nonce() -> bytes:
    """16 fresh random bytes from the operating system."""
    return secrets.token_bytes(16)


def derive(secret: bytes, *path: str | bytes, length: int = 32) -> bytes:
    """``length`` bytes for the labelled ``path`` under ``secret`` (32 bytes or more).

    Labels are length-prefixed, so ``("a", "bc")`` and ``("ab", "c")`` differ, and so do text and bytes.
    """
    info = b"salus/derive/1"
    for label in path:
        kind, raw = (b"t", label.encode("utf-8")) if isinstance(label, str) else (b"b", label)
        info += kind + len(raw).to_bytes(4, "big") + raw
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)
