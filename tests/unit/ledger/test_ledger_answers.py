"""Answers and headers byte by byte: not one bit of what a stranger is shown may differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from ledger_world import START, STEP, Ledger, key, licence_for, some
from salus.codec import decode, encode
from salus.crypto.hashing import tagged
from salus.errors import SalusError
from salus.ledger.app import Application, results_coded, results_items
from salus.ledger.header import HEADER_TAG, SignedHeader, TxResult, header_hash
from salus.ledger.listtree import list_proof, list_root, require_in_list
from salus.ledger.merkle import EMPTY, StateProof, Tree, require_absence, require_presence
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.store import MemoryStore
from salus.ledger.verifying import StateAnswer, require_answer, require_header, require_linked

LIMIT = 10_000


def refusal(act: Callable[..., object], *args: object) -> str:
    with pytest.raises(SalusError) as refused:
        act(*args)
    return refused.value.full_code


def checked(ledger: Ledger, data: bytes) -> StateAnswer:
    """The answer, when its bytes, its header and its proof check."""
    answer = decode(data, StateAnswer, limit=LIMIT)
    require_answer(ledger.genesis, answer)
    return answer


def busy() -> Ledger:
    """A ledger with a few leaves, so that proofs have siblings."""
    ledger = Ledger()
    ledger.done(*[Revoke(some(f"secret {number}")) for number in range(12)])
    ledger.done(licence_for("doctor"), by=["clinic authority"])
    return ledger


def flips(data: bytes) -> Iterator[bytes]:
    """The data with one bit changed, two ways at every byte."""
    for index in range(len(data)):
        for mask in (1, 0x80):
            yield data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :]


def test_no_byte_of_a_presence_can_be_altered() -> None:
    """STATE-6, STATE-12, ENC-2: each byte is in the header, the key, the value or the proof."""
    ledger = busy()
    data = encode(ledger.answer(next(name for name in ledger.state() if name.startswith(b"revocations/"))))
    checked(ledger, data)
    codes = {refusal(checked, ledger, altered) for altered in flips(data)}
    assert {"ledger/bad-state-proof", "crypto/bad-signature", "codec/not-decodable"} <= codes


def test_no_byte_of_an_absence_can_be_altered_but_to_another_absent_key() -> None:
    """STATE-7, STATE-12: a proof that a place is empty holds for each key whose place it is."""
    ledger = busy()
    answer = ledger.answer(b"revocations/" + some("nothing"))
    for altered in flips(encode(answer)):
        try:
            found = checked(ledger, altered)
        except SalusError:
            continue
        assert found == msgspec.structs.replace(answer, key=found.key)
        assert found.key not in ledger.state()


def test_an_absence_is_not_proven_by_a_neighbour_that_was_made_up() -> None:
    """STATE-7: the neighbour is the key itself, or stands elsewhere, or is none at all."""
    tree = Tree().changed([(f"key {number}".encode(), b"v") for number in range(40)])
    own = tree.prove(b"key 7")
    path_and_value = next(
        proof.other
        for proof in (tree.prove(f"absent {number}".encode()) for number in range(200))
        if proof.other is not None and proof.siblings == own.siblings
    )
    require_presence(tree.root, b"key 7", b"v", own)
    claimed = StateProof(own.siblings, path_and_value)
    assert refusal(require_absence, tree.root, b"key 7", claimed) == "ledger/bad-state-proof"
    assert refusal(require_absence, tree.root, b"key 7", own) == "ledger/bad-state-proof"
    assert refusal(require_presence, tree.root, b"key 7", b"v", claimed) == "ledger/bad-state-proof"


def test_a_neighbour_on_the_other_side_proves_no_absence() -> None:
    """STATE-7: even under a root that was made for it, a leaf stands where its path leads, or it is no neighbour."""
    paths = [(tagged("salus/state-key/1", name), name) for name in (f"key {number}".encode() for number in range(16))]
    path, name = next(found for found in paths if found[0][0] < 0x80)
    foreign = next(found for found, _ in paths if found[0] >= 0x80)
    value, sibling = some("value"), some("sibling")
    misplaced = tagged("salus/state-leaf/1", foreign, value)
    root = tagged("salus/state-inner/1", misplaced, sibling)
    assert path[0] < 0x80
    assert refusal(require_absence, root, name, StateProof((sibling,), (foreign, value))) == "ledger/bad-state-proof"


def test_an_empty_tree_proves_every_absence_and_no_presence() -> None:
    """STATE-4."""
    assert Tree().root == EMPTY
    require_absence(EMPTY, b"anything", Tree().prove(b"anything"))
    assert refusal(require_presence, EMPTY, b"anything", b"", Tree().prove(b"anything")) == "ledger/bad-state-proof"


def test_an_inner_node_is_no_leaf() -> None:
    """STATE-3, STATE-8: tags keep leaves, inner nodes and lists apart."""
    items = [b"a", b"b", b"c", b"d"]
    root = list_root(items)
    inner = list_proof(items, 0)[1] + list_proof(items, 2)[1]
    assert refusal(require_in_list, root, inner, 0, 1, ()) == "ledger/bad-list-proof"
    assert refusal(require_in_list, root, inner, 0, 2, list_proof(items, 0)[1:]) == "ledger/bad-list-proof"


@pytest.mark.parametrize("count", range(1, 10))
def test_an_item_is_proven_at_no_other_place_or_count(count: int) -> None:
    """STATE-9: all places and counts, whose paths may be as long."""
    items = [some(f"item {number}") for number in range(count)]
    root = list_root(items)
    for index, item in enumerate(items):
        proof = list_proof(items, index)
        for place in range(-1, count + 2):
            if place == index:
                require_in_list(root, item, place, count, proof)
            else:
                assert refusal(require_in_list, root, item, place, count, proof) == "ledger/bad-list-proof"


def test_a_header_stands_over_the_results_of_its_block() -> None:
    """STATE-10, TX-13."""
    ledger = busy()
    results = ledger.block(ledger.tx(Revoke(some("one"))), b"noise")
    header = ledger.headers[-1].header
    assert header.results == list_root(results_items(results)) == list_root([encode(result) for result in results])
    assert header.transactions == list_root(list(ledger.blocks[-1].transactions))
    assert header.state == ledger.app.info().root


@pytest.mark.parametrize("field", ["network", "height", "time", "previous", "transactions", "results", "state", "proposer"])
def test_every_field_of_a_header_is_signed(field: str) -> None:
    """STATE-12."""
    ledger = busy()
    good = ledger.headers[-1]
    old = getattr(good.header, field)
    header = msgspec.structs.replace(good.header, **{field: old + 1 if isinstance(old, int) else some("other")})
    expected = {"network": "ledger/wrong-network", "proposer": "ledger/wrong-proposer"}.get(field, "crypto/bad-signature")
    assert refusal(require_header, ledger.genesis, SignedHeader(header, good.signature)) == expected


@pytest.mark.parametrize(
    ("what", "change", "follows"),
    [
        ("nothing", {}, True),
        ("a moment later", {"time": START + STEP + 1}, True),
        ("at the same time", {"time": START + STEP}, False),
        ("earlier", {"time": START}, False),
        ("the same height", {"height": 1}, False),
        ("a height left out", {"height": 3}, False),
        ("another one before", {"previous": some("other")}, False),
        ("nothing before", {"previous": bytes(32)}, False),
    ],
)
def test_a_chain_of_headers_has_no_gap_and_no_other_past(what: str, change: dict[str, object], follows: bool) -> None:
    """STATE-13."""
    ledger = busy()
    first, second = ledger.headers[1], ledger.headers[2]
    header = msgspec.structs.replace(second.header, **change)
    following = SignedHeader(header, key("clinic node").sign(HEADER_TAG, header_hash(header)))
    require_header(ledger.genesis, following)
    if follows:
        require_linked(first, following)
    else:
        assert refusal(require_linked, first, following) == "ledger/bad-link", what


@pytest.mark.parametrize(
    "refused", ["ledger/expired\n", "ledger", "/expired", "Ledger/expired", "ledger/expired now", "ledger/" + "x" * 60]
)
def test_a_result_holds_a_code_and_no_text(refused: str) -> None:
    """TX-13."""
    with pytest.raises(SalusError) as error:
        decode(encode(TxResult(bytes(32), refused)), TxResult, limit=LIMIT)
    assert error.value.full_code == "codec/not-decodable"


def test_an_application_over_a_damaged_state_shows_another_root() -> None:
    """STATE-5: at the start the tree is made anew of what the store holds."""
    ledger = busy()
    assert Application(ledger.genesis, ledger.store, ledger.height).info() == ledger.app.info()
    for damage in ({next(iter(ledger.state())): b"x"}, {next(iter(ledger.state())): None}, {b"extra": b"x"}):
        store = MemoryStore()
        store.apply({**ledger.state(), **damage})
        assert Application(ledger.genesis, store, ledger.height).info().root != ledger.app.info().root


def test_a_refused_result_has_a_code_of_its_own_and_all_of_it_as_data() -> None:
    """Code and data alone are under a header of CometBFT's."""
    applied, refused = TxResult(some("a"), ""), TxResult(some("b"), "ledger/taken")
    assert results_coded((applied, refused)) == [(0, encode(applied)), (1, encode(refused))]
