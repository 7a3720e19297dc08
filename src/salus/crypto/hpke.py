"""HPKE (RFC 9180), base mode, with the hybrid KEM ``MLKEM768_X25519`` (X-Wing), HKDF-SHA256 and AES-256-GCM.

All context goes into ``info``. A seed is 32 bytes; a public key 1,216; a sealed message is 1,136 bytes longer than its plaintext.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from salus.errors import CryptoRefused

PUBLIC_LENGTH = 1216
OVERHEAD = 1120 + 16

SealingKey = Annotated[bytes, msgspec.Meta(min_length=PUBLIC_LENGTH, max_length=PUBLIC_LENGTH)]

_suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def public_key(seed: bytes) -> bytes:
    """The 1,216-byte public key of a 32-byte ``seed``: ML-KEM-768's 1,184 bytes, then X25519's 32."""
    lattice, classic = _expand(seed)
    return lattice.public_key().public_bytes_raw() + classic.public_key().public_bytes_raw()


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """``enc`` and ciphertext for whoever holds the seed of ``public``.

    Raises `CryptoRefused` ``bad-sealing-key`` when ``public`` is not a key, or its X25519 half a point of low order.
    """
    try:
        return _suite.encrypt(plaintext, _public(public), info=info)
    except ValueError as error:
        raise CryptoRefused("bad-sealing-key", "not a public key of MLKEM768_X25519") from error


def open(seed: bytes, info: bytes, sealed: bytes) -> bytes:
    """The plaintext. Raises `CryptoRefused` ``cannot-open`` for a wrong key, ``info`` or byte: the three are not told apart."""
    private = hpke.MLKEM768X25519PrivateKey(*_expand(seed))
    try:
        return _suite.decrypt(sealed, private, info=info)
    except (InvalidTag, ValueError) as error:
        raise CryptoRefused("cannot-open", "the sealed bytes do not open") from error


@lru_cache(maxsize=1024)
def _expand(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """X-Wing's expansion (draft-connolly-cfrg-xwing-kem): SHAKE-256 of the seed to 64 + 32 bytes."""
    wide = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(wide[:64]), X25519PrivateKey.from_private_bytes(wide[64:])


@lru_cache(maxsize=1024)
def _public(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    lattice = MLKEM768PublicKey.from_public_bytes(public[:1184])
    return hpke.MLKEM768X25519PublicKey(lattice, X25519PublicKey.from_public_bytes(public[1184:]))
