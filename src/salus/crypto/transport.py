"""The key with which a node answers in TLS, and its pin: the SHA-256 of the key's SubjectPublicKeyInfo in DER (RFC 7469, 2.4).

P-256, because every TLS library has it. It follows from a seed, so that whoever restores the seed keeps the pin.
"""

from __future__ import annotations

from itertools import count

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from salus.crypto.hashing import sha256
from salus.crypto.keys import derive

#: How many points the group of P-256 has (SEC 2, 2.4.2).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def pin_of(key: PublicKeyTypes) -> bytes:
    """The pin of any public key."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


class TransportKey:
    """A P-256 key pair from a 32-byte seed: the first candidate in range (FIPS 186-5, A.2.2)."""

    def __init__(self, seed: bytes) -> None:
        candidates = (int.from_bytes(derive(seed, "tls", str(number))) for number in count())
        self.private = derive_private_key(next(filter(range(1, ORDER).__contains__, candidates)), SECP256R1())

    @property
    def pin(self) -> bytes:
        """By what others know the key."""
        return pin_of(self.private.public_key())

    def pem(self) -> bytes:
        """The secret half in PEM (PKCS #8), without a passphrase."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
