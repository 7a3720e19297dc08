"""Properties over many values: the codec gives back what it took, an overlay is a dictionary, a tree forgets nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.codec import Record, decode, encode
from salus.errors import Malformed
from salus.ids import MAX_INT
from salus.ledger.merkle import Tree
from salus.ledger.modules.licences.messages import LicenceStatus, SetLicenceStatus
from salus.ledger.modules.receipts.messages import AnchorReceipts
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.modules.sections.messages import AdmitWriter, AppendEntry, CreateSection, Entomb, Epoch, Rotate
from salus.ledger.store import MemoryStore, Overlay
from salus.ledger.tx import Body, Signature, Transaction, body_hash

KEY = st.binary(min_size=32, max_size=32)
COUNT = st.integers(0, MAX_INT)
SCHEDULE = st.lists(st.builds(Epoch, COUNT, COUNT, KEY, KEY), min_size=1, max_size=4).map(tuple)
ACTION = st.one_of(
    st.builds(SetLicenceStatus, KEY, st.sampled_from(LicenceStatus)),
    st.builds(CreateSection, KEY, KEY, SCHEDULE),
    st.builds(AppendEntry, KEY, COUNT, KEY, KEY, COUNT),
    st.builds(AdmitWriter, KEY, KEY, COUNT, COUNT, COUNT),
    st.builds(Rotate, KEY, KEY, SCHEDULE),
    st.builds(Entomb, KEY, COUNT),
    st.builds(Revoke, KEY),
    st.builds(AnchorReceipts, KEY, COUNT, KEY, COUNT),
)
BODY = st.builds(Body, KEY, COUNT, st.binary(min_size=16, max_size=16), KEY, st.lists(ACTION, min_size=1, max_size=4).map(tuple))
SIGNATURE = st.builds(Signature, KEY, st.binary(min_size=64, max_size=64))
TRANSACTION = st.builds(Transaction, BODY, st.lists(SIGNATURE, min_size=1, max_size=3).map(tuple))
LIMIT = 65_536
NAMES = st.sampled_from([bytes([letter]) for letter in b"abcdefgh"])
VALUE = st.none() | st.binary(max_size=2)


def decoded(data: bytes, shape: type[Record]) -> Record | None:
    """The value, or None where the bytes are refused."""
    try:
        return decode(data, shape, limit=LIMIT)
    except Malformed:
        return None


@given(TRANSACTION)
@settings(max_examples=50, deadline=None)
def test_a_transaction_comes_back_as_it_was(transaction: Transaction) -> None:
    """ENC-1."""
    assert decode(encode(transaction), Transaction, limit=LIMIT) == transaction


@given(TRANSACTION, st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_other_bytes_are_another_transaction_or_none(transaction: Transaction, place: int, mask: int) -> None:
    """ENC-2: no second spelling, and what decodes encodes to the same bytes."""
    data = bytearray(encode(transaction))
    data[place % len(data)] ^= mask
    found = decoded(bytes(data), Transaction)
    assert found is None or (found != transaction and encode(found) == bytes(data))


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_noise_is_refused_and_never_crashes(noise: bytes) -> None:
    """ENC-8."""
    assert decoded(noise, Transaction) is None


@given(BODY, BODY)
@settings(max_examples=30, deadline=None)
def test_two_bodies_share_no_hash(one: Body, other: Body) -> None:
    """ENC-11."""
    assert (body_hash(one) == body_hash(other)) == (one == other)


@given(
    st.dictionaries(NAMES, st.binary(max_size=2)),
    st.lists(st.tuples(st.integers(0, 1), NAMES, VALUE), max_size=20),
    st.booleans(),
    NAMES,
    NAMES,
)
@settings(max_examples=100, deadline=None)
def test_an_overlay_is_a_dictionary_until_it_is_folded(
    start: dict[bytes, bytes], changes: list[tuple[int, bytes, bytes | None]], fold: bool, first: bytes, last: bytes
) -> None:
    """TX-12: what stands above is seen there alone, and below only when it was handed down."""
    store = MemoryStore()
    store.apply(dict(start))
    lower = Overlay(store)
    upper = Overlay(lower)
    models = [dict(start), dict(start)]
    for level, name, value in sorted(changes, key=lambda change: change[0]):
        overlay = (lower, upper)[level]
        overlay.remove(name) if value is None else overlay.put(name, value)
        for model in models[level:]:
            model.pop(name, None)
            model.update({} if value is None else {name: value})
    if fold:
        upper.fold_into(lower)
        models[0] = models[1]
    for overlay, model in zip((lower, upper), models, strict=True):
        assert {name: overlay.get(name) for name in overlay.keys(b"", b"\xff")} == model
        assert list(overlay.keys(first, last)) == sorted(name for name in model if first <= name < last)
        assert all(overlay.get(bytes([letter])) == model.get(bytes([letter])) for letter in b"abcdefgh")
    assert {name: store.get(name) for name in store.keys(b"", b"\xff")} == start
    store.apply(lower.changes)
    assert {name: store.get(name) for name in store.keys(b"", b"\xff")} == models[0]


@given(st.lists(st.tuples(NAMES, VALUE), max_size=16), st.integers(0, 16))
@settings(max_examples=60, deadline=None)
def test_a_candidate_leaves_the_tree_below_it_as_it_was(changes: list[tuple[bytes, bytes | None]], cut: int) -> None:
    """STATE-5: trees share their nodes, and one batch gives the root that single steps give."""
    before = Tree().changed(changes[:cut])
    root, proofs = before.root, [before.prove(bytes([letter])) for letter in b"abcdefgh"]
    after = before.changed(changes[cut:])
    assert (before.root, [before.prove(bytes([letter])) for letter in b"abcdefgh"]) == (root, proofs)
    assert after.root == Tree().changed(changes).root
    steps = Tree()
    for change in changes:
        steps = steps.changed([change])
    assert steps.root == after.root
