"""What a stranger checks: lists, state, headers and answers; every change to any of them is found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_world import CLINIC, LAB, Ledger, founding, key, some
from salus.codec import encode
from salus.errors import SalusError
from salus.ledger.header import HEADER_TAG, SignedHeader, header_hash
from salus.ledger.listtree import list_proof, list_root, require_in_list
from salus.ledger.merkle import EMPTY, StateProof, Tree, require_absence, require_presence
from salus.ledger.modules.revocations.messages import Revoke
from salus.ledger.verifying import require_answer, require_header, require_linked


def refused(act: Any, *args: Any) -> str:
    with pytest.raises(SalusError) as error:
        act(*args)
    return error.value.full_code


@given(st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_each_item_of_a_list_is_proven_in_its_place_alone(count: int, data: st.DataObject) -> None:
    items = [some(f"item {number}") for number in range(count)]
    root = list_root(items)
    index = data.draw(st.integers(0, count - 1))
    proof = list_proof(items, index)
    require_in_list(root, items[index], index, count, proof)
    for wrong in (
        (root, some("other"), index, count, proof),
        (root, items[index], index + 1, count, proof),
        (root, items[index], index, count + 1, proof) if count & (count - 1) == 0 else (root, items[index], -1, count, proof),
        (root, items[index], index, count, (*proof, some("more"))),
        (root, items[index], index, count, proof[:-1]) if proof else (some("x"), items[index], index, count, proof),
        (some("root"), items[index], index, count, proof),
    ):
        assert refused(require_in_list, *wrong) == "ledger/bad-list-proof"


def test_lists_of_other_lengths_or_orders_have_other_roots() -> None:
    roots = {list_root([]), list_root([b""]), list_root([b"", b""]), list_root([b"a", b"b"]), list_root([b"b", b"a"])}
    assert len(roots) == 5


KEYS = st.sampled_from([f"key {number}".encode() for number in range(24)])


@given(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=3)), max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_tree_is_a_dictionary_with_proofs(changes: list[tuple[bytes, bytes | None]]) -> None:
    tree, model = Tree(), dict[bytes, bytes]()
    for name, value in changes:
        tree = tree.changed([(name, value)])
        if value is None:
            model.pop(name, None)
        else:
            model[name] = value
    assert tree.root == Tree().changed(model.items()).root
    assert (tree.root == EMPTY) == (not model)
    for number in range(24):
        name = f"key {number}".encode()
        proof = tree.prove(name)
        if name in model:
            require_presence(tree.root, name, model[name], proof)
            assert refused(require_presence, tree.root, name, model[name] + b"x", proof) == "ledger/bad-state-proof"
            assert refused(require_absence, tree.root, name, proof) == "ledger/bad-state-proof"
        else:
            require_absence(tree.root, name, proof)
            assert refused(require_presence, tree.root, name, b"x", proof) == "ledger/bad-state-proof"


def test_a_proof_with_any_part_changed_is_refused() -> None:
    tree = Tree().changed([(f"key {number}".encode(), b"v") for number in range(50)])
    present, absent = tree.prove(b"key 7"), tree.prove(b"nothing here")
    for number, sibling in enumerate(present.siblings):
        changed = (*present.siblings[:number], bytes([sibling[0] ^ 1]) + sibling[1:], *present.siblings[number + 1 :])
        assert refused(require_presence, tree.root, b"key 7", b"v", StateProof(changed, None)) == "ledger/bad-state-proof"
    for siblings in (present.siblings[:-1], (*present.siblings, EMPTY), present.siblings[::-1]):
        assert refused(require_presence, tree.root, b"key 7", b"v", StateProof(siblings, None)) == "ledger/bad-state-proof"
    assert refused(require_presence, tree.root, b"key 8", b"v", present) == "ledger/bad-state-proof"
    assert refused(require_absence, tree.root, b"other", absent) == "ledger/bad-state-proof"


def test_a_neighbour_must_stand_where_the_key_would() -> None:
    one = Tree().changed([(b"only", b"v")])
    proof = one.prove(b"absent")
    assert proof.other is not None
    require_absence(one.root, b"absent", proof)
    assert refused(require_absence, one.root, b"only", proof) == "ledger/bad-state-proof"
    many = Tree().changed([(f"key {number}".encode(), b"v") for number in range(50)])
    names = [f"absent {number}".encode() for number in range(50)]
    found = [many.prove(name) for name in names]
    neighbours = [one for one in found if one.other is not None]
    assert neighbours
    for name in names:
        for other in neighbours:
            if other != many.prove(name):
                assert refused(require_absence, many.root, name, other) == "ledger/bad-state-proof"


def test_a_header_is_of_this_network_and_signed_by_its_proposer() -> None:
    ledger = Ledger()
    ledger.done(Revoke(some("secret")))
    signed = ledger.headers[-1]
    require_header(ledger.genesis, signed)
    require_linked(ledger.headers[-2], signed)
    assert refused(require_header, founding(quota=1), signed) == "ledger/wrong-network"

    def forged(by: str = "clinic node", **changes: Any) -> SignedHeader:
        header = msgspec.structs.replace(signed.header, **changes)
        return SignedHeader(header, key(by).sign(HEADER_TAG, header_hash(header)))

    assert refused(require_header, ledger.genesis, forged(proposer=some("nobody"))) == "ledger/wrong-proposer"
    assert refused(require_header, ledger.genesis, forged(by="lab node")) == "crypto/bad-signature"
    assert refused(require_header, ledger.genesis, forged(by="lab node", proposer=LAB)) == "ledger/wrong-proposer"
    assert refused(require_header, ledger.genesis, SignedHeader(signed.header, bytes(64))) == "crypto/bad-signature"
    for changes in ({"height": 2}, {"previous": some("x")}, {"time": ledger.headers[-2].header.time}):
        assert refused(require_linked, ledger.headers[-2], forged(**changes)) == "ledger/bad-link"
    assert forged().header.proposer == CLINIC


def test_an_answer_is_proven_or_refused() -> None:
    ledger = Ledger()
    ledger.done(Revoke(some("secret")))
    present = next(name for name in ledger.state() if name.startswith(b"revocations/"))
    answer = ledger.answer(present)
    assert require_answer(ledger.genesis, answer) == ledger.store.get(present)
    absent = ledger.answer(b"revocations/none")
    assert require_answer(ledger.genesis, absent) is None
    for changed in (
        msgspec.structs.replace(answer, value=None),
        msgspec.structs.replace(answer, value=b"x"),
        msgspec.structs.replace(answer, key=b"revocations/none"),
        msgspec.structs.replace(answer, header=ledger.headers[0]),
        msgspec.structs.replace(absent, value=b""),
        msgspec.structs.replace(absent, key=present),
    ):
        assert refused(require_answer, ledger.genesis, changed) == "ledger/bad-state-proof"
    assert encode(answer) != encode(absent)
