"""Tagged hashes and derived keys: no two purposes and no two lists of parts share a value."""

from __future__ import annotations

import hashlib

import pytest

from ledger_world import some
from salus.crypto.hashing import sha256, tagged, tagged_one, tagged_pair
from salus.crypto.keys import derive, fresh_nonce, new_seed


def test_a_tagged_hash_is_over_length_prefixed_parts() -> None:
    """ENC-9."""
    expected = hashlib.sha256(
        (3).to_bytes(8, "big") + b"tag" + (1).to_bytes(8, "big") + b"a" + (2).to_bytes(8, "big") + b"bc"
    ).digest()
    assert tagged("tag", b"a", b"bc") == expected


@pytest.mark.parametrize("length", [0, 31, 32, 4096, 4097, 10_000])
def test_a_part_of_any_length_is_hashed_the_same_way(length: int) -> None:
    """ENC-9."""
    part, whole = bytes(length), hashlib.sha256((3).to_bytes(8, "big") + b"tag")
    for one in (part, b"end"):
        whole.update(len(one).to_bytes(8, "big") + one)
    assert tagged("tag", part, b"end") == whole.digest()


@pytest.mark.parametrize("left", [31, 32, 33])
@pytest.mark.parametrize("right", [31, 32, 33])
def test_a_pair_is_hashed_as_two_parts(left: int, right: int) -> None:
    """ENC-9: no pair of other lengths shares its hash with a pair of 32 bytes each."""
    assert tagged_pair("tag")(bytes(left), bytes(right)) == tagged("tag", bytes(left), bytes(right))


@pytest.mark.parametrize("length", [0, 1, 4096, 4097, 100_000])
def test_one_part_hashes_as_any_part_does(length: int) -> None:
    assert tagged_one("tag")(bytes(length)) == tagged("tag", bytes(length))


def test_no_two_lists_of_parts_share_a_hash() -> None:
    """ENC-9."""
    lists = [(), (b"",), (b"", b""), (b"ab",), (b"a", b"b"), (b"", b"ab"), (b"ab", b""), (b"b", b"a")]
    assert len({tagged(tag, *parts) for tag in ("t", "u") for parts in lists}) == 2 * len(lists)


def test_a_blob_is_named_by_plain_sha_256() -> None:
    """ENC-10."""
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc"), ("ab", "c")), (("a",), (b"a",)), (("a",), ("a", "")), (("a", "b"), ("b", "a")), ((), ("",))],
)
def test_different_paths_give_different_keys(one: tuple[str | bytes, ...], other: tuple[str | bytes, ...]) -> None:
    """ENC-19."""
    assert derive(some("seed"), *one) != derive(some("seed"), *other)


def test_a_path_gives_the_same_key_again() -> None:
    """ENC-19, ENC-21: a restored seed restores the keys."""
    assert derive(some("seed"), "a", b"b") == derive(some("seed"), "a", b"b")
    assert derive(some("seed"), "a") != derive(some("other seed"), "a")
    assert len(derive(some("seed"), "a", length=16)) == 16


def test_random_values_do_not_repeat() -> None:
    """ENC-23."""
    assert len({new_seed() for _ in range(64)}) == 64
    assert len({fresh_nonce() for _ in range(64)}) == 64
    assert (len(new_seed()), len(fresh_nonce())) == (32, 16)
