"""Entries: sealed for one section and epoch, signed with two algorithms; every change is found when they are opened."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charts_world import NETWORK, SECTION, header, leaf, signed, some
from salus.charts import sealing
from salus.charts.entry import MAX_BLOB, Blob, Erased, Opened, Sealed
from salus.charts.sealing import (
    as_opened,
    commitment,
    half_of,
    new_salt,
    open_entry,
    padded_length,
    require_committed,
    seal,
    sign_entry,
    version_id,
    without,
)
from salus.codec import decode, encode
from salus.crypto import aead, hpke
from salus.crypto.signing import HybridKey
from salus.errors import SalusError

change = msgspec.structs.replace
AUTHOR, OTHER = HybridKey(some("author")), HybridKey(some("other"))
SEED = some("epoch")
SEAL_KEY = hpke.public_key(SEED)


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


def test_what_was_sealed_opens_for_the_epochs_holder() -> None:
    inside = signed(AUTHOR, leaf(), leaf("Observation/2", salt="other"))
    blob, half = seal(inside, SEAL_KEY, 3)
    assert half_of(blob, SEED, NETWORK, SECTION, 3) == half
    opened = open_entry(blob, half, NETWORK, SECTION, 3)
    assert (opened.inside, opened.header, opened.key) == (inside, inside.header, AUTHOR.public)
    assert opened.versions == tuple(version_id(one) for one in opened.leaves)
    assert len(new_salt()) == 32
    assert as_opened(inside) == opened  # what one has signed just now


def test_a_blob_is_bound_to_network_section_and_epoch() -> None:
    blob, half = seal(signed(AUTHOR, leaf()), SEAL_KEY, 3)
    for network, section, epoch in ((some("x"), SECTION, 3), (NETWORK, some("x"), 3), (NETWORK, SECTION, 4)):
        assert refused(open_entry, blob, half, network, section, epoch) == "crypto/cannot-open"
        assert refused(half_of, blob, SEED, network, section, epoch) == "crypto/cannot-open"
    assert refused(half_of, blob, some("x"), NETWORK, SECTION, 3) == "crypto/cannot-open"
    assert refused(open_entry, blob, some("x"), NETWORK, SECTION, 3) == "crypto/cannot-open"


def test_every_changed_byte_and_every_tenth_truncation_is_found() -> None:
    blob, half = seal(signed(AUTHOR, leaf()), SEAL_KEY, 0)
    start = len(blob) - 1200  # the ciphertext; what lies before is the sealed half, found by `half_of`
    for offset in range(start, len(blob), 7):
        forged = bytearray(blob)
        forged[offset] ^= 1
        assert refused(open_entry, bytes(forged), half, NETWORK, SECTION, 0)
    for length in range(0, len(blob), 10):
        assert refused(open_entry, blob[:length], half, NETWORK, SECTION, 0).startswith("codec/")
    assert refused(open_entry, blob + b"\x00", half, NETWORK, SECTION, 0).startswith("codec/")
    forged = bytearray(blob)
    forged[40] ^= 1
    assert refused(half_of, bytes(forged), SEED, NETWORK, SECTION, 0)


def boxed(plain: bytes, section: bytes = SECTION, *, released: bool = False) -> tuple[bytes, bytes]:
    """A blob around any bytes, as somebody with the seal key could make it."""
    half = secrets.token_bytes(32)
    context = sealing._context(NETWORK, section, 0)
    return encode(Blob(hpke.seal(SEAL_KEY, context, half), released, aead.seal(sealing._data_key(half), context, plain))), half


def wrapped(inside: Sealed) -> bytes:
    return sealing._pad(sealing.zstd.compress(encode(inside)))


def test_an_old_signed_note_sealed_into_another_section_is_refused() -> None:
    blob, half = boxed(wrapped(signed(AUTHOR, leaf())), some("elsewhere"))
    assert refused(open_entry, blob, half, NETWORK, some("elsewhere"), 0) == "charts/wrong-section"


def test_each_half_of_the_signature_and_every_signed_thing_counts() -> None:
    good = signed(AUTHOR, leaf())
    signature = good.signature
    other = signed(OTHER, leaf()).signature
    for inside, code in (
        (
            change(good, signature=change(signature, ed25519=other.ed25519)),
            "crypto/bad-signature",
        ),
        (change(good, signature=change(signature, mldsa65=other.mldsa65)), "crypto/bad-signature"),
        (change(good, key=OTHER.public), "charts/wrong-author"),
        (change(good, header=change(good.header, source="x")), "crypto/bad-signature"),
        (change(good, leaves=(leaf(data=b"{}"),)), "charts/wrong-content"),
        (change(good, leaves=()), "charts/wrong-content"),
        (sign_entry(OTHER, header(AUTHOR, (leaf(),)), (leaf(),)), "charts/wrong-author"),
    ):
        blob, half = boxed(wrapped(inside))
        assert refused(open_entry, blob, half, NETWORK, SECTION, 0) == code


def test_padding_compression_and_release_are_strict() -> None:
    packed = sealing.zstd.compress(encode(signed(AUTHOR, leaf())))
    padded = sealing._pad(packed)
    for plain, code in (
        (b"\x00" * 4, "charts/bad-padding"),
        (padded + b"\x00", "charts/bad-padding"),
        (padded[:-1] + b"\x01", "charts/bad-padding"),
        (sealing._pad(b"not zstd"), "charts/bad-compression"),
        (sealing._pad(packed[:-1]), "charts/bad-compression"),
        (sealing._pad(packed + b"more"), "charts/bad-compression"),
        (sealing._pad(sealing.zstd.compress(b"\x00" * 100)), "codec/not-decodable"),
    ):
        blob, half = boxed(plain)
        assert refused(open_entry, blob, half, NETWORK, SECTION, 0) == code
    blob, half = boxed(padded, released=True)
    assert refused(open_entry, blob, half, NETWORK, SECTION, 0) == "charts/not-released"


def test_an_entry_that_is_too_large_is_refused_before_it_is_kept() -> None:
    huge = leaf(data=secrets.token_bytes(MAX_BLOB))
    assert refused(seal, signed(AUTHOR, huge), SEAL_KEY, 0) == "charts/entry-too-large"


@given(st.integers(0, 50_000_000))
@settings(max_examples=200)
def test_padding_hides_lengths_and_costs_little(length: int) -> None:
    padded = padded_length(length)
    assert max(length, 1024) <= padded <= max(1024, length * 1.12)
    assert padded_length(padded) == padded
    assert padded_length(length + 1) >= padded


def test_equal_lengths_of_blobs_tell_nothing_apart() -> None:
    lengths = {len(seal(signed(AUTHOR, leaf(data=b"x" * size)), SEAL_KEY, 0)[0]) for size in (1, 20, 50)}
    assert len(lengths) == 1
    assert decode(seal(signed(AUTHOR, leaf()), SEAL_KEY, 0)[0], Blob, limit=MAX_BLOB).released is False


def test_an_entry_without_a_resource_is_still_its_authors_and_its_neighbours_are_proven() -> None:
    """ENT-28: signature, salt and neighbours stay; of what was erased only the version id is left."""
    author = HybridKey(some("author"))
    one, two = leaf("Observation/1"), leaf("Observation/2", b"{}", "other")
    inside = signed(author, one, two)
    left = without(inside, frozenset({version_id(one)}))
    assert left.leaves == (Erased(version_id(one)), two)
    assert (left.header, left.signature, left.salt) == (inside.header, inside.signature, inside.salt)
    seed = some("epoch")
    blob, half = seal(left, hpke.public_key(seed), 3)
    opened = open_entry(blob, half, NETWORK, SECTION, 3)
    assert opened.versions == (version_id(one), version_id(two))
    require_committed(opened, commitment(inside))
    assert one.data not in encode(left)


def test_another_header_than_the_one_that_the_ledger_took_is_refused() -> None:
    """ENT-27."""
    author = HybridKey(some("author"))
    inside, other = signed(author, leaf()), signed(author, leaf(), authored=2)
    opened = Opened.of(other, (version_id(leaf()),))
    with pytest.raises(SalusError) as refused:
        require_committed(opened, commitment(inside))
    assert refused.value.full_code == "charts/wrong-commitment"
    assert commitment(signed(author, leaf())) != commitment(inside)  # the salt hides what is the same
