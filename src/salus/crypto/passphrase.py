"""A secret sealed under a passphrase: Argon2id (RFC 9106) and AES-256-GCM with the whole header authenticated."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from salus.codec import Record, decode, encode
from salus.crypto import aead
from salus.ids import Bytes16


class Cost(Record, frozen=True, tag="argon2id"):
    """Argon2id parameters, bounded so that a forged header cannot exhaust memory or time. ``memory`` is in KiB."""

    iterations: Annotated[int, msgspec.Meta(ge=1, le=16)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=8)] = 4
    memory: Annotated[int, msgspec.Meta(ge=8192, le=1048576)] = 262144


class Locked(Record, frozen=True, tag="locked-1"):
    """What `lock` writes."""

    cost: Cost
    salt: Bytes16
    sealed: Annotated[bytes, msgspec.Meta(max_length=65536)]


def lock(passphrase: str, secret: bytes, cost: Cost | None = None) -> bytes:
    """``secret`` (at most 64 KiB) sealed under ``passphrase``."""
    cost = cost or Cost()
    salt = secrets.token_bytes(16)
    sealed = aead.seal(_stretch(passphrase, salt, cost), encode(cost) + salt, secret)
    return encode(Locked(cost, salt, sealed))


def unlock(passphrase: str, locked: bytes) -> bytes:
    """The secret; `CryptoRefused` ``cannot-open`` for a wrong passphrase, `Malformed` for bytes that `lock` did not write."""
    box = decode(locked, Locked, limit=70000)
    return aead.open(_stretch(passphrase, box.salt, box.cost), encode(box.cost) + box.salt, box.sealed)


def _stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    stretcher = Argon2id(salt=salt, length=32, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory)
    return stretcher.derive(passphrase.encode("utf-8"))
