"""AES-256-GCM with a fresh random nonce in front; ``aad`` is authenticated, not carried."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.errors import CryptoRefused

OVERHEAD = 12 + 16


def seal(key: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """12 bytes of nonce, the ciphertext, 16 bytes of tag. ``key`` is 32 bytes."""
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def open(key: bytes, aad: bytes, sealed: bytes) -> bytes:
    """The plaintext, or `CryptoRefused` ``cannot-open``."""
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except (InvalidTag, ValueError) as error:
        raise CryptoRefused("cannot-open", "the sealed bytes do not open") from error
