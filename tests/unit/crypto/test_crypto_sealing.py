"""Sealing: to a reader's key, under a key, under a passphrase; the wrong key, context or byte opens nothing."""

from __future__ import annotations

from typing import Any

import pytest

from salus.crypto import aead, hpke
from salus.crypto.hashing import sha256, tagged
from salus.crypto.keys import derive, fresh_nonce, new_seed
from salus.crypto.passphrase import Cost, lock, unlock
from salus.errors import SalusError

CHEAP = Cost(1, 1, 8192)


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def flips(data: bytes, step: int) -> list[bytes]:
    """The data with one bit changed, at every ``step``-th byte."""
    return [data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(0, len(data), step)]


def test_hpke_opens_for_its_reader_and_context_alone() -> None:
    seed = new_seed()
    sealed = hpke.seal(hpke.public_key(seed), b"info", b"secret")
    assert hpke.open(seed, b"info", sealed) == b"secret"
    assert len(sealed) == len(b"secret") + hpke.OVERHEAD
    assert len(hpke.public_key(seed)) == hpke.PUBLIC_LENGTH
    assert refused(hpke.open, new_seed(), b"info", sealed) == "crypto/cannot-open"
    assert refused(hpke.open, seed, b"other", sealed) == "crypto/cannot-open"
    for broken in [*flips(sealed, 97), sealed[:-1], sealed[:100], b"", sealed + b"x"]:
        assert refused(hpke.open, seed, b"info", broken) == "crypto/cannot-open"


def test_two_sealings_of_the_same_differ() -> None:
    public = hpke.public_key(new_seed())
    assert hpke.seal(public, b"", b"x") != hpke.seal(public, b"", b"x")


@pytest.mark.parametrize("public", [b"", bytes(1215), bytes(1217), hpke.public_key(b"1" * 32)[:1184] + bytes(32)])
def test_what_is_no_sound_sealing_key_is_refused(public: bytes) -> None:
    assert refused(hpke.seal, public, b"", b"x") == "crypto/bad-sealing-key"


def test_aead_authenticates_key_context_and_every_byte() -> None:
    key = new_seed()
    sealed = aead.seal(key, b"aad", b"secret")
    assert aead.open(key, b"aad", sealed) == b"secret"
    assert len(sealed) == len(b"secret") + aead.OVERHEAD
    assert refused(aead.open, new_seed(), b"aad", sealed) == "crypto/cannot-open"
    assert refused(aead.open, key, b"other", sealed) == "crypto/cannot-open"
    for broken in [*flips(sealed, 1), *[sealed[:length] for length in range(len(sealed))], sealed + b"x"]:
        assert refused(aead.open, key, b"aad", broken) == "crypto/cannot-open"


def test_a_passphrase_opens_what_it_locked_and_a_wrong_one_does_not() -> None:
    locked = lock("correct horse", b"secret", CHEAP)
    assert unlock("correct horse", locked) == b"secret"
    assert refused(unlock, "correct hors", locked) == "crypto/cannot-open"
    for broken in flips(locked, 11):
        assert refused(unlock, "correct horse", broken)
    assert refused(unlock, "correct horse", locked[:-1]) == "codec/not-decodable"
    assert unlock("dear", lock("dear", b"x")) == b"x"


def test_a_forged_cost_cannot_exhaust_the_machine() -> None:
    locked = lock("x", b"secret", CHEAP)
    dear = locked.replace(b"\xcd\x20\x00", b"\xce\x40\x00\x00\x00", 1)
    assert dear != locked
    assert refused(unlock, "x", dear) == "codec/not-decodable"


def test_labels_tell_derived_keys_apart() -> None:
    secret = new_seed()
    made = [derive(secret, "a", "bc"), derive(secret, "ab", "c"), derive(secret, "abc"), derive(secret, b"abc"), derive(secret)]
    assert len(set(made)) == len(made)
    assert len(derive(secret, "a", length=16)) == 16
    assert len(fresh_nonce()) == 16


def test_hashes_are_told_apart_by_their_tags_and_parts() -> None:
    assert len({tagged("a", b"x"), tagged("b", b"x"), tagged("a", b"x", b""), sha256(b"x")}) >= 3
