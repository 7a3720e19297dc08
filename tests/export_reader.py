"""A second reader of export files, written from the specification alone: it shares no code with Salus. (EXP-1 to EXP-8)"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

MAGIC = b"salus-export-1\n"


def tagged(tag: bytes, *parts: bytes) -> bytes:
    """H(tag; parts) of the specification."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in (tag, *parts))).digest()


def packed(value: Any) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(value)


def opened(key: bytes, aad: bytes, sealed: bytes) -> bytes:
    """AES-256-GCM with the nonce in front."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def plaintext(data: bytes, passphrase: str) -> bytes:
    """What the chunks of a file hold."""
    assert data.startswith(MAGIC)
    at = len(MAGIC)
    length = int.from_bytes(data[at : at + 4], "big")
    locked = data[at + 4 : at + 4 + length]
    head, rest = data[: at + 4 + length], data[at + 4 + length :]
    tag, cost, salt, sealed = msgspec.msgpack.decode(locked)
    assert (tag, cost[0]) == ("locked-1", "argon2id")
    stretched = Argon2id(salt=salt, length=32, iterations=cost[1], lanes=cost[2], memory_cost=cost[3]).derive(passphrase.encode())
    key = opened(stretched, packed(cost) + salt, sealed)
    name, found, index = tagged(b"salus/chunks-head/1", head), b"", 0
    while rest:
        length = int.from_bytes(rest[:4], "big")
        chunk, rest = rest[4 : 4 + length], rest[4 + length :]
        last = b"\x00" if rest else b"\x01"
        found += opened(key, b"salus/chunk/1" + name + index.to_bytes(8, "big") + last, chunk)
        index += 1
    return found


def read(data: bytes, passphrase: str) -> list[list[Any]]:
    """The items of an export: each its tag, and its fields."""
    plain, found = plaintext(data, passphrase), []
    while plain:
        length = int.from_bytes(plain[:4], "big")
        tag, content = msgspec.msgpack.decode(plain[4 : 4 + length])
        assert tag == "export-item"
        found.append(content)
        plain = plain[4 + length :]
    return found
