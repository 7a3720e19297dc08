"""Signatures: Ed25519 for the ledger and its fetchers, Ed25519 with ML-DSA-65 for what must outlive a quantum computer.

Ed25519 is verified by libsodium alone (``PyNaCl``): libraries disagree on edge cases, and a ledger must not. Every verb takes
a ``tag`` that separates purposes. Checks raise `CryptoRefused`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from salus.codec import Record, encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.errors import CryptoRefused
from salus.ids import Bytes32, Bytes64, Hash, PersonId, VerifyKey

MlDsaPublic = Annotated[bytes, msgspec.Meta(min_length=1952, max_length=1952)]
MlDsaSignature = Annotated[bytes, msgspec.Meta(min_length=3309, max_length=3309)]


class SigningKey:
    """An Ed25519 key pair from a 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.public = VerifyKey(public)

    def sign(self, tag: str, message: bytes) -> bytes:
        """64 bytes over the tagged hash of ``message``."""
        return nacl.bindings.crypto_sign(tagged(tag, message), self._secret)[:64]


def require_signature(key: VerifyKey, tag: str, message: bytes, signature: bytes) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless ``key`` signed ``message`` under ``tag``."""
    require_ed25519(key, tagged(tag, message), signature)


def require_ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless ``key`` signed just these bytes, by libsodium's rules."""
    if len(key) != 32 or len(signature) != 64:  # libsodium reads a key's 32 bytes whatever its length
        raise CryptoRefused("bad-signature", "a key or a signature has not the length of Ed25519's")
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
    except nacl.exceptions.BadSignatureError as error:
        raise CryptoRefused("bad-signature", "an Ed25519 signature does not verify") from error


def require_sound_key(key: bytes) -> None:
    """Raise `CryptoRefused` ``unsound-key`` unless ``key`` is a canonical Ed25519 point of the main subgroup."""
    if len(key) != 32 or not nacl.bindings.crypto_core_ed25519_is_valid_point(key):
        raise CryptoRefused("unsound-key", "not a canonical Ed25519 public key of the main subgroup")


class HybridPublic(Record, frozen=True, tag="hybrid-key"):
    """The public half of a hybrid key: both must verify."""

    ed25519: Bytes32
    mldsa65: MlDsaPublic


class HybridSignature(Record, frozen=True, tag="hybrid-signature"):
    """Both halves of a hybrid signature."""

    ed25519: Bytes64
    mldsa65: MlDsaSignature


class HybridKey:
    """An Ed25519 and an ML-DSA-65 key pair from one 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._classic = SigningKey(derive(seed, "hybrid", "ed25519"))
        self._lattice = MLDSA65PrivateKey.from_seed_bytes(derive(seed, "hybrid", "mldsa65"))
        self.public = HybridPublic(self._classic.public, self._lattice.public_key().public_bytes_raw())

    @property
    def classic(self) -> SigningKey:
        """The Ed25519 half alone: a professional's holder key."""
        return self._classic

    def sign(self, tag: str, message: bytes) -> HybridSignature:
        """Sign the digest of ``message`` that also names suite and both keys."""
        digest = _hybrid_digest(self.public, tag, message)
        return HybridSignature(self._classic.sign(_HYBRID, digest), self._lattice.sign(digest, _HYBRID.encode()))


_HYBRID = "salus/hybrid/ed25519+mldsa65/1"


def require_hybrid(key: HybridPublic, tag: str, message: bytes, signature: HybridSignature) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless both halves verify."""
    digest = _hybrid_digest(key, tag, message)
    require_signature(VerifyKey(key.ed25519), _HYBRID, digest, signature.ed25519)
    require_lattice_half(key, digest, signature)


def require_lattice_half(key: HybridPublic, digest: bytes, signature: HybridSignature) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless the ML-DSA-65 half verifies over ``digest``."""
    require_mldsa(key.mldsa65, digest, _HYBRID.encode(), signature.mldsa65)


def require_mldsa(key: bytes, message: bytes, context: bytes, signature: bytes) -> None:
    """Raise `CryptoRefused` ``bad-signature`` unless ``key`` signed ``message`` with ``context`` (FIPS 204, ML-DSA-65)."""
    try:
        MLDSA65PublicKey.from_public_bytes(key).verify(signature, message, context)
    except (InvalidSignature, ValueError) as error:
        raise CryptoRefused("bad-signature", "an ML-DSA-65 signature does not verify") from error


def person_id(key: HybridPublic) -> PersonId:
    """The id of whoever's *first* verification key this is."""
    return PersonId(tagged("salus/person/1", encode(key)))


def _hybrid_digest(key: HybridPublic, tag: str, message: bytes) -> Hash:
    return tagged(_HYBRID, tag.encode("ascii"), encode(key), message)
