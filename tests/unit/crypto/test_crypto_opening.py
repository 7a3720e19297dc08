"""Sealing: to a public key (HPKE), under a key (AEAD), under a passphrase. Nothing altered opens."""

from __future__ import annotations

import msgspec
import pytest

from ledger_world import some
from salus.codec import decode, encode
from salus.crypto import aead, hpke, passphrase
from salus.crypto.passphrase import Cost, Locked
from salus.errors import CryptoRefused, SalusError

CHEAP = Cost(iterations=1, lanes=1, memory=8192)
SEED = some("seed")
PUBLIC = hpke.public_key(SEED)


def flipped(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def test_two_seals_of_the_same_share_no_nonce() -> None:
    """ENC-17: the nonce is fresh."""
    assert len({aead.seal(SEED, b"", b"same")[:12] for _ in range(64)}) == 64


@pytest.mark.parametrize(
    ("what", "key", "aad"),
    [
        ("another key", some("other"), b"aad"),
        ("another context", SEED, b"add"),
        ("no context", SEED, b""),
        ("a key that is cut off", SEED[:31], b"aad"),
    ],
)
def test_a_wrong_key_or_context_does_not_open(what: str, key: bytes, aad: bytes) -> None:
    """ENC-18."""
    with pytest.raises(CryptoRefused) as refused:
        aead.open(key, aad, aead.seal(SEED, b"aad", b"plaintext"))
    assert refused.value.full_code == "crypto/cannot-open", what


@pytest.mark.parametrize(
    ("what", "seed", "info"),
    [("another seed", some("other"), b"info"), ("another context", SEED, b"onfi"), ("no context", SEED, b"")],
)
def test_a_wrong_seed_or_context_does_not_open(what: str, seed: bytes, info: bytes) -> None:
    """ENC-18."""
    with pytest.raises(CryptoRefused) as refused:
        hpke.open(seed, info, hpke.seal(PUBLIC, b"info", b"plaintext"))
    assert refused.value.full_code == "crypto/cannot-open", what


def test_no_altered_byte_and_no_truncation_opens_with_the_seed() -> None:
    """ENC-15, ENC-18: the lattice half, the classic half, the ciphertext and the tag."""
    sealed = hpke.seal(PUBLIC, b"info", b"plaintext")
    places = [*range(0, 1088, 97), *range(1088, 1120, 5), *range(1120, len(sealed))]
    broken = [flipped(sealed, index) for index in places]
    broken += [sealed[:length] for length in (0, 1, 1119, 1120, 1135, len(sealed) - 1)]
    broken += [sealed + b"\0", sealed[:1088] + bytes(32) + sealed[1120:]]
    for data in broken:
        with pytest.raises(CryptoRefused) as refused:
            hpke.open(SEED, b"info", data)
        assert refused.value.full_code == "crypto/cannot-open"


@pytest.mark.parametrize(
    ("what", "key"),
    [
        ("nothing", b""),
        ("the lattice half alone", PUBLIC[:1184]),
        ("the classic half alone", PUBLIC[1184:]),
        ("a key that is cut off", PUBLIC[:-1]),
        ("a key that is too long", PUBLIC + b"\0"),
        ("coefficients that are not reduced", b"\xff" * 1184 + PUBLIC[1184:]),
        ("zeros for the classic half", PUBLIC[:1184] + bytes(32)),
        ("a classic half of low order", PUBLIC[:1184] + b"\x01" + bytes(31)),
    ],
)
def test_bytes_that_are_no_sealing_key_are_refused(what: str, key: bytes) -> None:
    """ENC-16."""
    with pytest.raises(CryptoRefused) as refused:
        hpke.seal(key, b"info", b"plaintext")
    assert refused.value.full_code == "crypto/bad-sealing-key", what


def test_each_half_of_a_sealing_key_is_needed() -> None:
    """ENC-15: who holds only one half's secret cannot open."""
    other = hpke.public_key(some("other"))
    for mixed in (PUBLIC[:1184] + other[1184:], other[:1184] + PUBLIC[1184:]):
        with pytest.raises(CryptoRefused) as refused:
            hpke.open(SEED, b"", hpke.seal(mixed, b"", b"plaintext"))
        assert refused.value.full_code == "crypto/cannot-open"


def test_the_default_cost_is_the_specified_one() -> None:
    """ENC-22."""
    box = decode(passphrase.lock("word", b"secret"), Locked, limit=1_000)
    assert box.cost == Cost(3, 4, 262_144)
    assert passphrase.unlock("word", encode(box)) == b"secret"


def test_a_passphrase_that_is_wrong_does_not_open() -> None:
    locked = passphrase.lock("word", b"secret", CHEAP)
    for wrong in ("", "Word", "word ", "wörd"):
        with pytest.raises(CryptoRefused) as refused:
            passphrase.unlock(wrong, locked)
        assert refused.value.full_code == "crypto/cannot-open"


def test_two_locks_of_the_same_share_no_salt() -> None:
    boxes = [decode(passphrase.lock("word", b"secret", CHEAP), Locked, limit=1_000) for _ in range(8)]
    assert len({box.salt for box in boxes}) == 8


@pytest.mark.parametrize(
    ("what", "change", "code"),
    [
        ("another salt", {"salt": bytes(16)}, "crypto/cannot-open"),
        ("more iterations", {"cost": Cost(2, 1, 8192)}, "crypto/cannot-open"),
        ("more lanes", {"cost": Cost(1, 2, 8192)}, "crypto/cannot-open"),
        ("more memory", {"cost": Cost(1, 1, 8193)}, "crypto/cannot-open"),
        ("nothing sealed", {"sealed": b""}, "crypto/cannot-open"),
        ("no iterations", {"cost": Cost(0, 1, 8192)}, "codec/not-decodable"),
        ("too many iterations", {"cost": Cost(17, 1, 8192)}, "codec/not-decodable"),
        ("too many lanes", {"cost": Cost(1, 9, 8192)}, "codec/not-decodable"),
        ("too little memory", {"cost": Cost(1, 1, 8191)}, "codec/not-decodable"),
        ("more memory than a machine has", {"cost": Cost(1, 1, 1_048_577)}, "codec/not-decodable"),
        ("more than 64 KiB", {"sealed": bytes(65_537)}, "codec/not-decodable"),
        ("more than the format's limit", {"sealed": bytes(70_001)}, "codec/too-large"),
    ],
)
def test_a_header_that_was_altered_does_not_open(what: str, change: dict[str, object], code: str) -> None:
    """ENC-22: the bounds are checked before anything is derived, the whole header is authenticated."""
    box = decode(passphrase.lock("word", b"secret", CHEAP), Locked, limit=1_000)
    with pytest.raises(SalusError) as refused:
        passphrase.unlock("word", encode(msgspec.structs.replace(box, **change)))
    assert refused.value.full_code == code, what
