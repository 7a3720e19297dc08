"""Ed25519 and hybrid signatures: what is refused, and that each half is needed."""

from __future__ import annotations

import msgspec
import nacl.bindings
import pytest

from ledger_world import SMALL_ORDER, some
from salus.codec import encode
from salus.crypto.hashing import tagged
from salus.crypto.keys import derive
from salus.crypto.signing import (
    HybridKey,
    HybridPublic,
    HybridSignature,
    SigningKey,
    person_id,
    require_hybrid,
    require_signature,
    require_sound_key,
)
from salus.errors import CryptoRefused
from salus.ids import VerifyKey

ORDER = 2**252 + 27742317777372353535851937790883648493
KEY, STRANGER = SigningKey(some("key")), SigningKey(some("stranger"))
SIGNATURE = KEY.sign("tag", b"message")
HYBRID, FOREIGN = HybridKey(some("hybrid")), HybridKey(some("foreign"))
BOTH, THEIRS = HYBRID.sign("tag", b"message"), FOREIGN.sign("tag", b"message")


def flipped(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def malleable(signature: bytes) -> bytes:
    """The same R with S + L: lax verifiers take it for a second signature."""
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + scalar.to_bytes(32, "little")


def test_a_signature_verifies_under_its_key_and_tag() -> None:
    """ENC-12: over the tagged hash of the message."""
    require_signature(KEY.public, "tag", b"message", SIGNATURE)
    assert KEY.sign("tag", b"message") == SIGNATURE


@pytest.mark.parametrize(
    ("what", "key", "tag", "message", "signature"),
    [
        ("another key", STRANGER.public, "tag", b"message", SIGNATURE),
        ("another tag", KEY.public, "gat", b"message", SIGNATURE),
        ("another message", KEY.public, "tag", b"massage", SIGNATURE),
        ("an altered point", KEY.public, "tag", b"message", flipped(SIGNATURE, 0)),
        ("an altered scalar", KEY.public, "tag", b"message", flipped(SIGNATURE, 40)),
        ("a scalar that is not reduced", KEY.public, "tag", b"message", malleable(SIGNATURE)),
        ("a signature that is cut off", KEY.public, "tag", b"message", SIGNATURE[:-1]),
        ("a signature that is too long", KEY.public, "tag", b"message", SIGNATURE + b"\0"),
        ("no signature", KEY.public, "tag", b"message", b""),
        ("a key that is cut off", KEY.public[:-1], "tag", b"message", SIGNATURE),
        ("a key that is too long", KEY.public + b"\0", "tag", b"message", SIGNATURE),
        ("no key", b"", "tag", b"message", SIGNATURE),
        ("zeros", KEY.public, "tag", b"message", bytes(64)),
        ("the identity as key, which takes every message", b"\x01" + bytes(31), "tag", b"message", b"\x01" + bytes(63)),
        ("a key of small order", SMALL_ORDER, "tag", b"message", SMALL_ORDER + bytes(32)),
    ],
)
def test_a_signature_that_does_not_verify_is_refused(what: str, key: bytes, tag: str, message: bytes, signature: bytes) -> None:
    """ENC-12, ENC-13."""
    with pytest.raises(CryptoRefused) as refused:
        require_signature(VerifyKey(key), tag, message, signature)
    assert refused.value.full_code == "crypto/bad-signature", what


def test_a_signature_over_something_longer_does_not_pass_for_a_long_signature() -> None:
    """ENC-12: what a key signed elsewhere, cut in two, would otherwise be its signature of the tagged hash."""
    public, secret = nacl.bindings.crypto_sign_seed_keypair(some("key"))
    hashed = tagged("tag", b"message")
    longer = nacl.bindings.crypto_sign(b"before" + hashed, secret)[:64]
    with pytest.raises(CryptoRefused) as refused:
        require_signature(VerifyKey(public), "tag", b"message", longer + b"before")
    assert refused.value.full_code == "crypto/bad-signature"


def test_a_sound_key_passes() -> None:
    require_sound_key(KEY.public)


@pytest.mark.parametrize(
    ("what", "key"),
    [
        ("the identity", b"\x01" + bytes(31)),
        ("zeros", bytes(32)),
        ("a point of small order", SMALL_ORDER),
        ("a point that is not on the curve", b"\x02" + bytes(31)),
        ("a coordinate that is not reduced", b"\xf0" + b"\xff" * 30 + b"\x7f"),
        ("a key that is cut off", KEY.public[:31]),
        ("a key that is too long", KEY.public + b"\0"),
    ],
)
def test_a_key_that_is_not_sound_is_refused(what: str, key: bytes) -> None:
    """ENC-13."""
    with pytest.raises(CryptoRefused) as refused:
        require_sound_key(key)
    assert refused.value.full_code == "crypto/unsound-key", what


def test_a_key_outside_the_main_subgroup_is_refused() -> None:
    """ENC-13: a sound key plus a point of small order is on the curve, and libraries disagree about it."""
    mixed = nacl.bindings.crypto_core_ed25519_add(KEY.public, SMALL_ORDER)
    with pytest.raises(CryptoRefused) as refused:
        require_sound_key(mixed)
    assert refused.value.full_code == "crypto/unsound-key"


def test_a_hybrid_signature_needs_and_has_both_halves() -> None:
    """ENC-14, ENC-20."""
    require_hybrid(HYBRID.public, "tag", b"message", BOTH)
    assert HYBRID.public.ed25519 == HYBRID.classic.public == SigningKey(derive(some("hybrid"), "hybrid", "ed25519")).public


@pytest.mark.parametrize(
    ("what", "key", "tag", "message", "signature"),
    [
        ("another key", FOREIGN.public, "tag", b"message", BOTH),
        ("another tag", HYBRID.public, "gat", b"message", BOTH),
        ("another message", HYBRID.public, "tag", b"massage", BOTH),
        ("another classic half", HYBRID.public, "tag", b"message", msgspec.structs.replace(BOTH, ed25519=THEIRS.ed25519)),
        ("another lattice half", HYBRID.public, "tag", b"message", msgspec.structs.replace(BOTH, mldsa65=THEIRS.mldsa65)),
        ("no classic half", HYBRID.public, "tag", b"message", msgspec.structs.replace(BOTH, ed25519=bytes(64))),
        ("no lattice half", HYBRID.public, "tag", b"message", msgspec.structs.replace(BOTH, mldsa65=bytes(3309))),
        ("a lattice half that is cut off", HYBRID.public, "tag", b"message", HybridSignature(BOTH.ed25519, BOTH.mldsa65[:-1])),
        ("an altered classic half", HYBRID.public, "tag", b"message", HybridSignature(flipped(BOTH.ed25519, 9), BOTH.mldsa65)),
        ("an altered lattice half", HYBRID.public, "tag", b"message", HybridSignature(BOTH.ed25519, flipped(BOTH.mldsa65, 9))),
    ],
)
def test_one_half_of_a_hybrid_signature_is_not_enough(
    what: str, key: HybridPublic, tag: str, message: bytes, signature: HybridSignature
) -> None:
    """ENC-14."""
    with pytest.raises(CryptoRefused) as refused:
        require_hybrid(key, tag, message, signature)
    assert refused.value.full_code == "crypto/bad-signature", what


def test_a_half_cannot_move_to_a_key_that_was_put_together() -> None:
    """ENC-14: the digest names both keys, so a signature by the two halves of different keys is refused."""
    mixed = HybridPublic(HYBRID.public.ed25519, FOREIGN.public.mldsa65)
    with pytest.raises(CryptoRefused) as refused:
        require_hybrid(mixed, "tag", b"message", HybridSignature(BOTH.ed25519, THEIRS.mldsa65))
    assert refused.value.full_code == "crypto/bad-signature"


def test_a_lattice_half_of_a_key_that_is_cut_off_is_refused() -> None:
    """ENC-14: the classic half is signed anew over the cut key, so only the lattice half can refuse."""
    cut = HybridPublic(HYBRID.public.ed25519, HYBRID.public.mldsa65[:-1])
    suite = "salus/hybrid/ed25519+mldsa65/1"
    digest = tagged(suite, b"tag", encode(cut), b"message")
    with pytest.raises(CryptoRefused) as refused:
        require_hybrid(cut, "tag", b"message", HybridSignature(HYBRID.classic.sign(suite, digest), BOTH.mldsa65))
    assert refused.value.full_code == "crypto/bad-signature"


def test_the_same_seed_gives_the_same_person() -> None:
    """ENC-11."""
    assert person_id(HybridKey(some("hybrid")).public) == person_id(HYBRID.public) != person_id(FOREIGN.public)
    assert person_id(HYBRID.public) == tagged("salus/person/1", encode(HYBRID.public))
