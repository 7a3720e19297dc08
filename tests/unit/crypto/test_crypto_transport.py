"""The key of TLS: one a seed, and known by the hash of what a certificate has of it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ledger_world import some
from salus.crypto.transport import TransportKey


def test_whoever_restores_the_seed_keeps_the_pin() -> None:
    assert TransportKey(some("node")).pin == TransportKey(some("node")).pin
    assert TransportKey(some("node")).pin != TransportKey(some("other")).pin


def test_what_is_written_is_a_key_of_p_256_whose_pin_is_over_its_public_info() -> None:
    key = TransportKey(some("node"))
    loaded = load_pem_private_key(key.pem(), None)
    assert isinstance(loaded, EllipticCurvePrivateKey)
    assert isinstance(loaded.curve, SECP256R1)
    info = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.pin == hashlib.sha256(info).digest()
